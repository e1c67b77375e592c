// wgmma: asynchronous products of a warpgroup. Issuing does not wait: each thread adds itself to the operation that its warpgroup issues
// next, and the accumulators gather in a 64 x n tile. Late operations run at the wait that retires them, with the threads' accumulators
// poisoned until then; early ones run when the last thread has issued them.
#include "state.h"
#include "swizzle.h"

namespace emulator {

namespace {

enum Rendezvous { at_fence = 1, at_wait = 2 };

Warpgroup& warpgroup_of(Thread& thread, const char* what, Loc here) {
  BlockState& b = thread.state();
  if (worker->launch->limits.compute_capability < 90) fail(std::string(what) + ": needs compute capability 9.0", here);
  if (b.threads < thread.thread / 128 * 128 + 128)
    fail(std::string(what) + ": the block's last warpgroup has fewer than 128 threads", here);
  return b.warpgroups[thread.thread / 128];
}

// All 128 threads meet; last(group) runs on the last one.
template <class F>
void rendezvous(Thread& thread, Warpgroup& g, int operation, uint32_t parameter, Loc here, F&& last) {
  if (g.arrived == 0) {
    g.operation = operation;
    g.parameter = parameter;
    g.here = here;
  } else if (g.operation != operation || g.parameter != parameter) {
    fail("warpgroup divergence: other threads are at " + name_of(g.here), here);
  }
  g.threads[thread.thread % 128] = &thread;
  if (++g.arrived < 128) {
    wait_for(Wait::warpgroup, 0, 0, here);
    return;
  }
  g.arrived = 0;
  last(g);
  for (int i = 127; i >= 0; i--) {
    if (g.threads[i] != &thread) wake(g.threads[i]);
  }
}

// The tile's rows of a thread: `row` and row + 8, pairs of columns from `column` on, every 8.
void gather(Accumulators& a, uint32_t t, const float* d) {
  float* to = &a.tile[static_cast<size_t>(t / 32 * 16 + t % 32 / 4) * a.n + t % 4 * 2];
  float* below = to + 8 * static_cast<size_t>(a.n);
  for (uint32_t j = 0; j < a.n / 8; j++) {
    memcpy(to + 8 * j, d + 4 * j, 8);
    memcpy(below + 8 * j, d + 4 * j + 2, 8);
  }
}

void scatter(const Accumulators& a, uint32_t t) {
  const float* from = &a.tile[static_cast<size_t>(t / 32 * 16 + t % 32 / 4) * a.n + t % 4 * 2];
  const float* below = from + 8 * static_cast<size_t>(a.n);
  float* d = a.d[t];
  for (uint32_t j = 0; j < a.n / 8; j++) {
    memcpy(d + 4 * j, from + 8 * j, 8);
    memcpy(d + 4 * j + 2, below + 8 * j, 8);
  }
}

float widen(uint16_t bits16) {
  const uint32_t bits = static_cast<uint32_t>(bits16) << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// Where the 16-byte chunk with element (mn, k) of an operand lies: the canonical layouts of the matrix descriptor.
struct Descriptor {
  uint32_t start, leading, stride, span;
  bool mn_major;

  Descriptor(uint64_t bits, bool transposed, const WgmmaOperation& o) {
    start = static_cast<uint32_t>(bits & 0x3fff) << 4;
    leading = static_cast<uint32_t>(bits >> 16 & 0x3fff) << 4;
    stride = static_cast<uint32_t>(bits >> 32 & 0x3fff) << 4;
    static constexpr uint32_t spans[] = {0, 128, 64, 32};
    span = spans[bits >> 62];
    mn_major = transposed;
    if (bits >> 49 & 7)
      fail("wgmma: not emulated: a descriptor with a base offset (operands begin where the swizzle's pattern does)", o.here);
    if (span == 0 && mn_major) fail("wgmma: not emulated: MN-major operands without swizzle", o.here);
    if (stride == 0) fail("wgmma: a descriptor with stride 0", o.here);
  }

  uint32_t chunk(uint32_t mn, uint32_t k) const {
    if (span == 0) return start + mn / 8 * stride + k / 8 * leading + mn % 8 * 16;
    if (!mn_major) return swizzle(start + mn / 8 * stride + mn % 8 * span + k * 2, span);
    const uint32_t line = span / 2;   // elements
    return swizzle(start + mn / line * leading + k / 8 * stride + k % 8 * span + mn % line * 2, span);
  }
};

// Every 16-byte chunk of an operand of `extent` x 16: visit(address, mn, k).
template <class F>
void for_each_chunk(const Descriptor& d, uint32_t extent, F&& visit) {
  if (d.mn_major) {
    for (uint32_t k = 0; k < 16; k++) {
      for (uint32_t mn = 0; mn < extent; mn += 8) visit(d.chunk(mn, k), mn, k);
    }
  } else {
    for (uint32_t mn = 0; mn < extent; mn++) {
      for (uint32_t k = 0; k < 16; k += 8) visit(d.chunk(mn, k), mn, k);
    }
  }
}

// out[mn * mn_stride + k * k_stride]
void load_operand(const BlockState& b, const Descriptor& d, uint32_t extent, float* out, size_t mn_stride, size_t k_stride) {
  const size_t step = d.mn_major ? mn_stride : k_stride;
  for_each_chunk(d, extent, [&](uint32_t address, uint32_t mn, uint32_t k) {
    uint16_t values[8];
    memcpy(values, b.arena + address, 16);
    float* to = out + mn * mn_stride + k * k_stride;
    for (size_t i = 0; i < 8; i++) to[i * step] = widen(values[i]);
  });
}

// Operands as matrices. On the heap: `worker` and `current` are thread-local variables of the initial-exec model, so all thread-local
// storage of the library must fit what the C library keeps free for libraries that are loaded late (dlopen): less than 1 KB.
struct Scratch {
  alignas(64) float a[64 * 16];
  alignas(64) float bt[16 * 256];
};

void execute(WgmmaOperation& o, BlockState& b) {
  if (o.done) return;
  o.done = true;
  static thread_local std::unique_ptr<Scratch> scratch;
  if (scratch == nullptr) scratch = std::make_unique<Scratch>();
  float* const a = scratch->a;
  float* const bt = scratch->bt;
  if (o.registers) {
    for (uint32_t t = 0; t < 128; t++) {
      const uint32_t r = t / 32 * 16 + t % 32 / 4;
      const uint32_t q = t % 4 * 2;
      for (uint32_t i = 0; i < 4; i++) {
        float* to = a + (r + (i & 1) * 8) * 16 + q + (i >> 1) * 8;
        to[0] = widen(static_cast<uint16_t>(o.a_values[t][i]));
        to[1] = widen(static_cast<uint16_t>(o.a_values[t][i] >> 16));
      }
    }
  } else {
    load_operand(b, Descriptor(o.a, o.a_transposed, o), 64, a, 16, 1);
  }
  load_operand(b, Descriptor(o.b, o.b_transposed, o), o.n, bt, 1, o.n);
  Accumulators& c = *o.accumulators;
  if (!o.accumulate) std::fill(c.tile.begin(), c.tile.end(), 0.f);
  multiply_add(c.tile.data(), o.n, a, 16, bt, o.n, 64, o.n, 16);
}

// The operands' bounds, before anything is read: at issue, by the thread whose mistake it is.
void check_operand(uint64_t bits, bool transposed, uint32_t extent, const WgmmaOperation& o, const char* which) {
  const Descriptor d(bits, transposed, o);
  uint32_t first = ~0u;
  uint32_t last = 0;
  for_each_chunk(d, extent, [&](uint32_t address, uint32_t, uint32_t) {
    first = std::min(first, address);
    last = std::max(last, address);
  });
  shared_bytes(first, 16, o.here, which);
  shared_bytes(last, 16, o.here, which);
}

void join_accumulators(Warpgroup& g, WgmmaOperation& o, uint32_t t, float* d) {
  if (!o.accumulators) {
    for (auto& a : g.accumulators) {
      if (a->pending > 0 && a->n == o.n && a->d[t] == d) o.accumulators = a.get();
    }
    if (!o.accumulators) {
      for (auto& a : g.accumulators) {
        if (a->pending == 0) o.accumulators = a.get();
      }
      if (!o.accumulators) {
        g.accumulators.emplace_back(new Accumulators());
        o.accumulators = g.accumulators.back().get();
      }
      o.accumulators->n = o.n;
      o.accumulators->gathered = 0;
      memset(o.accumulators->d, 0, sizeof o.accumulators->d);
      o.accumulators->tile.resize(static_cast<size_t>(64) * o.n);
    }
    o.accumulators->pending++;
  }
  Accumulators& a = *o.accumulators;
  if (!a.d[t]) {
    a.d[t] = d;
    a.gathered++;
    gather(a, t, d);
    if (late()) memset(d, 0xff, o.n / 2 * sizeof(float));
  } else if (a.d[t] != d) {
    fail("wgmma: threads of the warpgroup use different accumulators", o.here);
  }
}

}  // namespace

void wgmma_fence(Loc here) {
  EMULATOR_INSIDE;
  Thread& thread = *self();
  warpgroup_of(thread, "wgmma.fence", here);
  thread.wgmma_fenced = true;
}

void wgmma(float* d, uint32_t n, uint64_t a, const uint32_t* a_registers, uint64_t b, bool accumulate, bool a_transposed, bool b_transposed,
           Loc here) {
  EMULATOR_INSIDE;
  Thread& thread = *self();
  Warpgroup& g = warpgroup_of(thread, "wgmma", here);
  const uint32_t t = thread.thread % 128;
  if (!thread.wgmma_fenced) fail("wgmma: no wgmma_fence since the accumulators were last free to change", here);
  const uint32_t index = thread.wgmma_issued++ - g.retired;
  if (index == g.queue.size()) {
    if (g.spare.empty()) g.spare.emplace_back(new WgmmaOperation());
    g.queue.push_back(std::move(g.spare.back()));
    g.spare.pop_back();
    WgmmaOperation& o = *g.queue.back();
    o.n = n;
    o.a = a;
    o.b = b;
    o.registers = a_registers != nullptr;
    o.accumulate = accumulate;
    o.a_transposed = a_transposed;
    o.b_transposed = b_transposed;
    o.done = false;
    o.group = thread.wgmma_group;
    o.arrived = 0;
    o.clock = 0;
    o.accumulators = nullptr;
    o.here = here;
    memset(o.a_pointer, 0, sizeof o.a_pointer);
    if (!o.registers) check_operand(a, a_transposed, 64, o, "wgmma: operand A");
    check_operand(b, b_transposed, n, o, "wgmma: operand B");
    SHADOW(wgmma_begin(o, thread));
  }
  WgmmaOperation& o = *g.queue[index];
  if (o.n != n || o.a != a || o.b != b || o.registers != (a_registers != nullptr) || o.accumulate != accumulate ||
      o.a_transposed != a_transposed || o.b_transposed != b_transposed)
    fail("wgmma: descriptors or shapes differ within the warpgroup, others at " + name_of(o.here), here);
  if (o.group != thread.wgmma_group) fail("wgmma: threads of the warpgroup committed different groups", here);
  if (a_registers) {
    o.a_pointer[t] = a_registers;
    memcpy(o.a_values[t], a_registers, 16);
  }
  join_accumulators(g, o, t, d);
  if (++o.arrived < 128) return;
  worker->counters.wgmma++;
#if MM1_SHADOW
  // The operands must be visible to the threads that issue: one of them, another each time, stands for all.
  Thread& witness = thread.state().thread[thread.thread / 128 * 128 + worker->random_below(128)];
  BlockState& owner = thread.state();
  const auto check = [&](uint32_t address, uint32_t, uint32_t) {
    shadow_wgmma_read(owner, address, 16, witness, thread.thread / 128, o.clock, here);
  };
  if (!o.registers) for_each_chunk(Descriptor(o.a, o.a_transposed, o), 64, check);
  for_each_chunk(Descriptor(o.b, o.b_transposed, o), o.n, check);
#endif
  // Operations of one accumulator run in order, so an early one needs those before it.
  if (late()) return;
  execute(o, thread.state());
  for (uint32_t i = 0; i < 128; i++) scatter(*o.accumulators, i);
}

void wgmma_commit(Loc here) {
  EMULATOR_INSIDE;
  Thread& thread = *self();
  warpgroup_of(thread, "wgmma.commit_group", here);
  thread.wgmma_group++;
}

void wgmma_wait(uint32_t pending_groups, Loc here) {
  EMULATOR_INSIDE;
  Thread& thread = *self();
  Warpgroup& group = warpgroup_of(thread, "wgmma.wait_group", here);
  rendezvous(thread, group, at_wait, pending_groups, here, [&](Warpgroup& g) {
    while (!g.queue.empty() && g.queue.front()->group + pending_groups < thread.wgmma_group) {
      WgmmaOperation& o = *g.queue.front();
      if (o.arrived < 128)
        fail("wgmma: only " + std::to_string(o.arrived) + " of the 128 threads issued the operation at " + name_of(o.here), here);
      execute(o, thread.state());
      for (uint32_t t = 0; o.registers && t < 128; t++) {
        if (memcmp(o.a_values[t], o.a_pointer[t], 16) != 0)
          fail_for(*g.threads[t], "wgmma: registers of A were changed while the operation at " + name_of(o.here) + " was in flight", here);
      }
      SHADOW(wgmma_retire(g, o));
      Accumulators& a = *o.accumulators;
      if (--a.pending == 0) {
        for (uint32_t t = 0; t < 128; t++) scatter(a, t);
      }
      g.spare.push_back(std::move(g.queue.front()));
      g.queue.pop_front();
      g.retired++;
    }
  });
  thread.wgmma_fenced = false;
}

}  // namespace emulator
