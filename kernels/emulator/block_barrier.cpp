// bar.sync and bar.arrive: 16 barriers a block, each with the count that its participants agree on.
#include "state.h"

namespace emulator {

namespace {

void arrive(uint32_t id, uint32_t count, bool wait, bool whole_block, Loc here) {
  Thread* thread = self();
  BlockState& b = thread->state();
  if (id > 15) fail("barrier " + std::to_string(id) + ": there are 16, 0 to 15", here);
  if (!whole_block && (count == 0 || count % 32 != 0))
    fail("barrier " + std::to_string(id) + ": a count of " + std::to_string(count) + " is no multiple of 32", here);
  if (count > b.threads)
    fail("barrier " + std::to_string(id) + ": a count of " + std::to_string(count) + " in a block of " + std::to_string(b.threads), here);
  BlockBarrier& barrier = b.barriers[id];
  if (barrier.count == 0) {
    barrier.expected = count;
    barrier.here = here;
    barrier.waiters.clear();
    SHADOW(barrier_begin(b, id));
  } else if (barrier.expected != count) {
    fail("barrier " + std::to_string(id) + ": a count of " + std::to_string(count) + " here and of " + std::to_string(barrier.expected) +
             " at " + name_of(barrier.here),
         here);
  } else if (whole_block && (barrier.here.line != here.line || barrier.here.file != here.file)) {
    fail("divergent barrier: sync_block is reached here by some threads and by others at " + name_of(barrier.here), here);
  }
  SHADOW(barrier_arrive(b, id, *thread));
  barrier.count++;
  if (barrier.count < count) {
    if (!wait) return;
    barrier.waiters.push_back(thread);
    wait_for(Wait::barrier, id, count, here);
    return;
  }
  worker->counters.barriers++;
  barrier.count = 0;
  if (wait) SHADOW(barrier_acquire(b, id, *thread));
  for (size_t i = barrier.waiters.size(); i-- > 0;) {
    SHADOW(barrier_acquire(b, id, *barrier.waiters[i]));
    wake(barrier.waiters[i]);
  }
  barrier.waiters.clear();
}

}  // namespace

void sync_block(Loc here) {
  EMULATOR_INSIDE;
  arrive(0, block()->threads, true, true, here);
}

void bar_sync(uint32_t id, uint32_t count, Loc here) {
  EMULATOR_INSIDE;
  arrive(id, count, true, false, here);
}

void bar_arrive(uint32_t id, uint32_t count, Loc here) {
  EMULATOR_INSIDE;
  arrive(id, count, false, false, here);
}

}  // namespace emulator
