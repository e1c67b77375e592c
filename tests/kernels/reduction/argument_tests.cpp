// Argument rules of the reduction family: the sentences of the CPU device, in the names of the header; nothing is written.
#include <cmath>

#include "mm1/runtime.h"
#include "reduction/cases.h"
#include "test.h"

namespace test {

namespace {

constexpr mm1_status kInvalid = MM1_STATUS_INVALID_ARGUMENT;

template <class Args, class Change>
Args changed(Args args, const Change& change) {
  change(args);
  return args;
}

}  // namespace

TEST(reduction_arguments, of_reductions) {
  DeviceBuffer x(MM1_DTYPE_FLOAT32, 600, 3, 3), y(MM1_DTYPE_FLOAT32, 600, 3, 3);
  mm1_reduce_args good = mm1_reduce_args_default();
  good.rows = 600;
  good.columns = 3;
  good.x = x.operand();
  good.output = y.operand();
  const auto reduce = [&](mm1_status status, const char* text, auto change) {
    mm1_reduce_args args = changed(good, change);
    CHECK_FAILS_WITH(status, text, mm1_reduce(nullptr, &args, nullptr, 0));
  };
  reduce(kInvalid, "reduce: struct_size is 0", [](auto& a) { a.struct_size = 0; });
  reduce(kInvalid, "reduce: reduction is 3, no value of mm1_reduction.", [](auto& a) { a.reduction = 3; });
  reduce(kInvalid, "reduce: rows is -1; it must not be negative.", [](auto& a) { a.rows = -1; });
  reduce(kInvalid, "reduce: columns is -2; it must not be negative.", [](auto& a) { a.columns = -2; });
  reduce(kInvalid, "reduce: x is missing", [](auto& a) { a.x.data = nullptr; });
  reduce(kInvalid, "reduce: x has dtype int32", [](auto& a) { a.x.dtype = MM1_DTYPE_INT32; });
  reduce(MM1_STATUS_UNSUPPORTED, "reduce: x has dtype float64; this device computes in bfloat16 and float32.",
         [](auto& a) { a.x.dtype = MM1_DTYPE_FLOAT64; });
  reduce(kInvalid, "reduce: output has dtype bfloat16; this call needs float32.", [](auto& a) { a.output.dtype = MM1_DTYPE_BFLOAT16; });
  reduce(kInvalid, "reduce: x has row_stride 2, less than its 3 columns", [](auto& a) { a.x.row_stride = 2; });
  reduce(kInvalid, "reduce: output overlaps x", [&](auto& a) { a.output = a.x; });

  mm1_reduce_rows_args rows = mm1_reduce_rows_args_default();
  rows.rows = 600;
  rows.columns = 3;
  rows.output_rows = 1;
  rows.x = x.operand();
  rows.output = y.operand();
  const auto fails = [&](mm1_status status, const char* text, auto change) {
    mm1_reduce_rows_args args = changed(rows, change);
    CHECK_FAILS_WITH(status, text, mm1_reduce_rows(nullptr, &args, nullptr, 0));
  };
  fails(kInvalid, "reduce_rows: output_rows is 7, which does not divide rows (600).", [](auto& a) { a.output_rows = 7; });
  fails(kInvalid, "reduce_rows: output_rows is 0, which does not divide rows (600).", [](auto& a) { a.output_rows = 0; });
  fails(kInvalid, "reduce_rows: output_rows is 1; with MM1_BROADCAST_PER_ROW it is rows (600).",
        [](auto& a) { a.broadcast = MM1_BROADCAST_PER_ROW; });
  fails(kInvalid, "reduce_rows: broadcast is 3, no value of mm1_broadcast.", [](auto& a) { a.broadcast = 3; });
  fails(kInvalid, "reduce_rows: multiplier has dtype bfloat16",
        [&](auto& a) { a.multiplier = a.x, a.multiplier.dtype = MM1_DTYPE_BFLOAT16; });
  fails(kInvalid, "reduce_rows: output is missing", [](auto& a) { a.output.data = nullptr; });
  fails(kInvalid, "reduce_rows: output overlaps x", [](auto& a) { a.output = a.x; });
  fails(MM1_STATUS_WORKSPACE_TOO_SMALL, "reduce_rows: the workspace has 0 bytes; mm1_reduce_rows_workspace_bytes asks for 36.",
        [](auto&) {});
  mm1_reduce_rows_args args = changed(rows, [](auto& a) { a.rows = -1; });
  CHECK_EQUAL(int64_t{-1}, mm1_reduce_rows_workspace_bytes(&args));
  CHECK_CONTAINS(std::string(mm1_get_last_error_message()), "rows is -1");
  for (const float value : y.download()) CHECK(std::isnan(value));
}

TEST(reduction_arguments, of_softmax) {
  DeviceBuffer x(MM1_DTYPE_FLOAT32, 2, 4, 4), y(MM1_DTYPE_FLOAT32, 2, 4, 4), z(MM1_DTYPE_FLOAT32, 2, 4, 4);
  mm1_softmax_forward_args forward = mm1_softmax_forward_args_default();
  forward.rows = 2;
  forward.columns = 4;
  forward.x = x.operand();
  forward.output = y.operand();
  const auto fails = [&](const char* text, auto change) {
    mm1_softmax_forward_args args = changed(forward, change);
    CHECK_FAILS_WITH(kInvalid, text, mm1_softmax_forward(nullptr, &args, nullptr, 0));
  };
  fails("softmax_forward: output is missing", [](auto& a) { a.output.data = nullptr; });
  fails("softmax_forward: output has dtype bfloat16; this call needs float32.", [](auto& a) { a.output.dtype = MM1_DTYPE_BFLOAT16; });
  fails("softmax_forward: reserved is 1", [](auto& a) { a.reserved = 1; });
  fails("softmax_forward: output overlaps x; they may be the same", [](auto& a) { a.output.data = static_cast<float*>(a.x.data) + 1; });
  fails("softmax_forward: rows is -1", [](auto& a) { a.rows = -1; });
  mm1_softmax_backward_args backward = mm1_softmax_backward_args_default();
  backward.rows = 2;
  backward.columns = 4;
  backward.output = x.operand();
  backward.output_gradient = y.operand();
  backward.input_gradient = z.operand();
  const auto backward_fails = [&](const char* text, auto change) {
    mm1_softmax_backward_args args = changed(backward, change);
    CHECK_FAILS_WITH(kInvalid, text, mm1_softmax_backward(nullptr, &args, nullptr, 0));
  };
  backward_fails("softmax_backward: input_gradient has row_stride 2", [](auto& a) { a.input_gradient.row_stride = 2; });
  backward_fails("softmax_backward: input_gradient overlaps output;", [](auto& a) { a.input_gradient = a.output; });
  backward_fails("softmax_backward: output_gradient is missing", [](auto& a) { a.output_gradient.data = nullptr; });
  for (const float value : y.download()) CHECK(std::isnan(value));
}

TEST(reduction_arguments, of_selections) {
  DeviceBuffer x(MM1_DTYPE_FLOAT32, 2, 3, 3), values(MM1_DTYPE_FLOAT32, 2, 3, 3), indices(MM1_DTYPE_INT32, 2, 3, 3);
  mm1_top_k_args top = mm1_top_k_args_default();
  top.rows = 2;
  top.columns = 3;
  top.k = 1;
  top.x = x.operand();
  top.values = values.operand();
  top.indices = indices.operand();
  const auto fails = [&](const char* text, auto change) {
    mm1_top_k_args args = changed(top, change);
    CHECK_FAILS_WITH(kInvalid, text, mm1_top_k(nullptr, &args, nullptr, 0));
  };
  fails("top_k: k is 4; it must be from 1 to columns (3).", [](auto& a) { a.k = 4; });
  fails("top_k: k is 0; it must be from 1 to columns (3).", [](auto& a) { a.k = 0; });
  fails("top_k: indices has dtype float32; this call needs int32.", [](auto& a) { a.indices = a.values; });
  fails("top_k: columns is 2147483648; an int32 index reaches 2147483647.",
        [](auto& a) { a.columns = 2147483648ll, a.x.row_stride = a.columns; });
  fails("top_k: values overlaps x", [](auto& a) { a.values = a.x; });
  mm1_arg_max_args first = mm1_arg_max_args_default();
  first.rows = 2;
  first.x = x.operand();
  first.indices = indices.operand();
  CHECK_FAILS_WITH(kInvalid, "arg_max: columns is 0; a row needs an element to have a largest.", mm1_arg_max(nullptr, &first, nullptr, 0));
  first.columns = 3;
  first.indices.data = nullptr;
  CHECK_FAILS_WITH(kInvalid, "arg_max: indices is missing; it holds [2, 1] int32 values.", mm1_arg_max(nullptr, &first, nullptr, 0));
  for (const float value : values.download()) CHECK(std::isnan(value));
}

}  // namespace test
