// From a GemmPlan to an instance of gemm_tiles. An arithmetic has nine of them: two tiles and four transpositions with the aligned loader,
// one small tile with the unaligned one, which serves all transpositions. An Arithmetic names its kernel, its element size and its product.
#pragma once
#include "dev/launch.h"
#include "gemm/gemm_tiles.cuh"
#include "host/device.h"
#include "host/error.h"

namespace mm1 {

// Launches one configuration over the whole batch, in slices of as many problems as a grid has room for.
template <class Config>
mm1_status launch_gemm_config(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  const int64_t tiles = plan.order.count();
  const int64_t problems_per_launch = gemm_problems_per_launch(tiles);
  if (problems_per_launch == 0) {
    return fail(MM1_STATUS_UNSUPPORTED, "gemm: m = %lld, n = %lld needs more blocks than a grid has.", static_cast<long long>(problem.m),
                static_cast<long long>(problem.n));
  }
  for (int64_t first = 0; first < problem.batch; first += problems_per_launch) {
    const int64_t problems = problem.batch - first < problems_per_launch ? problem.batch - first : problems_per_launch;
    dev::LaunchConfig config;
    config.grid = {static_cast<uint32_t>(problems * tiles), 1, 1};
    config.block = {static_cast<uint32_t>(plan.threads), 1, 1};
    config.shared_bytes = static_cast<size_t>(plan.shared_bytes);
    config.stream = reinterpret_cast<dev::Stream>(stream);
    const dev::LaunchStatus status = dev::launch(config, gemm_tiles<Config>, GemmSlice{problem, plan.order, first});
    MM1_RETURN_IF_FAILED(launched("gemm", status.code, status.text));
  }
  return MM1_STATUS_OK;
}

template <class Arithmetic, GemmTile Size, bool TransposedA, bool TransposedB>
mm1_status launch_aligned_gemm(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  constexpr GemmTileShape kShape = gemm_tile_shape(Arithmetic::kKernel, Size);
  using TileA = OperandTile<Arithmetic::kElementBytes, kShape.m, !TransposedA>;
  using TileB = OperandTile<Arithmetic::kElementBytes, kShape.n, TransposedB>;
  using Product = typename Arithmetic::template Product<TileA, TileB, kShape.warp_m, kShape.warp_n>;
  using LoaderA = AlignedLoader<TileA, kShape.threads()>;
  using LoaderB = AlignedLoader<TileB, kShape.threads()>;
  constexpr int kResident = gemm_budget(Arithmetic::kKernel, Size).resident_blocks;
  return launch_gemm_config<MainLoopConfig<Product, LoaderA, LoaderB, TileA, TileB, kShape.stages, kResident>>(stream, problem, plan);
}

template <class Arithmetic>
mm1_status launch_unaligned_gemm(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  constexpr GemmTileShape kShape = gemm_tile_shape(Arithmetic::kKernel, GemmTile::small);
  using TileA = OperandTile<Arithmetic::kElementBytes, kShape.m, true>;
  using TileB = OperandTile<Arithmetic::kElementBytes, kShape.n, true>;
  using Product = typename Arithmetic::template Product<TileA, TileB, kShape.warp_m, kShape.warp_n>;
  using LoaderA = UnalignedLoader<TileA, kShape.threads()>;
  using LoaderB = UnalignedLoader<TileB, kShape.threads()>;
  constexpr int kResident = gemm_budget(Arithmetic::kKernel, GemmTile::small).resident_blocks;
  return launch_gemm_config<MainLoopConfig<Product, LoaderA, LoaderB, TileA, TileB, kShape.stages, kResident>>(stream, problem, plan);
}

template <class Arithmetic, GemmTile Size>
mm1_status launch_gemm_of_size(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  if (problem.a.transposed) {
    return problem.b.transposed ? launch_aligned_gemm<Arithmetic, Size, true, true>(stream, problem, plan)
                                : launch_aligned_gemm<Arithmetic, Size, true, false>(stream, problem, plan);
  }
  return problem.b.transposed ? launch_aligned_gemm<Arithmetic, Size, false, true>(stream, problem, plan)
                              : launch_aligned_gemm<Arithmetic, Size, false, false>(stream, problem, plan);
}

template <class Arithmetic>
mm1_status launch_gemm_tiles(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  if (!plan.is_aligned) return launch_unaligned_gemm<Arithmetic>(stream, problem, plan);
  return plan.tile == GemmTile::large ? launch_gemm_of_size<Arithmetic, GemmTile::large>(stream, problem, plan)
                                      : launch_gemm_of_size<Arithmetic, GemmTile::small>(stream, problem, plan);
}

}  // namespace mm1
