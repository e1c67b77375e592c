// The emulator's stand-in for CUtensorMap: what a TMA instruction needs to know of a tensor in global memory.
#pragma once
#include <cstdint>

namespace emulator {

struct alignas(64) TensorMap {
  uint64_t magic;                     // set by the encoder: a map that was never encoded is refused
  char* base;
  uint64_t extent[5];                 // elements, innermost first
  uint64_t stride[5];                 // bytes; stride[0] is the element
  uint32_t box[5];
  uint16_t rank;
  uint16_t element_bytes;
  uint16_t swizzle;                   // 0, 32, 64 or 128 bytes
  uint16_t float_bytes;               // 2: bfloat16, 4: float32 (only for reductions), 0: raw
};
static_assert(sizeof(TensorMap) == 128, "the size of CUtensorMap");
constexpr uint64_t tensor_map_magic = 0x70616d726f736e65;

// Empty text: encoded. Otherwise the rule of cuTensorMapEncodeTiled that is broken.
const char* encode_tensor_map(TensorMap* map, const void* base, uint32_t rank, const uint64_t* extents, const uint64_t* strides_bytes,
                              const uint32_t* box, uint32_t element_bytes, uint32_t swizzle_bytes, uint32_t float_bytes);

}  // namespace emulator
