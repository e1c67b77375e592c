#include "convolution_case.h"

#include <memory>
#include <sstream>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "support/activations.h"
#include "support/agreement.h"
#include "support/device_buffer.h"
#include "support/samples.h"
#include "test.h"

namespace test {

namespace {

enum Operand { kX = 31, kWeight, kBias, kGradient, kOldInput, kOldWeight, kOldBias };

// [images, pixels, channels].
std::vector<float> values(Operand operand, mm1_dtype dtype, int64_t images, int64_t pixels, int64_t channels, double deviation = 1) {
  std::vector<float> result;
  result.reserve(static_cast<size_t>(images * pixels * channels));
  for (int64_t n = 0; n < images; n++) {
    for (int64_t p = 0; p < pixels; p++) {
      for (int64_t c = 0; c < channels; c++) {
        result.push_back(round_to(dtype, static_cast<float>(deviation * normal_sample(operand, n, p, c))));
      }
    }
  }
  return result;
}

std::vector<float> x_of(const ConvolutionCase& which) {
  return values(kX, which.dtype, which.batch, which.height * which.width, which.inputs);
}

std::vector<float> weight_of(const ConvolutionCase& which) { return values(kWeight, which.dtype, 1, which.outputs, which.patch(), 0.2); }

std::vector<float> gradient_of(const ConvolutionCase& which) {
  return values(kGradient, which.dtype, which.batch, which.output_height() * which.output_width(), which.outputs);
}

// body(output, input, weight) for each product of the sum, outputs ascending, then taps, then channels.
template <class Body>
void each_product(const ConvolutionCase& c, const Body& body) {
  const int64_t depth = c.group_inputs();
  for (int64_t n = 0; n < c.batch; n++) {
    for (int64_t y = 0; y < c.output_height(); y++) {
      for (int64_t x = 0; x < c.output_width(); x++) {
        for (int64_t o = 0; o < c.outputs; o++) {
          const int64_t output = ((n * c.output_height() + y) * c.output_width() + x) * c.outputs + o;
          for (int64_t i = 0; i < c.kernel_height; i++) {
            for (int64_t j = 0; j < c.kernel_width; j++) {
              const int64_t source_y = y * c.stride - c.padding + i, source_x = x * c.stride - c.padding + j;
              if (source_y < 0 || source_y >= c.height || source_x < 0 || source_x >= c.width) continue;
              const int64_t input = ((n * c.height + source_y) * c.width + source_x) * c.inputs + (c.groups == 1 ? 0 : o);
              const int64_t weight = ((o * c.kernel_height + i) * c.kernel_width + j) * depth;
              for (int64_t e = 0; e < depth; e++) {
                body(static_cast<size_t>(output), static_cast<size_t>(input + e), static_cast<size_t>(weight + e));
              }
            }
          }
        }
      }
    }
  }
}

template <class T>
std::vector<T> forward_by_definition(const ConvolutionCase& which) {
  const std::vector<float> x = x_of(which), weight = weight_of(which), bias = values(kBias, which.dtype, 1, 1, which.outputs);
  std::vector<T> sums(static_cast<size_t>(which.output_pixels() * which.outputs), T(0));
  each_product(which, [&](size_t o, size_t i, size_t w) { sums[o] += static_cast<T>(x[i]) * static_cast<T>(weight[w]); });
  for (size_t o = 0; o < sums.size(); o++) {
    if (which.bias) sums[o] += static_cast<T>(bias[o % static_cast<size_t>(which.outputs)]);
    sums[o] = activate(which.activation, sums[o]);
  }
  return sums;
}

template <class T>
void accumulate(std::vector<T>* sums, const std::vector<float>& old, float beta) {
  for (size_t i = 0; i < sums->size() && beta != 0; i++) (*sums)[i] += static_cast<T>(beta) * static_cast<T>(old[i]);
}

template <class T>
std::vector<T> data_by_definition(const ConvolutionCase& which) {
  const std::vector<float> gradient = gradient_of(which), weight = weight_of(which);
  std::vector<T> sums(static_cast<size_t>(which.input_pixels() * which.inputs), T(0));
  each_product(which, [&](size_t o, size_t i, size_t w) { sums[i] += static_cast<T>(gradient[o]) * static_cast<T>(weight[w]); });
  accumulate(&sums, values(kOldInput, which.dtype, which.batch, which.height * which.width, which.inputs), which.beta);
  return sums;
}

template <class T>
std::vector<T> weight_by_definition(const ConvolutionCase& which) {
  const std::vector<float> gradient = gradient_of(which), x = x_of(which);
  std::vector<T> sums(static_cast<size_t>(which.outputs * which.patch()), T(0));
  each_product(which, [&](size_t o, size_t i, size_t w) { sums[w] += static_cast<T>(gradient[o]) * static_cast<T>(x[i]); });
  accumulate(&sums, values(kOldWeight, MM1_DTYPE_FLOAT32, 1, which.outputs, which.patch()), which.beta);
  return sums;
}

template <class T>
std::vector<T> bias_by_definition(const ConvolutionCase& which) {
  const std::vector<float> gradient = gradient_of(which);
  std::vector<T> sums(static_cast<size_t>(which.outputs), T(0));
  for (size_t i = 0; i < gradient.size(); i++) sums[i % sums.size()] += static_cast<T>(gradient[i]);
  accumulate(&sums, values(kOldBias, MM1_DTYPE_FLOAT32, 1, 1, which.outputs), which.beta);
  return sums;
}

std::vector<float> rounded(mm1_dtype dtype, std::vector<float> all) {
  for (float& value : all) value = round_to(dtype, value);
  return all;
}

struct Matrix : DeviceBuffer {
  Matrix(const ConvolutionCase& which, mm1_dtype dtype, int64_t rows, int64_t columns)
      : DeviceBuffer(dtype, rows, columns, columns + which.gap, which.offset) {}
};

// Device memory that is given back whatever happens; NaN, and uninitialised to the shadow.
struct Workspace {
  void* data = nullptr;
  int64_t bytes;

  explicit Workspace(int64_t size) : bytes(size) {
    CHECK(bytes >= 0);
    CHECK_OK(mm1_memory_allocate(bytes, &data));
  }
  ~Workspace() { mm1_memory_free(data); }
};

void finish_run() {
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
}

template <class Body>
void named(const ConvolutionCase& which, const char* what, const Body& body) {
  try {
    body();
  } catch (const std::exception& error) {
    throw Failure(which.name() + " " + what + ": " + error.what());
  }
}

}  // namespace

std::string ConvolutionCase::name() const {
  std::ostringstream text;
  text << label << (dtype == MM1_DTYPE_FLOAT32 ? " float32 " : " bfloat16 ") << batch << "x" << height << "x" << width << "x" << inputs
       << " to " << outputs << " kernel " << kernel_height << "x" << kernel_width << " stride " << stride << " padding " << padding;
  if (groups != 1) text << " depthwise";
  if (gap != 0) text << " gap " << gap;
  if (offset != 0) text << " offset " << offset;
  if (beta != 0) text << " beta " << beta;
  if (bias) text << " bias";
  if (activation != MM1_ACTIVATION_NONE) text << " activation " << activation;
  return text.str();
}

std::vector<float> run_forward(const ConvolutionCase& which) {
  Matrix x(which, which.dtype, which.input_pixels(), which.inputs), weight(which, which.dtype, which.outputs, which.patch());
  Matrix bias(which, which.dtype, 1, which.outputs), output(which, which.dtype, which.output_pixels(), which.outputs);
  x.upload(x_of(which));
  weight.upload(weight_of(which));
  bias.upload(values(kBias, which.dtype, 1, 1, which.outputs));
  mm1_convolution_forward_args args = mm1_convolution_forward_args_default();
  set_extents(which, &args);
  args.x = x.operand();
  args.weight = weight.operand();
  if (which.bias) args.bias = bias.operand();
  args.output = output.operand();
  args.activation = which.activation;
  CHECK_EQUAL(int64_t{0}, mm1_convolution_forward_workspace_bytes(&args));
  CHECK_OK(mm1_convolution_forward(nullptr, &args, nullptr, 0));
  finish_run();
  return output.download();
}

std::vector<float> run_backward_data(const ConvolutionCase& which) {
  Matrix gradient(which, which.dtype, which.output_pixels(), which.outputs), weight(which, which.dtype, which.outputs, which.patch());
  Matrix result(which, which.dtype, which.input_pixels(), which.inputs);
  gradient.upload(gradient_of(which));
  weight.upload(weight_of(which));
  if (which.beta != 0) result.upload(values(kOldInput, which.dtype, which.batch, which.height * which.width, which.inputs));
  mm1_convolution_backward_data_args args = mm1_convolution_backward_data_args_default();
  set_extents(which, &args);
  args.output_gradient = gradient.operand();
  args.weight = weight.operand();
  args.input_gradient = result.operand();
  args.beta = which.beta;
  CHECK_EQUAL(int64_t{0}, mm1_convolution_backward_data_workspace_bytes(&args));
  CHECK_OK(mm1_convolution_backward_data(nullptr, &args, nullptr, 0));
  finish_run();
  return result.download();
}

WeightGradients run_backward_weight(const ConvolutionCase& which, bool with_weight, bool with_bias) {
  Matrix x(which, which.dtype, which.input_pixels(), which.inputs), gradient(which, which.dtype, which.output_pixels(), which.outputs);
  Matrix weight(which, MM1_DTYPE_FLOAT32, which.outputs, which.patch()), bias(which, MM1_DTYPE_FLOAT32, 1, which.outputs);
  x.upload(x_of(which));
  gradient.upload(gradient_of(which));
  if (which.beta != 0) {
    weight.upload(values(kOldWeight, MM1_DTYPE_FLOAT32, 1, which.outputs, which.patch()));
    bias.upload(values(kOldBias, MM1_DTYPE_FLOAT32, 1, 1, which.outputs));
  }
  mm1_convolution_backward_weight_args args = mm1_convolution_backward_weight_args_default();
  set_extents(which, &args);
  args.x = x.operand();
  args.output_gradient = gradient.operand();
  if (with_weight) args.weight_gradient = weight.operand();
  if (with_bias) args.bias_gradient = bias.operand();
  args.beta = which.beta;
  Workspace workspace(mm1_convolution_backward_weight_workspace_bytes(&args));
  CHECK_OK(mm1_convolution_backward_weight(nullptr, &args, workspace.data, workspace.bytes));
  finish_run();
  return {weight.download(), bias.download()};
}

void check_forward(const ConvolutionCase& which) {
  named(which, "forward", [&] {
    check_agreement("output", which.dtype, run_forward(which), forward_by_definition<double>(which),
                    rounded(which.dtype, forward_by_definition<float>(which)));
  });
}

void check_backward_data(const ConvolutionCase& which) {
  named(which, "backward_data", [&] {
    check_agreement("input gradient", which.dtype, run_backward_data(which), data_by_definition<double>(which),
                    rounded(which.dtype, data_by_definition<float>(which)));
  });
}

void check_backward_weight(const ConvolutionCase& which) {
  named(which, "backward_weight", [&] {
    const WeightGradients actual = run_backward_weight(which);
    check_agreement("weight gradient", MM1_DTYPE_FLOAT32, actual.weight, weight_by_definition<double>(which),
                    weight_by_definition<float>(which));
    check_agreement("bias gradient", MM1_DTYPE_FLOAT32, actual.bias, bias_by_definition<double>(which), bias_by_definition<float>(which));
  });
}

}  // namespace test
