// Argument rules of the optimizers: the sentences of the CPU device, in the names of the header. What lies in the list of tensors is in
// device memory and is not checked.
#include <cmath>

#include "mm1/runtime.h"
#include "optimizer/tensors.h"
#include "test.h"

namespace test {

TEST(optimizer_arguments, are_checked) {
  constexpr mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  TensorSpec spec;
  spec.rows = 4;
  Tensors tensors({spec});
  StepState state(step_state(1, 1, 1));
  const auto before = tensors.download();
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(1 << 16, &workspace));

  const auto norm = [&](mm1_status status, const char* text, auto change, int64_t bytes) {
    mm1_gradient_norm_args args = mm1_gradient_norm_args_default();
    args.tensor_count = 1;
    args.tensors = tensors.list();
    args.step_state = state.address();
    change(args);
    CHECK_FAILS_WITH(status, text, mm1_gradient_norm(nullptr, &args, workspace, bytes));
  };
  norm(invalid, "gradient_norm: tensor_count is -1; it must not be negative.", [](auto& a) { a.tensor_count = -1; }, 1 << 16);
  norm(invalid, "gradient_norm: tensors is missing; it holds tensor_count records.", [](auto& a) { a.tensors = nullptr; }, 1 << 16);
  norm(invalid, "gradient_norm: step_state is missing.", [](auto& a) { a.step_state = nullptr; }, 1 << 16);
  norm(invalid, "gradient_norm: max_norm is -1; it must be 0 (no clipping) or positive.", [](auto& a) { a.max_norm = -1; }, 1 << 16);
  norm(invalid, "gradient_norm: max_norm is nan", [](auto& a) { a.max_norm = NAN; }, 1 << 16);
  norm(invalid, "step_state is at address", [](auto& a) { a.step_state = reinterpret_cast<mm1_step_state*>(12); }, 1 << 16);
  norm(
      MM1_STATUS_WORKSPACE_TOO_SMALL, "gradient_norm: the workspace has 100 bytes; mm1_gradient_norm_workspace_bytes asks for 2048.",
      [](auto&) {}, 100);
  norm(invalid, "gradient_norm: struct_size is 3", [](auto& a) { a.struct_size = 3; }, 1 << 16);

  const auto adam = [&](const char* text, auto change) {
    mm1_adam_w_args args = mm1_adam_w_args_default();
    args.tensor_count = 1;
    args.tensors = tensors.list();
    args.step_state = state.address();
    change(args);
    CHECK_FAILS_WITH(invalid, text, mm1_adam_w(nullptr, &args, nullptr, 0));
  };
  adam("adam_w: tensor_count is -1; it must not be negative.", [](auto& a) { a.tensor_count = -1; });
  adam("adam_w: tensors is missing", [](auto& a) { a.tensors = nullptr; });
  adam("adam_w: step_state is missing.", [](auto& a) { a.step_state = nullptr; });
  adam("adam_w: beta1 is 1; it must lie in [0, 1).", [](auto& a) { a.beta1 = 1; });
  adam("adam_w: beta2 is -0.5; it must lie in [0, 1).", [](auto& a) { a.beta2 = -0.5f; });
  adam("adam_w: reserved is 1", [](auto& a) { a.reserved = 1; });

  const auto factor = [&](mm1_status status, const char* text, auto change, int64_t bytes) {
    mm1_adafactor_args args = mm1_adafactor_args_default();
    args.tensor_count = 1;
    args.tensors = tensors.list();
    args.step_state = state.address();
    change(args);
    CHECK_FAILS_WITH(status, text, mm1_adafactor(nullptr, &args, workspace, bytes));
  };
  factor(invalid, "adafactor: tensor_count is -1", [](auto& a) { a.tensor_count = -1; }, 1 << 16);
  factor(invalid, "adafactor: step_state is missing.", [](auto& a) { a.step_state = nullptr; }, 1 << 16);
  factor(invalid, "adafactor: beta1 is -0.1", [](auto& a) { a.beta1 = -0.1f; }, 1 << 16);
  factor(invalid, "adafactor: clip_threshold is 0; it must be positive.", [](auto& a) { a.clip_threshold = 0; }, 1 << 16);
  factor(
      MM1_STATUS_WORKSPACE_TOO_SMALL, "adafactor: the workspace has 0 bytes; mm1_adafactor_workspace_bytes asks for 1536.", [](auto&) {},
      0);

  mm1_adafactor_args bad = mm1_adafactor_args_default();
  bad.tensor_count = -1;
  CHECK_EQUAL(int64_t{-1}, mm1_adafactor_workspace_bytes(&bad));
  for (const auto& each : tensors.download()) CHECK(each.second == before.at(each.first));
  CHECK_OK(mm1_memory_free(workspace));
}

}  // namespace test
