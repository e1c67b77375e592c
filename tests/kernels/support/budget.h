// Holds what a kernel asks for against every device profile.
#ifndef MM1_TESTS_SUPPORT_BUDGET_H
#define MM1_TESTS_SUPPORT_BUDGET_H

#include "host/device_profile.h"
#include "test.h"
#include "tile/kernel_budget.h"

namespace test {

// One block fits, and enough of them are resident to hide the latency of memory: 512 threads on a multiprocessor.
inline void check_budget(const mm1::KernelBudget& budget) {
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    const std::string where = std::string(budget.kernel) + " on " + profile.name;
    CHECK_MESSAGE(budget.threads % mm1::kWarpThreads == 0 && budget.threads <= mm1::kThreadsPerBlock, where);
    CHECK_MESSAGE(budget.registers <= mm1::kRegistersPerThread && budget.registers * budget.threads <= mm1::kRegistersPerBlock, where);
    CHECK_MESSAGE(budget.shared_bytes <= mm1::kStaticSharedBytesPerBlock, where);
    const int64_t by_registers = mm1::kRegistersPerMultiprocessor / (budget.registers * budget.threads);
    const int64_t by_shared = profile.shared_bytes_per_multiprocessor / (budget.shared_bytes + mm1::kReservedSharedBytesPerBlock);
    const int64_t by_threads = profile.threads_per_multiprocessor / budget.threads;
    CHECK_MESSAGE(by_registers * budget.threads >= 512 && by_shared * budget.threads >= 512 && by_threads * budget.threads >= 512, where);
  }
}

}  // namespace test

#endif  // MM1_TESTS_SUPPORT_BUDGET_H
