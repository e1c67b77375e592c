// Broken kernels, first part: threads, barriers, plain memory. See broken.h.
#include "broken.h"
#include "dev/barrier.cuh"
#include "dev/matrix.cuh"
#include "dev/wgmma.cuh"

using namespace dev;

// ---- races ------------------------------------------------------------------------------------------------------------------------------
DEV_KERNEL no_barrier(int* out) {
  DEV_SHARED(int, buffer, 128);
  buffer[tid()] = static_cast<int>(tid());
  out[tid()] = buffer[tid() ^ 64];    // another warp's, and no sync_block between
}
BROKEN(shared_race_read_after_write, shadow, "reads uninitialised static shared memory", {
  // Before the other thread has run; DATA RACE after it.
  Array<int> out(128);
  return failure({{1}, {128}}, no_barrier, out.data);
})
BROKEN(shared_race_seen_by_its_poison, late | early, "wrong result", {
  Array<int> out(128);
  const std::string text = failure({{1}, {128}}, no_barrier, out.data);
  for (int t = 0; t < 128; t++) {
    if (out[t] != (t ^ 64)) return "wrong result";
  }
  return text;
})

DEV_KERNEL overwrites_too_early(const int* in, int* out) {
  DEV_SHARED(int, buffer, 64);
  for (uint32_t i = 0; i < 2; i++) {
    buffer[tid()] = in[i * 64 + tid()];
    sync_block();
    out[i * 64 + tid()] = buffer[tid() ^ 33];
  }                                   // no sync_block before the next round writes
}
BROKEN(shared_race_write_after_read, shadow, "DATA RACE: ", {
  Array<int> in(128, 1), out(128);
  return failure({{1}, {64}}, overwrites_too_early, static_cast<const int*>(in.data), out.data);
})

DEV_KERNEL warp_without_sync(int* out) {
  DEV_SHARED(int, buffer, 32);
  for (int i = 0; i < 3; i++) {
    buffer[tid()] = static_cast<int>(tid()) + i;
    out[i * 32 + static_cast<int>(tid())] = buffer[tid() ^ 1];
  }
}
BROKEN(lanes_of_a_warp_are_not_in_step, shadow, "shared", {
  Array<int> out(96);
  return failure({{1}, {32}}, warp_without_sync, out.data);
})

DEV_KERNEL shuffle_orders_nothing(float* out) {
  DEV_SHARED(float, buffer, 32);
  buffer[tid()] = 1.f;
  float x = shfl_xor(1.f, 1);
  out[tid()] = x + buffer[tid() ^ 1];
}
BROKEN(a_shuffle_is_no_barrier, shadow, "DATA RACE: reads what thread", {
  Array<float> out(32);
  return failure({{1}, {32}}, shuffle_orders_nothing, out.data);
})

DEV_KERNEL overlapping_blocks(int* out) { out[bid_x() * 31 + tid()] = static_cast<int>(bid_x()); }
BROKEN(global_race_between_blocks, shadow, "DATA RACE: overwrites what block (", {
  Array<int> out(64);
  return failure({{2}, {32}}, overlapping_blocks, out.data);
})

template <bool Release>
DEV_KERNEL hand_off(uint32_t* flag, uint32_t* data, uint32_t* out) {
  if (bid_x() == 1) {
    while (load_acquire(flag) != 1) spin_hint();
    out[tid()] = data[tid()];
  } else {
    data[tid()] = 40 + tid();
    sync_block();
    if (tid() == 0) {
      if (Release) {
        store_release(flag, 1);
      } else {
        store_relaxed(flag, 1);
      }
    }
  }
}
template <bool Release>
static std::string run_hand_off() {
  Array<uint32_t> flag(2, 0u), data(32), out(32);
  return failure({{2}, {32}}, hand_off<Release>, flag.data, data.data, out.data);
}
BROKEN(missing_release, shadow, "DATA RACE: reads what block (0,0,0) thread", { return run_hand_off<false>(); })
BROKEN(with_the_release_it_is_right, shadow, "right", { return run_hand_off<true>().empty() ? "right" : "wrong"; })

template <bool Fence>
DEV_KERNEL last_block(const float* in, float* part, uint32_t* count, float* out) {
  DEV_SHARED(uint32_t, last, 1);
  if (tid() == 0) {
    part[bid_x()] = in[bid_x()];
    if (Fence) fence_device();
    last[0] = atomic_add(count, 1u) == nbid_x() - 1;
    fence_device();
  }
  sync_block();
  if (last[0] && tid() < nbid_x()) out[tid()] = part[tid()];
}
template <bool Fence>
static std::string run_last_block() {
  Array<float> in(4, 1.f), part(4), out(4);
  Array<uint32_t> count(1, 0u);
  return failure({{4}, {32}}, last_block<Fence>, static_cast<const float*>(in.data), part.data, count.data, out.data);
}
BROKEN(missing_fence, shadow, "DATA RACE: reads what block (", { return run_last_block<false>(); })
BROKEN(with_the_fence_it_is_right, shadow, "right", { return run_last_block<true>().empty() ? "right" : "wrong"; })

DEV_KERNEL waits_for_a_later_block(uint32_t* flag) {
  if (bid_x() == 0) {
    while (load_acquire(flag) != 1) spin_hint();
  } else {
    store_release(flag, 1);
  }
}
BROKEN(spinning_for_a_block_that_cannot_start, always, "spins for ever", {
  emulator::Options o = emulator::options();
  o.residency = 1;
  o.seed = 0;
  emulator::set_options(o);
  Array<uint32_t> flag(1, 0u);
  return failure({{2}, {1}}, waits_for_a_later_block, flag.data);
})

// ---- barriers and collectives -----------------------------------------------------------------------------------------------------------
DEV_KERNEL some_threads(int) {
  if (tid() < 100) sync_block();
}
BROKEN(divergent_barrier, always, "DEADLOCK", { return failure({{1}, {128}}, some_threads, 0); })

DEV_KERNEL two_places(int) {
  if (tid() < 64) {
    sync_block();
  } else {
    sync_block();
  }
}
BROKEN(divergent_barrier_in_two_places, always, "divergent barrier", { return failure({{1}, {128}}, two_places, 0); })

DEV_KERNEL wrong_count(int) { bar_sync(1, tid() < 32 ? 64 : 96); }
BROKEN(barrier_counts_that_differ, always, "a count of", { return failure({{1}, {96}}, wrong_count, 0); })

DEV_KERNEL half_a_warp(float* out) {
  float v = 1.f;
  if (lane() < 16) v = shfl_xor(v, 1);
  *out = v;
}
BROKEN(collective_of_half_a_warp, late | early | seeds, "DEADLOCK", {
  Array<float> out(1);
  return failure({{1}, {32}}, half_a_warp, out.data);
})

DEV_KERNEL mixed(int) {
  if (lane() < 16) {
    ballot(true);
  } else {
    shfl(1, 0);
  }
}
BROKEN(warp_divergence, always, "warp divergence", { return failure({{1}, {64}}, mixed, 0); })

DEV_KERNEL lane_outside(int) {
  if (lane() < 16) shfl_xor(1, 16, 0xffffu);
}
BROKEN(shuffle_from_a_lane_outside_of_the_mask, always, "not in the mask", { return failure({{1}, {32}}, lane_outside, 0); })

// ---- memory -----------------------------------------------------------------------------------------------------------------------------
DEV_KERNEL beyond_shared(uint32_t at) { st_shared_4(smem_addr(dynamic_smem()) + at, 1); }
BROKEN(shared_out_of_bounds, always, "out of bounds", { return failure({{1}, {1}, 1000}, beyond_shared, 1000u); })

DEV_KERNEL beyond_shared_by_pointer(int at) { reinterpret_cast<volatile float*>(dynamic_smem())[at] = 1.f; }
BROKEN(shared_out_of_bounds_through_a_pointer, shadow, "out of bounds: 4 bytes", {
  return failure({{1}, {1}, 1000}, beyond_shared_by_pointer, 250);
})

DEV_KERNEL reads_at(const float* in, int at, float* out) { *out = in[at]; }
BROKEN(global_out_of_bounds_far, late | early | seeds, "invalid memory access", {
  Array<float> in(64, 1.f), out(1);
  return failure({{1}, {1}}, reads_at, static_cast<const float*>(in.data), 64, out.data);
})
BROKEN(global_out_of_bounds_by_one, shadow, "out of bounds: reads 4 bytes", {
  Array<float> in(63, 1.f), out(1);
  return failure({{1}, {1}}, reads_at, static_cast<const float*>(in.data), 63, out.data);
})
DEV_KERNEL writes_at(float* out, int at) { out[at] = 1.f; }
BROKEN(global_write_out_of_bounds_by_one, late | early | seeds, "behind the end of an allocation", {
  float* p = static_cast<float*>(emulator::memory_allocate(63 * 4));
  const std::string text = failure({{1}, {1}}, writes_at, p, 63);
  try {
    emulator::memory_free(p);
  } catch (const std::exception& e) {
    return e.what();
  }
  return text;
})

BROKEN(host_memory_in_a_kernel, shadow, "reads host memory", {
  std::vector<float> in(64, 1.f);
  Array<float> out(1);
  return failure({{1}, {1}}, reads_at, static_cast<const float*>(in.data()), 3, out.data);
})

DEV_KERNEL uninitialised_shared(float* out) {
  float* s = reinterpret_cast<float*>(dynamic_smem());
  if (tid() != 5) s[tid()] = 1.f;
  sync_block();
  out[tid()] = s[tid() ^ 1];
}
BROKEN(uninitialised_shared_memory, shadow, "reads uninitialised dynamic shared memory", {
  Array<float> out(64);
  return failure({{1}, {64}, 256}, uninitialised_shared, out.data);
})
BROKEN(uninitialised_shared_memory_is_poison, late | early | seeds, "wrong result", {
  Array<float> out(64);
  const std::string text = failure({{1}, {64}, 256}, uninitialised_shared, out.data);
  return std::isnan(out[4]) ? "wrong result" : text;
})
BROKEN(uninitialised_global_memory, shadow, "reads uninitialised global memory", {
  Array<float> in(64), out(1);
  return failure({{1}, {1}}, reads_at, static_cast<const float*>(in.data), 3, out.data);
})

DEV_KERNEL misaligned_vector(const char* in, uint4* out) { *out = ld_global_16(in + 8); }
BROKEN(misaligned_global_load, always, "misaligned: 16 bytes", {
  Array<char> in(64, 1);
  Array<uint4> out(1);
  return failure({{1}, {1}}, misaligned_vector, static_cast<const char*>(in.data), out.data);
})
DEV_KERNEL misaligned_pointer(const uint16_t* in, uint32_t* out) { *out = *reinterpret_cast<const volatile uint32_t*>(in + 1); }
BROKEN(misaligned_access_through_a_pointer, shadow, "misaligned: an access of 4 bytes", {
  Array<uint16_t> in(8, 1);
  Array<uint32_t> out(1);
  return failure({{1}, {1}}, misaligned_pointer, static_cast<const uint16_t*>(in.data), out.data);
})
DEV_KERNEL misaligned_matrix(int) {
  uint32_t r[4];
  ldmatrix_x4(r, smem_addr(dynamic_smem()) + 8 + lane() * 16);
}
BROKEN(misaligned_ldmatrix_row, always, "misaligned: the row address", { return failure({{1}, {32}, 1024}, misaligned_matrix, 0); })

DEV_KERNEL deep(float* out) {
  volatile float local[60000];
  for (int i = 0; i < 60000; i++) local[i] = static_cast<float>(i);
  *out = local[17];
}
BROKEN(stack_of_a_thread_too_large, late | early | seeds, "stack overflow", {
  Array<float> out(1);
  return failure({{1}, {1}}, deep, out.data);
})

// ---- budgets ----------------------------------------------------------------------------------------------------------------------------
DEV_KERNEL nothing(int) {}
BROKEN(over_budget_shared_memory, always, "bytes of shared memory a block, the device has", {
  return failure({{1}, {32}, 227 * 1024 + 1}, nothing, 0);
})
DEV_KERNEL static_array(int) {
  DEV_SHARED(char, more, 2048);
  more[tid()] = 1;
}
BROKEN(over_budget_static_and_dynamic_shared_memory, always, "over budget: 2048 static", {
  return failure({{1}, {32}, 226 * 1024}, static_array, 0);
})
DEV_KERNEL too_many_registers(int) {
  if (tid() < 128) {
    reg_dec<64>();
  } else {
    reg_inc<240>();                   // 128 * 64 + 256 * 240 = 69,632
  }
}
BROKEN(over_budget_registers, always, "wait for registers (setmaxnreg to 240", {
  const std::string text = failure({{1}, {384}}, too_many_registers, 0);
  const size_t at = text.find("wait for registers");
  return at == std::string::npos ? text : text.substr(at);
})
BROKEN(hopper_on_another_device, always, "setmaxnreg.dec: needs compute capability 9.0", {
  emulator::Limits l = emulator::limits();
  const emulator::Limits hopper = l;
  l.compute_capability = 80;
  emulator::set_limits(l);
  const std::string text = failure({{1}, {128}}, too_many_registers, 0);
  emulator::set_limits(hopper);
  return text;
})
DEV_KERNEL for_another(int) { trap(); }
BROKEN(a_kernel_without_code_for_the_device, always, "trap", { return failure({{1}, {1}}, for_another, 0); })
