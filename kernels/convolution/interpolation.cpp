// The verbs mm1_grid_interpolation_forward and _backward: argument rules and launches.
#include "convolution/interpolation.h"

#include "convolution/convolution.h"
#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kForward = "grid_interpolation_forward";
constexpr const char* kBackward = "grid_interpolation_backward";

template <class Args>
int64_t inputs(const Args& args) {
  return args.prefix_rows + args.input_height * args.input_width;
}

template <class Args>
int64_t outputs(const Args& args) {
  return args.prefix_rows + args.output_height * args.output_width;
}

template <class Args>
void check_extents(const Args& args, Check* check) {
  check->extent("input_height", args.input_height);
  check->extent("input_width", args.input_width);
  check->extent("output_height", args.output_height);
  check->extent("output_width", args.output_width);
  check->extent("channels", args.channels);
  check->extent("prefix_rows", args.prefix_rows);
  const int64_t extents[] = {args.input_height, args.input_width, args.output_height, args.output_width, args.channels, args.prefix_rows};
  for (const int64_t extent : extents) {
    check->supported(extent < (int64_t{1} << 30), "an extent is %lld; this device takes extents below 2^30.",
                     static_cast<long long>(extent));
  }
  if (!check->ok()) return;
  check->that(args.input_height * args.input_width > 0 || args.output_height * args.output_width * args.channels == 0,
              "a grid without positions cannot be interpolated; input_height and input_width must be at least 1.");
}

template <class Args>
Interpolation problem_of(const Args& args, const mm1_operand& from, int64_t from_rows, const mm1_operand& to, int64_t to_rows,
                         uint32_t* blocks) {
  const int64_t element_bytes = dtype_bytes(to.dtype);
  Interpolation problem{};
  problem.from = row_operand(from, from_rows);
  problem.to = row_operand(to, to_rows);
  problem.vertical = cubic_axis(args.input_height, args.output_height, args.antialias != 0);
  problem.horizontal = cubic_axis(args.input_width, args.output_width, args.antialias != 0);
  problem.prefix_rows = args.prefix_rows;
  problem.channels = args.channels;
  problem.antialias = args.antialias != 0;
  problem.vector = has_packs(problem.from, element_bytes) && has_packs(problem.to, element_bytes);
  const RowGrid grid = plan_row_walk(to_rows, args.channels, static_cast<int>(kPackBytes / element_bytes), current_profile());
  problem.walk = grid.walk;
  *blocks = grid.blocks;
  return problem;
}

}  // namespace

}  // namespace mm1

mm1_status mm1_grid_interpolation_forward(mm1_stream stream, const mm1_grid_interpolation_forward_args* given, void* /*workspace*/,
                                          int64_t /*workspace_bytes*/) {
  using namespace mm1;
  mm1_grid_interpolation_forward_args args;
  MM1_RETURN_IF_FAILED(read_args(kForward, given, &args));
  Check check(kForward);
  check_extents(args, &check);
  check.reserved("reserved", args.reserved);
  const int64_t in = check.ok() ? inputs(args) : 0;
  const int64_t out = check.ok() ? outputs(args) : 0;
  const ComputeOperand operands[] = {{"x", &args.x, in, args.channels}, {"output", &args.output, out, args.channels}};
  check_compute_operands(operands, 2, &check);
  check.apart("output", {&args.output, out, args.channels, 1, 0}, "x", {&args.x, in, args.channels, 1, 0});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(kForward, &stream));
  if (out == 0 || args.channels == 0) return MM1_STATUS_OK;
  uint32_t blocks = 0;
  const Interpolation problem = problem_of(args, args.x, in, args.output, out, &blocks);
  return launch_interpolation_forward(stream, problem, args.output.dtype == MM1_DTYPE_FLOAT32, blocks);
}

mm1_status mm1_grid_interpolation_backward(mm1_stream stream, const mm1_grid_interpolation_backward_args* given, void* /*workspace*/,
                                           int64_t /*workspace_bytes*/) {
  using namespace mm1;
  mm1_grid_interpolation_backward_args args;
  MM1_RETURN_IF_FAILED(read_args(kBackward, given, &args));
  Check check(kBackward);
  check_extents(args, &check);
  const int64_t in = check.ok() ? inputs(args) : 0;
  const int64_t out = check.ok() ? outputs(args) : 0;
  const ComputeOperand operands[] = {{"output_gradient", &args.output_gradient, out, args.channels},
                                     {"input_gradient", &args.input_gradient, in, args.channels}};
  check_compute_operands(operands, 2, &check);
  check.apart("input_gradient", {&args.input_gradient, in, args.channels, 1, 0}, "output_gradient",
              {&args.output_gradient, out, args.channels, 1, 0});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(kBackward, &stream));
  if (in == 0 || args.channels == 0) return MM1_STATUS_OK;
  uint32_t blocks = 0;
  Interpolation problem = problem_of(args, args.output_gradient, out, args.input_gradient, in, &blocks);
  problem.beta = args.beta;
  return launch_interpolation_backward(stream, problem, args.input_gradient.dtype == MM1_DTYPE_FLOAT32, blocks);
}
