// float32 operands rounded to tf32 (10 bits of mantissa) with float32 sums, by mma.sync m16n8k8 (gemm_tiles.cuh). Only where
// MM1_MATH_MODE_TF32 asks for it.
#include "gemm/gemm_launch.cuh"
#include "tile/mma_product.cuh"

namespace mm1 {

namespace {

struct Arithmetic {
  static constexpr GemmKernel kKernel = GemmKernel::tf32_sm80;
  static constexpr int kElementBytes = 4;
  template <class TileA, class TileB, int WarpM, int WarpN>
  using Product = MmaProduct<TileA, TileB, WarpM, WarpN>;
};

}  // namespace

mm1_status launch_gemm_tf32_sm80(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  return launch_gemm_tiles<Arithmetic>(stream, problem, plan);
}

}  // namespace mm1
