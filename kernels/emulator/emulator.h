// Host emulator for CUDA-style kernels: one fiber per CUDA thread. Included by dev/device.cuh only
// when no CUDA compiler is in use. Kernel code never sees anything but the dev:: vocabulary.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace emulator {

struct Dim3 { uint32_t x = 1, y = 1, z = 1; };

// ---- knobs (per launch; defaults come from the environment, see emu.cpp) -------------------------------------
struct Options {
    bool     late_async  = true;   // cp.async / TMA / wgmma take effect as late as the program allows
    uint32_t sched_seed  = 0;      // 0: FIFO; otherwise the next runnable fiber is picked at random
    int      host_threads = 0;     // 0: hardware_concurrency
    uint32_t co_resident = 1;      // blocks that run interleaved (spin-waits between blocks; later: clusters)
    size_t   stack_bytes = 64 << 10;
};
Options& default_options();

struct Counters {
    uint64_t fibers, switches, bar, shfl, mma, ldmatrix, ldmatrix_conflicts, cp_async_bytes, tma_bytes, wgmma, mbar_arrive, checked_accesses;
};
Counters& counters();   // summed over the last launch

struct Error : std::runtime_error { using std::runtime_error::runtime_error; };

// ---- the fiber that is running -----------------------------------------------------------------------------
struct Block;
struct Fiber {
    void*    sp;            // saved stack pointer
    uint32_t t;             // linear thread index in the block
    uint32_t idx;           // index within the scheduling group
    uint32_t x, y, z;       // threadIdx
    uint32_t lane, warp;
    Block*   blk;
    // ... scheduler-private part follows in emu.cpp
};
struct Block {
    Dim3 bidx, bdim, gdim;
    uint32_t nthreads;
    char*  smem;            // dynamic shared memory, 1024-byte aligned, guard page after it
    size_t smem_bytes, smem_static_top;
};
extern thread_local Fiber* cur;

// ---- primitives --------------------------------------------------------------------------------------------
#define EMULATOR_LOC const char *file = __builtin_FILE(), int line = __builtin_LINE()
struct Loc { const char* file; int line; };

void bar_sync(uint32_t id, uint32_t n, bool arrive_only, Loc);
void sync_warp(uint32_t mask, Loc);
enum class Shfl { idx, up, down, bfly };
uint64_t shfl(uint32_t mask, uint64_t v, Shfl kind, int arg, int width, Loc);
uint32_t ballot(uint32_t mask, bool p, Loc);
void yield();

uint32_t smem_addr(const void* p);
void*    smem_ptr(uint32_t a, size_t bytes, Loc);
void*    dynamic_smem();
void*    static_smem(const void* key, size_t bytes, size_t align);

void cp_async(uint32_t dst, const void* src, int bytes, int src_bytes, Loc);
void cp_async_commit();
void cp_async_wait(int n);

void ldmatrix(uint32_t* r, int num, bool trans, uint32_t addr, Loc);
void mma_m16n8k16_bf16(float* d, const uint32_t* a, const uint32_t* b, Loc);

void mbar_init(uint32_t a, uint32_t count, Loc);
void mbar_arrive(uint32_t a, uint32_t expect_tx, bool arrive, Loc);
bool mbar_try_wait(uint32_t a, uint32_t parity, Loc);   // yields once
void mbar_wait(uint32_t a, uint32_t parity, Loc);       // blocks
void fence_proxy_async();

struct TensorMap2D {        // stands in for CUtensorMap
    const char* base; uint64_t width, height, row_bytes; uint32_t box_w, box_h, elem, swizzle;
};
void tma_load_2d(uint32_t dst, const TensorMap2D* m, int x, int y, uint32_t mbar, Loc);

void wgmma_fence(Loc);
void wgmma(float* d, int N, uint64_t descA, uint64_t descB, const uint32_t* ra, int scale_d, int trans_a, int trans_b, Loc);
void wgmma_commit(Loc);
void wgmma_wait(int n, Loc);

void check_range(const void* p, size_t n, bool write);   // explicit shadow hook for memcpy-like helpers

// ---- global memory with guard pages, poisoned when fresh -----------------------------------------------------
void* gmalloc(size_t bytes);
void  gfree(void*);

// ---- launch -------------------------------------------------------------------------------------------------
void run(Dim3 grid, Dim3 block, size_t smem, void (*body)(void*), void* arg, const Options& o);

}  // namespace emulator
