// Sum over the rows of a loss, divided by what counts; or, without values, the factor that a backward multiplies by.
//
// Maths      LossSum of loss/loss.h: result = factor * scale * sum / denominator + beta * result, in float64, rounded once.
// Order      fixed by the number of rows alone. Rows in blocks of 1024; in a block thread t adds rows t, t + 256, t + 512, t + 768, the
//            threads are added by a tree; the blocks are added in ascending order.
// Layout     values [rows] float32; targets [rows] int32 or mask [rows] uint8; partial sums and counts [blocks] in the workspace.
// Roles      sum_loss_blocks   256 threads for a block of rows; where one block is all, it writes the result.
//            join_loss_blocks  one thread adds the blocks and writes the result.
// Budget     3 KB of shared memory, 256 threads, a few dozen registers.
#include "dev/arithmetic.cuh"
#include "loss/loss_launch.cuh"

namespace mm1 {

namespace {

constexpr int kRowsOfThread = static_cast<int>(kLossBlockRows) / kLossThreads;
constexpr int kAtOnce = 8;

DEV_FN bool counts(const LossSum& sum, int64_t row) {
  if (sum.targets != nullptr) return sum.targets[row] != sum.ignore_index;
  return sum.mask == nullptr || sum.mask[row] != 0;
}

DEV_FN void write_result(const LossSum& sum, const LossPartial& total) {
  double value = sum.counts_only ? 1.0 : total.sum;
  if (sum.factor != nullptr) {
    const float factor = *sum.factor;
    value = factor == 0.0f ? 0.0 : dev::multiply(value, static_cast<double>(factor));
  }
  value = dev::multiply(value, sum.scale);
  if (sum.divides) {
    const float given = sum.step_state != nullptr ? sum.step_state->loss_denominator : 0.0f;
    const int64_t counted = total.count > 1 ? total.count : 1;
    value = dev::divide(value, given != 0.0f ? static_cast<double>(given) : static_cast<double>(counted));
  }
  if (sum.beta != 0.0f) value = dev::add(value, dev::multiply(static_cast<double>(sum.beta), static_cast<double>(*sum.result)));
  *sum.result = static_cast<float>(value);
}

DEV_KERNEL DEV_BOUNDS(kLossThreads) sum_loss_blocks(const DEV_GRID_CONST LossSum sum) {
  DEV_SHARED(double, sums, kLossThreads);
  DEV_SHARED(int32_t, counted, kLossThreads);
  const int thread = static_cast<int>(dev::tid());
  const int64_t first = static_cast<int64_t>(dev::bid_x()) * kLossBlockRows + thread;
  double own = 0.0;
  int32_t count = 0;
  DEV_UNROLL for (int i = 0; i < kRowsOfThread; i++) {
    const int64_t row = first + i * kLossThreads;
    if (row >= sum.rows) break;
    if (!sum.counts_only) own = dev::add(own, static_cast<double>(sum.values[row]));
    count += counts(sum, row) ? 1 : 0;
  }
  sums[thread] = own;
  counted[thread] = count;
  for (int distance = kLossThreads / 2; distance > 0; distance /= 2) {
    dev::sync_block();
    if (thread < distance) {
      sums[thread] = dev::add(sums[thread], sums[thread + distance]);
      counted[thread] += counted[thread + distance];
    }
  }
  if (thread != 0) return;
  const LossPartial total{sums[0], counted[0]};
  if (sum.blocks == 1) {
    write_result(sum, total);
  } else {
    sum.partials[dev::bid_x()] = total;
  }
}

DEV_KERNEL DEV_BOUNDS(kLossThreads) join_loss_blocks(const DEV_GRID_CONST LossSum sum) {
  if (dev::tid() != 0) return;
  LossPartial total{0.0, 0};
  for (int64_t block = 0; block < sum.blocks; block += kAtOnce) {
    LossPartial next[kAtOnce];
    DEV_UNROLL for (int i = 0; i < kAtOnce; i++) {
      if (block + i < sum.blocks) next[i] = sum.partials[block + i];
    }
    DEV_UNROLL for (int i = 0; i < kAtOnce; i++) {
      if (block + i < sum.blocks) {
        total.sum = dev::add(total.sum, next[i].sum);
        total.count += next[i].count;
      }
    }
  }
  write_result(sum, total);
}

}  // namespace

mm1_status launch_loss_sum(const char* verb, mm1_stream stream, const LossSum& sum) {
  MM1_RETURN_IF_FAILED(launch_loss_blocks(verb, stream, sum.blocks, sum_loss_blocks, sum));
  return sum.blocks == 1 ? MM1_STATUS_OK : launch_loss_blocks(verb, stream, 1, join_loss_blocks, sum);
}

}  // namespace mm1
