// A user's PTX, cubin or fatbin beside the library's own kernels.
#include <cstring>

#include "host/backend.h"
#include "host/cuda/driver.h"
#include "host/cuda/status.h"
#include "host/device_profile.h"

namespace mm1::backend {

namespace {

CUmodule native(mm1_module module) { return reinterpret_cast<CUmodule>(module); }
CUfunction native(mm1_function function) { return reinterpret_cast<CUfunction>(function); }

// The driver works in the context that is current on the thread: setting the device makes it the primary one.
mm1_status use_primary_context(const char* call) {
  int device = 0;
  MM1_RETURN_IF_FAILED(cuda::status_of(cudaGetDevice(&device), call));
  return cuda::status_of(cudaSetDevice(device), call);
}

// Cubins are ELF files, fatbins begin with a magic number; everything else is taken as PTX text.
bool is_text(const unsigned char* image, int64_t bytes) {
  constexpr unsigned char kElf[] = {0x7f, 'E', 'L', 'F'};
  constexpr unsigned char kFatbin[] = {0x50, 0xed, 0x55, 0xba};
  return bytes < 4 || (std::memcmp(image, kElf, 4) != 0 && std::memcmp(image, kFatbin, 4) != 0);
}

}  // namespace

mm1_status module_load(const void* image, int64_t bytes, mm1_module* module) {
  const unsigned char* first = static_cast<const unsigned char*>(image);
  if (is_text(first, bytes) && first[bytes - 1] != 0) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "module_load: PTX text must end with a NUL, which bytes counts.");
  }
  const cuda::Driver* driver = nullptr;
  MM1_RETURN_IF_FAILED(cuda::driver("module_load", &driver));
  MM1_RETURN_IF_FAILED(use_primary_context("module_load"));
  char log[4096] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, reinterpret_cast<void*>(sizeof log)};
  CUmodule made = nullptr;
  const CUresult result = driver->module_load_data(&made, image, 2, options, values);
  if (result != CUDA_SUCCESS && log[0] != '\0') {
    log[sizeof log - 1] = '\0';
    return fail(MM1_STATUS_INVALID_ARGUMENT, "module_load: the assembler says: %s", log);
  }
  MM1_RETURN_IF_FAILED(cuda::status_of(*driver, result, "module_load"));
  *module = reinterpret_cast<mm1_module>(made);
  return MM1_STATUS_OK;
}

mm1_status module_unload(mm1_module module) {
  const cuda::Driver* driver = nullptr;
  MM1_RETURN_IF_FAILED(cuda::driver("module_unload", &driver));
  MM1_RETURN_IF_FAILED(use_primary_context("module_unload"));
  return cuda::status_of(*driver, driver->module_unload(native(module)), "module_unload");
}

mm1_status module_get_function(mm1_module module, const char* name, mm1_function* function) {
  const cuda::Driver* driver = nullptr;
  MM1_RETURN_IF_FAILED(cuda::driver("module_get_function", &driver));
  MM1_RETURN_IF_FAILED(use_primary_context("module_get_function"));
  CUfunction found = nullptr;
  const CUresult result = driver->module_get_function(&found, native(module), name);
  if (result == CUDA_ERROR_NOT_FOUND) return fail(MM1_STATUS_INVALID_ARGUMENT, "module_get_function: the module has no kernel '%s'.", name);
  MM1_RETURN_IF_FAILED(cuda::status_of(*driver, result, "module_get_function"));
  *function = reinterpret_cast<mm1_function>(found);
  return MM1_STATUS_OK;
}

mm1_status module_launch(mm1_stream stream, const mm1_module_launch_args& args) {
  const cuda::Driver* driver = nullptr;
  MM1_RETURN_IF_FAILED(cuda::driver("module_launch", &driver));
  MM1_RETURN_IF_FAILED(use_primary_context("module_launch"));
  const CUfunction function = native(args.function);
  if (args.shared_bytes > kStaticSharedBytesPerBlock) {
    MM1_RETURN_IF_FAILED(cuda::status_of(
        *driver,
        driver->function_set_attribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, static_cast<int>(args.shared_bytes)),
        "module_launch"));
  }
  const auto extent = [](int32_t value) { return static_cast<unsigned>(value); };
  return cuda::status_of(*driver,
                         driver->launch_kernel(function, extent(args.grid_x), extent(args.grid_y), extent(args.grid_z), extent(args.block_x),
                                               extent(args.block_y), extent(args.block_z), static_cast<unsigned>(args.shared_bytes),
                                               reinterpret_cast<CUstream>(stream), args.parameters, nullptr),
                         "module_launch");
}

}  // namespace mm1::backend
