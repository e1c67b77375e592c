// Status codes with a text: what mm1_get_last_error_message() of this thread says.
#ifndef MM1_HOST_ERROR_H
#define MM1_HOST_ERROR_H

#include "mm1/kernels.h"

#if defined(__GNUC__)
#define MM1_PRINTF_FORMAT(format_index, first_argument) __attribute__((format(printf, format_index, first_argument)))
#else
#define MM1_PRINTF_FORMAT(format_index, first_argument)
#endif

// Returns from a function of type mm1_status unless the call succeeded.
#define MM1_RETURN_IF_FAILED(call)                             \
  do {                                                         \
    const mm1_status status_ = (call);                         \
    if (status_ != MM1_STATUS_OK) return status_;              \
  } while (0)

namespace mm1 {

// Sets the calling thread's error text and returns `status`: `return fail(MM1_STATUS_INVALID_ARGUMENT, "gemm: m is %lld", m);`.
mm1_status fail(mm1_status status, const char* format, ...) MM1_PRINTF_FORMAT(2, 3);

// The calling thread's error text; "" if there was none.
const char* last_error_text();

}  // namespace mm1

#endif  // MM1_HOST_ERROR_H
