// Rows and ids that are a function of their place alone.
#ifndef MM1_TESTS_EMBEDDING_CASES_H
#define MM1_TESTS_EMBEDDING_CASES_H

#include <cmath>
#include <string>
#include <vector>

#include "support/device_buffer.h"
#include "support/samples.h"

namespace test {

inline std::vector<float> rows_of(uint64_t purpose, mm1_dtype dtype, int64_t rows, int64_t columns) {
  std::vector<float> values;
  for (int64_t r = 0; r < rows; r++) {
    for (int64_t c = 0; c < columns; c++) values.push_back(round_to(dtype, static_cast<float>(normal_sample(purpose, 0, r, c))));
  }
  return values;
}

// A third of the tokens share id 0.
inline std::vector<int64_t> ids_of(int64_t tokens, int64_t vocabulary) {
  std::vector<int64_t> ids;
  for (int64_t t = 0; t < tokens; t++) {
    const uint64_t drawn = mixed(static_cast<uint64_t>(t) + 1000);
    ids.push_back(drawn % 3 == 0 ? 0 : static_cast<int64_t>((drawn >> 8) % static_cast<uint64_t>(vocabulary)));
  }
  return ids;
}

// Ids in device memory, as int32 or int64.
struct IdBuffer {
  IdBuffer(const std::vector<int64_t>& ids, bool wide)
      : buffer(wide ? MM1_DTYPE_INT64 : MM1_DTYPE_INT32, static_cast<int64_t>(ids.size())) {
    if (wide) {
      buffer.upload_elements(ids);
    } else {
      buffer.upload_elements(std::vector<int32_t>(ids.begin(), ids.end()));
    }
  }
  DeviceBuffer buffer;
};

inline const std::vector<mm1_dtype> kRowDtypes = {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32};

inline std::string name_of(mm1_dtype dtype) { return dtype == MM1_DTYPE_FLOAT32 ? "float32" : "bfloat16"; }

}  // namespace test

#endif  // MM1_TESTS_EMBEDDING_CASES_H
