// Layouts of the Hopper tiles, as functions: what lies where, and which banks a warp meets.
#include <map>
#include <set>

#include "test.h"
#include "tile/fragment_staging.cuh"
#include "tile/wgmma_tile.cuh"

TEST(gemm_sm90_layout, swizzled_pieces_are_a_bijection_of_each_line) {
  std::set<uint32_t> places;
  for (uint32_t line = 0; line < 64; line++) {
    for (uint32_t piece = 0; piece < 8; piece++) {
      const uint32_t place = mm1::swizzled_piece(4096, line, piece);
      CHECK_EQUAL(4096 / 128 + line, place / 128);
      CHECK_EQUAL(0u, place % 16);
      places.insert(place);
    }
  }
  CHECK_EQUAL(size_t{64 * 8}, places.size());
}

// TMA's 128-byte swizzle exchanges address bits 4..6 by bits 7..9.
TEST(gemm_sm90_layout, the_swizzle_is_the_one_of_tma) {
  for (uint32_t line = 0; line < 64; line++) {
    for (uint32_t piece = 0; piece < 8; piece++) {
      const uint32_t dense = 2048 + line * 128 + piece * 16;
      CHECK_EQUAL(dense ^ ((dense >> 7 & 7) << 4), mm1::swizzled_piece(2048, line, piece));
    }
  }
}

// The eight rows of one 8 x 8 quarter that stmatrix writes together, and the 16 lanes of a half-warp's 8-byte stores.
TEST(gemm_sm90_layout, staging_meets_every_bank_once) {
  for (uint32_t piece = 0; piece < 8; piece++) {
    std::set<uint32_t> pieces_of_128_bytes;
    for (uint32_t line = 8; line < 16; line++) pieces_of_128_bytes.insert(mm1::swizzled_piece(0, line, piece) % 128);
    CHECK_EQUAL(size_t{8}, pieces_of_128_bytes.size());
  }
  for (uint32_t step = 0; step < 4; step++) {
    for (uint32_t half = 0; half < 2; half++) {
      std::set<uint32_t> banks;
      for (uint32_t lane = half * 16; lane < half * 16 + 16; lane++) {
        const uint32_t row = lane >> 2;
        const uint32_t columns = row & 1 ? step ^ 2 : step;  // As stage_float32 orders them.
        const uint32_t address = mm1::swizzled_piece(0, row, columns * 2 + ((lane & 3) >> 1)) + (lane & 1) * 8;
        banks.insert(address / 4 % 32);
        banks.insert(address / 4 % 32 + 1);
      }
      CHECK_EQUAL(size_t{32}, banks.size());
    }
  }
}

TEST(gemm_sm90_layout, descriptors_step_through_k) {
  const auto address = [](uint64_t descriptor) { return static_cast<uint32_t>(descriptor & 0x3fff) << 4; };
  const auto leading = [](uint64_t descriptor) { return static_cast<uint32_t>(descriptor >> 16 & 0x3fff) << 4; };
  const auto stride = [](uint64_t descriptor) { return static_cast<uint32_t>(descriptor >> 32 & 0x3fff) << 4; };
  for (int step = 0; step < 4; step++) {
    const uint64_t k_major = mm1::operand_descriptor<false>(16384, step);
    CHECK_EQUAL(16384u + static_cast<uint32_t>(step) * 32, address(k_major));
    CHECK_EQUAL(1024u, stride(k_major));
    const uint64_t mn_major = mm1::operand_descriptor<true>(16384, step);
    CHECK_EQUAL(16384u + static_cast<uint32_t>(step) * 2048, address(mn_major));
    CHECK_EQUAL(8192u, leading(mn_major));
    CHECK_EQUAL(1024u, stride(mn_major));
    CHECK_EQUAL(1u, static_cast<uint32_t>(mn_major >> 62));
  }
}
