// Plans are pure: every problem finds a kernel and a tile that fits on every profile, and the kernel does not depend on the number of rows.
#include "gemm/gemm.h"
#include "test.h"

namespace test {

namespace {

using mm1::DeviceProfile;
using mm1::GemmKernel;
using mm1::GemmPlan;
using mm1::GemmTile;
using mm1::kProfiles;
using mm1::normalise_gemm;
using mm1::plan_gemm;

// Addresses that nobody follows.
void* address(uint64_t value) { return reinterpret_cast<void*>(value); }

mm1_operand operand(mm1_dtype dtype, uint64_t at, int64_t row_stride) {
  mm1_operand result{};
  result.data = address(at);
  result.dtype = dtype;
  result.row_stride = row_stride;
  return result;
}

mm1_gemm_args args_of(mm1_dtype dtype, int64_t m, int64_t n, int64_t k) {
  mm1_gemm_args args = mm1_gemm_args_default();
  args.m = m;
  args.n = n;
  args.k = k;
  args.transpose_b = MM1_TRANSPOSE_TRANSPOSED;
  args.a = operand(dtype, 0x10000, k);
  args.b = operand(dtype, 0x20000, k);
  args.output = operand(dtype, 0x30000, n);
  return args;
}

constexpr int64_t kExtents[] = {1, 2, 7, 8, 63, 64, 65, 127, 128, 129, 1000, 4096, 65536, 1000003};

mm1::GemmChoice only_sm80() {
  mm1::GemmChoice choice;
  choice.sm80_only = true;
  return choice;
}

}  // namespace

TEST(gemm_plan, every_problem_finds_a_tile_on_every_profile) {
  for (const DeviceProfile& profile : kProfiles) {
    for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
      for (const mm1_math_mode mode : {MM1_MATH_MODE_DEFAULT, MM1_MATH_MODE_TF32}) {
        for (const int64_t m : kExtents) {
          for (const int64_t n : kExtents) {
            for (const int64_t k : {int64_t{0}, int64_t{1}, int64_t{768}, int64_t{1001}}) {
              mm1_gemm_args args = args_of(dtype, m, n, k);
              args.math_mode = mode;
              const GemmPlan plan = plan_gemm(args, profile, only_sm80());
              const GemmKernel expected = dtype == MM1_DTYPE_BFLOAT16     ? GemmKernel::bfloat16_sm80
                                          : mode == MM1_MATH_MODE_TF32 ? GemmKernel::tf32_sm80
                                                                       : GemmKernel::float32;
              CHECK_EQUAL(expected, plan.kernel);
              CHECK(plan.shared_bytes > 0 && plan.shared_bytes <= profile.shared_bytes_per_block);
              CHECK(plan.threads >= 32 && plan.threads <= mm1::kThreadsPerBlock && plan.threads % 32 == 0);
              CHECK(plan.order.rows * plan.tile_m >= m && (plan.order.rows - 1) * plan.tile_m < m);
              CHECK(plan.order.columns * plan.tile_n >= n && (plan.order.columns - 1) * plan.tile_n < n);
              CHECK(mm1::gemm_budget(plan.kernel, plan.tile).fits(profile));
              CHECK_EQUAL(mm1::gemm_budget(plan.kernel, plan.tile).shared_bytes, plan.shared_bytes);
              CHECK(plan_gemm(args, profile).kernel != GemmKernel::nothing);
            }
          }
        }
      }
    }
  }
}

TEST(gemm_plan, nothing_to_do_needs_no_kernel) {
  for (int empty = 0; empty < 3; empty++) {
    mm1_gemm_args args = args_of(MM1_DTYPE_BFLOAT16, 64, 64, 64);
    (empty == 0 ? args.m : empty == 1 ? args.n : args.batch) = 0;
    CHECK_EQUAL(GemmKernel::nothing, plan_gemm(args, mm1::kProfileSm80).kernel);
  }
}

// Small tiles where large ones would leave SMs idle, large ones where both fill the device.
TEST(gemm_plan, tiles_follow_the_size_of_the_output) {
  for (const DeviceProfile& profile : kProfiles) {
    CHECK_EQUAL(GemmTile::small, plan_gemm(args_of(MM1_DTYPE_BFLOAT16, 1, 4096, 4096), profile, only_sm80()).tile);
    CHECK_EQUAL(GemmTile::small, plan_gemm(args_of(MM1_DTYPE_BFLOAT16, 256, 256, 4096), profile, only_sm80()).tile);
    CHECK_EQUAL(GemmTile::large, plan_gemm(args_of(MM1_DTYPE_BFLOAT16, 4096, 4096, 4096), profile, only_sm80()).tile);
    CHECK_EQUAL(GemmTile::large, plan_gemm(args_of(MM1_DTYPE_FLOAT32, 8192, 2048, 64), profile, only_sm80()).tile);
    mm1_gemm_args batch = args_of(MM1_DTYPE_BFLOAT16, 128, 128, 64);
    batch.batch = 4096;
    batch.batch_stride_output = 128 * 128;
    CHECK_EQUAL(GemmTile::large, plan_gemm(batch, profile, only_sm80()).tile);
  }
}

TEST(gemm_plan, alignment_of_every_stride_counts) {
  const auto aligned = [](const mm1_gemm_args& args) { return plan_gemm(args, mm1::kProfileSm80).is_aligned; };
  const mm1_gemm_args good = args_of(MM1_DTYPE_BFLOAT16, 64, 64, 64);
  CHECK(aligned(good));
  mm1_gemm_args args = good;
  args.a.data = address(0x10002);
  CHECK(!aligned(args));
  args = good;
  args.b.row_stride = 68;
  CHECK(!aligned(args));
  args = good;
  args.batch = 2;
  args.batch_stride_output = 64 * 64;
  args.batch_stride_a = 4;
  CHECK(!aligned(args));
  args.batch_stride_a = 64 * 64;
  CHECK(aligned(args));
  // The output's alignment is the epilogue's matter.
  args = good;
  args.output.data = address(0x30002);
  CHECK(aligned(args));
  CHECK_EQUAL(1, normalise_gemm(args).epilogue.access);
  CHECK_EQUAL(4, normalise_gemm(good).epilogue.access);
  args = good;
  args.bias = operand(MM1_DTYPE_FLOAT32, 0x40008, 0);
  CHECK_EQUAL(2, normalise_gemm(args).epilogue.access);
}

// One row counts as if others lay behind it: a device with kernels for aligned operands alone must not choose by the number of rows.
TEST(gemm_plan, kernel_and_loader_do_not_depend_on_the_number_of_rows) {
  for (const DeviceProfile& profile : kProfiles) {
    for (const int64_t k : {int64_t{64}, int64_t{75}}) {
      for (const int64_t stride : {k, k + 1, k + 8}) {
        mm1_gemm_args args = args_of(MM1_DTYPE_BFLOAT16, 1000, 64, k);
        args.a.row_stride = stride;
        const GemmPlan many = plan_gemm(args, profile);
        args.m = 1;
        const GemmPlan one = plan_gemm(args, profile);
        CHECK_EQUAL(many.kernel, one.kernel);
        CHECK_EQUAL(many.is_aligned, one.is_aligned);
        // A row that says nothing of its stride lies as if packed.
        args.a.row_stride = 0;
        if (stride == k) CHECK_EQUAL(many.is_aligned, plan_gemm(args, profile).is_aligned);
      }
    }
  }
}

TEST(gemm_plan, pre_activation_that_changes_nothing_is_dropped) {
  mm1_gemm_args args = args_of(MM1_DTYPE_BFLOAT16, 64, 64, 64);
  args.pre_activation = args.output;
  CHECK(normalise_gemm(args).epilogue.pre_activation.data == nullptr);
  args.pre_activation = operand(MM1_DTYPE_BFLOAT16, 0x50000, 64);
  CHECK(normalise_gemm(args).epilogue.pre_activation.data != nullptr);
  args.activation_gradient = 1;
  CHECK(normalise_gemm(args).epilogue.pre_activation.data == nullptr);
  CHECK_EQUAL(0, normalise_gemm(args).epilogue.gradient);
  args.activation = MM1_ACTIVATION_GELU;
  CHECK(normalise_gemm(args).epilogue.pre_activation.data != nullptr);
  CHECK_EQUAL(1, normalise_gemm(args).epilogue.gradient);
}

TEST(gemm_plan, batches_are_cut_where_a_grid_ends) {
  CHECK_EQUAL(mm1::kGridX, mm1::gemm_problems_per_launch(1));
  CHECK_EQUAL(int64_t{2}, mm1::gemm_problems_per_launch(mm1::kGridX / 2));
  CHECK_EQUAL(int64_t{1}, mm1::gemm_problems_per_launch(mm1::kGridX));
  CHECK_EQUAL(int64_t{0}, mm1::gemm_problems_per_launch(mm1::kGridX + 1));
}

}  // namespace test
