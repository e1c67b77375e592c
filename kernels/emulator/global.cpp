// Global memory: explicit loads and stores, atomics, the order between blocks.
#include <algorithm>

#include "state.h"

namespace emulator {

namespace {

void check(const void* address, uint32_t bytes, bool write, Loc here) {
  if (reinterpret_cast<uintptr_t>(address) % bytes) {
    fail(std::string(write ? "global store" : "global load") + ": misaligned: " + std::to_string(bytes) +
             " bytes at an address that is no multiple of it",
         here);
  }
  if (counts_accesses()) record_access(here, true, write, reinterpret_cast<uint64_t>(address), bytes);
}

float as_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

uint32_t as_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

// What an atomic leaves behind, from what it found.
uint32_t apply(Atomic kind, uint32_t old, uint32_t operand, uint32_t compare) {
  switch (kind) {
    case Atomic::load:
      return old;
    case Atomic::store:
    case Atomic::exchange:
      return operand;
    case Atomic::add:
      return old + operand;
    case Atomic::add_float:
      return as_bits(as_float(old) + as_float(operand));
    case Atomic::maximum:
      return std::max(old, operand);
    case Atomic::minimum:
      return std::min(old, operand);
    case Atomic::bit_or:
      return old | operand;
    case Atomic::bit_and:
      return old & operand;
    case Atomic::compare_exchange:
      return old == compare ? operand : old;
  }
  return old;
}

}  // namespace

void global_load(void* value, const void* address, uint32_t bytes, Loc here) {
  EMULATOR_INSIDE;
  check(address, bytes, false, here);
  SHADOW(global_read(address, bytes, *self(), here));
  memcpy(value, address, bytes);
}

void global_store(void* address, const void* value, uint32_t bytes, Loc here) {
  EMULATOR_INSIDE;
  check(address, bytes, true, here);
  SHADOW(global_write(address, bytes, *self(), here));
  memcpy(address, value, bytes);
}

uint64_t atomic(Atomic kind, void* address, uint64_t operand, uint64_t compare, uint32_t bytes, Order order, Loc here) {
  EMULATOR_INSIDE;
  if (reinterpret_cast<uintptr_t>(address) % bytes) fail("atomic: misaligned address", here);
  SHADOW(atomic(address, bytes, *self(), kind == Atomic::load, kind == Atomic::store, order, here));
  (void)order;                        // the host does all of them sequentially consistent; only the shadow tells orders apart
  uint32_t* word = static_cast<uint32_t*>(address);
  Worker& w = *worker;
  if (kind == Atomic::load) return __atomic_load_n(word, __ATOMIC_SEQ_CST);
  w.counters.atomics++;
  w.idle_spins = 0;
  uint32_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
  uint32_t next;
  do {
    next = apply(kind, old, static_cast<uint32_t>(operand), static_cast<uint32_t>(compare));
  } while (!__atomic_compare_exchange_n(word, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  if (next != old) w.launch->progress.fetch_add(1, std::memory_order_relaxed);
  return old;
}

void fence_device(Loc here) {
  EMULATOR_INSIDE;
  (void)here;
  SHADOW(fence(*self()));
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

}  // namespace emulator
