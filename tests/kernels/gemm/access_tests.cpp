// What the kernels ask of shared and global memory, counted by the emulator: conflict-free fragment loads, copies of whole sectors.
#include <string>
#include <vector>

#include "emulator/options.h"
#include "gemm/gemm.h"
#include "gemm_case.h"
#include "test.h"

namespace test {

namespace {

struct Counted {
  emulator::Counters counters;
  std::vector<emulator::AccessSite> sites;
};

// Runs one case on the sm_80 kernels, every access counted.
Counted count(const GemmCase& which, int tile, bool unaligned = false) {
  const emulator::Options before = emulator::options();
  const mm1::GemmChoice choice_before = mm1::gemm_choice();
  emulator::Options options = before;
  options.count_accesses = true;
  emulator::set_options(options);
  mm1::GemmChoice choice;
  choice.sm80_only = true;
  choice.tile = tile;
  choice.unaligned = unaligned;
  mm1::set_gemm_choice(choice);
  emulator::reset_counters();
  run_gemm(which);
  Counted result{emulator::counters(), emulator::access_sites()};
  emulator::set_options(before);
  mm1::set_gemm_choice(choice_before);
  return result;
}

GemmCase whole_tiles(Arithmetic arithmetic, const char* layout) {
  GemmCase which;
  which.arithmetic = arithmetic;
  which.layout = layout;
  which.m = 128;
  which.n = 128;
  which.k = 64;
  return which;
}

bool is_in(const emulator::AccessSite& site, const char* file) { return site.where.find(file) != std::string::npos; }

}  // namespace

// Fragments (ldmatrix, and the word loads of tf32 and float32), copies into the ring, sums on their way to the epilogue.
TEST(gemm_access, shared_memory_has_no_bank_conflicts) {
  for (const Arithmetic arithmetic : {Arithmetic::bfloat16, Arithmetic::tf32, Arithmetic::float32}) {
    for (const char* const layout : {"NN", "NT", "TN", "TT"}) {
      for (const int tile : {0, 1}) {
        const GemmCase which = whole_tiles(arithmetic, layout);
        const Counted counted = count(which, tile);
        CHECK_MESSAGE(counted.counters.matrix_conflicts == 0, which.name() + ": ldmatrix conflicts");
        CHECK_MESSAGE(counted.counters.shared_requests > 0, which.name() + ": shared memory was not counted");
        for (const emulator::AccessSite& site : counted.sites) {
          if (site.global) continue;
          // Known, once a tile: the rows of a that four threads have here share their banks.
          const bool both_turned = which.turned_a() && which.turned_b();
          if (arithmetic == Arithmetic::float32 && both_turned && site.write && is_in(site, "float32_product")) continue;
          const std::string what = which.name() + " tile " + std::to_string(tile) + ": " + site.where + " has ";
          CHECK_MESSAGE(site.units == site.ideal, what + std::to_string(site.units) + " wavefronts, not " + std::to_string(site.ideal));
        }
      }
    }
  }
}

// 16 sectors of 32 bytes for the 512 bytes of a warp's copy, and whole rows in the epilogue.
TEST(gemm_access, aligned_operands_are_read_and_written_in_whole_sectors) {
  for (const Arithmetic arithmetic : {Arithmetic::bfloat16, Arithmetic::tf32, Arithmetic::float32}) {
    for (const char* const layout : {"NN", "NT", "TN", "TT"}) {
      GemmCase which = whole_tiles(arithmetic, layout);
      which.residual = Residual::own;
      which.bias = true;
      const Counted counted = count(which, 0);
      CHECK(counted.counters.global_requests > 0);
      CHECK_MESSAGE(counted.counters.global_sectors == counted.counters.global_sectors_ideal,
                    which.name() + ": " + std::to_string(counted.counters.global_sectors) + " sectors, " +
                        std::to_string(counted.counters.global_sectors_ideal) + " would do");
    }
  }
}

// The inputs of one tile are read once: m x k and k x n elements, not a byte more.
TEST(gemm_access, a_tile_reads_its_operands_once) {
  const GemmCase which = whole_tiles(Arithmetic::bfloat16, "NT");
  const Counted counted = count(which, 0);
  CHECK_EQUAL(uint64_t{(128 + 128) * 64 * 2}, counted.counters.cp_async_bytes);
  CHECK_EQUAL(uint64_t{128 / 16 * (128 / 8) * (64 / 16)}, counted.counters.mma);
}

// The loader for unaligned operands uses no cp.async, which would need their alignment.
TEST(gemm_access, unaligned_operands_are_loaded_without_async_copies) {
  GemmCase which = whole_tiles(Arithmetic::bfloat16, "NT");
  which.padding = 1;
  which.offset = 1;
  const Counted counted = count(which, -1);
  CHECK_EQUAL(uint64_t{0}, counted.counters.cp_async_bytes);
  CHECK_EQUAL(uint64_t{0}, counted.counters.matrix_conflicts);
  CHECK(counted.counters.mma > 0);
}

}  // namespace test
