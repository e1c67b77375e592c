// Argument rules of the embedding family: the sentences of the CPU device, in the names of the header; nothing is written.
#include "embedding/cases.h"
#include "mm1/runtime.h"
#include "test.h"

namespace test {

namespace {

constexpr mm1_status kInvalid = MM1_STATUS_INVALID_ARGUMENT;

}  // namespace

TEST(embedding_arguments, are_checked) {
  DeviceBuffer rows(MM1_DTYPE_FLOAT32, 2, 4, 4), table(MM1_DTYPE_FLOAT32, 2, 4, 4);
  IdBuffer ids({0, 1}, false);
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(1 << 16, &workspace));
  mm1_embedding_gather_args gather = mm1_embedding_gather_args_default();
  gather.tokens = 2;
  gather.vocabulary = 2;
  gather.width = 4;
  gather.ids = ids.buffer.operand();
  gather.table = table.operand();
  gather.output = rows.operand();
  const auto gather_fails = [&](mm1_status status, const char* text, auto change) {
    mm1_embedding_gather_args args = gather;
    change(args);
    CHECK_FAILS_WITH(status, text, mm1_embedding_gather(nullptr, &args, nullptr, 0));
  };
  gather_fails(kInvalid, "embedding_gather: tokens is -1; it must not be negative.", [](auto& a) { a.tokens = -1; });
  gather_fails(kInvalid, "embedding_gather: vocabulary is -1", [](auto& a) { a.vocabulary = -1; });
  gather_fails(kInvalid, "embedding_gather: width is -1", [](auto& a) { a.width = -1; });
  gather_fails(kInvalid, "embedding_gather: ids is missing", [](auto& a) { a.ids.data = nullptr; });
  gather_fails(kInvalid, "embedding_gather: ids has dtype float32; this call needs int32 or int64.",
               [](auto& a) { a.ids.dtype = MM1_DTYPE_FLOAT32; });
  gather_fails(kInvalid, "embedding_gather: table is missing", [](auto& a) { a.table.data = nullptr; });
  gather_fails(MM1_STATUS_UNSUPPORTED, "embedding_gather: table has dtype float16; this device computes in bfloat16 and float32.",
               [](auto& a) { a.table.dtype = MM1_DTYPE_FLOAT16; });
  gather_fails(kInvalid, "embedding_gather: output has dtype bfloat16; this call needs float32.",
               [](auto& a) { a.output.dtype = MM1_DTYPE_BFLOAT16; });
  gather_fails(kInvalid, "embedding_gather: output has row_stride 3, less than its 4 columns", [](auto& a) { a.output.row_stride = 3; });
  gather_fails(kInvalid, "embedding_gather: output overlaps table", [](auto& a) { a.output = a.table; });

  mm1_embedding_scatter_add_args scatter = mm1_embedding_scatter_add_args_default();
  scatter.tokens = 2;
  scatter.vocabulary = 2;
  scatter.width = 4;
  scatter.ids = ids.buffer.operand();
  scatter.output_gradient = rows.operand();
  scatter.table_gradient = table.operand();
  const auto scatter_fails = [&](mm1_status status, const char* text, auto change, int64_t bytes) {
    mm1_embedding_scatter_add_args args = scatter;
    change(args);
    CHECK_FAILS_WITH(status, text, mm1_embedding_scatter_add(nullptr, &args, workspace, bytes));
  };
  scatter_fails(kInvalid, "embedding_scatter_add: tokens is -1", [](auto& a) { a.tokens = -1; }, 1 << 16);
  scatter_fails(MM1_STATUS_UNSUPPORTED, "embedding_scatter_add: tokens and vocabulary must be below 2^31 on this device.",
                [](auto& a) { a.tokens = int64_t{1} << 31; }, 1 << 16);
  scatter_fails(kInvalid, "embedding_scatter_add: ids is missing", [](auto& a) { a.ids.data = nullptr; }, 1 << 16);
  scatter_fails(kInvalid, "embedding_scatter_add: output_gradient is missing", [](auto& a) { a.output_gradient.data = nullptr; }, 1 << 16);
  scatter_fails(kInvalid, "embedding_scatter_add: table_gradient has dtype bfloat16; this call needs float32.",
                [](auto& a) { a.table_gradient.dtype = MM1_DTYPE_BFLOAT16; }, 1 << 16);
  scatter_fails(
      kInvalid, "embedding_scatter_add: table_gradient overlaps output_gradient", [](auto& a) { a.table_gradient = a.output_gradient; },
      1 << 16);
  scatter_fails(kInvalid, "embedding_scatter_add: reserved is 1", [](auto& a) { a.reserved = 1; }, 1 << 16);
  scatter_fails(MM1_STATUS_WORKSPACE_TOO_SMALL, "embedding_scatter_add: the workspace has 8 bytes", [](auto&) {}, 8);
  mm1_embedding_scatter_add_args bad = scatter;
  bad.width = -1;
  CHECK_EQUAL(int64_t{-1}, mm1_embedding_scatter_add_workspace_bytes(&bad));
  for (const float value : table.download()) CHECK(std::isnan(value));
  CHECK_OK(mm1_memory_free(workspace));
}

TEST(embedding_arguments, of_placements) {
  DeviceBuffer places(MM1_DTYPE_INT32, 3), text(MM1_DTYPE_FLOAT32, 3, 4, 4), output(MM1_DTYPE_FLOAT32, 3, 4, 4),
      image(MM1_DTYPE_FLOAT32, 2, 4, 4);
  mm1_image_token_placement_forward_args forward = mm1_image_token_placement_forward_args_default();
  forward.tokens = 3;
  forward.image_tokens = 2;
  forward.width = 4;
  forward.placement = places.operand();
  forward.text = text.operand();
  forward.image = image.operand();
  forward.output = output.operand();
  const auto forward_fails = [&](const char* wanted, auto change) {
    mm1_image_token_placement_forward_args args = forward;
    change(args);
    CHECK_FAILS_WITH(kInvalid, wanted, mm1_image_token_placement_forward(nullptr, &args, nullptr, 0));
  };
  forward_fails("image_token_placement_forward: tokens is -1", [](auto& a) { a.tokens = -1; });
  forward_fails("image_token_placement_forward: image_tokens is -1", [](auto& a) { a.image_tokens = -1; });
  forward_fails("image_token_placement_forward: width is -1", [](auto& a) { a.width = -1; });
  forward_fails("image_token_placement_forward: placement has dtype float32; this call needs int32.",
                [](auto& a) { a.placement = a.text; });
  forward_fails("image_token_placement_forward: text is missing", [](auto& a) { a.text.data = nullptr; });
  forward_fails("image_token_placement_forward: image is missing", [](auto& a) { a.image.data = nullptr; });
  forward_fails("image_token_placement_forward: output is missing", [](auto& a) { a.output.data = nullptr; });
  forward_fails("image_token_placement_forward: output overlaps image", [](auto& a) { a.output.data = a.image.data; });
  mm1_image_token_placement_backward_args backward = mm1_image_token_placement_backward_args_default();
  backward.tokens = 3;
  backward.image_tokens = 2;
  backward.width = 4;
  backward.placement = places.operand();
  backward.output_gradient = text.operand();
  backward.text_gradient = output.operand();
  backward.image_gradient = image.operand();
  const auto backward_fails = [&](const char* wanted, auto change) {
    mm1_image_token_placement_backward_args args = backward;
    change(args);
    CHECK_FAILS_WITH(kInvalid, wanted, mm1_image_token_placement_backward(nullptr, &args, nullptr, 0));
  };
  backward_fails("image_token_placement_backward: output_gradient is missing", [](auto& a) { a.output_gradient.data = nullptr; });
  backward_fails("image_token_placement_backward: text_gradient has row_stride 3", [](auto& a) { a.text_gradient.row_stride = 3; });
  backward_fails("image_token_placement_backward: image_gradient has dtype int32",
                 [](auto& a) { a.image_gradient.dtype = MM1_DTYPE_INT32; });
  backward_fails("image_token_placement_backward: image_gradient overlaps text_gradient",
                 [](auto& a) { a.image_gradient.data = a.text_gradient.data; });
  for (const float value : output.download()) CHECK(std::isnan(value));
}

}  // namespace test
