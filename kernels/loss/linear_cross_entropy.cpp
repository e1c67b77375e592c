// The verbs mm1_linear_cross_entropy_forward and mm1_linear_cross_entropy_backward: argument rules, and the order of the launches.
//
// Chunks of a constant number of tokens go through the workspace, one after the other on the stream:
//   forward    logits = x weight^T (float32); cross_entropy_rows
//   backward   logits again; their gradient, in place for float32, as bfloat16 beside them else; input_gradient = gradient weight;
//              weight_gradient += gradient^T x, float32, where x of tokens that do not count is taken as zero whatever it holds
// A token's log-sum-exp and input gradient are rows of products: their bits depend neither on the chunk nor on its other tokens. Which
// tokens count is known on the device only, so those that do not are multiplied too; the CPU leaves them out.
#include "loss/loss_verb.h"

namespace mm1 {

namespace {

template <class Args>
int64_t chunk_tokens_of(const Args& args) {
  const int64_t chunk = args.chunk_tokens == 0 ? kLinearChunkTokens : args.chunk_tokens;
  return chunk < args.tokens ? chunk : args.tokens;
}

// What x and weight are made of, where one of them may be empty.
template <class Args>
mm1_dtype compute_dtype_of(const Args& args) {
  if (args.width == 0) return MM1_DTYPE_FLOAT32;
  return args.tokens > 0 ? args.x.dtype : args.weight.dtype;
}

template <class Args>
void check_linear_record(const Args& args, Check* check) {
  check->extent("tokens", args.tokens);
  check->extent("width", args.width);
  check->extent("vocabulary", args.vocabulary);
  check->extent("chunk_tokens", args.chunk_tokens);
}

template <class Args>
void check_inputs(const Args& args, Check* check) {
  check_compute(check, "x", args.x, args.tokens, args.width);
  if (args.tokens > 0) {
    check->operand("weight", args.weight, args.vocabulary, args.width, args.x.dtype);
  } else {
    check_compute(check, "weight", args.weight, args.vocabulary, args.width);
  }
  check->operand("targets", args.targets, 1, args.tokens, MM1_DTYPE_INT32);
}

// logits = x weight^T of the tokens from `first` on.
template <class Args>
mm1_status make_logits(mm1_stream stream, const Args& args, int64_t first, int64_t tokens, const mm1_operand& logits) {
  mm1_gemm_args product = mm1_gemm_args_default();
  product.transpose_b = MM1_TRANSPOSE_TRANSPOSED;
  product.m = tokens;
  product.n = args.vocabulary;
  product.k = args.width;
  product.a = rows_from(args.x, first);
  product.b = args.weight;
  product.output = logits;
  return mm1_gemm(stream, &product, nullptr, 0);
}

struct LinearCrossEntropyForward {
  static constexpr const char* kName = "linear_cross_entropy_forward";

  static void check_record(const mm1_linear_cross_entropy_forward_args& args, Check* check) { check_linear_record(args, check); }

  static void check_operands(const mm1_linear_cross_entropy_forward_args& args, Check* check) {
    check_inputs(args, check);
    check->operand("loss", args.loss, 1, 1, MM1_DTYPE_FLOAT32);
    check->optional("token_losses", args.token_losses, 1, args.tokens, MM1_DTYPE_FLOAT32);
    check->operand("log_sum_exp", args.log_sum_exp, 1, args.tokens, MM1_DTYPE_FLOAT32);
    check_apart(check,
                {{"loss", &args.loss, 1, 1},
                 {"token_losses", &args.token_losses, 1, args.tokens},
                 {"log_sum_exp", &args.log_sum_exp, 1, args.tokens}},
                {{"x", &args.x, args.tokens, args.width},
                 {"weight", &args.weight, args.vocabulary, args.width},
                 {"targets", &args.targets, 1, args.tokens}});
  }

  struct Parts {
    float* logits;
    float* losses;
    LossPartial* partials;
    int64_t bytes;

    Parts(const mm1_linear_cross_entropy_forward_args& args, void* workspace) {
      WorkspaceParts parts(workspace);
      logits = parts.take<float>(chunk_tokens_of(args) * workspace_stride(args.vocabulary, MM1_DTYPE_FLOAT32) * 4);
      losses = parts.take<float>(args.tokens * 4);
      partials = parts.take<LossPartial>(loss_sum_bytes(args.tokens));
      bytes = parts.bytes();
    }
  };

  static mm1_status run(mm1_stream stream, const mm1_linear_cross_entropy_forward_args& args, const Parts& parts) {
    const mm1_operand logits = matrix(parts.logits, MM1_DTYPE_FLOAT32, workspace_stride(args.vocabulary, MM1_DTYPE_FLOAT32));
    const int64_t chunk = chunk_tokens_of(args);
    for (int64_t first = 0; first < args.tokens; first += chunk) {
      CrossEntropyRows rows{};
      rows.rows = chunk < args.tokens - first ? chunk : args.tokens - first;
      MM1_RETURN_IF_FAILED(make_logits(stream, args, first, rows.rows, logits));
      rows.logits = row_operand(logits, rows.rows);
      rows.targets = static_cast<const int32_t*>(args.targets.data) + first;
      rows.losses = parts.losses + first;
      if (is_present(args.token_losses)) rows.token_losses = static_cast<float*>(args.token_losses.data) + first;
      rows.log_sum_exp = static_cast<float*>(args.log_sum_exp.data) + first;
      rows.columns = args.vocabulary;
      rows.ignore_index = args.ignore_index;
      rows.z_loss_weight = args.z_loss_weight;
      rows.is_float32 = 1;
      rows.vector = 1;
      MM1_RETURN_IF_FAILED(launch_cross_entropy_rows(kName, stream, rows));
    }
    LossSum sum = loss_of(parts.losses, args.tokens, args.step_state, static_cast<float*>(args.loss.data), parts.partials);
    sum.targets = static_cast<const int32_t*>(args.targets.data);
    sum.ignore_index = args.ignore_index;
    return launch_loss_sum(kName, stream, sum);
  }
};

struct LinearCrossEntropyBackward {
  static constexpr const char* kName = "linear_cross_entropy_backward";

  static void check_record(const mm1_linear_cross_entropy_backward_args& args, Check* check) { check_linear_record(args, check); }

  static void check_operands(const mm1_linear_cross_entropy_backward_args& args, Check* check) {
    check_inputs(args, check);
    check->operand("log_sum_exp", args.log_sum_exp, 1, args.tokens, MM1_DTYPE_FLOAT32);
    check->optional("loss_gradient", args.loss_gradient, 1, 1, MM1_DTYPE_FLOAT32);
    check->optional("input_gradient", args.input_gradient, args.tokens, args.width, args.x.dtype);
    check->optional("weight_gradient", args.weight_gradient, args.vocabulary, args.width, MM1_DTYPE_FLOAT32);
    check_apart(check,
                {{"input_gradient", &args.input_gradient, args.tokens, args.width},
                 {"weight_gradient", &args.weight_gradient, args.vocabulary, args.width}},
                {{"x", &args.x, args.tokens, args.width},
                 {"weight", &args.weight, args.vocabulary, args.width},
                 {"targets", &args.targets, 1, args.tokens},
                 {"log_sum_exp", &args.log_sum_exp, 1, args.tokens},
                 {"loss_gradient", &args.loss_gradient, 1, 1}});
  }

  // The dtype of x is not known to a workspace query without x: then room for bfloat16 is left.
  struct Parts {
    float* logits;
    char* gradient;   // bfloat16.
    char* counted_x;
    float* factor;
    LossPartial* partials;
    int64_t bytes;

    Parts(const mm1_linear_cross_entropy_backward_args& args, void* workspace) {
      const int64_t chunk = chunk_tokens_of(args);
      const bool with_bfloat16 = args.x.dtype != MM1_DTYPE_FLOAT32;
      WorkspaceParts parts(workspace);
      logits = parts.take<float>(chunk * workspace_stride(args.vocabulary, MM1_DTYPE_FLOAT32) * 4);
      gradient = parts.take<char>(with_bfloat16 ? chunk * workspace_stride(args.vocabulary, MM1_DTYPE_BFLOAT16) * 2 : 0);
      counted_x = parts.take<char>(chunk * workspace_stride(args.width, MM1_DTYPE_FLOAT32) * 4);
      factor = parts.take<float>(4);
      partials = parts.take<LossPartial>(loss_sum_bytes(args.tokens));
      bytes = parts.bytes();
    }
  };

  static mm1_status run(mm1_stream stream, const mm1_linear_cross_entropy_backward_args& args, const Parts& parts) {
    if (!is_present(args.input_gradient) && !is_present(args.weight_gradient)) return MM1_STATUS_OK;
    LossSum sum = factor_of(args.loss_gradient, args.tokens, args.step_state, parts.factor, parts.partials);
    sum.targets = static_cast<const int32_t*>(args.targets.data);
    sum.ignore_index = args.ignore_index;
    MM1_RETURN_IF_FAILED(launch_loss_sum(kName, stream, sum));
    const mm1_dtype dtype = compute_dtype_of(args);
    const mm1_operand logits = matrix(parts.logits, MM1_DTYPE_FLOAT32, workspace_stride(args.vocabulary, MM1_DTYPE_FLOAT32));
    const mm1_operand gradient =
        is_float32(dtype) ? logits : matrix(parts.gradient, dtype, workspace_stride(args.vocabulary, dtype));
    const int64_t chunk = chunk_tokens_of(args);
    float beta_weight = args.beta_weight;
    int64_t first = 0;
    do {  // Once even for no tokens: the weight gradient then is beta_weight times the old one.
      const int64_t tokens = chunk < args.tokens - first ? chunk : args.tokens - first;
      MM1_RETURN_IF_FAILED(make_logits(stream, args, first, tokens, logits));
      MM1_RETURN_IF_FAILED(make_gradient(stream, args, parts, first, tokens, logits, gradient));
      if (is_present(args.input_gradient)) MM1_RETURN_IF_FAILED(add_input_gradient(stream, args, first, tokens, gradient));
      if (is_present(args.weight_gradient)) {
        MM1_RETURN_IF_FAILED(add_weight_gradient(stream, args, parts, first, tokens, gradient, dtype, beta_weight));
        beta_weight = 1.0f;
      }
      first += tokens;
    } while (first < args.tokens);
    return MM1_STATUS_OK;
  }

  static mm1_status make_gradient(mm1_stream stream, const mm1_linear_cross_entropy_backward_args& args, const Parts& parts, int64_t first,
                                  int64_t tokens, const mm1_operand& logits, const mm1_operand& gradient) {
    if (args.vocabulary == 0) return MM1_STATUS_OK;
    CrossEntropyGradient rows{};
    rows.logits = row_operand(logits, tokens);
    rows.gradient = row_operand(gradient, tokens);
    rows.targets = static_cast<const int32_t*>(args.targets.data) + first;
    rows.log_sum_exp = static_cast<const float*>(args.log_sum_exp.data) + first;
    rows.factor = parts.factor;
    rows.rows = tokens;
    rows.columns = args.vocabulary;
    rows.ignore_index = args.ignore_index;
    rows.z_loss_weight = args.z_loss_weight;
    rows.logits_are_float32 = 1;
    rows.gradient_is_float32 = is_float32(gradient.dtype);
    rows.vector_logits = 1;
    rows.vector_gradient = 1;
    return launch_cross_entropy_gradient(kName, stream, rows);
  }

  // input_gradient = gradient weight + beta_input input_gradient.
  static mm1_status add_input_gradient(mm1_stream stream, const mm1_linear_cross_entropy_backward_args& args, int64_t first, int64_t tokens,
                                       const mm1_operand& gradient) {
    mm1_gemm_args product = mm1_gemm_args_default();
    product.m = tokens;
    product.n = args.width;
    product.k = args.vocabulary;
    product.a = gradient;
    product.b = args.weight;
    product.output = rows_from(args.input_gradient, first);
    product.beta = args.beta_input;
    return mm1_gemm(stream, &product, nullptr, 0);
  }

  // weight_gradient = gradient^T x + beta weight_gradient.
  static mm1_status add_weight_gradient(mm1_stream stream, const mm1_linear_cross_entropy_backward_args& args, const Parts& parts,
                                        int64_t first, int64_t tokens, const mm1_operand& gradient, mm1_dtype dtype, float beta) {
    const mm1_operand counted_x = matrix(parts.counted_x, dtype, workspace_stride(args.width, dtype));
    const mm1_operand x = rows_from(args.x, first);
    CountedRows rows{};
    rows.from = row_operand(x, tokens);
    rows.to = row_operand(counted_x, tokens);
    rows.targets = static_cast<const int32_t*>(args.targets.data) + first;
    rows.ignore_index = args.ignore_index;
    rows.from_float32 = rows.to_float32 = is_float32(dtype);
    rows.vector_from = has_packs(x, tokens);
    rows.vector_to = 1;
    MM1_RETURN_IF_FAILED(launch_counted_rows(kName, stream, rows, tokens, args.width));
    mm1_gemm_args product = mm1_gemm_args_default();
    product.transpose_a = MM1_TRANSPOSE_TRANSPOSED;
    product.m = args.vocabulary;
    product.n = args.width;
    product.k = tokens;
    product.a = gradient;
    product.b = counted_x;
    product.output = args.weight_gradient;
    product.beta = beta;
    return mm1_gemm(stream, &product, nullptr, 0);
  }
};

}  // namespace

}  // namespace mm1

int64_t mm1_linear_cross_entropy_forward_workspace_bytes(const mm1_linear_cross_entropy_forward_args* args) {
  return mm1::loss_workspace_bytes<mm1::LinearCrossEntropyForward>(args);
}

mm1_status mm1_linear_cross_entropy_forward(mm1_stream stream, const mm1_linear_cross_entropy_forward_args* args, void* workspace,
                                            int64_t workspace_bytes) {
  return mm1::loss_call<mm1::LinearCrossEntropyForward>(stream, args, workspace, workspace_bytes);
}

int64_t mm1_linear_cross_entropy_backward_workspace_bytes(const mm1_linear_cross_entropy_backward_args* args) {
  return mm1::loss_workspace_bytes<mm1::LinearCrossEntropyBackward>(args);
}

mm1_status mm1_linear_cross_entropy_backward(mm1_stream stream, const mm1_linear_cross_entropy_backward_args* args, void* workspace,
                                             int64_t workspace_bytes) {
  return mm1::loss_call<mm1::LinearCrossEntropyBackward>(stream, args, workspace, workspace_bytes);
}
