// mm1_copy and mm1_transpose_blocks move bits of every storage type. Without asynchronous operations: late, one seed and shadow.
#include "elementwise/elementwise.h"
#include "support/row_case.h"
#include "support/samples.h"

namespace test {

namespace {

struct TransposeCase {
  int64_t batch, rows, columns, inner;
  int64_t padding = 0;
  int64_t offset = 0;
};

template <class T>
std::vector<T> bits_of(int64_t count) {
  std::vector<T> values;
  for (int64_t i = 0; i < count; i++) values.push_back(static_cast<T>(mixed(static_cast<uint64_t>(i)) >> 3));
  return values;
}

template <class T>
void check_copy(mm1_dtype dtype, const RowShape& from, const RowShape& to) {
  const auto x = row_buffer(dtype, from), output = row_buffer(dtype, to);
  const std::vector<T> values = bits_of<T>(from.count());
  x->upload_elements(values);
  mm1_copy_args args = mm1_copy_args_default();
  args.rows = from.rows;
  args.columns = from.columns;
  args.x = x->operand();
  args.output = output->operand();
  CHECK_OK(mm1_copy(nullptr, &args, nullptr, 0));
  finish_call();
  CHECK(output->download_elements<T>() == values);
}

template <class T>
void check_transpose(mm1_dtype dtype, const TransposeCase& which) {
  const RowShape from{which.batch * which.rows, which.columns * which.inner, which.padding, which.offset};
  const RowShape to{which.batch * which.columns, which.rows * which.inner, which.padding, which.offset};
  const auto x = row_buffer(dtype, from), output = row_buffer(dtype, to);
  const std::vector<T> values = bits_of<T>(from.count());
  x->upload_elements(values);
  mm1_transpose_blocks_args args = mm1_transpose_blocks_args_default();
  args.batch = which.batch;
  args.rows = which.rows;
  args.columns = which.columns;
  args.inner = which.inner;
  args.x = x->operand();
  args.output = output->operand();
  CHECK_OK(mm1_transpose_blocks(nullptr, &args, nullptr, 0));
  finish_call();
  std::vector<T> expected(values.size());
  for (int64_t i = 0; i < from.count(); i++) {
    const int64_t inner = i % which.inner, column = i / which.inner % which.columns, row = i / which.inner / which.columns;
    const int64_t place = ((row / which.rows * which.columns + column) * which.rows + row % which.rows) * which.inner + inner;
    expected[static_cast<size_t>(place)] = values[static_cast<size_t>(i)];
  }
  CHECK(output->download_elements<T>() == expected);
}

constexpr TransposeCase kTransposes[] = {{1, 5, 7, 1},  {2, 33, 41, 1, 3}, {1, 64, 64, 1}, {3, 8, 16, 1},    {2, 6, 5, 3, 1}, {2, 35, 4, 16},
                                         {1, 1, 9, 1},  {1, 9, 1, 2},      {0, 2, 2, 1},   {1, 0, 3, 1},     {1, 3, 3, 0},    {1, 70, 37, 1, 2, 1},
                                         {3, 9, 4, 32}, {2, 5, 6, 2, 4},   {1, 40, 3, 8, 8}, {2, 7, 3, 24, 1, 1}};

template <class T>
void check_type(mm1_dtype dtype) {
  const int64_t large = shadow_stride(2) == 1 ? 101 : 21;
  const RowShape shapes[][2] = {{{3, 7}, {3, 7}},         {{3, 7, 2}, {3, 7}},    {{4, 33}, {4, 33, 3}}, {{0, 5}, {0, 5}}, {{5, 0}, {5, 0}},
                                {{large, 303}, {large, 303}}, {{6, 64, 16}, {6, 64, 32}}, {{6, 40, 0, 1}, {6, 40}}, {{6, 40, 4, 2}, {6, 40, 2, 2}},
                                {{5, 48, 8, 4}, {5, 48, 24, 8}}};
  for (const auto& pair : shapes) {
    in_case("dtype " + std::to_string(dtype) + " copy " + pair[0].name() + " to " + pair[1].name(), [&] { check_copy<T>(dtype, pair[0], pair[1]); });
  }
  for (const TransposeCase& which : kTransposes) {
    in_case("dtype " + std::to_string(dtype) + " transpose " + std::to_string(which.batch) + " of " + std::to_string(which.rows) + "x" +
                std::to_string(which.columns) + " inner " + std::to_string(which.inner),
            [&] { check_transpose<T>(dtype, which); });
  }
}

}  // namespace

TEST(storage, copies_and_transposes_of_every_type) {
  check_type<double>(MM1_DTYPE_FLOAT64);
  check_type<float>(MM1_DTYPE_FLOAT32);
  check_type<uint16_t>(MM1_DTYPE_BFLOAT16);
  check_type<uint16_t>(MM1_DTYPE_FLOAT16);
  check_type<int64_t>(MM1_DTYPE_INT64);
  check_type<int32_t>(MM1_DTYPE_INT32);
  check_type<uint8_t>(MM1_DTYPE_UINT8);
  check_type<uint8_t>(MM1_DTYPE_BOOL);
}

// Grids that loop move the same bits.
TEST(storage, few_blocks) {
  mm1::set_elementwise_blocks(2);
  check_type<uint16_t>(MM1_DTYPE_BFLOAT16);
  check_type<float>(MM1_DTYPE_FLOAT32);
  mm1::set_elementwise_blocks(0);
}

}  // namespace test
