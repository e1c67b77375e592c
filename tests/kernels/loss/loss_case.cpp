#include "loss_case.h"

#include <cmath>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "support/samples.h"
#include "test.h"

namespace test {

void check_results(const std::string& what, const Results& actual, const std::map<std::string, std::vector<double>>& expected,
                   const std::map<std::string, std::vector<float>>& straightforward) {
  CHECK_EQUAL(expected.size(), actual.size());
  for (const auto& [name, result] : actual) {
    CHECK_MESSAGE(expected.count(name) == 1 && straightforward.count(name) == 1, name);
    check_agreement(what + " " + name, result.stored, result.values, expected.at(name), straightforward.at(name));
  }
}

void check_same_results(const std::string& what, const Results& actual, const Results& expected) {
  int common = 0;
  for (const auto& [name, result] : actual) {
    const auto other = expected.find(name);
    if (other == expected.end()) continue;
    check_same_bits(what + " " + name, result.values, other->second.values);
    common++;
  }
  CHECK(common > 0);
}

Workspace::Workspace(int64_t bytes) : bytes_(bytes) {
  CHECK_MESSAGE(bytes >= 0, mm1_get_last_error_message());
  CHECK_OK(mm1_memory_allocate(bytes, &address_));
}

Workspace::~Workspace() { mm1_memory_free(address_); }

void finish_call() {
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
}

std::unique_ptr<DeviceBuffer> upload(mm1_dtype dtype, const std::vector<float>& values, int64_t rows, int64_t columns, int64_t padding,
                                     int64_t offset) {
  auto buffer = std::make_unique<DeviceBuffer>(dtype, rows, columns, columns + padding, offset);
  buffer->upload(values);
  return buffer;
}

std::unique_ptr<DeviceBuffer> upload_targets(const std::vector<int32_t>& targets) {
  auto buffer = std::make_unique<DeviceBuffer>(MM1_DTYPE_INT32, static_cast<int64_t>(targets.size()));
  buffer->upload_elements(targets);
  return buffer;
}

std::unique_ptr<DeviceBuffer> upload_state(float loss_denominator) {
  if (loss_denominator < 0) return nullptr;
  mm1_step_state state{};
  state.loss_denominator = loss_denominator;
  const uint8_t* const bytes = reinterpret_cast<const uint8_t*>(&state);
  auto buffer = std::make_unique<DeviceBuffer>(MM1_DTYPE_UINT8, static_cast<int64_t>(sizeof state));
  buffer->upload_elements(std::vector<uint8_t>(bytes, bytes + sizeof state));
  return buffer;
}

std::unique_ptr<DeviceBuffer> upload_scalar(float value) {
  return std::isnan(value) ? nullptr : upload(MM1_DTYPE_FLOAT32, {value}, 1, 1);
}

mm1_operand operand_of(const std::unique_ptr<DeviceBuffer>& buffer) { return buffer == nullptr ? mm1_operand{} : buffer->operand(); }

std::vector<float> normal_values(mm1_dtype dtype, uint64_t purpose, int64_t rows, int64_t columns, double scale, double shift) {
  std::vector<float> values;
  values.reserve(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) {
      values.push_back(round_to(dtype, static_cast<float>(shift + scale * normal_sample(purpose, 0, r, c))));
    }
  }
  return values;
}

std::vector<int32_t> some_targets(int64_t tokens, int64_t vocabulary, int64_t ignore_every, int32_t ignore_index) {
  std::vector<int32_t> targets;
  for (int64_t t = 0; t < tokens; t++) {
    const bool counts = ignore_every == 0 || (t + 1) % ignore_every != 0;
    const uint64_t key = mixed(static_cast<uint64_t>(vocabulary) * 977 + static_cast<uint64_t>(t));
    targets.push_back(counts && vocabulary > 0 ? static_cast<int32_t>(key % static_cast<uint64_t>(vocabulary)) : ignore_index);
  }
  return targets;
}

namespace {

std::string dtype_text(mm1_dtype dtype) { return dtype == MM1_DTYPE_FLOAT32 ? "float32" : "bfloat16"; }

// What a straightforward implementation stores; the reference is not rounded.
float stored(mm1_dtype dtype, float value) { return round_to(dtype, value); }
double stored(mm1_dtype, double value) { return value; }

template <class T>
std::vector<T> widened(const std::vector<float>& values) {
  return std::vector<T>(values.begin(), values.end());
}

template <class T>
T log_sum_exp(const T* x, int64_t count, int64_t stride = 1) {
  T maximum = -std::numeric_limits<T>::infinity();
  for (int64_t i = 0; i < count; i++) maximum = std::max(maximum, x[i * stride]);
  T sum = 0;
  for (int64_t i = 0; i < count; i++) sum += std::exp(x[i * stride] - maximum);
  return maximum + std::log(sum);
}

template <class T>
struct TokenSums {
  T loss = 0;
  std::vector<T> token_losses, log_sum_exp, gradient;
};

// Cross-entropy of given logits with everything. `gradient_dtype` is what the gradient is stored in.
template <class T>
TokenSums<T> cross_entropy(const std::vector<T>& logits, const std::vector<int32_t>& targets, int64_t vocabulary, int32_t ignore_index,
                           float z_loss_weight, float denominator, float loss_gradient, mm1_dtype gradient_dtype) {
  TokenSums<T> result;
  const size_t tokens = targets.size();
  result.token_losses.assign(tokens, 0);
  result.log_sum_exp.assign(tokens, 0);
  result.gradient.assign(logits.size(), 0);
  T counted = 0;
  for (int32_t target : targets) counted += target != ignore_index ? 1 : 0;
  const T divisor = denominator > 0 ? T(denominator) : std::max(counted, T(1));
  const T factor = (std::isnan(loss_gradient) ? T(1) : T(loss_gradient)) / divisor;
  const T z = z_loss_weight;
  for (size_t t = 0; t < tokens; t++) {
    if (targets[t] == ignore_index) continue;
    const T* const x = &logits[t * static_cast<size_t>(vocabulary)];
    const T lse = log_sum_exp(x, vocabulary);
    result.log_sum_exp[t] = lse;
    result.token_losses[t] = lse - x[targets[t]];
    result.loss += result.token_losses[t] + z * lse * lse;
    for (int64_t v = 0; v < vocabulary; v++) {
      const T softmax = std::exp(x[v] - lse);
      const T g = factor * (softmax - (v == targets[t] ? T(1) : T(0)) + 2 * z * lse * softmax);
      result.gradient[t * static_cast<size_t>(vocabulary) + static_cast<size_t>(v)] = stored(gradient_dtype, g);
    }
  }
  result.loss /= divisor;
  return result;
}

// c[m, n] = sum over k of a(m, k) * b(k, n).
template <class T, class A, class B>
std::vector<T> product(int64_t m, int64_t n, int64_t k, const A& a, const B& b) {
  std::vector<T> c(static_cast<size_t>(m * n), 0);
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < n; j++) {
      T sum = 0;
      for (int64_t l = 0; l < k; l++) sum += a(i, l) * b(l, j);
      c[static_cast<size_t>(i * n + j)] = sum;
    }
  }
  return c;
}

template <class T>
auto rows_of(const std::vector<T>& values, int64_t columns) {
  return [&values, columns](int64_t r, int64_t c) { return values[static_cast<size_t>(r * columns + c)]; };
}

template <class T>
auto columns_of(const std::vector<T>& values, int64_t columns) {
  return [&values, columns](int64_t r, int64_t c) { return values[static_cast<size_t>(c * columns + r)]; };
}

template <class Case>
void check_case(const Case& which, const std::map<std::string, std::vector<double>>& expected,
                const std::map<std::string, std::vector<float>>& straightforward) {
  try {
    check_results("", which.run(), expected, straightforward);
  } catch (const std::exception& error) {
    throw Failure(which.name() + ": " + error.what());
  }
}

template <class T>
std::map<std::string, std::vector<T>> by_definition(const CrossEntropyCase& which) {
  const TokenSums<T> sums = cross_entropy(widened<T>(which.logits()), which.targets(), which.vocabulary, which.ignore_index,
                                          which.z_loss_weight, which.denominator, which.loss_gradient, which.dtype);
  std::map<std::string, std::vector<T>> results{{"loss", {sums.loss}}, {"logits gradient", sums.gradient}};
  if (which.optional_outputs) {
    results["token losses"] = sums.token_losses;
    results["log-sum-exp"] = sums.log_sum_exp;
  }
  return results;
}

template <class T>
std::map<std::string, std::vector<T>> by_definition(const LinearCrossEntropyCase& which) {
  const int64_t tokens = which.tokens, width = which.width, vocabulary = which.vocabulary;
  const std::vector<T> x = widened<T>(which.x()), weight = widened<T>(which.weight());
  const std::vector<T> logits = product<T>(tokens, vocabulary, width, rows_of(x, width), columns_of(weight, width));
  const TokenSums<T> sums = cross_entropy(logits, which.targets(), vocabulary, -100, which.z_loss_weight, which.denominator,
                                          which.loss_gradient, which.dtype);
  std::map<std::string, std::vector<T>> results{{"loss", {sums.loss}}, {"log-sum-exp", sums.log_sum_exp}};
  if (which.token_losses) results["token losses"] = sums.token_losses;
  if (which.input_gradient) {
    std::vector<T> gradient = product<T>(tokens, width, vocabulary, rows_of(sums.gradient, vocabulary), rows_of(weight, width));
    const std::vector<T> old = widened<T>(which.old_input());
    for (size_t i = 0; i < gradient.size(); i++) gradient[i] = stored(which.dtype, gradient[i] + T(which.beta_input) * old[i]);
    results["input gradient"] = gradient;
  }
  if (which.weight_gradient) {
    std::vector<T> gradient = product<T>(vocabulary, width, tokens, columns_of(sums.gradient, vocabulary), rows_of(x, width));
    const std::vector<T> old = widened<T>(which.old_weight());
    for (size_t i = 0; i < gradient.size(); i++) gradient[i] += T(which.beta_weight) * old[i];
    results["weight gradient"] = gradient;
  }
  return results;
}

template <class T>
std::map<std::string, std::vector<T>> by_definition(const ContrastiveLossCase& which) {
  const int64_t n = which.pairs, width = which.width;
  const std::vector<T> image = widened<T>(which.unit_rows(1)), text = widened<T>(which.unit_rows(2));
  const bool clamped = std::exp(T(which.log_scale)) > T(which.max_scale);
  const T scale = clamped ? T(which.max_scale) : std::exp(T(which.log_scale));
  std::vector<T> logits = product<T>(n, n, width, rows_of(image, width), columns_of(text, width));
  for (T& x : logits) x *= scale;
  std::vector<T> rows, columns, gradient(logits.size());
  T loss = 0, scale_gradient = 0;
  for (int64_t i = 0; i < n; i++) {
    rows.push_back(log_sum_exp(&logits[static_cast<size_t>(i * n)], n));
    columns.push_back(log_sum_exp(&logits[static_cast<size_t>(i)], n, n));
    const T diagonal = logits[static_cast<size_t>(i * n + i)];
    loss += ((rows.back() - diagonal) + (columns.back() - diagonal)) / 2;
  }
  const T factor = (std::isnan(which.loss_gradient) ? T(1) : T(which.loss_gradient)) / (2 * T(n));
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < n; j++) {
      const size_t at = static_cast<size_t>(i * n + j);
      const T l = logits[at];
      const T g = factor * (std::exp(l - rows[static_cast<size_t>(i)]) + std::exp(l - columns[static_cast<size_t>(j)]) - (i == j ? 2 : 0));
      scale_gradient += g * l;
      gradient[at] = stored(which.dtype, scale * g);
    }
  }
  std::map<std::string, std::vector<T>> results{
      {"loss", {loss / std::max(T(n), T(1))}}, {"row log-sum-exp", rows}, {"column log-sum-exp", columns}};
  results["log scale gradient"] = {(clamped ? 0 : scale_gradient) + 3 * T(which.beta_log_scale)};
  if (!which.gradients) return results;
  results["image gradient"] = product<T>(n, width, n, rows_of(gradient, n), rows_of(text, width));
  results["text gradient"] = product<T>(n, width, n, columns_of(gradient, n), rows_of(image, width));
  for (const char* name : {"image gradient", "text gradient"}) {
    for (T& value : results[name]) value = stored(which.dtype, value);
  }
  return results;
}

template <class T>
std::map<std::string, std::vector<T>> by_definition(const PatchRegressionCase& which) {
  const std::vector<T> prediction = widened<T>(which.prediction()), target = widened<T>(which.target());
  const std::vector<uint8_t> mask = which.mask();
  T counted = 0, loss = 0;
  for (int64_t p = 0; p < which.patches; p++) counted += mask.empty() || mask[static_cast<size_t>(p)] != 0 ? 1 : 0;
  const T divisor = which.denominator > 0 ? T(which.denominator) : std::max(counted, T(1));
  const T lossGradient = std::isnan(which.loss_gradient) ? T(1) : T(which.loss_gradient);
  std::vector<T> gradient(prediction.size(), 0);
  for (int64_t p = 0; p < which.patches; p++) {
    if (!mask.empty() && mask[static_cast<size_t>(p)] == 0) continue;
    const size_t first = static_cast<size_t>(p * which.columns), columns = static_cast<size_t>(which.columns);
    T mean = 0, variance = 0, deviation = 1, squares = 0;
    if (which.normalize) {
      for (size_t c = 0; c < columns; c++) mean += target[first + c];
      mean /= T(columns);
      for (size_t c = 0; c < columns; c++) variance += (target[first + c] - mean) * (target[first + c] - mean);
      variance = columns > 1 ? variance / T(columns - 1) : T(0);
      deviation = std::sqrt(variance + T(which.epsilon));
    }
    for (size_t c = 0; c < columns; c++) {
      const T normalized = which.normalize ? (target[first + c] - mean) / deviation : target[first + c];
      const T difference = prediction[first + c] - normalized;
      squares += difference * difference;
      gradient[first + c] = stored(which.dtype, 2 * lossGradient * difference / (divisor * T(columns)));
    }
    if (columns > 0) loss += squares / T(columns);
  }
  return {{"loss", {loss / divisor}}, {"prediction gradient", gradient}};
}

}  // namespace

std::string CrossEntropyCase::name() const {
  return "cross-entropy " + dtype_text(dtype) + " " + std::to_string(tokens) + "x" + std::to_string(vocabulary) + " padding " +
         show(padding) + " offset " + show(offset) + " ignore " + show(ignore_every) + " z " + show(z_loss_weight) +
         " denominator " + show(denominator) + (in_place ? " in place" : "") + " scale " + show(scale) +
         " loss gradient " + show(loss_gradient);
}

Results CrossEntropyCase::run(const std::vector<float>& logits_values, const std::vector<int32_t>& target_values) const {
  const auto logits = upload(dtype, logits_values, tokens, vocabulary, padding, offset);
  const auto targets = upload_targets(target_values);
  const auto state = upload_state(denominator);
  const auto given = upload_scalar(loss_gradient);
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1), token_losses(MM1_DTYPE_FLOAT32, tokens), log_sum_exp(MM1_DTYPE_FLOAT32, tokens);
  const auto forward_of = [&](bool optional) {
    mm1_cross_entropy_forward_args forward = mm1_cross_entropy_forward_args_default();
    forward.tokens = tokens;
    forward.vocabulary = vocabulary;
    forward.logits = logits->operand();
    forward.targets = targets->operand();
    forward.loss = loss.operand();
    forward.step_state = state == nullptr ? nullptr : static_cast<const mm1_step_state*>(state->data());
    forward.ignore_index = ignore_index;
    forward.z_loss_weight = z_loss_weight;
    if (optional) {
      forward.token_losses = token_losses.operand();
      forward.log_sum_exp = log_sum_exp.operand();
    }
    const Workspace workspace(mm1_cross_entropy_forward_workspace_bytes(&forward));
    CHECK_OK(mm1_cross_entropy_forward(nullptr, &forward, workspace.address(), workspace.bytes()));
    finish_call();
  };
  forward_of(true);
  if (!optional_outputs) forward_of(false);

  DeviceBuffer apart(dtype, tokens, vocabulary, vocabulary + 2 * padding, offset);
  DeviceBuffer& gradient = in_place ? *logits : apart;
  mm1_cross_entropy_backward_args backward = mm1_cross_entropy_backward_args_default();
  backward.tokens = tokens;
  backward.vocabulary = vocabulary;
  backward.logits = logits->operand();
  backward.targets = targets->operand();
  backward.log_sum_exp = log_sum_exp.operand();
  backward.loss_gradient = operand_of(given);
  backward.logits_gradient = gradient.operand();
  backward.step_state = state == nullptr ? nullptr : static_cast<const mm1_step_state*>(state->data());
  backward.ignore_index = ignore_index;
  backward.z_loss_weight = z_loss_weight;
  const Workspace workspace(mm1_cross_entropy_backward_workspace_bytes(&backward));
  CHECK_OK(mm1_cross_entropy_backward(nullptr, &backward, workspace.address(), workspace.bytes()));
  finish_call();
  Results results{{"loss", {MM1_DTYPE_FLOAT32, loss.download()}}, {"logits gradient", {dtype, gradient.download()}}};
  if (optional_outputs) {
    results["token losses"] = {MM1_DTYPE_FLOAT32, token_losses.download()};
    results["log-sum-exp"] = {MM1_DTYPE_FLOAT32, log_sum_exp.download()};
  }
  return results;
}

void CrossEntropyCase::check() const { check_case(*this, by_definition<double>(*this), by_definition<float>(*this)); }

std::string LinearCrossEntropyCase::name() const {
  return "linear cross-entropy " + dtype_text(dtype) + " " + std::to_string(tokens) + "x" + std::to_string(width) + "x" +
         std::to_string(vocabulary) + " chunk " + show(chunk_tokens) + " padding " + show(padding) + " offset " + show(offset) +
         " ignore " + show(ignore_every) + " betas " + show(beta_input) + " " + show(beta_weight);
}

Results LinearCrossEntropyCase::run(const std::vector<float>& x_values, const std::vector<int32_t>& target_values,
                                    const std::vector<float>& old_values) const {
  const auto x = upload(dtype, x_values, tokens, width, padding, offset);
  const auto weights = upload(dtype, weight(), vocabulary, width, 2 * padding, offset);
  const auto targets = upload_targets(target_values);
  const auto state = upload_state(denominator);
  const auto given = upload_scalar(loss_gradient);
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1), losses(MM1_DTYPE_FLOAT32, tokens), log_sum_exp(MM1_DTYPE_FLOAT32, tokens);
  mm1_linear_cross_entropy_forward_args forward = mm1_linear_cross_entropy_forward_args_default();
  forward.tokens = tokens;
  forward.width = width;
  forward.vocabulary = vocabulary;
  forward.chunk_tokens = chunk_tokens;
  forward.x = x->operand();
  forward.weight = weights->operand();
  forward.targets = targets->operand();
  forward.loss = loss.operand();
  if (token_losses) forward.token_losses = losses.operand();
  forward.log_sum_exp = log_sum_exp.operand();
  forward.step_state = state == nullptr ? nullptr : static_cast<const mm1_step_state*>(state->data());
  forward.z_loss_weight = z_loss_weight;
  const Workspace workspace(mm1_linear_cross_entropy_forward_workspace_bytes(&forward));
  CHECK_OK(mm1_linear_cross_entropy_forward(nullptr, &forward, workspace.address(), workspace.bytes()));
  finish_call();

  DeviceBuffer dx(dtype, tokens, width, width + padding, offset), dw(MM1_DTYPE_FLOAT32, vocabulary, width, width + 3 * padding, offset);
  if (beta_input != 0) dx.upload(old_values);
  if (beta_weight != 0) dw.upload(old_weight());
  mm1_linear_cross_entropy_backward_args backward = mm1_linear_cross_entropy_backward_args_default();
  backward.tokens = tokens;
  backward.width = width;
  backward.vocabulary = vocabulary;
  backward.chunk_tokens = chunk_tokens;
  backward.x = forward.x;
  backward.weight = forward.weight;
  backward.targets = forward.targets;
  backward.log_sum_exp = forward.log_sum_exp;
  backward.loss_gradient = operand_of(given);
  if (input_gradient) backward.input_gradient = dx.operand();
  if (weight_gradient) backward.weight_gradient = dw.operand();
  backward.step_state = forward.step_state;
  backward.z_loss_weight = z_loss_weight;
  backward.beta_input = beta_input;
  backward.beta_weight = beta_weight;
  const Workspace scratch(mm1_linear_cross_entropy_backward_workspace_bytes(&backward));
  CHECK_OK(mm1_linear_cross_entropy_backward(nullptr, &backward, scratch.address(), scratch.bytes()));
  finish_call();
  Results results{{"loss", {MM1_DTYPE_FLOAT32, loss.download()}}, {"log-sum-exp", {MM1_DTYPE_FLOAT32, log_sum_exp.download()}}};
  if (token_losses) results["token losses"] = {MM1_DTYPE_FLOAT32, losses.download()};
  if (input_gradient) results["input gradient"] = {dtype, dx.download()};
  if (weight_gradient) results["weight gradient"] = {MM1_DTYPE_FLOAT32, dw.download()};
  return results;
}

void LinearCrossEntropyCase::check() const { check_case(*this, by_definition<double>(*this), by_definition<float>(*this)); }

std::string ContrastiveLossCase::name() const {
  return "contrastive loss " + dtype_text(dtype) + " " + std::to_string(pairs) + "x" + std::to_string(width) + " padding " + show(padding) +
         " offset " + show(offset) + " scale e^" + show(log_scale) + " up to " + show(max_scale);
}

std::vector<float> ContrastiveLossCase::unit_rows(uint64_t purpose) const {
  std::vector<float> rows = normal_values(MM1_DTYPE_FLOAT32, purpose + 20, pairs, width);
  for (int64_t r = 0; r < pairs; r++) {
    double squares = 0;
    for (int64_t c = 0; c < width; c++) squares += std::pow(rows[static_cast<size_t>(r * width + c)], 2);
    for (int64_t c = 0; c < width; c++) {
      float& value = rows[static_cast<size_t>(r * width + c)];
      value = round_to(dtype, static_cast<float>(value / std::sqrt(squares)));
    }
  }
  return rows;
}

Results ContrastiveLossCase::run() const {
  const auto image = upload(dtype, unit_rows(1), pairs, width, padding, offset);
  const auto text = upload(dtype, unit_rows(2), pairs, width, 2 * padding, offset);
  const auto scale = upload_scalar(log_scale), given = upload_scalar(loss_gradient);
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1), rows(MM1_DTYPE_FLOAT32, pairs);
  DeviceBuffer columns(MM1_DTYPE_FLOAT32, 1, pairs, pairs, offset);
  mm1_contrastive_loss_forward_args forward = mm1_contrastive_loss_forward_args_default();
  forward.pairs = pairs;
  forward.width = width;
  forward.image = image->operand();
  forward.text = text->operand();
  forward.log_scale = scale->operand();
  forward.loss = loss.operand();
  forward.log_sum_exp_rows = rows.operand();
  forward.log_sum_exp_columns = columns.operand();
  forward.max_scale = max_scale;
  const Workspace workspace(mm1_contrastive_loss_forward_workspace_bytes(&forward));
  CHECK_OK(mm1_contrastive_loss_forward(nullptr, &forward, workspace.address(), workspace.bytes()));
  finish_call();

  DeviceBuffer image_gradient(dtype, pairs, width, width + padding, offset);
  DeviceBuffer text_gradient(dtype, pairs, width, width + 3 * padding, offset);
  DeviceBuffer scale_gradient(MM1_DTYPE_FLOAT32, 1);
  if (beta_log_scale != 0) scale_gradient.upload({3});
  mm1_contrastive_loss_backward_args backward = mm1_contrastive_loss_backward_args_default();
  backward.pairs = pairs;
  backward.width = width;
  backward.image = forward.image;
  backward.text = forward.text;
  backward.log_scale = forward.log_scale;
  backward.log_sum_exp_rows = forward.log_sum_exp_rows;
  backward.log_sum_exp_columns = forward.log_sum_exp_columns;
  backward.loss_gradient = operand_of(given);
  if (gradients) backward.image_gradient = image_gradient.operand();
  if (gradients) backward.text_gradient = text_gradient.operand();
  backward.log_scale_gradient = scale_gradient.operand();
  backward.max_scale = max_scale;
  backward.beta_log_scale = beta_log_scale;
  const Workspace scratch(mm1_contrastive_loss_backward_workspace_bytes(&backward));
  CHECK_OK(mm1_contrastive_loss_backward(nullptr, &backward, scratch.address(), scratch.bytes()));
  finish_call();
  Results results{{"loss", {MM1_DTYPE_FLOAT32, loss.download()}},
                  {"row log-sum-exp", {MM1_DTYPE_FLOAT32, rows.download()}},
                  {"column log-sum-exp", {MM1_DTYPE_FLOAT32, columns.download()}},
                  {"log scale gradient", {MM1_DTYPE_FLOAT32, scale_gradient.download()}}};
  if (gradients) results["image gradient"] = {dtype, image_gradient.download()};
  if (gradients) results["text gradient"] = {dtype, text_gradient.download()};
  return results;
}

void ContrastiveLossCase::check() const { check_case(*this, by_definition<double>(*this), by_definition<float>(*this)); }

std::string PatchRegressionCase::name() const {
  return "patch regression " + dtype_text(dtype) + " of " + dtype_text(target_dtype) + " " + std::to_string(patches) + "x" +
         std::to_string(columns) + " padding " + show(padding) + " offset " + show(offset) + " skip " + show(skip_every) +
         (normalize ? " normalized" : "") + " epsilon " + show(epsilon) + " denominator " + show(denominator);
}

std::vector<uint8_t> PatchRegressionCase::mask() const {
  std::vector<uint8_t> mask;
  if (skip_every == 0) return mask;
  for (int64_t p = 0; p < patches; p++) mask.push_back(static_cast<uint8_t>((p + 1) % skip_every == 0 ? 0 : p % 255 + 1));
  return mask;
}

Results PatchRegressionCase::run(const std::vector<float>& prediction_values, const std::vector<float>& target_values) const {
  const auto predicted = upload(dtype, prediction_values, patches, columns, padding, offset);
  const auto pixels = upload(target_dtype, target_values, patches, columns, 2 * padding, offset);
  const std::vector<uint8_t> mask_values = mask();
  DeviceBuffer masked(MM1_DTYPE_UINT8, static_cast<int64_t>(mask_values.size()));
  masked.upload_elements(mask_values);
  const auto state = upload_state(denominator);
  const auto given = upload_scalar(loss_gradient);
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1);
  mm1_patch_regression_forward_args forward = mm1_patch_regression_forward_args_default();
  forward.patches = patches;
  forward.columns = columns;
  forward.prediction = predicted->operand();
  forward.target = pixels->operand();
  if (skip_every != 0) forward.mask = masked.operand();
  forward.loss = loss.operand();
  forward.step_state = state == nullptr ? nullptr : static_cast<const mm1_step_state*>(state->data());
  forward.normalize_target = normalize;
  forward.epsilon = epsilon;
  const Workspace workspace(mm1_patch_regression_forward_workspace_bytes(&forward));
  CHECK_OK(mm1_patch_regression_forward(nullptr, &forward, workspace.address(), workspace.bytes()));
  finish_call();

  DeviceBuffer gradient(dtype, patches, columns, columns + 3 * padding, offset);
  mm1_patch_regression_backward_args backward = mm1_patch_regression_backward_args_default();
  backward.patches = patches;
  backward.columns = columns;
  backward.prediction = forward.prediction;
  backward.target = forward.target;
  backward.mask = forward.mask;
  backward.loss_gradient = operand_of(given);
  backward.prediction_gradient = gradient.operand();
  backward.step_state = forward.step_state;
  backward.normalize_target = normalize;
  backward.epsilon = epsilon;
  const Workspace scratch(mm1_patch_regression_backward_workspace_bytes(&backward));
  CHECK_OK(mm1_patch_regression_backward(nullptr, &backward, scratch.address(), scratch.bytes()));
  finish_call();
  return {{"loss", {MM1_DTYPE_FLOAT32, loss.download()}}, {"prediction gradient", {dtype, gradient.download()}}};
}

void PatchRegressionCase::check() const { check_case(*this, by_definition<double>(*this), by_definition<float>(*this)); }

}  // namespace test
