// What happens to a sum of a matrix product before it is stored, as plain data that a host normalises and a kernel takes as it is. The
// maths is mm1_gemm's (mm1/kernels.h); the device side is tile/epilogue.cuh.
#ifndef MM1_TILE_EPILOGUE_H
#define MM1_TILE_EPILOGUE_H

#include <stdint.h>

namespace mm1 {

// A matrix of rows of one dtype (float32 or bfloat16) for each problem of a batch. Strides in elements.
struct EpilogueOperand {
  void* data;             // Null where the operand is absent.
  int64_t row_stride;     // From one row to the next.
  int64_t batch_stride;   // From one problem to the next.
  int32_t is_float32;     // Else bfloat16.
  int32_t reserved;
};

struct Epilogue {
  EpilogueOperand output;
  EpilogueOperand bias;            // One row, shared by all rows and problems: its strides are 0.
  EpilogueOperand residual;        // May be the output.
  EpilogueOperand pre_activation;  // Receives t; or supplies it where `gradient` is set. Never the output: normalisation drops it then.
  int64_t columns;                 // n: columns from here on are not touched.
  float alpha;
  float beta;                      // 0: the output's old values are not read.
  int32_t activation;              // mm1_activation.
  int32_t gradient;                // t * activation'(pre_activation) in place of activation(t).
  int32_t access;                  // Elements that every operand can be read and written by at columns that are multiples of it: 4, 2 or 1.
  int32_t reserved;
};

}  // namespace mm1

#endif  // MM1_TILE_EPILOGUE_H
