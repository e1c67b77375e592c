// What the losses ask of global and shared memory, counted by the emulator: each logit is read once, in whole sectors.
#include "emulator/options.h"
#include "loss_case.h"
#include "test.h"

namespace test {

namespace {

struct Counted {
  uint64_t read = 0;      // Sectors of packs.
  uint64_t read_ideal = 0;
  uint64_t written = 0;
  uint64_t shared_conflicts = 0;
};

template <class Case>
Counted count(const Case& which) {
  const emulator::Options before = emulator::options();
  emulator::Options options = before;
  options.count_accesses = true;
  emulator::set_options(options);
  emulator::reset_counters();
  which.run();
  Counted counted;
  for (const emulator::AccessSite& site : emulator::access_sites()) {
    const bool is_pack = site.where.find("tile/pack.cuh") != std::string::npos;
    const bool is_group = site.where.find("loss/loss_team.cuh") != std::string::npos;
    if (!site.global || (!is_pack && !is_group)) continue;
    (site.write ? counted.written : counted.read) += site.units;
    if (!site.write) counted.read_ideal += site.ideal;
  }
  counted.shared_conflicts = emulator::counters().shared_conflicts;
  emulator::set_options(before);
  return counted;
}

}  // namespace

// Forward and backward read each logit once; the backward writes each gradient once. Beside that the forward reads the target's logit.
TEST(loss_access, logits_are_read_once_in_each_direction) {
  for (const mm1_dtype dtype : {MM1_DTYPE_FLOAT32, MM1_DTYPE_BFLOAT16}) {
    for (const int64_t vocabulary : {512, 4096}) {
      CrossEntropyCase which;
      which.dtype = dtype;
      which.tokens = 8;
      which.vocabulary = vocabulary;
      const uint64_t sectors = static_cast<uint64_t>(8 * vocabulary) * (dtype == MM1_DTYPE_FLOAT32 ? 4 : 2) / 32;
      const Counted counted = count(which);
      CHECK_EQUAL(2 * sectors + 8, counted.read);
      CHECK_EQUAL(counted.read_ideal, counted.read);
      CHECK_EQUAL(sectors, counted.written);
      CHECK_EQUAL(uint64_t{0}, counted.shared_conflicts);
    }
  }
}

// Mean, variance and error of the forward, mean, variance and gradient of the backward: six passes over the target, of which all but two
// are over what the first has brought; two over the prediction.
TEST(loss_access, patches_are_read_in_whole_sectors) {
  PatchRegressionCase which;
  which.patches = 8;
  which.columns = 768;
  const uint64_t sectors = 8 * 768 * 4 / 32;
  const Counted counted = count(which);
  CHECK_EQUAL(8 * sectors, counted.read);
  CHECK_EQUAL(counted.read_ideal, counted.read);
  CHECK_EQUAL(sectors, counted.written);
  CHECK_EQUAL(uint64_t{0}, counted.shared_conflicts);
}

TEST(loss_access, contrastive_columns_have_no_bank_conflicts) {
  ContrastiveLossCase which;
  which.pairs = 128;
  which.width = 32;
  CHECK_EQUAL(uint64_t{0}, count(which).shared_conflicts);
}

}  // namespace test
