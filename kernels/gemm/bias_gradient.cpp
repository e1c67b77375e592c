// The verb mm1_bias_gradient: argument rules and launch.
#include "gemm/bias_gradient.h"

#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kVerb = "bias_gradient";

int64_t workspace_of(const mm1_bias_gradient_args& args) {
  const int64_t blocks = column_sum_blocks(args.rows);
  return blocks > 1 ? blocks * args.columns * static_cast<int64_t>(sizeof(float)) : 0;
}

void check_record(const mm1_bias_gradient_args& args, Check* check) {
  check->extent("rows", args.rows);
  check->extent("columns", args.columns);
  check->reserved("reserved", args.reserved);
}

void check_operands(const mm1_bias_gradient_args& args, Check* check) {
  const mm1_dtype dtype = args.output_gradient.dtype;
  check->supported((dtype != MM1_DTYPE_FLOAT64 && dtype != MM1_DTYPE_FLOAT16) || !is_present(args.output_gradient) || args.rows == 0,
                   "output_gradient has dtype %s; this device computes in bfloat16 and float32.", dtype_name(dtype));
  check->operand("output_gradient", args.output_gradient, args.rows, args.columns, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32);
  // Without rows there is no compute dtype to agree with.
  check->operand("bias_gradient", args.bias_gradient, 1, args.columns, args.rows == 0 ? MM1_DTYPE_BFLOAT16 : dtype, MM1_DTYPE_FLOAT32);
  check->apart("bias_gradient", {&args.bias_gradient, 1, args.columns, 1, 0}, "output_gradient",
               {&args.output_gradient, args.rows, args.columns, 1, 0});
}

int32_t access_of(const EpilogueOperand& operand) {
  const uintptr_t pair = operand.is_float32 ? 8 : 4;
  return reinterpret_cast<uintptr_t>(operand.data) % pair == 0 && operand.row_stride % 2 == 0 ? 2 : 1;
}

}  // namespace

}  // namespace mm1

int64_t mm1_bias_gradient_workspace_bytes(const mm1_bias_gradient_args* given) {
  mm1_bias_gradient_args args;
  if (mm1::read_args(mm1::kVerb, given, &args) != MM1_STATUS_OK) return -1;
  mm1::Check check(mm1::kVerb);
  mm1::check_record(args, &check);
  return check.ok() ? mm1::workspace_of(args) : -1;
}

mm1_status mm1_bias_gradient(mm1_stream stream, const mm1_bias_gradient_args* given, void* workspace, int64_t workspace_bytes) {
  mm1_bias_gradient_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kVerb, given, &args));
  mm1::Check check(mm1::kVerb);
  mm1::check_record(args, &check);
  if (check.ok()) mm1::check_operands(args, &check);
  if (check.ok()) check.workspace(workspace, workspace_bytes, mm1::workspace_of(args));
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kVerb, &stream));
  if (args.columns == 0) return MM1_STATUS_OK;

  mm1::ColumnSums sums{};
  sums.x.data = args.output_gradient.data;
  sums.x.row_stride = args.rows > 1 ? args.output_gradient.row_stride : 0;
  sums.x.is_float32 = args.output_gradient.dtype == MM1_DTYPE_FLOAT32;
  sums.result.data = args.bias_gradient.data;
  sums.result.is_float32 = args.bias_gradient.dtype == MM1_DTYPE_FLOAT32;
  sums.partial = static_cast<float*>(workspace);
  sums.rows = args.rows;
  sums.columns = args.columns;
  sums.blocks = mm1::column_sum_blocks(args.rows);
  sums.beta = args.beta;
  sums.access_x = mm1::access_of(sums.x);
  sums.access_result = mm1::access_of(sums.result);
  return mm1::launch_column_sums(stream, sums);
}
