// The online softmax of one row, walked over tiles of keys; free of matrix instructions, so that every kernel of the family shares it.
//
//   maximum   the largest score so far. It is never left behind to save a rescaling of the output: the largest exponential of a row is 1,
//             in bfloat16 to the bit, and a row that one key dominates is as good as that key's value.
//   sum       of exponentials against that maximum, before any rounding
//
// For bfloat16 products scores come unscaled, and `exponent` = |scale| * log2(e) turns their differences into powers of two: one fused
// multiply-add a score. True float32 takes two roundings more, for what one saves there is an error of all keys of a tile alike, as large as
// all others together where scores are large: scores come scaled, rounded once, and every exponential, the log-sum-exp and the backward
// are made of differences of these (`exponent` = log2(e)). A key with all of a row's weight has a probability of exactly 1 then, forward
// and backward.
//
// A negative scale has been given to the query's signs before, and scale 0 has made the query 0 with a factor of 1 (ScoreScale), so that
// here exponent > 0 and a masked score is -infinity. A row that has seen no key has maximum -infinity and sum 0; its exponentials are taken
// against 0 and are 0: no NaN arises.
//
// Bits: a tile without any key for this row changes nothing (the maximum stays, the factor is 1, zeros are added), so a row's results do
// not depend on how far the other rows of its tile reach.
#pragma once
#include "dev/arithmetic.cuh"
#include "dev/device.cuh"
#include "tile/host_device.h"

namespace mm1 {

constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

DEV_FN float minus_infinity() { return dev::u2f(0xff800000u); }

// How a factor of any sign reaches the scores: bits of the query are changed, exactly, and a positive factor is left.
struct ScoreScale {
  float factor;     // |scale|, or 1: of float32 scores.
  float exponent;   // |scale| * log2(e), or 1: of bfloat16 scores.
  uint32_t keep;    // And-mask of the query's words: 0 where scale is 0.
  uint32_t flip32;  // Exclusive-or mask of float32 words: the sign where scale is negative.
  uint32_t flip16;  // The same of pairs of bfloat16.

  MM1_DEVICE_MEMBER explicit ScoreScale(float scale)
      : factor(scale == 0.0f ? 1.0f : scale < 0.0f ? -scale : scale),
        exponent(scale == 0.0f ? 1.0f : factor * kLog2E),
        keep(scale == 0.0f ? 0u : ~0u),
        flip32(scale < 0.0f ? 0x80000000u : 0u),
        flip16(scale < 0.0f ? 0x80008000u : 0u) {}

  // Whether the query stays as it is.
  MM1_DEVICE_MEMBER bool is_plain() const { return keep == ~0u && flip32 == 0u; }
  MM1_DEVICE_MEMBER uint32_t pair(uint32_t two) const { return (two & keep) ^ flip16; }
  MM1_DEVICE_MEMBER uint32_t word(uint32_t one) const { return (one & keep) ^ flip32; }
};

struct SoftmaxRow {
  float maximum;
  float sum;

  MM1_DEVICE_MEMBER void begin() {
    maximum = minus_infinity();
    sum = 0.0f;
  }

  // Takes the largest score of the next tile. Returns the factor on what was added up so far: exactly 1 where the maximum stays.
  MM1_DEVICE_MEMBER float raise(float largest, float exponent) {
    const bool raised = largest > maximum;
    const float factor = raised ? dev::exp2_approx((maximum - largest) * exponent) : 1.0f;
    maximum = raised ? largest : maximum;
    sum *= factor;
    return factor;
  }

  // What raise() makes of the maximum: the power that is taken off every score.
  MM1_DEVICE_MEMBER float reference(float exponent) const { return maximum == minus_infinity() ? 0.0f : maximum * exponent; }

  // The same of float32's scaled scores.
  MM1_DEVICE_MEMBER float reference() const { return maximum == minus_infinity() ? 0.0f : maximum; }

  // The factor on the output. `total` is the sum over all lanes that share the row; NaN (in the operands) stays NaN.
  MM1_DEVICE_MEMBER static float normaliser(float total) { return total == 0.0f ? 0.0f : 1.0f / total; }

  // The natural logarithm of the sum of exponentials of the scaled scores.
  MM1_DEVICE_MEMBER float log_sum_exp(float total, float exponent) const {
    // The reference is exact here, as exponentials were taken against it: only the sum rounds.
    return total == 0.0f ? minus_infinity() : dev::fma_(reference(exponent), kLn2, dev::log2_approx(total) * kLn2);
  }
  MM1_DEVICE_MEMBER float log_sum_exp(float total) const {
    return total == 0.0f ? minus_infinity() : dev::fused_multiply_add(dev::log2_approx(total), kLn2, reference());
  }
};

// exp(scale * (score - maximum)): one fused multiply-add, one exponential.
DEV_FN float exponential(float score, float exponent, float reference) {
  return dev::exp2_approx(dev::fma_(score, exponent, -reference));
}

// exp(score - reference) of a score that is scaled. The difference of neighbours is exact; none of this may be contracted with the scaling.
DEV_FN float exponential(float scaled_score, float reference) {
  return dev::exp2_approx(dev::multiply(dev::add(scaled_score, -reference), kLog2E));
}

}  // namespace mm1
