// Conformance of the arithmetic verbs and the activations. These kernels have no asynchronous operations: late, one seed and shadow are all
// modes that differ. CI's cut: the whole list in late and by a seed, a third of it in shadow.
#include "elementwise/elementwise.h"
#include "support/row_case.h"
#include "support/activations.h"

namespace test {

namespace {

const RowShape kShapes[] = {{1, 1}, {0, 5}, {5, 0}, {3, 77}, {13, 31, 5}, {6, 64, 8}, {7, 40, 0, 1}, {9, 72, 16, 8}, {2, 333, 3, 2}};

struct BroadcastCase {
  mm1_broadcast broadcast;
  int64_t rows_b;
  RowShape shape;

  int64_t columns_b() const { return broadcast == MM1_BROADCAST_PER_ROW ? 1 : shape.columns; }
  // Element of b that meets element i.
  size_t index_b(size_t i) const {
    const int64_t row = static_cast<int64_t>(i) / shape.columns;
    const int64_t column = static_cast<int64_t>(i) % shape.columns;
    if (broadcast == MM1_BROADCAST_PER_ROW) return static_cast<size_t>(row);
    const int64_t row_b = broadcast == MM1_BROADCAST_CYCLE ? row % rows_b : row / (shape.rows / rows_b);
    return static_cast<size_t>(row_b * shape.columns + column);
  }
  std::string name() const {
    return shape.name() + " broadcast " + std::to_string(broadcast) + " of " + std::to_string(rows_b);
  }
};

const BroadcastCase kBroadcasts[] = {
    {MM1_BROADCAST_CYCLE, 6, {6, 37}},         {MM1_BROADCAST_CYCLE, 6, {6, 37, 3}},     {MM1_BROADCAST_CYCLE, 1, {7, 64}},
    {MM1_BROADCAST_CYCLE, 3, {12, 5, 2}},      {MM1_BROADCAST_REPEAT, 3, {12, 5, 2}},    {MM1_BROADCAST_REPEAT, 1, {8, 100}},
    {MM1_BROADCAST_REPEAT, 4, {20, 24}},       {MM1_BROADCAST_PER_ROW, 9, {9, 33, 1}},   {MM1_BROADCAST_PER_ROW, 5, {5, 1}},
    {MM1_BROADCAST_PER_ROW, 7, {7, 48}},       {MM1_BROADCAST_CYCLE, 1, {1, 1}},         {MM1_BROADCAST_CYCLE, 0, {0, 4}},
    {MM1_BROADCAST_CYCLE, 2, {0, 4}},          {MM1_BROADCAST_CYCLE, 2, {4, 0}},         {MM1_BROADCAST_CYCLE, 5, {25, 80, 8, 8}},
    {MM1_BROADCAST_CYCLE, 1, {11, 70, 2, 1}},  {MM1_BROADCAST_CYCLE, 30, {30, 40}},
};

std::vector<float> add(const BroadcastCase& which, mm1_dtype dtype, float alpha, float beta, int in_place = 0) {
  const RowShape shape_b{which.rows_b, which.columns_b(), which.shape.padding, which.shape.offset};
  const auto a = row_buffer(dtype, which.shape, row_samples(1, dtype, which.shape.rows, which.shape.columns));
  const auto b = row_buffer(dtype, shape_b, row_samples(2, dtype, shape_b.rows, shape_b.columns));
  const auto own = row_buffer(dtype, which.shape);
  const DeviceBuffer& output = in_place == 1 ? *a : in_place == 2 ? *b : *own;
  mm1_add_args args = mm1_add_args_default();
  args.broadcast = which.broadcast;
  args.alpha = alpha;
  args.beta = beta;
  args.rows = which.shape.rows;
  args.columns = which.shape.columns;
  args.rows_b = which.rows_b;
  args.a = a->operand();
  args.b = b->operand();
  args.output = output.operand();
  CHECK_OK(mm1_add(nullptr, &args, nullptr, 0));
  finish_call();
  return output.download();
}

std::vector<float> multiply(const BroadcastCase& which, mm1_dtype dtype, float beta, bool in_place = false) {
  const RowShape shape_b{which.rows_b, which.columns_b(), which.shape.padding, which.shape.offset};
  const auto a = row_buffer(dtype, which.shape, row_samples(1, dtype, which.shape.rows, which.shape.columns));
  const auto b = row_buffer(dtype, shape_b, row_samples(2, dtype, shape_b.rows, shape_b.columns));
  const auto own = row_buffer(dtype, which.shape);
  if (beta != 0) own->upload(row_samples(3, dtype, which.shape.rows, which.shape.columns));
  const DeviceBuffer& output = in_place ? *a : *own;
  mm1_multiply_args args = mm1_multiply_args_default();
  args.broadcast = which.broadcast;
  args.output_beta = beta;
  args.rows = which.shape.rows;
  args.columns = which.shape.columns;
  args.rows_b = which.rows_b;
  args.a = a->operand();
  args.b = b->operand();
  args.output = output.operand();
  CHECK_OK(mm1_multiply(nullptr, &args, nullptr, 0));
  finish_call();
  return output.download();
}

std::vector<float> scale(const RowShape& shape, mm1_dtype dtype, float factor, const float* pointed, float beta, bool in_place = false) {
  const auto x = row_buffer(dtype, shape, row_samples(1, dtype, shape.rows, shape.columns));
  const auto own = row_buffer(dtype, shape);
  if (beta != 0) own->upload(row_samples(3, dtype, shape.rows, shape.columns));
  const DeviceBuffer& output = in_place ? *x : *own;
  DeviceBuffer on_device(MM1_DTYPE_FLOAT32, 1);
  mm1_scale_args args = mm1_scale_args_default();
  args.rows = shape.rows;
  args.columns = shape.columns;
  args.x = x->operand();
  args.output = output.operand();
  args.factor = factor;
  args.beta = beta;
  if (pointed != nullptr) {
    on_device.upload({*pointed});
    args.factor_pointer = static_cast<const float*>(on_device.data());
  }
  CHECK_OK(mm1_scale(nullptr, &args, nullptr, 0));
  finish_call();
  return output.download();
}

std::vector<float> activation_forward(mm1_activation activation, const RowShape& shape, mm1_dtype dtype, bool in_place = false) {
  const auto x = row_buffer(dtype, shape, row_samples(1, dtype, shape.rows, shape.columns, 3));
  const auto own = row_buffer(dtype, shape);
  mm1_activation_forward_args args = mm1_activation_forward_args_default();
  args.activation = activation;
  args.rows = shape.rows;
  args.columns = shape.columns;
  args.x = x->operand();
  args.output = (in_place ? *x : *own).operand();
  CHECK_OK(mm1_activation_forward(nullptr, &args, nullptr, 0));
  finish_call();
  return (in_place ? *x : *own).download();
}

std::vector<float> activation_backward(mm1_activation activation, const RowShape& shape, mm1_dtype dtype, float beta, bool in_place = false) {
  const auto x = row_buffer(dtype, shape, row_samples(1, dtype, shape.rows, shape.columns, 3));
  const auto gradient = row_buffer(dtype, shape, row_samples(2, dtype, shape.rows, shape.columns));
  const auto own = row_buffer(dtype, shape);
  if (beta != 0) own->upload(row_samples(3, dtype, shape.rows, shape.columns));
  mm1_activation_backward_args args = mm1_activation_backward_args_default();
  args.activation = activation;
  args.beta = beta;
  args.rows = shape.rows;
  args.columns = shape.columns;
  args.output_gradient = gradient->operand();
  args.x = x->operand();
  args.input_gradient = (in_place ? *gradient : *own).operand();
  CHECK_OK(mm1_activation_backward(nullptr, &args, nullptr, 0));
  finish_call();
  return (in_place ? *gradient : *own).download();
}

struct Gated {
  std::vector<float> output, gate_gradient, up_gradient, rebuilt;
};

Gated gated(mm1_activation activation, const RowShape& shape, mm1_dtype dtype, bool in_place, bool rebuilds) {
  const auto gate = row_buffer(dtype, shape, row_samples(1, dtype, shape.rows, shape.columns, 2));
  const auto up = row_buffer(dtype, shape, row_samples(2, dtype, shape.rows, shape.columns));
  const auto gradient = row_buffer(dtype, shape, row_samples(3, dtype, shape.rows, shape.columns));
  const auto output = row_buffer(dtype, shape), gate_gradient = row_buffer(dtype, shape), up_gradient = row_buffer(dtype, shape);
  const auto rebuilt = row_buffer(dtype, shape);
  mm1_gated_activation_forward_args forward = mm1_gated_activation_forward_args_default();
  forward.activation = activation;
  forward.rows = shape.rows;
  forward.columns = shape.columns;
  forward.gate = gate->operand();
  forward.up = up->operand();
  forward.output = output->operand();
  CHECK_OK(mm1_gated_activation_forward(nullptr, &forward, nullptr, 0));
  mm1_gated_activation_backward_args backward = mm1_gated_activation_backward_args_default();
  backward.activation = activation;
  backward.rows = shape.rows;
  backward.columns = shape.columns;
  backward.output_gradient = gradient->operand();
  backward.gate = gate->operand();
  backward.up = up->operand();
  backward.gate_gradient = (in_place ? *gate : *gate_gradient).operand();
  backward.up_gradient = (in_place ? *up : *up_gradient).operand();
  if (rebuilds) backward.output = (in_place ? *gradient : *rebuilt).operand();
  CHECK_OK(mm1_gated_activation_backward(nullptr, &backward, nullptr, 0));
  finish_call();
  return {output->download(), (in_place ? *gate : *gate_gradient).download(), (in_place ? *up : *up_gradient).download(),
          rebuilds ? (in_place ? *gradient : *rebuilt).download() : std::vector<float>()};
}

template <class Body>
void for_each_case(size_t stride, const Body& body) {
  size_t number = 0;
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const BroadcastCase& which : kBroadcasts) {
      if (number++ % shadow_stride(stride) != 0) continue;
      in_case(std::string(name_of(dtype)) + " " + which.name(), [&] { body(which, dtype); });
    }
  }
}

// Few blocks, so that threads loop over rows and packs.
struct FewBlocks {
  explicit FewBlocks(int64_t blocks) { mm1::set_elementwise_blocks(blocks); }
  ~FewBlocks() { mm1::set_elementwise_blocks(0); }
};

}  // namespace

TEST(elementwise, add) {
  for_each_case(3, [](const BroadcastCase& which, mm1_dtype dtype) {
    const std::vector<float> a = row_samples(1, dtype, which.shape.rows, which.shape.columns);
    const std::vector<float> b = row_samples(2, dtype, which.rows_b, which.columns_b());
    for (const auto& factors : {std::pair<float, float>{1.0f, 1.0f}, {0.25f, -3.0f}}) {
      check_elements("sum", dtype, add(which, dtype, factors.first, factors.second), [&](auto zero, size_t i) {
        using T = decltype(zero);
        return T(factors.first) * T(a[i]) + T(factors.second) * T(b[which.index_b(i)]);
      });
    }
  });
}

TEST(elementwise, multiply) {
  for_each_case(3, [](const BroadcastCase& which, mm1_dtype dtype) {
    const std::vector<float> a = row_samples(1, dtype, which.shape.rows, which.shape.columns);
    const std::vector<float> b = row_samples(2, dtype, which.rows_b, which.columns_b());
    const std::vector<float> old = row_samples(3, dtype, which.shape.rows, which.shape.columns);
    for (const float beta : {0.0f, -0.5f}) {
      check_elements("product", dtype, multiply(which, dtype, beta), [&](auto zero, size_t i) {
        using T = decltype(zero);
        const T product = T(a[i]) * T(b[which.index_b(i)]);
        return beta == 0 ? product : product + T(beta) * T(old[i]);
      });
    }
  });
}

TEST(elementwise, scale) {
  const float pointed = 1.5f;
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const RowShape& shape : kShapes) {
      in_case(name_of(dtype) + (" " + shape.name()), [&] {
        const std::vector<float> x = row_samples(1, dtype, shape.rows, shape.columns);
        const std::vector<float> old = row_samples(3, dtype, shape.rows, shape.columns);
        for (const float beta : {0.0f, 2.0f}) {
          for (const float* factor : {static_cast<const float*>(nullptr), &pointed}) {
            check_elements("scaled", dtype, scale(shape, dtype, 0.7f, factor, beta), [&](auto zero, size_t i) {
              using T = decltype(zero);
              const T product = T(0.7f) * T(factor == nullptr ? 1 : *factor) * T(x[i]);
              return beta == 0 ? product : product + T(beta) * T(old[i]);
            });
          }
        }
      });
    }
  }
}

TEST(elementwise, activations_both_ways) {
  size_t number = 0;
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (mm1_activation activation = MM1_ACTIVATION_NONE; activation <= MM1_ACTIVATION_TANH; activation++) {
      for (const RowShape& shape : kShapes) {
        if (number++ % shadow_stride(5) != 0) continue;
        in_case(name_of(dtype) + (" activation " + std::to_string(activation) + " " + shape.name()), [&] {
          const std::vector<float> x = row_samples(1, dtype, shape.rows, shape.columns, 3);
          const std::vector<float> gradient = row_samples(2, dtype, shape.rows, shape.columns);
          const std::vector<float> old = row_samples(3, dtype, shape.rows, shape.columns);
          check_elements("output", dtype, activation_forward(activation, shape, dtype),
                         [&](auto zero, size_t i) { return activate(activation, decltype(zero)(x[i])); });
          for (const float beta : {0.0f, -1.5f}) {
            check_elements("gradient", dtype, activation_backward(activation, shape, dtype, beta), [&](auto zero, size_t i) {
              using T = decltype(zero);
              const T product = T(gradient[i]) * derivative(activation, T(x[i]));
              return beta == 0 ? product : product + T(beta) * T(old[i]);
            });
          }
        });
      }
    }
  }
}

TEST(elementwise, gated_activations_both_ways) {
  size_t number = 0;
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const mm1_activation activation : {MM1_ACTIVATION_SILU, MM1_ACTIVATION_GELU, MM1_ACTIVATION_GELU_TANH, MM1_ACTIVATION_SIGMOID}) {
      for (const RowShape& shape : kShapes) {
        if (number++ % shadow_stride(4) != 0) continue;
        in_case(name_of(dtype) + (" activation " + std::to_string(activation) + " " + shape.name()), [&] {
          const std::vector<float> gate = row_samples(1, dtype, shape.rows, shape.columns, 2);
          const std::vector<float> up = row_samples(2, dtype, shape.rows, shape.columns);
          const std::vector<float> gradient = row_samples(3, dtype, shape.rows, shape.columns);
          const Gated result = gated(activation, shape, dtype, false, true);
          check_elements("output", dtype, result.output, [&](auto zero, size_t i) {
            using T = decltype(zero);
            return activate(activation, T(gate[i])) * T(up[i]);
          });
          check_elements("gate gradient", dtype, result.gate_gradient, [&](auto zero, size_t i) {
            using T = decltype(zero);
            return T(gradient[i]) * T(up[i]) * derivative(activation, T(gate[i]));
          });
          check_elements("up gradient", dtype, result.up_gradient, [&](auto zero, size_t i) {
            using T = decltype(zero);
            return T(gradient[i]) * activate(activation, T(gate[i]));
          });
          check_same_bits("rebuilt output", result.rebuilt, result.output);
          check_same_bits("gate gradient alone", gated(activation, shape, dtype, false, false).gate_gradient, result.gate_gradient);
          const Gated over = gated(activation, shape, dtype, true, true);
          check_same_bits("gate gradient over gate", over.gate_gradient, result.gate_gradient);
          check_same_bits("up gradient over up", over.up_gradient, result.up_gradient);
          check_same_bits("output over its gradient", over.rebuilt, result.output);
        });
      }
    }
  }
}

// gate and up in one fused projection, and so their gradients.
TEST(elementwise, gate_and_up_lie_in_one_buffer) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const int64_t columns : {40, 37}) {
      const RowShape shape{11, 2 * columns};
      const auto fused = row_buffer(dtype, shape, row_samples(1, dtype, shape.rows, shape.columns));
      const auto gradients = row_buffer(dtype, shape);
      const auto gradient = row_buffer(dtype, {shape.rows, columns}, row_samples(2, dtype, shape.rows, columns));
      const auto half = [&](const DeviceBuffer& buffer, int64_t which) {
        mm1_operand operand = buffer.operand();
        operand.data = static_cast<char*>(operand.data) + which * columns * buffer.element_bytes();
        return operand;
      };
      mm1_gated_activation_backward_args args = mm1_gated_activation_backward_args_default();
      args.activation = MM1_ACTIVATION_SILU;
      args.rows = shape.rows;
      args.columns = columns;
      args.output_gradient = gradient->operand();
      args.gate = half(*fused, 0);
      args.up = half(*fused, 1);
      args.gate_gradient = half(*gradients, 0);
      args.up_gradient = half(*gradients, 1);
      CHECK_OK(mm1_gated_activation_backward(nullptr, &args, nullptr, 0));
      finish_call();
      const std::vector<float> x = row_samples(1, dtype, shape.rows, shape.columns), dy = row_samples(2, dtype, shape.rows, columns);
      check_elements("gradients", dtype, gradients->download(), [&](auto zero, size_t i) {
        using T = decltype(zero);
        const size_t row = i / static_cast<size_t>(2 * columns), place = i % static_cast<size_t>(2 * columns);
        const size_t column = place % static_cast<size_t>(columns), gate = row * static_cast<size_t>(2 * columns) + column;
        const T g = T(dy[row * static_cast<size_t>(columns) + column]);
        return place < static_cast<size_t>(columns) ? g * T(x[gate + static_cast<size_t>(columns)]) * derivative(MM1_ACTIVATION_SILU, T(x[gate]))
                                                    : g * activate(MM1_ACTIVATION_SILU, T(x[gate]));
      });
    }
  }
}

// The same bits in place, again, without alignment, with few blocks, and for a row alone.
TEST(elementwise, bits_depend_on_the_elements_alone) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    const RowShape shape{41, 80}, unaligned{41, 80, 3, 1};
    const BroadcastCase whole{MM1_BROADCAST_CYCLE, 41, shape}, bias{MM1_BROADCAST_CYCLE, 1, shape};
    const std::vector<float> sum = add(whole, dtype, 2, 3);
    check_same_bits("again", add(whole, dtype, 2, 3), sum);
    check_same_bits("over a", add(whole, dtype, 2, 3, 1), sum);
    check_same_bits("over b", add(whole, dtype, 2, 3, 2), sum);
    check_same_bits("unaligned", add({MM1_BROADCAST_CYCLE, 41, unaligned}, dtype, 2, 3), sum);
    const std::vector<float> alone = add({MM1_BROADCAST_CYCLE, 1, {1, 80}}, dtype, 2, 3);
    check_same_bits("first row alone", alone, std::vector<float>(sum.begin(), sum.begin() + 80));
    const std::vector<float> product = multiply(bias, dtype, 0);
    check_same_bits("product over a", multiply(bias, dtype, 0, true), product);
    const std::vector<float> scaled = scale(shape, dtype, 3, nullptr, 0);
    check_same_bits("scaled over x", scale(shape, dtype, 3, nullptr, 0, true), scaled);
    const std::vector<float> active = activation_forward(MM1_ACTIVATION_GELU, shape, dtype);
    check_same_bits("activation over x", activation_forward(MM1_ACTIVATION_GELU, shape, dtype, true), active);
    const std::vector<float> gradient = activation_backward(MM1_ACTIVATION_GELU, shape, dtype, 0);
    check_same_bits("gradient over its gradient", activation_backward(MM1_ACTIVATION_GELU, shape, dtype, 0, true), gradient);
    const FewBlocks few(1);
    check_same_bits("one block", add(whole, dtype, 2, 3), sum);
    check_same_bits("one block, unaligned", add({MM1_BROADCAST_CYCLE, 41, unaligned}, dtype, 2, 3), sum);
    check_same_bits("one block, broadcast", multiply(bias, dtype, 0), product);
    check_same_bits("one block, gelu", activation_forward(MM1_ACTIVATION_GELU, unaligned, dtype), active);
  }
}

}  // namespace test
