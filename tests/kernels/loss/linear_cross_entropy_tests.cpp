// Conformance of mm1_linear_cross_entropy_forward and _backward. CI's cut: the whole list in modes `late` and by seed, a quarter in
// `shadow`.
#include <limits>

#include "loss/loss.h"
#include "loss_case.h"
#include "test.h"

namespace test {

namespace {

#ifdef MM1_SHADOW
constexpr size_t kStride = 4;
#else
constexpr size_t kStride = 1;
#endif

constexpr mm1_dtype kDtypes[] = {MM1_DTYPE_FLOAT32, MM1_DTYPE_BFLOAT16};

}  // namespace

TEST(linear_cross_entropy, agrees) {
  std::vector<LinearCrossEntropyCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    for (const int64_t tokens : {0, 1, 7, 50}) {
      for (const int64_t chunk : {0, 1, 7, 16}) {
        if (tokens * chunk == 50) continue;
        for (const int64_t ignore_every : {0, 1, 3}) {
          if (tokens == 50 && ignore_every == 1) continue;
          LinearCrossEntropyCase which;
          which.dtype = dtype;
          which.tokens = tokens;
          which.width = 19;
          which.vocabulary = 37;
          which.chunk_tokens = chunk;
          which.ignore_every = ignore_every;
          which.padding = chunk % 3;
          which.offset = chunk == 7 ? 1 : 0;
          which.token_losses = chunk != 7;
          which.denominator = chunk == 0 ? -1.0f : chunk == 1 ? 0.0f : 33.0f;
          which.z_loss_weight = chunk == 16 ? 0.01f : 0;
          which.loss_gradient = chunk == 1 ? kAbsent : 2.5f;
          which.beta_input = chunk == 1 || chunk == 16 ? 0.5f : 0;
          which.beta_weight = chunk == 7 || chunk == 16 ? 1.0f : 0;
          cases.push_back(which);
        }
      }
    }
    LinearCrossEntropyCase which;
    which.dtype = dtype;
    which.tokens = 70;
    which.width = 64;
    which.vocabulary = 136;
    which.chunk_tokens = 32;  // Everything aligned.
    which.ignore_every = 5;
    cases.push_back(which);
    which.input_gradient = false;
    cases.push_back(which);
    which.input_gradient = true;
    which.weight_gradient = false;
    cases.push_back(which);
    which = {};
    which.dtype = dtype;
    which.tokens = 5;
    which.width = 24;
    which.vocabulary = 1100;  // A block a row.
    which.padding = 8;
    cases.push_back(which);
    which = {};
    which.dtype = dtype;
    which.tokens = 5;
    which.width = 0;
    which.vocabulary = 16;
    cases.push_back(which);
    which.width = 6;
    which.vocabulary = 0;
    which.ignore_every = 1;
    which.beta_input = 1;
    cases.push_back(which);
    which = {};
    which.dtype = dtype;
    which.tokens = 40;
    which.width = 16;
    which.vocabulary = 1;
    which.chunk_tokens = 13;
    cases.push_back(which);
  }
  for (size_t i = 0; i < cases.size(); i += kStride) cases[i].check();
}

// The bits of a token depend neither on its neighbours, nor on whether they count, nor on the chunk, nor on a repetition.
TEST(linear_cross_entropy, a_token_is_the_same_bits_among_any_others) {
  for (const mm1_dtype dtype : kDtypes) {
    for (const int64_t width : {40, 37}) {
      LinearCrossEntropyCase many;
      many.dtype = dtype;
      many.tokens = 140;
      many.width = width;
      many.vocabulary = 90;
      many.denominator = 50;
      many.beta_input = 0.5f;
      many.beta_weight = 1;
      const Results expected = many.run();
      check_same_results("again", many.run(), expected);
      LinearCrossEntropyCase other = many;
      other.ignore_every = 3;
      const Results thin = other.run();
      other.ignore_every = 0;
      other.chunk_tokens = 17;
      const Results narrow = other.run();
      const std::vector<float> x = many.x(), old = many.old_input();
      for (const int64_t token : {0, 1, 16, 138}) {
        LinearCrossEntropyCase one = many;
        one.tokens = 1;
        const int64_t first = token * width;
        const Results alone = one.run(std::vector<float>(x.begin() + first, x.begin() + first + width),
                                      {many.targets()[static_cast<size_t>(token)]},
                                      std::vector<float>(old.begin() + first, old.begin() + first + width));
        const std::pair<const Results*, int64_t> others[] = {{&alone, 0}, {&thin, token}, {&narrow, token}};
        for (const auto& [results, at] : others) {
          const std::pair<const char*, int64_t> parts[] = {{"log-sum-exp", 1}, {"token losses", 1}, {"input gradient", width}};
          for (const auto& [name, columns] : parts) {
            const std::vector<float>& here = results->at(name).values;
            const std::vector<float>& there = expected.at(name).values;
            check_same_bits(name, std::vector<float>(here.begin() + at * columns, here.begin() + (at + 1) * columns),
                            std::vector<float>(there.begin() + token * columns, there.begin() + (token + 1) * columns));
          }
        }
      }
    }
  }
}

// Ignored tokens can hold anything, in the weight gradient too.
TEST(linear_cross_entropy, what_ignored_tokens_hold_is_never_seen) {
  for (const mm1_dtype dtype : kDtypes) {
    LinearCrossEntropyCase which;
    which.dtype = dtype;
    which.tokens = 30;
    which.width = 12;
    which.vocabulary = 20;
    which.ignore_every = 4;
    std::vector<float> x = which.x();
    for (size_t token = 3; token < 30; token += 4) {
      for (size_t i = 0; i < 12; i++) x[token * 12 + i] = std::numeric_limits<float>::quiet_NaN();
    }
    check_same_results("NaN in ignored rows", which.run(x, which.targets(), which.old_input()), which.run());
  }
}

// Over many chunks the bfloat16 weight gradient stays a float32 sum: its bits are those of sums over the chunks alone.
TEST(linear_cross_entropy, the_weight_gradient_accumulates_in_float32) {
  LinearCrossEntropyCase which;
  which.dtype = MM1_DTYPE_BFLOAT16;
  which.tokens = 64;
  which.width = 16;
  which.vocabulary = 24;
  which.denominator = 7;
  which.chunk_tokens = 16;
  const std::vector<float> all = which.run().at("weight gradient").values;
  std::vector<float> sum(all.size(), 0.0f);
  for (int64_t first = 0; first < 64; first += 16) {
    LinearCrossEntropyCase part = which;
    part.tokens = 16;
    const std::vector<float> x = which.x();
    const std::vector<int32_t> targets = which.targets();
    const std::vector<float> own = part.run(std::vector<float>(x.begin() + first * 16, x.begin() + (first + 16) * 16),
                                            std::vector<int32_t>(targets.begin() + first, targets.begin() + first + 16), {})
                                       .at("weight gradient").values;
    for (size_t i = 0; i < sum.size(); i++) sum[i] += own[i];
  }
  check_same_bits("weight gradient", all, sum);
}

TEST(linear_cross_entropy, all_logits_never_exist) {
  const auto bytes_of = [](int64_t tokens) {
    mm1_linear_cross_entropy_forward_args args = mm1_linear_cross_entropy_forward_args_default();
    args.tokens = tokens;
    args.width = 256;
    args.vocabulary = 32000;
    return mm1_linear_cross_entropy_forward_workspace_bytes(&args);
  };
  const int64_t one = bytes_of(mm1::kLinearChunkTokens), hundred = bytes_of(100 * mm1::kLinearChunkTokens);
  CHECK(one > mm1::kLinearChunkTokens * 32000 * 4);
  CHECK(hundred < one + 100 * mm1::kLinearChunkTokens * 4 + 8192);
}

}  // namespace test
