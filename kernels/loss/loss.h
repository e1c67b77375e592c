// The losses between their argument records and their kernels: plain data that a verb fills and a kernel takes as it is, the budgets of the
// kernels, and the functions that launch them.
//
//   cross_entropy          cross_entropy_rows -> loss sum           loss sum (the factor) -> cross_entropy_gradient
//   linear_cross_entropy   for each chunk of tokens: product, cross_entropy_rows; at the end the loss sum
//                          the factor; for each chunk: product, cross_entropy_gradient, products with weight and x
//   contrastive_loss       for each block of image rows: product, cross_entropy_rows, contrastive_columns; then the loss sum
//                          for each block: product, contrastive_gradient, products with text and image
//   patch_regression       patch_losses -> loss sum                 loss sum (the factor) -> patch_gradient
#ifndef MM1_LOSS_LOSS_H
#define MM1_LOSS_LOSS_H

#include <stdint.h>

#include "mm1/kernels.h"
#include "tile/kernel_budget.h"
#include "tile/row_walk.h"

namespace mm1 {

constexpr int kLossThreads = 256;           // Of every block.
static_assert(kLossThreads == kWalkThreads, "counted_rows walks rows");
constexpr int64_t kWarpRowColumns = 1024;   // Rows up to this long are a warp's, longer ones a block's.
constexpr int64_t kLossBlockRows = 1024;    // Rows of one block of a sum of losses.

// Tokens of a chunk unless the caller says: each chunk reads and writes the whole float32 weight gradient, which then costs about a third
// of its product at 700 TF and 4 TB/s (an estimate), and 400 MB hold its logits at a vocabulary of 50,000.
constexpr int64_t kLinearChunkTokens = 2048;

// Image rows of a block of contrastive logits: 128 tiles of 128 x 256 at 4096 pairs.
constexpr int64_t kContrastiveBlockRows = 1024;
constexpr int kContrastiveColumns = 128;    // Text rows of one block of threads.

constexpr KernelBudget kCrossEntropyRowsBudget{"cross_entropy_rows", kLossThreads, 64, 80};
constexpr KernelBudget kCrossEntropyGradientBudget{"cross_entropy_gradient", kLossThreads, 0, 64};
constexpr KernelBudget kLossSumBudget{"loss_sum", kLossThreads, 12 * kLossThreads, 40};
constexpr KernelBudget kCountedRowsBudget{"counted_rows", kLossThreads, 0, 40};
constexpr KernelBudget kContrastiveScalarsBudget{"contrastive_scalars", kLossThreads, 0, 48};
constexpr KernelBudget kContrastiveColumnsBudget{"contrastive_columns", kLossThreads, 2 * 8 * kContrastiveColumns * 4, 80};
constexpr KernelBudget kContrastiveGradientBudget{"contrastive_gradient", kLossThreads, 32, 80};
constexpr KernelBudget kPatchRegressionBudget{"patch_regression", kLossThreads, 96, 80};

// Threads that share a row: a pure function of its length, as the order of the sum depends on it.
constexpr int team_threads(int64_t columns) { return columns <= kWarpRowColumns ? 32 : kLossThreads; }
constexpr int64_t team_blocks(int64_t rows, int threads) {
  const int64_t rows_of_block = kLossThreads / threads;
  return (rows + rows_of_block - 1) / rows_of_block;
}

constexpr int64_t aligned_bytes(int64_t bytes) { return (bytes + 255) / 256 * 256; }

// ---- the sum of losses, or of what else there is one of for each row --------------------------------------------------------------------

struct LossPartial {
  double sum;
  int64_t count;
};

// result = factor * scale * (sum of values, or 1) / denominator + beta * result
struct LossSum {
  const float* values;              // [rows].
  const int32_t* targets;           // A row counts where its target is not ignore_index, or where
  const uint8_t* mask;              // its mask is not zero; all do without either.
  const mm1_step_state* step_state; // Its loss_denominator divides where it is given and not 0, else the counted rows, 1 at least.
  const float* factor;              // Null for 1. A factor of 0 makes the product 0 whatever the sum.
  float* result;
  LossPartial* partials;            // [blocks]; not used where one block is all.
  int64_t rows;
  int64_t blocks;
  double scale;
  float beta;                       // 0: the old result is not read.
  int32_t ignore_index;
  int32_t divides;                  // 0: no denominator.
  int32_t counts_only;              // 1 stands for the sum; values are not read.
};

constexpr int64_t loss_sum_blocks(int64_t rows) { return rows <= kLossBlockRows ? 1 : (rows + kLossBlockRows - 1) / kLossBlockRows; }

// Scratch of a sum over so many rows.
constexpr int64_t loss_sum_bytes(int64_t rows) {
  return loss_sum_blocks(rows) > 1 ? aligned_bytes(loss_sum_blocks(rows) * static_cast<int64_t>(sizeof(LossPartial))) : 0;
}

mm1_status launch_loss_sum(const char* verb, mm1_stream stream, const LossSum& sum);

// ---- cross-entropy ----------------------------------------------------------------------------------------------------------------------

struct CrossEntropyRows {
  RowOperand logits;       // [rows, columns].
  const float* scale;      // Factor on the logits; null for none.
  const int32_t* targets;  // [rows]; null: row r has target first_target + r.
  float* losses;           // [rows] with z-loss; may be null, and so may the others.
  float* token_losses;     // [rows] without.
  float* log_sum_exp;      // [rows].
  float* target_logits;    // [rows], scaled.
  int64_t rows;
  int64_t columns;
  int64_t first_target;
  int32_t ignore_index;
  float z_loss_weight;
  int32_t is_float32;
  int32_t vector;          // Rows of the logits begin at multiples of 16 bytes.
};

mm1_status launch_cross_entropy_rows(const char* verb, mm1_stream stream, const CrossEntropyRows& rows);

struct CrossEntropyGradient {
  RowOperand logits;         // [rows, columns].
  RowOperand gradient;       // May be the logits.
  const int32_t* targets;    // [rows].
  const float* log_sum_exp;  // [rows].
  const float* factor;       // loss_gradient / denominator.
  int64_t rows;
  int64_t columns;
  int32_t ignore_index;
  float z_loss_weight;
  int32_t logits_are_float32;
  int32_t gradient_is_float32;
  int32_t vector_logits;
  int32_t vector_gradient;
};

mm1_status launch_cross_entropy_gradient(const char* verb, mm1_stream stream, const CrossEntropyGradient& gradient);

// Copies rows, those that do not count as zeros, whatever they hold; or rounds float32 rows to bfloat16.
struct CountedRows {
  RowOperand from;         // [rows, columns].
  RowOperand to;
  const int32_t* targets;  // [rows]; null: every row counts.
  RowWalk walk;
  int32_t ignore_index;
  int32_t from_float32;
  int32_t to_float32;
  int32_t vector_from;
  int32_t vector_to;
  int32_t reserved;
};

mm1_status launch_counted_rows(const char* verb, mm1_stream stream, CountedRows rows, int64_t count, int64_t columns);

// ---- contrastive loss -------------------------------------------------------------------------------------------------------------------

struct ContrastiveScalars {
  float scale;      // min(exp(log_scale), max_scale).
  float unclamped;  // 1, or 0 where max_scale holds the scale.
  float factor;     // loss_gradient / (2 pairs).
};

// Running maximum and sum of exponentials of each column over the blocks of rows so far.
struct ContrastiveColumns {
  const float* logits;  // [rows, columns] unscaled, rows at multiples of 16 bytes.
  const float* scale;
  float* maximum;       // [columns].
  float* sum;           // [columns].
  int64_t row_stride;
  int64_t rows;
  int64_t columns;
  int32_t is_first;     // Nothing is read from maximum and sum.
  int32_t reserved;
};

struct ContrastiveFinish {
  const float* maximum;
  const float* sum;
  const float* diagonal;       // [pairs], scaled logits (i, i).
  float* losses;               // [pairs]: of the image rows; then both losses of a pair added.
  float* log_sum_exp_columns;
  int64_t pairs;
};

struct ContrastiveGradient {
  RowOperand logits;                 // [rows, pairs] float32, unscaled.
  RowOperand gradient;               // [rows, pairs], scale * gradient of the scaled logits; may be the logits.
  const ContrastiveScalars* scalars;
  const float* log_sum_exp_rows;     // [rows], of these rows.
  const float* log_sum_exp_columns;  // [pairs].
  float* scale_gradients;            // [rows]: sum of gradient * logit.
  int64_t rows;
  int64_t pairs;
  int64_t first_row;
  int32_t gradient_is_float32;
  int32_t vector_columns;            // log_sum_exp_columns begins at a multiple of 16 bytes.
};

mm1_status launch_contrastive_scalars(const char* verb, mm1_stream stream, const float* log_scale, const float* loss_gradient,
                                      int64_t pairs, float max_scale, ContrastiveScalars* scalars);
mm1_status launch_contrastive_columns(const char* verb, mm1_stream stream, const ContrastiveColumns& columns);
mm1_status launch_contrastive_finish(const char* verb, mm1_stream stream, const ContrastiveFinish& finish);
mm1_status launch_contrastive_gradient(const char* verb, mm1_stream stream, const ContrastiveGradient& gradient);

// ---- patch regression -------------------------------------------------------------------------------------------------------------------

struct PatchRows {
  RowOperand prediction;  // [rows, columns].
  RowOperand target;
  RowOperand gradient;    // Backward only.
  const uint8_t* mask;    // [rows]; null: every row counts.
  const float* factor;    // Backward: 2 loss_gradient / (denominator columns).
  float* losses;          // Forward: [rows].
  int64_t rows;
  int64_t columns;
  float epsilon;
  int32_t normalize;
  int32_t prediction_is_float32;
  int32_t target_is_float32;
  int32_t vector_prediction;
  int32_t vector_target;
  int32_t vector_gradient;
  int32_t reserved;
};

mm1_status launch_patch_losses(const char* verb, mm1_stream stream, const PatchRows& rows);
mm1_status launch_patch_gradient(const char* verb, mm1_stream stream, const PatchRows& rows);

}  // namespace mm1

#endif  // MM1_LOSS_LOSS_H
