// CUDA's errors as statuses of the contract.
#ifndef MM1_HOST_CUDA_STATUS_H
#define MM1_HOST_CUDA_STATUS_H

#include <cuda_runtime_api.h>

#include "host/error.h"

static_assert(CUDART_VERSION >= 12000, "CUDA 12.0 or later");

namespace mm1::cuda {

// Whether the error leaves the context unusable for the process.
bool is_sticky(cudaError_t error);

// OK, or a status with "call: CUDA's text (its name)". Sticky errors lose the current device.
mm1_status status_of(cudaError_t error, const char* call);

// The same for giving something back: on a lost device there is nothing to give back, since its context is gone.
mm1_status released(cudaError_t error, const char* call);

}  // namespace mm1::cuda

#endif  // MM1_HOST_CUDA_STATUS_H
