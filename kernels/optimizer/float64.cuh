// float64 where an optimizer needs it: powers of the step's number, and sums over a warp.
#pragma once
#include "dev/arithmetic.cuh"

namespace mm1 {

DEV_FN uint64_t double_bits(double value) {
  uint64_t bits;
  __builtin_memcpy(&bits, &value, 8);
  return bits;
}

DEV_FN double double_from(uint64_t bits) {
  double value;
  __builtin_memcpy(&value, &bits, 8);
  return value;
}

// base^exponent for whole exponents of 0 and more, by squaring: a relative error of about exponent * 2^-53.
DEV_FN double whole_power(double base, int64_t exponent) {
  double result = 1.0;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = dev::multiply(result, base);
    base = dev::multiply(base, base);
  }
  return result;
}

// ln x of normal x above 0: x = m 2^n with m in [sqrt(1/2), sqrt 2), ln m = 2 artanh((m - 1) / (m + 1)) by its series.
DEV_FN double natural_logarithm(double x) {
  using namespace dev;
  const int64_t s = static_cast<int64_t>(double_bits(x) - 0x3FE6A09E667F3BCDull);
  const double n = static_cast<double>(s >> 52);
  const double m = double_from((static_cast<uint64_t>(s) & 0x000FFFFFFFFFFFFFull) + 0x3FE6A09E667F3BCDull);
  const double t = divide(add(m, -1.0), add(m, 1.0));
  const double square = multiply(t, t);
  double p = 1.0 / 25;
  DEV_UNROLL for (int k = 23; k >= 1; k -= 2) p = fused_multiply_add(p, square, 1.0 / k);
  const double logarithm = multiply(multiply(2.0, t), p);
  return fused_multiply_add(n, 6.93147180369123816490e-01, fused_multiply_add(n, 1.90821492927058770002e-10, logarithm));
}

// e^x, for results that are normal numbers; the exponent is held within them.
DEV_FN double natural_exponential(double x) {
  using namespace dev;
  double n = add(add(multiply(x, 1.4426950408889634), 6755399441055744.0), -6755399441055744.0);  // To the nearest whole number.
  n = n < -1022.0 ? -1022.0 : n > 1023.0 ? 1023.0 : n;
  double r = fused_multiply_add(-n, 6.93147180369123816490e-01, x);
  r = fused_multiply_add(-n, 1.90821492927058770002e-10, r);
  double p = 1.0;
  DEV_UNROLL for (int k = 14; k >= 1; k--) p = fused_multiply_add(p, multiply(r, 1.0 / k), 1.0);
  return multiply(p, double_from(static_cast<uint64_t>(static_cast<int64_t>(n) + 1023) << 52));
}

// base^exponent for base of 1 and more, within a few 2^-52 * exponent * ln base.
DEV_FN double real_power(double base, double exponent) { return natural_exponential(dev::multiply(exponent, natural_logarithm(base))); }

DEV_FN uint64_t shuffle_xor_64(uint64_t bits, int distance) {
  const uint32_t low = dev::shfl_xor(static_cast<uint32_t>(bits), distance);
  const uint32_t high = dev::shfl_xor(static_cast<uint32_t>(bits >> 32), distance);
  return static_cast<uint64_t>(high) << 32 | low;
}

// The sum over a warp, pair by pair: the same bits in every lane.
DEV_FN double warp_sum(double value) {
  DEV_UNROLL for (int distance = 16; distance > 0; distance /= 2) {
    value = dev::add(value, double_from(shuffle_xor_64(double_bits(value), distance)));
  }
  return value;
}

}  // namespace mm1
