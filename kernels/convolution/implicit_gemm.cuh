// Dense convolutions through the main loop of matrix products (tile/main_loop.cuh), with loaders that gather: implicit_gemm.h says what
// each pass multiplies.
//
// Maths      sums of products over k, float32, then tile/epilogue.cuh.
// Order      k ascending from 0 (in a weight gradient: from its block's first pixel), whatever the tile and the access.
// Layout     NHWC, rows of any stride. Patches never lie in memory.
// Roles      a block has one tile of one class (backward_data) or one block of pixels (backward_weight); as in gemm_tiles every thread
//            copies and every warp multiplies.
// Budget     implicit_budget: the shared memory and sums of gemm's tiles.
// Not here   TMA's im2col mode and wgmma: the emulator does not know that mode. Winograd.
#pragma once
#include "convolution/implicit_gemm.h"
#include "convolution/patch_loader.cuh"
#include "dev/device.cuh"
#include "dev/launch.h"
#include "host/device.h"
#include "tile/epilogue.cuh"
#include "tile/loader.cuh"
#include "tile/main_loop.cuh"

namespace mm1 {

// The tile that a block computes.
struct ImplicitTile {
  int32_t part;          // Class or block of pixels.
  int64_t first_row;
  int64_t first_column;
  int64_t first_depth;   // backward_weight: first pixel of the block.
  int64_t end_depth;
};

template <class TileA, class TileB>
DEV_FN ImplicitTile implicit_tile(const ImplicitProblem& problem) {
  const uint32_t tiles = static_cast<uint32_t>(problem.order.count());
  const uint32_t part = dev::bid_x() / tiles;
  const TileIndex tile = problem.order.at(dev::bid_x() - part * tiles);
  ImplicitTile result{static_cast<int32_t>(part), tile.row * TileA::kExtent, tile.column * TileB::kExtent, 0, problem.k};
  if (problem.pass == static_cast<int32_t>(ConvolutionPass::backward_weight)) {
    result.first_depth = part * problem.block_pixels;
    if (result.end_depth > result.first_depth + problem.block_pixels) result.end_depth = result.first_depth + problem.block_pixels;
  }
  return result;
}

// The row of input_gradient that row `row` of a class is.
DEV_FN int64_t pixel_of_class(const ImplicitProblem& problem, const PixelClass& pixels, int64_t row) {
  if (problem.stride == 1) return row;
  const uint32_t width = static_cast<uint32_t>(pixels.gradient.target_width);
  const uint32_t height = static_cast<uint32_t>(pixels.gradient.target_height);
  const uint32_t line = static_cast<uint32_t>(row) / width;
  const uint32_t image = line / height;
  const int32_t y = pixels.first_y + static_cast<int32_t>(line - image * height) * problem.stride;
  const int32_t x = pixels.first_x + static_cast<int32_t>(static_cast<uint32_t>(row) - line * width) * problem.stride;
  return (static_cast<int64_t>(image) * problem.input_height + y) * problem.input_width + x;
}

// ---- aligned operands: a kernel for each pass -------------------------------------------------------------------------------------------
template <class Config>
DEV_KERNEL DEV_BOUNDS(Config::Product::kThreads, Config::kResidentBlocks)
    convolution_forward_tiles(const DEV_GRID_CONST ImplicitProblem problem) {
  const uint32_t thread = dev::tid();
  const uint32_t ring = dev::smem_addr(dev::dynamic_smem());
  const ImplicitTile tile = implicit_tile<typename Config::TileA, typename Config::TileB>(problem);
  typename Config::LoaderA loader_a(problem.a, tile.first_row, problem.m, thread);
  typename Config::LoaderB loader_b(problem.b, tile.first_column, problem.n, thread);
  typename Config::Product product(thread);
  sum_stages<Config>(loader_a, loader_b, product, ring, (problem.k + Config::TileA::kDepth - 1) / Config::TileA::kDepth);
  each_four_sums<Config>(product, ring, thread, problem.m - tile.first_row, problem.n - tile.first_column,
                         [&](uint32_t row, uint32_t column, const float(&sums)[4]) MM1_INLINE_BODY {
                           finish(problem.epilogue, 0, tile.first_row + row, tile.first_column + column, sums);
                         });
}

template <class Config>
DEV_KERNEL DEV_BOUNDS(Config::Product::kThreads, Config::kResidentBlocks)
    convolution_data_tiles(const DEV_GRID_CONST ImplicitProblem problem) {
  const uint32_t thread = dev::tid();
  const uint32_t ring = dev::smem_addr(dev::dynamic_smem());
  const ImplicitTile tile = implicit_tile<typename Config::TileA, typename Config::TileB>(problem);
  const PixelClass pixels = pixel_class(problem, tile.part);
  if (tile.first_row >= pixels.rows) return;
  typename Config::LoaderA loader_a(pixels.gradient, tile.first_row, pixels.rows, thread);
  typename Config::LoaderB loader_b(pixels.weights, tile.first_column, thread);
  typename Config::Product product(thread);
  sum_stages<Config>(loader_a, loader_b, product, ring, (pixels.gradient.columns() + Config::TileA::kDepth - 1) / Config::TileA::kDepth);
  each_four_sums<Config>(product, ring, thread, pixels.rows - tile.first_row, problem.n - tile.first_column,
                         [&](uint32_t row, uint32_t column, const float(&sums)[4]) MM1_INLINE_BODY {
                           const int64_t pixel = pixel_of_class(problem, pixels, tile.first_row + row);
                           finish(problem.epilogue, 0, pixel, tile.first_column + column, sums);
                         });
}

template <class Config>
DEV_KERNEL DEV_BOUNDS(Config::Product::kThreads, Config::kResidentBlocks)
    convolution_weight_tiles(const DEV_GRID_CONST ImplicitProblem problem) {
  const uint32_t thread = dev::tid();
  const uint32_t ring = dev::smem_addr(dev::dynamic_smem());
  const ImplicitTile tile = implicit_tile<typename Config::TileA, typename Config::TileB>(problem);
  const int64_t depth = tile.end_depth - tile.first_depth;
  const char* const gradient = problem.a.data + tile.first_depth * problem.a.pixel_stride;
  typename Config::LoaderA loader_a({gradient, problem.a.pixel_stride, problem.m, depth, tile.first_row, false}, thread);
  typename Config::LoaderB loader_b(problem.b, tile.first_depth, tile.end_depth, tile.first_column, thread);
  typename Config::Product product(thread);
  sum_stages<Config>(loader_a, loader_b, product, ring, (depth + Config::TileA::kDepth - 1) / Config::TileA::kDepth);
  each_four_sums<Config>(product, ring, thread, problem.m - tile.first_row, problem.n - tile.first_column,
                         [&](uint32_t row, uint32_t column, const float(&sums)[4]) MM1_INLINE_BODY {
                           finish(problem.epilogue, tile.part, tile.first_row + row, tile.first_column + column, sums);
                         });
}

// ---- any operands: one kernel for all passes -------------------------------------------------------------------------------------------
template <class Config>
DEV_KERNEL DEV_BOUNDS(Config::Product::kThreads, Config::kResidentBlocks)
    convolution_any_tiles(const DEV_GRID_CONST ImplicitProblem problem) {
  const uint32_t thread = dev::tid();
  const uint32_t ring = dev::smem_addr(dev::dynamic_smem());
  const bool is_data = problem.pass == static_cast<int32_t>(ConvolutionPass::backward_data);
  const bool is_weight = problem.pass == static_cast<int32_t>(ConvolutionPass::backward_weight);
  ImplicitTile tile = implicit_tile<typename Config::TileA, typename Config::TileB>(problem);
  PixelClass pixels{};
  if (is_data) {
    pixels = pixel_class(problem, tile.part);
    tile.end_depth = pixels.gradient.columns();
  }
  const int64_t rows = is_data ? pixels.rows : problem.m;
  if (tile.first_row >= rows) return;
  const PatchView& view = is_data ? pixels.gradient : problem.a;
  const ElementSource a{view, pixels.weights, false, is_weight, tile.first_row, rows, tile.first_depth, tile.end_depth};
  const ElementSource b{problem.b, pixels.weights, is_data, is_weight, tile.first_column, problem.n, tile.first_depth, tile.end_depth};
  typename Config::LoaderA loader_a(a, thread);
  typename Config::LoaderB loader_b(b, thread);
  typename Config::Product product(thread);
  const int64_t depth = tile.end_depth - tile.first_depth;
  sum_stages<Config>(loader_a, loader_b, product, ring, (depth + Config::TileA::kDepth - 1) / Config::TileA::kDepth);
  each_four_sums<Config>(product, ring, thread, rows - tile.first_row, problem.n - tile.first_column,
                         [&](uint32_t row, uint32_t column, const float(&sums)[4]) MM1_INLINE_BODY {
                           const int64_t place = tile.first_row + row;
                           finish(problem.epilogue, is_weight ? tile.part : 0, is_data ? pixel_of_class(problem, pixels, place) : place,
                                  tile.first_column + column, sums);
                         });
}

// ---- launches ---------------------------------------------------------------------------------------------------------------------------
template <class Kernel>
mm1_status launch_convolution(mm1_stream stream, const char* verb, Kernel kernel, const ImplicitProblem& problem,
                              const ImplicitPlan& plan) {
  const int64_t blocks = plan.parts * problem.order.count();
  if (blocks > kGridX) return fail(MM1_STATUS_UNSUPPORTED, "%s: the convolution needs more blocks than a grid has.", verb);
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(blocks), 1, 1};
  config.block = {static_cast<uint32_t>(plan.threads), 1, 1};
  config.shared_bytes = static_cast<size_t>(plan.shared_bytes);
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, problem);
  return launched(verb, status.code, status.text);
}

// The tiles of one arithmetic and size; Turned: lines of k, with the rows contiguous.
template <class Arithmetic, GemmTile Size, bool TurnedA, bool TurnedB>
struct ConvolutionTiles {
  static constexpr GemmTileShape kShape = gemm_tile_shape(Arithmetic::kKernel, Size);
  static constexpr int kThreads = kShape.threads();
  using TileA = OperandTile<Arithmetic::kElementBytes, kShape.m, !TurnedA>;
  using TileB = OperandTile<Arithmetic::kElementBytes, kShape.n, !TurnedB>;
  using Product = typename Arithmetic::template Product<TileA, TileB, kShape.warp_m, kShape.warp_n>;
  template <class LoaderA, class LoaderB>
  using Config = MainLoopConfig<Product, LoaderA, LoaderB, TileA, TileB, kShape.stages,
                                implicit_budget(Arithmetic::kKernel, Size).resident_blocks>;
};

template <class Arithmetic, GemmTile Size, int AccessBytes>
mm1_status launch_forward(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan) {
  using Tiles = ConvolutionTiles<Arithmetic, Size, false, false>;
  using Config = typename Tiles::template Config<PatchRows<typename Tiles::TileA, Tiles::kThreads, AccessBytes>,
                                                 PatchRows<typename Tiles::TileB, Tiles::kThreads, AccessBytes>>;
  return launch_convolution(stream, verb, convolution_forward_tiles<Config>, problem, plan);
}

template <class Arithmetic, GemmTile Size>
mm1_status launch_data(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan) {
  using Tiles = ConvolutionTiles<Arithmetic, Size, false, true>;
  using Config = typename Tiles::template Config<PatchRows<typename Tiles::TileA, Tiles::kThreads, 16>,
                                                 WeightLoader<typename Tiles::TileB, Tiles::kThreads>>;
  return launch_convolution(stream, verb, convolution_data_tiles<Config>, problem, plan);
}

template <class Arithmetic, GemmTile Size, int AccessBytes>
mm1_status launch_weight(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan) {
  using Tiles = ConvolutionTiles<Arithmetic, Size, true, true>;
  using Config = typename Tiles::template Config<AlignedLoader<typename Tiles::TileA, Tiles::kThreads>,
                                                 PatchLines<typename Tiles::TileB, Tiles::kThreads, AccessBytes>>;
  return launch_convolution(stream, verb, convolution_weight_tiles<Config>, problem, plan);
}

template <class Arithmetic>
mm1_status launch_any(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan) {
  using Tiles = ConvolutionTiles<Arithmetic, GemmTile::small, false, false>;
  using Config = typename Tiles::template Config<Elements<typename Tiles::TileA, Tiles::kThreads>,
                                                 Elements<typename Tiles::TileB, Tiles::kThreads>>;
  return launch_convolution(stream, verb, convolution_any_tiles<Config>, problem, plan);
}

template <class Arithmetic, GemmTile Size>
mm1_status launch_chunks(mm1_stream stream, const char* verb, const ImplicitProblem& problem, const ImplicitPlan& plan) {
  switch (static_cast<ConvolutionPass>(problem.pass)) {
    case ConvolutionPass::forward:
      return launch_forward<Arithmetic, Size, 16>(stream, verb, problem, plan);
    case ConvolutionPass::backward_data:
      return launch_data<Arithmetic, Size>(stream, verb, problem, plan);
    default:
      return launch_weight<Arithmetic, Size, 16>(stream, verb, problem, plan);
  }
}

}  // namespace mm1
