// What both main kernels of the backward share: rows in shared memory, their loader, tickets.
#pragma once
#include "attention/attention_tile.h"
#include "attention/backward.h"
#include "attention/schedule.cuh"
#include "dev/arithmetic.cuh"
#include "dev/async_copy.cuh"
#include "dev/device.cuh"

namespace mm1 {

// Copies rows of one head (which begins at byte `first_byte` of a row) into a tile in shared memory; rows from `rows_left` on and bytes
// from `bytes` on become zero and are not read. cp.async where the operand is aligned: the caller commits and waits. (AttentionLoader
// moves 32 rows at once; there are tiles of 16 here.)
template <class Tile, int Threads>
DEV_FN void load_rows(uint32_t target, const AttentionOperand& operand, int64_t first_row, int64_t first_byte, int32_t rows_left,
                      int32_t bytes, bool aligned, uint32_t own_thread) {
  const char* const source = operand.data + first_row * operand.row_stride + first_byte;
  const int64_t stride = operand.row_stride;
  const uint32_t thread = dev::opaque(own_thread);  // Or its addresses would take registers around the caller's loop.
  constexpr uint32_t kChunks = Tile::kRows * Tile::kRowChunks;
  static_assert(kChunks % Threads == 0, "every thread copies as many chunks");
  if (aligned) {
    DEV_UNROLL for (uint32_t index = thread; index < kChunks; index += Threads) {
      const int32_t row = static_cast<int32_t>(index / Tile::kRowChunks);
      const int32_t byte = static_cast<int32_t>(index % Tile::kRowChunks) * 16;
      const bool inside = row < rows_left && byte < bytes;
      const char* const from = source + (inside ? row * stride + byte : 0);
      dev::cp_async16(target + Tile::chunk_offset(index / Tile::kRowChunks, index % Tile::kRowChunks), from, inside ? 16 : 0);
    }
    return;
  }
  DEV_NO_UNROLL for (uint32_t index = thread; index < kChunks; index += Threads) {
    const int32_t row = static_cast<int32_t>(index / Tile::kRowChunks);
    const int32_t byte = static_cast<int32_t>(index % Tile::kRowChunks) * 16;
    uint32_t words[4] = {0, 0, 0, 0};
    if (row < rows_left && byte < bytes) {
      const char* const from = source + row * stride + byte;
      DEV_UNROLL for (int word = 0; word < 4; word++) {
        if constexpr (Tile::kElementBytes == 4) {
          words[word] = dev::ld_global_4(from + word * 4);
        } else {
          words[word] = dev::ld_global_2(from + word * 4) | static_cast<uint32_t>(dev::ld_global_2(from + word * 4 + 2)) << 16;
        }
      }
    }
    dev::st_shared_16(target + Tile::chunk_offset(index / Tile::kRowChunks, index % Tile::kRowChunks),
                      uint4{words[0], words[1], words[2], words[3]});
  }
}

// The statistics of `Count` rows, 8 bytes each; zeros beyond rows_left, which make the probability 1 and every gradient 0.
template <int Count>
DEV_FN void load_statistics(uint32_t target, const float* source, int32_t rows_left, uint32_t thread) {
  if (thread < Count) {
    const bool inside = static_cast<int32_t>(thread) < rows_left;
    dev::cp_async8(target + thread * 8, source + (inside ? thread * 2 : 0), inside ? 8 : 0);
  }
}

// What this block computes: a block of keys, drawn by a ticket.
struct BackwardItem {
  AttentionDocument document;  // Its number of queries is within max_query_length, or 0 in the tail.
  int32_t index;               // Number of the document.
  int32_t block;               // Number of the block of keys in its document; negative: nothing is left to do.
  int32_t key_head;
};

// Draws this block's ticket; the same value in all threads.
DEV_FN uint32_t draw_ticket(uint32_t* ticket) {
  DEV_SHARED(uint32_t, drawn, 1);
  if (dev::tid() == 0) drawn[0] = dev::atomic_add(ticket, 1u);
  dev::sync_block();
  return drawn[0];
}

// Every ticket of a document's block of keys is above those of its earlier ones. Documents longer than the capacities say, which the
// contract leaves undefined, are cut to them: the workspace is sized by capacities.
DEV_FN BackwardItem draw_item(const AttentionBackwardProblem& p) {
  const AttentionWork work = find_work(p.forward.keys, p.order, draw_ticket(p.ticket), false);
  if (work.place.document < 0) return {{}, 0, -1, 0};
  AttentionDocument document = document_of_keys(p.forward, work.place.document);
  if (work.place.document < p.forward.keys.documents) {
    const int32_t queries = document.queries < p.forward.queries.length ? document.queries : p.forward.queries.length;
    const int32_t keys = document.keys < p.forward.keys.length ? document.keys : p.forward.keys.length;
    const bool full = p.forward.mask == MM1_ATTENTION_MASK_FULL;
    document = {document.first_query, queries, document.first_key, keys, keys - queries, full ? keys : document.least};
  }
  return {document, work.place.document, work.place.tile, work.head};
}

}  // namespace mm1
