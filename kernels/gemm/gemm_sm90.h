// The Hopper bf16 GEMM, host side: its tiles and their budgets, the plan (pure), the launch. The kernel itself is in gemm_sm90.cuh.
#ifndef MM1_GEMM_GEMM_SM90_H
#define MM1_GEMM_GEMM_SM90_H

#include <stdint.h>

#include "host/device_profile.h"
#include "mm1/kernels.h"

namespace mm1 {

struct GemmProblem;  // gemm.h

// One instance: a block of 128 x tile_n outputs, k in stages of 64. Everything here is asserted below against what an SM has.
template <int tile_n_>
struct GemmSm90Tile {
  static constexpr int tile_m = 128;
  static constexpr int tile_n = tile_n_;
  static constexpr int tile_k = 64;
  static constexpr int consumers = 2;                        // Warpgroups that multiply; each has 64 rows of the tile.
  static constexpr int threads = 128 * (1 + consumers);      // One more warpgroup, of which one thread drives TMA.
  static constexpr int stages = tile_n > 128 ? 4 : 6;
  static constexpr int a_bytes = tile_m * tile_k * 2;
  static constexpr int b_bytes = tile_n * tile_k * 2;
  static constexpr int stage_bytes = a_bytes + b_bytes;
  static constexpr int staging_blocks = 2;                   // Per consumer warp: one is filled while TMA stores from the other.
  static constexpr int staging_bytes = consumers * 4 * staging_blocks * 16 * 128;
  static constexpr int barrier_bytes = 2 * stages * 8;
  static constexpr int shared_bytes = stages * stage_bytes + staging_bytes + barrier_bytes;

  // Registers. The block is launched with launch_registers a thread (65536 / threads, in eights); setmaxnreg moves them from the producer
  // warpgroup to the consumers, who hold tile_n / 2 accumulators each.
  static constexpr int launch_registers = kRegistersPerMultiprocessor / threads / 8 * 8;
  static constexpr int producer_registers = 40;
  static constexpr int consumer_registers = 232;
  static constexpr int accumulator_registers = tile_n / 2;

  static_assert(shared_bytes <= kProfileSm90.shared_bytes_per_block, "shared memory of one block");
  static_assert(stage_bytes % 1024 == 0 && staging_bytes % 1024 == 0, "swizzled tiles begin at multiples of 1024 bytes");
  static_assert(128 * (producer_registers + consumers * consumer_registers) <= threads * launch_registers, "setmaxnreg never waits for more");
  static_assert(threads * launch_registers <= kRegistersPerMultiprocessor, "registers of one block");
  static_assert(producer_registers % 8 == 0 && consumer_registers % 8 == 0, "setmaxnreg counts in eights");
  static_assert(accumulator_registers + 80 <= consumer_registers, "accumulators and what the epilogue needs beside them");
  static_assert(threads <= kThreadsPerBlock, "threads of one block");
  static_assert(tile_n == 64 || tile_n == 128 || tile_n == 192 || tile_n == 256, "instances that exist");
};

// How a product runs on the Hopper kernel, or why it does not. Nothing in it changes the order in which an output element is summed:
// k ascends in steps of 16 whatever the tile.
struct GemmSm90Plan {
  const char* refusal = nullptr;  // Not nullptr: this kernel does not take the problem, because of this.
  int tile_n = 0;                 // 64, 128, 192 or 256.
  int cluster = 1;                // 2: two blocks, one above the other, share B's tile by multicast.
  int group = 8;                  // Tiles of M that are finished before the next column of groups begins, so that L2 keeps B.
  int blocks = 0;                 // Persistent blocks, a multiple of cluster.
  bool store_by_tma = false;      // Plain epilogue (alpha, bias) into an aligned output; else rows are stored by the warps themselves.
};

// What somebody who compares or tests instances forces; 0 is left to the plan.
struct GemmSm90Choice {
  int tile_n = 0;
  int cluster = 0;
  int blocks = 0;              // At most so many persistent blocks.
  bool rows_only = false;      // Rows are stored by the warps even where TMA could.
};

// The choice of this process: MM1_GEMM_SM90=256x2 in the environment (columns of a tile, blocks of a cluster); tests set it directly.
GemmSm90Choice gemm_sm90_choice();
void set_gemm_sm90_choice(const GemmSm90Choice& choice);

// Pure: reads extents, strides, dtypes and the alignment of addresses only. A forced tile that does not exist is refused.
GemmSm90Plan plan_gemm_sm90(const GemmProblem& problem, const DeviceProfile& profile, const GemmSm90Choice& choice = {});

// Enqueues on the stream a product that plan_gemm_sm90 took.
mm1_status launch_gemm_sm90(mm1_stream stream, const GemmProblem& problem, const GemmSm90Plan& plan);

}  // namespace mm1

#endif  // MM1_GEMM_GEMM_SM90_H
