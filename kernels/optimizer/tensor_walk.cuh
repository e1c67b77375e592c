// All elements of all tensors as one list of chunks, each within one tensor, found by the blocks themselves in a list that lies in device
// memory: 256 tensors at a time, the chunks of each counted by a prefix sum, then a binary search for each chunk.
#pragma once
#include "optimizer/float64.cuh"
#include "optimizer/optimizer.h"

namespace mm1 {

constexpr int kBatchOfLane = kOptimizerThreads / 32;  // Tensors of a batch that one lane adds up.

// 2^32 chunks are more than any memory holds.
DEV_FN uint32_t chunks_of(int64_t count, int64_t chunk_elements) {
  return count > 0 ? static_cast<uint32_t>((count + chunk_elements - 1) / chunk_elements) : 0;
}

// Counts the chunks of 256 tensors from `batch` on: ends[i] becomes the number of chunks of the first i + 1 of them. All threads of the
// block together; whoever reads the ends of another batch must have passed a barrier.
DEV_FN void count_chunks(const mm1_optimizer_tensor* tensors, int64_t tensor_count, int64_t batch, int64_t chunk_elements, uint32_t* ends) {
  const int64_t own = batch + dev::tid();
  ends[dev::tid()] = own < tensor_count ? chunks_of(tensors[own].count, chunk_elements) : 0;
  dev::sync_block();
  if (dev::tid() < 32) {
    uint32_t sums[kBatchOfLane];
    uint32_t sum = 0;
    DEV_UNROLL for (int i = 0; i < kBatchOfLane; i++) sums[i] = sum += ends[dev::lane() * kBatchOfLane + i];
    uint32_t before = sum;
    DEV_UNROLL for (int distance = 1; distance < 32; distance *= 2) {
      const uint32_t other = dev::shfl_up(before, distance);
      if (dev::lane() >= static_cast<uint32_t>(distance)) before += other;
    }
    before -= sum;
    DEV_UNROLL for (int i = 0; i < kBatchOfLane; i++) ends[dev::lane() * kBatchOfLane + i] = before + sums[i];
  }
  dev::sync_block();
}

// Calls body(tensor, number of the chunk within it) for chunks first, first + step, ... below end; all threads of the block together.
// `is_counted`: the ends are those of the first batch.
template <class Body>
DEV_FN void walk_chunks(const mm1_optimizer_tensor* tensors, int64_t tensor_count, int64_t chunk_elements, int64_t first, int64_t end,
                        int64_t step, uint32_t* ends, bool is_counted, const Body& body) {
  int64_t before = 0;  // Chunks of the tensors before this batch.
  for (int64_t batch = 0; batch < tensor_count && first < end; batch += kOptimizerThreads) {
    if (batch > 0 || !is_counted) {
      if (batch > 0) dev::sync_block();  // Whoever still reads the ends of the batch before.
      count_chunks(tensors, tensor_count, batch, chunk_elements, ends);
    }
    const int64_t here = ends[kOptimizerThreads - 1];
    for (; first < end && first - before < here; first += step) {
      const uint32_t wanted = static_cast<uint32_t>(first - before);
      int low = 0;
      DEV_UNROLL for (int half = kOptimizerThreads / 2; half > 0; half /= 2) {
        if (ends[low + half - 1] <= wanted) low += half;
      }
      // A copy in registers: through the address every store would have it read again.
      const mm1_optimizer_tensor tensor = tensors[batch + low];
      body(tensor, static_cast<int64_t>(wanted - (low > 0 ? ends[low - 1] : 0)));
    }
    before += here;
  }
}

}  // namespace mm1
