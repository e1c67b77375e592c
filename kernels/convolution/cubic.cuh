// Keys' cubic filter (1981) on one side of a grid, half-pixel centres, as PyTorch has it. Plain: four taps, a = -0.75, border samples
// repeated. Antialiased: a = -0.5, as much wider as the grid shrinks, cut off at the border and normalized.
//
// In float64: positions of a long side keep no more than a few bits of their fraction in float32. Which operations a compiler contracts
// does not show in float32 sums of these weights.
#pragma once
#include "convolution/interpolation.h"
#include "dev/device.cuh"
#include "tile/host_device.h"

namespace mm1 {

DEV_FN int64_t floor_of(double x) {
  const int64_t whole = static_cast<int64_t>(x);
  return static_cast<double>(whole) > x ? whole - 1 : whole;
}

DEV_FN int64_t clamped(int64_t x, int64_t least, int64_t most) { return x < least ? least : x > most ? most : x; }

// The taps [first, end) of one new position; taps outside the grid read the border.
struct CubicFilter {
  int64_t first;
  int64_t end;
  double center;
  double narrowing;
  double a;

  MM1_DEVICE_MEMBER double weight(int64_t tap) const {
    const double distance = (static_cast<double>(tap) + 0.5 - center) * narrowing;
    const double x = distance < 0 ? -distance : distance;
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0.0;
  }

  MM1_DEVICE_MEMBER double total() const {
    double sum = 0;
    for (int64_t tap = first; tap < end; tap++) sum += weight(tap);
    return sum;
  }
};

DEV_FN CubicFilter cubic_filter(const CubicAxis& axis, bool antialias, int64_t index) {
  const double center = axis.scale * (static_cast<double>(index) + 0.5);
  if (antialias) {
    // Towards zero, as the CPU device does: both ends are cut off at the border anyway.
    const int64_t first = clamped(static_cast<int64_t>(center - axis.support + 0.5), 0, axis.input);
    const int64_t end = clamped(static_cast<int64_t>(center + axis.support + 0.5), 0, axis.input);
    return {first, end, center, 2 / axis.support, -0.5};
  }
  const int64_t first = floor_of(center - 0.5) - 1;
  return {first, first + 4, center, 1, -0.75};
}

// New positions [first, end) that may read sample `index`; some at the ends may not.
DEV_FN void cubic_readers(const CubicAxis& axis, int64_t index, int64_t* first, int64_t* end) {
  const double reach = axis.support + 1;
  const double center = static_cast<double>(index) + 0.5;
  *first = clamped(floor_of((center - reach) / axis.scale - 0.5), 0, axis.output);
  *end = clamped(floor_of((center + reach) / axis.scale - 0.5) + 2, 0, axis.output);
}

// The weight of sample `index` in new position `reader`, repeats at the border included.
DEV_FN double cubic_coefficient(const CubicAxis& axis, bool antialias, int64_t reader, int64_t index) {
  const CubicFilter filter = cubic_filter(axis, antialias, reader);
  const int64_t begin = index == 0 || filter.first > index ? filter.first : index;
  const int64_t end = index == axis.input - 1 || filter.end < index + 1 ? filter.end : index + 1;
  double sum = 0;
  for (int64_t tap = begin; tap < end; tap++) sum += filter.weight(tap);
  return antialias && sum != 0 ? sum / filter.total() : sum;
}

}  // namespace mm1
