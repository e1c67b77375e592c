// The verbs mm1_convolution_forward, _backward_data and _backward_weight: argument rules and dispatch.
#include "convolution/convolution.h"
#include "convolution/depthwise.h"
#include "convolution/implicit_gemm.h"
#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kForward = "convolution_forward";
constexpr const char* kBackwardData = "convolution_backward_data";
constexpr const char* kBackwardWeight = "convolution_backward_weight";

constexpr int64_t kFloatBytes = sizeof(float);

void check_forward(const mm1_convolution_forward_args& args, Check* check) {
  check_shape(shape_of(args), check);
  check->enumerator("activation", args.activation, MM1_ACTIVATION_TANH, "mm1_activation");
  check->reserved("reserved", args.reserved);
}

void check_backward_data(const mm1_convolution_backward_data_args& args, Check* check) {
  check_shape(shape_of(args), check);
  check->reserved("reserved", args.reserved);
}

void check_backward_weight(const mm1_convolution_backward_weight_args& args, Check* check) {
  check_shape(shape_of(args), check);
  check->reserved("reserved", args.reserved);
}

int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// The sums of the bias run before those of the weights and leave them their workspace. Which operands are there is not looked at.
int64_t backward_weight_workspace(const mm1_convolution_backward_weight_args& args) {
  const ConvolutionShape shape = shape_of(args);
  mm1_bias_gradient_args bias = mm1_bias_gradient_args_default();
  bias.rows = shape.output_pixels();
  bias.columns = shape.output_channels;
  const int64_t bias_bytes = mm1_bias_gradient_workspace_bytes(&bias);
  if (shape.is_depthwise()) return most(bias_bytes, depthwise_weight_workspace(shape));
  if (shape.taps() == 1 && shape.stride == 1 && shape.padding == 0) return bias_bytes;
  const int64_t blocks = weight_blocks(shape.output_pixels(), shape.output_channels, shape.patch_length());
  return most(bias_bytes, blocks > 1 ? blocks * shape.output_channels * shape.patch_length() * kFloatBytes : 0);
}

mm1_status run_forward(mm1_stream stream, const mm1_convolution_forward_args& args) {
  const ConvolutionShape shape = shape_of(args);
  if (shape.is_depthwise()) return run_depthwise_forward(stream, shape, args);
  int64_t patch_stride = 0;
  if (!is_plain_matrix(shape, args.x.row_stride, &patch_stride) && shape.input_channels > 0) {
    return run_implicit(stream, kForward, forward_problem(shape, args), args.output.dtype == MM1_DTYPE_FLOAT32);
  }
  mm1_gemm_args product = mm1_gemm_args_default();
  product.transpose_b = MM1_TRANSPOSE_TRANSPOSED;
  product.m = shape.output_pixels();
  product.n = shape.output_channels;
  product.k = shape.patch_length();
  product.a = patch_matrix(args.x, patch_stride);
  product.b = args.weight;
  product.bias = args.bias;
  product.output = args.output;
  product.activation = args.activation;
  return mm1_gemm(stream, &product, nullptr, 0);
}

mm1_status run_backward_data(mm1_stream stream, const mm1_convolution_backward_data_args& args) {
  const ConvolutionShape shape = shape_of(args);
  if (shape.is_depthwise()) return run_depthwise_backward_data(stream, shape, args);
  int64_t patch_stride = 0;
  const bool is_plain = is_plain_matrix(shape, args.input_gradient.row_stride, &patch_stride) && shape.output_pixels() > 0;
  // As a product it writes the patches only: there must be nothing between them.
  if (!is_plain || (shape.taps() > 1 && patch_stride != shape.patch_length())) {
    return run_implicit(stream, kBackwardData, backward_data_problem(shape, args), args.input_gradient.dtype == MM1_DTYPE_FLOAT32);
  }
  mm1_gemm_args product = mm1_gemm_args_default();
  product.m = shape.output_pixels();
  product.n = shape.patch_length();
  product.k = shape.output_channels;
  product.a = args.output_gradient;
  product.b = args.weight;
  product.output = patch_matrix(args.input_gradient, patch_stride);
  product.beta = args.beta;
  return mm1_gemm(stream, &product, nullptr, 0);
}

mm1_status run_backward_weight(mm1_stream stream, const mm1_convolution_backward_weight_args& args, void* workspace, int64_t bytes) {
  const ConvolutionShape shape = shape_of(args);
  if (is_present(args.bias_gradient)) {
    mm1_bias_gradient_args bias = mm1_bias_gradient_args_default();
    bias.rows = shape.output_pixels();
    bias.columns = shape.output_channels;
    bias.output_gradient = args.output_gradient;
    bias.bias_gradient = args.bias_gradient;
    bias.beta = args.beta;
    MM1_RETURN_IF_FAILED(mm1_bias_gradient(stream, &bias, workspace, bytes));
  }
  if (!is_present(args.weight_gradient) || shape.output_channels == 0 || shape.patch_length() == 0) return MM1_STATUS_OK;
  if (shape.is_depthwise()) return run_depthwise_backward_weight(stream, shape, args, workspace);
  int64_t patch_stride = 0;
  if (is_plain_matrix(shape, args.x.row_stride, &patch_stride) || shape.output_pixels() == 0) {
    mm1_gemm_args product = mm1_gemm_args_default();
    product.transpose_a = MM1_TRANSPOSE_TRANSPOSED;
    product.m = shape.output_channels;
    product.n = shape.patch_length();
    product.k = shape.output_pixels();
    product.a = args.output_gradient;
    product.b = patch_matrix(args.x, patch_stride);
    product.output = args.weight_gradient;
    product.beta = args.beta;
    return mm1_gemm(stream, &product, nullptr, 0);
  }
  float* const partial = static_cast<float*>(workspace);
  const ImplicitProblem problem = backward_weight_problem(shape, args, partial);
  MM1_RETURN_IF_FAILED(run_implicit(stream, kBackwardWeight, problem, args.x.dtype == MM1_DTYPE_FLOAT32));
  BlockSums sums{};
  sums.partial = partial;
  sums.result = static_cast<float*>(args.weight_gradient.data);
  sums.row_stride = args.weight_gradient.row_stride;
  sums.rows = shape.output_channels;
  sums.columns = shape.patch_length();
  sums.blocks = weight_blocks(shape.output_pixels(), shape.output_channels, shape.patch_length());
  sums.beta = args.beta;
  return sums.blocks > 1 ? launch_join_blocks(stream, kBackwardWeight, sums) : MM1_STATUS_OK;
}

}  // namespace

}  // namespace mm1

int64_t mm1_convolution_forward_workspace_bytes(const mm1_convolution_forward_args* given) {
  using namespace mm1;
  mm1_convolution_forward_args args;
  if (read_args(kForward, given, &args) != MM1_STATUS_OK) return -1;
  Check check(kForward);
  check_forward(args, &check);
  return check.ok() ? 0 : -1;
}

mm1_status mm1_convolution_forward(mm1_stream stream, const mm1_convolution_forward_args* given, void* /*workspace*/,
                                   int64_t /*workspace_bytes*/) {
  using namespace mm1;
  mm1_convolution_forward_args args;
  MM1_RETURN_IF_FAILED(read_args(kForward, given, &args));
  Check check(kForward);
  check_forward(args, &check);
  MM1_RETURN_IF_FAILED(check.status());
  const ConvolutionShape shape = shape_of(args);
  const Region x{&args.x, shape.input_pixels(), shape.input_channels, 1, 0};
  const Region weight{&args.weight, shape.output_channels, shape.patch_length(), 1, 0};
  const Region output{&args.output, shape.output_pixels(), shape.output_channels, 1, 0};
  const ComputeOperand operands[] = {{"x", &args.x, x.rows, x.columns},
                                     {"weight", &args.weight, weight.rows, weight.columns},
                                     {"output", &args.output, output.rows, output.columns}};
  check_compute_operands(operands, 3, &check);
  check.optional("bias", args.bias, 1, shape.output_channels, compute_dtype(operands, 3));
  check.apart("output", output, "x", x);
  check.apart("output", output, "weight", weight);
  check.apart("output", output, "bias", {&args.bias, 1, shape.output_channels, 1, 0});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(kForward, &stream));
  return output.rows == 0 || output.columns == 0 ? MM1_STATUS_OK : run_forward(stream, args);
}

int64_t mm1_convolution_backward_data_workspace_bytes(const mm1_convolution_backward_data_args* given) {
  using namespace mm1;
  mm1_convolution_backward_data_args args;
  if (read_args(kBackwardData, given, &args) != MM1_STATUS_OK) return -1;
  Check check(kBackwardData);
  check_backward_data(args, &check);
  return check.ok() ? 0 : -1;
}

mm1_status mm1_convolution_backward_data(mm1_stream stream, const mm1_convolution_backward_data_args* given, void* /*workspace*/,
                                         int64_t /*workspace_bytes*/) {
  using namespace mm1;
  mm1_convolution_backward_data_args args;
  MM1_RETURN_IF_FAILED(read_args(kBackwardData, given, &args));
  Check check(kBackwardData);
  check_backward_data(args, &check);
  MM1_RETURN_IF_FAILED(check.status());
  const ConvolutionShape shape = shape_of(args);
  const Region gradient{&args.output_gradient, shape.output_pixels(), shape.output_channels, 1, 0};
  const Region weight{&args.weight, shape.output_channels, shape.patch_length(), 1, 0};
  const Region output{&args.input_gradient, shape.input_pixels(), shape.input_channels, 1, 0};
  const ComputeOperand operands[] = {{"output_gradient", &args.output_gradient, gradient.rows, gradient.columns},
                                     {"weight", &args.weight, weight.rows, weight.columns},
                                     {"input_gradient", &args.input_gradient, output.rows, output.columns}};
  check_compute_operands(operands, 3, &check);
  check.apart("input_gradient", output, "output_gradient", gradient);
  check.apart("input_gradient", output, "weight", weight);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(kBackwardData, &stream));
  return output.rows == 0 || output.columns == 0 ? MM1_STATUS_OK : run_backward_data(stream, args);
}

int64_t mm1_convolution_backward_weight_workspace_bytes(const mm1_convolution_backward_weight_args* given) {
  using namespace mm1;
  mm1_convolution_backward_weight_args args;
  if (read_args(kBackwardWeight, given, &args) != MM1_STATUS_OK) return -1;
  Check check(kBackwardWeight);
  check_backward_weight(args, &check);
  return check.ok() ? backward_weight_workspace(args) : -1;
}

mm1_status mm1_convolution_backward_weight(mm1_stream stream, const mm1_convolution_backward_weight_args* given, void* workspace,
                                           int64_t workspace_bytes) {
  using namespace mm1;
  mm1_convolution_backward_weight_args args;
  MM1_RETURN_IF_FAILED(read_args(kBackwardWeight, given, &args));
  Check check(kBackwardWeight);
  check_backward_weight(args, &check);
  MM1_RETURN_IF_FAILED(check.status());
  const ConvolutionShape shape = shape_of(args);
  const Region x{&args.x, shape.input_pixels(), shape.input_channels, 1, 0};
  const Region gradient{&args.output_gradient, shape.output_pixels(), shape.output_channels, 1, 0};
  const Region weight{&args.weight_gradient, shape.output_channels, shape.patch_length(), 1, 0};
  const Region bias{&args.bias_gradient, 1, shape.output_channels, 1, 0};
  const ComputeOperand operands[] = {{"x", &args.x, x.rows, x.columns},
                                     {"output_gradient", &args.output_gradient, gradient.rows, gradient.columns}};
  check_compute_operands(operands, 2, &check);
  check.optional("weight_gradient", args.weight_gradient, weight.rows, weight.columns, MM1_DTYPE_FLOAT32);
  check.optional("bias_gradient", args.bias_gradient, 1, shape.output_channels, MM1_DTYPE_FLOAT32);
  check.apart("weight_gradient", weight, "x", x);
  check.apart("weight_gradient", weight, "output_gradient", gradient);
  check.apart("weight_gradient", weight, "bias_gradient", bias);
  check.apart("bias_gradient", bias, "x", x);
  check.apart("bias_gradient", bias, "output_gradient", gradient);
  if (check.ok()) check.workspace(workspace, workspace_bytes, backward_weight_workspace(args));
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(kBackwardWeight, &stream));
  return run_backward_weight(stream, args, workspace, workspace_bytes);
}
