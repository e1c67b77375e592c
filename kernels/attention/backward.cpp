// The verb mm1_flash_attention_backward: plan, workspace, dispatch. Its argument rules are in attention_checks.cpp.
#include "attention/backward.h"

#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kVerb = "flash_attention_backward";
constexpr int64_t kPartBytes = 256;  // Alignment of the workspace's parts.
constexpr float kLog2OfE = 1.4426950408889634f;

int64_t rounded_up(int64_t bytes) { return (bytes + kPartBytes - 1) / kPartBytes * kPartBytes; }

// What workspace sizes depend on: no operand takes part, but their dtype chooses the tile.
mm1_status check_record(const mm1_flash_attention_backward_args& args) {
  MM1_RETURN_IF_FAILED(check_attention_record(kVerb, args.forward));
  Check check(kVerb);
  check.reserved("reserved", args.reserved);
  return check.status();
}

}  // namespace

AttentionBackwardPlan plan_attention_backward(const mm1_flash_attention_backward_args& args, const DeviceProfile& profile) {
  const AttentionProblem problem = normalise_attention(args.forward);
  AttentionBackwardPlan plan{};
  plan.is_float32 = problem.is_float32 != 0;
  plan.tile = attention_backward_tile(plan.is_float32, problem.head_size);
  plan.shared_bytes = attention_backward_shared_bytes(plan.is_float32, plan.tile);
  // While a key head's blocks run, queries and output gradients of one query head and the sums of its query gradient pass by.
  const int64_t pair_bytes = int64_t{problem.queries.length} * problem.head_size * (2 * problem.element_bytes() + 4);
  plan.order = plan_attention_order(problem.keys, problem.key_value_heads, plan.tile.keys, pair_bytes, profile);
  plan.query_slots = int64_t{problem.queries.tokens} / plan.tile.queries + problem.queries.documents;
  const int64_t rows = int64_t{problem.queries.tokens} * problem.heads;
  plan.prepare_blocks = (rows * kPrepareLanes + kPrepareThreads - 1) / kPrepareThreads;
  if (plan.prepare_blocks == 0) plan.prepare_blocks = 1;
  // Documents of one block of keys need no sums.
  const bool sums = problem.keys.length > plan.tile.keys;
  plan.flag_count = sums ? problem.heads * plan.query_slots * plan.tile.warps : 0;
  plan.flags_at = kPartBytes;
  plan.rows_at = plan.flags_at + rounded_up(plan.flag_count * 4);
  plan.sums_at = plan.rows_at + rounded_up(rows * 8);
  plan.workspace_bytes = plan.sums_at + (sums ? problem.heads * plan.query_slots * plan.tile.queries * plan.tile.head_size * 4 : 0);
  return plan;
}

namespace {

AttentionBackwardProblem problem_of(const mm1_flash_attention_backward_args& args, const AttentionBackwardPlan& plan, void* workspace) {
  AttentionBackwardProblem problem{};
  problem.forward = normalise_attention(args.forward);
  problem.order = plan.order;
  problem.output_gradient = normalise_attention_operand(args.output_gradient, args.forward.query_tokens);
  problem.query_gradient = normalise_attention_operand(args.query_gradient, args.forward.query_tokens);
  problem.key_gradient = normalise_attention_operand(args.key_gradient, args.forward.key_tokens);
  problem.value_gradient = normalise_attention_operand(args.value_gradient, args.forward.key_tokens);
  char* const parts = static_cast<char*>(workspace);
  problem.ticket = reinterpret_cast<uint32_t*>(parts);
  problem.flags = reinterpret_cast<uint32_t*>(parts + plan.flags_at);
  problem.rows = reinterpret_cast<float*>(parts + plan.rows_at);
  problem.sums = reinterpret_cast<float*>(parts + plan.sums_at);
  problem.flag_count = plan.flag_count;
  problem.query_slots = static_cast<int32_t>(plan.query_slots);
  const AttentionProblem& forward = problem.forward;
  // Empty operands may have any address.
  const bool queries = forward.queries.tokens > 0;
  const bool keys = forward.keys.tokens > 0;
  problem.aligned_inputs = (!queries || (is_aligned(forward.query) && is_aligned(forward.output) && is_aligned(problem.output_gradient))) &&
                           (!keys || (is_aligned(forward.key) && is_aligned(forward.value)));
  problem.aligned_outputs = (!queries || is_aligned(problem.query_gradient)) &&
                            (!keys || (is_aligned(problem.key_gradient) && is_aligned(problem.value_gradient)));
  problem.scale_log2 = forward.scale * kLog2OfE;
  return problem;
}

}  // namespace

}  // namespace mm1

int64_t mm1_flash_attention_backward_workspace_bytes(const mm1_flash_attention_backward_args* given) {
  mm1_flash_attention_backward_args args;
  if (mm1::read_args(mm1::kVerb, given, &args) != MM1_STATUS_OK) return -1;
  if (mm1::check_record(args) != MM1_STATUS_OK) return -1;
  return mm1::plan_attention_backward(args, mm1::current_profile()).workspace_bytes;
}

mm1_status mm1_flash_attention_backward(mm1_stream stream, const mm1_flash_attention_backward_args* given, void* workspace,
                                        int64_t workspace_bytes) {
  mm1_flash_attention_backward_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kVerb, given, &args));
  MM1_RETURN_IF_FAILED(mm1::check_attention_backward(args));
  mm1::Check check(mm1::kVerb);
  check.workspace(workspace, workspace_bytes, mm1_flash_attention_backward_workspace_bytes(&args));
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kVerb, &stream));

  const mm1::AttentionBackwardPlan plan = mm1::plan_attention_backward(args, mm1::current_profile());
  if (plan.order.count() > mm1::kGridX || plan.prepare_blocks > mm1::kGridX) {
    return mm1::fail(MM1_STATUS_UNSUPPORTED, "flash_attention_backward: %lld blocks of keys are more than a grid has.",
                     static_cast<long long>(plan.order.count()));
  }
  const mm1::AttentionBackwardProblem problem = mm1::problem_of(args, plan, workspace);
  MM1_RETURN_IF_FAILED(mm1::launch_attention_backward_prepare(stream, problem, plan));
  if (plan.order.count() == 0) return MM1_STATUS_OK;
  return plan.is_float32 ? mm1::launch_attention_backward_float32(stream, problem, plan)
                         : mm1::launch_attention_backward_bfloat16(stream, problem, plan);
}
