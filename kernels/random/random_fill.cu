// Random numbers of one stream, Philox4x32-10.
//
// Maths      element i is a function of (seed, purpose, offset + random_counter + i) alone: random/philox.cuh.
// Layout     output [count] float32. A thread turns one block of four words into four neighbours, stored at once where address and offset
//            are in step (a multiple of 16 bytes at a multiple of 4 words), one by one elsewhere.
// Roles      256 threads a block, as many blocks as are resident; each goes on by the grid until the end.
// Budget     no shared memory, about 48 registers. Bound by arithmetic for the normal kinds: some 200 operations for 16 bytes.
#include "random/random_fill.h"

#include "dev/launch.h"
#include "host/device.h"
#include "random/philox.cuh"

namespace mm1 {

namespace {

constexpr int kThreads = kRandomFillBudget.threads;
constexpr int64_t kBlocksPerMultiprocessor = 8;

DEV_FN float random_value(const RandomFill& fill, uint32_t word) {
  float value;
  if (fill.distribution == MM1_DISTRIBUTION_UNIFORM) {
    value = uniform_of(word);
  } else {
    if (fill.distribution == MM1_DISTRIBUTION_TRUNCATED_NORMAL) word = word_within({fill.first_word, fill.last_word}, word);
    value = normal_of(word);
  }
  const float result = random_fma(value, fill.factor, fill.addend);
  // Selections: minimum and maximum may differ between devices in the sign of zero.
  const float raised = fill.least > result ? fill.least : result;
  return raised > fill.greatest ? fill.greatest : raised;
}

DEV_KERNEL DEV_BOUNDS(kThreads) random_fill(const DEV_GRID_CONST RandomFill fill) {
  const uint64_t first = fill.first_index + (fill.step_state != nullptr ? fill.step_state->random_counter : 0);
  const int64_t skip = static_cast<int64_t>(first % 4);
  const int64_t blocks = (skip + fill.count + 3) / 4;
  const bool in_step = (reinterpret_cast<uintptr_t>(fill.output) / 4 - static_cast<uintptr_t>(skip)) % 4 == 0;
  const int64_t step = static_cast<int64_t>(dev::nbid_x()) * kThreads;
  for (int64_t block = static_cast<int64_t>(dev::bid_x()) * kThreads + dev::tid(); block < blocks; block += step) {
    // Indices count modulo 2^64, so blocks modulo 2^62.
    const RandomWords words = philox_block(fill.seed, fill.purpose, (first / 4 + static_cast<uint64_t>(block)) & (~0ull >> 2));
    float values[4];
    DEV_UNROLL for (int i = 0; i < 4; i++) values[i] = random_value(fill, words.word[i]);
    const int64_t begin = 4 * block - skip;
    if (in_step && begin >= 0 && begin + 4 <= fill.count) {
      dev::st_global_16(fill.output + begin, uint4{dev::f2u(values[0]), dev::f2u(values[1]), dev::f2u(values[2]), dev::f2u(values[3])});
    } else {
      DEV_UNROLL for (int i = 0; i < 4; i++) {
        if (begin + i >= 0 && begin + i < fill.count) dev::st_global_4(fill.output + begin + i, dev::f2u(values[i]));
      }
    }
  }
}

// The least k in [-2^31, 2^31] whose value is above the bound (or equal to it); 2^31 if none is.
int64_t word_boundary(float mean, float standard_deviation, float bound, bool or_equal) {
  int64_t below = -2147483648ll, above = 2147483648ll;
  while (below < above) {
    const int64_t middle = below + (above - below) / 2;
    const float value = random_fma(normal_of(static_cast<uint32_t>(static_cast<int32_t>(middle))), standard_deviation, mean);
    if (or_equal ? value >= bound : value > bound) {
      above = middle;
    } else {
      below = middle + 1;
    }
  }
  return below;
}

}  // namespace

bool find_word_range(float mean, float standard_deviation, float low, float high, int32_t* first, uint32_t* last) {
  const int64_t begin = word_boundary(mean, standard_deviation, low, true);
  const int64_t end = word_boundary(mean, standard_deviation, high, false);
  if (begin >= end) return false;
  *first = static_cast<int32_t>(begin);
  *last = static_cast<uint32_t>(end - begin - 1);
  return true;
}

mm1_status launch_random_fill(mm1_stream stream, const RandomFill& fill) {
  const int64_t needed = (fill.count / 4 + 1) / kThreads + 1;
  const int64_t resident = current_profile().multiprocessors * kBlocksPerMultiprocessor;
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(needed < resident ? needed : resident), 1, 1};
  config.block = {kThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, random_fill, fill);
  return launched("random_fill", status.code, status.text);
}

}  // namespace mm1
