// Launches of Hopper GEMM kernels that are broken on purpose.
#ifndef MM1_TESTS_GEMM_SM90_FAULTS_H
#define MM1_TESTS_GEMM_SM90_FAULTS_H

#include "gemm/gemm.h"

namespace test {

// As GemmSm90Fault of gemm/gemm_sm90.cuh, which only kernel sources include.
enum class Fault { none, no_empty_wait, wrong_bytes, early_release, no_final_wait, no_proxy_fence, no_staging_wait, own_release_only };

// Runs the instance of 128 columns for NT at once, and throws what the emulator finds.
void run_broken(Fault fault, const mm1::GemmProblem& problem, const mm1::GemmSm90Plan& plan);

}  // namespace test

#endif  // MM1_TESTS_GEMM_SM90_FAULTS_H
