// The rendezvous behind every warp collective. Private to emulator/.
#pragma once
#include "state.h"

namespace emulator {

enum CollectiveOperation { op_sync, op_shuffle, op_ballot, op_elect, op_ldmatrix, op_stmatrix, op_mma_bf16, op_mma_tf32 };
const char* collective_name(int operation);

[[noreturn]] inline void diverged(int operation, uint32_t mask, const Collective& other, Loc here) {
  char text[200];
  snprintf(text, sizeof text, "warp divergence: %s with mask %#x while other lanes are at %s with mask %#x, ", collective_name(operation),
           mask, collective_name(other.operation), other.mask);
  fail(text + name_of(other.here), here);
}

// `slot` is this lane's in and out; last(collective) runs on the last lane to arrive.
template <class F>
inline void collective(uint32_t mask, int operation, int parameter, void* slot, uint32_t argument, Loc here, F&& last) {
  Thread* thread = self();
  if (!(mask >> thread->lane & 1)) fail(std::string(collective_name(operation)) + ": the executing lane is not in its mask", here);
  BlockState& b = thread->state();
  if (thread->warp == b.threads / 32 && mask >> b.threads % 32)
    fail(std::string(collective_name(operation)) + ": the mask names lanes beyond the block's last thread", here);
  Collective* base = &b.collectives[thread->warp * collectives_per_warp];
  Collective* mine = nullptr;
  Collective* free = nullptr;
  for (int i = 0; i < collectives_per_warp; i++) {
    Collective& c = base[i];
    if (c.arrived == 0) {
      if (!free) free = &c;
    } else if (c.mask == mask) {
      mine = &c;
    } else if (c.mask >> thread->lane & 1) {     // they wait for this lane, which is elsewhere
      diverged(operation, mask, c, here);
    } else if (c.mask & mask) {
      diverged(operation, mask, c, here);
    }
  }
  if (!mine) {
    mine = free;
    mine->mask = mask;
    mine->operation = operation;
    mine->parameter = parameter;
    mine->here = here;
  } else if (mine->operation != operation || mine->parameter != parameter) {
    diverged(operation, mask, *mine, here);
  }
  mine->arrived |= 1u << thread->lane;
  mine->slot[thread->lane] = slot;
  mine->argument[thread->lane] = argument;
  mine->lanes[thread->lane] = thread;
  if (mine->arrived != mask) {
    wait_for(Wait::warp, mask, static_cast<uint32_t>(operation), here);
    return;
  }
  last(*mine);
  mine->arrived = 0;
  // The lowest lane is woken last and so runs first.
  uint32_t others = mask & ~(1u << thread->lane);
  while (others) {
    const int lane = 31 - __builtin_clz(others);
    others &= ~(1u << lane);
    wake(mine->lanes[lane]);
  }
}

}  // namespace emulator
