// Argument rules, teams and budgets, and sectors of the aligned path.
#include <functional>

#include "norm_case.h"
#include "normalization/normalization.h"
#include "support/budget.h"

namespace test {

namespace {

mm1_operand operand(uint64_t at, int64_t row_stride, mm1_dtype dtype = MM1_DTYPE_FLOAT32) {
  mm1_operand result{};
  result.data = reinterpret_cast<void*>(at);
  result.dtype = dtype;
  result.row_stride = row_stride;
  return result;
}

}  // namespace

TEST(norm_arguments, forward) {
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  mm1_layer_norm_forward_args good = mm1_layer_norm_forward_args_default();
  good.rows = 4;
  good.columns = 8;
  good.x = operand(0x10000, 8);
  good.output = operand(0x20000, 8);
  const auto fails = [&](mm1_status status, const char* part, const std::function<void(mm1_layer_norm_forward_args&)>& change) {
    mm1_layer_norm_forward_args args = good;
    change(args);
    CHECK_FAILS_WITH(status, part, mm1_layer_norm_forward(nullptr, &args, nullptr, 0));
  };
  fails(invalid, "layer_norm_forward: groups is -1; it must not be negative.", [](mm1_layer_norm_forward_args& args) { args.groups = -1; });
  fails(invalid, "layer_norm_forward: columns is -8", [](mm1_layer_norm_forward_args& args) { args.columns = -8; });
  fails(invalid, "layer_norm_forward: sum_output is missing; with residual it receives the sum.",
        [](mm1_layer_norm_forward_args& args) { args.residual = operand(0x30000, 8); });
  fails(invalid, "layer_norm_forward: x is missing; it holds [4, 8] bfloat16 values.",
        [](mm1_layer_norm_forward_args& args) { args.x.data = nullptr; });
  fails(invalid, "layer_norm_forward: weight has dtype int32; this call needs float32.",
        [](mm1_layer_norm_forward_args& args) { args.weight = operand(0x30000, 8, MM1_DTYPE_INT32); });
  fails(invalid, "layer_norm_forward: mean has dtype bfloat16; this call needs float32.",
        [](mm1_layer_norm_forward_args& args) { args.mean = operand(0x30000, 1, MM1_DTYPE_BFLOAT16); });
  fails(MM1_STATUS_UNSUPPORTED, "layer_norm_forward: x has dtype float64; this device computes in bfloat16 and float32.",
        [](mm1_layer_norm_forward_args& args) { args.x.dtype = MM1_DTYPE_FLOAT64; });
  fails(invalid, "layer_norm_forward: output overlaps x; they may be the same",
        [](mm1_layer_norm_forward_args& args) { args.output = operand(0x10004, 8); });
  fails(invalid, "layer_norm_forward: output overlaps sum_output", [](mm1_layer_norm_forward_args& args) {
    args.residual = operand(0x30000, 8);
    args.sum_output = args.output;
  });
  fails(invalid, "layer_norm_forward: mean overlaps inverse_standard_deviation", [](mm1_layer_norm_forward_args& args) {
    args.mean = operand(0x30000, 1);
    args.inverse_standard_deviation = args.mean;
  });
  // As of a vector of all rows: the last one would be 12 values behind the memory of four.
  fails(invalid, "layer_norm_forward: mean has row_stride 4; it holds [4, 1] values without gaps.",
        [](mm1_layer_norm_forward_args& args) { args.mean = operand(0x30000, 4); });
  fails(invalid, "layer_norm_forward: inverse_standard_deviation has row_stride 5; it holds [4, 2] values without gaps.",
        [](mm1_layer_norm_forward_args& args) {
          args.groups = 2;
          args.columns = 4;
          args.inverse_standard_deviation = operand(0x30000, 5);
        });
  mm1_l2_normalize_forward_args l2 = mm1_l2_normalize_forward_args_default();
  l2.rows = 4;
  l2.columns = 8;
  l2.x = operand(0x10000, 8);
  l2.output = operand(0x20000, 8);
  l2.epsilon = 0;
  CHECK_FAILS_WITH(invalid, "l2_normalize_forward: epsilon is 0; the least norm must be positive.",
                   mm1_l2_normalize_forward(nullptr, &l2, nullptr, 0));
  l2.epsilon = 1;
  l2.inverse_norm = operand(0x30000, 4);
  CHECK_FAILS_WITH(invalid, "l2_normalize_forward: inverse_norm has row_stride 4; it holds [4, 1] values without gaps.",
                   mm1_l2_normalize_forward(nullptr, &l2, nullptr, 0));
  l2.inverse_norm = mm1_operand{};
  l2.output = l2.x;
  CHECK_FAILS_WITH(invalid, "l2_normalize_forward: output overlaps x", mm1_l2_normalize_forward(nullptr, &l2, nullptr, 0));
}

TEST(norm_arguments, backward) {
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  mm1_rms_norm_backward_args good = mm1_rms_norm_backward_args_default();
  good.rows = 4;
  good.columns = 8;
  good.output_gradient = operand(0x10000, 8);
  good.x = operand(0x20000, 8);
  good.inverse_root_mean_square = operand(0x30000, 1);
  good.input_gradient = operand(0x40000, 8);
  good.weight_gradient = operand(0x50000, 8);
  const int64_t bytes = mm1_rms_norm_backward_workspace_bytes(&good);
  CHECK_EQUAL(int64_t{256}, bytes);
  void* const workspace = reinterpret_cast<void*>(0x60000);
  const auto fails = [&](mm1_status status, const char* part, const std::function<void(mm1_rms_norm_backward_args&)>& change) {
    mm1_rms_norm_backward_args args = good;
    change(args);
    CHECK_FAILS_WITH(status, part, mm1_rms_norm_backward(nullptr, &args, workspace, bytes));
  };
  fails(invalid, "inverse_root_mean_square is missing; it holds [4, 1] float32 values.",
        [](mm1_rms_norm_backward_args& args) { args.inverse_root_mean_square = mm1_operand{}; });
  fails(invalid, "inverse_root_mean_square has row_stride 4; it holds [4, 1] values without gaps.",
        [](mm1_rms_norm_backward_args& args) { args.inverse_root_mean_square.row_stride = 4; });
  fails(invalid, "input_gradient overlaps x", [](mm1_rms_norm_backward_args& args) { args.input_gradient = args.x; });
  fails(invalid, "weight_gradient has dtype bfloat16; this call needs float32.",
        [](mm1_rms_norm_backward_args& args) { args.weight_gradient.dtype = MM1_DTYPE_BFLOAT16; });
  fails(invalid, "x has dtype bfloat16; this call needs float32.",
        [](mm1_rms_norm_backward_args& args) { args.x.dtype = MM1_DTYPE_BFLOAT16; });
  CHECK_FAILS_WITH(MM1_STATUS_WORKSPACE_TOO_SMALL,
                   "rms_norm_backward: the workspace has 255 bytes; mm1_rms_norm_backward_workspace_bytes asks for 256.",
                   mm1_rms_norm_backward(nullptr, &good, workspace, bytes - 1));
  good.groups = -2;
  CHECK_EQUAL(int64_t{-1}, mm1_rms_norm_backward_workspace_bytes(&good));
}

TEST(norm_plan, teams_cover_their_rows_within_the_budget) {
  for (const int pack : {4, 8}) {
    for (int64_t columns = 1; columns < 40000; columns = columns * 9 / 8 + 1) {
      const mm1::RowTeam team = mm1::row_team(columns, pack);
      const int64_t packs = (columns + pack - 1) / pack;
      CHECK_EQUAL(mm1::kTeamThreads, team.width * team.in_block);
      CHECK_EQUAL(team.is_block != 0, packs > 32 * mm1::kTeamPacks);
      CHECK_EQUAL(team.is_held != 0, packs <= int64_t{mm1::kTeamPacks} * team.width);
      CHECK(mm1::norm_block_items(team) % team.in_block == 0);
      CHECK(mm1::norm_shared_bytes(columns, team) <= mm1::kNormBackwardBudget.shared_bytes);
    }
  }
  // Heads of 64 and 128: eight and sixteen lanes, no lane idle.
  CHECK_EQUAL(8, mm1::row_team(64, 8).width);
  CHECK_EQUAL(16, mm1::row_team(128, 8).width);
}

// The backward keeps two rows and two rows of sums in registers: one block a multiprocessor, each warp with 4 KB of its row on the way.
TEST(norm_plan, budgets_fit_every_profile) {
  check_budget(mm1::kNormForwardBudget);
  const mm1::KernelBudget& backward = mm1::kNormBackwardBudget;
  CHECK(backward.threads <= mm1::kThreadsPerBlock && backward.registers <= mm1::kRegistersPerThread);
  CHECK(backward.registers * backward.threads <= mm1::kRegistersPerBlock);
  CHECK(backward.shared_bytes <= mm1::kStaticSharedBytesPerBlock);
}

// Workspaces depend on the shape alone.
TEST(norm_plan, workspaces_hold_the_blocks_of_every_dtype) {
  for (const int64_t rows : {0, 1, 100, 8192, 1000000}) {
    for (const int64_t columns : {1, 64, 1000, 5000}) {
      mm1_layer_norm_backward_args args = mm1_layer_norm_backward_args_default();
      args.rows = rows;
      args.columns = columns;
      const int64_t bytes = mm1_layer_norm_backward_workspace_bytes(&args);
      for (const int pack : {4, 8}) CHECK(bytes >= 2 * mm1::norm_blocks(rows, mm1::row_team(columns, pack)) * columns * 4);
      args.x = operand(0x10000, columns, MM1_DTYPE_BFLOAT16);
      args.weight_gradient = operand(0x20000, columns);
      CHECK_EQUAL(bytes, mm1_layer_norm_backward_workspace_bytes(&args));
    }
  }
}

// Rows that stay in registers are read once and written once, in whole sectors; the weight and the statistics come on top.
TEST(norm_access, aligned_rows_are_read_and_written_once) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const int64_t columns : {64, 512, 2048}) {
      NormCase which;
      which.kind = Kind::rms;
      which.dtype = dtype;
      which.rows = 16;
      which.columns = columns;
      which.statistics = false;
      which.sum = Sum::own;
      const uint64_t matrix = static_cast<uint64_t>(16 * columns * (dtype == MM1_DTYPE_FLOAT32 ? 4 : 2) / 32);
      const Sectors forward = count_sectors([&] { run_forward(which); });
      CHECK_EQUAL(forward.least, forward.touched);
      CHECK_EQUAL(2 * matrix, forward.read);
      CHECK_EQUAL(2 * matrix, forward.written);
      which.sum = Sum::none;
      which.parameters = false;
      const Sectors backward = count_sectors([&] { run_backward(which); });
      CHECK_EQUAL(matrix, backward.written);
      CHECK(backward.read > 2 * matrix && backward.read <= 2 * matrix + 16 * 32);   // The statistics of 16 rows, for each warp at most.
    }
  }
}

}  // namespace test
