// The backward of attention in bfloat16 by mma.sync m16n8k16, float32 sums.
//
// Maths      of a block of keys, for each query head of the group ascending, and each query tile from the last to the first that sees it:
//              S^T = key query^T;  P^T = exp2(scale_log2 S^T - row's log-sum-exp);  dP^T = value output_gradient^T
//              dS^T = P^T (dP^T - row's D);  value_gradient += P^T output_gradient;  key_gradient += dS^T query;  query_gradient += dS key
//            scale goes onto key_gradient and query_gradient once, at their end. P and dS are rounded to bfloat16 for their products.
// Order      gradients of keys and values: heads ascending, query tiles descending, queries ascending in steps of 16. Query gradients:
//            blocks of keys ascending, keys ascending in steps of 16. Fixed by head_size and the document alone.
// Layout     in dynamic shared memory: keys, values [keys, head_size], two stages of queries, one of output gradients [queries, head_size],
//            two stages of statistics, score gradients dS^T [keys, queries]; AttentionTile and ScoreRows, no bank conflicts.
// Roles      a warp has 16 keys: its P^T and dS^T are accumulators that become fragments of the next product as they are, only dS passes
//            through shared memory, for query_gradient, where a warp has 16 queries and a range of columns. With head size 256 two warps
//            share 16 keys, half of the columns each, and both compute P and dS.
//            iteration t     wait for queries t and output gradients t, barrier; start queries t + 1; S, dP, value_gradient; dS to shared
//                            memory, barrier; start output gradients t + 1; key_gradient, query_gradient
// Budget     attention_backward_budget in backward.h; 28 to 97 KB of shared memory, one barrier; every profile has room (plan_tests).
// Not here   wgmma and TMA (sm_90), packing of grouped heads into one tile.
#include "attention/backward_sum.cuh"
#include "attention/backward_tile.cuh"
#include "attention/fragments.cuh"
#include "dev/launch.h"
#include "dev/matrix.cuh"
#include "host/device.h"

namespace mm1 {

namespace {

// dS^T: rows of keys, 16-byte chunks of 8 queries, permuted as those of AttentionTile; rows of 32 bytes (16 queries) too.
template <int RowBytes>
struct ScoreRows {
  static constexpr int kRowBytes = RowBytes;
  static_assert(RowBytes == 32 || RowBytes == 64 || RowBytes == 128, "16, 32 or 64 queries");

  MM1_HOST_DEVICE static constexpr uint32_t offset(uint32_t row, uint32_t chunk) {
    const uint32_t turn = RowBytes == 128 ? row & 7u : RowBytes == 64 ? (row >> 1) & 3u : (row >> 2) & 1u;
    return row * RowBytes + ((chunk ^ turn) << 4);
  }
};

template <int Instance>
struct Tile {
  static constexpr AttentionBackwardTile kTile = kBfloat16BackwardTiles[Instance];
  static constexpr int kHeadSize = kTile.head_size;
  static constexpr int kQueries = kTile.queries;
  static constexpr int kKeys = kTile.keys;
  static constexpr int kWarps = kTile.warps;
  static constexpr int kThreads = kTile.threads();
  static constexpr int kColumnWarps = kWarps * 16 / kKeys;                   // Warps that share 16 keys.
  static constexpr int kColumns = kHeadSize / kColumnWarps;                  // Of key and value gradients in a warp.
  static constexpr int kPartTiles = kColumns <= 96 ? kColumns / 8 : 8;       // Tiles of 8 columns whose fragments are loaded at once.
  static constexpr int kParts = kColumns / 8 / kPartTiles;
  static constexpr int kQueryColumns = kHeadSize / (kWarps * 16 / kQueries); // Of query gradients in a warp.

  static constexpr int kSumValues = kQueryColumns / 2;                       // Of a query tile's gradient in a lane.
  static constexpr bool kTakesEarly = kSumValues <= 16;                      // Else there are no registers for it beside the products.

  using KeyTile = AttentionTile<2, kKeys, kHeadSize>;
  using QueryTile = AttentionTile<2, kQueries, kHeadSize>;
  using Scores = ScoreRows<kQueries * 2>;
  static constexpr int kKeyBytes = KeyTile::kBytes;
  static constexpr int kQueryBytes = QueryTile::kBytes;
  static constexpr int kStatisticBytes = kQueries * 8;
  static constexpr int kValuesAt = kKeyBytes;
  static constexpr int kQueriesAt = 2 * kKeyBytes;
  static constexpr int kGradientsAt = kQueriesAt + 2 * kQueryBytes;
  static constexpr int kScoresAt = kGradientsAt + kQueryBytes;
  static constexpr int kStatisticsAt = kScoresAt + kKeys * Scores::kRowBytes;
  static_assert(kStatisticsAt + 2 * kStatisticBytes == attention_backward_shared_bytes(false, kTile), "one table of shared memory");
};

template <int R, int C>
DEV_FN void clear(float (&sums)[R][C][4]) {
  DEV_UNROLL for (int i = 0; i < R; i++) {
    DEV_UNROLL for (int j = 0; j < C; j++) {
      DEV_UNROLL for (int e = 0; e < 4; e++) sums[i][j][e] = 0.0f;
    }
  }
}

// sums[16 keys, queries] = a[first_row .., head_size] b[queries, head_size]^T.
template <class T>
DEV_FN void multiply_rows(float (&sums)[1][T::kQueries / 8][4], uint32_t a_tile, uint32_t first_row, uint32_t b_tile) {
  const uint32_t lane = dev::opaque(dev::lane());
  clear(sums);
  DEV_UNROLL for (uint32_t step = 0; step < T::kHeadSize / 16; step++) {
    uint32_t a[1][4];
    uint32_t b[T::kQueries / 8][2];
    load_a<typename T::KeyTile>(a[0], a_tile, first_row, step, lane);
    DEV_UNROLL for (uint32_t j = 0; j < T::kQueries / 8; j += 2) {
      load_b_of_rows<typename T::QueryTile>(b[j], b[j + 1], b_tile, j * 8, step, lane);
    }
    dev::mma_bf16_tile(sums, a, b);
  }
}

// Gradients of 16 keys in one warp: parts of 8 columns times kPartTiles.
template <class T>
struct KeyGradients {
  float sums[T::kParts][1][T::kPartTiles][4];
};

// gradients[16 keys, columns] += a[16 keys, queries] b[queries, columns]: a in registers.
template <class T>
DEV_FN void add_gradients(KeyGradients<T>& gradients, const uint32_t (&a)[T::kQueries / 16][4], uint32_t b_tile, uint32_t first_column) {
  const uint32_t lane = dev::opaque(dev::lane());
  DEV_UNROLL for (uint32_t step = 0; step < T::kQueries / 16; step++) {
    const uint32_t own[1][4] = {{a[step][0], a[step][1], a[step][2], a[step][3]}};
    DEV_UNROLL for (uint32_t part = 0; part < T::kParts; part++) {
      uint32_t b[T::kPartTiles][2];
      DEV_UNROLL for (uint32_t j = 0; j < T::kPartTiles; j += 2) {
        load_b_of_columns<typename T::QueryTile>(b[j], b[j + 1], b_tile, step, first_column / 8 + part * T::kPartTiles + j, lane);
      }
      dev::mma_bf16_tile(gradients.sums[part], own, b);
    }
  }
}

// One exchange of transpose_four: words `Low` and `High` between lanes that are `High - Low` apart.
template <int Low, int High>
DEV_FN void exchange(uint32_t (&words)[4]) {
  const bool upper = (dev::lane() & static_cast<uint32_t>(High - Low)) != 0;
  const uint32_t received = dev::shfl_xor(upper ? words[Low] : words[High], High - Low);
  words[Low] = upper ? received : words[Low];
  words[High] = upper ? words[High] : received;
}

// Four neighbouring lanes each hold one word of four rows of words; afterwards each holds one row.
DEV_FN void transpose_four(uint32_t (&words)[4]) {
  exchange<0, 1>(words);
  exchange<2, 3>(words);
  exchange<0, 2>(words);
  exchange<1, 3>(words);
}

// Rounds and writes an accumulator of 16 rows, times `factor`, to rows of `stride` bytes; rows from rows_left and columns from columns_left
// on are not written. Four lanes write 64 bytes of a row: two whole sectors.
template <int Tiles>
DEV_FN void store_rows(const float (&sums)[Tiles][4], float factor, char* target, int64_t stride, int32_t rows_left, int32_t columns_left,
                       bool aligned) {
  static_assert(Tiles % 4 == 0, "4 tiles of 8 columns at once");
  const int32_t quarter = static_cast<int32_t>(dev::lane() % 4);
  DEV_UNROLL for (int32_t first = 0; first < Tiles; first += 4) {
    DEV_UNROLL for (int32_t half = 0; half < 2; half++) {
      const int32_t row = half * 8 + static_cast<int32_t>(dev::lane() / 4);
      uint32_t words[4];
      DEV_UNROLL for (int i = 0; i < 4; i++) {
        words[i] = dev::pack_bf16(dev::multiply(sums[first + i][half * 2], factor), dev::multiply(sums[first + i][half * 2 + 1], factor));
      }
      if (aligned) {
        transpose_four(words);
        const int32_t column = (first + quarter) * 8;
        if (row < rows_left && column < columns_left) {
          dev::st_global_16(target + row * stride + column * 2, uint4{words[0], words[1], words[2], words[3]});
        }
        continue;
      }
      DEV_UNROLL for (int i = 0; i < 4; i++) {
        const int32_t column = (first + i) * 8 + quarter * 2;
        if (row < rows_left && column < columns_left) {
          dev::st_global_2(target + row * stride + column * 2, static_cast<uint16_t>(words[i] & 0xffffu));
          dev::st_global_2(target + row * stride + column * 2 + 2, static_cast<uint16_t>(words[i] >> 16));
        }
      }
    }
  }
}

// Probabilities and their gradients of 16 keys from the scores: in place, then as fragments of 16 keys by 16 queries.
template <class T>
DEV_FN void probabilities(float (&s)[1][T::kQueries / 8][4], float (&dp)[1][T::kQueries / 8][4],
                          uint32_t (&p_fragments)[T::kQueries / 16][4], uint32_t (&ds_fragments)[T::kQueries / 16][4],
                          uint32_t statistics, float scale_log2, bool masked, const AttentionDocument& document, int32_t first_query,
                          int32_t first_key) {
  const uint32_t lane = dev::opaque(dev::lane());
  DEV_UNROLL for (uint32_t j = 0; j < T::kQueries / 8; j++) {
    // Of two neighbouring queries: log-sum-exp, D, log-sum-exp, D.
    const uint4 rows = dev::ld_shared_16(statistics + (j * 8 + (lane & 3) * 2) * 8);
    const float log_sum_exp[2] = {dev::u2f(rows.x), dev::u2f(rows.z)};
    const float d[2] = {dev::u2f(rows.y), dev::u2f(rows.w)};
    DEV_UNROLL for (int e = 0; e < 4; e++) {
      const float p = dev::exp2_approx(dev::fused_multiply_add(s[0][j][e], scale_log2, -log_sum_exp[e & 1]));
      s[0][j][e] = p;
      dp[0][j][e] = dev::multiply(p, dev::add(dp[0][j][e], -d[e & 1]));
    }
    if (masked) {
      DEV_UNROLL for (int e = 0; e < 4; e++) {
        const int32_t query = first_query + static_cast<int32_t>(j * 8 + (lane & 3) * 2) + (e & 1);
        const int32_t key = first_key + static_cast<int32_t>(lane >> 2) + (e >> 1) * 8;
        if (key >= document.visible(query)) {
          s[0][j][e] = 0.0f;
          dp[0][j][e] = 0.0f;
        }
      }
    }
  }
  DEV_UNROLL for (int step = 0; step < T::kQueries / 16; step++) {
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      const int j = step * 2 + i / 2;
      const int e = i % 2 * 2;
      p_fragments[step][i] = dev::pack_bf16(s[0][j][e], s[0][j][e + 1]);
      ds_fragments[step][i] = dev::pack_bf16(dp[0][j][e], dp[0][j][e + 1]);
    }
  }
}

// One block's walk over query tiles: head after head, tiles from the last to the first.
struct Walk {
  int32_t head;
  int32_t tile;
};

template <class T>
DEV_FN void load_queries(const AttentionBackwardProblem& p, const AttentionDocument& document, const Walk& walk, uint32_t shared,
                         uint32_t stage, uint32_t thread) {
  const int32_t first = walk.tile * T::kQueries;
  const int64_t row = document.first_query + first;
  const int32_t left = document.queries - first;
  const int64_t column = static_cast<int64_t>(walk.head) * p.forward.head_size * 2;
  load_rows<typename T::QueryTile, T::kThreads>(shared + T::kQueriesAt + stage * T::kQueryBytes, p.forward.query, row, column, left,
                                                p.forward.head_size * 2, p.aligned_inputs, thread);
  load_statistics<T::kQueries>(shared + T::kStatisticsAt + stage * T::kStatisticBytes,
                               p.rows + (static_cast<int64_t>(walk.head) * p.forward.queries.tokens + row) * 2, left, thread);
}

template <class T>
DEV_FN void load_output_gradients(const AttentionBackwardProblem& p, const AttentionDocument& document, const Walk& walk, uint32_t shared,
                                  uint32_t thread) {
  const int32_t first = walk.tile * T::kQueries;
  const int64_t column = static_cast<int64_t>(walk.head) * p.forward.head_size * 2;
  load_rows<typename T::QueryTile, T::kThreads>(shared + T::kGradientsAt, p.output_gradient, document.first_query + first, column,
                                                document.queries - first, p.forward.head_size * 2, p.aligned_inputs, thread);
}

// sums[16 queries, columns] = dS key of this warp's queries and columns.
template <class T>
DEV_FN void multiply_scores(float (&sums)[1][T::kQueryColumns / 8][4], uint32_t shared, uint32_t first_row, uint32_t first_column) {
  const uint32_t lane = dev::opaque(dev::lane());
  const uint32_t matrix = lane >> 3;
  clear(sums);
  DEV_UNROLL for (uint32_t step = 0; step < T::kKeys / 16; step++) {
    const uint32_t key = step * 16 + (matrix >> 1) * 8 + (lane & 7);
    uint32_t a[1][4];
    uint32_t b[T::kQueryColumns / 8][2];
    dev::ldmatrix_x4_trans(a[0], shared + T::kScoresAt + T::Scores::offset(key, first_row / 8 + (matrix & 1)));
    DEV_UNROLL for (uint32_t j = 0; j < T::kQueryColumns / 8; j += 2) {
      load_b_of_columns<typename T::KeyTile>(b[j], b[j + 1], shared, step, first_column / 8 + j, lane);
    }
    dev::mma_bf16_tile(sums, a, b);
  }
}

template <int Instance>
DEV_KERNEL DEV_BOUNDS(Tile<Instance>::kThreads, Tile<Instance>::kTile.resident_blocks)
    attention_backward_bfloat16(const DEV_GRID_CONST AttentionBackwardProblem p) {
  using T = Tile<Instance>;
  const uint32_t thread = dev::tid();
  const uint32_t warp = thread / 32;
  const uint32_t shared = dev::smem_addr(dev::dynamic_smem());
  const BackwardItem item = draw_item(p);
  const AttentionDocument& document = item.document;
  const int32_t first_key = item.block * T::kKeys;
  if (item.block < 0 || first_key >= document.keys) return;

  const int64_t key_row = document.first_key + first_key;
  const int64_t key_column = static_cast<int64_t>(item.key_head) * p.forward.head_size * 2;
  const int32_t keys_left = document.keys - first_key;
  const QueryTiles tiles = query_tiles(document, first_key, T::kKeys, T::kQueries);
  const int32_t group = p.forward.group;
  const int32_t end_head = (item.key_head + 1) * group;
  Walk walk{item.key_head * group, tiles.end - 1};
  const bool any = tiles.begin < tiles.end && group > 0;

  KeyGradients<T> key_gradient;
  KeyGradients<T> value_gradient;
  DEV_UNROLL for (int part = 0; part < T::kParts; part++) {
    clear(key_gradient.sums[part]);
    clear(value_gradient.sums[part]);
  }
  constexpr uint32_t kColumnGroups = T::kWarps * 16 / T::kQueries;
  const uint32_t sum_row = warp / kColumnGroups * 16;  // Of this warp's part of a query tile.
  const uint32_t sum_column = warp % kColumnGroups * T::kQueryColumns;
  OrderedSum<T::kSumValues> ordered(item.block);
  const uint32_t own_row = warp / T::kColumnWarps * 16;
  const uint32_t own_column = warp % T::kColumnWarps * T::kColumns;

  if (any) {
    load_rows<typename T::KeyTile, T::kThreads>(shared, p.forward.key, key_row, key_column, keys_left, p.forward.head_size * 2,
                                                p.aligned_inputs, thread);
    load_rows<typename T::KeyTile, T::kThreads>(shared + T::kValuesAt, p.forward.value, key_row, key_column, keys_left,
                                                p.forward.head_size * 2, p.aligned_inputs, thread);
    load_queries<T>(p, document, walk, shared, 0, thread);
    load_output_gradients<T>(p, document, walk, shared, thread);
    dev::cp_async_commit();
  }
  uint32_t stage = 0;
  DEV_NO_UNROLL for (bool more = any; more; stage ^= 1) {
    Walk next{walk.head, walk.tile - 1};
    if (next.tile < tiles.begin) next = Walk{walk.head + 1, tiles.end - 1};
    more = next.head < end_head;
    dev::cp_async_wait<0>();
    dev::sync_block();  // All have arrived, and all warps are done with the queries and score gradients of the last iteration.
    if (more) load_queries<T>(p, document, next, shared, stage ^ 1, thread);
    ordered.publish();

    const uint32_t queries = shared + T::kQueriesAt + stage * T::kQueryBytes;
    uint32_t ds[T::kQueries / 16][4];
    {
      float scores[1][T::kQueries / 8][4];
      float gradients[1][T::kQueries / 8][4];
      uint32_t probability[T::kQueries / 16][4];
      multiply_rows<T>(scores, shared, own_row, queries);
      multiply_rows<T>(gradients, shared + T::kValuesAt, own_row, shared + T::kGradientsAt);
      const bool masked = walk.tile < tiles.whole || keys_left < T::kKeys;
      probabilities<T>(scores, gradients, probability, ds, shared + T::kStatisticsAt + stage * T::kStatisticBytes, p.scale_log2, masked,
                       document, walk.tile * T::kQueries, first_key + static_cast<int32_t>(own_row));
      add_gradients<T>(value_gradient, probability, shared + T::kGradientsAt, own_column);
    }
    if (own_column == 0) {
      const uint32_t lane = dev::opaque(dev::lane());
      DEV_UNROLL for (uint32_t step = 0; step < T::kQueries / 16; step++) {
        DEV_UNROLL for (uint32_t i = 0; i < 4; i++) {
          const uint32_t place = T::Scores::offset(own_row + lane / 4 + i % 2 * 8, step * 2 + i / 2) + lane % 4 * 4;
          dev::st_shared_4(shared + T::kScoresAt + place, ds[step][i]);
        }
      }
    }
    dev::sync_block();  // All warps are done with the output gradients, and all score gradients are there.
    if (more) load_output_gradients<T>(p, document, next, shared, thread);
    dev::cp_async_commit();

    const SumPlace place = sum_place<T>(p, document, item.index, item.block, walk.head, walk.tile, warp);
    float before[T::kSumValues];
    if (T::kTakesEarly) ordered.take(before, place.part, place.flag);
    add_gradients<T>(key_gradient, ds, queries, own_column);
    float sums[1][T::kQueryColumns / 8][4];
    multiply_scores<T>(sums, shared, sum_row, sum_column);
    if (!T::kTakesEarly) ordered.take(before, place.part, place.flag);
    float values[T::kSumValues];
    DEV_UNROLL for (int i = 0; i < T::kSumValues; i++) values[i] = dev::add(before[i], sums[0][i / 4][i % 4]);
    if (place.last) {
      DEV_UNROLL for (int i = 0; i < T::kSumValues; i++) sums[0][i / 4][i % 4] = values[i];
      const int32_t row = walk.tile * T::kQueries + static_cast<int32_t>(sum_row);
      const int64_t column = static_cast<int64_t>(walk.head) * p.forward.head_size + sum_column;
      store_rows(sums[0], p.forward.scale, p.query_gradient.data + (document.first_query + row) * p.query_gradient.row_stride + column * 2,
                 p.query_gradient.row_stride, document.queries - row, p.forward.head_size - static_cast<int32_t>(sum_column),
                 p.aligned_outputs);
    } else {
      ordered.give(values, place.part, place.flag);
    }
    walk = next;
  }
  ordered.publish();

  const int32_t rows_left = keys_left - static_cast<int32_t>(own_row);
  DEV_UNROLL for (int32_t part = 0; part < T::kParts; part++) {
    const int32_t first_column = static_cast<int32_t>(own_column) + part * T::kPartTiles * 8;
    const int64_t row = key_row + own_row;
    const int64_t column = key_column + first_column * 2;
    const int32_t columns_left = p.forward.head_size - first_column;
    store_rows(key_gradient.sums[part][0], p.forward.scale, p.key_gradient.data + row * p.key_gradient.row_stride + column,
               p.key_gradient.row_stride, rows_left, columns_left, p.aligned_outputs);
    store_rows(value_gradient.sums[part][0], 1.0f, p.value_gradient.data + row * p.value_gradient.row_stride + column,
               p.value_gradient.row_stride, rows_left, columns_left, p.aligned_outputs);
  }
}

template <int Instance>
mm1_status launch(mm1_stream stream, const AttentionBackwardProblem& problem, const AttentionBackwardPlan& plan) {
  if (plan.tile.head_size != kBfloat16BackwardTiles[Instance].head_size) {
    if constexpr (Instance + 1 < static_cast<int>(sizeof(kBfloat16BackwardTiles) / sizeof(kBfloat16BackwardTiles[0]))) {
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
  const dev::LaunchStatus status = dev::launch(config, attention_backward_bfloat16<Instance>, problem);
  return launched("flash_attention_backward", status.code, status.text);
}

}  // namespace

mm1_status launch_attention_backward_bfloat16(mm1_stream stream, const AttentionBackwardProblem& problem,
                                              const AttentionBackwardPlan& plan) {
  return launch<0>(stream, problem, plan);
}

}  // namespace mm1
