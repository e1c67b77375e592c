// The verbs mm1_cross_entropy_forward and mm1_cross_entropy_backward: argument rules and launches.
#include "loss/loss_verb.h"

namespace mm1 {

namespace {

struct CrossEntropyForward {
  static constexpr const char* kName = "cross_entropy_forward";

  static void check_record(const mm1_cross_entropy_forward_args& args, Check* check) {
    check->extent("tokens", args.tokens);
    check->extent("vocabulary", args.vocabulary);
  }

  static void check_operands(const mm1_cross_entropy_forward_args& args, Check* check) {
    check_compute(check, "logits", args.logits, args.tokens, args.vocabulary);
    check->operand("targets", args.targets, 1, args.tokens, MM1_DTYPE_INT32);
    check->operand("loss", args.loss, 1, 1, MM1_DTYPE_FLOAT32);
    check->optional("token_losses", args.token_losses, 1, args.tokens, MM1_DTYPE_FLOAT32);
    check->optional("log_sum_exp", args.log_sum_exp, 1, args.tokens, MM1_DTYPE_FLOAT32);
    check_apart(check,
                {{"loss", &args.loss, 1, 1},
                 {"token_losses", &args.token_losses, 1, args.tokens},
                 {"log_sum_exp", &args.log_sum_exp, 1, args.tokens}},
                {{"logits", &args.logits, args.tokens, args.vocabulary}, {"targets", &args.targets, 1, args.tokens}});
  }

  struct Parts {
    float* losses;
    LossPartial* partials;
    int64_t bytes;

    Parts(const mm1_cross_entropy_forward_args& args, void* workspace) {
      WorkspaceParts parts(workspace);
      losses = parts.take<float>(args.tokens * 4);
      partials = parts.take<LossPartial>(loss_sum_bytes(args.tokens));
      bytes = parts.bytes();
    }
  };

  static mm1_status run(mm1_stream stream, const mm1_cross_entropy_forward_args& args, const Parts& parts) {
    CrossEntropyRows rows{};
    rows.logits = row_operand(args.logits, args.tokens);
    rows.targets = static_cast<const int32_t*>(args.targets.data);
    rows.losses = parts.losses;
    rows.token_losses = static_cast<float*>(args.token_losses.data);
    rows.log_sum_exp = static_cast<float*>(args.log_sum_exp.data);
    rows.rows = args.tokens;
    rows.columns = args.vocabulary;
    rows.ignore_index = args.ignore_index;
    rows.z_loss_weight = args.z_loss_weight;
    rows.is_float32 = is_float32(args.logits.dtype);
    rows.vector = has_packs(args.logits, args.tokens);
    MM1_RETURN_IF_FAILED(launch_cross_entropy_rows(kName, stream, rows));
    LossSum sum = loss_of(parts.losses, args.tokens, args.step_state, static_cast<float*>(args.loss.data), parts.partials);
    sum.targets = rows.targets;
    sum.ignore_index = args.ignore_index;
    return launch_loss_sum(kName, stream, sum);
  }
};

struct CrossEntropyBackward {
  static constexpr const char* kName = "cross_entropy_backward";

  static void check_record(const mm1_cross_entropy_backward_args& args, Check* check) {
    check->extent("tokens", args.tokens);
    check->extent("vocabulary", args.vocabulary);
  }

  static void check_operands(const mm1_cross_entropy_backward_args& args, Check* check) {
    check_compute(check, "logits", args.logits, args.tokens, args.vocabulary);
    check->operand("targets", args.targets, 1, args.tokens, MM1_DTYPE_INT32);
    check->operand("log_sum_exp", args.log_sum_exp, 1, args.tokens, MM1_DTYPE_FLOAT32);
    check->optional("loss_gradient", args.loss_gradient, 1, 1, MM1_DTYPE_FLOAT32);
    check->operand("logits_gradient", args.logits_gradient, args.tokens, args.vocabulary, args.logits.dtype);
    const LossOperand gradient{"logits_gradient", &args.logits_gradient, args.tokens, args.vocabulary};
    check->apart_or_same("logits_gradient", gradient.region(), "logits", {&args.logits, args.tokens, args.vocabulary, 1, 0});
    check_apart(check, {gradient},
                {{"targets", &args.targets, 1, args.tokens},
                 {"log_sum_exp", &args.log_sum_exp, 1, args.tokens},
                 {"loss_gradient", &args.loss_gradient, 1, 1}});
  }

  struct Parts {
    float* factor;
    LossPartial* partials;
    int64_t bytes;

    Parts(const mm1_cross_entropy_backward_args& args, void* workspace) {
      WorkspaceParts parts(workspace);
      factor = parts.take<float>(4);
      partials = parts.take<LossPartial>(loss_sum_bytes(args.tokens));
      bytes = parts.bytes();
    }
  };

  static mm1_status run(mm1_stream stream, const mm1_cross_entropy_backward_args& args, const Parts& parts) {
    if (args.tokens == 0 || args.vocabulary == 0) return MM1_STATUS_OK;
    LossSum sum = factor_of(args.loss_gradient, args.tokens, args.step_state, parts.factor, parts.partials);
    sum.targets = static_cast<const int32_t*>(args.targets.data);
    sum.ignore_index = args.ignore_index;
    MM1_RETURN_IF_FAILED(launch_loss_sum(kName, stream, sum));
    CrossEntropyGradient gradient{};
    gradient.logits = row_operand(args.logits, args.tokens);
    gradient.gradient = row_operand(args.logits_gradient, args.tokens);
    gradient.targets = sum.targets;
    gradient.log_sum_exp = static_cast<const float*>(args.log_sum_exp.data);
    gradient.factor = parts.factor;
    gradient.rows = args.tokens;
    gradient.columns = args.vocabulary;
    gradient.ignore_index = args.ignore_index;
    gradient.z_loss_weight = args.z_loss_weight;
    gradient.logits_are_float32 = is_float32(args.logits.dtype);
    gradient.gradient_is_float32 = gradient.logits_are_float32;
    gradient.vector_logits = has_packs(args.logits, args.tokens);
    gradient.vector_gradient = has_packs(args.logits_gradient, args.tokens);
    return launch_cross_entropy_gradient(kName, stream, gradient);
  }
};

}  // namespace

}  // namespace mm1

int64_t mm1_cross_entropy_forward_workspace_bytes(const mm1_cross_entropy_forward_args* args) {
  return mm1::loss_workspace_bytes<mm1::CrossEntropyForward>(args);
}

mm1_status mm1_cross_entropy_forward(mm1_stream stream, const mm1_cross_entropy_forward_args* args, void* workspace,
                                     int64_t workspace_bytes) {
  return mm1::loss_call<mm1::CrossEntropyForward>(stream, args, workspace, workspace_bytes);
}

int64_t mm1_cross_entropy_backward_workspace_bytes(const mm1_cross_entropy_backward_args* args) {
  return mm1::loss_workspace_bytes<mm1::CrossEntropyBackward>(args);
}

mm1_status mm1_cross_entropy_backward(mm1_stream stream, const mm1_cross_entropy_backward_args* args, void* workspace,
                                      int64_t workspace_bytes) {
  return mm1::loss_call<mm1::CrossEntropyBackward>(stream, args, workspace, workspace_bytes);
}
