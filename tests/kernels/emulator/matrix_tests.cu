// ldmatrix, stmatrix, mma.sync against their definitions.
#include "dev/matrix.cuh"
#include "support.h"

using namespace dev;

DEV_KERNEL load_fragments(uint32_t* out) {
  uint16_t* s = reinterpret_cast<uint16_t*>(dynamic_smem());
  for (uint32_t i = tid(); i < 256; i += 32) s[i] = static_cast<uint16_t>(i);
  sync_warp();
  uint32_t r[4], t[4], two[2], two_t[2];
  ldmatrix_x4(r, smem_addr(s + lane() * 8));
  ldmatrix_x4_trans(t, smem_addr(s + lane() * 8));
  ldmatrix_x2(two, smem_addr(s + lane() * 8));
  ldmatrix_x2_trans(two_t, smem_addr(s + lane() * 8));
  for (int i = 0; i < 4; i++) {
    out[lane() * 4 + i] = r[i];
    out[128 + lane() * 4 + i] = t[i];
  }
  out[256 + lane()] = two[1];
  out[288 + lane()] = two_t[1];
}

TEST(matrix, ldmatrix_gives_rows_or_columns) {
  Array<uint32_t> out(320);
  launch_now({{1}, {32}, 512}, load_fragments, out.data);
  for (uint32_t l = 0; l < 32; l++) {
    for (uint32_t m = 0; m < 4; m++) {
      const uint32_t row = m * 64 + l / 4 * 8 + l % 4 * 2;
      const uint32_t column = m * 64 + l % 4 * 2 * 8 + l / 4;
      CHECK_EQUAL(row | (row + 1) << 16, out[l * 4 + m]);
      CHECK_EQUAL(column | (column + 8) << 16, out[128 + l * 4 + m]);
      if (m == 1) CHECK_EQUAL(row | (row + 1) << 16, out[256 + l]);
      if (m == 1) CHECK_EQUAL(column | (column + 8) << 16, out[288 + l]);
    }
  }
}

template <bool Transposed>
DEV_KERNEL store_fragments(uint16_t* out) {
  uint16_t* s = reinterpret_cast<uint16_t*>(dynamic_smem());
  uint32_t r[4];
  for (uint32_t m = 0; m < 4; m++) r[m] = (m * 64 + lane() / 4 * 8 + lane() % 4 * 2) | (m * 64 + lane() / 4 * 8 + lane() % 4 * 2 + 1) << 16;
  if (Transposed) {
    stmatrix_x4_trans(smem_addr(s + lane() * 8), r);
  } else {
    stmatrix_x4(smem_addr(s + lane() * 8), r);
  }
  sync_warp();
  for (uint32_t i = lane(); i < 256; i += 32) out[i] = s[i];
}

TEST(matrix, stmatrix_is_ldmatrix_backwards) {
  Array<uint16_t> out(256);
  launch_now({{1}, {32}, 512}, store_fragments<false>, out.data);
  for (uint16_t i = 0; i < 256; i++) CHECK_EQUAL(i, out[i]);
  launch_now({{1}, {32}, 512}, store_fragments<true>, out.data);
  for (uint32_t i = 0; i < 256; i++) CHECK_EQUAL(i / 64 * 64 + i % 8 * 8 + i / 8 % 8, static_cast<uint32_t>(out[i]));
}

// Fragments straight from global memory, by the table in dev/matrix.cuh.
DEV_KERNEL multiply_bf16(const bf16* a, const bf16* b, float* c) {     // 16x16, 16x8 (row-major), 16x8
  const uint32_t g = lane() / 4;
  const uint32_t q = lane() % 4;
  const auto pair = [](bf16 x, bf16 y) { return x.u | static_cast<uint32_t>(y.u) << 16; };
  uint32_t fa[4], fb[2];
  for (uint32_t i = 0; i < 4; i++) {
    const bf16* from = a + (g + i % 2 * 8) * 16 + q * 2 + i / 2 * 8;
    fa[i] = pair(from[0], from[1]);
  }
  for (uint32_t i = 0; i < 2; i++) fb[i] = pair(b[(q * 2 + i * 8) * 8 + g], b[(q * 2 + 1 + i * 8) * 8 + g]);
  float d[4];
  for (uint32_t i = 0; i < 4; i++) d[i] = c[(g + i / 2 * 8) * 8 + q * 2 + i % 2];
  mma_bf16(d, fa, fb);
  for (uint32_t i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + q * 2 + i % 2] = d[i];
}

TEST(matrix, mma_bf16_multiplies) {
  Array<bf16> a(256), b(128);
  Array<float> c(128);
  Random random(3);
  for (size_t i = 0; i < 256; i++) a[i] = bf16_of(static_cast<float>(random.whole(-8, 8)));
  for (size_t i = 0; i < 128; i++) b[i] = bf16_of(static_cast<float>(random.whole(-8, 8)));
  for (size_t i = 0; i < 128; i++) c[i] = static_cast<float>(i);
  a.written();
  b.written();
  c.written();
  launch_now({{1}, {32}}, multiply_bf16, static_cast<const bf16*>(a.data), static_cast<const bf16*>(b.data), c.data);
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j < 8; j++) {
      float sum = static_cast<float>(i * 8 + j);
      for (int k = 0; k < 16; k++) sum += to_float(a[i * 16 + k]) * to_float(b[k * 8 + j]);
      CHECK_EQUAL(sum, c[i * 8 + j]);
    }
  }
}

DEV_KERNEL multiply_tf32(const float* a, const float* b, float* c) {   // 16x8, 8x8, 16x8
  const uint32_t g = lane() / 4;
  const uint32_t q = lane() % 4;
  uint32_t fa[4], fb[2];
  for (uint32_t i = 0; i < 4; i++) fa[i] = to_tf32(a[(g + i % 2 * 8) * 8 + q + i / 2 * 4]);
  for (uint32_t i = 0; i < 2; i++) fb[i] = to_tf32(b[(q + i * 4) * 8 + g]);
  float d[4] = {0, 0, 0, 0};
  mma_tf32(d, fa, fb);
  for (uint32_t i = 0; i < 4; i++) c[(g + i / 2 * 8) * 8 + q * 2 + i % 2] = d[i];
}

TEST(matrix, mma_tf32_multiplies) {
  Array<float> a(128), b(64), c(128);
  Random random(4);
  for (size_t i = 0; i < 128; i++) a[i] = static_cast<float>(random.whole(-1000, 1000));
  for (size_t i = 0; i < 64; i++) b[i] = static_cast<float>(random.whole(-9, 9));
  a.written();
  b.written();
  launch_now({{1}, {32}}, multiply_tf32, static_cast<const float*>(a.data), static_cast<const float*>(b.data), c.data);
  for (int i = 0; i < 16; i++) {
    for (int j = 0; j < 8; j++) {
      float sum = 0;
      for (int k = 0; k < 8; k++) sum += a[i * 8 + k] * b[k * 8 + j];
      CHECK_EQUAL(sum, c[i * 8 + j]);
    }
  }
}

template <bool Whole>
DEV_KERNEL multiply_tile(float* out) {
  uint32_t a[3][4], b[5][2];
  float d[3][5][4];
  for (uint32_t i = 0; i < 3; i++) {
    for (uint32_t e = 0; e < 4; e++)
      a[i][e] = pack_bf16(static_cast<float>((lane() * 7 + i * 3 + e) % 11), static_cast<float>((lane() + e) % 5));
  }
  for (uint32_t j = 0; j < 5; j++) {
    for (uint32_t e = 0; e < 2; e++)
      b[j][e] = pack_bf16(static_cast<float>((lane() * 5 + j + e) % 13), static_cast<float>((lane() + j) % 3));
  }
  for (auto& row : d) {
    for (auto& tile : row) {
      for (float& x : tile) x = 1.f;
    }
  }
  if constexpr (Whole) {
    mma_bf16_tile(d, a, b);
  } else {
    for (int i = 0; i < 3; i++) {
      for (int j = 0; j < 5; j++) mma_bf16(d[i][j], a[i], b[j]);
    }
  }
  for (uint32_t e = 0; e < 60; e++) out[lane() * 60 + e] = (&d[0][0][0])[e];
}

TEST(matrix, a_tile_is_the_same_as_its_instructions) {
  Array<float> one(32 * 60), many(32 * 60);
  launch_now({{1}, {32}}, multiply_tile<true>, one.data);
  launch_now({{1}, {32}}, multiply_tile<false>, many.data);
  CHECK(memcmp(one.data, many.data, 32 * 60 * 4) == 0);
  CHECK(one[0] > 1.f);
}

DEV_KERNEL conflicts(uint32_t stride) {
  uint32_t r[4];
  st_shared_16(smem_addr(dynamic_smem()) + lane() * stride, uint4{0, 0, 0, 0});
  sync_warp();
  ldmatrix_x4(r, smem_addr(dynamic_smem()) + lane() * stride);
  (void)r;
}

TEST(matrix, bank_conflicts_are_counted) {
  WithOptions options([](emulator::Options& o) { o.count_accesses = true; });
  emulator::reset_counters();
  launch_now({{1}, {32}, 4096}, conflicts, 16u);
  CHECK_EQUAL(0u, emulator::counters().matrix_conflicts);
  CHECK_EQUAL(0u, emulator::counters().shared_conflicts);
  launch_now({{1}, {32}, 4096}, conflicts, 128u);          // all rows in the same four banks: eight wavefronts instead of one, four times
  CHECK_EQUAL(28u, emulator::counters().matrix_conflicts);
  CHECK_EQUAL(28u, emulator::counters().shared_conflicts);
  emulator::reset_counters();
  launch_now({{1}, {32}, 4096}, conflicts, 32u);           // every other: two wavefronts
  CHECK_EQUAL(4u, emulator::counters().matrix_conflicts);
  CHECK_EQUAL(1u, emulator::counters().shared_requests);
  const auto sites = emulator::access_sites();
  CHECK_EQUAL(1u, sites.size());
  CHECK_CONTAINS(sites[0].where, "matrix_tests.cu");
  CHECK(sites[0].write && !sites[0].global && sites[0].units == 8 && sites[0].ideal == 4);
}

DEV_KERNEL strided_reads(const uint32_t* in, uint32_t stride, uint32_t* out) { st_global_4(out + tid(), ld_global_4(in + tid() * stride)); }

TEST(matrix, sectors_of_global_requests_are_counted) {
  WithOptions options([](emulator::Options& o) { o.count_accesses = true; });
  Array<uint32_t> in(64 * 8, 5u), out(64);
  emulator::reset_counters();
  launch_now({{1}, {64}}, strided_reads, static_cast<const uint32_t*>(in.data), 1u, out.data);
  CHECK_EQUAL(4u, emulator::counters().global_requests);
  CHECK_EQUAL(16u, emulator::counters().global_sectors);
  CHECK_EQUAL(16u, emulator::counters().global_sectors_ideal);
  emulator::reset_counters();
  launch_now({{1}, {64}}, strided_reads, static_cast<const uint32_t*>(in.data), 8u, out.data);
  CHECK_EQUAL(64u + 8u, emulator::counters().global_sectors);
  CHECK_EQUAL(16u, emulator::counters().global_sectors_ideal);
}
