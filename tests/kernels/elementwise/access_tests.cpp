// Aligned operands: every kernel touches exactly the sectors of its bytes, once; counted by the emulator.
#include <functional>

#include "support/row_case.h"

namespace test {

namespace {

const RowShape kAligned{8, 512};

uint64_t sectors_of(mm1_dtype dtype, int matrices) {
  return static_cast<uint64_t>(kAligned.count() * (dtype == MM1_DTYPE_FLOAT32 ? 4 : 2) * matrices / 32);
}

void check_sectors(const std::string& what, const Sectors& sectors, uint64_t read, uint64_t written) {
  CHECK_MESSAGE(sectors.touched == sectors.least, what + ": " + std::to_string(sectors.touched) + " sectors, " + std::to_string(sectors.least) + " would do");
  CHECK_MESSAGE(sectors.read == read, what + ": " + std::to_string(sectors.read) + " sectors read, not " + std::to_string(read));
  CHECK_MESSAGE(sectors.written == written, what + ": " + std::to_string(sectors.written) + " sectors written, not " + std::to_string(written));
}

// Three matrices of a dtype, and one more.
struct Matrices {
  explicit Matrices(mm1_dtype dtype) {
    for (int i = 0; i < 6; i++) buffers.push_back(row_buffer(dtype, kAligned, row_samples(static_cast<uint64_t>(i), dtype, kAligned.rows, kAligned.columns)));
  }
  mm1_operand operand(int i) const { return buffers[static_cast<size_t>(i)]->operand(); }
  std::vector<std::unique_ptr<DeviceBuffer>> buffers;
};

}  // namespace

TEST(elementwise_access, arithmetic_touches_the_sectors_of_its_bytes) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    const Matrices matrices(dtype);
    const std::string name = name_of(dtype);
    mm1_add_args add = mm1_add_args_default();
    add.rows = add.rows_b = kAligned.rows;
    add.columns = kAligned.columns;
    add.a = matrices.operand(0);
    add.b = matrices.operand(1);
    add.output = matrices.operand(2);
    check_sectors(name + " add", count_sectors([&] { CHECK_OK(mm1_add(nullptr, &add, nullptr, 0)); }), sectors_of(dtype, 2), sectors_of(dtype, 1));
    mm1_multiply_args multiply = mm1_multiply_args_default();
    multiply.rows = kAligned.rows;
    multiply.columns = kAligned.columns;
    multiply.rows_b = 1;
    multiply.output_beta = 1;
    multiply.a = matrices.operand(0);
    multiply.b = matrices.operand(1);
    multiply.output = matrices.operand(2);
    check_sectors(name + " multiply", count_sectors([&] { CHECK_OK(mm1_multiply(nullptr, &multiply, nullptr, 0)); }), sectors_of(dtype, 3),
                  sectors_of(dtype, 1));
    mm1_activation_forward_args activation = mm1_activation_forward_args_default();
    activation.activation = MM1_ACTIVATION_SILU;
    activation.rows = kAligned.rows;
    activation.columns = kAligned.columns;
    activation.x = matrices.operand(0);
    activation.output = matrices.operand(1);
    check_sectors(name + " activation", count_sectors([&] { CHECK_OK(mm1_activation_forward(nullptr, &activation, nullptr, 0)); }),
                  sectors_of(dtype, 1), sectors_of(dtype, 1));
    mm1_gated_activation_backward_args gated = mm1_gated_activation_backward_args_default();
    gated.activation = MM1_ACTIVATION_SILU;
    gated.rows = kAligned.rows;
    gated.columns = kAligned.columns;
    gated.output_gradient = matrices.operand(0);
    gated.gate = matrices.operand(1);
    gated.up = matrices.operand(2);
    gated.gate_gradient = matrices.operand(3);
    gated.up_gradient = matrices.operand(4);
    gated.output = matrices.operand(5);
    check_sectors(name + " gated backward", count_sectors([&] { CHECK_OK(mm1_gated_activation_backward(nullptr, &gated, nullptr, 0)); }),
                  sectors_of(dtype, 3), sectors_of(dtype, 3));
  }
}

TEST(elementwise_access, storage_touches_the_sectors_of_its_bytes) {
  const uint64_t wide = sectors_of(MM1_DTYPE_FLOAT32, 1), narrow = sectors_of(MM1_DTYPE_BFLOAT16, 1);
  const Matrices floats(MM1_DTYPE_FLOAT32), halves(MM1_DTYPE_BFLOAT16);
  mm1_cast_args cast = mm1_cast_args_default();
  cast.rows = kAligned.rows;
  cast.columns = kAligned.columns;
  cast.x = floats.operand(0);
  cast.output = halves.operand(0);
  check_sectors("cast to bfloat16", count_sectors([&] { CHECK_OK(mm1_cast(nullptr, &cast, nullptr, 0)); }), wide, narrow);
  cast.x = halves.operand(0);
  cast.output = floats.operand(1);
  check_sectors("cast to float32", count_sectors([&] { CHECK_OK(mm1_cast(nullptr, &cast, nullptr, 0)); }), narrow, wide);
  mm1_copy_args copy = mm1_copy_args_default();
  copy.rows = kAligned.rows;
  copy.columns = kAligned.columns;
  copy.x = halves.operand(0);
  copy.output = halves.operand(1);
  check_sectors("copy", count_sectors([&] { CHECK_OK(mm1_copy(nullptr, &copy, nullptr, 0)); }), narrow, narrow);
  mm1_fill_args fill = mm1_fill_args_default();
  fill.rows = kAligned.rows;
  fill.columns = kAligned.columns;
  fill.output = halves.operand(1);
  check_sectors("fill", count_sectors([&] { CHECK_OK(mm1_fill(nullptr, &fill, nullptr, 0)); }), 0, narrow);
  // Elements by tiles, blocks of 16 bytes by units: both sides whole sectors.
  for (const int64_t inner : {1, 16}) {
    mm1_transpose_blocks_args transpose = mm1_transpose_blocks_args_default();
    transpose.rows = 64;
    transpose.columns = 64 / inner;
    transpose.inner = inner;
    transpose.x = halves.operand(0);
    transpose.x.row_stride = 64;
    transpose.output = halves.operand(1);
    transpose.output.row_stride = 64 * inner;
    check_sectors("transpose", count_sectors([&] { CHECK_OK(mm1_transpose_blocks(nullptr, &transpose, nullptr, 0)); }), narrow, narrow);
  }
}

// What is written, and x, in whole sectors; positions and the table come on top (from the first-level cache).
TEST(elementwise_access, rotary_embedding_touches_its_heads_once) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    const Matrices matrices(dtype);
    const auto table = row_buffer(MM1_DTYPE_FLOAT32, {16, 64}, row_samples(9, MM1_DTYPE_FLOAT32, 16, 64));
    DeviceBuffer positions(MM1_DTYPE_INT32, kAligned.rows);
    positions.upload_elements(std::vector<int32_t>{3, 1, 4, 1, 5, 9, 2, 6});
    for (const mm1_rotary_style style : {MM1_ROTARY_STYLE_HALF, MM1_ROTARY_STYLE_INTERLEAVED}) {
      mm1_rotary_embedding_args args = mm1_rotary_embedding_args_default();
      args.style = style;
      args.tokens = kAligned.rows;
      args.heads = 8;
      args.head_size = 64;
      args.rotary_size = 64;
      args.max_position = 16;
      args.x = matrices.operand(0);
      args.output = matrices.operand(1);
      args.cosine_sine = table->operand();
      args.positions = static_cast<const int32_t*>(positions.data());
      const Sectors sectors = count_sectors([&] { CHECK_OK(mm1_rotary_embedding(nullptr, &args, nullptr, 0)); });
      CHECK_EQUAL(sectors_of(dtype, 1), sectors.written);
      CHECK(sectors.read > sectors_of(dtype, 1));
    }
  }
}

}  // namespace test
