// The contrastive loss beside its matrix products: softmax along the columns of a block of logits, and the gradient of a block.
//
// Maths      l = scale * raw, raw = image text^T, scale = min(exp(log_scale), max_scale);
//            gradient g = loss_gradient / (2 n) * (exp(l - rows[i]) + exp(l - columns[j]) - 2 on the diagonal);
//            d raw = scale * g, d log_scale = sum of g * l.
// Order      fixed by the number of pairs alone. Columns: warp w takes rows w, w + 8, ... of a block of 1024 rows, eight at once; the warps
//            and what was there before are joined in ascending order. Rows: as in loss_team.cuh.
// Layout     logits [rows, pairs] float32 in the workspace, rows at multiples of 16 bytes.
// Roles      contrastive_scalars   one thread: what all blocks need of values in device memory, in float64, so that the clamp falls where
//                                  the CPU's does.
//            contrastive_columns   128 columns of a block of rows a block, four a lane.
//            contrastive_finish    a thread a pair: log-sum-exp of its column, both losses added.
//            contrastive_gradient  a warp or a block a row; in place for float32.
// Budget     8 KB of shared memory (contrastive_columns), 256 threads, 80 registers.
#include "loss/loss_launch.cuh"
#include "loss/softmax_row.cuh"

namespace mm1 {

namespace {

constexpr int kRowsAtOnce = 8;

// e^x for x whose exponential a float32 holds: infinity above 89, 0 below -104. NaN stays NaN.
DEV_FN double wide_exponential(double x) {
  using namespace dev;
  if (x != x) return x;
  if (x > 89.0) return __builtin_inf();
  if (x < -104.0) return 0.0;
  const double n = add(add(multiply(x, 1.4426950408889634), 6755399441055744.0), -6755399441055744.0);  // The nearest integer.
  double r = fused_multiply_add(-n, 6.93147180369123816490e-1, x);
  r = fused_multiply_add(-n, 1.90821492927058770002e-10, r);
  double p = 1.0 / 6227020800.0;  // Taylor to r^13: 1e-17 at |r| = ln 2 / 2.
  constexpr double kInverseFactorials[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
                                           1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      1.0 / 2,     1.0,
                                           1.0};
  DEV_UNROLL for (int i = 0; i < 13; i++) p = fused_multiply_add(p, r, kInverseFactorials[i]);
  const int whole = static_cast<int>(n);
  const int half = whole / 2;
  const double first = static_cast<double>(u2f(static_cast<uint32_t>(half + 127) << 23));
  const double second = static_cast<double>(u2f(static_cast<uint32_t>(whole - half + 127) << 23));
  return multiply(multiply(p, first), second);
}

DEV_KERNEL DEV_BOUNDS(kLossThreads)
    contrastive_scalars(const float* log_scale, const float* loss_gradient, int64_t pairs, float max_scale, ContrastiveScalars* scalars) {
  if (dev::tid() != 0) return;
  const double scale = wide_exponential(static_cast<double>(*log_scale));
  const bool clamped = scale > static_cast<double>(max_scale);
  scalars->scale = clamped ? max_scale : static_cast<float>(scale);
  scalars->unclamped = clamped ? 0.0f : 1.0f;
  const float gradient = loss_gradient != nullptr ? *loss_gradient : 1.0f;
  const double pairs_twice = dev::multiply(2.0, static_cast<double>(pairs > 1 ? pairs : 1));
  scalars->factor = static_cast<float>(dev::divide(static_cast<double>(gradient), pairs_twice));
}

DEV_KERNEL DEV_BOUNDS(kLossThreads) contrastive_columns(const DEV_GRID_CONST ContrastiveColumns block) {
  DEV_SHARED(float, maxima, kLossWarps * kContrastiveColumns);
  DEV_SHARED(float, sums, kLossWarps * kContrastiveColumns);
  const int warp = static_cast<int>(dev::tid() / 32);
  const int place = static_cast<int>(dev::lane()) * 4;
  const int64_t first_column = static_cast<int64_t>(dev::bid_x()) * kContrastiveColumns;
  const int64_t left = block.columns - first_column - place;
  const int count = left >= 4 ? 4 : left > 0 ? static_cast<int>(left) : 0;
  const float* const logits = block.logits + first_column + place;
  const float scale = *block.scale;
  OnlineSoftmax own[4] = {no_logits(), no_logits(), no_logits(), no_logits()};
  for (int64_t row = warp; row < block.rows; row += kLossWarps * kRowsAtOnce) {
    float x[kRowsAtOnce][4];
    DEV_UNROLL for (int a = 0; a < kRowsAtOnce; a++) {
      const int64_t at = row + a * kLossWarps;
      load_pack(logits + at * block.row_stride, true, at < block.rows ? count : 0, x[a]);
    }
    DEV_UNROLL for (int i = 0; i < 4; i++) {
      float column[1][kRowsAtOnce];
      DEV_UNROLL for (int a = 0; a < kRowsAtOnce; a++) {
        column[0][a] = row + a * kLossWarps < block.rows && i < count ? dev::multiply(x[a][i], scale) : kMinusInfinity;
      }
      take_logits(&own[i], column);
    }
  }
  const uint32_t here = static_cast<uint32_t>(warp * kContrastiveColumns + place) * 4;
  dev::st_shared_16(dev::smem_addr(maxima) + here, uint4{dev::f2u(own[0].maximum), dev::f2u(own[1].maximum), dev::f2u(own[2].maximum),
                                                         dev::f2u(own[3].maximum)});
  dev::st_shared_16(dev::smem_addr(sums) + here,
                    uint4{dev::f2u(own[0].sum), dev::f2u(own[1].sum), dev::f2u(own[2].sum), dev::f2u(own[3].sum)});
  dev::sync_block();
  const int64_t column = first_column + dev::tid();
  if (dev::tid() >= kContrastiveColumns || column >= block.columns) return;
  OnlineSoftmax all = no_logits();
  if (!block.is_first) all = {block.maximum[column], block.sum[column]};
  DEV_UNROLL for (int other = 0; other < kLossWarps; other++) {
    const uint32_t at = other * kContrastiveColumns + dev::tid();
    all = joined(all, {maxima[at], sums[at]});
  }
  block.maximum[column] = all.maximum;
  block.sum[column] = all.sum;
}

DEV_KERNEL DEV_BOUNDS(kLossThreads) contrastive_finish(const DEV_GRID_CONST ContrastiveFinish finish) {
  const int64_t pair = static_cast<int64_t>(dev::bid_x()) * kLossThreads + dev::tid();
  if (pair >= finish.pairs) return;
  const float log_sum_exp = log_sum_exp_of({finish.maximum[pair], finish.sum[pair]});
  finish.log_sum_exp_columns[pair] = log_sum_exp;
  finish.losses[pair] = dev::add(finish.losses[pair], dev::add(log_sum_exp, -finish.diagonal[pair]));
}

template <class U>
DEV_KERNEL DEV_BOUNDS(kLossThreads) contrastive_gradient(const DEV_GRID_CONST ContrastiveGradient block) {
  DEV_SHARED(float, scratch, kLossWarps);
  constexpr int kPack = kPackElements<U>;
  const LossTeam team = loss_team(team_threads(block.pairs));
  if (team.row >= block.rows) return;
  const int64_t diagonal = block.first_row + team.row;
  const float* const logits = row_of<const float>(block.logits, team.row);
  U* const gradient = row_of<U>(block.gradient, team.row);
  const float scale = block.scalars->scale;
  const float factor = block.scalars->factor;
  const float log_sum_exp = block.log_sum_exp_rows[team.row];
  const int64_t packs = (block.pairs + kPack - 1) / kPack;
  float sum = 0.0f;
  for (int64_t pack = team.rank; pack < packs; pack += team.threads) {
    float x[kPack];
    float column[kPack];
    const int count = load_row_pack(logits, true, block.pairs, pack, x);
    load_row_pack(block.log_sum_exp_columns, block.vector_columns, block.pairs, pack, column);
    DEV_UNROLL for (int i = 0; i < kPack; i++) {
      const float l = dev::multiply(x[i], scale);
      float share = dev::add(probability(l, log_sum_exp), probability(l, column[i]));
      if (pack * kPack + i == diagonal) share = dev::add(share, -2.0f);
      const float g = dev::multiply(factor, share);
      if (i < count) sum = dev::fused_multiply_add(g, l, sum);
      x[i] = dev::multiply(scale, g);
    }
    store_pack(gradient + pack * kPack, true, count, x);
  }
  sum = team_sum(team, sum, scratch);
  if (team.rank == 0) block.scale_gradients[team.row] = sum;
}

}  // namespace

mm1_status launch_contrastive_scalars(const char* verb, mm1_stream stream, const float* log_scale, const float* loss_gradient,
                                      int64_t pairs, float max_scale, ContrastiveScalars* scalars) {
  return launch_loss_blocks(verb, stream, 1, contrastive_scalars, log_scale, loss_gradient, pairs, max_scale, scalars);
}

mm1_status launch_contrastive_columns(const char* verb, mm1_stream stream, const ContrastiveColumns& block) {
  const int64_t blocks = (block.columns + kContrastiveColumns - 1) / kContrastiveColumns;
  return launch_loss_blocks(verb, stream, blocks, contrastive_columns, block);
}

mm1_status launch_contrastive_finish(const char* verb, mm1_stream stream, const ContrastiveFinish& finish) {
  return launch_loss_blocks(verb, stream, (finish.pairs + kLossThreads - 1) / kLossThreads, contrastive_finish, finish);
}

mm1_status launch_contrastive_gradient(const char* verb, mm1_stream stream, const ContrastiveGradient& block) {
  const int64_t blocks = team_blocks(block.rows, team_threads(block.pairs));
  return block.gradient_is_float32 ? launch_loss_blocks(verb, stream, blocks, contrastive_gradient<float>, block)
                                   : launch_loss_blocks(verb, stream, blocks, contrastive_gradient<dev::bf16>, block);
}

}  // namespace mm1
