// The verb mm1_gemm: argument rules, normalisation, dispatch.
#include "gemm/gemm.h"

#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kVerb = "gemm";

using Long = long long;

bool is_compute(mm1_dtype dtype) { return dtype == MM1_DTYPE_FLOAT32 || dtype == MM1_DTYPE_BFLOAT16; }

// The dtype of the compute operands: that of the first of them that has one. An empty operand (k = 0) may have none.
mm1_dtype compute_dtype(const mm1_gemm_args& args) {
  if (args.k > 0 || is_compute(args.a.dtype)) return args.a.dtype;
  return is_compute(args.b.dtype) ? args.b.dtype : args.output.dtype;
}

// Rules that no operand takes part in: what mm1_gemm_workspace_bytes looks at.
void check_record(const mm1_gemm_args& args, Check* check) {
  check->extent("m", args.m);
  check->extent("n", args.n);
  check->extent("k", args.k);
  check->extent("batch", args.batch);
  check->enumerator("transpose_a", args.transpose_a, MM1_TRANSPOSE_TRANSPOSED, "mm1_transpose");
  check->enumerator("transpose_b", args.transpose_b, MM1_TRANSPOSE_TRANSPOSED, "mm1_transpose");
  check->enumerator("activation", args.activation, MM1_ACTIVATION_TANH, "mm1_activation");
  check->enumerator("math_mode", args.math_mode, MM1_MATH_MODE_TF32, "mm1_math_mode");
  check->reserved("reserved", args.reserved);
  if (args.batch <= 1 || args.m == 0 || args.n == 0) return;
  const auto collides = [&](int64_t stride) { return stride > -args.n && stride < args.n; };
  check->that(args.batch_stride_output != 0, "batch_stride_output is 0 with batch above 1; the problems would write one output.");
  check->that(!collides(args.batch_stride_output),
              "batch_stride_output is %lld, less than the %lld columns of the output; problems would overlap.",
              static_cast<Long>(args.batch_stride_output), static_cast<Long>(args.n));
}

// Rules of memory that is written: it meets nothing that the contract does not permit.
void check_overlaps(const mm1_gemm_args& args, Check* check) {
  const bool turn_a = args.transpose_a != MM1_TRANSPOSE_NONE;
  const bool turn_b = args.transpose_b != MM1_TRANSPOSE_NONE;
  const Region a{&args.a, turn_a ? args.k : args.m, turn_a ? args.m : args.k, args.batch, args.batch_stride_a};
  const Region b{&args.b, turn_b ? args.n : args.k, turn_b ? args.k : args.n, args.batch, args.batch_stride_b};
  const Region output{&args.output, args.m, args.n, args.batch, args.batch_stride_output};
  const Region bias{&args.bias, 1, args.n, 1, 0};
  const Region residual{&args.residual, args.m, args.n, args.batch, args.batch_stride_residual};
  const Region pre_activation{&args.pre_activation, args.m, args.n, args.batch, args.batch_stride_pre_activation};
  check->apart("output", output, "a", a);
  check->apart("output", output, "b", b);
  check->apart("output", output, "bias", bias);
  check->apart_or_same("output", output, "residual", residual);
  if (args.activation == MM1_ACTIVATION_NONE) {
    check->apart_or_same("output", output, "pre_activation", pre_activation);
  } else {
    check->apart("output", output, "pre_activation", pre_activation);
  }
  if (args.activation_gradient != 0 || args.pre_activation.data == args.output.data) return;
  check->apart("pre_activation", pre_activation, "a", a);
  check->apart("pre_activation", pre_activation, "b", b);
  check->apart("pre_activation", pre_activation, "bias", bias);
  check->apart("pre_activation", pre_activation, "residual", residual);
}

GemmInput normalise_input(const mm1_operand& operand, int64_t rows, int64_t columns, int64_t batch, int64_t batch_stride, bool transposed) {
  const int64_t element = dtype_bytes(operand.dtype);
  GemmInput input{};
  input.data = static_cast<const char*>(operand.data);
  input.row_stride = rows > 1 ? operand.row_stride * element : 0;
  input.batch_stride = batch > 1 ? batch_stride * element : 0;
  input.transposed = transposed;
  // One row alone counts as if others followed at its stride (or, where it has none, at once): whether a kernel for aligned operands runs
  // must not depend on the number of rows.
  const int64_t stride = rows > 1 || operand.row_stride >= columns ? operand.row_stride : columns;
  input.is_aligned = rows == 0 || columns == 0 ||
                     (reinterpret_cast<uintptr_t>(operand.data) % 16 == 0 && stride * element % 16 == 0 && input.batch_stride % 16 == 0);
  return input;
}

EpilogueOperand normalise_epilogue_operand(const mm1_operand& operand, int64_t rows, int64_t batch, int64_t batch_stride) {
  EpilogueOperand result{};
  result.data = operand.data;
  result.row_stride = rows > 1 ? operand.row_stride : 0;
  result.batch_stride = batch > 1 ? batch_stride : 0;
  result.is_float32 = operand.dtype == MM1_DTYPE_FLOAT32;
  return result;
}

bool has_access(const EpilogueOperand& operand, int width) {
  const uintptr_t bytes = static_cast<uintptr_t>(width) * (operand.is_float32 ? 4 : 2);
  return operand.data == nullptr ||
         (reinterpret_cast<uintptr_t>(operand.data) % bytes == 0 && operand.row_stride % width == 0 && operand.batch_stride % width == 0);
}

mm1_status launch(mm1_stream stream, const GemmProblem& problem, const GemmPlan& plan) {
  switch (plan.kernel) {
    case GemmKernel::nothing:
      return MM1_STATUS_OK;
    case GemmKernel::float32:
      return launch_gemm_float32(stream, problem, plan);
    case GemmKernel::tf32_sm80:
      return launch_gemm_tf32_sm80(stream, problem, plan);
    case GemmKernel::bfloat16_sm80:
      return launch_gemm_bfloat16_sm80(stream, problem, plan);
    case GemmKernel::bfloat16_sm90:
      return launch_gemm_sm90(stream, problem, plan.sm90);
    default:
      return fail(MM1_STATUS_INTERNAL_ERROR, "%s: the plan names kernel %d, which this library does not have.", kVerb,
                  static_cast<int>(plan.kernel));
  }
}

}  // namespace

mm1_status check_gemm(const mm1_gemm_args& args) {
  Check check(kVerb);
  check_record(args, &check);
  if (!check.ok() || args.batch == 0 || args.m == 0 || args.n == 0) return check.status();
  const bool turn_a = args.transpose_a != MM1_TRANSPOSE_NONE;
  const bool turn_b = args.transpose_b != MM1_TRANSPOSE_NONE;
  const mm1_dtype dtype = compute_dtype(args);
  check.supported((dtype != MM1_DTYPE_FLOAT64 && dtype != MM1_DTYPE_FLOAT16) || !is_present(args.a),
                  "a has dtype %s; this device computes in bfloat16 and float32.", dtype_name(dtype));
  check.operand("a", args.a, turn_a ? args.k : args.m, turn_a ? args.m : args.k, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32);
  check.operand("b", args.b, turn_b ? args.n : args.k, turn_b ? args.k : args.n, dtype);
  check.operand("output", args.output, args.m, args.n, dtype, MM1_DTYPE_FLOAT32);
  check.optional("bias", args.bias, 1, args.n, dtype, MM1_DTYPE_FLOAT32);
  check.optional("residual", args.residual, args.m, args.n, args.output.dtype);
  if (args.activation_gradient != 0) {
    check.operand("pre_activation", args.pre_activation, args.m, args.n, dtype);
  } else {
    check.optional("pre_activation", args.pre_activation, args.m, args.n, dtype);
    check.that(args.batch == 1 || !is_present(args.pre_activation) || args.batch_stride_pre_activation != 0,
               "batch_stride_pre_activation is 0 with batch above 1; the problems would write one pre_activation.");
  }
  if (check.ok()) check_overlaps(args, &check);
  return check.status();
}

GemmProblem normalise_gemm(const mm1_gemm_args& args) {
  const bool turn_a = args.transpose_a != MM1_TRANSPOSE_NONE;
  const bool turn_b = args.transpose_b != MM1_TRANSPOSE_NONE;
  GemmProblem problem{};
  problem.m = args.m;
  problem.n = args.n;
  problem.k = args.k;
  problem.batch = args.batch;
  problem.is_float32 = compute_dtype(args) == MM1_DTYPE_FLOAT32;
  problem.tf32 = problem.is_float32 && args.math_mode == MM1_MATH_MODE_TF32;
  problem.a = normalise_input(args.a, turn_a ? args.k : args.m, turn_a ? args.m : args.k, args.batch, args.batch_stride_a, turn_a);
  problem.b = normalise_input(args.b, turn_b ? args.n : args.k, turn_b ? args.k : args.n, args.batch, args.batch_stride_b, turn_b);

  Epilogue& epilogue = problem.epilogue;
  epilogue.output = normalise_epilogue_operand(args.output, args.m, args.batch, args.batch_stride_output);
  epilogue.bias = normalise_epilogue_operand(args.bias, 1, 1, 0);
  epilogue.residual = normalise_epilogue_operand(args.residual, args.m, args.batch, args.batch_stride_residual);
  epilogue.pre_activation = normalise_epilogue_operand(args.pre_activation, args.m, args.batch, args.batch_stride_pre_activation);
  epilogue.columns = args.n;
  epilogue.alpha = args.alpha;
  epilogue.beta = args.beta;
  epilogue.activation = args.activation;
  epilogue.gradient = args.activation_gradient != 0;
  if (args.activation == MM1_ACTIVATION_NONE) {
    // The derivative is 1. And t that is to be stored where the output goes is overwritten by it.
    if (epilogue.gradient || args.pre_activation.data == args.output.data) epilogue.pre_activation.data = nullptr;
    epilogue.gradient = 0;
  }
  for (epilogue.access = 4; epilogue.access > 1; epilogue.access /= 2) {
    const int width = epilogue.access;
    if (has_access(epilogue.output, width) && has_access(epilogue.bias, width) && has_access(epilogue.residual, width) &&
        has_access(epilogue.pre_activation, width)) {
      break;
    }
  }
  return problem;
}

}  // namespace mm1

int64_t mm1_gemm_workspace_bytes(const mm1_gemm_args* given) {
  mm1_gemm_args args;
  if (mm1::read_args(mm1::kVerb, given, &args) != MM1_STATUS_OK) return -1;
  mm1::Check check(mm1::kVerb);
  mm1::check_record(args, &check);
  return check.ok() ? 0 : -1;  // Sums live in registers from the first k to the last.
}

mm1_status mm1_gemm(mm1_stream stream, const mm1_gemm_args* given, void* /*workspace*/, int64_t /*workspace_bytes*/) {
  mm1_gemm_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kVerb, given, &args));
  MM1_RETURN_IF_FAILED(mm1::check_gemm(args));
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kVerb, &stream));
  const mm1::GemmProblem problem = mm1::normalise_gemm(args);
  return mm1::launch(stream, problem, mm1::plan_gemm(problem, mm1::current_profile(), mm1::gemm_choice()));
}
