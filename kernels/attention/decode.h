// mm1_flash_attention_decode between its argument record and its kernels: the problem that kernels take, and the constants and budgets of the
// kernels. Split and tile sizes depend on dtype and padded head size alone, so a row's bits depend on nothing but its keys and itself.
#ifndef MM1_ATTENTION_DECODE_H
#define MM1_ATTENTION_DECODE_H

#include <stdint.h>

#include "attention/attention_tile.h"
#include "host/device_profile.h"
#include "mm1/kernels.h"
#include "tile/epilogue.h"

namespace mm1 {

constexpr int kDecodeRows = 16;        // Query rows of a block: heads that share a key head, within tokens.
constexpr int kDecodeTileKeys = 16;    // Keys that a warp takes at once.
constexpr int kDecodeSplitKeys = 256;  // Keys of a block. Splits of a row are added in ascending order.

// An input, rows of any stride in bytes.
struct DecodeInput {
  const char* data;
  int64_t row_stride;
  int32_t is_aligned;  // Address and stride are multiples of 16 bytes.
  int32_t reserved;
};

struct DecodeProblem {
  DecodeInput query;        // [batch * query_length, heads, head_size].
  DecodeInput key;          // [batch, max_length, key_value_heads, head_size].
  DecodeInput value;
  EpilogueOperand output;   // As query.
  const int32_t* lengths;   // [batch], in device memory.
  uint32_t* tickets;        // [batch, key_value_heads, row_tiles], 0 on entry; null where there is one split.
  float* partial_state;     // [batch, key_value_heads, rows, splits] pairs: what the exponentials are taken under (bfloat16: a power of two,
                            // float32: a scaled score), their sum.
  float* partial_sums;      // [batch, key_value_heads, rows, splits, head_size]: values weighted by those exponentials.
  int64_t batch;
  int64_t query_length;
  int64_t key_value_heads;
  int64_t group;            // Query heads of a key head.
  int64_t head_size;
  int64_t max_length;
  int64_t rows;             // Rows of a sequence and key head: query_length * group.
  int64_t row_tiles;        // Of kDecodeRows.
  int64_t splits;           // Of the cache's capacity, 1 at least.
  float scale;
  int32_t access_output;    // Elements (4, 2 or 1) by which the output can be written.
};

// Resources of a block that holds heads padded to `columns` (64, 128 or 256). A warp has a ring of tiles of its own: keys and values by turns.
struct DecodeBudget {
  int element_bytes;
  int columns;

  constexpr int row_bytes() const { return columns * element_bytes; }
  constexpr int tile_bytes() const { return kDecodeTileKeys * row_bytes(); }
  constexpr int warps() const { return row_bytes() <= 256 ? 4 : 2; }
  constexpr int slots() const { return row_bytes() <= 512 ? 3 : 2; }
  constexpr int threads() const { return warps() * kWarpThreads; }
  constexpr int ring_bytes() const { return slots() * tile_bytes(); }
  constexpr int query_bytes() const { return kDecodeRows * row_bytes(); }
  // Largest score and sum of each row; in float32 the weights of a tile and a factor for each row too.
  constexpr int state_bytes() const { return kDecodeRows * 8; }
  constexpr int weight_bytes() const { return element_bytes == 4 ? (kDecodeTileKeys + 1) * kDecodeRows * 4 : 0; }
  constexpr int shared_bytes() const { return query_bytes() + warps() * (ring_bytes() + state_bytes() + weight_bytes()); }

  // Sums of 16 rows by 32 lanes, what one step of a product needs besides, and addresses.
  constexpr int registers() const { return columns / 2 + (element_bytes == 2 ? 32 : 24) + 56; }

  constexpr bool fits(const DeviceProfile& profile) const {
    return shared_bytes() + kStaticDecodeBytes <= profile.shared_bytes_per_block && registers() <= kRegistersPerThread &&
           registers() * threads() <= kRegistersPerBlock;
  }

  static constexpr int kStaticDecodeBytes = 16;  // The ticket.
};

// The same as constants, for kernels.
template <int ElementBytes, int Columns>
struct DecodeShape {
  using Tile = AttentionTile<ElementBytes, kDecodeTileKeys, Columns>;  // Of keys, of values, of queries.
  static constexpr int kElementBytes = ElementBytes;
  static constexpr int kColumns = Columns;
  static constexpr int kTileBytes = Tile::kBytes;
  static constexpr int kWarps = DecodeBudget{ElementBytes, Columns}.warps();
  static constexpr int kSlots = DecodeBudget{ElementBytes, Columns}.slots();
  static constexpr int kThreads = DecodeBudget{ElementBytes, Columns}.threads();
  static constexpr int kRingBytes = DecodeBudget{ElementBytes, Columns}.ring_bytes();
  static constexpr int kQueryBytes = DecodeBudget{ElementBytes, Columns}.query_bytes();
  static constexpr int kStateBytes = DecodeBudget{ElementBytes, Columns}.state_bytes();
  static constexpr int kWeightBytes = DecodeBudget{ElementBytes, Columns}.weight_bytes();
  static constexpr int kSharedBytes = DecodeBudget{ElementBytes, Columns}.shared_bytes();
};

// Head sizes up to 256 as these kernels hold them: reading the cache is their time, and padding is not read.
constexpr int decode_columns(int64_t head_size) { return head_size <= 64 ? 64 : head_size <= 128 ? 128 : 256; }

constexpr int64_t decode_splits(int64_t max_length) {
  return max_length <= kDecodeSplitKeys ? 1 : (max_length + kDecodeSplitKeys - 1) / kDecodeSplitKeys;
}

mm1_status launch_decode_bfloat16(mm1_stream stream, const DecodeProblem& problem);
mm1_status launch_decode_float32(mm1_stream stream, const DecodeProblem& problem);

}  // namespace mm1

#endif  // MM1_ATTENTION_DECODE_H
