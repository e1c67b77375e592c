// The 2-norm of all gradients together, the clip factor and the guard: no value goes to the host.
//
// Maths      norm = sqrt(sum of squares), float64: the square of a float32 is exact. clip_factor = min(1, max_norm / (norm + 1e-6)).
// Order      fixed by the tensors alone. Chunks of 16,384 elements of one tensor, tensors ascending; slot s of 256 sums its run of
//            neighbouring chunks: a thread four accumulators for every 256th four elements, lanes in pairs, warps ascending; slots
//            ascending by eights.
// Roles      sum_squares           a block of 256 threads for each slot; finds its chunks in the tensor list (tensor_walk.cuh).
//            finish_gradient_norm  a warp; writes the step state.
// Budget     1 KB of shared memory, 256 threads, about 64 registers.
#include "dev/launch.h"
#include "host/device.h"
#include "optimizer/tensor_walk.cuh"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

constexpr int kWarps = kOptimizerThreads / 32;
constexpr int kAtOnce = 4;  // Fours on their way before the first is squared.
constexpr int kSlotsOfLane = static_cast<int>(kNormSlots) / 32;

DEV_KERNEL DEV_BOUNDS(kOptimizerThreads) sum_squares(const DEV_GRID_CONST GradientNorm norm) {
  DEV_SHARED(uint32_t, ends, kOptimizerThreads);
  DEV_SHARED(double, warp_sums, kWarps);
  int64_t chunks = 0;
  for (int64_t batch = 0; batch < norm.tensor_count; batch += kOptimizerThreads) {
    if (batch > 0) dev::sync_block();  // Whoever still reads the ends of the batch before.
    count_chunks(norm.tensors, norm.tensor_count, batch, kNormChunk, ends);
    chunks += ends[kOptimizerThreads - 1];
  }
  const bool is_counted = norm.tensor_count <= kOptimizerThreads;
  if (!is_counted) dev::sync_block();
  const int64_t slot = dev::bid_x();
  const int64_t first_chunk = slot * chunks / kNormSlots;
  const int64_t end_chunk = (slot + 1) * chunks / kNormSlots;
  if (first_chunk == end_chunk) {
    if (dev::tid() == 0) norm.partial[slot] = 0.0;
    return;
  }
  double sums[4] = {0.0, 0.0, 0.0, 0.0};
  walk_chunks(norm.tensors, norm.tensor_count, kNormChunk, first_chunk, end_chunk, 1, ends, is_counted,
              [&](const mm1_optimizer_tensor& tensor, int64_t chunk) {
    const float* gradient = tensor.gradient + chunk * kNormChunk;
    const int64_t left = tensor.count - chunk * kNormChunk;
    const int64_t count = left < kNormChunk ? left : kNormChunk;
    const bool aligned = reinterpret_cast<uintptr_t>(tensor.gradient) % 16 == 0;
    DEV_NO_UNROLL for (int64_t first = 4 * dev::tid(); first < count; first += kAtOnce * 4 * kOptimizerThreads) {
      float values[kAtOnce][4];
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        const int64_t place = first + j * 4 * kOptimizerThreads;
        const int64_t there = count - place;
        load_pack(gradient + place, aligned, there >= 4 ? 4 : there > 0 ? static_cast<int>(there) : 0, values[j]);
      }
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        DEV_UNROLL for (int i = 0; i < 4; i++) {
          const double x = values[j][i];
          sums[i] = dev::fused_multiply_add(x, x, sums[i]);
        }
      }
    }
  });
  double sum = warp_sum(dev::add(dev::add(sums[0], sums[1]), dev::add(sums[2], sums[3])));
  if (dev::lane() == 0) warp_sums[dev::tid() / 32] = sum;
  dev::sync_block();
  if (dev::tid() != 0) return;
  for (int warp = 1; warp < kWarps; warp++) sum = dev::add(sum, warp_sums[warp]);
  norm.partial[slot] = sum;
}

DEV_KERNEL DEV_BOUNDS(32) finish_gradient_norm(const DEV_GRID_CONST GradientNorm norm) {
  DEV_SHARED(double, lanes, 32);
  double sum = 0.0;
  DEV_UNROLL for (int i = 0; i < kSlotsOfLane; i++) sum = dev::add(sum, norm.partial[dev::lane() * kSlotsOfLane + i]);
  lanes[dev::lane()] = sum;
  dev::sync_warp();
  if (dev::lane() != 0) return;
  for (int lane = 1; lane < 32; lane++) sum = dev::add(sum, lanes[lane]);
  const double root = dev::square_root(sum);
  const float written = static_cast<float>(root);
  mm1_step_state* state = norm.step_state;
  state->gradient_norm = written;
  float factor = 1.0f;
  if (norm.max_norm != 0.0f) {
    const double ratio = dev::divide(static_cast<double>(norm.max_norm), dev::add(root, 1e-6));
    if (!(ratio >= 1.0)) factor = static_cast<float>(ratio);  // A NaN stays one.
  }
  state->clip_factor = factor;
  const bool is_finite = (dev::f2u(written) & 0x7f800000u) != 0x7f800000u;
  if (norm.skip_non_finite != 0 && !is_finite) state->skip = 1;
  if (state->skip_above_norm != 0.0f && written > state->skip_above_norm) state->skip = 1;
}

}  // namespace

mm1_status launch_gradient_norm(mm1_stream stream, const GradientNorm& norm) {
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(kNormSlots), 1, 1};
  config.block = {kOptimizerThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  dev::LaunchStatus status = dev::launch(config, sum_squares, norm);
  MM1_RETURN_IF_FAILED(launched("gradient_norm", status.code, status.text));
  config.grid = {1, 1, 1};
  config.block = {32, 1, 1};
  status = dev::launch(config, finish_gradient_norm, norm);
  return launched("gradient_norm", status.code, status.text);
}

}  // namespace mm1
