// Conformance of mm1_bias_gradient. CI's cut: the whole list in modes `late` and `early` and by seeds, a quarter of it in `shadow`.
#include <vector>

#include "support/agreement.h"
#include "support/device_buffer.h"
#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "support/samples.h"
#include "test.h"

namespace test {

namespace {

struct SumCase {
  mm1_dtype dtype;
  int64_t rows;
  int64_t columns;
  int64_t padding;
  int64_t offset;
  float beta;
  bool float32_result;

  mm1_dtype result_dtype() const { return float32_result ? MM1_DTYPE_FLOAT32 : dtype; }
  std::string name() const {
    return std::string(dtype == MM1_DTYPE_FLOAT32 ? "float32 " : "bfloat16 ") + std::to_string(rows) + "x" + std::to_string(columns) +
           " padding " + std::to_string(padding) + " beta " + show(beta);
  }
};

std::vector<float> values_of(uint64_t purpose, mm1_dtype dtype, int64_t rows, int64_t columns) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) values.push_back(round_to(dtype, static_cast<float>(normal_sample(purpose, 0, r, c) + 0.25)));
  }
  return values;
}

std::vector<float> run(const SumCase& which) {
  DeviceBuffer x(which.dtype, which.rows, which.columns, which.columns + which.padding, which.offset);
  DeviceBuffer result(which.result_dtype(), 1, which.columns, which.columns, which.offset);
  x.upload(values_of(7, which.dtype, which.rows, which.columns));
  if (which.beta != 0) result.upload(values_of(8, which.result_dtype(), 1, which.columns));
  mm1_bias_gradient_args args = mm1_bias_gradient_args_default();
  args.rows = which.rows;
  args.columns = which.columns;
  args.output_gradient = x.operand();
  args.bias_gradient = result.operand();
  args.beta = which.beta;
  const int64_t bytes = mm1_bias_gradient_workspace_bytes(&args);
  CHECK(bytes >= 0);
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  CHECK_OK(mm1_bias_gradient(nullptr, &args, workspace, bytes));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  CHECK_OK(mm1_memory_free(workspace));
  return result.download();
}

template <class T>
std::vector<T> by_definition(const SumCase& which) {
  const std::vector<float> x = values_of(7, which.dtype, which.rows, which.columns);
  const std::vector<float> old = values_of(8, which.result_dtype(), 1, which.columns);
  std::vector<T> sums(static_cast<size_t>(which.columns), T(0));
  for (size_t i = 0; i < x.size(); i++) sums[i % static_cast<size_t>(which.columns)] += static_cast<T>(x[i]);
  for (size_t c = 0; c < sums.size(); c++) {
    if (which.beta != 0) sums[c] += static_cast<T>(which.beta) * static_cast<T>(old[c]);
  }
  return sums;
}

void check(const SumCase& which) {
  try {
    std::vector<float> straight = by_definition<float>(which);
    for (float& value : straight) value = round_to(which.result_dtype(), value);
    check_agreement("bias gradient", which.result_dtype(), run(which), by_definition<double>(which), straight);
  } catch (const std::exception& error) {
    throw Failure(which.name() + ": " + error.what());
  }
}

}  // namespace

TEST(bias_gradient, agrees) {
  struct Shape {
    int64_t rows, columns;
  };
  std::vector<SumCase> cases;
  for (const Shape& shape : {Shape{0, 5}, {5, 0}, {1, 1}, {3, 7}, {31, 66}, {256, 33}, {257, 130}, {1000, 17}, {700, 96}, {2000, 3}}) {
    for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
      cases.push_back({dtype, shape.rows, shape.columns, 0, 0, 0, false});
      cases.push_back({dtype, shape.rows, shape.columns, 5, 1, -0.5f, true});
      cases.push_back({dtype, shape.rows, shape.columns, 2, 0, 1, dtype == MM1_DTYPE_BFLOAT16});
    }
  }
#ifdef MM1_SHADOW
  const size_t stride = 4;
#else
  const size_t stride = 1;
#endif
  for (size_t i = 0; i < cases.size(); i += stride) check(cases[i]);
}

// A column's sum has the same bits whatever stands beside it, however it is read, and every time.
TEST(bias_gradient, columns_do_not_depend_on_their_neighbours) {
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
    const std::vector<float> wide = run({dtype, 600, 70, 0, 0, 0, true});
    check_same_bits("again", run({dtype, 600, 70, 0, 0, 0, true}), wide);
    check_same_bits("unaligned", run({dtype, 600, 70, 3, 1, 0, true}), wide);
    const std::vector<float> narrow = run({dtype, 600, 5, 0, 0, 0, true});
    check_same_bits("narrow", narrow, std::vector<float>(wide.begin(), wide.begin() + 5));
  }
}

// The order of the sum: 256 rows a block, 32 rows a warp, ascending. One large value shows which sums it swallows.
TEST(bias_gradient, blocks_of_rows_are_summed_in_ascending_order) {
  const int64_t rows = 520;
  std::vector<float> x(static_cast<size_t>(rows), 1.0f);
  x[40] = 16777216.0f;  // 2^24: adding 1 to it changes nothing.
  float expected = 0;
  for (int64_t block = 0; block < rows; block += 256) {
    float block_sum = 0;
    for (int64_t warp = block; warp < block + 256; warp += 32) {
      float warp_sum = 0;
      for (int64_t row = warp; row < warp + 32 && row < rows; row++) warp_sum += x[static_cast<size_t>(row)];
      block_sum = warp == block ? warp_sum : block_sum + warp_sum;
    }
    expected += block_sum;
  }
  DeviceBuffer values(MM1_DTYPE_FLOAT32, rows, 1, 1), result(MM1_DTYPE_FLOAT32, 1);
  values.upload(x);
  mm1_bias_gradient_args args = mm1_bias_gradient_args_default();
  args.rows = rows;
  args.columns = 1;
  args.output_gradient = values.operand();
  args.bias_gradient = result.operand();
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(mm1_bias_gradient_workspace_bytes(&args), &workspace));
  CHECK_OK(mm1_bias_gradient(nullptr, &args, workspace, mm1_bias_gradient_workspace_bytes(&args)));
  CHECK_EQUAL(expected, result.download()[0]);
  CHECK_OK(mm1_memory_free(workspace));
}

}  // namespace test
