// A block's product by mma.sync: each warp keeps [WarpM, WarpN] sums in registers and adds one stage after the other to them, k ascending
// in steps of 32 bytes: 16 bfloat16 (m16n8k16) or 8 float32 rounded to tf32 (m16n8k8). The sums of an element are made by the same
// instructions in the same order whatever the tile.
//
// Fragments. ldmatrix moves 32-bit words (lane l gets word l % 4 of row l / 4), so with k contiguous both dtypes load alike. With rows
// contiguous, 2-byte elements come transposed from ldmatrix; there is no such instruction for 4-byte elements: those are loaded one by one.
//   a, 16 rows      {rows 0-7, first half of k} {rows 8-15, first} {rows 0-7, second half} {rows 8-15, second}
//   b, 16 columns   {columns 0-7, first half of k} {columns 0-7, second half} {columns 8-15, first} {columns 8-15, second}
#pragma once
#include "dev/device.cuh"
#include "dev/matrix.cuh"
#include "tile/operand_tile.h"
#include "tile/staged_tile.h"

namespace mm1 {

// The four words of one fragment (a) or two (b), from row `first_row` of the tile and k step `step`. PairIsDepth: of the four 8 x 8
// matrices the second is the other half of k (b) rather than the other 8 rows (a).
template <class Tile, bool PairIsDepth>
DEV_FN void load_fragment(uint32_t (&words)[4], uint32_t tile, uint32_t first_row, uint32_t step) {
  const uint32_t lane = dev::lane();
  const uint32_t matrix = lane >> 3;
  const uint32_t row_half = PairIsDepth ? matrix >> 1 : matrix & 1;
  const uint32_t depth_half = PairIsDepth ? matrix & 1 : matrix >> 1;
  if constexpr (Tile::kDepthContiguous) {
    dev::ldmatrix_x4(words, tile + Tile::chunk_offset(first_row + row_half * 8 + (lane & 7), step * 2 + depth_half));
  } else if constexpr (Tile::kElementBytes == 2) {
    dev::ldmatrix_x4_trans(words, tile + Tile::chunk_offset(step * 16 + depth_half * 8 + (lane & 7), first_row / 8 + row_half));
  } else {
    DEV_UNROLL for (uint32_t i = 0; i < 4; i++) {
      const uint32_t row = first_row + (PairIsDepth ? i >> 1 : i & 1) * 8 + (lane >> 2);
      const uint32_t k = step * 8 + (PairIsDepth ? i & 1 : i >> 1) * 4 + (lane & 3);
      words[i] = dev::ld_shared_4(tile + Tile::element_offset(row, k));
    }
  }
  if constexpr (Tile::kElementBytes == 4) {
    DEV_UNROLL for (int i = 0; i < 4; i++) words[i] = dev::to_tf32(dev::u2f(words[i]));
  }
}

template <class TileA, class TileB, int WarpM, int WarpN>
class MmaProduct {
 public:
  static constexpr int kThreads = TileA::kExtent / WarpM * (TileB::kExtent / WarpN) * 32;

  MM1_DEVICE_MEMBER explicit MmaProduct(uint32_t thread)
      : row_(thread / 32 / (TileB::kExtent / WarpN) * WarpM), column_(thread / 32 % (TileB::kExtent / WarpN) * WarpN) {
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) {
      DEV_UNROLL for (int j = 0; j < kColumnFragments; j++) {
        DEV_UNROLL for (int e = 0; e < 4; e++) sums_[i][j][e] = 0.0f;
      }
    }
  }

  // Adds the product of one stage. Fragments of the next step are loaded before those of this one are multiplied, so that the tensor cores
  // do not wait for shared memory.
  MM1_DEVICE_MEMBER void multiply(uint32_t tile_a, uint32_t tile_b) {
    uint32_t a[2][kRowFragments][4];
    uint32_t b[2][kColumnFragments][2];
    load_step(a[0], b[0], tile_a, tile_b, 0);
    DEV_UNROLL for (int step = 0; step < kSteps; step++) {
      if (step + 1 < kSteps) load_step(a[(step + 1) % 2], b[(step + 1) % 2], tile_a, tile_b, step + 1);
      if constexpr (TileA::kElementBytes == 2) {
        dev::mma_bf16_tile(sums_, a[step % 2], b[step % 2]);
      } else {
        dev::mma_tf32_tile(sums_, a[step % 2], b[step % 2]);
      }
    }
  }

  // Writes the sums into a StagedTile at shared address `staged`.
  template <class Staged>
  MM1_DEVICE_MEMBER void stage(uint32_t staged) const {
    const uint32_t lane = dev::lane();
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) {
      DEV_UNROLL for (int j = 0; j < kColumnFragments; j++) {
        DEV_UNROLL for (int half = 0; half < 2; half++) {
          const uint32_t row = row_ + i * 16 + half * 8 + lane / 4;
          const uint32_t column = column_ + j * 8 + lane % 4 * 2;
          const uint2 pair{dev::f2u(sums_[i][j][half * 2]), dev::f2u(sums_[i][j][half * 2 + 1])};
          dev::st_shared_8(staged + Staged::index(row, column) * 4, pair);
        }
      }
    }
  }

 private:
  static constexpr int kRowFragments = WarpM / 16;
  static constexpr int kColumnFragments = WarpN / 8;
  static constexpr int kSteps = kStageDepthBytes / 32;
  static_assert(WarpM % 16 == 0 && WarpN % 16 == 0, "whole fragments");

  MM1_DEVICE_MEMBER void load_step(uint32_t (&a)[kRowFragments][4], uint32_t (&b)[kColumnFragments][2], uint32_t tile_a, uint32_t tile_b,
                                   int step) const {
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) load_fragment<TileA, false>(a[i], tile_a, row_ + i * 16, step);
    DEV_UNROLL for (int j = 0; j < kColumnFragments; j += 2) {
      uint32_t two[4];
      load_fragment<TileB, true>(two, tile_b, column_ + j * 8, step);
      DEV_UNROLL for (int e = 0; e < 4; e++) b[j + e / 2][e % 2] = two[e];
    }
  }

  float sums_[kRowFragments][kColumnFragments][4];
  uint32_t row_;     // First row and column of this warp in the tile.
  uint32_t column_;
};

}  // namespace mm1
