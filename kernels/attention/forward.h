// mm1_flash_attention_forward's kernels: tiles, budgets, plan, launches.
//
// A block of 4 warps takes `rows` queries of one head and walks over their keys, `keys` at a time. Keys of a tile are a constant of dtype and
// padded head size: they decide where a row's maximum may move and in which order its sums run. Rows of a block decide nothing of that kind,
// so there may be two choices of them: many, which reads keys and values less often, and few, for short documents.
#ifndef MM1_ATTENTION_FORWARD_H
#define MM1_ATTENTION_FORWARD_H

#include "attention/attention.h"

namespace mm1 {

enum class AttentionForwardKernel : int32_t {
  nothing = 0,   // No row of output.
  float32 = 1,   // forward_float32.cu: fused multiply-adds of float32.
  bfloat16 = 2   // forward_bfloat16.cu: mma.sync m16n8k16.
};

constexpr int kForwardThreads = 128;

// One instance of the bfloat16 kernel.
struct ForwardBfloat16Tile {
  int head_size;
  int warp_rows;              // 16 or 32 queries of one warp.
  int keys;
  bool query_in_registers;    // Fragments of the query are kept, else read again for every tile of keys.
  int resident_blocks;

  constexpr int rows() const { return warp_rows * (kForwardThreads / 32); }
  // The query's tile, which takes the output in the end, one tile of keys and one of values.
  constexpr int64_t shared_bytes() const { return int64_t{rows() + 2 * keys} * head_size * 2; }
  constexpr AttentionBudget budget() const {
    const int row_fragments = warp_rows / 16;
    const int accumulators = (head_size + keys) * warp_rows / 32;  // Output and scores.
    const int query = query_in_registers ? head_size / 16 * row_fragments * 4 : row_fragments * 4;
    const int keys_step = keys / 8 * 2;
    return {kForwardThreads, shared_bytes(), accumulators, query + keys_step, 8 * row_fragments + 40, resident_blocks};
  }
};

// Large tiles, then small ones; the order of kHeadSizes.
constexpr ForwardBfloat16Tile kForwardBfloat16Tiles[2][kHeadSizeCount] = {
    {{32, 32, 64, true, 2}, {64, 32, 64, true, 2}, {96, 32, 64, false, 2}, {128, 32, 48, false, 2}, {256, 16, 32, false, 2}},
    {{32, 16, 64, true, 2}, {64, 16, 64, true, 2}, {96, 16, 64, false, 2}, {128, 16, 48, false, 2}, {256, 16, 32, false, 2}}};

// One instance of the float32 kernel: 64 queries and 32 keys; keys and values pass through a ring of slabs of some columns, so that any head
// size fits every device.
struct ForwardFloat32Tile {
  int head_size;
  int slab_columns;
  int resident_blocks;

  static constexpr int kRows = 64;
  static constexpr int kKeys = 32;
  static constexpr int kStages = 3;
  constexpr int slabs() const { return head_size / slab_columns; }
  constexpr int64_t query_bytes() const { return int64_t{kRows} * head_size * 4; }
  constexpr int64_t slab_bytes() const { return int64_t{kKeys} * slab_columns * 4; }
  // The query, the ring, and the probabilities of each warp.
  constexpr int64_t shared_bytes() const { return query_bytes() + kStages * slab_bytes() + int64_t{kRows} * kKeys * 4; }
  constexpr AttentionBudget budget() const {
    // A thread has 4 rows: an eighth of the output's columns and of the scores. Fragments: 4 elements of 4 rows and of 4 keys.
    return {kForwardThreads, shared_bytes(), (head_size + kKeys) / 8 * 4, 32, 48, resident_blocks};
  }
};

constexpr ForwardFloat32Tile kForwardFloat32Tiles[kHeadSizeCount] = {{32, 32, 2}, {64, 64, 2}, {96, 32, 2}, {128, 64, 2}, {256, 64, 2}};

struct AttentionForwardPlan {
  AttentionForwardKernel kernel = AttentionForwardKernel::nothing;
  int head_size = 0;            // Padded.
  bool is_small = false;        // The second row of kForwardBfloat16Tiles.
  bool inputs_aligned = false;  // Read by 16-byte cp.async; else element by element.
  bool output_aligned = false;  // Written by 16 bytes; else element by element.
  int rows = 0;
  int keys = 0;
  int threads = 0;
  int64_t shared_bytes = 0;
  AttentionOrder order = {};
};

// What a caller who compares kernels may force; everything else is left to the plan.
struct AttentionForwardChoice {
  int small = -1;          // 0: large tiles, 1: small ones.
  bool unaligned = false;  // The slower accesses even where operands are aligned.
};

AttentionForwardPlan plan_attention_forward(const AttentionProblem& problem, const DeviceProfile& profile,
                                            const AttentionForwardChoice& choice = {});

AttentionForwardChoice attention_forward_choice();
void set_attention_forward_choice(const AttentionForwardChoice& choice);

// What one launch computes.
struct AttentionForwardLaunch {
  AttentionProblem problem;
  AttentionOrder order;
  int32_t inputs_aligned;
  int32_t output_aligned;
};

mm1_status launch_attention_forward_bfloat16(mm1_stream stream, const AttentionProblem& problem, const AttentionForwardPlan& plan);
mm1_status launch_attention_forward_float32(mm1_stream stream, const AttentionProblem& problem, const AttentionForwardPlan& plan);

}  // namespace mm1

#endif  // MM1_ATTENTION_FORWARD_H
