// AIM's pixel loss of each patch, and its gradient.
//
// Maths      t = (target - mean) / sqrt(unbiased variance + epsilon), or the target as it is; loss = mean of (p - t)^2;
//            dp = factor * (p - t). A patch whose deviation is 0 (epsilon 0) or that has one value has t = 0.
// Order      fixed by the columns and the dtype of the prediction: packs in turn to the threads of a row's team, threads as in
//            loss_team.cuh. The variance is that of differences from the mean, in a second pass.
// Layout     prediction [rows, columns] bfloat16 or float32, target the same or float32, rows of any stride; 16 bytes at a time where rows
//            begin at multiples of 16 bytes, else element by element: the same bits. After the first pass the target lies in L1 or L2.
// Roles      patch_losses    a warp a row up to 1024 columns, else a block a row; rank 0 writes the loss.
//            patch_gradient  the same; rows that do not count become zero.
// Budget     96 bytes of shared memory, 256 threads, 80 registers.
#include "loss/loss_launch.cuh"
#include "loss/loss_team.cuh"

namespace mm1 {

namespace {

constexpr int kSumsOfRow = 3;  // Of the mean, the variance, the loss.
constexpr int kPacksAtOnce = 2;

struct PatchScale {
  float mean;
  float inverse;  // 1 / deviation.
};

// Calls body(values, first, count) for this thread's packs, loaded kPacksAtOnce at a time.
template <int Pack, class T, class Body>
DEV_FN void for_packs(const LossTeam& team, const T* row, bool vector, int64_t columns, const Body& body) {
  const int64_t packs = (columns + Pack - 1) / Pack;
  for (int64_t pack = team.rank; pack < packs; pack += team.threads * kPacksAtOnce) {
    float values[kPacksAtOnce][Pack];
    int count[kPacksAtOnce];
    load_row_packs<false>(row, vector, columns, pack, team.threads, values, count);
    DEV_UNROLL for (int a = 0; a < kPacksAtOnce; a++) body(values[a], pack + a * team.threads, count[a]);
  }
}

// Pack is the prediction's, so that a column belongs to the same thread in every pass.
template <int Pack, class U>
DEV_FN PatchScale patch_scale(const PatchRows& rows, const LossTeam& team, const U* target, float* scratch) {
  if (!rows.normalize) return {0.0f, 1.0f};
  float sum = 0.0f;
  for_packs<Pack>(team, target, rows.vector_target, rows.columns, [&](const float(&x)[Pack], int64_t, int) {
    DEV_UNROLL for (int i = 0; i < Pack; i++) sum = dev::add(sum, x[i]);  // What lies beyond the row was loaded as 0.
  });
  const float columns = static_cast<float>(rows.columns);
  const float mean = dev::divide(team_sum(team, sum, scratch), columns);
  float squares = 0.0f;
  for_packs<Pack>(team, target, rows.vector_target, rows.columns, [&](const float(&x)[Pack], int64_t, int count) {
    DEV_UNROLL for (int i = 0; i < Pack; i++) {
      const float difference = dev::add(x[i], -mean);
      if (i < count) squares = dev::fused_multiply_add(difference, difference, squares);
    }
  });
  squares = team_sum(team, squares, scratch + kLossWarps);
  const float variance = rows.columns > 1 ? dev::divide(squares, dev::add(columns, -1.0f)) : 0.0f;
  const float inverse = dev::divide(1.0f, dev::square_root(dev::add(variance, rows.epsilon)));
  return {mean, inverse == __builtin_inff() ? 0.0f : inverse};
}

template <class T, class U>
DEV_KERNEL DEV_BOUNDS(kLossThreads) patch_losses(const DEV_GRID_CONST PatchRows rows) {
  DEV_SHARED(float, scratch, kSumsOfRow * kLossWarps);
  constexpr int kPack = kPackElements<T>;
  const LossTeam team = loss_team(team_threads(rows.columns));
  if (team.row >= rows.rows) return;
  if (rows.mask != nullptr && rows.mask[team.row] == 0) {
    if (team.rank == 0) rows.losses[team.row] = 0.0f;
    return;
  }
  const U* const target = row_of<const U>(rows.target, team.row);
  const PatchScale scale = patch_scale<kPack>(rows, team, target, scratch);
  float sum = 0.0f;
  for_packs<kPack>(team, row_of<const T>(rows.prediction, team.row), rows.vector_prediction, rows.columns,
                   [&](const float(&x)[kPack], int64_t pack, int count) {
                     float t[kPack];
                     load_row_pack(target, rows.vector_target, rows.columns, pack, t);
                     DEV_UNROLL for (int i = 0; i < kPack; i++) {
                       const float d = dev::fused_multiply_add(-dev::add(t[i], -scale.mean), scale.inverse, x[i]);
                       if (i < count) sum = dev::fused_multiply_add(d, d, sum);
                     }
                   });
  sum = team_sum(team, sum, scratch + 2 * kLossWarps);
  if (team.rank == 0) rows.losses[team.row] = rows.columns > 0 ? dev::divide(sum, static_cast<float>(rows.columns)) : 0.0f;
}

template <class T, class U>
DEV_KERNEL DEV_BOUNDS(kLossThreads) patch_gradient(const DEV_GRID_CONST PatchRows rows) {
  DEV_SHARED(float, scratch, kSumsOfRow * kLossWarps);
  constexpr int kPack = kPackElements<T>;
  const LossTeam team = loss_team(team_threads(rows.columns));
  if (team.row >= rows.rows) return;
  T* const gradient = row_of<T>(rows.gradient, team.row);
  if (rows.mask != nullptr && rows.mask[team.row] == 0) {
    float zeros[kPack];
    DEV_UNROLL for (int i = 0; i < kPack; i++) zeros[i] = 0.0f;
    for (int64_t pack = team.rank; pack * kPack < rows.columns; pack += team.threads) {
      store_pack(gradient + pack * kPack, rows.vector_gradient, pack_count<T>(rows.columns, pack), zeros);
    }
    return;
  }
  const U* const target = row_of<const U>(rows.target, team.row);
  const PatchScale scale = patch_scale<kPack>(rows, team, target, scratch);
  const float factor = *rows.factor;
  for_packs<kPack>(team, row_of<const T>(rows.prediction, team.row), rows.vector_prediction, rows.columns,
                   [&](const float(&x)[kPack], int64_t pack, int count) {
                     float t[kPack];
                     load_row_pack(target, rows.vector_target, rows.columns, pack, t);
                     DEV_UNROLL for (int i = 0; i < kPack; i++) {
                       t[i] = dev::multiply(factor, dev::fused_multiply_add(-dev::add(t[i], -scale.mean), scale.inverse, x[i]));
                     }
                     store_pack(gradient + pack * kPack, rows.vector_gradient, count, t);
                   });
}

}  // namespace

mm1_status launch_patch_losses(const char* verb, mm1_stream stream, const PatchRows& rows) {
  using dev::bf16;
  const int64_t blocks = team_blocks(rows.rows, team_threads(rows.columns));
  if (rows.prediction_is_float32) return launch_loss_blocks(verb, stream, blocks, patch_losses<float, float>, rows);
  return rows.target_is_float32 ? launch_loss_blocks(verb, stream, blocks, patch_losses<bf16, float>, rows)
                                : launch_loss_blocks(verb, stream, blocks, patch_losses<bf16, bf16>, rows);
}

mm1_status launch_patch_gradient(const char* verb, mm1_stream stream, const PatchRows& rows) {
  using dev::bf16;
  const int64_t blocks = team_blocks(rows.rows, team_threads(rows.columns));
  if (rows.prediction_is_float32) return launch_loss_blocks(verb, stream, blocks, patch_gradient<float, float>, rows);
  return rows.target_is_float32 ? launch_loss_blocks(verb, stream, blocks, patch_gradient<bf16, float>, rows)
                                : launch_loss_blocks(verb, stream, blocks, patch_gradient<bf16, bf16>, rows);
}

}  // namespace mm1
