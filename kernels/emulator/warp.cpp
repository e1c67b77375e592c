// Warp collectives: each lane of the mask arrives; the last one does the work for all and wakes the others.
#include "collective.h"

namespace emulator {

const char* collective_name(int operation) {
  static const char* names[] = {"sync_warp", "shuffle", "ballot", "elect_one", "ldmatrix", "stmatrix", "mma_bf16", "mma_tf32"};
  return names[operation];
}

void sync_warp(uint32_t mask, Loc here) {
  EMULATOR_INSIDE;
  collective(mask, op_sync, 0, nullptr, 0, here, [&](Collective& c) {
    (void)c;
    SHADOW(join_lanes(c, mask));
  });
}

uint64_t shuffle(uint32_t mask, uint64_t value, Shuffle kind, int argument, Loc here) {
  EMULATOR_INSIDE;
  uint64_t slot = value;
  collective(mask, op_shuffle, static_cast<int>(kind), &slot, static_cast<uint32_t>(argument), here, [&](Collective& c) {
    worker->counters.shuffles++;
    uint64_t in[32];
    for (uint32_t m = mask; m; m &= m - 1) {
      const int i = __builtin_ctz(m);
      in[i] = *static_cast<uint64_t*>(c.slot[i]);
    }
    for (uint32_t m = mask; m; m &= m - 1) {
      const int i = __builtin_ctz(m);
      const int by = static_cast<int>(c.argument[i]);
      int source = i;
      switch (kind) {
        case Shuffle::index:
          source = by & 31;
          break;
        case Shuffle::up:
          source = i - by < 0 ? i : i - by;
          break;
        case Shuffle::down:
          source = i + by > 31 ? i : i + by;
          break;
        case Shuffle::exclusive_or:
          source = (i ^ by) & 31;
          break;
      }
      if (!(mask >> source & 1))
        fail("shuffle: lane " + std::to_string(i) + " reads lane " + std::to_string(source) + ", which is not in the mask", here);
      *static_cast<uint64_t*>(c.slot[i]) = in[source];
    }
  });
  return slot;
}

uint32_t ballot(uint32_t mask, bool predicate, Loc here) {
  EMULATOR_INSIDE;
  uint32_t slot = predicate;
  collective(mask, op_ballot, 0, &slot, 0, here, [&](Collective& c) {
    worker->counters.shuffles++;
    uint32_t result = 0;
    for (uint32_t m = mask; m; m &= m - 1) {
      const int i = __builtin_ctz(m);
      result |= *static_cast<uint32_t*>(c.slot[i]) << i;
    }
    for (uint32_t m = mask; m; m &= m - 1) *static_cast<uint32_t*>(c.slot[__builtin_ctz(m)]) = result;
  });
  return slot;
}

bool elect_one(uint32_t mask, Loc here) {
  EMULATOR_INSIDE;
  collective(mask, op_elect, 0, nullptr, 0, here, [](Collective&) {});
  return self()->lane == static_cast<uint32_t>(__builtin_ctz(mask));
}

}  // namespace emulator
