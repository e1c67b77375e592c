// Plans and address maps of convolutions: pure functions.
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "convolution/depthwise.h"
#include "convolution/implicit_gemm.h"
#include "convolution_case.h"
#include "support/budget.h"
#include "test.h"

namespace test {

namespace {

using mm1::ConvolutionAccess;
using mm1::ConvolutionShape;
using mm1::GemmTile;
using mm1::ImplicitPlan;
using mm1::ImplicitProblem;

// Addresses that nobody follows.
mm1_operand operand(mm1_dtype dtype, uint64_t at, int64_t row_stride) {
  mm1_operand result{};
  result.data = reinterpret_cast<void*>(at);
  result.dtype = dtype;
  result.row_stride = row_stride;
  return result;
}

mm1_convolution_forward_args forward_args(const ConvolutionCase& which) {
  mm1_convolution_forward_args args = mm1_convolution_forward_args_default();
  set_extents(which, &args);
  args.x = operand(which.dtype, 0x10000 + static_cast<uint64_t>(which.offset) * 2, which.inputs + which.gap);
  args.weight = operand(which.dtype, 0x20000, which.patch());
  args.output = operand(which.dtype, 0x30000, which.outputs);
  return args;
}

mm1_convolution_backward_data_args data_args(const ConvolutionCase& which) {
  mm1_convolution_backward_data_args args = mm1_convolution_backward_data_args_default();
  set_extents(which, &args);
  args.output_gradient = operand(which.dtype, 0x10000, which.outputs + which.gap);
  args.weight = operand(which.dtype, 0x20000, which.patch());
  args.input_gradient = operand(which.dtype, 0x30000, which.inputs);
  return args;
}

mm1_convolution_backward_weight_args weight_args(const ConvolutionCase& which) {
  mm1_convolution_backward_weight_args args = mm1_convolution_backward_weight_args_default();
  set_extents(which, &args);
  args.x = operand(which.dtype, 0x10000, which.inputs + which.gap);
  args.output_gradient = operand(which.dtype, 0x20000, which.outputs);
  args.weight_gradient = operand(MM1_DTYPE_FLOAT32, 0x30000, which.patch());
  return args;
}

ConvolutionAccess forward_access(const ConvolutionCase& which) {
  const mm1_convolution_forward_args args = forward_args(which);
  return access_of(forward_problem(mm1::shape_of(args), args), which.dtype == MM1_DTYPE_FLOAT32);
}

ConvolutionAccess data_access(const ConvolutionCase& which) {
  const mm1_convolution_backward_data_args args = data_args(which);
  return access_of(backward_data_problem(mm1::shape_of(args), args), which.dtype == MM1_DTYPE_FLOAT32);
}

ConvolutionAccess weight_access(const ConvolutionCase& which) {
  const mm1_convolution_backward_weight_args args = weight_args(which);
  return access_of(backward_weight_problem(mm1::shape_of(args), args, nullptr), which.dtype == MM1_DTYPE_FLOAT32);
}

}  // namespace

// Every input pixel is in one class, and its products are exactly those of the convolution's definition.
TEST(convolution_plan, classes_of_pixels_are_the_transposed_convolution) {
  for (const int64_t stride : {1, 2, 3, 5}) {
    for (const int64_t padding : {0, 1, 4}) {
      for (const int64_t kernel : {1, 2, 3, 5}) {
        ConvolutionCase which{"classes", 2, 7, 9, 8, 8, kernel, kernel + 1, stride, padding};
        const mm1_convolution_backward_data_args args = data_args(which);
        const ImplicitProblem problem = backward_data_problem(mm1::shape_of(args), args);
        // (input pixel, output pixel, kernel tap), once each.
        std::set<std::tuple<int64_t, int64_t, int64_t>> expected, found;
        for (int64_t y = 0; y < which.output_height(); y++) {
          for (int64_t x = 0; x < which.output_width(); x++) {
            for (int64_t i = 0; i < which.kernel_height; i++) {
              for (int64_t j = 0; j < which.kernel_width; j++) {
                const int64_t source_y = y * stride - padding + i, source_x = x * stride - padding + j;
                if (source_y < 0 || source_y >= which.height || source_x < 0 || source_x >= which.width) continue;
                expected.insert({source_y * which.width + source_x, y * which.output_width() + x, i * which.kernel_width + j});
              }
            }
          }
        }
        std::set<int64_t> pixels;
        for (int32_t index = 0; index < stride * stride; index++) {
          const mm1::PixelClass of = mm1::pixel_class(problem, index);
          CHECK_EQUAL(of.rows, int64_t{2} * of.gradient.target_height * of.gradient.target_width);
          CHECK(of.rows <= problem.m);
          for (int32_t y = 0; y < of.gradient.target_height; y++) {
            for (int32_t x = 0; x < of.gradient.target_width; x++) {
              const int64_t pixel = (of.first_y + y * stride) * which.width + of.first_x + x * stride;
              CHECK(pixels.insert(pixel).second);
              for (int32_t i = 0; i < of.gradient.taps_y; i++) {
                for (int32_t j = 0; j < of.gradient.taps_x; j++) {
                  const int64_t from_y = y * of.gradient.step + of.gradient.origin_y + i * of.gradient.direction;
                  const int64_t from_x = x * of.gradient.step + of.gradient.origin_x + j * of.gradient.direction;
                  if (from_y < 0 || from_y >= which.output_height() || from_x < 0 || from_x >= which.output_width()) continue;
                  const int64_t tap =
                      (of.weights.first_y + i * of.weights.tap_step) * which.kernel_width + of.weights.first_x + j * of.weights.tap_step;
                  CHECK(found.insert({pixel, from_y * which.output_width() + from_x, tap}).second);
                }
              }
            }
          }
        }
        CHECK_EQUAL(size_t{7 * 9}, pixels.size());
        CHECK_MESSAGE(found == expected, which.name());
      }
    }
  }
}

TEST(convolution_plan, the_widest_access_that_operands_allow) {
  ConvolutionCase three{"3x3", 2, 8, 8, 16, 24, 3, 3, 1, 1};
  CHECK_EQUAL(ConvolutionAccess::chunks, forward_access(three));
  CHECK_EQUAL(ConvolutionAccess::chunks, data_access(three));
  CHECK_EQUAL(ConvolutionAccess::chunks, weight_access(three));
  three.inputs = 6;  // 12 bytes a tap.
  CHECK_EQUAL(ConvolutionAccess::words, forward_access(three));
  CHECK_EQUAL(ConvolutionAccess::elements, data_access(three));
  CHECK_EQUAL(ConvolutionAccess::words, weight_access(three));
  three.inputs = 7;
  CHECK_EQUAL(ConvolutionAccess::elements, forward_access(three));
  CHECK_EQUAL(ConvolutionAccess::elements, weight_access(three));
  three.inputs = 16;
  three.gap = 1;
  CHECK_EQUAL(ConvolutionAccess::elements, forward_access(three));
  three.gap = 8;
  CHECK_EQUAL(ConvolutionAccess::chunks, forward_access(three));
  three.offset = 2;
  CHECK_EQUAL(ConvolutionAccess::words, forward_access(three));
  // Patches of packed images: a line of a patch is contiguous.
  ConvolutionCase patch{"patch 16", 2, 32, 32, 3, 24, 16, 16, 16, 0};
  CHECK_EQUAL(ConvolutionAccess::chunks, forward_access(patch));
  CHECK_EQUAL(ConvolutionAccess::chunks, weight_access(patch));
  patch.kernel_height = patch.kernel_width = patch.stride = 14;
  CHECK_EQUAL(ConvolutionAccess::words, forward_access(patch));
  CHECK_EQUAL(ConvolutionAccess::words, weight_access(patch));
  patch.dtype = MM1_DTYPE_FLOAT32;
  CHECK_EQUAL(ConvolutionAccess::elements, forward_access(patch));
  patch.gap = 1;
  patch.dtype = MM1_DTYPE_BFLOAT16;
  CHECK_EQUAL(ConvolutionAccess::elements, forward_access(patch));
}

// Neither access nor blocks of pixels depend on the number of images.
TEST(convolution_plan, images_do_not_choose_the_kernel) {
  for (const int64_t inputs : {3, 6, 16}) {
    for (const int64_t stride : {1, 4}) {
      ConvolutionCase which{"any", 1, 1, 4, inputs, 24, 1, 4, stride, 0};
      const ConvolutionAccess forward = forward_access(which), weight = weight_access(which);
      int64_t distance = 0, other = 0;
      const bool is_plain = mm1::is_plain_matrix(mm1::shape_of(forward_args(which)), inputs, &distance);
      which.batch = 7;
      CHECK_EQUAL(forward, forward_access(which));
      CHECK_EQUAL(weight, weight_access(which));
      CHECK_EQUAL(is_plain, mm1::is_plain_matrix(mm1::shape_of(forward_args(which)), inputs, &other));
      CHECK_EQUAL(distance, other);
    }
  }
}

// Row r of the matrix is patch r.
TEST(convolution_plan, plain_matrices_are_patches) {
  int plain = 0;
  for (const int64_t height : {1, 4, 6, 7}) {
    for (const int64_t width : {1, 4, 6}) {
      for (const int64_t kernel_height : {1, 2, 4}) {
        for (const int64_t kernel_width : {1, 3, 4, 6}) {
          for (const int64_t stride : {1, 2, 3, 4}) {
            for (const int64_t padding : {0, 1}) {
              for (const int64_t gap : {0, 1}) {
                const ConvolutionCase which{"any", 3, height, width, 5, 4, kernel_height, kernel_width, stride, padding};
                int64_t distance = 0;
                if (!mm1::is_plain_matrix(mm1::shape_of(forward_args(which)), 5 + gap, &distance)) continue;
                plain++;
                CHECK(which.output_pixels() <= 1 || distance >= which.patch() || which.patch() == 5);
                const int64_t per_image = which.output_height() * which.output_width();
                for (int64_t row = 0; row < which.output_pixels(); row++) {
                  const int64_t image = row / per_image, y = row % per_image / which.output_width(), x = row % which.output_width();
                  for (int64_t column = 0; column < which.patch(); column++) {
                    const int64_t tap = column / 5, i = tap / kernel_width, j = tap % kernel_width;
                    const int64_t pixel = (image * height + y * stride + i) * width + x * stride + j;
                    CHECK_EQUAL(pixel * (5 + gap) + column % 5, row * distance + column);
                  }
                }
              }
            }
          }
        }
      }
    }
  }
  CHECK(plain > 20);
}

TEST(convolution_plan, every_problem_finds_a_tile_on_every_profile) {
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
      for (const int64_t inputs : {1, 8, 64, 1000}) {
        for (const int64_t outputs : {1, 24, 4096}) {
          for (const int64_t stride : {1, 2}) {
            ConvolutionCase which{"any", 16, 27, 27, inputs, outputs, 3, 3, stride, 1};
            which.dtype = dtype;
            const bool is_float32 = dtype == MM1_DTYPE_FLOAT32;
            const mm1_convolution_forward_args forward = forward_args(which);
            const mm1_convolution_backward_data_args data = data_args(which);
            const mm1_convolution_backward_weight_args weight = weight_args(which);
            ImplicitProblem problems[] = {forward_problem(mm1::shape_of(forward), forward),
                                          backward_data_problem(mm1::shape_of(data), data),
                                          backward_weight_problem(mm1::shape_of(weight), weight, nullptr)};
            for (ImplicitProblem& problem : problems) {
              const ImplicitPlan plan = plan_implicit(&problem, is_float32, profile);
              const mm1::GemmKernel kernel = is_float32 ? mm1::GemmKernel::float32 : mm1::GemmKernel::bfloat16_sm80;
              const mm1::GemmTileShape& shape = mm1::gemm_tile_shape(kernel, plan.tile);
              CHECK(mm1::implicit_budget(kernel, plan.tile).fits(profile));
              CHECK_EQUAL(mm1::implicit_budget(kernel, plan.tile).shared_bytes, plan.shared_bytes);
              CHECK(problem.order.rows * shape.m >= problem.m && (problem.order.rows - 1) * shape.m < problem.m);
              CHECK(problem.order.columns * shape.n >= problem.n && (problem.order.columns - 1) * shape.n < problem.n);
              CHECK(plan.tile == GemmTile::small || (!is_float32 && plan.access == ConvolutionAccess::chunks));
            }
          }
        }
      }
    }
  }
}

// Small gradients are cut into more blocks; the workspace of a large one stays small.
TEST(convolution_plan, blocks_of_pixels_follow_the_size_of_the_gradient) {
  CHECK_EQUAL(int64_t{1}, mm1::weight_blocks(0, 64, 576));
  CHECK_EQUAL(int64_t{1}, mm1::weight_blocks(1024, 64, 576));
  CHECK_EQUAL(int64_t{2}, mm1::weight_blocks(1025, 64, 576));
  CHECK_EQUAL(int64_t{12}, mm1::weight_blocks(16 * 27 * 27, 64, 576));
  CHECK_EQUAL(int64_t{1}, mm1::weight_blocks(16 * 27 * 27, 1024, 9216));
}

TEST(convolution_plan, memory_bound_kernels_fit_every_device) {
  for (const mm1::KernelBudget& budget : mm1::kDepthwiseBudgets) check_budget(budget);
}

}  // namespace test
