#include "convolution/convolution.h"

namespace mm1 {

namespace {

using Long = long long;

// Pixel counts, and sides with their padding and the kernel beyond it, stay below this: coordinates in kernels have 32 bits.
constexpr int64_t kMostPixels = int64_t{1} << 30;

void check_output(int64_t output, int64_t input, int64_t kernel, const ConvolutionShape& shape, const char* side, Check* check) {
  const int64_t room = input + 2 * shape.padding - kernel;
  const int64_t expected = room < 0 ? 0 : room / shape.stride + 1;
  check->that(output == expected, "output_%s is %lld; (input_%s + 2 * padding - kernel_%s) / stride + 1 is %lld.", side,
              static_cast<Long>(output), side, side, static_cast<Long>(expected));
}

bool is_empty(const ComputeOperand& compute) { return compute.rows <= 0 || compute.columns <= 0; }

// Whether a * b stays below kMostPixels, for factors that are.
bool fits(int64_t a, int64_t b) { return a * b < kMostPixels; }

}  // namespace

void check_shape(const ConvolutionShape& shape, Check* check) {
  check->extent("batch", shape.batch);
  check->extent("input_height", shape.input_height);
  check->extent("input_width", shape.input_width);
  check->extent("input_channels", shape.input_channels);
  check->extent("output_channels", shape.output_channels);
  check->extent("padding", shape.padding);
  check->that(shape.kernel_height >= 1 && shape.kernel_width >= 1, "kernel_height and kernel_width must be at least 1.");
  check->that(shape.stride >= 1, "stride must be at least 1.");
  check->that(shape.groups == 1 || (shape.groups >= 1 && shape.groups == shape.input_channels && shape.groups == shape.output_channels),
              "groups is %lld for %lld input and %lld output channels; it must be 1 or equal both.", static_cast<Long>(shape.groups),
              static_cast<Long>(shape.input_channels), static_cast<Long>(shape.output_channels));
  const int64_t extents[] = {shape.batch,         shape.input_height, shape.input_width, shape.input_channels, shape.output_channels,
                             shape.kernel_height, shape.kernel_width, shape.padding,     shape.stride};
  for (const int64_t extent : extents) {
    check->supported(extent < kMostPixels, "an extent is %lld; this device takes extents below 2^30.", static_cast<Long>(extent));
  }
  if (!check->ok()) return;
  check_output(shape.output_height, shape.input_height, shape.kernel_height, shape, "height", check);
  check_output(shape.output_width, shape.input_width, shape.kernel_width, shape, "width", check);
  if (!check->ok()) return;
  const bool few_pixels = fits(shape.input_height, shape.input_width) && fits(shape.batch, shape.input_height * shape.input_width) &&
                          fits(shape.output_height, shape.output_width) && fits(shape.batch, shape.output_height * shape.output_width) &&
                          fits(shape.kernel_height, shape.kernel_width) && fits(shape.taps(), shape.input_channels) &&
                          fits(shape.taps(), shape.output_channels) &&
                          fits(1, shape.input_height + 2 * shape.padding + shape.kernel_height) &&
                          fits(1, shape.input_width + 2 * shape.padding + shape.kernel_width);
  check->supported(few_pixels, "this device takes images and kernels of less than 2^30 pixels, and patches of less than 2^30 values.");
}

mm1_dtype compute_dtype(const ComputeOperand* operands, int count) {
  for (int i = 0; i < count; i++) {
    if (!is_empty(operands[i])) return operands[i].operand->dtype;
  }
  return MM1_DTYPE_FLOAT32;
}

void check_compute_operands(const ComputeOperand* operands, int count, Check* check) {
  const mm1_dtype dtype = compute_dtype(operands, count);
  bool is_first = true;
  for (int i = 0; i < count; i++) {
    const ComputeOperand& compute = operands[i];
    if (is_empty(compute)) continue;
    if (is_first) {
      check->supported((dtype != MM1_DTYPE_FLOAT64 && dtype != MM1_DTYPE_FLOAT16) || !is_present(*compute.operand),
                       "%s has dtype %s; this device computes in bfloat16 and float32.", compute.field, dtype_name(dtype));
      check->operand(compute.field, *compute.operand, compute.rows, compute.columns, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32);
    } else {
      check->operand(compute.field, *compute.operand, compute.rows, compute.columns, dtype);
    }
    is_first = false;
  }
}

bool is_plain_matrix(const ConvolutionShape& shape, int64_t row_stride, int64_t* patch_stride) {
  if (shape.groups != 1 || shape.padding != 0) return false;
  if (shape.taps() == 1 && shape.stride == 1) {
    *patch_stride = row_stride;
    return true;
  }
  if (row_stride != shape.input_channels) return false;
  const bool whole_rows = shape.kernel_width == shape.input_width;
  if (shape.kernel_height == 1 && shape.input_height == 1 && shape.output_width * shape.stride == shape.input_width) {
    *patch_stride = shape.stride * row_stride;  // Pieces of one line, without a rest.
    return *patch_stride >= shape.patch_length();
  }
  // Bands of whole lines, without a rest; or the whole image.
  const int64_t lines = shape.output_height == 1 ? shape.input_height : shape.stride;
  *patch_stride = lines * shape.input_width * row_stride;
  return whole_rows && lines * shape.output_height == shape.input_height && *patch_stride >= shape.patch_length();
}

mm1_operand patch_matrix(const mm1_operand& operand, int64_t patch_stride) {
  mm1_operand matrix = operand;
  matrix.row_stride = patch_stride;
  return matrix;
}

}  // namespace mm1
