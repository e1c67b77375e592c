// Which fiber runs next. A worker (host thread) interleaves the threads of its resident units; a fiber runs until it waits.
// Without a seed the youngest ready thread is next, so a warp runs on while it can and its stacks stay in the cache; with one it is any.
#include <algorithm>
#include <chrono>
#include <thread>

#include "state.h"

namespace emulator {

__thread Worker* worker __attribute__((tls_model("initial-exec"))) = nullptr;

namespace {

void switch_to(Thread* next) {        // nullptr: the worker's own stack
  Thread* me = self();
  if (next == me) return;
  worker->counters.switches++;
  current = next;
  switch_context(me ? me->context : worker->main, next ? next->context : worker->main);
}

Thread* pop(Worker& w) {
  uint32_t last = (w.head + w.count - 1) & w.mask;
  if (seeded()) std::swap(w.ring[last], w.ring[(w.head + w.random_below(w.count)) & w.mask]);
  w.count--;
  return w.ring[last];
}

// From a fiber that cannot go on, or from the worker's own stack: returns there when the caller is resumed.
void schedule() {
  Worker& w = *worker;
  for (;;) {
    if (w.launch->stop.load(std::memory_order_relaxed)) {
      switch_to(nullptr);
      return;
    }
    if (seeded() && !w.transfers.empty() && w.random_below(4) == 0) deliver_transfer();
    if (w.count > 0) {
      switch_to(pop(w));
      return;
    }
    if (!deliver_transfer()) report_deadlock();
  }
}

void fiber_main() {
  const Launch& launch = *worker->launch;
  Thread& thread = *self();
#if MM1_SHADOW
  thread.shadow.inside = false;
#endif
  launch.call.body(launch.call.argument.get());
#if MM1_SHADOW
  thread.shadow.inside = true;
#endif
  finish_thread(thread);
  thread.wait = Wait::exited;
  worker->idle_spins = 0;
  thread.state().live--;
  Unit& unit = *thread.state().unit;
  if (--unit.live == 0) {
    worker->finished.push_back(&unit);
    switch_to(nullptr);
  } else {
    schedule();
  }
  __builtin_trap();                   // an exited fiber is never resumed
}

uint64_t milliseconds() {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

// Nothing but spinning on this worker. Another worker, or another stream, may still release what is waited for.
void check_spin_limit(Loc here) {
  static thread_local uint64_t since = 0;
  static thread_local uint64_t seen = 0;
  static thread_local Launch* of = nullptr;
  Worker& w = *worker;
  const uint64_t progress = w.launch->progress.load();
  const uint64_t now = milliseconds();
  if (of != w.launch || seen != progress) {
    of = w.launch;
    seen = progress;
    since = now;
  } else if (now - since > w.launch->options.spin_limit_ms) {
    of = nullptr;
    fail("spins for ever: for " + std::to_string(now - since) +
             " ms no thread of the resident blocks did anything else. Does it wait for a block "
             "that cannot start before this one ends (MM1_EMULATOR_RESIDENCY), or for a release that never comes?",
         here);
  }
  std::this_thread::yield();
}

void start_unit(Unit& unit, uint64_t index) {
  Launch& launch = *worker->launch;
  const LaunchShape& shape = launch.shape;
  const Dim3 c = shape.cluster;
  const Dim3 clusters = {shape.grid.x / c.x, shape.grid.y / c.y, shape.grid.z / c.z};
  const uint32_t x = static_cast<uint32_t>(index % clusters.x);
  const uint32_t y = static_cast<uint32_t>(index / clusters.x % clusters.y);
  const uint32_t z = static_cast<uint32_t>(index / clusters.x / clusters.y);
  unit.live = launch.blocks_per_unit * launch.threads_per_block;
  unit.cluster_count = 0;
  unit.cluster_waiters.clear();
  unit.mbarrier_waiters.clear();
  SHADOW(begin_unit(unit, static_cast<uint32_t>(index)));
  for (uint32_t rank = 0; rank < launch.blocks_per_unit; rank++) {
    BlockState& b = *unit.blocks[rank];
    b.unit = &unit;
    b.size = shape.block;
    b.grid = shape.grid;
    b.cluster = c;
    b.threads = launch.threads_per_block;
    b.cluster_rank = rank;
    b.cluster_blocks = launch.blocks_per_unit;
    b.index = {x * c.x + rank % c.x, y * c.y + rank / c.x % c.y, z * c.z + rank / c.x / c.y};
    prepare_block(b, launch);
    for (uint32_t t = 0; t < b.threads; t++) prepare_context(b.thread[t].context, b.thread[t].stack, t, fiber_main);
  }
  for (uint32_t rank = launch.blocks_per_unit; rank-- > 0;) {     // the youngest runs first: thread 0 of block 0
    BlockState& b = *unit.blocks[rank];
    for (uint32_t t = b.threads; t-- > 0;) worker->push(&b.thread[t]);
  }
  worker->counters.blocks += launch.blocks_per_unit;
}

bool start_next(Unit& unit) {
  Launch& launch = *worker->launch;
  const uint64_t turn = launch.next.fetch_add(1);
  if (turn >= launch.units) return false;
  start_unit(unit, launch.order.empty() ? turn : launch.order[turn]);
  return true;
}

// Workers keep their blocks' arenas and threads from launch to launch.
struct IdleWorkers {
  std::mutex mutex;
  std::vector<Worker*> list;
};

IdleWorkers& idle_workers() {
  static IdleWorkers* one = new IdleWorkers;
  return *one;
}

Worker* take_worker(Launch& launch) {
  Worker* w = nullptr;
  {
    IdleWorkers& idle = idle_workers();
    std::lock_guard<std::mutex> lock(idle.mutex);
    if (!idle.list.empty()) {
      w = idle.list.back();
      idle.list.pop_back();
    }
  }
  if (!w) w = new Worker;
  w->launch = &launch;
  w->finished.clear();
  w->head = w->count = 0;
  w->transfers.clear();
  w->live_units = 0;
  w->idle_spins = 0;
  w->random_state = launch.options.seed * 2654435761u + 97;
  if (w->random_state == 0) w->random_state = 1;
  w->counters = {};
  w->accesses.clear();
  const uint32_t resident = static_cast<uint32_t>(std::min<uint64_t>(resident_units(launch.options), launch.units));
  w->units.resize(resident);
  for (auto& unit : w->units) {
    if (!unit) unit.reset(new Unit);
    unit->blocks.resize(launch.blocks_per_unit);
    for (auto& block : unit->blocks) {
      if (!block) block.reset(new BlockState);
    }
  }
  uint32_t capacity = 64;
  while (capacity < resident * launch.blocks_per_unit * launch.threads_per_block) capacity *= 2;
  w->ring.resize(capacity);
  w->mask = capacity - 1;
  return w;
}

void give_worker(Worker* w) {
  w->launch = nullptr;
  IdleWorkers& idle = idle_workers();
  std::lock_guard<std::mutex> lock(idle.mutex);
  idle.list.push_back(w);
}

}  // namespace

void wait_for(Wait wait, uint32_t a, uint32_t b, Loc here) {
  Thread* thread = self();
  thread->wait = wait;
  thread->wait_a = a;
  thread->wait_b = b;
  thread->wait_here = here;
  worker->idle_spins = 0;
  schedule();
}

void spin(Loc here) {
  EMULATOR_INSIDE;
  Worker& w = *worker;
  Thread* thread = self();
  thread->wait_here = here;
  w.idle_spins++;
  if (w.idle_spins > w.count + 1) {   // every ready thread has spun since anything else happened
    if (deliver_transfer()) {
      w.idle_spins = 0;
    } else if (w.idle_spins % 1024 == 0) {
      check_spin_limit(here);
    }
  }
  if (w.count == 0 && !w.launch->stop.load(std::memory_order_relaxed)) return;
  w.push_last(thread);
  schedule();
}

void leave_fiber() { switch_to(nullptr); }

// A caller that used AVX may leave upper halves of registers set, as .NET does. Until they are cleared, every SSE instruction merges with the
// one before it, and a kernel takes up to thirty times as long.
__attribute__((noinline)) static void clear_upper_halves() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx")) asm volatile("vzeroupper" ::: "memory");
#endif
}

void run_units(Launch& launch) {
  clear_upper_halves();
  Worker* w = take_worker(launch);
  prepare_worker_for_faults(*w);
  worker = w;
  current = nullptr;
  try {
    for (auto& unit : w->units) {
      if (!start_next(*unit)) break;
      w->live_units++;
    }
    while (w->live_units > 0 && !launch.stop.load()) {
      schedule();
      if (launch.stop.load()) break;
      std::vector<Unit*> finished;
      finished.swap(w->finished);
      for (Unit* unit : finished) {
        launch.progress++;
        if (!start_next(*unit)) w->live_units--;
      }
    }
    if (!launch.stop.load() && launch.options.count_accesses) count_accesses(*w);
  } catch (const std::exception& e) {           // from this stack, not from a fiber: nothing to switch away from
    std::lock_guard<std::mutex> lock(launch.mutex);
    if (launch.error.empty()) launch.error = e.what();
    launch.stop = true;
  }
  {
    std::lock_guard<std::mutex> lock(launch.mutex);
    uint64_t* sum = reinterpret_cast<uint64_t*>(&launch.counters);
    const uint64_t* part = reinterpret_cast<const uint64_t*>(&w->counters);
    for (size_t i = 0; i < sizeof(Counters) / sizeof(uint64_t); i++) sum[i] += part[i];
  }
  worker = nullptr;
  current = nullptr;
  give_worker(w);
}

}  // namespace emulator
