// The rules of cuTensorMapEncodeTiled, and dev/tensor_map.h for emulated builds.
#include "tensor_map.h"

#include "../dev/tensor_map.h"

namespace emulator {

const char* encode_tensor_map(TensorMap* map, const void* base, uint32_t rank, const uint64_t* extents, const uint64_t* strides_bytes,
                              const uint32_t* box, uint32_t element_bytes, uint32_t swizzle_bytes, uint32_t float_bytes) {
  if (rank < 1 || rank > 5) return "tensor map: the rank is 1 to 5";
  if (reinterpret_cast<uintptr_t>(base) % 16) return "tensor map: the base address is no multiple of 16";
  if (swizzle_bytes != 0 && swizzle_bytes != 32 && swizzle_bytes != 64 && swizzle_bytes != 128)
    return "tensor map: the swizzle is 0, 32, 64 or 128 bytes";
  *map = TensorMap();
  map->base = const_cast<char*>(static_cast<const char*>(base));
  map->rank = static_cast<uint16_t>(rank);
  map->element_bytes = static_cast<uint16_t>(element_bytes);
  map->swizzle = static_cast<uint16_t>(swizzle_bytes);
  map->float_bytes = static_cast<uint16_t>(float_bytes);
  for (uint32_t i = 0; i < rank; i++) {
    if (extents[i] < 1 || extents[i] > (uint64_t(1) << 32)) return "tensor map: an extent is 1 to 2^32";
    if (box[i] < 1 || box[i] > 256) return "tensor map: a box extent is 1 to 256";
    if (i > 0 && (strides_bytes[i] % 16 || strides_bytes[i] >= uint64_t(1) << 40))
      return "tensor map: a stride is a multiple of 16 bytes below 2^40";
    if (i > 0 && strides_bytes[i] < element_bytes) return "tensor map: a stride is at least an element";
    map->extent[i] = extents[i];
    map->stride[i] = i == 0 ? element_bytes : strides_bytes[i];
    map->box[i] = box[i];
  }
  const uint32_t inner = box[0] * element_bytes;
  if (inner % 16) return "tensor map: the innermost box is a multiple of 16 bytes";
  if (swizzle_bytes && inner > swizzle_bytes) return "tensor map: the innermost box is larger than the swizzle";
  if (swizzle_bytes && inner != swizzle_bytes) return "tensor map: not emulated: an innermost box smaller than the swizzle";
  map->magic = tensor_map_magic;
  return "";
}

}  // namespace emulator

namespace dev {

LaunchStatus encode_tensor_map(DevTensorMap* map, const void* base, const TensorMapShape& shape) {
  uint32_t bytes = 0;
  uint32_t float_bytes = 0;
  switch (shape.type) {
    case TensorMapType::uint8:
      bytes = 1;
      break;
    case TensorMapType::uint16:
      bytes = 2;
      break;
    case TensorMapType::int32:
      bytes = 4;
      break;
    case TensorMapType::bfloat16:
      bytes = float_bytes = 2;
      break;
    case TensorMapType::float32:
      bytes = float_bytes = 4;
      break;
  }
  const char* text = emulator::encode_tensor_map(map, base, shape.rank, shape.extents, shape.strides_bytes, shape.box, bytes,
                                                 shape.swizzle_bytes, float_bytes);
  return *text ? LaunchStatus{8, text} : LaunchStatus{};
}

}  // namespace dev
