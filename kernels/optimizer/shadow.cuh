// The compute copy of updated parameters, written in the same pass.
#pragma once
#include "dev/arithmetic.cuh"
#include "elementwise/conversion.h"
#include "mm1/kernels.h"

namespace mm1 {

// The bits of an element in a dtype of two bytes: to nearest, ties to even, NaN stays NaN.
DEV_FN uint32_t shadow_bits(mm1_dtype dtype, float value) {
  return dtype == MM1_DTYPE_BFLOAT16 ? dev::to_bf16(value).u : narrow_float(value, 5, 10);
}

// Whether four elements from a multiple of four on can be written at once.
DEV_FN bool is_shadow_aligned(const mm1_optimizer_tensor& tensor) {
  return reinterpret_cast<uintptr_t>(tensor.shadow) % (tensor.shadow_dtype == MM1_DTYPE_FLOAT32 ? 16 : 8) == 0;
}

// Elements [index, index + count), count at most 4; `aligned`: the master, and the shadow too.
DEV_FN void store_shadow(const mm1_optimizer_tensor& tensor, int64_t index, bool aligned, int count, const float (&values)[4]) {
  if (tensor.shadow == nullptr) return;
  if (tensor.shadow_dtype == MM1_DTYPE_FLOAT32) {
    float* place = static_cast<float*>(tensor.shadow) + index;
    if (aligned && count == 4) {
      dev::st_global_16(place, uint4{dev::f2u(values[0]), dev::f2u(values[1]), dev::f2u(values[2]), dev::f2u(values[3])});
      return;
    }
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      if (i < count) dev::st_global_4(place + i, dev::f2u(values[i]));
    }
    return;
  }
  uint32_t bits[4];
  DEV_UNROLL for (int i = 0; i < 4; i++) bits[i] = shadow_bits(tensor.shadow_dtype, values[i]);
  uint16_t* place = static_cast<uint16_t*>(tensor.shadow) + index;
  if (aligned && count == 4) {
    dev::st_global_8(place, uint2{bits[0] | bits[1] << 16, bits[2] | bits[3] << 16});
    return;
  }
  DEV_UNROLL for (int i = 0; i < 4; i++) {
    if (i < count) dev::st_global_2(place + i, static_cast<uint16_t>(bits[i]));
  }
}

}  // namespace mm1
