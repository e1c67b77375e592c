// The one loop behind mma.sync and wgmma. Products of bf16 or tf32 values are exact in float32, so fused and separate
// multiply-adds give the same bits, and so do all vector widths: each element's sum runs over k in order.
#include "state.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && defined(__linux__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif

namespace emulator {

namespace {

typedef float Vector16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float Vector8 __attribute__((vector_size(32), aligned(4), may_alias));

}  // namespace

CLONES void multiply_add(float* c, size_t c_stride, const float* a, size_t a_stride, const float* b, size_t b_stride, uint32_t m,
                         uint32_t n, uint32_t k) {
  uint32_t j = 0;
  for (; j + 16 <= n; j += 16) {
    uint32_t i = 0;
    for (; i + 4 <= m; i += 4) {      // four rows share each load of b
      float* c0 = c + i * c_stride + j;
      Vector16 s0 = *reinterpret_cast<Vector16*>(c0);
      Vector16 s1 = *reinterpret_cast<Vector16*>(c0 + c_stride);
      Vector16 s2 = *reinterpret_cast<Vector16*>(c0 + 2 * c_stride);
      Vector16 s3 = *reinterpret_cast<Vector16*>(c0 + 3 * c_stride);
      const float* a0 = a + i * a_stride;
      for (uint32_t t = 0; t < k; t++) {
        const Vector16 v = *reinterpret_cast<const Vector16*>(b + t * b_stride + j);
        s0 += a0[t] * v;
        s1 += a0[a_stride + t] * v;
        s2 += a0[2 * a_stride + t] * v;
        s3 += a0[3 * a_stride + t] * v;
      }
      *reinterpret_cast<Vector16*>(c0) = s0;
      *reinterpret_cast<Vector16*>(c0 + c_stride) = s1;
      *reinterpret_cast<Vector16*>(c0 + 2 * c_stride) = s2;
      *reinterpret_cast<Vector16*>(c0 + 3 * c_stride) = s3;
    }
    for (; i < m; i++) {
      Vector16 s = *reinterpret_cast<Vector16*>(c + i * c_stride + j);
      for (uint32_t t = 0; t < k; t++) s += a[i * a_stride + t] * *reinterpret_cast<const Vector16*>(b + t * b_stride + j);
      *reinterpret_cast<Vector16*>(c + i * c_stride + j) = s;
    }
  }
  for (; j < n; j += 8) {
    for (uint32_t i = 0; i < m; i++) {
      Vector8 s = *reinterpret_cast<Vector8*>(c + i * c_stride + j);
      for (uint32_t t = 0; t < k; t++) s += a[i * a_stride + t] * *reinterpret_cast<const Vector8*>(b + t * b_stride + j);
      *reinterpret_cast<Vector8*>(c + i * c_stride + j) = s;
    }
  }
}

}  // namespace emulator
