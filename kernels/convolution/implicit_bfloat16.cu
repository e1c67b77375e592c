// Dense convolutions in bfloat16 with float32 sums, by mma.sync m16n8k16 (implicit_gemm.cuh).
#include "convolution/implicit_gemm.cuh"
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

mm1_status launch_implicit_bfloat16(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan) {
  if (plan.access == ConvolutionAccess::elements) return launch_any<Arithmetic>(stream, verb, problem, plan);
  if (plan.access == ConvolutionAccess::words) {
    return problem.pass == static_cast<int32_t>(ConvolutionPass::forward)
               ? launch_forward<Arithmetic, GemmTile::small, 4>(stream, verb, problem, plan)
               : launch_weight<Arithmetic, GemmTile::small, 4>(stream, verb, problem, plan);
  }
  return plan.tile == GemmTile::large ? launch_chunks<Arithmetic, GemmTile::large>(stream, verb, problem, plan)
                                      : launch_chunks<Arithmetic, GemmTile::small>(stream, verb, problem, plan);
}

}  // namespace mm1
