// Numbers for tests that are a function of their place alone.
#ifndef MM1_TESTS_SUPPORT_SAMPLES_H
#define MM1_TESTS_SUPPORT_SAMPLES_H

#include <cmath>
#include <cstdint>

namespace test {

// splitmix64 (Steele, Lea, Flood 2014).
inline uint64_t mixed(uint64_t x) {
  x += 0x9e3779b97f4a7c15ull;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// Standard normal, by Box and Muller.
inline double normal_sample(uint64_t purpose, int64_t problem, int64_t row, int64_t column) {
  uint64_t key = mixed(purpose);
  key = mixed(key ^ static_cast<uint64_t>(problem));
  key = mixed(key ^ static_cast<uint64_t>(row));
  key = mixed(key ^ static_cast<uint64_t>(column));
  const double u = (static_cast<double>(key >> 32) + 0.5) / 4294967296.0;
  const double v = (static_cast<double>(key & 0xffffffffu) + 0.5) / 4294967296.0;
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * M_PI * v);
}

}  // namespace test

#endif  // MM1_TESTS_SUPPORT_SAMPLES_H
