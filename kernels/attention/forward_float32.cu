// Instances of the float32 kernel: five head sizes.
#include "attention/forward_float32.cuh"
#include "dev/launch.h"
#include "host/device.h"

namespace mm1 {

namespace {

template <int Index>
mm1_status launch_instance(mm1_stream stream, const AttentionForwardLaunch& what, const AttentionForwardPlan& plan) {
  constexpr ForwardFloat32Tile kTile = kForwardFloat32Tiles[Index];
  using Config = ForwardFloat32Config<kTile.head_size, kTile.slab_columns, kTile.resident_blocks>;
  static_assert(kTile.shared_bytes() == Config::QueryTile::kBytes + Config::kStages * Config::Slab::kBytes +
                                            kForwardThreads / 32 * Config::Probabilities::kBytes,
                "the budget's bytes");
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(plan.order.count()), 1, 1};
  config.block = {kForwardThreads, 1, 1};
  config.shared_bytes = static_cast<size_t>(kTile.shared_bytes());
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, attention_forward_float32<Config>, what);
  return launched("flash_attention_forward", status.code, status.text);
}

}  // namespace

mm1_status launch_attention_forward_float32(mm1_stream stream, const AttentionProblem& problem, const AttentionForwardPlan& plan) {
  const AttentionForwardLaunch what{problem, plan.order, plan.inputs_aligned, plan.output_aligned};
  switch (plan.head_size) {
    case 32:
      return launch_instance<0>(stream, what, plan);
    case 64:
      return launch_instance<1>(stream, what, plan);
    case 96:
      return launch_instance<2>(stream, what, plan);
    case 128:
      return launch_instance<3>(stream, what, plan);
    default:
      return launch_instance<4>(stream, what, plan);
  }
}

}  // namespace mm1
