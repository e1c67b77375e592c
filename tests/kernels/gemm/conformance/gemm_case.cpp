#include "gemm_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <sstream>

namespace gemm_test {

namespace {

float bits_to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// To nearest, ties to even; NaN stays NaN.
uint16_t round_to_bfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

float round_to_tf32(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits_to_float((bits + 0x1000u) & ~0x1fffu);
}

float round_to(mm1_dtype dtype, float value) {
  return dtype == MM1_DTYPE_FLOAT32 ? value : bits_to_float(uint32_t{round_to_bfloat16(value)} << 16);
}

template <class T>
T activate(mm1_activation activation, T x) {
  switch (activation) {
    case MM1_ACTIVATION_RELU: return x > 0 ? x : T(0);
    case MM1_ACTIVATION_GELU: return x * (1 + std::erf(x / std::sqrt(T(2)))) / 2;
    case MM1_ACTIVATION_GELU_TANH: return x * (1 + std::tanh(std::sqrt(T(2) / T(3.14159265358979323846)) * (x + T(0.044715) * x * x * x))) / 2;
    case MM1_ACTIVATION_QUICK_GELU: return x / (1 + std::exp(T(-1.702) * x));
    case MM1_ACTIVATION_SILU: return x / (1 + std::exp(-x));
    case MM1_ACTIVATION_SIGMOID: return 1 / (1 + std::exp(-x));
    case MM1_ACTIVATION_TANH: return std::tanh(x);
    default: return x;
  }
}

// The derivative by its formula.
template <class T>
T derivative(mm1_activation activation, T x) {
  const T pi = T(3.14159265358979323846);
  switch (activation) {
    case MM1_ACTIVATION_RELU: return x > 0 ? T(1) : T(0);
    case MM1_ACTIVATION_GELU: return (1 + std::erf(x / std::sqrt(T(2)))) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * pi);
    case MM1_ACTIVATION_GELU_TANH: {
      const T c = std::sqrt(T(2) / pi);
      const T t = std::tanh(c * (x + T(0.044715) * x * x * x));
      return (1 + t) / 2 + x * (1 - t * t) / 2 * c * (1 + 3 * T(0.044715) * x * x);
    }
    case MM1_ACTIVATION_QUICK_GELU:
    case MM1_ACTIVATION_SILU: {
      const T slope = activation == MM1_ACTIVATION_SILU ? T(1) : T(1.702);
      const T s = 1 / (1 + std::exp(-slope * x));
      return s + slope * x * s * (1 - s);
    }
    case MM1_ACTIVATION_SIGMOID: {
      const T s = 1 / (1 + std::exp(-x));
      return s * (1 - s);
    }
    case MM1_ACTIVATION_TANH: return 1 - std::tanh(x) * std::tanh(x);
    default: return T(1);
  }
}

Matrix make_matrix(const Case& test, mm1_dtype dtype, int64_t problems, bool shared, int64_t rows, int64_t columns) {
  Matrix matrix;
  matrix.dtype = dtype;
  matrix.problems = shared ? 1 : problems;
  matrix.rows = rows;
  matrix.columns = columns;
  const int64_t line = 16 / matrix.element_bytes();
  matrix.row_stride = test.dense ? columns : (columns + line - 1) / line * line + test.padding;
  // A gap of a row between problems: whoever strays into the next one meets NaN.
  matrix.problem_stride = test.dense ? rows * matrix.row_stride : (rows + 1) * matrix.row_stride;
  matrix.offset = test.offset;
  const int64_t elements = matrix.offset + matrix.problems * matrix.problem_stride + columns;
  matrix.bytes.assign(static_cast<size_t>(elements * matrix.element_bytes()), 0xff);
  return matrix;
}

void fill(Matrix& matrix, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  for (int64_t p = 0; p < matrix.problems; p++) {
    for (int64_t r = 0; r < matrix.rows; r++) {
      for (int64_t c = 0; c < matrix.columns; c++) matrix.set(p, r, c, normal(random));
    }
  }
}

mm1_operand operand(const Matrix& matrix, void* data) {
  mm1_operand result = {};
  if (!matrix.exists() || data == nullptr) return result;
  result.data = static_cast<char*>(data) + matrix.offset * matrix.element_bytes();
  result.dtype = matrix.dtype;
  result.row_stride = matrix.row_stride;
  return result;
}

// Rows [rows, k] of op(a) and [columns, k] of op(b)^T, in the precision that the device multiplies.
std::vector<float> gather(const Matrix& matrix, bool k_is_row, int64_t problem, int64_t extent, int64_t k, bool tf32) {
  std::vector<float> values(static_cast<size_t>(extent * k));
  for (int64_t e = 0; e < extent; e++) {
    for (int64_t i = 0; i < k; i++) {
      const float value = static_cast<float>(k_is_row ? matrix.get(problem, i, e) : matrix.get(problem, e, i));
      values[static_cast<size_t>(e * k + i)] = tf32 ? round_to_tf32(value) : value;
    }
  }
  return values;
}

struct Errors {
  double ours = 0;
  double plain = 0;
  double largest = 0;
  std::string first_nan;

  void add(double ours_value, double plain_value, double exact, int64_t problem, int64_t row, int64_t column) {
    if (!(std::fabs(ours_value - exact) <= std::numeric_limits<double>::max()) && first_nan.empty()) {
      first_nan = "problem " + std::to_string(problem) + ", row " + std::to_string(row) + ", column " + std::to_string(column);
    }
    ours = std::max(ours, std::fabs(ours_value - exact));
    plain = std::max(plain, std::fabs(plain_value - exact));
    largest = std::max(largest, std::fabs(exact));
  }

  double ratio(mm1_dtype dtype) const {
    const double floor = largest * (dtype == MM1_DTYPE_FLOAT32 ? std::ldexp(1.0, -22) : std::ldexp(1.0, -9));
    return ours == 0 ? 0 : ours / (plain + floor / 2);
  }

  std::string verdict(const char* field, mm1_dtype dtype) const {
    std::ostringstream text;
    if (!first_nan.empty()) {
      text << field << " is not a number at " << first_nan << "; ";
      return text.str();
    }
    if (ratio(dtype) <= 2) return "";
    text << field << ": error " << ours << ", of a plain loop " << plain << ", largest value " << largest << "; ";
    return text.str();
  }
};

// Bytes of `after` that are no element of the matrix and differ from `before`.
std::string strays(const char* field, const Matrix& before, const Matrix& after, bool elements_may_change) {
  if (before.bytes == after.bytes) return "";
  std::vector<unsigned char> allowed(before.bytes.size(), 0);
  if (elements_may_change) {
    for (int64_t p = 0; p < before.problems; p++) {
      for (int64_t r = 0; r < before.rows; r++) {
        const size_t first = static_cast<size_t>(before.index(p, r, 0) * before.element_bytes());
        std::fill_n(allowed.begin() + static_cast<std::ptrdiff_t>(first), static_cast<size_t>(before.columns * before.element_bytes()), 1);
      }
    }
  }
  for (size_t i = 0; i < allowed.size(); i++) {
    if (!allowed[i] && before.bytes[i] != after.bytes[i]) {
      return std::string(field) + ": byte " + std::to_string(i) + " was written, which is no element of the result; ";
    }
  }
  return "";
}

}  // namespace

double Matrix::get(int64_t problem, int64_t row, int64_t column) const {
  const unsigned char* const at = bytes.data() + index(problem, row, column) * element_bytes();
  if (dtype == MM1_DTYPE_FLOAT32) {
    float value;
    std::memcpy(&value, at, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  return bits_to_float(uint32_t{bits} << 16);
}

void Matrix::set(int64_t problem, int64_t row, int64_t column, float value) {
  unsigned char* const at = bytes.data() + index(problem, row, column) * element_bytes();
  if (dtype == MM1_DTYPE_FLOAT32) {
    std::memcpy(at, &value, 4);
  } else {
    const uint16_t bits = round_to_bfloat16(value);
    std::memcpy(at, &bits, 2);
  }
}

Operands make_operands(const Case& test, uint64_t seed) {
  std::mt19937_64 random(seed * 7919 + static_cast<uint64_t>(test.m * 31 + test.n * 17 + test.k));
  Operands operands;
  operands.a = make_matrix(test, test.input, test.batch, test.share_a, test.transposed_a() ? test.k : test.m, test.transposed_a() ? test.m : test.k);
  operands.b = make_matrix(test, test.input, test.batch, test.share_b, test.transposed_b() ? test.n : test.k, test.transposed_b() ? test.k : test.n);
  operands.output = make_matrix(test, test.output, test.batch, false, test.m, test.n);
  fill(operands.a, random);
  fill(operands.b, random);
  if (test.beta != 0.0f || test.residual_is_output) fill(operands.output, random);
  if (test.bias) {
    operands.bias = make_matrix(test, test.input, 1, true, 1, test.n);
    fill(operands.bias, random);
  }
  if (test.residual) {
    operands.residual = make_matrix(test, test.output, test.batch, false, test.m, test.n);
    fill(operands.residual, random);
  }
  if (test.pre_activation || test.gradient) {
    operands.pre_activation = make_matrix(test, test.input, test.batch, false, test.m, test.n);
    if (test.gradient) fill(operands.pre_activation, random);
  }
  return operands;
}

mm1_gemm_args make_args(const Case& test, const Operands& operands, const Addresses& addresses) {
  mm1_gemm_args args = mm1_gemm_args_default();
  args.transpose_a = test.transposed_a() ? MM1_TRANSPOSE_TRANSPOSED : MM1_TRANSPOSE_NONE;
  args.transpose_b = test.transposed_b() ? MM1_TRANSPOSE_TRANSPOSED : MM1_TRANSPOSE_NONE;
  args.activation = test.activation;
  args.activation_gradient = test.gradient ? 1 : 0;
  args.math_mode = test.math_mode;
  args.m = test.m;
  args.n = test.n;
  args.k = test.k;
  args.batch = test.batch;
  args.a = operand(operands.a, addresses.a);
  args.b = operand(operands.b, addresses.b);
  args.output = operand(operands.output, addresses.output);
  args.bias = operand(operands.bias, addresses.bias);
  args.residual = test.residual_is_output ? args.output : operand(operands.residual, addresses.residual);
  args.pre_activation = operand(operands.pre_activation, addresses.pre_activation);
  args.batch_stride_a = test.share_a ? 0 : operands.a.problem_stride;
  args.batch_stride_b = test.share_b ? 0 : operands.b.problem_stride;
  args.batch_stride_output = operands.output.problem_stride;
  args.batch_stride_residual = test.residual_is_output ? operands.output.problem_stride : operands.residual.problem_stride;
  args.batch_stride_pre_activation = operands.pre_activation.problem_stride;
  args.alpha = test.alpha;
  args.beta = test.beta;
  return args;
}

std::string check(const Case& test, const Operands& before, const Operands& after, double* ratio) {
  const bool tf32 = test.math_mode == MM1_MATH_MODE_TF32;
  Errors output;
  Errors pre_activation;
  std::vector<float> a;
  std::vector<float> b;
  for (int64_t p = 0; p < test.batch; p++) {
    if (p == 0 || !test.share_a) a = gather(before.a, test.transposed_a(), p, test.m, test.k, tf32);
    if (p == 0 || !test.share_b) b = gather(before.b, !test.transposed_b(), p, test.n, test.k, tf32);
    for (int64_t m = 0; m < test.m; m++) {
      for (int64_t n = 0; n < test.n; n++) {
        const float* const row = a.data() + m * test.k;
        const float* const column = b.data() + n * test.k;
        double exact = 0;
        float plain = 0;
        for (int64_t k = 0; k < test.k; k++) {
          exact += double(row[k]) * double(column[k]);
          plain += row[k] * column[k];
        }
        exact *= test.alpha;
        plain *= test.alpha;
        if (test.beta != 0.0f) {
          const double old = before.output.get(p, m, n);
          exact += double(test.beta) * old;
          plain += test.beta * static_cast<float>(old);
        }
        if (test.bias) {
          exact += before.bias.get(0, 0, n);
          plain += static_cast<float>(before.bias.get(0, 0, n));
        }
        if (test.pre_activation && !test.gradient) {
          pre_activation.add(after.pre_activation.get(p, m, n), round_to(test.input, plain), exact, p, m, n);
        }
        if (test.gradient) {
          const double x = before.pre_activation.get(p, m, n);
          exact *= derivative<double>(test.activation, x);
          plain *= derivative<float>(test.activation, static_cast<float>(x));
        } else {
          exact = activate<double>(test.activation, exact);
          plain = activate<float>(test.activation, plain);
        }
        if (test.residual || test.residual_is_output) {
          const double residual = (test.residual_is_output ? before.output : before.residual).get(p, m, n);
          exact += residual;
          plain += static_cast<float>(residual);
        }
        output.add(after.output.get(p, m, n), round_to(test.output, plain), exact, p, m, n);
      }
    }
  }
  *ratio = std::max(output.ratio(test.output), pre_activation.ratio(test.input));
  std::string text = output.verdict("output", test.output) + pre_activation.verdict("pre_activation", test.input);
  text += strays("output", before.output, after.output, true) + strays("pre_activation", before.pre_activation, after.pre_activation, !test.gradient);
  text += strays("a", before.a, after.a, false) + strays("b", before.b, after.b, false) + strays("bias", before.bias, after.bias, false);
  return text + strays("residual", before.residual, after.residual, false);
}

}  // namespace gemm_test
