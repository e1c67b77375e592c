// setmaxnreg: a block has 65,536 registers at most; what some warpgroups give back, others may take.
#include "state.h"

namespace emulator {

void set_registers(uint32_t count, bool increase, Loc here) {
  EMULATOR_INSIDE;
  Thread* thread = self();
  BlockState& b = thread->state();
  const char* name = increase ? "setmaxnreg.inc" : "setmaxnreg.dec";
  if (worker->launch->limits.compute_capability < 90) fail(std::string(name) + ": needs compute capability 9.0", here);
  if (b.threads % 128 != 0) fail(std::string(name) + ": the block is no whole number of warpgroups", here);
  if (increase ? count < thread->registers : count > thread->registers)
    fail(std::string(name) + ": to " + std::to_string(count) + " from " + std::to_string(thread->registers) + " registers a thread", here);
  if (!increase) {
    b.register_pool += thread->registers - count;
    thread->registers = count;
    release_registers(b);
    return;
  }
  const uint32_t more = count - thread->registers;
  if (b.register_pool < more) {
    // Waiting helps only if those that have not given back yet can: threads that have ended, or wait here too, cannot.
    b.register_waiters.push_back(thread);
    wait_for(Wait::registers, count, more, here);
    return;                           // release_registers has taken them for this thread
  }
  b.register_pool -= more;
  thread->registers = count;
}

// In the order of asking, as far as the pool goes.
void release_registers(BlockState& b) {
  size_t served = 0;
  while (served < b.register_waiters.size()) {
    Thread* waiter = b.register_waiters[served];
    if (b.register_pool < waiter->wait_b) break;
    b.register_pool -= waiter->wait_b;
    waiter->registers = waiter->wait_a;
    served++;
  }
  for (size_t i = served; i-- > 0;) wake(b.register_waiters[i]);
  b.register_waiters.erase(b.register_waiters.begin(), b.register_waiters.begin() + static_cast<std::ptrdiff_t>(served));
}

}  // namespace emulator
