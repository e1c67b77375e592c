// Attention in true float32: fused multiply-adds, never tensor cores. One block for each tile of 64 queries of one head.
//
// Maths      as forward_bfloat16.cuh, every number in float32; each score one chain of multiply-adds over the head, each output one chain
//            over the keys.
// Tiles      4 warps of 16 queries; 32 keys. A lane has 4 neighbouring queries (place lane / 8) and every eighth key (place lane % 8) of the
//            scores, every eighth group of 4 columns of the output: what one load of 16 bytes brings serves 4 products, and the 8 lanes that
//            are served at once read 8 different rows or chunks, or all the same: no bank conflicts.
// Roles      every thread copies and every warp multiplies:
//
//              shared    Q [64, head size]   ring of 3 slabs [32 keys, 32 or 64 columns]   P of each warp [32 keys, 16 queries]
//              tile t    K slab by slab (scores), mask, softmax, P to shared memory; V slab by slab (output)
//              step      wait for slab i, barrier (all have it, and are done with i - 1), start slab i + 2 in the place of i - 1, multiply i
//
//            Slabs make the shared memory beside the query independent of the head size, and one ring serves keys and values.
// Mask       as in bfloat16: a warp whose queries see none of a tile's keys multiplies nothing.
// Budget     ForwardFloat32Tile::budget(): 28 to 96 KB of shared memory, at most 224 registers.
// Not here   splitting keys over blocks; staging of the output (its rows are whole sectors as they are).
#pragma once
#include "attention/attention_loader.cuh"
#include "attention/forward.h"
#include "attention/schedule.cuh"
#include "attention/softmax.cuh"
#include "dev/arithmetic.cuh"

namespace mm1 {

template <int HeadSize, int SlabColumns, int ResidentBlocks>
struct ForwardFloat32Config {
  static constexpr int kHeadSize = HeadSize;
  static constexpr int kResidentBlocks = ResidentBlocks;
  static constexpr int kRows = ForwardFloat32Tile::kRows;
  static constexpr int kKeys = ForwardFloat32Tile::kKeys;
  static constexpr int kStages = ForwardFloat32Tile::kStages;
  static constexpr int kSlabs = HeadSize / SlabColumns;
  static constexpr int kWarpRows = kRows / (kForwardThreads / 32);
  using QueryTile = AttentionTile<4, kRows, HeadSize>;
  using Slab = AttentionTile<4, kKeys, SlabColumns>;
  using Probabilities = AttentionTile<4, kKeys, kWarpRows>;  // Of one warp, a key a row.
};

DEV_FN void four_of(float (&values)[4], uint32_t address) {
  const uint4 words = dev::ld_shared_16(address);
  values[0] = dev::u2f(words.x);
  values[1] = dev::u2f(words.y);
  values[2] = dev::u2f(words.z);
  values[3] = dev::u2f(words.w);
}

// One warp's part of a block: 16 queries against a tile of keys at a time.
template <class Config>
class ForwardFloat32Warp {
 public:
  using QueryTile = typename Config::QueryTile;
  using Slab = typename Config::Slab;
  using Probabilities = typename Config::Probabilities;

  MM1_DEVICE_MEMBER ForwardFloat32Warp(const AttentionDocument& document, int32_t first_query, float score_factor, uint32_t query,
                                       uint32_t probabilities)
      : document_(document),
        first_query_(first_query),
        score_factor_(score_factor),
        query_(query),
        probabilities_(probabilities),
        row_place_(dev::lane() / 8),
        place_(dev::lane() % 8) {
    DEV_UNROLL for (int i = 0; i < 4; i++) softmax_[i].begin();
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      DEV_UNROLL for (int j = 0; j < kColumns; j++) output_[i][j] = 0.0f;
    }
    tiles_ = key_tiles(document, first_query, Config::kWarpRows, Config::kKeys);
  }

  MM1_DEVICE_MEMBER bool sees(int32_t tile) const { return tile < tiles_.end; }

  MM1_DEVICE_MEMBER void begin_tile() {
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      DEV_UNROLL for (int j = 0; j < kLaneKeys; j++) scores_[i][j] = 0.0f;
    }
  }

  // Adds the products of one slab of the keys.
  MM1_DEVICE_MEMBER void multiply_keys(uint32_t slab, int number) {
    const uint32_t warp_row = dev::tid() / 32 * Config::kWarpRows;
    DEV_NO_UNROLL for (uint32_t first = 0; first < Slab::kRowChunks; first += 4) {
      DEV_UNROLL for (uint32_t chunk = first; chunk < first + 4; chunk++) {
        float keys[kLaneKeys][4];
        DEV_UNROLL for (int j = 0; j < kLaneKeys; j++) four_of(keys[j], slab + Slab::chunk_offset(place_ + j * 8, chunk));
        DEV_UNROLL for (int i = 0; i < 4; i++) {
          float query[4];
          four_of(query, query_ + QueryTile::chunk_offset(warp_row + row_place_ * 4 + i, number * Slab::kRowChunks + chunk));
          DEV_UNROLL for (int j = 0; j < kLaneKeys; j++) {
            DEV_UNROLL for (int k = 0; k < 4; k++) scores_[i][j] = dev::fused_multiply_add(query[k], keys[j][k], scores_[i][j]);
          }
        }
      }
    }
  }

  // Scores to exponentials, which go to the warp's shared memory.
  MM1_DEVICE_MEMBER void softmax(int32_t tile) {
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      DEV_UNROLL for (int j = 0; j < kLaneKeys; j++) scores_[i][j] = dev::multiply(scores_[i][j], score_factor_);
    }
    if (tile >= tiles_.whole) mask(tile * Config::kKeys);
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      float largest = scores_[i][0];
      DEV_UNROLL for (int j = 1; j < kLaneKeys; j++) largest = dev::fmax_(largest, scores_[i][j]);
      DEV_UNROLL for (int distance = 1; distance < 8; distance *= 2) largest = dev::fmax_(largest, dev::shfl_xor(largest, distance));
      const float factor = softmax_[i].raise(largest, kLog2E);
      const float reference = softmax_[i].reference();
      DEV_UNROLL for (int j = 0; j < kLaneKeys; j++) {
        scores_[i][j] = exponential(scores_[i][j], reference);
        softmax_[i].sum += scores_[i][j];
      }
      if (factor == 1.0f) continue;
      DEV_UNROLL for (int j = 0; j < kColumns; j++) output_[i][j] *= factor;
    }
    DEV_UNROLL for (int j = 0; j < kLaneKeys; j++) {
      dev::st_shared_16(probabilities_ + Probabilities::chunk_offset(place_ + j * 8, row_place_),
                        uint4{dev::f2u(scores_[0][j]), dev::f2u(scores_[1][j]), dev::f2u(scores_[2][j]), dev::f2u(scores_[3][j])});
    }
    dev::sync_warp();
  }

  // Adds exponentials times one slab of the values.
  template <int Number>
  MM1_DEVICE_MEMBER void multiply_values(uint32_t slab) {
    DEV_NO_UNROLL for (uint32_t first = 0; first < Config::kKeys; first += 4) {
      DEV_UNROLL for (uint32_t key = first; key < first + 4; key++) {
        float probabilities[4];
        four_of(probabilities, probabilities_ + Probabilities::chunk_offset(key, row_place_));
        DEV_UNROLL for (int group = 0; group < kSlabGroups; group++) {
          float values[4];
          four_of(values, slab + Slab::chunk_offset(key, place_ + group * 8));
          DEV_UNROLL for (int i = 0; i < 4; i++) {
            DEV_UNROLL for (int e = 0; e < 4; e++) {
              float& sum = output_[i][(Number * kSlabGroups + group) * 4 + e];
              sum = dev::fused_multiply_add(probabilities[i], values[e], sum);
            }
          }
        }
      }
    }
  }

  // Rows of output at `output` (the head in row 0 of the document); log-sum-exp, unless it is null that of the document's first query.
  MM1_DEVICE_MEMBER void finish(char* output, int64_t row_stride, int32_t head_size, bool aligned, float* log_sum_exp) {
    float own_log_sum_exp = 0.0f;  // Of row place_ of the lane's four: neighbouring lanes write neighbouring rows.
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      float total = softmax_[i].sum;
      DEV_UNROLL for (int distance = 1; distance < 8; distance *= 2) total += dev::shfl_xor(total, distance);
      if (place_ == static_cast<uint32_t>(i)) own_log_sum_exp = softmax_[i].log_sum_exp(total);
      const int32_t query = first_query_ + static_cast<int32_t>(row_place_) * 4 + i;
      if (query >= document_.queries) continue;
      const float normaliser = SoftmaxRow::normaliser(total);
      DEV_UNROLL for (int group = 0; group < kColumns / 4; group++) {
        const int32_t column = static_cast<int32_t>(place_) * 4 + group * 32;
        if (column >= head_size) continue;
        uint32_t words[4];
        DEV_UNROLL for (int e = 0; e < 4; e++) words[e] = dev::f2u(output_[i][group * 4 + e] * normaliser);
        char* const target = output + query * row_stride + column * 4;
        if (aligned) {
          dev::st_global_16(target, uint4{words[0], words[1], words[2], words[3]});
        } else {
          DEV_UNROLL for (int e = 0; e < 4; e++) dev::st_global_4(target + e * 4, words[e]);
        }
      }
    }
    const int32_t own_query = first_query_ + static_cast<int32_t>(row_place_ * 4 + place_);
    if (log_sum_exp != nullptr && place_ < 4 && own_query < document_.queries) {
      dev::st_global_4(log_sum_exp + own_query, dev::f2u(own_log_sum_exp));
    }
  }

 private:
  static constexpr int kLaneKeys = Config::kKeys / 8;
  static constexpr int kColumns = Config::kHeadSize / 8;      // Of a lane.
  static constexpr int kSlabGroups = Slab::kColumns / 32;

  MM1_DEVICE_MEMBER void mask(int32_t first_key) {
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      const int32_t query = first_query_ + static_cast<int32_t>(row_place_) * 4 + i;
      const int32_t limit = document_.visible(query) - first_key - static_cast<int32_t>(place_);
      DEV_UNROLL for (int j = 0; j < kLaneKeys; j++) {
        if (j * 8 >= limit) scores_[i][j] = minus_infinity();
      }
    }
  }

  AttentionDocument document_;
  int32_t first_query_;
  float score_factor_;
  uint32_t query_;
  uint32_t probabilities_;
  uint32_t row_place_;
  uint32_t place_;
  KeyTiles tiles_;
  SoftmaxRow softmax_[4];
  float scores_[4][kLaneKeys];
  float output_[4][kColumns];
};

// The slabs of all tiles of keys, one after the other, through a ring: K of tile 0, V of tile 0, K of tile 1, ...
template <class Config>
class SlabRing {
 public:
  using Loader = AttentionLoader<typename Config::Slab, kForwardThreads>;

  MM1_DEVICE_MEMBER SlabRing(const Loader& keys, const Loader& values, uint32_t ring, int32_t tiles)
      : keys_(keys), values_(values), ring_(ring), tiles_(tiles), tile_(0), slab_(0), target_(0), source_(0) {}

  // Starts the next slab, if there is one, as a group of its own.
  MM1_DEVICE_MEMBER void start() {
    if (tile_ < tiles_) {
      const uint32_t target = ring_ + target_ * Config::Slab::kBytes;
      const int32_t first_row = tile_ * Config::kKeys;
      if (slab_ < Config::kSlabs) {
        keys_.load(target, first_row, slab_ * Config::Slab::kRowChunks);
      } else {
        values_.load(target, first_row, (slab_ - Config::kSlabs) * Config::Slab::kRowChunks);
      }
      target_ = target_ + 1 < Config::kStages ? target_ + 1 : 0;
      slab_++;
      if (slab_ == 2 * Config::kSlabs) {
        slab_ = 0;
        tile_++;
      }
    }
    dev::cp_async_commit();
  }

  // Waits for the slab that comes next, and starts the one that fits where the last one was. All threads of the block.
  MM1_DEVICE_MEMBER uint32_t next() {
    dev::cp_async_wait<Config::kStages - 2>();
    dev::sync_block();
    start();
    const uint32_t slab = ring_ + source_ * Config::Slab::kBytes;
    source_ = source_ + 1 < Config::kStages ? source_ + 1 : 0;
    return slab;
  }

 private:
  Loader keys_;
  Loader values_;
  uint32_t ring_;
  int32_t tiles_;
  int32_t tile_;     // Of the slab that is started next.
  int32_t slab_;
  uint32_t target_;  // Its stage.
  uint32_t source_;  // Stage of the slab that is multiplied next.
};

template <int Number, class Config>
DEV_FN void multiply_all_values(ForwardFloat32Warp<Config>& warp, SlabRing<Config>& ring, bool sees) {
  const uint32_t slab = ring.next();
  if (sees) warp.template multiply_values<Number>(slab);
  if constexpr (Number + 1 < Config::kSlabs) multiply_all_values<Number + 1, Config>(warp, ring, sees);
}

template <class Config>
DEV_KERNEL DEV_BOUNDS(kForwardThreads, Config::kResidentBlocks)
attention_forward_float32(const DEV_GRID_CONST AttentionForwardLaunch launch) {
  using QueryTile = typename Config::QueryTile;
  using Slab = typename Config::Slab;
  const AttentionProblem& problem = launch.problem;
  const AttentionWork work = find_work(problem.queries, launch.order, dev::bid_x(), true);
  if (work.place.document < 0) return;
  const AttentionDocument document = document_of_queries(problem, work.place.document);
  const int32_t first_query = work.place.tile * Config::kRows;
  const KeyTiles tiles = key_tiles(document, first_query, Config::kRows, Config::kKeys);

  const uint32_t thread = dev::tid();
  const uint32_t query_tile = dev::smem_addr(dev::dynamic_smem());
  const uint32_t slabs = query_tile + QueryTile::kBytes;
  const uint32_t probabilities = slabs + Config::kStages * Slab::kBytes + thread / 32 * Config::Probabilities::kBytes;
  const int64_t head_bytes = int64_t{work.head} * problem.head_size * 4;
  const int64_t key_head_bytes = int64_t{work.head / problem.group} * problem.head_size * 4;
  const ScoreScale scale(problem.scale);
  ForwardFloat32Warp<Config> warp(document, first_query + static_cast<int32_t>(thread / 32 * Config::kWarpRows), scale.factor, query_tile,
                                  probabilities);

  if (tiles.end > 0) {
    const bool aligned = launch.inputs_aligned != 0;
    const AttentionLoader<QueryTile, kForwardThreads> queries(
        problem.query.data + document.first_query * problem.query.row_stride + head_bytes, problem.query.row_stride, document.queries,
        problem.head_size, aligned, thread);
    const AttentionLoader<Slab, kForwardThreads> keys(
        problem.key.data + document.first_key * problem.key.row_stride + key_head_bytes, problem.key.row_stride, document.keys,
        problem.head_size, aligned, thread);
    const AttentionLoader<Slab, kForwardThreads> values(
        problem.value.data + document.first_key * problem.value.row_stride + key_head_bytes, problem.value.row_stride, document.keys,
        problem.head_size, aligned, thread);
    SlabRing<Config> ring(keys, values, slabs, tiles.end);
    queries.load(query_tile, first_query);
    dev::cp_async_commit();
    dev::cp_async_wait<0>();
    DEV_UNROLL for (int i = 0; i < Config::kStages - 1; i++) ring.start();
    dev::sync_block();
    if (!scale.is_plain()) {
      for (uint32_t at = thread * 16; at < QueryTile::kBytes; at += kForwardThreads * 16) {
        const uint4 words = dev::ld_shared_16(query_tile + at);
        dev::st_shared_16(query_tile + at, uint4{scale.word(words.x), scale.word(words.y), scale.word(words.z), scale.word(words.w)});
      }
    }
    DEV_NO_UNROLL for (int32_t tile = 0; tile < tiles.end; tile++) {
      const bool sees = warp.sees(tile);
      warp.begin_tile();
      DEV_NO_UNROLL for (int slab = 0; slab < Config::kSlabs; slab++) {
        const uint32_t keys_slab = ring.next();
        if (sees) warp.multiply_keys(keys_slab, slab);
      }
      if (sees) warp.softmax(tile);
      multiply_all_values<0, Config>(warp, ring, sees);
    }
  }

  // Addresses of the output are made here, not kept through the loop.
  const int64_t first_row = static_cast<int32_t>(dev::opaque(static_cast<uint32_t>(document.first_query)));
  const int64_t head = static_cast<int32_t>(dev::opaque(static_cast<uint32_t>(work.head)));
  float* const log_sum_exp = problem.log_sum_exp == nullptr ? nullptr : problem.log_sum_exp + head * problem.log_sum_exp_stride + first_row;
  char* const output = problem.output.data + first_row * problem.output.row_stride + head * problem.head_size * 4;
  warp.finish(output, problem.output.row_stride, problem.head_size, launch.output_aligned != 0, log_sum_exp);
}

}  // namespace mm1
