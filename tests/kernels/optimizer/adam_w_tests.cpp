// Conformance of mm1_adam_w.
#include <cmath>
#include <limits>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "optimizer/tensors.h"
#include "support/agreement.h"
#include "test.h"

namespace test {

namespace {

using Results = std::map<std::string, std::vector<float>>;

TensorSpec spec_of(int64_t rows, int64_t columns, mm1_dtype shadow = MM1_DTYPE_NONE, float weight_decay = 0, float scale = 1,
                   int64_t offset = 0) {
  TensorSpec spec;
  spec.rows = rows;
  spec.columns = columns;
  spec.shadow = shadow;
  spec.weight_decay = weight_decay;
  spec.learning_rate_scale = scale;
  spec.offset = offset;
  return spec;
}

std::vector<TensorSpec> mixed_specs() {
  std::vector<TensorSpec> specs = {
      spec_of(0, 1),
      spec_of(1, 1, MM1_DTYPE_BFLOAT16),
      spec_of(5, 3, MM1_DTYPE_FLOAT16, 0, 0.5f),
      spec_of(16, 1, MM1_DTYPE_NONE, 0.1f),
      spec_of(33, 7, MM1_DTYPE_BFLOAT16, 0.1f),
      spec_of(2048, 1, MM1_DTYPE_FLOAT32),
      spec_of(4096, 1, MM1_DTYPE_BFLOAT16),
      spec_of(4097, 1, MM1_DTYPE_FLOAT16, 0.01f, 3),
      spec_of(0, 4),
      spec_of(101, 103, MM1_DTYPE_BFLOAT16, 0.3f, 0),
      spec_of(1003, 1, MM1_DTYPE_BFLOAT16, 0.2f, 1, 1),  // Unaligned.
      spec_of(70, 10, MM1_DTYPE_FLOAT32, 0.2f, 1, 3),
  };
  for (int i = 0; i < 260; i++) specs.push_back(spec_of(i % 3, 1));  // More tensors than threads.
  return specs;
}

void run(Tensors& tensors, mm1_adam_w_args args, const mm1_step_state& value) {
  StepState state(value);
  args.tensor_count = tensors.size();
  args.tensors = tensors.list();
  args.step_state = state.address();
  CHECK_OK(mm1_adam_w(nullptr, &args, nullptr, 0));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
}

// torch.optim.AdamW.
template <class T>
std::map<std::string, std::vector<T>> by_definition(const std::vector<TensorSpec>& specs, const mm1_adam_w_args& args,
                                                    const mm1_step_state& state) {
  std::map<std::string, std::vector<T>> results;
  const T beta1 = args.beta1, beta2 = args.beta2;
  // In float64 in every precision: 1 - 0.95^1 loses digits in float32.
  const T correction1 = static_cast<T>(1 - std::pow(static_cast<double>(args.beta1), static_cast<double>(state.step)));
  const T correction2 = static_cast<T>(1 - std::pow(static_cast<double>(args.beta2), static_cast<double>(state.step)));
  for (size_t i = 0; i < specs.size(); i++) {
    const std::vector<float> p0 = master_of(specs[i], i), g0 = gradient_of(specs[i], i), m0 = first_moment_of(specs[i], i);
    const std::vector<float> v0 = second_moment_of(i, specs[i].count());
    std::vector<T> p(p0.begin(), p0.end()), m(m0.begin(), m0.end()), v(v0.begin(), v0.end());
    const T learning_rate = static_cast<T>(state.learning_rate) * static_cast<T>(specs[i].learning_rate_scale);
    for (size_t k = 0; k < p.size(); k++) {
      const T g = static_cast<T>(state.clip_factor) * static_cast<T>(g0[k]);
      m[k] = beta1 * m[k] + (T(1) - beta1) * g;
      v[k] = beta2 * v[k] + (T(1) - beta2) * g * g;
      p[k] = p[k] * (T(1) - learning_rate * static_cast<T>(specs[i].weight_decay)) -
             learning_rate * (m[k] / correction1) / (std::sqrt(v[k] / correction2) + static_cast<T>(args.epsilon));
    }
    const std::string number = std::to_string(i);
    results["master " + number] = p;
    results["first moment " + number] = m;
    results["second moment " + number] = v;
  }
  return results;
}

void check_all(const std::string& what, const Results& actual, const std::vector<TensorSpec>& specs, const mm1_adam_w_args& args,
               const mm1_step_state& state) {
  const auto straight = by_definition<float>(specs, args, state);
  for (const auto& each : by_definition<double>(specs, args, state)) {
    check_agreement(what + " " + each.first, MM1_DTYPE_FLOAT32, actual.at(each.first), each.second, straight.at(each.first));
  }
}

void check_same(const std::string& what, const Results& actual, const Results& expected) {
  for (const auto& each : expected) check_same_bits(what + " " + each.first, actual.at(each.first), each.second);
}

}  // namespace

TEST(adam_w, agrees) {
  struct Step {
    int64_t step;
    float clip, epsilon;
  };
  for (const std::vector<TensorSpec>& specs : {std::vector<TensorSpec>{}, {spec_of(3, 1)}, mixed_specs()}) {
    for (const Step& each : {Step{1, 1, 1e-8f}, {7, 0.25f, 1e-8f}, {1000000, 0.5f, 0.01f}}) {
#ifdef MM1_SHADOW
      if (each.step == 1) continue;
#endif
      mm1_adam_w_args args = mm1_adam_w_args_default();
      args.epsilon = each.epsilon;
      const mm1_step_state state = step_state(each.step, 0.02f, each.clip);
      Tensors tensors(specs);
      run(tensors, args, state);
      check_all("step " + std::to_string(each.step), tensors.download(), specs, args, state);
      tensors.check_shadows();
    }
  }
}

// A tensor has the same bits alone and in a list, aligned or not, and every time.
TEST(adam_w, grouping_places_and_repetitions_give_the_same_bits) {
  const mm1_step_state state = step_state(4, 0.01f, 0.7f);
  const TensorSpec aligned = spec_of(1, 9001, MM1_DTYPE_BFLOAT16, 0.1f);
  TensorSpec unaligned = aligned;
  unaligned.offset = 1;
  const auto once = [&](const std::vector<TensorSpec>& specs) {
    Tensors tensors(specs);
    run(tensors, mm1_adam_w_args_default(), state);
    return tensors.download();
  };
  const Results expected = once({aligned});
  check_same("again", once({aligned}), expected);
  check_same("unaligned", once({unaligned}), expected);
  check_same("in a list", once({aligned, spec_of(70, 70), spec_of(3, 1)}), expected);
}

TEST(adam_w, skip_leaves_everything_as_it_is) {
  Tensors tensors({spec_of(100, 1, MM1_DTYPE_FLOAT32, 1)});
  const Results before = tensors.download();
  const std::vector<uint32_t> shadow = tensors.shadow_bits(0);
  run(tensors, mm1_adam_w_args_default(), step_state(1, 1, NAN, 1));
  check_same("skipped", tensors.download(), before);
  CHECK(shadow == tensors.shadow_bits(0));  // The poison.
}

TEST(adam_w, special_values_show_in_the_shadow) {
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT16, MM1_DTYPE_FLOAT32}) {
    Tensors tensors({spec_of(8, 1, dtype)});
    const float largest = std::numeric_limits<float>::max();
    // The last three: infinite in float16, the largest float16, a subnormal of it.
    tensors.master(0).upload({NAN, -NAN, largest, -largest, 0.0f, 65520.0f, 65519.99f, 1e-7f});
    tensors.gradient(0).upload(std::vector<float>(8, 0.0f));
    mm1_adam_w_args args = mm1_adam_w_args_default();
    args.epsilon = 1;
    run(tensors, args, step_state(1, 0, 1));
    const std::vector<uint32_t> bits = tensors.shadow_bits(0);
    const uint32_t infinity = dtype == MM1_DTYPE_FLOAT16 ? 0x7c00 : dtype == MM1_DTYPE_BFLOAT16 ? 0x7f80 : 0x7f800000;
    const uint32_t mask = dtype == MM1_DTYPE_FLOAT32 ? 0x7fffffffu : 0x7fffu;
    CHECK((bits[0] & mask) > infinity);
    CHECK((bits[1] & mask) > infinity);
    if (dtype == MM1_DTYPE_FLOAT16) {
      CHECK((std::vector<uint32_t>(bits.begin() + 2, bits.end()) == std::vector<uint32_t>{0x7c00, 0xfc00, 0, 0x7c00, 0x7bff, 2}));
    } else if (dtype == MM1_DTYPE_BFLOAT16) {
      CHECK_EQUAL(0x7f80u, bits[2]);
      CHECK_EQUAL(0xff80u, bits[3]);
    } else {
      CHECK_EQUAL(0x7f7fffffu, bits[2]);
    }
  }
}

#ifndef MM1_SHADOW
// A decay of 1e-7 a step is below a rounding of 1: as a factor 1 - lr lambda it would vanish or double.
TEST(adam_w, a_tiny_decay_is_not_lost) {
  const TensorSpec spec = spec_of(512, 1, MM1_DTYPE_NONE, 1e-3f);
  Tensors tensors({spec});
  std::vector<float> master = master_of(spec, 0);
  double before = 0;
  for (float& value : master) before += value = std::fabs(value) + 0.5f;
  tensors.master(0).upload(master);
  tensors.gradient(0).upload(std::vector<float>(512, 0.0f));
  mm1_adam_w_args args = mm1_adam_w_args_default();
  args.epsilon = 1e30f;  // No step but the decay.
  for (int64_t step = 1; step <= 25; step++) run(tensors, args, step_state(step, 4e-5f, 1));
  double after = 0;
  for (const float value : tensors.master(0).download()) after += value;
  const double expected = 25 * static_cast<double>(4e-5f) * static_cast<double>(1e-3f);
  CHECK_NEAR((before - after) / before, expected, 0.6 * expected);
}
#endif

}  // namespace test
