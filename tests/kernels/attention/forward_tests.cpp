// Conformance of mm1_flash_attention_forward. Mode `late` runs the whole list in both dtypes, with large and with small tiles; the others run
// a part of it each, `shadow` nothing long. What compares bits runs in every mode.
#include <cmath>
#include <cstring>

#include "attention/forward.h"
#include "attention_reference.h"
#include "emulator/options.h"
#include "host/emulated/device.h"
#include "mm1/runtime.h"
#include "support/agreement.h"
#include "test.h"

namespace test {

namespace {

constexpr mm1_dtype kDtypes[] = {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32};

bool in_shadow() {
#ifdef MM1_SHADOW
  return true;
#else
  return false;
#endif
}

// Every how many-th case of a list runs in this mode, and from which on: the modes together run all.
struct Cut {
  size_t first;
  size_t step;
};
Cut cut_of_mode() {
  const emulator::Options options = emulator::options();
  if (in_shadow()) return {0, 3};
  if (options.residency == 1) return {1, 4};
  if (options.seed != 0) return {options.seed % 4, 4};
  return options.late ? Cut{0, 1} : Cut{2, 4};
}

struct Restore {
  mm1::AttentionForwardChoice choice = mm1::attention_forward_choice();
  ~Restore() { mm1::set_attention_forward_choice(choice); }
};

void choose(int small, bool unaligned = false) {
  mm1::AttentionForwardChoice choice;
  choice.small = small;
  choice.unaligned = unaligned;
  mm1::set_attention_forward_choice(choice);
}

struct Result {
  std::vector<float> output, log_sum_exp;
};

Result run(const AttentionCase& which, const AttentionInputs& inputs) {
  AttentionOperands operands(which, inputs);
  operands.run_forward();
  return {operands.output(), which.log_sum_exp ? operands.log_sum_exp() : std::vector<float>()};
}

Result run(const AttentionCase& which) { return run(which, inputs_of(which)); }

double largest_error(const std::vector<double>& exact, const std::vector<float>& values) {
  double largest = 0;
  for (size_t i = 0; i < exact.size(); i++) {
    if (std::isfinite(exact[i])) largest = std::max(largest, std::fabs(values[i] - exact[i]));
  }
  return largest;
}

// The largest ratio of errors seen, for docs/kernels.md; printed with MM1_TEST_VERBOSE=1.
void report(const AttentionCase& which, const Result& actual, const ForwardReference<double>& exact, const ForwardReference<float>& straight) {
  if (std::getenv("MM1_TEST_VERBOSE") == nullptr) return;
  const double allowed = largest_error(exact.output, straight.output);
  std::printf("  %.3f  %s\n", allowed > 0 ? largest_error(exact.output, actual.output) / allowed : 0.0, which.name().c_str());
}

void check(const AttentionCase& which) {
  const AttentionInputs inputs = inputs_of(which);
  const ForwardReference<double> exact = forward_reference<double>(which, inputs);
  const ForwardReference<float> straight = forward_reference<float>(which, inputs);
  const Result actual = run(which, inputs);
  report(which, actual, exact, straight);
  check_agreement(which.name() + ": output", which.dtype, actual.output, exact.output, straight.output);
  if (!which.log_sum_exp) return;
  check_agreement(which.name() + ": log-sum-exp", MM1_DTYPE_FLOAT32, actual.log_sum_exp, exact.log_sum_exp, straight.log_sum_exp);
}

void check_all(const std::vector<AttentionCase>& cases) {
  Restore restore;
  const Cut cut = cut_of_mode();
  for (size_t i = cut.first; i < cases.size(); i += cut.step) {
    AttentionCase which = cases[i];
    for (const mm1_dtype dtype : kDtypes) {
      which.dtype = dtype;
      for (int small = 0; small < (dtype == MM1_DTYPE_BFLOAT16 ? 2 : 1); small++) {
        // A cut list meets each choice in turn.
        if (cut.step > 1 && dtype == MM1_DTYPE_BFLOAT16 && static_cast<size_t>(small) != i / cut.step % 2) continue;
        choose(small);
        check(which);
      }
    }
  }
}

AttentionCase of(mm1_attention_mask mask, std::vector<int> queries, std::vector<int> keys) {
  AttentionCase which;
  which.mask = mask;
  which.queries = std::move(queries);
  which.keys = std::move(keys);
  return which;
}

AttentionCase one_head(AttentionCase which) {
  which.heads = 1;
  which.key_value_heads = 1;
  return which;
}

constexpr mm1_attention_mask kFull = MM1_ATTENTION_MASK_FULL;
constexpr mm1_attention_mask kCausal = MM1_ATTENTION_MASK_CAUSAL;
constexpr mm1_attention_mask kPrefix = MM1_ATTENTION_MASK_PREFIX;

}  // namespace

TEST(attention_forward, pairs_of_lengths) {
  std::vector<AttentionCase> cases = {of(kCausal, {1}, {1}),   of(kFull, {239}, {1}),  of(kCausal, {239}, {1}), of(kCausal, {3}, {300}),
                                      of(kCausal, {0}, {19}),  of(kFull, {19}, {0}),   of(kFull, {65}, {129}),  of(kCausal, {130}, {100}),
                                      of(kFull, {1}, {1}),     of(kFull, {}, {}),      of(kCausal, {64}, {64}), of(kCausal, {127}, {128})};
  for (size_t i = 0; i < cases.size(); i += 2) cases[i].layout = AttentionLayout::gaps;
  check_all(cases);
}

TEST(attention_forward, long_pairs) {
  Restore restore;
  const std::vector<AttentionCase> cases = {one_head(of(kCausal, {799}, {3})), one_head(of(kCausal, {1023}, {1024}))};
  const bool whole = cut_of_mode().step == 1;
  for (const AttentionCase& one : cases) {
    if (in_shadow() && one.keys[0] > 3) continue;
    AttentionCase which = one;
    for (const mm1_dtype dtype : kDtypes) {
      if (dtype == MM1_DTYPE_FLOAT32 && !whole) continue;
      which.dtype = dtype;
      choose(0);
      check(which);
    }
  }
}

// Lengths that are odd everywhere.
TEST(attention_forward, every_head_size) {
  std::vector<AttentionCase> cases;
  for (const int head_size : {8, 24, 32, 40, 64, 72, 80, 96, 120, 128, 136, 200, 256}) {
    AttentionCase which = of(kCausal, {77}, {101});
    which.key_value_heads = 1;
    which.head_size = head_size;
    which.layout = AttentionLayout::gaps;
    cases.push_back(which);
  }
  check_all(cases);
}

TEST(attention_forward, grouped_heads_batches_and_packed_documents) {
  std::vector<AttentionCase> cases;
  AttentionCase which = of(kCausal, {70, 51}, {70, 51});
  which.heads = 8;
  which.key_value_heads = 2;
  which.head_size = 24;
  which.layout = AttentionLayout::fused;
  cases.push_back(which);
  which = of(kFull, {66}, {131});
  which.heads = 4;
  which.key_value_heads = 1;
  which.head_size = 64;
  cases.push_back(which);
  which = of(kCausal, {65, 65, 65}, {65, 65, 65});
  which.packed = false;
  which.layout = AttentionLayout::fused;
  cases.push_back(which);
  which = of(kFull, {48, 48}, {96, 96});
  which.packed = false;
  which.extra = 5;
  which.layout = AttentionLayout::gaps;
  cases.push_back(which);
  which = of(kCausal, {0, 5, 0, 64, 1, 130, 0, 0}, {0, 5, 0, 64, 1, 130, 0, 0});
  which.extra = 7;
  which.spare = 100;
  which.layout = AttentionLayout::fused;
  cases.push_back(which);
  which = of(kCausal, {5, 0, 64, 17, 9}, {7, 12, 40, 17, 0});
  which.extra = 3;
  cases.push_back(which);
  which = of(kFull, {3, 0, 2}, {0, 4, 5});
  which.extra = 200;
  cases.push_back(which);
  // More documents than a warp has lanes.
  which = one_head(of(kCausal, std::vector<int>(70, 3), std::vector<int>(70, 3)));
  for (size_t i = 0; i < 70; i += 9) which.queries[i] = which.keys[i] = static_cast<int>(i);
  cases.push_back(which);
  check_all(cases);
}

// None, part, all, beyond the keys, with lengths that differ.
TEST(attention_forward, prefixes) {
  AttentionCase which = of(kPrefix, {60, 60, 60, 60, 90, 10}, {60, 60, 60, 60, 30, 75});
  which.prefixes = {0, 23, 60, 99, 20, 70};
  which.layout = AttentionLayout::gaps;
  AttentionCase batch = of(kPrefix, {100, 100}, {100, 100});
  batch.packed = false;
  batch.prefixes = {70, 1};
  batch.head_size = 64;
  check_all({which, batch});
}

// Scores far from zero, length % 128 == 64: log-sum-exp near -400 (exp of it is 0) and near 400 (infinite), and rows of one large probability.
TEST(attention_forward, extreme_scores) {
  std::vector<AttentionCase> cases;
  for (const double shift : {-70.0, 70.0}) {
    AttentionCase which = one_head(of(shift < 0 ? kCausal : kFull, {192}, {192}));
    which.shift = shift;
    cases.push_back(which);
  }
  AttentionCase sharp = one_head(of(kCausal, {192}, {192}));
  sharp.spread = 6;
  cases.push_back(sharp);
  check_all(cases);
  AttentionCase low = cases[0];
  const Result result = run(low);
  for (const float value : result.log_sum_exp) CHECK(value < -88.7f);
}

TEST(attention_forward, any_scale) {
  std::vector<AttentionCase> cases;
  for (const float scale : {0.0f, -0.25f, 1.0f, -2.0f}) {
    AttentionCase which = of(kCausal, {70}, {90});
    which.scaled = true;
    which.scale = scale;
    cases.push_back(which);
  }
  check_all(cases);
}

// Any address and any stride take slower accesses with the same bits.
TEST(attention_forward, alignment_changes_no_bit) {
  Restore restore;
  for (const mm1_dtype dtype : kDtypes) {
    for (const int head_size : {40, 64}) {
      AttentionCase which = of(kCausal, {50, 20}, {50, 31});
      which.dtype = dtype;
      which.head_size = head_size;
      choose(-1);
      const Result expected = run(which);
      choose(-1, true);
      const Result forced = run(which);
      check_same_bits("output, slower accesses", forced.output, expected.output);
      check_same_bits("log-sum-exp, slower accesses", forced.log_sum_exp, expected.log_sum_exp);
      choose(-1);
      which.layout = AttentionLayout::gaps;
      for (const int gap : {1, 8}) {
        for (const int offset : {0, 1, 8}) {
          which.gap = gap;
          which.offset = offset;
          const Result actual = run(which);
          check_same_bits(which.name() + ": output", actual.output, expected.output);
          check_same_bits(which.name() + ": log-sum-exp", actual.log_sum_exp, expected.log_sum_exp);
        }
      }
    }
  }
}

TEST(attention_forward, log_sum_exp_is_optional) {
  for (const mm1_dtype dtype : kDtypes) {
    AttentionCase which = of(kCausal, {40}, {40});
    which.dtype = dtype;
    const Result with = run(which);
    which.log_sum_exp = false;
    AttentionOperands without(which, inputs_of(which));
    without.run_forward();
    check_same_bits("output", without.output(), with.output);
    for (const float value : without.log_sum_exp()) CHECK(std::isnan(value));  // Not written.
  }
}

TEST(attention_forward, the_same_bits_every_time) {
  const int repeats = in_shadow() ? 3 : 100;
  for (const mm1_dtype dtype : kDtypes) {
    AttentionCase which = of(kCausal, {33, 7}, {40, 7});
    which.dtype = dtype;
    const AttentionInputs inputs = inputs_of(which);
    const Result expected = run(which, inputs);
    AttentionOperands operands(which, inputs);
    for (int i = 0; i < repeats; i++) {
      operands.run_forward();
      check_same_bits("output", operands.output(), expected.output);
      check_same_bits("log-sum-exp", operands.log_sum_exp(), expected.log_sum_exp);
    }
  }
}

namespace {

// Rows [first, first + count) of document `document` of the whole are `part`, to the bit.
void check_part(const char* what, const AttentionCase& whole, const Result& all, int document, int first, int count, const Result& part) {
  const int row = whole.first_query(document) + first;
  check_same_bits(whole.name() + ": " + what, part.output, rows_of(all.output, row, count, whole.columns()));
  for (int head = 0; head < whole.heads; head++) {
    const int at = head * whole.query_tokens() + row;
    check_same_bits(whole.name() + ": log-sum-exp, " + what, rows_of(part.log_sum_exp, head * count, count, 1),
                    rows_of(all.log_sum_exp, at, count, 1));
  }
}

}  // namespace

// A row alone, in a batch, in packed documents with other neighbours, in tiles of another size: the same bits.
TEST(attention_forward, bits_depend_on_no_neighbour) {
  Restore restore;
  for (const mm1_dtype dtype : kDtypes) {
    for (const mm1_attention_mask mask : {kCausal, kFull, kPrefix}) {
      AttentionCase whole = of(mask, {150, 20, 0, 66}, {150, 33, 5, 66});
      whole.dtype = dtype;
      if (mask == kPrefix) whole.prefixes = {100, 7, 0, 66};
      whole.heads = 2;
      whole.key_value_heads = 1;
      whole.head_size = 40;
      whole.extra = 4;
      choose(0);
      const AttentionInputs inputs = inputs_of(whole);
      const Result all = run(whole, inputs);
      for (const int document : {0, 1, 3}) {
        const AttentionPart part = part_of(whole, inputs, document);
        choose(document == 3 ? 0 : 1);
        check_part("document alone", whole, all, document, 0, part.which.queries[0], run(part.which, part.inputs));
        AttentionCase twice = part.which;
        twice.packed = false;
        check_part("document alone, no cuSeqlens", whole, all, document, 0, part.which.queries[0], run(twice, part.inputs));
      }
      // Row 101 alone: of a causal document what is left sees the keys up to its own.
      const int row = 101;
      const int keys = mask == kCausal ? row + 1 : mask == kPrefix ? row + 1 : 150;
      AttentionPart one = part_of(whole, inputs, 0, row, 1, keys);
      choose(-1);
      check_part("row alone", whole, all, 0, row, 1, run(one.which, one.inputs));
      choose(1);
      const Result small = run(whole, inputs);
      check_same_bits("output of small tiles", small.output, all.output);
      check_same_bits("log-sum-exp of small tiles", small.log_sum_exp, all.log_sum_exp);
    }
  }
}

// The largest tiles fit each device, and which device it is changes no bit.
TEST(attention_forward, every_profile_gives_the_same_bits) {
  const mm1::DeviceProfile* before = nullptr;
  CHECK_OK(mm1::emulated::profile(&before));
  for (const mm1_dtype dtype : kDtypes) {
    for (const int head_size : {128, 256}) {
      AttentionCase which = one_head(of(kCausal, {60}, {70}));
      which.dtype = dtype;
      which.head_size = head_size;
      const Result expected = run(which);
      for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
        mm1::emulated::set_profile(profile);
        const Result actual = run(which);
        mm1::emulated::set_profile(*before);
        check_same_bits(std::string(profile.name) + ": output", actual.output, expected.output);
        check_same_bits(std::string(profile.name) + ": log-sum-exp", actual.log_sum_exp, expected.log_sum_exp);
      }
    }
  }
}

// A captured call replayed after cuSeqlens have changed computes the new documents: the grid and the record are those of the capacities.
TEST(attention_forward, documents_are_read_when_the_kernel_runs) {
  for (const mm1_dtype dtype : kDtypes) {
    AttentionCase before = of(kCausal, {20, 0, 30}, {20, 0, 30});
    before.dtype = dtype;
    before.spare = 15;
    AttentionCase after = before;
    after.queries = after.keys = {4, 45, 1};
    const AttentionInputs inputs = inputs_of(before);
    const Result expected = run(after, inputs);
    AttentionOperands operands(before, inputs);
    CHECK_OK(mm1_stream_synchronize(nullptr));  // The operands were filled on the library's own stream.
    const mm1_flash_attention_forward_args args = operands.forward_args();
    mm1_stream stream = nullptr;
    mm1_graph graph = nullptr;
    mm1_graph_instance instance = nullptr;
    CHECK_OK(mm1_stream_create(&stream));
    CHECK_OK(mm1_graph_begin_capture(stream));
    CHECK_OK(mm1_flash_attention_forward(stream, &args, nullptr, 0));
    CHECK_OK(mm1_graph_end_capture(stream, &graph));
    CHECK_OK(mm1_graph_instantiate(graph, &instance));
    const int32_t offsets[] = {0, 4, 49, 50};
    CHECK_OK(mm1_memory_copy_to_device(stream, const_cast<int32_t*>(args.cu_seqlens_query), offsets, sizeof offsets));
    CHECK_OK(mm1_memory_copy_to_device(stream, const_cast<int32_t*>(args.cu_seqlens_key), offsets, sizeof offsets));
    CHECK_OK(mm1_graph_launch(instance, stream));
    CHECK_OK(mm1_stream_synchronize(stream));
    check_same_bits("output", operands.output(), expected.output);
    check_same_bits("log-sum-exp", operands.log_sum_exp(), expected.log_sum_exp);
    CHECK_OK(mm1_graph_instance_destroy(instance));
    CHECK_OK(mm1_graph_destroy(graph));
    CHECK_OK(mm1_stream_destroy(stream));
  }
}

// NaN that nobody may read: keys and values of other documents and behind all of them, queries of others.
TEST(attention_forward, what_is_not_seen_is_not_read) {
  for (const mm1_dtype dtype : kDtypes) {
    AttentionCase which = of(kFull, {20, 30, 10}, {20, 45, 10});
    which.dtype = dtype;
    which.extra = 6;
    AttentionInputs inputs = inputs_of(which);
    const Result expected = run(which, inputs);
    const auto spoil = [&](std::vector<float>* values, int first, int last, int columns) {
      for (size_t i = static_cast<size_t>(first * columns); i < static_cast<size_t>(last * columns); i++) (*values)[i] = std::nanf("");
    };
    for (std::vector<float>* values : {&inputs.key, &inputs.value}) {
      spoil(values, 0, 20, which.key_columns());
      spoil(values, 65, 81, which.key_columns());
    }
    spoil(&inputs.query, 0, 20, which.columns());
    spoil(&inputs.query, 50, 66, which.columns());
    const Result actual = run(which, inputs);
    check_same_bits("output", rows_of(actual.output, 20, 30, which.columns()), rows_of(expected.output, 20, 30, which.columns()));
    for (const float value : rows_of(actual.output, 60, 6, which.columns())) CHECK_EQUAL(0.0f, value);
    for (const float value : rows_of(actual.output, 0, 20, which.columns())) CHECK(std::isnan(value));
  }
}

}  // namespace test
