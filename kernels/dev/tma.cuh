// TMA: copies of boxes of a tensor between global and shared memory, by one thread, completed through an mbarrier (loads) or in
// groups (stores). The box lies densely in shared memory, innermost dimension first, at a 128-byte aligned address (1024 where the map
// swizzles); what lies outside of the tensor is read as zero and not written. Maps are made by tensor_map.h and passed as kernel
// parameters:
//   DEV_KERNEL f(const DEV_GRID_CONST DevTensorMap map)
#pragma once
#include "barrier.cuh"

#if DEV_CUDA
struct alignas(64) DevTensorMap {
  uint64_t opaque[16];                // CUtensorMap
};
#else
using DevTensorMap = emulator::TensorMap;
#endif

namespace dev {
#if DEV_SM90A

DEV_FN void tma_prefetch(const DevTensorMap* map) {
#if DEV_CUDA
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#else
  (void)map;
#endif
}

// ---- loads ------------------------------------------------------------------------------------------------------------------------------
// x is the innermost coordinate, in elements; coordinates may be negative or beyond the tensor. The bytes of the whole box count
// for the barrier, whatever part of it lies inside.
DEV_FN void tma_load_2d(uint32_t target, const DevTensorMap* map, int x, int y, uint32_t barrier DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
               ::"r"(target), "l"(map), "r"(x), "r"(y), "r"(barrier)
               : "memory");
#else
  const int32_t at[] = {x, y};
  emulator::tma_load(target, map, 2, at, barrier, 0, here);
#endif
}

DEV_FN void tma_load_3d(uint32_t target, const DevTensorMap* map, int x, int y, int z, uint32_t barrier DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4}], [%5];"
               ::"r"(target), "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier)
               : "memory");
#else
  const int32_t at[] = {x, y, z};
  emulator::tma_load(target, map, 3, at, barrier, 0, here);
#endif
}

DEV_FN void tma_load_4d(uint32_t target, const DevTensorMap* map, int x, int y, int z, int w, uint32_t barrier DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3, %4, %5}], [%6];"
               ::"r"(target), "l"(map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(barrier)
               : "memory");
#else
  const int32_t at[] = {x, y, z, w};
  emulator::tma_load(target, map, 4, at, barrier, 0, here);
#endif
}

// To the same offset in the shared memory of every block whose bit is set; each block's barrier at the same offset gets the bytes.
DEV_FN void tma_load_2d_multicast(uint32_t target, const DevTensorMap* map, int x, int y, uint32_t barrier, uint16_t blocks DEV_HERE) {
#if DEV_CUDA
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3}], [%4], "
      "%5;" ::"r"(target),
      "l"(map), "r"(x), "r"(y), "r"(barrier), "h"(blocks)
      : "memory");
#else
  const int32_t at[] = {x, y};
  emulator::tma_load(target, map, 2, at, barrier, blocks, here);
#endif
}

DEV_FN void tma_load_3d_multicast(uint32_t target, const DevTensorMap* map, int x, int y, int z, uint32_t barrier,
                                  uint16_t blocks DEV_HERE) {
#if DEV_CUDA
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%2, %3, %4}], [%5], "
      "%6;" ::"r"(target),
      "l"(map), "r"(x), "r"(y), "r"(z), "r"(barrier), "h"(blocks)
      : "memory");
#else
  const int32_t at[] = {x, y, z};
  emulator::tma_load(target, map, 3, at, barrier, blocks, here);
#endif
}

// ---- stores -----------------------------------------------------------------------------------------------------------------------------
// The shared memory must have been written before a fence_proxy_async() of its writers and a barrier. It may be written again after
// tma_wait_read; global memory is complete after tma_wait (or the kernel's end).
DEV_FN void tma_store_2d(const DevTensorMap* map, uint32_t source, int x, int y DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];"
               ::"l"(map), "r"(x), "r"(y), "r"(source)
               : "memory");
#else
  const int32_t at[] = {x, y};
  emulator::tma_store(map, source, 2, at, false, here);
#endif
}

DEV_FN void tma_store_3d(const DevTensorMap* map, uint32_t source, int x, int y, int z DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.tile.bulk_group [%0, {%1, %2, %3}], [%4];"
               ::"l"(map), "r"(x), "r"(y), "r"(z), "r"(source)
               : "memory");
#else
  const int32_t at[] = {x, y, z};
  emulator::tma_store(map, source, 3, at, false, here);
#endif
}

DEV_FN void tma_store_4d(const DevTensorMap* map, uint32_t source, int x, int y, int z, int w DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.tile.bulk_group [%0, {%1, %2, %3, %4}], [%5];"
               ::"l"(map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(source)
               : "memory");
#else
  const int32_t at[] = {x, y, z, w};
  emulator::tma_store(map, source, 4, at, false, here);
#endif
}

// Adds the box to global memory, element by element (float32 or bfloat16). Overlapping additions come in any order.
DEV_FN void tma_reduce_add_2d(const DevTensorMap* map, uint32_t source, int x, int y DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [%0, {%1, %2}], [%3];"
               ::"l"(map), "r"(x), "r"(y), "r"(source)
               : "memory");
#else
  const int32_t at[] = {x, y};
  emulator::tma_store(map, source, 2, at, true, here);
#endif
}

DEV_FN void tma_reduce_add_3d(const DevTensorMap* map, uint32_t source, int x, int y, int z DEV_HERE) {
#if DEV_CUDA
  asm volatile("cp.reduce.async.bulk.tensor.3d.global.shared::cta.add.tile.bulk_group [%0, {%1, %2, %3}], [%4];"
               ::"l"(map), "r"(x), "r"(y), "r"(z), "r"(source)
               : "memory");
#else
  const int32_t at[] = {x, y, z};
  emulator::tma_store(map, source, 3, at, true, here);
#endif
}

// Closes this thread's group of stores.
DEV_FN void tma_commit() {
#if DEV_CUDA
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#else
  emulator::tma_commit();
#endif
}

// Until all but the newest N groups have been written to global memory.
template <int N>
DEV_FN void tma_wait(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(N) : "memory");
#else
  emulator::tma_wait(N, false, here);
#endif
}

// Until all but the newest N groups have been read from shared memory. A thread must not end before tma_wait_read<0>.
template <int N>
DEV_FN void tma_wait_read(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(N) : "memory");
#else
  emulator::tma_wait(N, true, here);
#endif
}

#endif  // DEV_SM90A
}  // namespace dev
