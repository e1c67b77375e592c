// Conformance of mm1_flash_attention_backward. The forward's results come from the reference.
#include <cmath>
#include <limits>
#include <vector>

#include "attention_case.h"
#include "attention_reference.h"
#include "emulator/options.h"
#include "support/agreement.h"
#include "test.h"

namespace test {

namespace {

struct Gradients {
  std::vector<float> query, key, value;
};

// Output and log-sum-exp as a forward pass of the case's dtype leaves them, for the truth and for kernels alike.
ForwardReference<float> forward_results(const AttentionCase& which, const AttentionInputs& inputs) {
  return forward_reference<float>(which, inputs);
}

Gradients run(const AttentionCase& which, const AttentionInputs& inputs, const ForwardReference<float>& forward) {
  AttentionOperands operands(which, inputs);
  operands.set_forward_results(forward.output, forward.log_sum_exp);
  operands.run_backward();
  return {operands.query_gradient(), operands.key_gradient(), operands.value_gradient()};
}

Gradients run(const AttentionCase& which, const AttentionInputs& inputs) { return run(which, inputs, forward_results(which, inputs)); }

void check_same(const std::string& what, const Gradients& actual, const Gradients& expected) {
  check_same_bits(what + ": query gradient", actual.query, expected.query);
  check_same_bits(what + ": key gradient", actual.key, expected.key);
  check_same_bits(what + ": value gradient", actual.value, expected.value);
}

// Holds it against float64 by the error rule.
void check(const AttentionCase& which) {
  try {
    const AttentionInputs inputs = inputs_of(which);
    const Gradients actual = run(which, inputs);
    const BackwardReference<double> exact = backward_reference<double>(which, inputs, forward_reference<double>(which, inputs));
    const BackwardReference<float> straight = backward_reference<float>(which, inputs, forward_results(which, inputs));
    check_agreement("value gradient", which.dtype, actual.value, exact.value_gradient, straight.value_gradient);
    check_agreement("key gradient", which.dtype, actual.key, exact.key_gradient, straight.key_gradient);
    check_agreement("query gradient", which.dtype, actual.query, exact.query_gradient, straight.query_gradient);
  } catch (const std::exception& error) {
    throw Failure(which.name() + ": " + error.what());
  }
}

AttentionCase make(mm1_dtype dtype, mm1_attention_mask mask, std::vector<int> queries, std::vector<int> keys, int heads, int key_heads, int head_size) {
  AttentionCase which;
  which.dtype = dtype;
  which.mask = mask;
  which.queries = std::move(queries);
  which.keys = std::move(keys);
  which.heads = heads;
  which.key_value_heads = key_heads;
  which.head_size = head_size;
  return which;
}

constexpr mm1_dtype kDtypes[] = {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32};

}  // namespace

TEST(attention_backward, smoke) {
  for (const mm1_dtype dtype : kDtypes) check(make(dtype, MM1_ATTENTION_MASK_CAUSAL, {70}, {70}, 2, 1, 32));
}

TEST(attention_backward, every_head_size) {
  for (const mm1_dtype dtype : kDtypes) {
    for (const int head_size : {8, 32, 64, 72, 80, 128, 256}) check(make(dtype, MM1_ATTENTION_MASK_CAUSAL, {150}, {150}, 2, 1, head_size));
  }
}

}  // namespace test
