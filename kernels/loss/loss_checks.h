// What the verbs of the losses share: argument rules beyond host/check.h and tile/row_checks.h, and workspaces cut into parts.
#ifndef MM1_LOSS_LOSS_CHECKS_H
#define MM1_LOSS_LOSS_CHECKS_H

#include <initializer_list>

#include "loss/loss.h"
#include "tile/row_checks.h"

namespace mm1 {

struct LossOperand {
  const char* field;
  const mm1_operand* operand;
  int64_t rows;
  int64_t columns;

  Region region() const { return {operand, rows, columns, 1, 0}; }
};

// No output shares memory with an input or with another output.
inline void check_apart(Check* check, std::initializer_list<LossOperand> outputs, std::initializer_list<LossOperand> inputs) {
  for (const LossOperand* output = outputs.begin(); output != outputs.end(); output++) {
    for (const LossOperand& input : inputs) check->apart(output->field, output->region(), input.field, input.region());
    for (const LossOperand* other = outputs.begin(); other != output; other++) {
      check->apart(output->field, output->region(), other->field, other->region());
    }
  }
}

inline bool is_float32(mm1_dtype dtype) { return dtype != MM1_DTYPE_BFLOAT16; }

// Whether every row begins at a multiple of 16 bytes.
inline bool has_packs(const mm1_operand& operand, int64_t rows) {
  return has_packs(row_operand(operand, rows), dtype_bytes(operand.dtype));
}

// The rows from `first` on.
inline mm1_operand rows_from(mm1_operand operand, int64_t first) {
  operand.data = static_cast<char*>(operand.data) + first * operand.row_stride * dtype_bytes(operand.dtype);
  return operand;
}

inline mm1_operand matrix(void* data, mm1_dtype dtype, int64_t row_stride) { return {data, dtype, 0, row_stride}; }

// Cuts a workspace into parts at multiples of 256 bytes; without an address it only adds up.
class WorkspaceParts {
 public:
  explicit WorkspaceParts(void* workspace) : begin_(static_cast<char*>(workspace)) {}

  template <class T>
  T* take(int64_t bytes) {
    T* const part = begin_ == nullptr ? nullptr : reinterpret_cast<T*>(begin_ + bytes_);
    bytes_ += aligned_bytes(bytes);
    return part;
  }

  int64_t bytes() const { return bytes_; }

 private:
  char* begin_;
  int64_t bytes_ = 0;
};

// Columns of rows in the workspace: each row begins at a multiple of 256 bytes.
constexpr int64_t workspace_stride(int64_t columns, mm1_dtype dtype) {
  const int64_t elements = dtype == MM1_DTYPE_FLOAT32 ? 64 : 128;
  return (columns + elements - 1) / elements * elements;
}

// The sum of the losses of tokens or patches, divided by what counts.
inline LossSum loss_of(const float* values, int64_t rows, const mm1_step_state* step_state, float* result, LossPartial* partials) {
  LossSum sum{};
  sum.values = values;
  sum.rows = rows;
  sum.blocks = loss_sum_blocks(rows);
  sum.step_state = step_state;
  sum.result = result;
  sum.partials = partials;
  sum.scale = 1.0;
  sum.divides = 1;
  return sum;
}

// loss_gradient / what counts: the factor of a backward.
inline LossSum factor_of(const mm1_operand& loss_gradient, int64_t rows, const mm1_step_state* step_state, float* result,
                         LossPartial* partials) {
  LossSum sum = loss_of(nullptr, rows, step_state, result, partials);
  sum.counts_only = 1;
  sum.factor = static_cast<const float*>(loss_gradient.data);
  return sum;
}

}  // namespace mm1

#endif  // MM1_LOSS_LOSS_CHECKS_H
