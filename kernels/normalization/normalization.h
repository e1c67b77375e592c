// The normalization verbs between their argument records and their kernels. An item is one group of one row: it is normalized by itself.
#ifndef MM1_NORMALIZATION_NORMALIZATION_H
#define MM1_NORMALIZATION_NORMALIZATION_H

#include "tile/kernel_budget.h"
#include "tile/row_team.h"

namespace mm1 {

enum class Norm : int32_t {
  layer,  // (s - mean) / deviation.
  rms,    // s / root mean square.
  l2,     // x / norm.
};

// A vector shared by all items, of the compute dtype or float32. Null where it is absent.
struct NormVector {
  const char* data;
  int32_t is_float32;
  int32_t vector;       // It begins at a multiple of 16 bytes.
};

struct NormShape {
  int64_t items;        // rows * groups.
  int64_t groups;
  int64_t columns;      // Of one group.
  RowTeam team;
  int32_t vector;       // All groups of all matrices begin at multiples of 16 bytes.
  int32_t reserved;
};

struct NormForward {
  RowOperand x;
  RowOperand residual;    // Optional.
  RowOperand sum_output;  // Optional.
  RowOperand output;
  RowOperand mean;        // Optional, float32.
  RowOperand inverse;     // Optional, float32: of the deviation, the root mean square, the norm.
  NormVector weight;
  NormVector bias;
  NormShape shape;
  float epsilon;
  int32_t activation;     // Of layer: MM1_ACTIVATION_NONE or MM1_ACTIVATION_SILU.
};

struct NormBackward {
  RowOperand output_gradient;
  RowOperand sum_gradient;    // Optional.
  RowOperand x;               // What was normalized; of l2 the output.
  RowOperand mean;            // float32; not of rms and l2.
  RowOperand inverse;         // float32.
  RowOperand input_gradient;
  NormVector weight;
  NormVector bias;            // Of layer with an activation.
  NormShape shape;
  float* weight_partial;      // [blocks, columns]; null where nobody asks.
  float* bias_partial;
  int64_t block_items;        // Items of one block of the parameters' sums, and of one block of threads.
  float epsilon;              // Of l2.
  float beta;
  int32_t activation;         // As in the forward.
  int32_t reserved;
};

// Items whose parameter gradients are summed before the blocks are: a constant for each width of a team. Four for each team of lanes, so
// that joining the teams is little work; 32 rows for a block, so that there are blocks enough.
constexpr int64_t norm_block_items(const RowTeam& team) { return team.is_block ? 32 : 4 * team.in_block; }

constexpr int64_t norm_blocks(int64_t items, const RowTeam& team) {
  return (items + norm_block_items(team) - 1) / norm_block_items(team);
}

// Shared memory of the backward: one row of partial sums for each team of lanes.
constexpr int64_t norm_shared_bytes(int64_t columns, const RowTeam& team) {
  return team.is_block ? 0 : team.in_block * columns * static_cast<int64_t>(sizeof(float));
}

// The largest row that lanes share has 128 packs, of 8 elements at most; the block then has 8 such teams.
constexpr int64_t kNormSharedBytes = norm_shared_bytes(32 * kTeamPacks * 8, {32, 0, 1, kTeamThreads / 32}) + 4 * kTeamWarps * 4;

constexpr KernelBudget kNormForwardBudget{"norm_forward", kTeamThreads, 2 * kTeamWarps * 4, 96};
constexpr KernelBudget kNormBackwardBudget{"norm_backward", kTeamThreads, kNormSharedBytes, 170};

mm1_status launch_norm_forward(mm1_stream stream, const char* verb, Norm norm, bool is_float32, uint32_t blocks,
                               const NormForward& problem);
mm1_status launch_norm_backward(mm1_stream stream, const char* verb, Norm norm, bool is_float32, const NormBackward& problem);

// Tests only: blocks of a forward's grid at most, so that teams loop; 0: what fills the device.
void set_norm_blocks(int64_t most_blocks);

}  // namespace mm1

#endif  // MM1_NORMALIZATION_NORMALIZATION_H
