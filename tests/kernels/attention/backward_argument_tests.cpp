// What mm1_flash_attention_backward refuses, and that it writes nothing then.
#include <vector>

#include "attention_case.h"
#include "attention_reference.h"
#include "test.h"

namespace test {

namespace {

using Args = mm1_flash_attention_backward_args;

// A good call of two documents; `spoil` breaks it.
template <class Spoil>
void check_refused(mm1_status status, const char* text, Spoil spoil) {
  AttentionCase which;

  which.packed = false;
  which.queries = {4, 4};
  which.keys = {6, 6};
  const AttentionInputs inputs = inputs_of(which);
  const ForwardReference<float> forward = forward_reference<float>(which, inputs);
  AttentionOperands operands(which, inputs);
  operands.set_forward_results(forward.output, forward.log_sum_exp);
  Args args = operands.backward_args();
  DeviceBuffer workspace(MM1_DTYPE_FLOAT32, mm1_flash_attention_backward_workspace_bytes(&args) / 4);
  int64_t bytes = mm1_flash_attention_backward_workspace_bytes(&args);
  void* memory = workspace.data();
  spoil(args, memory, bytes);
  CHECK_FAILS_WITH(status, text, mm1_flash_attention_backward(nullptr, &args, memory, bytes));
  for (const float value : operands.query_gradient()) CHECK(value != value);  // Memory as it came.
}

void check_refused(const char* text, void (*spoil)(Args&)) {
  check_refused(MM1_STATUS_INVALID_ARGUMENT, text, [&](Args& args, void*&, int64_t&) { spoil(args); });
}

}  // namespace

TEST(attention_backward_arguments, records) {
  check_refused("reserved", [](Args& args) { args.reserved = 1; });
  check_refused("head_size is 12; it must be a multiple of 8 from 8 to 256.", [](Args& args) { args.forward.head_size = 12; });
  check_refused("key_value_heads 3 does not divide heads 2.", [](Args& args) { args.forward.key_value_heads = 3; });
  check_refused("batch", [](Args& args) { args.forward.batch = -1; });
  check_refused("batch 3 times max_query_length 4 is more than query_tokens 8.", [](Args& args) { args.forward.batch = 3; });
  check_refused("prefix_lengths must be given with the prefix mask and with no other.",
                [](Args& args) { args.forward.mask = MM1_ATTENTION_MASK_PREFIX; });
  check_refused("cu_seqlens_query and cu_seqlens_key must be given together or not at all.",
                [](Args& args) { args.forward.cu_seqlens_key = reinterpret_cast<const int32_t*>(args.forward.key.data); });
  check_refused("struct_size", [](Args& args) { args.struct_size = 4; });
}

TEST(attention_backward_arguments, operands) {
  check_refused("log_sum_exp", [](Args& args) { args.forward.log_sum_exp = mm1_operand{}; });
  check_refused("output_gradient", [](Args& args) { args.output_gradient = mm1_operand{}; });
  check_refused("query_gradient", [](Args& args) { args.query_gradient.dtype = MM1_DTYPE_FLOAT32; });
  check_refused("key_gradient", [](Args& args) { args.key_gradient = mm1_operand{}; });
  check_refused("value_gradient", [](Args& args) { args.value_gradient.row_stride = 8; });
  check_refused("query_gradient", [](Args& args) { args.query_gradient.data = args.forward.query.data; });
  check_refused("value_gradient", [](Args& args) { args.value_gradient.data = args.key_gradient.data; });
  check_refused(MM1_STATUS_UNSUPPORTED, "float16", [](Args& args, void*&, int64_t&) { args.forward.query.dtype = MM1_DTYPE_FLOAT16; });
}

TEST(attention_backward_arguments, workspace) {
  check_refused(MM1_STATUS_WORKSPACE_TOO_SMALL, "flash_attention_backward", [](Args&, void*&, int64_t& bytes) { bytes--; });
  check_refused(MM1_STATUS_WORKSPACE_TOO_SMALL, "flash_attention_backward", [](Args&, void*& memory, int64_t& bytes) {
    memory = nullptr;
    bytes = 0;
  });
  Args args = mm1_flash_attention_backward_args_default();
  args.forward.head_size = 7;
  CHECK_EQUAL(int64_t{-1}, mm1_flash_attention_backward_workspace_bytes(&args));
  CHECK_CONTAINS(std::string(mm1_get_last_error_message()), "flash_attention_backward: head_size is 7");
}

// Nothing to do at all is no mistake.
TEST(attention_backward_arguments, empty_calls_succeed) {
  Args args = mm1_flash_attention_backward_args_default();
  args.forward.head_size = 64;
  const int64_t bytes = mm1_flash_attention_backward_workspace_bytes(&args);
  CHECK(bytes > 0);
  DeviceBuffer workspace(MM1_DTYPE_FLOAT32, bytes / 4);
  CHECK_OK(mm1_flash_attention_backward(nullptr, &args, workspace.data(), bytes));
}

}  // namespace test
