// The shadow memory's side of every primitive (see SHADOW in state.h). Private to emulator/, shadow builds only.
//   shadow.cpp        cells: races, uninitialised reads, bounds, bytes in flight, the proxy fence
//   shadow_order.cpp  clocks: what orders threads and blocks
//   shadow_hooks.cpp  the compiler's instrumentation of ordinary accesses
#pragma once
#include "state.h"

namespace emulator {

// ---- shadow.cpp -------------------------------------------------------------------------------------------------------------------------
struct Place {                        // of an access: a primitive's caller, or an instruction of the kernel
  Loc here;
  void* pc;
};
std::string name_of(const Place& place);
void shadow_begin_launch(Launch& launch);
void shadow_end_launch(Launch& launch);
void shadow_begin_block(BlockState& block);
void shadow_allow(BlockState& block, uint32_t offset, uint32_t bytes);
void shadow_read(BlockState& block, uint32_t offset, uint32_t bytes, Thread& thread, Loc here);
void shadow_write(BlockState& block, uint32_t offset, uint32_t bytes, Thread& thread, Loc here);
void shadow_ordinary(void* address, uint32_t bytes, bool write, bool aligned, void* pc);       // of the current thread, anywhere
void shadow_global_read(const void* address, uint32_t bytes, Thread& thread, Loc here);
void shadow_global_write(const void* address, uint32_t bytes, Thread& thread, Loc here);
void shadow_copy_issue(BlockState& block, uint32_t offset, uint32_t bytes, Thread& thread, Loc here);
void shadow_copy_land(BlockState& block, uint32_t offset, uint32_t bytes, Thread& thread);
void shadow_tma_issue(BlockState& block, uint32_t offset, uint32_t bytes, uint32_t barrier, Thread& thread, Transfer& transfer, Loc here);
void shadow_tma_land(BlockState& block, uint32_t offset, uint32_t bytes, uint32_t barrier, Transfer& transfer);
void shadow_bulk_read(BlockState& block, uint32_t offset, uint32_t bytes, Thread& thread, BulkStore& store, Loc here);
void shadow_bulk_write(const void* address, uint32_t bytes, Thread& thread, Loc here);
void shadow_wgmma_read(BlockState& block, uint32_t offset, uint32_t bytes, Thread& witness, uint32_t warpgroup, uint32_t clock, Loc here);
void shadow_atomic(const void* address, uint32_t bytes, Thread& thread, bool load, bool store, Order order, Loc here);
void shadow_mbarrier_init(BlockState& block, uint32_t offset, Thread& thread, Loc here);
void shadow_mbarrier_gone(BlockState& block, uint32_t offset, Thread& thread, Loc here);
void shadow_mbarrier_touch(BlockState& block, uint32_t offset, Thread& thread, Loc here);

// ---- shadow_order.cpp -------------------------------------------------------------------------------------------------------------------
bool ordered_before(const Mark& mark, Thread& thread);         // whether the thread knows of it
void shadow_begin_unit(Unit& unit, uint32_t index);
void shadow_barrier_begin(BlockState& block, uint32_t id);
void shadow_barrier_arrive(BlockState& block, uint32_t id, Thread& thread);
void shadow_barrier_acquire(BlockState& block, uint32_t id, Thread& thread);
void shadow_cluster_begin(Unit& unit);
void shadow_cluster_arrive(Unit& unit, Thread& thread);
void shadow_cluster_acquire(Unit& unit, Thread& thread);
void shadow_join_lanes(const Collective& collective, uint32_t mask);
void shadow_mbarrier_release(BlockState& block, uint32_t offset, Thread& thread);
void shadow_mbarrier_flip(BlockState& block, uint32_t offset);
void shadow_mbarrier_acquire(BlockState& block, uint32_t offset, Thread& thread);
void shadow_arrive_later(Thread& thread, Transfer& transfer);
void shadow_arrived_later(Thread& thread, Transfer& transfer);
void shadow_fence(Thread& thread);
void shadow_fence_init(Thread& thread);
void shadow_proxy_fence(Thread& thread);
void shadow_wgmma_begin(WgmmaOperation& operation, Thread& thread);
void shadow_wgmma_retire(Warpgroup& warpgroup, const WgmmaOperation& operation);
void shadow_bulk_read_done(Thread& thread, uint32_t clock);
void shadow_synchronize(const void* address, Thread& thread, bool load, bool store, Order order);
void shadow_forget_synchronization();

inline ShadowUnit& shadow_unit(Thread& thread) { return thread.state().unit->shadow; }
inline uint32_t& own_clock(Thread& thread) { return shadow_unit(thread).of(thread.unit_index)[thread.unit_index]; }

}  // namespace emulator
