// cp.async: each thread keeps its copies, in groups; late ones are poison until their group is waited for.
#include "state.h"

namespace emulator {

void land_copy(AsyncCopy& copy, Thread& thread) {
  if (copy.landed) return;
  copy.landed = true;
  char* target = thread.state().arena + copy.target;
  memcpy(target, copy.source, copy.source_bytes);
  memset(target + copy.source_bytes, 0, static_cast<size_t>(copy.bytes - copy.source_bytes));
}

void cp_async(uint32_t target, const void* source, uint32_t bytes, uint32_t source_bytes, Loc here) {
  EMULATOR_INSIDE;
  Thread& thread = *self();
  if (source_bytes > bytes)
    fail("cp.async: " + std::to_string(source_bytes) + " source bytes for a copy of " + std::to_string(bytes), here);
  if (target % bytes) fail("cp.async: misaligned: " + std::to_string(bytes) + " bytes to shared address " + std::to_string(target), here);
  if (source_bytes && reinterpret_cast<uintptr_t>(source) % bytes)
    fail("cp.async: misaligned: " + std::to_string(bytes) + " bytes from an address that is no multiple of it", here);
  char* memory = shared_bytes(target, bytes, here, "cp.async");
  if (target >> address_rank_shift) fail("cp.async: writes only its own block's shared memory", here);
  worker->counters.cp_async_bytes += source_bytes;
  if (counts_accesses()) {
    record_access(here, false, true, target, bytes);
    if (source_bytes) record_access(here, true, false, reinterpret_cast<uint64_t>(source), source_bytes);
  }
  SHADOW(copy_issue(thread.state(), target, bytes, thread, here));
  if (source_bytes) SHADOW(global_read(source, source_bytes, thread, here));
  AsyncCopy copy = {target, source, static_cast<uint8_t>(bytes), static_cast<uint8_t>(source_bytes), false, thread.copy_group};
  if (takes_effect_now()) {
    land_copy(copy, thread);
  } else {
    memset(memory, 0xff, bytes);
  }
  thread.copies.push_back(copy);
}

void cp_async_commit() {
  EMULATOR_INSIDE;
  self()->copy_group++;
}

void land_copies(Thread& thread, uint32_t pending_groups) {
  for (auto& transfer : worker->transfers) {      // those that an mbarrier waits for as well
    if (transfer->tma || transfer->issuer != &thread) continue;
    for (AsyncCopy& copy : transfer->copies) {
      if (copy.group + pending_groups >= thread.copy_group) continue;
      land_copy(copy, thread);
      SHADOW(copy_land(thread.state(), copy.target, copy.bytes, thread));
    }
  }
  size_t done = 0;
  while (done < thread.copies.size() && thread.copies[done].group + pending_groups < thread.copy_group) {
    AsyncCopy& copy = thread.copies[done];
    land_copy(copy, thread);
    SHADOW(copy_land(thread.state(), copy.target, copy.bytes, thread));
    done++;
  }
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + static_cast<std::ptrdiff_t>(done));
}

void cp_async_wait(uint32_t pending_groups, Loc here) {
  EMULATOR_INSIDE;
  (void)here;
  land_copies(*self(), pending_groups);
}

// The thread's copies become a transfer that lands by itself, and then arrives.
void cp_async_mbarrier_arrive(uint32_t barrier, Loc here) {
  EMULATOR_INSIDE;
  Thread& thread = *self();
  shared_bytes(barrier, 8, here, "cp.async.mbarrier.arrive");
  if (barrier % 8) fail("cp.async.mbarrier.arrive: misaligned mbarrier", here);
  std::unique_ptr<Transfer> transfer(new Transfer());
  transfer->issuer = &thread;
  transfer->barrier = barrier;
  transfer->here = here;
  transfer->tma = false;
  transfer->copies.swap(thread.copies);
  SHADOW(arrive_later(thread, *transfer));
  worker->transfers.push_back(std::move(transfer));
  if (!late()) {
    while (deliver_transfer()) {
    }
  }
}

void finish_thread(Thread& thread) {
  BlockState& b = thread.state();
  for (const BulkStore& store : thread.stores) {
    if (!store.read) fail("the thread ends before tma_wait_read: its TMA store may still read shared memory", store.here);
  }
  if (thread.warp / 4 < b.warpgroups.size()) {
    for (auto& operation : b.warpgroups[thread.warp / 4].queue) {
      if (operation->a_pointer[thread.thread % 128] || operation->arrived)
        fail("the thread ends with a wgmma in flight (commit and wait are missing)", operation->here);
    }
  }
  tma_wait(0, false, {nullptr, 0});
}

}  // namespace emulator
