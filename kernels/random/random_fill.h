// mm1_random_fill between its argument record and its kernel.
#ifndef MM1_RANDOM_RANDOM_FILL_H
#define MM1_RANDOM_RANDOM_FILL_H

#include "mm1/kernels.h"
#include "tile/kernel_budget.h"

namespace mm1 {

constexpr KernelBudget kRandomFillBudget{"random_fill", 256, 0, 48};

struct RandomFill {
  float* output;
  int64_t count;
  uint64_t seed;
  uint64_t purpose;
  uint64_t first_index;               // In the stream, without the step's counter.
  const mm1_step_state* step_state;   // Null where there is none.
  int32_t distribution;
  float factor;                       // Normal kinds: standard deviation and mean. Uniform: high - low and low.
  float addend;
  float least;                        // Results are kept within these; infinite for no bound.
  float greatest;
  int32_t first_word;                 // Truncated normal: RandomWordRange.
  uint32_t last_word;
  int32_t reserved;
};

// The words whose values lie within [low, high], by bisection over the very function that converts them. False if there are none.
bool find_word_range(float mean, float standard_deviation, float low, float high, int32_t* first, uint32_t* last);

mm1_status launch_random_fill(mm1_stream stream, const RandomFill& fill);

}  // namespace mm1

#endif  // MM1_RANDOM_RANDOM_FILL_H
