// Column sums of an output gradient, the gradient of a bias.
//
// Maths      result[c] = sum over rows of x[r, c] + beta * result[c], float32.
// Order      fixed by the number of rows alone. Rows in blocks of 256; in a block 8 warps sum 32 rows each, row by row, and the 8 sums are
//            added in ascending order; the blocks are added in ascending order.
// Layout     x [rows, columns] bfloat16 or float32, rows of any stride; partial [blocks, columns] float32 in the workspace.
// Roles      column_sums        256 threads for 64 columns of one block of rows, two columns a lane: a warp reads 128 bytes of a bfloat16
//                               row. Where one block is all, it writes the result.
//            join_column_sums   a thread for each column adds the blocks and writes the result.
// Budget     2 KB of shared memory, 256 threads, a few dozen registers.
// Not here   vectors wider than two columns; a result that is a batch of rows.
#include "gemm/bias_gradient.h"

#include "dev/launch.h"
#include "host/device.h"
#include "host/device_profile.h"
#include "host/error.h"
#include "tile/epilogue.cuh"

namespace mm1 {

namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * 32;
constexpr int kWarpRows = static_cast<int>(kColumnSumBlockRows) / kWarps;
constexpr int kAtOnce = 8;  // Loads on their way before the first is added: one at a time would leave the memory idle.

template <int Width>
DEV_FN void write_result(const ColumnSums& sums, int64_t column, float (&values)[Width]) {
  const int64_t left = sums.columns - column;
  const int count = left < Width ? static_cast<int>(left) : Width;
  if (sums.beta != 0.0f) {
    float old[Width];
    load_elements(sums.result, column, sums.access_result, count, old);
    DEV_UNROLL for (int i = 0; i < Width; i++) values[i] = dev::fused_multiply_add(sums.beta, old[i], values[i]);
  }
  store_elements(sums.result, column, sums.access_result, count, values);
}

DEV_KERNEL DEV_BOUNDS(kThreads) column_sums(const DEV_GRID_CONST ColumnSums sums) {
  DEV_SHARED(float, warp_sums, kWarps * kColumnSumColumns);
  const int64_t tiles = (sums.columns + kColumnSumColumns - 1) / kColumnSumColumns;
  const int64_t block = dev::bid_x() / tiles;
  const int64_t first_column = dev::bid_x() % tiles * kColumnSumColumns;
  const uint32_t warp = dev::tid() / 32;
  const uint32_t place = dev::lane() * 2;
  const int64_t column = first_column + place;
  const int64_t left = sums.columns - column;
  const int count = left >= 2 ? 2 : left > 0 ? static_cast<int>(left) : 0;

  float pair[2] = {0.0f, 0.0f};
  const int64_t first_row = block * kColumnSumBlockRows + warp * kWarpRows;
  const int64_t end_row = first_row + kWarpRows < sums.rows ? first_row + kWarpRows : sums.rows;
  if (count > 0) {
    for (int64_t row = first_row; row < end_row; row += kAtOnce) {
      float x[kAtOnce][2];
      DEV_UNROLL for (int i = 0; i < kAtOnce; i++) {
        const bool inside = row + i < end_row;
        load_elements(sums.x, (row + i) * sums.x.row_stride + column, sums.access_x, inside ? count : 0, x[i]);
      }
      DEV_UNROLL for (int i = 0; i < kAtOnce; i++) {
        if (row + i < end_row) {
          pair[0] = dev::add(pair[0], x[i][0]);
          pair[1] = dev::add(pair[1], x[i][1]);
        }
      }
    }
  }
  warp_sums[warp * kColumnSumColumns + place] = pair[0];
  warp_sums[warp * kColumnSumColumns + place + 1] = pair[1];
  dev::sync_block();
  if (warp != 0 || count == 0) return;
  for (int other = 1; other < kWarps; other++) {
    pair[0] = dev::add(pair[0], warp_sums[other * kColumnSumColumns + place]);
    pair[1] = dev::add(pair[1], warp_sums[other * kColumnSumColumns + place + 1]);
  }
  if (sums.blocks == 1) {
    write_result(sums, column, pair);
  } else {
    const EpilogueOperand partial{sums.partial, 0, 0, 1, 0};
    store_elements(partial, block * sums.columns + column, 1, count, pair);
  }
}

DEV_KERNEL DEV_BOUNDS(kThreads) join_column_sums(const DEV_GRID_CONST ColumnSums sums) {
  const int64_t column = static_cast<int64_t>(dev::bid_x()) * kThreads + dev::tid();
  if (column >= sums.columns) return;
  const EpilogueOperand partial{sums.partial, 0, 0, 1, 0};
  float sum[1] = {0.0f};
  for (int64_t block = 0; block < sums.blocks; block += kAtOnce) {
    float next[kAtOnce][1];
    DEV_UNROLL for (int i = 0; i < kAtOnce; i++) {
      load_elements(partial, (block + i) * sums.columns + column, 1, block + i < sums.blocks ? 1 : 0, next[i]);
    }
    DEV_UNROLL for (int i = 0; i < kAtOnce; i++) {
      if (block + i < sums.blocks) sum[0] = dev::add(sum[0], next[i][0]);
    }
  }
  write_result(sums, column, sum);
}

template <class Kernel>
mm1_status launch(mm1_stream stream, const char* verb, int64_t blocks, Kernel kernel, const ColumnSums& sums) {
  if (blocks > kGridX) {
    return fail(MM1_STATUS_UNSUPPORTED, "%s: rows = %lld, columns = %lld needs more blocks than a grid has.", verb,
                static_cast<long long>(sums.rows), static_cast<long long>(sums.columns));
  }
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(blocks), 1, 1};
  config.block = {kThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, sums);
  return launched(verb, status.code, status.text);
}

}  // namespace

mm1_status launch_column_sums(mm1_stream stream, const ColumnSums& sums, const char* verb) {
  const int64_t tiles = (sums.columns + kColumnSumColumns - 1) / kColumnSumColumns;
  MM1_RETURN_IF_FAILED(launch(stream, verb, tiles * sums.blocks, column_sums, sums));
  if (sums.blocks == 1) return MM1_STATUS_OK;
  return launch(stream, verb, (sums.columns + kThreads - 1) / kThreads, join_column_sums, sums);
}

}  // namespace mm1
