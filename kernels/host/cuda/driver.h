// Functions of the CUDA driver, asked for through the runtime: the library is not linked with libcuda, so that it loads on a machine
// without a driver and can say what is missing.
#ifndef MM1_HOST_CUDA_DRIVER_H
#define MM1_HOST_CUDA_DRIVER_H

#include <cuda.h>

#include "host/error.h"

namespace mm1::cuda {

struct Driver {
  CUresult (*get_error_string)(CUresult, const char**);
  CUresult (*module_load_data)(CUmodule*, const void*, unsigned int, CUjit_option*, void**);
  CUresult (*module_unload)(CUmodule);
  CUresult (*module_get_function)(CUfunction*, CUmodule, const char*);
  CUresult (*function_set_attribute)(CUfunction, CUfunction_attribute, int);
  CUresult (*launch_kernel)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream, void**, void**);
  CUresult (*tensor_map_encode_tiled)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*, const cuuint64_t*,
                                      const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                                      CUtensorMapL2promotion, CUtensorMapFloatOOBfill);
};

// The table, filled on first use. DEVICE_ERROR with a text where the driver lacks one of them.
mm1_status driver(const char* call, const Driver** result);

// OK, or a status with "call: the driver's text".
mm1_status status_of(const Driver& driver, CUresult result, const char* call);

}  // namespace mm1::cuda

#endif  // MM1_HOST_CUDA_DRIVER_H
