// Layer norm, root-mean-square norm and unit rows, forward; with the residual add, the statistics, and per head.
//
// Maths      s = x + residual, rounded to the dtype as sum_output stores it; mean and variance of s in two passes, float32;
//            output = activation((s - mean) * inverse * weight + bias). rms: without mean; l2: inverse = 1 / max(norm, epsilon).
// Order      each thread adds its packs in ascending order, element by element; then the lanes of its team pairwise; then the warps in
//            ascending order. It depends on the columns and the dtype alone.
// Layout     items (row, group) of any row stride; groups are contiguous columns.
// Roles      a team of 1 to 32 lanes for a short item (up to 128 packs), the block for a long one. An item of up to 4 packs a thread
//            stays in registers; a longer one is read again for each pass.
// Budget     256 threads, 64 bytes of shared memory, about 96 registers.
#include "dev/launch.h"
#include "host/device.h"
#include "normalization/norm_item.cuh"
#include "tile/activation.cuh"
#include "tile/row_team.cuh"

namespace mm1 {

namespace {

// s of one pack; written to sum_output where that is asked for.
template <Norm norm, class T>
DEV_FN void load_sum(const NormForward& problem, const Item<T>& item, int64_t pack, bool is_first_pass, float (&s)[kPackElements<T>]) {
  constexpr int kPack = kPackElements<T>;
  const int count = item.count(pack);
  const bool is_summed = norm != Norm::l2 && problem.sum_output.data != nullptr;
  if (is_summed && !is_first_pass) {
    load_pack(item.at(problem.sum_output, pack), item.vector, count, s);
    return;
  }
  load_pack(item.at(problem.x, pack), item.vector, count, s);
  if (norm != Norm::l2 && problem.residual.data != nullptr) {
    float residual[kPack];
    load_pack(item.at(problem.residual, pack), item.vector, count, residual);
    DEV_UNROLL for (int i = 0; i < kPack; i++) s[i] = rounded_to(static_cast<const T*>(nullptr), dev::add(s[i], residual[i]));
  }
  if (is_summed) store_pack(item.at(problem.sum_output, pack), item.vector, count, s);
}

template <int Pack>
DEV_FN float add_up(float sum, const float (&s)[Pack]) {
  DEV_UNROLL for (int i = 0; i < Pack; i++) sum = dev::add(sum, s[i]);
  return sum;
}

// Squares of what lies within the row: beyond it is 0 - mean.
template <int Pack>
DEV_FN float add_squares(float sum, const float (&s)[Pack], float mean, int count) {
  DEV_UNROLL for (int i = 0; i < Pack; i++) {
    const float centred = dev::add(s[i], -mean);
    if (i < count) sum = dev::fused_multiply_add(centred, centred, sum);
  }
  return sum;
}

template <Norm norm, class T>
DEV_FN void write_pack(const NormForward& problem, const Item<T>& item, int64_t pack, float mean, float inverse,
                       float (&s)[kPackElements<T>]) {
  constexpr int kPack = kPackElements<T>;
  const int count = item.count(pack);
  Affine<T> affine{};
  if (norm != Norm::l2) affine.load(problem.weight, norm == Norm::layer ? problem.bias : NormVector{}, pack * kPack, count);
  DEV_UNROLL for (int i = 0; i < kPack; i++) s[i] = affine.apply(dev::multiply(dev::add(s[i], -mean), inverse), i);
  if (norm == Norm::layer && problem.activation == MM1_ACTIVATION_SILU) {
    DEV_UNROLL for (int i = 0; i < kPack; i++) s[i] = activate(MM1_ACTIVATION_SILU, s[i]);
  }
  store_pack(item.at(problem.output, pack), item.vector, count, s);
}

template <Norm norm>
DEV_FN float inverse_of(const NormForward& problem, float squares) {
  if (norm == Norm::l2) {
    const float length = dev::square_root(squares);
    return dev::divide(1.0f, length <= problem.epsilon ? problem.epsilon : length);  // A NaN stays one.
  }
  const float variance = dev::divide(squares, static_cast<float>(problem.shape.columns));
  return dev::divide(1.0f, dev::square_root(dev::add(variance, problem.epsilon)));
}

template <class T, Norm norm, bool kIsBlock>
DEV_KERNEL DEV_BOUNDS(kTeamThreads) norm_forward(const DEV_GRID_CONST NormForward problem) {
  constexpr int kPack = kPackElements<T>;
  DEV_SHARED(float, scratch, 2 * kTeamWarps);
  const NormShape& shape = problem.shape;
  const uint32_t width = kIsBlock ? kTeamThreads : static_cast<uint32_t>(shape.team.width);
  const uint32_t place = dev::tid() & (width - 1);
  const uint32_t team = kIsBlock ? 0 : dev::tid() / width;
  const bool is_held = !kIsBlock || shape.team.is_held != 0;
  const int64_t packs = (shape.columns + kPack - 1) / kPack;
  uint32_t turn = 0;
  // All threads of a block make the same number of turns.
  DEV_NO_UNROLL for (int64_t first = static_cast<int64_t>(dev::bid_x()) * shape.team.in_block; first < shape.items;
                     first += static_cast<int64_t>(dev::nbid_x()) * shape.team.in_block) {
    const int64_t index = first + team;
    const bool is_inside = index < shape.items;
    const Item<T> item = item_at<T>(shape, index, is_inside);
    float s[kTeamPacks][kPack];
    float mean = 0.0f;
    float sums[1] = {0.0f};
    if (is_held) {
      DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
        if (p * width >= packs) continue;  // Short rows, the same in all threads.
        load_sum<norm>(problem, item, p * width + place, true, s[p]);
        if (norm == Norm::layer) sums[0] = add_up(sums[0], s[p]);
      }
    } else {
      DEV_NO_UNROLL for (int64_t pack = place; pack < packs; pack += width) {
        load_sum<norm>(problem, item, pack, true, s[0]);
        if (norm == Norm::layer) sums[0] = add_up(sums[0], s[0]);
      }
    }
    if (norm == Norm::layer) {
      team_sums<kIsBlock>(sums, width, scratch, turn);
      mean = dev::divide(sums[0], static_cast<float>(shape.columns));
    }
    sums[0] = 0.0f;
    if (is_held) {
      DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
        if (p * width < packs) sums[0] = add_squares(sums[0], s[p], mean, item.count(p * width + place));
      }
    } else {
      DEV_NO_UNROLL for (int64_t pack = place; pack < packs; pack += width) {
        load_sum<norm>(problem, item, pack, false, s[0]);
        sums[0] = add_squares(sums[0], s[0], mean, item.count(pack));
      }
    }
    team_sums<kIsBlock>(sums, width, scratch, turn);
    const float inverse = inverse_of<norm>(problem, sums[0]);
    if (is_inside && place == 0) {
      if (norm == Norm::layer && problem.mean.data != nullptr) store_element(item.statistic(problem.mean), mean);
      if (problem.inverse.data != nullptr) store_element(item.statistic(problem.inverse), inverse);
    }
    if (is_held) {
      DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
        if (p * width < packs) write_pack<norm>(problem, item, p * width + place, mean, inverse, s[p]);
      }
    } else {
      DEV_NO_UNROLL for (int64_t pack = place; pack < packs; pack += width) {
        load_sum<norm>(problem, item, pack, false, s[0]);
        write_pack<norm>(problem, item, pack, mean, inverse, s[0]);
      }
    }
  }
}

template <class T, Norm norm>
mm1_status launch(mm1_stream stream, const char* verb, uint32_t blocks, const NormForward& problem) {
  dev::LaunchConfig config;
  config.grid = {blocks, 1, 1};
  config.block = {kTeamThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = problem.shape.team.is_block ? dev::launch(config, norm_forward<T, norm, true>, problem)
                                                               : dev::launch(config, norm_forward<T, norm, false>, problem);
  return launched(verb, status.code, status.text);
}

template <class T>
mm1_status launch_norm(mm1_stream stream, const char* verb, Norm norm, uint32_t blocks, const NormForward& problem) {
  switch (norm) {
    case Norm::layer:
      return launch<T, Norm::layer>(stream, verb, blocks, problem);
    case Norm::rms:
      return launch<T, Norm::rms>(stream, verb, blocks, problem);
    default:
      return launch<T, Norm::l2>(stream, verb, blocks, problem);
  }
}

}  // namespace

mm1_status launch_norm_forward(mm1_stream stream, const char* verb, Norm norm, bool is_float32, uint32_t blocks,
                               const NormForward& problem) {
  return is_float32 ? launch_norm<float>(stream, verb, norm, blocks, problem) : launch_norm<dev::bf16>(stream, verb, norm, blocks, problem);
}

}  // namespace mm1
