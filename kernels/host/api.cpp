// mm1_get_api: the library's functions as one table.
#include <cstddef>
#include <cstring>

#include "host/error.h"

namespace mm1 {

namespace {

// What this library has. Verbs that are not listed are NULL.
mm1_api full_table() {
  mm1_api table{};
  table.struct_size = sizeof(mm1_api);
  table.abi_version = MM1_ABI_VERSION;
  table.get_last_error_message = mm1_get_last_error_message;

  table.gemm = mm1_gemm;
  table.gemm_workspace_bytes = mm1_gemm_workspace_bytes;
  table.bias_gradient = mm1_bias_gradient;
  table.bias_gradient_workspace_bytes = mm1_bias_gradient_workspace_bytes;
  table.flash_attention_forward = mm1_flash_attention_forward;
  table.flash_attention_forward_workspace_bytes = mm1_flash_attention_forward_workspace_bytes;
  table.flash_attention_backward = mm1_flash_attention_backward;
  table.flash_attention_backward_workspace_bytes = mm1_flash_attention_backward_workspace_bytes;
  table.flash_attention_decode = mm1_flash_attention_decode;
  table.flash_attention_decode_workspace_bytes = mm1_flash_attention_decode_workspace_bytes;
  table.key_value_cache_append = mm1_key_value_cache_append;
  table.layer_norm_forward = mm1_layer_norm_forward;
  table.layer_norm_backward = mm1_layer_norm_backward;
  table.layer_norm_backward_workspace_bytes = mm1_layer_norm_backward_workspace_bytes;
  table.rms_norm_forward = mm1_rms_norm_forward;
  table.rms_norm_backward = mm1_rms_norm_backward;
  table.rms_norm_backward_workspace_bytes = mm1_rms_norm_backward_workspace_bytes;
  table.l2_normalize_forward = mm1_l2_normalize_forward;
  table.l2_normalize_backward = mm1_l2_normalize_backward;
  table.add = mm1_add;
  table.multiply = mm1_multiply;
  table.scale = mm1_scale;
  table.activation_forward = mm1_activation_forward;
  table.activation_backward = mm1_activation_backward;
  table.gated_activation_forward = mm1_gated_activation_forward;
  table.gated_activation_backward = mm1_gated_activation_backward;
  table.rotary_embedding = mm1_rotary_embedding;
  table.cast = mm1_cast;
  table.fill = mm1_fill;
  table.copy = mm1_copy;
  table.transpose_blocks = mm1_transpose_blocks;
  table.embedding_gather = mm1_embedding_gather;
  table.embedding_scatter_add = mm1_embedding_scatter_add;
  table.embedding_scatter_add_workspace_bytes = mm1_embedding_scatter_add_workspace_bytes;
  table.image_token_placement_forward = mm1_image_token_placement_forward;
  table.image_token_placement_backward = mm1_image_token_placement_backward;
  table.convolution_forward = mm1_convolution_forward;
  table.convolution_forward_workspace_bytes = mm1_convolution_forward_workspace_bytes;
  table.convolution_backward_data = mm1_convolution_backward_data;
  table.convolution_backward_data_workspace_bytes = mm1_convolution_backward_data_workspace_bytes;
  table.convolution_backward_weight = mm1_convolution_backward_weight;
  table.convolution_backward_weight_workspace_bytes = mm1_convolution_backward_weight_workspace_bytes;
  table.adaptive_average_pool_forward = mm1_adaptive_average_pool_forward;
  table.adaptive_average_pool_backward = mm1_adaptive_average_pool_backward;
  table.grid_interpolation_forward = mm1_grid_interpolation_forward;
  table.grid_interpolation_backward = mm1_grid_interpolation_backward;
  table.cross_entropy_forward = mm1_cross_entropy_forward;
  table.cross_entropy_forward_workspace_bytes = mm1_cross_entropy_forward_workspace_bytes;
  table.cross_entropy_backward = mm1_cross_entropy_backward;
  table.cross_entropy_backward_workspace_bytes = mm1_cross_entropy_backward_workspace_bytes;
  table.linear_cross_entropy_forward = mm1_linear_cross_entropy_forward;
  table.linear_cross_entropy_forward_workspace_bytes = mm1_linear_cross_entropy_forward_workspace_bytes;
  table.linear_cross_entropy_backward = mm1_linear_cross_entropy_backward;
  table.linear_cross_entropy_backward_workspace_bytes = mm1_linear_cross_entropy_backward_workspace_bytes;
  table.contrastive_loss_forward = mm1_contrastive_loss_forward;
  table.contrastive_loss_forward_workspace_bytes = mm1_contrastive_loss_forward_workspace_bytes;
  table.contrastive_loss_backward = mm1_contrastive_loss_backward;
  table.contrastive_loss_backward_workspace_bytes = mm1_contrastive_loss_backward_workspace_bytes;
  table.patch_regression_forward = mm1_patch_regression_forward;
  table.patch_regression_forward_workspace_bytes = mm1_patch_regression_forward_workspace_bytes;
  table.patch_regression_backward = mm1_patch_regression_backward;
  table.patch_regression_backward_workspace_bytes = mm1_patch_regression_backward_workspace_bytes;
  table.gradient_norm = mm1_gradient_norm;
  table.gradient_norm_workspace_bytes = mm1_gradient_norm_workspace_bytes;
  table.adam_w = mm1_adam_w;
  table.adafactor = mm1_adafactor;
  table.adafactor_workspace_bytes = mm1_adafactor_workspace_bytes;
  table.reduce = mm1_reduce;
  table.reduce_rows = mm1_reduce_rows;
  table.reduce_rows_workspace_bytes = mm1_reduce_rows_workspace_bytes;
  table.arg_max = mm1_arg_max;
  table.top_k = mm1_top_k;
  table.softmax_forward = mm1_softmax_forward;
  table.softmax_backward = mm1_softmax_backward;
  table.random_fill = mm1_random_fill;

  table.device_count = mm1_device_count;
  table.device_get_properties = mm1_device_get_properties;
  table.device_set_current = mm1_device_set_current;
  table.device_get_current = mm1_device_get_current;
  table.device_get_status = mm1_device_get_status;
  table.device_synchronize = mm1_device_synchronize;
  table.stream_create = mm1_stream_create;
  table.stream_destroy = mm1_stream_destroy;
  table.stream_synchronize = mm1_stream_synchronize;
  table.stream_query = mm1_stream_query;
  table.stream_wait_event = mm1_stream_wait_event;
  table.event_create = mm1_event_create;
  table.event_destroy = mm1_event_destroy;
  table.event_record = mm1_event_record;
  table.event_synchronize = mm1_event_synchronize;
  table.event_query = mm1_event_query;
  table.event_elapsed_milliseconds = mm1_event_elapsed_milliseconds;
  table.memory_allocate = mm1_memory_allocate;
  table.memory_free = mm1_memory_free;
  table.memory_allocate_pinned = mm1_memory_allocate_pinned;
  table.memory_free_pinned = mm1_memory_free_pinned;
  table.memory_get_info = mm1_memory_get_info;
  table.memory_copy_to_device = mm1_memory_copy_to_device;
  table.memory_copy_to_host = mm1_memory_copy_to_host;
  table.memory_copy_on_device = mm1_memory_copy_on_device;
  table.memory_fill = mm1_memory_fill;
  table.graph_begin_capture = mm1_graph_begin_capture;
  table.graph_end_capture = mm1_graph_end_capture;
  table.graph_is_capturing = mm1_graph_is_capturing;
  table.graph_instantiate = mm1_graph_instantiate;
  table.graph_launch = mm1_graph_launch;
  table.graph_get_size = mm1_graph_get_size;
  table.graph_destroy = mm1_graph_destroy;
  table.graph_instance_destroy = mm1_graph_instance_destroy;
  table.module_load = mm1_module_load;
  table.module_unload = mm1_module_unload;
  table.module_get_function = mm1_module_get_function;
  table.module_launch = mm1_module_launch;
  return table;
}

}  // namespace

}  // namespace mm1

mm1_status mm1_get_api(int32_t version, mm1_api* table) {
  using mm1::fail;
  constexpr int64_t kHeader = offsetof(mm1_api, get_last_error_message);
  if (table == nullptr) return fail(MM1_STATUS_INVALID_ARGUMENT, "get_api: table is NULL.");
  if (table->struct_size < kHeader) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "get_api: struct_size is %lld; set it to sizeof(mm1_api).", static_cast<long long>(table->struct_size));
  }
  if (version != MM1_ABI_VERSION) {
    return fail(MM1_STATUS_VERSION_MISMATCH, "get_api: version %d was asked for; this library has version %d.", version, MM1_ABI_VERSION);
  }
  mm1_api full = mm1::full_table();
  const int64_t given = table->struct_size;
  full.struct_size = given < full.struct_size ? given : full.struct_size;
  // A newer caller's table is longer: what this library does not know becomes NULL.
  std::memset(static_cast<void*>(table), 0, static_cast<size_t>(given));
  std::memcpy(static_cast<void*>(table), &full, static_cast<size_t>(full.struct_size));
  return MM1_STATUS_OK;
}
