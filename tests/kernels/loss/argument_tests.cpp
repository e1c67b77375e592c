// Every wrong argument of the losses has its own message, before anything is launched or written; and the budgets of their kernels.
#include <cstring>
#include <functional>

#include "loss/loss.h"
#include "loss_case.h"
#include "mm1/runtime.h"
#include "support/budget.h"
#include "test.h"

namespace test {

namespace {

constexpr mm1_status kInvalid = MM1_STATUS_INVALID_ARGUMENT;
constexpr mm1_status kUnsupported = MM1_STATUS_UNSUPPORTED;

// Calls a verb with one field changed at a time. Nothing is ever written to `output`.
template <class Args>
struct Rules {
  const char* verb;
  mm1_status (*call)(mm1_stream, const Args*, void*, int64_t);
  int64_t (*bytes_of)(const Args*);
  Args good;
  Workspace workspace;

  Rules(const char* verb, mm1_status (*call)(mm1_stream, const Args*, void*, int64_t), int64_t (*bytes_of)(const Args*), const Args& good)
      : verb(verb), call(call), bytes_of(bytes_of), good(good), workspace(bytes_of(&good)) {}

  void fails(mm1_status status, const char* part, const std::function<void(Args*)>& change) const {
    Args wrong = good;
    change(&wrong);
    CHECK_FAILS_WITH(status, part, call(nullptr, &wrong, workspace.address(), workspace.bytes()));
    CHECK_EQUAL(size_t{0}, std::string(mm1_get_last_error_message()).find(std::string(verb) + ": "));
  }

  // The rules that every record has.
  void has_common_rules() const {
    fails(kInvalid, "struct_size is 4", [](Args* x) { x->struct_size = 4; });
    CHECK_FAILS_WITH(kInvalid, "the argument record is NULL", call(nullptr, nullptr, nullptr, 0));
    CHECK_EQUAL(int64_t{-1}, bytes_of(nullptr));
    CHECK(workspace.bytes() > 0);
    CHECK_FAILS_WITH(MM1_STATUS_WORKSPACE_TOO_SMALL, "the workspace has 1 bytes; mm1_" + std::string(verb) + "_workspace_bytes asks for",
                     call(nullptr, &good, workspace.address(), 1));
    CHECK_FAILS_WITH(kInvalid, "the workspace is NULL", call(nullptr, &good, nullptr, workspace.bytes()));
    CHECK_FAILS_WITH(kInvalid, "no multiple of 256", call(nullptr, &good, static_cast<char*>(workspace.address()) + 8, workspace.bytes()));
    Args longer = good;
    CHECK_OK(call(nullptr, &longer, workspace.address(), workspace.bytes()));
    finish_call();
  }
};

mm1_operand moved(mm1_operand operand, int64_t bytes) {
  operand.data = static_cast<char*>(operand.data) + bytes;
  return operand;
}

mm1_operand as(mm1_operand operand, mm1_dtype dtype) {
  operand.dtype = dtype;
  return operand;
}

mm1_operand with_stride(mm1_operand operand, int64_t row_stride) {
  operand.row_stride = row_stride;
  return operand;
}

}  // namespace

TEST(loss_arguments, cross_entropy_names_broken_rules) {
  const auto logits = upload(MM1_DTYPE_FLOAT32, std::vector<float>(15, 1.0f), 3, 5);
  const auto targets = upload_targets({0, 4, 1});
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1), losses(MM1_DTYPE_FLOAT32, 3), lse(MM1_DTYPE_FLOAT32, 3), gradient(MM1_DTYPE_FLOAT32, 3, 5, 5);
  using Forward = mm1_cross_entropy_forward_args;
  Forward forward = mm1_cross_entropy_forward_args_default();
  forward.tokens = 3;
  forward.vocabulary = 5;
  forward.logits = logits->operand();
  forward.targets = targets->operand();
  forward.loss = loss.operand();
  forward.token_losses = losses.operand();
  forward.log_sum_exp = lse.operand();
  const Rules<Forward> rules("cross_entropy_forward", mm1_cross_entropy_forward,
                             mm1_cross_entropy_forward_workspace_bytes, forward);
  rules.fails(kInvalid, "tokens is -1", [](Forward* x) { x->tokens = -1; });
  rules.fails(kInvalid, "vocabulary is -1", [](Forward* x) { x->vocabulary = -1; });
  rules.fails(kInvalid, "logits is missing; it holds [3, 5]", [](Forward* x) { x->logits = {}; });
  rules.fails(kInvalid, "logits has row_stride 4, less than its 5 columns", [](Forward* x) { x->logits.row_stride = 4; });
  rules.fails(kInvalid, "logits has dtype int32", [](Forward* x) { x->logits.dtype = MM1_DTYPE_INT32; });
  rules.fails(kUnsupported, "logits has dtype float16; this device computes in bfloat16 and float32",
              [](Forward* x) { x->logits.dtype = MM1_DTYPE_FLOAT16; });
  rules.fails(kInvalid, "targets is missing; it holds [1, 3] int32 values", [](Forward* x) { x->targets = {}; });
  rules.fails(kInvalid, "targets has dtype float32; this call needs int32", [](Forward* x) { x->targets.dtype = MM1_DTYPE_FLOAT32; });
  rules.fails(kInvalid, "loss is missing", [](Forward* x) { x->loss = {}; });
  rules.fails(kInvalid, "token_losses has dtype int32", [](Forward* x) { x->token_losses.dtype = MM1_DTYPE_INT32; });
  rules.fails(kInvalid, "log_sum_exp has dtype bfloat16", [](Forward* x) { x->log_sum_exp.dtype = MM1_DTYPE_BFLOAT16; });
  rules.fails(kInvalid, "loss overlaps logits", [](Forward* x) { x->loss.data = x->logits.data; });
  rules.fails(kInvalid, "token_losses overlaps targets", [](Forward* x) { x->token_losses.data = x->targets.data; });
  rules.fails(kInvalid, "log_sum_exp overlaps token_losses", [](Forward* x) { x->log_sum_exp = x->token_losses; });

  using Backward = mm1_cross_entropy_backward_args;
  Backward backward = mm1_cross_entropy_backward_args_default();
  backward.tokens = 3;
  backward.vocabulary = 5;
  backward.logits = forward.logits;
  backward.targets = forward.targets;
  backward.log_sum_exp = forward.log_sum_exp;
  backward.logits_gradient = gradient.operand();
  const Rules<Backward> back("cross_entropy_backward", mm1_cross_entropy_backward,
                             mm1_cross_entropy_backward_workspace_bytes, backward);
  back.fails(kInvalid, "tokens is -1", [](Backward* x) { x->tokens = -1; });
  back.fails(kInvalid, "vocabulary is -1", [](Backward* x) { x->vocabulary = -1; });
  back.fails(kInvalid, "logits is missing", [](Backward* x) { x->logits = {}; });
  back.fails(kInvalid, "targets is missing", [](Backward* x) { x->targets = {}; });
  back.fails(kInvalid, "log_sum_exp is missing", [](Backward* x) { x->log_sum_exp = {}; });
  back.fails(kInvalid, "loss_gradient has dtype int32", [&](Backward* x) { x->loss_gradient = targets->operand(); });
  back.fails(kInvalid, "logits_gradient is missing", [](Backward* x) { x->logits_gradient = {}; });
  back.fails(kInvalid, "logits_gradient has dtype bfloat16; this call needs float32",
             [](Backward* x) { x->logits_gradient.dtype = MM1_DTYPE_BFLOAT16; });
  back.fails(kInvalid, "logits_gradient overlaps logits; they may be the same",
             [](Backward* x) { x->logits_gradient = with_stride(x->logits, 6); });
  back.fails(kInvalid, "logits_gradient overlaps log_sum_exp", [](Backward* x) { x->log_sum_exp.data = x->logits_gradient.data; });
  for (const float value : loss.download()) CHECK(std::isnan(value));
  for (const float value : gradient.download()) CHECK(std::isnan(value));
  rules.has_common_rules();
  back.has_common_rules();
}

TEST(loss_arguments, linear_cross_entropy_names_broken_rules) {
  const auto x = upload(MM1_DTYPE_FLOAT32, std::vector<float>(6, 1.0f), 3, 2);
  const auto weight = upload(MM1_DTYPE_FLOAT32, std::vector<float>(10, 1.0f), 5, 2);
  const auto targets = upload_targets({0, 4, 1});
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1), lse(MM1_DTYPE_FLOAT32, 3), dx(MM1_DTYPE_FLOAT32, 3, 2, 2), dw(MM1_DTYPE_FLOAT32, 5, 2, 2);
  using Forward = mm1_linear_cross_entropy_forward_args;
  Forward forward = mm1_linear_cross_entropy_forward_args_default();
  forward.tokens = 3;
  forward.width = 2;
  forward.vocabulary = 5;
  forward.x = x->operand();
  forward.weight = weight->operand();
  forward.targets = targets->operand();
  forward.loss = loss.operand();
  forward.log_sum_exp = lse.operand();
  const Rules<Forward> rules("linear_cross_entropy_forward", mm1_linear_cross_entropy_forward,
                             mm1_linear_cross_entropy_forward_workspace_bytes, forward);
  rules.fails(kInvalid, "tokens is -1", [](Forward* a) { a->tokens = -1; });
  rules.fails(kInvalid, "width is -1", [](Forward* a) { a->width = -1; });
  rules.fails(kInvalid, "vocabulary is -1", [](Forward* a) { a->vocabulary = -1; });
  rules.fails(kInvalid, "chunk_tokens is -1", [](Forward* a) { a->chunk_tokens = -1; });
  rules.fails(kInvalid, "x has row_stride 1", [](Forward* a) { a->x.row_stride = 1; });
  rules.fails(kUnsupported, "x has dtype float64", [](Forward* a) { a->x.dtype = MM1_DTYPE_FLOAT64; });
  rules.fails(kInvalid, "weight is missing; it holds [5, 2]", [](Forward* a) { a->weight = {}; });
  rules.fails(kInvalid, "weight has dtype bfloat16; this call needs float32", [](Forward* a) { a->weight.dtype = MM1_DTYPE_BFLOAT16; });
  rules.fails(kInvalid, "targets has dtype float32", [](Forward* a) { a->targets.dtype = MM1_DTYPE_FLOAT32; });
  rules.fails(kInvalid, "loss is missing", [](Forward* a) { a->loss = {}; });
  rules.fails(kInvalid, "token_losses has dtype int32", [&](Forward* a) { a->token_losses = targets->operand(); });
  rules.fails(kInvalid, "log_sum_exp is missing", [](Forward* a) { a->log_sum_exp = {}; });
  rules.fails(kInvalid, "log_sum_exp overlaps x", [](Forward* a) { a->log_sum_exp.data = a->x.data; });

  using Backward = mm1_linear_cross_entropy_backward_args;
  Backward backward = mm1_linear_cross_entropy_backward_args_default();
  backward.tokens = 3;
  backward.width = 2;
  backward.vocabulary = 5;
  backward.x = forward.x;
  backward.weight = forward.weight;
  backward.targets = forward.targets;
  backward.log_sum_exp = forward.log_sum_exp;
  backward.input_gradient = dx.operand();
  backward.weight_gradient = dw.operand();
  const Rules<Backward> back("linear_cross_entropy_backward", mm1_linear_cross_entropy_backward,
                             mm1_linear_cross_entropy_backward_workspace_bytes, backward);
  back.fails(kInvalid, "chunk_tokens is -1", [](Backward* a) { a->chunk_tokens = -1; });
  back.fails(kInvalid, "log_sum_exp is missing", [](Backward* a) { a->log_sum_exp = {}; });
  back.fails(kInvalid, "loss_gradient has dtype int32", [&](Backward* a) { a->loss_gradient = targets->operand(); });
  back.fails(kInvalid, "input_gradient has dtype bfloat16", [](Backward* a) { a->input_gradient.dtype = MM1_DTYPE_BFLOAT16; });
  back.fails(kInvalid, "weight_gradient has dtype bfloat16; this call needs float32",
             [](Backward* a) { a->weight_gradient.dtype = MM1_DTYPE_BFLOAT16; });
  back.fails(kInvalid, "weight_gradient overlaps weight", [](Backward* a) { a->weight_gradient.data = a->weight.data; });
  back.fails(kInvalid, "weight_gradient overlaps input_gradient", [](Backward* a) { a->weight_gradient.data = a->input_gradient.data; });
  for (const float value : dx.download()) CHECK(std::isnan(value));
  for (const float value : dw.download()) CHECK(std::isnan(value));
  rules.has_common_rules();
  back.has_common_rules();
}

TEST(loss_arguments, contrastive_loss_names_broken_rules) {
  const auto image = upload(MM1_DTYPE_FLOAT32, std::vector<float>(6, 0.5f), 3, 2);
  const auto text = upload(MM1_DTYPE_FLOAT32, std::vector<float>(6, 0.5f), 3, 2);
  const auto scale = upload_scalar(1);
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1), rows(MM1_DTYPE_FLOAT32, 3), columns(MM1_DTYPE_FLOAT32, 3), gradient(MM1_DTYPE_FLOAT32, 3, 2, 2);
  using Forward = mm1_contrastive_loss_forward_args;
  Forward forward = mm1_contrastive_loss_forward_args_default();
  forward.pairs = 3;
  forward.width = 2;
  forward.image = image->operand();
  forward.text = text->operand();
  forward.log_scale = scale->operand();
  forward.loss = loss.operand();
  forward.log_sum_exp_rows = rows.operand();
  forward.log_sum_exp_columns = columns.operand();
  const Rules<Forward> rules("contrastive_loss_forward", mm1_contrastive_loss_forward,
                             mm1_contrastive_loss_forward_workspace_bytes, forward);
  rules.fails(kInvalid, "pairs is -1", [](Forward* x) { x->pairs = -1; });
  rules.fails(kInvalid, "width is -1", [](Forward* x) { x->width = -1; });
  rules.fails(kInvalid, "image is missing", [](Forward* x) { x->image = {}; });
  rules.fails(kInvalid, "text has dtype int32", [](Forward* x) { x->text.dtype = MM1_DTYPE_INT32; });
  rules.fails(kInvalid, "log_scale is missing", [](Forward* x) { x->log_scale = {}; });
  rules.fails(kInvalid, "loss is missing", [](Forward* x) { x->loss = {}; });
  rules.fails(kInvalid, "log_sum_exp_rows is missing", [](Forward* x) { x->log_sum_exp_rows = {}; });
  rules.fails(kInvalid, "log_sum_exp_columns is missing", [](Forward* x) { x->log_sum_exp_columns = {}; });
  rules.fails(kInvalid, "log_sum_exp_columns overlaps log_sum_exp_rows", [](Forward* x) { x->log_sum_exp_columns = x->log_sum_exp_rows; });
  rules.fails(kInvalid, "max_scale is 0; it must be positive.", [](Forward* x) { x->max_scale = 0; });
  rules.fails(kInvalid, "max_scale is nan; it must be positive.", [](Forward* x) { x->max_scale = kAbsent; });
  rules.fails(kInvalid, "reserved is 2", [](Forward* x) { x->reserved = 2; });

  using Backward = mm1_contrastive_loss_backward_args;
  Backward backward = mm1_contrastive_loss_backward_args_default();
  backward.pairs = 3;
  backward.width = 2;
  backward.image = forward.image;
  backward.text = forward.text;
  backward.log_scale = forward.log_scale;
  backward.log_sum_exp_rows = forward.log_sum_exp_rows;
  backward.log_sum_exp_columns = forward.log_sum_exp_columns;
  backward.image_gradient = gradient.operand();
  const Rules<Backward> back("contrastive_loss_backward", mm1_contrastive_loss_backward,
                             mm1_contrastive_loss_backward_workspace_bytes, backward);
  back.fails(kInvalid, "loss_gradient has dtype int32", [](Backward* x) { x->loss_gradient = as(x->log_scale, MM1_DTYPE_INT32); });
  back.fails(kInvalid, "image_gradient has row_stride 1", [](Backward* x) { x->image_gradient.row_stride = 1; });
  back.fails(kInvalid, "text_gradient has dtype int32", [](Backward* x) { x->text_gradient = as(x->image_gradient, MM1_DTYPE_INT32); });
  back.fails(kInvalid, "text_gradient overlaps image_gradient", [](Backward* x) { x->text_gradient = x->image_gradient; });
  back.fails(kInvalid, "image_gradient overlaps text", [](Backward* x) { x->image_gradient = moved(x->text, 8); });
  back.fails(kInvalid, "log_scale_gradient has dtype uint8",
             [](Backward* x) { x->log_scale_gradient = as(x->image_gradient, MM1_DTYPE_UINT8); });
  back.fails(kInvalid, "max_scale is -1", [](Backward* x) { x->max_scale = -1; });
  for (const float value : gradient.download()) CHECK(std::isnan(value));
  rules.has_common_rules();
  back.has_common_rules();
}

TEST(loss_arguments, patch_regression_names_broken_rules) {
  const auto prediction = upload(MM1_DTYPE_FLOAT32, std::vector<float>(6, 1.0f), 3, 2);
  const auto target = upload(MM1_DTYPE_FLOAT32, std::vector<float>(6, 0.5f), 3, 2);
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1), gradient(MM1_DTYPE_FLOAT32, 3, 2, 2);
  using Forward = mm1_patch_regression_forward_args;
  Forward forward = mm1_patch_regression_forward_args_default();
  forward.patches = 3;
  forward.columns = 2;
  forward.prediction = prediction->operand();
  forward.target = target->operand();
  forward.loss = loss.operand();
  const Rules<Forward> rules("patch_regression_forward", mm1_patch_regression_forward,
                             mm1_patch_regression_forward_workspace_bytes, forward);
  rules.fails(kInvalid, "patches is -1", [](Forward* x) { x->patches = -1; });
  rules.fails(kInvalid, "columns is -1", [](Forward* x) { x->columns = -1; });
  rules.fails(kInvalid, "prediction is missing", [](Forward* x) { x->prediction = {}; });
  rules.fails(kUnsupported, "prediction has dtype float16", [](Forward* x) { x->prediction.dtype = MM1_DTYPE_FLOAT16; });
  rules.fails(kInvalid, "target has dtype int32", [](Forward* x) { x->target.dtype = MM1_DTYPE_INT32; });
  rules.fails(kInvalid, "target has dtype bfloat16", [](Forward* x) { x->target.dtype = MM1_DTYPE_BFLOAT16; });
  rules.fails(kInvalid, "mask has dtype float32; this call needs uint8", [](Forward* x) { x->mask = x->target; });
  rules.fails(kInvalid, "loss is missing", [](Forward* x) { x->loss = {}; });
  rules.fails(kInvalid, "loss overlaps target", [](Forward* x) { x->loss.data = x->target.data; });

  using Backward = mm1_patch_regression_backward_args;
  Backward backward = mm1_patch_regression_backward_args_default();
  backward.patches = 3;
  backward.columns = 2;
  backward.prediction = forward.prediction;
  backward.target = forward.target;
  backward.prediction_gradient = gradient.operand();
  const Rules<Backward> back("patch_regression_backward", mm1_patch_regression_backward,
                             mm1_patch_regression_backward_workspace_bytes, backward);
  back.fails(kInvalid, "loss_gradient has dtype int32", [](Backward* x) { x->loss_gradient = as(x->target, MM1_DTYPE_INT32); });
  back.fails(kInvalid, "prediction_gradient has row_stride 1", [](Backward* x) { x->prediction_gradient.row_stride = 1; });
  back.fails(kInvalid, "prediction_gradient overlaps prediction", [](Backward* x) { x->prediction_gradient.data = x->prediction.data; });
  for (const float value : gradient.download()) CHECK(std::isnan(value));
  rules.has_common_rules();
  back.has_common_rules();
}

TEST(loss_arguments, budgets_fit_every_profile) {
  for (const mm1::KernelBudget& budget :
       {mm1::kCrossEntropyRowsBudget, mm1::kCrossEntropyGradientBudget, mm1::kLossSumBudget, mm1::kCountedRowsBudget,
        mm1::kContrastiveScalarsBudget, mm1::kContrastiveColumnsBudget, mm1::kContrastiveGradientBudget, mm1::kPatchRegressionBudget}) {
    check_budget(budget);
  }
}

// Which threads have a row is a function of its length alone.
TEST(loss_arguments, teams_cover_every_row) {
  CHECK_EQUAL(32, mm1::team_threads(1024));
  CHECK_EQUAL(256, mm1::team_threads(1025));
  for (const int threads : {32, 256}) {
    for (const int64_t rows : {0, 1, 7, 8, 9, 4096}) {
      const int64_t blocks = mm1::team_blocks(rows, threads), of_block = 256 / threads;
      CHECK(blocks * of_block >= rows && (blocks - 1) * of_block < rows);
    }
  }
}

}  // namespace test
