// mm1_activation and its derivatives by their definitions, in any floating-point type: the references of whoever fuses them.
#ifndef MM1_TESTS_SUPPORT_ACTIVATIONS_H
#define MM1_TESTS_SUPPORT_ACTIVATIONS_H

#include <cmath>

#include "mm1/kernels.h"

namespace test {

template <class T>
T activate(mm1_activation activation, T x) {
  const T one = 1;
  switch (activation) {
    case MM1_ACTIVATION_RELU:
      return x > 0 ? x : T(0);
    case MM1_ACTIVATION_GELU:
      return x * (one + std::erf(x / std::sqrt(T(2)))) / T(2);
    case MM1_ACTIVATION_GELU_TANH:
      return x * (one + std::tanh(std::sqrt(T(2) / T(M_PI)) * (x + T(0.044715) * x * x * x))) / T(2);
    case MM1_ACTIVATION_QUICK_GELU:
      return x / (one + std::exp(T(-1.702) * x));
    case MM1_ACTIVATION_SILU:
      return x / (one + std::exp(-x));
    case MM1_ACTIVATION_SIGMOID:
      return one / (one + std::exp(-x));
    case MM1_ACTIVATION_TANH:
      return std::tanh(x);
    default:
      return x;
  }
}

template <class T>
T derivative(mm1_activation activation, T x) {
  const T one = 1;
  switch (activation) {
    case MM1_ACTIVATION_RELU:
      return x > 0 ? one : T(0);
    case MM1_ACTIVATION_GELU:
      return (one + std::erf(x / std::sqrt(T(2)))) / T(2) + x * std::exp(-x * x / T(2)) / std::sqrt(T(2 * M_PI));
    case MM1_ACTIVATION_GELU_TANH: {
      const T root = std::sqrt(T(2) / T(M_PI));
      const T tangent = std::tanh(root * (x + T(0.044715) * x * x * x));
      return (one + tangent) / T(2) + x * (one - tangent * tangent) * root * (one + T(3 * 0.044715) * x * x) / T(2);
    }
    case MM1_ACTIVATION_QUICK_GELU: {
      const T s = one / (one + std::exp(T(-1.702) * x));
      return s + T(1.702) * x * s * (one - s);
    }
    case MM1_ACTIVATION_SILU: {
      const T s = one / (one + std::exp(-x));
      return s + x * s * (one - s);
    }
    case MM1_ACTIVATION_SIGMOID: {
      const T s = one / (one + std::exp(-x));
      return s * (one - s);
    }
    case MM1_ACTIVATION_TANH: {
      const T tangent = std::tanh(x);
      return one - tangent * tangent;
    }
    default:
      return one;
  }
}

}  // namespace test

#endif  // MM1_TESTS_SUPPORT_ACTIVATIONS_H
