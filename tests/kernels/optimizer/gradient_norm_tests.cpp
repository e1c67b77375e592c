// mm1_gradient_norm: the norm, the clip factor and the guard.
#include <cmath>
#include <limits>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "optimizer/optimizer.h"
#include "optimizer/tensors.h"
#include "support/budget.h"
#include "test.h"

namespace test {

namespace {

struct NormOptions {
  float max_norm = 0;
  bool skip_non_finite = true;
  int32_t skip = 0;
  float limit = 0;
};

mm1_step_state run(Tensors& tensors, const NormOptions& options) {
  mm1_step_state before = step_state(3, NAN, NAN, options.skip);
  before.skip_above_norm = options.limit;
  before.gradient_norm = NAN;
  before.random_counter = 77;
  StepState state(before);
  mm1_gradient_norm_args args = mm1_gradient_norm_args_default();
  args.tensor_count = tensors.size();
  args.tensors = tensors.list();
  args.step_state = state.address();
  args.max_norm = options.max_norm;
  args.skip_non_finite = options.skip_non_finite;
  const int64_t bytes = mm1_gradient_norm_workspace_bytes(&args);
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  CHECK_OK(mm1_gradient_norm(nullptr, &args, workspace, bytes));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  CHECK_OK(mm1_memory_free(workspace));
  const mm1_step_state after = state.download();
  CHECK(after.step == 3 && after.random_counter == 77 && after.skip_above_norm == options.limit);
  return after;
}

std::vector<TensorSpec> specs_of(const std::vector<int64_t>& sizes, int64_t offset = 0) {
  std::vector<TensorSpec> specs;
  for (const int64_t size : sizes) {
    TensorSpec spec;
    spec.rows = size;
    spec.offset = offset;
    specs.push_back(spec);
  }
  return specs;
}

mm1_step_state run_with_last(float last, const NormOptions& options) {
  const std::vector<TensorSpec> specs = specs_of({20});
  Tensors tensors(specs);
  std::vector<float> gradient = gradient_of(specs[0], 0);
  gradient.back() = last;
  tensors.gradient(0).upload(gradient);
  return run(tensors, options);
}

}  // namespace

TEST(gradient_norm, norm_and_clip_factor_are_exact) {
  std::vector<std::vector<int64_t>> lists = {{}, {0}, {1}, {17}, {0, 5, 0, 16, 31}, {16384}, {16385, 1, 33000}, {40000, 7, 0, 30001}};
  lists.push_back(std::vector<int64_t>(300, 3));  // More tensors than threads.
#ifdef MM1_SHADOW
  lists = {{}, {0, 5, 0, 16, 31}, {16385, 1}, lists.back()};
  const std::vector<float> limits = {0};
#else
  const std::vector<float> limits = {0, 0.01f, 1e6f};
#endif
  for (const std::vector<int64_t>& sizes : lists) {
    const std::vector<TensorSpec> specs = specs_of(sizes);
    double squares = 0;
    for (size_t i = 0; i < specs.size(); i++) {
      for (const float x : gradient_of(specs[i], i)) squares += static_cast<double>(x) * x;
    }
    const double expected = std::sqrt(squares);
    Tensors tensors(specs), unaligned(specs_of(sizes, 1));
    float norm = 0;
    for (const float max_norm : limits) {
      NormOptions options;
      options.max_norm = max_norm;
      const mm1_step_state state = run(tensors, options);
      CHECK_NEAR(state.gradient_norm, expected, expected * 6e-8);
      CHECK_NEAR(state.clip_factor, max_norm == 0 ? 1 : std::fmin(1, max_norm / (expected + 1e-6)), 1e-7);
      CHECK_EQUAL(0, state.skip);
      if (max_norm == 0) norm = state.gradient_norm;
      CHECK_EQUAL(norm, state.gradient_norm);  // Again, to the bit.
    }
    CHECK_EQUAL(norm, run(unaligned, {}).gradient_norm);
  }
}

TEST(gradient_norm, a_bad_norm_skips_only_where_asked) {
  const float infinity = std::numeric_limits<float>::infinity();
  NormOptions quiet, strict;
  quiet.max_norm = strict.max_norm = 1;
  quiet.skip_non_finite = false;
  for (const float bad : {NAN, -infinity}) {
    CHECK_EQUAL(0, run_with_last(bad, quiet).skip);
    const mm1_step_state state = run_with_last(bad, strict);
    CHECK_EQUAL(1, state.skip);
    CHECK(!std::isfinite(state.gradient_norm));
    CHECK(std::isnan(bad) ? std::isnan(state.clip_factor) : state.clip_factor == 0);
  }
  CHECK_EQUAL(0, run_with_last(3e38f, quiet).skip);  // Its square overflows float32, not float64.
  CHECK_EQUAL(3e38f, run_with_last(3e38f, strict).gradient_norm);
  strict.skip = 7;
  CHECK_EQUAL(7, run_with_last(1, strict).skip);  // A finite norm clears nothing.
}

// The limit is compared with the norm as it is written; a norm equal to it passes, 0 is no limit.
TEST(gradient_norm, a_norm_above_the_limit_skips) {
  const std::vector<TensorSpec> specs = specs_of({2100, 41});
  Tensors tensors(specs);
  const float norm = run(tensors, {}).gradient_norm;
  const std::pair<float, int32_t> cases[] = {
      {0.0f, 0}, {norm, 0}, {std::nextafter(norm, 0.0f), 1}, {std::nextafter(norm, 1e9f), 0}, {1e-30f, 1}};
  for (const auto& each : cases) {
    NormOptions options;
    options.limit = each.first;
    CHECK_EQUAL(each.second, run(tensors, options).skip);
  }
  NormOptions limited;
  limited.skip_non_finite = false;
  limited.limit = 1;
  CHECK_EQUAL(1, run_with_last(std::numeric_limits<float>::infinity(), limited).skip);
  CHECK_EQUAL(0, run_with_last(NAN, limited).skip);  // That is what skip_non_finite is for.
}

TEST(optimizer, budgets_fit_every_profile) {
  for (const mm1::KernelBudget& budget : mm1::kOptimizerBudgets) check_budget(budget);
}

}  // namespace test
