// Tensors with their optimizer state in device memory, and the list that names them.
#ifndef MM1_TESTS_OPTIMIZER_TENSORS_H
#define MM1_TESTS_OPTIMIZER_TENSORS_H

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mm1/kernels.h"
#include "support/device_buffer.h"

namespace test {

struct TensorSpec {
  int64_t rows = 1;
  int64_t columns = 1;
  bool factored = false;
  mm1_dtype shadow = MM1_DTYPE_NONE;
  float learning_rate_scale = 1;
  float weight_decay = 0;
  int64_t offset = 0;  // Elements from an aligned address, of every buffer.

  int64_t count() const { return rows * columns; }
};

// Initial values, by the number of the tensor.
std::vector<float> master_of(const TensorSpec& spec, size_t number);
std::vector<float> gradient_of(const TensorSpec& spec, size_t number);
std::vector<float> first_moment_of(const TensorSpec& spec, size_t number);
std::vector<float> second_moment_of(size_t number, int64_t count);  // Positive, as squares are.

class Tensors {
 public:
  explicit Tensors(const std::vector<TensorSpec>& specs);
  ~Tensors();
  Tensors(const Tensors&) = delete;
  Tensors& operator=(const Tensors&) = delete;

  const mm1_optimizer_tensor* list() const { return static_cast<const mm1_optimizer_tensor*>(memory_); }
  int64_t size() const { return static_cast<int64_t>(specs_.size()); }
  DeviceBuffer& gradient(size_t tensor) { return *gradients_[tensor]; }
  DeviceBuffer& master(size_t tensor) { return *masters_[tensor]; }

  // Everything that an optimizer may write but the shadows.
  std::map<std::string, std::vector<float>> download() const;
  std::vector<uint32_t> shadow_bits(size_t tensor) const;

  // Every shadow is its master, rounded to nearest even.
  void check_shadows() const;

 private:
  std::vector<TensorSpec> specs_;
  std::vector<std::unique_ptr<DeviceBuffer>> masters_, gradients_, firsts_, seconds_, rows_, columns_, shadows_;
  void* memory_ = nullptr;
};

// A step state in device memory.
class StepState {
 public:
  explicit StepState(const mm1_step_state& value);
  ~StepState();
  StepState(const StepState&) = delete;
  StepState& operator=(const StepState&) = delete;
  mm1_step_state* address() const { return static_cast<mm1_step_state*>(memory_); }
  mm1_step_state download() const;

 private:
  void* memory_ = nullptr;
};

mm1_step_state step_state(int64_t step, float learning_rate, float clip_factor, int32_t skip = 0);

// Bits of the nearest float16, ties to even.
uint16_t half_of(float value);

}  // namespace test

#endif  // MM1_TESTS_OPTIMIZER_TENSORS_H
