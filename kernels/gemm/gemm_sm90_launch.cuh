// From a problem and its plan to the tensor maps, the arguments and the grid of one instance of the Hopper GEMM.
#pragma once
#include <stdint.h>

#include "dev/launch.h"
#include "dev/tensor_map.h"
#include "gemm/gemm.h"
#include "gemm/gemm_sm90.cuh"
#include "host/error.h"

namespace mm1 {

// A map of [problems, lines, contiguous] elements, read or written in boxes of 128 bytes by `box_lines`. Where there is one line or one problem
// its stride is not read by anybody and only has to be one that TMA takes.
inline mm1_status encode_gemm_sm90_map(const char* name, DevTensorMap* map, const void* data, bool is_float32, int64_t contiguous, int64_t lines, int64_t problems,
    int64_t line_bytes, int64_t problem_bytes, int box_lines) {
  const int element_bytes = is_float32 ? 4 : 2;
  const int64_t dense_bytes = (contiguous * element_bytes + 15) / 16 * 16;
  dev::TensorMapShape shape;
  shape.type = is_float32 ? dev::TensorMapType::float32 : dev::TensorMapType::bfloat16;
  shape.rank = 3;
  shape.extents[0] = uint64_t(contiguous);
  shape.extents[1] = uint64_t(lines);
  shape.extents[2] = uint64_t(problems);
  shape.strides_bytes[1] = uint64_t(lines > 1 ? line_bytes : dense_bytes);
  shape.strides_bytes[2] = problems > 1 ? uint64_t(problem_bytes) : shape.strides_bytes[1];
  shape.box[0] = uint32_t(kSwizzledLineBytes / element_bytes);
  shape.box[1] = uint32_t(box_lines);
  shape.box[2] = 1;
  shape.swizzle_bytes = kSwizzledLineBytes;
  const dev::LaunchStatus status = dev::encode_tensor_map(map, data, shape);
  return status.ok() ? MM1_STATUS_OK : fail(status.code, "gemm: tensor map of %s: %s", name, status.text);
}

// An input seen by lines of memory. A batch that shares it has one problem.
inline mm1_status encode_gemm_sm90_input(const char* name, DevTensorMap* map, const GemmInput& input, int64_t contiguous, int64_t lines, int64_t batch, int box_lines) {
  const int64_t problems = input.batch_stride == 0 ? 1 : batch;
  return encode_gemm_sm90_map(name, map, input.data, false, contiguous, lines, problems, input.row_stride, input.batch_stride, box_lines);
}

// Everything that a launch of one instance is given.
struct GemmSm90Launch {
  DevTensorMap map_a = {};
  DevTensorMap map_b = {};
  DevTensorMap map_output = {};
  GemmSm90Arguments arguments = {};
  dev::LaunchConfig config;
};

template <int tile_n, bool a_mn_major, bool b_mn_major>
mm1_status prepare_gemm_sm90(mm1_stream stream, const GemmProblem& problem, const GemmSm90Plan& plan, GemmSm90Launch* launch) {
  using Tile = GemmSm90Tile<tile_n>;
  const Epilogue& epilogue = problem.epilogue;
  MM1_RETURN_IF_FAILED(encode_gemm_sm90_input("a", &launch->map_a, problem.a, a_mn_major ? problem.m : problem.k, a_mn_major ? problem.k : problem.m, problem.batch,
      a_mn_major ? Tile::tile_k : Tile::tile_m));
  MM1_RETURN_IF_FAILED(encode_gemm_sm90_input("b", &launch->map_b, problem.b, b_mn_major ? problem.n : problem.k, b_mn_major ? problem.k : problem.n, problem.batch,
      b_mn_major ? Tile::tile_k : Tile::tile_n / 2));
  if (plan.store_by_tma) {
    const int64_t bytes = epilogue.output.is_float32 ? 4 : 2;
    MM1_RETURN_IF_FAILED(encode_gemm_sm90_map("output", &launch->map_output, epilogue.output.data, epilogue.output.is_float32 != 0, problem.n, problem.m, problem.batch,
        epilogue.output.row_stride * bytes, epilogue.output.batch_stride * bytes, 16));
  }
  GemmSm90Arguments& arguments = launch->arguments;
  arguments.m = int(problem.m);
  arguments.k_blocks = int((problem.k + Tile::tile_k - 1) / Tile::tile_k);
  const int64_t rows = int64_t(Tile::tile_m) * plan.cluster;
  arguments.order = {(problem.m + rows - 1) / rows, (problem.n + tile_n - 1) / tile_n, plan.group};
  arguments.tiles = int(arguments.order.count() * problem.batch);
  arguments.cluster = plan.cluster;
  arguments.problem_step_a = problem.a.batch_stride == 0 ? 0 : 1;
  arguments.problem_step_b = problem.b.batch_stride == 0 ? 0 : 1;
  arguments.store_by_tma = plan.store_by_tma;
  arguments.epilogue = epilogue;

  dev::LaunchConfig& config = launch->config;
  config.grid = {uint32_t(plan.blocks), 1, 1};
  config.block = {uint32_t(Tile::threads), 1, 1};
  config.cluster = {uint32_t(plan.cluster), 1, 1};
  config.shared_bytes = Tile::shared_bytes;
  config.stream = reinterpret_cast<dev::Stream>(stream);
  return MM1_STATUS_OK;
}

}  // namespace mm1
