// Loaders of the main loop that gather what a convolution multiplies, one stage of 64 bytes of k after the other (tile/loader.cuh):
//
//   PatchRows     rows of patches, k along a patch (a of forward and backward_data). A thread keeps the places of its lines and moves along
//                 the taps, all of its lines at once.
//   PatchLines    patches as lines of k (b of backward_weight). A thread keeps its tap and channel and moves along the pixels.
//   WeightLoader  the weights of backward_data, a line for each (tap, output channel).
//   Elements      any of them (and plain matrices) at any address, through registers into the layout with k contiguous.
//
// Access bytes 16: a chunk lies within one tap. Access bytes 4: so does each of its four words. Everything outside is zero.
#pragma once
#include "convolution/implicit_gemm.h"
#include "dev/async_copy.cuh"
#include "dev/device.cuh"
#include "tile/operand_tile.h"

namespace mm1 {

// A place in a patch.
struct PatchPlace {
  int32_t i;
  int32_t j;
  int32_t c;

  MM1_DEVICE_MEMBER void forward(int32_t by, int32_t channels, int32_t taps_x) {
    c += by;
    while (c >= channels) {
      c -= channels;
      j++;
      if (j == taps_x) {
        j = 0;
        i++;
      }
    }
  }
};

DEV_FN PatchPlace patch_place(const PatchView& view, int64_t column) {
  if (view.columns() == 0) return {view.taps_y, 0, 0};
  const uint32_t tap = static_cast<uint32_t>(column) / static_cast<uint32_t>(view.channels);
  const uint32_t i = tap / static_cast<uint32_t>(view.taps_x);
  return {static_cast<int32_t>(i), static_cast<int32_t>(tap - i * view.taps_x),
          static_cast<int32_t>(static_cast<uint32_t>(column) - tap * view.channels)};
}

// A row of patches: source coordinates of tap (0, 0), and the index of that pixel, which may lie outside.
struct PatchRow {
  int32_t y;
  int32_t x;
  int32_t pixel;
};

constexpr int32_t kNoPixel = -(int32_t{1} << 30);  // No tap gets from here into an image.

DEV_FN PatchRow patch_row(const PatchView& view, int64_t row, bool inside) {
  if (!inside) return {kNoPixel, kNoPixel, 0};
  const uint32_t line = static_cast<uint32_t>(row) / static_cast<uint32_t>(view.target_width);
  const uint32_t image = line / static_cast<uint32_t>(view.target_height);
  const int32_t y = static_cast<int32_t>(line - image * view.target_height) * view.step + view.origin_y;
  const int32_t x = static_cast<int32_t>(static_cast<uint32_t>(row) - line * view.target_width) * view.step + view.origin_x;
  return {y, x, (static_cast<int32_t>(image) * view.source_height + y) * view.source_width + x};
}

// The address of a place of a row, or null outside.
template <int ElementBytes>
DEV_FN const char* patch_address(const PatchView& view, const PatchRow& row, const PatchPlace& place) {
  const int32_t down = place.i * view.direction;
  const int32_t across = place.j * view.direction;
  const bool inside = place.i < view.taps_y && static_cast<uint32_t>(row.y + down) < static_cast<uint32_t>(view.source_height) &&
                      static_cast<uint32_t>(row.x + across) < static_cast<uint32_t>(view.source_width);
  const int64_t pixel = row.pixel + down * view.source_width + across;
  return inside ? view.data + pixel * view.pixel_stride + place.c * ElementBytes : nullptr;
}

template <int AccessBytes>
DEV_FN void copy_or_zero(uint32_t target, const char* source, const char* anywhere) {
  if (AccessBytes == 16) {
    dev::cp_async16(target, source != nullptr ? source : anywhere, source != nullptr ? 16 : 0);
  } else {
    dev::cp_async4(target, source != nullptr ? source : anywhere, source != nullptr ? 4 : 0);
  }
}

template <class Tile, int Threads, int AccessBytes>
class PatchRows {
 public:
  static_assert(Tile::kDepthContiguous, "k lies along a patch");

  MM1_DEVICE_MEMBER PatchRows(const PatchView& view, int64_t first_row, int64_t rows, uint32_t thread) : view_(view) {
    line_ = thread / Tile::kLineChunks;
    chunk_ = thread % Tile::kLineChunks;
    place_ = patch_place(view, chunk_ * kChunkElements);
    DEV_UNROLL for (int pass = 0; pass < kPasses; pass++) {
      const int64_t row = first_row + line_ + pass * kLinesPerPass;
      rows_[pass] = patch_row(view, row, row < rows);
    }
  }

  MM1_DEVICE_MEMBER void load(uint32_t target) {
    PatchPlace place = place_;
    DEV_UNROLL for (int word = 0; word < kChunkBytes / AccessBytes; word++) {
      DEV_UNROLL for (int pass = 0; pass < kPasses; pass++) {
        const char* const source = patch_address<Tile::kElementBytes>(view_, rows_[pass], place);
        copy_or_zero<AccessBytes>(target + Tile::chunk_offset(line_ + pass * kLinesPerPass, chunk_) + word * AccessBytes, source,
                                  view_.data);
      }
      if (AccessBytes < kChunkBytes) place.forward(AccessBytes / Tile::kElementBytes, view_.channels, view_.taps_x);
    }
    place_.forward(Tile::kDepth, view_.channels, view_.taps_x);
  }

 private:
  static constexpr int kChunkElements = kChunkBytes / Tile::kElementBytes;
  static constexpr int kLinesPerPass = Threads / Tile::kLineChunks;
  static constexpr int kPasses = Tile::kChunks / Threads;
  static_assert(Threads % Tile::kLineChunks == 0 && Tile::kChunks % Threads == 0, "every thread copies as many chunks");

  PatchView view_;
  PatchPlace place_;  // Of this thread's chunk of the next stage.
  PatchRow rows_[kPasses];
  uint32_t line_;
  uint32_t chunk_;
};

template <class Tile, int Threads, int AccessBytes>
class PatchLines {
 public:
  static_assert(!Tile::kDepthContiguous, "k runs over the rows of patches");

  // Rows [first_row, end_row) are k; the tile's columns begin at first_column.
  MM1_DEVICE_MEMBER PatchLines(const PatchView& view, int64_t first_row, int64_t end_row, int64_t first_column, uint32_t thread)
      : view_(view) {
    line_ = thread / Tile::kLineChunks;
    chunk_ = thread % Tile::kLineChunks;
    DEV_UNROLL for (int word = 0; word < kWords; word++) {
      const int64_t column = first_column + chunk_ * kChunkElements + word * (kChunkElements / kWords);
      places_[word] = column < view.columns() ? patch_place(view, column) : PatchPlace{view.taps_y, 0, 0};
    }
    const uint32_t row = static_cast<uint32_t>(first_row) + line_;
    rows_left_ = static_cast<int32_t>(end_row - first_row) - static_cast<int32_t>(line_);
    split(row, &image_, &y_, &x_);
    split(kLinesPerPass, &step_image_, &step_y_, &step_x_);
  }

  MM1_DEVICE_MEMBER void load(uint32_t target) {
    DEV_UNROLL for (int pass = 0; pass < kPasses; pass++) {
      const int32_t y = y_ * view_.step + view_.origin_y;
      const int32_t x = x_ * view_.step + view_.origin_x;
      const PatchRow row{rows_left_ > 0 ? y : kNoPixel, x, (image_ * view_.source_height + y) * view_.source_width + x};
      DEV_UNROLL for (int word = 0; word < kWords; word++) {
        const char* const source = patch_address<Tile::kElementBytes>(view_, row, places_[word]);
        copy_or_zero<AccessBytes>(target + Tile::chunk_offset(line_ + pass * kLinesPerPass, chunk_) + word * AccessBytes, source,
                                  view_.data);
      }
      advance();
    }
  }

 private:
  static constexpr int kChunkElements = kChunkBytes / Tile::kElementBytes;
  static constexpr int kWords = kChunkBytes / AccessBytes;
  static constexpr int kLinesPerPass = Threads / Tile::kLineChunks;
  static constexpr int kPasses = Tile::kChunks / Threads;
  static_assert(Threads % Tile::kLineChunks == 0 && Tile::kChunks % Threads == 0, "every thread copies as many chunks");
  static_assert(kPasses * kLinesPerPass == Tile::kDepth, "a stage ends where the next begins");

  MM1_DEVICE_MEMBER void split(uint32_t row, int32_t* image, int32_t* y, int32_t* x) const {
    const uint32_t line = row / static_cast<uint32_t>(view_.target_width);
    const uint32_t whole = line / static_cast<uint32_t>(view_.target_height);
    *image = static_cast<int32_t>(whole);
    *y = static_cast<int32_t>(line - whole * view_.target_height);
    *x = static_cast<int32_t>(row - line * view_.target_width);
  }

  // kLinesPerPass pixels further, without a division.
  MM1_DEVICE_MEMBER void advance() {
    rows_left_ -= kLinesPerPass;
    x_ += step_x_;
    y_ += step_y_;
    image_ += step_image_;
    if (x_ >= view_.target_width) {
      x_ -= view_.target_width;
      y_++;
    }
    if (y_ >= view_.target_height) {
      y_ -= view_.target_height;
      image_++;
    }
  }

  PatchView view_;
  PatchPlace places_[kWords];
  uint32_t line_;
  uint32_t chunk_;
  int32_t rows_left_;  // From this thread's next line on.
  int32_t image_;      // The target pixel of that line.
  int32_t y_;
  int32_t x_;
  int32_t step_image_;
  int32_t step_y_;
  int32_t step_x_;
};

// The address of input channel `column` of line `line`, its place given as (tap, output channel); null past the last tap.
template <int ElementBytes>
DEV_FN const char* weight_address(const WeightLines& weights, const PatchPlace& line, int64_t column) {
  if (line.i >= weights.taps_y || column >= weights.channels) return nullptr;
  const int64_t tap =
      int64_t{weights.first_y + line.i * weights.tap_step} * weights.kernel_width + weights.first_x + line.j * weights.tap_step;
  return weights.data + line.c * weights.row_stride + (tap * weights.channels + column) * ElementBytes;
}

template <class Tile, int Threads>
class WeightLoader {
 public:
  static_assert(!Tile::kDepthContiguous, "lines of input channels");

  MM1_DEVICE_MEMBER WeightLoader(const WeightLines& weights, int64_t first_column, uint32_t thread) : weights_(weights) {
    line_ = thread / Tile::kLineChunks;
    chunk_ = thread % Tile::kLineChunks;
    column_ = first_column + chunk_ * kChunkElements;
    place_ = {weights.outputs == 0 || weights.taps_x == 0 ? weights.taps_y : 0, 0, 0};
    if (place_.i < weights.taps_y) place_.forward(static_cast<int32_t>(line_), weights.outputs, weights.taps_x);
  }

  MM1_DEVICE_MEMBER void load(uint32_t target) {
    DEV_UNROLL for (int pass = 0; pass < kPasses; pass++) {
      const char* const source = weight_address<Tile::kElementBytes>(weights_, place_, column_);
      copy_or_zero<kChunkBytes>(target + Tile::chunk_offset(line_ + pass * kLinesPerPass, chunk_), source, weights_.data);
      place_.forward(kLinesPerPass, weights_.outputs, weights_.taps_x);
    }
  }

 private:
  static constexpr int kChunkElements = kChunkBytes / Tile::kElementBytes;
  static constexpr int kLinesPerPass = Threads / Tile::kLineChunks;
  static constexpr int kPasses = Tile::kChunks / Threads;
  static_assert(Threads % Tile::kLineChunks == 0 && Tile::kChunks % Threads == 0, "every thread copies as many chunks");
  static_assert(kPasses * kLinesPerPass == Tile::kDepth, "a stage ends where the next begins");

  WeightLines weights_;
  PatchPlace place_;  // Of this thread's next line: tap and output channel.
  int64_t column_;
  uint32_t line_;
  uint32_t chunk_;
};

// What an operand of any pass is, for the loader that asks for single elements.
struct ElementSource {
  PatchView view;
  WeightLines weights;
  bool is_weights;      // Lines of weights (b of backward_data): k is the line.
  bool is_turned;       // Of a view: k is the row.
  int64_t first;        // Of the tile: the first row (of b: column).
  int64_t extent;
  int64_t first_depth;  // k of the first stage.
  int64_t depth;        // End of k.
};

template <class Tile, int Threads>
class Elements {
 public:
  static_assert(Tile::kDepthContiguous, "elements are put where k is contiguous");

  MM1_DEVICE_MEMBER Elements(const ElementSource& from, uint32_t thread) : from_(from), thread_(thread), depth_(from.first_depth) {}

  MM1_DEVICE_MEMBER void load(uint32_t target) {
    for (uint32_t index = thread_; index < Tile::kChunks; index += Threads) {
      // Threads run along k of one row, or along rows of one k where those are contiguous.
      const bool along_rows = from_.is_weights || from_.is_turned;
      const uint32_t row = along_rows ? index % Tile::kExtent : index / Tile::kLineChunks;
      const uint32_t chunk = along_rows ? index / Tile::kExtent : index % Tile::kLineChunks;
      uint32_t words[4];
      DEV_UNROLL for (int word = 0; word < 4; word++) {
        const int64_t k = depth_ + (chunk * 4 + word) * (4 / Tile::kElementBytes);
        if (Tile::kElementBytes == 4) {
          const char* const source = address(row, k);
          words[word] = source != nullptr ? dev::ld_global_4(source) : 0u;
        } else {
          const char* const low = address(row, k);
          const char* const high = address(row, k + 1);
          words[word] = (low != nullptr ? dev::ld_global_2(low) : 0u) |
                        (high != nullptr ? static_cast<uint32_t>(dev::ld_global_2(high)) << 16 : 0u);
        }
      }
      dev::st_shared_16(target + Tile::chunk_offset(row, chunk), uint4{words[0], words[1], words[2], words[3]});
    }
    depth_ += Tile::kDepth;
  }

 private:
  MM1_DEVICE_MEMBER const char* address(uint32_t row_of_tile, int64_t k) const {
    const int64_t row = from_.first + row_of_tile;
    if (row >= from_.extent || k >= from_.depth) return nullptr;
    if (from_.is_weights) {
      PatchPlace place{0, 0, 0};
      const uint32_t tap = static_cast<uint32_t>(k) / static_cast<uint32_t>(from_.weights.outputs);
      place.i = static_cast<int32_t>(tap / static_cast<uint32_t>(from_.weights.taps_x));
      place.j = static_cast<int32_t>(tap - place.i * from_.weights.taps_x);
      place.c = static_cast<int32_t>(k - int64_t{tap} * from_.weights.outputs);
      return weight_address<Tile::kElementBytes>(from_.weights, place, row);
    }
    const PatchRow patch = patch_row(from_.view, from_.is_turned ? k : row, true);
    return patch_address<Tile::kElementBytes>(from_.view, patch, patch_place(from_.view, from_.is_turned ? row : k));
  }

  ElementSource from_;
  uint32_t thread_;
  int64_t depth_;  // k of the next stage.
};

}  // namespace mm1
