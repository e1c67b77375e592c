// Aligned operands: a row that stays in registers is read once and written once, in whole sectors; counted by the emulator.
#include "support/row_case.h"

namespace test {

namespace {

uint64_t sectors_of(mm1_dtype dtype, const RowShape& shape, int matrices) {
  return static_cast<uint64_t>(shape.count() * (dtype == MM1_DTYPE_FLOAT32 ? 4 : 2) * matrices / 32);
}

void check_sectors(const std::string& what, const Sectors& sectors, uint64_t read, uint64_t written) {
  CHECK_MESSAGE(sectors.touched == sectors.least,
                what + ": " + std::to_string(sectors.touched) + " sectors, " + std::to_string(sectors.least) + " would do");
  CHECK_MESSAGE(sectors.read == read, what + ": " + std::to_string(sectors.read) + " sectors read, not " + std::to_string(read));
  CHECK_MESSAGE(sectors.written == written,
                what + ": " + std::to_string(sectors.written) + " sectors written, not " + std::to_string(written));
}

}  // namespace

TEST(reduction_access, rows_are_read_and_written_once) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const RowShape& shape : {RowShape{8, 512}, RowShape{2, 4096}}) {
      const std::string name = std::string(name_of(dtype)) + " " + shape.name();
      const auto x = row_buffer(dtype, shape, row_samples(1, dtype, shape.rows, shape.columns));
      const auto y = row_buffer(dtype, shape, row_samples(2, dtype, shape.rows, shape.columns));
      const auto output = row_buffer(dtype, shape);
      mm1_softmax_forward_args forward = mm1_softmax_forward_args_default();
      forward.rows = shape.rows;
      forward.columns = shape.columns;
      forward.x = x->operand();
      forward.output = output->operand();
      check_sectors(name + " softmax", count_sectors([&] { CHECK_OK(mm1_softmax_forward(nullptr, &forward, nullptr, 0)); }),
                    sectors_of(dtype, shape, 1), sectors_of(dtype, shape, 1));
      mm1_softmax_backward_args backward = mm1_softmax_backward_args_default();
      backward.rows = shape.rows;
      backward.columns = shape.columns;
      backward.output = x->operand();
      backward.output_gradient = y->operand();
      backward.input_gradient = output->operand();
      check_sectors(name + " softmax gradient", count_sectors([&] { CHECK_OK(mm1_softmax_backward(nullptr, &backward, nullptr, 0)); }),
                    sectors_of(dtype, shape, 2), sectors_of(dtype, shape, 1));
      mm1_reduce_rows_args rows = mm1_reduce_rows_args_default();
      rows.rows = shape.rows;
      rows.columns = shape.columns;
      rows.output_rows = 1;
      rows.x = x->operand();
      rows.output = output->operand();
      check_sectors(name + " sum of rows", count_sectors([&] { CHECK_OK(mm1_reduce_rows(nullptr, &rows, nullptr, 0)); }),
                    sectors_of(dtype, shape, 1), sectors_of(dtype, {1, shape.columns}, 1));
    }
  }
}

}  // namespace test
