// bfloat16 products with float32 sums: mma.sync m16n8k16 under gemm_tiles.cuh. A product of two bfloat16 is exact in float32.
#include "gemm/gemm_launch.cuh"
#include "tile/mma_product.cuh"

namespace mm1 {

namespace {

constexpr GemmTileShape kLarge = kMmaTiles[static_cast<int>(GemmTile::large)];
constexpr GemmTileShape kSmall = kMmaTiles[static_cast<int>(GemmTile::small)];

struct Bfloat16 {
  static constexpr int kElementBytes = 2;
  template <class TileA, class TileB, const GemmTileShape& Shape>
  using Product = MmaProduct<TileA, TileB, Shape.warp_m, Shape.warp_n>;
};

}  // namespace

mm1_status launch_gemm_bfloat16_sm80(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  return launch_gemm_tiles<Bfloat16, kLarge, kSmall>(stream, problem, plan);
}

}  // namespace mm1
