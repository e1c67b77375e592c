// Attention of new tokens against a KV cache, whatever the arithmetic.
//
// Maths      output = softmax(scale * query key^T) value over the keys that a row sees: lengths[b] - query_length + token + 1 of them.
// Blocks     one for each (sequence, key head, split of 256 keys, tile of 16 rows). The rows of a key head are its query heads within tokens:
//            grouped heads and the new tokens of a sequence share one load of the cache. Splits past a sequence's length do nothing.
// Warps      warp w of W takes the tiles of 16 keys w, w + W, ... of the split through a ring of its own (keys and values by turns), with its
//            own SoftmaxRow and weighted values of each row: warps meet once, at the end of the split.
// Order      keys within a warp ascending, warps ascending, splits ascending: constants of dtype and head size. A key that a row does not
//            see adds an exact zero, so a row's bits do not depend on query_length either.
// Splits     each leaves (power, sum, weighted values) in the workspace and takes a ticket; the block with the last one adds them up.
//            Nobody waits, so any number of resident blocks works.
// Layout     AttentionTile: neither copies nor fragments meet in a bank.
// Not here   heads above 256; log-sum-exp, which the verb does not return.
//
// An Arithmetic has the members Shape, query_offset(row, chunk), and for one warp: begin, scores (of one tile of keys), values (of the
// same), end (weighted values to a staged tile, powers and sums to `state`).
#pragma once
#include "attention/decode.h"
#include "attention/softmax.cuh"
#include "dev/arithmetic.cuh"
#include "dev/async_copy.cuh"
#include "dev/launch.h"
#include "host/device.h"
#include "host/error.h"
#include "tile/epilogue.cuh"
#include "tile/staged_tile.h"

namespace mm1 {

// 16 bytes of elements, one by one.
template <int ElementBytes>
DEV_FN uint4 load_chunk_by_elements(const char* from) {
  uint32_t words[4];
  DEV_UNROLL for (int i = 0; i < 4; i++) {
    if (ElementBytes == 4) {
      words[i] = dev::ld_global_4(from + i * 4);
    } else {
      const uint32_t low = dev::ld_global_2(from + i * 4);
      words[i] = low | static_cast<uint32_t>(dev::ld_global_2(from + i * 4 + 2)) << 16;
    }
  }
  return uint4{words[0], words[1], words[2], words[3]};
}

// What a block works on.
struct DecodeBlock {
  int64_t sequence;
  int64_t key_head;
  int64_t split;
  int64_t first_row;  // Of the sequence's and key head's rows.
  int rows;           // 1 to 16.
  int64_t item;       // sequence * key_value_heads + key_head.
  int64_t tile;       // first_row / 16.
  int64_t length;     // Keys of the sequence.

  MM1_DEVICE_MEMBER explicit DecodeBlock(const DecodeProblem& problem) {
    const uint32_t block = dev::bid_x();
    const uint32_t tiles = static_cast<uint32_t>(problem.row_tiles);
    const uint32_t splits = static_cast<uint32_t>(problem.splits);
    const uint32_t heads = static_cast<uint32_t>(problem.key_value_heads);
    tile = block % tiles;
    split = block / tiles % splits;
    item = block / tiles / splits;
    sequence = static_cast<uint32_t>(item) / heads;
    key_head = static_cast<uint32_t>(item) % heads;
    first_row = tile * kDecodeRows;
    rows = problem.rows - first_row < kDecodeRows ? static_cast<int>(problem.rows - first_row) : kDecodeRows;
    const int64_t given = static_cast<int32_t>(dev::ld_global_4(problem.lengths + sequence));
    length = given < 0 ? 0 : given > problem.max_length ? problem.max_length : given;
  }

  // Keys that row `row` of the tile sees. A row past the last sees none.
  MM1_DEVICE_MEMBER int limit(const DecodeProblem& problem, int row) const {
    if (row >= rows) return 0;
    const int64_t token = static_cast<uint32_t>(first_row + row) / static_cast<uint32_t>(problem.group);
    const int64_t keys = length - problem.query_length + token + 1;
    return keys < 0 ? 0 : static_cast<int>(keys);
  }

  // Row of query and output, and first column, of row `row` of the tile.
  MM1_DEVICE_MEMBER int64_t token_row(const DecodeProblem& problem, int row) const {
    return sequence * problem.query_length + static_cast<uint32_t>(first_row + row) / static_cast<uint32_t>(problem.group);
  }
  MM1_DEVICE_MEMBER int64_t column(const DecodeProblem& problem, int row) const {
    const int64_t head = key_head * problem.group + static_cast<uint32_t>(first_row + row) % static_cast<uint32_t>(problem.group);
    return head * problem.head_size;
  }
};

// Keys or values of one warp: tiles of 16 rows of the cache, each kStride rows after the one before.
template <class Arithmetic>
class DecodeLoader {
 public:
  MM1_DEVICE_MEMBER DecodeLoader(const DecodeInput& from, const DecodeProblem& problem, const DecodeBlock& block, int first_key, int end_key)
      : row_stride_(from.row_stride),
        left_(end_key - first_key - static_cast<int>(first_row())),
        head_chunks_(static_cast<uint32_t>(problem.head_size) * Shape::kElementBytes / 16),
        is_aligned_(from.is_aligned) {
    const int64_t row = block.sequence * problem.max_length + first_key + first_row();
    const int64_t byte = block.key_head * problem.head_size * Shape::kElementBytes + first_chunk() * 16;
    begin_ = from.data;
    offset_ = row * row_stride_ + byte;
  }

  // The next tile to shared address `target`; zeros for rows from end_key on and for what pads the head.
  MM1_DEVICE_MEMBER void load(uint32_t target) {
    if (is_aligned_) {
      DEV_UNROLL for (int pass = 0; pass < kPasses; pass++) {
        const bool inside = is_inside(pass);
        dev::cp_async16(target + place(pass), begin_ + (inside ? offset_of(pass) : 0), inside ? 16 : 0);
      }
    } else {
      DEV_NO_UNROLL for (int pass = 0; pass < kPasses; pass++) {
        uint4 words{0, 0, 0, 0};
        if (is_inside(pass)) words = load_chunk_by_elements<Shape::kElementBytes>(begin_ + offset_of(pass));
        dev::st_shared_16(target + place(pass), words);
      }
    }
    offset_ += Shape::kWarps * kDecodeTileKeys * row_stride_;
    left_ -= Shape::kWarps * kDecodeTileKeys;
  }

 private:
  using Shape = typename Arithmetic::Shape;
  static constexpr uint32_t kRowChunks = Shape::Tile::kRowChunks;
  // 32 lanes take a part of a row, a row, or several rows at once.
  static constexpr int kPasses = kDecodeTileKeys * kRowChunks / 32;

  MM1_DEVICE_MEMBER static uint32_t first_row() { return dev::lane() / kRowChunks; }
  MM1_DEVICE_MEMBER static uint32_t first_chunk() { return dev::lane() % kRowChunks; }
  MM1_DEVICE_MEMBER static constexpr int row_of(int pass) { return static_cast<int>(pass * 32 / kRowChunks); }
  MM1_DEVICE_MEMBER static constexpr uint32_t chunk_of(int pass) { return pass * 32 % kRowChunks; }
  MM1_DEVICE_MEMBER bool is_inside(int pass) const { return row_of(pass) < left_ && first_chunk() + chunk_of(pass) < head_chunks_; }
  MM1_DEVICE_MEMBER int64_t offset_of(int pass) const { return offset_ + row_of(pass) * row_stride_ + chunk_of(pass) * 16; }
  MM1_DEVICE_MEMBER static uint32_t place(int pass) {
    return Shape::Tile::chunk_offset(first_row() + row_of(pass), first_chunk() + chunk_of(pass));
  }

  const char* begin_;
  int64_t offset_;      // Of this lane's first chunk of the next tile.
  int64_t row_stride_;
  int left_;            // Rows from this lane's first one on.
  uint32_t head_chunks_;
  int32_t is_aligned_;
};

// The 16 query rows to shared memory, with the sign of the scale; zeros where there is none.
template <class Arithmetic>
DEV_FN void load_decode_query(uint32_t target, const DecodeProblem& problem, const DecodeBlock& block) {
  constexpr uint32_t kRowChunks = Arithmetic::Shape::Tile::kRowChunks;
  constexpr int kElementBytes = Arithmetic::Shape::kElementBytes;
  const uint32_t head_chunks = static_cast<uint32_t>(problem.head_size) * kElementBytes / 16;
  const ScoreScale scale(problem.scale);
  const auto signed_word = [&](uint32_t word) { return kElementBytes == 4 ? scale.word(word) : scale.pair(word); };
  for (uint32_t index = dev::tid(); index < kDecodeRows * kRowChunks; index += Arithmetic::Shape::kThreads) {
    const uint32_t row = index / kRowChunks;
    const uint32_t chunk = index % kRowChunks;
    uint4 words{0, 0, 0, 0};
    if (static_cast<int>(row) < block.rows && chunk < head_chunks) {
      const char* const source = problem.query.data + block.token_row(problem, static_cast<int>(row)) * problem.query.row_stride +
                                 block.column(problem, static_cast<int>(row)) * kElementBytes + chunk * 16;
      words = problem.query.is_aligned ? dev::ld_global_16(source) : load_chunk_by_elements<kElementBytes>(source);
      words = uint4{signed_word(words.x), signed_word(words.y), signed_word(words.z), signed_word(words.w)};
    }
    dev::st_shared_16(target + Arithmetic::query_offset(row, chunk), words);
  }
}

// What exponentials were taken under, sum and four columns of one row over several parts: what warps and what splits are joined by, in
// ascending order.
template <class Arithmetic>
struct DecodeJoin {
  float largest = minus_infinity();
  float under = 0.0f;  // `largest`, or 0 where no part has a key: then every factor is exp2(-infinity).
  float sum = 0.0f;
  float values[4] = {0.0f, 0.0f, 0.0f, 0.0f};

  MM1_DEVICE_MEMBER void see(float other) { largest = dev::fmax_(largest, other); }
  MM1_DEVICE_MEMBER void seen() { under = largest == minus_infinity() ? 0.0f : largest; }
  MM1_DEVICE_MEMBER void add(float part_largest, float part_sum, uint4 part) {
    const float factor = Arithmetic::kStatesAreScores ? exponential(part_largest, under) : dev::exp2_approx(dev::add(part_largest, -under));
    sum = dev::fused_multiply_add(factor, part_sum, sum);
    values[0] = dev::fused_multiply_add(factor, dev::u2f(part.x), values[0]);
    values[1] = dev::fused_multiply_add(factor, dev::u2f(part.y), values[1]);
    values[2] = dev::fused_multiply_add(factor, dev::u2f(part.z), values[2]);
    values[3] = dev::fused_multiply_add(factor, dev::u2f(part.w), values[3]);
  }
  // A row without a key is 0.
  MM1_DEVICE_MEMBER void store(const DecodeProblem& problem, const DecodeBlock& block, int row, int column) {
    DEV_UNROLL for (int i = 0; i < 4; i++) values[i] = sum == 0.0f ? 0.0f : dev::divide(values[i], sum);
    const int64_t place = block.token_row(problem, row) * problem.output.row_stride + block.column(problem, row) + column;
    store_elements(problem.output, place, problem.access_output, 4, values);
  }
};

template <class Arithmetic>
DEV_KERNEL DEV_BOUNDS(Arithmetic::Shape::kThreads) decode_attention(const DEV_GRID_CONST DecodeProblem problem) {
  using Shape = typename Arithmetic::Shape;
  constexpr int kWarps = Shape::kWarps;
  constexpr int kSlots = Shape::kSlots;
  using Staged = StagedTile<kDecodeRows, Shape::kColumns>;
  static_assert(Staged::kBytes <= Shape::kRingBytes, "weighted values are staged where the warp's ring was");
  DEV_SHARED(uint32_t, ticket, 1);

  const DecodeBlock block(problem);
  const int most = block.limit(problem, block.rows - 1);  // Limits do not fall from row to row.
  const int64_t active = most <= kDecodeSplitKeys ? 1 : (most + kDecodeSplitKeys - 1) / kDecodeSplitKeys;
  if (block.split >= active) return;

  const uint32_t query = dev::smem_addr(dev::dynamic_smem());
  const uint32_t rings = query + Shape::kQueryBytes;
  const uint32_t states = rings + kWarps * Shape::kRingBytes;
  const uint32_t weights = states + kWarps * Shape::kStateBytes;
  const uint32_t warp = dev::tid() / 32;
  const uint32_t ring = rings + warp * Shape::kRingBytes;

  // This warp's tiles: first_key, first_key + kStride, ... below end_key.
  constexpr int kStride = kWarps * kDecodeTileKeys;
  const int split_key = static_cast<int>(block.split) * kDecodeSplitKeys;
  const int end_key = most - split_key < kDecodeSplitKeys ? most : split_key + kDecodeSplitKeys;
  const int first_key = split_key + static_cast<int>(warp) * kDecodeTileKeys;
  const int tiles = first_key < end_key ? (end_key - first_key + kStride - 1) / kStride : 0;
  DecodeLoader<Arithmetic> keys(problem.key, problem, block, first_key, end_key);
  DecodeLoader<Arithmetic> values(problem.value, problem, block, first_key, end_key);

  // Number i of the copies is tile i / 2 of the keys where i is even, of the values where it is odd, and goes to slot i % kSlots. A group is
  // closed even where nothing is left to copy, so that the waits count right.
  constexpr bool kAheadIsKeys = kSlots % 2 == 1;  // Whether copy kSlots - 1 is of keys.
  static_assert(kSlots == 2 || kSlots == 3, "the first copies are those of tile 0");
  if (tiles > 0) keys.load(ring);
  dev::cp_async_commit();
  if (kSlots == 3) {
    if (tiles > 0) values.load(ring + Shape::kTileBytes);
    dev::cp_async_commit();
  }
  load_decode_query<Arithmetic>(query, problem, block);
  dev::sync_block();

  Arithmetic arithmetic;
  arithmetic.begin(problem, block, query, weights + warp * Shape::kWeightBytes);
  uint32_t taken = ring;                                   // Slot that is read next,
  uint32_t filled = ring + (kSlots - 1) * Shape::kTileBytes;  // and that is filled next.
  const uint32_t ring_end = ring + Shape::kRingBytes;
  for (int tile = 0; tile < tiles; tile++) {
    // After the wait and the barrier, what has landed is seen by all lanes, and all of them are through with the slot that is filled next.
    DEV_UNROLL for (int turn = 0; turn < 2; turn++) {
      dev::cp_async_wait<kSlots - 2>();
      dev::sync_warp();
      if ((turn == 0) == kAheadIsKeys) {
        if (tile + 1 < tiles) keys.load(filled);
      } else if (kSlots == 2 || tile + 1 < tiles) {
        values.load(filled);
      }
      dev::cp_async_commit();
      filled = filled + Shape::kTileBytes == ring_end ? ring : filled + Shape::kTileBytes;
      if (turn == 0) {
        arithmetic.scores(taken, first_key + tile * kStride);
      } else {
        arithmetic.values(taken);
      }
      taken = taken + Shape::kTileBytes == ring_end ? ring : taken + Shape::kTileBytes;
    }
  }
  dev::cp_async_wait<0>();
  dev::sync_warp();
  arithmetic.end(ring, states + warp * Shape::kStateBytes);
  dev::sync_block();

  const uint32_t groups = static_cast<uint32_t>(problem.head_size) / 4;
  const uint32_t items = static_cast<uint32_t>(block.rows) * groups;
  const int64_t first_partial = (block.item * problem.rows + block.first_row) * problem.splits;
  for (uint32_t item = dev::tid(); item < items; item += Shape::kThreads) {
    const uint32_t row = item / groups;
    const uint32_t column = item % groups * 4;
    uint2 state[kWarps];
    DecodeJoin<Arithmetic> join;
    DEV_UNROLL for (int w = 0; w < kWarps; w++) {
      state[w] = dev::ld_shared_8(states + w * Shape::kStateBytes + row * 8);
      join.see(dev::u2f(state[w].x));
    }
    join.seen();
    DEV_UNROLL for (int w = 0; w < kWarps; w++) {
      const uint4 part = dev::ld_shared_16(rings + w * Shape::kRingBytes + Staged::index(row, column) * 4);
      join.add(dev::u2f(state[w].x), dev::u2f(state[w].y), part);
    }
    if (active == 1) {
      join.store(problem, block, static_cast<int>(row), static_cast<int>(column));
    } else {
      const int64_t partial = first_partial + row * problem.splits + block.split;
      if (column == 0) dev::st_global_8(problem.partial_state + partial * 2, uint2{dev::f2u(join.largest), dev::f2u(join.sum)});
      dev::st_global_16(problem.partial_sums + partial * problem.head_size + column,
                        uint4{dev::f2u(join.values[0]), dev::f2u(join.values[1]), dev::f2u(join.values[2]), dev::f2u(join.values[3])});
    }
  }
  if (active == 1) return;

  dev::sync_block();
  if (dev::tid() == 0) ticket[0] = dev::atomic_add_acq_rel(problem.tickets + block.item * problem.row_tiles + block.tile, 1);
  dev::sync_block();
  if (ticket[0] != static_cast<uint32_t>(active - 1)) return;
  for (uint32_t item = dev::tid(); item < items; item += Shape::kThreads) {
    const uint32_t row = item / groups;
    const uint32_t column = item % groups * 4;
    const int64_t partial = first_partial + row * problem.splits;
    DecodeJoin<Arithmetic> join;
    for (int64_t s = 0; s < active; s++) join.see(dev::u2f(dev::ld_global_4(problem.partial_state + (partial + s) * 2)));
    join.seen();
    for (int64_t s = 0; s < active; s++) {
      const uint2 state = dev::ld_global_8(problem.partial_state + (partial + s) * 2);
      join.add(dev::u2f(state.x), dev::u2f(state.y), dev::ld_global_16(problem.partial_sums + (partial + s) * problem.head_size + column));
    }
    join.store(problem, block, static_cast<int>(row), static_cast<int>(column));
  }
}

template <class Arithmetic>
mm1_status launch_decode(mm1_stream stream, const DecodeProblem& problem) {
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(problem.batch * problem.key_value_heads * problem.splits * problem.row_tiles), 1, 1};
  config.block = {static_cast<uint32_t>(Arithmetic::Shape::kThreads), 1, 1};
  config.shared_bytes = static_cast<size_t>(Arithmetic::Shape::kSharedBytes);
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, decode_attention<Arithmetic>, problem);
  return launched("flash_attention_decode", status.code, status.text);
}

}  // namespace mm1
