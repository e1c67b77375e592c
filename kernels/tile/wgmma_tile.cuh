// Operand tiles of wgmma in shared memory, as TMA writes them with the 128-byte swizzle: bf16, 64 elements (128 bytes) to a line, and
// 16-byte piece p of line l at place p ^ (l % 8). A tile starts at a multiple of 1024 bytes.
//
//   K-major (k contiguous):       [rows] lines of 64 k. Groups of 8 rows are 1024 bytes apart; 16 k further is 32 bytes further.
//   MN-major (rows contiguous):   one panel of 8 KB per 64 rows, each [64 k] lines of 64 rows. 8 k are 1024 bytes, 16 k further is 2048
//                                 bytes further, the next 64 rows are 8192 bytes further.
//
// In both, rows 64 i .. 64 i + 63 of a tile begin 8192 i bytes into it: that is how the consumer warpgroups share a tile.
#pragma once
#include "dev/wgmma.cuh"

namespace mm1 {

constexpr int kWgmmaK = 16;                // k of one instruction.
constexpr int kSwizzledLineBytes = 128;    // One line of a tile.
constexpr int kSwizzledPanelBytes = 8192;  // 64 lines.

#if DEV_SM90A

// Descriptor of the 16 k that begin at k = 16 * step of a tile whose k extent is 64.
template <bool mn_major>
DEV_FN uint64_t operand_descriptor(uint32_t tile, int step) {
  if (mn_major) return dev::wg_desc(tile + uint32_t(step) * 2048, kSwizzledPanelBytes, 1024);
  return dev::wg_desc(tile + uint32_t(step) * 32, 16, 1024);
}

// Shared address of 16-byte piece `piece` of line `line` in a block of swizzled lines that starts at a multiple of 1024 bytes.
DEV_FN uint32_t swizzled_piece(uint32_t block, uint32_t line, uint32_t piece) {
  return block + line * kSwizzledLineBytes + ((piece ^ (line & 7)) << 4);
}

// accumulator[64 rows, tile_n] += A[64 rows, 64 k] * B[64 k, tile_n]; the first product of an output tile overwrites. Leaves the
// instructions as one committed group; nothing may touch the accumulators or release the operands before a wait for that group.
template <int tile_n, bool a_mn_major, bool b_mn_major>
DEV_FN void multiply_stage(float (&accumulator)[tile_n / 2], uint32_t a, uint32_t b, bool first) {
  dev::wgmma_fence_regs(accumulator);
  dev::wgmma_fence();
  DEV_UNROLL
  for (int step = 0; step < 64 / kWgmmaK; step++) {
    dev::wgmma_bf16<tile_n, a_mn_major, b_mn_major>(
        accumulator, operand_descriptor<a_mn_major>(a, step), operand_descriptor<b_mn_major>(b, step), !first || step > 0);
  }
  dev::wgmma_commit();
  dev::wgmma_fence_regs(accumulator);
}

#endif  // DEV_SM90A
}  // namespace mm1
