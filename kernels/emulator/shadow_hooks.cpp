// -fsanitize=thread makes the compiler call these at every memory access of the kernel sources; the sanitizer's library is not linked.
// Outside of kernels (host code in the same source) they do nothing.
#include "state.h"

#if MM1_SHADOW

namespace {

inline void hook(void* address, unsigned bytes, bool write, bool aligned, void* pc) {
  if (!emulator::current || emulator::self()->shadow.inside) return;
  const emulator::Inside inside;
  emulator::shadow_ordinary(address, bytes, write, aligned, pc);
}

}  // namespace

#define PC __builtin_return_address(0)
#define ACCESS(n) \
  void __tsan_read##n(void* p) { hook(p, n, false, true, PC); } \
  void __tsan_write##n(void* p) { hook(p, n, true, true, PC); } \
  void __tsan_volatile_read##n(void* p) { hook(p, n, false, true, PC); } \
  void __tsan_volatile_write##n(void* p) { hook(p, n, true, true, PC); } \
  void __tsan_unaligned_read##n(void* p) { hook(p, n, false, false, PC); } \
  void __tsan_unaligned_write##n(void* p) { hook(p, n, true, false, PC); } \
  void __tsan_unaligned_volatile_read##n(void* p) { hook(p, n, false, false, PC); } \
  void __tsan_unaligned_volatile_write##n(void* p) { hook(p, n, true, false, PC); } \
  void __tsan_read_write##n(void* p) { \
    hook(p, n, false, true, PC); \
    hook(p, n, true, true, PC); \
  } \
  void __tsan_unaligned_read_write##n(void* p) { \
    hook(p, n, false, false, PC); \
    hook(p, n, true, false, PC); \
  }

// Host code around kernels may use atomics (reference counts, guards of statics). In kernels they are dev/'s, which is not instrumented.
#define ATOMICS(bits, T) \
  T __tsan_atomic##bits##_load(const volatile T* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
  void __tsan_atomic##bits##_store(volatile T* p, T v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_exchange(volatile T* p, T v, int) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_fetch_add(volatile T* p, T v, int) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_fetch_sub(volatile T* p, T v, int) { return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_fetch_or(volatile T* p, T v, int) { return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_fetch_and(volatile T* p, T v, int) { return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST); } \
  T __tsan_atomic##bits##_fetch_xor(volatile T* p, T v, int) { return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST); } \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile T* p, T* e, T v, int, int) { \
    return __atomic_compare_exchange_n(p, e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  } \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile T* p, T* e, T v, int, int) { \
    return __atomic_compare_exchange_n(p, e, v, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
  } \
  T __tsan_atomic##bits##_compare_exchange_val(volatile T* p, T e, T v, int, int) { \
    __atomic_compare_exchange_n(p, &e, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    return e; \
  }

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
void __tsan_acquire(void*) {}
void __tsan_release(void*) {}
void __tsan_ignore_thread_begin() {}
void __tsan_ignore_thread_end() {}
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}
void __tsan_read_range(void* p, size_t n) { hook(p, static_cast<unsigned>(n), false, false, PC); }
void __tsan_write_range(void* p, size_t n) { hook(p, static_cast<unsigned>(n), true, false, PC); }
void* __tsan_memcpy(void* to, const void* from, size_t n) {
  hook(const_cast<void*>(from), static_cast<unsigned>(n), false, false, PC);
  hook(to, static_cast<unsigned>(n), true, false, PC);
  return memcpy(to, from, n);
}
void* __tsan_memmove(void* to, const void* from, size_t n) {
  hook(const_cast<void*>(from), static_cast<unsigned>(n), false, false, PC);
  hook(to, static_cast<unsigned>(n), true, false, PC);
  return memmove(to, from, n);
}
void* __tsan_memset(void* to, int value, size_t n) {
  hook(to, static_cast<unsigned>(n), true, false, PC);
  return memset(to, value, n);
}
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
ATOMICS(8, unsigned char)
ATOMICS(16, unsigned short)
ATOMICS(32, unsigned int)
ATOMICS(64, unsigned long)
}

#endif
