// Conformance of mm1_contrastive_loss_forward and _backward. CI's cut: the whole list in modes `late` and by seed, a third in `shadow`;
// logits of two blocks of rows in `late` and by seed only.
#include <cmath>

#include "loss_case.h"
#include "test.h"

namespace test {

namespace {

#ifdef MM1_SHADOW
constexpr size_t kStride = 3;
#else
constexpr size_t kStride = 1;
#endif

constexpr mm1_dtype kDtypes[] = {MM1_DTYPE_FLOAT32, MM1_DTYPE_BFLOAT16};

}  // namespace

TEST(contrastive_loss, agrees) {
  std::vector<ContrastiveLossCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    ContrastiveLossCase which;
    which.dtype = dtype;
    for (const int64_t pairs : {1, 2, 15, 16, 17, 33, 100, 131}) {
      which.pairs = pairs;
      which.width = pairs == 16 ? 64 : 20;
      which.padding = pairs % 3;
      which.offset = pairs % 2;
      which.loss_gradient = pairs == 33 ? kAbsent : 1.7f;
      cases.push_back(which);
    }
    which = {};
    which.dtype = dtype;
    which.pairs = 0;
    which.width = 8;
    which.beta_log_scale = 0.5f;
    cases.push_back(which);
    which.pairs = 5;
    which.width = 0;
    cases.push_back(which);
    which = {};
    which.dtype = dtype;
    which.pairs = 40;
    which.width = 24;
    which.log_scale = 5;
    which.beta_log_scale = 0.5f;
    cases.push_back(which);
    which.log_scale = 3;
    which.max_scale = 10;
    which.beta_log_scale = 0;
    cases.push_back(which);
    which.log_scale = 4.6f;
    which.max_scale = 100;
    which.gradients = false;
    cases.push_back(which);
    which.log_scale = -30;  // All logits alike.
    which.gradients = true;
    cases.push_back(which);
  }
  for (size_t i = 0; i < cases.size(); i += kStride) cases[i].check();
}

#ifndef MM1_SHADOW
// Logits of more image rows than one block has: columns run over both, the text gradient is summed in float32 and rounded once.
TEST(contrastive_loss, blocks_of_rows_are_joined) {
  for (const mm1_dtype dtype : kDtypes) {
    ContrastiveLossCase which;
    which.dtype = dtype;
    which.pairs = 1030;
    which.width = 8;
    which.check();
  }
}
#endif

TEST(contrastive_loss, repetitions_and_alignment_give_the_same_bits) {
  for (const mm1_dtype dtype : kDtypes) {
    ContrastiveLossCase which;
    which.dtype = dtype;
    which.pairs = 70;
    which.width = 36;
    which.padding = dtype == MM1_DTYPE_FLOAT32 ? 0 : 4;
    const Results expected = which.run();
    check_same_results("again", which.run(), expected);
    which.padding = 3;
    which.offset = 1;
    check_same_results("unaligned", which.run(), expected);
  }
}

// The clamp falls where float64 says: CLIP's bound, log(100), is above 100 by a rounding, the float32 before it below.
TEST(contrastive_loss, the_scale_is_clamped_where_float64_says) {
  ContrastiveLossCase which;
  which.pairs = 6;
  which.width = 5;
  const float bound = 4.6051702f;
  for (const float log_scale : {std::nextafter(bound, 0.0f), bound, std::nextafter(bound, 9.0f), 88.8f, 1000.0f}) {
    which.log_scale = log_scale;
    const bool clamped = std::exp(static_cast<double>(log_scale)) > 100.0;
    const Results results = which.run();
    CHECK_EQUAL(clamped, results.at("log scale gradient").values[0] == 0.0f);
    CHECK(std::isfinite(results.at("loss").values[0]));
  }
  which.log_scale = -200;  // No scale at all: every pair is as likely as any other.
  CHECK_NEAR(which.run().at("loss").values[0], std::log(6.0), 1e-6);
}

}  // namespace test
