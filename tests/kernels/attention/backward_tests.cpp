// Conformance of mm1_flash_attention_backward, which takes what mm1_flash_attention_forward left. Mode `late` runs the whole lists, the
// others a part of each.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <vector>

#include "attention_case.h"
#include "attention_reference.h"
#include "emulator/options.h"
#include "mm1/runtime.h"
#include "support/agreement.h"
#include "test.h"

namespace test {

namespace {

struct Gradients {
  std::vector<float> query, key, value;
};

Gradients run(const AttentionCase& which, const AttentionInputs& inputs) {
  AttentionOperands operands(which, inputs);
  operands.run_forward();
  operands.run_backward();
  return {operands.query_gradient(), operands.key_gradient(), operands.value_gradient()};
}

void check_same(const std::string& what, const Gradients& actual, const Gradients& expected) {
  check_same_bits(what + ": query gradient", actual.query, expected.query);
  check_same_bits(what + ": key gradient", actual.key, expected.key);
  check_same_bits(what + ": value gradient", actual.value, expected.value);
}

double largest_error(const std::vector<double>& exact, const std::vector<float>& values) {
  double largest = 0;
  for (size_t i = 0; i < exact.size(); i++) largest = std::max(largest, std::fabs(values[i] - exact[i]));
  return largest;
}

// The ratios of errors, for docs/kernels.md; printed with MM1_TEST_VERBOSE=1.
void report(const AttentionCase& which, const char* what, const std::vector<double>& exact, const std::vector<float>& actual,
            const std::vector<float>& straight) {
  if (std::getenv("MM1_TEST_VERBOSE") == nullptr) return;
  const double allowed = largest_error(exact, straight);
  if (allowed > 0) std::printf("  %.3f  %s  %s\n", largest_error(exact, actual) / allowed, what, which.name().c_str());
}

// Holds it against float64 by the error rule.
void check(const AttentionCase& which) {
  try {
    const AttentionInputs inputs = inputs_of(which);
    const Gradients actual = run(which, inputs);
    const BackwardReference<double> exact = backward_reference<double>(which, inputs, forward_reference<double>(which, inputs));
    const BackwardReference<float> straight = backward_reference<float>(which, inputs, forward_reference<float>(which, inputs));
    report(which, "value", exact.value_gradient, actual.value, straight.value_gradient);
    report(which, "key", exact.key_gradient, actual.key, straight.key_gradient);
    report(which, "query", exact.query_gradient, actual.query, straight.query_gradient);
    check_agreement("value gradient", which.dtype, actual.value, exact.value_gradient, straight.value_gradient);
    check_agreement("key gradient", which.dtype, actual.key, exact.key_gradient, straight.key_gradient);
    check_agreement("query gradient", which.dtype, actual.query, exact.query_gradient, straight.query_gradient);
  } catch (const std::exception& error) {
    throw Failure(which.name() + ": " + error.what());
  }
}

AttentionCase make(mm1_dtype dtype, mm1_attention_mask mask, std::vector<int> queries, std::vector<int> keys, int heads, int key_heads,
                   int head_size) {
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
constexpr mm1_attention_mask kMasks[] = {MM1_ATTENTION_MASK_FULL, MM1_ATTENTION_MASK_CAUSAL, MM1_ATTENTION_MASK_PREFIX};

// Every how many-th case of a list runs in this mode, and from which on: the modes together run all, `late` does alone.
struct Cut {
  size_t first;
  size_t step;
};

Cut cut_of_mode() {
#ifdef MM1_SHADOW
  return {0, 4};
#else
  const emulator::Options options = emulator::options();
  if (options.residency == 1) return {1, 3};
  if (options.seed != 0) return {options.seed % 3, 3};
  return options.late ? Cut{0, 1} : Cut{2, 3};
#endif
}

bool is_whole() { return cut_of_mode().step == 1; }

// All masks where the whole list runs, else one of them.
std::vector<mm1_attention_mask> masks_of_mode() {
  if (is_whole()) return {kMasks[0], kMasks[1], kMasks[2]};
  return {kMasks[(cut_of_mode().first + 1) % 3]};
}

void check_all(const std::vector<AttentionCase>& cases) {
  const Cut cut = cut_of_mode();
  for (size_t i = cut.first; i < cases.size(); i += cut.step) check(cases[i]);
}

// Sets the emulator's options for as long as it lives.
class WithOptions {
 public:
  explicit WithOptions(const emulator::Options& options) : before_(emulator::options()) { emulator::set_options(options); }
  ~WithOptions() { emulator::set_options(before_); }
  WithOptions(const WithOptions&) = delete;
  WithOptions& operator=(const WithOptions&) = delete;

 private:
  emulator::Options before_;
};

emulator::Options with_residency(uint32_t residency) {
  emulator::Options options = emulator::options();
  options.residency = residency;
  return options;
}

bool all_zero(const std::vector<float>& values) {
  for (const float value : values) {
    if (value != 0) return false;
  }
  return true;
}

// Three documents of several blocks of keys and query tiles, one of them with more queries than keys, and empty ones in between.
AttentionCase packed(mm1_dtype dtype, mm1_attention_mask mask, int head_size) {
  AttentionCase which = make(dtype, mask, {70, 0, 33, 9, 0, 150}, {70, 5, 12, 0, 0, 190}, 2, 1, head_size);
  if (mask == MM1_ATTENTION_MASK_PREFIX) which.prefixes = {30, 2, 5, 0, 7, 140};
  which.extra = 3;
  which.spare = 7;
  return which;
}

}  // namespace

// Every instance, with and without padding; masks in turn.
TEST(attention_backward, every_head_size_and_mask) {
  std::vector<AttentionCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    int turn = 0;
    for (const int head_size : {8, 32, 40, 64, 80, 96, 104, 128, 136, 256, 16, 24}) {
      const mm1_attention_mask mask = kMasks[turn++ % 3];
      AttentionCase which = make(dtype, mask, {130}, {150}, 1, 1, head_size);
      if (mask == MM1_ATTENTION_MASK_PREFIX) which.prefixes = {90};
      cases.push_back(which);
    }
  }
  check_all(cases);
}

TEST(attention_backward, packed_documents_and_rows_behind_them) {
  std::vector<AttentionCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    cases.push_back(packed(dtype, MM1_ATTENTION_MASK_FULL, 64));
    cases.push_back(packed(dtype, MM1_ATTENTION_MASK_CAUSAL, 128));
    cases.push_back(packed(dtype, MM1_ATTENTION_MASK_PREFIX, 32));
  }
  check_all(cases);
}

TEST(attention_backward, grouped_heads_and_batches) {
  std::vector<AttentionCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    for (const bool is_packed : {false, true}) {
      for (const int key_heads : {1, 2, 3, 6}) {
        AttentionCase which = make(dtype, MM1_ATTENTION_MASK_CAUSAL, {40, 40, 40}, {75, 75, 75}, 6, key_heads, 24);
        which.packed = is_packed;
        which.extra = key_heads % 2;
        cases.push_back(which);
      }
    }
  }
  check_all(cases);
}

// Gaps of odd sizes and odd offsets take the loader for unaligned operands, fused buffers have one stride for three operands.
TEST(attention_backward, strides_and_alignment) {
  std::vector<AttentionCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    for (const int head_size : {40, 128}) {
      AttentionCase which = make(dtype, MM1_ATTENTION_MASK_CAUSAL, {70, 9}, {70, 9}, 4, 2, head_size);
      which.layout = AttentionLayout::fused;
      cases.push_back(which);
      which.offset = 1;
      cases.push_back(which);
      which.layout = AttentionLayout::gaps;
      which.gap = 3;
      which.offset = 0;
      cases.push_back(which);
      which.gap = 8;
      cases.push_back(which);
    }
  }
  check_all(cases);
}

TEST(attention_backward, pairs_of_lengths) {
  struct Pair {
    int queries, keys;
  };
  std::vector<AttentionCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    for (const Pair pair : {Pair{799, 3}, {0, 70}, {70, 0}, {0, 0}, {64, 64}, {129, 128}}) {
      for (const mm1_attention_mask mask : {MM1_ATTENTION_MASK_FULL, MM1_ATTENTION_MASK_CAUSAL}) {
        for (const bool is_packed : {true, false}) {
          AttentionCase which = make(dtype, mask, {pair.queries}, {pair.keys}, 2, 1, 16);
          which.packed = is_packed;
          cases.push_back(which);
        }
      }
    }
  }
  check_all(cases);
}

// Where a query sees one key, its probability is 1 and gradients of queries and keys vanish: what is left are roundings of the products
// that cancel, whose size is the signal here.
TEST(attention_backward, one_key) {
  for (const mm1_dtype dtype : kDtypes) {
    for (const int queries : {1, 239}) {
      for (const mm1_attention_mask mask : {MM1_ATTENTION_MASK_FULL, MM1_ATTENTION_MASK_CAUSAL}) {
        const AttentionCase which = make(dtype, mask, {queries}, {1}, 2, 2, 16);
        const AttentionInputs inputs = inputs_of(which);
        const Gradients actual = run(which, inputs);
        const BackwardReference<double> exact = backward_reference<double>(which, inputs, forward_reference<double>(which, inputs));
        const BackwardReference<float> straight = backward_reference<float>(which, inputs, forward_reference<float>(which, inputs));
        check_agreement(which.name() + ": value gradient", dtype, actual.value, exact.value_gradient, straight.value_gradient);
        // 16 products of standard normal numbers in each of the two sums that cancel; then times a query or key, scaled by 1 / 4.
        const double row = 8.0 / 16777216 * 4;
        const double sums = mask == MM1_ATTENTION_MASK_CAUSAL ? 1 : std::sqrt(static_cast<double>(queries));
        for (const float value : actual.query) CHECK_NEAR(value, 0, row);
        for (const float value : actual.key) CHECK_NEAR(value, 0, row * sums);
      }
    }
  }
}

#ifndef MM1_SHADOW
TEST(attention_backward, long_pair_of_lengths) {
  for (const mm1_dtype dtype : kDtypes) check(make(dtype, MM1_ATTENTION_MASK_CAUSAL, {1023}, {1024}, 1, 1, 32));
}
#endif

// 64 rows beyond a multiple of 128, and a log-sum-exp whose exponential underflows or overflows, by far; scales that are powers of two and
// one that is not.
TEST(attention_backward, large_log_sum_exp) {
  struct Far {
    double shift;
    int head_size;
    float beyond;
  };
  std::vector<AttentionCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    for (const Far far : {Far{-20, 64, -88.7f}, {20, 64, 88.8f}, {-40, 64, -200}, {25, 64, 200}, {-34, 80, -200}, {23, 80, 200}}) {
      AttentionCase which = make(dtype, MM1_ATTENTION_MASK_CAUSAL, {192}, {192}, 1, 1, far.head_size);
      which.shift = far.shift;
      const ForwardReference<float> forward = forward_reference<float>(which, inputs_of(which));
      CHECK(far.shift < 0 ? forward.log_sum_exp.back() < far.beyond : forward.log_sum_exp.back() > far.beyond);
      cases.push_back(which);
    }
  }
  check_all(cases);
}

// Where one key has all of a row's weight, its probability is 1 to the bit in both passes, and what cancels does so to the bit: gradients of
// queries and keys are 0, that of the value is that of the output, however far from zero the scores are and whatever the scale.
TEST(attention_backward, a_key_with_all_of_the_weight) {
  for (const int head_size : {40, 64, 256}) {
    AttentionCase which = make(MM1_DTYPE_FLOAT32, MM1_ATTENTION_MASK_CAUSAL, {70}, {150}, 1, 1, head_size);
    AttentionInputs inputs = inputs_of(which);
    const size_t columns = static_cast<size_t>(head_size);
    constexpr size_t kKey = 60;  // Neither in the first tile nor in the last; every query sees it.
    for (float& value : inputs.query) value += 30;
    for (size_t i = kKey * columns; i < (kKey + 1) * columns; i++) inputs.key[i] += 8;
    const Gradients gradients = run(which, inputs);
    CHECK(all_zero(gradients.query));
    CHECK(all_zero(gradients.key));
    for (size_t column = 0; column < columns; column++) {
      double sum = 0;
      double size = 0;
      for (size_t row = 0; row < 70; row++) {
        sum += static_cast<double>(inputs.output_gradient[row * columns + column]);
        size += std::fabs(inputs.output_gradient[row * columns + column]);
      }
      CHECK_NEAR(gradients.value[kKey * columns + column], sum, size * 70 / 16777216);
    }
  }
}

TEST(attention_backward, any_scale) {
  std::vector<AttentionCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    for (const float scale : {0.0f, -0.25f, 1.5f}) {
      AttentionCase which = make(dtype, MM1_ATTENTION_MASK_FULL, {40}, {70}, 2, 2, 16);
      which.scaled = true;
      which.scale = scale;
      cases.push_back(which);
    }
  }
  check_all(cases);
}

// Exactly zero: queries that see no key, keys that no query sees, rows behind the documents. What belongs to no document is NaN and is not
// read.
TEST(attention_backward, what_sees_nothing_is_zero) {
  for (const mm1_dtype dtype : kDtypes) {
    AttentionCase which = make(dtype, MM1_ATTENTION_MASK_CAUSAL, {90, 0, 20}, {10, 70, 0}, 2, 1, 32);
    which.extra = 5;
    AttentionInputs inputs = inputs_of(which);
    for (std::vector<float>* const values : {&inputs.query, &inputs.key, &inputs.value, &inputs.output_gradient}) {
      const size_t columns = static_cast<size_t>(values == &inputs.key || values == &inputs.value ? which.key_columns() : which.columns());
      for (size_t i = values->size() - 5 * columns; i < values->size(); i++) (*values)[i] = std::numeric_limits<float>::quiet_NaN();
    }
    const Gradients gradients = run(which, inputs);
    CHECK(all_zero(rows_of(gradients.query, 0, 80, which.columns())));
    CHECK(!all_zero(rows_of(gradients.query, 80, 1, which.columns())) || !all_zero(rows_of(gradients.query, 81, 1, which.columns())));
    CHECK(all_zero(rows_of(gradients.query, 90, 25, which.columns())));
    CHECK(!all_zero(rows_of(gradients.key, 0, 10, which.key_columns())));
    CHECK(all_zero(rows_of(gradients.key, 10, 75, which.key_columns())));
    CHECK(all_zero(rows_of(gradients.value, 10, 75, which.key_columns())));
  }
}

// Blocks wait for each other in the order of tickets: one resident block at a time, or many, finish with the same bits.
TEST(attention_backward, any_residency_gives_the_same_bits) {
  for (const mm1_dtype dtype : kDtypes) {
    for (const mm1_attention_mask mask : masks_of_mode()) {
      const AttentionCase which = packed(dtype, mask, mask == MM1_ATTENTION_MASK_FULL ? 128 : 32);
      const AttentionInputs inputs = inputs_of(which);
      const Gradients expected = run(which, inputs);
      for (const uint32_t residency : {1u, 7u}) {
        const WithOptions options(with_residency(residency));
        check_same(which.name() + ", residency " + std::to_string(residency), run(which, inputs), expected);
      }
    }
  }
}

TEST(attention_backward, a_hundred_runs_give_the_same_bits) {
  const int runs = is_whole() ? 100 : 5;
  for (const mm1_dtype dtype : kDtypes) {
    const AttentionCase which = make(dtype, MM1_ATTENTION_MASK_CAUSAL, {70}, {150}, 1, 1, 8);
    const AttentionInputs inputs = inputs_of(which);
    const Gradients expected = run(which, inputs);
    for (int i = 1; i < runs; i++) {
      emulator::Options options = emulator::options();
      options.seed = static_cast<uint32_t>(i * (i % 2));  // Every other run in an order of its own.
      options.residency = static_cast<uint32_t>(i % 5);
      const WithOptions with(options);
      check_same("run " + std::to_string(i), run(which, inputs), expected);
    }
  }
}

// A document's gradients have the same bits alone and among others, packed and in a batch, with more capacity, and through any loader.
TEST(attention_backward, documents_do_not_depend_on_their_neighbours) {
  for (const mm1_dtype dtype : kDtypes) {
    for (const mm1_attention_mask mask : masks_of_mode()) {
      const AttentionCase whole = packed(dtype, mask, mask == MM1_ATTENTION_MASK_CAUSAL ? 64 : 24);
      const AttentionInputs inputs = inputs_of(whole);
      const Gradients together = run(whole, inputs);
      for (const int document : {0, 5}) {
        const AttentionPart part = part_of(whole, inputs, document);
        const size_t d = static_cast<size_t>(document);
        const Gradients own = {rows_of(together.query, whole.first_query(document), whole.queries[d], whole.columns()),
                               rows_of(together.key, whole.first_key(document), whole.keys[d], whole.key_columns()),
                               rows_of(together.value, whole.first_key(document), whole.keys[d], whole.key_columns())};
        const std::string name = whole.name() + ", document " + std::to_string(document);
        check_same(name, run(part.which, part.inputs), own);
        AttentionCase other = part.which;
        other.packed = false;
        other.layout = AttentionLayout::gaps;
        other.gap = 8;
        check_same(name + " as a batch with gaps", run(other, part.inputs), own);
        other.gap = 1;
        other.offset = 1;
        check_same(name + " unaligned", run(other, part.inputs), own);
      }
    }
  }
}

// An order-dependent sum is permitted then, not required: this one is no faster.
TEST(attention_backward, the_sum_is_ordered_also_where_it_need_not_be) {
  const AttentionCase which = make(MM1_DTYPE_BFLOAT16, MM1_ATTENTION_MASK_CAUSAL, {70}, {150}, 1, 1, 8);
  const AttentionInputs inputs = inputs_of(which);
  AttentionOperands operands(which, inputs);
  operands.run_forward();
  mm1_flash_attention_backward_args args = operands.backward_args();
  args.allow_nondeterministic = 1;
  const int64_t bytes = mm1_flash_attention_backward_workspace_bytes(&args);
  DeviceBuffer workspace(MM1_DTYPE_FLOAT32, bytes / 4);
  CHECK_OK(mm1_flash_attention_backward(nullptr, &args, workspace.data(), bytes));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  check_same_bits("query gradient", operands.query_gradient(), run(which, inputs).query);
}

// cuSeqlens that exceed the capacities are the caller's mistake, but stay within the memory of the call.
TEST(attention_backward, documents_beyond_the_capacities_stay_within_memory) {
  for (const mm1_dtype dtype : kDtypes) {
    const AttentionCase which = make(dtype, MM1_ATTENTION_MASK_CAUSAL, {150}, {150}, 1, 1, 32);
    AttentionCase longer = which;
    longer.spare = -100;  // max_query_length and max_key_length are 50.
    const AttentionInputs inputs = inputs_of(which);
    const ForwardReference<float> forward = forward_reference<float>(which, inputs);
    AttentionOperands operands(longer, inputs);
    operands.set_forward_results(forward.output, forward.log_sum_exp);
    operands.run_backward();  // Checks guards.
    CHECK(!all_zero(rows_of(operands.key_gradient(), 0, 50, 32)));
  }
}

}  // namespace test
