// Products of the Hopper GEMM on the emulator, with every instance forced in turn. The whole list runs in mode `late`; `early` and the seeds take
// every third case, `shadow` every seventh; the tests that compare bits run in every mode.
#include <string>
#include <vector>

#include "support/agreement.h"
#include "../gemm_case.h"
#include "emulator/options.h"
#include "gemm/gemm.h"
#include "test.h"

namespace test {

namespace {

struct Instance {
  int tile_n;
  int cluster;
};

constexpr Instance kInstances[] = {{64, 1}, {128, 1}, {128, 2}, {192, 1}, {192, 2}, {256, 1}, {256, 2}};
constexpr const char* kLayouts[] = {"NT", "NN", "TN", "TT"};

// Forces an instance while it lives.
class Forced {
 public:
  explicit Forced(const mm1::GemmSm90Choice& choice) : before_(mm1::gemm_choice()) {
    mm1::GemmChoice forced;
    forced.sm90 = choice;
    mm1::set_gemm_choice(forced);
  }
  explicit Forced(const Instance& instance, int blocks = 0) : Forced(choice_of(instance, blocks)) {}
  ~Forced() { mm1::set_gemm_choice(before_); }

 private:
  static mm1::GemmSm90Choice choice_of(const Instance& instance, int blocks) {
    mm1::GemmSm90Choice choice;
    choice.tile_n = instance.tile_n;
    choice.cluster = instance.cluster;
    choice.blocks = blocks;
    return choice;
  }

  mm1::GemmChoice before_;
};

// Restores what a test changes in the emulator.
struct RestoreOptions {
  emulator::Options options = emulator::options();
  ~RestoreOptions() { emulator::set_options(options); }
};

bool in_shadow() {
#ifdef MM1_SHADOW
  return true;
#else
  return false;
#endif
}

// Every how many-th case of a list runs in this mode.
size_t stride_of_mode() {
  if (in_shadow()) return 7;
  const emulator::Options options = emulator::options();
  return options.late && options.seed == 0 ? 1 : 3;
}

// `padding` makes rows of m, n and k elements multiples of 16 bytes, which this kernel asks for.
GemmCase product(const char* layout, int64_t m, int64_t n, int64_t k, int64_t padding = 0) {
  GemmCase which;
  which.layout = layout;
  which.m = m;
  which.n = n;
  which.k = k;
  which.padding = padding;
  return which;
}

// A case that the Hopper kernel must have run: had the plan left it to another kernel, the test would show nothing.
void check_on_sm90(const GemmCase& which) {
  emulator::reset_counters();
  check_gemm_case(which);
  CHECK_MESSAGE(emulator::counters().wgmma > 0, which.name() + " did not run on the Hopper kernel");
}

std::vector<float> run_on_sm90(const GemmCase& which) {
  emulator::reset_counters();
  const std::vector<float> output = run_gemm(which).output;
  CHECK_MESSAGE(emulator::counters().wgmma > 0, which.name() + " did not run on the Hopper kernel");
  return output;
}

}  // namespace

// Extents of one, around tiles and stages and between them; every layout, on every instance.
TEST(gemm_sm90, agrees_at_every_shape_and_layout) {
  struct Shape {
    int64_t m, n, k, padding;
  };
  const Shape shapes[] = {{1, 1, 1, 7}, {128, 256, 64, 0}, {136, 264, 72, 0}, {129, 257, 65, 7}, {257, 129, 193, 7}, {300, 516, 132, 4}};
  size_t i = 0;
  for (const Shape& shape : shapes) {
    for (const char* const layout : kLayouts) {
      for (const Instance& instance : kInstances) {
        if (i++ % stride_of_mode() != 0 || (in_shadow() && shape.m > 200)) continue;
        const Forced forced(instance);
        check_on_sm90(product(layout, shape.m, shape.n, shape.k, shape.padding));
      }
    }
  }
}

// Many rounds of the ring within one tile.
TEST(gemm_sm90, agrees_over_long_sums) {
  for (size_t i = 0; i < 4; i++) {
    if (in_shadow() && i > 0) break;
    const Forced forced(kInstances[i + 1]);
    check_on_sm90(product(kLayouts[i], 72, 136, in_shadow() ? 584 : 2056));
  }
}

// Both ways out of the accumulators: TMA (plain epilogues into aligned rows) and rows of the warps (everything else), bf16 and float32.
TEST(gemm_sm90, agrees_with_every_epilogue) {
  std::vector<GemmCase> cases;
  for (const bool float32_output : {false, true}) {
    GemmCase which = product("NT", 137, 138, 72);
    which.float32_output = float32_output;
    which.bias = true;
    which.alpha = -0.75f;
    // Columns that no vector fits; pairs; fours and TMA; each with rows that end within a tile.
    for (const int64_t n : {135, 138, 140, 136}) {
      which.n = n;
      cases.push_back(which);
    }
    which.n = 136;
    which.pre_activation = true;
    cases.push_back(which);
    which.activation = MM1_ACTIVATION_GELU;
    cases.push_back(which);
    which.beta = 0.5f;
    which.residual = Residual::own;
    cases.push_back(which);
    which.n = 135;
    cases.push_back(which);
    which.pre_activation = false;
    which.gradient = true;
    which.activation = MM1_ACTIVATION_SILU;
    cases.push_back(which);
    which = product("TN", 136, 72, 200);
    which.float32_output = float32_output;
    which.beta = 1;
    cases.push_back(which);
    which.beta = 0;
    which.residual = Residual::output;
    cases.push_back(which);
  }
  size_t i = 0;
  for (const Instance& instance : kInstances) {
    const Forced forced(instance);
    for (const GemmCase& which : cases) {
      if (i++ % stride_of_mode() == 0) check_on_sm90(which);
    }
  }
}

TEST(gemm_sm90, agrees_for_batches) {
  size_t i = 0;
  for (const Instance& instance : kInstances) {
    const Forced forced(instance, 3);
    for (const char* const layout : {"NT", "TN"}) {
      for (int variant = 0; variant < 4; variant++) {
        GemmCase which = product(layout, 136, 72, 72);
        which.batch = 3;
        which.share_a = variant == 1;
        which.share_b = variant == 2;
        which.heads = variant == 3;
        if (i++ % stride_of_mode() == 0) check_on_sm90(which);
      }
    }
  }
}

// A block goes from tile to tile: the ring, the staging blocks and their parities carry over. Grids of one block to one for every tile.
TEST(gemm_sm90, persistent_blocks_give_the_same_bits) {
  const RestoreOptions restore;
  GemmCase which = product("NT", in_shadow() ? 136 : 300, in_shadow() ? 264 : 520, 136, 4);
  which.padding = 0;
  which.bias = true;
  for (const Instance& instance : kInstances) {
    if (in_shadow() && instance.tile_n == 64) continue;
    std::vector<float> expected;
    for (const int blocks : {0, 1, 2, 4}) {
      emulator::Options options = restore.options;
      options.residency = blocks == 4 ? 4 : 1;
      emulator::set_options(options);
      const Forced forced(instance, blocks);
      const std::vector<float> output = run_on_sm90(which);
      if (expected.empty()) expected = output;
      check_same_bits(which.name() + " by " + std::to_string(blocks) + " blocks", output, expected);
    }
  }
}

// An element's bits depend on k alone: every instance, layout and way out gives the same, with any rows and problems beside.
TEST(gemm_sm90, instances_agree_bitwise) {
  std::vector<float> expected;
  for (const char* const layout : kLayouts) {
    for (const Instance& instance : kInstances) {
      if (in_shadow() && instance.cluster == 2 && layout != kLayouts[0]) continue;
      GemmCase which = product(layout, 136, 72, 200);
      which.bias = true;
      for (const bool rows_only : {false, true}) {
        mm1::GemmSm90Choice choice;
        choice.tile_n = instance.tile_n;
        choice.cluster = instance.cluster;
        choice.rows_only = rows_only;
        const Forced forced(choice);
        const std::vector<float> output = run_on_sm90(which);
        if (expected.empty()) expected = output;
        check_same_bits(which.name(), output, expected);
      }
      const Forced forced(instance);
      which.m = 8;
      which.batch = 2;
      const std::vector<float> few = run_on_sm90(which);
      const auto first = static_cast<std::ptrdiff_t>(8 * which.n);
      check_same_bits(which.name(), {few.begin(), few.begin() + first}, {expected.begin(), expected.begin() + first});
    }
  }
}

TEST(gemm_sm90, repetitions_give_the_same_bits) {
  for (const Instance& instance : kInstances) {
    const Forced forced(instance);
    GemmCase which = product("NN", 136, 264, 136);
    which.activation = MM1_ACTIVATION_GELU_TANH;
    const std::vector<float> first = run_on_sm90(which);
    check_same_bits(which.name(), run_on_sm90(which), first);
  }
}

// The staging of both epilogues: stmatrix, 8-byte stores and 16-byte loads of a warp meet each bank once.
TEST(gemm_sm90, staging_has_no_bank_conflicts) {
  const RestoreOptions restore;
  emulator::Options options = restore.options;
  options.count_accesses = true;
  emulator::set_options(options);
  for (const bool float32_output : {false, true}) {
    for (const bool rows_only : {false, true}) {
      mm1::GemmSm90Choice choice;
      choice.tile_n = 128;
      choice.cluster = 1;
      choice.rows_only = rows_only;
      const Forced forced(choice);
      GemmCase which = product("NT", 128, 128, 64);
      which.float32_output = float32_output;
      run_on_sm90(which);
      const emulator::Counters counters = emulator::counters();
      CHECK_EQUAL(uint64_t{0}, counters.matrix_conflicts);
      CHECK_EQUAL(!float32_output && !rows_only, counters.stmatrix > 0);
      uint64_t staged = 0;
      for (const emulator::AccessSite& site : emulator::access_sites()) {
        if (site.global || (site.where.find("fragment_staging") == std::string::npos && site.where.find("gemm_sm90") == std::string::npos)) continue;
        staged += site.requests;
        CHECK_MESSAGE(site.units == site.ideal, site.where + ": " + std::to_string(site.units) + " wavefronts, " + std::to_string(site.ideal) + " needed");
      }
      CHECK_EQUAL(float32_output || rows_only, staged > 0);
      CHECK_EQUAL(rows_only, counters.tma_store_bytes == 0);
    }
  }
}

// What a cluster multicasts is read from global memory once: the bytes that arrive are the same.
TEST(gemm_sm90, tma_moves_what_the_tiles_need) {
  for (const Instance& instance : kInstances) {
    const Forced forced(instance);
    const int64_t n = 768;
    run_on_sm90(product("NT", 256, n, 128));
    const uint64_t tiles = static_cast<uint64_t>(2 * n / instance.tile_n);
    const uint64_t stage = static_cast<uint64_t>((128 + instance.tile_n) * 64 * 2);
    CHECK_EQUAL(tiles * 2 * stage, emulator::counters().tma_load_bytes);
    CHECK_EQUAL(tiles * 2 * 2 * 4, emulator::counters().wgmma);
    CHECK_EQUAL(uint64_t{256 * 768 * 2}, emulator::counters().tma_store_bytes);
  }
}

}  // namespace test
