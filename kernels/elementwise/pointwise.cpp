// The verbs mm1_add, mm1_multiply, mm1_scale and the activations: argument rules and launches.
#include <initializer_list>

#include "elementwise/elementwise.h"
#include "host/device.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

int64_t most_blocks = 0;

struct Part {
  const char* field;
  const mm1_operand* operand;
};

// What all operands but a broadcast one are.
struct Matrices {
  int64_t rows;
  int64_t columns;

  Region region(const mm1_operand& operand) const { return {&operand, rows, columns, 1, 0}; }
};

bool has_rows_of_packs(const mm1_operand& operand, int64_t rows) {
  return has_packs(row_operand(operand, rows), dtype_bytes(operand.dtype));
}

bool is_present_and_not_dense(const mm1_operand& operand, int64_t rows, int64_t columns) {
  return is_present(operand) && !is_dense(operand, rows, columns);
}

int pack_of(mm1_dtype dtype) { return kPackBytes / static_cast<int>(dtype_bytes(dtype)); }

void check_broadcast(Check* check, mm1_broadcast broadcast, int64_t rows, int64_t rows_b) {
  check->enumerator("broadcast", broadcast, MM1_BROADCAST_PER_ROW, "mm1_broadcast");
  check->extent("rows_b", rows_b);
  if (!check->ok()) return;
  if (broadcast == MM1_BROADCAST_PER_ROW) {
    check->that(rows_b == rows, "rows_b is %lld; with MM1_BROADCAST_PER_ROW it is rows (%lld).", static_cast<long long>(rows_b),
                static_cast<long long>(rows));
  } else {
    check->that(rows_b == 0 ? rows == 0 : rows % rows_b == 0, "rows_b is %lld, which does not divide rows (%lld).",
                static_cast<long long>(rows_b), static_cast<long long>(rows));
  }
}

// How the rows of b repeat.
struct Broadcast {
  mm1_broadcast kind;
  int64_t rows_b;
};

// Launches `problem`, whose operands and walk are still to be set. Matrices become one long row where all are dense. `b` may be absent.
mm1_status run(mm1_stream stream, const char* verb, PointwiseOperation operation, Pointwise problem, Matrices shape, const mm1_operand& a,
               const mm1_operand& b, const Broadcast& broadcast, const mm1_operand& output) {
  MM1_RETURN_IF_FAILED(enter(verb, &stream));
  if (shape.rows == 0 || shape.columns == 0) return MM1_STATUS_OK;
  const bool has_b = is_present(b);
  const bool is_per_row = has_b && broadcast.kind == MM1_BROADCAST_PER_ROW;
  const bool repeats = has_b && (is_per_row || broadcast.rows_b != shape.rows);
  const int64_t rows_b = broadcast.rows_b;
  if (!repeats && !is_present_and_not_dense(a, shape.rows, shape.columns) && !is_present_and_not_dense(b, shape.rows, shape.columns) &&
      !is_present_and_not_dense(output, shape.rows, shape.columns)) {
    shape = {1, shape.rows * shape.columns};
  }
  problem.a = row_operand(a, shape.rows);
  problem.output = row_operand(output, shape.rows);
  if (has_b) problem.b = row_operand(b, repeats ? rows_b : shape.rows);
  problem.broadcast = repeats ? broadcast.kind : MM1_BROADCAST_CYCLE;
  problem.rows_b = !repeats || is_per_row ? 0 : broadcast.kind == MM1_BROADCAST_REPEAT ? shape.rows / rows_b : rows_b;
  problem.vector = has_rows_of_packs(a, shape.rows) && has_rows_of_packs(output, shape.rows) &&
                   (!has_b || is_per_row || has_rows_of_packs(b, repeats ? rows_b : shape.rows));
  const RowGrid grid = plan_row_walk(shape.rows, shape.columns, pack_of(a.dtype), current_profile(), elementwise_blocks());
  problem.walk = grid.walk;
  return launch_pointwise(stream, verb, operation, a.dtype == MM1_DTYPE_FLOAT32, grid.blocks, problem);
}

// Rules of add and multiply.
template <class Args>
void check_binary(const Args& args, Check* check) {
  check_matrix(check, args.rows, args.columns);
  check_broadcast(check, args.broadcast, args.rows, args.rows_b);
  if (!check->ok()) return;
  const int64_t columns_b = args.broadcast == MM1_BROADCAST_PER_ROW ? (args.columns > 0 ? 1 : 0) : args.columns;
  check_compute(check, "a", args.a, args.rows, args.columns);
  check->operand("b", args.b, args.rows > 0 ? args.rows_b : 0, columns_b, args.a.dtype);
  check->operand("output", args.output, args.rows, args.columns, args.a.dtype);
  const Matrices shape{args.rows, args.columns};
  check->apart_or_same("output", shape.region(args.output), "a", shape.region(args.a));
}

}  // namespace

void set_elementwise_blocks(int64_t blocks) { most_blocks = blocks; }

int64_t elementwise_blocks() { return most_blocks; }

}  // namespace mm1

mm1_status mm1_add(mm1_stream stream, const mm1_add_args* given, void*, int64_t) {
  using namespace mm1;
  mm1_add_args args;
  MM1_RETURN_IF_FAILED(read_args("add", given, &args));
  Check check("add");
  check.reserved("reserved", args.reserved);
  check_binary(args, &check);
  if (check.ok()) {
    const bool is_whole = args.broadcast != MM1_BROADCAST_PER_ROW && args.rows_b == args.rows;
    const Region b{&args.b, args.rows_b, args.broadcast == MM1_BROADCAST_PER_ROW ? 1 : args.columns, 1, 0};
    const Region output{&args.output, args.rows, args.columns, 1, 0};
    if (is_whole) {
      check.apart_or_same("output", output, "b", b);
    } else {
      check.apart("output", output, "b", b);
    }
  }
  MM1_RETURN_IF_FAILED(check.status());
  Pointwise problem{};
  problem.alpha = args.alpha;
  problem.beta = args.beta;
  return run(stream, "add", PointwiseOperation::add, problem, {args.rows, args.columns}, args.a, args.b, {args.broadcast, args.rows_b},
             args.output);
}

mm1_status mm1_multiply(mm1_stream stream, const mm1_multiply_args* given, void*, int64_t) {
  using namespace mm1;
  mm1_multiply_args args;
  MM1_RETURN_IF_FAILED(read_args("multiply", given, &args));
  Check check("multiply");
  check_binary(args, &check);
  const Region b{&args.b, args.rows_b, args.broadcast == MM1_BROADCAST_PER_ROW ? 1 : args.columns, 1, 0};
  check.apart("output", {&args.output, args.rows, args.columns, 1, 0}, "b", b);
  MM1_RETURN_IF_FAILED(check.status());
  Pointwise problem{};
  problem.beta = args.output_beta;
  return run(stream, "multiply", PointwiseOperation::multiply, problem, {args.rows, args.columns}, args.a, args.b,
             {args.broadcast, args.rows_b}, args.output);
}

mm1_status mm1_scale(mm1_stream stream, const mm1_scale_args* given, void*, int64_t) {
  using namespace mm1;
  mm1_scale_args args;
  MM1_RETURN_IF_FAILED(read_args("scale", given, &args));
  Check check("scale");
  check_matrix(&check, args.rows, args.columns);
  check_compute(&check, "x", args.x, args.rows, args.columns);
  check.operand("output", args.output, args.rows, args.columns, args.x.dtype);
  const Matrices shape{args.rows, args.columns};
  check.apart_or_same("output", shape.region(args.output), "x", shape.region(args.x));
  check.that(reinterpret_cast<uintptr_t>(args.factor_pointer) % sizeof(float) == 0,
             "factor_pointer is no multiple of the 4 bytes of one float32.");
  MM1_RETURN_IF_FAILED(check.status());
  Pointwise problem{};
  problem.alpha = args.factor;
  problem.beta = args.beta;
  problem.factor = args.factor_pointer;
  return run(stream, "scale", PointwiseOperation::scale, problem, shape, args.x, mm1_operand{}, {}, args.output);
}

mm1_status mm1_activation_forward(mm1_stream stream, const mm1_activation_forward_args* given, void*, int64_t) {
  using namespace mm1;
  const char* const verb = "activation_forward";
  mm1_activation_forward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check.enumerator("activation", args.activation, MM1_ACTIVATION_TANH, "mm1_activation");
  check.reserved("reserved", args.reserved);
  check_matrix(&check, args.rows, args.columns);
  check_compute(&check, "x", args.x, args.rows, args.columns);
  check.operand("output", args.output, args.rows, args.columns, args.x.dtype);
  const Matrices shape{args.rows, args.columns};
  check.apart_or_same("output", shape.region(args.output), "x", shape.region(args.x));
  MM1_RETURN_IF_FAILED(check.status());
  Pointwise problem{};
  problem.activation = args.activation;
  return run(stream, verb, PointwiseOperation::activation_forward, problem, shape, args.x, mm1_operand{}, {}, args.output);
}

mm1_status mm1_activation_backward(mm1_stream stream, const mm1_activation_backward_args* given, void*, int64_t) {
  using namespace mm1;
  const char* const verb = "activation_backward";
  mm1_activation_backward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check.enumerator("activation", args.activation, MM1_ACTIVATION_TANH, "mm1_activation");
  check_matrix(&check, args.rows, args.columns);
  check_compute(&check, "output_gradient", args.output_gradient, args.rows, args.columns);
  check.operand("x", args.x, args.rows, args.columns, args.output_gradient.dtype);
  check.operand("input_gradient", args.input_gradient, args.rows, args.columns, args.output_gradient.dtype);
  const Matrices shape{args.rows, args.columns};
  check.apart_or_same("input_gradient", shape.region(args.input_gradient), "output_gradient", shape.region(args.output_gradient));
  check.apart("input_gradient", shape.region(args.input_gradient), "x", shape.region(args.x));
  MM1_RETURN_IF_FAILED(check.status());
  Pointwise problem{};
  problem.activation = args.activation;
  problem.beta = args.beta;
  return run(stream, verb, PointwiseOperation::activation_backward, problem, shape, args.output_gradient, args.x,
             {MM1_BROADCAST_CYCLE, args.rows}, args.input_gradient);
}

mm1_status mm1_gated_activation_forward(mm1_stream stream, const mm1_gated_activation_forward_args* given, void*, int64_t) {
  using namespace mm1;
  const char* const verb = "gated_activation_forward";
  mm1_gated_activation_forward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check.enumerator("activation", args.activation, MM1_ACTIVATION_TANH, "mm1_activation");
  check.reserved("reserved", args.reserved);
  check_matrix(&check, args.rows, args.columns);
  check_compute(&check, "gate", args.gate, args.rows, args.columns);
  check.operand("up", args.up, args.rows, args.columns, args.gate.dtype);
  check.operand("output", args.output, args.rows, args.columns, args.gate.dtype);
  const Matrices shape{args.rows, args.columns};
  check.apart("output", shape.region(args.output), "gate", shape.region(args.gate));
  check.apart("output", shape.region(args.output), "up", shape.region(args.up));
  MM1_RETURN_IF_FAILED(check.status());
  Pointwise problem{};
  problem.activation = args.activation;
  return run(stream, verb, PointwiseOperation::gated_forward, problem, shape, args.gate, args.up, {MM1_BROADCAST_CYCLE, args.rows},
             args.output);
}

mm1_status mm1_gated_activation_backward(mm1_stream stream, const mm1_gated_activation_backward_args* given, void*, int64_t) {
  using namespace mm1;
  const char* const verb = "gated_activation_backward";
  mm1_gated_activation_backward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check.enumerator("activation", args.activation, MM1_ACTIVATION_TANH, "mm1_activation");
  check.reserved("reserved", args.reserved);
  check_matrix(&check, args.rows, args.columns);
  const mm1_dtype dtype = args.output_gradient.dtype;
  check_compute(&check, "output_gradient", args.output_gradient, args.rows, args.columns);
  check.operand("gate", args.gate, args.rows, args.columns, dtype);
  check.operand("up", args.up, args.rows, args.columns, dtype);
  check.operand("gate_gradient", args.gate_gradient, args.rows, args.columns, dtype);
  check.operand("up_gradient", args.up_gradient, args.rows, args.columns, dtype);
  check.optional("output", args.output, args.rows, args.columns, dtype);
  Matrices shape{args.rows, args.columns};
  // Each output may lie on one operand: a gradient on what it is the gradient of, the output on its gradient.
  const Part inputs[] = {{"gate", &args.gate}, {"up", &args.up}, {"output_gradient", &args.output_gradient}};
  const Part outputs[] = {{"gate_gradient", &args.gate_gradient}, {"up_gradient", &args.up_gradient}, {"output", &args.output}};
  for (int i = 0; i < 3; i++) {
    const Region output = shape.region(*outputs[i].operand);
    for (int j = 0; j < 3; j++) {
      if (i == j) {
        check.apart_or_same(outputs[i].field, output, inputs[j].field, shape.region(*inputs[j].operand));
      } else {
        check.apart(outputs[i].field, output, inputs[j].field, shape.region(*inputs[j].operand));
      }
      if (i < j) check.apart(outputs[i].field, output, outputs[j].field, shape.region(*outputs[j].operand));
    }
  }
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(verb, &stream));
  if (args.rows == 0 || args.columns == 0) return MM1_STATUS_OK;

  GatedBackward problem{};
  problem.activation = args.activation;
  bool is_one_row = true;
  for (const Part* const parts : {inputs, outputs}) {
    for (int i = 0; i < 3; i++) is_one_row &= !is_present_and_not_dense(*parts[i].operand, args.rows, args.columns);
  }
  if (is_one_row) shape = {1, args.rows * args.columns};
  problem.vector = 1;
  for (const Part* const parts : {inputs, outputs}) {
    for (int i = 0; i < 3; i++) {
      if (is_present(*parts[i].operand) && !has_rows_of_packs(*parts[i].operand, shape.rows)) problem.vector = 0;
    }
  }
  problem.output_gradient = row_operand(args.output_gradient, shape.rows);
  problem.gate = row_operand(args.gate, shape.rows);
  problem.up = row_operand(args.up, shape.rows);
  problem.gate_gradient = row_operand(args.gate_gradient, shape.rows);
  problem.up_gradient = row_operand(args.up_gradient, shape.rows);
  if (is_present(args.output)) problem.output = row_operand(args.output, shape.rows);
  const RowGrid grid = plan_row_walk(shape.rows, shape.columns, pack_of(dtype), current_profile(), elementwise_blocks());
  problem.walk = grid.walk;
  return launch_gated_backward(stream, dtype == MM1_DTYPE_FLOAT32, grid.blocks, problem);
}
