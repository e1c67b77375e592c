// The swizzles of TMA and wgmma: XOR of the 16-byte chunk's number with the number of the 128-byte line, over the address itself.
#pragma once
#include <cstdint>

namespace emulator {

inline uint32_t swizzle(uint32_t address, uint32_t span) {
  switch (span) {
    case 128:
      return address ^ (address >> 7 & 7) << 4;
    case 64:
      return address ^ (address >> 7 & 3) << 4;
    case 32:
      return address ^ (address >> 7 & 1) << 4;
    default:
      return address;
  }
}

}  // namespace emulator
