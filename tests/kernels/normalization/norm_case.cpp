#include "norm_case.h"

#include <cmath>

#include "support/samples.h"

namespace test {

namespace {

// Values of a vector that all items share.
std::vector<float> samples(uint64_t purpose, mm1_dtype dtype, int64_t columns, double scale = 1, double shift = 0) {
  std::vector<float> values;
  for (int64_t c = 0; c < columns; c++)
    values.push_back(round_to(dtype, static_cast<float>(scale * normal_sample(purpose, 0, 0, c) + shift)));
  return values;
}

// Row by row, so that any run of rows has the same values.
std::vector<float> rows_of(const NormCase& which, uint64_t purpose, double scale = 1, double shift = 0) {
  std::vector<float> values;
  for (int64_t r = 0; r < which.rows; r++) {
    for (int64_t c = 0; c < which.groups * which.columns; c++) {
      values.push_back(round_to(which.dtype, static_cast<float>(scale * normal_sample(purpose, 0, which.first_row + r, c) + shift)));
    }
  }
  return values;
}

std::vector<float> x_of(const NormCase& which) { return rows_of(which, 1, 2, 0.5); }

mm1_dtype vector_dtype(const NormCase& which, Vector vector) { return vector == Vector::float32 ? MM1_DTYPE_FLOAT32 : which.dtype; }

std::vector<float> weight_of(const NormCase& which) { return samples(3, vector_dtype(which, which.weight), which.columns, 0.5, 1); }

std::vector<float> bias_of(const NormCase& which) { return samples(4, vector_dtype(which, which.bias), which.columns); }

// s as sum_output stores it.
std::vector<float> s_of(const NormCase& which) {
  std::vector<float> s = x_of(which);
  if (which.sum == Sum::none || which.sum == Sum::copy) return s;
  const std::vector<float> residual = rows_of(which, 2);
  for (size_t i = 0; i < s.size(); i++) s[i] = round_to(which.dtype, s[i] + residual[i]);
  return s;
}

// Mean and inverse of each item.
template <class T>
struct Statistics {
  std::vector<T> mean, inverse;
};

template <class T>
Statistics<T> statistics_of(const NormCase& which, const std::vector<float>& s) {
  Statistics<T> result;
  const size_t columns = static_cast<size_t>(which.columns);
  for (size_t item = 0; item < static_cast<size_t>(which.items()); item++) {
    T sum = 0, squares = 0;
    for (size_t c = 0; c < columns; c++) sum += T(s[item * columns + c]);
    const T mean = which.kind == Kind::layer ? sum / T(which.columns) : T(0);
    for (size_t c = 0; c < columns; c++) {
      const T centred = T(s[item * columns + c]) - mean;
      squares += centred * centred;
    }
    result.mean.push_back(mean);
    result.inverse.push_back(which.kind == Kind::l2 ? T(1) / std::max(std::sqrt(squares), T(which.epsilon))
                                                    : T(1) / std::sqrt(squares / T(which.columns) + T(which.epsilon)));
  }
  return result;
}

template <class T>
T sigmoid(T x) {
  return T(1) / (T(1) + std::exp(-x));
}

template <class T>
T silu(T x) {
  return x * sigmoid(x);
}

template <class T>
T silu_derivative(T x) {
  return sigmoid(x) * (T(1) + x * sigmoid(-x));
}

struct Buffers {
  std::vector<std::unique_ptr<DeviceBuffer>> all;

  DeviceBuffer* keep(std::unique_ptr<DeviceBuffer> buffer) {
    all.push_back(std::move(buffer));
    return all.back().get();
  }
  DeviceBuffer* vector(mm1_dtype dtype, const std::vector<float>& values, int64_t offset) {
    const RowShape shape{1, static_cast<int64_t>(values.size()), 0, offset};
    return keep(row_buffer(dtype, shape, values));
  }
};

mm1_operand operand(const DeviceBuffer* buffer) { return buffer == nullptr ? mm1_operand{} : buffer->operand(); }

template <class Args>
int64_t workspace_bytes(const Args&) {
  return 0;
}
template <>
int64_t workspace_bytes(const mm1_layer_norm_backward_args& args) {
  return mm1_layer_norm_backward_workspace_bytes(&args);
}
template <>
int64_t workspace_bytes(const mm1_rms_norm_backward_args& args) {
  return mm1_rms_norm_backward_workspace_bytes(&args);
}

template <class Args>
void call(mm1_status (*verb)(mm1_stream, const Args*, void*, int64_t), const Args& args) {
  const int64_t bytes = workspace_bytes(args);
  CHECK(bytes >= 0);
  void* workspace = nullptr;
  if (bytes > 0) CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  CHECK_OK(verb(nullptr, &args, workspace, bytes));
  finish_call();
  if (bytes > 0) CHECK_OK(mm1_memory_free(workspace));
}

template <class T>
std::vector<T> defined_forward(const NormCase& which, const std::vector<float>& s) {
  const Statistics<T> statistics = statistics_of<T>(which, s);
  const std::vector<float> weight = weight_of(which), bias = bias_of(which);
  std::vector<T> result;
  for (size_t i = 0; i < s.size(); i++) {
    const size_t item = i / static_cast<size_t>(which.columns), c = i % static_cast<size_t>(which.columns);
    T value = (T(s[i]) - statistics.mean[item]) * statistics.inverse[item];
    if (which.weight != Vector::none) value *= T(weight[c]);
    if (which.bias != Vector::none) value += T(bias[c]);
    if (which.activation == MM1_ACTIVATION_SILU) value = silu(value);
    result.push_back(value);
  }
  return result;
}

template <class T>
struct Defined {
  std::vector<T> input, weight, bias;
};

// Backward, from statistics (and for l2 the output) as they are stored.
template <class T>
Defined<T> defined_backward(const NormCase& which, const std::vector<float>& x, const Statistics<float>& statistics) {
  const std::vector<float> gradient = rows_of(which, 5), weight = weight_of(which), bias = bias_of(which),
                           sum_gradient = rows_of(which, 6), old = rows_of(which, 7);
  const size_t columns = static_cast<size_t>(which.columns);
  Defined<T> result;
  result.weight.assign(columns, T(0));
  result.bias.assign(columns, T(0));
  for (size_t item = 0; item < static_cast<size_t>(which.items()); item++) {
    const T inverse = T(statistics.inverse[item]), mean = which.kind == Kind::layer ? T(statistics.mean[item]) : T(0);
    const auto normal = [&](size_t c) {
      const T value = T(x[item * columns + c]);
      return which.kind == Kind::l2 ? value : (value - mean) * inverse;
    };
    const auto scaled = [&](size_t c) {
      const T value = which.weight == Vector::none ? normal(c) : normal(c) * T(weight[c]);
      return which.bias == Vector::none ? value : value + T(bias[c]);
    };
    const auto arriving = [&](size_t c) {
      const T value = T(gradient[item * columns + c]);
      return which.activation == MM1_ACTIVATION_SILU ? value * silu_derivative(scaled(c)) : value;
    };
    const auto weighted = [&](size_t c) { return arriving(c) * (which.weight == Vector::none ? T(1) : T(weight[c])); };
    T constant = 0, slope = 0;
    for (size_t c = 0; c < columns; c++) {
      constant += weighted(c);
      slope += weighted(c) * normal(c);
    }
    if (which.kind != Kind::l2) slope /= T(which.columns);
    if (which.kind == Kind::l2 && statistics.inverse[item] >= 1 / which.epsilon) slope = 0;
    constant = which.kind == Kind::layer ? constant / T(which.columns) : T(0);
    for (size_t c = 0; c < columns; c++) {
      const size_t i = item * columns + c;
      T value = inverse * (weighted(c) - constant - normal(c) * slope);
      if (which.sum_gradient) value += T(sum_gradient[i]);
      if (which.beta_input != 0)
        value += T(which.beta_input) * T(which.over_sum_gradient ? sum_gradient[i] : which.in_place ? gradient[i] : old[i]);
      result.input.push_back(value);
      result.weight[c] += arriving(c) * normal(c);
      result.bias[c] += arriving(c);
    }
  }
  const std::vector<float> old_weight = samples(8, MM1_DTYPE_FLOAT32, which.columns);
  const std::vector<float> old_bias = samples(9, MM1_DTYPE_FLOAT32, which.columns);
  for (size_t c = 0; c < columns && which.beta_parameters != 0; c++) {
    result.weight[c] += T(which.beta_parameters) * T(old_weight[c]);
    result.bias[c] += T(which.beta_parameters) * T(old_bias[c]);
  }
  return result;
}

// What the backward reads of the forward.
struct Saved {
  std::vector<float> x;
  Statistics<float> statistics;
};

Saved saved_of(const NormCase& which) {
  Saved saved{s_of(which), {}};
  const Statistics<double> exact = statistics_of<double>(which, saved.x);
  for (size_t i = 0; i < exact.mean.size(); i++) {
    saved.statistics.mean.push_back(static_cast<float>(exact.mean[i]));
    saved.statistics.inverse.push_back(static_cast<float>(exact.inverse[i]));
  }
  if (which.kind == Kind::l2) {
    // The smallest inverse of a clamped row is exactly 1 / epsilon.
    for (float& inverse : saved.statistics.inverse) inverse = std::min(inverse, 1 / which.epsilon);
    for (size_t i = 0; i < saved.x.size(); i++) {
      saved.x[i] = round_to(which.dtype, saved.x[i] * saved.statistics.inverse[i / static_cast<size_t>(which.columns)]);
    }
  }
  return saved;
}

void check_stored(const std::string& what, mm1_dtype dtype, const std::vector<float>& actual, const std::vector<double>& reference,
                  std::vector<float> straightforward) {
  for (float& value : straightforward) value = round_to(dtype, value);
  check_agreement(what, dtype, actual, reference, straightforward);
}

}  // namespace

std::string NormCase::name() const {
  return std::string(kind == Kind::layer ? "layer "
                     : kind == Kind::rms ? "rms "
                                         : "l2 ") +
         name_of(dtype) + " " + std::to_string(rows) + "x" + std::to_string(groups) + "x" + std::to_string(columns) + " padding " +
         std::to_string(padding) + " offset " + std::to_string(offset) + " weight " + std::to_string(static_cast<int>(weight)) + " sum " +
         std::to_string(static_cast<int>(sum)) + (activation == MM1_ACTIVATION_NONE ? "" : " silu");
}

NormOutput run_forward(const NormCase& which) {
  Buffers buffers;
  DeviceBuffer* const x = buffers.keep(row_buffer(which.dtype, which.shape(), x_of(which)));
  DeviceBuffer* const residual =
      which.sum == Sum::none || which.sum == Sum::copy ? nullptr : buffers.keep(row_buffer(which.dtype, which.shape(), rows_of(which, 2)));
  DeviceBuffer* const sum = which.sum == Sum::none            ? nullptr
                            : which.sum == Sum::over_x        ? x
                            : which.sum == Sum::over_residual ? residual
                                                              : buffers.keep(row_buffer(which.dtype, which.shape()));
  DeviceBuffer* const output = which.in_place ? x : buffers.keep(row_buffer(which.dtype, which.shape()));
  DeviceBuffer* const weight =
      which.weight == Vector::none ? nullptr : buffers.vector(vector_dtype(which, which.weight), weight_of(which), which.offset);
  DeviceBuffer* const bias =
      which.bias == Vector::none ? nullptr : buffers.vector(vector_dtype(which, which.bias), bias_of(which), which.offset);
  const RowShape statistics{which.rows, which.groups, 0, which.offset};
  DeviceBuffer* const mean = which.statistics ? buffers.keep(row_buffer(MM1_DTYPE_FLOAT32, statistics)) : nullptr;
  DeviceBuffer* const inverse = which.statistics ? buffers.keep(row_buffer(MM1_DTYPE_FLOAT32, statistics)) : nullptr;
  if (which.kind == Kind::layer) {
    mm1_layer_norm_forward_args args = mm1_layer_norm_forward_args_default();
    args.rows = which.rows;
    args.groups = which.groups;
    args.columns = which.columns;
    args.x = operand(x);
    args.residual = operand(residual);
    args.sum_output = operand(sum);
    args.weight = operand(weight);
    args.bias = operand(bias);
    args.output = operand(output);
    args.mean = operand(mean);
    args.inverse_standard_deviation = operand(inverse);
    args.epsilon = which.epsilon;
    args.activation = which.activation;
    call(mm1_layer_norm_forward, args);
  } else if (which.kind == Kind::rms) {
    mm1_rms_norm_forward_args args = mm1_rms_norm_forward_args_default();
    args.rows = which.rows;
    args.groups = which.groups;
    args.columns = which.columns;
    args.x = operand(x);
    args.residual = operand(residual);
    args.sum_output = operand(sum);
    args.weight = operand(weight);
    args.output = operand(output);
    args.inverse_root_mean_square = operand(inverse);
    args.epsilon = which.epsilon;
    call(mm1_rms_norm_forward, args);
  } else {
    mm1_l2_normalize_forward_args args = mm1_l2_normalize_forward_args_default();
    args.rows = which.rows;
    args.columns = which.columns;
    args.x = operand(x);
    args.output = operand(output);
    args.inverse_norm = operand(inverse);
    args.epsilon = which.epsilon;
    call(mm1_l2_normalize_forward, args);
  }
  NormOutput result;
  result.output = output->download();
  if (sum != nullptr) result.sum = sum->download();
  if (which.statistics && which.kind == Kind::layer) result.mean = mean->download();
  if (which.statistics) result.inverse = inverse->download();
  return result;
}

NormGradients run_backward(const NormCase& which) {
  const Saved saved = saved_of(which);
  Buffers buffers;
  const RowShape shape = which.shape();
  DeviceBuffer* const gradient = buffers.keep(row_buffer(which.dtype, shape, rows_of(which, 5)));
  DeviceBuffer* const x = buffers.keep(row_buffer(which.dtype, shape, saved.x));
  DeviceBuffer* const sum_gradient = which.sum_gradient ? buffers.keep(row_buffer(which.dtype, shape, rows_of(which, 6))) : nullptr;
  DeviceBuffer* const input = which.in_place            ? gradient
                              : which.over_sum_gradient ? sum_gradient
                                                        : buffers.keep(row_buffer(which.dtype, shape));
  if (which.beta_input != 0 && !which.in_place && !which.over_sum_gradient) input->upload(rows_of(which, 7));
  DeviceBuffer* const weight =
      which.weight == Vector::none ? nullptr : buffers.vector(vector_dtype(which, which.weight), weight_of(which), which.offset);
  DeviceBuffer* const bias =
      which.bias == Vector::none ? nullptr : buffers.vector(vector_dtype(which, which.bias), bias_of(which), which.offset);
  const RowShape statistics{which.rows, which.groups, 0, which.offset};
  DeviceBuffer* const mean = buffers.keep(row_buffer(MM1_DTYPE_FLOAT32, statistics, saved.statistics.mean));
  DeviceBuffer* const inverse = buffers.keep(row_buffer(MM1_DTYPE_FLOAT32, statistics, saved.statistics.inverse));
  const RowShape vector{1, which.columns, 0, which.offset};
  DeviceBuffer* const weight_gradient =
      which.parameters && which.kind != Kind::l2 ? buffers.keep(row_buffer(MM1_DTYPE_FLOAT32, vector)) : nullptr;
  DeviceBuffer* const bias_gradient =
      which.parameters && which.kind == Kind::layer ? buffers.keep(row_buffer(MM1_DTYPE_FLOAT32, vector)) : nullptr;
  if (which.beta_parameters != 0) {
    if (weight_gradient != nullptr) weight_gradient->upload(samples(8, MM1_DTYPE_FLOAT32, which.columns));
    if (bias_gradient != nullptr) bias_gradient->upload(samples(9, MM1_DTYPE_FLOAT32, which.columns));
  }
  if (which.kind == Kind::layer) {
    mm1_layer_norm_backward_args args = mm1_layer_norm_backward_args_default();
    args.rows = which.rows;
    args.groups = which.groups;
    args.columns = which.columns;
    args.output_gradient = operand(gradient);
    args.sum_gradient = operand(sum_gradient);
    args.x = operand(x);
    args.weight = operand(weight);
    args.mean = operand(mean);
    args.inverse_standard_deviation = operand(inverse);
    args.input_gradient = operand(input);
    args.weight_gradient = operand(weight_gradient);
    args.bias_gradient = operand(bias_gradient);
    args.beta_input = which.beta_input;
    args.beta_parameters = which.beta_parameters;
    args.bias = operand(bias);
    args.activation = which.activation;
    call(mm1_layer_norm_backward, args);
  } else if (which.kind == Kind::rms) {
    mm1_rms_norm_backward_args args = mm1_rms_norm_backward_args_default();
    args.rows = which.rows;
    args.groups = which.groups;
    args.columns = which.columns;
    args.output_gradient = operand(gradient);
    args.sum_gradient = operand(sum_gradient);
    args.x = operand(x);
    args.weight = operand(weight);
    args.inverse_root_mean_square = operand(inverse);
    args.input_gradient = operand(input);
    args.weight_gradient = operand(weight_gradient);
    args.beta_input = which.beta_input;
    args.beta_parameters = which.beta_parameters;
    call(mm1_rms_norm_backward, args);
  } else {
    mm1_l2_normalize_backward_args args = mm1_l2_normalize_backward_args_default();
    args.rows = which.rows;
    args.columns = which.columns;
    args.output_gradient = operand(gradient);
    args.output = operand(x);
    args.inverse_norm = operand(inverse);
    args.input_gradient = operand(input);
    args.epsilon = which.epsilon;
    args.beta = which.beta_input;
    call(mm1_l2_normalize_backward, args);
  }
  NormGradients result;
  result.input = input->download();
  if (weight_gradient != nullptr) result.weight = weight_gradient->download();
  if (bias_gradient != nullptr) result.bias = bias_gradient->download();
  return result;
}

void check_forward(const NormCase& which) {
  in_case("forward " + which.name(), [&] {
    const std::vector<float> s = s_of(which);
    const NormOutput result = run_forward(which);
    check_stored("output", which.dtype, result.output, defined_forward<double>(which, s), defined_forward<float>(which, s));
    if (which.sum != Sum::none) check_same_bits("sum", result.sum, s);
    if (!which.statistics) return;
    const Statistics<double> exact = statistics_of<double>(which, s);
    const Statistics<float> straight = statistics_of<float>(which, s);
    if (which.kind == Kind::layer) check_stored("mean", MM1_DTYPE_FLOAT32, result.mean, exact.mean, straight.mean);
    check_stored("inverse", MM1_DTYPE_FLOAT32, result.inverse, exact.inverse, straight.inverse);
  });
}

void check_backward(const NormCase& which) {
  in_case("backward " + which.name(), [&] {
    const Saved saved = saved_of(which);
    const Defined<double> exact = defined_backward<double>(which, saved.x, saved.statistics);
    const Defined<float> straight = defined_backward<float>(which, saved.x, saved.statistics);
    const NormGradients result = run_backward(which);
    check_stored("input gradient", which.dtype, result.input, exact.input, straight.input);
    if (!which.parameters || which.kind == Kind::l2) return;
    check_stored("weight gradient", MM1_DTYPE_FLOAT32, result.weight, exact.weight, straight.weight);
    if (which.kind == Kind::layer) check_stored("bias gradient", MM1_DTYPE_FLOAT32, result.bias, exact.bias, straight.bias);
  });
}

}  // namespace test
