// Adaptive average pooling between its argument records and its kernels.
#ifndef MM1_CONVOLUTION_POOL_H
#define MM1_CONVOLUTION_POOL_H

#include <stdint.h>

#include "mm1/kernels.h"
#include "tile/host_device.h"
#include "tile/kernel_budget.h"
#include "tile/row_walk.h"

namespace mm1 {

// Indices [first, end).
struct Bin {
  int32_t first;
  int32_t end;
};

// Bin `index` of `output` over `input` positions of one side. Bins hold positions as positions lie in bins: the bins that hold position i
// are pool_bin(i, output, input).
MM1_HOST_DEVICE constexpr Bin pool_bin(int64_t index, int64_t input, int64_t output) {
  return {static_cast<int32_t>(index * input / output), static_cast<int32_t>(((index + 1) * input + output - 1) / output)};
}

struct Pool {
  RowOperand from;  // Forward: the input. Backward: the output's gradient.
  RowOperand to;
  RowWalk walk;  // Over the rows of `to`.
  int32_t input_height;
  int32_t input_width;
  int32_t output_height;
  int32_t output_width;
  int64_t channels;
  float beta;      // Backward: factor on the old gradient.
  int32_t vector;  // All rows begin at multiples of 16 bytes.
};

constexpr int kPoolThreads = 256;
constexpr int kPoolChannels = 64;  // Channels of a block of the kernel for large bins.

// Pixels of the largest bin from which on a whole block sums it. The order of a sum follows from the sides alone.
constexpr int64_t kLargeBin = 64;
constexpr int64_t largest_bin(int64_t input_height, int64_t input_width, int64_t output_height, int64_t output_width) {
  return (input_height / output_height + 2) * (input_width / output_width + 2);
}

constexpr KernelBudget kPoolBudgets[] = {{"pool_small_bins", kWalkThreads, 0, 48},
                                         {"pool_large_bins", kPoolThreads, (kPoolThreads + 8) * 8 * 4, 56},
                                         {"pool_backward", kWalkThreads, 0, 56}};

mm1_status launch_pool_forward(mm1_stream stream, const Pool& pool, bool is_float32, bool large_bins, uint32_t blocks);
mm1_status launch_pool_backward(mm1_stream stream, const Pool& pool, bool is_float32, uint32_t blocks);

}  // namespace mm1

#endif  // MM1_CONVOLUTION_POOL_H
