// Every wrong argument of the family's verbs has its own message, before anything is launched or written.
#include <cmath>
#include <functional>

#include "attention/attention.h"
#include "attention_case.h"
#include "test.h"

namespace test {

namespace {

using Forward = mm1_flash_attention_forward_args;
using Backward = mm1_flash_attention_backward_args;
using Decode = mm1_flash_attention_decode_args;
using Append = mm1_key_value_cache_append_args;

constexpr mm1_status kInvalid = MM1_STATUS_INVALID_ARGUMENT;

AttentionCase two_documents() {
  AttentionCase which;
  which.dtype = MM1_DTYPE_FLOAT32;
  which.mask = MM1_ATTENTION_MASK_CAUSAL;
  which.queries = {5, 9};
  which.keys = {5, 9};
  which.heads = 4;
  which.key_value_heads = 2;
  which.head_size = 16;
  return which;
}

struct Attention {
  AttentionOperands operands{two_documents(), inputs_of(two_documents())};
  Forward forward = operands.forward_args();
  Backward backward = operands.backward_args();

  // A rule of the forward record, which is one of the backward's too.
  void fails(mm1_status status, const char* part, const std::function<void(Forward*)>& change) {
    Forward wrong = forward;
    change(&wrong);
    CHECK_FAILS_WITH(status, part, mm1_flash_attention_forward(nullptr, &wrong, nullptr, 0));
    CHECK_FAILS_WITH(status, "flash_attention_forward: ", mm1_flash_attention_forward(nullptr, &wrong, nullptr, 0));
    Backward around = backward;
    around.forward = wrong;
    CHECK_FAILS_WITH(status, part, mm1::check_attention_backward(around));
    CHECK_FAILS_WITH(status, "flash_attention_backward: ", mm1::check_attention_backward(around));
  }

  void backward_fails(mm1_status status, const char* part, const std::function<void(Backward*)>& change) {
    Backward wrong = backward;
    change(&wrong);
    CHECK_FAILS_WITH(status, part, mm1::check_attention_backward(wrong));
  }
};

float* shifted(const mm1_operand& operand, int64_t elements) { return static_cast<float*>(operand.data) + elements; }

}  // namespace

TEST(attention_arguments, broken_rules_of_forward_and_backward_are_named) {
  Attention a;
  CHECK_OK(mm1::check_attention_forward(a.forward));
  CHECK_OK(mm1::check_attention_backward(a.backward));
  a.fails(kInvalid, "batch is -1; it must not be negative.", [](Forward* x) { x->batch = -1; });
  a.fails(kInvalid, "query_tokens is -2", [](Forward* x) { x->query_tokens = -2; });
  a.fails(kInvalid, "key_tokens is -2", [](Forward* x) { x->key_tokens = -2; });
  a.fails(kInvalid, "max_query_length is -2", [](Forward* x) { x->max_query_length = -2; });
  a.fails(kInvalid, "max_key_length is -2", [](Forward* x) { x->max_key_length = -2; });
  a.fails(kInvalid, "heads is -4", [](Forward* x) { x->heads = -4; });
  a.fails(kInvalid, "key_value_heads 2 does not divide heads 3.", [](Forward* x) { x->heads = 3; });
  a.fails(kInvalid, "key_value_heads 0 does not divide heads 4.", [](Forward* x) { x->key_value_heads = 0; });
  a.fails(kInvalid, "head_size is 12; it must be a multiple of 8 from 8 to 256.", [](Forward* x) { x->head_size = 12; });
  a.fails(kInvalid, "head_size is 0", [](Forward* x) { x->head_size = 0; });
  a.fails(kInvalid, "head_size is 264", [](Forward* x) { x->head_size = 264; });
  a.fails(kInvalid, "mask is none of full, causal and prefix.", [](Forward* x) { x->mask = 7; });
  a.fails(kInvalid, "query_tokens and key_tokens must fit in 32 bits.", [](Forward* x) { x->query_tokens = int64_t{1} << 31; });
  a.fails(kInvalid, "must be given together", [](Forward* x) { x->cu_seqlens_key = nullptr; });
  a.fails(kInvalid, "prefix_lengths must be given with the prefix mask", [](Forward* x) { x->mask = MM1_ATTENTION_MASK_PREFIX; });
  a.fails(kInvalid, "prefix_lengths must be given with the prefix mask", [](Forward* x) { x->prefix_lengths = x->cu_seqlens_key; });
  a.fails(kInvalid, "batch 2 times max_query_length 9 is more than query_tokens 14.", [](Forward* x) {
    x->cu_seqlens_query = nullptr;
    x->cu_seqlens_key = nullptr;
  });
  a.fails(kInvalid, "query is missing; it holds [14, 64]", [](Forward* x) { x->query.data = nullptr; });
  a.fails(kInvalid, "key is missing; it holds [14, 32] float32 values.", [](Forward* x) { x->key.data = nullptr; });
  a.fails(kInvalid, "key has dtype bfloat16; this call needs float32.", [](Forward* x) { x->key.dtype = MM1_DTYPE_BFLOAT16; });
  a.fails(kInvalid, "query has dtype int32", [](Forward* x) { x->query.dtype = MM1_DTYPE_INT32; });
  a.fails(MM1_STATUS_UNSUPPORTED, "query has dtype float16; this device computes in bfloat16 and float32.",
          [](Forward* x) { x->query.dtype = MM1_DTYPE_FLOAT16; });
  a.fails(kInvalid, "value has row_stride 31, less than its 32 columns", [](Forward* x) { x->value.row_stride = 31; });
  a.fails(kInvalid, "output is missing", [](Forward* x) { x->output.data = nullptr; });
  a.fails(kInvalid, "output has dtype bfloat16", [](Forward* x) { x->output.dtype = MM1_DTYPE_BFLOAT16; });
  a.fails(kInvalid, "log_sum_exp has row_stride 13", [](Forward* x) { x->log_sum_exp.row_stride = 13; });
  a.fails(kInvalid, "log_sum_exp has dtype bfloat16", [](Forward* x) { x->log_sum_exp.dtype = MM1_DTYPE_BFLOAT16; });
  a.fails(kInvalid, "value is at address", [](Forward* x) { x->value.data = static_cast<char*>(x->value.data) + 2; });
  CHECK_FAILS_WITH(kInvalid, "the argument record is NULL", mm1_flash_attention_forward(nullptr, nullptr, nullptr, 0));
  for (const float value : a.operands.output()) CHECK(std::isnan(value));
}

TEST(attention_arguments, workspace_sizes_look_at_the_record_alone) {
  Attention a;
  CHECK_EQUAL(int64_t{0}, mm1_flash_attention_forward_workspace_bytes(&a.forward));
  Forward wrong = a.forward;
  wrong.head_size = 12;
  CHECK_EQUAL(int64_t{-1}, mm1_flash_attention_forward_workspace_bytes(&wrong));
  CHECK_CONTAINS(std::string(mm1_get_last_error_message()), "flash_attention_forward: head_size is 12");
  wrong = a.forward;
  wrong.query = {};
  CHECK_EQUAL(int64_t{0}, mm1_flash_attention_forward_workspace_bytes(&wrong));
}

TEST(attention_arguments, more_blocks_than_a_grid_has_are_refused) {
  Forward args = mm1_flash_attention_forward_args_default();
  args.batch = 1;
  args.heads = args.key_value_heads = 128;
  args.head_size = 8;
  args.query_tokens = args.max_query_length = INT32_MAX;
  mm1_operand* const operands[] = {&args.query, &args.output};
  for (uint64_t i = 0; i < 2; i++) {
    operands[i]->data = reinterpret_cast<void*>((i + 1) << 44);  // Nobody follows it.
    operands[i]->dtype = MM1_DTYPE_BFLOAT16;
    operands[i]->row_stride = 1024;
  }
  CHECK_FAILS_WITH(MM1_STATUS_UNSUPPORTED, "flash_attention_forward: 128 heads and 16777216 tiles of queries need more blocks than a grid has.",
                   mm1_flash_attention_forward(nullptr, &args, nullptr, 0));
}

TEST(attention_arguments, outputs_overlap_nothing) {
  Attention a;
  const auto forward_fails = [&](const char* part, const std::function<void(Forward*)>& change) {
    Forward wrong = a.forward;
    change(&wrong);
    CHECK_FAILS_WITH(kInvalid, part, mm1_flash_attention_forward(nullptr, &wrong, nullptr, 0));
  };
  forward_fails("output overlaps query", [](Forward* x) { x->output.data = x->query.data; });
  forward_fails("output overlaps key", [](Forward* x) { x->output.data = shifted(x->key, 3); });
  forward_fails("output overlaps value", [](Forward* x) { x->output.data = shifted(x->value, 1); });
  forward_fails("output overlaps log_sum_exp", [](Forward* x) { x->log_sum_exp.data = shifted(x->output, 60); });
  forward_fails("log_sum_exp overlaps query", [](Forward* x) { x->log_sum_exp.data = x->query.data; });
  a.backward_fails(kInvalid, "query_gradient overlaps output_gradient", [](Backward* x) { x->query_gradient.data = x->output_gradient.data; });
  a.backward_fails(kInvalid, "key_gradient overlaps key", [](Backward* x) { x->key_gradient.data = x->forward.key.data; });
  a.backward_fails(kInvalid, "value_gradient overlaps key_gradient", [](Backward* x) { x->value_gradient.data = x->key_gradient.data; });
  // Columns of one fused buffer do not overlap.
  AttentionCase fused = two_documents();
  fused.layout = AttentionLayout::fused;
  AttentionOperands operands(fused, inputs_of(fused));
  CHECK_OK(mm1::check_attention_backward(operands.backward_args()));
}

TEST(attention_arguments, backward_needs_its_own_operands_too) {
  Attention a;
  a.backward_fails(kInvalid, "log_sum_exp is missing", [](Backward* x) { x->forward.log_sum_exp = {}; });
  a.backward_fails(kInvalid, "output_gradient is missing", [](Backward* x) { x->output_gradient = {}; });
  a.backward_fails(kInvalid, "query_gradient has row_stride 63", [](Backward* x) { x->query_gradient.row_stride = 63; });
  a.backward_fails(kInvalid, "key_gradient is missing", [](Backward* x) { x->key_gradient = {}; });
  a.backward_fails(kInvalid, "value_gradient has dtype int32", [](Backward* x) { x->value_gradient.dtype = MM1_DTYPE_INT32; });
  a.backward_fails(kInvalid, "reserved is 1", [](Backward* x) { x->reserved = 1; });
}

TEST(attention_arguments, decode_and_append_name_the_rule) {
  DeviceBuffer tokens(MM1_DTYPE_FLOAT32, 2, 16, 16), cache(MM1_DTYPE_FLOAT32, 8, 16, 16), other(MM1_DTYPE_FLOAT32, 8, 16, 16);
  DeviceBuffer output(MM1_DTYPE_FLOAT32, 2, 16, 16), value(MM1_DTYPE_FLOAT32, 2, 16, 16);
  const std::unique_ptr<DeviceBuffer> numbers = device_integers({1, 0});
  const int32_t* const integers = static_cast<const int32_t*>(numbers->data());
  Decode decode = mm1_flash_attention_decode_args_default();
  decode.batch = 2;
  decode.query_length = 1;
  decode.heads = decode.key_value_heads = 2;
  decode.head_size = 8;
  decode.max_length = 4;
  decode.lengths = integers;
  decode.query = tokens.operand();
  decode.key_cache = cache.operand();
  decode.value_cache = other.operand();
  decode.output = output.operand();
  decode.scale = 1;
  CHECK_OK(mm1::check_attention_decode(decode));
  const auto decode_fails = [&](mm1_status status, const char* part, const std::function<void(Decode*)>& change) {
    Decode wrong = decode;
    change(&wrong);
    CHECK_FAILS_WITH(status, part, mm1::check_attention_decode(wrong));
    CHECK_FAILS_WITH(status, "flash_attention_decode: ", mm1::check_attention_decode(wrong));
  };
  decode_fails(kInvalid, "lengths is missing", [](Decode* x) { x->lengths = nullptr; });
  decode_fails(kInvalid, "query_length is -1", [](Decode* x) { x->query_length = -1; });
  decode_fails(kInvalid, "max_length is -4", [](Decode* x) { x->max_length = -4; });
  decode_fails(kInvalid, "batch is -1", [](Decode* x) { x->batch = -1; });
  decode_fails(kInvalid, "head_size is 9", [](Decode* x) { x->head_size = 9; });
  decode_fails(kInvalid, "does not divide", [](Decode* x) { x->key_value_heads = 4; });
  decode_fails(kInvalid, "query is missing", [](Decode* x) { x->query = {}; });
  decode_fails(kInvalid, "key_cache is missing", [](Decode* x) { x->key_cache = {}; });
  decode_fails(kInvalid, "value_cache is missing", [](Decode* x) { x->value_cache = {}; });
  decode_fails(kInvalid, "output is missing", [](Decode* x) { x->output = {}; });
  decode_fails(kInvalid, "output overlaps key_cache", [](Decode* x) { x->output.data = x->key_cache.data; });
  decode_fails(kInvalid, "reserved is 2", [](Decode* x) { x->reserved = 2; });
  decode_fails(MM1_STATUS_UNSUPPORTED, "query has dtype float64", [](Decode* x) { x->query.dtype = MM1_DTYPE_FLOAT64; });

  Append append = mm1_key_value_cache_append_args_default();
  append.tokens = 2;
  append.batch = 2;
  append.max_length = 4;
  append.key_value_heads = 2;
  append.head_size = 8;
  append.sequences = append.positions = integers;
  append.key = tokens.operand();
  append.value = value.operand();
  append.key_cache = cache.operand();
  append.value_cache = other.operand();
  CHECK_OK(mm1::check_key_value_cache_append(append));
  const auto append_fails = [&](mm1_status status, const char* part, const std::function<void(Append*)>& change) {
    Append wrong = append;
    change(&wrong);
    CHECK_FAILS_WITH(status, part, mm1::check_key_value_cache_append(wrong));
    CHECK_FAILS_WITH(status, "key_value_cache_append: ", mm1::check_key_value_cache_append(wrong));
  };
  append_fails(kInvalid, "sequences is missing", [](Append* x) { x->sequences = nullptr; });
  append_fails(kInvalid, "positions is missing", [](Append* x) { x->positions = nullptr; });
  append_fails(kInvalid, "tokens is -1", [](Append* x) { x->tokens = -1; });
  append_fails(kInvalid, "key is missing", [](Append* x) { x->key = {}; });
  append_fails(kInvalid, "value has dtype bfloat16", [](Append* x) { x->value.dtype = MM1_DTYPE_BFLOAT16; });
  append_fails(kInvalid, "key_cache is missing", [](Append* x) { x->key_cache = {}; });
  append_fails(kInvalid, "value_cache overlaps key_cache", [](Append* x) { x->value_cache.data = x->key_cache.data; });
  append_fails(MM1_STATUS_UNSUPPORTED, "key has dtype float16", [](Append* x) { x->key.dtype = MM1_DTYPE_FLOAT16; });
}

}  // namespace test
