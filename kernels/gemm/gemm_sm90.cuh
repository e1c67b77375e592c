// bf16 matrix product for Hopper (sm_90a): TMA feeds a ring of shared-memory stages, wgmma empties it, one persistent block per SM.
//
//   t = alpha * op(a) op(b) + beta * output + bias;   output = activation(t) + residual      (see mm1_gemm; float32 sums)
//
// Layouts. op(a) is read K-major ([m, k]) or MN-major (transposed, [k, m]), b K-major (transposed, [n, k]) or MN-major ([k, n]): wgmma takes
// both through its descriptors, so no operand is ever transposed by hand. Tensor maps of rank 3 (contiguous, row, problem) fill tails of m, n, k
// with zeros and cut them off when storing. See tile/wgmma_tile.cuh for the shared tiles.
//
// Tile and roles of a block (384 threads; GemmSm90Tile has the budget):
//   warpgroup 0   producer, 40 registers. Its first thread fills stages of A [128, 64] and B [64, tile_n]; in a cluster of two, blocks lie
//                 one above the other, each loads its own A and half of B, and multicasts that half to both.
//   warpgroup 1   consumer, 232 registers: rows 0 .. 63 of the tile, tile_n / 2 accumulators a thread.
//   warpgroup 2   consumer: rows 64 .. 127.
// A consumer keeps one group of wgmmas in flight and releases the stage before it, one arrival per warpgroup and block of the cluster.
// While consumers write a tile out, the producer already fills the ring for the next one.
//
//   shared memory   stages x [A | B]  |  8 consumer warps x 2 staging blocks of 2 KB  |  full and empty barriers
//   tile_n          256: 4 stages, 224 KB     192: 4 stages, 192 KB     128: 6 stages, 224 KB     64: 6 stages, 176 KB     one block per SM
//
// Epilogues. Plain (alpha, bias; aligned output): each warp rounds its fragments into swizzled staging (stmatrix for bf16) and stores by TMA
// while it goes on. Anything else: fragments go through the same staging as float32, and the warp reads rows of 4 columns a lane back, so that
// old output, residual and pre-activation are touched in whole sectors and the code of all activations stands once.
//
// Order. Tiles go in groups of tiles of M (tile/tile_order.h); the sum over k ascends in steps of 16 in every instance, so an element's bits
// do not depend on tile_n, cluster, blocks, m, n or batch.
//
// Not supported (the plan says so, and the sm_80 path takes the problem): operands whose address, row stride or batch stride is not a multiple
// of 16 bytes, k = 0, extents of 2^31 - 1024 and more, dtypes other than bf16.
#pragma once
#include "dev/tma.cuh"
#include "gemm/gemm_sm90.h"
#include "tile/epilogue.cuh"
#include "tile/fragment_staging.cuh"
#include "tile/tile_order.h"
#include "tile/tma_ring.cuh"
#include "tile/wgmma_tile.cuh"

namespace mm1 {

// Mistakes on purpose. The library has only `none`; the tests instantiate the others and show that the emulator catches each.
enum class GemmSm90Fault {
  none,
  no_empty_wait,       // The producer overwrites stages that may still be read.
  wrong_bytes,         // The producer announces A's bytes only.
  early_release,       // The stage is released before its wgmmas have been waited for.
  no_final_wait,       // The epilogue reads accumulators that are still being computed.
  no_proxy_fence,      // TMA stores what ordinary stores wrote, without a fence between the proxies.
  no_staging_wait,     // A staging block is filled again while TMA still reads it.
  own_release_only,    // In a cluster, the other block's producer is not told.
};

// What the kernel is told beside the tensor maps.
struct GemmSm90Arguments {
  int m = 0;
  int k_blocks = 0;         // Stages of one tile: ceil(k / 64), at least 1.
  int tiles = 0;            // Tiles of all problems; with clusters of two, pairs of tiles.
  TileOrder order;          // Those of one problem.
  int cluster = 1;
  int problem_step_a = 0;   // 1, or 0 where the batch shares a.
  int problem_step_b = 0;
  bool store_by_tma = false;
  Epilogue epilogue;
};

#if DEV_SM90A
// A block's part of tile `tile`: first row and column, and which problem.
struct GemmSm90Place {
  int row;
  int column;
  int problem;
};

template <class Tile>
DEV_FN GemmSm90Place gemm_sm90_place(const GemmSm90Arguments& arguments, int tile, uint32_t rank) {
  const int tiles_of_problem = int(arguments.order.count());
  const int problem = tile / tiles_of_problem;
  const TileIndex index = arguments.order.at(tile - problem * tiles_of_problem);
  return {(int(index.row) * arguments.cluster + int(rank)) * Tile::tile_m, int(index.column) * Tile::tile_n, problem};
}

template <class Tile, bool a_mn_major, bool b_mn_major, GemmSm90Fault fault>
DEV_FN void gemm_sm90_produce(const DevTensorMap* map_a, const DevTensorMap* map_b, const GemmSm90Arguments& arguments,
    const TmaRing<Tile::stages>& ring, uint32_t shared, uint32_t rank) {
  // B comes in pieces: two halves of rows where it is K-major, panels of 64 columns where it is MN-major (of three, one block loads two).
  constexpr int pieces = b_mn_major ? Tile::tile_n / 64 : 2;
  constexpr int piece_columns = Tile::tile_n / pieces;
  constexpr int piece_bytes = Tile::b_bytes / pieces;
  const int cluster = arguments.cluster;
  const int own_pieces = cluster == 1 ? pieces : (pieces + 1) / 2;
  const int first_piece = int(rank) * own_pieces;
  const int last_piece = first_piece + own_pieces < pieces ? first_piece + own_pieces : pieces;
  RingPosition<Tile::stages> at;
  const int clusters = int(dev::nbid_x()) / cluster;
  for (int tile = int(dev::bid_x()) / cluster; tile < arguments.tiles; tile += clusters) {
    const GemmSm90Place place = gemm_sm90_place<Tile>(arguments, tile, rank);
    const int problem_a = place.problem * arguments.problem_step_a;
    const int problem_b = place.problem * arguments.problem_step_b;
    for (int block = 0; block < arguments.k_blocks; block++) {
      const int k = block * Tile::tile_k;
      const uint32_t a = shared + at.stage * Tile::stage_bytes;
      const uint32_t b = a + Tile::a_bytes;
      const uint32_t full = ring.full(at.stage);
      if (fault != GemmSm90Fault::no_empty_wait) ring.wait_empty(at, cluster);
      ring.announce(at.stage, fault == GemmSm90Fault::wrong_bytes ? Tile::a_bytes : Tile::stage_bytes);
      if (a_mn_major) {
        DEV_UNROLL
        for (int panel = 0; panel < Tile::tile_m / 64; panel++) {
          dev::tma_load_3d(a + panel * kSwizzledPanelBytes, map_a, place.row + panel * 64, k, problem_a, full);
        }
      } else {
        dev::tma_load_3d(a, map_a, k, place.row, problem_a, full);
      }
      for (int piece = first_piece; piece < last_piece; piece++) {
        const uint32_t to = b + uint32_t(piece) * piece_bytes;
        const int x = b_mn_major ? place.column + piece * piece_columns : k;
        const int y = b_mn_major ? k : place.column + piece * piece_columns;
        if (cluster == 1) {
          dev::tma_load_3d(to, map_b, x, y, problem_b, full);
        } else {
          dev::tma_load_3d_multicast(to, map_b, x, y, problem_b, full, uint16_t(3));
        }
      }
      at.advance();
    }
  }
}

// t = alpha * sum + bias on a fragment whose lane's first column is `column`: the operations of finish() in tile/epilogue.cuh.
template <int columns>
DEV_FN void gemm_sm90_plain_epilogue(const Epilogue& epilogue, float* fragment, int column) {
  DEV_UNROLL
  for (int j = 0; j < columns / 8; j++) {
    float* f = fragment + j * 4;
    DEV_UNROLL
    for (int i = 0; i < 4; i++) f[i] = dev::multiply(epilogue.alpha, f[i]);
    const int64_t left = epilogue.columns - (column + j * 8);
    if (epilogue.bias.data == nullptr || left <= 0) continue;
    float bias[2];
    load_elements(epilogue.bias, column + j * 8, epilogue.access, left >= 2 ? 2 : 1, bias);
    DEV_UNROLL
    for (int i = 0; i < 4; i++) f[i] = dev::add(f[i], bias[i & 1]);
  }
}

// A warp's 16 rows of one tile, in chunks of 128 bytes of output a row.
template <class Tile, class Output, GemmSm90Fault fault>
DEV_FN void gemm_sm90_store_by_tma(float (&accumulator)[Tile::accumulator_registers], const DevTensorMap* map_output,
    const GemmSm90Arguments& arguments, uint32_t staging, int& next_block, const GemmSm90Place& place) {
  constexpr int chunk_columns = kSwizzledLineBytes / int(sizeof(Output));
  constexpr int chunk_registers = chunk_columns / 2;
  const uint32_t lane = dev::lane();
  DEV_UNROLL
  for (int chunk = 0; chunk < Tile::tile_n / chunk_columns; chunk++) {
    const int chunk_column = place.column + chunk * chunk_columns;
    if (place.row >= arguments.m || chunk_column >= arguments.epilogue.columns) continue;
    float* fragment = accumulator + chunk * chunk_registers;
    gemm_sm90_plain_epilogue<chunk_columns>(arguments.epilogue, fragment, chunk_column + int(lane & 3) * 2);
    const uint32_t block = staging + uint32_t(next_block) * kStagingBlockBytes;
    if (fault != GemmSm90Fault::no_staging_wait && lane == 0) dev::tma_wait_read<Tile::staging_blocks - 1>();
    dev::sync_warp();
    if constexpr (sizeof(Output) == 2) {
      stage_bf16(block, fragment, lane);
    } else {
      stage_float32(block, fragment, lane);
    }
    if (fault != GemmSm90Fault::no_proxy_fence) dev::fence_proxy_async();
    dev::sync_warp();
    if (lane == 0) {
      dev::tma_store_3d(map_output, block, chunk_column, place.row, place.problem);
      dev::tma_commit();
    }
    next_block ^= 1;
  }
}

// The same rows through the epilogue of every option: 32 columns at a time as float32 into staging, then 4 columns a lane out of it.
template <class Tile>
DEV_FN void gemm_sm90_store_rows(const float (&accumulator)[Tile::accumulator_registers], const GemmSm90Arguments& arguments,
    uint32_t staging, const GemmSm90Place& place) {
  const uint32_t lane = dev::lane();
  DEV_NO_UNROLL
  for (int chunk = 0; chunk < Tile::tile_n / 32; chunk++) {
    const int chunk_column = place.column + chunk * 32;
    if (place.row >= arguments.m || chunk_column >= arguments.epilogue.columns) break;
    dev::sync_warp();
    // Registers cannot be indexed: the chunk is found by comparison, so that the code below stands once.
    DEV_UNROLL
    for (int candidate = 0; candidate < Tile::tile_n / 32; candidate++) {
      if (candidate == chunk) stage_float32(staging, accumulator + candidate * 16, lane);
    }
    dev::sync_warp();
    DEV_NO_UNROLL
    for (int pass = 0; pass < 4; pass++) {
      const uint32_t line = uint32_t(pass) * 4 + (lane >> 3);
      const uint4 bits = dev::ld_shared_16(swizzled_piece(staging, line, lane & 7));
      const float values[4] = {dev::u2f(bits.x), dev::u2f(bits.y), dev::u2f(bits.z), dev::u2f(bits.w)};
      const int row = place.row + int(line);
      const int column = chunk_column + int(lane & 7) * 4;
      if (row < arguments.m && column < arguments.epilogue.columns) finish(arguments.epilogue, place.problem, row, column, values);
    }
  }
}

template <class Tile, bool a_mn_major, bool b_mn_major, GemmSm90Fault fault>
DEV_FN void gemm_sm90_consume(const DevTensorMap* map_output, const GemmSm90Arguments& arguments, const TmaRing<Tile::stages>& ring,
    uint32_t shared, uint32_t rank) {
  const int cluster = arguments.cluster;
  const uint32_t thread = dev::tid() % 128;
  const uint32_t consumer = dev::tid() / 128 - 1;
  const uint32_t warp = dev::tid() / 32 - 4;
  const uint32_t staging = shared + Tile::stages * Tile::stage_bytes + warp * (Tile::staging_blocks * kStagingBlockBytes);
  const uint32_t release_to = fault == GemmSm90Fault::own_release_only ? 1u : uint32_t(cluster);
  RingPosition<Tile::stages> at;
  int next_block = 0;
  float accumulator[Tile::accumulator_registers];
  const int clusters = int(dev::nbid_x()) / cluster;
  for (int tile = int(dev::bid_x()) / cluster; tile < arguments.tiles; tile += clusters) {
    uint32_t previous = 0;
    for (int block = 0; block < arguments.k_blocks; block++) {
      const uint32_t a = shared + at.stage * Tile::stage_bytes + consumer * kSwizzledPanelBytes;
      const uint32_t b = shared + at.stage * Tile::stage_bytes + Tile::a_bytes;
      ring.wait_full(at);
      multiply_stage<Tile::tile_n, a_mn_major, b_mn_major>(accumulator, a, b, block == 0);
      if (fault == GemmSm90Fault::early_release) {
        ring.release(at.stage, thread, release_to);
        dev::wgmma_wait<0>();
      } else {
        dev::wgmma_wait<1>();
        if (block > 0) ring.release(previous, thread, release_to);
      }
      previous = at.stage;
      at.advance();
    }
    if (fault != GemmSm90Fault::no_final_wait) dev::wgmma_wait<0>();
    dev::wgmma_fence_regs(accumulator);
    if (fault != GemmSm90Fault::early_release) ring.release(previous, thread, release_to);

    GemmSm90Place place = gemm_sm90_place<Tile>(arguments, tile, rank);
    place.row += int(warp) * 16;
    if (!arguments.store_by_tma) {
      gemm_sm90_store_rows<Tile>(accumulator, arguments, staging, place);
    } else if (arguments.epilogue.output.is_float32) {
      gemm_sm90_store_by_tma<Tile, float, fault>(
          accumulator, map_output, arguments, staging, next_block, place);
    } else {
      gemm_sm90_store_by_tma<Tile, dev::bf16, fault>(
          accumulator, map_output, arguments, staging, next_block, place);
    }
  }
  if (arguments.store_by_tma && dev::lane() == 0) dev::tma_wait<0>();
}

#endif  // DEV_SM90A

template <int tile_n, bool a_mn_major, bool b_mn_major, GemmSm90Fault fault = GemmSm90Fault::none>
DEV_KERNEL DEV_BOUNDS(GemmSm90Tile<tile_n>::threads, 1)
gemm_sm90_kernel(const DEV_GRID_CONST DevTensorMap map_a, const DEV_GRID_CONST DevTensorMap map_b,
    const DEV_GRID_CONST DevTensorMap map_output, const DEV_GRID_CONST GemmSm90Arguments arguments) {
#if DEV_SM90A
  using Tile = GemmSm90Tile<tile_n>;
  const uint32_t shared = dev::smem_addr(dev::dynamic_smem());
  const bool is_cluster = arguments.cluster > 1;
  const uint32_t rank = is_cluster ? dev::cluster_rank() : 0u;
  const TmaRing<Tile::stages> ring{shared + Tile::stages * Tile::stage_bytes + Tile::staging_bytes};
  if (dev::tid() == 0) {
    if (shared % 1024 != 0) dev::trap();
    ring.initialize(Tile::consumers * uint32_t(arguments.cluster));
    dev::tma_prefetch(&map_a);
    dev::tma_prefetch(&map_b);
    if (arguments.store_by_tma) dev::tma_prefetch(&map_output);
  }
  if (is_cluster) {
    dev::cluster_sync();
  } else {
    dev::sync_block();
  }
  if (dev::tid() < 128) {
    dev::reg_dec<Tile::producer_registers>();
    if (dev::tid() == 0) gemm_sm90_produce<Tile, a_mn_major, b_mn_major, fault>(&map_a, &map_b, arguments, ring, shared, rank);
    dev::sync_warp();
  } else {
    dev::reg_inc<Tile::consumer_registers>();
    gemm_sm90_consume<Tile, a_mn_major, b_mn_major, fault>(&map_output, arguments, ring, shared, rank);
  }
  // A block must not end while its neighbour still arrives at its barriers.
  if (is_cluster) dev::cluster_sync();
#else
  (void)map_a, (void)map_b, (void)map_output, (void)arguments;
  dev::trap();
#endif
}

}  // namespace mm1
