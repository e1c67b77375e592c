// Arithmetic on elements: add, multiply, scale, activations and gated activations, forward and backward.
//
// Maths      elementwise.h, on float32 values of each element: float32 operands as they are, bfloat16 ones widened; rounded once, when
//            stored. Products and sums are fused as on the CPU device.
// Layout     matrices of rows of any stride; where all of them are dense, and nothing is broadcast, one long row.
// Roles      a thread takes packs of 16 bytes of every operand, all loaded before the result is stored: an output may be an operand.
// Budget     256 threads, no shared memory, about 64 registers (gated_backward 80).
// Not here   operands of different dtypes; several packs at once (eight resident blocks keep the memory busy).
#include "dev/arithmetic.cuh"
#include "dev/launch.h"
#include "elementwise/elementwise.h"
#include "host/device.h"
#include "tile/activation.cuh"
#include "tile/pack.cuh"

namespace mm1 {

namespace {

// What the maths reads beside a: b, and for a beta other than 0 the old output.
template <PointwiseOperation operation>
constexpr bool kReadsB = operation != PointwiseOperation::scale && operation != PointwiseOperation::activation_forward;
template <PointwiseOperation operation>
constexpr bool kActivates = operation == PointwiseOperation::activation_forward || operation == PointwiseOperation::activation_backward ||
                            operation == PointwiseOperation::gated_forward;
template <PointwiseOperation operation>
constexpr bool kReadsOld = operation == PointwiseOperation::multiply || operation == PointwiseOperation::scale ||
                           operation == PointwiseOperation::activation_backward;

template <int Value>
struct ActivationConstant {
  static constexpr int value = Value;
};

// Calls body with the activation as a constant: one branch for a pack, not one for each element.
template <class Body>
DEV_FN void with_activation(int activation, const Body& body) {
  switch (activation) {
    case MM1_ACTIVATION_RELU:
      return body(ActivationConstant<MM1_ACTIVATION_RELU>{});
    case MM1_ACTIVATION_GELU:
      return body(ActivationConstant<MM1_ACTIVATION_GELU>{});
    case MM1_ACTIVATION_GELU_TANH:
      return body(ActivationConstant<MM1_ACTIVATION_GELU_TANH>{});
    case MM1_ACTIVATION_QUICK_GELU:
      return body(ActivationConstant<MM1_ACTIVATION_QUICK_GELU>{});
    case MM1_ACTIVATION_SILU:
      return body(ActivationConstant<MM1_ACTIVATION_SILU>{});
    case MM1_ACTIVATION_SIGMOID:
      return body(ActivationConstant<MM1_ACTIVATION_SIGMOID>{});
    case MM1_ACTIVATION_TANH:
      return body(ActivationConstant<MM1_ACTIVATION_TANH>{});
    default:
      return body(ActivationConstant<MM1_ACTIVATION_NONE>{});
  }
}

// f without the old output; `activation` counts where the operation has one.
template <PointwiseOperation operation, int activation>
DEV_FN float value_of(float alpha, float beta, float a, float b) {
  switch (operation) {
    case PointwiseOperation::add:
      return dev::fused_multiply_add(beta, b, dev::multiply(alpha, a));
    case PointwiseOperation::multiply:
      return dev::multiply(a, b);
    case PointwiseOperation::scale:
      return dev::multiply(alpha, a);
    case PointwiseOperation::activation_forward:
      return activate(activation, a);
    case PointwiseOperation::activation_backward:
      return dev::multiply(a, activation_derivative(activation, b));
    default:
      return dev::multiply(activate(activation, a), b);
  }
}

DEV_FN int64_t row_of_b(const Pointwise& problem, int64_t row) {
  if (problem.broadcast == MM1_BROADCAST_REPEAT) return quotient(row, problem.rows_b);
  if (problem.broadcast == MM1_BROADCAST_PER_ROW || problem.rows_b == 0) return row;
  return problem.rows_b == 1 ? 0 : row - quotient(row, problem.rows_b) * problem.rows_b;
}

template <class T, PointwiseOperation operation>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) pointwise(const DEV_GRID_CONST Pointwise problem) {
  constexpr int kPack = kPackElements<T>;
  const bool vector = problem.vector != 0;
  float alpha = problem.alpha;
  if (operation == PointwiseOperation::scale && problem.factor != nullptr) alpha = dev::multiply(alpha, load_element(problem.factor));
  walk_rows(problem.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int count = pack_count<T>(problem.walk.columns, pack);
    const int64_t column = pack * kPack;
    float a[kPack], b[kPack], old[kPack];
    load_pack(row_of<T>(problem.a, row) + column, vector, count, a);
    DEV_UNROLL for (int i = 0; i < kPack; i++) b[i] = 0.0f;
    if (kReadsB<operation>) {
      const T* const source = row_of<T>(problem.b, row_of_b(problem, row));
      if (problem.broadcast == MM1_BROADCAST_PER_ROW) {
        const float shared = load_element(source);
        DEV_UNROLL for (int i = 0; i < kPack; i++) b[i] = shared;
      } else {
        load_pack(source + column, vector, count, b);
      }
    }
    T* const output = row_of<T>(problem.output, row) + column;
    const bool accumulates = kReadsOld<operation> && problem.beta != 0.0f;
    if (accumulates) load_pack(output, vector, count, old);
    with_activation(kActivates<operation> ? problem.activation : MM1_ACTIVATION_NONE, [&](auto activation) MM1_INLINE_BODY {
      DEV_UNROLL for (int i = 0; i < kPack; i++) a[i] = value_of<operation, decltype(activation)::value>(alpha, problem.beta, a[i], b[i]);
    });
    if (accumulates) {
      DEV_UNROLL for (int i = 0; i < kPack; i++) a[i] = dev::fused_multiply_add(problem.beta, old[i], a[i]);
    }
    store_pack(output, vector, count, a);
  });
}

template <class T>
DEV_KERNEL DEV_BOUNDS(kWalkThreads) gated_backward(const DEV_GRID_CONST GatedBackward problem) {
  constexpr int kPack = kPackElements<T>;
  const bool vector = problem.vector != 0;
  walk_rows(problem.walk, [&](int64_t row, int64_t pack) MM1_INLINE_BODY {
    const int count = pack_count<T>(problem.walk.columns, pack);
    const int64_t column = pack * kPack;
    float gradient[kPack], gate[kPack], up[kPack], value[kPack];
    load_pack(row_of<T>(problem.output_gradient, row) + column, vector, count, gradient);
    load_pack(row_of<T>(problem.gate, row) + column, vector, count, gate);
    load_pack(row_of<T>(problem.up, row) + column, vector, count, up);
    with_activation(problem.activation, [&](auto activation) MM1_INLINE_BODY {
      DEV_UNROLL for (int i = 0; i < kPack; i++) {
        value[i] = activate(decltype(activation)::value, gate[i]);
        gate[i] = dev::multiply(dev::multiply(gradient[i], up[i]), activation_derivative(decltype(activation)::value, gate[i]));
      }
    });
    store_pack(row_of<T>(problem.gate_gradient, row) + column, vector, count, gate);
    DEV_UNROLL for (int i = 0; i < kPack; i++) {
      gradient[i] = dev::multiply(gradient[i], value[i]);
      value[i] = dev::multiply(value[i], up[i]);
    }
    store_pack(row_of<T>(problem.up_gradient, row) + column, vector, count, gradient);
    if (problem.output.data != nullptr) store_pack(row_of<T>(problem.output, row) + column, vector, count, value);
  });
}

template <class Kernel, class Problem>
mm1_status launch(mm1_stream stream, const char* verb, uint32_t blocks, Kernel kernel, const Problem& problem) {
  dev::LaunchConfig config;
  config.grid = {blocks, 1, 1};
  config.block = {kWalkThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, kernel, problem);
  return launched(verb, status.code, status.text);
}

template <class T>
mm1_status launch_operation(mm1_stream stream, const char* verb, PointwiseOperation operation, uint32_t blocks, const Pointwise& problem) {
  switch (operation) {
    case PointwiseOperation::add:
      return launch(stream, verb, blocks, pointwise<T, PointwiseOperation::add>, problem);
    case PointwiseOperation::multiply:
      return launch(stream, verb, blocks, pointwise<T, PointwiseOperation::multiply>, problem);
    case PointwiseOperation::scale:
      return launch(stream, verb, blocks, pointwise<T, PointwiseOperation::scale>, problem);
    case PointwiseOperation::activation_forward:
      return launch(stream, verb, blocks, pointwise<T, PointwiseOperation::activation_forward>, problem);
    case PointwiseOperation::activation_backward:
      return launch(stream, verb, blocks, pointwise<T, PointwiseOperation::activation_backward>, problem);
    default:
      return launch(stream, verb, blocks, pointwise<T, PointwiseOperation::gated_forward>, problem);
  }
}

}  // namespace

mm1_status launch_pointwise(mm1_stream stream, const char* verb, PointwiseOperation operation, bool is_float32, uint32_t blocks,
                            const Pointwise& problem) {
  return is_float32 ? launch_operation<float>(stream, verb, operation, blocks, problem)
                    : launch_operation<dev::bf16>(stream, verb, operation, blocks, problem);
}

mm1_status launch_gated_backward(mm1_stream stream, bool is_float32, uint32_t blocks, const GatedBackward& problem) {
  const char* const verb = "gated_activation_backward";
  return is_float32 ? launch(stream, verb, blocks, gated_backward<float>, problem)
                    : launch(stream, verb, blocks, gated_backward<dev::bf16>, problem);
}

}  // namespace mm1
