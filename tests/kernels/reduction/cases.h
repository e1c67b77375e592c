// Inputs that are a function of their place alone: fewer rows are the first rows of more.
#ifndef MM1_TESTS_REDUCTION_CASES_H
#define MM1_TESTS_REDUCTION_CASES_H

#include <string>
#include <vector>

#include "support/device_buffer.h"
#include "support/samples.h"

namespace test {

inline std::vector<float> matrix(uint64_t purpose, mm1_dtype dtype, int64_t rows, int64_t columns, double scale = 1, double mean = 0,
                                 int64_t first_row = 0) {
  std::vector<float> values;
  for (int64_t r = first_row; r < first_row + rows; r++) {
    for (int64_t c = 0; c < columns; c++)
      values.push_back(round_to(dtype, static_cast<float>(scale * normal_sample(purpose, 0, r, c) + mean)));
  }
  return values;
}

inline std::vector<float> rounded(mm1_dtype dtype, std::vector<float> values) {
  for (float& value : values) value = round_to(dtype, value);
  return values;
}

// result + beta * old, in the precision of T.
template <class T>
std::vector<T> accumulated(std::vector<T> result, float beta, const std::vector<float>& old) {
  for (size_t i = 0; beta != 0 && i < result.size(); i++) result[i] += static_cast<T>(beta) * static_cast<T>(old[i]);
  return result;
}

inline const std::vector<mm1_dtype> kComputeDtypes = {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32};

inline std::string name_of(mm1_dtype dtype) { return dtype == MM1_DTYPE_FLOAT32 ? "float32" : "bfloat16"; }

}  // namespace test

#endif  // MM1_TESTS_REDUCTION_CASES_H
