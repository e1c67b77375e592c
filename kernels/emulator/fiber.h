// Stacks and the switch between them: one fiber is one CUDA thread.
#pragma once
#include <cstddef>
#include <vector>

#include "thread.h"

// The portable fallback: -DEMULATOR_UCONTEXT, and everything but x86-64.
#if !defined(__x86_64__) || defined(EMULATOR_UCONTEXT)
#undef EMULATOR_UCONTEXT
#define EMULATOR_UCONTEXT 1
#include <ucontext.h>
#endif

namespace emulator {

constexpr size_t stack_bytes = 128 * 1024;      // of address space; a kernel touches a page or two
constexpr size_t page_bytes = 4096;

// Where a fiber (or the worker's own stack) stands while it does not run.
struct Context {
#if EMULATOR_UCONTEXT
  ucontext_t* saved = nullptr;
  ~Context() { delete saved; }
#else
  void* stack_pointer = nullptr;
#endif
};

// Makes `context` start at entry() on this stack when first switched to; entry must not return. The colour staggers the frames of
// neighbouring fibers: equal offsets modulo 4 KB would put all of them into the same cache sets.
void prepare_context(Context& context, char* stack, uint32_t colour, void (*entry)());

#if EMULATOR_UCONTEXT
void switch_context(Context& from, const Context& to);
#else
extern "C" __attribute__((visibility("hidden"))) void emulator_switch_stack(void** save, void* load);
inline void switch_context(Context& from, const Context& to) { emulator_switch_stack(&from.stack_pointer, to.stack_pointer); }
#endif

// Stacks with an unreadable page below each. They are kept for the life of the process: mapping costs more than a small launch.
void take_stacks(std::vector<char*>& stacks, size_t count);
void give_stacks(std::vector<char*>& stacks);
bool is_stack_guard(const void* address);

}  // namespace emulator
