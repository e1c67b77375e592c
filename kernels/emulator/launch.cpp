// From a launch's shape to its workers.
#include "launch.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <thread>

#include "fault.h"
#include "state.h"

namespace emulator {

namespace {

std::string shape_text(Dim3 d) { return std::to_string(d.x) + " x " + std::to_string(d.y) + " x " + std::to_string(d.z); }

// What the driver would refuse. Empty: nothing.
std::string check_shape(const LaunchShape& shape, const Limits& limits) {
  const uint64_t threads = static_cast<uint64_t>(shape.block.x) * shape.block.y * shape.block.z;
  const uint64_t cluster = static_cast<uint64_t>(shape.cluster.x) * shape.cluster.y * shape.cluster.z;
  if (threads == 0 || threads > limits.threads_per_block || shape.block.z > 64)
    return "launch: a block of " + shape_text(shape.block) + " threads, the device takes 1 to " + std::to_string(limits.threads_per_block) +
           " (64 along z)";
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0 || shape.grid.x > 0x7fffffffu || shape.grid.y > 65535 ||
      shape.grid.z > 65535)
    return "launch: a grid of " + shape_text(shape.grid) + " blocks, the device takes 1 to 2147483647 x 65535 x 65535";
  if (shape.shared_bytes > limits.shared_bytes_per_block)
    return "launch: " + std::to_string(shape.shared_bytes) + " bytes of shared memory a block, the device has " +
           std::to_string(limits.shared_bytes_per_block);
  if (cluster == 0 || cluster > limits.blocks_per_cluster)
    return "launch: a cluster of " + shape_text(shape.cluster) + " blocks, the device takes 1 to " +
           std::to_string(limits.blocks_per_cluster);
  if (cluster > 1 && limits.compute_capability < 90) return "launch: clusters need compute capability 9.0";
  if (shape.grid.x % shape.cluster.x || shape.grid.y % shape.cluster.y || shape.grid.z % shape.cluster.z)
    return "launch: a grid of " + shape_text(shape.grid) + " blocks is no multiple of its clusters of " + shape_text(shape.cluster);
  return "";
}

void run_kernel(const LaunchShape& shape, const KernelCall& call, const Options& options) {
  if (current) throw Error("launch: from inside a kernel");
  install_fault_handler();
  Launch launch;
  launch.shape = shape;
  launch.call = call;
  launch.options = options;
  launch.limits = limits();
  launch.blocks_per_unit = shape.cluster.x * shape.cluster.y * shape.cluster.z;
  launch.threads_per_block = shape.block.x * shape.block.y * shape.block.z;
  launch.units = static_cast<uint64_t>(shape.grid.x) * shape.grid.y * shape.grid.z / launch.blocks_per_unit;
  launch.counters.launches = 1;
  if (options.seed && launch.units <= 1u << 20) {
    launch.order.resize(launch.units);
    std::iota(launch.order.begin(), launch.order.end(), 0u);
    std::mt19937 generator(options.seed);
    for (size_t i = launch.order.size(); i > 1; i--) std::swap(launch.order[i - 1], launch.order[generator() % i]);
  }
#if MM1_SHADOW
  // One launch at a time, on one host thread: the shadow of global memory has no locks of its own.
  static std::mutex* one_launch = new std::mutex;
  std::lock_guard<std::mutex> lock(*one_launch);
  shadow_begin_launch(launch);
  run_units(launch);
  shadow_end_launch(launch);
#else
  uint64_t workers = options.threads ? options.threads : std::max(1u, std::thread::hardware_concurrency());
  workers = std::min<uint64_t>(workers, (launch.units + resident_units(options) - 1) / resident_units(options));
  if (options.count_accesses) workers = 1;       // so that the figures do not depend on the host
  std::vector<std::thread> helpers;
  for (uint64_t i = 1; i < workers; i++) helpers.emplace_back([&] { run_units(launch); });
  run_units(launch);
  for (std::thread& helper : helpers) helper.join();
#endif
  add_counters(launch.counters);
  if (!launch.error.empty()) throw Error(launch.error);
}

}  // namespace

dev::LaunchStatus launch_async(Stream* stream, const LaunchShape& shape, KernelCall call) {
  static thread_local std::string text;
  if (failed()) {
    text = "the emulated device is lost: " + error_text();
    return {6, text.c_str()};                    // MM1_STATUS_DEVICE_LOST
  }
  text = check_shape(shape, limits());
  if (!text.empty()) return {8, text.c_str()};   // MM1_STATUS_INTERNAL_ERROR: a verb must not ask for such a launch
  const Options now = options();
  stream_enqueue(stream, [shape, call, now] { run_kernel(shape, call, now); });
  return {};
}

void launch_now(const LaunchShape& shape, const KernelCall& call) {
  const std::string text = check_shape(shape, limits());
  if (!text.empty()) throw Error(text);
  run_kernel(shape, call, options());
}

}  // namespace emulator
