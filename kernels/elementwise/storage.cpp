// The verbs mm1_cast, mm1_fill, mm1_copy and mm1_transpose_blocks: argument rules and launches.
#include <cstring>
#include <initializer_list>

#include "elementwise/conversion.h"
#include "elementwise/elementwise.h"
#include "host/device.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

// The largest power of two up to `most` that divides all of them.
int64_t common_piece(int64_t most, std::initializer_list<int64_t> values) {
  int64_t piece = most;
  for (const int64_t value : values) {
    while (value % piece != 0) piece /= 2;
  }
  return piece;
}

int64_t address_of(const RowOperand& operand) { return static_cast<int64_t>(reinterpret_cast<uintptr_t>(operand.data) % kPackBytes); }

RowOperand bytes_of(const mm1_operand& operand, int64_t rows) {
  RowOperand result = row_operand(operand, rows);
  result.row_stride *= dtype_bytes(operand.dtype);
  return result;
}

void check_transpose(const mm1_transpose_blocks_args& args, Check* check) {
  check->extent("batch", args.batch);
  check_matrix(check, args.rows, args.columns);
  check->extent("inner", args.inner);
  if (!check->ok() || args.batch == 0 || args.rows == 0 || args.columns == 0 || args.inner == 0) return;
  check_storage(check, "x", args.x, args.batch * args.rows, args.columns * args.inner);
  check->operand("output", args.output, args.batch * args.columns, args.rows * args.inner, args.x.dtype);
  check->apart("output", {&args.output, args.batch * args.columns, args.rows * args.inner, 1, 0}, "x",
               {&args.x, args.batch * args.rows, args.columns * args.inner, 1, 0});
}

}  // namespace

}  // namespace mm1

mm1_status mm1_cast(mm1_stream stream, const mm1_cast_args* given, void*, int64_t) {
  using namespace mm1;
  mm1_cast_args args;
  MM1_RETURN_IF_FAILED(read_args("cast", given, &args));
  Check check("cast");
  check_matrix(&check, args.rows, args.columns);
  check_storage(&check, "x", args.x, args.rows, args.columns);
  check_storage(&check, "output", args.output, args.rows, args.columns);
  check.that(args.x.dtype != args.output.dtype || args.rows == 0 || args.columns == 0,
             "x and output both have dtype %s; copy is the verb for that.", dtype_name(args.x.dtype));
  check.apart("output", {&args.output, args.rows, args.columns, 1, 0}, "x", {&args.x, args.rows, args.columns, 1, 0});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter("cast", &stream));
  if (args.rows == 0 || args.columns == 0) return MM1_STATUS_OK;

  const bool is_one_row = is_dense(args.x, args.rows, args.columns) && is_dense(args.output, args.rows, args.columns);
  const int64_t rows = is_one_row ? 1 : args.rows;
  const int64_t columns = is_one_row ? args.rows * args.columns : args.columns;
  const auto is_pack = [](mm1_dtype dtype) { return dtype == MM1_DTYPE_FLOAT32 || dtype == MM1_DTYPE_BFLOAT16; };
  Cast problem{};
  problem.x = row_operand(args.x, rows);
  problem.output = row_operand(args.output, rows);
  problem.from = args.x.dtype;
  problem.to = args.output.dtype;
  problem.vector = has_packs(problem.x, dtype_bytes(problem.from)) && has_packs(problem.output, dtype_bytes(problem.to));
  const RowGrid grid = plan_row_walk(rows, columns, is_pack(problem.from) && is_pack(problem.to) ? kCastElements : 1, current_profile(),
                                     elementwise_blocks());
  problem.walk = grid.walk;
  return launch_cast(stream, grid.blocks, problem);
}

mm1_status mm1_fill(mm1_stream stream, const mm1_fill_args* given, void*, int64_t) {
  using namespace mm1;
  mm1_fill_args args;
  MM1_RETURN_IF_FAILED(read_args("fill", given, &args));
  Check check("fill");
  check_matrix(&check, args.rows, args.columns);
  check_storage(&check, "output", args.output, args.rows, args.columns);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter("fill", &stream));
  if (args.rows == 0 || args.columns == 0) return MM1_STATUS_OK;

  const int64_t element = dtype_bytes(args.output.dtype);
  const bool is_one_row = is_dense(args.output, args.rows, args.columns);
  const int64_t rows = is_one_row ? 1 : args.rows;
  const int64_t columns = (is_one_row ? args.rows * args.columns : args.columns) * element;
  Fill problem{};
  problem.output = bytes_of(args.output, rows);
  problem.element_bytes = static_cast<int32_t>(element);
  alignas(kPackBytes) unsigned char pattern[kPackBytes];
  for (int64_t i = 0; i < kPackBytes / element; i++) write_number(args.output.dtype, pattern, i, real_number(args.value));
  std::memcpy(problem.pattern, pattern, sizeof pattern);
  problem.vector = has_packs(problem.output, 1);
  const RowGrid grid = plan_row_walk(rows, columns, kPackBytes, current_profile(), elementwise_blocks());
  problem.walk = grid.walk;
  return launch_fill(stream, grid.blocks, problem);
}

mm1_status mm1_copy(mm1_stream stream, const mm1_copy_args* given, void*, int64_t) {
  using namespace mm1;
  mm1_copy_args args;
  MM1_RETURN_IF_FAILED(read_args("copy", given, &args));
  Check check("copy");
  check_matrix(&check, args.rows, args.columns);
  check_storage(&check, "x", args.x, args.rows, args.columns);
  check.operand("output", args.output, args.rows, args.columns, args.x.dtype);
  check.apart("output", {&args.output, args.rows, args.columns, 1, 0}, "x", {&args.x, args.rows, args.columns, 1, 0});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter("copy", &stream));
  if (args.rows == 0 || args.columns == 0) return MM1_STATUS_OK;

  const bool is_one_row = is_dense(args.x, args.rows, args.columns) && is_dense(args.output, args.rows, args.columns);
  const int64_t rows = is_one_row ? 1 : args.rows;
  const int64_t columns = (is_one_row ? args.rows * args.columns : args.columns) * dtype_bytes(args.x.dtype);
  Copy problem{};
  problem.x = bytes_of(args.x, rows);
  problem.output = bytes_of(args.output, rows);
  problem.vector = has_packs(problem.x, 1) && has_packs(problem.output, 1);
  problem.piece = static_cast<int32_t>(
      common_piece(8, {address_of(problem.x), address_of(problem.output), problem.x.row_stride, problem.output.row_stride, columns}));
  const RowGrid grid = plan_row_walk(rows, columns, kPackBytes, current_profile(), elementwise_blocks());
  problem.walk = grid.walk;
  return launch_copy(stream, grid.blocks, problem);
}

mm1_status mm1_transpose_blocks(mm1_stream stream, const mm1_transpose_blocks_args* given, void*, int64_t) {
  using namespace mm1;
  mm1_transpose_blocks_args args;
  MM1_RETURN_IF_FAILED(read_args("transpose_blocks", given, &args));
  Check check("transpose_blocks");
  check_transpose(args, &check);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter("transpose_blocks", &stream));
  if (args.batch == 0 || args.rows == 0 || args.columns == 0 || args.inner == 0) return MM1_STATUS_OK;

  const int64_t block_bytes = args.inner * dtype_bytes(args.x.dtype);
  TransposeBlocks problem{};
  problem.x = bytes_of(args.x, args.batch * args.rows);
  problem.output = bytes_of(args.output, args.batch * args.columns);
  problem.batch = args.batch;
  problem.rows = args.rows;
  problem.columns = args.columns;
  const int64_t unit = common_piece(
      kPackBytes, {address_of(problem.x), address_of(problem.output), problem.x.row_stride, problem.output.row_stride, block_bytes});
  problem.unit = static_cast<int32_t>(unit);
  problem.units = block_bytes / unit;
  if (problem.units == 1 && unit < kPackBytes) {
    const int64_t tiles =
        args.batch * ((args.rows + kTransposeTile - 1) / kTransposeTile) * ((args.columns + kTransposeTile - 1) / kTransposeTile);
    const int64_t most = elementwise_blocks() > 0 ? elementwise_blocks() : int64_t{current_profile().multiprocessors} * kWalkBlocks;
    return launch_transpose_tiles(stream, static_cast<uint32_t>(tiles < most ? tiles : most), problem);
  }
  const RowGrid grid = plan_row_walk(args.batch * args.columns, args.rows * problem.units, 1, current_profile(), elementwise_blocks());
  problem.walk = grid.walk;
  return launch_transpose_units(stream, grid.blocks, problem);
}
