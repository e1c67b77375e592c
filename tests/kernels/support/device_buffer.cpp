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

void DeviceBuffer::upload(const std::vector<float>& values) {
  CHECK_EQUAL(static_cast<size_t>(rows_ * columns_), values.size());
  std::vector<unsigned char> image = before_;
  for (int64_t r = 0; r < rows_; r++) {
    for (int64_t c = 0; c < columns_; c++) {
      const uint32_t bits = bits_of(values[static_cast<size_t>(r * columns_ + c)]);
      unsigned char* const place = &image[static_cast<size_t>((offset_ + r * row_stride_ + c) * element_bytes())];
      if (dtype_ == MM1_DTYPE_FLOAT32) {
        std::memcpy(place, &bits, 4);
      } else {
        const uint16_t upper = static_cast<uint16_t>(bits >> 16);
        std::memcpy(place, &upper, 2);
      }
    }
  }
  CHECK_OK(mm1_memory_copy_to_device(nullptr, memory_, image.data(), bytes()));
}

std::vector<float> DeviceBuffer::download() const {
  std::vector<unsigned char> image(static_cast<size_t>(bytes()));
  CHECK_OK(mm1_memory_copy_to_host(nullptr, image.data(), memory_, bytes()));
  std::vector<float> values(static_cast<size_t>(rows_ * columns_));
  std::vector<unsigned char> rest = image;
  for (int64_t r = 0; r < rows_; r++) {
    for (int64_t c = 0; c < columns_; c++) {
      const size_t place = static_cast<size_t>((offset_ + r * row_stride_ + c) * element_bytes());
      uint32_t bits = 0;
      if (dtype_ == MM1_DTYPE_FLOAT32) {
        std::memcpy(&bits, &image[place], 4);
      } else {
        uint16_t upper;
        std::memcpy(&upper, &image[place], 2);
        bits = static_cast<uint32_t>(upper) << 16;
      }
      values[static_cast<size_t>(r * columns_ + c)] = float_of(bits);
      std::memcpy(&rest[place], &before_[place], static_cast<size_t>(element_bytes()));
    }
  }
  CHECK_MESSAGE(rest == before_, "elements between the rows were written");
  return values;
}

}  // namespace test
