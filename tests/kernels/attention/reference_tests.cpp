// The float64 reference itself: its gradients are finite differences of its forward pass, and decoding is the end of a whole sequence.
#include <cmath>
#include <functional>

#include "attention_reference.h"
#include "test.h"

namespace test {

namespace {

// The sum of output * output_gradient, whose gradients the backward pass computes. Inputs are float32: steps must be representable.
double objective(const AttentionCase& which, const AttentionInputs& inputs) {
  const ForwardReference<double> forward = forward_reference<double>(which, inputs);
  double sum = 0;
  for (size_t i = 0; i < forward.output.size(); i++) sum += forward.output[i] * inputs.output_gradient[i];
  return sum;
}

void check_differences(const AttentionCase& which, const std::vector<double>& gradient, std::vector<float> AttentionInputs::*member) {
  const AttentionInputs inputs = inputs_of(which);
  constexpr double kStep = 1.0 / 1024;
  for (size_t i = 0; i < gradient.size(); i += 7) {
    AttentionInputs above = inputs, below = inputs;
    (above.*member)[i] += static_cast<float>(kStep);
    (below.*member)[i] -= static_cast<float>(kStep);
    // The step as float32 has it.
    const double distance = static_cast<double>((above.*member)[i]) - static_cast<double>((below.*member)[i]);
    const double difference = (objective(which, above) - objective(which, below)) / distance;
    CHECK_NEAR(gradient[i], difference, 2e-5);
  }
}

}  // namespace

TEST(attention_reference, gradients_are_finite_differences) {
  for (const mm1_attention_mask mask : {MM1_ATTENTION_MASK_FULL, MM1_ATTENTION_MASK_CAUSAL, MM1_ATTENTION_MASK_PREFIX}) {
    AttentionCase which;
    which.dtype = MM1_DTYPE_FLOAT32;
    which.mask = mask;
    which.queries = {5, 0, 4};
    which.keys = {3, 2, 6};
    if (mask == MM1_ATTENTION_MASK_PREFIX) which.prefixes = {2, 1, 4};
    which.heads = 4;
    which.key_value_heads = 2;
    which.head_size = 8;
    const AttentionInputs inputs = inputs_of(which);
    const BackwardReference<double> backward = backward_reference<double>(which, inputs, forward_reference<double>(which, inputs));
    check_differences(which, backward.query_gradient, &AttentionInputs::query);
    check_differences(which, backward.key_gradient, &AttentionInputs::key);
    check_differences(which, backward.value_gradient, &AttentionInputs::value);
  }
}

// log-sum-exp and rows that see nothing.
TEST(attention_reference, rows_without_keys_give_zero_and_minus_infinity) {
  AttentionCase which;
  which.mask = MM1_ATTENTION_MASK_CAUSAL;
  which.queries = {4};
  which.keys = {1};
  which.extra = 2;
  const ForwardReference<double> forward = forward_reference<double>(which, inputs_of(which));
  for (int row = 0; row < which.query_tokens(); row++) {
    const bool sees = row == 3;
    CHECK_EQUAL(sees, std::isfinite(forward.log_sum_exp[static_cast<size_t>(row)]));
    CHECK_EQUAL(sees, forward.output[static_cast<size_t>(row * which.columns())] != 0);
  }
}

TEST(attention_reference, decoding_is_the_end_of_a_causal_document) {
  DecodeCase decode;
  decode.lengths = {5, 0, 3};
  decode.query_length = 4;
  decode.max_length = 6;
  const AttentionCase which = decode.as_attention();
  CHECK_EQUAL(12, which.query_tokens());
  CHECK_EQUAL(8, which.key_tokens());
  CHECK(which.sees(0, 0, 1) && !which.sees(0, 0, 2) && which.sees(0, 3, 4));
  CHECK(!which.sees(2, 0, 0) && which.sees(2, 1, 0));
  const std::vector<float> cache = cache_of(decode, inputs_of(which).key, -1);
  const size_t columns = static_cast<size_t>(which.key_columns());
  CHECK_EQUAL(size_t{18} * columns, cache.size());
  CHECK_EQUAL(inputs_of(which).key[5 * columns], cache[12 * columns]);
  CHECK_EQUAL(-1.0f, cache[5 * columns]);
}

}  // namespace test
