// How rows of one head lie in shared memory: [rows, columns] in 16-byte chunks, placed by a swizzle so that neither copies of whole rows nor
// fragment loads (8 rows of one chunk, an 8 x 8 matrix of ldmatrix; or one chunk of 8 neighbouring rows by 8 lanes) have bank conflicts.
// Shared memory serves 128 bytes at once, 8 chunks: rows that are a multiple of 128 bytes all begin at the same of those 8, so the row's last
// three bits choose; rows that are an odd multiple of 64 bytes alternate between two halves, so the two bits above the last choose.
#ifndef MM1_ATTENTION_ATTENTION_TILE_H
#define MM1_ATTENTION_ATTENTION_TILE_H

#include <stdint.h>

#include "tile/host_device.h"

namespace mm1 {

template <int ElementBytes, int Rows, int Columns>
struct AttentionTile {
  static_assert(ElementBytes == 2 || ElementBytes == 4, "bfloat16 or float32");
  static_assert(Columns * ElementBytes % 64 == 0 && Rows % 8 == 0, "whole groups of chunks and of rows");

  static constexpr int kElementBytes = ElementBytes;
  static constexpr int kRows = Rows;
  static constexpr int kColumns = Columns;
  static constexpr int kRowBytes = Columns * ElementBytes;
  static constexpr int kRowChunks = kRowBytes / 16;
  static constexpr int kBytes = Rows * kRowBytes;
  static constexpr int kGroup = kRowBytes % 128 == 0 ? 8 : 4;  // Chunks that the swizzle exchanges.

  MM1_HOST_DEVICE static constexpr uint32_t turn(uint32_t row) { return kGroup == 8 ? row & 7u : (row >> 1) & 3u; }

  // Byte offset of a chunk within the tile: a permutation of the chunks of each row.
  MM1_HOST_DEVICE static constexpr uint32_t chunk_offset(uint32_t row, uint32_t chunk) {
    return row * kRowBytes + ((chunk ^ turn(row)) << 4);
  }

  // Byte offset of an element.
  MM1_HOST_DEVICE static constexpr uint32_t element_offset(uint32_t row, uint32_t column) {
    const uint32_t byte = column * ElementBytes;
    return chunk_offset(row, byte >> 4) + (byte & 15u);
  }
};

}  // namespace mm1

#endif  // MM1_ATTENTION_ATTENTION_TILE_H
