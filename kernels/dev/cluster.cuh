// Thread block clusters: blocks that run together and reach each other's shared memory.
#pragma once
#include "device.cuh"

namespace dev {
#if DEV_SM90A

DEV_FN uint32_t cluster_rank() {
#if DEV_CUDA
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
#else
  return emulator::block_cluster_rank();
#endif
}

DEV_FN uint32_t cluster_size() {
#if DEV_CUDA
  uint32_t size;
  asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
#else
  return emulator::block_cluster_blocks();
#endif
}

// Every thread of every block of the cluster. What was done before arrive is visible after wait. A block must not end while
// others may still reach its shared memory: a kernel that uses it ends with cluster_sync().
DEV_FN void cluster_arrive(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#else
  emulator::cluster_arrive(here);
#endif
}

DEV_FN void cluster_wait(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
  emulator::cluster_wait(here);
#endif
}

DEV_FN void cluster_sync(DEV_HERE_ONLY) {
#if DEV_CUDA
  cluster_arrive();
  cluster_wait();
#else
  emulator::cluster_arrive(here);
  emulator::cluster_wait(here);
#endif
}

// The same place in the shared memory of block `rank`.
DEV_FN uint32_t mapa(uint32_t address, uint32_t rank DEV_HERE) {
#if DEV_CUDA
  uint32_t mapped;
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(mapped) : "r"(address), "r"(rank));
  return mapped;
#else
  return emulator::map_shared(address, rank, here);
#endif
}

DEV_FN uint32_t ld_cluster_4(uint32_t address DEV_HERE) {
  uint32_t v;
#if DEV_CUDA
  asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(v) : "r"(address) : "memory");
#else
  emulator::shared_load(&v, address, 4, true, here);
#endif
  return v;
}

DEV_FN uint4 ld_cluster_16(uint32_t address DEV_HERE) {
  uint4 v;
#if DEV_CUDA
  asm volatile("ld.shared::cluster.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "r"(address) : "memory");
#else
  emulator::shared_load(&v, address, 16, true, here);
#endif
  return v;
}

DEV_FN void st_cluster_4(uint32_t address, uint32_t v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(address), "r"(v) : "memory");
#else
  emulator::shared_store(address, &v, 4, true, here);
#endif
}

DEV_FN void st_cluster_16(uint32_t address, uint4 v DEV_HERE) {
#if DEV_CUDA
  asm volatile("st.shared::cluster.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(v.x), "r"(v.y), "r"(v.z), "r"(v.w) : "memory");
#else
  emulator::shared_store(address, &v, 16, true, here);
#endif
}

#endif  // DEV_SM90A
}  // namespace dev
