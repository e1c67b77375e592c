// float32 and float64 arithmetic that no compiler contracts or reorders: every function is one IEEE operation, rounded once, to nearest, on
// the device and in its host twin. Kernels use these wherever the bits of a result must not depend on how a compiler saw the code around.
#pragma once
#include "device.cuh"

namespace dev {

#if DEV_CUDA && defined(__clang__) && !defined(DEV_HAVE_TOOLKIT)
DEV_FN float fused_multiply_add(float a, float b, float c) { return __nvvm_fma_rn_f(a, b, c); }
DEV_FN float multiply(float a, float b) { return __nvvm_mul_rn_f(a, b); }
DEV_FN float add(float a, float b) { return __nvvm_add_rn_f(a, b); }
DEV_FN float divide(float a, float b) { return __nvvm_div_rn_f(a, b); }
DEV_FN float square_root(float a) { return __nvvm_sqrt_rn_f(a); }
DEV_FN double fused_multiply_add(double a, double b, double c) { return __nvvm_fma_rn_d(a, b, c); }
DEV_FN double multiply(double a, double b) { return __nvvm_mul_rn_d(a, b); }
DEV_FN double add(double a, double b) { return __nvvm_add_rn_d(a, b); }
DEV_FN double divide(double a, double b) { return __nvvm_div_rn_d(a, b); }
DEV_FN double square_root(double a) { return __nvvm_sqrt_rn_d(a); }
DEV_FN float minimum(float a, float b) { return __nvvm_fmin_f(a, b); }
DEV_FN float maximum(float a, float b) { return __nvvm_fmax_f(a, b); }
#elif DEV_CUDA
DEV_FN float fused_multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
DEV_FN float multiply(float a, float b) { return __fmul_rn(a, b); }
DEV_FN float add(float a, float b) { return __fadd_rn(a, b); }
DEV_FN float divide(float a, float b) { return __fdiv_rn(a, b); }
DEV_FN float square_root(float a) { return __fsqrt_rn(a); }
DEV_FN double fused_multiply_add(double a, double b, double c) { return __fma_rn(a, b, c); }
DEV_FN double multiply(double a, double b) { return __dmul_rn(a, b); }
DEV_FN double add(double a, double b) { return __dadd_rn(a, b); }
DEV_FN double divide(double a, double b) { return __ddiv_rn(a, b); }
DEV_FN double square_root(double a) { return __dsqrt_rn(a); }
DEV_FN float minimum(float a, float b) { return fminf(a, b); }
DEV_FN float maximum(float a, float b) { return fmaxf(a, b); }
#else
// The emulated build compiles with -ffp-contract=off; without the instruction __builtin_fmaf is libm's, which rounds once too.
DEV_FN float fused_multiply_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEV_FN float multiply(float a, float b) { return a * b; }
DEV_FN float add(float a, float b) { return a + b; }
DEV_FN float divide(float a, float b) { return a / b; }
DEV_FN float square_root(float a) { return __builtin_sqrtf(a); }
DEV_FN double fused_multiply_add(double a, double b, double c) { return __builtin_fma(a, b, c); }
DEV_FN double multiply(double a, double b) { return a * b; }
DEV_FN double add(double a, double b) { return a + b; }
DEV_FN double divide(double a, double b) { return a / b; }
DEV_FN double square_root(double a) { return __builtin_sqrt(a); }
DEV_FN float minimum(float a, float b) { return __builtin_fminf(a, b); }
DEV_FN float maximum(float a, float b) { return __builtin_fmaxf(a, b); }
#endif

DEV_FN float magnitude(float x) { return u2f(f2u(x) & 0x7fffffffu); }

// The nearest integer, ties to even, of |x| below 2^22: the sum keeps no fraction bits.
DEV_FN float round_to_integer(float x) { return add(add(x, 12582912.0f), -12582912.0f); }

// x * 2^n for integral n from -252 to 254, in two factors: a subnormal result is rounded once, as the second product is the only inexact
// one.
DEV_FN float scale_by_power_of_two(float x, float n) {
  const int whole = static_cast<int>(n);
  const int half = whole / 2;
  const float first = u2f(static_cast<uint32_t>(half + 127) << 23);
  const float second = u2f(static_cast<uint32_t>(whole - half + 127) << 23);
  return multiply(multiply(x, first), second);
}

}  // namespace dev
