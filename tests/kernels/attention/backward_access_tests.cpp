// What the backward's kernels ask of shared and global memory, counted by the emulator.
#include <string>
#include <vector>

#include "attention/backward.h"
#include "attention_case.h"
#include "attention_reference.h"
#include "emulator/options.h"
#include "test.h"

namespace test {

namespace {

struct Counted {
  emulator::Counters counters;
  std::vector<emulator::AccessSite> sites;
};

// Two query tiles and two blocks of keys of the instance, one head, full attention: 4 pairs of tiles.
AttentionCase whole_tiles(mm1_dtype dtype, int head_size) {
  const mm1::AttentionBackwardTile tile = mm1::attention_backward_tile(dtype == MM1_DTYPE_FLOAT32, head_size);
  AttentionCase which;
  which.dtype = dtype;
  which.queries = {2 * tile.queries};
  which.keys = {2 * tile.keys};
  which.heads = 1;
  which.key_value_heads = 1;
  which.head_size = head_size;
  which.packed = false;
  return which;
}

Counted count(const AttentionCase& which) {
  const AttentionInputs inputs = inputs_of(which);
  const ForwardReference<float> forward = forward_reference<float>(which, inputs);
  AttentionOperands operands(which, inputs);
  operands.set_forward_results(forward.output, forward.log_sum_exp);
  const emulator::Options before = emulator::options();
  emulator::Options options = before;
  options.count_accesses = true;
  emulator::set_options(options);
  emulator::reset_counters();
  operands.run_backward();
  Counted result{emulator::counters(), emulator::access_sites()};
  emulator::set_options(before);
  return result;
}

constexpr int kBfloat16Sizes[] = {32, 64, 96, 128, 256};
constexpr int kFloat32Sizes[] = {32, 64, 128, 256};

std::vector<AttentionCase> instances() {
  std::vector<AttentionCase> cases;
  for (const int size : kBfloat16Sizes) cases.push_back(whole_tiles(MM1_DTYPE_BFLOAT16, size));
  for (const int size : kFloat32Sizes) cases.push_back(whole_tiles(MM1_DTYPE_FLOAT32, size));
  return cases;
}

}  // namespace

TEST(attention_backward_access, shared_memory_has_no_bank_conflicts) {
  for (const AttentionCase& which : instances()) {
    const Counted counted = count(which);
    CHECK_EQUAL(uint64_t{0}, counted.counters.matrix_conflicts);
    CHECK(counted.counters.shared_requests > 0);
    for (const emulator::AccessSite& site : counted.sites) {
      if (site.global) continue;
      const std::string what = which.name() + ": " + site.where + ": ";
      CHECK_MESSAGE(site.units == site.ideal, what + std::to_string(site.units) + " wavefronts, not " + std::to_string(site.ideal));
    }
  }
}

TEST(attention_backward_access, aligned_operands_are_read_and_written_in_whole_sectors) {
  for (const AttentionCase& which : instances()) {
    const Counted counted = count(which);
    CHECK(counted.counters.global_requests > 0);
    for (const emulator::AccessSite& site : counted.sites) {
      if (!site.global) continue;
      CHECK_MESSAGE(site.units == site.ideal,
                    which.name() + ": " + site.where + ": " + std::to_string(site.units) + " sectors, not " + std::to_string(site.ideal));
    }
  }
}

// Five products of a pair of tiles; seven of head size 256, whose pairs of warps repeat two of them. Keys and values come once, queries and
// output gradients once for each block of keys, rows' statistics 8 bytes each.
TEST(attention_backward_access, tiles_are_read_and_multiplied_once) {
  for (const int size : kBfloat16Sizes) {
    const AttentionCase which = whole_tiles(MM1_DTYPE_BFLOAT16, size);
    const mm1::AttentionBackwardTile tile = mm1::attention_backward_tile(false, size);
    const Counted counted = count(which);
    const uint64_t products = size == 256 ? 7 : 5;
    CHECK_EQUAL(4 * products * static_cast<uint64_t>(tile.queries * tile.keys * size) / (16 * 8 * 16), counted.counters.mma);
    const uint64_t row = static_cast<uint64_t>(size) * 2;
    const uint64_t queries = 2 * static_cast<uint64_t>(tile.queries);
    CHECK_EQUAL(2 * 2 * static_cast<uint64_t>(tile.keys) * row + 2 * queries * (2 * row + 8), counted.counters.cp_async_bytes);
  }
}

// The sum of a query gradient passes through the workspace once between two blocks of keys, 16 bytes an access.
TEST(attention_backward_access, sums_pass_through_memory_once) {
  for (const AttentionCase& which : instances()) {
    const Counted counted = count(which);
    const uint64_t bytes = static_cast<uint64_t>(which.queries[0]) * static_cast<uint64_t>(which.head_size) * 4;
    uint64_t read = 0, written = 0;
    for (const emulator::AccessSite& site : counted.sites) {
      if (!site.global || site.where.find("backward_sum") == std::string::npos) continue;
      (site.write ? written : read) += site.units * 32;
    }
    CHECK_EQUAL(bytes, read);
    CHECK_EQUAL(bytes, written);
  }
}

TEST(attention_backward_access, unaligned_operands_are_loaded_without_async_copies) {
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
    AttentionCase which = whole_tiles(dtype, 64);
    which.layout = AttentionLayout::gaps;
    which.gap = 1;
    const Counted counted = count(which);
    // Only the rows' statistics, which are the workspace's: 8 bytes each for two blocks of keys.
    CHECK_EQUAL(2 * static_cast<uint64_t>(which.queries[0]) * 8, counted.counters.cp_async_bytes);
    CHECK_EQUAL(uint64_t{0}, counted.counters.matrix_conflicts);
  }
}

}  // namespace test
