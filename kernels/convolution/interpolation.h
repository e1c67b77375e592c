// Bicubic interpolation of position grids between its argument records and its kernels.
#ifndef MM1_CONVOLUTION_INTERPOLATION_H
#define MM1_CONVOLUTION_INTERPOLATION_H

#include <stdint.h>

#include "mm1/kernels.h"
#include "tile/kernel_budget.h"
#include "tile/row_walk.h"

namespace mm1 {

// One side. The filter's weights are worked out in float64 where they are used.
struct CubicAxis {
  int64_t input;
  int64_t output;
  double scale;    // input / output.
  double support;  // Reach of the filter in input positions: 2, or more where an antialiased grid shrinks.
};

struct Interpolation {
  RowOperand from;  // Forward: the source table. Backward: the new table's gradient.
  RowOperand to;
  RowWalk walk;  // Over the rows of `to`.
  CubicAxis vertical;
  CubicAxis horizontal;
  int64_t prefix_rows;
  int64_t channels;
  float beta;  // Backward: factor on the old gradient.
  int32_t antialias;
  int32_t vector;  // All rows begin at multiples of 16 bytes.
  int32_t reserved;
};

constexpr CubicAxis cubic_axis(int64_t input, int64_t output, bool antialias) {
  const double scale = output > 0 ? static_cast<double>(input) / static_cast<double>(output) : 1.0;
  return {input, output, scale, antialias && scale > 1.0 ? 2.0 * scale : 2.0};
}

constexpr KernelBudget kInterpolationBudgets[] = {{"interpolation_forward", kWalkThreads, 0, 80},
                                                  {"interpolation_backward", kWalkThreads, 0, 96}};

mm1_status launch_interpolation_forward(mm1_stream stream, const Interpolation& problem, bool is_float32, uint32_t blocks);
mm1_status launch_interpolation_backward(mm1_stream stream, const Interpolation& problem, bool is_float32, uint32_t blocks);

}  // namespace mm1

#endif  // MM1_CONVOLUTION_INTERPOLATION_H
