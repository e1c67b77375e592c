// Loads and stores of 2..16 bytes, acquire/release, atomics and fences. Plain C++ accesses to global and shared memory are allowed too;
// these are for what plain accesses cannot say: the width of one instruction, an order, a cache policy. In the emulator they check their
// alignment always, and are counted for bank conflicts and sectors when Options::count_accesses is set.
#pragma once
#include "device.cuh"

namespace dev {

// ---- global memory ----------------------------------------------------------------------------------------------------------------------
DEV_FN uint4 ld_global_16(const void* address DEV_HERE) {
  uint4 v;
#if DEV_CUDA
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(address) : "memory");
#else
  emulator::global_load(&v, address, 16, here);
#endif
  return v;
}

// Through the read-only path, not kept in L1: for data that nobody writes during the kernel and that is read once.
DEV_FN uint4 ld_global_16_streaming(const void* address DEV_HERE) {
  uint4 v;
#if DEV_CUDA
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(address));
#else
  emulator::global_load(&v, address, 16, here);
#endif
  return v;
}

DEV_FN uint2 ld_global_8(const void* address DEV_HERE) {
  uint2 v;
#if DEV_CUDA
  asm volatile("ld.global.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(address) : "memory");
#else
  emulator::global_load(&v, address, 8, here);
#endif
  return v;
}

DEV_FN uint32_t ld_global_4(const void* address DEV_HERE) {
  uint32_t v;
#if DEV_CUDA
  asm volatile("ld.global.u32 %0, [%1];" : "=r"(v) : "l"(address) : "memory");
#else
  emulator::global_load(&v, address, 4, here);
#endif
  return v;
}

DEV_FN uint16_t ld_global_2(const void* address DEV_HERE) {
  uint16_t v;
#if DEV_CUDA
  asm volatile("ld.global.u16 %0, [%1];" : "=h"(v) : "l"(address) : "memory");
#else
  emulator::global_load(&v, address, 2, here);
#endif
  return v;
}

DEV_FN void st_global_16(void* address, uint4 v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
#else
  emulator::global_store(address, &v, 16, here);
#endif
}

DEV_FN void st_global_8(void* address, uint2 v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(address), "r"(v.x), "r"(v.y) : "memory");
#else
  emulator::global_store(address, &v, 8, here);
#endif
}

DEV_FN void st_global_4(void* address, uint32_t v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.global.u32 [%0], %1;" ::"l"(address), "r"(v) : "memory");
#else
  emulator::global_store(address, &v, 4, here);
#endif
}

DEV_FN void st_global_2(void* address, uint16_t v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.global.u16 [%0], %1;" ::"l"(address), "h"(v) : "memory");
#else
  emulator::global_store(address, &v, 2, here);
#endif
}

// ---- shared memory of the block ---------------------------------------------------------------------------------------------------------
DEV_FN uint4 ld_shared_16(uint32_t address DEV_HERE) {
  uint4 v;
#if DEV_CUDA
  asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(address) : "memory");
#else
  emulator::shared_load(&v, address, 16, false, here);
#endif
  return v;
}

DEV_FN uint2 ld_shared_8(uint32_t address DEV_HERE) {
  uint2 v;
#if DEV_CUDA
  asm volatile("ld.shared.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "r"(address) : "memory");
#else
  emulator::shared_load(&v, address, 8, false, here);
#endif
  return v;
}

DEV_FN uint32_t ld_shared_4(uint32_t address DEV_HERE) {
  uint32_t v;
#if DEV_CUDA
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
#else
  emulator::shared_load(&v, address, 4, false, here);
#endif
  return v;
}

DEV_FN uint16_t ld_shared_2(uint32_t address DEV_HERE) {
  uint16_t v;
#if DEV_CUDA
  asm volatile("ld.shared.u16 %0, [%1];" : "=h"(v) : "r"(address) : "memory");
#else
  emulator::shared_load(&v, address, 2, false, here);
#endif
  return v;
}

DEV_FN void st_shared_16(uint32_t address, uint4 v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
#else
  emulator::shared_store(address, &v, 16, false, here);
#endif
}

DEV_FN void st_shared_8(uint32_t address, uint2 v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.shared.v2.u32 [%0], {%1, %2};" ::"r"(address), "r"(v.x), "r"(v.y) : "memory");
#else
  emulator::shared_store(address, &v, 8, false, here);
#endif
}

DEV_FN void st_shared_4(uint32_t address, uint32_t v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.shared.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
#else
  emulator::shared_store(address, &v, 4, false, here);
#endif
}

DEV_FN void st_shared_2(uint32_t address, uint16_t v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.shared.u16 [%0], %1;" ::"r"(address), "h"(v) : "memory");
#else
  emulator::shared_store(address, &v, 2, false, here);
#endif
}

// ---- order between blocks ---------------------------------------------------------------------------------------------------------------
// Device scope. Only these, barriers and kernel ends order the memory accesses of different blocks.
DEV_FN uint32_t load_acquire(const uint32_t* address DEV_HERE) {
#if DEV_CUDA
  uint32_t v;
  asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(v) : "l"(address) : "memory");
  return v;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::load, const_cast<uint32_t*>(address), 0, 0, 4, Order::acquire, here));
#endif
}

DEV_FN uint32_t load_relaxed(const uint32_t* address DEV_HERE) {
#if DEV_CUDA
  uint32_t v;
  asm volatile("ld.relaxed.gpu.u32 %0, [%1];" : "=r"(v) : "l"(address) : "memory");
  return v;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::load, const_cast<uint32_t*>(address), 0, 0, 4, Order::relaxed, here));
#endif
}

DEV_FN void store_release(uint32_t* address, uint32_t value DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.release.gpu.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
#else
  using namespace emulator;
  atomic(Atomic::store, address, value, 0, 4, Order::release, here);
#endif
}

DEV_FN void store_relaxed(uint32_t* address, uint32_t value DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.relaxed.gpu.u32 [%0], %1;" ::"l"(address), "r"(value) : "memory");
#else
  using namespace emulator;
  atomic(Atomic::store, address, value, 0, 4, Order::relaxed, here);
#endif
}

// __threadfence(): orders this thread's accesses before it against those after it, for relaxed flags and counters.
DEV_FN void fence_device(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("fence.acq_rel.gpu;" ::: "memory");
#else
  emulator::fence_device(here);
#endif
}

// ---- atomics: they return the old value and order nothing, unless their name says so ----------------------------------------------------
DEV_FN uint32_t atomic_add(uint32_t* address, uint32_t value DEV_HERE) {
#if DEV_CUDA
  uint32_t old;
  asm volatile("atom.add.relaxed.gpu.u32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::add, address, value, 0, 4, Order::relaxed, here));
#endif
}

DEV_FN int32_t atomic_add(int32_t* address, int32_t value DEV_HERE) {
#if DEV_CUDA
  int32_t old;
  asm volatile("atom.add.relaxed.gpu.s32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return static_cast<int32_t>(atomic(Atomic::add, address, static_cast<uint32_t>(value), 0, 4, Order::relaxed, here));
#endif
}

// Its result depends on the order of the threads: only where the contract allows nondeterminism.
DEV_FN float atomic_add(float* address, float value DEV_HERE) {
#if DEV_CUDA
  float old;
  asm volatile("atom.add.relaxed.gpu.f32 %0, [%1], %2;" : "=f"(old) : "l"(address), "f"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return u2f(static_cast<uint32_t>(atomic(Atomic::add_float, address, f2u(value), 0, 4, Order::relaxed, here)));
#endif
}

// Releases what this thread has done (and what it has seen through barriers) and acquires what others released here.
DEV_FN uint32_t atomic_add_acq_rel(uint32_t* address, uint32_t value DEV_HERE) {
#if DEV_CUDA
  uint32_t old;
  asm volatile("atom.add.acq_rel.gpu.u32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::add, address, value, 0, 4, Order::acquire_release, here));
#endif
}

DEV_FN uint32_t atomic_max(uint32_t* address, uint32_t value DEV_HERE) {
#if DEV_CUDA
  uint32_t old;
  asm volatile("atom.max.relaxed.gpu.u32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::maximum, address, value, 0, 4, Order::relaxed, here));
#endif
}

DEV_FN uint32_t atomic_min(uint32_t* address, uint32_t value DEV_HERE) {
#if DEV_CUDA
  uint32_t old;
  asm volatile("atom.min.relaxed.gpu.u32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::minimum, address, value, 0, 4, Order::relaxed, here));
#endif
}

DEV_FN uint32_t atomic_or(uint32_t* address, uint32_t value DEV_HERE) {
#if DEV_CUDA
  uint32_t old;
  asm volatile("atom.or.relaxed.gpu.b32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::bit_or, address, value, 0, 4, Order::relaxed, here));
#endif
}

DEV_FN uint32_t atomic_exchange(uint32_t* address, uint32_t value DEV_HERE) {
#if DEV_CUDA
  uint32_t old;
  asm volatile("atom.exch.relaxed.gpu.b32 %0, [%1], %2;" : "=r"(old) : "l"(address), "r"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::exchange, address, value, 0, 4, Order::relaxed, here));
#endif
}

DEV_FN uint32_t atomic_compare_exchange(uint32_t* address, uint32_t expected, uint32_t value DEV_HERE) {
#if DEV_CUDA
  uint32_t old;
  asm volatile("atom.cas.relaxed.gpu.b32 %0, [%1], %2, %3;" : "=r"(old) : "l"(address), "r"(expected), "r"(value) : "memory");
  return old;
#else
  using namespace emulator;
  return static_cast<uint32_t>(atomic(Atomic::compare_exchange, address, value, expected, 4, Order::relaxed, here));
#endif
}

}  // namespace dev
