// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): a bijection of a 128-bit counter
// under a 64-bit key, and the way from a word to a float. docs/architecture.md ("Random numbers") gives every step to the bit: integers,
// conversions to nearest, and +, *, fused multiply-add and square root, each rounded once. The host finds the bounds of truncated draws
// with the same functions: no product feeds a sum outside of a fused multiply-add, so that no compiler can contract what is written here.
#pragma once
#include "dev/arithmetic.cuh"
#include "tile/host_device.h"

namespace mm1 {

// Arithmetic of the side that is compiled: dev/ is for kernels alone where a CUDA compiler makes two passes.
#if defined(__CUDA_ARCH__) || defined(DEV_EMULATED)
MM1_HOST_DEVICE inline float random_fma(float a, float b, float c) { return dev::fused_multiply_add(a, b, c); }
MM1_HOST_DEVICE inline float random_product(float a, float b) { return dev::multiply(a, b); }
MM1_HOST_DEVICE inline float random_sum(float a, float b) { return dev::add(a, b); }
MM1_HOST_DEVICE inline float random_root(float a) { return dev::square_root(a); }
MM1_HOST_DEVICE inline uint32_t random_bits(float a) { return dev::f2u(a); }
MM1_HOST_DEVICE inline float random_float(uint32_t a) { return dev::u2f(a); }
#else
MM1_HOST_DEVICE inline float random_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
MM1_HOST_DEVICE inline float random_product(float a, float b) { return a * b; }
MM1_HOST_DEVICE inline float random_sum(float a, float b) { return a + b; }
MM1_HOST_DEVICE inline float random_root(float a) { return __builtin_sqrtf(a); }
MM1_HOST_DEVICE inline uint32_t random_bits(float a) {
  uint32_t bits;
  __builtin_memcpy(&bits, &a, 4);
  return bits;
}
MM1_HOST_DEVICE inline float random_float(uint32_t a) {
  float value;
  __builtin_memcpy(&value, &a, 4);
  return value;
}
#endif

struct RandomWords {
  uint32_t word[4];
};

// The words of one block of the stream (seed, purpose).
MM1_HOST_DEVICE inline RandomWords philox_block(uint64_t seed, uint64_t purpose, uint64_t block) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32);
  uint32_t c2 = static_cast<uint32_t>(purpose), c3 = static_cast<uint32_t>(purpose >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = 0xD2511F53ull * c0;
    const uint64_t p1 = 0xCD9E8D57ull * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// 24 bits: (word >> 8) / 2^24, exact, in [0, 1).
MM1_HOST_DEVICE inline float uniform_of(uint32_t word) {
  return random_product(static_cast<float>(static_cast<int32_t>(word >> 8)), 1.0f / 16777216.0f);
}

// -ln g for normal g above 0 (Cephes logf). Frozen: another logarithm would give other bits.
MM1_HOST_DEVICE inline float negative_logarithm(float g) {
  const int32_t s = static_cast<int32_t>(random_bits(g) - 0x3F3504F3u);
  const float n = static_cast<float>(s >> 23);
  const float f = random_sum(random_float((static_cast<uint32_t>(s) & 0x007FFFFFu) + 0x3F3504F3u), -1.0f);
  float p = random_fma(7.0376836292e-2f, f, -1.1514610310e-1f);
  p = random_fma(p, f, 1.1676998740e-1f);
  p = random_fma(p, f, -1.2420140846e-1f);
  p = random_fma(p, f, 1.4249322787e-1f);
  p = random_fma(p, f, -1.6668057665e-1f);
  p = random_fma(p, f, 2.0000714765e-1f);
  p = random_fma(p, f, -2.4999993993e-1f);
  p = random_fma(p, f, 3.3333331174e-1f);
  const float logarithm = random_fma(random_product(f, f), random_fma(p, f, -0.5f), f);
  return -random_fma(n, 0.693147182f, logarithm);
}

// The standard normal quantile of the probability 1/2 + (k + 1/2) / 2^32, k the word as a signed number (after Giles 2010).
MM1_HOST_DEVICE inline float normal_of(uint32_t word) {
  const int32_t k = static_cast<int32_t>(word);
  const int32_t a = k ^ (k >> 31);
  const float scale = 1.0f / 2147483648.0f;
  const float size = random_product(random_sum(static_cast<float>(a), 0.5f), scale);
  const float x = random_float(random_bits(size) | (word & 0x80000000u));
  const float y = random_product(random_sum(static_cast<float>(2147483647 - a), 0.5f), scale);
  const float w = negative_logarithm(random_product(y, random_sum(2.0f, -y)));
  float r;
  if (w > 6.25f) {
    const float t = random_sum(random_root(w), -3.5625f);
    r = random_fma(-1.85708504e-05f, t, 1.46706716e-05f);
    r = random_fma(r, t, 0.000109552515f);
    r = random_fma(r, t, -0.000299917621f);
    r = random_fma(r, t, 0.000480420102f);
    r = random_fma(r, t, -0.000740073563f);
    r = random_fma(r, t, 0.00127886364f);
    r = random_fma(r, t, -0.00256948872f);
    r = random_fma(r, t, 0.00412120949f);
    r = random_fma(r, t, 1.42518139f);
    r = random_fma(r, t, 4.80614614f);
  } else {
    const float t = random_sum(w, -3.125f);
    r = random_fma(9.87641635e-10f, t, -6.51619603e-09f);
    r = random_fma(r, t, -3.62786459e-08f);
    r = random_fma(r, t, 6.01978115e-07f);
    r = random_fma(r, t, -1.95157827e-06f);
    r = random_fma(r, t, -1.9639212e-05f);
    r = random_fma(r, t, 0.000264117669f);
    r = random_fma(r, t, -0.00104750611f);
    r = random_fma(r, t, -0.0085329162f);
    r = random_fma(r, t, 0.339634955f);
    r = random_fma(r, t, 2.33862066f);
  }
  return random_product(x, r);
}

// The words, as signed numbers, whose normal values lie within the bounds of a truncated draw: first .. first + last.
struct RandomWordRange {
  int32_t first;
  uint32_t last;
};

// A word mapped onto the range in proportion: first + floor(word * (last + 1) / 2^32).
MM1_HOST_DEVICE inline uint32_t word_within(const RandomWordRange& range, uint32_t word) {
  return static_cast<uint32_t>(range.first) + static_cast<uint32_t>((static_cast<uint64_t>(word) * range.last + word) >> 32);
}

}  // namespace mm1
