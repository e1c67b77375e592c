// Rotary position embedding (RoPE), forwards and back.
//
// Maths      a pair (x, y) of a head with angle index i becomes (x c - y s, x s + y c), c and s from row positions[token] of the table in
//            float32; s negated for the inverse. Both products of a sum are one multiplication and one fused multiply-add, as on the CPU.
//            A position outside of the table gives NaN in what is rotated.
// Layout     x and output [tokens, heads * head_size], in place or not; table float32 [max_position, rotary_size].
// Roles      a thread takes one item of a head: a pack and its partner half a rotation further (HALF), a pack of neighbouring pairs
//            (INTERLEAVED), or a pack of what is copied.
// Budget     256 threads, no shared memory, about 64 registers.
#include "dev/arithmetic.cuh"
#include "dev/launch.h"
#include "elementwise/elementwise.h"
#include "host/device.h"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

// (a, b) turned by the angle.
DEV_FN void turn(float cosine, float sine, float& a, float& b) {
  const float turned = dev::fused_multiply_add(-b, sine, dev::multiply(a, cosine));
  b = dev::fused_multiply_add(a, sine, dev::multiply(b, cosine));
  a = turned;
}

// `Count` angles of a row of the table from index `first` on; NaN without a row.
template <int Count>
DEV_FN void load_angles(const Rotary& problem, const float* row, int64_t first, int count, float (&cosines)[Count], float (&sines)[Count]) {
  if (row == nullptr) {
    DEV_UNROLL for (int i = 0; i < Count; i++) cosines[i] = sines[i] = dev::u2f(0x7fc00000u);
    return;
  }
  const bool vector = problem.vector_table != 0;
  load_floats(row + first, vector, count, cosines);
  load_floats(row + problem.rotary_size / 2 + first, vector, count, sines);
  if (problem.inverse == 0) return;
  DEV_UNROLL for (int i = 0; i < Count; i++) sines[i] = -sines[i];
}

template <class T>
DEV_FN void rotate_halves(const Rotary& problem, const float* angles, const T* x, T* output, int64_t item) {
  constexpr int kPack = kPackElements<T>;
  const bool vector = problem.vector != 0;
  const int64_t half = problem.rotary_size / 2;
  const int64_t first = item * kPack;
  const int count = pack_count<T>(half, item);
  float a[kPack], b[kPack], cosines[kPack], sines[kPack];
  load_pack(x + first, vector, count, a);
  load_pack(x + half + first, vector, count, b);
  load_angles(problem, angles, first, count, cosines, sines);
  DEV_UNROLL for (int i = 0; i < kPack; i++) turn(cosines[i], sines[i], a[i], b[i]);
  store_pack(output + first, vector, count, a);
  store_pack(output + half + first, vector, count, b);
}

template <class T>
DEV_FN void rotate_pairs(const Rotary& problem, const float* angles, const T* x, T* output, int64_t item) {
  constexpr int kPack = kPackElements<T>;
  const bool vector = problem.vector != 0;
  const int64_t first = item * kPack;
  const int count = pack_count<T>(problem.rotary_size, item);
  float values[kPack], cosines[kPack / 2], sines[kPack / 2];
  load_pack(x + first, vector, count, values);
  load_angles(problem, angles, first / 2, count / 2, cosines, sines);
  DEV_UNROLL for (int i = 0; i < kPack / 2; i++) turn(cosines[i], sines[i], values[2 * i], values[2 * i + 1]);
  store_pack(output + first, vector, count, values);
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) rotary_embedding(const DEV_GRID_CONST Rotary problem) {
  constexpr int kPack = kPackElements<T>;
  walk_rows(problem.walk, [&](int64_t token, int64_t place) MM1_INLINE_BODY {
    const int64_t head = quotient(place, problem.items);
    const int64_t item = place - head * problem.items;
    const T* const x = row_of<T>(problem.x, token) + head * problem.head_size;
    T* const output = row_of<T>(problem.output, token) + head * problem.head_size;
    if (item >= problem.rotated_items) {
      const bool vector = problem.vector != 0;
      const int64_t pack = item - problem.rotated_items;
      const int64_t first = problem.rotary_size + pack * kPack;
      const int count = pack_count<T>(problem.head_size - problem.rotary_size, pack);
      float values[kPack];
      load_pack(x + first, vector, count, values);
      store_pack(output + first, vector, count, values);
      return;
    }
    const int32_t position = static_cast<int32_t>(dev::ld_global_4(problem.positions + token));
    const bool is_inside = position >= 0 && position < problem.max_position;
    const float* const angles = is_inside ? row_of<float>(problem.table, position) : nullptr;
    if (problem.interleaved != 0) {
      rotate_pairs(problem, angles, x, output, item);
    } else {
      rotate_halves(problem, angles, x, output, item);
    }
  });
}

template <class Kernel>
mm1_status launch(mm1_stream stream, uint32_t blocks, Kernel kernel, const Rotary& problem) {
  dev::LaunchConfig config;
  config.grid = {blocks, 1, 1};
  config.block = {kWalkThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, problem);
  return launched("rotary_embedding", status.code, status.text);
}

}  // namespace

mm1_status launch_rotary(mm1_stream stream, bool is_float32, uint32_t blocks, const Rotary& problem) {
  return is_float32 ? launch(stream, blocks, rotary_embedding<float>, problem)
                    : launch(stream, blocks, rotary_embedding<dev::bf16>, problem);
}

}  // namespace mm1
