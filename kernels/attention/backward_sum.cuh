// The ordered sum of query gradients over blocks of keys (backward.h says why in this order).
#pragma once
#include "attention/backward.h"
#include "dev/arithmetic.cuh"
#include "dev/device.cuh"

namespace mm1 {

// One warp's part in the ordered sums of query gradients: of each query tile it holds `Values` floats a lane, in the order of its registers
// (every access is 512 bytes of a warp). The sum so far is asked for before the products that it waits for are computed, and the flag of
// a part is counted on only in the next iteration, when its stores have long arrived: the way to the L2 cache and back hides behind
// products. A block waits for earlier tickets only, and counts on before its next wait.
template <int Values>
class OrderedSum {
 public:
  static_assert(Values % 4 == 0, "16 bytes an access");

  // `block`: this one's number; it waits for that many.
  MM1_DEVICE_MEMBER explicit OrderedSum(int32_t block) : block_(static_cast<uint32_t>(block)), pending_(nullptr) {}

  // Waits until all earlier blocks have added to the part, and starts to load their sum; 0 where there are none.
  MM1_DEVICE_MEMBER void take(float (&before)[Values], const float* part, uint32_t* flag) const {
    if (block_ == 0) {
      DEV_UNROLL for (int i = 0; i < Values; i++) before[i] = 0.0f;
      return;
    }
    if (dev::lane() == 0) {
      while (dev::load_acquire(flag) != block_) dev::spin_hint();
    }
    dev::sync_warp();
    DEV_UNROLL for (int i = 0; i < Values; i += 4) {
      const uint4 four = dev::ld_global_16(part + (i * 32 + static_cast<int>(dev::lane()) * 4));
      before[i] = dev::u2f(four.x);
      before[i + 1] = dev::u2f(four.y);
      before[i + 2] = dev::u2f(four.z);
      before[i + 3] = dev::u2f(four.w);
    }
  }

  // Leaves the sum in the workspace.
  MM1_DEVICE_MEMBER void give(const float (&values)[Values], float* part, uint32_t* flag) {
    DEV_UNROLL for (int i = 0; i < Values; i += 4) {
      dev::st_global_16(part + (i * 32 + static_cast<int>(dev::lane()) * 4),
                        uint4{dev::f2u(values[i]), dev::f2u(values[i + 1]), dev::f2u(values[i + 2]), dev::f2u(values[i + 3])});
    }
    pending_ = flag;
  }

  // Counts on the flag of the last give(): the next block may take it. All lanes of the warp.
  MM1_DEVICE_MEMBER void publish() {
    if (pending_ == nullptr) return;
    dev::sync_warp();
    if (dev::lane() == 0) dev::store_release(pending_, block_ + 1);
    pending_ = nullptr;
  }

 private:
  uint32_t block_;
  uint32_t* pending_;
};

// Where a warp's part of a query tile stands.
struct SumPlace {
  float* part;
  uint32_t* flag;
  bool last;  // No later block of keys adds to it: this one writes the gradient.
};

template <class T>
DEV_FN SumPlace sum_place(const AttentionBackwardProblem& p, const AttentionDocument& document, int32_t index, int32_t block, int32_t head,
                          int32_t tile, uint32_t warp) {
  const int64_t slot = query_slot(document.first_query, index, T::kQueries) + tile;
  const int64_t place = (head * static_cast<int64_t>(p.query_slots) + slot) * T::kWarps + warp;
  const int64_t values = T::kQueries * T::kHeadSize / T::kWarps;
  return {p.sums + place * values, p.flags + place, block + 1 == contributing_blocks(document, tile, T::kQueries, T::kKeys)};
}

}  // namespace mm1
