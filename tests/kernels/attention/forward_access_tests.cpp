// What the forward kernels ask of shared and global memory, counted by the emulator on whole tiles.
#include <string>
#include <vector>

#include "attention/forward.h"
#include "attention_case.h"
#include "emulator/options.h"
#include "test.h"

namespace test {

namespace {

struct Counted {
  emulator::Counters counters;
  std::vector<emulator::AccessSite> sites;
};

Counted count(const AttentionCase& which, int small, bool unaligned = false) {
  const emulator::Options before = emulator::options();
  emulator::Options options = before;
  options.count_accesses = true;
  emulator::set_options(options);
  mm1::AttentionForwardChoice choice;
  choice.small = small;
  choice.unaligned = unaligned;
  mm1::set_attention_forward_choice(choice);
  AttentionOperands operands(which, inputs_of(which));
  emulator::reset_counters();
  operands.run_forward();
  Counted result{emulator::counters(), emulator::access_sites()};
  emulator::set_options(before);
  mm1::set_attention_forward_choice({});
  return result;
}

AttentionCase whole_tiles(mm1_dtype dtype, int head_size) {
  AttentionCase which;
  which.dtype = dtype;
  which.queries = {128};
  which.keys = {128};
  which.heads = 1;
  which.key_value_heads = 1;
  which.head_size = head_size;
  which.packed = false;
  return which;
}

constexpr int kHeadSizes[] = {32, 64, 96, 128, 256};

}  // namespace

TEST(attention_forward_access, shared_memory_has_no_bank_conflicts) {
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
    for (const int head_size : kHeadSizes) {
      for (int small = 0; small < (dtype == MM1_DTYPE_BFLOAT16 ? 2 : 1); small++) {
        const AttentionCase which = whole_tiles(dtype, head_size);
        const Counted counted = count(which, small);
        CHECK_MESSAGE(counted.counters.matrix_conflicts == 0, which.name() + ": ldmatrix conflicts");
        CHECK_EQUAL(dtype == MM1_DTYPE_BFLOAT16, counted.counters.ldmatrix > 0);
        CHECK(counted.counters.shared_requests > 0);
        for (const emulator::AccessSite& site : counted.sites) {
          if (site.global) continue;
          const std::string what = which.name() + ": " + site.where + " has ";
          CHECK_MESSAGE(site.units == site.ideal, what + std::to_string(site.units) + " wavefronts, not " + std::to_string(site.ideal));
        }
      }
    }
  }
}

TEST(attention_forward_access, rows_are_read_and_written_in_whole_sectors) {
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
    for (const int head_size : kHeadSizes) {
      const AttentionCase which = whole_tiles(dtype, head_size);
      const Counted counted = count(which, 0);
      CHECK(counted.counters.global_requests > 0);
      for (const emulator::AccessSite& site : counted.sites) {
        if (!site.global) continue;
        const std::string what = which.name() + ": " + site.where + " touches ";
        CHECK_MESSAGE(site.units == site.ideal, what + std::to_string(site.units) + " sectors, not " + std::to_string(site.ideal));
      }
    }
  }
}

// Queries once, keys and values once for each tile of queries, and nothing for the padding of head size 40 to 64.
TEST(attention_forward_access, a_block_reads_its_operands_once) {
  for (const int head_size : {40, 64}) {
    const AttentionCase which = whole_tiles(MM1_DTYPE_BFLOAT16, head_size);
    const uint64_t row = static_cast<uint64_t>(head_size) * 2;
    const Counted large = count(which, 0);
    CHECK_EQUAL((128 + 2 * 128) * row, large.counters.cp_async_bytes);
    CHECK_EQUAL((128 + 2 * 2 * 128) * row, count(which, 1).counters.cp_async_bytes);
    // Two products of 128 x 128 x 64.
    CHECK_EQUAL(uint64_t{2 * 128 * 128 * 64 / (16 * 8 * 16)}, large.counters.mma);
  }
}

// Under a causal mask neither tiles beyond the diagonal are read nor warps' tiles beyond it multiplied: of 4 x 4 squares of 64, 10 are left
// of the keys, and of the products (16 queries by 64 keys at a time) as many.
TEST(attention_forward_access, tiles_that_nobody_sees_are_skipped) {
  AttentionCase which = whole_tiles(MM1_DTYPE_BFLOAT16, 32);
  which.mask = MM1_ATTENTION_MASK_CAUSAL;
  which.queries = which.keys = {256};
  const Counted counted = count(which, 1);
  const uint64_t row = 32 * 2;
  CHECK_EQUAL((256 + 2 * 10 * 64) * row, counted.counters.cp_async_bytes);
  CHECK_EQUAL(uint64_t{2 * 10 * 64 * 64 * 32 / (16 * 8 * 16)}, counted.counters.mma);
}

TEST(attention_forward_access, unaligned_operands_are_loaded_without_async_copies) {
  AttentionCase which = whole_tiles(MM1_DTYPE_BFLOAT16, 64);
  which.offset = 1;
  const Counted counted = count(which, -1);
  CHECK_EQUAL(uint64_t{0}, counted.counters.cp_async_bytes);
  CHECK_EQUAL(uint64_t{0}, counted.counters.matrix_conflicts);
  CHECK(counted.counters.mma > 0);
}

}  // namespace test
