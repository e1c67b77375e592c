// What the emulator's tests share: device memory that a test may look into, launches with options, random numbers.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "dev/launch.h"
#include "test.h"

// An array in device memory. Reading and writing by index is the host's doing; upload marks it as written.
template <class T>
struct Array {
  T* data;
  size_t size;

  explicit Array(size_t n) : data(static_cast<T*>(emulator::memory_allocate(n * sizeof(T)))), size(n) {}
  Array(size_t n, T value) : Array(n) { fill(value); }
  Array(const std::vector<T>& values) : Array(values.size()) { emulator::memory_copy(data, values.data(), size * sizeof(T)); }
  Array(const Array&) = delete;
  ~Array() { emulator::memory_free(data); }
  void fill(T value) {
    for (size_t i = 0; i < size; i++) data[i] = value;
    written();
  }
  void written() { emulator::memory_written_by_host(data, size * sizeof(T)); }
  T& operator[](size_t i) { return data[i]; }
};

// Options for one test, the others as the environment has them.
struct WithOptions {
  emulator::Options before = emulator::options();
  explicit WithOptions(void (*change)(emulator::Options&)) {
    emulator::Options o = before;
    change(o);
    emulator::set_options(o);
  }
  ~WithOptions() { emulator::set_options(before); }
};

// Small whole numbers are exact in bf16 and their sums exact in float32, so layouts can be checked with ==.
struct Random {
  uint32_t state;
  explicit Random(uint32_t seed) : state(seed * 2654435761u + 1) {}
  uint32_t next() {
    state = state * 1664525u + 1013904223u;
    return state >> 8;
  }
  int whole(int low, int high) { return low + static_cast<int>(next() % static_cast<uint32_t>(high - low + 1)); }
};

inline dev::bf16 bf16_of(float value) { return dev::to_bf16(value); }

// The text with which a kernel fails; empty if it does not.
template <class... P, class... A>
std::string failure(const dev::LaunchConfig& config, void (*kernel)(P...), A&&... arguments) {
  try {
    dev::launch_now(config, kernel, std::forward<A>(arguments)...);
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}
