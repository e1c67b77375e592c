#include "fiber.h"

#include <sys/mman.h>

#include <mutex>
#include <new>

namespace emulator {

__thread Fiber* current __attribute__((tls_model("initial-exec"))) = nullptr;

#if EMULATOR_UCONTEXT

void prepare_context(Context& context, char* stack, uint32_t colour, void (*entry)()) {
  if (!context.saved) context.saved = new ucontext_t;
  getcontext(context.saved);
  context.saved->uc_stack.ss_sp = stack;
  context.saved->uc_stack.ss_size = stack_bytes - colour * 320 % page_bytes;
  context.saved->uc_link = nullptr;
  makecontext(context.saved, entry, 0);
}

void switch_context(Context& from, const Context& to) {
  if (!from.saved) from.saved = new ucontext_t;
  swapcontext(from.saved, to.saved);
}

#else

// The callee-saved registers of the System V ABI; the control words of SSE and x87 are nobody's to change here.
asm(R"(
.text
.globl emulator_switch_stack
.hidden emulator_switch_stack
.type emulator_switch_stack,@function
emulator_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emulator_switch_stack,.-emulator_switch_stack
)");

void prepare_context(Context& context, char* stack, uint32_t colour, void (*entry)()) {
  void** top = reinterpret_cast<void**>(stack + stack_bytes - colour * 320 % page_bytes);
  *--top = nullptr;                               // entry's return address, and the alignment that a call would have left
  *--top = reinterpret_cast<void*>(entry);
  for (int i = 0; i < 6; i++) *--top = nullptr;
  context.stack_pointer = top;
}

#endif

namespace {

struct Slab {
  char* memory;
  size_t bytes;
};

struct Pool {
  std::mutex mutex;
  std::vector<char*> free;
  std::vector<Slab> slabs;
};

Pool& pool() {
  static Pool* one = new Pool;                    // never destroyed: threads may end after the statics
  return *one;
}

}  // namespace

void take_stacks(std::vector<char*>& stacks, size_t count) {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  while (count > 0 && !p.free.empty()) {
    stacks.push_back(p.free.back());
    p.free.pop_back();
    count--;
  }
  if (count == 0) return;
  constexpr size_t one = stack_bytes + page_bytes;
  void* memory = mmap(nullptr, one * count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  char* base = static_cast<char*>(memory);
  p.slabs.push_back({base, one * count});
  for (size_t i = count; i-- > 0;) {
    mprotect(base + i * one, page_bytes, PROT_NONE);
    stacks.push_back(base + i * one + page_bytes);
  }
}

void give_stacks(std::vector<char*>& stacks) {
  Pool& p = pool();
  std::lock_guard<std::mutex> lock(p.mutex);
  p.free.insert(p.free.end(), stacks.rbegin(), stacks.rend());
  stacks.clear();
}

bool is_stack_guard(const void* address) {
  const char* at = static_cast<const char*>(address);
  for (const Slab& slab : pool().slabs) {
    if (at >= slab.memory && at < slab.memory + slab.bytes)
      return static_cast<size_t>(at - slab.memory) % (stack_bytes + page_bytes) < page_bytes;
  }
  return false;
}

}  // namespace emulator
