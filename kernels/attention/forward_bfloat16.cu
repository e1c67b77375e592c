// Instances of the bfloat16 kernel: five head sizes, each with many and with few queries in a block (head size 256 has few only).
#include "attention/forward_bfloat16.cuh"
#include "dev/launch.h"
#include "host/device.h"

namespace mm1 {

namespace {

template <bool Small, int Index>
mm1_status launch_instance(mm1_stream stream, const AttentionForwardLaunch& what, const AttentionForwardPlan& plan) {
  constexpr ForwardBfloat16Tile kTile = kForwardBfloat16Tiles[Small][Index];
  using Config = ForwardBfloat16Config<kTile.head_size, kTile.warp_rows, kTile.keys, kTile.query_in_registers, kTile.resident_blocks>;
  static_assert(kTile.shared_bytes() == Config::QueryTile::kBytes + 2 * Config::KeyTile::kBytes, "the budget's bytes");
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(plan.order.count()), 1, 1};
  config.block = {kForwardThreads, 1, 1};
  config.shared_bytes = static_cast<size_t>(kTile.shared_bytes());
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, attention_forward_bfloat16<Config>, what);
  return launched("flash_attention_forward", status.code, status.text);
}

template <bool Small>
mm1_status launch_size(mm1_stream stream, const AttentionForwardLaunch& what, const AttentionForwardPlan& plan) {
  switch (plan.head_size) {
    case 32:
      return launch_instance<Small, 0>(stream, what, plan);
    case 64:
      return launch_instance<Small, 1>(stream, what, plan);
    case 96:
      return launch_instance<Small, 2>(stream, what, plan);
    case 128:
      return launch_instance<Small, 3>(stream, what, plan);
    default:
      return launch_instance<true, 4>(stream, what, plan);
  }
}

}  // namespace

mm1_status launch_attention_forward_bfloat16(mm1_stream stream, const AttentionProblem& problem, const AttentionForwardPlan& plan) {
  const AttentionForwardLaunch what{problem, plan.order, plan.inputs_aligned, plan.output_aligned};
  return plan.is_small ? launch_size<true>(stream, what, plan) : launch_size<false>(stream, what, plan);
}

}  // namespace mm1
