// Conformance of the normalization verbs. Their kernels have no asynchronous operations: late, one seed and shadow are all modes that
// differ.
// CI's cut: the whole list in late and by a seed, a fifth of it in shadow.
#include "norm_case.h"
#include "normalization/normalization.h"

namespace test {

namespace {

// Around the edges of teams: lanes of a warp, registers of a warp (128 packs), a block, and rows beyond its registers (1024 packs).
std::vector<NormCase> shapes(Kind kind) {
  struct Shape {
    int64_t rows, groups, columns, padding, offset;
  };
  std::vector<NormCase> cases;
  for (const mm1_dtype dtype : kComputeDtypes) {
    const int64_t pack = dtype == MM1_DTYPE_FLOAT32 ? 4 : 8;
    for (const Shape& shape :
         {Shape{1, 1, 1, 0, 0}, {0, 1, 8, 0, 0}, {7, 1, 5, 0, 0}, {33, 1, 64, 0, 0}, {5, 3, 64, 8, 8}, {4, 6, 24, 3, 1}, {300, 2, 16, 0, 0},
          {9, 1, 127, 1, 0}, {13, 1, 32 * pack, 0, 0}, {3, 2, 100 * pack, 0, 0}, {5, 1, 128 * pack, 8, 0}, {3, 1, 128 * pack + 1, 0, 1},
          {35, 1, 130 * pack, 0, 0}, {2, 1, 1024 * pack, 0, 0}, {3, 1, 1024 * pack + 3, 5, 0}}) {
      if (kind == Kind::l2 && shape.groups > 1) continue;
      NormCase which;
      which.kind = kind;
      which.dtype = dtype;
      which.rows = shape.rows;
      which.groups = shape.groups;
      which.columns = shape.columns;
      which.padding = shape.padding;
      which.offset = shape.offset;
      which.epsilon = kind == Kind::l2 ? 1e-12f : 1e-5f;
      cases.push_back(which);
    }
  }
  return cases;
}

constexpr Kind kKinds[] = {Kind::layer, Kind::rms, Kind::l2};

}  // namespace

TEST(normalization, forward) {
  size_t number = 0;
  for (const Kind kind : kKinds) {
    for (NormCase which : shapes(kind)) {
      if (number++ % shadow_stride(5) != 0) continue;
      check_forward(which);
      if (kind == Kind::l2) continue;
      which.weight = number % 2 == 0 ? Vector::compute : Vector::float32;
      if (kind == Kind::layer) which.bias = number % 3 == 0 ? Vector::float32 : Vector::compute;
      which.statistics = number % 4 != 0;
      check_forward(which);
    }
  }
}

TEST(normalization, forward_of_a_sum) {
  size_t number = 0;
  for (const Kind kind : {Kind::layer, Kind::rms}) {
    for (NormCase which : shapes(kind)) {
      for (const Sum sum : {Sum::own, Sum::over_x, Sum::over_residual, Sum::copy}) {
        if (number++ % 2 != 0 || number % shadow_stride(7) != 0) continue;
        which.sum = sum;
        which.weight = sum == Sum::own ? Vector::compute : Vector::none;
        check_forward(which);
      }
    }
  }
}

TEST(normalization, backward) {
  size_t number = 0;
  for (const Kind kind : kKinds) {
    for (NormCase which : shapes(kind)) {
      if (number++ % shadow_stride(5) != 0) continue;
      check_backward(which);
      which.beta_input = -0.5f;
      if (kind != Kind::l2) {
        which.weight = number % 2 == 0 ? Vector::compute : Vector::float32;
        which.sum_gradient = true;
        which.beta_parameters = number % 3 == 0 ? 0.0f : 2.0f;
      }
      check_backward(which);
    }
  }
}

// SiLU of a layer norm, with and without what scales it; and what is not offered.
TEST(normalization, activated) {
  size_t number = 0;
  for (NormCase which : shapes(Kind::layer)) {
    if (number++ % shadow_stride(4) != 0) continue;
    which.activation = MM1_ACTIVATION_SILU;
    which.weight = number % 4 == 0 ? Vector::none : number % 3 == 0 ? Vector::float32 : Vector::compute;
    which.bias = number % 5 == 0 ? Vector::none : number % 3 == 1 ? Vector::float32 : Vector::compute;
    check_forward(which);
    check_backward(which);
    which.sum = Sum::own;
    which.sum_gradient = true;
    which.beta_input = -0.5f;
    which.beta_parameters = 2;
    check_forward(which);
    check_backward(which);
  }
}

// In float32 one pass has the bits of two: the norm, then the activation.
TEST(normalization, activated_has_the_bits_of_two_passes) {
  for (const int64_t columns : {36, 64, 1032, 4100}) {
    NormCase which;
    which.rows = 70;
    which.columns = columns;
    which.weight = which.bias = Vector::compute;
    const std::vector<float> normalized = run_forward(which).output;
    which.activation = MM1_ACTIVATION_SILU;
    mm1_activation_forward_args args = mm1_activation_forward_args_default();
    args.activation = MM1_ACTIVATION_SILU;
    args.rows = which.rows;
    args.columns = columns;
    DeviceBuffer x(MM1_DTYPE_FLOAT32, which.rows, columns, columns), y(MM1_DTYPE_FLOAT32, which.rows, columns, columns);
    x.upload(normalized);
    args.x = x.operand();
    args.output = y.operand();
    CHECK_OK(mm1_activation_forward(nullptr, &args, nullptr, 0));
    finish_call();
    check_same_bits("activated", run_forward(which).output, y.download());
  }
}

TEST(normalization, other_activations_are_refused) {
  mm1_layer_norm_forward_args forward = mm1_layer_norm_forward_args_default();
  forward.activation = MM1_ACTIVATION_GELU;
  CHECK_EQUAL(MM1_STATUS_INVALID_ARGUMENT, mm1_layer_norm_forward(nullptr, &forward, nullptr, 0));
  CHECK_CONTAINS(mm1_get_last_error_message(), "activation is 2; a norm applies");
  mm1_layer_norm_backward_args backward = mm1_layer_norm_backward_args_default();
  backward.activation = MM1_ACTIVATION_TANH;
  CHECK_EQUAL(MM1_STATUS_INVALID_ARGUMENT, mm1_layer_norm_backward(nullptr, &backward, nullptr, 0));
  CHECK_CONTAINS(mm1_get_last_error_message(), "activation is 7; a norm applies");
}

// The gradient over its own operands, and without parameters.
TEST(normalization, backward_in_place) {
  for (const Kind kind : {Kind::layer, Kind::rms}) {
    for (const NormCase& shape : shapes(kind)) {
      NormCase which = shape;
      which.weight = Vector::compute;
      const NormGradients apart = run_backward(which);
      which.in_place = true;
      const NormGradients over = run_backward(which);
      check_same_bits(which.name() + " over the gradient", over.input, apart.input);
      check_same_bits("weight gradient", over.weight, apart.weight);
      which.in_place = false;
      which.parameters = false;
      check_same_bits(which.name() + " without parameters", run_backward(which).input, apart.input);
      which.sum_gradient = true;
      const NormGradients added = run_backward(which);
      which.over_sum_gradient = true;
      check_same_bits(which.name() + " over the sum's gradient", run_backward(which).input, added.input);
    }
  }
}

// Output over x: the same bits.
TEST(normalization, forward_in_place) {
  for (const Kind kind : {Kind::layer, Kind::rms}) {
    for (const NormCase& shape : shapes(kind)) {
      NormCase which = shape;
      which.weight = Vector::compute;
      const std::vector<float> apart = run_forward(which).output;
      which.in_place = true;
      check_same_bits(which.name(), run_forward(which).output, apart);
    }
  }
}

// A row's bits: again, alone, among others, without alignment, by few blocks.
TEST(normalization, rows_do_not_depend_on_their_neighbours) {
  for (const Kind kind : kKinds) {
    for (const mm1_dtype dtype : kComputeDtypes) {
      for (const int64_t columns : {64, 512, 1032, 8208}) {
        NormCase which;
        which.kind = kind;
        which.dtype = dtype;
        which.rows = columns > 1000 ? 3 : 20;
        which.groups = kind == Kind::l2 || columns > 1000 ? 1 : 3;
        which.columns = columns;
        if (kind != Kind::l2) which.weight = Vector::compute;
        const NormOutput all = run_forward(which);
        const NormGradients gradients = run_backward(which);
        const auto row = [&](const std::vector<float>& values, int64_t index) {
          const auto begin = values.begin() + index * which.groups * columns;
          return std::vector<float>(begin, begin + which.groups * columns);
        };
        check_same_bits("again", run_forward(which).output, all.output);
        check_same_bits("weight gradient again", run_backward(which).weight, gradients.weight);
        NormCase unaligned = which;
        unaligned.padding = 1;
        unaligned.offset = 1;
        check_same_bits("unaligned", run_forward(unaligned).output, all.output);
        const NormGradients unaligned_gradients = run_backward(unaligned);
        check_same_bits("gradient, unaligned", unaligned_gradients.input, gradients.input);
        check_same_bits("weight gradient, unaligned", unaligned_gradients.weight, gradients.weight);
        NormCase alone = which;
        alone.rows = 1;
        alone.first_row = 2;
        check_same_bits("alone", run_forward(alone).output, row(all.output, 2));
        check_same_bits("gradient alone", run_backward(alone).input, row(gradients.input, 2));
        mm1::set_norm_blocks(1);
        const NormOutput looped = run_forward(which);
        mm1::set_norm_blocks(0);
        check_same_bits("one block", looped.output, all.output);
        check_same_bits("inverse by one block", looped.inverse, all.inverse);
      }
    }
  }
}

// Rows that epsilon clamps: zeros stay zeros, and their gradient is the output's times the inverse.
TEST(normalization, clamped_rows) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    NormCase which;
    which.kind = Kind::l2;
    which.dtype = dtype;
    which.rows = 6;
    which.columns = 33;
    which.epsilon = 8;  // Some of the rows (norm about 12) are below, if it is 12.
    check_forward(which);
    check_backward(which);
    which.epsilon = 12;
    check_forward(which);
    check_backward(which);
    which.epsilon = 1e6f;
    check_forward(which);
    check_backward(which);
  }
}

// Without rows the parameters' gradients are what beta leaves of them.
TEST(normalization, no_rows) {
  for (const float beta : {0.0f, 2.0f}) {
    NormCase which;
    which.rows = 0;
    which.columns = 20;
    which.beta_parameters = beta;
    check_backward(which);
    which.rows = 4;
    which.groups = 0;
    check_backward(which);
  }
}

// The order of the parameters' sums: teams take every so many-th item, then teams ascend, then blocks. One large value shows which sums it
// swallows.
TEST(normalization, parameter_gradients_are_summed_in_the_documented_order) {
  const int64_t columns = 64, rows = 100;
  const mm1::RowTeam team = mm1::row_team(columns, 4);
  CHECK_EQUAL(16, team.width);
  const int64_t teams = team.in_block, items = mm1::norm_block_items(team);
  std::vector<float> gradient(static_cast<size_t>(rows * columns), 1.0f);
  // 2^24: adding 1 to it changes nothing.
  for (int64_t c = 0; c < columns; c++) gradient[static_cast<size_t>(17 * columns + c)] = 16777216.0f;
  DeviceBuffer dy(MM1_DTYPE_FLOAT32, rows, columns, columns), x(MM1_DTYPE_FLOAT32, rows, columns, columns),
      dx(MM1_DTYPE_FLOAT32, rows, columns, columns);
  DeviceBuffer mean(MM1_DTYPE_FLOAT32, rows, 1, 1), inverse(MM1_DTYPE_FLOAT32, rows, 1, 1), bias(MM1_DTYPE_FLOAT32, columns);
  dy.upload(gradient);
  x.upload(std::vector<float>(gradient.size(), 0.0f));
  mean.upload(std::vector<float>(static_cast<size_t>(rows), 0.0f));
  inverse.upload(std::vector<float>(static_cast<size_t>(rows), 1.0f));
  mm1_layer_norm_backward_args args = mm1_layer_norm_backward_args_default();
  args.rows = rows;
  args.columns = columns;
  args.output_gradient = dy.operand();
  args.x = x.operand();
  args.mean = mean.operand();
  args.inverse_standard_deviation = inverse.operand();
  args.input_gradient = dx.operand();
  args.bias_gradient = bias.operand();
  const int64_t bytes = mm1_layer_norm_backward_workspace_bytes(&args);
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  CHECK_OK(mm1_layer_norm_backward(nullptr, &args, workspace, bytes));
  finish_call();
  CHECK_OK(mm1_memory_free(workspace));
  float expected = 0;
  for (int64_t begin = 0; begin < rows; begin += items) {
    float block = 0;
    for (int64_t first = 0; first < teams; first++) {
      float sum = 0;
      for (int64_t item = begin + first; item < rows && item < begin + items; item += teams)
        sum += gradient[static_cast<size_t>(item * columns)];
      block = first == 0 ? sum : block + sum;
    }
    expected += block;
  }
  for (const float value : bias.download()) CHECK_EQUAL(expected, value);
}

}  // namespace test
