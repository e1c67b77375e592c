// mm1_bias_gradient between its argument record and its kernels.
#ifndef MM1_GEMM_BIAS_GRADIENT_H
#define MM1_GEMM_BIAS_GRADIENT_H

#include <stdint.h>

#include "mm1/kernels.h"
#include "tile/epilogue.h"

namespace mm1 {

constexpr int64_t kColumnSumBlockRows = 256;  // Rows of one block of the sum.
constexpr int kColumnSumColumns = 64;         // Columns of one block of threads.

struct ColumnSums {
  EpilogueOperand x;       // [rows, columns].
  EpilogueOperand result;  // One row.
  float* partial;          // [blocks, columns], the sums of the blocks; not used where one block is all.
  int64_t rows;
  int64_t columns;
  int64_t blocks;          // 1 at least.
  float beta;              // Factor on the old result; 0: not read.
  int32_t access_x;        // Elements (2 or 1) by which x can be read.
  int32_t access_result;
  int32_t reserved;
};

constexpr int64_t column_sum_blocks(int64_t rows) {
  return rows <= kColumnSumBlockRows ? 1 : (rows + kColumnSumBlockRows - 1) / kColumnSumBlockRows;
}

// `verb` begins the texts of failures: other families add their blocks of partial sums by this too.
mm1_status launch_column_sums(mm1_stream stream, const ColumnSums& sums, const char* verb = "bias_gradient");

}  // namespace mm1

#endif  // MM1_GEMM_BIAS_GRADIENT_H
