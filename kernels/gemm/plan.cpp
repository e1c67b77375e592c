#include <atomic>
#include <cstdlib>

#include "gemm/gemm.h"

namespace mm1 {

namespace {

constexpr GemmKernel kSm80Kernels[] = {GemmKernel::float32, GemmKernel::tf32_sm80, GemmKernel::bfloat16_sm80};

constexpr bool every_budget_fits() {
  for (const DeviceProfile& profile : kProfiles) {
    for (GemmKernel kernel : kSm80Kernels) {
      if (!gemm_budget(kernel, GemmTile::large).fits(profile) || !gemm_budget(kernel, GemmTile::small).fits(profile)) return false;
    }
  }
  return true;
}

static_assert(every_budget_fits(), "a tile of gemm.h asks for more than a device has");

// Tile rows walked together. 8 rows of 128 by as many columns as run at once are close to a square on every profile.
constexpr int64_t kGroup = 8;

// What a small tile reaches of the speed of a large one where both fill the device: it reads each operand twice as often. An estimate.
constexpr double kSmallEfficiency = 0.65;

constexpr int64_t tiles_of(int64_t extent, int tile) { return (extent + tile - 1) / tile; }

// Time of the busiest SM, in outputs at the speed of large tiles. It is alone that matters: a few large tiles leave SMs idle.
double tile_cost(const GemmProblem& problem, const DeviceProfile& profile, const GemmTileShape& shape, double efficiency) {
  const double tiles = static_cast<double>(tiles_of(problem.m, shape.m)) * static_cast<double>(tiles_of(problem.n, shape.n)) *
                       static_cast<double>(problem.batch);
  const double waves = tiles <= profile.multiprocessors ? 1.0 : tiles / profile.multiprocessors;
  const double rounded = tiles > 1e9 ? waves : static_cast<double>(static_cast<int64_t>(waves + 0.999999));
  return rounded * shape.m * shape.n / efficiency;
}

GemmTile choose_tile(const GemmProblem& problem, const DeviceProfile& profile, GemmKernel kernel) {
  const double large = tile_cost(problem, profile, gemm_tile_shape(kernel, GemmTile::large), 1.0);
  const double small = tile_cost(problem, profile, gemm_tile_shape(kernel, GemmTile::small), kSmallEfficiency);
  return small < large ? GemmTile::small : GemmTile::large;
}

std::atomic<int> g_sm80_only{-1};  // -1: the environment was not asked yet.
std::atomic<int> g_tile{-1};
std::atomic<bool> g_unaligned{false};

}  // namespace

GemmPlan plan_gemm(const GemmProblem& problem, const DeviceProfile& profile, const GemmChoice& choice) {
  GemmPlan plan;
  if (problem.m == 0 || problem.n == 0 || problem.batch == 0) return plan;
  plan.kernel = !problem.is_float32 ? GemmKernel::bfloat16_sm80 : problem.tf32 ? GemmKernel::tf32_sm80 : GemmKernel::float32;
  plan.is_aligned = problem.a.is_aligned && problem.b.is_aligned && !choice.unaligned;
  if (plan.kernel == GemmKernel::bfloat16_sm80 && plan.is_aligned && !choice.sm80_only) {
    plan.sm90 = plan_gemm_sm90(problem, profile, choice.sm90);
    if (plan.sm90.refusal == nullptr) {
      plan.kernel = GemmKernel::bfloat16_sm90;
      return plan;
    }
  }
  if (!plan.is_aligned) {
    plan.tile = GemmTile::small;
  } else if (choice.tile >= 0) {
    plan.tile = static_cast<GemmTile>(choice.tile);
  } else {
    plan.tile = choose_tile(problem, profile, plan.kernel);
  }
  const GemmTileShape& shape = gemm_tile_shape(plan.kernel, plan.tile);
  plan.tile_m = shape.m;
  plan.tile_n = shape.n;
  plan.threads = shape.threads();
  plan.shared_bytes = shape.shared_bytes();
  plan.order = {tiles_of(problem.m, shape.m), tiles_of(problem.n, shape.n), kGroup};
  return plan;
}

GemmChoice gemm_choice() {
  int sm80_only = g_sm80_only.load();
  if (sm80_only < 0) {
    const char* const text = std::getenv("MM1_GEMM_SM80");
    sm80_only = text != nullptr && text[0] == '1';
    g_sm80_only = sm80_only;
  }
  GemmChoice choice;
  choice.sm80_only = sm80_only != 0;
  choice.tile = g_tile.load();
  choice.unaligned = g_unaligned.load();
  choice.sm90 = gemm_sm90_choice();
  return choice;
}

void set_gemm_choice(const GemmChoice& choice) {
  g_sm80_only = choice.sm80_only;
  g_tile = choice.tile;
  g_unaligned = choice.unaligned;
  set_gemm_sm90_choice(choice.sm90);
}

}  // namespace mm1
