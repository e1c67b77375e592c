// What tests of kernels over rows share: matrices of samples, shapes, and the error rule element by element.
#ifndef MM1_TESTS_SUPPORT_ROW_CASE_H
#define MM1_TESTS_SUPPORT_ROW_CASE_H

#include <memory>
#include <string>
#include <vector>

#include "mm1/kernels.h"
#include "mm1/runtime.h"
#include "support/agreement.h"
#include "support/device_buffer.h"
#include "test.h"

namespace test {

// Elements between rows, and from an aligned address to the first.
struct RowShape {
  int64_t rows;
  int64_t columns;
  int64_t padding = 0;
  int64_t offset = 0;

  int64_t count() const { return rows * columns; }
  std::string name() const;
};

constexpr mm1_dtype kComputeDtypes[] = {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32};

// In shadow builds every `n`th case.
#ifdef MM1_SHADOW
constexpr size_t shadow_stride(size_t n) { return n; }
#else
constexpr size_t shadow_stride(size_t) { return 1; }
#endif

const char* name_of(mm1_dtype dtype);

// Normal samples, rounded to the dtype.
std::vector<float> row_samples(uint64_t purpose, mm1_dtype dtype, int64_t rows, int64_t columns, double scale = 1);

// A matrix with these values, or (nothing given) poison.
std::unique_ptr<DeviceBuffer> row_buffer(mm1_dtype dtype, const RowShape& shape);
std::unique_ptr<DeviceBuffer> row_buffer(mm1_dtype dtype, const RowShape& shape, const std::vector<float>& values);

// After a call: waits, and looks at the bytes around all memory.
void finish_call();

// Runs a check and puts the case in front of what it says.
template <class Body>
void in_case(const std::string& name, const Body& body) {
  try {
    body();
  } catch (const Skipped&) {
    throw;
  } catch (const std::exception& error) {
    throw Failure(name + ": " + error.what());
  }
}

// `maths` gives element i in the type of its first argument: float64 is the reference, float32 the straightforward implementation.
template <class Maths>
void check_elements(const std::string& what, mm1_dtype dtype, const std::vector<float>& actual, const Maths& maths) {
  std::vector<double> reference;
  std::vector<float> straightforward;
  for (size_t i = 0; i < actual.size(); i++) {
    reference.push_back(maths(double{}, i));
    straightforward.push_back(round_to(dtype, maths(float{}, i)));
  }
  check_agreement(what, dtype, actual, reference, straightforward);
}

// Counted while the body ran: sectors of 32 bytes that loads and stores touched, and the least that would do.
struct Sectors {
  uint64_t touched = 0;
  uint64_t least = 0;
  uint64_t read = 0;
  uint64_t written = 0;
};

template <class Body>
Sectors count_sectors(const Body& body);

void begin_counting();
Sectors end_counting();

template <class Body>
Sectors count_sectors(const Body& body) {
  begin_counting();
  body();
  return end_counting();
}

}  // namespace test

#endif  // MM1_TESTS_SUPPORT_ROW_CASE_H
