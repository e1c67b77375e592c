// Which keys a query sees, as arithmetic on one document. Every mask of the contract has the same form: query i sees exactly the keys below
// visible(i), and visible never falls with i.
//
//   full     visible(i) = keys
//   causal   visible(i) = i + offset + 1, within 0 .. keys            offset = keys - queries: the last query sees the last key
//   prefix   visible(i) = max(i + offset + 1, prefix), within 0 .. keys
//
// So of a tile of queries and a tile of keys it is known by two comparisons whether every pair, some or none is seen; only the tiles in
// between need a comparison for each score.
#pragma once
#include <stdint.h>

#include "mm1/kernels.h"
#include "tile/host_device.h"

namespace mm1 {

struct AttentionDocument {
  int32_t first_query;  // Rows in the operands.
  int32_t queries;
  int32_t first_key;
  int32_t keys;
  int32_t offset;       // Keys less queries.
  int32_t least;        // Keys that every query sees.

  // Keys that query i sees: 0 .. visible(i) - 1.
  MM1_HOST_DEVICE constexpr int32_t visible(int32_t query) const {
    const int64_t diagonal = int64_t{query} + offset + 1;
    const int64_t wanted = diagonal > least ? diagonal : least;
    return static_cast<int32_t>(wanted < keys ? wanted : keys);
  }

  // The first query that sees key j; all after it do too. At least `queries` where none does.
  MM1_HOST_DEVICE constexpr int32_t first_query_of(int32_t key) const {
    if (key >= keys) return queries;
    if (key < least) return 0;
    const int64_t diagonal = int64_t{key} - offset;
    return static_cast<int32_t>(diagonal < 0 ? 0 : diagonal < queries ? diagonal : queries);
  }
};

MM1_HOST_DEVICE constexpr AttentionDocument make_document(mm1_attention_mask mask, int32_t first_query, int32_t queries, int32_t first_key,
                                                          int32_t keys, int32_t prefix) {
  const int32_t prefix_keys = prefix < 0 ? 0 : prefix < keys ? prefix : keys;
  return {first_query, queries,        first_key, keys,
          keys - queries, mask == MM1_ATTENTION_MASK_FULL ? keys : mask == MM1_ATTENTION_MASK_PREFIX ? prefix_keys : 0};
}

// The key tiles of `tile_keys` keys that queries first .. first + rows - 1 of a document meet: 0 .. whole - 1 need no mask, whole .. end - 1
// do, and of those from `end` on no query sees a key. Rows past the document's queries count as its last query: their results are dropped.
struct KeyTiles {
  int32_t whole;
  int32_t end;
};

MM1_HOST_DEVICE constexpr KeyTiles key_tiles(const AttentionDocument& document, int32_t first, int32_t rows, int32_t tile_keys) {
  if (first >= document.queries) return {0, 0};
  const int32_t last = rows < document.queries - first ? first + rows - 1 : document.queries - 1;
  return {document.visible(first) / tile_keys, (document.visible(last) + tile_keys - 1) / tile_keys};
}

// The query tiles of `tile_queries` queries that keys first .. first + count - 1 of a document meet: from `begin` on some query sees a key,
// from `whole` on every query sees every key of the tile that the document has (and rows of the tile past its keys are seen by none).
struct QueryTiles {
  int32_t begin;
  int32_t whole;
  int32_t end;
};

MM1_HOST_DEVICE constexpr QueryTiles query_tiles(const AttentionDocument& document, int32_t first, int32_t count, int32_t tile_queries) {
  const int32_t end = (document.queries + tile_queries - 1) / tile_queries;
  if (first >= document.keys) return {end, end, end};
  const int32_t last = count < document.keys - first ? first + count - 1 : document.keys - 1;
  const int32_t from = document.first_query_of(first);
  if (from >= document.queries) return {end, end, end};
  return {from / tile_queries, (document.first_query_of(last) + tile_queries - 1) / tile_queries, end};
}

}  // namespace mm1
