// The three verbs of a convolution between their argument records and their kernels: the extents that they share, and their rules.
//
//   dense, a plain matrix (1x1; patches that lie one after the other)    mm1_gemm
//   dense, anything else                                                 implicit_gemm.h: the main loop of gemm with loaders that gather
//   depthwise                                                            depthwise.h
//
// Which of them runs depends on the extents of one image, strides and alignment, never on the number of images.
#ifndef MM1_CONVOLUTION_CONVOLUTION_H
#define MM1_CONVOLUTION_CONVOLUTION_H

#include <stdint.h>

#include "host/check.h"
#include "mm1/kernels.h"

namespace mm1 {

struct ConvolutionShape {
  int64_t batch;
  int64_t input_height;
  int64_t input_width;
  int64_t input_channels;
  int64_t output_height;
  int64_t output_width;
  int64_t output_channels;
  int64_t kernel_height;
  int64_t kernel_width;
  int64_t stride;
  int64_t padding;
  int64_t groups;

  int64_t taps() const { return kernel_height * kernel_width; }
  int64_t patch_length() const { return taps() * (groups == 1 ? input_channels : 1); }  // Columns of the weight.
  int64_t input_pixels() const { return batch * input_height * input_width; }
  int64_t output_pixels() const { return batch * output_height * output_width; }
  bool is_depthwise() const { return groups > 1; }
};

template <class Args>
ConvolutionShape shape_of(const Args& args) {
  return {args.batch,           args.input_height,  args.input_width,  args.input_channels, args.output_height, args.output_width,
          args.output_channels, args.kernel_height, args.kernel_width, args.stride,         args.padding,       args.groups};
}

// Rules that no operand takes part in: what the workspace functions look at.
void check_shape(const ConvolutionShape& shape, Check* check);

// The dtype in which a call computes: that of the first operand of the list that is not empty, float32 where all are.
struct ComputeOperand {
  const char* field;
  const mm1_operand* operand;
  int64_t rows;
  int64_t columns;
};
mm1_dtype compute_dtype(const ComputeOperand* operands, int count);

// Rules of the compute operands of a call, and that the output meets none of the others.
void check_compute_operands(const ComputeOperand* operands, int count, Check* check);

// Whether the patches of x are the rows of a matrix as it lies: a 1x1 convolution, or patches that are contiguous in memory and follow each
// other at one distance. The distance is counted in elements.
bool is_plain_matrix(const ConvolutionShape& shape, int64_t row_stride, int64_t* patch_stride);

// x (or its gradient) as that matrix.
mm1_operand patch_matrix(const mm1_operand& operand, int64_t patch_stride);

}  // namespace mm1

#endif  // MM1_CONVOLUTION_CONVOLUTION_H
