// Bicubic interpolation of a grid of positions, forward and backward; prefix rows (a class token) are copied.
//
// Maths      forward    output[i, c] = sum over taps of weight(i, tap) * x[tap, c], weights of cubic.cuh, the product of both sides
//            backward   the transposed map, + beta * old
// Order      float32 sums; taps of a position, and readers of a sample, line by line in ascending order.
// Roles      a thread has a pack of 16 bytes of one row of the result, and works out the weights that it needs: a table of positions is
//            small.
// Budget     interpolation.h.
// Not here   batches (a table has none), other filters.
#include "convolution/interpolation.h"

#include "convolution/cubic.cuh"
#include "dev/arithmetic.cuh"
#include "dev/launch.h"
#include "host/device.h"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

template <class T>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) interpolation_forward(const DEV_GRID_CONST Interpolation problem) {
  constexpr int kPack = kPackElements<T>;
  const bool vector = problem.vector != 0;
  const bool antialias = problem.antialias != 0;
  walk_rows(problem.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int count = pack_count<T>(problem.channels, pack);
    float sum[kPack];
    if (row < problem.prefix_rows) {
      load_pack(row_of<T>(problem.from, row) + pack * kPack, vector, count, sum);
      store_pack(row_of<T>(problem.to, row) + pack * kPack, vector, count, sum);
      return;
    }
    const int64_t position = row - problem.prefix_rows;
    const int64_t y = quotient(position, problem.horizontal.output);
    const CubicFilter vertical = cubic_filter(problem.vertical, antialias, y);
    const CubicFilter horizontal = cubic_filter(problem.horizontal, antialias, position - y * problem.horizontal.output);
    const double factor = antialias ? 1 / (vertical.total() * horizontal.total()) : 1.0;
    DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = 0.0f;
    for (int64_t tap_y = vertical.first; tap_y < vertical.end; tap_y++) {
      const double weight_y = vertical.weight(tap_y) * factor;
      const int64_t line = problem.prefix_rows + clamped(tap_y, 0, problem.vertical.input - 1) * problem.horizontal.input;
      for (int64_t tap_x = horizontal.first; tap_x < horizontal.end; tap_x++) {
        const float weight = static_cast<float>(weight_y * horizontal.weight(tap_x));
        float next[kPack];
        const int64_t source = line + clamped(tap_x, 0, problem.horizontal.input - 1);
        load_pack(row_of<T>(problem.from, source) + pack * kPack, vector, count, next);
        DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = dev::fused_multiply_add(weight, next[i], sum[i]);
      }
    }
    store_pack(row_of<T>(problem.to, row) + pack * kPack, vector, count, sum);
  });
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) interpolation_backward(const DEV_GRID_CONST Interpolation problem) {
  constexpr int kPack = kPackElements<T>;
  const bool vector = problem.vector != 0;
  const bool antialias = problem.antialias != 0;
  walk_rows(problem.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int count = pack_count<T>(problem.channels, pack);
    T* const target = row_of<T>(problem.to, row) + pack * kPack;
    float sum[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = 0.0f;
    if (row < problem.prefix_rows) {
      load_pack(row_of<T>(problem.from, row) + pack * kPack, vector, count, sum);
    } else {
      const int64_t position = row - problem.prefix_rows;
      const int64_t input_y = quotient(position, problem.horizontal.input);
      const int64_t input_x = position - input_y * problem.horizontal.input;
      int64_t top, bottom, left, right;
      cubic_readers(problem.vertical, input_y, &top, &bottom);
      cubic_readers(problem.horizontal, input_x, &left, &right);
      for (int64_t y = top; y < bottom; y++) {
        const double weight_y = cubic_coefficient(problem.vertical, antialias, y, input_y);
        if (weight_y == 0) continue;
        for (int64_t x = left; x < right; x++) {
          const float weight = static_cast<float>(weight_y * cubic_coefficient(problem.horizontal, antialias, x, input_x));
          if (weight == 0) continue;
          float next[kPack];
          const int64_t source = problem.prefix_rows + y * problem.horizontal.output + x;
          load_pack(row_of<T>(problem.from, source) + pack * kPack, vector, count, next);
          DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = dev::fused_multiply_add(weight, next[i], sum[i]);
        }
      }
    }
    if (problem.beta != 0.0f) {
      float old[kPack];
      load_pack(target, vector, count, old);
      DEV_UNROLL for (int i = 0; i < kPack; i++) sum[i] = dev::fused_multiply_add(problem.beta, old[i], sum[i]);
    }
    store_pack(target, vector, count, sum);
  });
}

template <class Kernel>
mm1_status launch(mm1_stream stream, const char* verb, uint32_t blocks, Kernel kernel, const Interpolation& problem) {
  dev::LaunchConfig config;
  config.grid = {blocks, 1, 1};
  config.block = {kWalkThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, problem);
  return launched(verb, status.code, status.text);
}

}  // namespace

mm1_status launch_interpolation_forward(mm1_stream stream, const Interpolation& problem, bool is_float32, uint32_t blocks) {
  constexpr const char* kVerb = "grid_interpolation_forward";
  return is_float32 ? launch(stream, kVerb, blocks, interpolation_forward<float>, problem)
                    : launch(stream, kVerb, blocks, interpolation_forward<dev::bf16>, problem);
}

mm1_status launch_interpolation_backward(mm1_stream stream, const Interpolation& problem, bool is_float32, uint32_t blocks) {
  constexpr const char* kVerb = "grid_interpolation_backward";
  return is_float32 ? launch(stream, kVerb, blocks, interpolation_backward<float>, problem)
                    : launch(stream, kVerb, blocks, interpolation_backward<dev::bf16>, problem);
}

}  // namespace mm1
