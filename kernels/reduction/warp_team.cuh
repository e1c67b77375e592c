// One row by one warp, or by a block of warps: who has which packs of the row, and sums and maxima over the team. The number of columns
// alone chooses the team, and an element's place in the row its thread and its turn: no other row and no width of access changes a bit.
#pragma once
#include "dev/arithmetic.cuh"
#include "tile/pack.cuh"

namespace mm1 {

template <int Warps>
struct WarpTeam {
  static constexpr int kSize = Warps * 32;                     // Threads of a row.
  static constexpr int kThreads = Warps == 1 ? 256 : kSize;    // Threads of a block.
  static constexpr int kRows = kThreads / kSize;               // Rows of a block.
};

// This thread's place in its team.
template <int Warps>
DEV_FN uint32_t team_member() {
  return Warps == 1 ? dev::lane() : dev::tid();
}

// First row of this thread's team; the next one is team_step further.
template <int Warps>
DEV_FN int64_t team_row() {
  return static_cast<int64_t>(dev::bid_x()) * WarpTeam<Warps>::kRows + (Warps == 1 ? dev::tid() / 32 : 0);
}

template <int Warps>
DEV_FN int64_t team_step() {
  return static_cast<int64_t>(dev::nbid_x()) * WarpTeam<Warps>::kRows;
}

// NaN wins; else the larger.
DEV_FN float larger(float a, float b) {
  if (a != a) return a;
  return b > a || b != b ? b : a;
}

struct AddFloats {
  DEV_FN float of(float a, float b) { return dev::add(a, b); }
};
struct LargerFloat {
  DEV_FN float of(float a, float b) { return larger(a, b); }
};

// The same value for every member: pairs in a warp, then the warps in ascending order. `scratch` has a place for each warp of the team.
template <int Warps, class Operation>
DEV_FN float team_combine(float value, float* scratch) {
  DEV_UNROLL for (int distance = 16; distance > 0; distance /= 2) value = Operation::of(value, dev::shfl_xor(value, distance));
  if (Warps == 1) return value;
  dev::sync_block();  // Whoever still reads the scratch of the call before.
  if (dev::lane() == 0) scratch[dev::tid() / 32] = value;
  dev::sync_block();
  float result = scratch[0];
  DEV_UNROLL for (int warp = 1; warp < Warps; warp++) result = Operation::of(result, scratch[warp]);
  return result;
}

// The sum of a thread's accumulators, in pairs.
template <int Count>
DEV_FN float folded(float (&values)[Count]) {
  DEV_UNROLL for (int half = Count / 2; half > 0; half /= 2) {
    DEV_UNROLL for (int i = 0; i < half; i++) values[i] = dev::add(values[i], values[i + half]);
  }
  return values[0];
}

}  // namespace mm1
