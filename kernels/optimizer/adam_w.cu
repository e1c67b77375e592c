// One AdamW step over all tensors in one launch: 28 bytes of memory traffic an element and a shadow of 2 or 4 bytes.
//
// Maths      g = clip gradient; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
//            p = p - (step m / (sqrt(v) root + epsilon) + decay p), step = lr / (1 - beta1^t), root = 1 / sqrt(1 - beta2^t), decay =
//            lr lambda. The decay joins the update before it is taken off p: 1 - lr lambda, rounded to float32, would lose most of it.
// Step       learning rate, step, clip factor and skip flag are read from the step state by every block; powers in float64.
// Roles      two blocks of 256 threads for each multiprocessor; block b takes chunks b, b + blocks, ... of 4096 elements of one tensor, a
//            thread fours of neighbours, two fours on their way at a time. Elements are independent: no bit depends on the grid.
// Budget     1 KB of shared memory, 256 threads, about 96 registers.
#include "dev/launch.h"
#include "host/device.h"
#include "optimizer/shadow.cuh"
#include "optimizer/tensor_walk.cuh"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

constexpr int kAtOnce = 2;  // Fours of each of four arrays on their way before the first is updated.

// What all tensors share in this step.
struct AdamWStep {
  double correction1;  // 1 / (1 - beta1^t).
  double learning_rate;
  float root;          // 1 / sqrt(1 - beta2^t).
  float clip;
};

DEV_KERNEL DEV_BOUNDS(kOptimizerThreads) adam_w(const DEV_GRID_CONST AdamW args) {
  DEV_SHARED(uint32_t, ends, kOptimizerThreads);
  DEV_SHARED(AdamWStep, shared_step, 1);
  if (args.step_state->skip != 0) return;
  if (dev::tid() == 0) {
    const int64_t t = args.step_state->step;
    AdamWStep now;
    now.correction1 = dev::divide(1.0, dev::add(1.0, -whole_power(args.beta1, t)));
    now.root = static_cast<float>(dev::divide(1.0, dev::square_root(dev::add(1.0, -whole_power(args.beta2, t)))));
    now.learning_rate = args.step_state->learning_rate;
    now.clip = args.step_state->clip_factor;
    shared_step[0] = now;
  }
  count_chunks(args.tensors, args.tensor_count, 0, kAdamWChunk, ends);
  const AdamWStep now = shared_step[0];
  const float rest1 = static_cast<float>(dev::add(1.0, -static_cast<double>(args.beta1)));
  const float rest2 = static_cast<float>(dev::add(1.0, -static_cast<double>(args.beta2)));

  const int64_t every = static_cast<int64_t>(1) << 62;
  walk_chunks(args.tensors, args.tensor_count, kAdamWChunk, dev::bid_x(), every, dev::nbid_x(), ends, true,
              [&](const mm1_optimizer_tensor& tensor, int64_t chunk) {
    const double learning_rate = dev::multiply(now.learning_rate, static_cast<double>(tensor.learning_rate_scale));
    const float step = static_cast<float>(dev::multiply(learning_rate, now.correction1));
    const float decay = static_cast<float>(dev::multiply(learning_rate, static_cast<double>(tensor.weight_decay)));
    const int64_t begin = chunk * kAdamWChunk;
    const int64_t left = tensor.count - begin;
    const int64_t count = left < kAdamWChunk ? left : kAdamWChunk;
    const bool aligned = ((reinterpret_cast<uintptr_t>(tensor.master) | reinterpret_cast<uintptr_t>(tensor.gradient) |
                           reinterpret_cast<uintptr_t>(tensor.first_moment) | reinterpret_cast<uintptr_t>(tensor.second_moment)) % 16) == 0;
    const bool shadow_aligned = aligned && is_shadow_aligned(tensor);
    DEV_NO_UNROLL for (int64_t first = 4 * dev::tid(); first < count; first += kAtOnce * 4 * kOptimizerThreads) {
      float p[kAtOnce][4], g[kAtOnce][4], m[kAtOnce][4], v[kAtOnce][4];
      int counts[kAtOnce];
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        const int64_t place = first + j * 4 * kOptimizerThreads;
        const int64_t there = count - place;
        counts[j] = there >= 4 ? 4 : there > 0 ? static_cast<int>(there) : 0;
        load_pack(tensor.master + begin + place, aligned, counts[j], p[j]);
        load_pack(tensor.gradient + begin + place, aligned, counts[j], g[j]);
        load_pack(tensor.first_moment + begin + place, aligned, counts[j], m[j]);
        load_pack(tensor.second_moment + begin + place, aligned, counts[j], v[j]);
      }
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        const int64_t place = begin + first + j * 4 * kOptimizerThreads;
        DEV_UNROLL for (int i = 0; i < 4; i++) {
          const float gradient = dev::multiply(now.clip, g[j][i]);
          m[j][i] = dev::fused_multiply_add(args.beta1, m[j][i], dev::multiply(rest1, gradient));
          v[j][i] = dev::fused_multiply_add(args.beta2, v[j][i], dev::multiply(dev::multiply(rest2, gradient), gradient));
          const float denominator = dev::fused_multiply_add(dev::square_root(v[j][i]), now.root, args.epsilon);
          const float update = dev::divide(dev::multiply(step, m[j][i]), denominator);
          p[j][i] = dev::add(p[j][i], -dev::fused_multiply_add(decay, p[j][i], update));
        }
        if (counts[j] == 0) continue;
        store_pack(tensor.master + place, aligned, counts[j], p[j]);
        store_pack(tensor.first_moment + place, aligned, counts[j], m[j]);
        store_pack(tensor.second_moment + place, aligned, counts[j], v[j]);
        store_shadow(tensor, place, shadow_aligned, counts[j], p[j]);
      }
    }
  });
}

}  // namespace

mm1_status launch_adam_w(mm1_stream stream, const AdamW& args) {
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(current_profile().multiprocessors * kOptimizerBlocks), 1, 1};
  config.block = {kOptimizerThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, adam_w, args);
  return launched("adam_w", status.code, status.text);
}

}  // namespace mm1
