// Device vocabulary: the only way kernel sources reach the hardware. Two implementations of every primitive:
// inline PTX (nvcc, or clang device-only without a toolkit) and the host emulator (any C++17 compiler).
#pragma once
#if defined(__CUDACC__) || defined(__CUDA__)
  #define DEV_CUDA 1
  #if defined(__clang__) && !defined(DEV_HAVE_TOOLKIT)
    #include "clang_device.h"
  #else
    #include <cuda_runtime.h>
    #include <stdint.h>
  #endif
#else
  #define DEV_EMULATED 1
  #include "../emulator/emulator.h"
#endif

#if DEV_CUDA
  #define DEV_FN static __forceinline__ __device__
  #define DEV_KERNEL __global__ void
  #define DEV_BOUNDS(...) __launch_bounds__(__VA_ARGS__)
  #define DEV_GRID_CONST __grid_constant__
  #define DEV_LOC
  #define DEV_LOCA
  // static shared array; SHARED(float, red, 32);
  #define DEV_SHARED(T, name, n) __shared__ T name[n]
  #define DEV_UNROLL _Pragma("unroll")
  #if __CUDA_ARCH__ >= 900 && (defined(__CUDA_ARCH_FEAT_SM90_ALL) || defined(__CUDA_ARCH_SPECIFIC__))
    #define DEV_SM90A 1
  #endif
#else
  #define DEV_FN static inline __attribute__((always_inline))
  #define DEV_KERNEL void
  #define DEV_BOUNDS(...)
  #define DEV_GRID_CONST
  #define DEV_LOC , EMULATOR_LOC
  #define DEV_LOCA EMULATOR_LOC
  #define DEV_SHARED(T, name, n) \
      static const char name##_key_ = 0; T* const name = (T*)emulator::static_smem(&name##_key_, sizeof(T) * (n), alignof(T) < 16 ? 16 : alignof(T))
  #define DEV_UNROLL
  #define DEV_SM90A 1
  struct alignas(8)  uint2  { uint32_t x, y; };
  struct alignas(16) uint4  { uint32_t x, y, z, w; };
  struct alignas(8)  float2 { float x, y; };
  struct alignas(16) float4 { float x, y, z, w; };
#endif

namespace dev {

// ---------------------------------------------------------------- scalar types
struct bf16 { uint16_t u; };
#if DEV_CUDA
DEV_FN uint32_t f2u(float f) { return __float_as_uint(f); }
DEV_FN float u2f(uint32_t u) { return __uint_as_float(u); }
DEV_FN float fmax_(float a, float b) { return fmaxf(a, b); }
#else
DEV_FN uint32_t f2u(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }
DEV_FN float u2f(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
DEV_FN float fmax_(float a, float b) { return __builtin_fmaxf(a, b); }
#endif
DEV_FN float to_float(bf16 b) { return u2f(uint32_t(b.u) << 16); }
DEV_FN float to_float(float f) { return f; }
// two floats to packed bf16x2, lo in the low half
DEV_FN uint32_t pack_bf16(float lo, float hi) {
#if DEV_CUDA
    uint32_t r; asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(hi), "f"(lo)); return r;
#else
    auto one = [](float f) -> uint32_t { uint32_t u = f2u(f); if ((u & 0x7fffffff) > 0x7f800000) return 0x7fff;
                                         return (u + 0x7fff + ((u >> 16) & 1)) >> 16; };
    return one(lo) | one(hi) << 16;
#endif
}
DEV_FN bf16 to_bf16(float f) { return bf16{uint16_t(pack_bf16(f, 0.f))}; }
template <class T> struct From;
template <> struct From<float> { DEV_FN float f(float v) { return v; } };
template <> struct From<bf16> { DEV_FN bf16 f(float v) { return to_bf16(v); } };

DEV_FN float exp2_approx(float x) {
#if DEV_CUDA
    float r; asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x)); return r;
#else
    return __builtin_exp2f(x);
#endif
}

// ---------------------------------------------------------------- ids
#if DEV_CUDA
DEV_FN uint32_t tid() { return threadIdx.x; }
DEV_FN uint32_t ntid() { return blockDim.x; }
DEV_FN uint32_t bid_x() { return blockIdx.x; }
DEV_FN uint32_t bid_y() { return blockIdx.y; }
DEV_FN uint32_t nbid_x() { return gridDim.x; }
DEV_FN uint32_t lane() { uint32_t r; asm("mov.u32 %0, %%laneid;" : "=r"(r)); return r; }
#else
DEV_FN uint32_t tid() { return emulator::cur->x; }
DEV_FN uint32_t ntid() { return emulator::cur->blk->bdim.x; }
DEV_FN uint32_t bid_x() { return emulator::cur->blk->bidx.x; }
DEV_FN uint32_t bid_y() { return emulator::cur->blk->bidx.y; }
DEV_FN uint32_t nbid_x() { return emulator::cur->blk->gdim.x; }
DEV_FN uint32_t lane() { return emulator::cur->lane; }
#endif

// ---------------------------------------------------------------- synchronisation
constexpr uint32_t full = 0xffffffffu;
#if DEV_CUDA
DEV_FN void sync_block() { __syncthreads(); }
DEV_FN void bar_sync(uint32_t id, uint32_t n) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(n) : "memory"); }
DEV_FN void bar_arrive(uint32_t id, uint32_t n) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(n) : "memory"); }
DEV_FN void sync_warp(uint32_t m = full) { __syncwarp(m); }
DEV_FN void spin_hint() {}
DEV_FN uint32_t load_acquire(const uint32_t* p) { uint32_t v; asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(v) : "l"(p) : "memory"); return v; }
DEV_FN void store_release(uint32_t* p, uint32_t v) { asm volatile("st.release.gpu.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory"); }
template <class T> DEV_FN T shfl(T v, int src, uint32_t m = full) { return __shfl_sync(m, v, src); }
template <class T> DEV_FN T shfl_xor(T v, int x, uint32_t m = full) { return __shfl_xor_sync(m, v, x); }
template <class T> DEV_FN T shfl_down(T v, int d, uint32_t m = full) { return __shfl_down_sync(m, v, d); }
template <class T> DEV_FN T shfl_up(T v, int d, uint32_t m = full) { return __shfl_up_sync(m, v, d); }
DEV_FN uint32_t ballot(bool p, uint32_t m = full) { return __ballot_sync(m, p); }
template <class T> DEV_FN T atomic_add(T* p, T v) { return atomicAdd(p, v); }
#else
DEV_FN void sync_block(EMULATOR_LOC) { emulator::bar_sync(0, emulator::cur->blk->nthreads, false, {file, line}); }
DEV_FN void bar_sync(uint32_t id, uint32_t n, EMULATOR_LOC) { emulator::bar_sync(id, n, false, {file, line}); }
DEV_FN void bar_arrive(uint32_t id, uint32_t n, EMULATOR_LOC) { emulator::bar_sync(id, n, true, {file, line}); }
DEV_FN void sync_warp(uint32_t m = full, EMULATOR_LOC) { emulator::sync_warp(m, {file, line}); }
DEV_FN void spin_hint() { emulator::yield(); }
DEV_FN uint32_t load_acquire(const uint32_t* p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
DEV_FN void store_release(uint32_t* p, uint32_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }
template <class T> DEV_FN T shfl_any(uint32_t m, T v, emulator::Shfl k, int a, emulator::Loc l) {
    static_assert(sizeof(T) <= 8); uint64_t u = 0; memcpy(&u, &v, sizeof v); u = emulator::shfl(m, u, k, a, 32, l); memcpy(&v, &u, sizeof v); return v; }
template <class T> DEV_FN T shfl(T v, int s, uint32_t m = full, EMULATOR_LOC) { return shfl_any(m, v, emulator::Shfl::idx, s, {file, line}); }
template <class T> DEV_FN T shfl_xor(T v, int s, uint32_t m = full, EMULATOR_LOC) { return shfl_any(m, v, emulator::Shfl::bfly, s, {file, line}); }
template <class T> DEV_FN T shfl_down(T v, int s, uint32_t m = full, EMULATOR_LOC) { return shfl_any(m, v, emulator::Shfl::down, s, {file, line}); }
template <class T> DEV_FN T shfl_up(T v, int s, uint32_t m = full, EMULATOR_LOC) { return shfl_any(m, v, emulator::Shfl::up, s, {file, line}); }
DEV_FN uint32_t ballot(bool p, uint32_t m = full, EMULATOR_LOC) { return emulator::ballot(m, p, {file, line}); }
template <class T> DEV_FN T atomic_add(T* p, T v) {
    if constexpr (sizeof(T) == 4 && T(0.5) != T(0)) {   // float: CAS loop
        uint32_t o = __atomic_load_n((uint32_t*)p, __ATOMIC_RELAXED), n;
        do { n = f2u(u2f(o) + v); } while (!__atomic_compare_exchange_n((uint32_t*)p, &o, n, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
        return u2f(o);
    } else return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}
#endif

// ---------------------------------------------------------------- shared memory
#if DEV_CUDA
DEV_FN char* dynamic_smem() { extern __shared__ __attribute__((aligned(1024))) char dev_smem_[]; return dev_smem_; }
DEV_FN uint32_t smem_addr(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }
#else
DEV_FN char* dynamic_smem() { return (char*)emulator::dynamic_smem(); }
DEV_FN uint32_t smem_addr(const void* p) { return emulator::smem_addr(p); }
#endif

// ---------------------------------------------------------------- cp.async
// 16 bytes; bytes beyond src_bytes are zero-filled (src_bytes 0: nothing is read)
DEV_FN void cp_async16(uint32_t dst, const void* src, int src_bytes = 16 DEV_LOC) {
#if DEV_CUDA
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(dst), "l"(src), "r"(src_bytes) : "memory");
#else
    emulator::cp_async(dst, src, 16, src_bytes, {file, line});
#endif
}
DEV_FN void cp_async_commit() {
#if DEV_CUDA
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    emulator::cp_async_commit();
#endif
}
template <int N> DEV_FN void cp_async_wait() {
#if DEV_CUDA
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#else
    emulator::cp_async_wait(N);
#endif
}

// ---------------------------------------------------------------- ldmatrix / mma.sync
DEV_FN void ldmatrix_x4(uint32_t (&r)[4], uint32_t a DEV_LOC) {
#if DEV_CUDA
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(a) : "memory");
#else
    emulator::ldmatrix(r, 4, false, a, {file, line});
#endif
}
DEV_FN void ldmatrix_x4_trans(uint32_t (&r)[4], uint32_t a DEV_LOC) {
#if DEV_CUDA
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(a) : "memory");
#else
    emulator::ldmatrix(r, 4, true, a, {file, line});
#endif
}
DEV_FN void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t* b DEV_LOC) {
#if DEV_CUDA
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    emulator::mma_m16n8k16_bf16(d, a, b, {file, line});
#endif
}
}  // namespace dev
