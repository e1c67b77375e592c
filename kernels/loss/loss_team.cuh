// The threads that share a row: a warp or a block, by team_threads(columns). They take its packs in turn, thread t packs t, t + threads and
// so on, and put their results together in an order that only their number fixes: lanes by butterfly, then warps ascending.
#pragma once
#include "dev/arithmetic.cuh"
#include "loss/loss.h"
#include "tile/pack.cuh"

namespace mm1 {

constexpr int kLossWarps = kLossThreads / 32;

struct LossTeam {
  int64_t row;  // May lie beyond the rows there are: then the whole team ends.
  int threads;
  int rank;     // Of this thread.
};

DEV_FN LossTeam loss_team(int threads) {
  const int thread = static_cast<int>(dev::tid());
  if (threads == kLossThreads) return {static_cast<int64_t>(dev::bid_x()), threads, thread};
  return {static_cast<int64_t>(dev::bid_x()) * kLossWarps + thread / 32, threads, thread % 32};
}

// Sum over the team, the same bits in each of its threads. `scratch` has a place for each warp of a block; it serves one sum.
DEV_FN float team_sum(const LossTeam& team, float value, float* scratch) {
  DEV_UNROLL for (int distance = 16; distance > 0; distance /= 2) value = dev::add(value, dev::shfl_xor(value, distance));
  if (team.threads == 32) return value;
  if (dev::lane() == 0) scratch[dev::tid() / 32] = value;
  dev::sync_block();
  value = scratch[0];
  DEV_UNROLL for (int warp = 1; warp < kLossWarps; warp++) value = dev::add(value, scratch[warp]);
  return value;
}

// Pack `pack` of `Pack` elements, as far as the row has it; elements beyond its end become 0. Returns how many there are. float32 beside
// bfloat16 has packs of the other's count, two accesses of 16 bytes.
template <class T, int Pack>
DEV_FN int load_row_pack(const T* row, bool vector, int64_t columns, int64_t pack, float (&values)[Pack]) {
  const int64_t left = columns - pack * Pack;
  const int count = left >= Pack ? Pack : left > 0 ? static_cast<int>(left) : 0;
  if constexpr (Pack == kPackElements<T>) {
    load_pack(row + pack * Pack, vector, count, values);
  } else {
    load_floats(row + pack * Pack, vector, count, values);
  }
  return count;
}

// `Count` packs that lie `step` apart, counts[a] elements of each. Whole ones are all on their way before the first is unpacked: one at a
// time would leave the memory idle. Streaming: for what nobody writes during the kernel and nobody reads again.
template <bool Streaming, class T, int Count, int Pack>
DEV_FN void load_row_packs(const T* row, bool vector, int64_t columns, int64_t pack, int step, float (&values)[Count][Pack],
                           int (&counts)[Count]) {
  constexpr int kWords = Pack / kPackElements<T>;  // Of 16 bytes.
  if (vector && (pack + (Count - 1) * step + 1) * Pack <= columns) {
    uint4 bits[Count][kWords];
    DEV_UNROLL for (int a = 0; a < Count; a++) {
      DEV_UNROLL for (int w = 0; w < kWords; w++) {
        const T* const from = row + (pack + a * step) * Pack + w * kPackElements<T>;
        bits[a][w] = Streaming ? dev::ld_global_16_streaming(from) : dev::ld_global_16(from);
      }
    }
    DEV_UNROLL for (int a = 0; a < Count; a++) {
      counts[a] = Pack;
      DEV_UNROLL for (int w = 0; w < kWords; w++) {
        float word[kPackElements<T>];
        unpack(bits[a][w], word);
        DEV_UNROLL for (int i = 0; i < kPackElements<T>; i++) values[a][w * kPackElements<T> + i] = word[i];
      }
    }
    return;
  }
  DEV_UNROLL for (int a = 0; a < Count; a++) counts[a] = load_row_pack(row, vector, columns, pack + a * step, values[a]);
}

}  // namespace mm1
