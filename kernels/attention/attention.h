// The attention verbs between their argument records and their kernels: the device-side view of a record, the order of tiles, the plan
// (which kernel, which tile), the budgets, and the functions that launch kernels.
//
//   args --check_attention_*--> ok --normalise_attention--> AttentionProblem --plan_attention_forward(profile)--> AttentionForwardPlan
//        --launch_attention_forward_*--> one kernel
//
// Two dtypes, five head sizes: operands of any head size are padded with zeros inside the tile to the next of 32, 64, 96, 128 and 256, by
// copies that read nothing for the padding. A row's keys are taken in ascending tiles of a size that depends on dtype and padded head size
// alone, each tile with the same operations; how many rows a block has, and which, changes nothing about one row.
#ifndef MM1_ATTENTION_ATTENTION_H
#define MM1_ATTENTION_ATTENTION_H

#include <stdint.h>

#include "host/device_profile.h"
#include "mm1/kernels.h"
#include "tile/host_device.h"

namespace mm1 {

constexpr int64_t kMaximumHeadSize = 256;
constexpr int kHeadSizes[] = {32, 64, 96, 128, 256};  // Instances of every kernel of the family.
constexpr int kHeadSizeCount = 5;

// The instance that computes a head size.
constexpr int padded_head_size(int64_t head_size) {
  for (int size : kHeadSizes) {
    if (head_size <= size) return size;
  }
  return 0;
}

// Rows [tokens, heads * head_size] of one operand.
struct AttentionOperand {
  char* data;
  int64_t row_stride;  // Bytes; 0 where there is one row only, whose stride is not read.
};

// Documents along one axis of the problem: rows of query and output, or of key and value.
struct AttentionAxis {
  const int32_t* offsets;  // cuSeqlens on the device, or NULL: document d begins at d * length.
  int32_t length;          // Rows of the longest document (all have as many where there are no offsets).
  int32_t documents;
  int32_t tokens;          // Rows of the operands.
};

// mm1_flash_attention_forward_args, checked and free of choices: what a kernel needs and nothing else.
struct AttentionProblem {
  AttentionAxis queries;
  AttentionAxis keys;
  const int32_t* prefix_lengths;  // On the device; with MM1_ATTENTION_MASK_PREFIX only.
  mm1_attention_mask mask;
  float scale;
  int32_t heads;
  int32_t key_value_heads;
  int32_t group;                  // Query heads of one key head.
  int32_t head_size;
  int32_t is_float32;             // Dtype of the operands: float32, else bfloat16.
  AttentionOperand query;
  AttentionOperand key;
  AttentionOperand value;
  AttentionOperand output;
  float* log_sum_exp;             // [heads, query tokens]; NULL where it is not wanted.
  int64_t log_sum_exp_stride;     // Floats from one head to the next.

  int64_t element_bytes() const { return is_float32 ? 4 : 2; }
};

// The problem of args that passed check_attention_forward.
AttentionProblem normalise_attention(const mm1_flash_attention_forward_args& args);

// Address and row stride (in bytes) of an operand of `rows` rows.
AttentionOperand normalise_attention_operand(const mm1_operand& operand, int64_t rows);

// Whether rows can be moved in pieces of 16 bytes. Heads need no look: a head is a multiple of 16 bytes.
inline bool is_aligned(const AttentionOperand& operand) {
  return reinterpret_cast<uintptr_t>(operand.data) % 16 == 0 && operand.row_stride % 16 == 0;
}

// The rules of the verbs, the first broken one as status and text. What lies in device memory is not looked at.
// check_attention_record: rules that no operand takes part in, which is what workspace sizes depend on.
mm1_status check_attention_record(const char* verb, const mm1_flash_attention_forward_args& args);
mm1_status check_attention_forward(const mm1_flash_attention_forward_args& args);
mm1_status check_attention_backward(const mm1_flash_attention_backward_args& args);
mm1_status check_attention_decode(const mm1_flash_attention_decode_args& args);
mm1_status check_key_value_cache_append(const mm1_key_value_cache_append_args& args);

// The order in which the blocks of a launch take tiles (schedule.cuh says why).
struct AttentionOrder {
  int64_t tiles;               // Of one pair; a bound where cuSeqlens decide.
  int64_t pairs;               // Heads, or heads of all documents.
  int64_t section;             // Pairs walked together, 1 at least.
  int32_t heads;               // Heads of one document.
  int32_t tile_rows;
  int32_t heads_of_documents;  // Documents of one length and nothing behind them: pair = document * heads + head, `tiles` is exact.

  struct Item {
    int64_t tile;
    int64_t pair;
  };

  MM1_HOST_DEVICE constexpr int64_t count() const { return tiles * pairs; }

  // What is computed as number `index` of count().
  MM1_HOST_DEVICE constexpr Item at(int64_t index) const {
    const int64_t first = index / (section * tiles) * section;
    const int64_t width = pairs - first < section ? pairs - first : section;
    const int64_t within = index - first * tiles;
    return {within / width, first + within % width};
  }
};

// The order of the tiles of `tile_rows` rows along an axis, for `heads` heads a document, where every pair keeps `pair_bytes` of the other
// axis (its keys and values, say) worth holding in the L2 cache.
AttentionOrder plan_attention_order(const AttentionAxis& axis, int64_t heads, int tile_rows, int64_t pair_bytes,
                                    const DeviceProfile& profile);

// Resources of one block of a kernel. Registers are those that the source names: accumulators and operand fragments, and an allowance for
// addresses.
struct AttentionBudget {
  int threads;
  int64_t shared_bytes;
  int accumulator_registers;
  int fragment_registers;
  int other_registers;
  int resident_blocks;  // Blocks of one SM that launch bounds ask for.

  constexpr int registers() const { return accumulator_registers + fragment_registers + other_registers; }
  constexpr bool fits(const DeviceProfile& profile) const {
    return threads <= kThreadsPerBlock && threads % kWarpThreads == 0 && shared_bytes <= profile.shared_bytes_per_block &&
           registers() <= kRegistersPerThread && registers() * threads * resident_blocks <= kRegistersPerMultiprocessor &&
           threads * resident_blocks <= profile.threads_per_multiprocessor;
  }
};

}  // namespace mm1

#endif  // MM1_ATTENTION_ATTENTION_H
