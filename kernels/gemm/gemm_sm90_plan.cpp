// Which tile, cluster and grid the Hopper GEMM takes: a small model of one SM's time instead of a table of measured shapes.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "gemm/gemm.h"
#include "gemm/gemm_sm90.h"

namespace mm1 {

namespace {

constexpr int64_t kExtentLimit = (int64_t(1) << 31) - 1024;  // Coordinates are int32, a tile may reach past the end.
constexpr int64_t kTileLimit = int64_t(1) << 30;
constexpr int64_t kStrideLimit = int64_t(1) << 40;      // Bytes, of a tensor map.
constexpr int64_t kTmaAlignment = 16;                   // Bytes, of addresses and strides.

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool takes_stride(int64_t bytes) { return bytes >= 0 && bytes % kTmaAlignment == 0 && bytes < kStrideLimit; }

bool takes_tma(const GemmInput& input) { return input.is_aligned && takes_stride(input.row_stride) && takes_stride(input.batch_stride); }

// Whether the epilogue is one that staging blocks serve: alpha and bias, into rows that TMA can store.
bool stores_by_tma(const GemmProblem& problem) {
  const Epilogue& epilogue = problem.epilogue;
  if (epilogue.activation != MM1_ACTIVATION_NONE || epilogue.gradient || epilogue.beta != 0.0f) return false;
  if (epilogue.residual.data != nullptr || epilogue.pre_activation.data != nullptr) return false;
  const int64_t bytes = epilogue.output.is_float32 ? 4 : 2;
  if (reinterpret_cast<uintptr_t>(epilogue.output.data) % kTmaAlignment != 0) return false;
  if (problem.m > 1 && !takes_stride(epilogue.output.row_stride * bytes)) return false;
  return problem.batch <= 1 || takes_stride(epilogue.output.batch_stride * bytes);
}

// Cycles that one SM needs for the whole product, roughly: the tensor cores do 8192 multiply-adds of bf16 in 4 cycles, L2 gives an SM about
// 64 bytes a cycle, and a tile costs its epilogue beside that. What a cluster multicasts is read once for both blocks.
double modelled_cycles(const GemmProblem& problem, int64_t multiprocessors, int tile_n, int cluster) {
  const double k_blocks = double(divide_up(problem.k, 64));
  const double multiply = 4.0 * tile_n + 64.0;  // And what a stage costs whatever its width; an estimate.
  const double load = (128.0 * 64 * 2 + double(tile_n) * 64 * 2 / cluster) / 64.0;
  const double epilogue = 1000.0 + 8.0 * tile_n;
  const int64_t clusters = std::max<int64_t>(1, multiprocessors / cluster);
  const int64_t tiles = divide_up(problem.m, 128 * cluster) * divide_up(problem.n, tile_n) * problem.batch;
  return double(divide_up(tiles, clusters)) * (k_blocks * std::max(multiply, load) + epilogue);
}

// A cluster of two needs two rows of tiles to share B between, and a B tile of two halves.
bool can_share(const GemmProblem& problem, int tile_n) { return tile_n > 64 && problem.m > 128; }

GemmSm90Choice choice_of_environment() {
  GemmSm90Choice choice;
  const char* const text = std::getenv("MM1_GEMM_SM90");
  if (text != nullptr && std::sscanf(text, "%dx%d", &choice.tile_n, &choice.cluster) < 1) choice = {};
  return choice;
}

std::mutex g_choice_mutex;
bool g_choice_known = false;
GemmSm90Choice g_choice;

}  // namespace

GemmSm90Choice gemm_sm90_choice() {
  const std::lock_guard<std::mutex> lock(g_choice_mutex);
  if (!g_choice_known) g_choice = choice_of_environment();
  g_choice_known = true;
  return g_choice;
}

void set_gemm_sm90_choice(const GemmSm90Choice& choice) {
  const std::lock_guard<std::mutex> lock(g_choice_mutex);
  g_choice = choice;
  g_choice_known = true;
}

GemmSm90Plan plan_gemm_sm90(const GemmProblem& problem, const DeviceProfile& profile, const GemmSm90Choice& choice) {
  GemmSm90Plan plan;
  const auto refuse = [&plan](const char* why) {
    plan.refusal = why;
    return plan;
  };
  if (!profile.runs_sm90a()) return refuse("the device is not of capability 9.0");
  if (profile.shared_bytes_per_block < GemmSm90Tile<256>::shared_bytes) return refuse("a block has too little shared memory");
  if (problem.is_float32) return refuse("the operands are not bf16");
  if (problem.m <= 0 || problem.n <= 0 || problem.k <= 0 || problem.batch <= 0) return refuse("an extent is 0");
  if (problem.m >= kExtentLimit || problem.n >= kExtentLimit || problem.k >= kExtentLimit || problem.batch >= kExtentLimit) {
    return refuse("an extent is 2^31 - 1024 or more");
  }
  if (!takes_tma(problem.a)) return refuse("a is not aligned to 16 bytes");
  if (!takes_tma(problem.b)) return refuse("b is not aligned to 16 bytes");
  if (divide_up(problem.m, 128) * divide_up(problem.n, 64) >= kTileLimit / problem.batch) return refuse("there are 2^30 tiles or more");

  // The widest tile first: of equal cost it reads least. A cluster of two wins where both its rows of tiles exist.
  double best = -1;
  for (const int tile_n : {256, 192, 128, 64}) {
    for (const int cluster : {2, 1}) {
      if (choice.tile_n != 0 && choice.tile_n != tile_n) continue;
      if (choice.cluster == 1 && cluster == 2) continue;
      if (choice.cluster == 2 && cluster == 1 && can_share(problem, tile_n)) continue;
      if (cluster == 2 && !can_share(problem, tile_n)) continue;
      const double cycles = modelled_cycles(problem, profile.multiprocessors, tile_n, cluster);
      if (best >= 0 && cycles >= best) continue;
      best = cycles;
      plan.tile_n = tile_n;
      plan.cluster = cluster;
    }
  }
  if (plan.tile_n == 0) return refuse("there is no instance of the forced tile");
  // One wave of blocks covers about as many rows as columns of the output: 8 tiles of 128 rows beside 16 of 256 columns.
  plan.group = std::max(1, (plan.tile_n >= 192 ? 8 : plan.tile_n == 128 ? 12 : 16) / plan.cluster);
  const int64_t tiles = divide_up(problem.m, 128 * plan.cluster) * divide_up(problem.n, plan.tile_n) * problem.batch;
  const int resident = choice.blocks > 0 ? std::min(choice.blocks, profile.multiprocessors) : profile.multiprocessors;
  plan.blocks = int(std::min<int64_t>(std::max(1, resident / plan.cluster), tiles)) * plan.cluster;
  plan.store_by_tma = !choice.rows_only && stores_by_tma(problem);
  return plan;
}

}  // namespace mm1
