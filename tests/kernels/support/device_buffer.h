// Matrices in device memory for tests: any dtype, row stride and offset from an aligned address. The last element ends where the allocation
// ends, so that guard bytes lie behind it; what lies between rows and before the first is poison, which download() checks to be as it was.
#ifndef MM1_TESTS_SUPPORT_DEVICE_BUFFER_H
#define MM1_TESTS_SUPPORT_DEVICE_BUFFER_H

#include <cstdint>
#include <vector>

#include "mm1/kernels.h"

namespace test {

// The nearest value of the dtype (float32, bfloat16), ties to even.
float round_to(mm1_dtype dtype, float value);

// The nearest tf32, ties away from zero.
float round_to_tf32(float value);

class DeviceBuffer {
 public:
  // Memory as it comes: NaN, and uninitialised to the shadow.
  DeviceBuffer(mm1_dtype dtype, int64_t rows, int64_t columns, int64_t row_stride, int64_t offset = 0);
  DeviceBuffer(mm1_dtype dtype, int64_t columns) : DeviceBuffer(dtype, 1, columns, columns) {}
  ~DeviceBuffer();
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;

  // Values row by row, without gaps; they must be values of the dtype.
  void upload(const std::vector<float>& values);
  std::vector<float> download() const;

  mm1_operand operand() const;
  void* data() const { return static_cast<char*>(memory_) + offset_ * element_bytes(); }
  int64_t element_bytes() const { return dtype_ == MM1_DTYPE_FLOAT32 ? 4 : 2; }
  int64_t row_stride() const { return row_stride_; }

 private:
  int64_t bytes() const;

  mm1_dtype dtype_;
  int64_t rows_;
  int64_t columns_;
  int64_t row_stride_;
  int64_t offset_;
  void* memory_ = nullptr;
  std::vector<unsigned char> before_;  // Memory when it was allocated.
};

}  // namespace test

#endif  // MM1_TESTS_SUPPORT_DEVICE_BUFFER_H
