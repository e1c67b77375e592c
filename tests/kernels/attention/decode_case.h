// A decoding call's operands in device memory.
#ifndef MM1_TESTS_ATTENTION_DECODE_CASE_H
#define MM1_TESTS_ATTENTION_DECODE_CASE_H

#include <memory>
#include <vector>

#include "attention_case.h"
#include "attention_reference.h"
#include "mm1/kernels.h"
#include "support/device_buffer.h"

namespace test {

// Device memory of so many bytes, as it comes: NaN, and uninitialised to the shadow.
struct Workspace {
  void* memory = nullptr;
  explicit Workspace(int64_t bytes);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
};

// What lies in the caches beyond a sequence's length is NaN.
class DecodeOperands {
 public:
  DecodeOperands(const DecodeCase& which, const AttentionInputs& inputs);

  // Waits for the device and checks all guards.
  std::vector<float> run();

  std::vector<float> output() const { return output_.download(); }
  void set_lengths(const std::vector<int>& lengths);

  mm1_flash_attention_decode_args args;

 private:
  int64_t rows() const { return int64_t{case_.batch()} * case_.query_length; }
  int64_t cache_rows() const { return int64_t{case_.batch()} * case_.max_length; }
  int64_t columns() const { return int64_t{case_.heads} * case_.head_size; }
  int64_t key_columns() const { return int64_t{case_.key_value_heads} * case_.head_size; }

  DecodeCase case_;
  DeviceBuffer query_, keys_, values_, output_;
  std::unique_ptr<DeviceBuffer> lengths_;
};

}  // namespace test

#endif  // MM1_TESTS_ATTENTION_DECODE_CASE_H
