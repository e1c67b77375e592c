#include "gemm_case.h"

#include <cmath>
#include <memory>
#include <sstream>

#include "support/activations.h"
#include "support/agreement.h"
#include "support/device_buffer.h"
#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "support/samples.h"
#include "test.h"

namespace test {

namespace {

enum Operand { kA = 1, kB, kOld, kBias, kResidual, kPreActivation };

// Element (row, column) of an operand, a value of `dtype`.
float element(Operand operand, int64_t problem, int64_t row, int64_t column, double deviation, mm1_dtype dtype) {
  return round_to(dtype, static_cast<float>(deviation * normal_sample(static_cast<uint64_t>(operand), problem, row, column)));
}

struct Inputs {
  std::vector<float> a, b, old, bias, residual, pre_activation;  // Row by row, as op(a) [m, k] and op(b) [k, n]; problem after problem.
};

std::vector<float> matrix(Operand operand, int64_t problems, int64_t rows, int64_t columns, double deviation, mm1_dtype dtype) {
  std::vector<float> values;
  values.reserve(static_cast<size_t>(problems * rows * columns));
  for (int64_t p = 0; p < problems; p++) {
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t c = 0; c < columns; c++) values.push_back(element(operand, p, r, c, deviation, dtype));
    }
  }
  return values;
}

Inputs inputs_of(const GemmCase& which) {
  const mm1_dtype compute = which.compute_dtype();
  Inputs inputs;
  inputs.a = matrix(kA, which.share_a ? 1 : which.batch, which.m, which.k, 1, compute);
  const double deviation = which.k > 0 ? 1 / std::sqrt(static_cast<double>(which.k)) : 1;  // So that outputs are about 1.
  inputs.b = matrix(kB, which.share_b ? 1 : which.batch, which.k, which.n, deviation, compute);
  inputs.old = matrix(kOld, which.batch, which.m, which.n, 1, which.output_dtype());
  inputs.bias = matrix(kBias, 1, 1, which.n, 1, which.output_dtype());
  inputs.residual =
      which.residual == Residual::output ? inputs.old : matrix(kResidual, which.batch, which.m, which.n, 1, which.output_dtype());
  inputs.pre_activation = matrix(kPreActivation, which.batch, which.m, which.n, 2, compute);
  return inputs;
}

std::vector<float> turned(const std::vector<float>& values, int64_t problems, int64_t rows, int64_t columns) {
  std::vector<float> result(values.size());
  for (int64_t p = 0; p < problems; p++) {
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t c = 0; c < columns; c++) {
        result[static_cast<size_t>((p * columns + c) * rows + r)] = values[static_cast<size_t>((p * rows + r) * columns + c)];
      }
    }
  }
  return result;
}

template <class T>
struct Defined {
  std::vector<T> output, pre_activation;
};

// The verb by its definition, in T throughout. The inputs of a straightforward tf32 product are rounded first.
template <class T>
Defined<T> by_definition(const GemmCase& which, const Inputs& inputs, bool rounds_inputs) {
  const auto operand = [rounds_inputs](float value) { return static_cast<T>(rounds_inputs ? round_to_tf32(value) : value); };
  Defined<T> result;
  std::vector<T> sums(static_cast<size_t>(which.n));
  for (int64_t p = 0; p < which.batch; p++) {
    const float* const a = inputs.a.data() + (which.share_a ? 0 : p * which.m * which.k);
    const float* const b = inputs.b.data() + (which.share_b ? 0 : p * which.k * which.n);
    for (int64_t i = 0; i < which.m; i++) {
      std::fill(sums.begin(), sums.end(), T(0));
      for (int64_t x = 0; x < which.k; x++) {
        const T left = operand(a[i * which.k + x]);
        for (int64_t j = 0; j < which.n; j++) sums[static_cast<size_t>(j)] += left * operand(b[x * which.n + j]);
      }
      for (int64_t j = 0; j < which.n; j++) {
        const size_t place = static_cast<size_t>((p * which.m + i) * which.n + j);
        T t = static_cast<T>(which.alpha) * sums[static_cast<size_t>(j)];
        if (which.beta != 0) t += static_cast<T>(which.beta) * static_cast<T>(inputs.old[place]);
        if (which.bias) t += static_cast<T>(inputs.bias[static_cast<size_t>(j)]);
        result.pre_activation.push_back(t);
        t = which.gradient ? t * derivative(which.activation, static_cast<T>(inputs.pre_activation[place])) : activate(which.activation, t);
        if (which.residual != Residual::none) t += static_cast<T>(inputs.residual[place]);
        result.output.push_back(t);
      }
    }
  }
  return result;
}

std::vector<float> rounded(mm1_dtype dtype, std::vector<float> values) {
  for (float& value : values) value = round_to(dtype, value);
  return values;
}

// An operand [problems x rows, columns], or with `heads` [rows, problems x columns].
struct Batched {
  std::unique_ptr<DeviceBuffer> buffer;
  int64_t batch_stride = 0;

  Batched(const GemmCase& which, mm1_dtype dtype, int64_t problems, int64_t rows, int64_t columns)
      : problems_(problems), rows_(rows), columns_(columns) {
    heads_ = which.heads && problems > 1;
    const int64_t width = heads_ ? problems * columns : columns;
    buffer = std::make_unique<DeviceBuffer>(dtype, heads_ ? rows : problems * rows, width, width + which.padding, which.offset);
    batch_stride = problems <= 1 ? 0 : heads_ ? columns : rows * buffer->row_stride();
  }

  void upload(const std::vector<float>& values) { buffer->upload(heads_ ? exchanged(values, problems_, rows_) : values); }
  std::vector<float> download() const { return heads_ ? exchanged(buffer->download(), rows_, problems_) : buffer->download(); }

 private:
  // Blocks of columns [outer, inner] to [inner, outer].
  std::vector<float> exchanged(const std::vector<float>& values, int64_t outer, int64_t inner) const {
    std::vector<float> result(values.size());
    for (int64_t o = 0; o < outer; o++) {
      for (int64_t i = 0; i < inner; i++) {
        for (int64_t c = 0; c < columns_; c++) {
          result[static_cast<size_t>((i * outer + o) * columns_ + c)] = values[static_cast<size_t>((o * inner + i) * columns_ + c)];
        }
      }
    }
    return result;
  }

  int64_t problems_, rows_, columns_;
  bool heads_;
};

}  // namespace

std::string GemmCase::name() const {
  std::ostringstream text;
  text << (arithmetic == Arithmetic::bfloat16 ? "bfloat16 " : arithmetic == Arithmetic::float32 ? "float32 " : "tf32 ");
  text << layout << " " << m << "x" << n << "x" << k;
  if (batch != 1) text << " batch " << batch << (share_a ? " shared a" : "") << (share_b ? " shared b" : "") << (heads ? " heads" : "");
  if (alpha != 1) text << " alpha " << alpha;
  if (beta != 0) text << " beta " << beta;
  if (bias) text << " bias";
  if (activation != MM1_ACTIVATION_NONE) text << " activation " << activation << (gradient ? " gradient" : "");
  if (pre_activation) text << " pre-activation";
  if (residual != Residual::none) text << (residual == Residual::own ? " residual" : " residual output");
  if (float32_output) text << " to float32";
  if (padding != 0) text << " padding " << padding;
  if (offset != 0) text << " offset " << offset;
  return text.str();
}

GemmResult run_gemm(const GemmCase& which) {
  const Inputs inputs = inputs_of(which);
  const int64_t problems_a = which.share_a ? 1 : which.batch;
  const int64_t problems_b = which.share_b ? 1 : which.batch;
  const bool turn_a = which.turned_a();
  const bool turn_b = which.turned_b();
  const mm1_dtype compute = which.compute_dtype();
  GemmResult result;
  {
    Batched a(which, compute, problems_a, turn_a ? which.k : which.m, turn_a ? which.m : which.k);
    Batched b(which, compute, problems_b, turn_b ? which.n : which.k, turn_b ? which.k : which.n);
    Batched output(which, which.output_dtype(), which.batch, which.m, which.n);
    a.upload(turn_a ? turned(inputs.a, problems_a, which.m, which.k) : inputs.a);
    b.upload(turn_b ? turned(inputs.b, problems_b, which.k, which.n) : inputs.b);
    if (which.beta != 0 || which.residual == Residual::output) output.upload(inputs.old);
    std::unique_ptr<DeviceBuffer> bias;
    std::unique_ptr<Batched> residual, pre_activation;

    mm1_gemm_args args = mm1_gemm_args_default();
    args.transpose_a = turn_a ? MM1_TRANSPOSE_TRANSPOSED : MM1_TRANSPOSE_NONE;
    args.transpose_b = turn_b ? MM1_TRANSPOSE_TRANSPOSED : MM1_TRANSPOSE_NONE;
    args.activation = which.activation;
    args.activation_gradient = which.gradient;
    args.math_mode = which.arithmetic == Arithmetic::tf32 ? MM1_MATH_MODE_TF32 : MM1_MATH_MODE_DEFAULT;
    args.m = which.m;
    args.n = which.n;
    args.k = which.k;
    args.batch = which.batch;
    args.a = a.buffer->operand();
    args.b = b.buffer->operand();
    args.output = output.buffer->operand();
    args.batch_stride_a = a.batch_stride;
    args.batch_stride_b = b.batch_stride;
    args.batch_stride_output = output.batch_stride;
    args.alpha = which.alpha;
    args.beta = which.beta;
    if (which.bias) {
      bias = std::make_unique<DeviceBuffer>(which.output_dtype(), 1, which.n, which.n, which.offset);
      bias->upload(inputs.bias);
      args.bias = bias->operand();
    }
    if (which.residual == Residual::own) {
      residual = std::make_unique<Batched>(which, which.output_dtype(), which.batch, which.m, which.n);
      residual->upload(inputs.residual);
      args.residual = residual->buffer->operand();
      args.batch_stride_residual = residual->batch_stride;
    } else if (which.residual == Residual::output) {
      args.residual = args.output;
      args.batch_stride_residual = output.batch_stride;
    }
    if (which.gradient || which.pre_activation) {
      pre_activation = std::make_unique<Batched>(which, compute, which.batch, which.m, which.n);
      if (which.gradient) pre_activation->upload(inputs.pre_activation);
      args.pre_activation = pre_activation->buffer->operand();
      args.batch_stride_pre_activation = pre_activation->batch_stride;
    }
    CHECK_EQUAL(int64_t{0}, mm1_gemm_workspace_bytes(&args));
    CHECK_OK(mm1_gemm(nullptr, &args, nullptr, 0));
    CHECK_OK(mm1_stream_synchronize(nullptr));
    result.output = output.download();
    if (pre_activation != nullptr && !which.gradient) result.pre_activation = pre_activation->download();
    emulator::check_guards();
  }
  return result;
}

double exact_activation(mm1_activation activation, double x) { return activate(activation, x); }

double exact_derivative(mm1_activation activation, double x) { return derivative(activation, x); }

void check_gemm_case(const GemmCase& which) {
  try {
    const GemmResult actual = run_gemm(which);
    const Inputs inputs = inputs_of(which);
    const Defined<double> exact = by_definition<double>(which, inputs, false);
    const Defined<float> straight = by_definition<float>(which, inputs, which.arithmetic == Arithmetic::tf32);
    check_agreement("output", which.output_dtype(), actual.output, exact.output, rounded(which.output_dtype(), straight.output));
    if (!actual.pre_activation.empty()) {
      check_agreement("pre-activation", which.compute_dtype(), actual.pre_activation, exact.pre_activation,
                      rounded(which.compute_dtype(), straight.pre_activation));
    }
  } catch (const std::exception& error) {
    throw Failure(which.name() + ": " + error.what());
  }
}

}  // namespace test
