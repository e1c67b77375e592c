// The order of accesses: vector clocks, moved by barriers, mbarriers, acquire, release and fences. Nothing else orders two threads: not
// shuffles, not matrix instructions, not the order in which the emulator happens to run them.
#include "state.h"

#if MM1_SHADOW

namespace emulator {

namespace {

void join(uint32_t* into, const uint32_t* from, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) into[i] = std::max(into[i], from[i]);
}

SharedKnowledge merge(const SharedKnowledge& a, const SharedKnowledge& b) {
  if (!a || a == b) return b ? b : a;
  if (!b) return a;
  auto result = std::make_shared<Knowledge>(*a);
  for (const auto& [team, clocks] : *b) {
    std::shared_ptr<const Clocks>& mine = (*result)[team];
    if (!mine || mine == clocks) {
      mine = clocks;
      continue;
    }
    auto both = std::make_shared<Clocks>(*mine);
    join(both->data(), clocks->data(), static_cast<uint32_t>(clocks->size()));
    mine = both;
  }
  return result;
}

void arrive(Gathered& at, Thread& thread) {
  ShadowUnit& unit = shadow_unit(thread);
  if (at.clocks.empty()) at.clocks.assign(unit.columns, 0);
  join(at.clocks.data(), unit.of(thread.unit_index), unit.columns);
  at.known = merge(at.known, thread.shadow.known);
  own_clock(thread)++;
}

void acquire(const Gathered& from, Thread& thread) {
  ShadowUnit& unit = shadow_unit(thread);
  if (from.clocks.empty()) return;
  join(unit.of(thread.unit_index), from.clocks.data(), unit.columns);
  thread.shadow.known = merge(thread.shadow.known, from.known);
}

void clear(Gathered& g) {
  g.clocks.clear();
  g.known.reset();
}

// All that a thread knows, itself included, for others to acquire.
SharedKnowledge publish(Thread& thread) {
  ShadowUnit& unit = shadow_unit(thread);
  auto result = thread.shadow.known ? std::make_shared<Knowledge>(*thread.shadow.known) : std::make_shared<Knowledge>();
  const uint32_t* row = unit.of(thread.unit_index);
  (*result)[unit.team] = std::make_shared<Clocks>(row, row + unit.columns);
  own_clock(thread)++;
  return result;
}

void learn(Thread& thread, const SharedKnowledge& news) {
  if (!news) return;
  ShadowUnit& unit = shadow_unit(thread);
  thread.shadow.known = merge(thread.shadow.known, news);
  const auto own = news->find(unit.team);
  if (own != news->end()) join(unit.of(thread.unit_index), own->second->data(), unit.columns);
}

std::unordered_map<const void*, SharedKnowledge>& published() {
  static auto* one = new std::unordered_map<const void*, SharedKnowledge>;
  return *one;
}

}  // namespace

bool ordered_before(const Mark& mark, Thread& thread) {
  ShadowUnit& unit = shadow_unit(thread);
  if (mark.clock == 0) return true;
  if (mark.team == unit.team) return mark.clock <= unit.of(thread.unit_index)[mark.actor];
  if (mark.team < worker->launch->first_team) return true;       // an earlier launch
  if (!thread.shadow.known) return false;
  const auto found = thread.shadow.known->find(mark.team);
  return found != thread.shadow.known->end() && mark.clock <= (*found->second)[mark.actor];
}

void shadow_begin_unit(Unit& unit, uint32_t index) {
  const Launch& launch = *worker->launch;
  ShadowUnit& s = unit.shadow;
  s.team = launch.first_team + index;
  s.threads = launch.blocks_per_unit * launch.threads_per_block;
  s.warpgroups_per_block = (launch.threads_per_block + 127) / 128;
  s.columns = s.threads + 2 + launch.blocks_per_unit * s.warpgroups_per_block;
  s.clocks.assign(static_cast<size_t>(s.threads) * s.columns, 0);
  for (uint32_t t = 0; t < s.threads; t++) s.of(t)[t] = 1;
  s.actor_clock.assign(s.columns - s.threads, 0);
  clear(s.cluster);
}

void shadow_barrier_begin(BlockState& b, uint32_t id) { clear(b.shadow.barriers[id]); }
void shadow_barrier_arrive(BlockState& b, uint32_t id, Thread& thread) { arrive(b.shadow.barriers[id], thread); }
void shadow_barrier_acquire(BlockState& b, uint32_t id, Thread& thread) { acquire(b.shadow.barriers[id], thread); }
void shadow_cluster_begin(Unit& unit) { clear(unit.shadow.cluster); }
void shadow_cluster_arrive(Unit& unit, Thread& thread) { arrive(unit.shadow.cluster, thread); }
void shadow_cluster_acquire(Unit& unit, Thread& thread) { acquire(unit.shadow.cluster, thread); }

void shadow_join_lanes(const Collective& c, uint32_t mask) {
  Gathered all;
  for (uint32_t m = mask; m; m &= m - 1) arrive(all, *c.lanes[__builtin_ctz(m)]);
  for (uint32_t m = mask; m; m &= m - 1) acquire(all, *c.lanes[__builtin_ctz(m)]);
}

void shadow_mbarrier_release(BlockState& b, uint32_t offset, Thread& thread) { arrive(b.shadow.mbarriers[offset].arriving, thread); }

void shadow_mbarrier_flip(BlockState& b, uint32_t offset) {
  ShadowMbarrier& m = b.shadow.mbarriers[offset];
  m.complete = m.arriving;
  clear(m.arriving);
}

void shadow_mbarrier_acquire(BlockState& b, uint32_t offset, Thread& thread) { acquire(b.shadow.mbarriers[offset].complete, thread); }

// cp.async.mbarrier.arrive: the copies are done, and the thread arrives, as of now; but that happens later.
void shadow_arrive_later(Thread& thread, Transfer& transfer) {
  ShadowUnit& unit = shadow_unit(thread);
  const uint32_t* row = unit.of(thread.unit_index);
  transfer.snapshot.assign(row, row + unit.columns);
  own_clock(thread)++;
}

void shadow_arrived_later(Thread& thread, Transfer& transfer) {
  ShadowUnit& unit = shadow_unit(thread);
  ShadowBlock& b = thread.state().shadow;
  for (const AsyncCopy& copy : transfer.copies) {
    for (uint32_t i = copy.target / 2; i < (copy.target + copy.bytes) / 2; i++) {
      b.cells[i].flying = false;
      b.cells[i].write.clock = transfer.snapshot[thread.unit_index];
    }
  }
  Gathered& at = b.mbarriers[transfer.barrier].arriving;
  if (at.clocks.empty()) at.clocks.assign(unit.columns, 0);
  join(at.clocks.data(), transfer.snapshot.data(), unit.columns);
}

void shadow_fence(Thread& thread) {
  for (const SharedKnowledge& seen : thread.shadow.seen) learn(thread, seen);
  thread.shadow.seen.clear();
  thread.shadow.fenced = publish(thread);
}

void shadow_fence_init(Thread& thread) { thread.shadow.init_fence = own_clock(thread)++; }

void shadow_proxy_fence(Thread& thread) { thread.shadow.proxy_fence = own_clock(thread)++; }

void shadow_wgmma_begin(WgmmaOperation& o, Thread& thread) {
  ShadowUnit& unit = shadow_unit(thread);
  o.clock = unit.tick(unit.wgmma(thread.block->cluster_rank, thread.thread / 128));
}

void shadow_wgmma_retire(Warpgroup& g, const WgmmaOperation& o) {
  for (Thread* thread : g.threads) {
    ShadowUnit& unit = shadow_unit(*thread);
    uint32_t& known = unit.of(thread->unit_index)[unit.wgmma(thread->block->cluster_rank, thread->thread / 128)];
    known = std::max(known, o.clock);
  }
}

void shadow_bulk_read_done(Thread& thread, uint32_t clock) {
  ShadowUnit& unit = shadow_unit(thread);
  uint32_t& known = unit.of(thread.unit_index)[unit.bulk()];
  known = std::max(known, clock);
}

// An atomic access publishes and learns as its order says; a relaxed one through fence_device only.
void shadow_synchronize(const void* address, Thread& thread, bool load, bool store, Order order) {
  SharedKnowledge& place = published()[address];
  if (!store) {
    if (order == Order::acquire || order == Order::acquire_release) {
      learn(thread, place);
    } else if (place) {
      thread.shadow.seen.push_back(place);
    }
  }
  if (load) return;
  const bool releases = order == Order::release || order == Order::acquire_release;
  const SharedKnowledge news = releases ? publish(thread) : thread.shadow.fenced;
  place = store ? news : merge(place, news);
}

void shadow_forget_synchronization() { published().clear(); }

}  // namespace emulator

#endif
