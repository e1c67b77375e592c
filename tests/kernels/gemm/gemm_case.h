// One product with all of its options, run on the device and by definition. Inputs are a function of (operand, problem, row, column): a
// product of fewer rows has the same first rows.
#ifndef MM1_TESTS_GEMM_GEMM_CASE_H
#define MM1_TESTS_GEMM_GEMM_CASE_H

#include <cstdint>
#include <string>
#include <vector>

#include "mm1/kernels.h"

namespace test {

enum class Arithmetic { bfloat16, float32, tf32 };

enum class Residual { none, own, output };

struct GemmCase {
  Arithmetic arithmetic = Arithmetic::bfloat16;
  const char* layout = "NN";
  int64_t m = 1;
  int64_t n = 1;
  int64_t k = 1;
  int64_t batch = 1;
  bool share_a = false;
  bool share_b = false;
  bool heads = false;  // Problems lie side by side in the columns of one buffer, as heads do.
  float alpha = 1;
  float beta = 0;
  bool bias = false;
  mm1_activation activation = MM1_ACTIVATION_NONE;
  bool gradient = false;
  bool pre_activation = false;
  Residual residual = Residual::none;
  bool float32_output = false;  // And bias. Else the compute dtype.
  int64_t padding = 0;          // Elements between the rows of every operand.
  int64_t offset = 0;           // Elements from an aligned address to the first, of every operand.

  std::string name() const;
  bool turned_a() const { return layout[0] == 'T'; }
  bool turned_b() const { return layout[1] == 'T'; }
  mm1_dtype compute_dtype() const { return arithmetic == Arithmetic::bfloat16 ? MM1_DTYPE_BFLOAT16 : MM1_DTYPE_FLOAT32; }
  mm1_dtype output_dtype() const { return float32_output ? MM1_DTYPE_FLOAT32 : compute_dtype(); }
};

struct GemmResult {
  std::vector<float> output;          // All problems one after the other.
  std::vector<float> pre_activation;  // Empty where there is none, or where it is an input.
};

// Through mm1_gemm; checks padding and guards.
GemmResult run_gemm(const GemmCase& which);

// Runs it and holds it against float64 by the error rule.
void check_gemm_case(const GemmCase& which);

// activation(x) and its derivative in float64.
double exact_activation(mm1_activation activation, double x);
double exact_derivative(mm1_activation activation, double x);

}  // namespace test

#endif  // MM1_TESTS_GEMM_GEMM_CASE_H
