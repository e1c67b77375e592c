// The verbs mm1_arg_max and mm1_top_k: argument rules and launch.
#include "host/check.h"
#include "host/device.h"
#include "reduction/reduction.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

using Long = long long;

constexpr const char* kArgMax = "arg_max";
constexpr const char* kTopK = "top_k";

void check_indexable(Check* check, int64_t columns) {
  check->that(columns <= 2147483647, "columns is %lld; an int32 index reaches 2147483647.", static_cast<Long>(columns));
}

void check_outputs(Check* check, const mm1_operand& x, int64_t rows, int64_t columns, const mm1_operand& indices, const mm1_operand& values,
                   int64_t k) {
  const Region input{&x, rows, columns}, places{&indices, rows, k}, largest{&values, rows, k};
  check->apart("indices", places, "x", input);
  check->apart("values", largest, "x", input);
  check->apart("values", largest, "indices", places);
}

Selection selection_of(const mm1_operand& x, int64_t rows, int64_t columns, const mm1_operand& indices, const mm1_operand& values,
                       int64_t k) {
  Selection selection{};
  selection.x = row_operand(x, rows);
  selection.indices = row_operand(indices, rows);
  selection.values = row_operand(values, rows);
  selection.rows = rows;
  selection.columns = columns;
  selection.k = k;
  selection.has_packs = has_packs(selection.x, dtype_bytes(x.dtype));
  return selection;
}

}  // namespace

}  // namespace mm1

mm1_status mm1_arg_max(mm1_stream stream, const mm1_arg_max_args* given, void*, int64_t) {
  mm1_arg_max_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kArgMax, given, &args));
  mm1::Check check(mm1::kArgMax);
  mm1::check_matrix(&check, args.rows, args.columns);
  mm1::check_indexable(&check, args.columns);
  check.that(args.columns != 0 || args.rows == 0, "columns is 0; a row needs an element to have a largest.");
  mm1::check_compute(&check, "x", args.x, args.rows, args.columns);
  check.operand("indices", args.indices, args.rows, 1, MM1_DTYPE_INT32);
  check.optional("values", args.values, args.rows, 1, args.x.dtype);
  mm1::check_outputs(&check, args.x, args.rows, args.columns, args.indices, args.values, 1);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kArgMax, &stream));
  if (args.rows == 0) return MM1_STATUS_OK;
  const mm1::Selection selection = mm1::selection_of(args.x, args.rows, args.columns, args.indices, args.values, 1);
  return mm1::launch_selection(mm1::kArgMax, stream, args.x.dtype == MM1_DTYPE_FLOAT32, selection);
}

mm1_status mm1_top_k(mm1_stream stream, const mm1_top_k_args* given, void*, int64_t) {
  mm1_top_k_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kTopK, given, &args));
  mm1::Check check(mm1::kTopK);
  mm1::check_matrix(&check, args.rows, args.columns);
  mm1::check_indexable(&check, args.columns);
  check.that(args.k >= 1 && args.k <= args.columns, "k is %lld; it must be from 1 to columns (%lld).", static_cast<long long>(args.k),
             static_cast<long long>(args.columns));
  mm1::check_compute(&check, "x", args.x, args.rows, args.columns);
  check.operand("values", args.values, args.rows, args.k, args.x.dtype);
  check.operand("indices", args.indices, args.rows, args.k, MM1_DTYPE_INT32);
  mm1::check_outputs(&check, args.x, args.rows, args.columns, args.indices, args.values, args.k);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kTopK, &stream));
  if (args.rows == 0) return MM1_STATUS_OK;
  const mm1::Selection selection = mm1::selection_of(args.x, args.rows, args.columns, args.indices, args.values, args.k);
  return mm1::launch_selection(mm1::kTopK, stream, args.x.dtype == MM1_DTYPE_FLOAT32, selection);
}
