// Conformance of mm1_cross_entropy_forward and _backward. CI's cut: the whole list in modes `late` and by seed, a third of it in `shadow`.
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

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float result_of(const Results& results, const char* name, size_t index = 0) { return results.at(name).values.at(index); }

std::vector<float> slice(const Results& results, const char* name, int64_t first, int64_t count) {
  const std::vector<float>& values = results.at(name).values;
  return std::vector<float>(values.begin() + first, values.begin() + first + count);
}

}  // namespace

TEST(cross_entropy, agrees) {
  std::vector<CrossEntropyCase> cases;
  for (const mm1_dtype dtype : {MM1_DTYPE_FLOAT32, MM1_DTYPE_BFLOAT16}) {
    // Around packs of 4 and 8, a warp's turn of them, and the length from which a block has the row.
    for (const int64_t vocabulary : {1, 2, 3, 7, 8, 9, 33, 127, 257, 1000, 1024, 1025, 2049, 8209}) {
      CrossEntropyCase which;
      which.dtype = dtype;
      which.tokens = vocabulary > 1000 ? 3 : 9;
      which.vocabulary = vocabulary;
      which.padding = vocabulary % 4;
      which.offset = vocabulary % 3;
      which.z_loss_weight = vocabulary % 2 == 1 ? 0.01f : 0;
      cases.push_back(which);
    }
    for (const int64_t tokens : {0, 1, 2, 300}) {
      for (const int64_t index : {0, 1, 2, 3}) {
        CrossEntropyCase which;
        which.dtype = dtype;
        which.tokens = tokens;
        which.vocabulary = 77;
        which.padding = index;
        which.ignore_every = index;
        which.ignore_index = index == 2 ? 3 : -100;
        which.z_loss_weight = index < 2 ? 0 : 0.01f;
        which.denominator = index == 0 ? -1.0f : index == 1 ? 0.0f : 123.0f;
        which.optional_outputs = index != 3;
        which.in_place = index % 2 == 1;
        which.loss_gradient = index == 0 ? kAbsent : -0.75f;
        cases.push_back(which);
      }
    }
    CrossEntropyCase which;
    which.dtype = dtype;
    which.tokens = 3;
    which.vocabulary = 50257;
    which.ignore_every = 3;
    which.z_loss_weight = 1e-4f;
    cases.push_back(which);
    which = {};
    which.dtype = dtype;
    which.tokens = 20;
    which.vocabulary = 40;
    which.scale = 60;
    which.loss_gradient = 65536;
    cases.push_back(which);
    which.scale = 30000;  // One logit has it all.
    which.shift = -1e6;
    which.loss_gradient = 1;
    cases.push_back(which);
    which = {};
    which.dtype = dtype;
    which.tokens = 4;
    which.vocabulary = 0;
    which.ignore_every = 1;
    cases.push_back(which);
  }
  for (size_t i = 0; i < cases.size(); i += kStride) cases[i].check();
}

// The bits of a token depend on nothing beside it, on no alignment, and are the same every time.
TEST(cross_entropy, a_token_is_the_same_bits_among_any_others) {
  for (const mm1_dtype dtype : {MM1_DTYPE_FLOAT32, MM1_DTYPE_BFLOAT16}) {
    for (const int64_t vocabulary : {333, 1500}) {
      CrossEntropyCase many;
      many.dtype = dtype;
      many.tokens = 61;
      many.vocabulary = vocabulary;
      many.z_loss_weight = 0.001f;
      many.denominator = 50;
      many.ignore_every = 7;
      const Results expected = many.run();
      check_same_results("again", many.run(), expected);
      CrossEntropyCase other = many;
      other.padding = 5;
      other.offset = 1;
      check_same_results("unaligned", other.run(), expected);
      other.in_place = true;
      other.padding = vocabulary % 8 == 0 ? 0 : 8 - vocabulary % 8;
      other.offset = 0;
      check_same_results("aligned, in place", other.run(), expected);
      const std::vector<float> logits = many.logits();
      for (const int64_t token : {0, 6, 60}) {
        CrossEntropyCase one = many;
        one.tokens = 1;
        const Results alone = one.run(std::vector<float>(logits.begin() + token * vocabulary, logits.begin() + (token + 1) * vocabulary),
                                      {many.targets()[static_cast<size_t>(token)]});
        check_same_bits("log-sum-exp alone", slice(alone, "log-sum-exp", 0, 1), slice(expected, "log-sum-exp", token, 1));
        check_same_bits("loss alone", slice(alone, "token losses", 0, 1), slice(expected, "token losses", token, 1));
        check_same_bits("gradient alone", slice(alone, "logits gradient", 0, vocabulary),
                        slice(expected, "logits gradient", token * vocabulary, vocabulary));
      }
    }
  }
}

// More tokens than one block of the sum has: blocks of 1024, added in ascending order, and their counts.
TEST(cross_entropy, many_tokens_are_summed_and_counted) {
  CrossEntropyCase which;
  which.tokens = 5003;
  which.vocabulary = 2;
  which.ignore_every = 3;
  which.loss_gradient = 2;
  which.check();
}

TEST(cross_entropy, masked_logits_have_no_share_and_bad_ones_show) {
  for (const mm1_dtype dtype : {MM1_DTYPE_FLOAT32, MM1_DTYPE_BFLOAT16}) {
    for (const int64_t vocabulary : {5, 37, 1100}) {
      CrossEntropyCase which;
      which.dtype = dtype;
      which.vocabulary = vocabulary;
      std::vector<float> logits = which.logits();
      std::vector<float> dense;
      for (size_t i = 0; i < logits.size(); i++) {
        if (i % 2 == 1) logits[i] = -kInfinity;
        if (i % 2 == 0) dense.push_back(logits[i]);
      }
      CrossEntropyCase smaller = which;
      smaller.vocabulary = static_cast<int64_t>(dense.size());
      const Results masked = which.run(logits, {0}), rest = smaller.run(dense, {0});
      CHECK_NEAR(result_of(masked, "loss"), result_of(rest, "loss"), 2e-6);
      for (size_t i = 0; i < logits.size(); i++) {
        const float expected = i % 2 == 1 ? 0.0f : result_of(rest, "logits gradient", i / 2);
        CHECK_NEAR(result_of(masked, "logits gradient", i), expected, 2e-6);
      }
      for (const size_t place : {size_t{1}, logits.size() / 2, logits.size() - 1}) {
        std::vector<float> bad = which.logits();
        bad[place] = std::numeric_limits<float>::quiet_NaN();
        CHECK(std::isnan(result_of(which.run(bad, {0}), "loss")));
        bad[place] = kInfinity;
        CHECK(!std::isfinite(result_of(which.run(bad, {0}), "loss")));
      }
      CHECK(std::isnan(result_of(which.run(std::vector<float>(logits.size(), -kInfinity), {0}), "loss")));
    }
  }
}

// A target that is no column cannot be refused here: the loss and the token's gradient are NaN, the other tokens are as they were.
TEST(cross_entropy, a_target_that_is_no_column_makes_nan) {
  CrossEntropyCase which;
  which.tokens = 3;
  which.vocabulary = 10;
  const Results good = which.run();
  for (const int32_t target : {10, -1, 2147483647}) {
    std::vector<int32_t> targets = which.targets();
    targets[1] = target;
    const Results bad = which.run(which.logits(), targets);
    CHECK(std::isnan(result_of(bad, "loss")));
    CHECK(std::isnan(result_of(bad, "token losses", 1)));
    for (size_t i = 0; i < 30; i++) {
      if (i / 10 == 1) {
        CHECK(std::isnan(result_of(bad, "logits gradient", i)));
      } else {
        CHECK_EQUAL(result_of(good, "logits gradient", i), result_of(bad, "logits gradient", i));
      }
    }
  }
}

// What tokens that do not count hold is never read.
TEST(cross_entropy, ignored_tokens_can_hold_anything) {
  CrossEntropyCase which;
  which.tokens = 8;
  which.vocabulary = 50;
  which.ignore_every = 4;
  std::vector<float> logits = which.logits();
  for (const size_t token : {size_t{3}, size_t{7}}) {
    for (size_t i = 0; i < 50; i++) logits[token * 50 + i] = std::numeric_limits<float>::quiet_NaN();
  }
  check_same_results("NaN in ignored rows", which.run(logits, which.targets()), which.run());
}

// Subnormal gradients would slow down what reads them, and say nothing.
TEST(cross_entropy, no_gradient_is_subnormal) {
  CrossEntropyCase which;
  which.vocabulary = 150;
  which.loss_gradient = 1.0f / 4096;
  std::vector<float> logits;
  for (int i = 0; i < 150; i++) logits.push_back(static_cast<float>(-i));
  const Results results = which.run(logits, {0});
  for (int i = 1; i < 150; i++) {
    const float value = result_of(results, "logits gradient", static_cast<size_t>(i));
    CHECK(value == 0 || value > std::numeric_limits<float>::min());
    if (i < 45) CHECK_NEAR(value, std::exp(-i) * (1 - std::exp(-1)) / 4096, 5e-6 * std::exp(-i) / 4096);
  }
}

}  // namespace test
