#include "support/device_buffer.h"

#include <cstring>

#include "mm1/runtime.h"
#include "test.h"

namespace test {

namespace {

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

}  // namespace

float round_to(mm1_dtype dtype, float value) {
  if (dtype == MM1_DTYPE_FLOAT32 || value != value) return value;
  const uint32_t bits = bits_of(value);
  return float_of((bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u);
}

float round_to_tf32(float value) {
  const uint32_t bits = bits_of(value);
  return (bits & 0x7f800000u) == 0x7f800000u ? value : float_of((bits + 0x1000u) & 0xffffe000u);
}

DeviceBuffer::DeviceBuffer(mm1_dtype dtype, int64_t rows, int64_t columns, int64_t row_stride, int64_t offset)
    : dtype_(dtype), rows_(rows), columns_(columns), row_stride_(row_stride), offset_(offset) {
  CHECK_OK(mm1_memory_allocate(bytes(), &memory_));
  before_.resize(static_cast<size_t>(bytes()));
  CHECK_OK(mm1_memory_copy_to_host(nullptr, before_.data(), memory_, bytes()));
}

DeviceBuffer::~DeviceBuffer() { mm1_memory_free(memory_); }

int64_t DeviceBuffer::bytes() const {
  const int64_t elements = rows_ > 0 && columns_ > 0 ? offset_ + (rows_ - 1) * row_stride_ + columns_ : offset_ + 1;
  return elements * element_bytes();
}

mm1_operand DeviceBuffer::operand() const {
  mm1_operand operand{};
  operand.data = data();
  operand.dtype = dtype_;
  operand.row_stride = row_stride_;
  return operand;
}

int64_t DeviceBuffer::element_bytes() const {
  switch (dtype_) {
    case MM1_DTYPE_FLOAT64:
    case MM1_DTYPE_INT64:
      return 8;
    case MM1_DTYPE_FLOAT32:
    case MM1_DTYPE_INT32:
      return 4;
    case MM1_DTYPE_BFLOAT16:
    case MM1_DTYPE_FLOAT16:
      return 2;
    default:
      return 1;
  }
}

void DeviceBuffer::check_element(size_t size, bool is_floating) const {
  CHECK_EQUAL(static_cast<size_t>(element_bytes()), size);
  CHECK_EQUAL(dtype_ == MM1_DTYPE_FLOAT64 || dtype_ == MM1_DTYPE_FLOAT32, is_floating);
}

void DeviceBuffer::write(const void* elements) {
  std::vector<unsigned char> image = before_;
  const size_t row_bytes = static_cast<size_t>(columns_ * element_bytes());
  for (int64_t r = 0; r < rows_ && row_bytes > 0; r++) {
    std::memcpy(&image[static_cast<size_t>((offset_ + r * row_stride_) * element_bytes())],
                static_cast<const unsigned char*>(elements) + static_cast<size_t>(r) * row_bytes, row_bytes);
  }
  CHECK_OK(mm1_memory_copy_to_device(nullptr, memory_, image.data(), bytes()));
}

void DeviceBuffer::read(void* elements) const {
  std::vector<unsigned char> image(static_cast<size_t>(bytes()));
  CHECK_OK(mm1_memory_copy_to_host(nullptr, image.data(), memory_, bytes()));
  const size_t row_bytes = static_cast<size_t>(columns_ * element_bytes());
  for (int64_t r = 0; r < rows_ && row_bytes > 0; r++) {
    const size_t place = static_cast<size_t>((offset_ + r * row_stride_) * element_bytes());
    std::memcpy(static_cast<unsigned char*>(elements) + static_cast<size_t>(r) * row_bytes, &image[place], row_bytes);
    std::memcpy(&image[place], &before_[place], row_bytes);
  }
  CHECK_MESSAGE(image == before_, "elements between the rows were written");
}

void DeviceBuffer::upload(const std::vector<float>& values) {
  if (dtype_ != MM1_DTYPE_BFLOAT16) return upload_elements(values);
  std::vector<uint16_t> upper;
  for (float value : values) upper.push_back(static_cast<uint16_t>(bits_of(value) >> 16));
  upload_elements(upper);
}

std::vector<float> DeviceBuffer::download() const {
  if (dtype_ != MM1_DTYPE_BFLOAT16) return download_elements<float>();
  std::vector<float> values;
  for (uint16_t upper : download_elements<uint16_t>()) values.push_back(float_of(static_cast<uint32_t>(upper) << 16));
  return values;
}

}  // namespace test
