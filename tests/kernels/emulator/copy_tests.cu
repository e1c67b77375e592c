// cp.async: sizes, zero fill, groups.
#include "dev/async_copy.cuh"
#include "support.h"

using namespace dev;

DEV_KERNEL copy_with_fill(const char* in, char* out) {
  const uint32_t s = smem_addr(dynamic_smem());
  cp_async16(s + tid() * 32, in + tid() * 32, static_cast<int>(tid()) % 17);
  cp_async8(s + tid() * 32 + 16, in + tid() * 32 + 16, static_cast<int>(tid()) % 9);
  cp_async4(s + tid() * 32 + 24, in + tid() * 32 + 24, static_cast<int>(tid()) % 5);
  cp_async4(s + tid() * 32 + 28, nullptr, 0);
  cp_async_commit();
  cp_async_wait<0>();
  sync_block();
  for (uint32_t i = tid(); i < 32 * 32; i += 32) out[i] = dynamic_smem()[i];
}

TEST(copy, every_size_and_zero_fill) {
  Array<char> in(32 * 32), out(32 * 32);
  for (size_t i = 0; i < in.size; i++) in[i] = static_cast<char>(i % 100 + 1);
  in.written();
  launch_now({{1}, {32}, 1024}, copy_with_fill, in.data, out.data);
  for (int t = 0; t < 32; t++) {
    for (int i = 0; i < 32; i++) {
      const bool copied = i < 16 ? i < t % 17 : i < 24 ? i - 16 < t % 9 : i < 28 ? i - 24 < t % 5 : false;
      CHECK_EQUAL(static_cast<int>(copied ? in[static_cast<size_t>(t * 32 + i)] : 0),
                  static_cast<int>(out[static_cast<size_t>(t * 32 + i)]));
    }
  }
}

DEV_KERNEL pipeline(const uint32_t* in, uint32_t* out, int n) {     // three groups in flight
  const uint32_t s = smem_addr(dynamic_smem());
  for (int i = 0; i < 3; i++) {
    if (i < n) cp_async4(s + static_cast<uint32_t>(i) * 256 + tid() * 4, in + i * 64 + static_cast<int>(tid()));
    cp_async_commit();
  }
  uint32_t sum = 0;
  for (int i = 0; i < n; i++) {
    cp_async_wait<2>();
    sync_block();
    sum += ld_shared_4(s + static_cast<uint32_t>(i) % 4 * 256 + (tid() ^ 33) * 4);
    if (i + 3 < n) cp_async4(s + static_cast<uint32_t>(i + 3) % 4 * 256 + tid() * 4, in + (i + 3) * 64 + static_cast<int>(tid()));
    cp_async_commit();
  }
  out[tid()] = sum;
}

TEST(copy, a_ring_with_groups_in_flight) {
  Array<uint32_t> in(64 * 9), out(64);
  for (uint32_t i = 0; i < in.size; i++) in[i] = i;
  in.written();
  launch_now({{1}, {64}, 1024}, pipeline, in.data, out.data, 9);
  for (uint32_t t = 0; t < 64; t++) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < 9; i++) sum += i * 64 + (t ^ 33);
    CHECK_EQUAL(sum, out[t]);
  }
}
