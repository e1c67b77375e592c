// The verbs of the optimizer family between their argument records and their kernels. The list of tensors lies in device memory: the host
// knows how many there are and nothing of their sizes, so grids depend on the device and on that number.
#ifndef MM1_OPTIMIZER_OPTIMIZER_H
#define MM1_OPTIMIZER_OPTIMIZER_H

#include "mm1/kernels.h"
#include "tile/kernel_budget.h"

namespace mm1 {

constexpr int kOptimizerThreads = 256;
constexpr int64_t kOptimizerBlocks = 2;   // Of each multiprocessor: with 128 bytes on their way in each thread they keep its memory busy.
constexpr int64_t kAdamWChunk = 4096;     // Elements of one tensor that a block takes at a time.
constexpr int64_t kNormChunk = 16384;
constexpr int64_t kNormSlots = 256;       // Runs of neighbouring chunks, each summed by one block.
constexpr int64_t kAdafactorSlots = 64;   // Parts of one tensor.

constexpr KernelBudget kOptimizerBudgets[] = {
    {"gradient_norm", kOptimizerThreads, kOptimizerThreads * 4 + 64, 64},
    {"adam_w", kOptimizerThreads, kOptimizerThreads * 4 + 32, 96},
    {"adafactor", kOptimizerThreads, kOptimizerThreads * 8, 80},
};

struct GradientNorm {
  const mm1_optimizer_tensor* tensors;
  int64_t tensor_count;
  mm1_step_state* step_state;
  double* partial;         // [kNormSlots].
  float max_norm;
  int32_t skip_non_finite;
};

struct AdamW {
  const mm1_optimizer_tensor* tensors;
  int64_t tensor_count;
  const mm1_step_state* step_state;
  float beta1;
  float beta2;
  float epsilon;
  int32_t reserved;
};

// What one slot of one tensor contributes to the tensor's means.
struct AdafactorPartial {
  double parameters;  // Sum of squared parameters.
  double updates;     // Sum of squared updates, before clipping.
  double rows;        // Sum of the row statistic.
};

struct Adafactor {
  const mm1_optimizer_tensor* tensors;
  int64_t tensor_count;
  const mm1_step_state* step_state;
  AdafactorPartial* partials;  // [tensor_count, kAdafactorSlots].
  float decay_exponent;
  float epsilon;
  float epsilon_scale;
  float clip_threshold;
  float beta1;
  int32_t scale_parameter;
};

mm1_status launch_gradient_norm(mm1_stream stream, const GradientNorm& norm);
mm1_status launch_adam_w(mm1_stream stream, const AdamW& step);
mm1_status launch_adafactor(mm1_stream stream, const Adafactor& step);

}  // namespace mm1

#endif  // MM1_OPTIMIZER_OPTIMIZER_H
