// A warp's part of a wgmma accumulator (16 rows) put into swizzled shared memory, where TMA or the warp itself reads it row by row.
//
// Fragment: lane l holds, for columns 8 j .. 8 j + 7, of row l / 4 the columns 2 (l % 4), 2 (l % 4) + 1 in registers 4 j, 4 j + 1, and of row
// l / 4 + 8 the same columns in 4 j + 2, 4 j + 3. Block: 16 lines of 128 bytes (64 bf16 or 32 floats), 2048 bytes, 16-byte piece p of line l at
// place p ^ (l % 8): TMA's 128-byte swizzle. Stores of a warp meet no bank twice.
#pragma once
#include "dev/matrix.cuh"
#include "dev/memory.cuh"
#include "tile/wgmma_tile.cuh"

namespace mm1 {
#if DEV_SM90A

constexpr int kStagingBlockBytes = 16 * kSwizzledLineBytes;

// 64 columns as bf16, by stmatrix: of each 16 x 16 the four 8 x 8 quarters, whose row addresses the lanes give.
DEV_FN void stage_bf16(uint32_t block, const float* fragment, uint32_t lane) {
  const uint32_t line = (lane & 7) + (lane & 8);
  DEV_UNROLL
  for (int pair = 0; pair < 4; pair++) {
    const float* f = fragment + pair * 8;
    uint32_t quarters[4];
    DEV_UNROLL
    for (int i = 0; i < 4; i++) quarters[i] = dev::pack_bf16(f[2 * i], f[2 * i + 1]);
    dev::stmatrix_x4(swizzled_piece(block, line, uint32_t(pair) * 2 + (lane >> 4)), quarters);
  }
}

// 32 columns as float32, 8 bytes a lane. A store of 8 bytes goes by half warps, rows 0 .. 3 and 4 .. 7 of one column group: odd rows take
// the columns in another order, or rows 0 and 1 would meet in the same pair of pieces.
DEV_FN void stage_float32(uint32_t block, const float* fragment, uint32_t lane) {
  const uint32_t row = lane >> 2;
  const bool odd = (row & 1) != 0;
  DEV_UNROLL
  for (int half = 0; half < 2; half++) {
    DEV_UNROLL
    for (int j = 0; j < 4; j++) {
      // Values, not places: a choice between two places would put the accumulators into memory.
      const uint2 own = {dev::f2u(fragment[j * 4 + half * 2]), dev::f2u(fragment[j * 4 + half * 2 + 1])};
      const uint2 other = {dev::f2u(fragment[(j ^ 2) * 4 + half * 2]), dev::f2u(fragment[(j ^ 2) * 4 + half * 2 + 1])};
      const uint32_t columns = odd ? uint32_t(j ^ 2) : uint32_t(j);
      const uint32_t line = row + uint32_t(half) * 8;
      const uint32_t address = swizzled_piece(block, line, columns * 2 + ((lane & 3) >> 1)) + (lane & 1) * 8;
      dev::st_shared_8(address, uint2{odd ? other.x : own.x, odd ? other.y : own.y});
    }
  }
}

#endif  // DEV_SM90A
}  // namespace mm1
