// Argument rules of the elementwise verbs, and the walk that all of them use, without running a kernel.
#include <functional>

#include "elementwise/elementwise.h"
#include "support/row_case.h"

namespace test {

namespace {

// Addresses that nobody follows: the calls below fail before anything is launched.
mm1_operand operand(uint64_t at, int64_t row_stride, mm1_dtype dtype = MM1_DTYPE_FLOAT32) {
  mm1_operand result{};
  result.data = reinterpret_cast<void*>(at);
  result.dtype = dtype;
  result.row_stride = row_stride;
  return result;
}

const mm1_operand kX = operand(0x10000, 3), kY = operand(0x20000, 3), kZ = operand(0x30000, 3);

mm1_add_args add_args() {
  mm1_add_args args = mm1_add_args_default();
  args.rows = 4;
  args.columns = 3;
  args.rows_b = 4;
  args.a = kX;
  args.b = kZ;
  args.output = kY;
  return args;
}

void add_fails(mm1_status status, const char* part, const std::function<void(mm1_add_args&)>& change) {
  mm1_add_args args = add_args();
  change(args);
  CHECK_FAILS_WITH(status, part, mm1_add(nullptr, &args, nullptr, 0));
}

template <class Args>
Args unary_args(Args args) {
  args.rows = 4;
  args.columns = 3;
  args.x = kX;
  args.output = kY;
  return args;
}

}  // namespace

TEST(elementwise_arguments, add_and_multiply) {
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  add_fails(invalid, "add: columns is -1; it must not be negative.", [](mm1_add_args& args) { args.columns = -1; });
  add_fails(invalid, "add: rows_b is 3, which does not divide rows (4).", [](mm1_add_args& args) { args.rows_b = 3; });
  add_fails(invalid, "add: rows_b is 0, which does not divide rows (4).", [](mm1_add_args& args) { args.rows_b = 0; });
  add_fails(invalid, "add: rows_b is 1; with MM1_BROADCAST_PER_ROW it is rows (4).", [](mm1_add_args& args) {
    args.rows_b = 1;
    args.broadcast = MM1_BROADCAST_PER_ROW;
  });
  add_fails(invalid, "add: broadcast is 7, no value of mm1_broadcast.", [](mm1_add_args& args) { args.broadcast = 7; });
  add_fails(invalid, "add: reserved is 1; a reserved field is zero.", [](mm1_add_args& args) { args.reserved = 1; });
  add_fails(invalid, "add: b is missing; it holds [4, 3] float32 values.", [](mm1_add_args& args) { args.b = mm1_operand{}; });
  add_fails(invalid, "add: output has dtype bfloat16; this call needs float32.", [](mm1_add_args& args) { args.output.dtype = MM1_DTYPE_BFLOAT16; });
  add_fails(invalid, "add: a has row_stride 2, less than its 3 columns", [](mm1_add_args& args) { args.a.row_stride = 2; });
  add_fails(invalid, "add: a has dtype int32; this call needs bfloat16 or float32.", [](mm1_add_args& args) { args.a.dtype = MM1_DTYPE_INT32; });
  add_fails(MM1_STATUS_UNSUPPORTED, "add: a has dtype float16; this device computes in bfloat16 and float32.",
            [](mm1_add_args& args) { args.a.dtype = MM1_DTYPE_FLOAT16; });
  add_fails(invalid, "add: output overlaps a; they may be the same", [](mm1_add_args& args) { args.output = operand(0x10004, 3); });
  add_fails(invalid, "add: output overlaps b; an output shares no memory", [](mm1_add_args& args) {
    args.rows_b = 1;
    args.output = args.b;
  });
  mm1_multiply_args multiply = mm1_multiply_args_default();
  multiply.rows = 4;
  multiply.columns = 3;
  multiply.rows_b = 3;
  multiply.a = kX;
  multiply.b = kZ;
  multiply.output = kY;
  CHECK_FAILS_WITH(invalid, "multiply: rows_b is 3", mm1_multiply(nullptr, &multiply, nullptr, 0));
  multiply.rows_b = 4;
  multiply.output = kZ;
  CHECK_FAILS_WITH(invalid, "multiply: output overlaps b", mm1_multiply(nullptr, &multiply, nullptr, 0));
}

TEST(elementwise_arguments, scale_and_activations) {
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  mm1_scale_args scale = unary_args(mm1_scale_args_default());
  scale.output = mm1_operand{};
  CHECK_FAILS_WITH(invalid, "scale: output is missing", mm1_scale(nullptr, &scale, nullptr, 0));
  scale.output = kY;
  scale.factor_pointer = reinterpret_cast<const float*>(0x40002);
  CHECK_FAILS_WITH(invalid, "scale: factor_pointer is no multiple", mm1_scale(nullptr, &scale, nullptr, 0));
  mm1_activation_forward_args forward = unary_args(mm1_activation_forward_args_default());
  forward.activation = 8;
  CHECK_FAILS_WITH(invalid, "activation_forward: activation is 8, no value of mm1_activation.", mm1_activation_forward(nullptr, &forward, nullptr, 0));
  mm1_activation_backward_args backward = mm1_activation_backward_args_default();
  backward.rows = 4;
  backward.columns = 3;
  backward.output_gradient = kX;
  backward.x = kY;
  backward.input_gradient = kY;
  CHECK_FAILS_WITH(invalid, "activation_backward: input_gradient overlaps x", mm1_activation_backward(nullptr, &backward, nullptr, 0));
  mm1_gated_activation_forward_args gated = mm1_gated_activation_forward_args_default();
  gated.rows = 4;
  gated.columns = 3;
  gated.gate = kX;
  gated.up = kY;
  gated.output = kY;
  CHECK_FAILS_WITH(invalid, "gated_activation_forward: output overlaps up", mm1_gated_activation_forward(nullptr, &gated, nullptr, 0));
  mm1_gated_activation_backward_args all = mm1_gated_activation_backward_args_default();
  all.rows = 4;
  all.columns = 3;
  all.output_gradient = kX;
  all.gate = kY;
  all.up = kZ;
  all.gate_gradient = kZ;
  all.up_gradient = operand(0x40000, 3);
  CHECK_FAILS_WITH(invalid, "gated_activation_backward: gate_gradient overlaps up", mm1_gated_activation_backward(nullptr, &all, nullptr, 0));
  all.gate_gradient = all.up_gradient;
  CHECK_FAILS_WITH(invalid, "gated_activation_backward: gate_gradient overlaps up_gradient", mm1_gated_activation_backward(nullptr, &all, nullptr, 0));
}

TEST(elementwise_arguments, rotary_embedding) {
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  mm1_rotary_embedding_args good = mm1_rotary_embedding_args_default();
  good.tokens = 2;
  good.heads = 1;
  good.head_size = 8;
  good.rotary_size = 4;
  good.max_position = 50;
  good.x = operand(0x10000, 8);
  good.output = operand(0x20000, 8);
  good.cosine_sine = operand(0x30000, 4);
  good.positions = reinterpret_cast<const int32_t*>(0x40000);
  const auto fails = [&](const char* part, const std::function<void(mm1_rotary_embedding_args&)>& change) {
    mm1_rotary_embedding_args args = good;
    change(args);
    CHECK_FAILS_WITH(invalid, part, mm1_rotary_embedding(nullptr, &args, nullptr, 0));
  };
  fails("rotary_size is 3; it must be even and at most head_size (8).", [](mm1_rotary_embedding_args& args) { args.rotary_size = 3; });
  fails("rotary_size is 10", [](mm1_rotary_embedding_args& args) { args.rotary_size = 10; });
  fails("style is 2, no value of mm1_rotary_style.", [](mm1_rotary_embedding_args& args) { args.style = 2; });
  fails("positions is missing; it holds [2] int32 values.", [](mm1_rotary_embedding_args& args) { args.positions = nullptr; });
  fails("cosine_sine has dtype bfloat16; this call needs float32.", [](mm1_rotary_embedding_args& args) { args.cosine_sine.dtype = MM1_DTYPE_BFLOAT16; });
  fails("output overlaps cosine_sine", [](mm1_rotary_embedding_args& args) { args.output = operand(0x30000, 8); });
  fails("output overlaps positions", [](mm1_rotary_embedding_args& args) { args.output = operand(0x40000, 8); });
}

TEST(elementwise_arguments, storage) {
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  mm1_cast_args cast = unary_args(mm1_cast_args_default());
  CHECK_FAILS_WITH(invalid, "cast: x and output both have dtype float32; copy is the verb for that.", mm1_cast(nullptr, &cast, nullptr, 0));
  cast.x = mm1_operand{};
  CHECK_FAILS_WITH(invalid, "cast: x has dtype none; it needs a storage type.", mm1_cast(nullptr, &cast, nullptr, 0));
  cast.x = operand(0x10000, 3, MM1_DTYPE_INT64);
  cast.output = operand(0x10010, 3);
  CHECK_FAILS_WITH(invalid, "cast: output overlaps x", mm1_cast(nullptr, &cast, nullptr, 0));
  mm1_fill_args fill = mm1_fill_args_default();
  fill.rows = -1;
  fill.columns = 3;
  fill.output = kY;
  CHECK_FAILS_WITH(invalid, "fill: rows is -1", mm1_fill(nullptr, &fill, nullptr, 0));
  fill.rows = 2;
  fill.output = mm1_operand{};
  CHECK_FAILS_WITH(invalid, "fill: output has dtype none", mm1_fill(nullptr, &fill, nullptr, 0));
  mm1_copy_args copy = unary_args(mm1_copy_args_default());
  copy.output.dtype = MM1_DTYPE_FLOAT16;
  CHECK_FAILS_WITH(invalid, "copy: output has dtype float16; this call needs float32.", mm1_copy(nullptr, &copy, nullptr, 0));
  copy.output = copy.x;
  CHECK_FAILS_WITH(invalid, "copy: output overlaps x", mm1_copy(nullptr, &copy, nullptr, 0));
  mm1_transpose_blocks_args transpose = mm1_transpose_blocks_args_default();
  transpose.rows = 2;
  transpose.columns = 3;
  transpose.inner = -1;
  transpose.x = kX;
  transpose.output = kY;
  CHECK_FAILS_WITH(invalid, "transpose_blocks: inner is -1", mm1_transpose_blocks(nullptr, &transpose, nullptr, 0));
  transpose.inner = 1;
  transpose.output.row_stride = 1;
  CHECK_FAILS_WITH(invalid, "transpose_blocks: output has row_stride 1", mm1_transpose_blocks(nullptr, &transpose, nullptr, 0));
}

// Every pack of a matrix is visited once, whatever the grid: the walk of all threads together, done on the host.
TEST(row_walk, every_pack_is_visited_once) {
  for (const int64_t rows : {1, 2, 7, 300}) {
    for (const int64_t columns : {1, 8, 9, 255, 4000}) {
      for (const int64_t blocks : {1, 2, 5}) {
        const mm1::RowWalk walk = mm1::row_walk(rows, columns, 8, blocks);
        CHECK_EQUAL((columns + 7) / 8, walk.packs_per_row);
        std::vector<int> visits(static_cast<size_t>(walk.packs));
        for (int64_t thread = 0; thread < walk.step; thread++) {
          int64_t row = thread / walk.packs_per_row, pack = thread % walk.packs_per_row;
          for (int64_t index = thread; index < walk.packs; index += walk.step) {
            CHECK_EQUAL(index, row * walk.packs_per_row + pack);
            visits[static_cast<size_t>(index)]++;
            row += walk.step_rows;
            pack += walk.step_packs;
            if (pack >= walk.packs_per_row) {
              pack -= walk.packs_per_row;
              row++;
            }
          }
        }
        for (const int count : visits) CHECK_EQUAL(1, count);
      }
    }
  }
}

TEST(row_walk, grids_fill_the_device_and_no_more) {
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    for (const int64_t count : {int64_t{1}, int64_t{2047}, int64_t{2049}, int64_t{1} << 33}) {
      const mm1::RowGrid grid = mm1::plan_row_walk(1, count, 8, profile);
      const int64_t packs = (count + 7) / 8;
      CHECK_EQUAL(packs, grid.walk.packs);
      CHECK(grid.blocks >= 1 && grid.blocks <= static_cast<uint32_t>(profile.multiprocessors * mm1::kWalkBlocks));
      CHECK((grid.blocks - 1) * int64_t{mm1::kWalkThreads} < packs);
    }
    CHECK_EQUAL(0u, mm1::plan_row_walk(0, 5, 8, profile).blocks);
    CHECK(mm1::kWalkThreads * 8 == profile.threads_per_multiprocessor || mm1::kWalkThreads * 6 == profile.threads_per_multiprocessor);
  }
}

}  // namespace test
