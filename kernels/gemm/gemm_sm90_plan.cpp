// Which tile, cluster and grid the Hopper GEMM takes: a small model of one SM's time instead of a table of measured shapes.
#include <algorithm>
#include <cstdint>

#include "gemm_sm90.h"

namespace mm1 {

namespace {

constexpr int64_t kExtentLimit = int64_t(1) << 31;      // TMA coordinates are int32.
constexpr int64_t kStrideLimit = int64_t(1) << 40;      // Bytes, of a tensor map.
constexpr int64_t kTmaAlignment = 16;                   // Bytes, of addresses and strides.

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool is_aligned(int64_t bytes) { return bytes % kTmaAlignment == 0 && bytes < kStrideLimit; }

// Whether TMA can address the operand. A stride that no element is reached by does not matter.
bool takes_tma(const mm1_operand& operand, int64_t element_bytes, int64_t rows, int64_t problems, int64_t batch_stride) {
  if (reinterpret_cast<uintptr_t>(operand.data) % kTmaAlignment != 0) return false;
  if (rows > 1 && !is_aligned(operand.row_stride * element_bytes)) return false;
  return problems <= 1 || is_aligned(batch_stride * element_bytes);
}

// The 4 wide rows of the other epilogue need no alignment; this says whether the warps' staging blocks can go out by TMA.
bool stores_by_tma(const mm1_gemm_args& args) {
  const bool plain = args.activation == MM1_ACTIVATION_NONE && args.activation_gradient == 0 && args.beta == 0.0f &&
                     args.residual.data == nullptr && args.pre_activation.data == nullptr;
  const int64_t bytes = args.output.dtype == MM1_DTYPE_FLOAT32 ? 4 : 2;
  return plain && takes_tma(args.output, bytes, args.m, args.batch, args.batch_stride_output);
}

// Cycles that one SM needs for the whole product, roughly: the tensor cores do 8192 multiply-adds of bf16 in 4 cycles, L2 gives an SM about
// 64 bytes a cycle, and a tile costs its epilogue beside that. What a cluster multicasts is read once for both blocks.
double modelled_cycles(const mm1_gemm_args& args, int64_t multiprocessors, int tile_n, int cluster) {
  const double k_blocks = double(divide_up(args.k, 64));
  const double multiply = 4.0 * tile_n;
  const double load = (128.0 * 64 * 2 + double(tile_n) * 64 * 2 / cluster) / 64.0;
  const double epilogue = 1000.0 + 8.0 * tile_n;
  const int64_t clusters = std::max<int64_t>(1, multiprocessors / cluster);
  const int64_t tiles = divide_up(args.m, 128 * cluster) * divide_up(args.n, tile_n) * args.batch;
  return double(divide_up(tiles, clusters)) * (k_blocks * std::max(multiply, load) + epilogue);
}

}  // namespace

GemmSm90Plan plan_gemm_sm90(const mm1_gemm_args& args, const DeviceProfile& profile) {
  GemmSm90Plan plan;
  const auto refuse = [&plan](const char* why) {
    plan.refusal = why;
    return plan;
  };
  if (!profile.runs_sm90a()) return refuse("the device is not of capability 9.0");
  if (profile.shared_bytes_per_block < GemmSm90Tile<256>::shared_bytes) return refuse("a block has too little shared memory");
  if (args.a.dtype != MM1_DTYPE_BFLOAT16 || args.b.dtype != MM1_DTYPE_BFLOAT16) return refuse("the operands are not bf16");
  if (args.m <= 0 || args.n <= 0 || args.k <= 0 || args.batch <= 0) return refuse("an extent is 0");
  if (args.m >= kExtentLimit || args.n >= kExtentLimit || args.k >= kExtentLimit - 64 || args.batch >= kExtentLimit) {
    return refuse("an extent is 2^31 or more");
  }
  const int64_t rows_a = args.transpose_a == MM1_TRANSPOSE_NONE ? args.m : args.k;
  const int64_t rows_b = args.transpose_b == MM1_TRANSPOSE_NONE ? args.k : args.n;
  if (!takes_tma(args.a, 2, rows_a, args.batch, args.batch_stride_a)) return refuse("a is not aligned to 16 bytes");
  if (!takes_tma(args.b, 2, rows_b, args.batch, args.batch_stride_b)) return refuse("b is not aligned to 16 bytes");
  if (divide_up(args.m, 128) * divide_up(args.n, 64) >= kExtentLimit / args.batch) return refuse("there are 2^31 tiles or more");

  // The widest tile first: of equal cost it reads least. A cluster of two wins where both its rows of tiles exist.
  double best = -1;
  for (const int tile_n : {256, 128, 64}) {
    for (const int cluster : {2, 1}) {
      if (cluster == 2 && (tile_n == 64 || args.m <= 128)) continue;
      const double cycles = modelled_cycles(args, profile.multiprocessors, tile_n, cluster);
      if (best >= 0 && cycles >= best) continue;
      best = cycles;
      plan.tile_n = tile_n;
      plan.cluster = cluster;
    }
  }
  // One wave of blocks covers about as many rows as columns of the output: 8 tiles of 128 rows beside 16 of 256 columns.
  plan.group = std::max(1, (plan.tile_n == 256 ? 8 : plan.tile_n == 128 ? 12 : 16) / plan.cluster);
  const int64_t tiles = divide_up(args.m, 128 * plan.cluster) * divide_up(args.n, plan.tile_n) * args.batch;
  plan.blocks = int(std::min<int64_t>(profile.multiprocessors / plan.cluster, tiles)) * plan.cluster;
  plan.store_by_tma = stores_by_tma(args);
  return plan;
}

}  // namespace mm1
