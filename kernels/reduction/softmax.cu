// Softmax of rows, both ways.
//
// Maths      forward    y = e^(s x - max) / sum; a row of -infinity alone gives zeros, one with infinity or NaN gives NaN.
//            backward   dx = s y (dy - sum(dy y)) + beta dx.
// Order      fixed by columns and dtype, as in reduce_columns.cu.
// Roles      forward: rows of up to 1024 columns a warp each, longer ones a block of eight warps; backward: up to 512 columns a warp. A row
//            of up to 1024 or 8192 columns (backward 512 or 4096) stays in registers: one read, one write. Longer ones are read three times
//            (twice), as a rule from L2.
// Budget     256 threads, 32 bytes of shared memory, about 64 (80) registers.
// In place   a thread reads its own elements before it writes them, and no others.
#include "reduction/reduction.h"

#include "dev/launch.h"
#include "host/device.h"
#include "reduction/warp_team.cuh"
#include "tile/activation.cuh"

namespace mm1 {

namespace {

constexpr int kForwardElements = 32;  // Of a row, in the registers of a thread.
constexpr int kBackwardElements = 16;

template <class T, int Warps>
DEV_KERNEL DEV_BOUNDS(WarpTeam<Warps>::kThreads) softmax_forward(const DEV_GRID_CONST RowSoftmax softmax) {
  DEV_SHARED(float, scratch, Warps);
  constexpr int kPack = kPackElements<T>;
  constexpr int kPacks = kForwardElements / kPack;
  constexpr int kSize = WarpTeam<Warps>::kSize;
  const int64_t packs = (softmax.columns + kPack - 1) / kPack;
  const bool once = packs <= kPacks * kSize;
  const bool wide = softmax.has_packs != 0;
  const uint32_t member = team_member<Warps>();
  for (int64_t row = team_row<Warps>(); row < softmax.rows; row += team_step<Warps>()) {
    const T* x = row_of<const T>(softmax.x, row);
    T* output = row_of<T>(softmax.output, row);
    float values[kPacks][kPack];
    int counts[kPacks];
    const auto load = [&](int64_t first) {
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        const int64_t pack = first + j * kSize;
        counts[j] = pack < packs ? pack_count<T>(softmax.columns, pack) : 0;
        load_pack(x + pack * kPack, wide, counts[j], values[j]);
      }
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) values[j][i] = dev::multiply(softmax.scale, values[j][i]);
      }
    };

    float maximum = dev::u2f(0xff800000u);
    DEV_NO_UNROLL for (int64_t first = member; first < packs; first += kPacks * kSize) {
      load(first);
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) {
          if (i < counts[j]) maximum = larger(maximum, values[j][i]);
        }
      }
    }
    maximum = team_combine<Warps, LargerFloat>(maximum, scratch);
    // Nothing but -infinity is a row that sees nothing; infinity and NaN have no softmax.
    const bool is_finite = (dev::f2u(maximum) & 0x7f800000u) != 0x7f800000u;
    const float instead = dev::f2u(maximum) == 0xff800000u ? 0.0f : dev::u2f(0x7fffffffu);

    float sums[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = 0.0f;
    const auto exponentials = [&] {
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) {
          const float shifted = i < counts[j] ? dev::add(values[j][i], -maximum) : 0.0f;
          values[j][i] = is_finite ? exponential(shifted) : instead;
        }
      }
    };
    DEV_NO_UNROLL for (int64_t first = member; first < packs; first += kPacks * kSize) {
      if (!once) load(first);
      exponentials();
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) {
          if (i < counts[j]) sums[i] = dev::add(sums[i], values[j][i]);
        }
      }
    }
    const float sum = team_combine<Warps, AddFloats>(folded(sums), scratch);
    const float inverse = is_finite ? dev::divide(1.0f, sum) : 1.0f;

    DEV_NO_UNROLL for (int64_t first = member; first < packs; first += kPacks * kSize) {
      if (!once) {
        load(first);
        exponentials();
      }
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) values[j][i] = dev::multiply(values[j][i], inverse);
        store_pack(output + (first + j * kSize) * kPack, wide, counts[j], values[j]);
      }
    }
  }
}

template <class T, int Warps>
DEV_KERNEL DEV_BOUNDS(WarpTeam<Warps>::kThreads) softmax_backward(const DEV_GRID_CONST RowSoftmax softmax) {
  DEV_SHARED(float, scratch, Warps);
  constexpr int kPack = kPackElements<T>;
  constexpr int kPacks = kBackwardElements / kPack;
  constexpr int kSize = WarpTeam<Warps>::kSize;
  const int64_t packs = (softmax.columns + kPack - 1) / kPack;
  const bool once = packs <= kPacks * kSize;
  const bool wide = softmax.has_packs != 0;
  const uint32_t member = team_member<Warps>();
  for (int64_t row = team_row<Warps>(); row < softmax.rows; row += team_step<Warps>()) {
    const T* y = row_of<const T>(softmax.x, row);
    const T* gradient = row_of<const T>(softmax.output_gradient, row);
    T* target = row_of<T>(softmax.output, row);
    float ys[kPacks][kPack];
    float gradients[kPacks][kPack];
    int counts[kPacks];
    const auto load = [&](int64_t first) {
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        const int64_t pack = first + j * kSize;
        counts[j] = pack < packs ? pack_count<T>(softmax.columns, pack) : 0;
        load_pack(y + pack * kPack, wide, counts[j], ys[j]);
        load_pack(gradient + pack * kPack, wide, counts[j], gradients[j]);
      }
    };

    float sums[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) sums[i] = 0.0f;
    DEV_NO_UNROLL for (int64_t first = member; first < packs; first += kPacks * kSize) {
      load(first);
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) {
          if (i < counts[j]) sums[i] = dev::fused_multiply_add(gradients[j][i], ys[j][i], sums[i]);
        }
      }
    }
    const float sum = team_combine<Warps, AddFloats>(folded(sums), scratch);

    DEV_NO_UNROLL for (int64_t first = member; first < packs; first += kPacks * kSize) {
      if (!once) load(first);
      DEV_UNROLL for (int j = 0; j < kPacks; j++) {
        T* place = target + (first + j * kSize) * kPack;
        float result[kPack];
        DEV_UNROLL for (int i = 0; i < kPack; i++) {
          result[i] = dev::multiply(dev::multiply(softmax.scale, ys[j][i]), dev::add(gradients[j][i], -sum));
        }
        if (softmax.beta != 0.0f) {
          float old[kPack];
          load_pack(place, wide, counts[j], old);
          DEV_UNROLL for (int i = 0; i < kPack; i++) result[i] = dev::fused_multiply_add(softmax.beta, old[i], result[i]);
        }
        store_pack(place, wide, counts[j], result);
      }
    }
  }
}

dev::LaunchConfig config_of(mm1_stream stream, const RowSoftmax& softmax, int rows_per_block, int threads) {
  dev::LaunchConfig config;
  config.grid = {row_blocks(softmax.rows, rows_per_block, current_profile()), 1, 1};
  config.block = {static_cast<uint32_t>(threads), 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  return config;
}

template <class T, int Warps>
mm1_status launch_forward(mm1_stream stream, const RowSoftmax& softmax) {
  const dev::LaunchConfig config = config_of(stream, softmax, WarpTeam<Warps>::kRows, WarpTeam<Warps>::kThreads);
  const dev::LaunchStatus status = dev::launch(config, softmax_forward<T, Warps>, softmax);
  return launched("softmax_forward", status.code, status.text);
}

template <class T, int Warps>
mm1_status launch_backward(mm1_stream stream, const RowSoftmax& softmax) {
  const dev::LaunchConfig config = config_of(stream, softmax, WarpTeam<Warps>::kRows, WarpTeam<Warps>::kThreads);
  const dev::LaunchStatus status = dev::launch(config, softmax_backward<T, Warps>, softmax);
  return launched("softmax_backward", status.code, status.text);
}

}  // namespace

mm1_status launch_softmax_forward(mm1_stream stream, bool is_float32, const RowSoftmax& softmax) {
  if (softmax.columns <= kSoftmaxWarpColumns) {
    return is_float32 ? launch_forward<float, 1>(stream, softmax) : launch_forward<dev::bf16, 1>(stream, softmax);
  }
  return is_float32 ? launch_forward<float, kReduceWarps>(stream, softmax) : launch_forward<dev::bf16, kReduceWarps>(stream, softmax);
}

mm1_status launch_softmax_backward(mm1_stream stream, bool is_float32, const RowSoftmax& softmax) {
  if (softmax.columns <= kSoftmaxBackwardWarpColumns) {
    return is_float32 ? launch_backward<float, 1>(stream, softmax) : launch_backward<dev::bf16, 1>(stream, softmax);
  }
  return is_float32 ? launch_backward<float, kReduceWarps>(stream, softmax) : launch_backward<dev::bf16, kReduceWarps>(stream, softmax);
}

}  // namespace mm1
