// Dense convolutions as matrix products whose operands are gathered: no matrix of patches lies in memory. Plain data that the host plans
// (pure, tested without a device) and the kernels take as it is.
//
//   pass              m                  n                  k                        a [m, k]                b [k, n]
//   forward           output pixels      output channels    (tap, input channel)     patches of x            weights, transposed
//   backward_data     input pixels       input channels     (tap, output channel)    patches of the output   weights, a line for each (tap,
//                     of one class                                                   gradient                output channel)
//   backward_weight   output channels    (tap, channel)     output pixels of one     output gradient,        patches of x
//                                                           block                    transposed
//
// A stride splits the input pixels into stride * stride classes: those with the same rest of (y + padding, x + padding). The pixels of a
// class are read by the same taps, every stride-th, so that each class is a product of its own without a wasted multiplication.
// k ascends, in one chain of sums: the weight gradient's chain ends with a block of a constant number of pixels, and the blocks are added
// in ascending order.
#ifndef MM1_CONVOLUTION_IMPLICIT_GEMM_H
#define MM1_CONVOLUTION_IMPLICIT_GEMM_H

#include <stdint.h>

#include "convolution/convolution.h"
#include "gemm/gemm.h"
#include "tile/epilogue.h"
#include "tile/host_device.h"
#include "tile/tile_order.h"

namespace mm1 {

enum class ConvolutionPass : int32_t { forward = 0, backward_data = 1, backward_weight = 2 };

// A matrix of patches, seen in images that lie as they are. Row r is target pixel (image, y, x); column (i, j, c) is channel c of source
// pixel (y * step + origin_y + i * direction, x * step + origin_x + j * direction), zero outside of the image. Any plain matrix is one too:
// its rows are the pixels of one line, its columns the channels of one tap.
struct PatchView {
  const char* data;
  int64_t pixel_stride;  // Bytes from one pixel to the next.
  int32_t source_height;
  int32_t source_width;
  int32_t target_height;
  int32_t target_width;
  int32_t step;
  int32_t direction;  // 1 or -1.
  int32_t origin_y;
  int32_t origin_x;
  int32_t taps_y;
  int32_t taps_x;
  int32_t channels;
  int32_t reserved;

  MM1_HOST_DEVICE constexpr int64_t columns() const { return int64_t{taps_y} * taps_x * channels; }
};

// The weights as backward_data reads them: line (i, j, o) has the input channels of tap (first_y + i * tap_step, first_x + j * tap_step) of
// output channel o.
struct WeightLines {
  const char* data;
  int64_t row_stride;  // Bytes from one output channel to the next.
  int32_t outputs;
  int32_t channels;
  int32_t kernel_width;
  int32_t tap_step;
  int32_t first_y;
  int32_t first_x;
  int32_t taps_y;
  int32_t taps_x;
};

// Input pixels with the same rests of y + padding and x + padding by the stride, and what their products read.
struct PixelClass {
  int32_t first_y;  // The first pixel of the class; the others follow at every stride-th.
  int32_t first_x;
  PatchView gradient;  // Rows: the pixels of the class.
  WeightLines weights;
  int64_t rows;
};

struct ImplicitProblem {
  PatchView a;          // forward: x. Otherwise the output gradient; for backward_weight as a plain matrix [pixels, output channels].
  PatchView b;          // forward: the weights as a plain matrix. backward_weight: x. Not used by backward_data.
  WeightLines weights;  // backward_data: all taps.
  Epilogue epilogue;
  TileOrder order;  // Tiles of one class or block.
  int64_t m;        // backward_data: of the largest class.
  int64_t n;
  int64_t k;             // forward. backward_weight: all output pixels. backward_data: not used.
  int64_t block_pixels;  // backward_weight.
  int32_t pass;          // A ConvolutionPass.
  int32_t images;
  int32_t input_height;  // backward_data: where the rows of a class lie.
  int32_t input_width;
  int32_t stride;
  int32_t padding;
};

enum class ConvolutionAccess : int32_t {
  chunks = 0,   // 16-byte cp.async of both operands.
  words = 1,    // bfloat16, forward and backward_weight: patches (and weights) by 4-byte cp.async, as patches of 14 x 14 x 3 need.
  elements = 2  // Any address and stride, through registers.
};

struct ImplicitPlan {
  ConvolutionAccess access;
  GemmTile tile;
  int threads;
  int64_t shared_bytes;
  int64_t parts;               // Classes of pixels, or blocks of them.
};

// Class `index` of stride * stride.
MM1_HOST_DEVICE constexpr PixelClass pixel_class(const ImplicitProblem& problem, int32_t index) {
  const int32_t stride = problem.stride;
  const int32_t rest_y = index / stride;
  const int32_t rest_x = index - rest_y * stride;
  const int32_t first_y = ((rest_y - problem.padding) % stride + stride) % stride;
  const int32_t first_x = ((rest_x - problem.padding) % stride + stride) % stride;
  const int32_t height = first_y < problem.input_height ? (problem.input_height - first_y + stride - 1) / stride : 0;
  const int32_t width = first_x < problem.input_width ? (problem.input_width - first_x + stride - 1) / stride : 0;
  const int32_t taps_y = rest_y < problem.weights.taps_y ? (problem.weights.taps_y - rest_y + stride - 1) / stride : 0;
  const int32_t taps_x = rest_x < problem.weights.taps_x ? (problem.weights.taps_x - rest_x + stride - 1) / stride : 0;
  PixelClass result{first_y, first_x, problem.a, problem.weights, int64_t{problem.images} * height * width};
  result.gradient.target_height = height;
  result.gradient.target_width = width;
  result.gradient.origin_y = (first_y + problem.padding - rest_y) / stride;
  result.gradient.origin_x = (first_x + problem.padding - rest_x) / stride;
  result.gradient.taps_y = result.weights.taps_y = taps_y;
  result.gradient.taps_x = result.weights.taps_x = taps_x;
  result.weights.first_y = rest_y;
  result.weights.first_x = rest_x;
  return result;
}

// Output pixels of one block of a weight gradient: fewer where the gradient has few tiles, which alone would leave the device idle. A
// function of the gradient's shape only.
constexpr int64_t weight_block_pixels(int64_t output_channels, int64_t patch_length) {
  const int64_t tiles = (output_channels + 127) / 128 * ((patch_length + 127) / 128);
  return tiles <= 16 ? 1024 : tiles < 128 ? 4096 : 65536;
}
constexpr int64_t weight_blocks(int64_t pixels, int64_t output_channels, int64_t patch_length) {
  const int64_t block = weight_block_pixels(output_channels, patch_length);
  return pixels <= block ? 1 : (pixels + block - 1) / block;
}

// Registers beside those of the product: two loaders, of which one keeps the places of its lines.
constexpr GemmBudget implicit_budget(GemmKernel kernel, GemmTile tile) {
  GemmBudget budget = gemm_budget(kernel, tile);
  budget.other_registers = tile == GemmTile::large ? 60 : 72;
  if (tile == GemmTile::small) budget.resident_blocks = 3;
  return budget;
}

// The problem of each pass; operands and extents have passed their checks.
ImplicitProblem forward_problem(const ConvolutionShape& shape, const mm1_convolution_forward_args& args);
ImplicitProblem backward_data_problem(const ConvolutionShape& shape, const mm1_convolution_backward_data_args& args);
// `partial` [blocks, output channels, patch] where there are several blocks.
ImplicitProblem backward_weight_problem(const ConvolutionShape& shape, const mm1_convolution_backward_weight_args& args, float* partial);

// How wide the operands of a problem can be read.
ConvolutionAccess access_of(const ImplicitProblem& problem, bool is_float32);

// Sets problem->order.
ImplicitPlan plan_implicit(ImplicitProblem* problem, bool is_float32, const DeviceProfile& profile);

// What tests force: -1 leaves it to the plan.
struct ConvolutionChoice {
  int tile = -1;    // A GemmTile; large exists for bfloat16 chunks only.
  int access = -1;  // A ConvolutionAccess, wider than possible ones excepted.
};
ConvolutionChoice convolution_choice();
void set_convolution_choice(const ConvolutionChoice& choice);

mm1_status launch_implicit_bfloat16(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan);
mm1_status launch_implicit_float32(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan);

// Plans and launches.
mm1_status run_implicit(mm1_stream stream, const char* verb, ImplicitProblem problem, bool is_float32);

}  // namespace mm1

#endif  // MM1_CONVOLUTION_IMPLICIT_GEMM_H
