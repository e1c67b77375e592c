// The gradient of an embedding table from tokens grouped by id (token_sort.cu).
//
// Maths      table[id] = sum of gradient[t] over the tokens t of id, ascending, + beta * table[id]; float32.
// Order      fixed by the number of tokens of the id alone: pieces of 128 tokens, each summed in ascending order, added in ascending order.
// Layout     keys, order: ids and tokens, sorted. A piece that is not the first of its id begins at a place p of them; its sum lies in
//            row p / 128 - 1 of partial: pieces of one id are 128 apart, and the second piece of the next id begins later still, so no two
//            share a row.
// Roles      sum_pieces   a warp for each row of partial and 32 packs of columns; a window of 128 places has at most one such piece
//            sum_rows     a warp for each id and 32 packs of columns: the first piece and the sums of the others. With beta = 1 for
//                         each place where an id begins, else for each row of the table, which finds its tokens by a binary search.
// Budget     256 threads, no shared memory, about 64 registers. The id of a placeholder has thousands of tokens: pieces keep its sum short.
#include "dev/arithmetic.cuh"
#include "dev/launch.h"
#include "embedding/embedding.h"
#include "host/device.h"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

constexpr int kThreads = kEmbeddingThreads;
constexpr int kWarps = kThreads / 32;
constexpr int kAtOnce = 4;  // Rows on their way before the first is added.

template <class T>
constexpr int64_t kTile = 32 * kPackElements<T>;

// The first place from `low` on, below `high`, whose key is not below `key`.
DEV_FN int64_t lower_bound(const uint32_t* keys, int64_t low, int64_t high, uint32_t key) {
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (dev::ld_global_4(keys + middle) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Adds the rows of at most kScatterPiece tokens of `key` from place `begin` on. All lanes of the warp together.
template <class T, int Pack = kPackElements<T>>
DEV_FN void add_piece(const Scatter& scatter, uint32_t key, int64_t begin, int64_t column, int count, float (&sums)[Pack]) {
  const uint32_t* keys = scatter.sorted_keys;
  const uint32_t* order = scatter.sorted_order;
  for (int64_t group = begin; group < begin + kScatterPiece; group += 32) {
    const int64_t place = group + dev::lane();
    const bool mine = place < scatter.tokens && dev::ld_global_4(keys + place) == key;
    const uint32_t token = mine ? dev::ld_global_4(order + place) : 0;
    const uint32_t found = dev::ballot(mine);  // The tokens of one id are neighbours: ones, then zeros.
    for (int first = 0; first < 32 && (found >> first & 1) != 0; first += kAtOnce) {
      float values[kAtOnce][Pack];
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        const int64_t row = dev::shfl(token, first + j);
        const bool there = (found >> (first + j) & 1) != 0;
        load_pack(row_of<const T>(scatter.gradient, row) + column, scatter.packs_gradient != 0, there ? count : 0, values[j]);
      }
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        if ((found >> (first + j) & 1) == 0) continue;
        DEV_UNROLL for (int i = 0; i < Pack; i++) sums[i] = dev::add(sums[i], values[j][i]);
      }
    }
    if (found != dev::full) return;
  }
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kThreads) sum_pieces(const DEV_GRID_CONST Scatter scatter) {
  constexpr int kPack = kPackElements<T>;
  const uint32_t* keys = scatter.sorted_keys;
  const int64_t tiles = (scatter.width + kTile<T> - 1) / kTile<T>;
  const int64_t items = scatter.tokens / kScatterPiece * tiles;
  const int64_t step = static_cast<int64_t>(dev::nbid_x()) * kWarps;
  for (int64_t item = static_cast<int64_t>(dev::bid_x()) * kWarps + dev::tid() / 32; item < items; item += step) {
    const int64_t row = quotient(item, tiles);
    const int64_t window = (row + 1) * kScatterPiece;
    if (window >= scatter.tokens) continue;
    const uint32_t key = dev::ld_global_4(keys + window);
    if (key >= static_cast<uint32_t>(scatter.vocabulary)) continue;
    const int64_t begin = lower_bound(keys, 0, window, key);
    const int64_t place = begin + (window - begin + kScatterPiece - 1) / kScatterPiece * kScatterPiece;
    if (begin == window || place >= scatter.tokens || dev::ld_global_4(keys + place) != key) continue;
    const int64_t column = (item - row * tiles) * kTile<T> + dev::lane() * kPack;
    const int64_t left = scatter.width - column;
    const int count = left >= kPack ? kPack : left > 0 ? static_cast<int>(left) : 0;
    float sums[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = 0.0f;
    add_piece<T>(scatter, key, place, column, count, sums);
    store_floats(scatter.partial + row * scatter.width + column, scatter.width % 4 == 0, count, sums);
  }
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kThreads) sum_rows(const DEV_GRID_CONST Scatter scatter) {
  constexpr int kPack = kPackElements<T>;
  const uint32_t* keys = scatter.sorted_keys;
  const bool named_only = scatter.beta == 1.0f;
  const int64_t tiles = (scatter.width + kTile<T> - 1) / kTile<T>;
  const int64_t items = (named_only ? scatter.tokens : scatter.vocabulary) * tiles;
  const int64_t step = static_cast<int64_t>(dev::nbid_x()) * kWarps;
  for (int64_t item = static_cast<int64_t>(dev::bid_x()) * kWarps + dev::tid() / 32; item < items; item += step) {
    const int64_t number = quotient(item, tiles);
    uint32_t key;
    int64_t begin;
    if (named_only) {
      key = dev::ld_global_4(keys + number);
      begin = number;
      if (key >= static_cast<uint32_t>(scatter.vocabulary) || (begin > 0 && dev::ld_global_4(keys + begin - 1) == key)) continue;
    } else {
      key = static_cast<uint32_t>(number);
      begin = lower_bound(keys, 0, scatter.tokens, key);
    }
    const int64_t column = (item - number * tiles) * kTile<T> + dev::lane() * kPack;
    const int64_t left = scatter.width - column;
    const int count = left >= kPack ? kPack : left > 0 ? static_cast<int>(left) : 0;
    float sums[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = 0.0f;
    add_piece<T>(scatter, key, begin, column, count, sums);
    for (int64_t place = begin + kScatterPiece; place < scatter.tokens && dev::ld_global_4(keys + place) == key; place += kScatterPiece) {
      float more[kPack];
      load_floats(scatter.partial + (place / kScatterPiece - 1) * scatter.width + column, scatter.width % 4 == 0, count, more);
      DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = dev::add(sums[i], more[i]);
    }
    float* table = row_of<float>(scatter.table, key) + column;
    if (scatter.beta != 0.0f) {
      float old[kPack];
      load_floats(table, scatter.packs_table != 0, count, old);
      DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = dev::fused_multiply_add(scatter.beta, old[i], sums[i]);
    }
    store_floats(table, scatter.packs_table != 0, count, sums);
  }
}

template <class T>
mm1_status launch_typed(mm1_stream stream, const Scatter& scatter) {
  const int64_t tiles = (scatter.width + kTile<T> - 1) / kTile<T>;
  const int64_t most = int64_t{current_profile().multiprocessors} * kWalkBlocks;
  const auto blocks = [&](int64_t items) {
    const int64_t wanted = (items + kWarps - 1) / kWarps;
    return static_cast<uint32_t>(wanted < most ? wanted : most);
  };
  dev::LaunchConfig config;
  config.block = {kThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  if (scatter.tokens > kScatterPiece) {
    config.grid = {blocks(scatter.tokens / kScatterPiece * tiles), 1, 1};
    const dev::LaunchStatus status = dev::launch(config, sum_pieces<T>, scatter);
    MM1_RETURN_IF_FAILED(launched("embedding_scatter_add", status.code, status.text));
  }
  config.grid = {blocks((scatter.beta == 1.0f ? scatter.tokens : scatter.vocabulary) * tiles), 1, 1};
  const dev::LaunchStatus status = dev::launch(config, sum_rows<T>, scatter);
  return launched("embedding_scatter_add", status.code, status.text);
}

}  // namespace

mm1_status launch_scatter_sums(mm1_stream stream, bool is_float32, const Scatter& scatter) {
  return is_float32 ? launch_typed<float>(stream, scatter) : launch_typed<dev::bf16>(stream, scatter);
}

}  // namespace mm1
