// Conformance of mm1_adafactor.
#include <cmath>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "optimizer/tensors.h"
#include "support/agreement.h"
#include "test.h"

namespace test {

namespace {

using Results = std::map<std::string, std::vector<float>>;

TensorSpec spec_of(int64_t rows, int64_t columns, bool factored, mm1_dtype shadow = MM1_DTYPE_NONE, float weight_decay = 0, float scale = 1,
                   int64_t offset = 0) {
  TensorSpec spec;
  spec.rows = rows;
  spec.columns = columns;
  spec.factored = factored;
  spec.shadow = shadow;
  spec.weight_decay = weight_decay;
  spec.learning_rate_scale = scale;
  spec.offset = offset;
  return spec;
}

#ifdef MM1_SHADOW
constexpr int64_t kLong = 300;
#else
constexpr int64_t kLong = 2500;
#endif

std::vector<TensorSpec> mixed_specs() {
  return {
      spec_of(0, 5, true),
      spec_of(1, 1, true),
      spec_of(7, 5, true, MM1_DTYPE_BFLOAT16, 0.1f),
      spec_of(7, 1, false, MM1_DTYPE_FLOAT16),
      spec_of(33, 40, true, MM1_DTYPE_NONE, 0, 0.5f),
      spec_of(200, 131, true, MM1_DTYPE_FLOAT32, 0.01f),
      spec_of(3, kLong, true),
      spec_of(kLong, 2, true),
      spec_of(8 * kLong + 11, 1, false, MM1_DTYPE_NONE, 0, 2),
      spec_of(33, 40, true, MM1_DTYPE_BFLOAT16, 0, 1, 1),  // Unaligned.
      spec_of(531, 1, false, MM1_DTYPE_BFLOAT16, 0, 1, 3),
      spec_of(0, 1, false),
  };
}

void run(Tensors& tensors, mm1_adafactor_args args, const mm1_step_state& value) {
  StepState state(value);
  args.tensor_count = tensors.size();
  args.tensors = tensors.list();
  args.step_state = state.address();
  const int64_t bytes = mm1_adafactor_workspace_bytes(&args);
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  CHECK_OK(mm1_adafactor(nullptr, &args, workspace, bytes));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  CHECK_OK(mm1_memory_free(workspace));
}

template <class T>
T root_mean_square(const std::vector<T>& values) {
  T sum = 0;
  for (const T value : values) sum += value * value;
  return std::sqrt(sum / static_cast<T>(values.size()));
}

// One tensor by the definition; arrays are updated in place.
template <class T>
void step_of_tensor(const TensorSpec& spec, const mm1_adafactor_args& args, const mm1_step_state& state, const std::vector<float>& gradient,
                    std::vector<T>& p, std::vector<T>& first, std::vector<T>& second, std::vector<T>& row_means,
                    std::vector<T>& column_means) {
  const size_t rows = static_cast<size_t>(spec.rows), columns = static_cast<size_t>(spec.columns);
  const T fresh = static_cast<T>(std::pow(static_cast<double>(state.step), static_cast<double>(args.decay_exponent))), beta2 = T(1) - fresh;
  std::vector<T> g, squares, variance, update;
  for (const float x : gradient) g.push_back(static_cast<T>(state.clip_factor) * static_cast<T>(x));
  for (const T x : g) squares.push_back(x * x + static_cast<T>(args.epsilon));
  if (!spec.factored) {
    for (size_t i = 0; i < g.size(); i++) variance.push_back(second[i] = beta2 * second[i] + fresh * squares[i]);
  } else {
    for (size_t r = 0; r < rows; r++) {
      T sum = 0;
      for (size_t c = 0; c < columns; c++) sum += squares[r * columns + c];
      row_means[r] = beta2 * row_means[r] + fresh * sum / static_cast<T>(columns);
    }
    for (size_t c = 0; c < columns; c++) {
      T sum = 0;
      for (size_t r = 0; r < rows; r++) sum += squares[r * columns + c];
      column_means[c] = beta2 * column_means[c] + fresh * sum / static_cast<T>(rows);
    }
    T mean = 0;
    for (const T value : row_means) mean += value;
    mean /= static_cast<T>(rows);
    for (size_t i = 0; i < g.size(); i++) variance.push_back(row_means[i / columns] / mean * column_means[i % columns]);
  }
  for (size_t i = 0; i < g.size(); i++) update.push_back(g[i] / std::sqrt(variance[i]));
  const T clip = std::max(T(1), root_mean_square(update) / static_cast<T>(args.clip_threshold));
  const T learning_rate = static_cast<T>(state.learning_rate) * static_cast<T>(spec.learning_rate_scale);
  const T scale = args.scale_parameter != 0 ? std::max(static_cast<T>(args.epsilon_scale), root_mean_square(p)) : T(1);
  const T beta1 = args.beta1;
  for (size_t i = 0; i < g.size(); i++) {
    T change = learning_rate * scale * update[i] / clip;
    if (args.beta1 != 0) change = first[i] = beta1 * first[i] + (T(1) - beta1) * change;
    p[i] -= change + learning_rate * static_cast<T>(spec.weight_decay) * p[i];
  }
}

template <class T>
std::map<std::string, std::vector<T>> by_definition(const std::vector<TensorSpec>& specs, const mm1_adafactor_args& args,
                                                    const mm1_step_state& state) {
  std::map<std::string, std::vector<T>> results;
  const auto typed = [](const std::vector<float>& values) { return std::vector<T>(values.begin(), values.end()); };
  for (size_t i = 0; i < specs.size(); i++) {
    const TensorSpec& spec = specs[i];
    std::vector<T> p = typed(master_of(spec, i)), first = typed(first_moment_of(spec, i));
    std::vector<T> second = typed(second_moment_of(i, spec.factored ? 0 : spec.count()));
    std::vector<T> rows = typed(second_moment_of(i, spec.factored ? spec.rows : 0)),
                   columns = typed(second_moment_of(i + 100, spec.factored ? spec.columns : 0));
    if (spec.count() > 0) step_of_tensor(spec, args, state, gradient_of(spec, i), p, first, second, rows, columns);
    const std::string number = std::to_string(i);
    results["master " + number] = p;
    results["first moment " + number] = first;
    results["second moment " + number] = second;
    results["row means " + number] = rows;
    results["column means " + number] = columns;
  }
  return results;
}

void check_same(const std::string& what, const Results& actual, const Results& expected) {
  for (const auto& each : expected) check_same_bits(what + " " + each.first, actual.at(each.first), each.second);
}

mm1_adafactor_args options(float exponent, float epsilon, float epsilon_scale, float threshold, float beta1, int32_t scale_parameter) {
  mm1_adafactor_args args = mm1_adafactor_args_default();
  args.decay_exponent = exponent;
  args.epsilon = epsilon;
  args.epsilon_scale = epsilon_scale;
  args.clip_threshold = threshold;
  args.beta1 = beta1;
  args.scale_parameter = scale_parameter;
  return args;
}

}  // namespace

TEST(adafactor, agrees) {
  const std::vector<mm1_adafactor_args> all = {mm1_adafactor_args_default(), options(-0.8f, 1e-30f, 1e-3f, 1, 0.9f, 0),
                                               options(-0.5f, 1e-3f, 2, 0.3f, 0.5f, 1), options(-0.8f, 1e-30f, 1e-3f, 100, 0, 1)};
  for (size_t which = 0; which < all.size(); which++) {
    for (const int64_t step : {1, 2, 1000}) {
#ifdef MM1_SHADOW
      if (step != static_cast<int64_t>(which)) continue;
#else
      if (step == (which % 2 == 0 ? 1000 : 2)) continue;
#endif
      const std::vector<TensorSpec> specs = mixed_specs();
      const mm1_step_state state = step_state(step, 0.05f, step == 2 ? 0.25f : 1);
      Tensors tensors(specs);
      run(tensors, all[which], state);
      const Results actual = tensors.download();
      const auto straight = by_definition<float>(specs, all[which], state);
      for (const auto& each : by_definition<double>(specs, all[which], state)) {
        check_agreement("options " + std::to_string(which) + " step " + std::to_string(step) + " " + each.first, MM1_DTYPE_FLOAT32,
                        actual.at(each.first), each.second, straight.at(each.first));
      }
      tensors.check_shadows();
    }
  }
}

TEST(adafactor, grouping_places_and_repetitions_give_the_same_bits) {
  const auto once = [](const std::vector<TensorSpec>& specs) {
    Tensors tensors(specs);
    run(tensors, options(-0.8f, 1e-30f, 1e-3f, 1, 0.9f, 1), step_state(4, 0.01f, 0.7f));
    return tensors.download();
  };
  for (const bool factored : {false, true}) {
    const TensorSpec aligned = spec_of(70, 84, factored, MM1_DTYPE_BFLOAT16, 0.1f);
    TensorSpec unaligned = aligned;
    unaligned.offset = 1;
    const Results expected = once({aligned});
    check_same("again", once({aligned}), expected);
    check_same("unaligned", once({unaligned}), expected);
    check_same("in a list", once({aligned, spec_of(9, 9, !factored), spec_of(3, 1, factored)}), expected);
  }
}

TEST(adafactor, a_zero_gradient_moves_nothing_and_skip_leaves_all) {
  const std::vector<TensorSpec> specs = {spec_of(6, 7, true), spec_of(9, 1, false)};
  Tensors tensors(specs);
  const Results before = tensors.download();
  run(tensors, mm1_adafactor_args_default(), step_state(1, 1, NAN, 1));
  check_same("skipped", tensors.download(), before);
  for (size_t i = 0; i < specs.size(); i++) tensors.gradient(i).upload(std::vector<float>(static_cast<size_t>(specs[i].count()), 0.0f));
  for (int64_t step = 1; step <= 3; step++) run(tensors, mm1_adafactor_args_default(), step_state(step, 1, 1));
  const Results after = tensors.download();
  for (const char* each : {"master 0", "master 1"}) check_same_bits(each, after.at(each), before.at(each));
}

#ifndef MM1_SHADOW
// The decay rate needs a power of the step's number with a fractional exponent, which the device computes itself.
TEST(adafactor, the_decay_rate_is_right_for_any_step) {
  const std::vector<TensorSpec> specs = {spec_of(40, 1, false)};
  for (const int64_t step : {int64_t{1}, int64_t{3}, int64_t{10}, int64_t{4097}, int64_t{1} << 40, (int64_t{1} << 62) + 5}) {
    for (const float exponent : {-0.8f, -0.01f, -1.0f}) {
      const mm1_adafactor_args args = options(exponent, 1e-3f, 1e-3f, 1, 0, 1);
      const mm1_step_state state = step_state(step, 0.01f, 1);
      Tensors tensors(specs);
      run(tensors, args, state);
      const std::vector<double> expected = by_definition<double>(specs, args, state).at("second moment 0");
      const std::vector<float> actual = tensors.download().at("second moment 0");
      for (size_t i = 0; i < expected.size(); i++) CHECK_NEAR(actual[i], expected[i], 2.5e-7 * expected[i]);
    }
  }
}
#endif

}  // namespace test
