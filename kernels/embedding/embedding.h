// The verbs of the embedding family between their argument records and their kernels.
#ifndef MM1_EMBEDDING_EMBEDDING_H
#define MM1_EMBEDDING_EMBEDDING_H

#include "host/device_profile.h"
#include "mm1/kernels.h"
#include "tile/kernel_budget.h"
#include "tile/row_walk.h"

namespace mm1 {

constexpr int kEmbeddingThreads = 256;
constexpr int64_t kSortTile = 2048;    // Tokens that one block sorts at a time.
constexpr int kSortDigits = 256;       // Values of one digit of an id.
constexpr int64_t kScatterPiece = 128; // Tokens of one id that are summed at a stretch.

constexpr KernelBudget kEmbeddingBudgets[] = {
    {"gather_rows, place_rows, split_rows", kEmbeddingThreads, 0, 40},
    {"sort of token ids", kEmbeddingThreads, kSortDigits * 8 * 4, 48},
    {"sums of token rows", kEmbeddingThreads, 0, 64},
};

// Token ids in device memory.
struct TokenIds {
  const void* data;
  int32_t is_64;
  int32_t reserved;
};

// Rows of elements of 2 or 4 bytes that are copied as they are. Strides in bytes.
struct RowBytes {
  char* data;
  int64_t stride;
};

// output[t] = table[ids[t]], or for placements text[t] where the id is negative. A row of NaN where the id is beyond the table.
struct RowGather {
  TokenIds ids;
  RowBytes table;
  RowBytes text;         // data null: a negative id is outside too.
  RowBytes output;
  int64_t tokens;
  int64_t table_rows;
  int64_t columns;
  int32_t element_bytes;
  int32_t wide;          // All rows begin at multiples of 16 bytes.
  int32_t keep_text;     // The output is the text: its rows stand already.
  int32_t reserved;
};

// The way back: image[placement[t]] = gradient[t]; text[t] = gradient[t], or 0 where the token is an image's.
struct RowSplit {
  const int32_t* placement;
  RowBytes gradient;
  RowBytes text;         // data null: not asked for.
  RowBytes image;        // The same.
  int64_t tokens;
  int64_t image_rows;
  int64_t columns;
  int32_t element_bytes;
  int32_t wide;
  int32_t keep_text;     // The text's gradient is the gradient itself.
  int32_t reserved;
};

// Where the parts of mm1_embedding_scatter_add's workspace lie, in bytes.
struct ScatterWorkspace {
  int64_t partial;  // float32 [tokens / kScatterPiece, width].
  int64_t keys;     // uint32 [2, tokens]: ids, one buffer read while the other is written.
  int64_t order;    // uint32 [2, tokens]: tokens in the order of the keys.
  int64_t counts;   // uint32 [tiles, kSortDigits].
  int64_t bytes;
};

constexpr int64_t sort_tiles(int64_t tokens) { return (tokens + kSortTile - 1) / kSortTile; }

// Digits that tell ids from 0 to `vocabulary` apart; that one stands for all outside.
constexpr int sort_passes(int64_t vocabulary) {
  int passes = 1;
  while (vocabulary >> (8 * passes) != 0) passes++;
  return passes;
}

constexpr ScatterWorkspace scatter_workspace(int64_t tokens, int64_t width) {
  ScatterWorkspace layout{};
  layout.partial = 0;
  layout.keys = tokens / kScatterPiece * width * 4;
  layout.order = layout.keys + 2 * tokens * 4;
  layout.counts = layout.order + 2 * tokens * 4;
  layout.bytes = layout.counts + sort_tiles(tokens) * kSortDigits * 4;
  return layout;
}

struct Scatter {
  TokenIds ids;
  RowOperand gradient;      // [tokens, width] of the compute dtype.
  RowOperand table;         // float32 [vocabulary, width].
  float* partial;
  uint32_t* keys[2];
  uint32_t* order[2];
  const uint32_t* sorted_keys;   // Those of the buffers in which the sort left its result.
  const uint32_t* sorted_order;
  uint32_t* counts;
  int64_t tokens;
  int64_t vocabulary;
  int64_t width;
  float beta;
  int32_t packs_gradient;
  int32_t packs_table;
  int32_t reserved;
};

mm1_status launch_gather(const char* verb, mm1_stream stream, const RowGather& gather);
mm1_status launch_split(mm1_stream stream, const RowSplit& split);

// Groups the tokens by id, ascending within an id, and sets where the result lies.
mm1_status launch_token_sort(mm1_stream stream, Scatter* scatter);
mm1_status launch_scatter_sums(mm1_stream stream, bool is_float32, const Scatter& scatter);

}  // namespace mm1

#endif  // MM1_EMBEDDING_EMBEDDING_H
