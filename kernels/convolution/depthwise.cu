// Depthwise convolution, forward and to the input, any kernel, stride and padding.
//
// Maths      to[p, c] = activation(sum over taps of from[source(p, tap), c] * weight[c, tap] + beta * to[p, c] + bias[c])
// Order      float32 fused multiply-adds, taps ascending.
// Layout     NHWC, rows of any stride; weights turned to [tap, channel] float32 in shared memory, 49 taps at a time.
// Roles      a block has 64 channels and 32 strips (float32: 16) of four neighbouring pixels of a line; a thread has a pack of 16 bytes of
//            channels of one strip. Where targets and sources advance alike (stride 1), the four sources of a tap are those of the tap
//            before moved by one pixel: one load a tap for four products.
// Budget     depthwise.h: 12.5 KB of shared memory, about 100 registers, two blocks an SM.
// Not here   several lines a thread (the cache has the lines above and below).
#include "convolution/depthwise.h"

#include "convolution/tap_map.cuh"
#include "dev/arithmetic.cuh"
#include "dev/launch.h"
#include "host/device.h"
#include "tile/activation.cuh"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

// A pack of one pixel as it lies, zeros where there is none.
template <class T>
DEV_FN void load_source(const Depthwise& problem, int32_t image, int32_t y, int32_t x, int64_t channel, int count,
                        float (&values)[kPackElements<T>]) {
  const bool inside = y >= 0 && x >= 0;
  const int64_t row = inside ? (static_cast<int64_t>(image) * problem.map.source_height + y) * problem.map.source_width + x : 0;
  load_pack(row_of<T>(problem.from, row) + channel, problem.vector != 0, inside ? count : 0, values);
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kDepthwiseThreads, 2) depthwise(const DEV_GRID_CONST Depthwise problem) {
  constexpr int kPack = kPackElements<T>;
  constexpr int kPacks = kDepthwiseChannels / kPack;
  constexpr int kStrips = kDepthwiseThreads / kPacks;
  DEV_SHARED(float, weights, kTapsAtOnce * kDepthwiseChannels);
  const TapMap& map = problem.map;
  const int64_t tiles = (problem.channels + kDepthwiseChannels - 1) / kDepthwiseChannels;
  const int64_t group = quotient(dev::bid_x(), tiles);
  const int64_t first_channel = (dev::bid_x() - group * tiles) * kDepthwiseChannels;
  const uint32_t thread = dev::tid();
  const uint32_t place = thread % kPacks * kPack;  // First channel of this thread within the block.
  const int64_t channel = first_channel + place;
  const int64_t left = problem.channels - channel;
  const int64_t strip = group * kStrips + thread / kPacks;
  const int count = left <= 0 || strip >= problem.strips ? 0 : left < kPack ? static_cast<int>(left) : kPack;
  const int32_t strips_per_line = (map.target_width + kStripPixels - 1) / kStripPixels;
  const int64_t line = quotient(strip, strips_per_line);
  const int32_t first_x = static_cast<int32_t>(strip - line * strips_per_line) * kStripPixels;
  const int64_t image = quotient(line, map.target_height);
  const int32_t y = static_cast<int32_t>(line - image * map.target_height);
  const bool slides = map.step == 1 && map.divisor == 1;

  float sum[kStripPixels][kPack];
  DEV_UNROLL for (int p = 0; p < kStripPixels; p++) {
    DEV_UNROLL for (int i = 0; i < kPack; i++) sum[p][i] = 0.0f;
  }
  const int32_t taps = map.taps_y * map.taps_x;
  for (int32_t first_tap = 0; first_tap < taps; first_tap += kTapsAtOnce) {
    const int32_t held = taps - first_tap < kTapsAtOnce ? taps - first_tap : kTapsAtOnce;
    if (first_tap > 0) dev::sync_block();
    for (uint32_t index = thread; index < static_cast<uint32_t>(held * kDepthwiseChannels); index += kDepthwiseThreads) {
      const uint32_t of = index / static_cast<uint32_t>(held);
      const uint32_t tap = index - of * static_cast<uint32_t>(held);
      const bool inside = first_channel + of < problem.channels;
      weights[tap * kDepthwiseChannels + of] =
          inside ? load_element(row_of<T>(problem.weight, first_channel + of) + first_tap + tap) : 0.0f;
    }
    dev::sync_block();
    if (count == 0) continue;
    int32_t i = first_tap / map.taps_x;
    int32_t j = first_tap - i * map.taps_x;
    float window[kStripPixels][kPack];  // What the four pixels read at this tap.
    bool is_new_line = true;
    DEV_NO_UNROLL for (int32_t tap = 0; tap < held; tap++) {
      const int32_t source_y = tap_source(map, y, i, map.source_height);
      if (source_y >= 0) {
        if (!slides || is_new_line) {
          DEV_UNROLL for (int p = 0; p < kStripPixels; p++) {
            const int32_t source_x = tap_source(map, first_x + p, j, map.source_width);
            load_source<T>(problem, static_cast<int32_t>(image), source_y, source_x, channel, count, window[p]);
          }
        } else if (map.direction > 0) {
          DEV_UNROLL for (int p = 0; p + 1 < kStripPixels; p++) {
            DEV_UNROLL for (int e = 0; e < kPack; e++) window[p][e] = window[p + 1][e];
          }
          const int32_t source_x = tap_source(map, first_x + kStripPixels - 1, j, map.source_width);
          load_source<T>(problem, static_cast<int32_t>(image), source_y, source_x, channel, count, window[kStripPixels - 1]);
        } else {
          DEV_UNROLL for (int p = kStripPixels - 1; p > 0; p--) {
            DEV_UNROLL for (int e = 0; e < kPack; e++) window[p][e] = window[p - 1][e];
          }
          const int32_t source_x = tap_source(map, first_x, j, map.source_width);
          load_source<T>(problem, static_cast<int32_t>(image), source_y, source_x, channel, count, window[0]);
        }
        const float* const weight = weights + tap * kDepthwiseChannels + place;
        DEV_UNROLL for (int p = 0; p < kStripPixels; p++) {
          DEV_UNROLL for (int e = 0; e < kPack; e++) sum[p][e] = dev::fused_multiply_add(window[p][e], weight[e], sum[p][e]);
        }
      }
      is_new_line = false;
      j++;
      if (j == map.taps_x) {
        j = 0;
        i++;
        is_new_line = true;
      }
    }
  }
  if (count == 0) return;
  float bias[kPack];
  if (problem.bias != nullptr) {
    DEV_UNROLL for (int e = 0; e < kPack; e++) {
      bias[e] = e < count ? load_element(reinterpret_cast<const T*>(problem.bias) + channel + e) : 0.0f;
    }
  }
  // One pixel after the other, the sums chosen by hand: unrolled, four copies of every activation would be code to load.
  DEV_NO_UNROLL for (int p = 0; p < kStripPixels; p++) {
    if (first_x + p >= map.target_width) break;
    float value[kPack];
    DEV_UNROLL for (int e = 0; e < kPack; e++) value[e] = p == 0 ? sum[0][e] : p == 1 ? sum[1][e] : p == 2 ? sum[2][e] : sum[3][e];
    T* const target = row_of<T>(problem.to, line * map.target_width + first_x + p) + channel;
    if (problem.beta != 0.0f) {
      float old[kPack];
      load_pack(target, problem.vector != 0, count, old);
      DEV_UNROLL for (int e = 0; e < kPack; e++) value[e] = dev::fused_multiply_add(problem.beta, old[e], value[e]);
    }
    DEV_UNROLL for (int e = 0; e < kPack; e++) {
      if (problem.bias != nullptr) value[e] = dev::add(value[e], bias[e]);
      if (problem.activation != MM1_ACTIVATION_NONE) value[e] = activate(problem.activation, value[e]);
    }
    store_pack(target, problem.vector != 0, count, value);
  }
}

template <class T>
mm1_status launch_typed(mm1_stream stream, const char* verb, const Depthwise& problem) {
  constexpr int kStrips = kDepthwiseThreads / (kDepthwiseChannels / kPackElements<T>);
  const int64_t tiles = (problem.channels + kDepthwiseChannels - 1) / kDepthwiseChannels;
  const int64_t blocks = (problem.strips + kStrips - 1) / kStrips * tiles;
  if (blocks > kGridX) {
    return fail(MM1_STATUS_UNSUPPORTED, "%s: %lld strips of pixels of %lld channels need more blocks than a grid has.", verb,
                static_cast<long long>(problem.strips), static_cast<long long>(problem.channels));
  }
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(blocks), 1, 1};
  config.block = {kDepthwiseThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, depthwise<T>, problem);
  return launched(verb, status.code, status.text);
}

}  // namespace

mm1_status launch_depthwise(mm1_stream stream, const char* verb, const Depthwise& problem, bool is_float32) {
  return is_float32 ? launch_typed<float>(stream, verb, problem) : launch_typed<dev::bf16>(stream, verb, problem);
}

}  // namespace mm1
