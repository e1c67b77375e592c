// Matrices in device memory for tests: any dtype, row stride and offset from an aligned address. The last element ends where the allocation
// ends, so that guard bytes lie behind it; what lies between rows and before the first is poison, which download() checks to be as it was.
#ifndef MM1_TESTS_SUPPORT_DEVICE_BUFFER_H
#define MM1_TESTS_SUPPORT_DEVICE_BUFFER_H

#include <cstdint>
#include <type_traits>
#include <vector>

#include "mm1/kernels.h"
#include "test.h"

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

  // Values row by row, without gaps; they must be values of the dtype, which is float32 or bfloat16.
  void upload(const std::vector<float>& values);
  std::vector<float> download() const;

  // The same for any dtype, as elements of its size: int32_t for int32, uint16_t for the bits of bfloat16 and float16, uint8_t for bool.
  template <class T>
  void upload_elements(const std::vector<T>& values) {
    check_element(sizeof(T), std::is_floating_point<T>::value);
    CHECK_EQUAL(static_cast<size_t>(rows_ * columns_), values.size());
    write(values.data());
  }

  template <class T>
  std::vector<T> download_elements() const {
    check_element(sizeof(T), std::is_floating_point<T>::value);
    std::vector<T> values(static_cast<size_t>(rows_ * columns_));
    read(values.data());
    return values;
  }

  mm1_operand operand() const;
  void* data() const { return static_cast<char*>(memory_) + offset_ * element_bytes(); }
  int64_t element_bytes() const;
  int64_t row_stride() const { return row_stride_; }

 private:
  int64_t bytes() const;
  void check_element(size_t size, bool is_floating) const;
  void write(const void* elements);
  void read(void* elements) const;

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
