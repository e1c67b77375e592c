// Rows of one head from global memory into an AttentionTile; rows past the document and columns past the head size become zeros, for which
// nothing is read.
//
//   aligned     16-byte cp.async: neighbouring threads copy neighbouring chunks, whole sectors. Part of the caller's group of copies.
//   unaligned   for any address and stride: elements through registers, visible to others after the barrier that a tile needs anyway.
//               Slower by far; the tile is the same, so the results are the same bits.
//
// Which of the two is the same for the whole launch.
#pragma once
#include "attention/attention_tile.h"
#include "dev/async_copy.cuh"
#include "dev/device.cuh"

namespace mm1 {

template <class Tile, int Threads>
class AttentionLoader {
 public:
  // `source`: the head's first element in row 0 of the document; `columns`: head size.
  MM1_DEVICE_MEMBER AttentionLoader(const char* source, int64_t row_stride, int32_t rows, int32_t columns, bool aligned, uint32_t thread)
      : source_(source),
        row_stride_(row_stride),
        rows_(rows),
        chunks_(columns * Tile::kElementBytes / 16),
        aligned_(aligned),
        row_(thread / Tile::kGroup),
        chunk_(thread % Tile::kGroup) {}

  // The tile whose first row is row `first` of the document and whose first chunk is chunk `first_chunk` of the head, into the tile at
  // shared address `target`.
  MM1_DEVICE_MEMBER void load(uint32_t target, int32_t first, int32_t first_chunk = 0) const {
    const int32_t row = first + static_cast<int32_t>(row_);
    const int32_t chunk = first_chunk + static_cast<int32_t>(chunk_);
    const char* source = source_ + row * row_stride_ + chunk * 16;
    uint32_t place = dev::opaque(target + Tile::chunk_offset(row_, chunk_));
    if (aligned_) {
      DEV_UNROLL for (int pass = 0; pass < kPasses; pass++) {
        const bool row_inside = row + pass * kRowsPerPass < rows_;
        DEV_UNROLL for (int group = 0; group < kGroups; group++) {
          const bool inside = row_inside && chunk + group * Tile::kGroup < chunks_;
          dev::cp_async16(place + group * kGroupBytes, source + group * kGroupBytes, inside ? 16 : 0);
        }
        source += kRowsPerPass * row_stride_;
        place += kRowsPerPass * Tile::kRowBytes;
      }
    } else {
      DEV_NO_UNROLL for (int pass = 0; pass < kPasses; pass++) {
        const bool row_inside = row + pass * kRowsPerPass < rows_;
        DEV_NO_UNROLL for (int group = 0; group < kGroups; group++) {
          const bool inside = row_inside && chunk + group * Tile::kGroup < chunks_;
          store_words(place + group * kGroupBytes, source + group * kGroupBytes, inside);
        }
        source += kRowsPerPass * row_stride_;
        place += kRowsPerPass * Tile::kRowBytes;
      }
    }
  }

 private:
  static constexpr int kRowsPerPass = Threads / Tile::kGroup;
  static constexpr int kPasses = Tile::kRows / kRowsPerPass;
  static constexpr int kGroups = Tile::kRowChunks / Tile::kGroup;
  static constexpr int kGroupBytes = Tile::kGroup * 16;
  static_assert(Tile::kRows % kRowsPerPass == 0 && kRowsPerPass % 8 == 0, "a thread copies the same place of each group of 8 rows");

  // One chunk by its elements.
  MM1_DEVICE_MEMBER static void store_words(uint32_t target, const char* source, bool inside) {
    uint32_t words[4] = {0u, 0u, 0u, 0u};
    if (inside) {
      DEV_UNROLL for (int word = 0; word < 4; word++) {
        if constexpr (Tile::kElementBytes == 4) {
          words[word] = dev::ld_global_4(source + word * 4);
        } else {
          words[word] = dev::ld_global_2(source + word * 4) | static_cast<uint32_t>(dev::ld_global_2(source + word * 4 + 2)) << 16;
        }
      }
    }
    dev::st_shared_16(target, uint4{words[0], words[1], words[2], words[3]});
  }

  const char* source_;
  int64_t row_stride_;
  int32_t rows_;
  int32_t chunks_;
  bool aligned_;
  uint32_t row_;
  uint32_t chunk_;
};

}  // namespace mm1
