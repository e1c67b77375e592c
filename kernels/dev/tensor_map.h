// Making the tensor maps that TMA needs (host). encode_tensor_map is the emulator's in emulated builds, and host/cuda's over
// cuTensorMapEncodeTiled in CUDA builds: the same rules; the emulator names the broken one, the driver refuses the map.
#pragma once
#include "launch_status.h"
#include "tma.cuh"

namespace dev {

enum class TensorMapType { uint8, uint16, int32, bfloat16, float32 };

// A box of a dense tensor of 1 to 5 dimensions, innermost first.
struct TensorMapShape {
  TensorMapType type = TensorMapType::bfloat16;
  uint32_t rank = 2;
  uint64_t extents[5] = {1, 1, 1, 1, 1};        // elements; each at least 1
  uint64_t strides_bytes[5] = {0, 0, 0, 0, 0};  // of dimensions 1..rank-1 (entry 0 is not read): multiples of 16, below 2^40
  uint32_t box[5] = {1, 1, 1, 1, 1};            // elements, each 1..256; the innermost box is a multiple of 16 bytes
  uint32_t swizzle_bytes = 128;                 // 0, 32, 64 or 128: then the innermost box has exactly so many bytes
};

// The base is 16-byte aligned. A failure leaves a text: on the emulator the rule, on CUDA the map that was refused.
LaunchStatus encode_tensor_map(DevTensorMap* map, const void* base, const TensorMapShape& shape);

}  // namespace dev
