// Conformance of mm1_reduce and mm1_reduce_rows.
#include <cmath>
#include <limits>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "reduction/reduction.h"
#include "reduction/cases.h"
#include "support/agreement.h"
#include "support/budget.h"
#include "test.h"

namespace test {

namespace {

// ---- over columns ----

struct ReduceCase {
  mm1_dtype dtype;
  mm1_reduction reduction;
  int64_t rows;
  int64_t columns;
  int64_t padding;
  int64_t offset;
  float beta;
};

std::vector<float> run(const ReduceCase& which, const std::vector<float>& values) {
  DeviceBuffer x(which.dtype, which.rows, which.columns, which.columns + which.padding, which.offset);
  DeviceBuffer output(MM1_DTYPE_FLOAT32, which.rows, 1, 1 + which.padding);
  x.upload(values);
  if (which.beta != 0) output.upload(matrix(2, MM1_DTYPE_FLOAT32, which.rows, 1));
  mm1_reduce_args args = mm1_reduce_args_default();
  args.reduction = which.reduction;
  args.beta = which.beta;
  args.rows = which.rows;
  args.columns = which.columns;
  args.x = x.operand();
  args.output = output.operand();
  CHECK_OK(mm1_reduce(nullptr, &args, nullptr, 0));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  return output.download();
}

std::vector<float> values_of(const ReduceCase& which) { return matrix(1, which.dtype, which.rows, which.columns, 1, 0.25); }

template <class T>
std::vector<T> by_definition(const ReduceCase& which) {
  const std::vector<float> x = values_of(which);
  std::vector<T> results;
  for (int64_t r = 0; r < which.rows; r++) {
    T result = which.reduction == MM1_REDUCTION_MAX ? -std::numeric_limits<T>::infinity() : T(0);
    for (int64_t c = 0; c < which.columns; c++) {
      const T value = static_cast<T>(x[static_cast<size_t>(r * which.columns + c)]);
      if (which.reduction == MM1_REDUCTION_MAX) {
        result = value > result ? value : result;
      } else {
        result += value;
      }
    }
    results.push_back(which.reduction == MM1_REDUCTION_MEAN ? result / static_cast<T>(which.columns) : result);
  }
  return accumulated(results, which.beta, matrix(2, MM1_DTYPE_FLOAT32, which.rows, 1));
}

// ---- over rows ----

struct RowsCase {
  mm1_dtype dtype;
  mm1_broadcast broadcast;
  int64_t rows;
  int64_t columns;
  int64_t output_rows;
  int64_t padding;
  int64_t offset;
  float beta;
  bool multiplied;

  int64_t width() const { return broadcast == MM1_BROADCAST_PER_ROW ? 1 : columns; }
};

std::vector<float> run(const RowsCase& which, int64_t first_row = 0) {
  const int64_t stride = which.columns + which.padding;
  DeviceBuffer x(which.dtype, which.rows, which.columns, stride, which.offset),
      multiplier(which.dtype, which.rows, which.columns, stride, which.offset);
  DeviceBuffer output(which.dtype, which.output_rows, which.width(), which.width() + which.padding, which.offset);
  x.upload(matrix(3, which.dtype, which.rows, which.columns, 1, 0.25, first_row));
  multiplier.upload(matrix(4, which.dtype, which.rows, which.columns, 1, 0.5, first_row));
  if (which.beta != 0) output.upload(matrix(5, which.dtype, which.output_rows, which.width()));
  mm1_reduce_rows_args args = mm1_reduce_rows_args_default();
  args.broadcast = which.broadcast;
  args.beta = which.beta;
  args.rows = which.rows;
  args.columns = which.columns;
  args.output_rows = which.output_rows;
  args.x = x.operand();
  if (which.multiplied) args.multiplier = multiplier.operand();
  args.output = output.operand();
  const int64_t bytes = mm1_reduce_rows_workspace_bytes(&args);
  CHECK(bytes >= 0);
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  CHECK_OK(mm1_reduce_rows(nullptr, &args, workspace, bytes));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  CHECK_OK(mm1_memory_free(workspace));
  return output.download();
}

template <class T>
std::vector<T> by_definition(const RowsCase& which) {
  const std::vector<float> x = matrix(3, which.dtype, which.rows, which.columns, 1, 0.25);
  const std::vector<float> multiplier = matrix(4, which.dtype, which.rows, which.columns, 1, 0.5);
  std::vector<T> sums(static_cast<size_t>(which.output_rows * which.width()), T(0));
  for (int64_t r = 0; r < which.rows; r++) {
    int64_t output = r;
    if (which.broadcast == MM1_BROADCAST_CYCLE) output = r % which.output_rows;
    if (which.broadcast == MM1_BROADCAST_REPEAT) output = r / (which.rows / which.output_rows);
    for (int64_t c = 0; c < which.columns; c++) {
      const size_t place = static_cast<size_t>(r * which.columns + c);
      const T value = static_cast<T>(x[place]) * (which.multiplied ? static_cast<T>(multiplier[place]) : T(1));
      sums[static_cast<size_t>(output * which.width() + (which.width() == 1 && which.broadcast == MM1_BROADCAST_PER_ROW ? 0 : c))] += value;
    }
  }
  return accumulated(sums, which.beta, matrix(5, which.dtype, which.output_rows, which.width()));
}

#ifdef MM1_SHADOW
constexpr size_t kStride = 3;
#else
constexpr size_t kStride = 1;
#endif

}  // namespace

TEST(reduce, agrees) {
  struct Shape {
    int64_t rows, columns;
  };
  std::vector<ReduceCase> cases;
  for (const Shape& shape : {Shape{0, 4}, {4, 0}, {3, 1}, {5, 77}, {9, 1024}, {3, 1025}, {2, 9001}, {70, 33}}) {
    for (const mm1_dtype dtype : kComputeDtypes) {
      for (const mm1_reduction reduction : {MM1_REDUCTION_SUM, MM1_REDUCTION_MEAN, MM1_REDUCTION_MAX}) {
        cases.push_back({dtype, reduction, shape.rows, shape.columns, 0, 0, 0});
        cases.push_back({dtype, reduction, shape.rows, shape.columns, 3, 1, shape.columns == 0 ? 0 : 0.5f});
      }
    }
  }
  for (size_t i = 0; i < cases.size(); i += kStride) {
    const ReduceCase& which = cases[i];
    check_agreement(name_of(which.dtype) + " reduction " + std::to_string(which.reduction) + " " + std::to_string(which.rows) + "x" +
                        std::to_string(which.columns),
                    MM1_DTYPE_FLOAT32, run(which, values_of(which)), by_definition<double>(which), by_definition<float>(which));
  }
}

TEST(reduce, a_nan_wins_the_maximum_at_any_place) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const int64_t columns : {1, 7, 40, 69}) {
      std::vector<float> x(static_cast<size_t>(columns * columns), infinity);
      for (int64_t i = 0; i < columns; i++) x[static_cast<size_t>(i * columns + i)] = NAN;
      for (const float value : run({dtype, MM1_REDUCTION_MAX, columns, columns, 0, 0, 0}, x)) CHECK(std::isnan(value));
    }
    std::vector<float> x(1500, -infinity);
    CHECK_EQUAL(-infinity, run({dtype, MM1_REDUCTION_MAX, 1, 1500, 0, 0, 0}, x)[0]);
    x[1490] = NAN;
    CHECK(std::isnan(run({dtype, MM1_REDUCTION_MAX, 1, 1500, 0, 0, 0}, x)[0]));
  }
}

TEST(reduce, a_row_has_the_same_bits_among_any_others) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const int64_t columns : {301, 2500}) {
      const ReduceCase all{dtype, MM1_REDUCTION_SUM, 12, columns, 0, 0, 0};
      const std::vector<float> values = values_of(all), sums = run(all, values);
      check_same_bits("again", run(all, values), sums);
      ReduceCase unaligned = all;
      unaligned.padding = 3;
      unaligned.offset = 1;
      check_same_bits("unaligned", run(unaligned, values), sums);
      for (const int64_t row : {0, 5, 11}) {
        ReduceCase one = all;
        one.rows = 1;
        const std::vector<float> alone(values.begin() + row * columns, values.begin() + (row + 1) * columns);
        check_same_bits("alone", run(one, alone), {sums[static_cast<size_t>(row)]});
      }
    }
  }
}

TEST(reduce_rows, agrees) {
  struct Shape {
    mm1_broadcast broadcast;
    int64_t rows, columns, output_rows;
  };
  std::vector<RowsCase> cases;
  for (const Shape& shape : {Shape{MM1_BROADCAST_CYCLE, 700, 77, 1},
                             {MM1_BROADCAST_CYCLE, 12, 130, 4},
                             {MM1_BROADCAST_CYCLE, 1560, 65, 3},
                             {MM1_BROADCAST_REPEAT, 1560, 64, 3},
                             {MM1_BROADCAST_REPEAT, 12, 5, 12},
                             {MM1_BROADCAST_REPEAT, 64, 300, 1},
                             {MM1_BROADCAST_PER_ROW, 9, 33, 9},
                             {MM1_BROADCAST_PER_ROW, 3, 1100, 3},
                             {MM1_BROADCAST_PER_ROW, 9, 0, 9},
                             {MM1_BROADCAST_CYCLE, 0, 5, 3},
                             {MM1_BROADCAST_CYCLE, 0, 5, 0},
                             {MM1_BROADCAST_CYCLE, 6, 0, 2},
                             {MM1_BROADCAST_REPEAT, 1, 1, 1}}) {
    for (const mm1_dtype dtype : kComputeDtypes) {
      for (const bool multiplied : {false, true}) {
        cases.push_back({dtype, shape.broadcast, shape.rows, shape.columns, shape.output_rows, 0, 0, 0, multiplied});
        cases.push_back({dtype, shape.broadcast, shape.rows, shape.columns, shape.output_rows, 3, 1, -0.5f, multiplied});
      }
    }
  }
  for (size_t i = 0; i < cases.size(); i += kStride) {
    const RowsCase& which = cases[i];
    check_agreement(name_of(which.dtype) + " broadcast " + std::to_string(which.broadcast) + " " + std::to_string(which.rows) + "x" +
                        std::to_string(which.columns) + (which.multiplied ? " multiplied" : ""),
                    which.dtype, run(which), by_definition<double>(which), rounded(which.dtype, by_definition<float>(which)));
  }
}

TEST(reduce_rows, an_output_row_has_the_same_bits_among_any_others) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    const RowsCase all{dtype, MM1_BROADCAST_REPEAT, 4 * 300, 70, 4, 0, 0, 0, true};
    const std::vector<float> together = run(all);
    check_same_bits("again", run(all), together);
    RowsCase unaligned = all;
    unaligned.padding = 1;
    unaligned.offset = 1;
    check_same_bits("unaligned", run(unaligned), together);
    RowsCase one = all;
    one.rows = 300;
    one.output_rows = 1;
    check_same_bits("alone", run(one, 600), {together.begin() + 140, together.begin() + 210});
  }
}

// Blocks of 256 rows; in a block warp w has rows w, w + 8, ... One large value shows which sums it swallows.
TEST(reduce_rows, blocks_are_summed_in_ascending_order) {
  const int64_t rows = 600;
  std::vector<float> x(static_cast<size_t>(rows), 1.0f);
  x[45] = 16777216.0f;  // 2^24: adding 1 to it changes nothing.
  float expected = 0;
  for (int64_t block = 0; block < rows; block += 256) {
    float block_sum = 0;
    for (int64_t warp = 0; warp < 8; warp++) {
      float warp_sum = 0;
      for (int64_t row = block + warp; row < block + 256 && row < rows; row += 8) warp_sum += x[static_cast<size_t>(row)];
      block_sum = warp == 0 ? warp_sum : block_sum + warp_sum;
    }
    expected += block_sum;
  }
  DeviceBuffer values(MM1_DTYPE_FLOAT32, rows, 1, 1), result(MM1_DTYPE_FLOAT32, 1);
  values.upload(x);
  mm1_reduce_rows_args args = mm1_reduce_rows_args_default();
  args.rows = rows;
  args.columns = 1;
  args.output_rows = 1;
  args.x = values.operand();
  args.output = result.operand();
  void* workspace = nullptr;
  CHECK_EQUAL(int64_t{3 * 4}, mm1_reduce_rows_workspace_bytes(&args));
  CHECK_OK(mm1_memory_allocate(12, &workspace));
  CHECK_OK(mm1_reduce_rows(nullptr, &args, workspace, 12));
  CHECK_EQUAL(expected, result.download()[0]);
  CHECK_OK(mm1_memory_free(workspace));
}

TEST(reduction, budgets_fit_every_profile) {
  for (const mm1::KernelBudget& budget : mm1::kReductionBudgets) check_budget(budget);
}

// Grids are as large as the work, up to what fills a device; the rest is done by going on.
TEST(reduction, grids_fit_every_profile) {
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    CHECK_EQUAL(1u, mm1::row_blocks(1, 8, profile));
    CHECK_EQUAL(2u, mm1::row_blocks(9, 8, profile));
    CHECK_EQUAL(static_cast<uint32_t>(profile.multiprocessors * mm1::kWalkBlocks), mm1::row_blocks(int64_t{1} << 40, 1, profile));
  }
}

}  // namespace test
