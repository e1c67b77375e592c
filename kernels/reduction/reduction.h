// The verbs of the reduction family between their argument records and their kernels.
#ifndef MM1_REDUCTION_REDUCTION_H
#define MM1_REDUCTION_REDUCTION_H

#include "host/device_profile.h"
#include "mm1/kernels.h"
#include "tile/kernel_budget.h"
#include "tile/row_walk.h"

namespace mm1 {

// A row of at most so many columns is one warp's, a longer one a block's.
constexpr int64_t kReduceWarpColumns = 1024;
constexpr int64_t kSoftmaxWarpColumns = 1024;
constexpr int64_t kSoftmaxBackwardWarpColumns = 512;
constexpr int64_t kTopKWarpColumns = 1024;
constexpr int64_t kReduceRowsBlock = 256;  // Rows of one block of a sum over rows.

constexpr int kReduceWarps = 8;   // Of a long row.
constexpr int kTopKWarps = 16;

constexpr KernelBudget kReductionBudgets[] = {
    {"reduce_columns", 256, kReduceWarps * 4, 64},
    {"reduce_rows", 256, 8 * 256 * 4, 64},
    {"softmax_forward", 256, kReduceWarps * 4, 64},
    {"softmax_backward", 256, kReduceWarps * 4, 80},
    {"arg_max, top_k", kTopKWarps * 32, kTopKWarps * 8, 48},
};

// Blocks for so many teams: all of them, or what fills the device several times over; the teams then go on by the grid.
constexpr uint32_t row_blocks(int64_t rows, int64_t rows_per_block, const DeviceProfile& profile) {
  const int64_t wanted = rows / rows_per_block + (rows % rows_per_block != 0 ? 1 : 0);
  const int64_t most = int64_t{profile.multiprocessors} * kWalkBlocks;
  return static_cast<uint32_t>(wanted < most ? wanted : most);
}

// Over the columns of each row: mm1_reduce, and mm1_reduce_rows with MM1_BROADCAST_PER_ROW.
struct ColumnReduction {
  RowOperand x;
  RowOperand multiplier;   // data null: none.
  RowOperand output;       // One element of each row.
  int64_t rows;
  int64_t columns;
  int32_t reduction;       // mm1_reduction.
  float beta;
  int32_t has_packs;       // Whether x and multiplier can be read by packs.
  int32_t float32_output;  // Else the dtype of x.
};

// Over rows that share an output row.
struct RowReduction {
  RowOperand x;
  RowOperand multiplier;
  RowOperand output;
  float* partial;          // [output_rows, blocks, columns] where there are several blocks.
  int64_t columns;
  int64_t output_rows;
  int64_t rows_per_output;
  int64_t blocks;          // Of rows; 1 at least.
  int64_t first_step;      // Output row s begins at row s * first_step, ...
  int64_t row_step;        // ... and its rows are row_step apart.
  float beta;
  int32_t packs_x;         // Whether x and multiplier can be read by packs ...
  int32_t packs_output;    // ... and the output be read and written so.
  int32_t reserved;
};

struct RowSoftmax {
  RowOperand x;                // Backward: the forward's output.
  RowOperand output_gradient;  // Backward only.
  RowOperand output;           // Backward: the input gradient.
  int64_t rows;
  int64_t columns;
  float scale;
  float beta;
  int32_t has_packs;
  int32_t reserved;
};

struct Selection {
  RowOperand x;
  RowOperand indices;  // int32 [rows, k].
  RowOperand values;   // data null: not asked for.
  int64_t rows;
  int64_t columns;
  int64_t k;
  int32_t has_packs;
  int32_t reserved;
};

mm1_status launch_column_reduction(const char* verb, mm1_stream stream, bool is_float32, const ColumnReduction& reduction);
mm1_status launch_row_reduction(mm1_stream stream, bool is_float32, const RowReduction& reduction);
mm1_status launch_softmax_forward(mm1_stream stream, bool is_float32, const RowSoftmax& softmax);
mm1_status launch_softmax_backward(mm1_stream stream, bool is_float32, const RowSoftmax& softmax);
mm1_status launch_selection(const char* verb, mm1_stream stream, bool is_float32, const Selection& selection);

}  // namespace mm1

#endif  // MM1_REDUCTION_REDUCTION_H
