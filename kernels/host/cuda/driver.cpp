#include "host/cuda/driver.h"

#include <mutex>
#include <string>

#include "host/cuda/status.h"
#include "host/device.h"

namespace mm1::cuda {

namespace {

// A function as it was in the given version of CUDA: newer drivers keep the older signature under the same name.
template <class Function>
bool find(const char* name, unsigned int version, Function* function, std::string* missing) {
  void* entry = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t error = cudaGetDriverEntryPointByVersion(name, &entry, version, cudaEnableDefault, &found);
#else
  // Before 12.5 there is no such choice: the signature is that of the toolkit's own version.
  (void)version;
  const cudaError_t error = cudaGetDriverEntryPoint(name, &entry, cudaEnableDefault, &found);
#endif
  if (error != cudaSuccess || found != cudaDriverEntryPointSuccess || entry == nullptr) {
    cudaGetLastError();
    *missing = name;
    return false;
  }
  *function = reinterpret_cast<Function>(entry);
  return true;
}

struct Loaded {
  std::once_flag once;
  Driver functions{};
  std::string missing;
};

}  // namespace

mm1_status driver(const char* call, const Driver** result) {
  static Loaded* loaded = new Loaded;
  std::call_once(loaded->once, [] {
    Driver& f = loaded->functions;
    std::string& missing = loaded->missing;
    const bool all = find("cuGetErrorString", 6000, &f.get_error_string, &missing) &&
                     find("cuModuleLoadDataEx", 2010, &f.module_load_data, &missing) &&
                     find("cuModuleUnload", 2000, &f.module_unload, &missing) &&
                     find("cuModuleGetFunction", 2000, &f.module_get_function, &missing) &&
                     find("cuFuncSetAttribute", 9000, &f.function_set_attribute, &missing) &&
                     find("cuLaunchKernel", 4000, &f.launch_kernel, &missing) &&
                     find("cuTensorMapEncodeTiled", 12000, &f.tensor_map_encode_tiled, &missing);
    (void)all;
  });
  if (!loaded->missing.empty()) {
    return fail(MM1_STATUS_DEVICE_ERROR, "%s: the CUDA driver has no %s; a driver for CUDA 12.0 or later is needed.", call, loaded->missing.c_str());
  }
  *result = &loaded->functions;
  return MM1_STATUS_OK;
}

mm1_status status_of(const Driver& driver, CUresult result, const char* call) {
  if (result == CUDA_SUCCESS) return MM1_STATUS_OK;
  // The driver's codes are the runtime's for everything that loses a device.
  const cudaError_t same = static_cast<cudaError_t>(result);
  if (is_sticky(same)) return status_of(same, call);
  const char* text = nullptr;
  driver.get_error_string(result, &text);
  const mm1_status status = result == CUDA_ERROR_OUT_OF_MEMORY ? static_cast<mm1_status>(MM1_STATUS_OUT_OF_MEMORY)
                                                               : static_cast<mm1_status>(MM1_STATUS_INVALID_ARGUMENT);
  return fail(status, "%s: %s (driver error %d).", call, text == nullptr ? "no text" : text, static_cast<int>(result));
}

}  // namespace mm1::cuda
