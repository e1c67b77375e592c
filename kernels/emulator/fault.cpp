// An access to an unreadable page (the guards around device memory, shared memory and stacks) or a misaligned vector access stops the
// kernel with a text instead of the process. Faults outside of kernels go to whatever handler was there before, such as a managed
// runtime's.
#include "fault.h"

#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdlib>

#include "state.h"

namespace emulator {

std::string describe_address(const void* address);   // memory.cpp

namespace {

struct sigaction previous_segv;
struct sigaction previous_bus;

#if defined(__x86_64__)
thread_local const void* fault_address;
thread_local bool fault_known;

// Runs on the worker's emergency stack, as if the faulting instruction had called it.
[[noreturn]] void report_fault() {
#if MM1_SHADOW
  self()->shadow.inside = true;
#endif
  if (!fault_known) fail("invalid memory access: a misaligned vector access, or an address that is none");
  if (is_stack_guard(fault_address))
    fail("stack overflow: the thread's local arrays exceed the emulator's " + std::to_string(stack_bytes / 1024) + " KB");
  fail("invalid memory access: " + describe_address(fault_address));
}
#endif

void handle(int number, siginfo_t* info, void* context) {
#if defined(__x86_64__)
  if (current && worker) {
    ucontext_t* machine = static_cast<ucontext_t*>(context);
    fault_known = info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR;
    fault_address = info->si_addr;
    char* top = worker->emergency_stack.data() + worker->emergency_stack.size();
    uintptr_t aligned = reinterpret_cast<uintptr_t>(top) & ~uintptr_t(15);
    machine->uc_mcontext.gregs[REG_RSP] = static_cast<greg_t>(aligned - 8);
    machine->uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(&report_fault);
    return;
  }
#endif
  const struct sigaction& previous = number == SIGSEGV ? previous_segv : previous_bus;
  if (previous.sa_flags & SA_SIGINFO) {
    previous.sa_sigaction(number, info, context);
  } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
    signal(number, SIG_DFL);          // returning repeats the access, which then ends the process
  } else {
    previous.sa_handler(number);
  }
}

}  // namespace

void install_fault_handler() {
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previous_segv);
    sigaction(SIGBUS, &action, &previous_bus);
    return true;
  }();
  (void)installed;
}

// A fiber may have no stack left to handle its own overflow on.
void prepare_worker_for_faults(Worker& w) {
  if (w.emergency_stack.empty()) w.emergency_stack.resize(256 * 1024);
  static thread_local void* alternate = nullptr;
  if (alternate) return;
  stack_t stack = {};
  if (sigaltstack(nullptr, &stack) == 0 && !(stack.ss_flags & SS_DISABLE)) {
    alternate = stack.ss_sp;          // somebody's, and good enough
    return;
  }
  constexpr size_t bytes = 64 * 1024;
  struct Free {
    void* memory = nullptr;
    ~Free() {
      if (!memory) return;
      stack_t off = {};
      off.ss_flags = SS_DISABLE;
      sigaltstack(&off, nullptr);
      std::free(memory);
    }
  };
  static thread_local Free owner;
  owner.memory = std::malloc(bytes);
  stack = {};
  stack.ss_sp = owner.memory;
  stack.ss_size = bytes;
  if (sigaltstack(&stack, nullptr) == 0) alternate = owner.memory;
}

}  // namespace emulator
