// Depthwise convolutions: from checked arguments to launches.
#include "convolution/depthwise.h"

#include "host/device.h"

namespace mm1 {

namespace {

int32_t narrow(int64_t value) { return static_cast<int32_t>(value); }  // Extents are below 2^30.

TapMap forward_map(const ConvolutionShape& shape) {
  return {narrow(shape.input_height),
          narrow(shape.input_width),
          narrow(shape.output_height),
          narrow(shape.output_width),
          narrow(shape.stride),
          -narrow(shape.padding),
          1,
          1,
          narrow(shape.kernel_height),
          narrow(shape.kernel_width)};
}

TapMap backward_map(const ConvolutionShape& shape) {
  return {narrow(shape.output_height),
          narrow(shape.output_width),
          narrow(shape.input_height),
          narrow(shape.input_width),
          1,
          narrow(shape.padding),
          -1,
          narrow(shape.stride),
          narrow(shape.kernel_height),
          narrow(shape.kernel_width)};
}

int64_t strips_of(const TapMap& map, int64_t images) {
  return images * map.target_height * ((map.target_width + kStripPixels - 1) / kStripPixels);
}

}  // namespace

mm1_status run_depthwise_forward(mm1_stream stream, const ConvolutionShape& shape, const mm1_convolution_forward_args& args) {
  if (shape.output_pixels() == 0) return MM1_STATUS_OK;
  const int64_t element = dtype_bytes(args.output.dtype);
  Depthwise problem{};
  problem.from = row_operand(args.x, shape.input_pixels());
  problem.weight = row_operand(args.weight, shape.output_channels);
  problem.to = row_operand(args.output, shape.output_pixels());
  problem.bias = static_cast<const char*>(args.bias.data);
  problem.map = forward_map(shape);
  problem.channels = shape.input_channels;
  problem.strips = strips_of(problem.map, shape.batch);
  problem.activation = args.activation;
  problem.vector = has_packs(problem.from, element) && has_packs(problem.to, element);
  return launch_depthwise(stream, "convolution_forward", problem, args.output.dtype == MM1_DTYPE_FLOAT32);
}

mm1_status run_depthwise_backward_data(mm1_stream stream, const ConvolutionShape& shape, const mm1_convolution_backward_data_args& args) {
  if (shape.input_pixels() == 0) return MM1_STATUS_OK;
  const int64_t element = dtype_bytes(args.input_gradient.dtype);
  Depthwise problem{};
  problem.from = row_operand(args.output_gradient, shape.output_pixels());
  problem.weight = row_operand(args.weight, shape.output_channels);
  problem.to = row_operand(args.input_gradient, shape.input_pixels());
  problem.map = backward_map(shape);
  problem.channels = shape.input_channels;
  problem.strips = strips_of(problem.map, shape.batch);
  problem.beta = args.beta;
  problem.activation = MM1_ACTIVATION_NONE;
  problem.vector = has_packs(problem.from, element) && has_packs(problem.to, element);
  return launch_depthwise(stream, "convolution_backward_data", problem, args.input_gradient.dtype == MM1_DTYPE_FLOAT32);
}

int64_t depthwise_weight_workspace(const ConvolutionShape& shape) {
  const int64_t blocks = (shape.output_pixels() + kDepthwiseBlockPixels - 1) / kDepthwiseBlockPixels;
  return blocks * shape.input_channels * shape.taps() * static_cast<int64_t>(sizeof(float));
}

mm1_status run_depthwise_backward_weight(mm1_stream stream, const ConvolutionShape& shape, const mm1_convolution_backward_weight_args& args,
                                         void* workspace) {
  constexpr const char* kVerb = "convolution_backward_weight";
  if (shape.output_pixels() > 0) {
    const int64_t element = dtype_bytes(args.output_gradient.dtype);
    DepthwiseWeights problem{};
    problem.x = row_operand(args.x, shape.input_pixels());
    problem.gradient = row_operand(args.output_gradient, shape.output_pixels());
    problem.partial = static_cast<float*>(workspace);
    problem.map = forward_map(shape);
    problem.channels = shape.input_channels;
    problem.pixels = shape.output_pixels();
    problem.vector = has_packs(problem.x, element) && has_packs(problem.gradient, element);
    MM1_RETURN_IF_FAILED(launch_depthwise_weights(stream, kVerb, problem, args.output_gradient.dtype == MM1_DTYPE_FLOAT32));
  }
  BlockSums sums{};
  sums.partial = static_cast<const float*>(workspace);
  sums.result = static_cast<float*>(args.weight_gradient.data);
  sums.row_stride = args.weight_gradient.row_stride;
  sums.rows = shape.input_channels;
  sums.columns = shape.taps();
  sums.blocks = (shape.output_pixels() + kDepthwiseBlockPixels - 1) / kDepthwiseBlockPixels;
  sums.beta = args.beta;
  return launch_join_blocks(stream, kVerb, sums);
}

}  // namespace mm1
