// Adaptive average pooling, forward and backward.
//
// Maths      forward    output[i, c] = (sum of x over the pixels of bin i) / pixels
//            backward   gradient[p, c] = sum over the bins i that hold p of output_gradient[i, c] / pixels of i, + beta * old
// Order      float32; pixels of a bin line by line; in a large bin 32 lanes (float32: 16) take every 32nd pixel each and are added in
//            ascending order. Bins of a pixel ascending. Which kernel runs follows from the sides of the images, never from their number.
// Layout     NHWC, rows of any stride.
// Roles      pool_small_bins, pool_backward   a thread has a pack of 16 bytes of one pixel of the result
//            pool_large_bins                  a block has 64 channels of one bin: packs along the channels, lanes along the bin's pixels
// Budget     pool.h.
// Not here   windows with strides, maxima.
#include "convolution/pool.h"

#include "dev/arithmetic.cuh"
#include "dev/launch.h"
#include "host/device.h"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

struct Pixel {
  int64_t image;
  int32_t y;
  int32_t x;
};

DEV_FN Pixel pixel_of(int64_t row, int32_t height, int32_t width) {
  const int64_t line = quotient(row, width);
  const int64_t image = quotient(line, height);
  return {image, static_cast<int32_t>(line - image * height), static_cast<int32_t>(row - line * width)};
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) pool_small_bins(const DEV_GRID_CONST Pool pool) {
  constexpr int kPack = kPackElements<T>;
  const bool vector = pool.vector != 0;
  walk_rows(pool.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int count = pack_count<T>(pool.channels, pack);
    const Pixel pixel = pixel_of(row, pool.output_height, pool.output_width);
    const Bin lines = pool_bin(pixel.y, pool.input_height, pool.output_height);
    const Bin columns = pool_bin(pixel.x, pool.input_width, pool.output_width);
    float sum[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = 0.0f;
    for (int32_t y = lines.first; y < lines.end; y++) {
      for (int32_t x = columns.first; x < columns.end; x++) {
        float next[kPack];
        const int64_t source = (pixel.image * pool.input_height + y) * pool.input_width + x;
        load_pack(row_of<T>(pool.from, source) + pack * kPack, vector, count, next);
        DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = dev::add(sum[i], next[i]);
      }
    }
    const float area = static_cast<float>((lines.end - lines.first) * (columns.end - columns.first));
    DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = dev::divide(sum[i], area);
    store_pack(row_of<T>(pool.to, row) + pack * kPack, vector, count, sum);
  });
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kPoolThreads) pool_large_bins(const DEV_GRID_CONST Pool pool) {
  constexpr int kPack = kPackElements<T>;
  constexpr int kPacks = kPoolChannels / kPack;
  constexpr int kLanes = kPoolThreads / kPacks;
  constexpr int kAtOnce = 4;  // Loads on their way before the first is added.
  constexpr int kPitch = kPoolThreads + kPacks;  // Element e of all threads, then e + 1: no bank is met twice, writing or reading.
  DEV_SHARED(float, sums, kPitch * kPack);
  const int64_t tiles = (pool.channels + kPoolChannels - 1) / kPoolChannels;
  const int64_t row = quotient(dev::bid_x(), tiles);
  const int64_t first_channel = (dev::bid_x() - row * tiles) * kPoolChannels;
  const uint32_t thread = dev::tid();
  const int lane = static_cast<int>(thread / kPacks);
  const int64_t channel = first_channel + thread % kPacks * kPack;
  const int64_t left = pool.channels - channel;
  const int count = left <= 0 ? 0 : left < kPack ? static_cast<int>(left) : kPack;
  const bool vector = pool.vector != 0;
  const Pixel pixel = pixel_of(row, pool.output_height, pool.output_width);
  const Bin lines = pool_bin(pixel.y, pool.input_height, pool.output_height);
  const Bin columns = pool_bin(pixel.x, pool.input_width, pool.output_width);
  const int32_t width = columns.end - columns.first;
  const int32_t area = (lines.end - lines.first) * width;

  float sum[kPack];
  DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = 0.0f;
  for (int32_t first = lane; first < area; first += kLanes * kAtOnce) {
    float next[kAtOnce][kPack];
    DEV_UNROLL for (int n = 0; n < kAtOnce; n++) {
      const int32_t place = first + n * kLanes;
      const int32_t line = place / width;
      const int64_t source =
          (pixel.image * pool.input_height + lines.first + line) * pool.input_width + columns.first + (place - line * width);
      load_pack(row_of<T>(pool.from, source) + channel, vector, place < area ? count : 0, next[n]);
    }
    DEV_UNROLL for (int n = 0; n < kAtOnce; n++) {
      DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = first + n * kLanes < area ? dev::add(sum[i], next[n][i]) : sum[i];
    }
  }
  DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i * kPitch + thread] = sum[i];
  dev::sync_block();
  const uint32_t element = thread / kPacks;
  const int64_t own = first_channel + thread % kPacks * kPack + element;
  if (thread >= kPoolChannels || own >= pool.channels) return;
  float total = 0.0f;
  for (int other = 0; other < kLanes; other++) total = dev::add(total, sums[element * kPitch + other * kPacks + thread % kPacks]);
  store_element(row_of<T>(pool.to, row) + own, dev::divide(total, static_cast<float>(area)));
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) pool_backward(const DEV_GRID_CONST Pool pool) {
  constexpr int kPack = kPackElements<T>;
  const bool vector = pool.vector != 0;
  walk_rows(pool.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int count = pack_count<T>(pool.channels, pack);
    const Pixel pixel = pixel_of(row, pool.input_height, pool.input_width);
    const Bin lines = pool_bin(pixel.y, pool.output_height, pool.input_height);
    const Bin columns = pool_bin(pixel.x, pool.output_width, pool.input_width);
    T* const target = row_of<T>(pool.to, row) + pack * kPack;
    float sum[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = 0.0f;
    for (int32_t y = lines.first; y < lines.end; y++) {
      const Bin vertical = pool_bin(y, pool.input_height, pool.output_height);
      for (int32_t x = columns.first; x < columns.end; x++) {
        const Bin horizontal = pool_bin(x, pool.input_width, pool.output_width);
        const float share =
            dev::divide(1.0f, static_cast<float>((vertical.end - vertical.first) * (horizontal.end - horizontal.first)));
        float next[kPack];
        const int64_t source = (pixel.image * pool.output_height + y) * pool.output_width + x;
        load_pack(row_of<T>(pool.from, source) + pack * kPack, vector, count, next);
        DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = dev::fused_multiply_add(share, next[i], sum[i]);
      }
    }
    if (pool.beta != 0.0f) {
      float old[kPack];
      load_pack(target, vector, count, old);
      DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = dev::fused_multiply_add(pool.beta, old[i], sum[i]);
    }
    store_pack(target, vector, count, sum);
  });
}

template <class Kernel>
mm1_status launch(mm1_stream stream, const char* verb, uint32_t blocks, uint32_t threads, Kernel kernel, const Pool& pool) {
  dev::LaunchConfig config;
  config.grid = {blocks, 1, 1};
  config.block = {threads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, pool);
  return launched(verb, status.code, status.text);
}

}  // namespace

mm1_status launch_pool_forward(mm1_stream stream, const Pool& pool, bool is_float32, bool large_bins, uint32_t blocks) {
  constexpr const char* kVerb = "adaptive_average_pool_forward";
  if (large_bins) {
    return is_float32 ? launch(stream, kVerb, blocks, kPoolThreads, pool_large_bins<float>, pool)
                      : launch(stream, kVerb, blocks, kPoolThreads, pool_large_bins<dev::bf16>, pool);
  }
  return is_float32 ? launch(stream, kVerb, blocks, kWalkThreads, pool_small_bins<float>, pool)
                    : launch(stream, kVerb, blocks, kWalkThreads, pool_small_bins<dev::bf16>, pool);
}

mm1_status launch_pool_backward(mm1_stream stream, const Pool& pool, bool is_float32, uint32_t blocks) {
  constexpr const char* kVerb = "adaptive_average_pool_backward";
  return is_float32 ? launch(stream, kVerb, blocks, kWalkThreads, pool_backward<float>, pool)
                    : launch(stream, kVerb, blocks, kWalkThreads, pool_backward<dev::bf16>, pool);
}

}  // namespace mm1
