// Threads that share a row: 1 to 32 neighbouring lanes of a warp, or a block. Sums over a team have one order, which depends on its width
// alone, and every thread gets the same bits.
#pragma once
#include "dev/arithmetic.cuh"
#include "tile/row_team.h"

namespace mm1 {

// Sums `Count` values over the team at once. A block's scratch holds two turns of its warps' sums, so that one barrier is enough for each;
// `turn` counts them and is the same in all threads.
template <bool kIsBlock, int Count>
DEV_FN void team_sums(float (&values)[Count], uint32_t width, float* scratch, uint32_t& turn) {
  const uint32_t lanes = kIsBlock ? 32 : width;
  for (uint32_t distance = lanes / 2; distance > 0; distance /= 2) {
    DEV_UNROLL for (int i = 0; i < Count; i++) values[i] = dev::add(values[i], dev::shfl_xor(values[i], static_cast<int>(distance)));
  }
  if (!kIsBlock) return;
  float* const slot = scratch + (turn % 2) * (kTeamWarps * Count);
  turn++;
  if (dev::lane() == 0) {
    DEV_UNROLL for (int i = 0; i < Count; i++) slot[dev::tid() / 32 * Count + i] = values[i];
  }
  dev::sync_block();
  DEV_UNROLL for (int i = 0; i < Count; i++) {
    values[i] = slot[i];
    DEV_UNROLL for (int warp = 1; warp < kTeamWarps; warp++) values[i] = dev::add(values[i], slot[warp * Count + i]);
  }
}

}  // namespace mm1
