// The plan of the Hopper GEMM: pure, so every profile and many shapes can be asked.
#include <set>
#include <string>
#include <tuple>

#include "gemm/gemm.h"
#include "test.h"

namespace {

using mm1::DeviceProfile;
using mm1::GemmKernel;
using mm1::GemmProblem;
using mm1::GemmSm90Choice;
using mm1::GemmSm90Plan;

// A dense problem at aligned addresses; nothing is read from them.
mm1_gemm_args args_of(int64_t m, int64_t n, int64_t k, bool transposed_a = false, bool transposed_b = true) {
  mm1_gemm_args args = mm1_gemm_args_default();
  args.m = m;
  args.n = n;
  args.k = k;
  args.transpose_a = transposed_a ? MM1_TRANSPOSE_TRANSPOSED : MM1_TRANSPOSE_NONE;
  args.transpose_b = transposed_b ? MM1_TRANSPOSE_TRANSPOSED : MM1_TRANSPOSE_NONE;
  const auto operand = [](int64_t columns) {
    mm1_operand result = {};
    result.data = reinterpret_cast<void*>(uintptr_t{1} << 20);
    result.dtype = MM1_DTYPE_BFLOAT16;
    result.row_stride = (columns + 7) / 8 * 8;
    return result;
  };
  args.a = operand(transposed_a ? m : k);
  args.b = operand(transposed_b ? k : n);
  args.output = operand(n);
  return args;
}

GemmSm90Plan plan_of(const mm1_gemm_args& args, const GemmSm90Choice& choice = {}) {
  return mm1::plan_gemm_sm90(mm1::normalise_gemm(args), mm1::kProfileSm90, choice);
}

std::string refusal_of(const mm1_gemm_args& args) {
  const GemmSm90Plan plan = plan_of(args);
  return plan.refusal == nullptr ? "" : plan.refusal;
}

int64_t tiles_of(const mm1_gemm_args& args, const GemmSm90Plan& plan) {
  return (args.m + 128 * plan.cluster - 1) / (128 * plan.cluster) * ((args.n + plan.tile_n - 1) / plan.tile_n) * args.batch;
}

}  // namespace

TEST(gemm_sm90_plan, every_shape_finds_an_instance_whose_grid_fits) {
  const int64_t extents[] = {1, 7, 64, 127, 128, 129, 256, 729, 1280, 2304, 4096, 8192, 20000, 1000003};
  for (const int64_t m : extents) {
    for (const int64_t n : extents) {
      for (const int64_t k : {int64_t{1}, int64_t{64}, int64_t{1280}, int64_t{8192}}) {
        const mm1_gemm_args args = args_of(m, n, k);
        const GemmSm90Plan plan = plan_of(args);
        const std::string shape = std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k);
        CHECK_MESSAGE(plan.refusal == nullptr, shape);
        CHECK_MESSAGE(plan.tile_n == 64 || plan.tile_n == 128 || plan.tile_n == 192 || plan.tile_n == 256, shape);
        CHECK_MESSAGE(plan.cluster == 1 || (plan.cluster == 2 && plan.tile_n > 64 && m > 128), shape);
        CHECK_MESSAGE(plan.blocks >= plan.cluster && plan.blocks % plan.cluster == 0 && plan.blocks <= mm1::kProfileSm90.multiprocessors, shape);
        CHECK_MESSAGE(plan.blocks / plan.cluster <= tiles_of(args, plan), shape);
        CHECK_MESSAGE(plan.group >= 1, shape);
      }
    }
  }
}

TEST(gemm_sm90_plan, large_problems_take_the_widest_tile_and_share_it) {
  for (const int64_t extent : {4096, 8192}) {
    const GemmSm90Plan plan = plan_of(args_of(extent, extent, extent));
    CHECK_EQUAL(256, plan.tile_n);
    CHECK_EQUAL(2, plan.cluster);
    CHECK_EQUAL(132, plan.blocks);
    CHECK(plan.store_by_tma);
  }
}

// Width 768 is four tiles of 192: 128 of them for 132 SMs, where 256 columns would use 96.
TEST(gemm_sm90_plan, widths_of_192_fill_the_device) {
  const GemmSm90Plan plan = plan_of(args_of(4096, 768, 3072));
  CHECK_EQUAL(192, plan.tile_n);
  CHECK_EQUAL(128, plan.blocks);
}

// 16 tiles of 128 x 256 would leave 116 SMs idle.
TEST(gemm_sm90_plan, small_problems_spread_over_the_device) {
  const mm1_gemm_args args = args_of(512, 1024, 4096);
  const GemmSm90Plan plan = plan_of(args);
  CHECK_EQUAL(64, plan.tile_n);
  CHECK_EQUAL(int64_t{64}, tiles_of(args, plan));
  CHECK_EQUAL(64, plan.blocks);
}

TEST(gemm_sm90_plan, refusals_have_reasons) {
  CHECK_EQUAL(std::string(), refusal_of(args_of(64, 64, 64)));
  mm1_gemm_args args = args_of(64, 64, 64);
  args.a.data = static_cast<char*>(args.a.data) + 2;
  CHECK_CONTAINS(refusal_of(args), "a is not aligned");
  args = args_of(64, 64, 64);
  args.b.row_stride = 65;
  CHECK_CONTAINS(refusal_of(args), "b is not aligned");
  args = args_of(64, 64, 64);
  args.batch = 2;
  args.batch_stride_a = 64 * 64 + 4;
  args.batch_stride_output = 64 * 64;
  CHECK_CONTAINS(refusal_of(args), "a is not aligned");
  args.batch_stride_a = -64 * 64;
  CHECK_CONTAINS(refusal_of(args), "a is not aligned");
  CHECK_CONTAINS(refusal_of(args_of(64, 64, 0)), "an extent is 0");
  CHECK_CONTAINS(refusal_of(args_of(64, 64, int64_t{1} << 31)), "2^31 - 1024 or more");
  CHECK_CONTAINS(refusal_of(args_of(int64_t{1} << 30, int64_t{1} << 30, 64)), "2^30 tiles");
  args = args_of(64, 64, 64);
  args.a.dtype = args.b.dtype = args.output.dtype = MM1_DTYPE_FLOAT32;
  CHECK_CONTAINS(refusal_of(args), "not bf16");
  for (const DeviceProfile& profile : mm1::kProfiles) {
    const GemmSm90Plan plan = mm1::plan_gemm_sm90(mm1::normalise_gemm(args_of(64, 64, 64)), profile);
    CHECK_EQUAL(profile.runs_sm90a(), plan.refusal == nullptr);
  }
}

TEST(gemm_sm90_plan, tma_stores_only_plain_epilogues_into_aligned_rows) {
  mm1_gemm_args args = args_of(64, 64, 64);
  CHECK(plan_of(args).store_by_tma);
  args.alpha = 0.5f;
  args.bias = args.output;
  CHECK(plan_of(args).store_by_tma);
  args.output.dtype = MM1_DTYPE_FLOAT32;
  CHECK(plan_of(args).store_by_tma);
  const auto with = [](auto change) {
    mm1_gemm_args changed = args_of(64, 64, 64);
    change(changed);
    return plan_of(changed).store_by_tma;
  };
  CHECK(!with([](mm1_gemm_args& a) { a.beta = 1.0f; }));
  CHECK(!with([](mm1_gemm_args& a) { a.residual = a.a; }));
  CHECK(!with([](mm1_gemm_args& a) { a.activation = MM1_ACTIVATION_RELU; }));
  CHECK(!with([](mm1_gemm_args& a) { a.pre_activation = a.a, a.pre_activation.data = static_cast<char*>(a.a.data) + 65536; }));
  CHECK(!with([](mm1_gemm_args& a) { a.output.row_stride = 65; }));
  CHECK(!with([](mm1_gemm_args& a) { a.output.data = static_cast<char*>(a.output.data) + 2; }));
  CHECK(!with([](mm1_gemm_args& a) { a.batch = 2, a.batch_stride_output = 64 * 64 + 1; }));
}

TEST(gemm_sm90_plan, what_is_forced_is_taken) {
  const mm1_gemm_args args = args_of(1024, 1024, 1024);
  for (const int tile_n : {64, 128, 192, 256}) {
    for (const int cluster : {1, 2}) {
      GemmSm90Choice choice;
      choice.tile_n = tile_n;
      choice.cluster = cluster;
      choice.blocks = 5;
      choice.rows_only = true;
      const GemmSm90Plan plan = plan_of(args, choice);
      CHECK_EQUAL(tile_n, plan.tile_n);
      CHECK_EQUAL(tile_n == 64 ? 1 : cluster, plan.cluster);
      CHECK_EQUAL(plan.cluster == 2 ? 4 : 5, plan.blocks);
      CHECK(!plan.store_by_tma);
    }
  }
  GemmSm90Choice choice;
  choice.tile_n = 96;
  CHECK_CONTAINS(std::string(plan_of(args, choice).refusal), "no instance");
}

// Which kernel runs decides the order of summation, so it must not depend on m, n or batch.
TEST(gemm_sm90_plan, the_kernel_does_not_depend_on_rows_columns_or_batch) {
  for (const DeviceProfile& profile : mm1::kProfiles) {
    std::set<GemmKernel> kernels;
    for (const int64_t m : {1, 7, 129, 4096}) {
      for (const int64_t n : {1, 8, 129, 4096}) {
        for (const int64_t batch : {1, 3}) {
          mm1_gemm_args args = args_of(m, n, 512);
          args.batch = batch;
          args.batch_stride_output = m * args.output.row_stride;
          kernels.insert(mm1::plan_gemm(args, profile).kernel);
        }
      }
    }
    CHECK_EQUAL(size_t{1}, kernels.size());
    CHECK(*kernels.begin() == (profile.runs_sm90a() ? GemmKernel::bfloat16_sm90 : GemmKernel::bfloat16_sm80));
  }
}

TEST(gemm_sm90_plan, budgets_fit_an_sm) {
  using Wide = mm1::GemmSm90Tile<256>;
  CHECK_EQUAL(168, Wide::launch_registers);
  CHECK_EQUAL(128 * Wide::producer_registers + 256 * Wide::consumer_registers, 384 * 168);
  CHECK_EQUAL(229440, Wide::shared_bytes);
  CHECK(mm1::GemmSm90Tile<192>::shared_bytes <= mm1::kProfileSm90.shared_bytes_per_block);
  CHECK(mm1::GemmSm90Tile<128>::shared_bytes <= mm1::kProfileSm90.shared_bytes_per_block);
  CHECK(mm1::GemmSm90Tile<64>::shared_bytes <= mm1::kProfileSm90.shared_bytes_per_block);
}
