// Groups tokens by id: a stable radix sort of (id, token) by digits of 8 bits, least significant first. No atomics: equal digits of a warp
// find each other by votes, so that tokens of one id stay in ascending order.
//
// Layout     keys and order [2, tokens]: one buffer is read while the other is written; counts [tiles, 256].
// Roles      count_digits    a block of 8 warps for each tile of 2048 tokens, a warp for 256 of them: how often each digit occurs
//            scan_digits     one block: where each tile's tokens of each digit begin, digits ascending, tiles ascending
//            place_tokens    as count_digits; writes every token to its place
// Budget     8 KB of shared memory, 256 threads, about 48 registers.
// Outside    ids outside the table get the key `vocabulary`: they come last and nobody reads them.
#include "dev/launch.h"
#include "embedding/embedding.h"
#include "host/device.h"

namespace mm1 {

struct SortPass {
  TokenIds ids;              // Of the first pass; data null later.
  const uint32_t* keys_in;
  const uint32_t* order_in;
  uint32_t* keys_out;
  uint32_t* order_out;
  uint32_t* counts;
  int64_t tokens;
  int64_t vocabulary;
  int64_t tiles;
  int32_t shift;
  int32_t reserved;
};

namespace {

constexpr int kThreads = kEmbeddingThreads;
constexpr int kWarps = kThreads / 32;
constexpr int kRounds = static_cast<int>(kSortTile) / kThreads;  // Tokens of one lane.
constexpr int kDigitsOfLane = kSortDigits / 32;

DEV_FN uint32_t bit_count(uint32_t x) {
  x = x - ((x >> 1) & 0x55555555u);
  x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
  return (((x + (x >> 4)) & 0x0f0f0f0fu) * 0x01010101u) >> 24;
}

DEV_FN uint32_t key_at(const SortPass& pass, int64_t token) {
  if (pass.ids.data == nullptr) return dev::ld_global_4(pass.keys_in + token);
  const int64_t id = pass.ids.is_64 ? static_cast<const int64_t*>(pass.ids.data)[token] : static_cast<const int32_t*>(pass.ids.data)[token];
  return static_cast<uint32_t>(id >= 0 && id < pass.vocabulary ? id : pass.vocabulary);
}

// Counts this warp's digits in `counters` [256] of its own, in the order of the tokens: ranks[r] is how many of the same digit came before.
DEV_FN void rank_tokens(const SortPass& pass, uint32_t* counters, uint32_t (&keys)[kRounds], uint32_t (&ranks)[kRounds]) {
  const int64_t first = static_cast<int64_t>(dev::bid_x()) * kSortTile + dev::tid() / 32 * (kRounds * 32);
  for (int i = 0; i < kDigitsOfLane; i++) counters[i * 32 + dev::lane()] = 0;
  DEV_UNROLL for (int round = 0; round < kRounds; round++) {
    const int64_t token = first + round * 32 + dev::lane();
    keys[round] = token < pass.tokens ? key_at(pass, token) : 0;
  }
  dev::sync_warp();
  DEV_UNROLL for (int round = 0; round < kRounds; round++) {
    const bool there = first + round * 32 + dev::lane() < pass.tokens;
    const uint32_t digit = keys[round] >> pass.shift & (kSortDigits - 1);
    uint32_t same = dev::ballot(there);
    DEV_UNROLL for (int bit = 0; bit < 8; bit++) {
      const bool set = (digit >> bit & 1) != 0;
      const uint32_t others = dev::ballot(set);
      same &= set ? others : ~others;
    }
    const uint32_t before = counters[digit];
    dev::sync_warp();
    ranks[round] = before + bit_count(same & ((1u << dev::lane()) - 1));
    if (there && (same & (0u - same)) == 1u << dev::lane()) counters[digit] = before + bit_count(same);
    dev::sync_warp();
  }
}

DEV_KERNEL DEV_BOUNDS(kThreads) count_digits(const DEV_GRID_CONST SortPass pass) {
  DEV_SHARED(uint32_t, counters, kWarps * kSortDigits);
  uint32_t keys[kRounds], ranks[kRounds];
  rank_tokens(pass, counters + dev::tid() / 32 * kSortDigits, keys, ranks);
  dev::sync_block();
  uint32_t count = 0;
  for (int warp = 0; warp < kWarps; warp++) count += counters[warp * kSortDigits + dev::tid()];
  dev::st_global_4(pass.counts + static_cast<int64_t>(dev::bid_x()) * kSortDigits + dev::tid(), count);
}

DEV_KERNEL DEV_BOUNDS(kThreads) scan_digits(const DEV_GRID_CONST SortPass pass) {
  DEV_SHARED(uint32_t, begins, kSortDigits);
  uint32_t* counts = pass.counts + dev::tid();
  uint32_t total = 0;
  for (int64_t tile = 0; tile < pass.tiles; tile++) total += dev::ld_global_4(counts + tile * kSortDigits);
  begins[dev::tid()] = total;
  dev::sync_block();
  if (dev::tid() < 32) {
    uint32_t sums[kDigitsOfLane];
    uint32_t sum = 0;
    DEV_UNROLL for (int i = 0; i < kDigitsOfLane; i++) {
      sums[i] = sum;
      sum += begins[dev::lane() * kDigitsOfLane + i];
    }
    uint32_t before = sum;
    DEV_UNROLL for (int distance = 1; distance < 32; distance *= 2) {
      const uint32_t other = dev::shfl_up(before, distance);
      if (dev::lane() >= static_cast<uint32_t>(distance)) before += other;
    }
    before -= sum;
    DEV_UNROLL for (int i = 0; i < kDigitsOfLane; i++) begins[dev::lane() * kDigitsOfLane + i] = before + sums[i];
  }
  dev::sync_block();
  uint32_t place = begins[dev::tid()];
  for (int64_t tile = 0; tile < pass.tiles; tile++) {
    const uint32_t count = dev::ld_global_4(counts + tile * kSortDigits);
    dev::st_global_4(counts + tile * kSortDigits, place);
    place += count;
  }
}

DEV_KERNEL DEV_BOUNDS(kThreads) place_tokens(const DEV_GRID_CONST SortPass pass) {
  DEV_SHARED(uint32_t, counters, kWarps * kSortDigits);
  uint32_t keys[kRounds], ranks[kRounds];
  uint32_t* own = counters + dev::tid() / 32 * kSortDigits;
  rank_tokens(pass, own, keys, ranks);
  dev::sync_block();
  uint32_t place = dev::ld_global_4(pass.counts + static_cast<int64_t>(dev::bid_x()) * kSortDigits + dev::tid());
  for (int warp = 0; warp < kWarps; warp++) {
    const uint32_t count = counters[warp * kSortDigits + dev::tid()];
    counters[warp * kSortDigits + dev::tid()] = place;
    place += count;
  }
  dev::sync_block();
  const int64_t first = static_cast<int64_t>(dev::bid_x()) * kSortTile + dev::tid() / 32 * (kRounds * 32);
  DEV_UNROLL for (int round = 0; round < kRounds; round++) {
    const int64_t token = first + round * 32 + dev::lane();
    if (token >= pass.tokens) continue;
    const uint32_t at = own[keys[round] >> pass.shift & (kSortDigits - 1)] + ranks[round];
    dev::st_global_4(pass.keys_out + at, keys[round]);
    dev::st_global_4(pass.order_out + at,
                     pass.ids.data != nullptr ? static_cast<uint32_t>(token) : dev::ld_global_4(pass.order_in + token));
  }
}

}  // namespace

mm1_status launch_token_sort(mm1_stream stream, Scatter* scatter) {
  SortPass pass{};
  pass.ids = scatter->ids;
  pass.counts = scatter->counts;
  pass.tokens = scatter->tokens;
  pass.vocabulary = scatter->vocabulary;
  pass.tiles = sort_tiles(scatter->tokens);
  dev::LaunchConfig config;
  config.block = {kThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const int passes = sort_passes(scatter->vocabulary);
  for (int number = 0; number < passes; number++) {
    pass.shift = 8 * number;
    pass.keys_out = scatter->keys[number % 2];
    pass.order_out = scatter->order[number % 2];
    config.grid = {static_cast<uint32_t>(pass.tiles), 1, 1};
    dev::LaunchStatus status = dev::launch(config, count_digits, pass);
    MM1_RETURN_IF_FAILED(launched("embedding_scatter_add", status.code, status.text));
    config.grid = {1, 1, 1};
    status = dev::launch(config, scan_digits, pass);
    MM1_RETURN_IF_FAILED(launched("embedding_scatter_add", status.code, status.text));
    config.grid = {static_cast<uint32_t>(pass.tiles), 1, 1};
    status = dev::launch(config, place_tokens, pass);
    MM1_RETURN_IF_FAILED(launched("embedding_scatter_add", status.code, status.text));
    pass.ids.data = nullptr;
    pass.keys_in = pass.keys_out;
    pass.order_in = pass.order_out;
  }
  scatter->sorted_keys = pass.keys_in;
  scatter->sorted_order = pass.order_in;
  return MM1_STATUS_OK;
}

}  // namespace mm1
