// The host twins behind dev/: what each hardware instruction does, on the fiber that calls it.
// Shared addresses are 32-bit offsets into the block's arena; those of another block of the cluster carry its rank + 1 in the top byte.
#pragma once
#include "tensor_map.h"
#include "thread.h"

namespace emulator {

// ---- warp.cpp ---------------------------------------------------------------------------------------------------------------------------
enum class Shuffle { index, up, down, exclusive_or };
void sync_warp(uint32_t mask, Loc here);
uint64_t shuffle(uint32_t mask, uint64_t value, Shuffle kind, int argument, Loc here);
uint32_t ballot(uint32_t mask, bool predicate, Loc here);
bool elect_one(uint32_t mask, Loc here);

// ---- block_barrier.cpp ------------------------------------------------------------------------------------------------------------------
void sync_block(Loc here);
void bar_sync(uint32_t id, uint32_t count, Loc here);
void bar_arrive(uint32_t id, uint32_t count, Loc here);

// ---- scheduler.cpp ----------------------------------------------------------------------------------------------------------------------
void spin(Loc here);                  // called in loops that wait for another block: lets others run
[[noreturn]] void trap(Loc here);
void set_registers(uint32_t count, bool increase, Loc here);     // registers.cpp

// ---- shared.cpp -------------------------------------------------------------------------------------------------------------------------
uint32_t shared_address(const void* pointer);
void* shared_array(const void* key, size_t bytes, size_t alignment, Loc here);
void* dynamic_shared();
uint32_t dynamic_shared_bytes();
void shared_load(void* value, uint32_t address, uint32_t bytes, bool cluster, Loc here);
void shared_store(uint32_t address, const void* value, uint32_t bytes, bool cluster, Loc here);

// ---- global.cpp -------------------------------------------------------------------------------------------------------------------------
void global_load(void* value, const void* address, uint32_t bytes, Loc here);
void global_store(void* address, const void* value, uint32_t bytes, Loc here);
enum class Order { relaxed, acquire, release, acquire_release };
enum class Atomic { load, store, add, add_float, maximum, minimum, bit_or, bit_and, exchange, compare_exchange };
uint64_t atomic(Atomic kind, void* address, uint64_t operand, uint64_t compare, uint32_t bytes, Order order, Loc here);
void fence_device(Loc here);

// ---- async_copy.cpp ---------------------------------------------------------------------------------------------------------------------
void cp_async(uint32_t target, const void* source, uint32_t bytes, uint32_t source_bytes, Loc here);
void cp_async_commit();
void cp_async_wait(uint32_t pending_groups, Loc here);
void cp_async_mbarrier_arrive(uint32_t barrier, Loc here);       // .noinc

// ---- matrix.cpp -------------------------------------------------------------------------------------------------------------------------
void ldmatrix(uint32_t* registers, int count, bool transposed, uint32_t address, Loc here);
void stmatrix(uint32_t address, const uint32_t* registers, int count, bool transposed, Loc here);
void mma_bf16(float* d, const uint32_t* a, const uint32_t* b, int rows, int columns, Loc here);   // rows x columns tiles of m16n8k16
void mma_tf32(float* d, const uint32_t* a, const uint32_t* b, int rows, int columns, Loc here);   // rows x columns tiles of m16n8k8

// ---- mbarrier.cpp -----------------------------------------------------------------------------------------------------------------------
void mbarrier_init(uint32_t address, uint32_t count, Loc here);
void mbarrier_invalidate(uint32_t address, Loc here);
void mbarrier_fence_init();
void mbarrier_arrive(uint32_t address, uint32_t arrivals, uint32_t expected_bytes, Loc here);
bool mbarrier_try_wait(uint32_t address, uint32_t parity, Loc here);
void mbarrier_wait(uint32_t address, uint32_t parity, Loc here);
void fence_proxy_async();

// ---- tma.cpp ----------------------------------------------------------------------------------------------------------------------------
void tma_load(uint32_t target, const TensorMap* map, uint32_t rank, const int32_t* coordinates, uint32_t barrier, uint32_t block_mask,
              Loc here);
void tma_store(const TensorMap* map, uint32_t source, uint32_t rank, const int32_t* coordinates, bool add, Loc here);
void tma_commit();
void tma_wait(uint32_t pending_groups, bool read_only, Loc here);

// ---- cluster.cpp ------------------------------------------------------------------------------------------------------------------------
void cluster_arrive(Loc here);
void cluster_wait(Loc here);
uint32_t map_shared(uint32_t address, uint32_t rank, Loc here);

// ---- wgmma.cpp --------------------------------------------------------------------------------------------------------------------------
void wgmma_fence(Loc here);
void wgmma(float* d, uint32_t n, uint64_t a, const uint32_t* a_registers, uint64_t b, bool accumulate, bool a_transposed, bool b_transposed,
           Loc here);
void wgmma_commit(Loc here);
void wgmma_wait(uint32_t pending_groups, Loc here);

}  // namespace emulator
