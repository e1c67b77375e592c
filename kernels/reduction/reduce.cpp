// The verbs mm1_reduce and mm1_reduce_rows: argument rules and launch.
#include "host/check.h"
#include "host/device.h"
#include "reduction/reduction.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

using Long = long long;

constexpr const char* kReduce = "reduce";
constexpr const char* kReduceRows = "reduce_rows";

int64_t blocks_of(const mm1_reduce_rows_args& args) {
  if (args.broadcast == MM1_BROADCAST_PER_ROW || args.output_rows <= 0) return 1;
  const int64_t rows = args.rows / args.output_rows;
  return rows <= kReduceRowsBlock ? 1 : (rows + kReduceRowsBlock - 1) / kReduceRowsBlock;
}

int64_t workspace_of(const mm1_reduce_rows_args& args) {
  const int64_t blocks = blocks_of(args);
  return blocks > 1 ? args.output_rows * blocks * args.columns * static_cast<int64_t>(sizeof(float)) : 0;
}

void check_record(const mm1_reduce_rows_args& args, Check* check) {
  check_matrix(check, args.rows, args.columns);
  check->enumerator("broadcast", args.broadcast, MM1_BROADCAST_PER_ROW, "mm1_broadcast");
  check->extent("output_rows", args.output_rows);
  if (!check->ok()) return;
  if (args.broadcast == MM1_BROADCAST_PER_ROW) {
    check->that(args.output_rows == args.rows, "output_rows is %lld; with MM1_BROADCAST_PER_ROW it is rows (%lld).",
                static_cast<Long>(args.output_rows), static_cast<Long>(args.rows));
  } else {
    check->that(args.output_rows == 0 ? args.rows == 0 : args.rows % args.output_rows == 0,
                "output_rows is %lld, which does not divide rows (%lld).", static_cast<Long>(args.output_rows),
                static_cast<Long>(args.rows));
  }
}

void check_operands(const mm1_reduce_rows_args& args, Check* check) {
  const int64_t width = args.broadcast == MM1_BROADCAST_PER_ROW ? 1 : args.columns;
  const bool is_empty = args.rows == 0 || args.columns == 0;
  const mm1_dtype dtype = args.x.dtype;
  check_compute(check, "x", args.x, args.rows, args.columns);
  check->optional("multiplier", args.multiplier, args.rows, args.columns, dtype);
  // Without elements there is no compute dtype to agree with.
  if (is_empty) {
    check_compute(check, "output", args.output, args.output_rows, width);
  } else {
    check->operand("output", args.output, args.output_rows, width, dtype);
  }
  const Region output{&args.output, args.output_rows, width};
  check->apart("output", output, "x", {&args.x, args.rows, args.columns});
  check->apart("output", output, "multiplier", {&args.multiplier, args.rows, args.columns});
}

mm1_status launch_per_row(mm1_stream stream, const mm1_reduce_rows_args& args) {
  ColumnReduction reduction{};
  reduction.x = row_operand(args.x, args.rows);
  reduction.multiplier = row_operand(args.multiplier, args.rows);
  reduction.output = row_operand(args.output, args.rows);
  reduction.rows = args.rows;
  reduction.columns = args.columns;
  reduction.reduction = MM1_REDUCTION_SUM;
  reduction.beta = args.beta;
  const bool is_float32 = args.output.dtype == MM1_DTYPE_FLOAT32;
  const int64_t bytes = dtype_bytes(args.output.dtype);
  reduction.has_packs = has_packs(reduction.x, bytes) && (!is_present(args.multiplier) || has_packs(reduction.multiplier, bytes));
  return launch_column_reduction(kReduceRows, stream, is_float32, reduction);
}

mm1_status launch_shared(mm1_stream stream, const mm1_reduce_rows_args& args, void* workspace) {
  RowReduction reduction{};
  reduction.x = row_operand(args.x, args.rows);
  reduction.multiplier = row_operand(args.multiplier, args.rows);
  reduction.output = row_operand(args.output, args.output_rows);
  reduction.partial = static_cast<float*>(workspace);
  reduction.columns = args.columns;
  reduction.output_rows = args.output_rows;
  reduction.rows_per_output = args.rows / args.output_rows;
  reduction.blocks = blocks_of(args);
  const bool cycle = args.broadcast == MM1_BROADCAST_CYCLE;
  reduction.first_step = cycle ? 1 : reduction.rows_per_output;
  reduction.row_step = cycle ? args.output_rows : 1;
  reduction.beta = args.beta;
  const bool is_float32 = args.output.dtype == MM1_DTYPE_FLOAT32;
  const int64_t bytes = dtype_bytes(args.output.dtype);
  reduction.packs_x = has_packs(reduction.x, bytes) && (!is_present(args.multiplier) || has_packs(reduction.multiplier, bytes));
  reduction.packs_output = has_packs(reduction.output, bytes);
  return launch_row_reduction(stream, is_float32, reduction);
}

}  // namespace

}  // namespace mm1

mm1_status mm1_reduce(mm1_stream stream, const mm1_reduce_args* given, void*, int64_t) {
  mm1_reduce_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kReduce, given, &args));
  mm1::Check check(mm1::kReduce);
  check.enumerator("reduction", args.reduction, MM1_REDUCTION_MAX, "mm1_reduction");
  mm1::check_matrix(&check, args.rows, args.columns);
  mm1::check_compute(&check, "x", args.x, args.rows, args.columns);
  check.operand("output", args.output, args.rows, 1, MM1_DTYPE_FLOAT32);
  check.apart("output", {&args.output, args.rows, 1}, "x", {&args.x, args.rows, args.columns});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kReduce, &stream));
  if (args.rows == 0) return MM1_STATUS_OK;

  mm1::ColumnReduction reduction{};
  reduction.x = mm1::row_operand(args.x, args.rows);
  reduction.output = mm1::row_operand(args.output, args.rows);
  reduction.rows = args.rows;
  reduction.columns = args.columns;
  reduction.reduction = args.reduction;
  reduction.beta = args.beta;
  reduction.has_packs = mm1::has_packs(reduction.x, mm1::dtype_bytes(args.x.dtype));
  reduction.float32_output = 1;
  return mm1::launch_column_reduction(mm1::kReduce, stream, args.x.dtype == MM1_DTYPE_FLOAT32, reduction);
}

int64_t mm1_reduce_rows_workspace_bytes(const mm1_reduce_rows_args* given) {
  mm1_reduce_rows_args args;
  if (mm1::read_args(mm1::kReduceRows, given, &args) != MM1_STATUS_OK) return -1;
  mm1::Check check(mm1::kReduceRows);
  mm1::check_record(args, &check);
  return check.ok() ? mm1::workspace_of(args) : -1;
}

mm1_status mm1_reduce_rows(mm1_stream stream, const mm1_reduce_rows_args* given, void* workspace, int64_t workspace_bytes) {
  mm1_reduce_rows_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kReduceRows, given, &args));
  mm1::Check check(mm1::kReduceRows);
  mm1::check_record(args, &check);
  if (check.ok()) mm1::check_operands(args, &check);
  if (check.ok()) check.workspace(workspace, workspace_bytes, mm1::workspace_of(args));
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kReduceRows, &stream));
  const bool per_row = args.broadcast == MM1_BROADCAST_PER_ROW;
  if (args.output_rows == 0 || (args.columns == 0 && !per_row)) return MM1_STATUS_OK;
  return per_row ? mm1::launch_per_row(stream, args) : mm1::launch_shared(stream, args, workspace);
}
