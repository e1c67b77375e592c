// Collectives of a warp. The mask names the lanes that take part; each of them must arrive, at the same primitive with the same mask.
#pragma once
#include "device.cuh"

namespace dev {

#if DEV_CUDA
DEV_FN void sync_warp(uint32_t mask = full) { __syncwarp(mask); }
template <class T>
DEV_FN T shfl(T value, int lane_index, uint32_t mask = full) {
  return __shfl_sync(mask, value, lane_index);
}
template <class T>
DEV_FN T shfl_xor(T value, int lane_mask, uint32_t mask = full) {
  return __shfl_xor_sync(mask, value, lane_mask);
}
template <class T>
DEV_FN T shfl_down(T value, int distance, uint32_t mask = full) {
  return __shfl_down_sync(mask, value, distance);
}
template <class T>
DEV_FN T shfl_up(T value, int distance, uint32_t mask = full) {
  return __shfl_up_sync(mask, value, distance);
}
DEV_FN uint32_t ballot(bool predicate, uint32_t mask = full) { return __ballot_sync(mask, predicate); }
#else
// Orders the shared and global accesses of its lanes.
DEV_FN void sync_warp(uint32_t mask = full DEV_HERE) { emulator::sync_warp(mask, here); }

template <class T>
DEV_FN T shuffle_bits(uint32_t mask, T value, emulator::Shuffle kind, int argument, emulator::Loc here) {
  static_assert(sizeof(T) == 4, "shuffles move 32 bits");
  uint32_t bits;
  memcpy(&bits, &value, 4);
  bits = static_cast<uint32_t>(emulator::shuffle(mask, bits, kind, argument, here));
  memcpy(&value, &bits, 4);
  return value;
}
template <class T>
DEV_FN T shfl(T value, int lane_index, uint32_t mask = full DEV_HERE) {
  return shuffle_bits(mask, value, emulator::Shuffle::index, lane_index, here);
}
template <class T>
DEV_FN T shfl_xor(T value, int lane_mask, uint32_t mask = full DEV_HERE) {
  return shuffle_bits(mask, value, emulator::Shuffle::exclusive_or, lane_mask, here);
}
template <class T>
DEV_FN T shfl_down(T value, int distance, uint32_t mask = full DEV_HERE) {
  return shuffle_bits(mask, value, emulator::Shuffle::down, distance, here);
}
template <class T>
DEV_FN T shfl_up(T value, int distance, uint32_t mask = full DEV_HERE) {
  return shuffle_bits(mask, value, emulator::Shuffle::up, distance, here);
}
DEV_FN uint32_t ballot(bool predicate, uint32_t mask = full DEV_HERE) { return emulator::ballot(mask, predicate, here); }
#endif

// True for one lane of the mask, the same one each time.
DEV_FN bool elect_one(uint32_t mask = full DEV_HERE) {
#if DEV_CUDA
#if DEV_SM90A
  uint32_t elected;
  asm volatile("{\n.reg .pred p;\nelect.sync _|p, %1;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(elected) : "r"(mask) : "memory");
  return elected != 0;
#else
  __syncwarp(mask);
  return lane() == static_cast<uint32_t>(__builtin_ctz(mask));
#endif
#else
  return emulator::elect_one(mask, here);
#endif
}

}  // namespace dev
