// One group of one row, as both directions of the norms see it.
#pragma once
#include "dev/arithmetic.cuh"
#include "normalization/normalization.h"
#include "tile/pack.cuh"

namespace mm1 {

// A pack of a vector that all items share.
template <class T>
DEV_FN void load_vector(const NormVector& from, int64_t column, int count, float (&values)[kPackElements<T>]) {
  if (from.is_float32 != 0) {
    load_floats(reinterpret_cast<const float*>(from.data) + column, from.vector != 0, count, values);
  } else {
    load_pack(reinterpret_cast<const T*>(from.data) + column, from.vector != 0, count, values);
  }
}

// What scales and shifts one pack of normalized values. Beyond the row, and of what is absent, 0.
template <class T>
struct Affine {
  bool has_weight;
  bool has_bias;
  float weight[kPackElements<T>];
  float bias[kPackElements<T>];

  MM1_DEVICE_MEMBER void load(const NormVector& weights, const NormVector& biases, int64_t column, int count) {
    has_weight = weights.data != nullptr;
    has_bias = biases.data != nullptr;
    DEV_UNROLL for (int i = 0; i < kPackElements<T>; i++) weight[i] = bias[i] = 0.0f;
    if (has_weight) load_vector<T>(weights, column, count, weight);
    if (has_bias) load_vector<T>(biases, column, count, bias);
  }

  // normal * weight + bias, of one element: the same operations in both directions.
  MM1_DEVICE_MEMBER float apply(float normal, int i) const {
    if (has_weight && has_bias) return dev::fused_multiply_add(normal, weight[i], bias[i]);
    if (has_weight) return dev::multiply(normal, weight[i]);
    return has_bias ? dev::add(normal, bias[i]) : normal;
  }
};

// Where an item's elements lie, and how many of a pack it has.
template <class T>
struct Item {
  int64_t row;
  int64_t group;
  int64_t begin;    // First column.
  int64_t columns;  // 0 where the team has no item.
  bool vector;

  MM1_DEVICE_MEMBER T* at(const RowOperand& operand, int64_t pack) const {
    return row_of<T>(operand, row) + begin + pack * kPackElements<T>;
  }

  MM1_DEVICE_MEMBER float* statistic(const RowOperand& operand) const { return row_of<float>(operand, row) + group; }

  MM1_DEVICE_MEMBER int count(int64_t pack) const {
    const int64_t left = columns - pack * kPackElements<T>;
    return left <= 0 ? 0 : left < kPackElements<T> ? static_cast<int>(left) : kPackElements<T>;
  }
};

template <class T>
DEV_FN Item<T> item_at(const NormShape& shape, int64_t index, bool is_inside) {
  Item<T> item{};
  item.vector = shape.vector != 0;
  if (!is_inside) return item;
  item.row = shape.groups == 1 ? index : quotient(index, shape.groups);
  item.group = index - item.row * shape.groups;
  item.begin = item.group * shape.columns;
  item.columns = shape.columns;
  return item;
}

}  // namespace mm1
