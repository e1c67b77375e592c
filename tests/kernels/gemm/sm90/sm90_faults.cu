#include "gemm/sm90/sm90_faults.h"

#include "gemm/gemm_sm90_launch.cuh"

namespace test {

namespace {

template <mm1::GemmSm90Fault fault>
void run(const mm1::GemmSm90Launch& launch) {
  dev::launch_now(launch.config, mm1::gemm_sm90_kernel<128, false, false, fault>, launch.map_a, launch.map_b, launch.map_output, launch.arguments);
}

}  // namespace

void run_broken(Fault fault, const mm1::GemmProblem& problem, const mm1::GemmSm90Plan& plan) {
  mm1::GemmSm90Launch launch;
  if (mm1::prepare_gemm_sm90<128, false, false>(nullptr, problem, plan, &launch) != MM1_STATUS_OK) throw std::runtime_error(mm1::last_error_text());
  switch (fault) {
    case Fault::none: return run<mm1::GemmSm90Fault::none>(launch);
    case Fault::no_empty_wait: return run<mm1::GemmSm90Fault::no_empty_wait>(launch);
    case Fault::wrong_bytes: return run<mm1::GemmSm90Fault::wrong_bytes>(launch);
    case Fault::early_release: return run<mm1::GemmSm90Fault::early_release>(launch);
    case Fault::no_final_wait: return run<mm1::GemmSm90Fault::no_final_wait>(launch);
    case Fault::no_proxy_fence: return run<mm1::GemmSm90Fault::no_proxy_fence>(launch);
    case Fault::no_staging_wait: return run<mm1::GemmSm90Fault::no_staging_wait>(launch);
    case Fault::own_release_only: return run<mm1::GemmSm90Fault::own_release_only>(launch);
  }
}

}  // namespace test
