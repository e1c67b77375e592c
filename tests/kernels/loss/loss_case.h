// Cases of the losses: what to run, and the same by the definitions, in float64 (the reference) and in the precision of the call (the
// straightforward implementation: sums in float32, what the call stores rounded to its dtype).
#ifndef MM1_TESTS_LOSS_LOSS_CASE_H
#define MM1_TESTS_LOSS_LOSS_CASE_H

#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mm1/kernels.h"
#include "support/agreement.h"
#include "support/device_buffer.h"

namespace test {

constexpr float kAbsent = std::numeric_limits<float>::quiet_NaN();

struct Result {
  mm1_dtype stored;
  std::vector<float> values;
};
using Results = std::map<std::string, Result>;

// The error rule on each named result.
void check_results(const std::string& what, const Results& actual, const std::map<std::string, std::vector<double>>& expected,
                   const std::map<std::string, std::vector<float>>& straightforward);

// The same bits in each result that both have.
void check_same_results(const std::string& what, const Results& actual, const Results& expected);

// Scratch as it comes: NaN, uninitialised to the shadow.
class Workspace {
 public:
  explicit Workspace(int64_t bytes);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  void* address() const { return address_; }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_;
  void* address_ = nullptr;
};

// Waits for the device and looks at the guard bytes of everything.
void finish_call();

std::unique_ptr<DeviceBuffer> upload(mm1_dtype dtype, const std::vector<float>& values, int64_t rows, int64_t columns, int64_t padding = 0,
                                     int64_t offset = 0);
std::unique_ptr<DeviceBuffer> upload_targets(const std::vector<int32_t>& targets);
std::unique_ptr<DeviceBuffer> upload_state(float loss_denominator);  // Null where it is negative.
std::unique_ptr<DeviceBuffer> upload_scalar(float value);            // Null where it is NaN.
mm1_operand operand_of(const std::unique_ptr<DeviceBuffer>& buffer);

// Normal values of the dtype.
std::vector<float> normal_values(mm1_dtype dtype, uint64_t purpose, int64_t rows, int64_t columns, double scale = 1, double shift = 0);

// Columns of [0, vocabulary); every so many tokens one does not count (0: all count; 1: none).
std::vector<int32_t> some_targets(int64_t tokens, int64_t vocabulary, int64_t ignore_every, int32_t ignore_index);

struct CrossEntropyCase {
  mm1_dtype dtype = MM1_DTYPE_FLOAT32;
  int64_t tokens = 1;
  int64_t vocabulary = 1;
  int64_t padding = 0;      // Of the logits' rows; the gradient's are twice as far apart.
  int64_t offset = 0;       // Elements from an aligned address.
  int64_t ignore_every = 0;
  int32_t ignore_index = -100;
  float z_loss_weight = 0;
  float denominator = -1;   // Of the step state; negative: no step state.
  bool optional_outputs = true;
  bool in_place = false;
  float loss_gradient = kAbsent;
  double scale = 3;
  double shift = 0;

  std::string name() const;
  std::vector<float> logits() const {
    return normal_values(dtype, static_cast<uint64_t>(vocabulary) + 1, tokens, vocabulary, scale, shift);
  }
  std::vector<int32_t> targets() const { return some_targets(tokens, vocabulary, ignore_every, ignore_index); }
  Results run() const { return run(logits(), targets()); }
  Results run(const std::vector<float>& logits, const std::vector<int32_t>& targets) const;
  void check() const;
};

struct LinearCrossEntropyCase {
  mm1_dtype dtype = MM1_DTYPE_FLOAT32;
  int64_t tokens = 1;
  int64_t width = 1;
  int64_t vocabulary = 1;
  int64_t chunk_tokens = 0;
  int64_t padding = 0;
  int64_t offset = 0;
  int64_t ignore_every = 0;
  float z_loss_weight = 0;
  float denominator = -1;
  float loss_gradient = kAbsent;
  float beta_input = 0;
  float beta_weight = 0;
  bool token_losses = true;
  bool input_gradient = true;
  bool weight_gradient = true;

  std::string name() const;
  std::vector<float> x() const { return normal_values(dtype, 1, tokens, width); }
  std::vector<float> weight() const { return normal_values(dtype, 2, vocabulary, width, 0.5); }
  std::vector<float> old_input() const { return normal_values(dtype, 3, tokens, width); }
  std::vector<float> old_weight() const { return normal_values(MM1_DTYPE_FLOAT32, 4, vocabulary, width); }
  std::vector<int32_t> targets() const { return some_targets(tokens, vocabulary, ignore_every, -100); }
  Results run() const { return run(x(), targets(), old_input()); }
  Results run(const std::vector<float>& x, const std::vector<int32_t>& targets, const std::vector<float>& old_input) const;
  void check() const;
};

struct ContrastiveLossCase {
  mm1_dtype dtype = MM1_DTYPE_FLOAT32;
  int64_t pairs = 1;
  int64_t width = 1;
  int64_t padding = 0;
  int64_t offset = 0;
  float log_scale = 2.6592f;  // log(1 / 0.07), CLIP's initial value.
  float max_scale = 100;
  float loss_gradient = kAbsent;
  float beta_log_scale = 0;
  bool gradients = true;      // Of image and text.

  std::string name() const;
  std::vector<float> unit_rows(uint64_t purpose) const;
  Results run() const;
  void check() const;
};

struct PatchRegressionCase {
  mm1_dtype dtype = MM1_DTYPE_FLOAT32;
  mm1_dtype target_dtype = MM1_DTYPE_FLOAT32;
  int64_t patches = 1;
  int64_t columns = 1;
  int64_t padding = 0;
  int64_t offset = 0;
  int64_t skip_every = 0;     // Every so many patches one does not count; 0: no mask.
  bool normalize = true;
  float epsilon = 1e-6f;
  float denominator = -1;
  float loss_gradient = kAbsent;

  std::string name() const;
  std::vector<float> prediction() const { return normal_values(dtype, 11, patches, columns); }
  std::vector<float> target() const { return normal_values(target_dtype, 12, patches, columns, 0.5, 0.4); }
  std::vector<uint8_t> mask() const;
  Results run() const { return run(prediction(), target()); }
  Results run(const std::vector<float>& prediction, const std::vector<float>& target) const;
  void check() const;
};

}  // namespace test

#endif  // MM1_TESTS_LOSS_LOSS_CASE_H
