// Operands of mma.sync m16n8k16 out of an AttentionTile of bfloat16, by ldmatrix without bank conflicts (dev/matrix.cuh has the layouts).
// Loops give dev::opaque(dev::lane()) for `lane`, so that addresses are not kept in registers around them.
#pragma once
#include "attention/attention_tile.h"
#include "dev/device.cuh"
#include "dev/matrix.cuh"

namespace mm1 {

// A [16 rows, 16 columns] as it lies: rows from `row`, columns from 16 * step.
template <class Tile>
DEV_FN void load_a(uint32_t (&a)[4], uint32_t tile, uint32_t row, uint32_t step, uint32_t lane = dev::lane()) {
  dev::ldmatrix_x4(a, tile + Tile::chunk_offset(row + (lane & 15), step * 2 + (lane >> 4)));
}

// B [16, 16], the tile's transpose (its rows are B's columns): columns of B from tile row `row` on, k from tile column 16 * step on.
template <class Tile>
DEV_FN void load_b_of_rows(uint32_t (&first)[2], uint32_t (&second)[2], uint32_t tile, uint32_t row, uint32_t step,
                           uint32_t lane = dev::lane()) {
  uint32_t words[4];
  dev::ldmatrix_x4(words, tile + Tile::chunk_offset(row + (lane >> 4) * 8 + (lane & 7), step * 2 + ((lane >> 3) & 1)));
  first[0] = words[0];
  first[1] = words[1];
  second[0] = words[2];
  second[1] = words[3];
}

// B [16, 16] as the tile lies (its rows are k): k from tile row 16 * step on, columns from tile column 8 * chunk on.
template <class Tile>
DEV_FN void load_b_of_columns(uint32_t (&first)[2], uint32_t (&second)[2], uint32_t tile, uint32_t step, uint32_t chunk,
                              uint32_t lane = dev::lane()) {
  uint32_t words[4];
  dev::ldmatrix_x4_trans(words, tile + Tile::chunk_offset(step * 16 + (lane & 15), chunk + (lane >> 4)));
  first[0] = words[0];
  first[1] = words[1];
  second[0] = words[2];
  second[1] = words[3];
}

}  // namespace mm1
