#include "optimizer/tensors.h"

#include <cmath>
#include <cstring>

#include "mm1/runtime.h"
#include "support/samples.h"
#include "test.h"

namespace test {

namespace {

std::vector<float> normal(uint64_t purpose, size_t number, int64_t count, double scale) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; i++)
    values.push_back(static_cast<float>(scale * normal_sample(purpose, static_cast<int64_t>(number), 0, i)));
  return values;
}

std::unique_ptr<DeviceBuffer> buffer_of(const std::vector<float>& values, int64_t offset) {
  const int64_t count = static_cast<int64_t>(values.size());
  std::unique_ptr<DeviceBuffer> buffer(new DeviceBuffer(MM1_DTYPE_FLOAT32, 1, count, count, offset));
  buffer->upload(values);
  return buffer;
}

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

}  // namespace

std::vector<float> master_of(const TensorSpec& spec, size_t number) { return normal(1, number, spec.count(), 1); }
std::vector<float> gradient_of(const TensorSpec& spec, size_t number) { return normal(2, number, spec.count(), 0.1); }
std::vector<float> first_moment_of(const TensorSpec& spec, size_t number) { return normal(3, number, spec.count(), 0.05); }

std::vector<float> second_moment_of(size_t number, int64_t count) {
  std::vector<float> values = normal(4, number, count, 0.1);
  for (float& value : values) value = value * value + 1e-4f;
  return values;
}

Tensors::Tensors(const std::vector<TensorSpec>& specs) : specs_(specs) {
  std::vector<mm1_optimizer_tensor> records;
  for (size_t i = 0; i < specs.size(); i++) {
    const TensorSpec& spec = specs[i];
    masters_.push_back(buffer_of(master_of(spec, i), spec.offset));
    gradients_.push_back(buffer_of(gradient_of(spec, i), spec.offset));
    firsts_.push_back(buffer_of(first_moment_of(spec, i), spec.offset));
    seconds_.push_back(buffer_of(second_moment_of(i, spec.factored ? 0 : spec.count()), spec.offset));
    rows_.push_back(buffer_of(second_moment_of(i, spec.factored ? spec.rows : 0), spec.offset));
    columns_.push_back(buffer_of(second_moment_of(i + 100, spec.factored ? spec.columns : 0), spec.offset));
    shadows_.emplace_back(spec.shadow == MM1_DTYPE_NONE ? nullptr
                                                        : new DeviceBuffer(spec.shadow, 1, spec.count(), spec.count(), spec.offset));
    mm1_optimizer_tensor record{};
    record.master = static_cast<float*>(masters_[i]->data());
    record.shadow = shadows_[i] ? shadows_[i]->data() : nullptr;
    record.gradient = static_cast<float*>(gradients_[i]->data());
    record.first_moment = static_cast<float*>(firsts_[i]->data());
    record.second_moment = spec.factored ? nullptr : static_cast<float*>(seconds_[i]->data());
    record.second_moment_row = spec.factored ? static_cast<float*>(rows_[i]->data()) : nullptr;
    record.second_moment_column = spec.factored ? static_cast<float*>(columns_[i]->data()) : nullptr;
    record.count = spec.count();
    record.rows = spec.rows;
    record.columns = spec.columns;
    record.learning_rate_scale = spec.learning_rate_scale;
    record.weight_decay = spec.weight_decay;
    record.shadow_dtype = spec.shadow;
    records.push_back(record);
  }
  const int64_t bytes = static_cast<int64_t>(records.size() * sizeof(mm1_optimizer_tensor));
  CHECK_OK(mm1_memory_allocate(bytes, &memory_));
  CHECK_OK(mm1_memory_copy_to_device(nullptr, memory_, records.data(), bytes));
}

Tensors::~Tensors() { mm1_memory_free(memory_); }

std::map<std::string, std::vector<float>> Tensors::download() const {
  std::map<std::string, std::vector<float>> results;
  for (size_t i = 0; i < specs_.size(); i++) {
    const std::string number = std::to_string(i);
    results["master " + number] = masters_[i]->download();
    results["first moment " + number] = firsts_[i]->download();
    results["second moment " + number] = seconds_[i]->download();
    results["row means " + number] = rows_[i]->download();
    results["column means " + number] = columns_[i]->download();
    gradients_[i]->download();  // Guards.
  }
  return results;
}

std::vector<uint32_t> Tensors::shadow_bits(size_t tensor) const {
  std::vector<uint32_t> bits;
  if (specs_[tensor].shadow == MM1_DTYPE_FLOAT32) {
    for (const float value : shadows_[tensor]->download()) bits.push_back(bits_of(value));
  } else if (specs_[tensor].shadow != MM1_DTYPE_NONE) {
    for (const uint16_t value : shadows_[tensor]->download_elements<uint16_t>()) bits.push_back(value);
  }
  return bits;
}

void Tensors::check_shadows() const {
  for (size_t i = 0; i < specs_.size(); i++) {
    const std::vector<uint32_t> shadow = shadow_bits(i);
    const std::vector<float> master = masters_[i]->download();
    for (size_t k = 0; k < shadow.size(); k++) {
      uint32_t expected = bits_of(master[k]);
      if (specs_[i].shadow == MM1_DTYPE_BFLOAT16) expected = bits_of(round_to(MM1_DTYPE_BFLOAT16, master[k])) >> 16;
      if (specs_[i].shadow == MM1_DTYPE_FLOAT16) expected = half_of(master[k]);
      CHECK_MESSAGE(expected == shadow[k], "shadow " + std::to_string(i) + "[" + std::to_string(k) + "] of " + show(master[k]));
    }
  }
}

StepState::StepState(const mm1_step_state& value) {
  CHECK_OK(mm1_memory_allocate(sizeof value, &memory_));
  CHECK_OK(mm1_memory_copy_to_device(nullptr, memory_, &value, sizeof value));
}

StepState::~StepState() { mm1_memory_free(memory_); }

mm1_step_state StepState::download() const {
  mm1_step_state value;
  CHECK_OK(mm1_memory_copy_to_host(nullptr, &value, memory_, sizeof value));
  return value;
}

mm1_step_state step_state(int64_t step, float learning_rate, float clip_factor, int32_t skip) {
  mm1_step_state state{};
  state.step = step;
  state.learning_rate = learning_rate;
  state.clip_factor = clip_factor;
  state.skip = skip;
  return state;
}

uint16_t half_of(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::fabs(static_cast<double>(value));
  if (size >= 65520) return static_cast<uint16_t>(sign | 0x7c00);
  if (size < std::ldexp(1.0, -14)) return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(size, 24))));
  const int exponent = std::ilogb(size);
  // Mantissa with its leading bit; a carry goes into the exponent by itself.
  const int mantissa = static_cast<int>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  return static_cast<uint16_t>(sign | (((exponent + 14) << 10) + mantissa));
}

}  // namespace test
