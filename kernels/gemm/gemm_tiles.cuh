// The matrix product of sm_80 and up, one block for each tile of the output; the kernels of all three arithmetics are this one.
//
// Maths      sum[i, j] = sum over k of op(a)[i, k] op(b)[k, j], float32, k ascending from 0, whatever the tile; then tile/epilogue.cuh.
// Operands   a [m, k] or [k, m], b [k, n] or [n, k], rows of any stride, contiguous columns; batches by strides (0 shares an operand).
// Tiles      128 x 128 or 64 x 64 outputs (gemm.h); a stage is 64 bytes of k: 32 bfloat16 or 16 float32.
// Roles      every thread copies and every warp multiplies, four stages in the ring: tile/main_loop.cuh; then the epilogue.
//
// Budget     gemm_budget in gemm.h: 64 KB of shared memory, 128 sums a thread (float32: 64) and two blocks an SM (float32: one) for the
//            large tile, 32 KB, 32 (64) and four blocks for the small one; one barrier; fits every profile, asserted in plan.cpp.
// Order      tiles by TileOrder, problem after problem.
// Not here   split k (the order of a sum must not depend on the shape), persistent blocks, sparse or 8-bit operands.
#pragma once
#include "dev/device.cuh"
#include "gemm/gemm.h"
#include "tile/epilogue.cuh"
#include "tile/loader.cuh"
#include "tile/main_loop.cuh"

namespace mm1 {

// What one launch computes: the blocks of some problems of the batch.
struct GemmSlice {
  GemmProblem problem;
  TileOrder order;
  int64_t first_problem;
};

template <class Config>
DEV_KERNEL DEV_BOUNDS(Config::Product::kThreads, Config::kResidentBlocks) gemm_tiles(const DEV_GRID_CONST GemmSlice slice) {
  using TileA = typename Config::TileA;
  using TileB = typename Config::TileB;

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

  sum_stages<Config>(loader_a, loader_b, product, ring, (problem.k + TileA::kDepth - 1) / TileA::kDepth);
  const int64_t rows = problem.m - first_row;
  const int64_t columns = problem.n - first_column;
  each_four_sums<Config>(product, ring, thread, rows, columns, [&](uint32_t row, uint32_t column, const float(&sums)[4]) MM1_INLINE_BODY {
    finish(problem.epilogue, batch_index, first_row + row, first_column + column, sums);
  });
}

}  // namespace mm1
