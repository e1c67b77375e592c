// Conformance of the three verbs of a convolution. CI's cut: the whole list in mode `late`; in `early` and by seed every third case, in
// `shadow` every third of the smaller ones; tests that compare bits run in every mode.
#include <cstring>
#include <vector>

#include "convolution/implicit_gemm.h"
#include "convolution_case.h"
#include "emulator/options.h"
#include "host/emulated/device.h"
#include "mm1/runtime.h"
#include "support/agreement.h"
#include "support/device_buffer.h"
#include "test.h"

namespace test {

namespace {

constexpr mm1_dtype kDtypes[] = {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32};

bool in_shadow() {
#ifdef MM1_SHADOW
  return true;
#else
  return false;
#endif
}

size_t stride_of_mode() {
  const emulator::Options options = emulator::options();
  return !in_shadow() && options.late && options.seed == 0 ? 1 : 3;
}

struct Restore {
  const mm1::DeviceProfile* profile = nullptr;
  mm1::ConvolutionChoice choice = mm1::convolution_choice();

  Restore() { CHECK_OK(mm1::emulated::profile(&profile)); }
  ~Restore() {
    mm1::emulated::set_profile(*profile);
    mm1::set_convolution_choice(choice);
  }
};

// Label, images, height, width, channels in, channels out, kernel, stride, padding, groups.
const ConvolutionCase kShapes[] = {
    {"1x1", 2, 5, 7, 19, 33, 1, 1, 1, 0},
    {"1x1 wide", 1, 6, 7, 64, 72, 1, 1, 1, 0},
    {"1x1 stride 2", 2, 7, 6, 9, 5, 1, 1, 2, 0},
    {"1x1 padding 1", 1, 3, 4, 8, 6, 1, 1, 1, 1},
    {"3x3", 2, 6, 5, 17, 13, 3, 3, 1, 1},
    {"3x3 aligned", 2, 7, 9, 16, 24, 3, 3, 1, 1},
    {"3x3 many channels", 1, 9, 8, 72, 80, 3, 3, 1, 1},
    {"3x3 one pixel", 1, 1, 1, 3, 4, 3, 3, 1, 1},
    {"3x3 stride 2", 2, 9, 8, 7, 6, 3, 3, 2, 1},
    {"3x3 stride 2 aligned", 2, 9, 8, 16, 8, 3, 3, 2, 1},
    {"3x3 no padding", 2, 7, 5, 4, 9, 3, 3, 1, 0},
    {"3x3 no padding aligned", 2, 7, 5, 8, 16, 3, 3, 1, 0},
    {"3x3 no output", 2, 2, 1, 4, 9, 3, 3, 2, 0},
    {"2x5 stride 3 padding 4", 1, 6, 11, 3, 2, 2, 5, 3, 4},
    {"2x5 stride 3 padding 4 aligned", 1, 6, 11, 8, 8, 2, 5, 3, 4},
    {"5x5 even channels", 1, 8, 7, 6, 10, 5, 5, 1, 2},
    {"patch 4", 3, 12, 12, 3, 40, 4, 4, 4, 0},
    {"patch 4 with a rest", 2, 11, 14, 3, 10, 4, 4, 4, 0},
    {"patch 14", 1, 28, 42, 3, 32, 14, 14, 14, 0},
    {"patch 16", 1, 32, 32, 3, 24, 16, 16, 16, 0},
    {"patch the image", 5, 4, 4, 8, 16, 4, 4, 4, 0},
    {"patch bands", 2, 6, 4, 8, 16, 2, 4, 2, 0},
    {"patch a line", 2, 1, 12, 8, 16, 1, 3, 3, 0},
    {"patch a line with gaps", 2, 1, 12, 8, 16, 1, 2, 3, 0},
    {"overlapping bands", 2, 6, 4, 8, 16, 3, 4, 1, 0},
    {"no images", 0, 4, 4, 3, 5, 3, 3, 1, 1},
    {"no input channels", 1, 4, 4, 0, 5, 3, 3, 1, 1},
    {"no output channels", 1, 4, 4, 3, 0, 3, 3, 1, 1},
    {"one channel", 1, 5, 5, 1, 1, 3, 3, 1, 1},
    {"depthwise 3x3", 2, 6, 7, 37, 37, 3, 3, 1, 1, 37},
    {"depthwise 3x3 aligned", 2, 6, 7, 72, 72, 3, 3, 1, 1, 72},
    {"depthwise 3x3 large", 3, 14, 14, 32, 32, 3, 3, 1, 1, 32},
    {"depthwise 3x3 wide rows", 1, 3, 300, 2, 2, 3, 3, 1, 1, 2},
    {"depthwise 3x3 one pixel", 2, 1, 1, 18, 18, 3, 3, 1, 1, 18},
    {"depthwise 3x3 one column", 2, 5, 1, 18, 18, 3, 3, 1, 1, 18},
    {"depthwise 3x3 stride 2", 2, 9, 8, 24, 24, 3, 3, 2, 1, 24},
    {"depthwise 3x3 no padding", 2, 5, 6, 16, 16, 3, 3, 1, 0, 16},
    {"depthwise 5x2 padding 3", 2, 5, 6, 9, 9, 5, 2, 2, 3, 9},
    {"depthwise 9x8", 1, 9, 10, 8, 8, 9, 8, 1, 4, 8},
    {"depthwise no output", 2, 2, 6, 9, 9, 3, 3, 1, 0, 9},
    {"depthwise no images", 0, 2, 6, 9, 9, 3, 3, 1, 1, 9},
};

// Every shape in both dtypes, as it lies and with gaps, an odd address and a beta. Gaps of 8 keep 16-byte rows.
std::vector<ConvolutionCase> cases() {
  std::vector<ConvolutionCase> all;
  int index = 0;
  for (const ConvolutionCase& shape : kShapes) {
    for (const mm1_dtype dtype : kDtypes) {
      ConvolutionCase which = shape;
      which.dtype = dtype;
      all.push_back(which);
      which.bias = true;
      which.activation = 1 + index % MM1_ACTIVATION_TANH;
      which.gap = index % 2 == 0 ? 3 : 8;
      which.offset = index % 2 == 0 ? 1 : 0;
      which.beta = index % 3 == 0 ? 1.0f : -0.5f;
      all.push_back(which);
      index++;
    }
  }
  return all;
}

int64_t products(const ConvolutionCase& which) { return which.output_pixels() * which.outputs * which.patch(); }

template <class Check>
void check_cases(const Check& check) {
  const std::vector<ConvolutionCase> all = cases();
  for (size_t i = 0; i < all.size(); i += stride_of_mode()) {
    if (in_shadow() && products(all[i]) > 100000) continue;
    check(all[i]);
  }
}

}  // namespace

TEST(convolution, forward_agrees) { check_cases(check_forward); }

TEST(convolution, backward_data_agrees) { check_cases(check_backward_data); }

TEST(convolution, backward_weight_agrees) { check_cases(check_backward_weight); }

TEST(convolution, every_activation_with_and_without_bias) {
  for (mm1_activation activation = MM1_ACTIVATION_NONE; activation <= MM1_ACTIVATION_TANH; activation++) {
    for (const int64_t groups : {1, 24}) {
      ConvolutionCase which{"3x3", 1, 5, 4, 24, 24, 3, 3, 1, 1, groups};
      which.activation = activation;
      which.bias = activation % 2 == 0;
      which.dtype = kDtypes[activation / 2 % 2];
      check_forward(which);
    }
  }
}

// What stands beside an image in the batch changes no bit of its output or input gradient, on any profile.
TEST(convolution, images_do_not_depend_on_their_neighbours) {
  Restore restore;
  const ConvolutionCase shapes[] = {{"1x1", 5, 5, 7, 24, 40, 1, 1, 1, 0},
                                    {"3x3", 5, 6, 5, 16, 24, 3, 3, 1, 1},
                                    {"3x3 odd", 5, 6, 5, 7, 13, 3, 3, 2, 1},
                                    {"patch 4", 5, 8, 8, 4, 40, 4, 4, 4, 0},
                                    {"patch the image", 5, 4, 4, 8, 16, 4, 4, 4, 0},
                                    {"depthwise", 5, 6, 7, 40, 40, 3, 3, 1, 1, 40}};
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    if (in_shadow() && &profile != &mm1::kProfiles[0]) continue;
    mm1::emulated::set_profile(profile);
    for (ConvolutionCase which : shapes) {
      for (const mm1_dtype dtype : kDtypes) {
        which.dtype = dtype;
        which.batch = 5;
        which.bias = true;
        which.activation = MM1_ACTIVATION_SILU;
        const std::vector<float> output = run_forward(which), gradient = run_backward_data(which);
        for (const int64_t batch : {1, 2}) {
          which.batch = batch;
          const std::vector<float> few = run_forward(which), few_gradients = run_backward_data(which);
          check_same_bits(which.name(), few, std::vector<float>(output.begin(), output.begin() + static_cast<int64_t>(few.size())));
          check_same_bits(which.name() + " gradient", few_gradients,
                          std::vector<float>(gradient.begin(), gradient.begin() + static_cast<int64_t>(few_gradients.size())));
        }
      }
    }
  }
}

// Both tiles and every access give the same bits, and so does a repetition.
TEST(convolution, tiles_and_accesses_agree_bitwise) {
  Restore restore;
  for (const int64_t stride : {1, 2}) {
    for (const mm1_dtype dtype : kDtypes) {
      ConvolutionCase which{"3x3", 2, 9, 8, 16, 72, 3, 3, stride, 1};
      which.dtype = dtype;
      which.beta = 0.5f;
      std::vector<float> output, input_gradient, weight_gradient;
      const mm1::ConvolutionChoice choices[] = {{0, -1}, {0, -1}, {1, -1}, {-1, 1}, {-1, 2}};
      for (const mm1::ConvolutionChoice& choice : choices) {
        mm1::set_convolution_choice(choice);
        const std::string name = which.name() + " tile " + std::to_string(choice.tile) + " access " + std::to_string(choice.access);
        const std::vector<float> forward = run_forward(which), data = run_backward_data(which), weight = run_backward_weight(which).weight;
        if (output.empty()) {
          output = forward;
          input_gradient = data;
          weight_gradient = weight;
        }
        check_same_bits(name, forward, output);
        check_same_bits(name + " data", data, input_gradient);
        check_same_bits(name + " weight", weight, weight_gradient);
      }
    }
  }
}

// One gradient alone has the bits that it has beside the other; the absent one is not touched.
TEST(convolution, gradients_may_be_asked_for_one_by_one) {
  for (const int64_t groups : {1, 9}) {
    const ConvolutionCase which{"3x3", 2, 5, 6, 9, 9, 3, 3, 1, 1, groups};
    const WeightGradients both = run_backward_weight(which), weight = run_backward_weight(which, true, false),
                          bias = run_backward_weight(which, false, true), none = run_backward_weight(which, false, false);
    check_same_bits("weight alone", weight.weight, both.weight);
    check_same_bits("bias alone", bias.bias, both.bias);
    for (const std::vector<float>* untouched : {&weight.bias, &bias.weight, &none.weight, &none.bias}) {
      for (const float value : *untouched) CHECK(std::isnan(value));
    }
  }
}

// Blocks of pixels: several of them agree, dense and depthwise, and fit together.
TEST(convolution, weight_gradients_of_several_blocks_agree) {
  ConvolutionCase dense{"3x3", 3, 20, 19, 8, 5, 3, 3, 1, 1};
  ConvolutionCase depthwise{"3x3", 3, 20, 19, 8, 8, 3, 3, 1, 1, 8};
  for (const mm1_dtype dtype : kDtypes) {
    if (in_shadow() && dtype == MM1_DTYPE_FLOAT32) continue;
    for (ConvolutionCase* which : {&dense, &depthwise}) {
      which->dtype = dtype;
      which->beta = dtype == MM1_DTYPE_FLOAT32 ? 0.0f : 1.0f;
      check_backward_weight(*which);
    }
  }
  CHECK(mm1::weight_blocks(dense.output_pixels(), dense.outputs, dense.patch()) > 1);
}

// Their order, seen by one large value that swallows what is added to it: pixels ascending in a block, blocks ascending.
TEST(convolution, blocks_of_pixels_are_summed_in_ascending_order) {
  constexpr int64_t kWidth = 2600;
  std::vector<float> x(kWidth, 1.0f);
  x[40] = 16777216.0f;  // 2^24: adding 1 to it changes nothing.
  x[1024 + 40] = -16777216.0f;
  for (const int64_t groups : {1, 2}) {
    // Depthwise needs two channels; dense takes a stride, so that it is no plain product.
    const int64_t channels = groups == 1 ? 1 : 2, stride = groups == 1 ? 2 : 1, pixels = kWidth / stride;
    const int64_t block = groups == 1 ? mm1::weight_block_pixels(1, 1) : 512, lanes = groups == 1 ? 1 : 16;
    float expected = 0;
    for (int64_t first = 0; first < pixels; first += block) {
      float block_sum = 0;
      for (int64_t lane = 0; lane < lanes; lane++) {
        float lane_sum = 0;
        for (int64_t p = first + lane; p < first + block && p < pixels; p += lanes) lane_sum += x[static_cast<size_t>(p * stride)];
        block_sum += lane_sum;
      }
      expected += block_sum;
    }
    std::vector<float> all;
    for (const float value : x) all.insert(all.end(), static_cast<size_t>(channels), value);
    DeviceBuffer input(MM1_DTYPE_FLOAT32, kWidth, channels, channels), gradient(MM1_DTYPE_FLOAT32, pixels, channels, channels);
    DeviceBuffer result(MM1_DTYPE_FLOAT32, channels, 1, 1);
    input.upload(all);
    gradient.upload(std::vector<float>(static_cast<size_t>(pixels * channels), 1.0f));
    ConvolutionCase which{"1x1", 1, 1, kWidth, channels, channels, 1, 1, stride, 0, groups};
    mm1_convolution_backward_weight_args args = mm1_convolution_backward_weight_args_default();
    set_extents(which, &args);
    args.x = input.operand();
    args.output_gradient = gradient.operand();
    args.weight_gradient = result.operand();
    const int64_t bytes = mm1_convolution_backward_weight_workspace_bytes(&args);
    void* workspace = nullptr;
    CHECK_OK(mm1_memory_allocate(bytes, &workspace));
    CHECK_OK(mm1_convolution_backward_weight(nullptr, &args, workspace, bytes));
    CHECK_EQUAL(expected, result.download()[0]);
    CHECK_OK(mm1_memory_free(workspace));
  }
}

// A forward and the weight gradient of what it read, recorded once and replayed on new values: several launches that share a workspace.
TEST(convolution, calls_replay_in_a_graph) {
  const ConvolutionCase which{"3x3", 1, 36, 32, 8, 8, 3, 3, 1, 1};
  const auto image = [](float scale) {
    std::vector<float> values;
    for (int i = 0; i < 36 * 32 * 8; i++) values.push_back(round_to(MM1_DTYPE_BFLOAT16, scale * static_cast<float>(i * 37 % 101 - 50)));
    return values;
  };
  DeviceBuffer x(MM1_DTYPE_BFLOAT16, 36 * 32, 8, 8), weight(MM1_DTYPE_BFLOAT16, 8, 72, 72), output(MM1_DTYPE_BFLOAT16, 36 * 32, 8, 8);
  DeviceBuffer weight_gradient(MM1_DTYPE_FLOAT32, 8, 72, 72), bias_gradient(MM1_DTYPE_FLOAT32, 8);
  weight.upload(std::vector<float>(8 * 72, 0.125f));
  mm1_convolution_forward_args forward = mm1_convolution_forward_args_default();
  set_extents(which, &forward);
  forward.x = x.operand();
  forward.weight = weight.operand();
  forward.output = output.operand();
  mm1_convolution_backward_weight_args backward = mm1_convolution_backward_weight_args_default();
  set_extents(which, &backward);
  backward.x = x.operand();
  backward.output_gradient = output.operand();
  backward.weight_gradient = weight_gradient.operand();
  backward.bias_gradient = bias_gradient.operand();
  const int64_t bytes = mm1_convolution_backward_weight_workspace_bytes(&backward);
  CHECK_EQUAL(int64_t{2 * 8 * 72 * 4}, bytes);
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  mm1_stream stream = nullptr;
  CHECK_OK(mm1_stream_create(&stream));
  const auto enqueue = [&] {
    CHECK_OK(mm1_convolution_forward(stream, &forward, nullptr, 0));
    CHECK_OK(mm1_convolution_backward_weight(stream, &backward, workspace, bytes));
  };
  std::vector<std::vector<float>> expected;
  for (const float scale : {1.0f, -0.5f}) {
    x.upload(image(scale));
    CHECK_OK(mm1_stream_synchronize(nullptr));
    enqueue();
    CHECK_OK(mm1_stream_synchronize(stream));
    expected.push_back(weight_gradient.download());
    expected.push_back(bias_gradient.download());
  }
  CHECK(expected[0] != expected[2]);
  mm1_graph graph = nullptr;
  mm1_graph_instance instance = nullptr;
  CHECK_OK(mm1_graph_begin_capture(stream));
  enqueue();
  CHECK_OK(mm1_graph_end_capture(stream, &graph));
  CHECK_OK(mm1_graph_instantiate(graph, &instance));
  for (size_t i = 0; i < 2; i++) {
    x.upload(image(i == 0 ? 1.0f : -0.5f));
    CHECK_OK(mm1_stream_synchronize(nullptr));
    CHECK_OK(mm1_graph_launch(instance, stream));
    CHECK_OK(mm1_stream_synchronize(stream));
    check_same_bits("replayed weight gradient", weight_gradient.download(), expected[2 * i]);
    check_same_bits("replayed bias gradient", bias_gradient.download(), expected[2 * i + 1]);
  }
  CHECK_OK(mm1_graph_instance_destroy(instance));
  CHECK_OK(mm1_graph_destroy(graph));
  CHECK_OK(mm1_stream_destroy(stream));
  CHECK_OK(mm1_memory_free(workspace));
}

}  // namespace test
