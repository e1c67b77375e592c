// bfloat16 products with float32 sums, by mma.sync m16n8k16 (gemm_tiles.cuh). The product of two bfloat16 is exact in float32.
#include "gemm/gemm_launch.cuh"
#include "tile/mma_product.cuh"

namespace mm1 {

namespace {

struct Arithmetic {
  static constexpr GemmKernel kKernel = GemmKernel::bfloat16_sm80;
  static constexpr int kElementBytes = 2;
  template <class TileA, class TileB, int WarpM, int WarpN>
  using Product = MmaProduct<TileA, TileB, WarpM, WarpN>;
};

}  // namespace

mm1_status launch_gemm_bfloat16_sm80(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  return launch_gemm_tiles<Arithmetic>(stream, problem, plan);
}

}  // namespace mm1
