// One value for each row: sum, mean or maximum of its columns, or the sum of products with a second row.
//
// Maths      output[r] = reduction(x[r, :]) + beta * output[r]; with a multiplier the sum of x[r, c] * multiplier[r, c]. float32.
// Order      fixed by columns and dtype: a thread has every so-manieth pack of 16 bytes and an accumulator for each place in a pack; these
//            are folded in pairs, lanes in pairs, warps in ascending order.
// Roles      rows of up to 1024 columns: a warp each, eight in a block; longer ones: a block of eight warps.
// Budget     256 threads, 32 bytes of shared memory, about 64 registers.
#include "reduction/reduction.h"

#include "dev/launch.h"
#include "host/device.h"
#include "reduction/warp_team.cuh"

namespace mm1 {

namespace {

constexpr int kAtOnce = 4;  // Packs on their way before the first is added.

template <class T, int Warps>
DEV_KERNEL DEV_BOUNDS(WarpTeam<Warps>::kThreads) reduce_columns(const DEV_GRID_CONST ColumnReduction reduction) {
  DEV_SHARED(float, scratch, Warps);
  constexpr int kPack = kPackElements<T>;
  constexpr int kSize = WarpTeam<Warps>::kSize;
  const bool maximum = reduction.reduction == MM1_REDUCTION_MAX;
  const bool products = reduction.multiplier.data != nullptr;
  const int64_t packs = (reduction.columns + kPack - 1) / kPack;
  const uint32_t member = team_member<Warps>();
  for (int64_t row = team_row<Warps>(); row < reduction.rows; row += team_step<Warps>()) {
    const T* x = row_of<const T>(reduction.x, row);
    const T* multiplier = row_of<const T>(reduction.multiplier, row);
    float sums[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = maximum ? dev::u2f(0xff800000u) : 0.0f;
    DEV_NO_UNROLL for (int64_t first = member; first < packs; first += kAtOnce * kSize) {
      float values[kAtOnce][kPack];
      float factors[kAtOnce][kPack];
      int counts[kAtOnce];
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        const int64_t pack = first + j * kSize;
        counts[j] = pack < packs ? pack_count<T>(reduction.columns, pack) : 0;
        load_pack(x + pack * kPack, reduction.has_packs != 0, counts[j], values[j]);
        if (products) load_pack(multiplier + pack * kPack, reduction.has_packs != 0, counts[j], factors[j]);
      }
      DEV_UNROLL for (int j = 0; j < kAtOnce; j++) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) {
          if (i >= counts[j]) continue;
          if (maximum) {
            sums[i] = larger(sums[i], values[j][i]);
          } else {
            sums[i] = products ? dev::fused_multiply_add(values[j][i], factors[j][i], sums[i]) : dev::add(sums[i], values[j][i]);
          }
        }
      }
    }
    float result;
    if (maximum) {
      result = sums[0];
      DEV_UNROLL for (int i = 1; i < kPack; i++) result = larger(result, sums[i]);
      result = team_combine<Warps, LargerFloat>(result, scratch);
    } else {
      result = team_combine<Warps, AddFloats>(folded(sums), scratch);
      if (reduction.reduction == MM1_REDUCTION_MEAN) result = dev::divide(result, static_cast<float>(reduction.columns));
    }
    if (member != 0) continue;
    if (reduction.float32_output) {
      float* output = row_of<float>(reduction.output, row);
      if (reduction.beta != 0.0f) result = dev::fused_multiply_add(reduction.beta, load_element(output), result);
      store_element(output, result);
    } else {
      T* output = row_of<T>(reduction.output, row);
      if (reduction.beta != 0.0f) result = dev::fused_multiply_add(reduction.beta, load_element(output), result);
      store_element(output, result);
    }
  }
}

template <class T, int Warps>
mm1_status launch_team(const char* verb, mm1_stream stream, const ColumnReduction& reduction) {
  dev::LaunchConfig config;
  config.grid = {row_blocks(reduction.rows, WarpTeam<Warps>::kRows, current_profile()), 1, 1};
  config.block = {WarpTeam<Warps>::kThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, reduce_columns<T, Warps>, reduction);
  return launched(verb, status.code, status.text);
}

template <class T>
mm1_status launch_typed(const char* verb, mm1_stream stream, const ColumnReduction& reduction) {
  if (reduction.columns <= kReduceWarpColumns) return launch_team<T, 1>(verb, stream, reduction);
  return launch_team<T, kReduceWarps>(verb, stream, reduction);
}

}  // namespace

mm1_status launch_column_reduction(const char* verb, mm1_stream stream, bool is_float32, const ColumnReduction& reduction) {
  return is_float32 ? launch_typed<float>(verb, stream, reduction) : launch_typed<dev::bf16>(verb, stream, reduction);
}

}  // namespace mm1
