// Every wrong argument has its own message, before anything is launched or written.
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "convolution_case.h"
#include "mm1/runtime.h"
#include "support/device_buffer.h"
#include "test.h"

namespace test {

namespace {

const ConvolutionCase kRules{"rules", 1, 3, 3, 4, 4, 3, 3, 1, 1};
constexpr mm1_status kInvalid = MM1_STATUS_INVALID_ARGUMENT;

struct Operands {
  DeviceBuffer x{MM1_DTYPE_FLOAT32, 9, 4, 4};
  DeviceBuffer weight{MM1_DTYPE_FLOAT32, 4, 36, 36};
  DeviceBuffer result{MM1_DTYPE_FLOAT32, 9, 4, 4};
  DeviceBuffer gradient{MM1_DTYPE_FLOAT32, 4, 36, 36};
  DeviceBuffer integers{MM1_DTYPE_INT32, 9, 36, 36};
  DeviceBuffer workspace{MM1_DTYPE_FLOAT32, 1 << 12};

  ~Operands() noexcept(false) {
    for (const float value : result.download()) CHECK(std::isnan(value));
    for (const float value : gradient.download()) CHECK(std::isnan(value));
  }
};

// The rules that all three verbs share.
template <class Args, class Fails>
void check_shape_rules(const Fails& fails) {
  fails(kInvalid, "batch is -1", [](Args* a) { a->batch = -1; });
  fails(kInvalid, "input_height is -1", [](Args* a) { a->input_height = -1; });
  fails(kInvalid, "input_width is -1", [](Args* a) { a->input_width = -1; });
  fails(kInvalid, "input_channels is -1", [](Args* a) { a->input_channels = -1; });
  fails(kInvalid, "output_channels is -1", [](Args* a) { a->output_channels = -1; });
  fails(kInvalid, "padding is -1", [](Args* a) { a->padding = -1; });
  fails(kInvalid, "kernel_height and kernel_width must be at least 1.", [](Args* a) { a->kernel_width = 0; });
  fails(kInvalid, "stride must be at least 1.", [](Args* a) { a->stride = 0; });
  fails(kInvalid, "groups is 2 for 4 input and 4 output channels; it must be 1 or equal both.", [](Args* a) { a->groups = 2; });
  fails(kInvalid, "groups is 0", [](Args* a) { a->groups = 0; });
  fails(kInvalid, "output_height is 4; (input_height + 2 * padding - kernel_height) / stride + 1 is 3.",
        [](Args* a) { a->output_height = 4; });
  fails(kInvalid, "output_width is 2; (input_width + 2 * padding - kernel_width) / stride + 1 is 3.", [](Args* a) { a->output_width = 2; });
  fails(kInvalid, "reserved is 5", [](Args* a) { a->reserved = 5; });
  fails(MM1_STATUS_UNSUPPORTED, "an extent is 1073741824; this device takes extents below 2^30.",
        [](Args* a) { a->batch = int64_t{1} << 30; });
  fails(MM1_STATUS_UNSUPPORTED, "this device takes images and kernels of less than 2^30 pixels",
        [](Args* a) { a->batch = int64_t{1} << 29; });
}

}  // namespace

TEST(convolution_arguments, broken_rules_of_the_forward_are_named) {
  Operands operands;
  mm1_convolution_forward_args good = mm1_convolution_forward_args_default();
  set_extents(kRules, &good);
  good.x = operands.x.operand();
  good.weight = operands.weight.operand();
  good.output = operands.result.operand();
  using Args = mm1_convolution_forward_args;
  const auto fails = [&](mm1_status status, const std::string& rule, const std::function<void(Args*)>& change) {
    Args wrong = good;
    change(&wrong);
    CHECK_FAILS_WITH(status, "convolution_forward: " + rule, mm1_convolution_forward(nullptr, &wrong, nullptr, 0));
  };
  check_shape_rules<Args>(fails);
  fails(kInvalid, "activation is 99, no value of mm1_activation", [](Args* a) { a->activation = 99; });
  fails(kInvalid, "x is missing; it holds [9, 4]", [](Args* a) { a->x.data = nullptr; });
  fails(kInvalid, "weight has dtype int32; this call needs float32", [&](Args* a) { a->weight = operands.integers.operand(); });
  fails(kInvalid, "weight has row_stride 4, less than its 36 columns", [](Args* a) { a->weight.row_stride = 4; });
  fails(kInvalid, "bias has dtype int32", [&](Args* a) { a->bias = operands.integers.operand(); });
  fails(kInvalid, "output has row_stride 3", [](Args* a) { a->output.row_stride = 3; });
  fails(kInvalid, "output has dtype bfloat16", [](Args* a) { a->output.dtype = MM1_DTYPE_BFLOAT16; });
  fails(MM1_STATUS_UNSUPPORTED, "x has dtype float16; this device computes in bfloat16 and float32.",
        [](Args* a) { a->x.dtype = MM1_DTYPE_FLOAT16; });
  fails(kInvalid, "output overlaps x", [](Args* a) { a->output = a->x; });
  fails(kInvalid, "output overlaps weight", [&](Args* a) { a->output.data = a->weight.data; });
  fails(kInvalid, "struct_size is 0", [](Args* a) { a->struct_size = 0; });
  good.batch = -2;
  CHECK_EQUAL(int64_t{-1}, mm1_convolution_forward_workspace_bytes(&good));
  CHECK_CONTAINS(std::string(mm1_get_last_error_message()), "convolution_forward: batch is -2");
}

TEST(convolution_arguments, broken_rules_of_the_input_gradient_are_named) {
  Operands operands;
  mm1_convolution_backward_data_args good = mm1_convolution_backward_data_args_default();
  set_extents(kRules, &good);
  good.output_gradient = operands.x.operand();
  good.weight = operands.weight.operand();
  good.input_gradient = operands.result.operand();
  using Args = mm1_convolution_backward_data_args;
  const auto fails = [&](mm1_status status, const std::string& rule, const std::function<void(Args*)>& change) {
    Args wrong = good;
    change(&wrong);
    CHECK_FAILS_WITH(status, "convolution_backward_data: " + rule, mm1_convolution_backward_data(nullptr, &wrong, nullptr, 0));
  };
  check_shape_rules<Args>(fails);
  fails(kInvalid, "output_gradient is missing", [](Args* a) { a->output_gradient.data = nullptr; });
  fails(kInvalid, "weight is missing", [](Args* a) { a->weight.data = nullptr; });
  fails(kInvalid, "input_gradient has dtype int32", [&](Args* a) { a->input_gradient = operands.integers.operand(); });
  fails(kInvalid, "input_gradient overlaps output_gradient", [](Args* a) { a->input_gradient = a->output_gradient; });
  good.stride = 0;
  CHECK_EQUAL(int64_t{-1}, mm1_convolution_backward_data_workspace_bytes(&good));
}

TEST(convolution_arguments, broken_rules_of_the_weight_gradient_are_named) {
  Operands operands;
  mm1_convolution_backward_weight_args good = mm1_convolution_backward_weight_args_default();
  set_extents(kRules, &good);
  good.x = operands.x.operand();
  good.output_gradient = operands.x.operand();
  good.weight_gradient = operands.gradient.operand();
  using Args = mm1_convolution_backward_weight_args;
  const auto fails = [&](mm1_status status, const std::string& rule, const std::function<void(Args*)>& change) {
    Args wrong = good;
    change(&wrong);
    CHECK_FAILS_WITH(status, "convolution_backward_weight: " + rule,
                     mm1_convolution_backward_weight(nullptr, &wrong, operands.workspace.data(), 1 << 14));
  };
  check_shape_rules<Args>(fails);
  fails(kInvalid, "x is missing", [](Args* a) { a->x.data = nullptr; });
  fails(kInvalid, "output_gradient has row_stride 3", [](Args* a) { a->output_gradient.row_stride = 3; });
  fails(kInvalid, "weight_gradient has dtype int32", [&](Args* a) { a->weight_gradient = operands.integers.operand(); });
  fails(kInvalid, "bias_gradient has dtype int32", [&](Args* a) { a->bias_gradient = operands.integers.operand(); });
  fails(kInvalid, "weight_gradient overlaps x", [&](Args* a) { a->weight_gradient.data = a->x.data; });
  fails(kInvalid, "weight_gradient overlaps bias_gradient", [](Args* a) { a->bias_gradient = a->weight_gradient; });
  good.groups = 4;
  good.weight_gradient.row_stride = 9;
  CHECK_EQUAL(int64_t{4 * 9 * 4}, mm1_convolution_backward_weight_workspace_bytes(&good));
  CHECK_FAILS_WITH(MM1_STATUS_WORKSPACE_TOO_SMALL,
                   "the workspace has 143 bytes; mm1_convolution_backward_weight_workspace_bytes asks for 144",
                   mm1_convolution_backward_weight(nullptr, &good, operands.workspace.data(), 143));
  CHECK_FAILS_WITH(kInvalid, "the workspace is NULL", mm1_convolution_backward_weight(nullptr, &good, nullptr, 144));
}

}  // namespace test
