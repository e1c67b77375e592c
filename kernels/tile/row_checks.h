// Argument rules that verbs over rows share beyond host/check.h.
#ifndef MM1_TILE_ROW_CHECKS_H
#define MM1_TILE_ROW_CHECKS_H

#include "host/check.h"

namespace mm1 {

// The first compute operand of a call, whose dtype the others must have: bfloat16 or float32 on this device.
inline void check_compute(Check* check, const char* field, const mm1_operand& operand, int64_t rows, int64_t columns) {
  const bool is_other_float = operand.dtype == MM1_DTYPE_FLOAT64 || operand.dtype == MM1_DTYPE_FLOAT16;
  check->supported(!is_other_float || !is_present(operand) || rows <= 0 || columns <= 0,
                   "%s has dtype %s; this device computes in bfloat16 and float32.", field, dtype_name(operand.dtype));
  check->operand(field, operand, rows, columns, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32);
}

// A required operand of any storage dtype.
inline void check_storage(Check* check, const char* field, const mm1_operand& operand, int64_t rows, int64_t columns) {
  if (rows <= 0 || columns <= 0) return;
  check->that(dtype_bytes(operand.dtype) > 0, "%s has dtype %s; it needs a storage type.", field, dtype_name(operand.dtype));
  check->operand(field, operand, rows, columns, operand.dtype);
}

inline void check_matrix(Check* check, int64_t rows, int64_t columns) {
  check->extent("rows", rows);
  check->extent("columns", columns);
}

}  // namespace mm1

#endif  // MM1_TILE_ROW_CHECKS_H
