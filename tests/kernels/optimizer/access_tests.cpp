// Aligned tensors: AdamW reads four arrays and writes three and the shadow, every sector once; the norm reads the gradient once.
#include "mm1/runtime.h"
#include "optimizer/tensors.h"
#include "support/row_case.h"

namespace test {

TEST(optimizer_access, elements_are_read_and_written_once) {
  TensorSpec spec;
  spec.rows = 8192;
  spec.shadow = MM1_DTYPE_BFLOAT16;
  Tensors tensors({spec});
  StepState state(step_state(3, 0.01f, 1));
  const uint64_t sectors = 8192 * 4 / 32;
  mm1_adam_w_args adam = mm1_adam_w_args_default();
  adam.tensor_count = 1;
  adam.tensors = tensors.list();
  adam.step_state = state.address();
  const Sectors step = count_sectors([&] { CHECK_OK(mm1_adam_w(nullptr, &adam, nullptr, 0)); });
  CHECK_EQUAL(step.least, step.touched);
  CHECK_EQUAL(4 * sectors, step.read);
  CHECK_EQUAL(3 * sectors + sectors / 2, step.written);

  mm1_gradient_norm_args norm = mm1_gradient_norm_args_default();
  norm.tensor_count = 1;
  norm.tensors = tensors.list();
  norm.step_state = state.address();
  void* workspace = nullptr;
  const int64_t bytes = mm1_gradient_norm_workspace_bytes(&norm);
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  const Sectors squares = count_sectors([&] { CHECK_OK(mm1_gradient_norm(nullptr, &norm, workspace, bytes)); });
  CHECK_EQUAL(squares.least, squares.touched);
  CHECK_EQUAL(sectors, squares.read);
  CHECK_OK(mm1_memory_free(workspace));
}

}  // namespace test
