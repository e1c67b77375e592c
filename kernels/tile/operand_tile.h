// How one stage of an operand lies in shared memory: the slice [extent, 64 bytes of k] of a (extent = rows of the output tile) or of b (its
// columns), as 16-byte chunks placed by a swizzle so that neither the copies into it nor the fragment loads out of it have bank conflicts.
//
//   k contiguous in memory       a line is one row, 4 chunks; 8 rows of one chunk (an 8 x 8 matrix of ldmatrix) lie in 8 different
//   (a as it lies, b transposed) sixteenths of the 128 bytes that shared memory serves at once
//   rows contiguous in memory    a line is one k, extent / (16 / element) chunks; 8 lines of one chunk (ldmatrix.trans, 2-byte elements),
//   (a transposed, b as it lies) or 4 lines of two neighbouring chunks (32-bit loads, 4-byte elements), are conflict-free
#ifndef MM1_TILE_OPERAND_TILE_H
#define MM1_TILE_OPERAND_TILE_H

#include <stdint.h>

#include "tile/host_device.h"

namespace mm1 {

constexpr int kChunkBytes = 16;
constexpr int kStageDepthBytes = 64;  // Bytes of k in one stage.

template <int ElementBytes, int Extent, bool DepthContiguous>
struct OperandTile {
  static_assert(ElementBytes == 2 || ElementBytes == 4, "bfloat16 or float32");
  static_assert(Extent % 64 == 0, "a line of contiguous rows has 8 chunks at least");

  static constexpr int kElementBytes = ElementBytes;
  static constexpr int kExtent = Extent;
  static constexpr bool kDepthContiguous = DepthContiguous;
  static constexpr int kDepth = kStageDepthBytes / ElementBytes;
  static constexpr int kBytes = Extent * kStageDepthBytes;
  static constexpr int kLines = DepthContiguous ? Extent : kDepth;
  static constexpr int kLineBytes = DepthContiguous ? kStageDepthBytes : Extent * ElementBytes;
  static constexpr int kLineChunks = kLineBytes / kChunkBytes;
  static constexpr int kChunks = kBytes / kChunkBytes;

  // Byte offset of a chunk within the tile: a permutation of the chunks of each line.
  MM1_HOST_DEVICE static constexpr uint32_t chunk_offset(uint32_t line, uint32_t chunk) {
    const uint32_t turn = DepthContiguous ? (line >> 1) & 3u : ElementBytes == 2 ? line & 7u : (line & 3u) << 1;
    return line * kLineBytes + ((chunk ^ turn) << 4);
  }

  // Byte offset of the element of row `row` (of a; column of b) and depth `k` within the tile.
  MM1_HOST_DEVICE static constexpr uint32_t element_offset(uint32_t row, uint32_t k) {
    const uint32_t line = DepthContiguous ? row : k;
    const uint32_t byte = (DepthContiguous ? k : row) * ElementBytes;
    return chunk_offset(line, byte >> 4) + (byte & 15u);
  }
};

}  // namespace mm1

#endif  // MM1_TILE_OPERAND_TILE_H
