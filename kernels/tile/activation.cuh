// Pointwise functions of mm1_activation and their derivatives, the formulas and constants of the CPU device (Cpu/Simd/VectorFunctions.cs),
// so that an epilogue differs between devices by its product alone. Every step is one rounded operation (dev/arithmetic.cuh).
#pragma once
#include "dev/arithmetic.cuh"
#include "mm1/kernels.h"

namespace mm1 {

// e^x for x up to 89, which gives infinity; below -104 zero. A NaN may be lost.
DEV_FN float exponential(float x) {
  using namespace dev;
  const float clamped = maximum(x, -105.0f);
  const float n = round_to_integer(multiply(clamped, 1.44269504f));
  // ln 2 in two parts; n times the first is exact (Cody and Waite 1980).
  float r = fused_multiply_add(-n, 0.693359375f, clamped);
  r = fused_multiply_add(-n, -2.12194440e-4f, r);
  // Minimax polynomial of (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2 (Cephes expf).
  float p = fused_multiply_add(1.9875691500e-4f, r, 1.3981999507e-3f);
  p = fused_multiply_add(p, r, 8.3334519073e-3f);
  p = fused_multiply_add(p, r, 4.1665795894e-2f);
  p = fused_multiply_add(p, r, 1.6666665459e-1f);
  p = fused_multiply_add(p, r, 5.0000001201e-1f);
  p = add(fused_multiply_add(p, multiply(r, r), r), 1.0f);
  return scale_by_power_of_two(p, n);
}

// 1 / (1 + e^-x) and one minus it. For positive x the complement comes from the exponential: the difference would keep only what the
// rounding of the sigmoid left of it. A NaN may be lost.
struct Sigmoid {
  float value;
  float complement;
};

DEV_FN Sigmoid sigmoid_of(float x) {
  using namespace dev;
  const float e = exponential(minimum(-x, 89.0f));
  const float value = divide(1.0f, add(1.0f, e));
  return {value, e < 1.0f ? multiply(e, value) : add(1.0f, -value)};
}

// tanh x, within 3 units in the last place (Cephes tanhf). A NaN compares false and takes the polynomial, which keeps it.
DEV_FN float hyperbolic_tangent(float x) {
  using namespace dev;
  const float size = magnitude(x);
  if (size > 0.625f) {
    const float e = exponential(multiply(-2.0f, size));
    const float large = add(1.0f, -divide(multiply(2.0f, e), add(1.0f, e)));
    return x < 0.0f ? -large : large;
  }
  const float square = multiply(x, x);
  float p = fused_multiply_add(-5.70498872745e-3f, square, 2.06390887954e-2f);
  p = fused_multiply_add(p, square, -5.37397155531e-2f);
  p = fused_multiply_add(p, square, 1.33314422036e-1f);
  p = fused_multiply_add(p, square, -3.33332819422e-1f);
  return fused_multiply_add(multiply(p, square), x, x);
}

// Probability that a standard normal variable is below x: (1 + erf(x / sqrt 2)) / 2.
DEV_FN float normal_probability(float x) {
  using namespace dev;
  const float scaled = multiply(x, 0.707106781f);
  const float t = magnitude(scaled);
  if (t > 0.927734375f) {
    // erfc as e to a minimax polynomial of its logarithm: the lower tail does not cancel.
    const float square = multiply(t, t);
    const float high = fused_multiply_add(-1.72853470e-5f, t, 3.83197126e-4f);
    const float low = fused_multiply_add(-3.88396438e-3f, t, 2.42546219e-2f);
    float p = fused_multiply_add(high, square, low);
    p = fused_multiply_add(p, t, -1.06777877e-1f);
    p = fused_multiply_add(p, t, -6.34846687e-1f);
    p = fused_multiply_add(p, t, -1.28717512e-1f);
    const float tail = multiply(0.5f, exponential(fused_multiply_add(p, t, -t)));
    return x < 0.0f ? tail : add(1.0f, -tail);
  }
  // Minimax polynomial of erf; keeps a NaN.
  const float square = multiply(scaled, scaled);
  float p = fused_multiply_add(-5.96761703e-4f, square, 4.99119423e-3f);
  p = fused_multiply_add(p, square, -2.67681349e-2f);
  p = fused_multiply_add(p, square, 1.12819925e-1f);
  p = fused_multiply_add(p, square, -3.76125336e-1f);
  p = fused_multiply_add(p, square, 1.28379166e-1f);
  return fused_multiply_add(0.5f, fused_multiply_add(p, scaled, scaled), 0.5f);
}

// e^(-x^2 / 2) / sqrt(2 pi). A NaN may be lost.
DEV_FN float normal_density(float x) {
  using namespace dev;
  return multiply(0.398942280f, exponential(multiply(multiply(-0.5f, x), x)));
}

// x * (1 + tanh u) / 2 is x * sigmoid(2u), which does not cancel for negative x.
constexpr float kGeluTanhLinear = 1.59576912f;   // 2 * sqrt(2 / pi).
constexpr float kGeluTanhCubic = 0.0713548163f;  // 0.044715 times that.
constexpr float kQuickGeluSlope = 1.702f;

// activation(x).
DEV_FN float activate(int activation, float x) {
  using namespace dev;
  switch (activation) {
    case MM1_ACTIVATION_RELU:
      return x < 0.0f ? 0.0f : x;
    case MM1_ACTIVATION_GELU:
      return multiply(x, normal_probability(x));
    case MM1_ACTIVATION_GELU_TANH:
      return multiply(x, sigmoid_of(multiply(x, fused_multiply_add(kGeluTanhCubic, multiply(x, x), kGeluTanhLinear))).value);
    case MM1_ACTIVATION_QUICK_GELU:
      return multiply(x, sigmoid_of(multiply(kQuickGeluSlope, x)).value);
    case MM1_ACTIVATION_SILU:
      return multiply(x, sigmoid_of(x).value);
    case MM1_ACTIVATION_SIGMOID:
      return x != x ? x : sigmoid_of(x).value;
    case MM1_ACTIVATION_TANH:
      return hyperbolic_tangent(x);
    default:
      return x;
  }
}

// activation'(x); 0 for relu at 0.
DEV_FN float activation_derivative(int activation, float x) {
  using namespace dev;
  switch (activation) {
    case MM1_ACTIVATION_RELU:
      return x > 0.0f ? 1.0f : 0.0f;
    case MM1_ACTIVATION_GELU:
      return fused_multiply_add(x, normal_density(x), normal_probability(x));
    case MM1_ACTIVATION_GELU_TANH: {
      const float square = multiply(x, x);
      const Sigmoid s = sigmoid_of(multiply(x, fused_multiply_add(kGeluTanhCubic, square, kGeluTanhLinear)));
      const float slope = fused_multiply_add(3 * kGeluTanhCubic, square, kGeluTanhLinear);
      return fused_multiply_add(multiply(multiply(x, s.value), s.complement), slope, s.value);
    }
    case MM1_ACTIVATION_QUICK_GELU: {
      const Sigmoid s = sigmoid_of(multiply(kQuickGeluSlope, x));
      return fused_multiply_add(multiply(multiply(x, s.value), s.complement), kQuickGeluSlope, s.value);
    }
    case MM1_ACTIVATION_SILU: {
      const Sigmoid s = sigmoid_of(x);
      return fused_multiply_add(multiply(x, s.value), s.complement, s.value);
    }
    case MM1_ACTIVATION_SIGMOID: {
      const Sigmoid s = sigmoid_of(x);
      return x != x ? x : multiply(s.value, s.complement);
    }
    case MM1_ACTIVATION_TANH: {
      const float value = hyperbolic_tangent(x);
      return fused_multiply_add(-value, value, 1.0f);
    }
    default:
      return 1.0f;
  }
}

}  // namespace mm1
