// Softmax of a row that is never stored: its log-sum-exp in one pass (Milakov and Gimelshein 2018), and the probability of an element.
// Exponentials are powers of two of the special function unit; the logarithm, one for each row, is a polynomial of rounded operations.
#pragma once
#include "loss/loss_team.cuh"

namespace mm1 {

constexpr float kLog2E = 1.44269504f;
constexpr float kMinusInfinity = -__builtin_inff();

// e^(x - shift), x at most shift. NaN stays NaN.
DEV_FN float shifted_exponential(float x, float shift) { return dev::exp2_approx(dev::multiply(dev::add(x, -shift), kLog2E)); }

// e^(x - log_sum_exp), 0 below e^-64 (1.6e-28): such probabilities move no sum, and divided by a denominator they would be subnormal.
DEV_FN float probability(float x, float log_sum_exp) {
  const float logarithm = dev::add(x, -log_sum_exp);
  return logarithm < -64.0f ? 0.0f : dev::exp2_approx(dev::multiply(logarithm, kLog2E));
}

// ln x for normal positive x, within a unit in the last place (Cephes logf). What is not finite is returned as it is.
DEV_FN float natural_logarithm(float x) {
  using namespace dev;
  if (!(x < __builtin_inff())) return x;
  const uint32_t bits = f2u(x);
  float exponent = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126);
  float m = u2f((bits & 0x7fffffu) | 0x3f000000u);  // In [1/2, 1).
  if (m < 0.707106781f) {
    exponent = add(exponent, -1.0f);
    m = add(m, m);
  }
  m = add(m, -1.0f);
  const float square = multiply(m, m);
  float p = fused_multiply_add(7.0376836292e-2f, m, -1.1514610310e-1f);
  p = fused_multiply_add(p, m, 1.1676998740e-1f);
  p = fused_multiply_add(p, m, -1.2420140846e-1f);
  p = fused_multiply_add(p, m, 1.4249322787e-1f);
  p = fused_multiply_add(p, m, -1.6668057665e-1f);
  p = fused_multiply_add(p, m, 2.0000714765e-1f);
  p = fused_multiply_add(p, m, -2.4999993993e-1f);
  p = fused_multiply_add(p, m, 3.3333331174e-1f);
  p = multiply(multiply(p, m), square);
  p = fused_multiply_add(-2.12194440e-4f, exponent, p);
  p = fused_multiply_add(-0.5f, square, p);
  return fused_multiply_add(0.693359375f, exponent, add(m, p));
}

// The largest of some logits and the sum of their exponentials relative to it. A NaN and an infinite logit make the sum NaN; -infinity
// counts as probability 0.
struct OnlineSoftmax {
  float maximum;
  float sum;
};

DEV_FN OnlineSoftmax no_logits() { return {kMinusInfinity, 0.0f}; }

// What exponentials are relative to: the maximum, once there is one.
DEV_FN float shift_of(float maximum) { return maximum == kMinusInfinity ? 0.0f : maximum; }

template <int Packs, int Pack>
DEV_FN void take_logits(OnlineSoftmax* softmax, const float (&x)[Packs][Pack]) {
  float maximum = softmax->maximum;
  DEV_UNROLL for (int a = 0; a < Packs; a++) {
    DEV_UNROLL for (int i = 0; i < Pack; i++) maximum = dev::maximum(maximum, x[a][i]);
  }
  const float shift = shift_of(maximum);
  float sum = dev::multiply(softmax->sum, shifted_exponential(softmax->maximum, shift));
  DEV_UNROLL for (int a = 0; a < Packs; a++) {
    DEV_UNROLL for (int i = 0; i < Pack; i++) sum = dev::add(sum, shifted_exponential(x[a][i], shift));
  }
  *softmax = {maximum, sum};
}

// The same bits whichever comes first.
DEV_FN OnlineSoftmax joined(const OnlineSoftmax& a, const OnlineSoftmax& b) {
  const float maximum = dev::maximum(a.maximum, b.maximum);
  const float shift = shift_of(maximum);
  return {maximum, dev::add(dev::multiply(a.sum, shifted_exponential(a.maximum, shift)),
                            dev::multiply(b.sum, shifted_exponential(b.maximum, shift)))};
}

// NaN where no logit has a share.
DEV_FN float log_sum_exp_of(const OnlineSoftmax& softmax) {
  if (softmax.maximum == kMinusInfinity) return __builtin_nanf("");
  return dev::add(softmax.maximum, natural_logarithm(softmax.sum));
}

// Over the team, in each of its threads. `scratch` has two places for each warp of a block.
DEV_FN OnlineSoftmax team_softmax(const LossTeam& team, OnlineSoftmax softmax, float* scratch) {
  DEV_UNROLL for (int distance = 16; distance > 0; distance /= 2) {
    const float maximum = dev::shfl_xor(softmax.maximum, distance);
    const float sum = dev::shfl_xor(softmax.sum, distance);
    softmax = joined(softmax, {maximum, sum});
  }
  if (team.threads == 32) return softmax;
  if (dev::lane() == 0) {
    scratch[dev::tid() / 32 * 2] = softmax.maximum;
    scratch[dev::tid() / 32 * 2 + 1] = softmax.sum;
  }
  dev::sync_block();
  softmax = {scratch[0], scratch[1]};
  DEV_UNROLL for (int warp = 1; warp < kLossWarps; warp++) softmax = joined(softmax, {scratch[warp * 2], scratch[warp * 2 + 1]});
  return softmax;
}

}  // namespace mm1
