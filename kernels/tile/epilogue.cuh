// The device side of Epilogue: finishes runs of neighbouring columns. Every matrix product of the library ends here, with the same
// operations on an element whatever kernel, tile or width of access brought it: an element's bits depend on its sum and its own operands
// alone.
//
//   t = alpha * sum + beta * old + bias
//   pre_activation = t;  output = activation(t) + residual            or, with gradient set,
//   output = t * activation'(pre_activation) + residual
#pragma once
#include "dev/device.cuh"
#include "tile/activation.cuh"
#include "tile/epilogue.h"

namespace mm1 {

// Reads the first `count` of `Width` (4, 2 or 1) elements from `index` on, which is a multiple of Width; the others become 0. `access` is
// how many the operand can be read by at once (Epilogue::access): all, or pairs, or one by one. Tails are pairs and a single one.
template <int Width>
DEV_FN void load_elements(const EpilogueOperand& from, int64_t index, int access, int count, float (&values)[Width]) {
  static_assert(Width == 4 || Width == 2 || Width == 1, "widths of access");
  if (from.is_float32) {
    const float* source = static_cast<const float*>(from.data) + index;
    if (Width == 4 && access >= 4 && count == 4) {
      const uint4 all = dev::ld_global_16(source);
      values[0] = dev::u2f(all.x);
      values[1 % Width] = dev::u2f(all.y);
      values[2 % Width] = dev::u2f(all.z);
      values[3 % Width] = dev::u2f(all.w);
      return;
    }
    DEV_UNROLL for (int i = 0; i < Width; i += 2) {
      if (Width > 1 && access >= 2 && i + 2 <= count) {
        const uint2 pair = dev::ld_global_8(source + i);
        values[i] = dev::u2f(pair.x);
        values[(i + 1) % Width] = dev::u2f(pair.y);
      } else {
        values[i] = i < count ? dev::u2f(dev::ld_global_4(source + i)) : 0.0f;
        if (Width > 1) values[(i + 1) % Width] = i + 1 < count ? dev::u2f(dev::ld_global_4(source + i + 1)) : 0.0f;
      }
    }
    return;
  }
  const dev::bf16* source = static_cast<const dev::bf16*>(from.data) + index;
  if (Width == 4 && access >= 4 && count == 4) {
    const uint2 all = dev::ld_global_8(source);
    values[0] = dev::low_bf16(all.x);
    values[1 % Width] = dev::high_bf16(all.x);
    values[2 % Width] = dev::low_bf16(all.y);
    values[3 % Width] = dev::high_bf16(all.y);
    return;
  }
  DEV_UNROLL for (int i = 0; i < Width; i += 2) {
    if (Width > 1 && access >= 2 && i + 2 <= count) {
      const uint32_t pair = dev::ld_global_4(source + i);
      values[i] = dev::low_bf16(pair);
      values[(i + 1) % Width] = dev::high_bf16(pair);
    } else {
      values[i] = i < count ? dev::to_float(dev::bf16{dev::ld_global_2(source + i)}) : 0.0f;
      if (Width > 1) values[(i + 1) % Width] = i + 1 < count ? dev::to_float(dev::bf16{dev::ld_global_2(source + i + 1)}) : 0.0f;
    }
  }
}

// Rounds and writes elements, the counterpart of load_elements.
template <int Width>
DEV_FN void store_elements(const EpilogueOperand& to, int64_t index, int access, int count, const float (&values)[Width]) {
  if (to.is_float32) {
    float* target = static_cast<float*>(to.data) + index;
    if (Width == 4 && access >= 4 && count == 4) {
      dev::st_global_16(target, uint4{dev::f2u(values[0]), dev::f2u(values[1 % Width]), dev::f2u(values[2 % Width]),
                                      dev::f2u(values[3 % Width])});
      return;
    }
    DEV_UNROLL for (int i = 0; i < Width; i += 2) {
      if (Width > 1 && access >= 2 && i + 2 <= count) {
        dev::st_global_8(target + i, uint2{dev::f2u(values[i]), dev::f2u(values[(i + 1) % Width])});
      } else {
        if (i < count) dev::st_global_4(target + i, dev::f2u(values[i]));
        if (Width > 1 && i + 1 < count) dev::st_global_4(target + i + 1, dev::f2u(values[(i + 1) % Width]));
      }
    }
    return;
  }
  dev::bf16* target = static_cast<dev::bf16*>(to.data) + index;
  if (Width == 4 && access >= 4 && count == 4) {
    dev::st_global_8(target, uint2{dev::pack_bf16(values[0], values[1 % Width]), dev::pack_bf16(values[2 % Width], values[3 % Width])});
    return;
  }
  DEV_UNROLL for (int i = 0; i < Width; i += 2) {
    if (Width > 1 && access >= 2 && i + 2 <= count) {
      dev::st_global_4(target + i, dev::pack_bf16(values[i], values[(i + 1) % Width]));
    } else {
      if (i < count) dev::st_global_2(target + i, dev::to_bf16(values[i]).u);
      if (Width > 1 && i + 1 < count) dev::st_global_2(target + i + 1, dev::to_bf16(values[(i + 1) % Width]).u);
    }
  }
}

// Turns `Width` sums of row `row` (below m) and the columns from `column` (below n, a multiple of Width) on into output elements.
template <int Width>
DEV_FN void finish(const Epilogue& epilogue, int64_t problem, int64_t row, int64_t column, const float (&sums)[Width]) {
  const int64_t left = epilogue.columns - column;
  const int count = left < Width ? static_cast<int>(left) : Width;
  const int access = epilogue.access;
  const auto place = [&](const EpilogueOperand& operand) { return problem * operand.batch_stride + row * operand.row_stride + column; };
  float t[Width];
  DEV_UNROLL for (int i = 0; i < Width; i++) t[i] = dev::multiply(epilogue.alpha, sums[i]);
  if (epilogue.beta != 0.0f) {
    float old[Width];
    load_elements(epilogue.output, place(epilogue.output), access, count, old);
    DEV_UNROLL for (int i = 0; i < Width; i++) t[i] = dev::fused_multiply_add(epilogue.beta, old[i], t[i]);
  }
  if (epilogue.bias.data != nullptr) {
    float bias[Width];
    load_elements(epilogue.bias, column, access, count, bias);
    DEV_UNROLL for (int i = 0; i < Width; i++) t[i] = dev::add(t[i], bias[i]);
  }
  if (epilogue.gradient) {
    float x[Width];
    load_elements(epilogue.pre_activation, place(epilogue.pre_activation), access, count, x);
    DEV_UNROLL for (int i = 0; i < Width; i++) t[i] = dev::multiply(t[i], activation_derivative(epilogue.activation, x[i]));
  } else {
    if (epilogue.pre_activation.data != nullptr) {
      store_elements(epilogue.pre_activation, place(epilogue.pre_activation), access, count, t);
    }
    if (epilogue.activation != MM1_ACTIVATION_NONE) {
      DEV_UNROLL for (int i = 0; i < Width; i++) t[i] = activate(epilogue.activation, t[i]);
    }
  }
  if (epilogue.residual.data != nullptr) {
    float residual[Width];
    load_elements(epilogue.residual, place(epilogue.residual), access, count, residual);
    DEV_UNROLL for (int i = 0; i < Width; i++) t[i] = dev::add(t[i], residual[i]);
  }
  store_elements(epilogue.output, place(epilogue.output), access, count, t);
}

}  // namespace mm1
