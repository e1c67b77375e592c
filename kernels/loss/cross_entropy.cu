// Softmax cross-entropy of each row of logits, and its gradient.
//
// Maths      L = log(sum(exp(z))), l = L - z[y] + w L^2;  dz = factor * (softmax (1 + 2 w L) - onehot(y)).
// Order      fixed by the columns and the dtype of the logits: packs of 16 bytes (32 for float32 logits with a bfloat16 gradient, where
//            nothing is summed) in turn to the threads of a row's team, four at once; threads as in loss_team.cuh.
// Layout     logits [rows, columns] bfloat16 or float32, rows of any stride; 16 bytes at a time where rows begin at multiples of 16 bytes,
//            else element by element: the same bits.
// Roles      cross_entropy_rows      one pass: running maximum and sum, joined over the team; rank 0 writes what the row gives.
//            cross_entropy_gradient  element by element; may be in place. Rows that do not count are not read and become zero.
//            A warp a row up to 1024 columns, else a block a row.
// Budget     64 bytes of shared memory, 256 threads, 80 registers: 32 logits are on their way at once.
// Not here   label smoothing, class weights.
#include "loss/loss_launch.cuh"
#include "loss/softmax_row.cuh"

namespace mm1 {

namespace {

constexpr int kPacksAtOnce = 4;      // 64 bytes of a thread on their way.
constexpr int kGradientsAtOnce = 2;

// bfloat16 logits are 32 at once, float32 logits 16.
template <class T, bool Scaled>
DEV_KERNEL DEV_BOUNDS(kLossThreads) cross_entropy_rows(const DEV_GRID_CONST CrossEntropyRows rows) {
  DEV_SHARED(float, scratch, 2 * kLossWarps);
  constexpr int kPack = kPackElements<T>;
  const LossTeam team = loss_team(team_threads(rows.columns));
  if (team.row >= rows.rows) return;
  const int64_t target = rows.targets != nullptr ? rows.targets[team.row] : rows.first_target + team.row;
  if (rows.targets != nullptr && target == rows.ignore_index) {
    if (team.rank != 0) return;
    if (rows.losses != nullptr) rows.losses[team.row] = 0.0f;
    if (rows.token_losses != nullptr) rows.token_losses[team.row] = 0.0f;
    if (rows.log_sum_exp != nullptr) rows.log_sum_exp[team.row] = 0.0f;
    return;
  }
  const float scale = Scaled ? *rows.scale : 1.0f;
  const T* const x = row_of<const T>(rows.logits, team.row);
  const int64_t packs = (rows.columns + kPack - 1) / kPack;
  OnlineSoftmax softmax = no_logits();
  for (int64_t pack = team.rank; pack < packs; pack += team.threads * kPacksAtOnce) {
    float logits[kPacksAtOnce][kPack];
    int count[kPacksAtOnce];
    load_row_packs<true>(x, rows.vector, rows.columns, pack, team.threads, logits, count);
    DEV_UNROLL for (int a = 0; a < kPacksAtOnce; a++) {
      DEV_UNROLL for (int i = 0; i < kPack; i++) {
        if (Scaled) logits[a][i] = dev::multiply(logits[a][i], scale);
        if (count[a] < kPack && i >= count[a]) logits[a][i] = kMinusInfinity;
      }
    }
    take_logits(&softmax, logits);
  }
  const float log_sum_exp = log_sum_exp_of(team_softmax(team, softmax, scratch));
  if (team.rank != 0) return;
  // A target that is no column: NaN.
  float logit = __builtin_nanf("");
  if (target >= 0 && target < rows.columns) logit = load_element(x + target);
  if (Scaled) logit = dev::multiply(logit, scale);
  const float cross_entropy = dev::add(log_sum_exp, -logit);
  if (rows.losses != nullptr) {
    rows.losses[team.row] = dev::fused_multiply_add(dev::multiply(rows.z_loss_weight, log_sum_exp), log_sum_exp, cross_entropy);
  }
  if (rows.token_losses != nullptr) rows.token_losses[team.row] = cross_entropy;
  if (rows.log_sum_exp != nullptr) rows.log_sum_exp[team.row] = log_sum_exp;
  if (rows.target_logits != nullptr) rows.target_logits[team.row] = logit;
}

template <class T, class U>
DEV_KERNEL DEV_BOUNDS(kLossThreads) cross_entropy_gradient(const DEV_GRID_CONST CrossEntropyGradient rows) {
  constexpr int kPack = kPackElements<U>;
  const LossTeam team = loss_team(team_threads(rows.columns));
  if (team.row >= rows.rows) return;
  const int64_t target = rows.targets[team.row];
  const bool counts = target != rows.ignore_index;
  const T* const x = row_of<const T>(rows.logits, team.row);
  U* const gradient = row_of<U>(rows.gradient, team.row);
  const int64_t packs = (rows.columns + kPack - 1) / kPack;
  const float log_sum_exp = counts ? rows.log_sum_exp[team.row] : 0.0f;
  const float factor = counts ? *rows.factor : 0.0f;
  // d(L - x[y] + w L^2) / dx = softmax (1 + 2 w L) - onehot. A target that is no column makes the row NaN, as it makes the loss.
  const float z_factor = dev::multiply(dev::multiply(2.0f, rows.z_loss_weight), log_sum_exp);
  float softmax_factor = dev::multiply(factor, dev::add(1.0f, z_factor));
  if (counts && (target < 0 || target >= rows.columns)) softmax_factor = __builtin_nanf("");
  for (int64_t pack = team.rank; pack < packs; pack += team.threads * kGradientsAtOnce) {
    float values[kGradientsAtOnce][kPack];
    int count[kGradientsAtOnce];
    if (counts) {
      load_row_packs<false>(x, rows.vector_logits, rows.columns, pack, team.threads, values, count);
    } else {
      DEV_UNROLL for (int a = 0; a < kGradientsAtOnce; a++) {
        const int64_t left = rows.columns - (pack + a * team.threads) * kPack;
        count[a] = left >= kPack ? kPack : left > 0 ? static_cast<int>(left) : 0;
        DEV_UNROLL for (int i = 0; i < kPack; i++) values[a][i] = 0.0f;
      }
    }
    DEV_UNROLL for (int a = 0; a < kGradientsAtOnce; a++) {
      const int64_t first = (pack + a * team.threads) * kPack;
      if (counts) {
        DEV_UNROLL for (int i = 0; i < kPack; i++) {
          const float share = probability(values[a][i], log_sum_exp);
          values[a][i] = dev::multiply(softmax_factor, share);
          // The target's own: what is left of the probability first, so that a sure token keeps its z-loss.
          if (first + i == target) values[a][i] = dev::multiply(factor, dev::fused_multiply_add(z_factor, share, dev::add(share, -1.0f)));
        }
      }
      store_pack(gradient + first, rows.vector_gradient, count[a], values[a]);
    }
  }
}

// Rows of x for a product that sums over rows: one that does not count is zero, not what is left in its place.
template <class T, class U>
DEV_KERNEL DEV_BOUNDS(kLossThreads) counted_rows(const DEV_GRID_CONST CountedRows rows) {
  constexpr int kPack = kPackElements<U>;
  walk_rows(rows.walk, [&](int64_t row, int64_t pack) {
    float values[kPack];
    int count = pack_count<U>(rows.walk.columns, pack);
    if (rows.targets == nullptr || rows.targets[row] != rows.ignore_index) {
      load_row_pack(row_of<const T>(rows.from, row), rows.vector_from, rows.walk.columns, pack, values);
    } else {
      DEV_UNROLL for (int i = 0; i < kPack; i++) values[i] = 0.0f;
    }
    store_pack(row_of<U>(rows.to, row) + pack * kPack, rows.vector_to, count, values);
  });
}

}  // namespace

mm1_status launch_cross_entropy_rows(const char* verb, mm1_stream stream, const CrossEntropyRows& rows) {
  const int64_t blocks = team_blocks(rows.rows, team_threads(rows.columns));
  if (!rows.is_float32) return launch_loss_blocks(verb, stream, blocks, cross_entropy_rows<dev::bf16, false>, rows);
  return rows.scale == nullptr ? launch_loss_blocks(verb, stream, blocks, cross_entropy_rows<float, false>, rows)
                               : launch_loss_blocks(verb, stream, blocks, cross_entropy_rows<float, true>, rows);
}

mm1_status launch_cross_entropy_gradient(const char* verb, mm1_stream stream, const CrossEntropyGradient& rows) {
  const int64_t blocks = team_blocks(rows.rows, team_threads(rows.columns));
  if (!rows.logits_are_float32) return launch_loss_blocks(verb, stream, blocks, cross_entropy_gradient<dev::bf16, dev::bf16>, rows);
  return rows.gradient_is_float32 ? launch_loss_blocks(verb, stream, blocks, cross_entropy_gradient<float, float>, rows)
                                  : launch_loss_blocks(verb, stream, blocks, cross_entropy_gradient<float, dev::bf16>, rows);
}

mm1_status launch_counted_rows(const char* verb, mm1_stream stream, CountedRows rows, int64_t count, int64_t columns) {
  const RowGrid grid = plan_row_walk(count, columns, rows.to_float32 ? kPackElements<float> : kPackElements<dev::bf16>, current_profile());
  rows.walk = grid.walk;
  if (!rows.from_float32) return launch_loss_blocks(verb, stream, grid.blocks, counted_rows<dev::bf16, dev::bf16>, rows);
  return rows.to_float32 ? launch_loss_blocks(verb, stream, grid.blocks, counted_rows<float, float>, rows)
                         : launch_loss_blocks(verb, stream, grid.blocks, counted_rows<float, dev::bf16>, rows);
}

}  // namespace mm1
