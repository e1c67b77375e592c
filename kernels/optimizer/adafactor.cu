// One Adafactor step over all tensors (Shazeer and Stern 2018, algorithm 4 with an external learning rate), in four launches.
//
// Maths      factored: R = means over columns, C = means over rows of g^2 + epsilon, both with decay b2 = 1 - t^decay_exponent; the second
//            moment is R C / mean(R), the update u = g / sqrt(R / mean(R)) / sqrt(C). Products of two statistics are never formed: at
//            epsilon's size they underflow. Not factored: v with the same decay, u = g / sqrt(v).
//            p = p - (step u + decay p), step = lr max(epsilon_scale, RMS(p)) / max(1, RMS(u) / clip_threshold), through the first moment
//            if beta1.
// Order      fixed by a tensor's shape. A tensor is cut into 64 slots of rows, columns or elements; sums in float32 over runs of 32 values
//            of a thread, in float64 beyond; lanes in pairs, warps ascending, slots ascending.
// Roles      one block of 256 threads for a slot of a tensor, and on by the grid. A row is a warp's; a tile of 32 columns a block's, warp w
//            with rows w, w + 8, ...
//            adafactor_rows      R; v and its sum of squared updates; sums of squared parameters
//            adafactor_columns   C
//            adafactor_updates   sums of squared updates of factored tensors
//            adafactor_apply     parameters, first moments, shadows
// Budget     up to 2 KB of shared memory, 256 threads, about 80 registers.
#include "dev/launch.h"
#include "host/device.h"
#include "optimizer/float64.cuh"
#include "optimizer/optimizer.h"
#include "optimizer/shadow.cuh"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

constexpr int kWarps = kOptimizerThreads / 32;
constexpr int kRun = 8;  // Fours of a thread that are summed in float32.

// What all tensors share in this step.
struct AdafactorStep {
  double learning_rate;
  float clip;
  float beta2;
  float rest2;  // 1 - beta2.
};

DEV_FN AdafactorStep step_of(const Adafactor& args) {
  const double fresh = real_power(static_cast<double>(args.step_state->step), args.decay_exponent);
  return {args.step_state->learning_rate, args.step_state->clip_factor, static_cast<float>(dev::add(1.0, -fresh)),
          static_cast<float>(fresh)};
}

DEV_FN bool is_factored(const mm1_optimizer_tensor& tensor) { return tensor.second_moment_row != nullptr; }

DEV_FN bool is_aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

// beta2 old + (1 - beta2) fresh.
DEV_FN float blended(const AdafactorStep& now, float old, double fresh) {
  return static_cast<float>(dev::fused_multiply_add(static_cast<double>(now.beta2), static_cast<double>(old),
                                                    dev::multiply(static_cast<double>(now.rest2), fresh)));
}

struct Part {
  int64_t first;
  int64_t end;
};

// A slot's share of rows or of tiles.
DEV_FN Part part_of(int64_t extent, int64_t slot) { return {slot * extent / kAdafactorSlots, (slot + 1) * extent / kAdafactorSlots}; }

// A slot's share of elements, from a multiple of four on.
DEV_FN Part elements_of(int64_t count, int64_t slot) {
  const int64_t run = (count + 4 * kAdafactorSlots - 1) / (4 * kAdafactorSlots) * 4;
  const int64_t first = slot * run < count ? slot * run : count;
  return {first, count - first < run ? count : first + run};
}

DEV_FN int fours_left(int64_t left) { return left >= 4 ? 4 : left > 0 ? static_cast<int>(left) : 0; }

// Sum over this thread's fours of [0, count): those at 4 member, 4 (member + size), ... `add(place, count, sums)` adds four values.
template <class Add>
DEV_FN double sum_of_fours(int64_t count, uint32_t member, int size, const Add& add) {
  double total = 0.0;
  DEV_NO_UNROLL for (int64_t first = 4 * member; first < count; first += int64_t{kRun} * 4 * size) {
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int j = 0; j < kRun; j++) {
      const int64_t place = first + int64_t{4} * j * size;
      if (place < count) add(place, fours_left(count - place), sums);
    }
    total = dev::add(total, static_cast<double>(dev::add(dev::add(sums[0], sums[1]), dev::add(sums[2], sums[3]))));
  }
  return total;
}

DEV_FN double sum_of_squares(const float* x, bool aligned, int64_t count, uint32_t member, int size) {
  return sum_of_fours(count, member, size, [&](int64_t place, int there, float (&sums)[4]) {
    float values[4];
    load_pack(x + place, aligned, there, values);
    DEV_UNROLL for (int i = 0; i < 4; i++) sums[i] = dev::fused_multiply_add(values[i], values[i], sums[i]);
  });
}

// factor * gradient / sqrt(variance).
DEV_FN float update_of(float factor, float gradient, float variance) {
  return dev::divide(dev::multiply(factor, gradient), dev::square_root(variance));
}

// The sum of one field over a tensor's slots, ascending.
template <class Field>
DEV_FN double sum_of_slots(const AdafactorPartial* partials, const Field& field) {
  double sum = 0.0;
  for (int slot = 0; slot < kAdafactorSlots; slot++) sum = dev::add(sum, field(partials[slot]));
  return sum;
}

DEV_FN float row_mean(const mm1_optimizer_tensor& tensor, const AdafactorPartial* partials) {
  const double sum = sum_of_slots(partials, [](const AdafactorPartial& partial) { return partial.rows; });
  return static_cast<float>(dev::divide(sum, static_cast<double>(tensor.rows)));
}

DEV_FN float row_factor(const AdafactorStep& now, const mm1_optimizer_tensor& tensor, int64_t row, float mean) {
  return dev::divide(now.clip, dev::square_root(dev::divide(tensor.second_moment_row[row], mean)));
}

DEV_FN void row_statistics(const AdafactorStep& now, float epsilon, const mm1_optimizer_tensor& tensor, const Part& part,
                           AdafactorPartial* own) {
  const bool aligned = is_aligned(tensor.gradient) && is_aligned(tensor.master) && tensor.columns % 4 == 0;
  for (int64_t row = part.first + dev::tid() / 32; row < part.end; row += kWarps) {
    const int64_t begin = row * tensor.columns;
    const double squares = warp_sum(sum_of_squares(tensor.gradient + begin, aligned, tensor.columns, dev::lane(), 32));
    const double parameters = warp_sum(sum_of_squares(tensor.master + begin, aligned, tensor.columns, dev::lane(), 32));
    if (dev::lane() != 0) continue;
    const double clipped = dev::multiply(squares, dev::multiply(static_cast<double>(now.clip), static_cast<double>(now.clip)));
    const double fresh = dev::add(dev::divide(clipped, static_cast<double>(tensor.columns)), static_cast<double>(epsilon));
    const float statistic = blended(now, tensor.second_moment_row[row], fresh);
    tensor.second_moment_row[row] = statistic;
    own->parameters = dev::add(own->parameters, parameters);
    own->rows = dev::add(own->rows, static_cast<double>(statistic));
  }
}

DEV_FN void element_statistics(const AdafactorStep& now, float epsilon, const mm1_optimizer_tensor& tensor, const Part& part,
                               AdafactorPartial* own) {
  const bool aligned = is_aligned(tensor.gradient) && is_aligned(tensor.master) && is_aligned(tensor.second_moment);
  const int64_t count = part.end - part.first;
  own->parameters = sum_of_squares(tensor.master + part.first, aligned, count, dev::tid(), kOptimizerThreads);
  own->updates = sum_of_fours(count, dev::tid(), kOptimizerThreads, [&](int64_t place, int there, float (&sums)[4]) {
    float g[4], v[4];
    load_pack(tensor.gradient + part.first + place, aligned, there, g);
    load_pack(tensor.second_moment + part.first + place, aligned, there, v);
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      const float clipped = dev::multiply(now.clip, g[i]);
      const float square = dev::fused_multiply_add(clipped, clipped, epsilon);
      v[i] = dev::fused_multiply_add(now.beta2, v[i], dev::multiply(now.rest2, square));
      const float update = update_of(now.clip, g[i], v[i]);
      if (i < there) sums[i] = dev::fused_multiply_add(update, update, sums[i]);
    }
    store_pack(tensor.second_moment + part.first + place, aligned, there, v);
  });
}

DEV_KERNEL DEV_BOUNDS(kOptimizerThreads) adafactor_rows(const DEV_GRID_CONST Adafactor args) {
  DEV_SHARED(AdafactorPartial, warps, kWarps);
  if (args.step_state->skip != 0) return;
  const AdafactorStep now = step_of(args);
  for (int64_t item = dev::bid_x(); item < args.tensor_count * kAdafactorSlots; item += dev::nbid_x()) {
    const mm1_optimizer_tensor tensor = args.tensors[item / kAdafactorSlots];
    if (tensor.count <= 0) continue;
    const int64_t slot = item % kAdafactorSlots;
    const Part part = is_factored(tensor) ? part_of(tensor.rows, slot) : elements_of(tensor.count, slot);
    AdafactorPartial own{0.0, 0.0, 0.0};
    if (part.first == part.end) {
      if (dev::tid() == 0) args.partials[item] = own;
      continue;
    }
    if (is_factored(tensor)) {
      row_statistics(now, args.epsilon, tensor, part, &own);  // In lane 0 of each warp.
    } else {
      element_statistics(now, args.epsilon, tensor, part, &own);
      own.parameters = warp_sum(own.parameters);
      own.updates = warp_sum(own.updates);
    }
    dev::sync_block();  // Whoever still reads the sums of the item before.
    if (dev::lane() == 0) warps[dev::tid() / 32] = own;
    dev::sync_block();
    if (dev::tid() != 0) continue;
    for (int warp = 1; warp < kWarps; warp++) {
      own.parameters = dev::add(own.parameters, warps[warp].parameters);
      own.updates = dev::add(own.updates, warps[warp].updates);
      own.rows = dev::add(own.rows, warps[warp].rows);
    }
    args.partials[item] = own;
  }
}

DEV_KERNEL DEV_BOUNDS(kOptimizerThreads) adafactor_columns(const DEV_GRID_CONST Adafactor args) {
  DEV_SHARED(double, warp_sums, kOptimizerThreads);
  if (args.step_state->skip != 0) return;
  const AdafactorStep now = step_of(args);
  for (int64_t item = dev::bid_x(); item < args.tensor_count * kAdafactorSlots; item += dev::nbid_x()) {
    const mm1_optimizer_tensor tensor = args.tensors[item / kAdafactorSlots];
    if (tensor.count <= 0 || !is_factored(tensor)) continue;
    const Part tiles = part_of((tensor.columns + 31) / 32, item % kAdafactorSlots);
    for (int64_t tile = tiles.first; tile < tiles.end; tile++) {
      const int64_t column = tile * 32 + dev::lane();
      const uint32_t warp = dev::tid() / 32;
      double total = 0.0;
      if (column < tensor.columns) {
        DEV_NO_UNROLL for (int64_t first = warp; first < tensor.rows; first += 4 * kRun * kWarps) {
          float sum = 0.0f;
          DEV_UNROLL for (int j = 0; j < 4 * kRun; j++) {
            const int64_t row = first + j * kWarps;
            const float g = row < tensor.rows ? load_element(tensor.gradient + row * tensor.columns + column) : 0.0f;
            sum = dev::fused_multiply_add(g, g, sum);
          }
          total = dev::add(total, static_cast<double>(sum));
        }
      }
      dev::sync_block();  // Whoever still reads the sums of the tile before.
      warp_sums[dev::tid()] = total;
      dev::sync_block();
      if (warp != 0 || column >= tensor.columns) continue;
      for (int other = 1; other < kWarps; other++) total = dev::add(total, warp_sums[other * 32 + dev::lane()]);
      const double clipped = dev::multiply(total, dev::multiply(static_cast<double>(now.clip), static_cast<double>(now.clip)));
      const double fresh = dev::add(dev::divide(clipped, static_cast<double>(tensor.rows)), static_cast<double>(args.epsilon));
      tensor.second_moment_column[column] = blended(now, tensor.second_moment_column[column], fresh);
    }
  }
}

DEV_KERNEL DEV_BOUNDS(kOptimizerThreads) adafactor_updates(const DEV_GRID_CONST Adafactor args) {
  DEV_SHARED(double, warp_sums, kWarps);
  if (args.step_state->skip != 0) return;
  const AdafactorStep now = step_of(args);
  for (int64_t item = dev::bid_x(); item < args.tensor_count * kAdafactorSlots; item += dev::nbid_x()) {
    const mm1_optimizer_tensor tensor = args.tensors[item / kAdafactorSlots];
    if (tensor.count <= 0 || !is_factored(tensor)) continue;
    const Part part = part_of(tensor.rows, item % kAdafactorSlots);
    if (part.first == part.end) continue;  // Its sum is 0 already.
    const float mean = row_mean(tensor, args.partials + item / kAdafactorSlots * kAdafactorSlots);
    const bool aligned = is_aligned(tensor.gradient) && is_aligned(tensor.second_moment_column) && tensor.columns % 4 == 0;
    double updates = 0.0;
    for (int64_t row = part.first + dev::tid() / 32; row < part.end; row += kWarps) {
      const float factor = row_factor(now, tensor, row, mean);
      const float* gradient = tensor.gradient + row * tensor.columns;
      const double sum = sum_of_fours(tensor.columns, dev::lane(), 32, [&](int64_t place, int there, float (&sums)[4]) {
        float g[4], c[4];
        load_pack(gradient + place, aligned, there, g);
        load_pack(tensor.second_moment_column + place, aligned, there, c);
        DEV_UNROLL for (int i = 0; i < 4; i++) {
          const float update = update_of(factor, g[i], c[i]);
          if (i < there) sums[i] = dev::fused_multiply_add(update, update, sums[i]);
        }
      });
      updates = dev::add(updates, sum);
    }
    updates = warp_sum(updates);
    dev::sync_block();  // Whoever still reads the sums of the item before.
    if (dev::lane() == 0) warp_sums[dev::tid() / 32] = updates;
    dev::sync_block();
    if (dev::tid() != 0) continue;
    for (int warp = 1; warp < kWarps; warp++) updates = dev::add(updates, warp_sums[warp]);
    args.partials[item].updates = updates;
  }
}

// p -= step u + decay p of the fours of [begin, begin + count), u = factor gradient / sqrt(variance), through the first moment where there
// is one.
DEV_FN void apply(const Adafactor& args, const mm1_optimizer_tensor& tensor, int64_t begin, int64_t count, uint32_t member, int size,
                  float factor, const float* variance, bool aligned, float step, float decay) {
  const float rest1 = static_cast<float>(dev::add(1.0, -static_cast<double>(args.beta1)));
  const bool shadow_aligned = aligned && is_shadow_aligned(tensor);
  DEV_NO_UNROLL for (int64_t place = 4 * member; place < count; place += int64_t{4} * size) {
    const int there = fours_left(count - place);
    float p[4], g[4], v[4], m[4];
    load_pack(tensor.master + begin + place, aligned, there, p);
    load_pack(tensor.gradient + begin + place, aligned, there, g);
    load_pack(variance + place, aligned, there, v);
    if (args.beta1 != 0.0f) load_pack(tensor.first_moment + begin + place, aligned, there, m);
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      float update = dev::multiply(step, update_of(factor, g[i], v[i]));
      if (args.beta1 != 0.0f) m[i] = update = dev::fused_multiply_add(args.beta1, m[i], dev::multiply(rest1, update));
      p[i] = dev::add(p[i], -dev::fused_multiply_add(decay, p[i], update));
    }
    if (args.beta1 != 0.0f) store_pack(tensor.first_moment + begin + place, aligned, there, m);
    store_pack(tensor.master + begin + place, aligned, there, p);
    store_shadow(tensor, begin + place, shadow_aligned, there, p);
  }
}

DEV_KERNEL DEV_BOUNDS(kOptimizerThreads) adafactor_apply(const DEV_GRID_CONST Adafactor args) {
  if (args.step_state->skip != 0) return;
  const AdafactorStep now = step_of(args);
  for (int64_t item = dev::bid_x(); item < args.tensor_count * kAdafactorSlots; item += dev::nbid_x()) {
    const mm1_optimizer_tensor tensor = args.tensors[item / kAdafactorSlots];
    if (tensor.count <= 0) continue;
    const int64_t slot = item % kAdafactorSlots;
    const Part part = is_factored(tensor) ? part_of(tensor.rows, slot) : elements_of(tensor.count, slot);
    if (part.first == part.end) continue;
    const AdafactorPartial* partials = args.partials + (item - slot);
    const double count = static_cast<double>(tensor.count);
    const double updates = sum_of_slots(partials, [](const AdafactorPartial& partial) { return partial.updates; });
    const double parameters = sum_of_slots(partials, [](const AdafactorPartial& partial) { return partial.parameters; });
    const double learning_rate = dev::multiply(now.learning_rate, static_cast<double>(tensor.learning_rate_scale));
    double scale = 1.0;
    if (args.scale_parameter != 0) {
      scale = dev::square_root(dev::divide(parameters, count));
      if (scale < static_cast<double>(args.epsilon_scale)) scale = args.epsilon_scale;
    }
    double clip = dev::divide(dev::square_root(dev::divide(updates, count)), static_cast<double>(args.clip_threshold));
    if (clip < 1.0) clip = 1.0;  // A NaN stays one.
    const float step = static_cast<float>(dev::divide(dev::multiply(learning_rate, scale), clip));
    const float decay = static_cast<float>(dev::multiply(learning_rate, static_cast<double>(tensor.weight_decay)));
    const bool aligned =
        is_aligned(tensor.master) && is_aligned(tensor.gradient) && (args.beta1 == 0.0f || is_aligned(tensor.first_moment));
    if (!is_factored(tensor)) {
      apply(args, tensor, part.first, part.end - part.first, dev::tid(), kOptimizerThreads, now.clip, tensor.second_moment + part.first,
            aligned && is_aligned(tensor.second_moment), step, decay);
      continue;
    }
    const float mean = row_mean(tensor, partials);
    for (int64_t row = part.first + dev::tid() / 32; row < part.end; row += kWarps) {
      apply(args, tensor, row * tensor.columns, tensor.columns, dev::lane(), 32, row_factor(now, tensor, row, mean),
            tensor.second_moment_column, aligned && is_aligned(tensor.second_moment_column) && tensor.columns % 4 == 0, step, decay);
    }
  }
}

}  // namespace

mm1_status launch_adafactor(mm1_stream stream, const Adafactor& args) {
  const int64_t items = args.tensor_count * kAdafactorSlots;
  const int64_t most = current_profile().multiprocessors * 2 * kOptimizerBlocks;
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(items < most ? items : most), 1, 1};
  config.block = {kOptimizerThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  void (*const phases[])(Adafactor) = {adafactor_rows, adafactor_columns, adafactor_updates, adafactor_apply};
  for (const auto kernel : phases) {
    const dev::LaunchStatus status = dev::launch(config, kernel, args);
    MM1_RETURN_IF_FAILED(launched("adafactor", status.code, status.text));
  }
  return MM1_STATUS_OK;
}

}  // namespace mm1
