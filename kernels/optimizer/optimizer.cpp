// The verbs mm1_gradient_norm, mm1_adam_w and mm1_adafactor: argument rules and launch. What stands in the list of tensors lies in device
// memory and cannot be checked here.
#include "optimizer/optimizer.h"

#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kGradientNorm = "gradient_norm";
constexpr const char* kAdamW = "adam_w";
constexpr const char* kAdafactor = "adafactor";

void check_address(Check* check, const char* field, const void* address) {
  check->that(reinterpret_cast<uintptr_t>(address) % 8 == 0, "%s is at address 0x%llx, no multiple of 8.", field,
              static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(address)));
}

void check_tensors(Check* check, int64_t tensor_count, const void* tensors, const void* step_state) {
  check->extent("tensor_count", tensor_count);
  check->that(tensor_count == 0 || tensors != nullptr, "tensors is missing; it holds tensor_count records.");
  check->that(step_state != nullptr, "step_state is missing.");
  check_address(check, "tensors", tensors);
  check_address(check, "step_state", step_state);
}

void check_fraction(Check* check, const char* field, float value) {
  check->that(value >= 0 && value < 1, "%s is %.9g; it must lie in [0, 1).", field, static_cast<double>(value));
}

void check_record(const mm1_gradient_norm_args& args, Check* check) {
  check->extent("tensor_count", args.tensor_count);
  check->that(args.max_norm >= 0, "max_norm is %.9g; it must be 0 (no clipping) or positive.", static_cast<double>(args.max_norm));
}

void check_record(const mm1_adafactor_args& args, Check* check) {
  check->extent("tensor_count", args.tensor_count);
  check_fraction(check, "beta1", args.beta1);
  check->that(args.clip_threshold > 0, "clip_threshold is %.9g; it must be positive.", static_cast<double>(args.clip_threshold));
}

constexpr int64_t kNormWorkspace = kNormSlots * static_cast<int64_t>(sizeof(double));

int64_t workspace_of(const mm1_adafactor_args& args) {
  return args.tensor_count * kAdafactorSlots * static_cast<int64_t>(sizeof(AdafactorPartial));
}

}  // namespace

}  // namespace mm1

int64_t mm1_gradient_norm_workspace_bytes(const mm1_gradient_norm_args* given) {
  mm1_gradient_norm_args args;
  if (mm1::read_args(mm1::kGradientNorm, given, &args) != MM1_STATUS_OK) return -1;
  mm1::Check check(mm1::kGradientNorm);
  mm1::check_record(args, &check);
  return check.ok() ? mm1::kNormWorkspace : -1;
}

mm1_status mm1_gradient_norm(mm1_stream stream, const mm1_gradient_norm_args* given, void* workspace, int64_t workspace_bytes) {
  mm1_gradient_norm_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kGradientNorm, given, &args));
  mm1::Check check(mm1::kGradientNorm);
  mm1::check_tensors(&check, args.tensor_count, args.tensors, args.step_state);
  mm1::check_record(args, &check);
  check.workspace(workspace, workspace_bytes, mm1::kNormWorkspace);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kGradientNorm, &stream));
  const mm1::GradientNorm norm{args.tensors,  args.tensor_count,   args.step_state, static_cast<double*>(workspace),
                               args.max_norm, args.skip_non_finite};
  return mm1::launch_gradient_norm(stream, norm);
}

mm1_status mm1_adam_w(mm1_stream stream, const mm1_adam_w_args* given, void*, int64_t) {
  mm1_adam_w_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kAdamW, given, &args));
  mm1::Check check(mm1::kAdamW);
  mm1::check_tensors(&check, args.tensor_count, args.tensors, args.step_state);
  mm1::check_fraction(&check, "beta1", args.beta1);
  mm1::check_fraction(&check, "beta2", args.beta2);
  check.reserved("reserved", args.reserved);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kAdamW, &stream));
  if (args.tensor_count == 0) return MM1_STATUS_OK;
  return mm1::launch_adam_w(stream, {args.tensors, args.tensor_count, args.step_state, args.beta1, args.beta2, args.epsilon, 0});
}

int64_t mm1_adafactor_workspace_bytes(const mm1_adafactor_args* given) {
  mm1_adafactor_args args;
  if (mm1::read_args(mm1::kAdafactor, given, &args) != MM1_STATUS_OK) return -1;
  mm1::Check check(mm1::kAdafactor);
  mm1::check_record(args, &check);
  return check.ok() ? mm1::workspace_of(args) : -1;
}

mm1_status mm1_adafactor(mm1_stream stream, const mm1_adafactor_args* given, void* workspace, int64_t workspace_bytes) {
  mm1_adafactor_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kAdafactor, given, &args));
  mm1::Check check(mm1::kAdafactor);
  mm1::check_tensors(&check, args.tensor_count, args.tensors, args.step_state);
  mm1::check_record(args, &check);
  if (check.ok()) check.workspace(workspace, workspace_bytes, mm1::workspace_of(args));
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kAdafactor, &stream));
  if (args.tensor_count == 0) return MM1_STATUS_OK;
  return mm1::launch_adafactor(
      stream, {args.tensors, args.tensor_count, args.step_state, static_cast<mm1::AdafactorPartial*>(workspace), args.decay_exponent,
               args.epsilon, args.epsilon_scale, args.clip_threshold, args.beta1, args.scale_parameter});
}
