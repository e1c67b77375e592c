// Which tile of which document a block computes, found from device memory: the grid is sized by capacities, cuSeqlens say what there is.
//
// Documents along one axis (queries or keys) are rows [first(d), first(d + 1)) of the operands. Behind the last of them lies the tail, rows
// that belong to none: it counts as one more document, without partners, so that whoever writes rows writes those too (zeros, as for any
// row that sees nothing).
//
// Order. Items of one head are the tiles of all documents, sorted by the tile's number within its document, then by document. Under a causal
// mask the work of a query tile grows with its number, that of a key tile falls: queries take the list from its end, keys from its start,
// and the heaviest tiles run first, so that the last blocks of a launch are short ones. Heads come in sections small enough that the keys
// and values of a section stay in the L2 cache while its tiles are walked:
//
//   blocks    section 0: tile 0 of every pair of the section, tile 1 of every pair, ...   section 1: ...       (a pair: head, or head of
//                                                                                                              one document)
// Results do not depend on any of this.
#pragma once
#include "attention/attention.h"
#include "attention/mask.cuh"
#include "dev/device.cuh"

namespace mm1 {

// The tile of a document; document < 0: none.
struct TilePlace {
  int32_t document;
  int32_t tile;
};

// First row of document d of an axis, 0 .. documents; that of the tail is `documents`. Values beyond the operand are cut to it.
DEV_FN int32_t first_row(const AttentionAxis& axis, int32_t document) {
  const int64_t row = axis.offsets != nullptr ? int64_t{axis.offsets[document]} : int64_t{document} * axis.length;
  return static_cast<int32_t>(row < 0 ? 0 : row < axis.tokens ? row : axis.tokens);
}

DEV_FN int32_t row_count(const AttentionAxis& axis, int32_t document) {
  const int32_t begin = first_row(axis, document);
  const int32_t end = document < axis.documents ? first_row(axis, document + 1) : axis.tokens;
  return end > begin ? end - begin : 0;
}

// A document with both of its axes, seen through the mask. The tail (document == documents) has rows along both axes, but nobody sees
// anybody: its keys are 0 where it is asked for as queries, its queries where it is asked for as keys.
DEV_FN AttentionDocument document_of_queries(const AttentionProblem& problem, int32_t document) {
  const bool tail = document >= problem.queries.documents;
  const int32_t prefix = problem.prefix_lengths != nullptr && !tail ? problem.prefix_lengths[document] : 0;
  return make_document(problem.mask, first_row(problem.queries, document), row_count(problem.queries, document),
                       tail ? 0 : first_row(problem.keys, document), tail ? 0 : row_count(problem.keys, document), prefix);
}

DEV_FN AttentionDocument document_of_keys(const AttentionProblem& problem, int32_t document) {
  const bool tail = document >= problem.keys.documents;
  const int32_t prefix = problem.prefix_lengths != nullptr && !tail ? problem.prefix_lengths[document] : 0;
  return make_document(problem.mask, tail ? 0 : first_row(problem.queries, document), tail ? 0 : row_count(problem.queries, document),
                       first_row(problem.keys, document), row_count(problem.keys, document), prefix);
}

// The sum of the lanes' values, in every lane.
DEV_FN int32_t warp_sum(int32_t value) {
  DEV_UNROLL for (int distance = 16; distance > 0; distance /= 2) value += dev::shfl_xor(value, distance);
  return value;
}

// Tiles of all documents (the tail included) whose number is below `limit`. All lanes of a warp.
DEV_FN int32_t tiles_below(const AttentionAxis& axis, int32_t tile_rows, int32_t limit) {
  int32_t own = 0;
  for (int32_t document = static_cast<int32_t>(dev::lane()); document <= axis.documents; document += 32) {
    const int32_t tiles = (row_count(axis, document) + tile_rows - 1) / tile_rows;
    own += tiles < limit ? tiles : limit;
  }
  return warp_sum(own);
}

// Item `index` of the list above, counted from its start or from its end. All lanes of a warp; every lane gets the same.
DEV_FN TilePlace find_tile(const AttentionAxis& axis, int32_t tile_rows, int64_t index, bool from_end) {
  const int32_t most = (axis.tokens + tile_rows - 1) / tile_rows;  // No document has more tiles.
  const int32_t total = tiles_below(axis, tile_rows, most);
  if (index >= total) return {-1, 0};
  const int32_t item = static_cast<int32_t>(from_end ? total - 1 - index : index);
  // The largest tile number with not more than `item` tiles below it.
  int32_t tile = 0;
  for (int32_t high = most; high - tile > 1;) {
    const int32_t middle = tile + (high - tile) / 2;
    if (tiles_below(axis, tile_rows, middle) <= item) {
      tile = middle;
    } else {
      high = middle;
    }
  }
  // Of the documents that have this tile, number `rank` is ours.
  int32_t rank = item - tiles_below(axis, tile_rows, tile);
  for (int32_t first = 0; first <= axis.documents; first += 32) {
    const int32_t document = first + static_cast<int32_t>(dev::lane());
    const uint32_t has = dev::ballot(document <= axis.documents && row_count(axis, document) > int64_t{tile} * tile_rows);
    uint32_t left = has;
    for (int32_t place = 0; left != 0; place++, left >>= 1) {
      if ((left & 1u) != 0 && rank-- == 0) return {first + place, tile};
    }
  }
  return {-1, 0};
}

// What block `index` of a launch computes.
struct AttentionWork {
  TilePlace place;
  int32_t head;
};

// `from_end`: heaviest tiles are those with the highest numbers (queries). All lanes of every warp of the block.
DEV_FN AttentionWork find_work(const AttentionAxis& axis, const AttentionOrder& order, int64_t index, bool from_end) {
  const AttentionOrder::Item item = order.at(index);
  if (order.heads_of_documents) {
    const int32_t tile = static_cast<int32_t>(from_end ? order.tiles - 1 - item.tile : item.tile);
    return {{static_cast<int32_t>(item.pair / order.heads), tile}, static_cast<int32_t>(item.pair % order.heads)};
  }
  return {find_tile(axis, order.tile_rows, item.tile, from_end), static_cast<int32_t>(item.pair)};
}

}  // namespace mm1
