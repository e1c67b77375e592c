// Launches of the losses' kernels: a row of blocks of kLossThreads threads.
#pragma once
#include "dev/launch.h"
#include "host/device.h"
#include "host/device_profile.h"
#include "host/error.h"
#include "loss/loss.h"

namespace mm1 {

template <class... P, class... A>
mm1_status launch_loss_blocks(const char* verb, mm1_stream stream, int64_t blocks, void (*kernel)(P...), const A&... arguments) {
  if (blocks == 0) return MM1_STATUS_OK;
  if (blocks > kGridX) {
    return fail(MM1_STATUS_UNSUPPORTED, "%s: %lld blocks are more than a grid has.", verb, static_cast<long long>(blocks));
  }
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(blocks), 1, 1};
  config.block = {static_cast<uint32_t>(kLossThreads), 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, arguments...);
  return launched(verb, status.code, status.text);
}

}  // namespace mm1
