// Which threads share a row of a kernel that reduces over its columns: a pure function of the columns and the dtype, so that a row's bits do
// not depend on its neighbours. The device side is tile/row_team.cuh.
#ifndef MM1_TILE_ROW_TEAM_H
#define MM1_TILE_ROW_TEAM_H

#include <stdint.h>

#include "tile/row_walk.h"

namespace mm1 {

constexpr int kTeamThreads = 256;               // Of a block.
constexpr int kTeamWarps = kTeamThreads / 32;
constexpr int kTeamPacks = 4;                   // Of a row in one thread's registers at most.
constexpr int kTeamBlocks = 8;                  // Blocks for each multiprocessor at most; beyond it they loop.

struct RowTeam {
  int32_t width;      // Threads that share a row: a power of two up to 32, or the block.
  int32_t is_block;
  int32_t is_held;    // The row fits into registers; else every pass over it reads it again.
  int32_t in_block;   // Teams of a block.
};

// A pack for each lane, then up to four; then the whole block.
constexpr RowTeam row_team(int64_t columns, int pack) {
  const int64_t packs = columns / pack + (columns % pack != 0 ? 1 : 0);
  if (packs > 32 * kTeamPacks) return {kTeamThreads, 1, packs <= kTeamThreads * kTeamPacks, 1};
  int32_t width = 1;
  while (width < 32 && width < packs) width *= 2;
  return {width, 0, 1, kTeamThreads / width};
}

}  // namespace mm1

#endif  // MM1_TILE_ROW_TEAM_H
