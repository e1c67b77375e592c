// The backward of attention in true float32: fused multiply-adds, never tf32.
//
// Maths      as backward_bfloat16.cu, but P and dS stay float32, and P = exp(scale S - row's log-sum-exp) of the forward's scores (softmax.cuh).
//            dP and the row's D are chains over the columns alike, so that they cancel to the bit where one key has all of the weight.
// Order      one chain of fused multiply-adds an element: scores over columns ascending, gradients of keys and values over heads ascending,
//            query tiles descending, queries ascending; query gradients over keys ascending in a block, blocks ascending.
// Layout     in dynamic shared memory: keys, values [keys, head_size], queries, output gradients [queries, head_size], statistics, P and dS
//            [queries, keys]; AttentionTile and ScoreRows, no bank conflicts.
// Roles      256 threads. Scores: 16 by 16 threads, each queries / 16 by keys / 16. Gradients of keys and values: 4 keys by 4 columns a
//            thread. Query gradients: 4 columns of one to four queries.
//            iteration       barrier; copies of queries and output gradients, wait, barrier; scores, P and dS to shared memory, barrier;
//                            the three gradients. Another block of the SM runs while one waits.
// Budget     attention_backward_budget in backward.h; 64 to 72 KB of shared memory, one barrier; every profile has room (plan_tests).
// Not here   two stages of queries: a second block of the SM hides as much.
#include "attention/backward_sum.cuh"
#include "attention/backward_tile.cuh"
#include "attention/softmax.cuh"
#include "dev/launch.h"
#include "host/device.h"

namespace mm1 {

namespace {

// [queries, keys] floats; chunks of 4 keys permuted so that neighbouring rows lie in different halves of the banks.
template <int Keys>
struct ScoreRows {
  MM1_HOST_DEVICE static constexpr uint32_t offset(uint32_t row, uint32_t chunk) {
    const uint32_t turn = Keys >= 32 ? (row & 1u) << 2 | ((row >> 1) & 3u) : 0u;
    return row * Keys * 4 + ((chunk ^ turn) << 4);
  }
};

template <int Instance>
struct Tile {
  static constexpr AttentionBackwardTile kTile = kFloat32BackwardTiles[Instance];
  static constexpr int kHeadSize = kTile.head_size;
  static constexpr int kQueries = kTile.queries;
  static constexpr int kKeys = kTile.keys;
  static constexpr int kThreads = kTile.threads();
  static constexpr int kWarps = kTile.warps;
  static constexpr int kScoreQueries = kQueries / 16;  // Scores of a thread.
  static constexpr int kScoreKeys = kKeys / 16;
  static constexpr int kColumnThreads = kHeadSize / 4;
  static constexpr int kGradientQueries = kQueries * kHeadSize / 4 / kThreads;
  static_assert(kThreads == 256 && kKeys * kHeadSize == 16 * kThreads, "4 keys by 4 columns a thread");

  using KeyTile = AttentionTile<4, kKeys, kHeadSize>;
  using QueryTile = AttentionTile<4, kQueries, kHeadSize>;
  using Scores = ScoreRows<kKeys>;
  static constexpr int kKeyBytes = KeyTile::kBytes;
  static constexpr int kQueryBytes = QueryTile::kBytes;
  static constexpr int kScoreBytes = kQueries * kKeys * 4;
  static constexpr int kValuesAt = kKeyBytes;
  static constexpr int kQueriesAt = 2 * kKeyBytes;
  static constexpr int kGradientsAt = kQueriesAt + kQueryBytes;
  static constexpr int kProbabilitiesAt = kGradientsAt + kQueryBytes;
  static constexpr int kScoresAt = kProbabilitiesAt + kScoreBytes;
  static constexpr int kStatisticsAt = kScoresAt + kScoreBytes;
  static_assert(kStatisticsAt + kQueries * 8 == attention_backward_shared_bytes(true, kTile), "one table of shared memory");
};

DEV_FN void load_four(float (&values)[4], uint32_t address) {
  const uint4 four = dev::ld_shared_16(address);
  values[0] = dev::u2f(four.x);
  values[1] = dev::u2f(four.y);
  values[2] = dev::u2f(four.z);
  values[3] = dev::u2f(four.w);
}

// sums[i][j] = row (thread_row + 16 i) of a times row (thread_column + 16 j) of b.
template <class T>
DEV_FN void multiply_rows(float (&sums)[T::kScoreQueries][T::kScoreKeys], uint32_t a_tile, uint32_t row, uint32_t b_tile, uint32_t column) {
  const uint32_t thread_row = dev::opaque(row);  // Or the addresses of this loop would take registers around the caller's.
  const uint32_t thread_column = dev::opaque(column);
  DEV_UNROLL for (int i = 0; i < T::kScoreQueries; i++) {
    DEV_UNROLL for (int j = 0; j < T::kScoreKeys; j++) sums[i][j] = 0.0f;
  }
  DEV_NO_UNROLL for (uint32_t chunk = 0; chunk < T::kHeadSize / 4; chunk++) {
    float a[T::kScoreQueries][4];
    DEV_UNROLL for (uint32_t i = 0; i < T::kScoreQueries; i++) {
      load_four(a[i], a_tile + T::KeyTile::chunk_offset(thread_row + 16 * i, chunk));
    }
    DEV_UNROLL for (uint32_t j = 0; j < T::kScoreKeys; j++) {
      float b[4];
      load_four(b, b_tile + T::KeyTile::chunk_offset(thread_column + 16 * j, chunk));
      DEV_UNROLL for (int i = 0; i < T::kScoreQueries; i++) {
        DEV_UNROLL for (int k = 0; k < 4; k++) sums[i][j] = dev::fused_multiply_add(a[i][k], b[k], sums[i][j]);
      }
    }
  }
}

// P and dS of this thread's scores, into shared memory.
template <class T>
DEV_FN void store_probabilities(const float (&s)[T::kScoreQueries][T::kScoreKeys], const float (&dp)[T::kScoreQueries][T::kScoreKeys],
                                uint32_t shared, uint32_t own_row, uint32_t own_column, float scale, const AttentionDocument& document,
                                int32_t first_query, int32_t first_key) {
  const uint32_t thread_row = dev::opaque(own_row);
  const uint32_t thread_column = dev::opaque(own_column);
  DEV_UNROLL for (uint32_t i = 0; i < T::kScoreQueries; i++) {
    const uint32_t row = thread_row + 16 * i;
    const uint2 statistics = dev::ld_shared_8(shared + T::kStatisticsAt + row * 8);
    const int32_t visible = document.visible(first_query + static_cast<int32_t>(row));
    DEV_UNROLL for (uint32_t j = 0; j < T::kScoreKeys; j++) {
      const uint32_t key = thread_column + 16 * j;
      const bool seen = first_key + static_cast<int32_t>(key) < visible;
      // The forward's scaled score, to the bit, less its log-sum-exp.
      const float p = exponential(dev::multiply(s[i][j], scale), dev::u2f(statistics.x));
      const float ds = dev::multiply(p, dev::add(dp[i][j], -dev::u2f(statistics.y)));
      const uint32_t at = T::Scores::offset(row, key / 4) + key % 4 * 4;
      dev::st_shared_4(shared + T::kProbabilitiesAt + at, seen ? dev::f2u(p) : 0u);
      dev::st_shared_4(shared + T::kScoresAt + at, seen ? dev::f2u(ds) : 0u);
    }
  }
}

// sums[4 keys][4 columns] += scores[queries, keys]^T b[queries, columns], of this thread's keys and columns.
template <class T>
DEV_FN void add_gradients(float (&sums)[4][4], uint32_t scores, uint32_t key_place, uint32_t b_tile, uint32_t column_place) {
  const uint32_t key_chunk = dev::opaque(key_place);
  const uint32_t column_chunk = dev::opaque(column_place);
  DEV_NO_UNROLL for (uint32_t first = 0; first < T::kQueries; first += 4) {
    DEV_UNROLL for (uint32_t query = first; query < first + 4; query++) {
      float a[4];
      float b[4];
      load_four(a, scores + T::Scores::offset(query, key_chunk));
      load_four(b, b_tile + T::KeyTile::chunk_offset(query, column_chunk));
      DEV_UNROLL for (int i = 0; i < 4; i++) {
        DEV_UNROLL for (int j = 0; j < 4; j++) sums[i][j] = dev::fused_multiply_add(a[i], b[j], sums[i][j]);
      }
    }
  }
}

// Writes 4 neighbouring columns, times `factor`.
DEV_FN void store_four(char* target, float factor, const float* values, bool aligned) {
  uint32_t words[4];
  DEV_UNROLL for (int i = 0; i < 4; i++) words[i] = dev::f2u(dev::multiply(values[i], factor));
  if (aligned) {
    dev::st_global_16(target, uint4{words[0], words[1], words[2], words[3]});
    return;
  }
  DEV_UNROLL for (int i = 0; i < 4; i++) dev::st_global_4(target + i * 4, words[i]);
}

// values[rows][4 columns] = dS key of this thread's queries and columns.
template <class T>
DEV_FN void multiply_scores(float (&values)[T::kGradientQueries * 4], uint32_t shared, uint32_t row, uint32_t column_place) {
  const uint32_t first_row = dev::opaque(row);
  const uint32_t column_chunk = dev::opaque(column_place);
  DEV_UNROLL for (int i = 0; i < T::kGradientQueries * 4; i++) values[i] = 0.0f;
  DEV_NO_UNROLL for (uint32_t chunk = 0; chunk < T::kKeys / 4; chunk++) {
    float a[T::kGradientQueries][4];
    DEV_UNROLL for (uint32_t i = 0; i < T::kGradientQueries; i++) {
      load_four(a[i], shared + T::kScoresAt + T::Scores::offset(first_row + i, chunk));
    }
    DEV_UNROLL for (uint32_t k = 0; k < 4; k++) {
      float b[4];
      load_four(b, shared + T::KeyTile::chunk_offset(chunk * 4 + k, column_chunk));
      DEV_UNROLL for (int i = 0; i < T::kGradientQueries; i++) {
        DEV_UNROLL for (int j = 0; j < 4; j++) values[i * 4 + j] = dev::fused_multiply_add(a[i][k], b[j], values[i * 4 + j]);
      }
    }
  }
}

// Writes a query gradient: this thread's rows and columns of the tile.
template <class T>
DEV_FN void store_query_gradient(const AttentionBackwardProblem& p, const AttentionDocument& document, int32_t head, int32_t first_row,
                                 uint32_t column_chunk, const float (&values)[T::kGradientQueries * 4]) {
  const int32_t column = static_cast<int32_t>(column_chunk) * 4;
  if (column >= p.forward.head_size) return;
  DEV_UNROLL for (int i = 0; i < T::kGradientQueries; i++) {
    const int32_t row = first_row + i;
    if (row >= document.queries) break;
    store_four(p.query_gradient.data + (document.first_query + row) * p.query_gradient.row_stride +
                   (static_cast<int64_t>(head) * p.forward.head_size + column) * 4,
               p.forward.scale, values + i * 4, p.aligned_outputs);
  }
}

template <int Instance>
DEV_KERNEL DEV_BOUNDS(Tile<Instance>::kThreads, Tile<Instance>::kTile.resident_blocks)
    attention_backward_float32(const DEV_GRID_CONST AttentionBackwardProblem p) {
  using T = Tile<Instance>;
  const uint32_t thread = dev::tid();
  const uint32_t shared = dev::smem_addr(dev::dynamic_smem());
  const BackwardItem item = draw_item(p);
  const AttentionDocument& document = item.document;
  const int32_t first_key = item.block * T::kKeys;
  if (item.block < 0 || first_key >= document.keys) return;

  const int64_t key_row = document.first_key + first_key;
  const int64_t key_column = static_cast<int64_t>(item.key_head) * p.forward.head_size * 4;
  const int32_t keys_left = document.keys - first_key;
  const int32_t bytes = p.forward.head_size * 4;
  const QueryTiles tiles = query_tiles(document, first_key, T::kKeys, T::kQueries);
  const int32_t group = p.forward.group;

  const uint32_t key_chunk = thread / T::kColumnThreads;
  const uint32_t column_chunk = thread % T::kColumnThreads;
  const uint32_t sum_row = key_chunk * T::kGradientQueries;  // Of this thread's part of a query tile.
  OrderedSum<T::kGradientQueries * 4> ordered(item.block);
  const uint32_t thread_row = thread / 16;
  const uint32_t thread_column = thread % 16;
  float key_gradient[4][4];
  float value_gradient[4][4];
  DEV_UNROLL for (int i = 0; i < 4; i++) {
    DEV_UNROLL for (int j = 0; j < 4; j++) key_gradient[i][j] = value_gradient[i][j] = 0.0f;
  }

  if (tiles.begin < tiles.end) {
    load_rows<typename T::KeyTile, T::kThreads>(shared, p.forward.key, key_row, key_column, keys_left, bytes, p.aligned_inputs, thread);
    load_rows<typename T::KeyTile, T::kThreads>(shared + T::kValuesAt, p.forward.value, key_row, key_column, keys_left, bytes,
                                                p.aligned_inputs, thread);
  }
  DEV_NO_UNROLL for (int32_t head = item.key_head * group; head < (item.key_head + 1) * group; head++) {
    DEV_NO_UNROLL for (int32_t tile = tiles.end - 1; tile >= tiles.begin; tile--) {
      const int32_t first_query = tile * T::kQueries;
      const int64_t row = document.first_query + first_query;
      const int32_t left = document.queries - first_query;
      const int64_t column = static_cast<int64_t>(head) * bytes;
      dev::sync_block();  // All threads are done with the last tile.
      load_rows<typename T::QueryTile, T::kThreads>(shared + T::kQueriesAt, p.forward.query, row, column, left, bytes, p.aligned_inputs,
                                                    thread);
      load_rows<typename T::QueryTile, T::kThreads>(shared + T::kGradientsAt, p.output_gradient, row, column, left, bytes,
                                                    p.aligned_inputs, thread);
      load_statistics<T::kQueries>(shared + T::kStatisticsAt, p.rows + (static_cast<int64_t>(head) * p.forward.queries.tokens + row) * 2,
                                   left, thread);
      dev::cp_async_commit();
      ordered.publish();
      dev::cp_async_wait<0>();
      dev::sync_block();
      {
        float scores[T::kScoreQueries][T::kScoreKeys];
        float gradients[T::kScoreQueries][T::kScoreKeys];
        multiply_rows<T>(scores, shared + T::kQueriesAt, thread_row, shared, thread_column);
        multiply_rows<T>(gradients, shared + T::kGradientsAt, thread_row, shared + T::kValuesAt, thread_column);
        store_probabilities<T>(scores, gradients, shared, thread_row, thread_column, p.forward.scale, document, first_query, first_key);
      }
      dev::sync_block();
      const SumPlace place = sum_place<T>(p, document, item.index, item.block, head, tile, thread / 32);
      float before[T::kGradientQueries * 4];
      float values[T::kGradientQueries * 4];
      add_gradients<T>(value_gradient, shared + T::kProbabilitiesAt, key_chunk, shared + T::kGradientsAt, column_chunk);
      add_gradients<T>(key_gradient, shared + T::kScoresAt, key_chunk, shared + T::kQueriesAt, column_chunk);
      multiply_scores<T>(values, shared, sum_row, column_chunk);
      ordered.take(before, place.part, place.flag);
      DEV_UNROLL for (int i = 0; i < T::kGradientQueries * 4; i++) values[i] = dev::add(before[i], values[i]);
      if (place.last) {
        store_query_gradient<T>(p, document, head, first_query + static_cast<int32_t>(sum_row), column_chunk, values);
      } else {
        ordered.give(values, place.part, place.flag);
      }
    }
  }
  ordered.publish();

  const int32_t column = static_cast<int32_t>(column_chunk) * 4;
  if (column >= p.forward.head_size) return;
  DEV_UNROLL for (int i = 0; i < 4; i++) {
    const int32_t row = static_cast<int32_t>(key_chunk) * 4 + i;
    if (row >= keys_left) break;
    const int64_t at = key_column + column * 4;
    store_four(p.key_gradient.data + (key_row + row) * p.key_gradient.row_stride + at, p.forward.scale, key_gradient[i], p.aligned_outputs);
    store_four(p.value_gradient.data + (key_row + row) * p.value_gradient.row_stride + at, 1.0f, value_gradient[i], p.aligned_outputs);
  }
}

template <int Instance>
mm1_status launch(mm1_stream stream, const AttentionBackwardProblem& problem, const AttentionBackwardPlan& plan) {
  if (plan.tile.head_size != kFloat32BackwardTiles[Instance].head_size) {
    if constexpr (Instance + 1 < static_cast<int>(sizeof(kFloat32BackwardTiles) / sizeof(kFloat32BackwardTiles[0]))) {
      return launch<Instance + 1>(stream, problem, plan);
    } else {
      return fail(MM1_STATUS_INTERNAL_ERROR, "flash_attention_backward: no instance for head_size %d.", plan.tile.head_size);
    }
  }
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(plan.order.count()), 1, 1};
  config.block = {static_cast<uint32_t>(plan.tile.threads()), 1, 1};
  config.shared_bytes = static_cast<size_t>(plan.shared_bytes);
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, attention_backward_float32<Instance>, problem);
  return launched("flash_attention_backward", status.code, status.text);
}

}  // namespace

mm1_status launch_attention_backward_float32(mm1_stream stream, const AttentionBackwardProblem& problem,
                                             const AttentionBackwardPlan& plan) {
  return launch<0>(stream, problem, plan);
}

}  // namespace mm1
