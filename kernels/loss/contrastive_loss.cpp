// The verbs mm1_contrastive_loss_forward and mm1_contrastive_loss_backward: argument rules, and the order of the launches.
//
// Logits exist for a block of image rows at a time, unscaled, as the scale is known on the device only.
//   forward    raw = image text^T; log-sum-exp and loss of each image row; running softmax of each text row's column. At last
//              the columns' losses
//   backward   raw again; d raw, in place for float32, as bfloat16 beside it else; image_gradient = d raw text;
//              text_gradient += d raw^T image, summed over blocks in float32
#include "loss/loss_verb.h"

namespace mm1 {

namespace {

template <class Args>
int64_t block_rows_of(const Args& args) {
  return kContrastiveBlockRows < args.pairs ? kContrastiveBlockRows : args.pairs;
}

template <class Args>
void check_contrastive_record(const Args& args, Check* check) {
  check->extent("pairs", args.pairs);
  check->extent("width", args.width);
  check->that(args.max_scale > 0.0f, "max_scale is %g; it must be positive.", static_cast<double>(args.max_scale));
}

template <class Args>
void check_inputs(const Args& args, Check* check) {
  check_compute(check, "image", args.image, args.pairs, args.width);
  check->operand("text", args.text, args.pairs, args.width, args.image.dtype);
  check->operand("log_scale", args.log_scale, 1, 1, MM1_DTYPE_FLOAT32);
}

template <class Args>
mm1_operand logits_of(const Args& args, float* logits) {
  return matrix(logits, MM1_DTYPE_FLOAT32, workspace_stride(args.pairs, MM1_DTYPE_FLOAT32));
}

// raw = image text^T of the image rows from `first` on.
template <class Args>
mm1_status make_logits(mm1_stream stream, const Args& args, int64_t first, int64_t rows, const mm1_operand& logits) {
  mm1_gemm_args product = mm1_gemm_args_default();
  product.transpose_b = MM1_TRANSPOSE_TRANSPOSED;
  product.m = rows;
  product.n = args.pairs;
  product.k = args.width;
  product.a = rows_from(args.image, first);
  product.b = args.text;
  product.output = logits;
  return mm1_gemm(stream, &product, nullptr, 0);
}

struct ContrastiveLossForward {
  static constexpr const char* kName = "contrastive_loss_forward";

  static void check_record(const mm1_contrastive_loss_forward_args& args, Check* check) {
    check_contrastive_record(args, check);
    check->reserved("reserved", args.reserved);
  }

  static void check_operands(const mm1_contrastive_loss_forward_args& args, Check* check) {
    check_inputs(args, check);
    check->operand("loss", args.loss, 1, 1, MM1_DTYPE_FLOAT32);
    check->operand("log_sum_exp_rows", args.log_sum_exp_rows, 1, args.pairs, MM1_DTYPE_FLOAT32);
    check->operand("log_sum_exp_columns", args.log_sum_exp_columns, 1, args.pairs, MM1_DTYPE_FLOAT32);
    check_apart(check,
                {{"loss", &args.loss, 1, 1},
                 {"log_sum_exp_rows", &args.log_sum_exp_rows, 1, args.pairs},
                 {"log_sum_exp_columns", &args.log_sum_exp_columns, 1, args.pairs}},
                {{"image", &args.image, args.pairs, args.width},
                 {"text", &args.text, args.pairs, args.width},
                 {"log_scale", &args.log_scale, 1, 1}});
  }

  struct Parts {
    float* logits;
    float* maximum;
    float* sum;
    float* diagonal;
    float* losses;
    ContrastiveScalars* scalars;
    LossPartial* partials;
    int64_t bytes;

    Parts(const mm1_contrastive_loss_forward_args& args, void* workspace) {
      WorkspaceParts parts(workspace);
      logits = parts.take<float>(block_rows_of(args) * workspace_stride(args.pairs, MM1_DTYPE_FLOAT32) * 4);
      maximum = parts.take<float>(args.pairs * 4);
      sum = parts.take<float>(args.pairs * 4);
      diagonal = parts.take<float>(args.pairs * 4);
      losses = parts.take<float>(args.pairs * 4);
      scalars = parts.take<ContrastiveScalars>(sizeof(ContrastiveScalars));
      partials = parts.take<LossPartial>(loss_sum_bytes(args.pairs));
      bytes = parts.bytes();
    }
  };

  static mm1_status run(mm1_stream stream, const mm1_contrastive_loss_forward_args& args, const Parts& parts) {
    const float* const log_scale = static_cast<const float*>(args.log_scale.data);
    MM1_RETURN_IF_FAILED(launch_contrastive_scalars(kName, stream, log_scale, nullptr, args.pairs, args.max_scale, parts.scalars));
    const mm1_operand logits = logits_of(args, parts.logits);
    for (int64_t first = 0; first < args.pairs; first += kContrastiveBlockRows) {
      CrossEntropyRows rows{};
      rows.rows = kContrastiveBlockRows < args.pairs - first ? kContrastiveBlockRows : args.pairs - first;
      MM1_RETURN_IF_FAILED(make_logits(stream, args, first, rows.rows, logits));
      rows.logits = row_operand(logits, rows.rows);
      rows.scale = &parts.scalars->scale;
      rows.token_losses = parts.losses + first;
      rows.log_sum_exp = static_cast<float*>(args.log_sum_exp_rows.data) + first;
      rows.target_logits = parts.diagonal + first;
      rows.columns = args.pairs;
      rows.first_target = first;
      rows.is_float32 = 1;
      rows.vector = 1;
      MM1_RETURN_IF_FAILED(launch_cross_entropy_rows(kName, stream, rows));
      ContrastiveColumns columns{};
      columns.logits = parts.logits;
      columns.scale = &parts.scalars->scale;
      columns.maximum = parts.maximum;
      columns.sum = parts.sum;
      columns.row_stride = logits.row_stride;
      columns.rows = rows.rows;
      columns.columns = args.pairs;
      columns.is_first = first == 0;
      MM1_RETURN_IF_FAILED(launch_contrastive_columns(kName, stream, columns));
    }
    ContrastiveFinish finish{};
    finish.maximum = parts.maximum;
    finish.sum = parts.sum;
    finish.diagonal = parts.diagonal;
    finish.losses = parts.losses;
    finish.log_sum_exp_columns = static_cast<float*>(args.log_sum_exp_columns.data);
    finish.pairs = args.pairs;
    MM1_RETURN_IF_FAILED(launch_contrastive_finish(kName, stream, finish));
    LossSum sum = loss_of(parts.losses, args.pairs, nullptr, static_cast<float*>(args.loss.data), parts.partials);
    sum.scale = 0.5;
    return launch_loss_sum(kName, stream, sum);
  }
};

struct ContrastiveLossBackward {
  static constexpr const char* kName = "contrastive_loss_backward";

  static void check_record(const mm1_contrastive_loss_backward_args& args, Check* check) { check_contrastive_record(args, check); }

  static void check_operands(const mm1_contrastive_loss_backward_args& args, Check* check) {
    check_inputs(args, check);
    check->operand("log_sum_exp_rows", args.log_sum_exp_rows, 1, args.pairs, MM1_DTYPE_FLOAT32);
    check->operand("log_sum_exp_columns", args.log_sum_exp_columns, 1, args.pairs, MM1_DTYPE_FLOAT32);
    check->optional("loss_gradient", args.loss_gradient, 1, 1, MM1_DTYPE_FLOAT32);
    check->optional("image_gradient", args.image_gradient, args.pairs, args.width, args.image.dtype);
    check->optional("text_gradient", args.text_gradient, args.pairs, args.width, args.image.dtype);
    check->optional("log_scale_gradient", args.log_scale_gradient, 1, 1, MM1_DTYPE_FLOAT32);
    check_apart(check,
                {{"image_gradient", &args.image_gradient, args.pairs, args.width},
                 {"text_gradient", &args.text_gradient, args.pairs, args.width},
                 {"log_scale_gradient", &args.log_scale_gradient, 1, 1}},
                {{"image", &args.image, args.pairs, args.width},
                 {"text", &args.text, args.pairs, args.width},
                 {"log_scale", &args.log_scale, 1, 1},
                 {"log_sum_exp_rows", &args.log_sum_exp_rows, 1, args.pairs},
                 {"log_sum_exp_columns", &args.log_sum_exp_columns, 1, args.pairs},
                 {"loss_gradient", &args.loss_gradient, 1, 1}});
  }

  // The dtype of the image rows is not known to a workspace query without them: then room for bfloat16 is left.
  struct Parts {
    float* logits;
    char* gradient;   // bfloat16.
    float* text_sum;  // Where the text gradient is bfloat16 and there are several blocks.
    float* scale_gradients;
    ContrastiveScalars* scalars;
    LossPartial* partials;
    int64_t bytes;

    Parts(const mm1_contrastive_loss_backward_args& args, void* workspace) {
      const int64_t rows = block_rows_of(args);
      const bool with_bfloat16 = args.image.dtype != MM1_DTYPE_FLOAT32;
      const bool with_sum = with_bfloat16 && args.pairs > kContrastiveBlockRows;
      WorkspaceParts parts(workspace);
      logits = parts.take<float>(rows * workspace_stride(args.pairs, MM1_DTYPE_FLOAT32) * 4);
      gradient = parts.take<char>(with_bfloat16 ? rows * workspace_stride(args.pairs, MM1_DTYPE_BFLOAT16) * 2 : 0);
      text_sum = parts.take<float>(with_sum ? args.pairs * workspace_stride(args.width, MM1_DTYPE_FLOAT32) * 4 : 0);
      scale_gradients = parts.take<float>(args.pairs * 4);
      scalars = parts.take<ContrastiveScalars>(sizeof(ContrastiveScalars));
      partials = parts.take<LossPartial>(loss_sum_bytes(args.pairs));
      bytes = parts.bytes();
    }
  };

  static mm1_status run(mm1_stream stream, const mm1_contrastive_loss_backward_args& args, const Parts& parts) {
    MM1_RETURN_IF_FAILED(launch_contrastive_scalars(kName, stream, static_cast<const float*>(args.log_scale.data),
                                                    static_cast<const float*>(args.loss_gradient.data), args.pairs, args.max_scale,
                                                    parts.scalars));
    const mm1_dtype dtype = args.width > 0 ? args.image.dtype : MM1_DTYPE_FLOAT32;
    const mm1_operand logits = logits_of(args, parts.logits);
    const mm1_operand gradient = is_float32(dtype) ? logits : matrix(parts.gradient, dtype, workspace_stride(args.pairs, dtype));
    const bool sums_apart = !is_float32(dtype) && args.pairs > kContrastiveBlockRows;
    const mm1_operand text_gradient =
        sums_apart ? matrix(parts.text_sum, MM1_DTYPE_FLOAT32, workspace_stride(args.width, MM1_DTYPE_FLOAT32)) : args.text_gradient;
    for (int64_t first = 0; first < args.pairs; first += kContrastiveBlockRows) {
      const int64_t rows = kContrastiveBlockRows < args.pairs - first ? kContrastiveBlockRows : args.pairs - first;
      MM1_RETURN_IF_FAILED(make_logits(stream, args, first, rows, logits));
      MM1_RETURN_IF_FAILED(make_gradient(stream, args, parts, first, rows, logits, gradient));
      if (is_present(args.image_gradient)) {
        mm1_gemm_args product = mm1_gemm_args_default();
        product.m = rows;
        product.n = args.width;
        product.k = args.pairs;
        product.a = gradient;
        product.b = args.text;
        product.output = rows_from(args.image_gradient, first);
        MM1_RETURN_IF_FAILED(mm1_gemm(stream, &product, nullptr, 0));
      }
      if (is_present(args.text_gradient)) {
        mm1_gemm_args product = mm1_gemm_args_default();
        product.transpose_a = MM1_TRANSPOSE_TRANSPOSED;
        product.m = args.pairs;
        product.n = args.width;
        product.k = rows;
        product.a = gradient;
        product.b = rows_from(args.image, first);
        product.output = text_gradient;
        product.beta = first == 0 ? 0.0f : 1.0f;
        MM1_RETURN_IF_FAILED(mm1_gemm(stream, &product, nullptr, 0));
      }
    }
    if (is_present(args.text_gradient) && sums_apart) MM1_RETURN_IF_FAILED(round_text_gradient(stream, args, text_gradient));
    if (!is_present(args.log_scale_gradient)) return MM1_STATUS_OK;
    LossSum sum = loss_of(parts.scale_gradients, args.pairs, nullptr, static_cast<float*>(args.log_scale_gradient.data), parts.partials);
    sum.factor = &parts.scalars->unclamped;
    sum.divides = 0;
    sum.beta = args.beta_log_scale;
    return launch_loss_sum(kName, stream, sum);
  }

  static mm1_status make_gradient(mm1_stream stream, const mm1_contrastive_loss_backward_args& args, const Parts& parts, int64_t first,
                                  int64_t rows, const mm1_operand& logits, const mm1_operand& gradient) {
    ContrastiveGradient block{};
    block.logits = row_operand(logits, rows);
    block.gradient = row_operand(gradient, rows);
    block.scalars = parts.scalars;
    block.log_sum_exp_rows = static_cast<const float*>(args.log_sum_exp_rows.data) + first;
    block.log_sum_exp_columns = static_cast<const float*>(args.log_sum_exp_columns.data);
    block.scale_gradients = parts.scale_gradients + first;
    block.rows = rows;
    block.pairs = args.pairs;
    block.first_row = first;
    block.gradient_is_float32 = is_float32(gradient.dtype);
    block.vector_columns = has_packs(args.log_sum_exp_columns, 1);
    return launch_contrastive_gradient(kName, stream, block);
  }

  static mm1_status round_text_gradient(mm1_stream stream, const mm1_contrastive_loss_backward_args& args, const mm1_operand& sum) {
    CountedRows rows{};
    rows.from = row_operand(sum, args.pairs);
    rows.to = row_operand(args.text_gradient, args.pairs);
    rows.from_float32 = 1;
    rows.vector_from = 1;
    rows.vector_to = has_packs(args.text_gradient, args.pairs);
    return launch_counted_rows(kName, stream, rows, args.pairs, args.width);
  }
};

}  // namespace

}  // namespace mm1

int64_t mm1_contrastive_loss_forward_workspace_bytes(const mm1_contrastive_loss_forward_args* args) {
  return mm1::loss_workspace_bytes<mm1::ContrastiveLossForward>(args);
}

mm1_status mm1_contrastive_loss_forward(mm1_stream stream, const mm1_contrastive_loss_forward_args* args, void* workspace,
                                        int64_t workspace_bytes) {
  return mm1::loss_call<mm1::ContrastiveLossForward>(stream, args, workspace, workspace_bytes);
}

int64_t mm1_contrastive_loss_backward_workspace_bytes(const mm1_contrastive_loss_backward_args* args) {
  return mm1::loss_workspace_bytes<mm1::ContrastiveLossBackward>(args);
}

mm1_status mm1_contrastive_loss_backward(mm1_stream stream, const mm1_contrastive_loss_backward_args* args, void* workspace,
                                         int64_t workspace_bytes) {
  return mm1::loss_call<mm1::ContrastiveLossBackward>(stream, args, workspace, workspace_bytes);
}
