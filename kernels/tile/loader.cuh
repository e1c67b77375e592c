// From global memory into an OperandTile, one stage of 64 bytes of k after the other, everything outside of the operand as zeros.
//
//   AlignedLoader    16-byte cp.async. Neighbouring threads copy neighbouring chunks of a line: k contiguous, 64 bytes of each row (two
//                    whole sectors); rows contiguous, lines of 128 bytes and more. A chunk across the operand's end is filled with zeros.
//   UnalignedLoader  for any address and stride: elements one by one through registers, always into the layout with k contiguous, so that
//                    one kernel serves all transpositions. Threads run along whichever direction is contiguous in memory. Stores become
//                    visible with the barrier that the ring has anyway. Slower by far; the sums are the same bits.
#pragma once
#include "dev/async_copy.cuh"
#include "dev/device.cuh"
#include "tile/operand_tile.h"

namespace mm1 {

// One operand of one problem, seen by a block: `extent` rows (of a; columns of b) of which the tile begins at `first`, `depth` elements of
// k.
struct LoaderSource {
  const char* data;
  int64_t row_stride;         // Bytes from one row in memory to the next.
  int64_t extent;
  int64_t depth;
  int64_t first;
  bool depth_contiguous;      // What OperandTile calls so, in memory.
};

template <class Tile, int Threads>
class AlignedLoader {
 public:
  static constexpr bool kIsAligned = true;

  MM1_DEVICE_MEMBER AlignedLoader(const LoaderSource& from, uint32_t thread) {
    line_ = thread / Tile::kLineChunks;
    chunk_ = thread % Tile::kLineChunks;
    const int64_t first_line = Tile::kDepthContiguous ? from.first : 0;
    const int64_t first_byte = Tile::kDepthContiguous ? 0 : from.first * Tile::kElementBytes;
    lines_left_ = (Tile::kDepthContiguous ? from.extent : from.depth) - first_line - line_;
    bytes_left_ = (Tile::kDepthContiguous ? from.depth : from.extent) * Tile::kElementBytes - first_byte - chunk_ * kChunkBytes;
    data_ = from.data;
    offset_ = (first_line + line_) * from.row_stride + first_byte + chunk_ * kChunkBytes;
    pass_ = kLinesPerPass * from.row_stride;
    step_ = Tile::kDepthContiguous ? kStageDepthBytes : Tile::kDepth * from.row_stride;
  }

  // Starts the copies of the next stage into the tile at shared address `target`.
  MM1_DEVICE_MEMBER void load(uint32_t target) {
    DEV_UNROLL for (int pass = 0; pass < kPasses; pass++) {
      const bool inside = lines_left_ > pass * kLinesPerPass && bytes_left_ > 0;
      const int bytes = !inside ? 0 : bytes_left_ < kChunkBytes ? static_cast<int>(bytes_left_) : kChunkBytes;
      const char* source = data_ + (inside ? offset_ + pass * pass_ : 0);
      dev::cp_async16(target + Tile::chunk_offset(line_ + pass * kLinesPerPass, chunk_), source, bytes);
    }
    offset_ += step_;
    if (Tile::kDepthContiguous) {
      bytes_left_ -= kStageDepthBytes;
    } else {
      lines_left_ -= Tile::kDepth;
    }
  }

 private:
  static constexpr int kLinesPerPass = Threads / Tile::kLineChunks;
  static constexpr int kPasses = Tile::kChunks / Threads;
  static_assert(Threads % Tile::kLineChunks == 0 && Tile::kChunks % Threads == 0, "every thread copies as many chunks");

  const char* data_;
  int64_t offset_;      // Of this thread's first chunk of the next stage.
  int64_t pass_;
  int64_t step_;
  int64_t lines_left_;  // From this thread's first line on.
  int64_t bytes_left_;  // From this thread's chunk on.
  uint32_t line_;
  uint32_t chunk_;
};

template <class Tile, int Threads>
class UnalignedLoader {
 public:
  static constexpr bool kIsAligned = false;
  static_assert(Tile::kDepthContiguous, "elements are put where k is contiguous");

  MM1_DEVICE_MEMBER UnalignedLoader(const LoaderSource& from, uint32_t thread) : from_(from), thread_(thread), depth_(0) {}

  // Loads the next stage into the tile at shared address `target`.
  MM1_DEVICE_MEMBER void load(uint32_t target) {
    const int64_t element = Tile::kElementBytes;
    const int64_t next_row = from_.depth_contiguous ? from_.row_stride : element;
    const int64_t next_k = from_.depth_contiguous ? element : from_.row_stride;
    for (uint32_t index = thread_; index < Tile::kChunks; index += Threads) {
      const uint32_t row = from_.depth_contiguous ? index / Tile::kLineChunks : index % Tile::kExtent;
      const uint32_t chunk = from_.depth_contiguous ? index % Tile::kLineChunks : index / Tile::kExtent;
      const int64_t k = depth_ + chunk * (kChunkBytes / Tile::kElementBytes);
      const bool inside = from_.first + row < from_.extent;
      const char* const source = from_.data + (from_.first + row) * next_row + k * next_k;
      uint32_t words[4];
      DEV_UNROLL for (int word = 0; word < 4; word++) {
        if (Tile::kElementBytes == 4) {
          words[word] = inside && k + word < from_.depth ? dev::ld_global_4(source + word * next_k) : 0u;
        } else {
          const bool low = inside && k + 2 * word < from_.depth;
          const bool high = inside && k + 2 * word + 1 < from_.depth;
          words[word] = (low ? dev::ld_global_2(source + 2 * word * next_k) : 0u) |
                        (high ? static_cast<uint32_t>(dev::ld_global_2(source + (2 * word + 1) * next_k)) << 16 : 0u);
        }
      }
      dev::st_shared_16(target + Tile::chunk_offset(row, chunk), uint4{words[0], words[1], words[2], words[3]});
    }
    depth_ += Tile::kDepth;
  }

 private:
  LoaderSource from_;
  uint32_t thread_;
  int64_t depth_;  // k of the next stage.
};

}  // namespace mm1
