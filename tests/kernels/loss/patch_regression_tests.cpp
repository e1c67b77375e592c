// Conformance of mm1_patch_regression_forward and _backward. CI's cut: the whole list in modes `late` and by seed, a third of it in
// `shadow`.
#include <cmath>
#include <limits>

#include "loss_case.h"
#include "test.h"

namespace test {

namespace {

#ifdef MM1_SHADOW
constexpr size_t kStride = 3;
#else
constexpr size_t kStride = 1;
#endif

struct Dtypes {
  mm1_dtype prediction, target;
};
constexpr Dtypes kDtypes[] = {
    {MM1_DTYPE_FLOAT32, MM1_DTYPE_FLOAT32}, {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}, {MM1_DTYPE_BFLOAT16, MM1_DTYPE_BFLOAT16}};

PatchRegressionCase of(const Dtypes& dtypes, int64_t patches, int64_t columns) {
  PatchRegressionCase which;
  which.dtype = dtypes.prediction;
  which.target_dtype = dtypes.target;
  which.patches = patches;
  which.columns = columns;
  return which;
}

}  // namespace

TEST(patch_regression, agrees) {
  std::vector<PatchRegressionCase> cases;
  for (const Dtypes& dtypes : kDtypes) {
    for (const int64_t columns : {1, 2, 3, 7, 8, 9, 48, 147, 255, 768, 1024, 1025, 2500}) {
      PatchRegressionCase which = of(dtypes, columns > 500 ? 2 : 6, columns);
      which.padding = columns % 4;
      which.offset = columns % 3;
      which.skip_every = columns % 2 == 1 ? 3 : 0;
      cases.push_back(which);
    }
    for (const int64_t patches : {0, 1, 5, 70}) {
      for (const bool normalize : {false, true}) {
        PatchRegressionCase which = of(dtypes, patches, 48);
        which.normalize = normalize;
        which.skip_every = patches == 5 ? 1 : 2;
        which.loss_gradient = -3;
        which.denominator = patches == 1 ? 0.0f : 77.0f;
        cases.push_back(which);
      }
    }
    cases.push_back(of(dtypes, 4, 0));
    cases.push_back(of(dtypes, 5, 48));
    cases.back().epsilon = 0.1f;
  }
  for (size_t i = 0; i < cases.size(); i += kStride) cases[i].check();
}

TEST(patch_regression, a_patch_is_the_same_bits_among_any_others) {
  for (const Dtypes& dtypes : kDtypes) {
    for (const int64_t columns : {201, 1200}) {
      PatchRegressionCase many = of(dtypes, 20, columns);
      many.denominator = 1;
      const Results expected = many.run();
      check_same_results("again", many.run(), expected);
      PatchRegressionCase other = many;
      other.padding = 1;
      other.offset = 3;
      check_same_results("unaligned", other.run(), expected);
      other.padding = columns % 8 == 0 ? 0 : 8 - columns % 8;
      other.offset = 0;
      check_same_results("aligned", other.run(), expected);
      const std::vector<float> prediction = many.prediction(), target = many.target();
      for (const int64_t patch : {0, 7, 19}) {
        PatchRegressionCase one = many;
        one.patches = 1;
        const int64_t first = patch * columns;
        const Results alone = one.run(std::vector<float>(prediction.begin() + first, prediction.begin() + first + columns),
                                      std::vector<float>(target.begin() + first, target.begin() + first + columns));
        const std::vector<float>& gradient = expected.at("prediction gradient").values;
        check_same_bits("alone", alone.at("prediction gradient").values,
                        std::vector<float>(gradient.begin() + first, gradient.begin() + first + columns));
      }
    }
  }
}

// A patch of one colour has no deviation: its normalized target is zero, also with epsilon 0.
TEST(patch_regression, a_constant_patch_is_the_zero_target) {
  for (const Dtypes& dtypes : kDtypes) {
    for (const float epsilon : {0.0f, 1e-6f}) {
      PatchRegressionCase which = of(dtypes, 1, 20);
      which.epsilon = epsilon;
      const Results results = which.run(which.prediction(), std::vector<float>(20, 0.25f));
      double squares = 0;
      for (const float x : which.prediction()) squares += static_cast<double>(x) * x;
      CHECK_NEAR(results.at("loss").values[0], squares / 20, 1e-6 * squares);
    }
  }
}

// What patches that do not count hold is never seen.
TEST(patch_regression, skipped_patches_can_hold_anything) {
  PatchRegressionCase which = of(kDtypes[0], 6, 30);
  which.skip_every = 3;
  std::vector<float> prediction = which.prediction(), target = which.target();
  for (const size_t patch : {size_t{2}, size_t{5}}) {
    for (size_t c = 0; c < 30; c++) prediction[patch * 30 + c] = target[patch * 30 + c] = std::numeric_limits<float>::quiet_NaN();
  }
  check_same_results("NaN in skipped patches", which.run(prediction, target), which.run());
}

}  // namespace test
