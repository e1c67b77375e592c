// 16 bytes of a row in registers, as float32: 4 elements of float32 or 8 of bfloat16. One access of 16 bytes where the row allows it, one
// for each element otherwise: the same values either way.
#pragma once
#include "dev/device.cuh"
#include "tile/host_device.h"
#include "tile/row_walk.h"

namespace mm1 {

template <class T>
constexpr int kPackElements = kPackBytes / static_cast<int>(sizeof(T));

// Elements of pack `pack` of a row of `columns`.
template <class T>
DEV_FN int pack_count(int64_t columns, int64_t pack) {
  const int64_t left = columns - pack * kPackElements<T>;
  return left < kPackElements<T> ? static_cast<int>(left) : kPackElements<T>;
}

DEV_FN float load_element(const float* from) { return dev::u2f(dev::ld_global_4(from)); }
DEV_FN float load_element(const dev::bf16* from) { return dev::to_float(dev::bf16{dev::ld_global_2(from)}); }
DEV_FN void store_element(float* to, float value) { dev::st_global_4(to, dev::f2u(value)); }
DEV_FN void store_element(dev::bf16* to, float value) { dev::st_global_2(to, dev::to_bf16(value).u); }

DEV_FN void unpack(const uint4& bits, float (&values)[4]) {
  values[0] = dev::u2f(bits.x);
  values[1] = dev::u2f(bits.y);
  values[2] = dev::u2f(bits.z);
  values[3] = dev::u2f(bits.w);
}

DEV_FN void unpack(const uint4& bits, float (&values)[8]) {
  values[0] = dev::low_bf16(bits.x);
  values[1] = dev::high_bf16(bits.x);
  values[2] = dev::low_bf16(bits.y);
  values[3] = dev::high_bf16(bits.y);
  values[4] = dev::low_bf16(bits.z);
  values[5] = dev::high_bf16(bits.z);
  values[6] = dev::low_bf16(bits.w);
  values[7] = dev::high_bf16(bits.w);
}

DEV_FN uint4 packed(const float (&values)[4]) {
  return uint4{dev::f2u(values[0]), dev::f2u(values[1]), dev::f2u(values[2]), dev::f2u(values[3])};
}

DEV_FN uint4 packed(const float (&values)[8]) {
  return uint4{dev::pack_bf16(values[0], values[1]), dev::pack_bf16(values[2], values[3]), dev::pack_bf16(values[4], values[5]),
               dev::pack_bf16(values[6], values[7])};
}

// The first `count` elements from `from` on; the others become 0. `vector`: rows begin at multiples of 16 bytes, and so does `from`.
template <class T, int Pack = kPackElements<T>>
DEV_FN void load_pack(const T* from, bool vector, int count, float (&values)[Pack]) {
  if (vector && count == Pack) {
    unpack(dev::ld_global_16(from), values);
    return;
  }
  DEV_UNROLL for (int i = 0; i < Pack; i++) values[i] = i < count ? load_element(from + i) : 0.0f;
}

// The same as the 16 bytes themselves, which take half of the registers where the elements are bfloat16.
template <class T>
DEV_FN uint4 load_packed(const T* from, bool vector, int count) {
  if (vector && count == kPackElements<T>) return dev::ld_global_16(from);
  float values[kPackElements<T>];
  DEV_UNROLL for (int i = 0; i < kPackElements<T>; i++) values[i] = i < count ? load_element(from + i) : 0.0f;
  return packed(values);
}

// Rounds and writes the first `count` elements.
template <class T, int Pack = kPackElements<T>>
DEV_FN void store_pack(T* to, bool vector, int count, const float (&values)[Pack]) {
  if (vector && count == Pack) {
    dev::st_global_16(to, packed(values));
    return;
  }
  DEV_UNROLL for (int i = 0; i < Pack; i++) {
    if (i < count) store_element(to + i, values[i]);
  }
}

// float32 beside elements of another dtype: `Count` of them (2, 4 or 8) from an index that is a multiple of Count.
template <int Count>
DEV_FN void load_floats(const float* from, bool vector, int count, float (&values)[Count]) {
  static_assert(Count == 2 || Count == 4 || Count == 8, "what lies beside a pack");
  if (vector && count == Count) {
    if (Count == 2) {
      const uint2 pair = dev::ld_global_8(from);
      values[0] = dev::u2f(pair.x);
      values[1] = dev::u2f(pair.y);
      return;
    }
    DEV_UNROLL for (int i = 0; i < Count; i += 4) {
      const uint4 four = dev::ld_global_16(from + i);
      values[i] = dev::u2f(four.x);
      values[(i + 1) % Count] = dev::u2f(four.y);
      values[(i + 2) % Count] = dev::u2f(four.z);
      values[(i + 3) % Count] = dev::u2f(four.w);
    }
    return;
  }
  DEV_UNROLL for (int i = 0; i < Count; i++) values[i] = i < count ? load_element(from + i) : 0.0f;
}

// The counterpart, of 4 or 8.
template <int Count>
DEV_FN void store_floats(float* to, bool vector, int count, const float (&values)[Count]) {
  static_assert(Count == 4 || Count == 8, "what lies beside a pack");
  DEV_UNROLL for (int i = 0; i < Count; i += 4) {
    if (vector && i + 4 <= count) {
      dev::st_global_16(to + i, uint4{dev::f2u(values[i]), dev::f2u(values[i + 1]), dev::f2u(values[i + 2]), dev::f2u(values[i + 3])});
    } else {
      DEV_UNROLL for (int j = i; j < i + 4; j++) {
        if (j < count) store_element(to + j, values[j]);
      }
    }
  }
}

// The value that the storage type keeps of a float32.
DEV_FN float rounded_to(const float*, float value) { return value; }
DEV_FN float rounded_to(const dev::bf16*, float value) { return dev::to_float(dev::to_bf16(value)); }

// For the lambdas that walk_rows runs: they must become part of the kernel, or what they capture would lie in local memory.
#define MM1_INLINE_BODY __attribute__((always_inline))

// Calls body(row, pack) for this thread's packs. Neighbouring threads have neighbouring packs.
template <class Body>
DEV_FN void walk_rows(const RowWalk& walk, const Body& body) {
  int64_t index = static_cast<int64_t>(dev::bid_x()) * kWalkThreads + dev::tid();
  if (index >= walk.packs) return;
  int64_t row = walk.packs_per_row == walk.packs ? 0 : index / walk.packs_per_row;
  int64_t pack = index - row * walk.packs_per_row;
  DEV_NO_UNROLL for (; index < walk.packs; index += walk.step) {
    body(row, pack);
    row += walk.step_rows;
    pack += walk.step_packs;
    if (pack >= walk.packs_per_row) {
      pack -= walk.packs_per_row;
      row++;
    }
  }
}

// index / divisor, by 32 bits where they do.
DEV_FN int64_t quotient(int64_t index, int64_t divisor) {
  if (((index | divisor) >> 32) == 0) return static_cast<uint32_t>(index) / static_cast<uint32_t>(divisor);
  return index / divisor;
}

template <class T>
DEV_FN T* row_of(const RowOperand& operand, int64_t row) {
  return reinterpret_cast<T*>(operand.data) + row * operand.row_stride;
}

}  // namespace mm1
