// Matrix products as data: one list of cases for every device that has the C ABI, and what a right answer is.
#ifndef MM1_TESTS_GEMM_CASE_H
#define MM1_TESTS_GEMM_CASE_H

#include <stdint.h>

#include <string>
#include <vector>

#include "mm1/kernels.h"

namespace gemm_test {

// One call of mm1_gemm. Whatever is not set is plain: dense, aligned, no epilogue.
struct Case {
  std::string name;
  std::string layout = "NT";  // Of a and of b: N as it lies, T transposed.
  int64_t m = 1;
  int64_t n = 1;
  int64_t k = 1;
  int64_t batch = 1;
  mm1_dtype input = MM1_DTYPE_BFLOAT16;
  mm1_dtype output = MM1_DTYPE_BFLOAT16;
  mm1_math_mode math_mode = MM1_MATH_MODE_DEFAULT;
  mm1_activation activation = MM1_ACTIVATION_NONE;
  bool gradient = false;        // t * activation'(pre_activation)
  bool bias = false;
  bool residual = false;
  bool residual_is_output = false;
  bool pre_activation = false;  // Receives t.
  bool share_a = false;         // Batch strides of 0.
  bool share_b = false;
  float alpha = 1.0f;
  float beta = 0.0f;
  int64_t padding = 0;          // Elements between rows, beside what alignment to 16 bytes asks for.
  int64_t offset = 0;           // Elements before the first one of every operand.
  bool dense = false;           // Rows follow each other even where that leaves them unaligned.
  std::string path = "auto";    // What is forced: sm80 (MM1_GEMM_SM80=1), sm90:256x2 (MM1_GEMM_SM90=256x2).

  bool transposed_a() const { return layout[0] == 'T'; }
  bool transposed_b() const { return layout[1] == 'T'; }
};

// The cases of a list: "smoke" (20, every path), "small" (for compute-sanitizer) or "all".
std::vector<Case> cases(const std::string& list);

// A matrix of `problems` x `rows` x `columns` values in host memory as the device will see it: NaN in every byte that no element owns.
struct Matrix {
  int64_t problems = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t row_stride = 0;
  int64_t problem_stride = 0;
  int64_t offset = 0;
  mm1_dtype dtype = MM1_DTYPE_NONE;
  std::vector<unsigned char> bytes;

  bool exists() const { return dtype != MM1_DTYPE_NONE; }
  int64_t element_bytes() const { return dtype == MM1_DTYPE_FLOAT32 ? 4 : 2; }
  int64_t index(int64_t problem, int64_t row, int64_t column) const { return offset + problem * problem_stride + row * row_stride + column; }
  double get(int64_t problem, int64_t row, int64_t column) const;
  void set(int64_t problem, int64_t row, int64_t column, float value);  // Rounds to the dtype.
};

// The operands of a case, filled from a seed: N(0, 1), old outputs and outputs without beta NaN.
struct Operands {
  Matrix a, b, output, bias, residual, pre_activation;
};
Operands make_operands(const Case& test, uint64_t seed);

// The record of a case over buffers that lie at the given addresses (null where an operand is absent).
struct Addresses {
  void* a = nullptr;
  void* b = nullptr;
  void* output = nullptr;
  void* bias = nullptr;
  void* residual = nullptr;
  void* pre_activation = nullptr;
};
mm1_gemm_args make_args(const Case& test, const Operands& operands, const Addresses& addresses);

// What stands in `operands` before the call and in `after` behind it. An empty text: right. Rules: no NaN, largest error at most twice that of a
// plain loop in the same precision (both against float64) plus a floor, half a unit of the output's last place at its largest value; nothing
// written outside of the elements of output and pre_activation. *ratio becomes error / (plain error + floor / 2), at most 2 where it is right.
std::string check(const Case& test, const Operands& before, const Operands& after, double* ratio);

}  // namespace gemm_test

#endif  // MM1_TESTS_GEMM_CASE_H
