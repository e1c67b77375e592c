// Instances and launch of the Hopper GEMM: tensor maps, arguments, choice of the instance.
#include <algorithm>
#include <cstdint>

#include "dev/launch.h"
#include "gemm/gemm_sm90.cuh"

namespace mm1 {

#if MM1_PTX_ONLY
#define MM1_INSTANCE_(tile_n, a, b)                                                                                              \
  template __global__ void gemm_sm90_kernel<tile_n, a, b>(                                                                       \
      const dev::TensorMap, const dev::TensorMap, const dev::TensorMap, const GemmSm90Arguments);
#endif

}  // namespace mm1
