// One problem of the normalization verbs: its operands, what the device makes of them, and the definition in any floating-point type.
#ifndef MM1_TESTS_NORMALIZATION_NORM_CASE_H
#define MM1_TESTS_NORMALIZATION_NORM_CASE_H

#include "support/row_case.h"

namespace test {

enum class Kind { layer, rms, l2 };
enum class Sum { none, own, over_x, over_residual, copy };   // copy: sum_output without a residual.
enum class Vector { none, compute, float32 };

struct NormCase {
  Kind kind = Kind::layer;
  mm1_dtype dtype = MM1_DTYPE_FLOAT32;
  int64_t rows = 1;
  int64_t groups = 1;
  int64_t columns = 1;
  int64_t padding = 0;
  int64_t offset = 0;
  Vector weight = Vector::none;
  Vector bias = Vector::none;
  mm1_activation activation = MM1_ACTIVATION_NONE;   // Of layer.
  Sum sum = Sum::none;
  bool statistics = true;
  bool in_place = false;       // Forward: output over x. Backward: input_gradient over output_gradient.
  // Backward.
  bool sum_gradient = false;
  bool over_sum_gradient = false;
  bool parameters = true;
  float beta_input = 0;
  float beta_parameters = 0;
  float epsilon = 1e-5f;
  int64_t first_row = 0;       // Rows of a larger problem, for invariance.

  int64_t items() const { return rows * groups; }
  RowShape shape() const { return {rows, groups * columns, padding, offset}; }
  std::string name() const;
};

struct NormOutput {
  std::vector<float> output, sum, mean, inverse;
};

struct NormGradients {
  std::vector<float> input, weight, bias;
};

NormOutput run_forward(const NormCase& which);
NormGradients run_backward(const NormCase& which);

// Runs and compares with the definition.
void check_forward(const NormCase& which);
void check_backward(const NormCase& which);

}  // namespace test

#endif  // MM1_TESTS_NORMALIZATION_NORM_CASE_H
