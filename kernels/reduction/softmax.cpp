// The verbs mm1_softmax_forward and mm1_softmax_backward: argument rules and launch.
#include "host/check.h"
#include "host/device.h"
#include "reduction/reduction.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

constexpr const char* kForward = "softmax_forward";
constexpr const char* kBackward = "softmax_backward";

}  // namespace

}  // namespace mm1

mm1_status mm1_softmax_forward(mm1_stream stream, const mm1_softmax_forward_args* given, void*, int64_t) {
  mm1_softmax_forward_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kForward, given, &args));
  mm1::Check check(mm1::kForward);
  mm1::check_matrix(&check, args.rows, args.columns);
  check.reserved("reserved", args.reserved);
  mm1::check_compute(&check, "x", args.x, args.rows, args.columns);
  check.operand("output", args.output, args.rows, args.columns, args.x.dtype);
  check.apart_or_same("output", {&args.output, args.rows, args.columns}, "x", {&args.x, args.rows, args.columns});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kForward, &stream));
  if (args.rows == 0 || args.columns == 0) return MM1_STATUS_OK;

  mm1::RowSoftmax softmax{};
  softmax.x = mm1::row_operand(args.x, args.rows);
  softmax.output = mm1::row_operand(args.output, args.rows);
  softmax.rows = args.rows;
  softmax.columns = args.columns;
  softmax.scale = args.scale;
  const int64_t bytes = mm1::dtype_bytes(args.x.dtype);
  softmax.has_packs = mm1::has_packs(softmax.x, bytes) && mm1::has_packs(softmax.output, bytes);
  return mm1::launch_softmax_forward(stream, args.x.dtype == MM1_DTYPE_FLOAT32, softmax);
}

mm1_status mm1_softmax_backward(mm1_stream stream, const mm1_softmax_backward_args* given, void*, int64_t) {
  mm1_softmax_backward_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kBackward, given, &args));
  mm1::Check check(mm1::kBackward);
  mm1::check_matrix(&check, args.rows, args.columns);
  mm1::check_compute(&check, "output", args.output, args.rows, args.columns);
  check.operand("output_gradient", args.output_gradient, args.rows, args.columns, args.output.dtype);
  check.operand("input_gradient", args.input_gradient, args.rows, args.columns, args.output.dtype);
  const mm1::Region target{&args.input_gradient, args.rows, args.columns};
  check.apart("input_gradient", target, "output", {&args.output, args.rows, args.columns});
  check.apart_or_same("input_gradient", target, "output_gradient", {&args.output_gradient, args.rows, args.columns});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kBackward, &stream));
  if (args.rows == 0 || args.columns == 0) return MM1_STATUS_OK;

  mm1::RowSoftmax softmax{};
  softmax.x = mm1::row_operand(args.output, args.rows);
  softmax.output_gradient = mm1::row_operand(args.output_gradient, args.rows);
  softmax.output = mm1::row_operand(args.input_gradient, args.rows);
  softmax.rows = args.rows;
  softmax.columns = args.columns;
  softmax.scale = args.scale;
  softmax.beta = args.beta;
  const int64_t bytes = mm1::dtype_bytes(args.output.dtype);
  softmax.has_packs =
      mm1::has_packs(softmax.x, bytes) && mm1::has_packs(softmax.output_gradient, bytes) && mm1::has_packs(softmax.output, bytes);
  return mm1::launch_softmax_backward(stream, args.output.dtype == MM1_DTYPE_FLOAT32, softmax);
}
