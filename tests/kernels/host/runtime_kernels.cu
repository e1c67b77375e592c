#include "runtime_kernels.h"

#include "dev/device.cuh"
#include "dev/launch.h"
#include "host/device.h"

static DEV_KERNEL scale_add(float* data, int32_t n, float factor, float addend) {
  const int32_t i = static_cast<int32_t>(dev::bid_x() * dev::ntid() + dev::tid());
  if (i < n) data[i] = factor * data[i] + addend;
}

static DEV_KERNEL store_at(float* data, int32_t index) {
  if (dev::tid() == 0) dev::st_global_4(data + index, 0);
}

static dev::LaunchConfig config_of(mm1_stream stream, int32_t n) {
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>((n + 63) / 64), 1, 1};
  config.block = {64, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  return config;
}

mm1_status launch_scale_add(mm1_stream stream, float* data, int32_t n, float factor, float addend) {
  MM1_RETURN_IF_FAILED(mm1::enter("scale_add", &stream));
  const dev::LaunchStatus status = dev::launch(config_of(stream, n), scale_add, data, n, factor, addend);
  return mm1::launched("scale_add", status.code, status.text);
}

mm1_status launch_store_at(mm1_stream stream, float* data, int32_t index) {
  MM1_RETURN_IF_FAILED(mm1::enter("store_at", &stream));
  const dev::LaunchStatus status = dev::launch(config_of(stream, 1), store_at, data, index);
  return mm1::launched("store_at", status.code, status.text);
}

mm1_status launch_too_large(mm1_stream stream) {
  MM1_RETURN_IF_FAILED(mm1::enter("too_large", &stream));
  dev::LaunchConfig config = config_of(stream, 1);
  config.shared_bytes = 1 << 20;
  const dev::LaunchStatus status = dev::launch(config, store_at, static_cast<float*>(nullptr), 0);
  return mm1::launched("too_large", status.code, status.text);
}
