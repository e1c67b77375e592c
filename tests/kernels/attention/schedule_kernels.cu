#include "schedule_kernels.h"

#include "attention/schedule.cuh"
#include "dev/launch.h"
#include "host/device.h"

static DEV_KERNEL find_all(const mm1::AttentionAxis axis, const mm1::AttentionOrder order, int32_t from_end, int32_t* found) {
  const mm1::AttentionWork work = mm1::find_work(axis, order, dev::bid_x(), from_end != 0);
  // Every lane must have found the same: each writes one of the four numbers.
  const int32_t values[4] = {work.place.document, work.place.tile, work.place.document < 0 ? 0 : work.head, work.place.document < 0 ? 0 : 1};
  if (dev::tid() < 4) found[dev::bid_x() * 4 + dev::tid()] = values[dev::tid()];
}

mm1_status launch_find_work(const mm1::AttentionAxis& axis, const mm1::AttentionOrder& order, bool from_end, int32_t* found) {
  mm1_stream stream = nullptr;
  MM1_RETURN_IF_FAILED(mm1::enter("find_work", &stream));
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(order.count()), 1, 1};
  config.block = {64, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, find_all, axis, order, static_cast<int32_t>(from_end), found);
  return mm1::launched("find_work", status.code, status.text);
}
