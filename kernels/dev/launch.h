// dev::launch(config, kernel, arguments...): puts a kernel on a stream, on a GPU and in the emulator alike.
// A template kernel is instantiated and launched in one translation unit.
#pragma once
#include <cstddef>
#include <cstdint>

#include "device.cuh"
#include "launch_status.h"
#if DEV_EMULATED
#include <memory>
#include <tuple>
#include <utility>

#include "../emulator/launch.h"
#include "../emulator/runtime.h"
#endif

namespace dev {
#if DEV_EMULATED

using Stream = emulator::Stream*;

struct LaunchConfig {
  emulator::Dim3 grid;
  emulator::Dim3 block;
  size_t shared_bytes = 0;            // dynamic
  Stream stream = nullptr;            // the default stream
  emulator::Dim3 cluster = {1, 1, 1};
};

// The arguments are converted to the kernel's own parameter types and kept until the kernel has run.
template <class... P, class... A>
inline emulator::KernelCall bind_kernel(void (*kernel)(P...), A&&... arguments) {
  using Parameters = std::tuple<P...>;
  struct Bound {
    void (*kernel)(P...);
    Parameters parameters;
  };
  std::shared_ptr<Bound> bound(new Bound{kernel, Parameters(static_cast<P>(arguments)...)});
  emulator::KernelCall call;
  call.argument_bytes = sizeof(Bound);
  call.body = [](void* memory) {
    auto* self = static_cast<Bound*>(memory);
    std::apply(self->kernel, self->parameters);
  };
  call.argument = std::move(bound);
  return call;
}

inline emulator::LaunchShape shape_of(const LaunchConfig& config) {
  return {config.grid, config.block, config.cluster, config.shared_bytes};
}

// Asynchronous. A kernel that fails leaves its text as the device's error (emulator::error_text).
template <class... P, class... A>
inline LaunchStatus launch(const LaunchConfig& config, void (*kernel)(P...), A&&... arguments) {
  return emulator::launch_async(config.stream, shape_of(config), bind_kernel(kernel, std::forward<A>(arguments)...));
}

// For tests: runs the kernel in the caller, past all streams, and throws emulator::Error if it fails. The device stays well.
template <class... P, class... A>
inline void launch_now(const LaunchConfig& config, void (*kernel)(P...), A&&... arguments) {
  emulator::launch_now(shape_of(config), bind_kernel(kernel, std::forward<A>(arguments)...));
}

#elif DEV_HAVE_TOOLKIT || !defined(__clang__)

using Stream = cudaStream_t;

struct LaunchConfig {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  Stream stream = nullptr;
  dim3 cluster = {1, 1, 1};
};

inline LaunchStatus status_of(cudaError_t error) {
  if (error == cudaSuccess) return {};
  const int32_t code = error == cudaErrorInvalidValue || error == cudaErrorInvalidConfiguration ? 8 : 5;   // internal error, device error
  return {code, cudaGetErrorString(error)};
}

template <class... P, class... A>
inline LaunchStatus launch(const LaunchConfig& config, void (*kernel)(P...), A&&... arguments) {
  return [&](P... parameters) {       // converts to the kernel's own parameter types
    if (config.shared_bytes > 48 * 1024) {
      const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                     static_cast<int>(config.shared_bytes));
      if (error != cudaSuccess) return status_of(error);
    }
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = config.cluster.x;
    attribute.val.clusterDim.y = config.cluster.y;
    attribute.val.clusterDim.z = config.cluster.z;
    cudaLaunchConfig_t launch_config = {};
    launch_config.gridDim = config.grid;
    launch_config.blockDim = config.block;
    launch_config.dynamicSmemBytes = config.shared_bytes;
    launch_config.stream = config.stream;
    launch_config.attrs = &attribute;
    launch_config.numAttrs = config.cluster.x * config.cluster.y * config.cluster.z > 1 ? 1 : 0;
    void* pointers[] = {const_cast<void*>(static_cast<const void*>(&parameters))..., nullptr};
    return status_of(cudaLaunchKernelExC(&launch_config, reinterpret_cast<const void*>(kernel), pointers));
  }(static_cast<P>(arguments)...);
}

#else

// clang without a toolkit compiles the device side alone. The host side is parsed all the same, as it says which kernels there are.
using Stream = struct DeviceStream*;

struct LaunchConfig {
  dim3 grid;
  dim3 block;
  size_t shared_bytes = 0;
  Stream stream = nullptr;
  dim3 cluster = {1, 1, 1};
};

template <class... P, class... A>
LaunchStatus launch(const LaunchConfig& config, void (*kernel)(P...), A&&... arguments);

#endif
}  // namespace dev
