// NVIDIA devices through the CUDA runtime: the primary context of each, and its current device for each thread.
#include <cstdio>
#include <mutex>
#include <string>

#include "host/backend.h"
#include "host/cuda/status.h"
#include "host/device.h"

namespace mm1::backend {

using cuda::status_of;

namespace {

constexpr int kMostDevices = 64;

struct Device {
  std::once_flag once;
  mm1_status status = MM1_STATUS_OK;
  std::string error;
  std::string card;
  std::string name;
  DeviceProfile profile{};

  std::mutex stream_mutex;
  cudaStream_t stream = nullptr;
};

Device& device_at(int32_t device) {
  static Device* all = new Device[kMostDevices];
  return all[device];
}

mm1_status attribute(int* value, cudaDeviceAttr attribute, int32_t device) {
  return status_of(cudaDeviceGetAttribute(value, attribute, device), "device_get_properties");
}

mm1_status read_profile(int32_t device, Device* into) {
  cudaDeviceProp properties;
  MM1_RETURN_IF_FAILED(status_of(cudaGetDeviceProperties(&properties, device), "device_get_properties"));
  into->card = properties.name;
  into->name = "sm_" + std::to_string(properties.major) + std::to_string(properties.minor);
  DeviceProfile& profile = into->profile;
  profile.name = into->name.c_str();
  profile.card = into->card.c_str();
  profile.capability_major = properties.major;
  profile.capability_minor = properties.minor;
  profile.multiprocessors = properties.multiProcessorCount;
  profile.shared_bytes_per_block = static_cast<int64_t>(properties.sharedMemPerBlockOptin);
  profile.shared_bytes_per_multiprocessor = static_cast<int64_t>(properties.sharedMemPerMultiprocessor);
  profile.threads_per_multiprocessor = properties.maxThreadsPerMultiProcessor;
  profile.blocks_per_multiprocessor = properties.maxBlocksPerMultiProcessor;
  profile.l2_bytes = properties.l2CacheSize;
  return MM1_STATUS_OK;
}

}  // namespace

mm1_status device_count(int32_t* count, std::string* why_none) {
  int found = 0;
  const cudaError_t error = cudaGetDeviceCount(&found);
  if (error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver) {
    *why_none = cudaGetErrorString(error);
    cudaGetLastError();
    found = 0;
  } else {
    MM1_RETURN_IF_FAILED(status_of(error, "device_count"));
    if (found == 0) *why_none = "the driver lists none";
  }
  *count = found < kMostDevices ? found : kMostDevices;
  return MM1_STATUS_OK;
}

mm1_status device_profile(int32_t device, const DeviceProfile** profile) {
  Device& found = device_at(device);
  std::call_once(found.once, [&] {
    found.status = read_profile(device, &found);
    if (found.status != MM1_STATUS_OK) found.error = last_error_text();
  });
  if (found.status != MM1_STATUS_OK) return fail(found.status, "%s", found.error.c_str());
  *profile = &found.profile;
  return MM1_STATUS_OK;
}

mm1_status device_properties(int32_t device, mm1_device_properties* properties) {
  const DeviceProfile* profile = nullptr;
  MM1_RETURN_IF_FAILED(device_profile(device, &profile));
  cudaDeviceProp native;
  MM1_RETURN_IF_FAILED(status_of(cudaGetDeviceProperties(&native, device), "device_get_properties"));
  std::snprintf(properties->name, sizeof properties->name, "%s", profile->card);
  properties->capability_major = profile->capability_major;
  properties->capability_minor = profile->capability_minor;
  properties->multiprocessors = profile->multiprocessors;
  properties->memory_bytes = static_cast<int64_t>(native.totalGlobalMem);
  properties->shared_bytes_per_block = profile->shared_bytes_per_block;
  properties->shared_bytes_per_multiprocessor = profile->shared_bytes_per_multiprocessor;
  properties->l2_bytes = profile->l2_bytes;
  properties->threads_per_multiprocessor = profile->threads_per_multiprocessor;
  properties->blocks_per_multiprocessor = profile->blocks_per_multiprocessor;
  // CUDA 13 has these as attributes only.
  MM1_RETURN_IF_FAILED(attribute(&properties->clock_kilohertz, cudaDevAttrClockRate, device));
  MM1_RETURN_IF_FAILED(attribute(&properties->memory_clock_kilohertz, cudaDevAttrMemoryClockRate, device));
  MM1_RETURN_IF_FAILED(attribute(&properties->memory_bus_bits, cudaDevAttrGlobalMemoryBusWidth, device));
  MM1_RETURN_IF_FAILED(status_of(cudaDriverGetVersion(&properties->driver_version), "device_get_properties"));
  MM1_RETURN_IF_FAILED(status_of(cudaRuntimeGetVersion(&properties->runtime_version), "device_get_properties"));
  properties->compute_dtypes = kComputeDtypes;
  properties->math_modes = kMathModes;
  properties->supported = profile->capability_major >= 8 ? 1 : 0;
  return status_of(cudaDeviceGetPCIBusId(properties->pci_bus_id, sizeof properties->pci_bus_id, device), "device_get_properties");
}

mm1_status set_device(int32_t device) { return status_of(cudaSetDevice(device), "device_set_current"); }

mm1_status get_device(int32_t* device) {
  int current = 0;
  MM1_RETURN_IF_FAILED(status_of(cudaGetDevice(&current), "device_get_current"));
  if (current >= kMostDevices) return fail(MM1_STATUS_UNSUPPORTED, "device_get_current: device %d; at most %d are served.", current, kMostDevices);
  *device = current;
  return MM1_STATUS_OK;
}

bool device_failed(int32_t, std::string* text) {
  // Only sticky errors count: another library may have left an ordinary one on this thread.
  const cudaError_t error = cudaPeekAtLastError();
  if (!cuda::is_sticky(error)) return false;
  *text = std::string(cudaGetErrorString(error)) + " (" + cudaGetErrorName(error) + ")";
  return true;
}

mm1_status device_synchronize() { return status_of(cudaDeviceSynchronize(), "device_synchronize"); }

mm1_status resolve_stream(const char* call, mm1_stream* stream) {
  if (*stream != nullptr) return MM1_STATUS_OK;
  int32_t device = 0;
  MM1_RETURN_IF_FAILED(get_device(&device));
  Device& found = device_at(device);
  const std::lock_guard<std::mutex> lock(found.stream_mutex);
  if (found.stream == nullptr) {
    // Another stream of this thread may be captured meanwhile: creating one is allowed then.
    MM1_RETURN_IF_FAILED(status_of(cudaStreamCreateWithFlags(&found.stream, cudaStreamNonBlocking), call));
  }
  *stream = reinterpret_cast<mm1_stream>(found.stream);
  return MM1_STATUS_OK;
}

}  // namespace mm1::backend
