// Collectives of a warp and plain memory of a block.
#include "support.h"

using namespace dev;

DEV_KERNEL block_sum(const float* in, float* out) {
  DEV_SHARED(float, partial, 4);
  float sum = in[bid_x() * 128 + tid()];
  for (int o = 16; o; o >>= 1) sum += shfl_xor(sum, o);
  if (lane() == 0) partial[tid() / 32] = sum;
  sync_block();
  if (tid() == 0) out[bid_x()] = partial[0] + partial[1] + partial[2] + partial[3];
}

TEST(warp, block_sum_through_shuffles_and_shared_memory) {
  Array<float> in(128 * 7), out(7);
  for (size_t i = 0; i < in.size; i++) in[i] = static_cast<float>(i % 128 + i / 128);
  in.written();
  launch_now({{7}, {128}}, block_sum, in.data, out.data);
  for (int b = 0; b < 7; b++) CHECK_EQUAL(8128.f + 128 * static_cast<float>(b), out[b]);
}

DEV_KERNEL shuffles(int* out) {
  const int v = static_cast<int>(tid()) * 10;
  out[tid()] = shfl(v, 5);
  out[64 + tid()] = shfl_up(v, 3);
  out[128 + tid()] = shfl_down(v, 30);
  out[192 + tid()] = shfl_xor(v, 9);
  out[256 + tid()] = static_cast<int>(ballot(tid() % 3 == 0));
  out[320 + tid()] = elect_one();
}

TEST(warp, shuffle_kinds_votes_and_election) {
  Array<int> out(384);
  launch_now({{1}, {64}}, shuffles, out.data);
  for (int t = 0; t < 64; t++) {
    const int w = t / 32 * 32;
    const int l = t % 32;
    uint32_t votes = 0;
    for (int i = 0; i < 32; i++) votes |= static_cast<uint32_t>((w + i) % 3 == 0) << i;
    CHECK_EQUAL((w + 5) * 10, out[t]);
    CHECK_EQUAL((w + (l < 3 ? l : l - 3)) * 10, out[64 + t]);
    CHECK_EQUAL((w + (l + 30 > 31 ? l : l + 30)) * 10, out[128 + t]);
    CHECK_EQUAL((w + (l ^ 9)) * 10, out[192 + t]);
    CHECK_EQUAL(static_cast<int>(votes), out[256 + t]);
    CHECK_EQUAL(static_cast<int>(l == 0), out[320 + t]);
  }
}

DEV_KERNEL half_masks(int* out) {
  int v = static_cast<int>(tid());
  if (lane() < 16) {
    v = shfl_xor(v, 8, 0xffffu);
  } else {
    v = shfl_xor(v, 4, 0xffff0000u);
    sync_warp(0xffff0000u);
  }
  out[tid()] = v;
}

TEST(warp, disjoint_masks_meet_apart) {
  Array<int> out(64);
  launch_now({{1}, {64}}, half_masks, out.data);
  for (int t = 0; t < 64; t++) CHECK_EQUAL(t % 32 < 16 ? t ^ 8 : t ^ 4, out[t]);
}

DEV_KERNEL ids(uint32_t* out) {
  const uint32_t block = (bid_z() * nbid_y() + bid_y()) * nbid_x() + bid_x();
  out[block * ntid() + tid()] = block * 1000 + tid() * 2 + (nbid_z() == 2);
}

TEST(warp, ids_of_a_grid_of_three_dimensions) {
  Array<uint32_t> out(24 * 40);
  launch_now({{3, 4, 2}, {40}}, ids, out.data);
  for (uint32_t b = 0; b < 24; b++) {
    for (uint32_t t = 0; t < 40; t++) CHECK_EQUAL(b * 1000 + t * 2 + 1, out[b * 40 + t]);
  }
}

DEV_KERNEL loads_and_stores(const uint4* in, uint4* out) {
  const uint32_t s = smem_addr(dynamic_smem());
  st_shared_16(s + tid() * 16, ld_global_16(in + tid()));
  sync_block();
  const uint32_t other = s + (tid() ^ 1) * 16;
  uint4 v = {ld_shared_4(other), ld_shared_2(other + 4), 0, 0};
  v.y |= static_cast<uint32_t>(ld_shared_2(other + 6)) << 16;
  const uint2 high = ld_shared_8(other + 8);
  v.z = high.x;
  v.w = high.y;
  st_global_8(out + tid(), uint2{v.x, v.y});
  st_global_4(&out[tid()].z, v.z);
  st_global_2(&out[tid()].w, static_cast<uint16_t>(v.w));
  st_global_2(reinterpret_cast<char*>(&out[tid()].w) + 2, static_cast<uint16_t>(v.w >> 16));
}

TEST(warp, explicit_loads_and_stores_of_every_width) {
  Array<uint4> in(32), out(32);
  for (uint32_t i = 0; i < 32; i++) in[i] = {i * 4, i * 4 + 1, 0x10000u * i + 7, 0xabcd0000u + i};
  in.written();
  launch_now({{1}, {32}, 512}, loads_and_stores, in.data, out.data);
  for (uint32_t i = 0; i < 32; i++) CHECK(memcmp(&in[i ^ 1], &out[i], 16) == 0);
}

DEV_KERNEL histogram(uint32_t* counts, float* sum, uint32_t* extremes) {
  atomic_add(&counts[tid() % 10], 1u);
  atomic_add(sum, 0.5f);
  atomic_max(&extremes[0], bid_x() * 100 + tid());
  atomic_min(&extremes[1], bid_x() * 100 + tid() + 3);
  atomic_or(&extremes[2], 1u << (tid() % 32));
  if (tid() == 0) atomic_compare_exchange(&extremes[3], 77, 78);
}

TEST(warp, atomics_of_many_blocks) {
  Array<uint32_t> counts(10, 0u), extremes(std::vector<uint32_t>{0, 1000000, 0, 77});
  Array<float> sum(1, 0.f);
  launch_now({{64}, {100}}, histogram, counts.data, sum.data, extremes.data);
  for (int i = 0; i < 10; i++) CHECK_EQUAL(640u, counts[i]);
  CHECK_EQUAL(3200.f, sum[0]);
  CHECK_EQUAL(6399u, extremes[0]);
  CHECK_EQUAL(3u, extremes[1]);
  CHECK_EQUAL(0xffffffffu, extremes[2]);
  CHECK_EQUAL(78u, extremes[3]);
}

DEV_KERNEL conversions(const float* in, uint32_t* out) {
  out[tid()] = pack_bf16(in[tid()], -in[tid()]);
  out[32 + tid()] = to_tf32(in[tid()]);
}

TEST(warp, bfloat16_and_tf32_round_as_the_hardware_does) {
  const float nan = __builtin_nanf("");
  Array<float> in(32, 1.f);
  const float values[] = {1.f, 1.00390625f,      1.01171875f,   3.4e38f,        1e-40f,
                          nan, __builtin_inff(), 1.0009765625f, 1.00048828125f, 1.000488162f};
  for (int i = 0; i < 10; i++) in[i] = values[i];
  in.written();
  Array<uint32_t> out(64);
  launch_now({{1}, {32}}, conversions, in.data, out.data);
  CHECK_EQUAL(0xbf803f80u, out[0]);
  CHECK_EQUAL(0xbf803f80u, out[1]);          // a tie, to even: down
  CHECK_EQUAL(0xbf823f82u, out[2]);          // a tie, to even: up
  CHECK_EQUAL(0xff807f80u, out[3]);          // beyond the largest: infinity
  CHECK_EQUAL(0x7fff7fffu, out[5]);
  CHECK_EQUAL(0xff807f80u, out[6]);
  CHECK_EQUAL(0x3f802000u, out[32 + 7]);     // one unit of tf32
  CHECK_EQUAL(0x3f802000u, out[32 + 8]);     // a tie, away from zero
  CHECK_EQUAL(0x3f800000u, out[32 + 9]);
}
