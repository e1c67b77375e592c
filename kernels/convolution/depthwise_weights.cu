// Weight gradient of a depthwise convolution, and the sum over blocks that all weight gradients of convolutions end with.
//
// Maths      weight_gradient[c, tap] = sum over output pixels p of gradient[p, c] * x[source(p, tap), c], + beta * old
// Order      blocks of 512 pixels of all images, ascending; in a block 32 lanes (float32: 16) take every 32nd pixel each, ascending, and
//            are added in ascending order.
// Layout     partial [blocks, channels, taps] float32 in the workspace.
// Roles      depthwise_weights   a block has 64 channels, nine taps and 512 pixels; a thread a pack of 16 bytes of channels and one lane of
//                                pixels, with the sums of the nine taps in registers
//            join_blocks         a thread for each element of the gradient
// Budget     depthwise.h: 8 KB of shared memory, about 120 registers (72 sums), two blocks an SM.
// Not here   taps shared between neighbouring pixels: the cache has them.
#include "convolution/depthwise.h"

#include "convolution/tap_map.cuh"
#include "dev/arithmetic.cuh"
#include "dev/launch.h"
#include "host/device.h"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

template <class T>
DEV_KERNEL DEV_BOUNDS(kDepthwiseThreads, 2) depthwise_weights(const DEV_GRID_CONST DepthwiseWeights problem) {
  constexpr int kPack = kPackElements<T>;
  constexpr int kPacks = kDepthwiseChannels / kPack;
  constexpr int kLanes = kDepthwiseThreads / kPacks;
  constexpr int kPitch = kDepthwiseThreads + kPacks;  // Element e of all threads, then e + 1: no bank is met twice, writing or reading.
  DEV_SHARED(float, sums, kPitch * kPack);
  const TapMap& map = problem.map;
  const int32_t taps = map.taps_y * map.taps_x;
  const int64_t tiles = (problem.channels + kDepthwiseChannels - 1) / kDepthwiseChannels;
  const int64_t tap_groups = (taps + kDepthwiseTapGroup - 1) / kDepthwiseTapGroup;
  const int64_t rest = quotient(dev::bid_x(), tiles);
  const int64_t first_channel = (dev::bid_x() - rest * tiles) * kDepthwiseChannels;
  const int64_t block = quotient(rest, tap_groups);
  const int32_t first_tap = static_cast<int32_t>(rest - block * tap_groups) * kDepthwiseTapGroup;
  const uint32_t thread = dev::tid();
  const uint32_t lane = thread / kPacks;
  const uint32_t place = thread % kPacks * kPack;
  const int64_t channel = first_channel + place;
  const int64_t left = problem.channels - channel;
  const int count = left <= 0 ? 0 : left < kPack ? static_cast<int>(left) : kPack;
  const bool vector = problem.vector != 0;
  const int32_t first_i = first_tap / map.taps_x;
  const int32_t first_j = first_tap - first_i * map.taps_x;

  float sum[kDepthwiseTapGroup][kPack];
  DEV_UNROLL for (int t = 0; t < kDepthwiseTapGroup; t++) {
    DEV_UNROLL for (int e = 0; e < kPack; e++) sum[t][e] = 0.0f;
  }
  const int64_t first_pixel = block * kDepthwiseBlockPixels;
  const int64_t end = first_pixel + kDepthwiseBlockPixels < problem.pixels ? first_pixel + kDepthwiseBlockPixels : problem.pixels;
  DEV_NO_UNROLL for (int64_t pixel = first_pixel + lane; pixel < end; pixel += kLanes) {
    const TargetPixel target = target_pixel(map, pixel);
    float gradient[kPack];
    load_pack(row_of<T>(problem.gradient, pixel) + channel, vector, count, gradient);
    int32_t i = first_i;
    int32_t j = first_j;
    DEV_UNROLL for (int t = 0; t < kDepthwiseTapGroup; t++) {
      const int32_t y = tap_source(map, target.y, i, map.source_height);
      const int32_t x = tap_source(map, target.x, j, map.source_width);
      if (y >= 0 && x >= 0 && first_tap + t < taps) {
        float value[kPack];
        const int64_t source = (static_cast<int64_t>(target.image) * map.source_height + y) * map.source_width + x;
        load_pack(row_of<T>(problem.x, source) + channel, vector, count, value);
        DEV_UNROLL for (int e = 0; e < kPack; e++) sum[t][e] = dev::fused_multiply_add(gradient[e], value[e], sum[t][e]);
      }
      j++;
      if (j == map.taps_x) {
        j = 0;
        i++;
      }
    }
  }
  DEV_UNROLL for (int t = 0; t < kDepthwiseTapGroup; t++) {
    if (first_tap + t < taps) {  // The same for the whole block.
      dev::sync_block();
      DEV_UNROLL for (int e = 0; e < kPack; e++) sums[e * kPitch + thread] = sum[t][e];
      dev::sync_block();
      const uint32_t element = thread / kPacks;
      const int64_t own = first_channel + thread % kPacks * kPack + element;
      if (thread < kDepthwiseChannels && own < problem.channels) {
        float total = 0.0f;
        for (int other = 0; other < kLanes; other++) total = dev::add(total, sums[element * kPitch + other * kPacks + thread % kPacks]);
        store_element(problem.partial + (block * problem.channels + own) * taps + first_tap + t, total);
      }
    }
  }
}

DEV_KERNEL DEV_BOUNDS(kJoinThreads) join_blocks(const DEV_GRID_CONST BlockSums sums) {
  constexpr int kAtOnce = 8;  // Loads on their way before the first is added.
  const int64_t elements = sums.rows * sums.columns;
  const int64_t index = static_cast<int64_t>(dev::bid_x()) * kJoinThreads + dev::tid();
  if (index >= elements) return;
  float sum = 0.0f;
  for (int64_t block = 0; block < sums.blocks; block += kAtOnce) {
    float next[kAtOnce];
    DEV_UNROLL for (int n = 0; n < kAtOnce; n++) {
      next[n] = block + n < sums.blocks ? load_element(sums.partial + (block + n) * elements + index) : 0.0f;
    }
    DEV_UNROLL for (int n = 0; n < kAtOnce; n++) {
      if (block + n < sums.blocks) sum = dev::add(sum, next[n]);
    }
  }
  const int64_t row = quotient(index, sums.columns);
  float* const target = sums.result + row * sums.row_stride + (index - row * sums.columns);
  if (sums.beta != 0.0f) sum = dev::fused_multiply_add(sums.beta, load_element(target), sum);
  store_element(target, sum);
}

template <class Kernel, class Problem>
mm1_status launch(mm1_stream stream, const char* verb, int64_t blocks, uint32_t threads, Kernel kernel, const Problem& problem) {
  if (blocks > kGridX) return fail(MM1_STATUS_UNSUPPORTED, "%s: the weight gradient needs more blocks than a grid has.", verb);
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(blocks), 1, 1};
  config.block = {threads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, problem);
  return launched(verb, status.code, status.text);
}

}  // namespace

mm1_status launch_depthwise_weights(mm1_stream stream, const char* verb, const DepthwiseWeights& problem, bool is_float32) {
  const int64_t taps = int64_t{problem.map.taps_y} * problem.map.taps_x;
  const int64_t blocks = (problem.pixels + kDepthwiseBlockPixels - 1) / kDepthwiseBlockPixels *
                         ((taps + kDepthwiseTapGroup - 1) / kDepthwiseTapGroup) *
                         ((problem.channels + kDepthwiseChannels - 1) / kDepthwiseChannels);
  return is_float32 ? launch(stream, verb, blocks, kDepthwiseThreads, depthwise_weights<float>, problem)
                    : launch(stream, verb, blocks, kDepthwiseThreads, depthwise_weights<dev::bf16>, problem);
}

mm1_status launch_join_blocks(mm1_stream stream, const char* verb, const BlockSums& sums) {
  return launch(stream, verb, (sums.rows * sums.columns + kJoinThreads - 1) / kJoinThreads, kJoinThreads, join_blocks, sums);
}

}  // namespace mm1
