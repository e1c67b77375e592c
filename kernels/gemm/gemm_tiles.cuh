// The matrix product of sm_80 and up, one block for each tile of the output; the kernels of all three arithmetics are this one.
//
// Maths      sum[i, j] = sum over k of op(a)[i, k] op(b)[k, j], float32, k ascending from 0, whatever the tile; then tile/epilogue.cuh.
// Operands   a [m, k] or [k, m], b [k, n] or [n, k], rows of any stride, contiguous columns; batches by strides (0 shares an operand).
// Tiles      128 x 128 or 64 x 64 outputs (gemm.h); a stage is 64 bytes of k: 32 bfloat16 or 16 float32.
// Roles      every thread copies and every warp multiplies:
//
//              stage s of 4    a: OperandTile [tile_m, 64 bytes]   b: OperandTile [tile_n, 64 bytes]       in dynamic shared memory
//              iteration t     wait for stage t, barrier (all have stage t, and are done with t - 1),
//                              start the copies of stage t + 3 into the place of t - 1, multiply stage t
//              at the end      barrier; sums into a StagedTile over the ring, barrier; epilogue, four columns a thread, whole rows a warp
//
// Budget     gemm_budget in gemm.h: 64 KB of shared memory, 128 sums a thread (float32: 64) and two blocks an SM (float32: one) for the
//            large tile, 32 KB, 32 (64) and four blocks for the small one; one barrier; fits every profile, asserted in plan.cpp.
// Order      tiles by TileOrder, problem after problem.
// Not here   split k (the order of a sum must not depend on the shape), persistent blocks, sparse or 8-bit operands.
#pragma once
#include "dev/async_copy.cuh"
#include "dev/device.cuh"
#include "gemm/gemm.h"
#include "tile/epilogue.cuh"
#include "tile/loader.cuh"
#include "tile/staged_tile.h"

namespace mm1 {

// What one launch computes: the blocks of some problems of the batch.
struct GemmSlice {
  GemmProblem problem;
  TileOrder order;
  int64_t first_problem;
};

template <class ProductOfTiles, class LoaderOfA, class LoaderOfB, class TileOfA, class TileOfB, int Stages, int ResidentBlocks>
struct GemmConfig {
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

template <class Config>
DEV_KERNEL DEV_BOUNDS(Config::Product::kThreads, Config::kResidentBlocks) gemm_tiles(const DEV_GRID_CONST GemmSlice slice) {
  using TileA = typename Config::TileA;
  using TileB = typename Config::TileB;
  using Staged = typename Config::Staged;
  constexpr int kThreads = Config::Product::kThreads;
  constexpr int kAhead = Config::kStages - 1;  // Stages on their way.

  const GemmProblem& problem = slice.problem;
  const uint32_t thread = dev::tid();
  const uint32_t ring = dev::smem_addr(dev::dynamic_smem());
  const int64_t batch_index = slice.first_problem + dev::bid_x() / slice.order.count();
  const TileIndex tile = slice.order.at(dev::bid_x() % slice.order.count());
  const int64_t first_row = tile.row * TileA::kExtent;
  const int64_t first_column = tile.column * TileB::kExtent;

  const char* const a = problem.a.data + batch_index * problem.a.batch_stride;
  const char* const b = problem.b.data + batch_index * problem.b.batch_stride;
  typename Config::LoaderA loader_a({a, problem.a.row_stride, problem.m, problem.k, first_row, !problem.a.transposed}, thread);
  typename Config::LoaderB loader_b({b, problem.b.row_stride, problem.n, problem.k, first_column, problem.b.transposed != 0}, thread);
  typename Config::Product product(thread);

  const auto load = [&](int64_t stage) {
    const uint32_t target = ring + static_cast<uint32_t>(stage % Config::kStages) * Config::kStageBytes;
    loader_a.load(target);
    loader_b.load(target + TileA::kBytes);
  };
  const int64_t stages = (problem.k + TileA::kDepth - 1) / TileA::kDepth;
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
    product.multiply(source, source + TileA::kBytes);
  }

  dev::sync_block();  // No stage is on its way (the last groups are empty), and all warps are done with the ring.
  product.template stage<Staged>(ring);
  dev::sync_block();
  const int64_t rows = problem.m - first_row;
  const int64_t columns = problem.n - first_column;
  for (uint32_t index = thread; index < TileA::kExtent * TileB::kExtent / 4; index += kThreads) {
    const uint32_t row = index / (TileB::kExtent / 4);
    const uint32_t column = index % (TileB::kExtent / 4) * 4;
    if (row >= rows || column >= columns) continue;
    const uint4 four = dev::ld_shared_16(ring + Staged::index(row, column) * 4);
    const float sums[4] = {dev::u2f(four.x), dev::u2f(four.y), dev::u2f(four.z), dev::u2f(four.w)};
    finish(problem.epilogue, batch_index, first_row + row, first_column + column, sums);
  }
}

}  // namespace mm1
