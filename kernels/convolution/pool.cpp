// The verbs mm1_adaptive_average_pool_forward and _backward: argument rules and launches.
#include "convolution/pool.h"

#include "convolution/convolution.h"
#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kForward = "adaptive_average_pool_forward";
constexpr const char* kBackward = "adaptive_average_pool_backward";

template <class Args>
int64_t inputs(const Args& args) {
  return args.batch * args.input_height * args.input_width;
}

template <class Args>
int64_t outputs(const Args& args) {
  return args.batch * args.output_height * args.output_width;
}

template <class Args>
void check_extents(const Args& args, Check* check) {
  check->extent("batch", args.batch);
  check->extent("input_height", args.input_height);
  check->extent("input_width", args.input_width);
  check->extent("output_height", args.output_height);
  check->extent("output_width", args.output_width);
  check->extent("channels", args.channels);
  const int64_t extents[] = {args.batch, args.input_height, args.input_width, args.output_height, args.output_width, args.channels};
  for (const int64_t extent : extents) {
    check->supported(extent < (int64_t{1} << 30), "an extent is %lld; this device takes extents below 2^30.",
                     static_cast<long long>(extent));
  }
  if (!check->ok()) return;
  check->that(args.input_height * args.input_width > 0 || args.batch * args.output_height * args.output_width * args.channels == 0,
              "an input without pixels has no average; input_height and input_width must be at least 1.");
}

template <class Args>
Pool pool_of(const Args& args, const mm1_operand& from, int64_t from_rows, const mm1_operand& to, int64_t to_rows, int64_t element_bytes) {
  Pool pool{};
  pool.from = row_operand(from, from_rows);
  pool.to = row_operand(to, to_rows);
  pool.input_height = static_cast<int32_t>(args.input_height);
  pool.input_width = static_cast<int32_t>(args.input_width);
  pool.output_height = static_cast<int32_t>(args.output_height);
  pool.output_width = static_cast<int32_t>(args.output_width);
  pool.channels = args.channels;
  pool.vector = has_packs(pool.from, element_bytes) && has_packs(pool.to, element_bytes);
  return pool;
}

}  // namespace

}  // namespace mm1

mm1_status mm1_adaptive_average_pool_forward(mm1_stream stream, const mm1_adaptive_average_pool_forward_args* given, void* /*workspace*/,
                                             int64_t /*workspace_bytes*/) {
  using namespace mm1;
  mm1_adaptive_average_pool_forward_args args;
  MM1_RETURN_IF_FAILED(read_args(kForward, given, &args));
  Check check(kForward);
  check_extents(args, &check);
  const int64_t in = check.ok() ? inputs(args) : 0;
  const int64_t out = check.ok() ? outputs(args) : 0;
  const ComputeOperand operands[] = {{"x", &args.x, in, args.channels}, {"output", &args.output, out, args.channels}};
  check_compute_operands(operands, 2, &check);
  check.apart("output", {&args.output, out, args.channels, 1, 0}, "x", {&args.x, in, args.channels, 1, 0});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(kForward, &stream));
  if (out == 0 || args.channels == 0) return MM1_STATUS_OK;

  const int64_t element_bytes = dtype_bytes(args.output.dtype);
  Pool pool = pool_of(args, args.x, in, args.output, out, element_bytes);
  const bool is_float32 = args.output.dtype == MM1_DTYPE_FLOAT32;
  const bool large = largest_bin(args.input_height, args.input_width, args.output_height, args.output_width) >= kLargeBin;
  const RowGrid grid = plan_row_walk(out, args.channels, static_cast<int>(kPackBytes / element_bytes), current_profile());
  pool.walk = grid.walk;
  const int64_t tiles = (args.channels + kPoolChannels - 1) / kPoolChannels;
  if (large && out * tiles > kGridX) {
    return fail(MM1_STATUS_UNSUPPORTED, "%s: %lld output pixels of %lld channels need more blocks than a grid has.", kForward,
                static_cast<long long>(out), static_cast<long long>(args.channels));
  }
  return launch_pool_forward(stream, pool, is_float32, large, large ? static_cast<uint32_t>(out * tiles) : grid.blocks);
}

mm1_status mm1_adaptive_average_pool_backward(mm1_stream stream, const mm1_adaptive_average_pool_backward_args* given, void* /*workspace*/,
                                              int64_t /*workspace_bytes*/) {
  using namespace mm1;
  mm1_adaptive_average_pool_backward_args args;
  MM1_RETURN_IF_FAILED(read_args(kBackward, given, &args));
  Check check(kBackward);
  check_extents(args, &check);
  check.reserved("reserved", args.reserved);
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

  const int64_t element_bytes = dtype_bytes(args.input_gradient.dtype);
  Pool pool = pool_of(args, args.output_gradient, out, args.input_gradient, in, element_bytes);
  pool.beta = args.beta;
  const RowGrid grid = plan_row_walk(in, args.channels, static_cast<int>(kPackBytes / element_bytes), current_profile());
  pool.walk = grid.walk;
  return launch_pool_backward(stream, pool, args.input_gradient.dtype == MM1_DTYPE_FLOAT32, grid.blocks);
}
