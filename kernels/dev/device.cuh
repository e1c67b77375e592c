// The device vocabulary: the only way in which kernel sources reach the hardware. Every primitive has two bodies: inline PTX (nvcc, or
// clang without a toolkit) and a call of its twin in the emulator (any C++17 compiler). Kernels contain no asm, no threadIdx, no <<<>>>.
//
//   device.cuh       macros, vectors of bits, ids, block barriers, shared memory        (includes numeric, memory and warp)
//   numeric.cuh      bfloat16, approximations        memory.cuh    loads and stores, acquire/release, atomics, fences
//   warp.cuh         shuffles, votes                 matrix.cuh    ldmatrix, stmatrix, mma.sync
//   async_copy.cuh   cp.async                        barrier.cuh   mbarrier, proxy fence
//   tma.cuh          tensor maps, bulk copies        wgmma.cuh     wgmma, setmaxnreg          cluster.cuh   clusters
//   launch.h         dev::launch (host)              tensor_map.h  encoding tensor maps (host)
//
// Addresses of shared memory are 32-bit numbers (smem_addr), as in PTX. In the emulator each function knows its caller's file and line.
#pragma once
#if defined(__CUDACC__) || defined(__CUDA__)
#define DEV_CUDA 1
#if defined(__clang__) && !defined(DEV_HAVE_TOOLKIT)
#include "clang_device.h"
#else
#include <cuda_runtime.h>
#include <stdint.h>
#endif
#else
#define DEV_EMULATED 1
#include <cstring>
#include "../emulator/primitives.h"
#endif

#if DEV_CUDA
#define DEV_FN static __forceinline__ __device__
#define DEV_KERNEL __global__ void
#define DEV_BOUNDS(...) __launch_bounds__(__VA_ARGS__)
#define DEV_GRID_CONST __grid_constant__
#define DEV_UNROLL _Pragma("unroll")
#define DEV_NO_UNROLL _Pragma("unroll 1")
#define DEV_HERE
#define DEV_HERE_ONLY
// A static shared array of the block: DEV_SHARED(float, partial, 32);
#define DEV_SHARED(T, name, n) __shared__ T name[n]
#if __CUDA_ARCH__ >= 900 && (defined(__CUDA_ARCH_FEAT_SM90_ALL) || defined(__CUDA_ARCH_SPECIFIC__))
#define DEV_SM90A 1
#endif
#else
#define DEV_FN static inline __attribute__((always_inline, unused))
#define DEV_KERNEL void
#define DEV_BOUNDS(...)
#define DEV_GRID_CONST
#define DEV_UNROLL
#define DEV_NO_UNROLL
#define DEV_HERE , EMULATOR_HERE
#define DEV_HERE_ONLY EMULATOR_HERE
#define DEV_SHARED(T, name, n) \
  static const char name##_key = 0; \
  T* const name = static_cast<T*>(emulator::shared_array(&name##_key, sizeof(T) * (n), alignof(T), {__FILE__, __LINE__}))
// Bodies of kernels for Hopper stand in #if DEV_SM90A; the #else calls dev::trap().
#define DEV_SM90A 1
struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
#endif

namespace dev {

constexpr uint32_t full = 0xffffffffu;          // every lane of a warp

// ---- ids --------------------------------------------------------------------------------------------------------------------------------
#if DEV_CUDA
DEV_FN uint32_t tid() { return threadIdx.x; }
DEV_FN uint32_t ntid() { return blockDim.x; }
DEV_FN uint32_t bid_x() { return blockIdx.x; }
DEV_FN uint32_t bid_y() { return blockIdx.y; }
DEV_FN uint32_t bid_z() { return blockIdx.z; }
DEV_FN uint32_t nbid_x() { return gridDim.x; }
DEV_FN uint32_t nbid_y() { return gridDim.y; }
DEV_FN uint32_t nbid_z() { return gridDim.z; }
DEV_FN uint32_t lane() {
  uint32_t value;
  asm("mov.u32 %0, %%laneid;" : "=r"(value));
  return value;
}
#else
DEV_FN uint32_t tid() { return emulator::thread_x(); }
DEV_FN uint32_t ntid() { return emulator::block_size().x; }
DEV_FN uint32_t bid_x() { return emulator::block_index().x; }
DEV_FN uint32_t bid_y() { return emulator::block_index().y; }
DEV_FN uint32_t bid_z() { return emulator::block_index().z; }
DEV_FN uint32_t nbid_x() { return emulator::grid_size().x; }
DEV_FN uint32_t nbid_y() { return emulator::grid_size().y; }
DEV_FN uint32_t nbid_z() { return emulator::grid_size().z; }
DEV_FN uint32_t lane() { return emulator::thread_lane(); }
#endif

// The same value, but unknown to the compiler: what a loop derives from it is computed where it is written. Without it a compiler keeps each
// of a tile's addresses in a register of its own around the loop, and accumulators spill.
DEV_FN uint32_t opaque(uint32_t value) {
#if DEV_CUDA
  asm volatile("" : "+r"(value));
#endif
  return value;
}

// ---- the block --------------------------------------------------------------------------------------------------------------------------
// Every thread of the block, from one place in the source.
DEV_FN void sync_block(DEV_HERE_ONLY) {
#if DEV_CUDA
  __syncthreads();
#else
  emulator::sync_block(here);
#endif
}

// Named barriers 0..15 (0 is sync_block's): `count` threads, a multiple of 32, meet; bar_arrive does not wait for the others.
DEV_FN void bar_sync(uint32_t id, uint32_t count DEV_HERE) {
#if DEV_CUDA
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(count) : "memory");
#else
  emulator::bar_sync(id, count, here);
#endif
}

DEV_FN void bar_arrive(uint32_t id, uint32_t count DEV_HERE) {
#if DEV_CUDA
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(count) : "memory");
#else
  emulator::bar_arrive(id, count, here);
#endif
}

// In loops that wait for another block: in the emulator, where nothing else would let that block run.
DEV_FN void spin_hint(DEV_HERE_ONLY) {
#if DEV_EMULATED
  emulator::spin(here);
#endif
}

// The end of a kernel that was built for another architecture, or of a wait that can never end.
DEV_FN void trap(DEV_HERE_ONLY) {
#if DEV_CUDA
  __trap();
#else
  emulator::trap(here);
#endif
}

// ---- shared memory ----------------------------------------------------------------------------------------------------------------------
// The launch's shared_bytes, aligned to 1024 bytes.
DEV_FN char* dynamic_smem() {
#if DEV_CUDA
  extern __shared__ __attribute__((aligned(1024))) char dev_dynamic_shared[];
  return dev_dynamic_shared;
#else
  return static_cast<char*>(emulator::dynamic_shared());
#endif
}

DEV_FN uint32_t smem_addr(const void* pointer) {
#if DEV_CUDA
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
#else
  return emulator::shared_address(pointer);
#endif
}

}  // namespace dev

#include "numeric.cuh"
#include "memory.cuh"
#include "warp.cuh"
