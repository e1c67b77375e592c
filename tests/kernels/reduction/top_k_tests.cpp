// Conformance of mm1_top_k and mm1_arg_max, to the bit.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "reduction/cases.h"
#include "support/agreement.h"
#include "test.h"

namespace test {

namespace {

// Few different values, so that there are ties everywhere; zeros of both signs, infinities, NaN.
std::vector<float> values_with_ties(int64_t rows, int64_t columns) {
  std::vector<float> values;
  for (int64_t i = 0; i < rows * columns; i++) {
    const int value = static_cast<int>(mixed(static_cast<uint64_t>(i) + 77) % 30);
    float x = (static_cast<float>(value) - 15) * 0.5f;
    if (value == 0) x = -0.0f;
    if (value == 1) x = 0.0f;
    if (value == 2) x = -std::numeric_limits<float>::infinity();
    if (value == 28) x = std::numeric_limits<float>::infinity();
    if (value == 29 && columns > 20) x = NAN;
    const int64_t row = i / columns;
    if (row == 1 && rows > 2) x = NAN;
    if (row == 2 && rows > 3) x = -std::numeric_limits<float>::infinity();
    values.push_back(x);
  }
  return values;
}

// Columns in the order of the contract: NaN first, then descending, ties by lower index.
std::vector<int32_t> order_of(const float* x, int64_t columns) {
  std::vector<int32_t> order(static_cast<size_t>(columns));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [x](int32_t a, int32_t b) {
    if (std::isnan(x[a]) || std::isnan(x[b])) return std::isnan(x[a]) && !std::isnan(x[b]);
    return x[a] > x[b];
  });
  return order;
}

}  // namespace

TEST(top_k, finds_the_largest_in_order) {
  struct Shape {
    int64_t rows, columns, k;
  };
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const Shape& shape :
         {Shape{50, 8, 2}, {9, 77, 5}, {5, 40, 40}, {4, 1, 1}, {2, 1024, 3}, {2, 1025, 9}, {1, 5003, 64}, {3, 3000, 2}, {0, 4, 2}}) {
      for (const int64_t odd : {0, 1}) {
        const int64_t padding = 3 * odd;
        const std::vector<float> x = values_with_ties(shape.rows, shape.columns);
        DeviceBuffer input(dtype, shape.rows, shape.columns, shape.columns + padding, odd);
        DeviceBuffer values(dtype, shape.rows, shape.k, shape.k + padding),
            indices(MM1_DTYPE_INT32, shape.rows, shape.k, shape.k + padding);
        DeviceBuffer largest(dtype, shape.rows, 1, 1 + padding), index(MM1_DTYPE_INT32, shape.rows, 1, 1 + padding),
            only(MM1_DTYPE_INT32, shape.rows, 1, 1);
        input.upload(x);
        mm1_top_k_args top = mm1_top_k_args_default();
        top.rows = shape.rows;
        top.columns = shape.columns;
        top.k = shape.k;
        top.x = input.operand();
        top.values = values.operand();
        top.indices = indices.operand();
        CHECK_OK(mm1_top_k(nullptr, &top, nullptr, 0));
        mm1_arg_max_args first = mm1_arg_max_args_default();
        first.rows = shape.rows;
        first.columns = shape.columns;
        first.x = input.operand();
        first.indices = index.operand();
        first.values = largest.operand();
        CHECK_OK(mm1_arg_max(nullptr, &first, nullptr, 0));
        first.indices = only.operand();
        first.values = mm1_operand{};
        CHECK_OK(mm1_arg_max(nullptr, &first, nullptr, 0));
        CHECK_OK(mm1_stream_synchronize(nullptr));
        emulator::check_guards();
        std::vector<int32_t> expected_indices, expected_first;
        std::vector<float> expected_values, expected_largest;
        for (int64_t r = 0; r < shape.rows; r++) {
          const float* row = x.data() + r * shape.columns;
          const std::vector<int32_t> order = order_of(row, shape.columns);
          for (int64_t i = 0; i < shape.k; i++) {
            expected_indices.push_back(order[static_cast<size_t>(i)]);
            expected_values.push_back(row[order[static_cast<size_t>(i)]]);
          }
          expected_first.push_back(order[0]);
          expected_largest.push_back(row[order[0]]);
        }
        const std::string what = name_of(dtype) + " " + std::to_string(shape.rows) + "x" + std::to_string(shape.columns);
        CHECK_MESSAGE(expected_indices == indices.download_elements<int32_t>(), what);
        CHECK_MESSAGE(expected_first == index.download_elements<int32_t>(), what);
        CHECK_MESSAGE(expected_first == only.download_elements<int32_t>(), what);
        check_same_bits(what + " values", values.download(), expected_values);
        check_same_bits(what + " largest", largest.download(), expected_largest);
      }
    }
  }
}

}  // namespace test
