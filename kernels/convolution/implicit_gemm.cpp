// Dense convolutions: from checked arguments to problems, plans and launches.
#include "convolution/implicit_gemm.h"

#include <atomic>

#include "host/device.h"

namespace mm1 {

namespace {

constexpr bool every_budget_fits() {
  for (const DeviceProfile& profile : kProfiles) {
    if (!implicit_budget(GemmKernel::bfloat16_sm80, GemmTile::large).fits(profile)) return false;
    if (!implicit_budget(GemmKernel::bfloat16_sm80, GemmTile::small).fits(profile)) return false;
    if (!implicit_budget(GemmKernel::float32, GemmTile::small).fits(profile)) return false;
  }
  return true;
}

static_assert(every_budget_fits(), "a tile of a convolution asks for more than a device has");

constexpr int64_t kGroup = 8;  // Tile rows walked together, as in gemm.

std::atomic<int> g_tile{-1};
std::atomic<int> g_access{-1};

int32_t narrow(int64_t value) { return static_cast<int32_t>(value); }  // Extents are below 2^30.

int64_t tiles_of(int64_t extent, int tile) { return (extent + tile - 1) / tile; }

const char* bytes_of(const mm1_operand& operand) { return static_cast<const char*>(operand.data); }

// The patches that the forward reads. Without padding, a line of a kernel whose pixels are contiguous is one tap of as many more channels.
PatchView patches_of(const ConvolutionShape& shape, const mm1_operand& x) {
  const bool is_packed = shape.padding == 0 && x.row_stride == shape.input_channels;
  PatchView view{};
  view.data = bytes_of(x);
  view.pixel_stride = shape.input_pixels() > 1 ? x.row_stride * dtype_bytes(x.dtype) : 0;
  view.source_height = narrow(shape.input_height);
  view.source_width = narrow(shape.input_width);
  view.target_height = narrow(shape.output_height);
  view.target_width = narrow(shape.output_width);
  view.step = narrow(shape.stride);
  view.direction = 1;
  view.origin_y = view.origin_x = -narrow(shape.padding);
  view.taps_y = narrow(shape.kernel_height);
  view.taps_x = is_packed ? 1 : narrow(shape.kernel_width);
  view.channels = narrow(is_packed ? shape.kernel_width * shape.input_channels : shape.input_channels);
  return view;
}

// A matrix as it lies, as patches of one line of pixels.
PatchView plain_view(const mm1_operand& operand, int64_t rows, int64_t columns) {
  PatchView view{};
  view.data = bytes_of(operand);
  view.pixel_stride = rows > 1 ? operand.row_stride * dtype_bytes(operand.dtype) : 0;
  view.source_height = view.target_height = 1;
  view.source_width = view.target_width = narrow(rows);
  view.step = view.direction = 1;
  view.taps_y = view.taps_x = 1;
  view.channels = narrow(columns);
  return view;
}

ImplicitProblem problem_of(const ConvolutionShape& shape, ConvolutionPass pass) {
  ImplicitProblem problem{};
  problem.pass = static_cast<int32_t>(pass);
  problem.images = narrow(shape.batch);
  problem.input_height = narrow(shape.input_height);
  problem.input_width = narrow(shape.input_width);
  problem.stride = narrow(shape.stride);
  problem.padding = narrow(shape.padding);
  problem.epilogue.alpha = 1.0f;
  problem.epilogue.activation = MM1_ACTIVATION_NONE;
  return problem;
}

EpilogueOperand epilogue_operand(const mm1_operand& operand, int64_t rows) {
  EpilogueOperand result{};
  result.data = operand.data;
  result.row_stride = rows > 1 ? operand.row_stride : 0;
  result.is_float32 = operand.dtype == MM1_DTYPE_FLOAT32;
  return result;
}

bool can_access(const EpilogueOperand& operand, int width) {
  const uintptr_t bytes = static_cast<uintptr_t>(width) * (operand.is_float32 ? 4 : 2);
  return operand.data == nullptr ||
         (reinterpret_cast<uintptr_t>(operand.data) % bytes == 0 && operand.row_stride % width == 0 && operand.batch_stride % width == 0);
}

void set_access(Epilogue* epilogue) {
  for (epilogue->access = 4; epilogue->access > 1; epilogue->access /= 2) {
    if (can_access(epilogue->output, epilogue->access) && can_access(epilogue->bias, epilogue->access)) return;
  }
}

// Whether every tap of every patch begins at a multiple of `bytes`, and is as long. Taps lie at multiples of `columns` pixels of a line.
bool is_aligned(const PatchView& view, int64_t columns, int64_t element, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(view.data) % static_cast<uintptr_t>(bytes) == 0 && view.channels * element % bytes == 0 &&
         columns * view.pixel_stride % bytes == 0 && view.source_width * view.pixel_stride % bytes == 0;
}

// The same for a view that patches_of or plain_view made.
bool is_aligned(const PatchView& view, int64_t element, int64_t bytes) {
  return is_aligned(view, view.taps_x == 1 && view.origin_x == 0 ? view.step : 1, element, bytes);
}

bool is_aligned(const WeightLines& weights, int64_t element) {
  return reinterpret_cast<uintptr_t>(weights.data) % 16 == 0 && weights.channels * element % 16 == 0 && weights.row_stride % 16 == 0;
}

int64_t largest_class(const ImplicitProblem& problem) {
  const int64_t height = (problem.input_height + problem.stride - 1) / problem.stride;
  const int64_t width = (problem.input_width + problem.stride - 1) / problem.stride;
  return problem.images * height * width;
}

}  // namespace

ImplicitProblem forward_problem(const ConvolutionShape& shape, const mm1_convolution_forward_args& args) {
  ImplicitProblem problem = problem_of(shape, ConvolutionPass::forward);
  problem.a = patches_of(shape, args.x);
  problem.b = plain_view(args.weight, shape.output_channels, shape.patch_length());
  problem.m = shape.output_pixels();
  problem.n = shape.output_channels;
  problem.k = shape.patch_length();
  problem.epilogue.output = epilogue_operand(args.output, problem.m);
  problem.epilogue.bias = epilogue_operand(args.bias, 1);
  problem.epilogue.columns = problem.n;
  problem.epilogue.activation = args.activation;
  set_access(&problem.epilogue);
  return problem;
}

ImplicitProblem backward_data_problem(const ConvolutionShape& shape, const mm1_convolution_backward_data_args& args) {
  ImplicitProblem problem = problem_of(shape, ConvolutionPass::backward_data);
  const int64_t element = dtype_bytes(args.input_gradient.dtype);
  problem.a.data = bytes_of(args.output_gradient);
  problem.a.pixel_stride = shape.output_pixels() > 1 ? args.output_gradient.row_stride * element : 0;
  problem.a.source_height = narrow(shape.output_height);
  problem.a.source_width = narrow(shape.output_width);
  problem.a.step = 1;
  problem.a.direction = -1;
  problem.a.channels = narrow(shape.output_channels);  // Taps, origin and extents are those of a class.
  problem.weights.data = bytes_of(args.weight);
  problem.weights.row_stride = shape.output_channels > 1 ? args.weight.row_stride * element : 0;
  problem.weights.outputs = narrow(shape.output_channels);
  problem.weights.channels = narrow(shape.input_channels);
  problem.weights.kernel_width = narrow(shape.kernel_width);
  problem.weights.tap_step = narrow(shape.stride);
  problem.weights.taps_y = narrow(shape.kernel_height);
  problem.weights.taps_x = narrow(shape.kernel_width);
  problem.m = largest_class(problem);
  problem.n = shape.input_channels;
  problem.epilogue.output = epilogue_operand(args.input_gradient, shape.input_pixels());
  problem.epilogue.columns = problem.n;
  problem.epilogue.beta = args.beta;
  set_access(&problem.epilogue);
  return problem;
}

ImplicitProblem backward_weight_problem(const ConvolutionShape& shape, const mm1_convolution_backward_weight_args& args, float* partial) {
  ImplicitProblem problem = problem_of(shape, ConvolutionPass::backward_weight);
  problem.a = plain_view(args.output_gradient, shape.output_pixels(), shape.output_channels);
  problem.b = patches_of(shape, args.x);
  problem.m = shape.output_channels;
  problem.n = shape.patch_length();
  problem.k = shape.output_pixels();
  problem.block_pixels = weight_block_pixels(problem.m, problem.n);
  problem.epilogue.columns = problem.n;
  if (weight_blocks(problem.k, problem.m, problem.n) > 1) {
    problem.epilogue.output = {partial, problem.n, problem.m * problem.n, 1, 0};
  } else {
    problem.epilogue.output = epilogue_operand(args.weight_gradient, problem.m);
    problem.epilogue.beta = args.beta;
  }
  set_access(&problem.epilogue);
  return problem;
}

ConvolutionAccess access_of(const ImplicitProblem& problem, bool is_float32) {
  const int64_t element = is_float32 ? 4 : 2;
  switch (static_cast<ConvolutionPass>(problem.pass)) {
    case ConvolutionPass::forward:
      if (is_aligned(problem.a, element, 16) && is_aligned(problem.b, element, 16)) return ConvolutionAccess::chunks;
      if (!is_float32 && is_aligned(problem.a, element, 4) && is_aligned(problem.b, element, 4)) return ConvolutionAccess::words;
      return ConvolutionAccess::elements;
    case ConvolutionPass::backward_data:
      return is_aligned(problem.a, 1, element, 16) && is_aligned(problem.weights, element) ? ConvolutionAccess::chunks
                                                                                           : ConvolutionAccess::elements;
    default: {
      // Lines of the output gradient may end within a chunk: their tail is zero-filled.
      const bool gradient = reinterpret_cast<uintptr_t>(problem.a.data) % 16 == 0 && problem.a.pixel_stride % 16 == 0;
      if (gradient && is_aligned(problem.b, element, 16)) return ConvolutionAccess::chunks;
      if (gradient && !is_float32 && is_aligned(problem.b, element, 4)) return ConvolutionAccess::words;
      return ConvolutionAccess::elements;
    }
  }
}

ImplicitPlan plan_implicit(ImplicitProblem* problem, bool is_float32, const DeviceProfile& profile) {
  const GemmKernel kernel = is_float32 ? GemmKernel::float32 : GemmKernel::bfloat16_sm80;
  const ConvolutionChoice choice = convolution_choice();
  ImplicitPlan plan{};
  plan.access = access_of(*problem, is_float32);
  if (choice.access > static_cast<int>(plan.access)) plan.access = static_cast<ConvolutionAccess>(choice.access);
  const bool has_words = !is_float32 && problem->pass != static_cast<int32_t>(ConvolutionPass::backward_data);
  if (plan.access == ConvolutionAccess::words && !has_words) plan.access = ConvolutionAccess::elements;
  plan.parts = 1;
  if (problem->pass == static_cast<int32_t>(ConvolutionPass::backward_data)) {
    plan.parts = int64_t{problem->stride} * problem->stride;
  } else if (problem->pass == static_cast<int32_t>(ConvolutionPass::backward_weight)) {
    plan.parts = weight_blocks(problem->k, problem->m, problem->n);
  }
  const GemmTileShape& large = gemm_tile_shape(kernel, GemmTile::large);
  const int64_t large_tiles = plan.parts * tiles_of(problem->m, large.m) * tiles_of(problem->n, large.n);
  const bool has_large = !is_float32 && plan.access == ConvolutionAccess::chunks;
  const bool takes_large = choice.tile >= 0 ? choice.tile == 0 : large_tiles >= profile.multiprocessors;
  plan.tile = has_large && takes_large ? GemmTile::large : GemmTile::small;
  const GemmTileShape& shape = gemm_tile_shape(kernel, plan.tile);
  plan.threads = shape.threads();
  plan.shared_bytes = shape.shared_bytes();
  problem->order = {tiles_of(problem->m, shape.m), tiles_of(problem->n, shape.n), kGroup};
  return plan;
}

ConvolutionChoice convolution_choice() {
  ConvolutionChoice choice;
  choice.tile = g_tile.load();
  choice.access = g_access.load();
  return choice;
}

void set_convolution_choice(const ConvolutionChoice& choice) {
  g_tile = choice.tile;
  g_access = choice.access;
}

mm1_status run_implicit(mm1_stream stream, const char* verb, ImplicitProblem problem, bool is_float32) {
  if (problem.m == 0 || problem.n == 0) return MM1_STATUS_OK;
  const ImplicitPlan plan = plan_implicit(&problem, is_float32, current_profile());
  return is_float32 ? launch_implicit_float32(stream, verb, problem, plan) : launch_implicit_bfloat16(stream, verb, problem, plan);
}

}  // namespace mm1
