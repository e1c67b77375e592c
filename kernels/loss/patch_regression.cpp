// The verbs mm1_patch_regression_forward and mm1_patch_regression_backward: argument rules and launches.
#include "loss/loss_verb.h"

namespace mm1 {

namespace {

template <class Args>
void check_inputs(const Args& args, Check* check) {
  check_compute(check, "prediction", args.prediction, args.patches, args.columns);
  check->operand("target", args.target, args.patches, args.columns, args.prediction.dtype, MM1_DTYPE_FLOAT32);
  check->optional("mask", args.mask, 1, args.patches, MM1_DTYPE_UINT8);
}

template <class Args>
PatchRows patch_rows(const Args& args) {
  PatchRows rows{};
  rows.prediction = row_operand(args.prediction, args.patches);
  rows.target = row_operand(args.target, args.patches);
  rows.mask = static_cast<const uint8_t*>(args.mask.data);
  rows.rows = args.patches;
  rows.columns = args.columns;
  rows.epsilon = args.epsilon;
  rows.normalize = args.normalize_target != 0;
  rows.prediction_is_float32 = is_float32(args.prediction.dtype);
  rows.target_is_float32 = is_float32(args.target.dtype);
  rows.vector_prediction = has_packs(args.prediction, args.patches);
  rows.vector_target = has_packs(args.target, args.patches);
  return rows;
}

struct PatchRegressionForward {
  static constexpr const char* kName = "patch_regression_forward";

  static void check_record(const mm1_patch_regression_forward_args& args, Check* check) {
    check->extent("patches", args.patches);
    check->extent("columns", args.columns);
  }

  static void check_operands(const mm1_patch_regression_forward_args& args, Check* check) {
    check_inputs(args, check);
    check->operand("loss", args.loss, 1, 1, MM1_DTYPE_FLOAT32);
    check_apart(check, {{"loss", &args.loss, 1, 1}},
                {{"prediction", &args.prediction, args.patches, args.columns},
                 {"target", &args.target, args.patches, args.columns},
                 {"mask", &args.mask, 1, args.patches}});
  }

  struct Parts {
    float* losses;
    LossPartial* partials;
    int64_t bytes;

    Parts(const mm1_patch_regression_forward_args& args, void* workspace) {
      WorkspaceParts parts(workspace);
      losses = parts.take<float>(args.patches * 4);
      partials = parts.take<LossPartial>(loss_sum_bytes(args.patches));
      bytes = parts.bytes();
    }
  };

  static mm1_status run(mm1_stream stream, const mm1_patch_regression_forward_args& args, const Parts& parts) {
    PatchRows rows = patch_rows(args);
    rows.losses = parts.losses;
    MM1_RETURN_IF_FAILED(launch_patch_losses(kName, stream, rows));
    LossSum sum = loss_of(parts.losses, args.patches, args.step_state, static_cast<float*>(args.loss.data), parts.partials);
    sum.mask = rows.mask;
    return launch_loss_sum(kName, stream, sum);
  }
};

struct PatchRegressionBackward {
  static constexpr const char* kName = "patch_regression_backward";

  static void check_record(const mm1_patch_regression_backward_args& args, Check* check) {
    check->extent("patches", args.patches);
    check->extent("columns", args.columns);
  }

  static void check_operands(const mm1_patch_regression_backward_args& args, Check* check) {
    check_inputs(args, check);
    check->optional("loss_gradient", args.loss_gradient, 1, 1, MM1_DTYPE_FLOAT32);
    check->operand("prediction_gradient", args.prediction_gradient, args.patches, args.columns, args.prediction.dtype);
    check_apart(check, {{"prediction_gradient", &args.prediction_gradient, args.patches, args.columns}},
                {{"prediction", &args.prediction, args.patches, args.columns},
                 {"target", &args.target, args.patches, args.columns},
                 {"mask", &args.mask, 1, args.patches},
                 {"loss_gradient", &args.loss_gradient, 1, 1}});
  }

  struct Parts {
    float* factor;
    LossPartial* partials;
    int64_t bytes;

    Parts(const mm1_patch_regression_backward_args& args, void* workspace) {
      WorkspaceParts parts(workspace);
      factor = parts.take<float>(4);
      partials = parts.take<LossPartial>(loss_sum_bytes(args.patches));
      bytes = parts.bytes();
    }
  };

  static mm1_status run(mm1_stream stream, const mm1_patch_regression_backward_args& args, const Parts& parts) {
    if (args.patches == 0 || args.columns == 0) return MM1_STATUS_OK;
    PatchRows rows = patch_rows(args);
    rows.gradient = row_operand(args.prediction_gradient, args.patches);
    rows.vector_gradient = has_packs(args.prediction_gradient, args.patches);
    rows.factor = parts.factor;
    LossSum sum = factor_of(args.loss_gradient, args.patches, args.step_state, parts.factor, parts.partials);
    sum.mask = rows.mask;
    sum.scale = 2.0 / static_cast<double>(args.columns);
    MM1_RETURN_IF_FAILED(launch_loss_sum(kName, stream, sum));
    return launch_patch_gradient(kName, stream, rows);
  }
};

}  // namespace

}  // namespace mm1

int64_t mm1_patch_regression_forward_workspace_bytes(const mm1_patch_regression_forward_args* args) {
  return mm1::loss_workspace_bytes<mm1::PatchRegressionForward>(args);
}

mm1_status mm1_patch_regression_forward(mm1_stream stream, const mm1_patch_regression_forward_args* args, void* workspace,
                                        int64_t workspace_bytes) {
  return mm1::loss_call<mm1::PatchRegressionForward>(stream, args, workspace, workspace_bytes);
}

int64_t mm1_patch_regression_backward_workspace_bytes(const mm1_patch_regression_backward_args* args) {
  return mm1::loss_workspace_bytes<mm1::PatchRegressionBackward>(args);
}

mm1_status mm1_patch_regression_backward(mm1_stream stream, const mm1_patch_regression_backward_args* args, void* workspace,
                                         int64_t workspace_bytes) {
  return mm1::loss_call<mm1::PatchRegressionBackward>(stream, args, workspace, workspace_bytes);
}
