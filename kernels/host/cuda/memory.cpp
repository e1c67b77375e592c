// Device memory, pinned memory and copies.
#include "host/backend.h"
#include "host/cuda/status.h"

namespace mm1::backend {

using cuda::released;
using cuda::status_of;

namespace {

cudaStream_t native(mm1_stream stream) { return reinterpret_cast<cudaStream_t>(stream); }

// Refuses a copy with host memory that is not pinned where the stream is captured. The query is not allowed there, which is its use: CUDA
// spoils the capture, as the contract says.
mm1_status check_capturable(const char* call, cudaStream_t stream, const void* host) {
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  MM1_RETURN_IF_FAILED(status_of(cudaStreamIsCapturing(stream, &capture), call));
  if (capture != cudaStreamCaptureStatusActive) return MM1_STATUS_OK;
  cudaPointerAttributes attributes;
  const cudaError_t error = cudaPointerGetAttributes(&attributes, host);
  if (error == cudaSuccess && attributes.type != cudaMemoryTypeUnregistered) return MM1_STATUS_OK;
  cudaStreamQuery(stream);
  cudaGetLastError();
  return fail(MM1_STATUS_INVALID_ARGUMENT,
              "%s: a copy between the device and host memory that is not pinned cannot be captured; the capture is spoiled.", call);
}

mm1_status copy(const char* call, mm1_stream stream, void* destination, const void* source, int64_t bytes, cudaMemcpyKind kind) {
  return status_of(cudaMemcpyAsync(destination, source, static_cast<size_t>(bytes), kind, native(stream)), call);
}

}  // namespace

mm1_status memory_allocate(int64_t bytes, void** address) {
  void* made = nullptr;
  MM1_RETURN_IF_FAILED(status_of(cudaMalloc(&made, static_cast<size_t>(bytes)), "memory_allocate"));
  *address = made;
  return MM1_STATUS_OK;
}

mm1_status memory_free(void* address) { return released(cudaFree(address), "memory_free"); }

mm1_status memory_allocate_pinned(int64_t bytes, void** address) {
  void* made = nullptr;
  MM1_RETURN_IF_FAILED(status_of(cudaHostAlloc(&made, static_cast<size_t>(bytes), cudaHostAllocPortable), "memory_allocate_pinned"));
  *address = made;
  return MM1_STATUS_OK;
}

mm1_status memory_free_pinned(void* address) { return released(cudaFreeHost(address), "memory_free_pinned"); }

mm1_status memory_get_info(int64_t* free_bytes, int64_t* total_bytes) {
  size_t free_now = 0, total = 0;
  MM1_RETURN_IF_FAILED(status_of(cudaMemGetInfo(&free_now, &total), "memory_get_info"));
  *free_bytes = static_cast<int64_t>(free_now);
  *total_bytes = static_cast<int64_t>(total);
  return MM1_STATUS_OK;
}

mm1_status memory_copy_to_device(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  MM1_RETURN_IF_FAILED(check_capturable("memory_copy_to_device", native(stream), source));
  return copy("memory_copy_to_device", stream, destination, source, bytes, cudaMemcpyHostToDevice);
}

mm1_status memory_copy_to_host(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  MM1_RETURN_IF_FAILED(check_capturable("memory_copy_to_host", native(stream), destination));
  return copy("memory_copy_to_host", stream, destination, source, bytes, cudaMemcpyDeviceToHost);
}

mm1_status memory_copy_on_device(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  return copy("memory_copy_on_device", stream, destination, source, bytes, cudaMemcpyDeviceToDevice);
}

mm1_status memory_fill(mm1_stream stream, void* destination, int value, int64_t bytes) {
  return status_of(cudaMemsetAsync(destination, value, static_cast<size_t>(bytes), native(stream)), "memory_fill");
}

}  // namespace mm1::backend
