// Sums of rows that share an output row: the backward of a broadcast.
//
// Maths      output[s, c] = sum over the rows r of s of x[r, c] (* multiplier[r, c]) + beta * output[s, c], float32.
// Order      fixed by the rows of one output row: blocks of 256 rows; in a block warp w sums rows w, w + 8, ..., the 8 sums are added in
//            ascending order; the blocks are added in ascending order.
// Layout     the rows of s begin at s * first_step and lie row_step apart; partial [output rows, blocks, columns] float32.
// Roles      reduce_rows       256 threads for one block of one output row and 32 packs of its columns; writes the result where one is all.
//            join_row_blocks   a thread for each element of the output adds the blocks.
// Budget     8 KB of shared memory, 256 threads, about 64 registers.
#include "reduction/reduction.h"

#include "dev/launch.h"
#include "host/device.h"
#include "reduction/warp_team.cuh"

namespace mm1 {

namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * 32;
constexpr int kAtOnce = 4;  // Rows on their way before the first is added.

template <class T>
constexpr int64_t kTile = 32 * kPackElements<T>;

template <class T>
DEV_KERNEL DEV_BOUNDS(kThreads) reduce_rows(const DEV_GRID_CONST RowReduction reduction) {
  constexpr int kPack = kPackElements<T>;
  DEV_SHARED(float, warp_sums, kWarps * 32 * kPackElements<T>);
  const int64_t tiles = (reduction.columns + kTile<T> - 1) / kTile<T>;
  const int64_t units = reduction.output_rows * reduction.blocks;
  const uint32_t warp = dev::tid() / 32;
  const uint32_t lane = dev::lane();
  for (int64_t item = dev::bid_x(); item < units * tiles; item += dev::nbid_x()) {
    const int64_t unit = quotient(item, tiles);
    const int64_t output = quotient(unit, reduction.blocks);
    const int64_t block = unit - output * reduction.blocks;
    const int64_t column = (item - unit * tiles) * kTile<T> + lane * kPack;
    const int64_t left = reduction.columns - column;
    const int count = left >= kPack ? kPack : left > 0 ? static_cast<int>(left) : 0;
    const int64_t first = block * kReduceRowsBlock;
    const int64_t end = first + kReduceRowsBlock < reduction.rows_per_output ? first + kReduceRowsBlock : reduction.rows_per_output;
    const auto place = [&](int64_t row) { return output * reduction.first_step + row * reduction.row_step; };

    float sums[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = 0.0f;
    DEV_NO_UNROLL for (int64_t row = first + warp; row < end; row += kAtOnce * kWarps) {
      float values[kAtOnce][kPack];
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        const int64_t at = row + j * kWarps;
        load_pack(row_of<const T>(reduction.x, place(at)) + column, reduction.packs_x != 0, at < end ? count : 0, values[j]);
      }
      if (reduction.multiplier.data == nullptr) {
        DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
          if (row + j * kWarps >= end) continue;
          DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = dev::add(sums[i], values[j][i]);
        }
      } else {
        DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
          const int64_t at = row + j * kWarps;
          float factors[kPack];
          load_pack(row_of<const T>(reduction.multiplier, place(at)) + column, reduction.packs_x != 0, at < end ? count : 0, factors);
          if (at >= end) continue;
          DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = dev::fused_multiply_add(values[j][i], factors[i], sums[i]);
        }
      }
    }
    DEV_UNROLL for (int i = 0; i < kPack; i++) warp_sums[(warp * kPack + i) * 32 + lane] = sums[i];
    dev::sync_block();
    if (warp == 0 && count > 0) {
      for (int other = 1; other < kWarps; other++) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = dev::add(sums[i], warp_sums[(other * kPack + i) * 32 + lane]);
      }
      if (reduction.blocks > 1) {
        float* partial = reduction.partial + unit * reduction.columns + column;
        DEV_UNROLL for (int i = 0; i < kPack; i++) {
          if (i < count) store_element(partial + i, sums[i]);
        }
      } else {
        T* target = row_of<T>(reduction.output, output) + column;
        if (reduction.beta != 0.0f) {
          float old[kPack];
          load_pack(target, reduction.packs_output != 0, count, old);
          DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = dev::fused_multiply_add(reduction.beta, old[i], sums[i]);
        }
        store_pack(target, reduction.packs_output != 0, count, sums);
      }
    }
    dev::sync_block();  // The sums serve the next item.
  }
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kThreads) join_row_blocks(const DEV_GRID_CONST RowReduction reduction) {
  const int64_t elements = reduction.output_rows * reduction.columns;
  const int64_t step = static_cast<int64_t>(dev::nbid_x()) * kThreads;
  for (int64_t element = static_cast<int64_t>(dev::bid_x()) * kThreads + dev::tid(); element < elements; element += step) {
    const int64_t output = quotient(element, reduction.columns);
    const int64_t column = element - output * reduction.columns;
    const float* partial = reduction.partial + output * reduction.blocks * reduction.columns + column;
    float sum = 0.0f;
    DEV_NO_UNROLL for (int64_t block = 0; block < reduction.blocks; block += kAtOnce) {
      float next[kAtOnce];
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        next[j] = block + j < reduction.blocks ? load_element(partial + (block + j) * reduction.columns) : 0.0f;
      }
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        if (block + j < reduction.blocks) sum = dev::add(sum, next[j]);
      }
    }
    T* target = row_of<T>(reduction.output, output) + column;
    if (reduction.beta != 0.0f) sum = dev::fused_multiply_add(reduction.beta, load_element(target), sum);
    store_element(target, sum);
  }
}

template <class T>
mm1_status launch_typed(mm1_stream stream, const RowReduction& reduction) {
  const int64_t tiles = (reduction.columns + kTile<T> - 1) / kTile<T>;
  dev::LaunchConfig config;
  config.grid = {row_blocks(reduction.output_rows * reduction.blocks * tiles, 1, current_profile()), 1, 1};
  config.block = {kThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  dev::LaunchStatus status = dev::launch(config, reduce_rows<T>, reduction);
  MM1_RETURN_IF_FAILED(launched("reduce_rows", status.code, status.text));
  if (reduction.blocks == 1) return MM1_STATUS_OK;
  config.grid = {row_blocks(reduction.output_rows * reduction.columns, kThreads, current_profile()), 1, 1};
  status = dev::launch(config, join_row_blocks<T>, reduction);
  return launched("reduce_rows", status.code, status.text);
}

}  // namespace

mm1_status launch_row_reduction(mm1_stream stream, bool is_float32, const RowReduction& reduction) {
  return is_float32 ? launch_typed<float>(stream, reduction) : launch_typed<dev::bf16>(stream, reduction);
}

}  // namespace mm1
