// Block barriers, mbarriers, order between blocks, setmaxnreg.
#include "dev/async_copy.cuh"
#include "dev/barrier.cuh"
#include "dev/wgmma.cuh"
#include "support.h"

using namespace dev;

DEV_KERNEL named(int* out) {          // warps 0 and 1 produce, warp 2 consumes, four times
  DEV_SHARED(int, buffer, 64);
  for (int round = 0; round < 4; round++) {
    if (tid() < 64) {
      if (round > 0) bar_sync(2, 96);
      buffer[tid()] = static_cast<int>(tid()) + round;
      bar_arrive(1, 96);
    } else {
      bar_sync(1, 96);
      int sum = 0;
      for (int i = 0; i < 64; i++) sum += buffer[i];
      if (tid() == 64) out[round] = sum;
      if (round < 3) bar_arrive(2, 96);
    }
  }
}

TEST(barrier, named_barriers_hand_over_both_ways) {
  Array<int> out(4);
  launch_now({{1}, {96}}, named, out.data);
  for (int r = 0; r < 4; r++) CHECK_EQUAL(2016 + 64 * r, out[r]);
}

constexpr int stages = 3;
DEV_KERNEL ring(const int* in, int* out, int n) {     // warp 0 fills slots, warps 1..3 empty them
  DEV_SHARED(int, slot, stages * 32);
  const uint32_t full = smem_addr(dynamic_smem());
  const uint32_t empty = full + stages * 8;
  if (tid() == 0) {
    for (int s = 0; s < stages; s++) {
      mbar_init(full + s * 8, 32);
      mbar_init(empty + s * 8, 96);
    }
  }
  sync_block();
  if (tid() < 32) {
    for (int i = 0; i < n; i++) {
      const int s = i % stages;
      if (i >= stages) mbar_wait(empty + s * 8, ((i / stages) & 1) ^ 1);
      slot[s * 32 + tid()] = in[i * 32 + tid()];
      mbar_arrive(full + s * 8);
    }
  } else {
    int sum = 0;
    for (int i = 0; i < n; i++) {
      const int s = i % stages;
      while (!mbar_try_wait(full + s * 8, (i / stages) & 1)) {
      }
      sum += slot[s * 32 + lane()];
      mbar_arrive(empty + s * 8);
    }
    out[tid() - 32] = sum;
  }
}

TEST(barrier, a_ring_of_mbarriers_with_parities) {
  Array<int> in(32 * 11), out(96);
  for (size_t i = 0; i < in.size; i++) in[i] = static_cast<int>(i);
  in.written();
  launch_now({{1}, {128}, stages * 16}, ring, in.data, out.data, 11);
  for (int t = 0; t < 96; t++) {
    int sum = 0;
    for (int i = 0; i < 11; i++) sum += i * 32 + t % 32;
    CHECK_EQUAL(sum, out[t]);
  }
}

DEV_KERNEL copies_tell_a_barrier(const int* in, int* out) {
  const uint32_t full = smem_addr(dynamic_smem());
  const uint32_t data = full + 64;
  if (tid() == 0) mbar_init(full, 64);
  sync_block();
  if (tid() < 64) {
    cp_async4(data + tid() * 4, in + tid());
    cp_async_mbar_arrive_noinc(full);
  } else {
    mbar_wait(full, 0);
    out[tid() - 64] = static_cast<int>(ld_shared_4(data + (tid() - 64) * 4)) + static_cast<int>(ld_shared_4(data + (tid() - 64) * 8 % 256));
  }
}

TEST(barrier, cp_async_arrives_on_an_mbarrier) {
  Array<int> in(64), out(64);
  for (int i = 0; i < 64; i++) in[i] = 100 + i;
  in.written();
  launch_now({{1}, {128}, 1024}, copies_tell_a_barrier, in.data, out.data);
  for (int i = 0; i < 64; i++) CHECK_EQUAL(200 + i + i * 2 % 64, out[i]);
}

DEV_KERNEL hand_off(uint32_t* flag, uint32_t* data, uint32_t* out) {     // the first block to ask waits for the other
  DEV_SHARED(uint32_t, turn, 1);
  if (tid() == 0) turn[0] = atomic_add(&flag[1], 1u);
  sync_block();
  if (turn[0] == 0) {
    while (load_acquire(flag) != 1) spin_hint();
    out[tid()] = data[tid()];
  } else {
    data[tid()] = 40 + tid();
    sync_block();
    if (tid() == 0) store_release(flag, 1);
  }
}

TEST(barrier, release_and_acquire_order_two_blocks) {
  WithOptions options([](emulator::Options& o) {
    o.residency = 2;
    o.threads = 1;
  });
  Array<uint32_t> flag(2, 0u), data(32), out(32);
  launch_now({{2}, {32}}, hand_off, flag.data, data.data, out.data);
  for (uint32_t i = 0; i < 32; i++) CHECK_EQUAL(40 + i, out[i]);
}

DEV_KERNEL last_block_sums(const float* in, float* part, uint32_t* count, float* out) {
  DEV_SHARED(uint32_t, last, 1);
  float sum = in[bid_x() * 32 + tid()];
  for (int o = 16; o; o >>= 1) sum += shfl_xor(sum, o);
  if (tid() == 0) {
    part[bid_x()] = sum;
    fence_device();
    last[0] = atomic_add(count, 1u) == nbid_x() - 1;
    fence_device();
  }
  sync_block();
  if (last[0] && tid() == 0) {
    float total = 0;
    for (uint32_t b = 0; b < nbid_x(); b++) total += part[b];
    *out = total;
  }
}

TEST(barrier, the_last_block_sees_what_the_others_fenced) {
  Array<float> in(32 * 20, 1.f), part(20), out(1);
  Array<uint32_t> count(1, 0u);
  launch_now({{20}, {32}}, last_block_sums, in.data, part.data, count.data, out.data);
  CHECK_EQUAL(640.f, out[0]);
}

DEV_KERNEL registers(int* out) {
  if (tid() < 128) {
    reg_dec<40>();
  } else {
    reg_inc<232>();
  }
  out[bid_x() * 384 + tid()] = static_cast<int>(tid());
}

TEST(barrier, registers_move_between_warpgroups) {
  Array<int> out(3 * 384);
  launch_now({{3}, {384}}, registers, out.data);      // 128 * 40 + 256 * 232 = 64,512 of 65,536
  CHECK_EQUAL(383, out[383]);
}
