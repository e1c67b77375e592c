// Attention in bfloat16 with float32 sums, by mma.sync m16n8k16 (sm_80 and up): one block for each tile of queries of one head.
//
// Maths      for each row: scores s_j = query . key_j in float32; maximum and sum online over tiles of keys (softmax.cuh); exponentials
//            p_j rounded to bfloat16 for the second product; output = (sum of p_j value_j) / (sum of p_j), rounded once;
//            log-sum-exp from the same maximum and sum, in float32.
// Operands   rows of [tokens, heads, head size] with strides of their own; documents of device cuSeqlens; keys of a group's head.
// Tiles      4 warps of 16 or 32 queries; 64 keys (48 for head size 128, 32 for 256: what the registers allow): forward.h. Head size padded
//            with zeros.
// Roles      every thread copies and every warp multiplies; a warp's rows are its own from the first score to the output:
//
//              shared    Q [rows, head size]   K [keys, head size]   V [keys, head size]      AttentionTile each
//              start     copy Q, K_0; wait, barrier; Q to registers where they suffice
//              tile t    start V_t | S = Q K_t^T | wait, barrier | start K_t+1 | mask, softmax | O += P V_t | wait, barrier
//              end       O / sum through the warp's own rows of Q, whole rows to memory
//
//            P never leaves the registers: the accumulators of one product have the layout of the other's left operand. V_t is on its way
//            during the first product, K_t+1 during the second; two blocks of an SM fill the rest.
// Mask       warps whose rows see no key of a tile skip its products, and only tiles that the mask's edge crosses are compared with it.
//            Neither changes a bit: see softmax.cuh.
// Budget     ForwardBfloat16Tile::budget(): 16 to 64 KB of shared memory, at most 252 registers, two blocks an SM.
// Not here   splitting keys over blocks (the order of a row's sum would depend on the grid), folding a group's heads into rows, wgmma.
#pragma once
#include "attention/attention_loader.cuh"
#include "attention/forward.h"
#include "attention/fragments.cuh"
#include "attention/schedule.cuh"
#include "attention/softmax.cuh"

namespace mm1 {

template <int HeadSize, int WarpRows, int Keys, bool QueryInRegisters, int ResidentBlocks>
struct ForwardBfloat16Config {
  static constexpr int kHeadSize = HeadSize;
  static constexpr int kWarpRows = WarpRows;
  static constexpr int kRows = WarpRows * (kForwardThreads / 32);
  static constexpr int kKeys = Keys;
  static constexpr bool kQueryInRegisters = QueryInRegisters;
  static constexpr int kResidentBlocks = ResidentBlocks;
  using QueryTile = AttentionTile<2, kRows, HeadSize>;
  using KeyTile = AttentionTile<2, Keys, HeadSize>;
};

// One warp's part of a block: `WarpRows` queries against a tile of keys at a time.
template <class Config>
class ForwardBfloat16Warp {
 public:
  using QueryTile = typename Config::QueryTile;
  using KeyTile = typename Config::KeyTile;

  MM1_DEVICE_MEMBER ForwardBfloat16Warp(const AttentionDocument& document, int32_t first_query, float exponent, uint32_t query)
      : document_(document), first_query_(first_query), exponent_(exponent), query_(query) {
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) {
      DEV_UNROLL for (int half = 0; half < 2; half++) softmax_[i][half].begin();
    }
    DEV_UNROLL for (int c = 0; c < kBlocks; c++) clear(output_[c]);
    tiles_ = key_tiles(document, first_query, Config::kWarpRows, Config::kKeys);
  }

  // Once the query has arrived.
  MM1_DEVICE_MEMBER void take_query() {
    if constexpr (Config::kQueryInRegisters) {
      DEV_UNROLL for (int step = 0; step < kSteps; step++) load_query(kept_[step], step, dev::lane());
    }
  }

  MM1_DEVICE_MEMBER bool sees(int32_t tile) const { return tile < tiles_.end; }

  // Before each tile, seen or not: scores of the last one must not live through the second product.
  MM1_DEVICE_MEMBER void begin_tile() { clear(scores_); }

  // Adds up the scores of a tile of keys.
  MM1_DEVICE_MEMBER void multiply_keys(uint32_t keys) {
    const uint32_t lane = dev::opaque(dev::lane());
    DEV_UNROLL for (int step = 0; step < kSteps; step++) {
      uint32_t b[kKeyFragments][2];
      DEV_UNROLL for (int j = 0; j < kKeyFragments; j += 2) load_b_of_rows<KeyTile>(b[j], b[j + 1], keys, j * 8, step, lane);
      if constexpr (Config::kQueryInRegisters) {
        dev::mma_bf16_tile(scores_, kept_[step], b);
      } else {
        uint32_t a[kRowFragments][4];
        load_query(a, step, lane);
        dev::mma_bf16_tile(scores_, a, b);
      }
    }
  }

  // Scores to exponentials, packed as the left operand of the second product.
  MM1_DEVICE_MEMBER void softmax(int32_t tile) {
    if (tile >= tiles_.whole) mask(tile * Config::kKeys);
    float factor[kRowFragments][2];
    bool rescale = false;
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) {
      DEV_UNROLL for (int half = 0; half < 2; half++) {
        float largest = minus_infinity();
        DEV_UNROLL for (int j = 0; j < kKeyFragments; j++) {
          largest = dev::fmax_(largest, dev::fmax_(scores_[i][j][half * 2], scores_[i][j][half * 2 + 1]));
        }
        largest = dev::fmax_(largest, dev::shfl_xor(largest, 1));
        largest = dev::fmax_(largest, dev::shfl_xor(largest, 2));
        factor[i][half] = softmax_[i][half].raise(largest, exponent_);
        rescale = rescale || factor[i][half] != 1.0f;
        const float reference = softmax_[i][half].reference(exponent_);
        DEV_UNROLL for (int j = 0; j < kKeyFragments; j++) {
          DEV_UNROLL for (int e = 0; e < 2; e++) {
            float& score = scores_[i][j][half * 2 + e];
            score = exponential(score, exponent_, reference);
            softmax_[i][half].sum += score;
          }
          // The accumulators' layout is that of a left operand: fragment j is half j % 2 of step j / 2.
          probabilities_[j / 2][i][j % 2 * 2 + half] = dev::pack_bf16(scores_[i][j][half * 2], scores_[i][j][half * 2 + 1]);
        }
      }
    }
    // The branch only saves time: rows that were not raised are multiplied by exactly one.
    if (dev::ballot(rescale) == 0) return;
    DEV_UNROLL for (int c = 0; c < kBlocks; c++) {
      DEV_UNROLL for (int i = 0; i < kRowFragments; i++) {
        DEV_UNROLL for (int j = 0; j < kBlockFragments; j++) {
          DEV_UNROLL for (int e = 0; e < 4; e++) output_[c][i][j][e] *= factor[i][e / 2];
        }
      }
    }
  }

  // Adds exponentials times values.
  MM1_DEVICE_MEMBER void multiply_values(uint32_t values) {
    const uint32_t lane = dev::opaque(dev::lane());
    DEV_UNROLL for (int step = 0; step < Config::kKeys / 16; step++) {
      DEV_UNROLL for (int c = 0; c < kBlocks; c++) {
        uint32_t b[kBlockFragments][2];
        DEV_UNROLL for (int j = 0; j < kBlockFragments; j += 2) {
          load_b_of_columns<KeyTile>(b[j], b[j + 1], values, step, c * kBlockFragments + j, lane);
        }
        dev::mma_bf16_tile(output_[c], probabilities_[step], b);
      }
    }
  }

  // Output rows into the warp's own rows of the query's tile, log-sum-exp to memory (unless `log_sum_exp`, that of the document's first
  // query, is null).
  MM1_DEVICE_MEMBER void finish(float* log_sum_exp) {
    const uint32_t lane = dev::lane();
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) {
      DEV_UNROLL for (int half = 0; half < 2; half++) {
        float total = softmax_[i][half].sum;
        total += dev::shfl_xor(total, 1);
        total += dev::shfl_xor(total, 2);
        const float normaliser = SoftmaxRow::normaliser(total);
        const uint32_t row = warp_row() + i * 16 + half * 8 + lane / 4;
        DEV_UNROLL for (int c = 0; c < kBlocks; c++) {
          DEV_UNROLL for (int j = 0; j < kBlockFragments; j++) {
            const float* const pair = &output_[c][i][j][half * 2];
            dev::st_shared_4(query_ + QueryTile::chunk_offset(row, c * kBlockFragments + j) + lane % 4 * 4,
                             dev::pack_bf16(pair[0] * normaliser, pair[1] * normaliser));
          }
        }
        const int32_t query = first_query_ + i * 16 + half * 8 + static_cast<int32_t>(lane / 4);
        if (log_sum_exp != nullptr && lane % 4 == 0 && query < document_.queries) {
          dev::st_global_4(log_sum_exp + query, dev::f2u(softmax_[i][half].log_sum_exp(total, exponent_)));
        }
      }
    }
    dev::sync_warp();
  }

  // The rows that finish() staged, to memory at `output` (the head in row 0 of the document).
  MM1_DEVICE_MEMBER void store(char* output, int64_t row_stride, int32_t head_size, bool aligned) const {
    const uint32_t chunks = static_cast<uint32_t>(head_size) / 8;
    for (uint32_t index = dev::lane(); index < Config::kWarpRows * QueryTile::kRowChunks; index += 32) {
      const uint32_t row = index / QueryTile::kRowChunks;
      const uint32_t chunk = index % QueryTile::kRowChunks;
      const int32_t query = first_query_ + static_cast<int32_t>(row);
      if (chunk >= chunks || query >= document_.queries) continue;
      const uint4 words = dev::ld_shared_16(query_ + QueryTile::chunk_offset(warp_row() + row, chunk));
      char* const target = output + query * row_stride + chunk * 16;
      if (aligned) {
        dev::st_global_16(target, words);
      } else {
        const uint32_t word[4] = {words.x, words.y, words.z, words.w};
        DEV_UNROLL for (int i = 0; i < 4; i++) {
          dev::st_global_2(target + i * 4, static_cast<uint16_t>(word[i]));
          dev::st_global_2(target + i * 4 + 2, static_cast<uint16_t>(word[i] >> 16));
        }
      }
    }
  }

 private:
  static constexpr int kRowFragments = Config::kWarpRows / 16;
  static constexpr int kKeyFragments = Config::kKeys / 8;
  static constexpr int kSteps = Config::kHeadSize / 16;
  // Columns of the output are multiplied in blocks, so that few fragments of the values are alive at a time.
  static constexpr int kBlockFragments = Config::kHeadSize % 64 == 0 ? 8 : 4;
  static constexpr int kBlocks = Config::kHeadSize / 8 / kBlockFragments;

  MM1_DEVICE_MEMBER static uint32_t warp_row() { return dev::tid() / 32 * Config::kWarpRows; }

  template <int Columns>
  MM1_DEVICE_MEMBER static void clear(float (&sums)[kRowFragments][Columns][4]) {
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) {
      DEV_UNROLL for (int j = 0; j < Columns; j++) {
        DEV_UNROLL for (int e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
      }
    }
  }

  MM1_DEVICE_MEMBER void load_query(uint32_t (&a)[kRowFragments][4], int step, uint32_t lane) const {
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) load_a<QueryTile>(a[i], query_, warp_row() + i * 16, step, lane);
  }

  MM1_DEVICE_MEMBER void mask(int32_t first_key) {
    DEV_UNROLL for (int i = 0; i < kRowFragments; i++) {
      DEV_UNROLL for (int half = 0; half < 2; half++) {
        const int32_t query = first_query_ + i * 16 + half * 8 + static_cast<int32_t>(dev::lane() / 4);
        const int32_t limit = document_.visible(query) - first_key - static_cast<int32_t>(dev::lane() % 4 * 2);
        DEV_UNROLL for (int j = 0; j < kKeyFragments; j++) {
          DEV_UNROLL for (int e = 0; e < 2; e++) {
            if (j * 8 + e >= limit) scores_[i][j][half * 2 + e] = minus_infinity();
          }
        }
      }
    }
  }

  AttentionDocument document_;
  int32_t first_query_;  // The warp's first, in its document.
  float exponent_;
  uint32_t query_;       // The block's query tile in shared memory.
  KeyTiles tiles_;       // Of this warp's rows.
  SoftmaxRow softmax_[kRowFragments][2];
  float scores_[kRowFragments][kKeyFragments][4];
  uint32_t probabilities_[Config::kKeys / 16][kRowFragments][4];
  float output_[kBlocks][kRowFragments][kBlockFragments][4];
  uint32_t kept_[Config::kQueryInRegisters ? kSteps : 1][kRowFragments][4];
};

template <class Config>
DEV_KERNEL DEV_BOUNDS(kForwardThreads, Config::kResidentBlocks)
attention_forward_bfloat16(const DEV_GRID_CONST AttentionForwardLaunch launch) {
  using QueryTile = typename Config::QueryTile;
  using KeyTile = typename Config::KeyTile;
  const AttentionProblem& problem = launch.problem;
  const AttentionWork work = find_work(problem.queries, launch.order, dev::bid_x(), true);
  if (work.place.document < 0) return;
  const AttentionDocument document = document_of_queries(problem, work.place.document);
  const int32_t first_query = work.place.tile * Config::kRows;
  const KeyTiles tiles = key_tiles(document, first_query, Config::kRows, Config::kKeys);

  const uint32_t thread = dev::tid();
  const uint32_t query_tile = dev::smem_addr(dev::dynamic_smem());
  const uint32_t key_tile = query_tile + QueryTile::kBytes;
  const uint32_t value_tile = key_tile + KeyTile::kBytes;
  const int64_t head_bytes = int64_t{work.head} * problem.head_size * 2;
  const int64_t key_head_bytes = int64_t{work.head / problem.group} * problem.head_size * 2;
  const ScoreScale scale(problem.scale);
  ForwardBfloat16Warp<Config> warp(document, first_query + static_cast<int32_t>(thread / 32 * Config::kWarpRows), scale.exponent, query_tile);

  if (tiles.end > 0) {
    const bool aligned = launch.inputs_aligned != 0;
    const AttentionLoader<QueryTile, kForwardThreads> queries(
        problem.query.data + document.first_query * problem.query.row_stride + head_bytes, problem.query.row_stride, document.queries,
        problem.head_size, aligned, thread);
    const AttentionLoader<KeyTile, kForwardThreads> keys(
        problem.key.data + document.first_key * problem.key.row_stride + key_head_bytes, problem.key.row_stride, document.keys,
        problem.head_size, aligned, thread);
    const AttentionLoader<KeyTile, kForwardThreads> values(
        problem.value.data + document.first_key * problem.value.row_stride + key_head_bytes, problem.value.row_stride, document.keys,
        problem.head_size, aligned, thread);
    queries.load(query_tile, first_query);
    keys.load(key_tile, 0);
    dev::cp_async_commit();
    dev::cp_async_wait<0>();
    dev::sync_block();
    if (!scale.is_plain()) {
      for (uint32_t at = thread * 16; at < QueryTile::kBytes; at += kForwardThreads * 16) {
        const uint4 words = dev::ld_shared_16(query_tile + at);
        dev::st_shared_16(query_tile + at, uint4{scale.pair(words.x), scale.pair(words.y), scale.pair(words.z), scale.pair(words.w)});
      }
      dev::sync_block();
    }
    warp.take_query();
    for (int32_t tile = 0; tile < tiles.end; tile++) {
      values.load(value_tile, tile * Config::kKeys);
      dev::cp_async_commit();
      const bool sees = warp.sees(tile);
      warp.begin_tile();
      if (sees) warp.multiply_keys(key_tile);
      dev::cp_async_wait<0>();
      dev::sync_block();  // The values are here, and all warps are done with the keys.
      if (tile + 1 < tiles.end) keys.load(key_tile, (tile + 1) * Config::kKeys);
      dev::cp_async_commit();
      if (sees) {
        warp.softmax(tile);
        warp.multiply_values(value_tile);
      }
      dev::cp_async_wait<0>();
      dev::sync_block();  // The next keys are here, and all warps are done with the values.
    }
  }

  // Addresses of the output are made here, not kept through the loop.
  const int64_t first_row = static_cast<int32_t>(dev::opaque(static_cast<uint32_t>(document.first_query)));
  const int64_t head = static_cast<int32_t>(dev::opaque(static_cast<uint32_t>(work.head)));
  float* const log_sum_exp = problem.log_sum_exp == nullptr ? nullptr : problem.log_sum_exp + head * problem.log_sum_exp_stride + first_row;
  char* const output = problem.output.data + first_row * problem.output.row_stride + head * problem.head_size * 2;
  warp.finish(log_sum_exp);
  warp.store(output, problem.output.row_stride, problem.head_size, launch.output_aligned != 0);
}

}  // namespace mm1
