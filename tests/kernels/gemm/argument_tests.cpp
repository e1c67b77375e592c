// Every wrong argument has its own message, before anything is launched or written.
#include <cstring>
#include <functional>
#include <vector>

#include "support/agreement.h"
#include "support/device_buffer.h"
#include "mm1/runtime.h"
#include "test.h"

namespace test {

namespace {

using Change = std::function<void(mm1_gemm_args*)>;

struct Product {
  DeviceBuffer a{MM1_DTYPE_FLOAT32, 3, 4, 4};
  DeviceBuffer b{MM1_DTYPE_FLOAT32, 4, 5, 5};
  DeviceBuffer output{MM1_DTYPE_FLOAT32, 3, 5, 5};
  DeviceBuffer other{MM1_DTYPE_FLOAT32, 3, 5, 5};
  mm1_gemm_args args = mm1_gemm_args_default();

  Product() {
    a.upload(std::vector<float>(12, 1.0f));
    b.upload(std::vector<float>(20, 1.0f));
    args.m = 3;
    args.n = 5;
    args.k = 4;
    args.a = a.operand();
    args.b = b.operand();
    args.output = output.operand();
  }

  void fails(mm1_status status, const char* part, const Change& change) {
    mm1_gemm_args wrong = args;
    change(&wrong);
    CHECK_FAILS_WITH(status, part, mm1_gemm(nullptr, &wrong, nullptr, 0));
    CHECK_FAILS_WITH(status, "gemm: ", mm1_gemm(nullptr, &wrong, nullptr, 0));
  }
};

}  // namespace

TEST(gemm_arguments, broken_rules_are_named) {
  Product p;
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  p.fails(invalid, "m is -1", [](mm1_gemm_args* x) { x->m = -1; });
  p.fails(invalid, "n is -1", [](mm1_gemm_args* x) { x->n = -1; });
  p.fails(invalid, "k is -1", [](mm1_gemm_args* x) { x->k = -1; });
  p.fails(invalid, "batch is -1", [](mm1_gemm_args* x) { x->batch = -1; });
  p.fails(invalid, "transpose_a is 2, no value", [](mm1_gemm_args* x) { x->transpose_a = 2; });
  p.fails(invalid, "transpose_b is -1, no value", [](mm1_gemm_args* x) { x->transpose_b = -1; });
  p.fails(invalid, "activation is 8, no value", [](mm1_gemm_args* x) { x->activation = 8; });
  p.fails(invalid, "math_mode is 2, no value", [](mm1_gemm_args* x) { x->math_mode = 2; });
  p.fails(invalid, "reserved is 1", [](mm1_gemm_args* x) { x->reserved = 1; });
  p.fails(invalid, "a is missing; it holds [3, 4]", [](mm1_gemm_args* x) { x->a.data = nullptr; });
  p.fails(invalid, "b is missing; it holds [5, 4]", [](mm1_gemm_args* x) {
    x->b.data = nullptr;
    x->transpose_b = MM1_TRANSPOSE_TRANSPOSED;
  });
  p.fails(invalid, "output is missing; it holds [3, 5]", [](mm1_gemm_args* x) { x->output.data = nullptr; });
  p.fails(invalid, "a has row_stride 3, less than its 4 columns", [](mm1_gemm_args* x) { x->a.row_stride = 3; });
  p.fails(invalid, "b has row_stride 4, less than its 5 columns", [](mm1_gemm_args* x) { x->b.row_stride = 4; });
  p.fails(invalid, "output has row_stride 0", [](mm1_gemm_args* x) { x->output.row_stride = 0; });
  p.fails(invalid, "a has dtype int32", [](mm1_gemm_args* x) { x->a.dtype = MM1_DTYPE_INT32; });
  p.fails(MM1_STATUS_UNSUPPORTED, "a has dtype float16", [](mm1_gemm_args* x) { x->a.dtype = MM1_DTYPE_FLOAT16; });
  p.fails(MM1_STATUS_UNSUPPORTED, "a has dtype float64", [](mm1_gemm_args* x) { x->a.dtype = MM1_DTYPE_FLOAT64; });
  p.fails(invalid, "b has dtype bfloat16; this call needs float32", [](mm1_gemm_args* x) { x->b.dtype = MM1_DTYPE_BFLOAT16; });
  p.fails(invalid, "output has dtype bfloat16", [](mm1_gemm_args* x) { x->output.dtype = MM1_DTYPE_BFLOAT16; });
  p.fails(invalid, "a.reserved is 7", [](mm1_gemm_args* x) { x->a.reserved = 7; });
  p.fails(invalid, "a is at address", [](mm1_gemm_args* x) { x->a.data = static_cast<char*>(x->a.data) + 2; });
  p.fails(invalid, "bias has dtype int32", [&](mm1_gemm_args* x) {
    x->bias = p.other.operand();
    x->bias.dtype = MM1_DTYPE_INT32;
  });
  p.fails(invalid, "residual has row_stride 2", [&](mm1_gemm_args* x) {
    x->residual = p.other.operand();
    x->residual.row_stride = 2;
  });
  p.fails(invalid, "residual has dtype bfloat16; this call needs float32", [&](mm1_gemm_args* x) {
    x->residual = p.other.operand();
    x->residual.dtype = MM1_DTYPE_BFLOAT16;
  });
  p.fails(invalid, "pre_activation is missing", [](mm1_gemm_args* x) {
    x->activation = MM1_ACTIVATION_RELU;
    x->activation_gradient = 1;
  });
  p.fails(invalid, "pre_activation has dtype int64", [&](mm1_gemm_args* x) {
    x->pre_activation = p.other.operand();
    x->pre_activation.dtype = MM1_DTYPE_INT64;
  });
  p.fails(invalid, "batch_stride_output is 0 with batch above 1", [](mm1_gemm_args* x) { x->batch = 2; });
  p.fails(invalid, "batch_stride_output is -4, less than the 5 columns", [](mm1_gemm_args* x) {
    x->batch = 2;
    x->batch_stride_output = -4;
  });
  p.fails(invalid, "batch_stride_pre_activation is 0", [&](mm1_gemm_args* x) {
    x->batch = 2;
    x->batch_stride_output = 15;
    x->pre_activation = p.other.operand();
  });
  p.fails(invalid, "struct_size is 4", [](mm1_gemm_args* x) { x->struct_size = 4; });
  CHECK_FAILS_WITH(invalid, "gemm: the argument record is NULL", mm1_gemm(nullptr, nullptr, nullptr, 0));
  for (const float value : p.output.download()) CHECK(std::isnan(value));
}

TEST(gemm_arguments, outputs_overlap_nothing_that_the_contract_does_not_permit) {
  Product p;
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  p.fails(invalid, "output overlaps a", [](mm1_gemm_args* x) { x->output.data = x->a.data; });
  p.fails(invalid, "output overlaps b", [](mm1_gemm_args* x) { x->output.data = static_cast<float*>(x->b.data) + 1; });
  p.fails(invalid, "output overlaps bias", [](mm1_gemm_args* x) {
    x->bias = x->output;
    x->bias.data = static_cast<float*>(x->output.data) + 2;
  });
  p.fails(invalid, "output overlaps residual", [](mm1_gemm_args* x) {
    x->residual = x->output;
    x->residual.data = static_cast<float*>(x->output.data) + 1;
  });
  p.fails(invalid, "output overlaps pre_activation", [](mm1_gemm_args* x) {
    x->pre_activation = x->output;
    x->activation = MM1_ACTIVATION_GELU;
  });
  p.fails(invalid, "pre_activation overlaps a", [](mm1_gemm_args* x) {
    x->pre_activation = x->output;
    x->pre_activation.data = x->a.data;
  });
  p.fails(invalid, "pre_activation overlaps residual", [&](mm1_gemm_args* x) { x->pre_activation = x->residual = p.other.operand(); });
}

// t stored where the output goes, and a residual that is the output: allowed, and the output is what counts.
TEST(gemm_arguments, permitted_aliases_work) {
  Product p;
  p.output.upload(std::vector<float>(15, 10.0f));
  p.args.residual = p.args.output;
  p.args.pre_activation = p.args.output;
  CHECK_OK(mm1_gemm(nullptr, &p.args, nullptr, 0));
  check_same_bits("output", p.output.download(), std::vector<float>(15, 14.0f));
}

// One buffer of a fused projection: the output is one range of columns, the residual another.
TEST(gemm_arguments, columns_of_one_buffer_do_not_overlap) {
  Product p;
  DeviceBuffer fused(MM1_DTYPE_FLOAT32, 3, 10, 10);
  fused.upload(std::vector<float>(30, 2.0f));
  p.args.output = fused.operand();
  p.args.residual = fused.operand();
  p.args.residual.data = static_cast<float*>(fused.data()) + 5;
  CHECK_OK(mm1_gemm(nullptr, &p.args, nullptr, 0));
  std::vector<float> expected;
  for (int i = 0; i < 30; i++) expected.push_back(i % 10 < 5 ? 6.0f : 2.0f);
  check_same_bits("fused", fused.download(), expected);
}

TEST(gemm_arguments, workspace_is_a_function_of_the_record) {
  Product p;
  CHECK_EQUAL(int64_t{0}, mm1_gemm_workspace_bytes(&p.args));
  p.args.a.data = p.args.b.data = p.args.output.data = nullptr;  // Addresses are not looked at.
  CHECK_EQUAL(int64_t{0}, mm1_gemm_workspace_bytes(&p.args));
  p.args.n = -2;
  CHECK_EQUAL(int64_t{-1}, mm1_gemm_workspace_bytes(&p.args));
  CHECK_CONTAINS(std::string(mm1_get_last_error_message()), "gemm: n is -2");
  CHECK_EQUAL(int64_t{-1}, mm1_gemm_workspace_bytes(nullptr));
}

// An older caller's record ends after batch_stride_pre_activation: alpha reads as zero.
TEST(gemm_arguments, a_shorter_record_reads_as_zero_filled) {
  Product p;
  p.args.struct_size = offsetof(mm1_gemm_args, alpha);
  CHECK_OK(mm1_gemm(nullptr, &p.args, nullptr, 0));
  check_same_bits("output", p.output.download(), std::vector<float>(15, 0.0f));
}

TEST(bias_gradient_arguments, broken_rules_are_named) {
  DeviceBuffer x(MM1_DTYPE_FLOAT32, 300, 4, 4), result(MM1_DTYPE_FLOAT32, 4), workspace(MM1_DTYPE_FLOAT32, 1024);
  mm1_bias_gradient_args good = mm1_bias_gradient_args_default();
  good.rows = 300;
  good.columns = 4;
  good.output_gradient = x.operand();
  good.bias_gradient = result.operand();
  const auto fails = [&](mm1_status status, const char* part, const std::function<void(mm1_bias_gradient_args*)>& change) {
    mm1_bias_gradient_args wrong = good;
    change(&wrong);
    CHECK_FAILS_WITH(status, part, mm1_bias_gradient(nullptr, &wrong, workspace.data(), 4096));
    CHECK_FAILS_WITH(status, "bias_gradient: ", mm1_bias_gradient(nullptr, &wrong, workspace.data(), 4096));
  };
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  fails(invalid, "rows is -1", [](mm1_bias_gradient_args* a) { a->rows = -1; });
  fails(invalid, "columns is -1", [](mm1_bias_gradient_args* a) { a->columns = -1; });
  fails(invalid, "reserved is 3", [](mm1_bias_gradient_args* a) { a->reserved = 3; });
  fails(invalid, "output_gradient is missing; it holds [300, 4]", [](mm1_bias_gradient_args* a) { a->output_gradient.data = nullptr; });
  fails(invalid, "bias_gradient is missing", [](mm1_bias_gradient_args* a) { a->bias_gradient.data = nullptr; });
  fails(invalid, "output_gradient has row_stride 3", [](mm1_bias_gradient_args* a) { a->output_gradient.row_stride = 3; });
  fails(invalid, "output_gradient has dtype uint8", [](mm1_bias_gradient_args* a) { a->output_gradient.dtype = MM1_DTYPE_UINT8; });
  fails(MM1_STATUS_UNSUPPORTED, "output_gradient has dtype float16",
        [](mm1_bias_gradient_args* a) { a->output_gradient.dtype = MM1_DTYPE_FLOAT16; });
  fails(invalid, "bias_gradient has dtype bfloat16", [](mm1_bias_gradient_args* a) { a->bias_gradient.dtype = MM1_DTYPE_BFLOAT16; });
  fails(invalid, "bias_gradient overlaps output_gradient",
        [](mm1_bias_gradient_args* a) { a->bias_gradient.data = a->output_gradient.data; });
  CHECK_EQUAL(int64_t{2 * 4 * 4}, mm1_bias_gradient_workspace_bytes(&good));
  CHECK_FAILS_WITH(MM1_STATUS_WORKSPACE_TOO_SMALL, "the workspace has 31 bytes; mm1_bias_gradient_workspace_bytes asks for 32",
                   mm1_bias_gradient(nullptr, &good, workspace.data(), 31));
  CHECK_FAILS_WITH(invalid, "the workspace is NULL", mm1_bias_gradient(nullptr, &good, nullptr, 32));
  CHECK_FAILS_WITH(invalid, "no multiple of 256", mm1_bias_gradient(nullptr, &good, static_cast<char*>(workspace.data()) + 8, 32));
  for (const float value : result.download()) CHECK(std::isnan(value));
}

}  // namespace test
