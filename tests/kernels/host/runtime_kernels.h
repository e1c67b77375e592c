// Small kernels that the tests of the runtime put on streams.
#ifndef MM1_TESTS_HOST_RUNTIME_KERNELS_H
#define MM1_TESTS_HOST_RUNTIME_KERNELS_H

#include <cstdint>

#include "mm1/kernels.h"

// data[i] = factor * data[i] + addend for i < n.
mm1_status launch_scale_add(mm1_stream stream, float* data, int32_t n, float factor, float addend);

// data[index] = 0, wherever that is.
mm1_status launch_store_at(mm1_stream stream, float* data, int32_t index);

// More shared memory than any device has: refused at once.
mm1_status launch_too_large(mm1_stream stream);

#endif  // MM1_TESTS_HOST_RUNTIME_KERNELS_H
