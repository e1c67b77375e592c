// Dense convolutions in true float32, by fused multiply-adds (implicit_gemm.cuh): never tf32. Small tiles only.
#include "convolution/implicit_gemm.cuh"
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

mm1_status launch_implicit_float32(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan) {
  if (plan.access == ConvolutionAccess::elements) return launch_any<Arithmetic>(stream, verb, problem, plan);
  return launch_chunks<Arithmetic, GemmTile::small>(stream, verb, problem, plan);
}

}  // namespace mm1
