#include "decode_case.h"

#include <cmath>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "test.h"

namespace test {

Workspace::Workspace(int64_t bytes) {
  if (bytes > 0) CHECK_OK(mm1_memory_allocate(bytes, &memory));
}

Workspace::~Workspace() {
  if (memory != nullptr) mm1_memory_free(memory);
}

DecodeOperands::DecodeOperands(const DecodeCase& which, const AttentionInputs& inputs)
    : case_(which),
      query_(which.dtype, rows(), columns(), columns() + which.gap, which.offset),
      keys_(which.dtype, cache_rows(), key_columns(), key_columns() + 2 * which.gap, which.offset),
      values_(which.dtype, cache_rows(), key_columns(), key_columns() + 2 * which.gap, which.offset),
      output_(which.dtype, rows(), columns(), columns() + 3 * which.gap, which.offset),
      lengths_(device_integers(which.lengths)) {
  query_.upload(inputs.query);
  keys_.upload(cache_of(which, inputs.key, NAN));
  values_.upload(cache_of(which, inputs.value, NAN));
  args = mm1_flash_attention_decode_args_default();
  args.batch = which.batch();
  args.query_length = which.query_length;
  args.heads = which.heads;
  args.key_value_heads = which.key_value_heads;
  args.head_size = which.head_size;
  args.max_length = which.max_length;
  args.lengths = static_cast<const int32_t*>(lengths_->data());
  args.query = query_.operand();
  args.key_cache = keys_.operand();
  args.value_cache = values_.operand();
  args.output = output_.operand();
  args.scale = which.as_attention().factor();
}

std::vector<float> DecodeOperands::run() {
  const int64_t bytes = mm1_flash_attention_decode_workspace_bytes(&args);
  CHECK(bytes >= 0);
  const Workspace workspace(bytes);
  CHECK_OK(mm1_flash_attention_decode(nullptr, &args, workspace.memory, bytes));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  return output_.download();
}

void DecodeOperands::set_lengths(const std::vector<int>& lengths) {
  CHECK_OK(mm1_memory_copy_to_device(nullptr, const_cast<int32_t*>(args.lengths), lengths.data(), static_cast<int64_t>(lengths.size() * 4)));
}

}  // namespace test
