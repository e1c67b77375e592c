// mbarrier objects: 8 bytes of shared memory with a phase, a count of arrivals and a count of bytes still to come. A phase is complete
// when both are zero; its parity alternates from 0. A ring of stages waits with parity (round & 1) on "full" and ((round & 1) ^ 1) on
// "empty".
#pragma once
#include "device.cuh"

namespace dev {

// sm_80 has the basic object (init, arrive, test_wait): what cp_async_mbar_arrive_noinc needs. The rest is Hopper's.
DEV_FN void mbar_init(uint32_t barrier, uint32_t arrivals DEV_HERE) {
#if DEV_CUDA
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
#else
  emulator::mbarrier_init(barrier, arrivals, here);
#endif
}

// Before the memory serves another purpose.
DEV_FN void mbar_invalidate(uint32_t barrier DEV_HERE) {
#if DEV_CUDA
  asm volatile("mbarrier.inval.shared.b64 [%0];" ::"r"(barrier) : "memory");
#else
  emulator::mbarrier_invalidate(barrier, here);
#endif
}

DEV_FN void mbar_arrive(uint32_t barrier DEV_HERE) {
#if DEV_CUDA
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(barrier) : "memory");
#else
  emulator::mbarrier_arrive(barrier, 1, 0, here);
#endif
}

// One poll. True once the phase of this parity is complete.
DEV_FN bool mbar_try_wait(uint32_t barrier, uint32_t parity DEV_HERE) {
#if DEV_CUDA
  uint32_t complete;
#if DEV_SM90A
  asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
               : "=r"(complete)
               : "r"(barrier), "r"(parity)
               : "memory");
#else
  asm volatile("{\n.reg .pred p;\nmbarrier.test_wait.parity.shared.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
               : "=r"(complete)
               : "r"(barrier), "r"(parity)
               : "memory");
#endif
  return complete != 0;
#else
  return emulator::mbarrier_try_wait(barrier, parity, here);
#endif
}

// Until the phase of this parity is complete. With MM1_DEBUG_WAITS the wait traps after so many polls, and says which barrier it was.
DEV_FN void mbar_wait(uint32_t barrier, uint32_t parity DEV_HERE) {
#if DEV_CUDA
#if MM1_DEBUG_WAITS
  for (uint32_t polls = 0; !mbar_try_wait(barrier, parity); polls++) {
    if (polls > 20000000u) {
#if DEV_HAVE_TOOLKIT || !defined(__clang__)
      printf("mbarrier at shared %u, parity %u: block %u,%u,%u thread %u waits for ever\n", barrier, parity, bid_x(), bid_y(), bid_z(),
             tid());
#endif
      trap();
    }
  }
#else
  while (!mbar_try_wait(barrier, parity)) {
  }
#endif
#else
  emulator::mbarrier_wait(barrier, parity, here);
#endif
}

#if DEV_SM90A
// After mbar_init, by the thread that did it: other blocks of the cluster and TMA may then use the barrier (after a barrier of threads).
DEV_FN void fence_mbar_init() {
#if DEV_CUDA
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#else
  emulator::mbarrier_fence_init();
#endif
}

// This thread's ordinary stores to shared memory become visible to TMA stores and wgmma. By the writing thread, before the barrier that
// tells the reader.
DEV_FN void fence_proxy_async() {
#if DEV_CUDA
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  emulator::fence_proxy_async();
#endif
}

DEV_FN void mbar_expect_tx(uint32_t barrier, uint32_t bytes DEV_HERE) {
#if DEV_CUDA
  asm volatile("mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
#else
  emulator::mbarrier_arrive(barrier, 0, bytes, here);
#endif
}

// Arrives, and lets the phase wait for so many bytes of TMA copies.
DEV_FN void mbar_arrive_expect_tx(uint32_t barrier, uint32_t bytes DEV_HERE) {
#if DEV_CUDA
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
#else
  emulator::mbarrier_arrive(barrier, 1, bytes, here);
#endif
}

// The barrier of another block of the cluster: its address comes from mapa().
DEV_FN void mbar_arrive_cluster(uint32_t barrier DEV_HERE) {
#if DEV_CUDA
  asm volatile("mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%0];" ::"r"(barrier) : "memory");
#else
  emulator::mbarrier_arrive(barrier, 1, 0, here);
#endif
}

// As mbar_wait, for phases that other blocks of the cluster complete.
DEV_FN void mbar_wait_cluster(uint32_t barrier, uint32_t parity DEV_HERE) {
#if DEV_CUDA
  uint32_t complete = 0;
  while (!complete) {
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}"
                 : "=r"(complete)
                 : "r"(barrier), "r"(parity)
                 : "memory");
  }
#else
  emulator::mbarrier_wait(barrier, parity, here);
#endif
}
#endif

}  // namespace dev
