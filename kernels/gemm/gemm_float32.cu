// float32 products and sums by fused multiply-adds (gemm_tiles.cuh): true float32, never tf32.
#include "gemm/gemm_launch.cuh"
#include "tile/float32_product.cuh"

namespace mm1 {

namespace {

struct Arithmetic {
  static constexpr GemmKernel kKernel = GemmKernel::float32;
  static constexpr int kElementBytes = 4;
  template <class TileA, class TileB, int WarpM, int WarpN>
  using Product = Float32Product<TileA, TileB, WarpM, WarpN>;
};

}  // namespace

mm1_status launch_gemm_float32(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  return launch_gemm_tiles<Arithmetic>(stream, problem, plan);
}

}  // namespace mm1
