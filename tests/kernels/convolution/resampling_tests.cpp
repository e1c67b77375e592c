// Conformance of adaptive average pooling and of the interpolation of position grids, both as what they are: products with one sparse
// matrix for each side. CI's cut: all of it in every mode; `shadow` leaves out the largest sizes.
#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "convolution/interpolation.h"
#include "convolution/pool.h"
#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "support/agreement.h"
#include "support/budget.h"
#include "support/device_buffer.h"
#include "support/samples.h"
#include "test.h"

namespace test {

namespace {

constexpr mm1_dtype kDtypes[] = {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32};

struct Size {
  int64_t batch;  // Of an interpolation: rows before the grid.
  int64_t height, width, new_height, new_width, channels;
};

const Size kSizes[] = {{1, 1, 1, 1, 1, 1},      {2, 5, 7, 3, 4, 17}, {1, 27, 27, 12, 12, 37}, {2, 9, 6, 1, 1, 130}, {3, 16, 11, 1, 1, 72},
                       {1, 24, 24, 12, 12, 64}, {3, 4, 3, 9, 5, 20}, {1, 16, 16, 16, 16, 3},  {1, 30, 2, 2, 5, 8},  {2, 1, 6, 4, 1, 70},
                       {0, 7, 7, 3, 3, 16},     {2, 7, 7, 0, 3, 16}, {1, 7, 7, 3, 3, 0},      {1, 0, 4, 0, 2, 5}};

bool is_left_out(const Size& size) {
#ifdef MM1_SHADOW
  return size.height * size.width * size.channels > 20000;
#else
  return size.channels < 0;
#endif
}

std::string name_of(const Size& s, mm1_dtype dtype) {
  return std::string(dtype == MM1_DTYPE_FLOAT32 ? "float32 " : "bfloat16 ") + std::to_string(s.batch) + " of " + std::to_string(s.height) +
         "x" + std::to_string(s.width) + " to " + std::to_string(s.new_height) + "x" + std::to_string(s.new_width) + "x" +
         std::to_string(s.channels);
}

// [outputs, inputs].
template <class T>
struct SideMatrix {
  int64_t outputs, inputs;
  std::vector<T> weights;

  SideMatrix(int64_t rows, int64_t columns) : outputs(rows), inputs(columns), weights(static_cast<size_t>(rows * columns), T(0)) {}
  T& at(int64_t i, int64_t j) { return weights[static_cast<size_t>(i * inputs + j)]; }
  SideMatrix turned() {
    SideMatrix result(inputs, outputs);
    for (int64_t i = 0; i < outputs; i++) {
      for (int64_t j = 0; j < inputs; j++) result.at(j, i) = at(i, j);
    }
    return result;
  }
};

template <class T>
SideMatrix<T> averages(int64_t input, int64_t output) {
  SideMatrix<T> matrix(output, input);
  for (int64_t i = 0; i < output; i++) {
    const int64_t first = static_cast<int64_t>(std::floor(static_cast<double>(i * input) / static_cast<double>(output)));
    const int64_t end = static_cast<int64_t>(std::ceil(static_cast<double>((i + 1) * input) / static_cast<double>(output)));
    for (int64_t j = first; j < end; j++) matrix.at(i, j) = T(1) / static_cast<T>(end - first);
  }
  return matrix;
}

// PyTorch's bicubic interpolation with align_corners false.
template <class T>
SideMatrix<T> bicubic(int64_t input, int64_t output, bool antialias) {
  const T scale = static_cast<T>(input) / static_cast<T>(std::max<int64_t>(output, 1)), a = antialias ? T(-0.5) : T(-0.75);
  const T stretch = antialias ? std::max(scale, T(1)) : T(1);
  const auto cubic = [a](T distance) {
    const T x = std::fabs(distance);
    if (x <= 1) return (a + 2) * x * x * x - (a + 3) * x * x + 1;
    return x < 2 ? a * x * x * x - 5 * a * x * x + 8 * a * x - 4 * a : T(0);
  };
  SideMatrix<T> matrix(output, input);
  for (int64_t i = 0; i < output; i++) {
    const T center = (static_cast<T>(i) + T(0.5)) * scale - T(0.5);
    const int64_t reach = static_cast<int64_t>(std::ceil(stretch * 2)) + 2, middle = static_cast<int64_t>(std::floor(center));
    T total = 0;
    for (int64_t j = middle - reach; j <= middle + reach; j++) {
      if (antialias && (j < 0 || j >= input)) continue;
      const T weight = cubic((static_cast<T>(j) - center) / stretch);
      matrix.at(i, std::min(std::max<int64_t>(j, 0), input - 1)) += weight;
      total += weight;
    }
    for (int64_t j = 0; j < input && antialias; j++) matrix.at(i, j) /= total;
  }
  return matrix;
}

// [images, height, width, channels] after `prefix` rows that are copied.
template <class T>
std::vector<T> resampled(int64_t prefix, int64_t images, SideMatrix<T> vertical, SideMatrix<T> horizontal, int64_t channels,
                         const std::vector<float>& x) {
  std::vector<T> output;
  for (int64_t i = 0; i < prefix * channels; i++) output.push_back(static_cast<T>(x[static_cast<size_t>(i)]));
  for (int64_t n = 0; n < images; n++) {
    for (int64_t i = 0; i < vertical.outputs; i++) {
      for (int64_t j = 0; j < horizontal.outputs; j++) {
        std::vector<T> sums(static_cast<size_t>(channels), T(0));
        for (int64_t y = 0; y < vertical.inputs; y++) {
          for (int64_t z = 0; z < horizontal.inputs; z++) {
            const T weight = vertical.at(i, y) * horizontal.at(j, z);
            if (weight == T(0)) continue;
            const size_t source = static_cast<size_t>((prefix + (n * vertical.inputs + y) * horizontal.inputs + z) * channels);
            for (size_t c = 0; c < sums.size(); c++) sums[c] += weight * static_cast<T>(x[source + c]);
          }
        }
        output.insert(output.end(), sums.begin(), sums.end());
      }
    }
  }
  return output;
}

// Rows of an image are a function of their place in it.
std::vector<float> values(uint64_t purpose, mm1_dtype dtype, int64_t images, int64_t rows, int64_t channels) {
  std::vector<float> result;
  for (int64_t n = 0; n < images; n++) {
    for (int64_t r = 0; r < rows; r++) {
      for (int64_t c = 0; c < channels; c++) result.push_back(round_to(dtype, static_cast<float>(normal_sample(purpose, n, r, c))));
    }
  }
  return result;
}

enum Purpose { kX = 51, kGradient, kOld };

struct Resampling {
  Size size;
  mm1_dtype dtype;
  int64_t gap = 0;
  int64_t offset = 0;
  float beta = 0;
  bool antialias = false;

  int64_t inputs() const { return size.height * size.width; }
  int64_t outputs() const { return size.new_height * size.new_width; }
};

struct Matrix : DeviceBuffer {
  Matrix(const Resampling& which, int64_t rows)
      : DeviceBuffer(which.dtype, rows, which.size.channels, which.size.channels + which.gap, which.offset) {}
};

template <class Args>
void set_sides(const Resampling& which, Args* args) {
  args->input_height = which.size.height;
  args->input_width = which.size.width;
  args->output_height = which.size.new_height;
  args->output_width = which.size.new_width;
  args->channels = which.size.channels;
}

std::vector<float> finished(const DeviceBuffer& result) {
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  return result.download();
}

std::vector<float> run_pool(const Resampling& which) {
  Matrix x(which, which.size.batch * which.inputs()), output(which, which.size.batch * which.outputs());
  x.upload(values(kX, which.dtype, which.size.batch, which.inputs(), which.size.channels));
  mm1_adaptive_average_pool_forward_args args = mm1_adaptive_average_pool_forward_args_default();
  set_sides(which, &args);
  args.batch = which.size.batch;
  args.x = x.operand();
  args.output = output.operand();
  CHECK_OK(mm1_adaptive_average_pool_forward(nullptr, &args, nullptr, 0));
  return finished(output);
}

std::vector<float> run_pool_backward(const Resampling& which) {
  Matrix gradient(which, which.size.batch * which.outputs()), result(which, which.size.batch * which.inputs());
  gradient.upload(values(kGradient, which.dtype, which.size.batch, which.outputs(), which.size.channels));
  if (which.beta != 0) result.upload(values(kOld, which.dtype, which.size.batch, which.inputs(), which.size.channels));
  mm1_adaptive_average_pool_backward_args args = mm1_adaptive_average_pool_backward_args_default();
  set_sides(which, &args);
  args.batch = which.size.batch;
  args.output_gradient = gradient.operand();
  args.input_gradient = result.operand();
  args.beta = which.beta;
  CHECK_OK(mm1_adaptive_average_pool_backward(nullptr, &args, nullptr, 0));
  return finished(result);
}

std::vector<float> run_interpolation(const Resampling& which) {
  Matrix x(which, which.size.batch + which.inputs()), output(which, which.size.batch + which.outputs());
  x.upload(values(kX, which.dtype, 1, which.size.batch + which.inputs(), which.size.channels));
  mm1_grid_interpolation_forward_args args = mm1_grid_interpolation_forward_args_default();
  set_sides(which, &args);
  args.prefix_rows = which.size.batch;
  args.antialias = which.antialias;
  args.x = x.operand();
  args.output = output.operand();
  CHECK_OK(mm1_grid_interpolation_forward(nullptr, &args, nullptr, 0));
  return finished(output);
}

std::vector<float> run_interpolation_backward(const Resampling& which) {
  Matrix gradient(which, which.size.batch + which.outputs()), result(which, which.size.batch + which.inputs());
  gradient.upload(values(kGradient, which.dtype, 1, which.size.batch + which.outputs(), which.size.channels));
  if (which.beta != 0) result.upload(values(kOld, which.dtype, 1, which.size.batch + which.inputs(), which.size.channels));
  mm1_grid_interpolation_backward_args args = mm1_grid_interpolation_backward_args_default();
  set_sides(which, &args);
  args.prefix_rows = which.size.batch;
  args.antialias = which.antialias;
  args.output_gradient = gradient.operand();
  args.input_gradient = result.operand();
  args.beta = which.beta;
  CHECK_OK(mm1_grid_interpolation_backward(nullptr, &args, nullptr, 0));
  return finished(result);
}

template <class T>
std::vector<T> accumulated(std::vector<T> sums, const std::vector<float>& old, float beta) {
  for (size_t i = 0; i < sums.size() && beta != 0; i++) sums[i] += static_cast<T>(beta) * static_cast<T>(old[i]);
  return sums;
}

template <class T>
std::vector<T> pool_by_definition(const Resampling& w) {
  return resampled<T>(0, w.size.batch, averages<T>(w.size.height, w.size.new_height), averages<T>(w.size.width, w.size.new_width),
                      w.size.channels, values(kX, w.dtype, w.size.batch, w.inputs(), w.size.channels));
}

template <class T>
std::vector<T> pool_backward_by_definition(const Resampling& w) {
  return accumulated(resampled<T>(0, w.size.batch, averages<T>(w.size.height, w.size.new_height).turned(),
                                  averages<T>(w.size.width, w.size.new_width).turned(), w.size.channels,
                                  values(kGradient, w.dtype, w.size.batch, w.outputs(), w.size.channels)),
                     values(kOld, w.dtype, w.size.batch, w.inputs(), w.size.channels), w.beta);
}

template <class T>
std::vector<T> interpolation_by_definition(const Resampling& w) {
  return resampled<T>(w.size.batch, 1, bicubic<T>(w.size.height, w.size.new_height, w.antialias),
                      bicubic<T>(w.size.width, w.size.new_width, w.antialias), w.size.channels,
                      values(kX, w.dtype, 1, w.size.batch + w.inputs(), w.size.channels));
}

template <class T>
std::vector<T> interpolation_backward_by_definition(const Resampling& w) {
  return accumulated(resampled<T>(w.size.batch, 1, bicubic<T>(w.size.height, w.size.new_height, w.antialias).turned(),
                                  bicubic<T>(w.size.width, w.size.new_width, w.antialias).turned(), w.size.channels,
                                  values(kGradient, w.dtype, 1, w.size.batch + w.outputs(), w.size.channels)),
                     values(kOld, w.dtype, 1, w.size.batch + w.inputs(), w.size.channels), w.beta);
}

std::vector<float> rounded(mm1_dtype dtype, std::vector<float> all) {
  for (float& value : all) value = round_to(dtype, value);
  return all;
}

using Run = std::vector<float> (*)(const Resampling&);

// Every size in both dtypes: agreement, and the same bits with gaps and at an odd address.
void check_sizes(Run run, std::vector<double> (*exact)(const Resampling&), std::vector<float> (*straight)(const Resampling&),
                 const std::vector<float>& betas, const std::vector<bool>& antialiasing) {
  for (const Size& size : kSizes) {
    if (is_left_out(size)) continue;
    for (const mm1_dtype dtype : kDtypes) {
      for (const float beta : betas) {
        for (const bool antialias : antialiasing) {
          const Resampling which{size, dtype, 0, 0, beta, antialias};
          try {
            const std::vector<float> actual = run(which);
            check_agreement("result", dtype, actual, exact(which), rounded(dtype, straight(which)));
            check_same_bits("with gaps", run({size, dtype, 3, 1, beta, antialias}), actual);
            check_same_bits("with wide gaps", run({size, dtype, 8, 0, beta, antialias}), actual);
          } catch (const std::exception& error) {
            throw Failure(name_of(size, dtype) + " beta " + show(beta) + " antialias " + std::to_string(antialias) + ": " + error.what());
          }
        }
      }
    }
  }
}

}  // namespace

TEST(resampling, pool_forward_agrees) { check_sizes(run_pool, pool_by_definition<double>, pool_by_definition<float>, {0}, {false}); }

TEST(resampling, pool_backward_agrees) {
  check_sizes(run_pool_backward, pool_backward_by_definition<double>, pool_backward_by_definition<float>, {0, 1, -0.5f}, {false});
}

TEST(resampling, interpolation_forward_agrees) {
  check_sizes(run_interpolation, interpolation_by_definition<double>, interpolation_by_definition<float>, {0}, {false, true});
}

TEST(resampling, interpolation_backward_agrees) {
  check_sizes(run_interpolation_backward, interpolation_backward_by_definition<double>, interpolation_backward_by_definition<float>,
              {0, -0.5f}, {false, true});
}

TEST(resampling, images_do_not_depend_on_their_neighbours) {
  for (const Size& size : {Size{4, 9, 6, 2, 3, 40}, Size{4, 12, 13, 1, 1, 70}, Size{4, 4, 3, 9, 5, 20}}) {
    for (const mm1_dtype dtype : kDtypes) {
      for (const Run run : {run_pool, run_pool_backward}) {
        const std::vector<float> many = run({size, dtype});
        Size one = size;
        one.batch = 1;
        const std::vector<float> alone = run({one, dtype});
        check_same_bits(name_of(size, dtype), alone, std::vector<float>(many.begin(), many.begin() + static_cast<int64_t>(alone.size())));
      }
    }
  }
}

// Bins hold pixels as pixels lie in bins.
TEST(resampling, bins_of_a_pixel_are_the_bins_that_hold_it) {
  for (int64_t input = 1; input < 30; input++) {
    for (int64_t output = 1; output < 30; output++) {
      for (int64_t pixel = 0; pixel < input; pixel++) {
        const mm1::Bin holders = mm1::pool_bin(pixel, output, input);
        for (int64_t bin = 0; bin < output; bin++) {
          const mm1::Bin pixels = mm1::pool_bin(bin, input, output);
          CHECK_EQUAL(pixel >= pixels.first && pixel < pixels.end, bin >= holders.first && bin < holders.end);
        }
      }
    }
  }
}

TEST(resampling, kernels_fit_every_device) {
  for (const mm1::KernelBudget& budget : mm1::kPoolBudgets) check_budget(budget);
  for (const mm1::KernelBudget& budget : mm1::kInterpolationBudgets) check_budget(budget);
}

TEST(resampling_arguments, broken_rules_are_named) {
  DeviceBuffer input(MM1_DTYPE_FLOAT32, 9, 4, 4), output(MM1_DTYPE_FLOAT32, 9, 4, 4), integers(MM1_DTYPE_INT32, 9, 4, 4);
  const mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  const Resampling which{{1, 3, 3, 2, 2, 4}, MM1_DTYPE_FLOAT32};
  {
    mm1_adaptive_average_pool_forward_args good = mm1_adaptive_average_pool_forward_args_default();
    set_sides(which, &good);
    good.batch = 1;
    good.x = input.operand();
    good.output = output.operand();
    const auto fails = [&](mm1_status status, const std::string& rule,
                           const std::function<void(mm1_adaptive_average_pool_forward_args*)>& change) {
      mm1_adaptive_average_pool_forward_args wrong = good;
      change(&wrong);
      CHECK_FAILS_WITH(status, "adaptive_average_pool_forward: " + rule, mm1_adaptive_average_pool_forward(nullptr, &wrong, nullptr, 0));
    };
    fails(invalid, "batch is -1", [](auto* a) { a->batch = -1; });
    fails(invalid, "input_height is -1", [](auto* a) { a->input_height = -1; });
    fails(invalid, "input_width is -1", [](auto* a) { a->input_width = -1; });
    fails(invalid, "output_height is -1", [](auto* a) { a->output_height = -1; });
    fails(invalid, "output_width is -1", [](auto* a) { a->output_width = -1; });
    fails(invalid, "channels is -1", [](auto* a) { a->channels = -1; });
    fails(MM1_STATUS_UNSUPPORTED, "an extent is 1073741824", [](auto* a) { a->channels = int64_t{1} << 30; });
    fails(invalid, "an input without pixels has no average; input_height and input_width must be at least 1.",
          [](auto* a) { a->input_width = 0; });
    fails(invalid, "x is missing; it holds [9, 4]", [](auto* a) { a->x.data = nullptr; });
    fails(invalid, "output has dtype int32", [&](auto* a) { a->output = integers.operand(); });
    fails(invalid, "x has dtype int32", [&](auto* a) { a->x = integers.operand(); });
    fails(MM1_STATUS_UNSUPPORTED, "x has dtype float16", [&](auto* a) { a->x.dtype = MM1_DTYPE_FLOAT16; });
    fails(invalid, "output overlaps x", [&](auto* a) { a->output = a->x; });
  }
  {
    mm1_adaptive_average_pool_backward_args good = mm1_adaptive_average_pool_backward_args_default();
    set_sides(which, &good);
    good.batch = 1;
    good.output_gradient = input.operand();
    good.input_gradient = output.operand();
    const auto fails = [&](const std::string& rule, const std::function<void(mm1_adaptive_average_pool_backward_args*)>& change) {
      mm1_adaptive_average_pool_backward_args wrong = good;
      change(&wrong);
      CHECK_FAILS_WITH(invalid, "adaptive_average_pool_backward: " + rule, mm1_adaptive_average_pool_backward(nullptr, &wrong, nullptr, 0));
    };
    fails("output_gradient is missing", [](auto* a) { a->output_gradient.data = nullptr; });
    fails("input_gradient has row_stride 1", [](auto* a) { a->input_gradient.row_stride = 1; });
    fails("an input without pixels has no average", [](auto* a) { a->input_height = 0; });
    fails("reserved is 2", [](auto* a) { a->reserved = 2; });
    fails("input_gradient overlaps output_gradient", [](auto* a) { a->input_gradient = a->output_gradient; });
  }
  {
    mm1_grid_interpolation_forward_args good = mm1_grid_interpolation_forward_args_default();
    set_sides(which, &good);
    good.x = input.operand();
    good.output = output.operand();
    const auto fails = [&](const std::string& rule, const std::function<void(mm1_grid_interpolation_forward_args*)>& change) {
      mm1_grid_interpolation_forward_args wrong = good;
      change(&wrong);
      CHECK_FAILS_WITH(invalid, "grid_interpolation_forward: " + rule, mm1_grid_interpolation_forward(nullptr, &wrong, nullptr, 0));
    };
    fails("input_height is -1", [](auto* a) { a->input_height = -1; });
    fails("output_width is -1", [](auto* a) { a->output_width = -1; });
    fails("channels is -1", [](auto* a) { a->channels = -1; });
    fails("prefix_rows is -1", [](auto* a) { a->prefix_rows = -1; });
    fails("a grid without positions cannot be interpolated; input_height and input_width must be at least 1.",
          [](auto* a) { a->input_height = 0; });
    fails("x has dtype int32", [&](auto* a) { a->x = integers.operand(); });
    fails("output is missing", [](auto* a) { a->output.data = nullptr; });
    fails("reserved is 1", [](auto* a) { a->reserved = 1; });
    fails("output overlaps x", [](auto* a) { a->output = a->x; });
  }
  {
    mm1_grid_interpolation_backward_args good = mm1_grid_interpolation_backward_args_default();
    set_sides(which, &good);
    good.output_gradient = input.operand();
    good.input_gradient = output.operand();
    const auto fails = [&](const std::string& rule, const std::function<void(mm1_grid_interpolation_backward_args*)>& change) {
      mm1_grid_interpolation_backward_args wrong = good;
      change(&wrong);
      CHECK_FAILS_WITH(invalid, "grid_interpolation_backward: " + rule, mm1_grid_interpolation_backward(nullptr, &wrong, nullptr, 0));
    };
    fails("output_gradient is missing", [](auto* a) { a->output_gradient.data = nullptr; });
    fails("input_gradient is missing", [](auto* a) { a->input_gradient.data = nullptr; });
    fails("input_gradient overlaps output_gradient", [](auto* a) { a->input_gradient = a->output_gradient; });
  }
  for (const float value : output.download()) CHECK(std::isnan(value));
}

}  // namespace test
