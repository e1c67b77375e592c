// The elementwise verbs between their argument records and their kernels. Every problem is plain data: matrices of rows, a walk over their
// packs, and what the maths needs. `vector`: rows of all operands begin at multiples of 16 bytes.
#ifndef MM1_ELEMENTWISE_ELEMENTWISE_H
#define MM1_ELEMENTWISE_ELEMENTWISE_H

#include "tile/kernel_budget.h"
#include "tile/row_walk.h"

namespace mm1 {

// output = f(a, b, old output) for every element.
enum class PointwiseOperation : int32_t {
  add,                  // alpha * a + beta * b.
  multiply,             // a * b + beta * old.
  scale,                // alpha * (factor ? *factor : 1) * a + beta * old.
  activation_forward,   // activation(a).
  activation_backward,  // a * activation'(b) + beta * old.
  gated_forward,        // activation(a) * b.
};

struct Pointwise {
  RowOperand a;
  RowOperand b;
  RowOperand output;
  const float* factor;
  RowWalk walk;
  int64_t rows_b;     // Rows of b; with `broadcast` MM1_BROADCAST_REPEAT the rows that share one row of b.
  int32_t broadcast;  // mm1_broadcast; MM1_BROADCAST_CYCLE with rows_b 0: row by row.
  int32_t activation;
  float alpha;
  float beta;
  int32_t vector;
  int32_t reserved;
};

struct GatedBackward {
  RowOperand output_gradient;
  RowOperand gate;
  RowOperand up;
  RowOperand gate_gradient;
  RowOperand up_gradient;
  RowOperand output;  // Optional.
  RowWalk walk;
  int32_t activation;
  int32_t vector;
};

// Items of a head: packs of rotated elements (HALF: pairs of packs), then packs of copied ones.
struct Rotary {
  RowOperand x;
  RowOperand output;
  RowOperand table;    // float32.
  const int32_t* positions;
  RowWalk walk;        // Tokens, and the items of all heads.
  int64_t head_size;
  int64_t rotary_size;
  int64_t rotated_items;
  int64_t items;       // Of a head.
  int64_t max_position;
  int32_t interleaved;
  int32_t inverse;
  int32_t vector;
  int32_t vector_table;
};

// Strides and columns in bytes.
struct Fill {
  RowOperand output;
  RowWalk walk;
  uint32_t pattern[4];   // The element, repeated to 16 bytes.
  int32_t element_bytes;
  int32_t vector;
};

struct Copy {
  RowOperand x;
  RowOperand output;
  RowWalk walk;
  int32_t piece;         // Bytes (1 to 8) by which a short or unaligned pack is moved.
  int32_t vector;
};

struct Cast {
  RowOperand x;
  RowOperand output;
  RowWalk walk;          // By kCastElements between float32 and bfloat16, else one by one.
  mm1_dtype from;
  mm1_dtype to;
  int32_t vector;
  int32_t reserved;
};

// Blocks of `unit` * `units` bytes.
struct TransposeBlocks {
  RowOperand x;          // [batch * rows, columns * units].
  RowOperand output;     // [batch * columns, rows * units].
  RowWalk walk;          // Of the output, in units; not used by the tiles.
  int64_t batch;
  int64_t rows;
  int64_t columns;
  int64_t units;         // Of one block.
  int32_t unit;          // Bytes: 1, 2, 4, 8 or 16.
  int32_t reserved;
};

constexpr int kTransposeTile = 32;  // Blocks.
constexpr int kCastElements = 4;    // 16 bytes of float32, 8 of bfloat16: whole sectors on both sides.

constexpr int64_t kTransposeSharedBytes = kTransposeTile * (kTransposeTile + 1) * 8;   // Blocks of 8 bytes.

constexpr KernelBudget kElementwiseBudgets[] = {
    {"pointwise", kWalkThreads, 0, 64},
    {"gated_backward", kWalkThreads, 0, 80},
    {"rotary_embedding", kWalkThreads, 0, 64},
    {"cast_packs", kWalkThreads, 0, 32},
    {"cast_elements", kWalkThreads, 0, 40},
    {"fill_rows", kWalkThreads, 0, 32},
    {"copy_rows", kWalkThreads, 0, 32},
    {"transpose_units", kWalkThreads, 0, 40},
    {"transpose_tiles", kWalkThreads, kTransposeSharedBytes, 40},
};

mm1_status launch_pointwise(mm1_stream stream, const char* verb, PointwiseOperation operation, bool is_float32, uint32_t blocks,
                            const Pointwise& problem);
mm1_status launch_gated_backward(mm1_stream stream, bool is_float32, uint32_t blocks, const GatedBackward& problem);
mm1_status launch_rotary(mm1_stream stream, bool is_float32, uint32_t blocks, const Rotary& problem);
mm1_status launch_fill(mm1_stream stream, uint32_t blocks, const Fill& problem);
mm1_status launch_copy(mm1_stream stream, uint32_t blocks, const Copy& problem);
mm1_status launch_cast(mm1_stream stream, uint32_t blocks, const Cast& problem);
mm1_status launch_transpose_units(mm1_stream stream, uint32_t blocks, const TransposeBlocks& problem);
mm1_status launch_transpose_tiles(mm1_stream stream, uint32_t blocks, const TransposeBlocks& problem);

// Tests only: blocks of a grid at most, so that threads loop; 0: what fills the device.
void set_elementwise_blocks(int64_t most_blocks);
int64_t elementwise_blocks();

}  // namespace mm1

#endif  // MM1_ELEMENTWISE_ELEMENTWISE_H
