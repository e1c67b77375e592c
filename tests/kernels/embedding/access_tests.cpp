// Aligned rows: copies read and write every sector once.
#include "support/row_case.h"

namespace test {

TEST(embedding_access, rows_are_read_and_written_once) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    const RowShape shape{16, 256};
    const auto table = row_buffer(dtype, shape, row_samples(1, dtype, shape.rows, shape.columns));
    const auto output = row_buffer(dtype, shape);
    DeviceBuffer ids(MM1_DTYPE_INT32, shape.rows);
    std::vector<int32_t> values;
    for (int32_t i = 0; i < 16; i++) values.push_back(i * 5 % 16);
    ids.upload_elements(values);
    mm1_embedding_gather_args args = mm1_embedding_gather_args_default();
    args.tokens = args.vocabulary = shape.rows;
    args.width = shape.columns;
    args.ids = ids.operand();
    args.table = table->operand();
    args.output = output->operand();
    const uint64_t sectors = static_cast<uint64_t>(shape.count() * (dtype == MM1_DTYPE_FLOAT32 ? 4 : 2) / 32);
    const Sectors copied = count_sectors([&] { CHECK_OK(mm1_embedding_gather(nullptr, &args, nullptr, 0)); });
    CHECK_EQUAL(copied.least, copied.touched);
    CHECK_EQUAL(sectors, copied.read);
    CHECK_EQUAL(sectors, copied.written);
  }
}

}  // namespace test
