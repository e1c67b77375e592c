// The cluster's barrier, and addresses in its blocks' shared memory.
#include "state.h"

namespace emulator {

void cluster_arrive(Loc here) {
  EMULATOR_INSIDE;
  Thread* thread = self();
  if (worker->launch->limits.compute_capability < 90) fail("cluster_arrive: clusters need compute capability 9.0", here);
  if (thread->cluster_arrived) fail("cluster_arrive: twice, without cluster_wait between", here);
  thread->cluster_arrived = true;
  Unit& unit = *thread->state().unit;
  if (unit.cluster_count == 0) SHADOW(cluster_begin(unit));
  SHADOW(cluster_arrive(unit, *thread));
  const Launch& launch = *worker->launch;
  if (++unit.cluster_count < launch.blocks_per_unit * launch.threads_per_block) return;
  worker->counters.barriers++;
  unit.cluster_count = 0;
  for (auto& b : unit.blocks) {
    for (uint32_t t = 0; t < b->threads; t++) {
      SHADOW(cluster_acquire(unit, b->thread[t]));
      b->thread[t].cluster_arrived = false;      // the phase is over for those that have not waited yet, too
    }
  }
  for (size_t i = unit.cluster_waiters.size(); i-- > 0;) wake(unit.cluster_waiters[i]);
  unit.cluster_waiters.clear();
}

void cluster_wait(Loc here) {
  EMULATOR_INSIDE;
  Thread* thread = self();
  if (!thread->cluster_arrived) return;          // complete already
  thread->state().unit->cluster_waiters.push_back(thread);
  wait_for(Wait::cluster, 0, 0, here);
}

uint32_t map_shared(uint32_t address, uint32_t rank, Loc here) {
  EMULATOR_INSIDE;
  if (rank >= block()->cluster_blocks)
    fail("mapa: rank " + std::to_string(rank) + " in a cluster of " + std::to_string(block()->cluster_blocks), here);
  return (rank + 1) << address_rank_shift | offset_of(address);
}

}  // namespace emulator
