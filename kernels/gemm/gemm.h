// mm1_gemm between its argument record and its kernels: the normalised problem that kernels take, the plan (which kernel, which tile), the
// budgets of the kernels, and the functions that launch them.
//
//   args --normalise_gemm--> GemmProblem --plan_gemm(profile)--> GemmPlan --launch_gemm_*--> one kernel a slice of the batch
//
// A plan is a pure function of the problem, the device's profile and what was forced. Which kernel runs depends on dtype, math mode,
// architecture and the alignment of operands, never on m, n or batch; tiles vary with m and n, but every tile of a kernel sums an element
// in the same order with the same instructions. Row r of an output therefore has the same bits whatever stands beside it.
#ifndef MM1_GEMM_GEMM_H
#define MM1_GEMM_GEMM_H

#include <stdint.h>

#include "gemm/gemm_sm90.h"
#include "host/device_profile.h"
#include "mm1/kernels.h"
#include "tile/epilogue.h"
#include "tile/tile_order.h"

namespace mm1 {

// One input operand of every problem of the batch. Strides in bytes.
struct GemmInput {
  const char* data;
  int64_t row_stride;    // From one row in memory to the next; 0 where there is one row only, whose stride is not read.
  int64_t batch_stride;  // 0: shared by the batch.
  int32_t transposed;    // Of a: memory holds [k, m]. Of b: memory holds [n, k].
  int32_t is_aligned;    // Address and strides are multiples of 16 bytes.
};

// mm1_gemm_args, checked and free of choices: what a kernel needs and nothing else.
struct GemmProblem {
  int64_t m;
  int64_t n;
  int64_t k;
  int64_t batch;
  GemmInput a;
  GemmInput b;
  Epilogue epilogue;
  int32_t is_float32;  // Dtype of a and b: float32, else bfloat16.
  int32_t tf32;        // float32 operands rounded to tf32.

  int64_t element_bytes() const { return is_float32 ? 4 : 2; }
};

// The problem of args that passed check_gemm.
GemmProblem normalise_gemm(const mm1_gemm_args& args);

// The rules of mm1_gemm, the first broken one as status and text. Operand contents are not looked at.
mm1_status check_gemm(const mm1_gemm_args& args);

enum class GemmKernel : int32_t {
  nothing = 0,       // m, n or batch is 0: no output.
  float32 = 1,       // gemm_float32.cu: fused multiply-adds of float32.
  tf32_sm80 = 2,     // gemm_tf32_sm80.cu: mma.sync m16n8k8.
  bfloat16_sm80 = 3, // gemm_bfloat16_sm80.cu: mma.sync m16n8k16.
  bfloat16_sm90 = 4  // gemm_sm90.cu: TMA and wgmma m64nNk16.
};

// Tiles of the kernels for sm_80; those of sm_90 are gemm_sm90's own.
enum class GemmTile : int32_t {
  large = 0,  // 128 x 128.
  small = 1   // 64 x 64: fills a device with few rows or columns, and is the only one of the loader for unaligned operands.
};

struct GemmPlan {
  GemmKernel kernel = GemmKernel::nothing;
  GemmTile tile = GemmTile::small;
  bool is_aligned = false;  // Both inputs are read by 16-byte cp.async; else element by element.
  int tile_m = 0;
  int tile_n = 0;
  int threads = 0;
  int64_t shared_bytes = 0;
  TileOrder order = {0, 0, 1};
  GemmSm90Plan sm90;  // With kernel bfloat16_sm90: everything about it; of the fields above only kernel and is_aligned are then set.
};

// What a caller who compares kernels may force; everything else is left to the plan.
struct GemmChoice {
  bool sm80_only = false;  // The kernels of sm_80 on a device that has better ones.
  int tile = -1;           // A GemmTile.
  bool unaligned = false;  // The loader for unaligned operands even where they are aligned.
  GemmSm90Choice sm90;     // Tile and cluster of the kernel for sm_90.
};

GemmPlan plan_gemm(const GemmProblem& problem, const DeviceProfile& profile, const GemmChoice& choice = {});
inline GemmPlan plan_gemm(const mm1_gemm_args& args, const DeviceProfile& profile, const GemmChoice& choice = {}) {
  return plan_gemm(normalise_gemm(args), profile, choice);
}

// The choice of this process: MM1_GEMM_SM80=1 in the environment forces the kernels of sm_80; tests set it directly.
GemmChoice gemm_choice();
void set_gemm_choice(const GemmChoice& choice);

// Resources of one block of a kernel. Registers are those that the source names: accumulators and operand fragments, and an allowance for
// addresses.
struct GemmBudget {
  int threads;
  int64_t shared_bytes;
  int accumulator_registers;
  int fragment_registers;
  int other_registers;
  int resident_blocks;  // Blocks of one SM that launch bounds ask for.

  constexpr int registers() const { return accumulator_registers + fragment_registers + other_registers; }
  constexpr bool fits(const DeviceProfile& profile) const {
    return threads <= kThreadsPerBlock && threads % kWarpThreads == 0 && shared_bytes <= profile.shared_bytes_per_block &&
           registers() <= kRegistersPerThread && registers() * threads * resident_blocks <= kRegistersPerMultiprocessor &&
           threads * resident_blocks <= profile.threads_per_multiprocessor;
  }
};

// One tile of a kernel for sm_80: a block of `threads` computes [m, n] outputs, `stages` slices of 64 bytes of k in shared memory.
struct GemmTileShape {
  int m;
  int n;
  int warp_m;  // Outputs of one warp.
  int warp_n;
  int stages;

  constexpr int threads() const { return (m / warp_m) * (n / warp_n) * 32; }
  constexpr int64_t stage_bytes() const { return int64_t{m + n} * 64; }
  // The ring of stages; afterwards the tile of sums, which the epilogue reads.
  constexpr int64_t shared_bytes() const {
    const int64_t ring = stages * stage_bytes();
    const int64_t sums = int64_t{m} * n * 4;
    return ring > sums ? ring : sums;
  }
};

// mma.sync kernels: 4 warps. A warp of 64 x 64 reads half as many fragments for a product as four warps of 32 x 32 do.
constexpr GemmTileShape kMmaTiles[2] = {{128, 128, 64, 64, 4}, {64, 64, 32, 32, 4}};
// float32: each thread 8 x 8 outputs, a warp 32 x 64.
constexpr GemmTileShape kFloat32Tiles[2] = {{128, 128, 32, 64, 4}, {64, 64, 32, 64, 4}};

constexpr const GemmTileShape& gemm_tile_shape(GemmKernel kernel, GemmTile tile) {
  return kernel == GemmKernel::float32 ? kFloat32Tiles[static_cast<int>(tile)] : kMmaTiles[static_cast<int>(tile)];
}

// Budget of a kernel for sm_80.
constexpr GemmBudget gemm_budget(GemmKernel kernel, GemmTile tile) {
  const GemmTileShape& shape = gemm_tile_shape(kernel, tile);
  const int accumulators = shape.warp_m * shape.warp_n / 32;
  // mma: two k steps (one is loaded while the other is multiplied) of a, [warp_m, 32 bytes], and of b. float32: four k of 8 columns, and of
  // 4 rows.
  const int fragments = kernel == GemmKernel::float32 ? (8 + 4) * 4 : 2 * (shape.warp_m + shape.warp_n) * 32 / 4 / 32;
  return {shape.threads(), shape.shared_bytes(), accumulators, fragments, 56,
          tile == GemmTile::small ? 4 : kernel == GemmKernel::float32 ? 1 : 2};
}

// Problems of one launch, whose blocks lie along x of the grid; a larger batch is launched in slices. 0: not even one problem fits.
constexpr int64_t gemm_problems_per_launch(int64_t tiles) { return kGridX / tiles; }

// Each enqueues the product on the stream by the given plan, whose kernel must be its own.
mm1_status launch_gemm_float32(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan);
mm1_status launch_gemm_tf32_sm80(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan);
mm1_status launch_gemm_bfloat16_sm80(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan);

}  // namespace mm1

#endif  // MM1_GEMM_GEMM_H
