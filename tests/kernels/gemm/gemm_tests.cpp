// Conformance of mm1_gemm. The whole list runs in mode `late`, under each choice of kernel (sm_80 with large and with small tiles, the plan's
// own). CI's cut of it in the other modes: `early`, the three seeds and `shadow` take every third case, each under one of the choices, and
// `shadow` no product above 64^3; tests that compare bits run in every mode, with fewer shapes in `shadow`. The profile is that of
// MM1_EMULATOR_PROFILE, sm_90 if nothing is said; tests named on_every_profile set others.
#include <cstring>
#include <vector>

#include "support/agreement.h"
#include "support/device_buffer.h"
#include "emulator/options.h"
#include "gemm/gemm.h"
#include "gemm_case.h"
#include "host/emulated/device.h"
#include "mm1/runtime.h"
#include "support/samples.h"
#include "test.h"

namespace test {

namespace {

constexpr Arithmetic kArithmetics[] = {Arithmetic::bfloat16, Arithmetic::float32, Arithmetic::tf32};
constexpr const char* kLayouts[] = {"NN", "NT", "TN", "TT"};

bool in_shadow() {
#ifdef MM1_SHADOW
  return true;
#else
  return false;
#endif
}

// Every how many-th case of a list runs in this mode.
int stride_of_mode() {
  const emulator::Options options = emulator::options();
  return !in_shadow() && options.late && options.seed == 0 ? 1 : 3;
}

// Restores what a test changes for the process.
struct Restore {
  emulator::Options options = emulator::options();
  const mm1::DeviceProfile* profile = nullptr;
  mm1::GemmChoice choice = mm1::gemm_choice();

  Restore() { CHECK_OK(mm1::emulated::profile(&profile)); }
  ~Restore() {
    emulator::set_options(options);
    mm1::emulated::set_profile(*profile);
    mm1::set_gemm_choice(choice);
  }
};

// The choices under which a list runs: sm_80's large tile, its small one, and what the plan takes by itself.
mm1::GemmChoice choice_of(size_t variant) {
  mm1::GemmChoice choice;
  choice.sm80_only = variant != 2;
  choice.tile = variant == 2 ? -1 : static_cast<int>(variant);
  return choice;
}

void check_cases(const std::vector<GemmCase>& cases) {
  Restore restore;
  const size_t stride = static_cast<size_t>(stride_of_mode());
  for (size_t i = 0; i < cases.size(); i += stride) {
    if (in_shadow() && cases[i].m * cases[i].n * cases[i].k > 64 * 64 * 64) continue;
    // Every choice for the whole list, one choice a case for a cut of it.
    for (size_t variant = 0; variant < 3; variant++) {
      if (stride > 1 && variant != i / stride % 3) continue;
      mm1::set_gemm_choice(choice_of(variant));
      check_gemm_case(cases[i]);
    }
  }
}

GemmCase product(Arithmetic arithmetic, const char* layout, int64_t m, int64_t n, int64_t k) {
  GemmCase which;
  which.arithmetic = arithmetic;
  which.layout = layout;
  which.m = m;
  which.n = n;
  which.k = k;
  return which;
}

}  // namespace

// Every layout, arithmetic and alignment of inputs at extents of 1, around the tiles and between them, many tiles and many stages.
TEST(gemm, agrees_at_every_shape_and_layout) {
  struct Shape {
    int64_t m, n, k;
  };
  const Shape shapes[] = {{1, 1, 1}, {1, 40, 24}, {7, 1, 33}, {3, 5, 2}, {64, 64, 32}, {65, 63, 40}, {72, 136, 100},
                          {128, 128, 16}, {200, 24, 72}, {129, 127, 65}, {33, 65, 520}, {16, 16, 1000}, {577, 130, 24}, {130, 577, 8}};
  std::vector<GemmCase> cases;
  for (const Shape& shape : shapes) {
    for (const Arithmetic arithmetic : kArithmetics) {
      for (const char* const layout : kLayouts) {
        GemmCase which = product(arithmetic, layout, shape.m, shape.n, shape.k);
        cases.push_back(which);
        // Rows at multiples of 16 bytes beyond extents that are none; addresses that are none.
        which.padding = 8 - shape.n % 8;
        if (shape.m * shape.n < 4096) cases.push_back(which);
        which.padding = 3;
        which.offset = 1;
        if (shape.m * shape.n < 4096) cases.push_back(which);
      }
    }
  }
  check_cases(cases);
}

TEST(gemm, agrees_with_every_epilogue) {
  std::vector<GemmCase> cases;
  for (const Arithmetic arithmetic : kArithmetics) {
    for (mm1_activation activation = MM1_ACTIVATION_NONE; activation <= MM1_ACTIVATION_TANH; activation++) {
      for (const bool gradient : {false, true}) {
        GemmCase which = product(arithmetic, "NT", 33, 44, 48);
        which.activation = activation;
        which.gradient = gradient;
        cases.push_back(which);
        which.alpha = -0.75f;
        which.bias = true;
        which.pre_activation = !gradient;
        which.residual = activation % 2 == 0 ? Residual::own : Residual::output;
        cases.push_back(which);
        which.beta = 0.5f;
        which.float32_output = true;
        cases.push_back(which);
        // Columns and addresses that no vector fits.
        which.n = 43;
        which.offset = activation % 2;
        which.padding = 2;
        cases.push_back(which);
      }
    }
  }
  check_cases(cases);
}

TEST(gemm, agrees_over_batches) {
  std::vector<GemmCase> cases;
  for (const Arithmetic arithmetic : kArithmetics) {
    for (const char* const layout : kLayouts) {
      GemmCase which = product(arithmetic, layout, 40, 24, 56);
      which.batch = 3;
      which.bias = true;
      which.pre_activation = true;
      which.residual = Residual::own;
      cases.push_back(which);
      which.share_a = true;
      cases.push_back(which);
      which.share_a = false;
      which.share_b = true;
      which.padding = 5;
      cases.push_back(which);
      which.share_b = false;
      which.heads = true;
      which.padding = 0;
      cases.push_back(which);
      which.beta = 1;
      which.residual = Residual::output;
      which.padding = 8;
      cases.push_back(which);
    }
  }
  check_cases(cases);
}

// Exact values: the epilogue of a product without a reduced length, at thousands of points. bias gives t, so output is activation(bias).
TEST(gemm, activations_are_accurate) {
  const int64_t count = in_shadow() ? 256 : 4096;
  std::vector<float> x(static_cast<size_t>(count)), ones(static_cast<size_t>(count), 1.0f);
  for (size_t i = 0; i < x.size(); i++) {
    x[i] = static_cast<float>(-12 + 24 * (static_cast<double>(i) + 0.37) / static_cast<double>(count));
  }
  DeviceBuffer points(MM1_DTYPE_FLOAT32, count), one(MM1_DTYPE_FLOAT32, count), output(MM1_DTYPE_FLOAT32, count);
  points.upload(x);
  one.upload(ones);
  for (mm1_activation activation = MM1_ACTIVATION_RELU; activation <= MM1_ACTIVATION_TANH; activation++) {
    for (const bool gradient : {false, true}) {
      mm1_gemm_args args = mm1_gemm_args_default();
      args.m = 1;
      args.n = count;
      args.activation = activation;
      args.activation_gradient = gradient;
      args.bias = gradient ? one.operand() : points.operand();
      if (gradient) args.pre_activation = points.operand();
      args.a.dtype = args.b.dtype = MM1_DTYPE_FLOAT32;
      args.output = output.operand();
      CHECK_OK(mm1_gemm(nullptr, &args, nullptr, 0));
      const std::vector<float> actual = output.download();
      for (size_t i = 0; i < x.size(); i++) {
        const double exact = gradient ? exact_derivative(activation, x[i]) : exact_activation(activation, x[i]);
        // Relative to the value and, far in the tails, to what is left of 1.
        const double limit = 4e-7 * std::fabs(exact) + 2e-7;
        const std::string what = "activation " + std::to_string(activation) + (gradient ? "' of " : " of ") + show(x[i]);
        CHECK_MESSAGE(std::fabs(actual[i] - exact) <= limit, what + " is " + show(actual[i]) + ", not " + show(exact));
      }
    }
  }
}

// k = 0 is the epilogue of zero, with inputs that have neither memory nor dtype.
TEST(gemm, an_empty_sum_is_zero) {
  for (const Arithmetic arithmetic : kArithmetics) {
    GemmCase which = product(arithmetic, "NN", 5, 12, 0);
    check_gemm_case(which);
    which.bias = true;
    which.beta = 2;
    which.activation = MM1_ACTIVATION_SILU;
    which.residual = Residual::own;
    check_gemm_case(which);
  }
  DeviceBuffer output(MM1_DTYPE_BFLOAT16, 3, 4, 4);
  mm1_gemm_args args = mm1_gemm_args_default();
  args.m = 3;
  args.n = 4;
  args.output = output.operand();
  CHECK_OK(mm1_gemm(nullptr, &args, nullptr, 0));
  check_same_bits("output", output.download(), std::vector<float>(12, 0.0f));
}

TEST(gemm, an_empty_output_is_not_touched) {
  DeviceBuffer memory(MM1_DTYPE_FLOAT32, 4, 4, 4);
  const std::vector<float> before = memory.download();
  for (int empty = 0; empty < 3; empty++) {
    mm1_gemm_args args = mm1_gemm_args_default();
    args.m = empty == 0 ? 0 : 4;
    args.n = empty == 1 ? 0 : 4;
    args.batch = empty == 2 ? 0 : 1;
    args.k = 4;
    if (empty == 2) args.output = memory.operand();
    CHECK_OK(mm1_gemm(nullptr, &args, nullptr, 0));
  }
  check_same_bits("output", memory.download(), before);
}

// Not finite values stay in their rows and columns, and what is multiplied by alpha = 0 is no exception.
TEST(gemm, infinities_and_nans_stay_where_they_belong) {
  for (const Arithmetic arithmetic : kArithmetics) {
    GemmCase which = product(arithmetic, "NT", 9, 16, 24);
    const mm1_dtype dtype = which.compute_dtype();
    std::vector<float> a(9 * 24, 1.0f), b(16 * 24, 0.5f);
    a[2 * 24 + 23] = INFINITY;
    a[4 * 24 + 7] = NAN;
    b[11 * 24 + 3] = -INFINITY;
    DeviceBuffer left(dtype, 9, 24, 24), right(dtype, 16, 24, 24), output(MM1_DTYPE_FLOAT32, 9, 16, 16);
    left.upload(a);
    right.upload(b);
    mm1_gemm_args args = mm1_gemm_args_default();
    args.transpose_b = MM1_TRANSPOSE_TRANSPOSED;
    args.math_mode = arithmetic == Arithmetic::tf32 ? MM1_MATH_MODE_TF32 : MM1_MATH_MODE_DEFAULT;
    args.m = 9;
    args.n = 16;
    args.k = 24;
    args.a = left.operand();
    args.b = right.operand();
    args.output = output.operand();
    CHECK_OK(mm1_gemm(nullptr, &args, nullptr, 0));
    const std::vector<float> result = output.download();
    for (int i = 0; i < 9; i++) {
      for (int j = 0; j < 16; j++) {
        const float value = result[static_cast<size_t>(i * 16 + j)];
        if (i == 4 || (i == 2 && j == 11)) {
          CHECK(std::isnan(value));
        } else if (i == 2) {
          CHECK_EQUAL(INFINITY, value);
        } else {
          CHECK_EQUAL(j == 11 ? -INFINITY : 12.0f, value);
        }
      }
    }
  }
}

// Row r has the same bits whatever the number of rows and of problems beside it, through the tiles that the plan chooses and on every
// profile.
TEST(gemm, rows_do_not_depend_on_their_neighbours) {
  Restore restore;
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    mm1::emulated::set_profile(profile);
    for (const Arithmetic arithmetic : kArithmetics) {
      for (const int64_t k : {64, 75}) {
        if (in_shadow() && (k == 64 || arithmetic == Arithmetic::tf32)) continue;
        GemmCase which = product(arithmetic, "NT", in_shadow() ? 70 : 200, 40, k);
        which.bias = true;
        which.activation = MM1_ACTIVATION_GELU;
        const std::vector<float> whole = run_gemm(which).output;
        for (const int64_t rows : {1, 7, 64}) {
          which.m = rows;
          check_same_bits(which.name(), run_gemm(which).output, std::vector<float>(whole.begin(), whole.begin() + rows * which.n));
        }
        which.m = 7;
        which.batch = 3;
        const std::vector<float> batch = run_gemm(which).output;
        check_same_bits(which.name(), std::vector<float>(batch.begin(), batch.begin() + 7 * which.n),
                        std::vector<float>(whole.begin(), whole.begin() + 7 * which.n));
      }
    }
  }
}

// All instances of the sm_80 kernels of one arithmetic give the same bits: both tiles, every transposition, both loaders.
TEST(gemm, tiles_and_loaders_agree_bitwise) {
  Restore restore;
  for (const Arithmetic arithmetic : kArithmetics) {
    const int64_t extent = in_shadow() ? 72 : 136;
    std::vector<float> expected;
    for (const char* const layout : kLayouts) {
      for (int variant = 0; variant < 3; variant++) {
        if (in_shadow() && variant == 1 && std::strcmp(layout, "NT") != 0) continue;
        mm1::GemmChoice choice;
        choice.sm80_only = true;
        choice.tile = variant == 1 ? 1 : 0;
        choice.unaligned = variant == 2;
        mm1::set_gemm_choice(choice);
        GemmCase which = product(arithmetic, layout, extent, 72, 104);
        which.beta = 1;
        const std::vector<float> output = run_gemm(which).output;
        if (expected.empty()) expected = output;
        check_same_bits(which.name() + " variant " + std::to_string(variant), output, expected);
      }
    }
  }
}

TEST(gemm, repetitions_give_the_same_bits) {
  for (const Arithmetic arithmetic : kArithmetics) {
    GemmCase which = product(arithmetic, "TN", 70, 48, 88);
    which.activation = MM1_ACTIVATION_GELU_TANH;
    const std::vector<float> first = run_gemm(which).output;
    for (int i = 0; i < 2; i++) check_same_bits(which.name(), run_gemm(which).output, first);
  }
}

// Several calls in a row on a stream of the caller's, each reading what the one before wrote; and the same as a graph that is launched
// again after its input changed.
TEST(gemm, calls_follow_each_other_on_a_stream_and_in_a_graph) {
  constexpr int64_t kSize = 40;
  const auto matrix = [](float scale) {
    std::vector<float> values;
    for (int64_t i = 0; i < kSize * kSize; i++) {
      values.push_back(round_to(MM1_DTYPE_BFLOAT16, static_cast<float>(scale * normal_sample(9, 0, i / kSize, i % kSize))));
    }
    return values;
  };
  DeviceBuffer x(MM1_DTYPE_BFLOAT16, kSize, kSize, kSize);
  DeviceBuffer w(MM1_DTYPE_BFLOAT16, kSize, kSize, kSize);
  DeviceBuffer y(MM1_DTYPE_BFLOAT16, kSize, kSize, kSize);
  DeviceBuffer z(MM1_DTYPE_FLOAT32, kSize, kSize, kSize);
  DeviceBuffer sums(MM1_DTYPE_FLOAT32, kSize);
  w.upload(matrix(0.2f));
  mm1_stream stream = nullptr;
  CHECK_OK(mm1_stream_create(&stream));
  const auto enqueue = [&] {
    mm1_gemm_args args = mm1_gemm_args_default();
    args.m = args.n = args.k = kSize;
    args.a = x.operand();
    args.b = w.operand();
    args.output = y.operand();
    args.activation = MM1_ACTIVATION_TANH;
    CHECK_OK(mm1_gemm(stream, &args, nullptr, 0));
    args.a = y.operand();
    args.output = z.operand();
    CHECK_OK(mm1_gemm(stream, &args, nullptr, 0));
    mm1_bias_gradient_args column_sums = mm1_bias_gradient_args_default();
    column_sums.rows = column_sums.columns = kSize;
    column_sums.output_gradient = z.operand();
    column_sums.bias_gradient = sums.operand();
    CHECK_OK(mm1_bias_gradient(stream, &column_sums, nullptr, 0));
  };
  std::vector<std::vector<float>> expected;
  for (const float scale : {1.0f, -0.5f}) {
    x.upload(matrix(scale));
    CHECK_OK(mm1_stream_synchronize(nullptr));
    enqueue();
    CHECK_OK(mm1_stream_synchronize(stream));
    expected.push_back(sums.download());
  }
  mm1_graph graph = nullptr;
  mm1_graph_instance instance = nullptr;
  CHECK_OK(mm1_graph_begin_capture(stream));
  enqueue();
  CHECK_OK(mm1_graph_end_capture(stream, &graph));
  CHECK_OK(mm1_graph_instantiate(graph, &instance));
  for (size_t i = 0; i < 2; i++) {
    x.upload(matrix(i == 0 ? 1.0f : -0.5f));
    CHECK_OK(mm1_stream_synchronize(nullptr));
    CHECK_OK(mm1_graph_launch(instance, stream));
    CHECK_OK(mm1_stream_synchronize(stream));
    check_same_bits("replayed sums", sums.download(), expected[i]);
  }
  CHECK(expected[0] != expected[1]);
  CHECK_OK(mm1_graph_instance_destroy(instance));
  CHECK_OK(mm1_graph_destroy(graph));
  CHECK_OK(mm1_stream_destroy(stream));
}

// One block at a time and several, one host thread and several: blocks do not depend on each other.
TEST(gemm, blocks_run_alone_or_together) {
  Restore restore;
  GemmCase which = product(Arithmetic::bfloat16, "NN", 136, 72, 64);
  mm1::GemmChoice choice;
  choice.sm80_only = true;
  choice.tile = 1;
  mm1::set_gemm_choice(choice);
  const std::vector<float> expected = run_gemm(which).output;
  for (const uint32_t residency : {1u, 4u}) {
    emulator::Options options = restore.options;
    options.residency = residency;
    options.threads = residency == 1 ? 1 : 0;
    emulator::set_options(options);
    check_same_bits(which.name(), run_gemm(which).output, expected);
  }
}

// The kernels of sm_80 on every profile, those of a better one forced to them.
TEST(gemm, sm80_agrees_on_every_profile) {
  Restore restore;
  mm1::GemmChoice choice;
  choice.sm80_only = true;
  mm1::set_gemm_choice(choice);
  std::vector<float> expected;
  for (const mm1::DeviceProfile& profile : mm1::kProfiles) {
    mm1::emulated::set_profile(profile);
    GemmCase which = product(Arithmetic::bfloat16, "NT", 100, 56, 80);
    which.bias = true;
    check_gemm_case(which);
    const std::vector<float> output = run_gemm(which).output;
    if (expected.empty()) expected = output;
    check_same_bits(profile.name, output, expected);
  }
}

}  // namespace test
