// What is said when a kernel is wrong: who, what, where, and who waits for what.
#include <map>

#include "state.h"

namespace emulator {

void leave_fiber();                   // scheduler.cpp

std::string name_of(Loc here) {
  return here.file ? std::string(here.file) + ":" + std::to_string(here.line) : std::string("unknown place");
}

std::string name_of(const Thread& thread) {
  const Dim3 b = thread.block->index;
  char text[160];
  snprintf(text, sizeof text, "block (%u,%u,%u) thread %u", b.x, b.y, b.z, thread.thread);
  return text;
}

void leave_launch(const std::string& text) {
  if (!worker) throw Error(text);
  Launch& launch = *worker->launch;
  {
    std::lock_guard<std::mutex> lock(launch.mutex);
    if (launch.error.empty()) launch.error = text;
    launch.stop = true;
  }
  if (!current) throw Error(text);
  leave_fiber();
  __builtin_trap();                   // the launch is over, and with it this fiber
}

void fail(const std::string& text) { leave_launch(current ? name_of(*self()) + ": " + text : text); }

void fail(const std::string& text, Loc here) { fail(text + ", at " + name_of(here)); }

void fail_for(const Thread& thread, const std::string& text, Loc here) {
  leave_launch(name_of(thread) + ": " + text + ", at " + name_of(here));
}

void trap(Loc here) {
  EMULATOR_INSIDE;
  fail("trap: this kernel has no code for the device, or gave up", here);
}

namespace {

std::string describe(const Thread& t) {
  char text[400];
  const std::string place = name_of(t.wait_here);
  switch (t.wait) {
    case Wait::exited:
      return "exited";
    case Wait::warp:
      snprintf(text, sizeof text, "wait for lanes of their warp, mask %#x, at %s", t.wait_a, place.c_str());
      return text;
    case Wait::barrier:
      snprintf(text, sizeof text, "wait at barrier %u for %u threads, at %s", t.wait_a, t.wait_b, place.c_str());
      return text;
    case Wait::cluster:
      snprintf(text, sizeof text, "wait for the cluster's barrier, at %s", place.c_str());
      return text;
    case Wait::mbarrier: {
      uint64_t bits;
      memcpy(&bits, const_cast<Thread&>(t).state().arena + t.wait_a, 8);
      const int32_t bytes = static_cast<int32_t>(static_cast<int64_t>(bits << 2) >> 43);
      snprintf(text, sizeof text,
               "wait for phase parity %u of the mbarrier at shared %u (%u arrivals and %d bytes to come, phase parity %u), at %s", t.wait_b,
               t.wait_a, static_cast<uint32_t>(bits >> 1 & 0xfffff), bytes, static_cast<uint32_t>(bits & 1), place.c_str());
      return text;
    }
    case Wait::warpgroup:
      snprintf(text, sizeof text, "wait for threads of their warpgroup, at %s", place.c_str());
      return text;
    case Wait::registers:
      snprintf(text, sizeof text, "wait for registers (setmaxnreg to %u; %llu of the block's are free), at %s", t.wait_a,
               static_cast<unsigned long long>(const_cast<Thread&>(t).state().register_pool), place.c_str());
      return text;
    case Wait::none:
      break;
  }
  return "ready";
}

}  // namespace

void report_deadlock() {
  std::map<std::string, std::vector<const Thread*>> groups;
  for (auto& unit : worker->units) {
    if (unit->live == 0) continue;
    for (auto& b : unit->blocks) {
      for (uint32_t t = 0; t < b->threads; t++) groups[describe(b->thread[t])].push_back(&b->thread[t]);
    }
  }
  std::string text = "DEADLOCK: no thread can go on";
  for (auto& [what, threads] : groups) {
    text += "\n    " + std::to_string(threads.size()) + " thread(s), " + name_of(*threads.front());
    if (threads.size() > 1) text += " to " + name_of(*threads.back());
    text += ": " + what;
  }
  leave_launch(text);
}

}  // namespace emulator
