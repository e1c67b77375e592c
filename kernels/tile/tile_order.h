// The order in which the tiles of an output are computed. Blocks run roughly in the order of their index, some hundred at a time; walking
// down `group` tile rows before going one tile column to the right keeps what they read near a square of the output, so that panels of a
// and b are found in the L2 cache again.
//
//   group 2, 5 x 3 tiles:    0  2  4       every tile exactly once; the last group has the rows that are left
//                            1  3  5
//                            6  8 10
//                            7  9 11
//                           12 13 14
#ifndef MM1_TILE_TILE_ORDER_H
#define MM1_TILE_TILE_ORDER_H

#include <stdint.h>

#include "tile/host_device.h"

namespace mm1 {

struct TileIndex {
  int64_t row;
  int64_t column;
};

struct TileOrder {
  int64_t rows;     // Tiles along m.
  int64_t columns;  // Tiles along n.
  int64_t group;    // Tile rows walked together, 1 at least.

  MM1_HOST_DEVICE constexpr int64_t count() const { return rows * columns; }

  // The tile that is computed as number `index` of count().
  MM1_HOST_DEVICE constexpr TileIndex at(int64_t index) const {
    const int64_t first = index / (group * columns) * group;
    const int64_t height = rows - first < group ? rows - first : group;
    const int64_t within = index - first * columns;
    return {first + within % height, within / height};
  }
};

}  // namespace mm1

#endif  // MM1_TILE_TILE_ORDER_H
