// wgmma against plain C++: both majors, every source of A, several widths, groups in flight.
#include "dev/barrier.cuh"
#include "dev/wgmma.cuh"
#include "support.h"

using namespace dev;

// Where element (mn, k) of an operand with the 128-byte swizzle lies: written apart from the emulator's own arithmetic.
static uint32_t place(uint32_t mn, uint32_t k, uint32_t extent, bool mn_major) {
  const uint32_t lines = mn_major ? 64u : extent;         // lines of 128 bytes of one panel
  const uint32_t panel = mn_major ? mn / 64 : k / 64;
  const uint32_t line = panel * lines + (mn_major ? k : mn);
  const uint32_t in_line = (mn_major ? mn : k) % 64 * 2;
  return line * 128 + ((in_line / 16 ^ line % 8) * 16) + in_line % 16;
}

// d = a b over k = 64: A [64, 64], B [64, N], given as float in `place`'s layout by the host.
template <int N, int TA, int TB>
DEV_KERNEL multiply(const uint4* operands, float* d_out) {
  char* s = dynamic_smem();
  constexpr uint32_t a_bytes = 64 * 128;
  constexpr uint32_t b_lines = TB ? (N + 63) / 64 * 64 : N;
  for (uint32_t i = tid(); i < (a_bytes + b_lines * 128) / 16; i += 128) reinterpret_cast<uint4*>(s)[i] = operands[i];
  fence_proxy_async();
  sync_block();
  const uint32_t a = smem_addr(s);
  const uint32_t b = a + a_bytes;
  float d[N / 2];
  for (float& x : d) x = 3.f;
  wgmma_fence();
  for (uint32_t k = 0; k < 4; k++) {
    const uint64_t da = TA ? wg_desc(a + k * 2048, 8192, 1024) : wg_desc(a + k * 32);
    const uint64_t db = TB ? wg_desc(b + k * 2048, 8192, 1024) : wg_desc(b + k * 32);
    wgmma_bf16<N, TA, TB>(d, da, db, k > 0);
  }
  wgmma_commit();
  wgmma_wait<0>();
  for (int j = 0; j < N / 8; j++) {
    for (uint32_t e = 0; e < 4; e++) {
      const uint32_t row = tid() / 32 * 16 + lane() / 4 + e / 2 * 8;
      d_out[row * N + static_cast<uint32_t>(j) * 8 + lane() % 4 * 2 + e % 2] = d[j * 4 + static_cast<int>(e)];
    }
  }
}

template <int N, int TA, int TB>
static void check_multiply() {
  Random random(N + TA * 2 + TB);
  std::vector<float> a(64 * 64), b(64 * N);
  const uint32_t b_lines = TB ? (N + 63) / 64 * 64 : N;
  std::vector<uint4> bytes((8192 + b_lines * 128) / 16, uint4{0, 0, 0, 0});
  char* at = reinterpret_cast<char*>(bytes.data());
  for (uint32_t m = 0; m < 64; m++) {
    for (uint32_t k = 0; k < 64; k++) {
      a[m * 64 + k] = static_cast<float>(random.whole(-6, 6));
      const bf16 value = bf16_of(a[m * 64 + k]);
      memcpy(at + place(m, k, 64, TA), &value, 2);
    }
  }
  for (uint32_t n = 0; n < N; n++) {
    for (uint32_t k = 0; k < 64; k++) {
      b[k * N + n] = static_cast<float>(random.whole(-6, 6));
      const bf16 value = bf16_of(b[k * N + n]);
      memcpy(at + 8192 + place(n, k, N, TB), &value, 2);
    }
  }
  Array<uint4> operands(bytes);
  Array<float> d(64 * N);
  launch_now({{1}, {128}, bytes.size() * 16}, multiply<N, TA, TB>, static_cast<const uint4*>(operands.data), d.data);
  for (uint32_t m = 0; m < 64; m++) {
    for (uint32_t n = 0; n < N; n++) {
      float sum = 0;
      for (uint32_t k = 0; k < 64; k++) sum += a[m * 64 + k] * b[k * N + n];
      CHECK_EQUAL(sum, d[m * N + n]);
    }
  }
}

TEST(wgmma, both_k_major) { check_multiply<64, 0, 0>(); }
TEST(wgmma, both_mn_major) { check_multiply<128, 1, 1>(); }
TEST(wgmma, a_mn_major) { check_multiply<192, 1, 0>(); }
TEST(wgmma, b_mn_major) { check_multiply<256, 0, 1>(); }
TEST(wgmma, narrowest) { check_multiply<8, 0, 0>(); }
TEST(wgmma, width_of_no_power_of_two) { check_multiply<88, 0, 1>(); }

// Two groups in flight on different accumulators, A in registers: the first may be read after wait<1>.
DEV_KERNEL two_groups(float* out) {
  uint16_t* s = reinterpret_cast<uint16_t*>(dynamic_smem());
  for (uint32_t i = tid(); i < 64 * 64; i += 128) s[i] = 0x3f80;     // ones: the layout does not matter
  fence_proxy_async();
  sync_block();
  const uint64_t b = wg_desc(smem_addr(s));
  const uint32_t row = tid() / 32 * 16 + lane() / 4;
  const float low = static_cast<float>(row);
  const float high = static_cast<float>(row + 8);
  const uint32_t a[4] = {pack_bf16(low, low), pack_bf16(high, high), pack_bf16(low, low), pack_bf16(high, high)};
  float first[32], second[32];
  for (int i = 0; i < 32; i++) first[i] = second[i] = 1.f;
  wgmma_fence();
  wgmma_bf16<64, 0, 0>(first, a, b, 1);
  wgmma_commit();
  wgmma_bf16<64, 0, 0>(second, a, b, 0);
  wgmma_bf16<64, 0, 0>(second, a, b, 1);
  wgmma_commit();
  wgmma_wait<1>();
  out[tid()] = first[1];
  out[128 + tid()] = first[31];
  wgmma_wait<0>();
  out[256 + tid()] = second[0];
  out[384 + tid()] = second[30];
}

TEST(wgmma, a_from_registers_and_two_groups_in_flight) {
  Array<float> out(512);
  launch_now({{1}, {128}, 8192}, two_groups, out.data);
  for (int t = 0; t < 128; t++) {
    const float row = static_cast<float>(t / 32 * 16 + t % 32 / 4);
    CHECK_EQUAL(1 + 16 * row, out[t]);
    CHECK_EQUAL(1 + 16 * (row + 8), out[128 + t]);
    CHECK_EQUAL(32 * row, out[256 + t]);
    CHECK_EQUAL(32 * (row + 8), out[384 + t]);
  }
}
