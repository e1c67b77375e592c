// The verbs of layer norm, root-mean-square norm and unit rows: argument rules and launches.
#include "normalization/normalization.h"

#include <initializer_list>

#include "gemm/bias_gradient.h"
#include "host/device.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

int64_t most_blocks = 0;

// One matrix of a call, for the rules of overlap: `may_be` is the input that an output may lie on.
struct Part {
  const char* field;
  const mm1_operand* operand;
  int64_t rows;
  int64_t columns;
  std::initializer_list<const char*> may_be = {};

  Region region() const { return {operand, rows, columns, 1, 0}; }
};

void check_overlaps(Check* check, std::initializer_list<Part> outputs, std::initializer_list<Part> inputs) {
  for (const Part& output : outputs) {
    for (const Part& input : inputs) {
      bool is_allowed = false;
      for (const char* const field : output.may_be) is_allowed |= field == input.field;
      if (is_allowed) {
        check->apart_or_same(output.field, output.region(), input.field, input.region());
      } else {
        check->apart(output.field, output.region(), input.field, input.region());
      }
    }
    for (const Part& other : outputs) {
      if (&other > &output) check->apart(output.field, output.region(), other.field, other.region());
    }
  }
}

// Names that outputs may lie on; compared by address.
constexpr const char kX[] = "x", kResidual[] = "residual", kOutputGradient[] = "output_gradient", kSumGradient[] = "sum_gradient";

void check_groups(Check* check, int64_t rows, int64_t groups, int64_t columns) {
  check_matrix(check, rows, columns);
  check->extent("groups", groups);
}

void check_sum(Check* check, const mm1_operand& residual, const mm1_operand& sum_output, int64_t rows, int64_t columns, mm1_dtype dtype) {
  check->optional("residual", residual, rows, columns, dtype);
  check->optional("sum_output", sum_output, rows, columns, dtype);
  check->that(!is_present(residual) || is_present(sum_output) || rows == 0 || columns == 0,
              "sum_output is missing; with residual it receives the sum.");
}

void check_least_norm(Check* check, float epsilon) {
  check->that(epsilon > 0, "epsilon is %g; the least norm must be positive.", static_cast<double>(epsilon));
}

void check_activation(Check* check, mm1_activation activation) {
  check->enumerator("activation", activation, MM1_ACTIVATION_TANH, "mm1_activation");
  check->that(activation == MM1_ACTIVATION_NONE || activation == MM1_ACTIVATION_SILU,
              "activation is %d; a norm applies MM1_ACTIVATION_NONE or MM1_ACTIVATION_SILU.", activation);
}

// Statistics have no gaps: a stride that is meant for something else (a vector's length, say) would be a write far outside of them.
void check_statistics(Check* check, const char* field, const mm1_operand& operand, int64_t rows, int64_t groups, bool is_required) {
  if (is_required) {
    check->operand(field, operand, rows, groups, MM1_DTYPE_FLOAT32);
  } else {
    check->optional(field, operand, rows, groups, MM1_DTYPE_FLOAT32);
  }
  check->that(!is_present(operand) || rows <= 1 || groups == 0 || operand.row_stride == groups,
              "%s has row_stride %lld; it holds [%lld, %lld] values without gaps.", field, static_cast<long long>(operand.row_stride),
              static_cast<long long>(rows), static_cast<long long>(groups));
}

NormVector norm_vector(const mm1_operand& operand) {
  if (!is_present(operand)) return {};
  return {static_cast<const char*>(operand.data), operand.dtype == MM1_DTYPE_FLOAT32,
          reinterpret_cast<uintptr_t>(operand.data) % kPackBytes == 0};
}

RowOperand optional_rows(const mm1_operand& operand, int64_t rows) {
  return is_present(operand) ? row_operand(operand, rows) : RowOperand{};
}

NormShape norm_shape(int64_t rows, int64_t groups, int64_t columns, mm1_dtype dtype, std::initializer_list<const mm1_operand*> matrices) {
  const int64_t element = dtype == MM1_DTYPE_FLOAT32 ? 4 : 2;
  NormShape shape{};
  shape.items = rows * groups;
  shape.groups = groups;
  shape.columns = columns;
  shape.team = row_team(columns, static_cast<int>(kPackBytes / element));
  shape.vector = groups == 1 || columns * element % kPackBytes == 0;
  for (const mm1_operand* const matrix : matrices) {
    if (is_present(*matrix) && !has_packs(row_operand(*matrix, rows), element)) shape.vector = 0;
  }
  return shape;
}

mm1_status run_forward(mm1_stream stream, const char* verb, Norm norm, bool is_float32, const NormForward& problem) {
  const int64_t in_block = problem.shape.team.in_block;
  const int64_t wanted = (problem.shape.items + in_block - 1) / in_block;
  const int64_t most = most_blocks > 0 ? most_blocks : int64_t{current_profile().multiprocessors} * kTeamBlocks;
  return launch_norm_forward(stream, verb, norm, is_float32, static_cast<uint32_t>(wanted < most ? wanted : most), problem);
}

int64_t whole_lines(int64_t bytes) { return (bytes + 255) / 256 * 256; }

// Scratch of the parameters' gradients: the sums of the blocks for each of them, and what adding those needs. It is the most of both dtypes
// and of any parameters, so that it depends on the shape alone.
struct Scratch {
  int64_t partial_bytes;
  int64_t total_bytes;
};

Scratch scratch_of(int64_t rows, int64_t groups, int64_t columns, int parameters) {
  int64_t blocks = 0;
  for (const int pack : {4, 8}) {
    const int64_t own = norm_blocks(rows * groups, row_team(columns, pack));
    blocks = own > blocks ? own : blocks;
  }
  const int64_t row_bytes = columns * static_cast<int64_t>(sizeof(float));
  const int64_t again = column_sum_blocks(blocks);
  const int64_t partial = whole_lines(blocks * row_bytes);
  return {partial, parameters * partial + (again > 1 ? whole_lines(again * row_bytes) : 0)};
}

// Adds the blocks of one parameter: result = sum + beta * result.
mm1_status add_blocks(mm1_stream stream, const char* verb, const float* partial, int64_t blocks, int64_t columns, const mm1_operand& result,
                      float beta, float* scratch) {
  ColumnSums sums{};
  sums.x.data = const_cast<float*>(partial);
  sums.x.row_stride = columns;
  sums.x.is_float32 = 1;
  sums.result.data = result.data;
  sums.result.is_float32 = 1;
  sums.partial = scratch;
  sums.rows = blocks;
  sums.columns = columns;
  sums.blocks = column_sum_blocks(blocks);
  sums.beta = beta;
  sums.access_x = columns % 2 == 0 ? 2 : 1;
  sums.access_result = reinterpret_cast<uintptr_t>(result.data) % 8 == 0 ? 2 : 1;
  return launch_column_sums(stream, sums, verb);
}

// The kernel, then the sums over its blocks. `bias_gradient` is absent for rms.
mm1_status run_backward(mm1_stream stream, const char* verb, Norm norm, bool is_float32, NormBackward problem,
                        const mm1_operand& weight_gradient, const mm1_operand& bias_gradient, float beta, void* workspace,
                        const Scratch& scratch, int parameters) {
  char* const memory = static_cast<char*>(workspace);
  const NormShape& shape = problem.shape;
  const int64_t blocks = norm_blocks(shape.items, shape.team);
  problem.block_items = norm_block_items(shape.team);
  if (is_present(weight_gradient)) problem.weight_partial = reinterpret_cast<float*>(memory);
  if (is_present(bias_gradient)) problem.bias_partial = reinterpret_cast<float*>(memory + scratch.partial_bytes);
  if (blocks > 0) MM1_RETURN_IF_FAILED(launch_norm_backward(stream, verb, norm, is_float32, problem));
  float* const again = reinterpret_cast<float*>(memory + parameters * scratch.partial_bytes);
  if (is_present(weight_gradient)) {
    MM1_RETURN_IF_FAILED(add_blocks(stream, verb, problem.weight_partial, blocks, shape.columns, weight_gradient, beta, again));
  }
  if (is_present(bias_gradient)) {
    MM1_RETURN_IF_FAILED(add_blocks(stream, verb, problem.bias_partial, blocks, shape.columns, bias_gradient, beta, again));
  }
  return MM1_STATUS_OK;
}

void check_layer_backward(const mm1_layer_norm_backward_args& args, Check* check) {
  const int64_t rows = args.rows, columns = args.groups * args.columns;
  const mm1_dtype dtype = args.output_gradient.dtype;
  check_compute(check, "output_gradient", args.output_gradient, rows, columns);
  check->optional("sum_gradient", args.sum_gradient, rows, columns, dtype);
  check->operand("x", args.x, rows, columns, dtype);
  check->optional("weight", args.weight, 1, args.columns, rows == 0 || columns == 0 ? args.weight.dtype : dtype, MM1_DTYPE_FLOAT32);
  check->optional("bias", args.bias, 1, args.columns, rows == 0 || columns == 0 ? args.bias.dtype : dtype, MM1_DTYPE_FLOAT32);
  check_statistics(check, "mean", args.mean, rows, args.groups, true);
  check_statistics(check, "inverse_standard_deviation", args.inverse_standard_deviation, rows, args.groups, true);
  check->operand("input_gradient", args.input_gradient, rows, columns, dtype);
  check->optional("weight_gradient", args.weight_gradient, 1, args.columns, MM1_DTYPE_FLOAT32);
  check->optional("bias_gradient", args.bias_gradient, 1, args.columns, MM1_DTYPE_FLOAT32);
  check_overlaps(check,
                 {{"input_gradient", &args.input_gradient, rows, columns, {kOutputGradient, kSumGradient}},
                  {"weight_gradient", &args.weight_gradient, 1, args.columns},
                  {"bias_gradient", &args.bias_gradient, 1, args.columns}},
                 {{kOutputGradient, &args.output_gradient, rows, columns},
                  {kSumGradient, &args.sum_gradient, rows, columns},
                  {kX, &args.x, rows, columns},
                  {"weight", &args.weight, 1, args.columns},
                  {"bias", &args.bias, 1, args.columns},
                  {"mean", &args.mean, rows, args.groups},
                  {"inverse_standard_deviation", &args.inverse_standard_deviation, rows, args.groups}});
}

void check_rms_backward(const mm1_rms_norm_backward_args& args, Check* check) {
  const int64_t rows = args.rows, columns = args.groups * args.columns;
  const mm1_dtype dtype = args.output_gradient.dtype;
  check_compute(check, "output_gradient", args.output_gradient, rows, columns);
  check->optional("sum_gradient", args.sum_gradient, rows, columns, dtype);
  check->operand("x", args.x, rows, columns, dtype);
  check->optional("weight", args.weight, 1, args.columns, rows == 0 || columns == 0 ? args.weight.dtype : dtype, MM1_DTYPE_FLOAT32);
  check_statistics(check, "inverse_root_mean_square", args.inverse_root_mean_square, rows, args.groups, true);
  check->operand("input_gradient", args.input_gradient, rows, columns, dtype);
  check->optional("weight_gradient", args.weight_gradient, 1, args.columns, MM1_DTYPE_FLOAT32);
  check_overlaps(check,
                 {{"input_gradient", &args.input_gradient, rows, columns, {kOutputGradient, kSumGradient}},
                  {"weight_gradient", &args.weight_gradient, 1, args.columns}},
                 {{kOutputGradient, &args.output_gradient, rows, columns},
                  {kSumGradient, &args.sum_gradient, rows, columns},
                  {kX, &args.x, rows, columns},
                  {"weight", &args.weight, 1, args.columns},
                  {"inverse_root_mean_square", &args.inverse_root_mean_square, rows, args.groups}});
}

}  // namespace

void set_norm_blocks(int64_t blocks) { most_blocks = blocks; }

}  // namespace mm1

mm1_status mm1_layer_norm_forward(mm1_stream stream, const mm1_layer_norm_forward_args* given, void*, int64_t) {
  using namespace mm1;
  const char* const verb = "layer_norm_forward";
  mm1_layer_norm_forward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check_groups(&check, args.rows, args.groups, args.columns);
  check_activation(&check, args.activation);
  MM1_RETURN_IF_FAILED(check.status());
  const int64_t rows = args.rows, columns = args.groups * args.columns;
  const mm1_dtype dtype = args.x.dtype;
  check_compute(&check, "x", args.x, rows, columns);
  check_sum(&check, args.residual, args.sum_output, rows, columns, dtype);
  if (rows > 0 && columns > 0) {
    check.optional("weight", args.weight, 1, args.columns, dtype, MM1_DTYPE_FLOAT32);
    check.optional("bias", args.bias, 1, args.columns, dtype, MM1_DTYPE_FLOAT32);
  }
  check.operand("output", args.output, rows, columns, dtype);
  check_statistics(&check, "mean", args.mean, rows, args.groups, false);
  check_statistics(&check, "inverse_standard_deviation", args.inverse_standard_deviation, rows, args.groups, false);
  check_overlaps(&check,
                 {{"output", &args.output, rows, columns, {kX}},
                  {"sum_output", &args.sum_output, rows, columns, {kX, kResidual}},
                  {"mean", &args.mean, rows, args.groups},
                  {"inverse_standard_deviation", &args.inverse_standard_deviation, rows, args.groups}},
                 {{kX, &args.x, rows, columns},
                  {kResidual, &args.residual, rows, columns},
                  {"weight", &args.weight, 1, args.columns},
                  {"bias", &args.bias, 1, args.columns}});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(verb, &stream));
  if (rows == 0 || args.groups == 0) return MM1_STATUS_OK;

  NormForward problem{};
  problem.x = row_operand(args.x, rows);
  problem.residual = optional_rows(args.residual, rows);
  problem.sum_output = optional_rows(args.sum_output, rows);
  problem.output = row_operand(args.output, rows);
  problem.mean = optional_rows(args.mean, rows);
  problem.inverse = optional_rows(args.inverse_standard_deviation, rows);
  problem.weight = norm_vector(args.weight);
  problem.bias = norm_vector(args.bias);
  problem.shape = norm_shape(rows, args.groups, args.columns, dtype, {&args.x, &args.residual, &args.sum_output, &args.output});
  problem.epsilon = args.epsilon;
  problem.activation = args.activation;
  return run_forward(stream, verb, Norm::layer, dtype == MM1_DTYPE_FLOAT32, problem);
}

mm1_status mm1_rms_norm_forward(mm1_stream stream, const mm1_rms_norm_forward_args* given, void*, int64_t) {
  using namespace mm1;
  const char* const verb = "rms_norm_forward";
  mm1_rms_norm_forward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check_groups(&check, args.rows, args.groups, args.columns);
  check.reserved("reserved", args.reserved);
  MM1_RETURN_IF_FAILED(check.status());
  const int64_t rows = args.rows, columns = args.groups * args.columns;
  const mm1_dtype dtype = args.x.dtype;
  check_compute(&check, "x", args.x, rows, columns);
  check_sum(&check, args.residual, args.sum_output, rows, columns, dtype);
  if (rows > 0 && columns > 0) check.optional("weight", args.weight, 1, args.columns, dtype, MM1_DTYPE_FLOAT32);
  check.operand("output", args.output, rows, columns, dtype);
  check_statistics(&check, "inverse_root_mean_square", args.inverse_root_mean_square, rows, args.groups, false);
  check_overlaps(&check,
                 {{"output", &args.output, rows, columns, {kX}},
                  {"sum_output", &args.sum_output, rows, columns, {kX, kResidual}},
                  {"inverse_root_mean_square", &args.inverse_root_mean_square, rows, args.groups}},
                 {{kX, &args.x, rows, columns}, {kResidual, &args.residual, rows, columns}, {"weight", &args.weight, 1, args.columns}});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(verb, &stream));
  if (rows == 0 || args.groups == 0) return MM1_STATUS_OK;

  NormForward problem{};
  problem.x = row_operand(args.x, rows);
  problem.residual = optional_rows(args.residual, rows);
  problem.sum_output = optional_rows(args.sum_output, rows);
  problem.output = row_operand(args.output, rows);
  problem.inverse = optional_rows(args.inverse_root_mean_square, rows);
  problem.weight = norm_vector(args.weight);
  problem.shape = norm_shape(rows, args.groups, args.columns, dtype, {&args.x, &args.residual, &args.sum_output, &args.output});
  problem.epsilon = args.epsilon;
  return run_forward(stream, verb, Norm::rms, dtype == MM1_DTYPE_FLOAT32, problem);
}

mm1_status mm1_l2_normalize_forward(mm1_stream stream, const mm1_l2_normalize_forward_args* given, void*, int64_t) {
  using namespace mm1;
  const char* const verb = "l2_normalize_forward";
  mm1_l2_normalize_forward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check_matrix(&check, args.rows, args.columns);
  check.reserved("reserved", args.reserved);
  check_compute(&check, "x", args.x, args.rows, args.columns);
  check.operand("output", args.output, args.rows, args.columns, args.x.dtype);
  check_statistics(&check, "inverse_norm", args.inverse_norm, args.rows, 1, false);
  check_least_norm(&check, args.epsilon);
  check_overlaps(&check, {{"output", &args.output, args.rows, args.columns}, {"inverse_norm", &args.inverse_norm, args.rows, 1}},
                 {{kX, &args.x, args.rows, args.columns}});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(verb, &stream));
  if (args.rows == 0) return MM1_STATUS_OK;

  NormForward problem{};
  problem.x = row_operand(args.x, args.rows);
  problem.output = row_operand(args.output, args.rows);
  problem.inverse = optional_rows(args.inverse_norm, args.rows);
  problem.shape = norm_shape(args.rows, 1, args.columns, args.x.dtype, {&args.x, &args.output});
  problem.epsilon = args.epsilon;
  return run_forward(stream, verb, Norm::l2, args.x.dtype == MM1_DTYPE_FLOAT32, problem);
}

int64_t mm1_layer_norm_backward_workspace_bytes(const mm1_layer_norm_backward_args* given) {
  using namespace mm1;
  const char* const verb = "layer_norm_backward";
  mm1_layer_norm_backward_args args;
  if (read_args(verb, given, &args) != MM1_STATUS_OK) return -1;
  Check check(verb);
  check_groups(&check, args.rows, args.groups, args.columns);
  return check.ok() ? scratch_of(args.rows, args.groups, args.columns, 2).total_bytes : -1;
}

mm1_status mm1_layer_norm_backward(mm1_stream stream, const mm1_layer_norm_backward_args* given, void* workspace, int64_t workspace_bytes) {
  using namespace mm1;
  const char* const verb = "layer_norm_backward";
  mm1_layer_norm_backward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check_groups(&check, args.rows, args.groups, args.columns);
  check_activation(&check, args.activation);
  check.reserved("reserved", args.reserved);
  MM1_RETURN_IF_FAILED(check.status());
  check_layer_backward(args, &check);
  const Scratch scratch = scratch_of(args.rows, args.groups, args.columns, 2);
  check.workspace(workspace, workspace_bytes, scratch.total_bytes);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(verb, &stream));
  if (args.columns == 0) return MM1_STATUS_OK;

  NormBackward problem{};
  problem.output_gradient = row_operand(args.output_gradient, args.rows);
  problem.sum_gradient = optional_rows(args.sum_gradient, args.rows);
  problem.x = row_operand(args.x, args.rows);
  problem.mean = row_operand(args.mean, args.rows);
  problem.inverse = row_operand(args.inverse_standard_deviation, args.rows);
  problem.input_gradient = row_operand(args.input_gradient, args.rows);
  problem.weight = norm_vector(args.weight);
  problem.bias = norm_vector(args.bias);
  problem.shape = norm_shape(args.rows, args.groups, args.columns, args.output_gradient.dtype,
                             {&args.output_gradient, &args.sum_gradient, &args.x, &args.input_gradient});
  problem.beta = args.beta_input;
  problem.activation = args.activation;
  return run_backward(stream, verb, Norm::layer, args.output_gradient.dtype == MM1_DTYPE_FLOAT32, problem, args.weight_gradient,
                      args.bias_gradient, args.beta_parameters, workspace, scratch, 2);
}

int64_t mm1_rms_norm_backward_workspace_bytes(const mm1_rms_norm_backward_args* given) {
  using namespace mm1;
  const char* const verb = "rms_norm_backward";
  mm1_rms_norm_backward_args args;
  if (read_args(verb, given, &args) != MM1_STATUS_OK) return -1;
  Check check(verb);
  check_groups(&check, args.rows, args.groups, args.columns);
  return check.ok() ? scratch_of(args.rows, args.groups, args.columns, 1).total_bytes : -1;
}

mm1_status mm1_rms_norm_backward(mm1_stream stream, const mm1_rms_norm_backward_args* given, void* workspace, int64_t workspace_bytes) {
  using namespace mm1;
  const char* const verb = "rms_norm_backward";
  mm1_rms_norm_backward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  check_groups(&check, args.rows, args.groups, args.columns);
  MM1_RETURN_IF_FAILED(check.status());
  check_rms_backward(args, &check);
  const Scratch scratch = scratch_of(args.rows, args.groups, args.columns, 1);
  check.workspace(workspace, workspace_bytes, scratch.total_bytes);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(verb, &stream));
  if (args.columns == 0) return MM1_STATUS_OK;

  NormBackward problem{};
  problem.output_gradient = row_operand(args.output_gradient, args.rows);
  problem.sum_gradient = optional_rows(args.sum_gradient, args.rows);
  problem.x = row_operand(args.x, args.rows);
  problem.inverse = row_operand(args.inverse_root_mean_square, args.rows);
  problem.input_gradient = row_operand(args.input_gradient, args.rows);
  problem.weight = norm_vector(args.weight);
  problem.shape = norm_shape(args.rows, args.groups, args.columns, args.output_gradient.dtype,
                             {&args.output_gradient, &args.sum_gradient, &args.x, &args.input_gradient});
  problem.beta = args.beta_input;
  return run_backward(stream, verb, Norm::rms, args.output_gradient.dtype == MM1_DTYPE_FLOAT32, problem, args.weight_gradient,
                      mm1_operand{}, args.beta_parameters, workspace, scratch, 1);
}

mm1_status mm1_l2_normalize_backward(mm1_stream stream, const mm1_l2_normalize_backward_args* given, void*, int64_t) {
  using namespace mm1;
  const char* const verb = "l2_normalize_backward";
  mm1_l2_normalize_backward_args args;
  MM1_RETURN_IF_FAILED(read_args(verb, given, &args));
  Check check(verb);
  const int64_t rows = args.rows, columns = args.columns;
  const mm1_dtype dtype = args.output_gradient.dtype;
  check_matrix(&check, rows, columns);
  check_compute(&check, "output_gradient", args.output_gradient, rows, columns);
  check.operand("output", args.output, rows, columns, dtype);
  check_statistics(&check, "inverse_norm", args.inverse_norm, rows, 1, true);
  check.operand("input_gradient", args.input_gradient, rows, columns, dtype);
  check_least_norm(&check, args.epsilon);
  check_overlaps(&check, {{"input_gradient", &args.input_gradient, rows, columns}},
                 {{kOutputGradient, &args.output_gradient, rows, columns},
                  {"output", &args.output, rows, columns},
                  {"inverse_norm", &args.inverse_norm, rows, 1}});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(verb, &stream));
  if (rows == 0 || columns == 0) return MM1_STATUS_OK;

  NormBackward problem{};
  problem.output_gradient = row_operand(args.output_gradient, rows);
  problem.x = row_operand(args.output, rows);
  problem.inverse = row_operand(args.inverse_norm, rows);
  problem.input_gradient = row_operand(args.input_gradient, rows);
  problem.shape = norm_shape(rows, 1, columns, dtype, {&args.output_gradient, &args.output, &args.input_gradient});
  problem.epsilon = args.epsilon;
  problem.beta = args.beta;
  return run_backward(stream, verb, Norm::l2, dtype == MM1_DTYPE_FLOAT32, problem, mm1_operand{}, mm1_operand{}, 0, nullptr, Scratch{}, 0);
}
