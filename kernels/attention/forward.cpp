// The verb mm1_flash_attention_forward: plan and dispatch.
#include "attention/forward.h"

#include <atomic>

#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kVerb = "flash_attention_forward";

constexpr bool every_budget_fits() {
  for (const DeviceProfile& profile : kProfiles) {
    for (int i = 0; i < kHeadSizeCount; i++) {
      for (int size = 0; size < 2; size++) {
        if (!kForwardBfloat16Tiles[size][i].budget().fits(profile)) return false;
      }
      if (!kForwardFloat32Tiles[i].budget().fits(profile)) return false;
    }
  }
  return true;
}

static_assert(every_budget_fits(), "a tile of forward.h asks for more than a device has");

constexpr int head_size_index(int head_size) {
  int index = 0;
  while (kHeadSizes[index] != head_size) index++;
  return index;
}

// Large tiles read keys and values half as often, but leave more rows empty at a document's end and give fewer blocks.
bool prefers_small(const AttentionProblem& problem, const DeviceProfile& profile, int large_rows) {
  const int64_t longest = problem.queries.length < problem.queries.tokens ? problem.queries.length : problem.queries.tokens;
  if (longest <= large_rows / 2) return true;
  return (int64_t{problem.queries.tokens} + large_rows - 1) / large_rows * problem.heads < profile.multiprocessors;
}

std::atomic<int> g_small{-1};
std::atomic<bool> g_unaligned{false};

mm1_status launch(mm1_stream stream, const AttentionProblem& problem, const AttentionForwardPlan& plan) {
  if (plan.kernel == AttentionForwardKernel::nothing) return MM1_STATUS_OK;
  if (plan.order.count() > kGridX) {
    return fail(MM1_STATUS_UNSUPPORTED, "%s: %lld heads and %lld tiles of queries need more blocks than a grid has.", kVerb,
                static_cast<long long>(problem.heads), static_cast<long long>(plan.order.count() / problem.heads));
  }
  return plan.kernel == AttentionForwardKernel::float32 ? launch_attention_forward_float32(stream, problem, plan)
                                                        : launch_attention_forward_bfloat16(stream, problem, plan);
}

}  // namespace

AttentionForwardPlan plan_attention_forward(const AttentionProblem& problem, const DeviceProfile& profile,
                                            const AttentionForwardChoice& choice) {
  AttentionForwardPlan plan;
  if (problem.queries.tokens == 0 || problem.heads == 0) return plan;
  plan.head_size = padded_head_size(problem.head_size);
  plan.inputs_aligned = !choice.unaligned && is_aligned(problem.query) && is_aligned(problem.key) && is_aligned(problem.value);
  plan.output_aligned = !choice.unaligned && is_aligned(problem.output);
  plan.threads = kForwardThreads;
  const int index = head_size_index(plan.head_size);
  if (problem.is_float32) {
    const ForwardFloat32Tile& tile = kForwardFloat32Tiles[index];
    plan.kernel = AttentionForwardKernel::float32;
    plan.rows = ForwardFloat32Tile::kRows;
    plan.keys = ForwardFloat32Tile::kKeys;
    plan.shared_bytes = tile.shared_bytes();
  } else {
    plan.kernel = AttentionForwardKernel::bfloat16;
    plan.is_small = choice.small >= 0 ? choice.small != 0 : prefers_small(problem, profile, kForwardBfloat16Tiles[0][index].rows());
    const ForwardBfloat16Tile& tile = kForwardBfloat16Tiles[plan.is_small][index];
    plan.rows = tile.rows();
    plan.keys = tile.keys;
    plan.shared_bytes = tile.shared_bytes();
  }
  // Keys and values of one key head, which a group of pairs shares.
  const int64_t keys = problem.keys.length < problem.keys.tokens ? problem.keys.length : problem.keys.tokens;
  const int64_t pair_bytes = 2 * keys * problem.head_size * problem.element_bytes() / (problem.group > 0 ? problem.group : 1);
  plan.order = plan_attention_order(problem.queries, problem.heads, plan.rows, pair_bytes, profile);
  return plan;
}

AttentionForwardChoice attention_forward_choice() {
  AttentionForwardChoice choice;
  choice.small = g_small.load();
  choice.unaligned = g_unaligned.load();
  return choice;
}

void set_attention_forward_choice(const AttentionForwardChoice& choice) {
  g_small = choice.small;
  g_unaligned = choice.unaligned;
}

}  // namespace mm1

int64_t mm1_flash_attention_forward_workspace_bytes(const mm1_flash_attention_forward_args* given) {
  mm1_flash_attention_forward_args args;
  if (mm1::read_args(mm1::kVerb, given, &args) != MM1_STATUS_OK) return -1;
  return mm1::check_attention_record(mm1::kVerb, args) == MM1_STATUS_OK ? 0 : -1;
}

mm1_status mm1_flash_attention_forward(mm1_stream stream, const mm1_flash_attention_forward_args* given, void* /*workspace*/,
                                       int64_t /*workspace_bytes*/) {
  mm1_flash_attention_forward_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kVerb, given, &args));
  MM1_RETURN_IF_FAILED(mm1::check_attention_forward(args));
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kVerb, &stream));
  const mm1::AttentionProblem problem = mm1::normalise_attention(args);
  return mm1::launch(stream, problem, mm1::plan_attention_forward(problem, mm1::current_profile(), mm1::attention_forward_choice()));
}
