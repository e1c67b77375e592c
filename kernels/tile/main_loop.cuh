// The main loop of matrix products for sm_80: a ring of stages in shared memory, which loaders fill by cp.async (or through registers)
// while every warp multiplies. Kernels differ in where their loaders find the operands and in what they do with the sums.
//
//   stage s of Stages   a: OperandTile [tile_m, 64 bytes]   b: OperandTile [tile_n, 64 bytes]       in dynamic shared memory
//   iteration t         wait for stage t, barrier (all have stage t, and are done with t - 1),
//                       start the copies of the stage that takes the place of t - 1, multiply stage t
//   at the end          barrier; sums into a StagedTile over the ring, barrier; four columns a thread, whole rows a warp
#pragma once
#include "dev/async_copy.cuh"
#include "dev/device.cuh"
#include "tile/operand_tile.h"
#include "tile/pack.cuh"
#include "tile/staged_tile.h"

namespace mm1 {

template <class ProductOfTiles, class LoaderOfA, class LoaderOfB, class TileOfA, class TileOfB, int Stages, int ResidentBlocks>
struct MainLoopConfig {
  using Product = ProductOfTiles;
  using LoaderA = LoaderOfA;
  using LoaderB = LoaderOfB;
  using TileA = TileOfA;
  using TileB = TileOfB;
  using Staged = StagedTile<TileA::kExtent, TileB::kExtent>;
  static constexpr int kStages = Stages;
  static constexpr int kResidentBlocks = ResidentBlocks;
  static constexpr int kStageBytes = TileA::kBytes + TileB::kBytes;
};

// Sums `stages` stages, k ascending. A loader's load(target) brings its next stage to that shared address.
template <class Config>
DEV_FN void sum_stages(typename Config::LoaderA& loader_a, typename Config::LoaderB& loader_b, typename Config::Product& product,
                       uint32_t ring, int64_t stages) {
  constexpr int kAhead = Config::kStages - 1;  // Stages on their way.
  const auto load = [&](int64_t stage) MM1_INLINE_BODY {
    const uint32_t target = ring + static_cast<uint32_t>(stage % Config::kStages) * Config::kStageBytes;
    loader_a.load(target);
    loader_b.load(target + Config::TileA::kBytes);
  };
  for (int64_t stage = 0; stage < kAhead; stage++) {
    if (stage < stages) load(stage);
    dev::cp_async_commit();
  }
  for (int64_t stage = 0; stage < stages; stage++) {
    dev::cp_async_wait<kAhead - 1>();
    dev::sync_block();
    if (stage + kAhead < stages) load(stage + kAhead);
    dev::cp_async_commit();  // Empty towards the end, so that a wait always counts the same number of groups.
    const uint32_t source = ring + static_cast<uint32_t>(stage % Config::kStages) * Config::kStageBytes;
    product.multiply(source, source + Config::TileA::kBytes);
  }
}

// Calls body(row, column, sums) for every four neighbouring sums of the tile that begin inside of [rows, columns].
template <class Config, class Body>
DEV_FN void each_four_sums(const typename Config::Product& product, uint32_t ring, uint32_t thread, int64_t rows, int64_t columns,
                           const Body& body) {
  using Staged = typename Config::Staged;
  constexpr uint32_t kFours = Staged::kColumns / 4;
  dev::sync_block();  // No stage is on its way (the last groups are empty), and all warps are done with the ring.
  product.template stage<Staged>(ring);
  dev::sync_block();
  for (uint32_t index = thread; index < Staged::kRows * kFours; index += Config::Product::kThreads) {
    const uint32_t row = index / kFours;
    const uint32_t column = index % kFours * 4;
    if (row >= rows || column >= columns) continue;
    const uint4 four = dev::ld_shared_16(ring + Staged::index(row, column) * 4);
    const float sums[4] = {dev::u2f(four.x), dev::u2f(four.y), dev::u2f(four.z), dev::u2f(four.w)};
    body(row, column, sums);
  }
}

}  // namespace mm1
