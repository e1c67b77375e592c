// Layer norm, root-mean-square norm and unit rows, backward: the gradient of what was normalized, and blocks of the parameters' sums.
//
// Maths      with n = (x - mean) * inverse, d = output_gradient * activation'(n * weight + bias) and g = d * weight
//            input_gradient = inverse * (g - mean(g) - n * mean(g * n)) + sum_gradient + beta * input_gradient   (rms: without mean(g))
//            l2, where x is the output: inverse * (g - x * sum(g * x)), without the sum for an item that epsilon clamped
//            weight_gradient = sum of d * n, bias_gradient = sum of d, over blocks of items;
//            gemm/bias_gradient.cu adds the blocks.
// Order      sums over an item as in norm_forward.cu. Of the parameters: a block has norm_block_items items; each team adds its own in
//            ascending order, then the teams are added in ascending order. It depends on the columns and the dtype alone.
// Roles      a block of threads for one block of items, a team for each item as in norm_forward.cu. A thread keeps its columns' sums in
//            registers from item to item; of items that do not fit into registers in the workspace. With an activation (kernels of their
//            own) d stays in registers as float32: its exponential is computed once, of items that do not fit twice.
// Budget     256 threads; 128 bytes of static shared memory, up to 32 KB dynamic (a row of sums for each team of lanes, once for each
//            parameter); about 150 registers, 170 with an activation: one block of 256 threads a multiprocessor at least.
#include "dev/launch.h"
#include "host/device.h"
#include "host/error.h"
#include "normalization/norm_item.cuh"
#include "tile/activation.cuh"
#include "tile/row_team.cuh"

namespace mm1 {

namespace {

// What is known of an item before its elements are read again.
struct Slopes {
  float mean;
  float inverse;
  float constant;  // mean(g).
  float slope;     // Of x - mean.
};

// A pack of the output's gradient from its first use to its last: as it lies in memory or, times the activation's derivative, as float32.
template <class T, bool kActivated>
struct Gradient {
  uint4 bits;

  MM1_DEVICE_MEMBER void set(const NormBackward&, const Item<T>&, int64_t, const Slopes&, const uint4& gradient, const uint4&) {
    bits = gradient;
  }
  MM1_DEVICE_MEMBER void get(float (&gradient)[kPackElements<T>]) const { unpack(bits, gradient); }
};

template <class T>
struct Gradient<T, true> {
  float values[kPackElements<T>];

  MM1_DEVICE_MEMBER void set(const NormBackward& problem, const Item<T>& item, int64_t pack, const Slopes& slopes, const uint4& gradient,
                             const uint4& packed_x) {
    constexpr int kPack = kPackElements<T>;
    const int count = item.count(pack);
    float x[kPack];
    unpack(gradient, values);
    unpack(packed_x, x);
    Affine<T> affine{};
    affine.load(problem.weight, problem.bias, pack * kPack, count);
    DEV_UNROLL for (int i = 0; i < kPack; i++) {
      const float input = affine.apply(dev::multiply(dev::add(x[i], -slopes.mean), slopes.inverse), i);
      // Beyond the row the derivative may be no number.
      values[i] = i < count ? dev::multiply(values[i], activation_derivative(MM1_ACTIVATION_SILU, input)) : 0.0f;
    }
  }
  MM1_DEVICE_MEMBER void get(float (&gradient)[kPackElements<T>]) const {
    DEV_UNROLL for (int i = 0; i < kPackElements<T>; i++) gradient[i] = values[i];
  }
};

template <Norm norm, class T>
DEV_FN void load_weighted(const NormBackward& problem, const Item<T>& item, int64_t pack, const float (&gradient)[kPackElements<T>],
                          float (&g)[kPackElements<T>]) {
  DEV_UNROLL for (int i = 0; i < kPackElements<T>; i++) g[i] = gradient[i];
  if (norm == Norm::l2 || problem.weight.data == nullptr) return;
  float weight[kPackElements<T>];
  load_vector<T>(problem.weight, pack * kPackElements<T>, item.count(pack), weight);
  DEV_UNROLL for (int i = 0; i < kPackElements<T>; i++) g[i] = dev::multiply(gradient[i], weight[i]);
}

// Adds g and g * (x - mean) of a pack; beyond the row g is 0 and x counts as the mean.
template <class T, Norm norm, bool kActivated>
DEV_FN void add_sums(const NormBackward& problem, const Item<T>& item, int64_t pack, const Gradient<T, kActivated>& held,
                     const uint4& packed_x, float mean, float (&sums)[2]) {
  constexpr int kPack = kPackElements<T>;
  const int count = item.count(pack);
  float gradient[kPack], x[kPack], g[kPack];
  held.get(gradient);
  unpack(packed_x, x);
  load_weighted<norm>(problem, item, pack, gradient, g);
  DEV_UNROLL for (int i = 0; i < kPack; i++) {
    if (norm == Norm::layer) sums[0] = dev::add(sums[0], g[i]);
    if (i < count) sums[1] = dev::fused_multiply_add(g[i], dev::add(x[i], -mean), sums[1]);
  }
}

// Adds one item to the sums of the parameters.
template <class T, Norm norm, bool kActivated>
DEV_FN void add_parameters(const Slopes& slopes, const Gradient<T, kActivated>& held, const uint4& packed_x,
                           float (&weight)[kPackElements<T>], float (&bias)[kPackElements<T>]) {
  constexpr int kPack = kPackElements<T>;
  float gradient[kPack], x[kPack];
  held.get(gradient);
  unpack(packed_x, x);
  DEV_UNROLL for (int i = 0; i < kPack; i++) {
    weight[i] = dev::fused_multiply_add(gradient[i], dev::multiply(dev::add(x[i], -slopes.mean), slopes.inverse), weight[i]);
    if (norm == Norm::layer) bias[i] = dev::add(bias[i], gradient[i]);
  }
}

template <Norm norm, class T, bool kActivated>
DEV_FN void write_gradient(const NormBackward& problem, const Item<T>& item, int64_t pack, const Slopes& slopes,
                           const Gradient<T, kActivated>& held, const uint4& packed_x) {
  constexpr int kPack = kPackElements<T>;
  const int count = item.count(pack);
  float gradient[kPack], x[kPack], g[kPack];
  held.get(gradient);
  unpack(packed_x, x);
  load_weighted<norm>(problem, item, pack, gradient, g);
  DEV_UNROLL for (int i = 0; i < kPack; i++) {
    const float centred = dev::add(x[i], -slopes.mean);
    g[i] = dev::multiply(slopes.inverse, dev::fused_multiply_add(-centred, slopes.slope, dev::add(g[i], -slopes.constant)));
  }
  T* const target = item.at(problem.input_gradient, pack);
  if (norm != Norm::l2 && problem.sum_gradient.data != nullptr) {
    load_pack(item.at(problem.sum_gradient, pack), item.vector, count, x);
    DEV_UNROLL for (int i = 0; i < kPack; i++) g[i] = dev::add(g[i], x[i]);
  }
  if (problem.beta != 0.0f) {
    load_pack(static_cast<const T*>(target), item.vector, count, x);
    DEV_UNROLL for (int i = 0; i < kPack; i++) g[i] = dev::fused_multiply_add(problem.beta, x[i], g[i]);
  }
  store_pack(target, item.vector, count, g);
}

template <class T, Norm norm>
DEV_FN Slopes slopes_of(const NormBackward& problem, const Item<T>& item, bool is_inside) {
  Slopes slopes{0.0f, 0.0f, 0.0f, 0.0f};
  if (!is_inside) return slopes;
  if (norm == Norm::layer) slopes.mean = load_element(static_cast<const float*>(item.statistic(problem.mean)));
  slopes.inverse = load_element(static_cast<const float*>(item.statistic(problem.inverse)));
  return slopes;
}

template <Norm norm>
DEV_FN void finish_slopes(const NormBackward& problem, const float (&sums)[2], Slopes& slopes) {
  if (norm == Norm::l2) {
    // The forward gives a clamped row exactly 1 / epsilon.
    slopes.slope = slopes.inverse >= dev::divide(1.0f, problem.epsilon) ? 0.0f : sums[1];
    return;
  }
  const float columns = static_cast<float>(problem.shape.columns);
  if (norm == Norm::layer) slopes.constant = dev::divide(sums[0], columns);
  slopes.slope = dev::multiply(dev::divide(dev::multiply(sums[1], slopes.inverse), columns), slopes.inverse);
}

// Adds the teams' sums of one parameter in ascending order and writes the block's row. Each thread has `sums` of its columns.
template <class T>
DEV_FN void join_teams(const NormShape& shape, uint32_t team, uint32_t place, const float (&sums)[kTeamPacks][kPackElements<T>],
                       float* partial) {
  constexpr int kPack = kPackElements<T>;
  float* const rows = reinterpret_cast<float*>(dev::dynamic_smem());
  dev::sync_block();  // What the other parameter left was read.
  DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
    const int64_t column = (static_cast<int64_t>(p) * shape.team.width + place) * kPack;
    DEV_UNROLL for (int i = 0; i < kPack; i++) {
      if (column + i < shape.columns) rows[team * shape.columns + column + i] = sums[p][i];
    }
  }
  dev::sync_block();
  DEV_NO_UNROLL for (int64_t column = dev::tid(); column < shape.columns; column += kTeamThreads) {
    float sum = rows[column];
    for (int other = 1; other < shape.team.in_block; other++) sum = dev::add(sum, rows[other * shape.columns + column]);
    store_element(partial + column, sum);
  }
}

template <class T, Norm norm, bool kIsBlock, bool kActivated>
DEV_KERNEL DEV_BOUNDS(kTeamThreads) norm_backward(const DEV_GRID_CONST NormBackward problem) {
  constexpr int kPack = kPackElements<T>;
  DEV_SHARED(float, scratch, 4 * kTeamWarps);
  const NormShape& shape = problem.shape;
  const uint32_t width = kIsBlock ? kTeamThreads : static_cast<uint32_t>(shape.team.width);
  const uint32_t place = dev::tid() & (width - 1);
  const uint32_t team = kIsBlock ? 0 : dev::tid() / width;
  const bool is_held = !kIsBlock || shape.team.is_held != 0;
  const int64_t packs = (shape.columns + kPack - 1) / kPack;
  const int64_t begin = static_cast<int64_t>(dev::bid_x()) * problem.block_items;
  const int64_t end = begin + problem.block_items < shape.items ? begin + problem.block_items : shape.items;
  const bool has_weight = norm != Norm::l2 && problem.weight_partial != nullptr;
  const bool has_bias = norm == Norm::layer && problem.bias_partial != nullptr;
  float* const weight_row = has_weight ? problem.weight_partial + dev::bid_x() * shape.columns : nullptr;
  float* const bias_row = has_bias ? problem.bias_partial + dev::bid_x() * shape.columns : nullptr;
  const bool vector_rows = shape.columns % 4 == 0;
  float weight_sums[kTeamPacks][kPack], bias_sums[kTeamPacks][kPack];
  DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
    DEV_UNROLL for (int i = 0; i < kPack; i++) weight_sums[p][i] = bias_sums[p][i] = 0.0f;
  }
  uint32_t turn = 0;
  // All threads of a block make the same number of turns.
  DEV_NO_UNROLL for (int64_t first = begin; first < end; first += shape.team.in_block) {
    const bool is_inside = first + team < end;
    const Item<T> item = item_at<T>(shape, first + team, is_inside);
    Slopes slopes = slopes_of<T, norm>(problem, item, is_inside);
    float sums[2] = {0.0f, 0.0f};
    if (is_held) {
      uint4 read[kTeamPacks], x[kTeamPacks];
      Gradient<T, kActivated> gradient[kTeamPacks];
      DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
        if (p * width >= packs) continue;  // Short rows, the same in all threads.
        const int64_t pack = static_cast<int64_t>(p) * width + place;
        const int count = item.count(pack);
        read[p] = load_packed(static_cast<const T*>(item.at(problem.output_gradient, pack)), item.vector, count);
        x[p] = load_packed(static_cast<const T*>(item.at(problem.x, pack)), item.vector, count);
      }
      DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
        if (p * width >= packs) continue;
        const int64_t pack = static_cast<int64_t>(p) * width + place;
        gradient[p].set(problem, item, pack, slopes, read[p], x[p]);
        add_sums<T, norm>(problem, item, pack, gradient[p], x[p], slopes.mean, sums);
      }
      team_sums<kIsBlock>(sums, width, scratch, turn);
      finish_slopes<norm>(problem, sums, slopes);
      DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
        if (p * width >= packs) continue;
        if (is_inside && (has_weight || has_bias)) add_parameters<T, norm>(slopes, gradient[p], x[p], weight_sums[p], bias_sums[p]);
        write_gradient<norm>(problem, item, static_cast<int64_t>(p) * width + place, slopes, gradient[p], x[p]);
      }
      continue;
    }
    DEV_NO_UNROLL for (int64_t pack = place; pack < packs; pack += width) {
      const int count = item.count(pack);
      const uint4 read = load_packed(static_cast<const T*>(item.at(problem.output_gradient, pack)), item.vector, count);
      const uint4 x = load_packed(static_cast<const T*>(item.at(problem.x, pack)), item.vector, count);
      Gradient<T, kActivated> gradient;
      gradient.set(problem, item, pack, slopes, read, x);
      add_sums<T, norm>(problem, item, pack, gradient, x, slopes.mean, sums);
    }
    team_sums<kIsBlock>(sums, width, scratch, turn);
    finish_slopes<norm>(problem, sums, slopes);
    DEV_NO_UNROLL for (int64_t pack = place; pack < packs; pack += width) {
      const int count = item.count(pack);
      const uint4 read = load_packed(static_cast<const T*>(item.at(problem.output_gradient, pack)), item.vector, count);
      const uint4 x = load_packed(static_cast<const T*>(item.at(problem.x, pack)), item.vector, count);
      Gradient<T, kActivated> gradient;
      gradient.set(problem, item, pack, slopes, read, x);
      float weight[kPack], bias[kPack];
      DEV_UNROLL for (int i = 0; i < kPack; i++) weight[i] = bias[i] = 0.0f;
      if (has_weight && first > begin) load_floats(weight_row + pack * kPack, vector_rows, count, weight);
      if (has_bias && first > begin) load_floats(bias_row + pack * kPack, vector_rows, count, bias);
      add_parameters<T, norm>(slopes, gradient, x, weight, bias);
      if (has_weight) store_floats(weight_row + pack * kPack, vector_rows, count, weight);
      if (has_bias) store_floats(bias_row + pack * kPack, vector_rows, count, bias);
      write_gradient<norm>(problem, item, pack, slopes, gradient, x);
    }
  }
  if (!is_held) return;
  if (!kIsBlock) {
    if (has_weight) join_teams<T>(shape, team, place, weight_sums, weight_row);
    if (has_bias) join_teams<T>(shape, team, place, bias_sums, bias_row);
    return;
  }
  const Item<T> columns = item_at<T>(shape, begin, true);
  DEV_UNROLL for (int p = 0; p < kTeamPacks; p++) {
    const int64_t pack = static_cast<int64_t>(p) * width + place;
    if (has_weight) store_floats(weight_row + pack * kPack, vector_rows, columns.count(pack), weight_sums[p]);
    if (has_bias) store_floats(bias_row + pack * kPack, vector_rows, columns.count(pack), bias_sums[p]);
  }
}

template <class T, Norm norm, bool kActivated = false>
mm1_status launch(mm1_stream stream, const char* verb, const NormBackward& problem) {
  const RowTeam& team = problem.shape.team;
  const int64_t blocks = norm_blocks(problem.shape.items, team);
  if (blocks > kGridX) {
    return fail(MM1_STATUS_UNSUPPORTED, "%s: %lld rows and groups need more blocks than a grid has.", verb,
                static_cast<long long>(problem.shape.items));
  }
  const bool has_parameters = problem.weight_partial != nullptr || problem.bias_partial != nullptr;
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(blocks), 1, 1};
  config.block = {kTeamThreads, 1, 1};
  config.shared_bytes = has_parameters ? static_cast<size_t>(norm_shared_bytes(problem.shape.columns, team)) : 0;
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = team.is_block ? dev::launch(config, norm_backward<T, norm, true, kActivated>, problem)
                                                 : dev::launch(config, norm_backward<T, norm, false, kActivated>, problem);
  return launched(verb, status.code, status.text);
}

template <class T>
mm1_status launch_norm(mm1_stream stream, const char* verb, Norm norm, const NormBackward& problem) {
  switch (norm) {
    case Norm::layer:
      return problem.activation == MM1_ACTIVATION_NONE ? launch<T, Norm::layer>(stream, verb, problem)
                                                       : launch<T, Norm::layer, true>(stream, verb, problem);
    case Norm::rms:
      return launch<T, Norm::rms>(stream, verb, problem);
    default:
      return launch<T, Norm::l2>(stream, verb, problem);
  }
}

}  // namespace

mm1_status launch_norm_backward(mm1_stream stream, const char* verb, Norm norm, bool is_float32, const NormBackward& problem) {
  return is_float32 ? launch_norm<float>(stream, verb, norm, problem) : launch_norm<dev::bf16>(stream, verb, norm, problem);
}

}  // namespace mm1
