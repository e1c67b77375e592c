// cp.async: copies from global to shared memory that pass the registers by. A copy may be read after this thread has waited for its
// group, by other threads after a barrier that follows the wait.
#pragma once
#include "device.cuh"

namespace dev {

// Both addresses are multiples of the size. Bytes beyond source_bytes are written as zeros; with source_bytes 0 nothing is read, and
// the source may be any pointer.
DEV_FN void cp_async16(uint32_t target, const void* source, int source_bytes = 16 DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(source), "r"(source_bytes) : "memory");
#else
  emulator::cp_async(target, source, 16, static_cast<uint32_t>(source_bytes), here);
#endif
}

DEV_FN void cp_async8(uint32_t target, const void* source, int source_bytes = 8 DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(target), "l"(source), "r"(source_bytes) : "memory");
#else
  emulator::cp_async(target, source, 8, static_cast<uint32_t>(source_bytes), here);
#endif
}

DEV_FN void cp_async4(uint32_t target, const void* source, int source_bytes = 4 DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(target), "l"(source), "r"(source_bytes) : "memory");
#else
  emulator::cp_async(target, source, 4, static_cast<uint32_t>(source_bytes), here);
#endif
}

// Closes this thread's group of copies.
DEV_FN void cp_async_commit() {
#if DEV_CUDA
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  emulator::cp_async_commit();
#endif
}

// Until all but the newest N groups of this thread have landed.
template <int N>
DEV_FN void cp_async_wait(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#else
  emulator::cp_async_wait(N, here);
#endif
}

// The mbarrier gets one arrival, counted in its init, when all copies that this thread has issued so far have landed.
DEV_FN void cp_async_mbar_arrive_noinc(uint32_t barrier DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
#else
  emulator::cp_async_mbarrier_arrive(barrier, here);
#endif
}

}  // namespace dev
