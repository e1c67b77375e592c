/* The headers as C99; runtime.h first, which must lead to kernels.h. */
#include <mm1/runtime.h>

int64_t header_sizes_c(int index);

int64_t header_sizes_c(int index) {
  mm1_gemm_args gemm = mm1_gemm_args_default();
  mm1_module_launch_args launch = mm1_module_launch_args_default();
  mm1_device_properties properties = mm1_device_properties_default();
  switch (index) {
    case 0:
      return (int64_t)sizeof(mm1_api);
    case 1:
      return gemm.struct_size + (gemm.alpha == 1.0f ? 0 : 1000);
    case 2:
      return launch.struct_size + (launch.block_z == 1 ? 0 : 1000);
    default:
      return properties.struct_size;
  }
}
