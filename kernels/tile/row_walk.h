// How kernels without a sum walk over a matrix: packs of 16 bytes, row by row, in a grid-stride loop that divides once for each thread.
// Plain data that a host plans (pure, tested without a device) and a kernel takes as it is; the device side is tile/pack.cuh.
#ifndef MM1_TILE_ROW_WALK_H
#define MM1_TILE_ROW_WALK_H

#include <stdint.h>

#include "host/device_profile.h"
#include "mm1/kernels.h"

namespace mm1 {

constexpr int kWalkThreads = 256;          // Of a block.
constexpr int kWalkBlocks = 32;            // Blocks for each multiprocessor at most: four waves of eight. Beyond it threads loop.
constexpr int kPackBytes = 16;

// A matrix of rows. The stride counts elements, or bytes where a kernel moves bytes; it is 0 where there is one row.
struct RowOperand {
  char* data;
  int64_t row_stride;
};

struct RowWalk {
  int64_t columns;        // Elements of a row.
  int64_t packs_per_row;  // The last one may be short.
  int64_t packs;
  int64_t step;           // Threads of the grid, and the same as whole rows and what is left of them.
  int64_t step_rows;
  int64_t step_packs;
};

struct RowGrid {
  RowWalk walk;
  uint32_t blocks;        // 0: nothing to do.
};

// A walk by `blocks` blocks; tests choose few, so that threads loop.
constexpr RowWalk row_walk(int64_t rows, int64_t columns, int pack, int64_t blocks) {
  RowWalk walk{};
  walk.columns = columns;
  walk.packs_per_row = columns / pack + (columns % pack != 0 ? 1 : 0);
  walk.packs = rows * walk.packs_per_row;
  walk.step = blocks * kWalkThreads;
  if (walk.packs_per_row > 0) {
    walk.step_rows = walk.step / walk.packs_per_row;
    walk.step_packs = walk.step % walk.packs_per_row;
  }
  return walk;
}

// `most_blocks` 0: what fills the device. Results never depend on it.
constexpr RowGrid plan_row_walk(int64_t rows, int64_t columns, int pack, const DeviceProfile& profile, int64_t most_blocks = 0) {
  const int64_t packs = rows * (columns / pack + (columns % pack != 0 ? 1 : 0));
  const int64_t wanted = (packs + kWalkThreads - 1) / kWalkThreads;
  const int64_t most = most_blocks > 0 ? most_blocks : int64_t{profile.multiprocessors} * kWalkBlocks;
  const int64_t blocks = wanted < most ? wanted : most;
  return {row_walk(rows, columns, pack, blocks), static_cast<uint32_t>(blocks)};
}

// An operand of so many rows as kernels take it.
inline RowOperand row_operand(const mm1_operand& operand, int64_t rows) {
  return {static_cast<char*>(operand.data), rows > 1 ? operand.row_stride : 0};
}

// Whether every row begins at a multiple of 16 bytes. One row alone counts as if others followed at its stride.
inline bool has_packs(const RowOperand& operand, int64_t element_bytes) {
  return reinterpret_cast<uintptr_t>(operand.data) % kPackBytes == 0 && operand.row_stride * element_bytes % kPackBytes == 0;
}

// Whether its rows lie one after the other, so that the matrix is one long row.
inline bool is_dense(const mm1_operand& operand, int64_t rows, int64_t columns) { return rows <= 1 || operand.row_stride == columns; }

}  // namespace mm1

#endif  // MM1_TILE_ROW_WALK_H
