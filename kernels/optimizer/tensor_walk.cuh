// All elements of all tensors as one list of chunks, each within one tensor, found by the blocks themselves in a list that lies in device memory:
// 256 tensors at a time, the chunks of each counted by a prefix sum, then a binary search for each chunk.
#pragma once
#include "optimizer/float64.cuh"
#include "optimizer/optimizer.h"

namespace mm1 {

constexpr int kWalkWarps = kOptimizerThreads / 32;

DEV_FN int64_t chunks_of(const GradientNorm&, int64_t count) { return count > 0 ? (count + kNormChunk - 1) / kNormChunk : 0; }
DEV_FN int64_t chunks_of(const AdamW&, int64_t count) { return count > 0 ? (count + kAdamWChunk - 1) / kAdamWChunk : 0; }

// Chunks of all tensors, in every thread.
template <class Problem>
DEV_FN int64_t total_chunks(const Problem& problem, int64_t* warp_totals) {
  int64_t total = 0;
  for (int64_t tensor = dev::tid(); tensor < problem.tensor_count; tensor += kOptimizerThreads) {
    total += chunks_of(problem, problem.tensors[tensor].count);
  }
  DEV_UNROLL for (int distance = 16; distance > 0; distance /= 2) {
    total += static_cast<int64_t>(shuffle_xor_64(static_cast<uint64_t>(total), distance));
  }
  if (dev::lane() == 0) warp_totals[dev::tid() / 32] = total;
  dev::sync_block();
  total = 0;
  DEV_UNROLL for (int warp = 0; warp < kWalkWarps; warp++) total += warp_totals[warp];
  dev::sync_block();
  return total;
}

// Calls body(tensor, number of the chunk within it) for chunks first, first + step, ... below end; all threads of the block together. `ends`
// has kOptimizerThreads places, `warp_totals` kWalkWarps.
template <class Problem, class Body>
DEV_FN void walk_chunks(const Problem& problem, int64_t first, int64_t end, int64_t step, int64_t* ends, int64_t* warp_totals, const Body& body) {
  const uint32_t warp = dev::tid() / 32;
  int64_t before = 0;  // Chunks of the tensors before this batch.
  for (int64_t batch = 0; batch < problem.tensor_count && first < end; batch += kOptimizerThreads) {
    const int64_t own = batch + dev::tid();
    int64_t sum = own < problem.tensor_count ? chunks_of(problem, problem.tensors[own].count) : 0;
    DEV_UNROLL for (int distance = 1; distance < 32; distance *= 2) {
      const int64_t other = static_cast<int64_t>(shuffle_up_64(static_cast<uint64_t>(sum), distance));
      if (dev::lane() >= static_cast<uint32_t>(distance)) sum += other;
    }
    if (dev::lane() == 31) warp_totals[warp] = sum;
    dev::sync_block();
    DEV_UNROLL for (uint32_t other = 0; other < kWalkWarps; other++) {
      if (other < warp) sum += warp_totals[other];
    }
    ends[dev::tid()] = sum;
    dev::sync_block();
    const int64_t here = ends[kOptimizerThreads - 1];
    for (; first < end && first - before < here; first += step) {
      const int64_t wanted = first - before;
      int low = 0;
      DEV_UNROLL for (int half = kOptimizerThreads / 2; half > 0; half /= 2) {
        if (ends[low + half - 1] <= wanted) low += half;
      }
      body(problem.tensors[batch + low], wanted - (low > 0 ? ends[low - 1] : 0));
    }
    before += here;
    dev::sync_block();  // The ends serve the next batch.
  }
}

}  // namespace mm1
