// What the attention verbs share on the host: the device-side view of a record, the order of tiles.
#include "attention/attention.h"

#include "host/check.h"

namespace mm1 {

namespace {

// Half of the L2 cache holds the keys and values of a section; the rest is for what passes through.
constexpr int64_t kSectionPart = 2;

int32_t to_int32(int64_t value) { return static_cast<int32_t>(value < INT32_MAX ? value : INT32_MAX); }

}  // namespace

AttentionOperand normalise_attention_operand(const mm1_operand& operand, int64_t rows) {
  return {static_cast<char*>(operand.data), rows > 1 ? operand.row_stride * dtype_bytes(operand.dtype) : 0};
}

AttentionProblem normalise_attention(const mm1_flash_attention_forward_args& args) {
  AttentionProblem problem{};
  problem.queries = {args.cu_seqlens_query, to_int32(args.max_query_length), to_int32(args.batch), to_int32(args.query_tokens)};
  problem.keys = {args.cu_seqlens_key, to_int32(args.max_key_length), to_int32(args.batch), to_int32(args.key_tokens)};
  problem.prefix_lengths = args.mask == MM1_ATTENTION_MASK_PREFIX ? args.prefix_lengths : nullptr;
  problem.mask = args.mask;
  problem.scale = args.scale;
  problem.heads = to_int32(args.heads);
  problem.key_value_heads = to_int32(args.key_value_heads);
  problem.group = args.key_value_heads > 0 ? to_int32(args.heads / args.key_value_heads) : 1;
  problem.head_size = to_int32(args.head_size);
  problem.is_float32 = (args.query_tokens > 0 ? args.query.dtype : args.key.dtype) == MM1_DTYPE_FLOAT32;
  problem.query = normalise_attention_operand(args.query, args.query_tokens);
  problem.key = normalise_attention_operand(args.key, args.key_tokens);
  problem.value = normalise_attention_operand(args.value, args.key_tokens);
  problem.output = normalise_attention_operand(args.output, args.query_tokens);
  problem.log_sum_exp = static_cast<float*>(args.log_sum_exp.data);
  problem.log_sum_exp_stride = args.heads > 1 ? args.log_sum_exp.row_stride : 0;
  return problem;
}

AttentionOrder plan_attention_order(const AttentionAxis& axis, int64_t heads, int tile_rows, int64_t pair_bytes,
                                    const DeviceProfile& profile) {
  AttentionOrder order{};
  order.heads = to_int32(heads);
  order.tile_rows = tile_rows;
  order.heads_of_documents = axis.offsets == nullptr && int64_t{axis.documents} * axis.length == axis.tokens;
  if (order.heads_of_documents) {
    order.tiles = (int64_t{axis.length} + tile_rows - 1) / tile_rows;
    order.pairs = int64_t{axis.documents} * heads;
  } else {
    // Every document, and the tail, may end in a tile of one row.
    order.tiles = (axis.tokens + (int64_t{axis.documents} + 1) * (tile_rows - 1)) / tile_rows;
    order.pairs = heads;
  }
  const int64_t fitting = profile.l2_bytes / kSectionPart / (pair_bytes > 0 ? pair_bytes : 1);
  order.section = fitting < 1 ? 1 : fitting < order.pairs ? fitting : order.pairs;
  if (order.section < 1) order.section = 1;
  return order;
}

}  // namespace mm1
