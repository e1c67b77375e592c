// Launching a kernel in the emulator: what dev/launch.h calls.
#pragma once
#include <cstddef>
#include <memory>

#include "../dev/launch_status.h"
#include "runtime.h"
#include "thread.h"

namespace emulator {

struct LaunchShape {
  Dim3 grid;
  Dim3 block;
  Dim3 cluster;
  size_t shared_bytes;
};

// A kernel with its arguments: body(argument) runs it on the current fiber.
struct KernelCall {
  void (*body)(void*) = nullptr;
  std::shared_ptr<void> argument;
  size_t argument_bytes = 0;
};

dev::LaunchStatus launch_async(Stream* stream, const LaunchShape& shape, KernelCall call);
void launch_now(const LaunchShape& shape, const KernelCall& call);

}  // namespace emulator
