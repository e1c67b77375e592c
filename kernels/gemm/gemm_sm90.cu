// The instances of the Hopper GEMM and the choice among them: four widths of tile, four pairs of layouts.
#include "host/device.h"
#include "gemm/gemm_sm90_launch.cuh"

namespace mm1 {

namespace {

template <int tile_n, bool a_mn_major, bool b_mn_major>
mm1_status launch_instance(mm1_stream stream, const GemmProblem& problem, const GemmSm90Plan& plan) {
  GemmSm90Launch launch;
  MM1_RETURN_IF_FAILED((prepare_gemm_sm90<tile_n, a_mn_major, b_mn_major>(stream, problem, plan, &launch)));
  const dev::LaunchStatus status = dev::launch(
      launch.config, gemm_sm90_kernel<tile_n, a_mn_major, b_mn_major>, launch.map_a, launch.map_b, launch.map_output, launch.arguments);
  return launched("gemm: launch of the sm_90a kernel", status.code, status.text);
}

template <int tile_n>
mm1_status launch_layout(mm1_stream stream, const GemmProblem& problem, const GemmSm90Plan& plan) {
  // Of a, "transposed" is MN-major; of b it is K-major.
  if (!problem.a.transposed && problem.b.transposed) return launch_instance<tile_n, false, false>(stream, problem, plan);
  if (!problem.a.transposed && !problem.b.transposed) return launch_instance<tile_n, false, true>(stream, problem, plan);
  if (problem.a.transposed && !problem.b.transposed) return launch_instance<tile_n, true, true>(stream, problem, plan);
  return launch_instance<tile_n, true, false>(stream, problem, plan);
}

}  // namespace

mm1_status launch_gemm_sm90(mm1_stream stream, const GemmProblem& problem, const GemmSm90Plan& plan) {
  switch (plan.tile_n) {
    case 64:
      return launch_layout<64>(stream, problem, plan);
    case 128:
      return launch_layout<128>(stream, problem, plan);
    case 192:
      return launch_layout<192>(stream, problem, plan);
    case 256:
      return launch_layout<256>(stream, problem, plan);
    default:
      return fail(MM1_STATUS_INTERNAL_ERROR, "gemm: the sm_90a kernel has no tile of %d columns", plan.tile_n);
  }
}

}  // namespace mm1
