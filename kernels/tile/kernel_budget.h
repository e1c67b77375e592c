// What a kernel asks of a multiprocessor, stated beside the kernel and held against every device profile by its tests.
#ifndef MM1_TILE_KERNEL_BUDGET_H
#define MM1_TILE_KERNEL_BUDGET_H

#include <stdint.h>

namespace mm1 {

struct KernelBudget {
  const char* kernel;
  int threads;           // Of one block.
  int64_t shared_bytes;  // Of one block, static.
  int registers;         // Of one thread: an estimate until ptxas has spoken.
};

}  // namespace mm1

#endif  // MM1_TILE_KERNEL_BUDGET_H
