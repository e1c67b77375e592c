// A block's product in true float32: every thread keeps 8 x 8 sums in registers, a warp 32 x 64 (4 threads along rows, 8 along columns).
// Each product is added by one fused multiply-add, k ascending, one chain for each output element.
//
// Which 8 rows a thread has depends on the layout: with k contiguous a load brings four k of one row, and rows 4 (columns 8) apart make the
// loads of neighbouring threads fall into different banks; with rows contiguous it brings four rows of one k.
#pragma once
#include "dev/arithmetic.cuh"
#include "tile/operand_tile.h"
#include "tile/staged_tile.h"

namespace mm1 {

// Row number i (0 to 7) of thread `place` among `Places` in a row (Places = 4: rows of a) or column (8: columns of b) of threads.
template <class Tile, int Places>
DEV_FN uint32_t float32_row(uint32_t place, uint32_t i) {
  return Tile::kDepthContiguous ? place + i * Places : i / 4 * (4 * Places) + place * 4 + i % 4;
}

template <class TileA, class TileB, int WarpM, int WarpN>
class Float32Product {
 public:
  static_assert(WarpM == 32 && WarpN == 64, "4 by 8 threads of 8 by 8 sums");
  static constexpr int kThreads = TileA::kExtent / WarpM * (TileB::kExtent / WarpN) * 32;

  MM1_DEVICE_MEMBER explicit Float32Product(uint32_t thread)
      : row_(thread / 32 / (TileB::kExtent / WarpN) * WarpM),
        column_(thread / 32 % (TileB::kExtent / WarpN) * WarpN),
        row_place_(thread % 32 / 8),
        column_place_(thread % 8) {
    DEV_UNROLL for (int i = 0; i < 8; i++) {
      DEV_UNROLL for (int j = 0; j < 8; j++) sums_[i][j] = 0.0f;
    }
  }

  MM1_DEVICE_MEMBER void multiply(uint32_t tile_a, uint32_t tile_b) {
    DEV_UNROLL for (uint32_t chunk = 0; chunk < kStageDepthBytes / kChunkBytes; chunk++) {
      float b[8][4];
      load_rows<TileB, 8, 8>(b, tile_b, column_, column_place_, 0, chunk);
      // Rows of a in as few registers as one load brings: one row, or four.
      constexpr int kRows = TileA::kDepthContiguous ? 1 : 4;
      DEV_UNROLL for (int first = 0; first < 8; first += kRows) {
        float a[kRows][4];
        load_rows<TileA, 4, kRows>(a, tile_a, row_, row_place_, first, chunk);
        DEV_UNROLL for (int i = 0; i < kRows; i++) {
          DEV_UNROLL for (int j = 0; j < 8; j++) {
            DEV_UNROLL for (int k = 0; k < 4; k++) sums_[first + i][j] = dev::fused_multiply_add(a[i][k], b[j][k], sums_[first + i][j]);
          }
        }
      }
    }
  }

  // Without bank conflicts but for a transposed times b transposed, where the rows of four threads share their banks.
  template <class Staged>
  MM1_DEVICE_MEMBER void stage(uint32_t staged) const {
    DEV_UNROLL for (uint32_t i = 0; i < 8; i++) {
      const uint32_t row = row_ + float32_row<TileA, 4>(row_place_, i);
      if constexpr (TileB::kDepthContiguous) {
        DEV_UNROLL for (uint32_t j = 0; j < 8; j++) {
          const uint32_t column = column_ + float32_row<TileB, 8>(column_place_, j);
          dev::st_shared_4(staged + Staged::index(row, column) * 4, dev::f2u(sums_[i][j]));
        }
      } else {
        DEV_UNROLL for (uint32_t j = 0; j < 8; j += 4) {
          const uint32_t column = column_ + float32_row<TileB, 8>(column_place_, j);
          dev::st_shared_16(staged + Staged::index(row, column) * 4,
                            uint4{dev::f2u(sums_[i][j]), dev::f2u(sums_[i][j + 1]), dev::f2u(sums_[i][j + 2]), dev::f2u(sums_[i][j + 3])});
        }
      }
    }
  }

 private:
  // values[i][k]: rows first .. first + Rows - 1 of this thread, the four k of one chunk.
  template <class Tile, int Places, int Rows>
  MM1_DEVICE_MEMBER static void load_rows(float (&values)[Rows][4], uint32_t tile, uint32_t warp_row, uint32_t place, uint32_t first,
                                          uint32_t chunk) {
    if constexpr (Tile::kDepthContiguous) {
      DEV_UNROLL for (uint32_t i = 0; i < Rows; i++) {
        const uint4 four = dev::ld_shared_16(tile + Tile::chunk_offset(warp_row + float32_row<Tile, Places>(place, first + i), chunk));
        values[i][0] = dev::u2f(four.x);
        values[i][1] = dev::u2f(four.y);
        values[i][2] = dev::u2f(four.z);
        values[i][3] = dev::u2f(four.w);
      }
    } else {
      DEV_UNROLL for (uint32_t i = 0; i < Rows; i += 4) {
        const uint32_t row = warp_row + float32_row<Tile, Places>(place, first + i);
        DEV_UNROLL for (uint32_t k = 0; k < 4; k++) {
          const uint4 four = dev::ld_shared_16(tile + Tile::chunk_offset(chunk * 4 + k, row / 4));
          values[i][k] = dev::u2f(four.x);
          values[i + 1][k] = dev::u2f(four.y);
          values[i + 2][k] = dev::u2f(four.z);
          values[i + 3][k] = dev::u2f(four.w);
        }
      }
    }
  }

  float sums_[8][8];
  uint32_t row_;  // First row and column of this warp in the tile.
  uint32_t column_;
  uint32_t row_place_;
  uint32_t column_place_;
};

}  // namespace mm1
