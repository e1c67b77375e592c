// mm1_flash_attention_backward between its argument record and its kernels: tiles, budgets, the plan (a pure function of the record), the
// problem that kernels take, and the functions that launch them.
//
//   prepare    D = rowsum(output_gradient * output) and log-sum-exp (bfloat16: in powers of 2) for each row and head; clears ticket and flags; zeroes
//              query gradients of rows that see no key or belong to no document
//   main       one block for each (document, block of keys, key head), drawn by an atomic ticket: keys and values stay in shared memory,
//              their gradients in registers, query tiles pass by
//
// Query gradients are sums over blocks of keys, which run at the same time. They are added in ascending order of the keys, through
// float32 sums in the workspace: a warp waits until the flag of its part of a query tile counts all earlier blocks of keys, adds its own,
// and counts on. The first contributor writes without reading, so nothing is cleared; the last one writes the gradient itself, so there is
// no pass after this one, and documents of one block of keys never touch the sums.
//
// The order was chosen for its cost. A block's ticket comes from an atomic counter at its start and its waits are for earlier tickets only,
// so every residency works, 1 included. Tickets follow AttentionOrder from its start: within a document they ascend with the keys, so the
// heaviest causal blocks come first, and neighbours in time are different heads and documents as far as there are any, which never wait
// for each other. Every block of keys visits its query tiles from the last to the first: all blocks of a document begin with the same
// tile, so block j runs j tiles behind block 0 and, causal, has fewer tiles to go: it ends no later. (With ascending query tiles each
// block would begin at its diagonal and wait until its predecessor has come there: keys / queries tiles a block rather than one.)
#ifndef MM1_ATTENTION_BACKWARD_H
#define MM1_ATTENTION_BACKWARD_H

#include <stdint.h>

#include "attention/attention.h"
#include "attention/mask.cuh"

namespace mm1 {

// One instance of a main kernel. A block keeps `keys` keys and values and takes `queries` queries at a time.
struct AttentionBackwardTile {
  int head_size;  // Padded.
  int queries;
  int keys;
  int warps;
  int resident_blocks;  // Blocks of one SM that launch bounds ask for.

  constexpr int threads() const { return warps * 32; }
};

// bfloat16: a warp has 16 keys; 4 warps and 64 queries, or 8 and 128 keys. Head size 256: 4 x 16 keys by two halves of the columns, whose
// warps repeat each other's probabilities.
constexpr AttentionBackwardTile kBfloat16BackwardTiles[] = {
    {32, 64, 64, 4, 2}, {64, 64, 128, 8, 1}, {96, 64, 64, 4, 2}, {128, 32, 128, 8, 1}, {256, 16, 64, 8, 1}};
// float32: 16 gradients of each kind in a thread. Head size 96 is padded to 128.
constexpr AttentionBackwardTile kFloat32BackwardTiles[] = {
    {32, 32, 128, 8, 2}, {64, 32, 64, 8, 2}, {128, 32, 32, 8, 2}, {256, 16, 16, 8, 2}};

// The instance of a head size, a multiple of 8 up to 256.
constexpr const AttentionBackwardTile& attention_backward_tile(bool is_float32, int64_t head_size) {
  const AttentionBackwardTile* tile = is_float32 ? kFloat32BackwardTiles : kBfloat16BackwardTiles;
  while (tile->head_size < head_size) tile++;
  return *tile;
}

// Shared memory: keys, values, queries (bfloat16: two stages), output gradients, rows' statistics (as queries), and the score gradients
// (float32: beside the probabilities).
constexpr int64_t attention_backward_shared_bytes(bool is_float32, const AttentionBackwardTile& tile) {
  const int64_t element = is_float32 ? 4 : 2;
  const int64_t query_stages = is_float32 ? 1 : 2;
  const int64_t scores = is_float32 ? 2 : 1;
  return (2 * tile.keys + (query_stages + 1) * tile.queries) * tile.head_size * element + query_stages * tile.queries * 8 +
         scores * tile.queries * tile.keys * element;
}

constexpr AttentionBudget attention_backward_budget(bool is_float32, const AttentionBackwardTile& tile) {
  const int64_t shared = attention_backward_shared_bytes(is_float32, tile);
  if (is_float32) {
    // Gradients of 4 keys by 4 columns twice; the larger of scores and query gradients; four by four of two operands.
    const int scores = 2 * tile.queries * tile.keys / tile.threads();
    const int query = tile.queries * tile.head_size / tile.threads();
    return {tile.threads(), shared, 32 + (scores > query ? scores : query), 32, 32, tile.resident_blocks};
  }
  const int column_warps = tile.warps * 16 / tile.keys;
  const int gradients = 2 * 16 * (tile.head_size / column_warps) / 32;
  // Scores and their gradients of 16 keys, as float32 and, two in a register, as fragments; later the query gradient.
  const int scores = 2 * 16 * tile.queries / 32;
  const int query = tile.queries * tile.head_size / tile.threads() + scores / 4;
  return {tile.threads(), shared, gradients + (scores > query ? scores : query), 28, 32, tile.resident_blocks};
}

// mm1_flash_attention_backward_args, checked and free of choices, and the parts of the workspace: what the kernels take.
struct AttentionBackwardProblem {
  AttentionProblem forward;
  AttentionOrder order;         // Of blocks of keys, by ticket.
  AttentionOperand output_gradient;
  AttentionOperand query_gradient;
  AttentionOperand key_gradient;
  AttentionOperand value_gradient;
  uint32_t* ticket;
  uint32_t* flags;              // [heads, query_slots, warps]: blocks of keys that the part of a warp holds.
  float* rows;                  // [heads, query tokens, 2]: log-sum-exp (+infinity for rows without keys), bfloat16: times log2(e); D.
  float* sums;                  // [heads, query_slots, warps, queries * head_size / warps]: query gradients, in the order of registers.
  int64_t flag_count;
  int32_t query_slots;          // Places for query tiles of all documents: query_slot below.
  int32_t aligned_inputs;       // 16-byte accesses; else element by element.
  int32_t aligned_outputs;
  float scale_log2;             // scale * log2(e): of bfloat16 scores.
};

// Query tiles of all documents have numbers without a table: those of document d begin at first row / tile rows + d. A document of n rows
// has ceil(n / tile rows) tiles and the next one begins as many numbers later at least, so no number is used twice, and tokens / tile
// rows + documents numbers are enough; some stay unused.
MM1_HOST_DEVICE constexpr int32_t query_slot(int32_t first_row, int32_t document, int32_t tile_rows) {
  return first_row / tile_rows + document;
}

// Blocks of keys that add to query tile `tile` of a document: 0 .. this - 1.
MM1_HOST_DEVICE constexpr int32_t contributing_blocks(const AttentionDocument& document, int32_t tile, int32_t queries, int32_t keys) {
  const int32_t last = (tile + 1) * queries < document.queries ? (tile + 1) * queries - 1 : document.queries - 1;
  const int32_t seen = document.visible(last);
  return seen > 0 ? (seen + keys - 1) / keys : 0;
}

struct AttentionBackwardPlan {
  AttentionBackwardTile tile;
  bool is_float32;
  int64_t shared_bytes;
  AttentionOrder order;
  int64_t query_slots;
  int64_t prepare_blocks;
  int64_t flag_count;
  // Parts of the workspace, in bytes from its begin.
  int64_t flags_at;
  int64_t rows_at;
  int64_t sums_at;
  int64_t workspace_bytes;
};

constexpr int kPrepareThreads = 256;
constexpr int kPrepareLanes = 8;  // Lanes that share one row of one head.

// Everything but `order`, which only places blocks in time, is the same on every device.
AttentionBackwardPlan plan_attention_backward(const mm1_flash_attention_backward_args& args, const DeviceProfile& profile);

mm1_status launch_attention_backward_prepare(mm1_stream stream, const AttentionBackwardProblem& problem,
                                             const AttentionBackwardPlan& plan);
mm1_status launch_attention_backward_bfloat16(mm1_stream stream, const AttentionBackwardProblem& problem,
                                              const AttentionBackwardPlan& plan);
mm1_status launch_attention_backward_float32(mm1_stream stream, const AttentionBackwardProblem& problem,
                                             const AttentionBackwardPlan& plan);

}  // namespace mm1

#endif  // MM1_ATTENTION_BACKWARD_H
