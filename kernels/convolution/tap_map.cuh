// The device side of TapMap: target pixels, and the pixels that their taps read.
#pragma once
#include "convolution/depthwise.h"
#include "dev/device.cuh"
#include "tile/pack.cuh"

namespace mm1 {

struct TargetPixel {
  int32_t image;
  int32_t y;
  int32_t x;
};

DEV_FN TargetPixel target_pixel(const TapMap& map, int64_t pixel) {
  const uint32_t line = static_cast<uint32_t>(pixel) / static_cast<uint32_t>(map.target_width);  // Pixels are below 2^30.
  const uint32_t image = line / static_cast<uint32_t>(map.target_height);
  return {static_cast<int32_t>(image), static_cast<int32_t>(line - image * map.target_height),
          static_cast<int32_t>(static_cast<uint32_t>(pixel) - line * map.target_width)};
}

// Coordinate on one side of what tap `tap` of target `target` reads; -1: nothing.
DEV_FN int32_t tap_source(const TapMap& map, int32_t target, int32_t tap, int32_t extent) {
  int32_t place = target * map.step + map.origin + tap * map.direction;
  if (map.divisor > 1) {
    const int32_t whole = place >= 0 ? place / map.divisor : -1;
    place = whole * map.divisor == place ? whole : -1;
  }
  return place < extent ? place : -1;
}

}  // namespace mm1
