// Depthwise convolutions between their argument records and their kernels. Forward and gradient to the input are one kernel: a sum over the
// taps of a kernel, each of which reads one pixel or none.
#ifndef MM1_CONVOLUTION_DEPTHWISE_H
#define MM1_CONVOLUTION_DEPTHWISE_H

#include <stdint.h>

#include "convolution/convolution.h"
#include "tile/host_device.h"
#include "tile/kernel_budget.h"
#include "tile/row_walk.h"

namespace mm1 {

// Which pixel tap (i, j) of target pixel (y, x) reads: line (y * step + origin + i * direction) / divisor where that divides without a rest
// and lies in the image, and the column likewise.
//   forward    step = stride, origin = -padding, direction =  1, divisor = 1
//   backward   step = 1,      origin =  padding, direction = -1, divisor = stride
struct TapMap {
  int32_t source_height;
  int32_t source_width;
  int32_t target_height;
  int32_t target_width;
  int32_t step;
  int32_t origin;
  int32_t direction;
  int32_t divisor;
  int32_t taps_y;
  int32_t taps_x;
};

struct Depthwise {
  RowOperand from;    // [source pixels, channels].
  RowOperand weight;  // [channels, taps].
  RowOperand to;      // [target pixels, channels].
  const char* bias;   // [channels], or null.
  TapMap map;
  int64_t channels;
  int64_t strips;  // Groups of kStripPixels neighbouring target pixels of one line, over all images.
  float beta;      // Factor on the old values of `to`.
  int32_t activation;
  int32_t vector;  // All rows begin at multiples of 16 bytes.
  int32_t reserved;
};

constexpr int kDepthwiseThreads = 256;
constexpr int kDepthwiseChannels = 64;  // Of a block.
constexpr int kStripPixels = 4;         // Target pixels of a thread.
constexpr int kTapsAtOnce = 49;         // Taps whose weights lie in shared memory: all of 7 x 7.

// Weight gradient: sums over blocks of a constant number of output pixels.
struct DepthwiseWeights {
  RowOperand x;         // [input pixels, channels].
  RowOperand gradient;  // [output pixels, channels].
  float* partial;       // [blocks, channels, taps].
  TapMap map;           // Of the forward.
  int64_t channels;
  int64_t pixels;  // Output pixels of all images.
  int32_t vector;
  int32_t reserved;
};

constexpr int64_t kDepthwiseBlockPixels = 512;
constexpr int kDepthwiseTapGroup = 9;  // Taps whose sums a thread keeps in registers: all of 3 x 3.

constexpr KernelBudget kDepthwiseBudgets[] = {
    {"depthwise", kDepthwiseThreads, kTapsAtOnce* kDepthwiseChannels * 4, 104},
    {"depthwise_weights", kDepthwiseThreads, (kDepthwiseThreads + 8) * 8 * 4, 128},
};

mm1_status launch_depthwise(mm1_stream stream, const char* verb, const Depthwise& problem, bool is_float32);
mm1_status launch_depthwise_weights(mm1_stream stream, const char* verb, const DepthwiseWeights& problem, bool is_float32);

// Partial sums [blocks, rows, columns] of a weight gradient into the gradient, in ascending order.
struct BlockSums {
  const float* partial;
  float* result;
  int64_t row_stride;  // Of the result.
  int64_t rows;
  int64_t columns;
  int64_t blocks;  // 0: the sum of nothing.
  float beta;
  int32_t reserved;
};

constexpr int kJoinThreads = 256;

mm1_status launch_join_blocks(mm1_stream stream, const char* verb, const BlockSums& sums);

// The verbs on depthwise arguments that passed their checks.
int64_t depthwise_weight_workspace(const ConvolutionShape& shape);
mm1_status run_depthwise_forward(mm1_stream stream, const ConvolutionShape& shape, const mm1_convolution_forward_args& args);
mm1_status run_depthwise_backward_data(mm1_stream stream, const ConvolutionShape& shape, const mm1_convolution_backward_data_args& args);
mm1_status run_depthwise_backward_weight(mm1_stream stream, const ConvolutionShape& shape, const mm1_convolution_backward_weight_args& args,
                                         void* workspace);

}  // namespace mm1

#endif  // MM1_CONVOLUTION_DEPTHWISE_H
