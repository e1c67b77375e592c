// Conformance of mm1_flash_attention_decode and mm1_key_value_cache_append: every test in every mode, fewer repetitions in `shadow`.
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "attention/decode.h"
#include "attention_case.h"
#include "attention_reference.h"
#include "decode_case.h"
#include "emulator/options.h"
#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "support/agreement.h"
#include "support/device_buffer.h"
#include "support/samples.h"
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

struct RestoreOptions {
  emulator::Options options = emulator::options();
  ~RestoreOptions() { emulator::set_options(options); }
};

std::vector<float> run(const DecodeCase& which, const AttentionInputs& inputs) { return DecodeOperands(which, inputs).run(); }

std::vector<float> run(const DecodeCase& which) { return run(which, inputs_of(which.as_attention())); }

void check(const DecodeCase& which) {
  try {
    const AttentionCase attention = which.as_attention();
    const AttentionInputs inputs = inputs_of(attention);
    check_agreement("output", which.dtype, run(which, inputs), forward_reference<double>(attention, inputs).output,
                    forward_reference<float>(attention, inputs).output);
  } catch (const std::exception& error) {
    throw Failure(which.name() + ": " + error.what());
  }
}

DecodeCase decode(mm1_dtype dtype, std::vector<int> lengths, int query_length, int max_length, int heads, int key_value_heads, int head_size) {
  DecodeCase which;
  which.dtype = dtype;
  which.lengths = std::move(lengths);
  which.query_length = query_length;
  which.max_length = max_length;
  which.heads = heads;
  which.key_value_heads = key_value_heads;
  which.head_size = head_size;
  return which;
}

// Row `row` of [rows, columns].
std::vector<float> row_of(const std::vector<float>& values, int row, int columns) { return rows_of(values, row, 1, columns); }

}  // namespace

TEST(decode, agrees) {
  std::vector<DecodeCase> cases;
  for (const mm1_dtype dtype : kDtypes) {
    // Lengths around tiles, warps and splits; heads that share keys, new tokens that share them, more of both than a tile of rows.
    cases.push_back(decode(dtype, {77, 0, 1, 128, 150, 64}, 1, 150, 2, 2, 32));
    cases.push_back(decode(dtype, {15, 16, 17, 63, 65, 127}, 1, 130, 8, 2, 64));
    cases.push_back(decode(dtype, {77, 0, 1, 2, 3, 64}, 3, 77, 4, 1, 40));
    cases.push_back(decode(dtype, {5, 100}, 70, 150, 2, 1, 24));
    cases.push_back(decode(dtype, {40}, 3, 64, 34, 2, 16));
    cases.push_back(decode(dtype, {255, 256, 257, 258, 300}, 2, 300, 2, 1, 32));
    cases.push_back(decode(dtype, {1000, 20, 512, 0}, 1, 1024, 1, 1, 64));
    cases.push_back(decode(dtype, {530}, 20, 600, 2, 2, 8));
    for (const int head_size : {8, 72, 80, 96, 128, 136, 200, 256}) cases.push_back(decode(dtype, {37, 270}, 2, 270, 2, 1, head_size));
    cases.push_back(decode(dtype, {}, 1, 10, 2, 2, 32));
    cases.push_back(decode(dtype, {0, 0}, 2, 0, 2, 2, 32));
    // Other layouts, other factors, sharp rows.
    for (const int offset : {0, 1}) {
      for (const int gap : {3, 4, 8}) {
        DecodeCase which = decode(dtype, {33, 290}, 2, 291, 4, 2, 48);
        which.gap = gap;
        which.offset = offset;
        cases.push_back(which);
      }
    }
    for (const float scale : {0.0f, -0.25f, 3.0f}) {
      DecodeCase which = decode(dtype, {33, 120}, 1, 120, 2, 2, 32);
      which.scaled = true;
      which.scale = scale;
      cases.push_back(which);
    }
    DecodeCase sharp = decode(dtype, {400, 64}, 1, 400, 2, 2, 32);
    sharp.spread = 6;
    cases.push_back(sharp);
  }
  for (const DecodeCase& which : cases) check(which);
}

// A sequence has the same bits alone, among others, in another place of the batch, in a larger cache, at other addresses; and a token's
// row has those that it has when it is the only new token.
TEST(decode, a_row_depends_on_its_own_keys_alone) {
  for (const mm1_dtype dtype : kDtypes) {
    const DecodeCase together = decode(dtype, {61, 0, 290, 17}, 3, 290, 4, 2, in_shadow() ? 32 : 72);
    const AttentionCase attention = together.as_attention();
    const AttentionInputs inputs = inputs_of(attention);
    const std::vector<float> all = run(together, inputs);
    const int columns = attention.columns();
    check_same_bits("again", run(together, inputs), all);
    DecodeCase elsewhere = together;
    elsewhere.max_length = 700;
    check_same_bits("in a larger cache", run(elsewhere, inputs), all);
    elsewhere = together;
    elsewhere.gap = 1;
    elsewhere.offset = 1;
    check_same_bits("unaligned", run(elsewhere, inputs), all);
    for (const int sequence : {0, 2, 3}) {
      const int length = together.lengths[static_cast<size_t>(sequence)];
      const std::vector<float> own = rows_of(all, sequence * 3, 3, columns);
      const AttentionInputs alone = part_of(attention, inputs, sequence).inputs;
      check_same_bits("alone", run(decode(dtype, {length}, 3, length, 4, 2, together.head_size), alone), own);
      for (int token = 0; token < 3; token++) {
        const int seen = length - 2 + token;
        const AttentionInputs single = part_of(attention, inputs, sequence, token, 1, seen).inputs;
        check_same_bits("one token", run(decode(dtype, {seen}, 1, 290, 4, 2, together.head_size), single), row_of(own, token, columns));
      }
    }
  }
}

// Heads that share a key head have the bits that they have with a copy of it of their own.
TEST(decode, heads_do_not_depend_on_their_group) {
  for (const mm1_dtype dtype : kDtypes) {
    const DecodeCase grouped = decode(dtype, {45, 300}, 1, 300, 6, 1, 32);
    const AttentionInputs inputs = inputs_of(grouped.as_attention());
    AttentionInputs copied = inputs;
    copied.key.clear();
    copied.value.clear();
    for (size_t row = 0; row < inputs.key.size() / 32; row++) {
      for (int head = 0; head < 6; head++) {
        const auto from = static_cast<std::ptrdiff_t>(row * 32);
        copied.key.insert(copied.key.end(), inputs.key.begin() + from, inputs.key.begin() + from + 32);
        copied.value.insert(copied.value.end(), inputs.value.begin() + from, inputs.value.begin() + from + 32);
      }
    }
    check_same_bits("copied", run(decode(dtype, {45, 300}, 1, 300, 6, 6, 32), copied), run(grouped, inputs));
  }
}

// Who comes last adds the splits: with one resident block, with several, and every time.
TEST(decode, splits_are_added_alike_whoever_comes_last) {
  const RestoreOptions restore;
  for (const mm1_dtype dtype : kDtypes) {
    const DecodeCase which = decode(dtype, {900, 256, 513}, 1, 900, 2, 1, 16);
    const AttentionInputs inputs = inputs_of(which.as_attention());
    const std::vector<float> expected = run(which, inputs);
    for (const uint32_t residency : {1u, 4u}) {
      emulator::Options options = restore.options;
      options.residency = residency;
      options.threads = residency == 1 ? 1 : 0;
      emulator::set_options(options);
      check_same_bits("residency " + std::to_string(residency), run(which, inputs), expected);
    }
    for (uint32_t seed = 1; seed <= (in_shadow() ? 2u : 8u); seed++) {
      emulator::Options options = restore.options;
      options.seed = seed;
      emulator::set_options(options);
      check_same_bits("seed " + std::to_string(seed), run(which, inputs), expected);
    }
    emulator::set_options(restore.options);
    const DecodeCase small = decode(dtype, {300}, 1, 300, 1, 1, 8);
    DecodeOperands operands(small, inputs_of(small.as_attention()));
    const std::vector<float> first = operands.run();
    for (int i = 0; i < (in_shadow() ? 10 : 100); i++) check_same_bits("repetition", operands.run(), first);
  }
}

// NaN stays in the rows of its sequence and head; an infinite score too.
TEST(decode, nans_and_infinities_stay_where_they_belong) {
  for (const mm1_dtype dtype : kDtypes) {
    const DecodeCase which = decode(dtype, {40, 40, 40}, 1, 40, 2, 2, 16);
    AttentionInputs inputs = inputs_of(which.as_attention());
    const std::vector<float> clean = run(which, inputs);
    inputs.query[32 + 3] = NAN;              // Sequence 1, head 0.
    inputs.key[(80 + 5) * 32 + 16] = NAN;    // Sequence 2, head 1.
    const std::vector<float> result = run(which, inputs);
    for (size_t row = 0; row < 3; row++) {
      for (size_t column = 0; column < 32; column++) {
        const bool poisoned = (row == 1 && column < 16) || (row == 2 && column >= 16);
        CHECK_EQUAL(poisoned, std::isnan(result[row * 32 + column]));
        if (!poisoned) CHECK_EQUAL(clean[row * 32 + column], result[row * 32 + column]);
      }
    }
  }
}

// Captured once, replayed with the lengths of the moment: counters are cleared by the graph itself.
TEST(decode, a_graph_reads_lengths_when_it_runs) {
  for (const mm1_dtype dtype : kDtypes) {
    DecodeCase which = decode(dtype, {300, 520}, 1, 520, 2, 1, 16);
    const AttentionInputs inputs = inputs_of(which.as_attention());
    DecodeOperands operands(which, inputs);
    const int64_t bytes = mm1_flash_attention_decode_workspace_bytes(&operands.args);
    const Workspace workspace(bytes);
    mm1_stream stream = nullptr;
    CHECK_OK(mm1_stream_create(&stream));
    mm1_graph graph = nullptr;
    mm1_graph_instance instance = nullptr;
    CHECK_OK(mm1_graph_begin_capture(stream));
    CHECK_OK(mm1_flash_attention_decode(stream, &operands.args, workspace.memory, bytes));
    CHECK_OK(mm1_graph_end_capture(stream, &graph));
    CHECK_OK(mm1_graph_instantiate(graph, &instance));
    for (const std::vector<int>& lengths : {std::vector<int>{300, 520}, {12, 257}, {0, 300}, {300, 520}}) {
      operands.set_lengths(lengths);
      CHECK_OK(mm1_stream_synchronize(nullptr));
      const std::vector<float> expected = operands.run();
      CHECK_OK(mm1_graph_launch(instance, stream));
      CHECK_OK(mm1_stream_synchronize(stream));
      check_same_bits("replayed", operands.output(), expected);
      if (lengths[0] == 0) check_same_bits("no key", row_of(expected, 0, 32), std::vector<float>(32, 0.0f));
    }
    CHECK_OK(mm1_graph_instance_destroy(instance));
    CHECK_OK(mm1_graph_destroy(graph));
    CHECK_OK(mm1_stream_destroy(stream));
  }
}

TEST(decode, every_instance_fits_every_profile) {
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    for (const int element_bytes : {2, 4}) {
      for (const int64_t head_size : {8, 64, 72, 128, 136, 256}) {
        const mm1::DecodeBudget budget{element_bytes, mm1::decode_columns(head_size)};
        CHECK(budget.columns >= head_size);
        CHECK_MESSAGE(budget.fits(profile), std::string(profile.name) + " element " + std::to_string(element_bytes) + " head " +
                                                std::to_string(head_size) + ": " + std::to_string(budget.shared_bytes()) + " bytes, " +
                                                std::to_string(budget.registers()) + " registers");
      }
    }
  }
}

namespace {

// Rows that nothing was appended to keep their poison; sequences in any order, padding among them.
void check_append(mm1_dtype dtype, int heads, int head_size, int gap, int offset) {
  const int columns = heads * head_size, batch = 3, capacity = 7;
  const std::vector<int> sequences = {2, -1, 0, 1, 2, 0}, positions = {6, 100, 0, 3, 1, 5};
  const int64_t tokens = static_cast<int64_t>(sequences.size());
  const auto values = [&](uint64_t purpose, int64_t rows) {
    std::vector<float> result;
    for (int64_t r = 0; r < rows; r++) {
      for (int c = 0; c < columns; c++) result.push_back(round_to(dtype, static_cast<float>(normal_sample(purpose, 0, r, c))));
    }
    return result;
  };
  DeviceBuffer key(dtype, tokens, columns, columns + gap, offset), value(dtype, tokens, columns, columns + 2 * gap);
  DeviceBuffer key_cache(dtype, batch * capacity, columns, columns + 3 * gap), value_cache(dtype, batch * capacity, columns, columns + gap, offset);
  const std::vector<float> given[] = {values(1, tokens), values(2, tokens)};
  std::vector<float> expected[] = {values(3, batch * capacity), values(4, batch * capacity)};
  key.upload(given[0]);
  value.upload(given[1]);
  key_cache.upload(expected[0]);
  value_cache.upload(expected[1]);
  const auto sequence_buffer = device_integers(sequences), position_buffer = device_integers(positions);
  mm1_key_value_cache_append_args args = mm1_key_value_cache_append_args_default();
  args.tokens = tokens;
  args.batch = batch;
  args.max_length = capacity;
  args.key_value_heads = heads;
  args.head_size = head_size;
  args.sequences = static_cast<const int32_t*>(sequence_buffer->data());
  args.positions = static_cast<const int32_t*>(position_buffer->data());
  args.key = key.operand();
  args.value = value.operand();
  args.key_cache = key_cache.operand();
  args.value_cache = value_cache.operand();
  CHECK_OK(mm1_key_value_cache_append(nullptr, &args, nullptr, 0));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  for (int which = 0; which < 2; which++) {
    for (size_t t = 0; t < sequences.size(); t++) {
      if (sequences[t] < 0) continue;
      const std::ptrdiff_t row = (sequences[t] * capacity + positions[t]) * columns;
      const std::ptrdiff_t from = static_cast<std::ptrdiff_t>(t) * columns;
      std::copy(given[which].begin() + from, given[which].begin() + from + columns, expected[which].begin() + row);
    }
  }
  check_same_bits("key cache", key_cache.download(), expected[0]);
  check_same_bits("value cache", value_cache.download(), expected[1]);
}

}  // namespace

TEST(append, writes_rows_where_they_belong) {
  for (const mm1_dtype dtype : kDtypes) {
    check_append(dtype, 2, 8, 0, 0);
    check_append(dtype, 3, 80, 8, 0);
    check_append(dtype, 3, 5, 1, 1);
    check_append(dtype, 1, 4, 2, 2);
    check_append(dtype, 20, 128, 4, 0);
    check_append(dtype, 20, 128, 3, 1);
  }
  mm1_key_value_cache_append_args none = mm1_key_value_cache_append_args_default();
  none.batch = 2;
  none.max_length = 3;
  none.key_value_heads = 2;
  none.head_size = 8;
  CHECK_OK(mm1_key_value_cache_append(nullptr, &none, nullptr, 0));
}

TEST(append, moves_sixteen_bytes_at_a_time_where_it_can) {
  const RestoreOptions restore;
  emulator::Options options = restore.options;
  options.count_accesses = true;
  emulator::set_options(options);
  emulator::reset_counters();
  check_append(MM1_DTYPE_BFLOAT16, 4, 64, 16, 0);
  const emulator::Counters counters = emulator::counters();
  CHECK(counters.global_requests > 0);
  // Five tokens of two rows of 512 bytes, loaded and stored by warps of 512 bytes; and the places of 6 tokens.
  uint64_t wide = 0;
  for (const emulator::AccessSite& site : emulator::access_sites()) {
    if (site.where.find("key_value_cache_append") == std::string::npos || site.ideal < 16 * site.requests) continue;
    wide += site.requests;
    CHECK_EQUAL(site.ideal, site.units);
  }
  CHECK_EQUAL(uint64_t{2 * 2 * 5}, wide);
}

// Fragments, weights and what warps leave for each other meet in no bank; the cache is read once for all heads of a group.
TEST(decode, reads_the_cache_once_and_without_bank_conflicts) {
  const RestoreOptions restore;
  emulator::Options options = restore.options;
  options.count_accesses = true;
  emulator::set_options(options);
  for (const mm1_dtype dtype : kDtypes) {
    for (const int head_size : {64, 128, 256}) {
      emulator::reset_counters();
      const DecodeCase which = decode(dtype, {256}, 1, 256, 16, 1, head_size);
      run(which);
      const emulator::Counters counters = emulator::counters();
      const std::string what = which.name() + ": ";
      const uint64_t element = dtype == MM1_DTYPE_FLOAT32 ? 4 : 2;
      CHECK_EQUAL(256 * 2 * static_cast<uint64_t>(head_size) * element, counters.cp_async_bytes);
      CHECK_EQUAL(uint64_t{0}, counters.matrix_conflicts);
      CHECK_MESSAGE(counters.global_sectors == counters.global_sectors_ideal,
                    what + std::to_string(counters.global_sectors) + " sectors, " + std::to_string(counters.global_sectors_ideal) + " would do");
      for (const emulator::AccessSite& site : emulator::access_sites()) {
        if (site.global) continue;
        CHECK_MESSAGE(site.units == site.ideal,
                      what + site.where + " has " + std::to_string(site.units) + " wavefronts, not " + std::to_string(site.ideal));
      }
    }
  }
}

// ---- argument rules -------------------------------------------------------------------------------------------------------------------

namespace {

struct BrokenDecode {
  const char* rule;
  void (*change)(mm1_flash_attention_decode_args&);
  mm1_status status;
};

}  // namespace

TEST(decode, broken_rules_are_named_before_anything_is_written) {
  const DecodeCase which = decode(MM1_DTYPE_BFLOAT16, {300, 5}, 1, 300, 4, 2, 16);
  DecodeOperands operands(which, inputs_of(which.as_attention()));
  const std::vector<float> before = operands.output();
  const BrokenDecode rules[] = {
      {"batch is -1; it must not be negative", [](auto& a) { a.batch = -1; }, MM1_STATUS_INVALID_ARGUMENT},
      {"query_length is -1", [](auto& a) { a.query_length = -1; }, MM1_STATUS_INVALID_ARGUMENT},
      {"max_length is -4", [](auto& a) { a.max_length = -4; }, MM1_STATUS_INVALID_ARGUMENT},
      {"key_value_heads 3 does not divide heads 4", [](auto& a) { a.key_value_heads = 3; }, MM1_STATUS_INVALID_ARGUMENT},
      {"head_size is 9; it must be a multiple of 8 from 8 to 256", [](auto& a) { a.head_size = 9; }, MM1_STATUS_INVALID_ARGUMENT},
      {"head_size is 264", [](auto& a) { a.head_size = 264; }, MM1_STATUS_INVALID_ARGUMENT},
      {"lengths is missing", [](auto& a) { a.lengths = nullptr; }, MM1_STATUS_INVALID_ARGUMENT},
      {"query is missing", [](auto& a) { a.query.data = nullptr; }, MM1_STATUS_INVALID_ARGUMENT},
      {"key_cache is missing", [](auto& a) { a.key_cache.data = nullptr; }, MM1_STATUS_INVALID_ARGUMENT},
      {"value_cache has row_stride 31, less than its 32 columns", [](auto& a) { a.value_cache.row_stride = 31; }, MM1_STATUS_INVALID_ARGUMENT},
      {"output has dtype float32", [](auto& a) { a.output.dtype = MM1_DTYPE_FLOAT32; }, MM1_STATUS_INVALID_ARGUMENT},
      {"output overlaps query", [](auto& a) { a.output.data = a.query.data; }, MM1_STATUS_INVALID_ARGUMENT},
      {"reserved", [](auto& a) { a.reserved = 1; }, MM1_STATUS_INVALID_ARGUMENT},
      {"has dtype float16", [](auto& a) { a.query.dtype = MM1_DTYPE_FLOAT16; }, MM1_STATUS_UNSUPPORTED},
  };
  const int64_t bytes = mm1_flash_attention_decode_workspace_bytes(&operands.args);
  const Workspace workspace(bytes);
  for (const BrokenDecode& broken : rules) {
    mm1_flash_attention_decode_args args = operands.args;
    broken.change(args);
    CHECK_FAILS_WITH(broken.status, broken.rule, mm1_flash_attention_decode(nullptr, &args, workspace.memory, bytes));
  }
  CHECK_FAILS_WITH(MM1_STATUS_WORKSPACE_TOO_SMALL, "the workspace has", mm1_flash_attention_decode(nullptr, &operands.args, workspace.memory, bytes - 1));
  check_same_bits("output", operands.output(), before);
  mm1_flash_attention_decode_args args = operands.args;
  args.heads = 3;
  CHECK_EQUAL(int64_t{-1}, mm1_flash_attention_decode_workspace_bytes(&args));
  // Cleared counters, states, sums: of 2 splits and 4 rows in each of 2 sequences. One split needs nothing.
  CHECK_EQUAL(int64_t{256 + 256 + 8 * 2 * 16 * 4}, bytes);
  args = operands.args;
  args.max_length = 256;
  CHECK_EQUAL(int64_t{0}, mm1_flash_attention_decode_workspace_bytes(&args));
}

TEST(append, broken_rules_are_named) {
  DeviceBuffer tokens(MM1_DTYPE_FLOAT32, 2, 16, 16), values(MM1_DTYPE_FLOAT32, 2, 16, 16);
  DeviceBuffer keys(MM1_DTYPE_FLOAT32, 8, 16, 16), cache(MM1_DTYPE_FLOAT32, 8, 16, 16);
  const auto places = device_integers({0, 1});
  mm1_key_value_cache_append_args good = mm1_key_value_cache_append_args_default();
  good.tokens = 2;
  good.batch = 2;
  good.max_length = 4;
  good.key_value_heads = 2;
  good.head_size = 8;
  good.sequences = good.positions = static_cast<const int32_t*>(places->data());
  good.key = tokens.operand();
  good.value = values.operand();
  good.key_cache = keys.operand();
  good.value_cache = cache.operand();
  const auto fails = [&](mm1_status status, const char* rule, void (*change)(mm1_key_value_cache_append_args&)) {
    mm1_key_value_cache_append_args args = good;
    change(args);
    CHECK_FAILS_WITH(status, rule, mm1_key_value_cache_append(nullptr, &args, nullptr, 0));
  };
  fails(MM1_STATUS_INVALID_ARGUMENT, "tokens is -1", [](auto& a) { a.tokens = -1; });
  fails(MM1_STATUS_INVALID_ARGUMENT, "sequences is missing", [](auto& a) { a.sequences = nullptr; });
  fails(MM1_STATUS_INVALID_ARGUMENT, "positions is missing", [](auto& a) { a.positions = nullptr; });
  fails(MM1_STATUS_INVALID_ARGUMENT, "value is missing", [](auto& a) { a.value.data = nullptr; });
  fails(MM1_STATUS_INVALID_ARGUMENT, "key_cache has dtype bfloat16", [](auto& a) { a.key_cache.dtype = MM1_DTYPE_BFLOAT16; });
  fails(MM1_STATUS_INVALID_ARGUMENT, "overlaps", [](auto& a) { a.value_cache.data = a.key_cache.data; });
  fails(MM1_STATUS_UNSUPPORTED, "float64", [](auto& a) { a.key.dtype = MM1_DTYPE_FLOAT64; });
  for (const float value : keys.download()) CHECK(std::isnan(value));
  for (const float value : cache.download()) CHECK(std::isnan(value));
}

}  // namespace test
