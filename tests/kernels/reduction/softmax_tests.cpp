// Conformance of mm1_softmax_forward and mm1_softmax_backward.
#include <cmath>
#include <limits>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "reduction/cases.h"
#include "support/agreement.h"
#include "test.h"

namespace test {

namespace {

struct SoftmaxCase {
  mm1_dtype dtype;
  int64_t rows;
  int64_t columns;
  float scale;
  int64_t padding;
  int64_t offset;
  float beta;

  std::string name() const { return name_of(dtype) + " " + std::to_string(rows) + "x" + std::to_string(columns) + " scale " + show(scale); }
};

std::vector<float> forward(const SoftmaxCase& which, const std::vector<float>& values, bool in_place = false) {
  const int64_t stride = which.columns + which.padding;
  DeviceBuffer x(which.dtype, which.rows, which.columns, stride, which.offset),
      output(which.dtype, which.rows, which.columns, stride, which.offset);
  x.upload(values);
  mm1_softmax_forward_args args = mm1_softmax_forward_args_default();
  args.rows = which.rows;
  args.columns = which.columns;
  args.x = x.operand();
  args.output = in_place ? x.operand() : output.operand();
  args.scale = which.scale;
  CHECK_OK(mm1_softmax_forward(nullptr, &args, nullptr, 0));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  return in_place ? x.download() : output.download();
}

std::vector<float> backward(const SoftmaxCase& which, const std::vector<float>& y, const std::vector<float>& dy, bool in_place = false) {
  const int64_t stride = which.columns + which.padding;
  DeviceBuffer output(which.dtype, which.rows, which.columns, stride, which.offset),
      gradient(which.dtype, which.rows, which.columns, stride, which.offset);
  DeviceBuffer target(which.dtype, which.rows, which.columns, stride, which.offset);
  output.upload(y);
  gradient.upload(dy);
  if (which.beta != 0) target.upload(matrix(3, which.dtype, which.rows, which.columns));
  mm1_softmax_backward_args args = mm1_softmax_backward_args_default();
  args.rows = which.rows;
  args.columns = which.columns;
  args.output = output.operand();
  args.output_gradient = gradient.operand();
  args.input_gradient = in_place ? gradient.operand() : target.operand();
  args.scale = which.scale;
  args.beta = which.beta;
  CHECK_OK(mm1_softmax_backward(nullptr, &args, nullptr, 0));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  return in_place ? gradient.download() : target.download();
}

template <class T>
std::vector<T> forward_by_definition(const SoftmaxCase& which, const std::vector<float>& x) {
  std::vector<T> y(x.size());
  for (int64_t r = 0; r < which.rows; r++) {
    const size_t first = static_cast<size_t>(r * which.columns), end = first + static_cast<size_t>(which.columns);
    T maximum = -std::numeric_limits<T>::infinity(), sum = 0;
    for (size_t i = first; i < end; i++) maximum = std::max(maximum, static_cast<T>(which.scale) * static_cast<T>(x[i]));
    for (size_t i = first; i < end; i++) sum += y[i] = std::exp(static_cast<T>(which.scale) * static_cast<T>(x[i]) - maximum);
    for (size_t i = first; i < end; i++) y[i] /= sum;
  }
  return y;
}

template <class T>
std::vector<T> backward_by_definition(const SoftmaxCase& which, const std::vector<float>& y, const std::vector<float>& dy) {
  std::vector<T> dx(y.size());
  for (int64_t r = 0; r < which.rows; r++) {
    const size_t first = static_cast<size_t>(r * which.columns), end = first + static_cast<size_t>(which.columns);
    T dot = 0;
    for (size_t i = first; i < end; i++) dot += static_cast<T>(dy[i]) * static_cast<T>(y[i]);
    for (size_t i = first; i < end; i++) dx[i] = static_cast<T>(which.scale) * static_cast<T>(y[i]) * (static_cast<T>(dy[i]) - dot);
  }
  return accumulated(dx, which.beta, matrix(3, which.dtype, which.rows, which.columns));
}

}  // namespace

TEST(softmax, agrees_both_ways) {
  struct Shape {
    int64_t rows, columns;
    float scale;
  };
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const Shape& shape : {Shape{5, 77, 1},
                               {9, 64, 0.125f},
                               {3, 40, -2},
                               {4, 1, 1},
                               {3, 600, 1},
                               {2, 1025, 1},
                               {2, 5003, 3},
                               {1, 9001, 1},
                               {0, 4, 1},
                               {4, 0, 1}}) {
      for (const int64_t odd : {0, 1}) {
#ifdef MM1_SHADOW
        if (odd == 1 && shape.columns > 100) continue;
#endif
        SoftmaxCase which{dtype, shape.rows, shape.columns, shape.scale, 3 * odd, odd, 0};
        const std::vector<float> x = matrix(1, dtype, which.rows, which.columns, 4), dy = matrix(2, dtype, which.rows, which.columns);
        const std::vector<float> plain = rounded(dtype, forward_by_definition<float>(which, x));
        const std::vector<float> y = forward(which, x);
        check_agreement(which.name() + " output", dtype, y, forward_by_definition<double>(which, x), plain);
        check_same_bits(which.name() + " in place", forward(which, x, true), y);
        const std::vector<float> dx = backward(which, plain, dy);
        check_agreement(which.name() + " gradient", dtype, dx, backward_by_definition<double>(which, plain, dy),
                        rounded(dtype, backward_by_definition<float>(which, plain, dy)));
        check_same_bits(which.name() + " gradient in place", backward(which, plain, dy, true), dx);
        which.beta = 0.5f;
        check_agreement(which.name() + " accumulated gradient", dtype, backward(which, plain, dy),
                        backward_by_definition<double>(which, plain, dy), rounded(dtype, backward_by_definition<float>(which, plain, dy)));
      }
    }
  }
}

TEST(softmax, special_rows) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const int64_t columns : {35, 1301}) {
      const size_t n = static_cast<size_t>(columns);
      std::vector<float> x(6 * n, 0.0f);
      for (size_t i = 0; i < 2 * n; i++) x[i] = -infinity;  // Sees nothing.
      x[2 * n - 1] = 3;                                     // Sees one.
      x[2 * n + 33] = NAN;
      x[3 * n] = infinity;
      for (size_t i = 0; i < n; i++) x[4 * n + i] = round_to(dtype, i % 2 == 0 ? 3e38f : -3e38f);
      for (size_t i = 0; i < n; i++) x[5 * n + i] = -1000;  // Whatever lies beyond the row.
      const std::vector<float> y = forward({dtype, 6, columns, 1, 0, 0, 0}, x);
      for (size_t i = 0; i < 2 * n - 1; i++) CHECK_EQUAL(0.0f, y[i]);
      CHECK_EQUAL(1.0f, y[2 * n - 1]);
      for (size_t i = 2 * n; i < 4 * n; i++) CHECK(std::isnan(y[i]));
      const double roundings = dtype == MM1_DTYPE_FLOAT32 ? 1e-6 : 1.0 / 256;  // The unit roundoff.
      const double half = 2.0 / (static_cast<double>(n) + 1), all = 1.0 / static_cast<double>(n);
      for (size_t i = 0; i < n; i++) {
        CHECK_NEAR(y[4 * n + i], i % 2 == 0 ? half : 0, roundings * half);
        CHECK_NEAR(y[5 * n + i], all, roundings * all);
      }
    }
  }
}

TEST(softmax, a_row_has_the_same_bits_among_any_others) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const int64_t columns : {101, 1500, 9000}) {
      const int64_t rows = columns > 1000 ? 3 : 41;
      const SoftmaxCase all{dtype, rows, columns, 0.7f, 0, 0, 0};
      const std::vector<float> x = matrix(1, dtype, rows, columns, 4), dy = matrix(2, dtype, rows, columns), y = forward(all, x),
                               dx = backward(all, y, dy);
      check_same_bits("again", forward(all, x), y);
      SoftmaxCase unaligned = all;
      unaligned.padding = 5;
      unaligned.offset = 1;
      check_same_bits("unaligned", forward(unaligned, x), y);
      check_same_bits("unaligned gradient", backward(unaligned, y, dy), dx);
      const auto row_of = [&](const std::vector<float>& values, int64_t row) {
        return std::vector<float>(values.begin() + row * columns, values.begin() + (row + 1) * columns);
      };
      SoftmaxCase one = all;
      one.rows = 1;
      for (const int64_t row : {int64_t{0}, rows / 2, rows - 1}) {
        check_same_bits("alone", forward(one, row_of(x, row)), row_of(y, row));
        check_same_bits("gradient alone", backward(one, row_of(y, row), row_of(dy, row)), row_of(dx, row));
      }
    }
  }
}

}  // namespace test
