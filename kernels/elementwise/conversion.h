// Conversions between storage types, the rules of mm1_cast: one rounding, to nearest, ties to even; floats to integers truncate and
// saturate, NaN gives 0; to bool is "not 0". Every value is exactly a float64 or an int64, from which each target is one step away; plain
// integer and IEEE arithmetic, so that host (mm1_fill) and device agree bit by bit.
#ifndef MM1_ELEMENTWISE_CONVERSION_H
#define MM1_ELEMENTWISE_CONVERSION_H

#include <stdint.h>

#include "mm1/kernels.h"
#include "tile/host_device.h"

namespace mm1 {

// One element of any storage type.
struct Number {
  int64_t whole;
  double real;
  bool is_whole;   // `whole` counts, else `real`.
};

MM1_HOST_DEVICE inline uint64_t bits_of_double(double value) {
  uint64_t bits;
  __builtin_memcpy(&bits, &value, 8);
  return bits;
}

MM1_HOST_DEVICE inline double double_of_bits(uint64_t bits) {
  double value;
  __builtin_memcpy(&value, &bits, 8);
  return value;
}

// The bits of the nearest value with so many bits of exponent and mantissa (5, 10: float16; 8, 7: bfloat16).
MM1_HOST_DEVICE inline uint32_t narrow_float(double value, int exponent_bits, int mantissa_bits) {
  const uint64_t bits = bits_of_double(value);
  const uint32_t sign = static_cast<uint32_t>(bits >> 63) << (exponent_bits + mantissa_bits);
  const int last = (1 << exponent_bits) - 1;
  const uint32_t infinity = static_cast<uint32_t>(last) << mantissa_bits;
  const int given = static_cast<int>(bits >> 52 & 0x7ff);
  uint64_t mantissa = bits & 0xfffffffffffffull;
  if (given == 0x7ff) return sign | infinity | (mantissa != 0 ? 1u << (mantissa_bits - 1) : 0u);
  if (given == 0) return sign;   // A subnormal float64 is far below all others.
  mantissa |= 1ull << 52;
  const int exponent = given - 1023 + last / 2;
  if (exponent >= last) return sign | infinity;
  const int shift = 52 - mantissa_bits + (exponent <= 0 ? 1 - exponent : 0);
  if (shift > 54) return sign;   // Below half of the smallest subnormal.
  const uint64_t rest = mantissa & ((1ull << shift) - 1);
  const uint64_t half = 1ull << (shift - 1);
  uint64_t kept = mantissa >> shift;
  if (rest > half || (rest == half && (kept & 1) != 0)) kept++;
  // The leading bit of a normal number, and a carry, count in the exponent.
  return sign | (static_cast<uint32_t>(kept) + (exponent > 0 ? static_cast<uint32_t>(exponent - 1) << mantissa_bits : 0u));
}

MM1_HOST_DEVICE inline double widen_float16(uint32_t bits) {
  const uint64_t sign = static_cast<uint64_t>(bits >> 15 & 1) << 63;
  const uint32_t exponent = bits >> 10 & 31;
  const uint64_t mantissa = bits & 1023;
  if (exponent == 31) return double_of_bits(sign | 0x7ff0000000000000ull | mantissa << 42 | (mantissa != 0 ? 1ull << 51 : 0));
  if (exponent != 0) return double_of_bits(sign | static_cast<uint64_t>(exponent + 1023 - 15) << 52 | mantissa << 42);
  const double size = static_cast<double>(mantissa) * (1.0 / 16777216);   // Subnormal: units of 2^-24.
  return sign != 0 ? -size : size;
}

// To float64 rounded to odd: a second rounding, to 24 bits or fewer, then gives what a single one would.
MM1_HOST_DEVICE inline double to_odd_double(int64_t value) {
  const int64_t exact = int64_t{1} << 53;
  if (value >= -exact && value <= exact) return static_cast<double>(value);
  const int64_t kept = value & ~int64_t{0x7ff};
  return static_cast<double>((value & 0x7ff) == 0 ? kept : kept | 0x400);
}

MM1_HOST_DEVICE inline int64_t truncated(double value) {
  if (!(value == value)) return 0;
  if (value >= 9223372036854775808.0) return INT64_MAX;
  if (value <= -9223372036854775808.0) return INT64_MIN;
  return static_cast<int64_t>(value);
}

MM1_HOST_DEVICE inline int64_t saturate(const Number& value, int64_t least, int64_t most) {
  const int64_t whole = value.is_whole ? value.whole : truncated(value.real);
  return whole < least ? least : whole > most ? most : whole;
}

MM1_HOST_DEVICE inline Number whole_number(int64_t value) { return {value, 0.0, true}; }
MM1_HOST_DEVICE inline Number real_number(double value) { return {0, value, false}; }

MM1_HOST_DEVICE inline Number read_number(mm1_dtype dtype, const void* data, int64_t index) {
  switch (dtype) {
    case MM1_DTYPE_FLOAT64:
      return real_number(static_cast<const double*>(data)[index]);
    case MM1_DTYPE_FLOAT32:
      return real_number(static_cast<const float*>(data)[index]);
    case MM1_DTYPE_BFLOAT16: {
      const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(data)[index]) << 16;
      float value;
      __builtin_memcpy(&value, &bits, 4);
      return real_number(value);
    }
    case MM1_DTYPE_FLOAT16:
      return real_number(widen_float16(static_cast<const uint16_t*>(data)[index]));
    case MM1_DTYPE_INT64:
      return whole_number(static_cast<const int64_t*>(data)[index]);
    case MM1_DTYPE_INT32:
      return whole_number(static_cast<const int32_t*>(data)[index]);
    case MM1_DTYPE_UINT8:
      return whole_number(static_cast<const uint8_t*>(data)[index]);
    default:
      return whole_number(static_cast<const uint8_t*>(data)[index] != 0 ? 1 : 0);
  }
}

MM1_HOST_DEVICE inline void write_number(mm1_dtype dtype, void* data, int64_t index, const Number& value) {
  switch (dtype) {
    case MM1_DTYPE_FLOAT64:
      static_cast<double*>(data)[index] = value.is_whole ? static_cast<double>(value.whole) : value.real;
      return;
    case MM1_DTYPE_FLOAT32:
      static_cast<float*>(data)[index] = value.is_whole ? static_cast<float>(value.whole) : static_cast<float>(value.real);
      return;
    case MM1_DTYPE_BFLOAT16:
      static_cast<uint16_t*>(data)[index] =
          static_cast<uint16_t>(narrow_float(value.is_whole ? to_odd_double(value.whole) : value.real, 8, 7));
      return;
    case MM1_DTYPE_FLOAT16:
      static_cast<uint16_t*>(data)[index] =
          static_cast<uint16_t>(narrow_float(value.is_whole ? to_odd_double(value.whole) : value.real, 5, 10));
      return;
    case MM1_DTYPE_INT64:
      static_cast<int64_t*>(data)[index] = saturate(value, INT64_MIN, INT64_MAX);
      return;
    case MM1_DTYPE_INT32:
      static_cast<int32_t*>(data)[index] = static_cast<int32_t>(saturate(value, INT32_MIN, INT32_MAX));
      return;
    case MM1_DTYPE_UINT8:
      static_cast<uint8_t*>(data)[index] = static_cast<uint8_t>(saturate(value, 0, 255));
      return;
    default:
      static_cast<uint8_t*>(data)[index] = (value.is_whole ? value.whole != 0 : value.real != 0.0) ? 1 : 0;
  }
}

}  // namespace mm1

#endif  // MM1_ELEMENTWISE_CONVERSION_H
