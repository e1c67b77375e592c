// Mutations of the Hopper GEMM: each is caught by the emulator, and each test names how. The same launch without a fault is right in every mode.
//
//   fault               what is wrong                                              how it shows                                       shadow
//   no_empty_wait       stages are announced again while they are in use           mbarrier: more arrivals than a phase expects       the same
//   wrong_bytes         half of a stage's bytes are not waited for                 mbarrier: more bytes than were announced           RACE wgmma / TMA load
//   early_release       a stage is free before its wgmmas were waited for          late: wrong result; seeds: DEADLOCK                RACE TMA load / wgmma
//   no_final_wait       accumulators are used while wgmma may write them           the thread ends with a wgmma in flight             RACE TMA load / wgmma
//   no_proxy_fence      TMA reads what ordinary stores wrote, without a fence      not at all: only shadow memory knows of proxies    missing fence
//   no_staging_wait     staging is rewritten while TMA may read it                 late, seeds: wrong result; early: not at all       RACE store / TMA store
//   own_release_only    the neighbour's producer waits for ever                    DEADLOCK                                           the same
#include <cstring>
#include <string>
#include <vector>

#include "support/device_buffer.h"
#include "support/samples.h"
#include "emulator/options.h"
#include "gemm/gemm.h"
#include "mm1/runtime.h"
#include "sm90_faults.h"
#include "test.h"

namespace test {

namespace {

struct Outcome {
  std::string error;          // What the emulator said.
  std::vector<float> output;  // Else.
};

struct RestoreOptions {
  emulator::Options options = emulator::options();
  ~RestoreOptions() { emulator::set_options(options); }
};

// 2 tiles of M and 3 of N, 10 stages of k: a block goes through several tiles and several rounds of the ring.
constexpr int64_t kM = 256;
constexpr int64_t kN = 384;
constexpr int64_t kK = 640;

std::vector<float> samples(uint64_t purpose, int64_t rows, int64_t columns) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) values.push_back(round_to(MM1_DTYPE_BFLOAT16, static_cast<float>(normal_sample(purpose, 0, r, c))));
  }
  return values;
}

Outcome run(Fault fault, int cluster) {
  DeviceBuffer a(MM1_DTYPE_BFLOAT16, kM, kK, kK), b(MM1_DTYPE_BFLOAT16, kN, kK, kK), output(MM1_DTYPE_BFLOAT16, kM, kN, kN);
  a.upload(samples(1, kM, kK));
  b.upload(samples(2, kN, kK));
  mm1_gemm_args args = mm1_gemm_args_default();
  args.transpose_b = MM1_TRANSPOSE_TRANSPOSED;
  args.m = kM;
  args.n = kN;
  args.k = kK;
  args.a = a.operand();
  args.b = b.operand();
  args.output = output.operand();
  const mm1::GemmProblem problem = mm1::normalise_gemm(args);
  mm1::GemmSm90Choice choice;
  choice.tile_n = 128;
  choice.cluster = cluster;
  choice.blocks = 2;
  const mm1::GemmSm90Plan plan = mm1::plan_gemm_sm90(problem, mm1::kProfileSm90, choice);
  CHECK(plan.refusal == nullptr && plan.store_by_tma && plan.cluster == cluster);
  // The launch below passes all streams; the uploads have to be done.
  CHECK_OK(mm1_stream_synchronize(nullptr));
  Outcome outcome;
  try {
    run_broken(fault, problem, plan);
    outcome.output = output.download();
  } catch (const std::exception& error) {
    outcome.error = error.what();
  }
  return outcome;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// How a fault shows in the mode that is set: the emulator's text, "wrong result", or "" where it does not.
std::string symptom(Fault fault, int cluster = 1) {
  static const std::vector<float> right = run(Fault::none, 1).output;
  CHECK(right.size() == static_cast<size_t>(kM * kN));
  const Outcome outcome = run(fault, cluster);
  if (!outcome.error.empty()) return outcome.error;
  return same_bits(outcome.output, right) ? "" : "wrong result";
}

void set_mode(bool late, uint32_t seed) {
  emulator::Options options = emulator::options();
  options.late = late;
  options.seed = seed;
  emulator::set_options(options);
}

bool in_shadow() {
#ifdef MM1_SHADOW
  return true;
#else
  return false;
#endif
}

// What a fault shows in one mode; shadow builds may say more, and say it first.
void expect(Fault fault, bool late, uint32_t seed, const std::string& symptom_text, const std::string& shadow_text, int cluster = 1) {
  const RestoreOptions restore;
  set_mode(late, seed);
  const std::string found = symptom(fault, cluster);
  const std::string& wanted = in_shadow() ? shadow_text : symptom_text;
  CHECK_CONTAINS(found, wanted);
  // An empty wanted text says that this mode cannot see the fault, which is a statement too.
  if (wanted.empty()) CHECK_EQUAL(std::string(), found);
}

}  // namespace

TEST(gemm_sm90_faults, without_a_fault_every_mode_gives_the_same_bits) {
  const RestoreOptions restore;
  for (const int cluster : {1, 2}) {
    for (const bool late : {true, false}) {
      for (uint32_t seed = 0; seed <= (in_shadow() ? 0u : 3u); seed++) {
        set_mode(late, seed);
        CHECK_EQUAL(std::string(), symptom(Fault::none, cluster));
      }
    }
  }
}

TEST(gemm_sm90_faults, no_empty_wait) {
  expect(Fault::no_empty_wait, true, 0, "more arrivals than the 1 that a phase expects", "more arrivals than the 1 that a phase expects");
  expect(Fault::no_empty_wait, true, 1, "more arrivals than the 1 that a phase expects", "more arrivals than the 1 that a phase expects");
}

TEST(gemm_sm90_faults, wrong_bytes) {
  expect(Fault::wrong_bytes, false, 0, "bytes more than were announced", "reads what TMA load wrote");
  expect(Fault::wrong_bytes, true, 1, "bytes more than were announced", "bytes more than were announced");
}

TEST(gemm_sm90_faults, early_release) {
  expect(Fault::early_release, true, 0, "wrong result", "overwrites what wgmma of warpgroup");
  expect(Fault::early_release, true, 1, "DEADLOCK", "DEADLOCK");
}

TEST(gemm_sm90_faults, no_final_wait) {
  expect(Fault::no_final_wait, true, 0, "ends with a wgmma in flight", "overwrites what wgmma of warpgroup");
  expect(Fault::no_final_wait, false, 0, "ends with a wgmma in flight", "overwrites what wgmma of warpgroup");
}

// Only the shadow memory knows of proxies.
TEST(gemm_sm90_faults, no_proxy_fence) {
  expect(Fault::no_proxy_fence, true, 0, "", "without fence_proxy_async");
  expect(Fault::no_proxy_fence, true, 1, "", "without fence_proxy_async");
}

TEST(gemm_sm90_faults, no_staging_wait) {
  expect(Fault::no_staging_wait, true, 0, "wrong result", "overwrites what TMA store reads");
  expect(Fault::no_staging_wait, true, 1, "wrong result", "overwrites what TMA store reads");
  expect(Fault::no_staging_wait, false, 0, "", "");
}

TEST(gemm_sm90_faults, own_release_only) {
  expect(Fault::own_release_only, true, 0, "DEADLOCK", "DEADLOCK", 2);
  expect(Fault::own_release_only, false, 2, "DEADLOCK", "DEADLOCK", 2);
}

}  // namespace test
