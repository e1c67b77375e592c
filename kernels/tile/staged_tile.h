// A tile of float32 sums in shared memory, between the accumulators (fragments, each thread a few scattered elements) and the epilogue
// (each thread four neighbouring columns, a warp whole rows). Groups of 8 columns are permuted by the row: the accumulators of mma and
// wgmma store pairs, 8 rows by 4 pairs a warp, and a half-warp's 4 rows then fall into different banks. Reading a row needs no care.
#ifndef MM1_TILE_STAGED_TILE_H
#define MM1_TILE_STAGED_TILE_H

#include <stdint.h>

#include "tile/host_device.h"

namespace mm1 {

template <int Rows, int Columns>
struct StagedTile {
  static_assert(Columns % 32 == 0, "the permutation exchanges 4 groups of 8 columns");

  static constexpr int kRows = Rows;
  static constexpr int kColumns = Columns;
  static constexpr int kBytes = Rows * Columns * 4;

  // Index of an element in floats; runs of columns that stay within a multiple of 8 stay together.
  MM1_HOST_DEVICE static constexpr uint32_t index(uint32_t row, uint32_t column) { return row * Columns + (column ^ ((row & 3u) << 3)); }
};

}  // namespace mm1

#endif  // MM1_TILE_STAGED_TILE_H
