// Numbers: bfloat16, conversions, and the approximations that the hardware has as one instruction.
#pragma once
#include "device.cuh"

namespace dev {

struct bf16 {
  uint16_t u;
};

#if DEV_CUDA
DEV_FN uint32_t f2u(float value) { return __float_as_uint(value); }
DEV_FN float u2f(uint32_t bits) { return __uint_as_float(bits); }
DEV_FN float fmax_(float a, float b) { return fmaxf(a, b); }
DEV_FN float fmin_(float a, float b) { return fminf(a, b); }
#else
DEV_FN uint32_t f2u(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}
DEV_FN float u2f(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
DEV_FN float fmax_(float a, float b) { return __builtin_fmaxf(a, b); }   // a number if either is one, as fmaxf
DEV_FN float fmin_(float a, float b) { return __builtin_fminf(a, b); }
#endif

DEV_FN float fma_(float a, float b, float c) { return __builtin_fmaf(a, b, c); }

DEV_FN float to_float(bf16 value) { return u2f(static_cast<uint32_t>(value.u) << 16); }
DEV_FN float to_float(float value) { return value; }
DEV_FN float low_bf16(uint32_t pair) { return u2f(pair << 16); }
DEV_FN float high_bf16(uint32_t pair) { return u2f(pair & 0xffff0000u); }

// To nearest, ties to even; `low` lies at the lower address. NaN becomes 0x7fff, as in hardware.
DEV_FN uint32_t pack_bf16(float low, float high) {
#if DEV_CUDA
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
  return pair;
#else
  const uint32_t a = f2u(low);
  const uint32_t b = f2u(high);
  const uint32_t x = (a & 0x7fffffff) > 0x7f800000 ? 0x7fff : (a + 0x7fff + ((a >> 16) & 1)) >> 16;
  const uint32_t y = (b & 0x7fffffff) > 0x7f800000 ? 0x7fff : (b + 0x7fff + ((b >> 16) & 1)) >> 16;
  return x | y << 16;
#endif
}

DEV_FN bf16 to_bf16(float value) { return bf16{static_cast<uint16_t>(pack_bf16(value, 0.f))}; }

template <class T>
struct From;
template <>
struct From<float> {
  static constexpr bool exact = true;
  DEV_FN float f(float value) { return value; }
};
template <>
struct From<bf16> {
  static constexpr bool exact = false;
  DEV_FN bf16 f(float value) { return to_bf16(value); }
};

// float32 to the bits of tf32 (10 bits of mantissa), to nearest, ties away from zero: what mma_tf32 takes.
DEV_FN uint32_t to_tf32(float value) {
#if DEV_CUDA
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
#else
  const uint32_t bits = f2u(value);
  return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & 0xffffe000u;
#endif
}

DEV_FN float exp2_approx(float x) {
#if DEV_CUDA
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return __builtin_exp2f(x);
#endif
}

DEV_FN float log2_approx(float x) {
#if DEV_CUDA
  float y;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return __builtin_log2f(x);
#endif
}

DEV_FN float reciprocal_approx(float x) {
#if DEV_CUDA
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1.f / x;
#endif
}

DEV_FN float reciprocal_sqrt_approx(float x) {
#if DEV_CUDA
  float y;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1.f / __builtin_sqrtf(x);
#endif
}

}  // namespace dev
