// One convolution with its options, run on the device and by its definition. Values are a function of (operand, image, pixel, channel): a
// batch of fewer images has the same first images.
#ifndef MM1_TESTS_CONVOLUTION_CONVOLUTION_CASE_H
#define MM1_TESTS_CONVOLUTION_CONVOLUTION_CASE_H

#include <cstdint>
#include <string>
#include <vector>

#include "mm1/kernels.h"

namespace test {

struct ConvolutionCase {
  const char* label = "";
  int64_t batch = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t inputs = 1;  // Channels.
  int64_t outputs = 1;
  int64_t kernel_height = 1;
  int64_t kernel_width = 1;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t groups = 1;
  mm1_dtype dtype = MM1_DTYPE_BFLOAT16;
  int64_t gap = 0;     // Elements between the rows of every operand.
  int64_t offset = 0;  // Elements from an aligned address to the first, of every operand.
  float beta = 0;
  bool bias = false;
  mm1_activation activation = MM1_ACTIVATION_NONE;

  int64_t side(int64_t input, int64_t kernel) const {
    return input + 2 * padding < kernel ? 0 : (input + 2 * padding - kernel) / stride + 1;
  }
  int64_t output_height() const { return side(height, kernel_height); }
  int64_t output_width() const { return side(width, kernel_width); }
  int64_t group_inputs() const { return groups == 1 ? inputs : 1; }
  int64_t patch() const { return kernel_height * kernel_width * group_inputs(); }
  int64_t input_pixels() const { return batch * height * width; }
  int64_t output_pixels() const { return batch * output_height() * output_width(); }
  std::string name() const;
};

// Extents into a record of any of the three verbs.
template <class Args>
void set_extents(const ConvolutionCase& which, Args* args) {
  args->batch = which.batch;
  args->input_height = which.height;
  args->input_width = which.width;
  args->input_channels = which.inputs;
  args->output_height = which.output_height();
  args->output_width = which.output_width();
  args->output_channels = which.outputs;
  args->kernel_height = which.kernel_height;
  args->kernel_width = which.kernel_width;
  args->stride = which.stride;
  args->padding = which.padding;
  args->groups = which.groups;
}

struct WeightGradients {
  std::vector<float> weight;
  std::vector<float> bias;
};

// Through the verbs, into NaN, with a poisoned workspace; gaps and guards are checked.
std::vector<float> run_forward(const ConvolutionCase& which);
std::vector<float> run_backward_data(const ConvolutionCase& which);
WeightGradients run_backward_weight(const ConvolutionCase& which, bool with_weight = true, bool with_bias = true);

// Run and held against float64 by the error rule.
void check_forward(const ConvolutionCase& which);
void check_backward_data(const ConvolutionCase& which);
void check_backward_weight(const ConvolutionCase& which);

}  // namespace test

#endif  // MM1_TESTS_CONVOLUTION_CONVOLUTION_CASE_H
