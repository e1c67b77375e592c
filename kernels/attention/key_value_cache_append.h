// mm1_key_value_cache_append between its argument record and its kernel.
#ifndef MM1_ATTENTION_KEY_VALUE_CACHE_APPEND_H
#define MM1_ATTENTION_KEY_VALUE_CACHE_APPEND_H

#include <stdint.h>

#include "mm1/kernels.h"

namespace mm1 {

constexpr int kAppendThreads = 256;

// Rows of one operand and of its cache, in bytes; a thread moves `width` (16, 8, 4 or 2) of them.
struct AppendCopy {
  const char* source;
  char* cache;
  int64_t source_stride;
  int64_t cache_stride;
  int32_t width;
  int32_t units;  // Of `width` bytes in a row.
};

struct AppendProblem {
  AppendCopy key;
  AppendCopy value;
  const int32_t* sequences;  // [tokens], in device memory.
  const int32_t* positions;
  int64_t tokens;
  int64_t max_length;
  int64_t blocks_per_token;
};

mm1_status launch_append(mm1_stream stream, const AppendProblem& problem);

}  // namespace mm1

#endif  // MM1_ATTENTION_KEY_VALUE_CACHE_APPEND_H
