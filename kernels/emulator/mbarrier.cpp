// mbarrier: the object's whole state is its 8 bytes of shared memory, so that a kernel which overwrites it is caught.
//   bit 0 phase parity | 1..20 arrivals to come | 21..40 arrivals of a phase | 41..61 bytes to come (signed) | 62, 63 zero
#include <string>

#include "state.h"

namespace emulator {

namespace {

constexpr uint64_t no_barrier = ~0ull;           // poison

struct Mbarrier {
  uint32_t parity;
  uint32_t pending;
  uint32_t expected;
  int32_t bytes;
};

Mbarrier read(const char* memory) {
  uint64_t bits;
  memcpy(&bits, memory, 8);
  return {static_cast<uint32_t>(bits & 1), static_cast<uint32_t>(bits >> 1 & 0xfffff), static_cast<uint32_t>(bits >> 21 & 0xfffff),
          static_cast<int32_t>(static_cast<int64_t>(bits << 2) >> 43)};
}

void write(char* memory, const Mbarrier& m) {
  const uint64_t bits = static_cast<uint64_t>(m.parity) | static_cast<uint64_t>(m.pending) << 1 | static_cast<uint64_t>(m.expected) << 21 |
                        static_cast<uint64_t>(static_cast<uint32_t>(m.bytes) & 0x1fffff) << 41;
  memcpy(memory, &bits, 8);
}

char* at(uint32_t address, Loc here, const char* what, BlockState** owner, const Thread* blame = nullptr) {
  if (offset_of(address) % 8) fail(std::string(what) + ": misaligned mbarrier at shared " + std::to_string(offset_of(address)), here);
  char* memory = shared_bytes(address, 8, here, what, owner);
  uint64_t bits;
  memcpy(&bits, memory, 8);
  if (bits == no_barrier || bits >> 62 || (bits >> 21 & 0xfffff) == 0) {
    const std::string text =
        std::string(what) + ": used before mbarrier.init, or overwritten since: shared " + std::to_string(offset_of(address));
    if (blame) fail_for(*blame, text, here);
    fail(text, here);
  }
  return memory;
}

// Completes the phase if nothing is missing any more, and wakes those who wait for that.
void settle(BlockState& b, uint32_t offset, Mbarrier& m) {
  char* memory = b.arena + offset;
  if (m.pending != 0 || m.bytes != 0) {
    write(memory, m);
    return;
  }
  m.parity ^= 1;
  m.pending = m.expected;
  write(memory, m);
  SHADOW(mbarrier_flip(b, offset));
  std::vector<Thread*>& waiters = b.unit->mbarrier_waiters;
  size_t kept = 0;
  for (size_t i = 0; i < waiters.size(); i++) {
    Thread* waiter = waiters[i];
    if (waiter->block == &b && waiter->wait_a == offset && waiter->wait_b != m.parity) {
      SHADOW(mbarrier_acquire(b, offset, *waiter));
      wake(waiter);
    } else {
      waiters[kept++] = waiter;
    }
  }
  waiters.resize(kept);
}

void arrive(BlockState& b, uint32_t offset, char* memory, uint32_t arrivals, uint32_t bytes, Loc here) {
  Mbarrier m = read(memory);
  if (m.pending < arrivals)
    fail("mbarrier: more arrivals than the " + std::to_string(m.expected) + " that a phase expects, at shared " + std::to_string(offset),
         here);
  if (static_cast<int64_t>(m.bytes) + bytes > 0xfffff) fail("mbarrier: more than 1,048,575 bytes announced in a phase", here);
  m.bytes += static_cast<int32_t>(bytes);
  m.pending -= arrivals;
  settle(b, offset, m);
}

void need_hopper(const char* what, Loc here) {
  if (worker->launch->limits.compute_capability < 90) fail(std::string(what) + ": needs compute capability 9.0", here);
}

}  // namespace

void mbarrier_init(uint32_t address, uint32_t count, Loc here) {
  EMULATOR_INSIDE;
  if (address % 8) fail("mbarrier.init: misaligned mbarrier at shared " + std::to_string(address), here);
  if (count == 0 || count > 0xfffff) fail("mbarrier.init: a count of " + std::to_string(count) + ", 1 to 1,048,575 are possible", here);
  BlockState* b;
  char* memory = shared_bytes(address, 8, here, "mbarrier.init", &b);
  SHADOW(mbarrier_init(*b, offset_of(address), *self(), here));
  write(memory, {0, count, count, 0});
}

void mbarrier_invalidate(uint32_t address, Loc here) {
  EMULATOR_INSIDE;
  BlockState* b;
  char* memory = at(address, here, "mbarrier.inval", &b);
  SHADOW(mbarrier_gone(*b, offset_of(address), *self(), here));
  memcpy(memory, &no_barrier, 8);
}

void mbarrier_fence_init() {
  EMULATOR_INSIDE;
  SHADOW(fence_init(*self()));
}

void mbarrier_arrive(uint32_t address, uint32_t arrivals, uint32_t bytes, Loc here) {
  EMULATOR_INSIDE;
  if (bytes) need_hopper("mbarrier.expect_tx", here);
  BlockState* b;
  char* memory = at(address, here, "mbarrier.arrive", &b);
  worker->counters.mbarrier_arrivals += arrivals;
  SHADOW(mbarrier_touch(*b, offset_of(address), *self(), here));
  if (arrivals) SHADOW(mbarrier_release(*b, offset_of(address), *self()));
  arrive(*b, offset_of(address), memory, arrivals, bytes, here);
}

void arrive_for(BlockState& b, uint32_t offset, const Thread& thread, Loc here) {
  uint64_t bits;
  memcpy(&bits, b.arena + offset, 8);
  if (bits == no_barrier || bits >> 62)
    fail_for(thread, "cp.async.mbarrier.arrive: used before mbarrier.init, or overwritten since: shared " + std::to_string(offset), here);
  Mbarrier m = read(b.arena + offset);
  if (m.pending == 0)
    fail_for(
        thread,
        "mbarrier: more arrivals than the " + std::to_string(m.expected) + " that a phase expects, at shared " + std::to_string(offset),
        here);
  m.pending--;
  worker->counters.mbarrier_arrivals++;
  settle(b, offset, m);
}

void complete_bytes(BlockState& b, uint32_t offset, uint32_t bytes, const Transfer& transfer) {
  Mbarrier m = read(b.arena + offset);
  m.bytes -= static_cast<int32_t>(bytes);
  if (m.pending == 0 && m.bytes < 0) {
    fail_for(*transfer.issuer,
             "mbarrier at shared " + std::to_string(offset) + ": copies brought " + std::to_string(-m.bytes) +
                 " bytes more than were announced (expect_tx)",
             transfer.here);
  }
  settle(b, offset, m);
}

bool mbarrier_try_wait(uint32_t address, uint32_t parity, Loc here) {
  EMULATOR_INSIDE;
  BlockState* b;
  char* memory = at(address, here, "mbarrier.try_wait", &b);
  if (parity > 1) fail("mbarrier.try_wait: a parity of " + std::to_string(parity), here);
  if (read(memory).parity == parity) spin(here);
  if (read(memory).parity == parity) return false;
  SHADOW(mbarrier_touch(*b, offset_of(address), *self(), here));
  SHADOW(mbarrier_acquire(*b, offset_of(address), *self()));
  return true;
}

void mbarrier_wait(uint32_t address, uint32_t parity, Loc here) {
  EMULATOR_INSIDE;
  BlockState* b;
  char* memory = at(address, here, "mbarrier.wait", &b);
  if (address >> address_rank_shift) fail("mbarrier.wait: only on a barrier in the own block's shared memory", here);
  if (parity > 1) fail("mbarrier.wait: a parity of " + std::to_string(parity), here);
  SHADOW(mbarrier_touch(*b, offset_of(address), *self(), here));
  if (read(memory).parity != parity) {
    SHADOW(mbarrier_acquire(*b, offset_of(address), *self()));
    return;
  }
  b->unit->mbarrier_waiters.push_back(self());
  wait_for(Wait::mbarrier, offset_of(address), parity, here);
}

void fence_proxy_async() {
  EMULATOR_INSIDE;
  SHADOW(proxy_fence(*self()));
}

}  // namespace emulator
