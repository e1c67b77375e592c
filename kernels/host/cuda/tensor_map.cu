// dev/tensor_map.h over cuTensorMapEncodeTiled. A .cu file, since DevTensorMap is another type for the host compiler alone.
#include "dev/tensor_map.h"

#include <cstdio>

#include "host/cuda/driver.h"

namespace dev {

namespace {

static_assert(sizeof(DevTensorMap) == sizeof(CUtensorMap) && alignof(DevTensorMap) == alignof(CUtensorMap), "DevTensorMap is a CUtensorMap");

CUtensorMapDataType type_of(TensorMapType type) {
  switch (type) {
    case TensorMapType::uint8:
      return CU_TENSOR_MAP_DATA_TYPE_UINT8;
    case TensorMapType::uint16:
      return CU_TENSOR_MAP_DATA_TYPE_UINT16;
    case TensorMapType::int32:
      return CU_TENSOR_MAP_DATA_TYPE_INT32;
    case TensorMapType::bfloat16:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    default:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  }
}

CUtensorMapSwizzle swizzle_of(uint32_t bytes) {
  switch (bytes) {
    case 32:
      return CU_TENSOR_MAP_SWIZZLE_32B;
    case 64:
      return CU_TENSOR_MAP_SWIZZLE_64B;
    case 128:
      return CU_TENSOR_MAP_SWIZZLE_128B;
    default:
      return CU_TENSOR_MAP_SWIZZLE_NONE;
  }
}

// The driver says only that something is invalid; the record goes into the text. Valid until the thread's next failure.
LaunchStatus refused(const char* why, const void* base, const TensorMapShape& shape) {
  static thread_local char text[320];
  std::snprintf(text, sizeof text, "tensor map: %s: rank %u, base %p, extents %llu %llu %llu, strides %llu %llu, box %u %u %u, swizzle %u", why, shape.rank,
                base, static_cast<unsigned long long>(shape.extents[0]), static_cast<unsigned long long>(shape.extents[1]),
                static_cast<unsigned long long>(shape.extents[2]), static_cast<unsigned long long>(shape.strides_bytes[1]),
                static_cast<unsigned long long>(shape.strides_bytes[2]), shape.box[0], shape.box[1], shape.box[2], shape.swizzle_bytes);
  return {MM1_STATUS_INTERNAL_ERROR, text};
}

}  // namespace

LaunchStatus encode_tensor_map(DevTensorMap* map, const void* base, const TensorMapShape& shape) {
  if (shape.rank < 1 || shape.rank > 5) return refused("the rank is 1 to 5", base, shape);
  const mm1::cuda::Driver* driver = nullptr;
  const mm1_status status = mm1::cuda::driver("tensor map", &driver);
  if (status != MM1_STATUS_OK) return {status, mm1::last_error_text()};
  cuuint64_t extents[5] = {};
  cuuint64_t strides[5] = {};
  cuuint32_t box[5] = {};
  cuuint32_t element_strides[5] = {};
  for (uint32_t i = 0; i < shape.rank; i++) {
    extents[i] = shape.extents[i];
    box[i] = shape.box[i];
    element_strides[i] = 1;
    // The driver's list begins with dimension 1.
    if (i > 0) strides[i - 1] = shape.strides_bytes[i];
  }
  CUtensorMap encoded;
  const CUresult result = driver->tensor_map_encode_tiled(&encoded, type_of(shape.type), shape.rank, const_cast<void*>(base), extents, strides, box,
                                                          element_strides, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle_of(shape.swizzle_bytes),
                                                          CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) return refused("the driver refuses it", base, shape);
  *reinterpret_cast<CUtensorMap*>(map) = encoded;
  return {};
}

}  // namespace dev
