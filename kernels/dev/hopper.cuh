// Hopper part of the vocabulary: mbarrier, TMA, wgmma, setmaxnreg.
#pragma once
#include "device.cuh"
#if DEV_CUDA
struct alignas(64) DevTensorMap { uint64_t opaque[16]; };     // layout of CUtensorMap
#else
using DevTensorMap = emulator::TensorMap2D;
#endif

namespace dev {
#if DEV_SM90A
DEV_FN void mbar_init(uint32_t a, uint32_t n DEV_LOC) {
#if DEV_CUDA
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(a), "r"(n) : "memory");
#else
    emulator::mbar_init(a, n, {file, line});
#endif
}
DEV_FN void fence_mbar_init() {
#if DEV_CUDA
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
DEV_FN void fence_proxy_async() {
#if DEV_CUDA
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
    emulator::fence_proxy_async();
#endif
}
DEV_FN void mbar_arrive(uint32_t a DEV_LOC) {
#if DEV_CUDA
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(a) : "memory");
#else
    emulator::mbar_arrive(a, 0, true, {file, line});
#endif
}
DEV_FN void mbar_arrive_expect_tx(uint32_t a, uint32_t bytes DEV_LOC) {
#if DEV_CUDA
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(a), "r"(bytes) : "memory");
#else
    emulator::mbar_arrive(a, bytes, true, {file, line});
#endif
}
DEV_FN bool mbar_try_wait(uint32_t a, uint32_t parity DEV_LOC) {
#if DEV_CUDA
    uint32_t ok;
    asm volatile("{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}" : "=r"(ok) : "r"(a), "r"(parity) : "memory");
    return ok;
#else
    return emulator::mbar_try_wait(a, parity, {file, line});
#endif
}
DEV_FN void mbar_wait(uint32_t a, uint32_t parity DEV_LOC) {
#if DEV_CUDA
    while (!mbar_try_wait(a, parity)) {}
#else
    emulator::mbar_wait(a, parity, {file, line});
#endif
}
DEV_FN void tma_load_2d(uint32_t dst, const DevTensorMap* m, int x, int y, uint32_t mbar DEV_LOC) {
#if DEV_CUDA
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
                 ::"r"(dst), "l"(m), "r"(x), "r"(y), "r"(mbar) : "memory");
#else
    emulator::tma_load_2d(dst, m, x, y, mbar, {file, line});
#endif
}
DEV_FN void tma_prefetch(const DevTensorMap* m) {
#if DEV_CUDA
    asm volatile("prefetch.tensormap [%0];" ::"l"(m) : "memory");
#else
    (void)m;
#endif
}
template <int N> DEV_FN void reg_inc() {
#if DEV_CUDA
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
#endif
}
template <int N> DEV_FN void reg_dec() {
#if DEV_CUDA
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
#endif
}

// K-major operand, 128-byte swizzle: rows of 128 bytes, groups of 8 rows `group_bytes` apart (1024 when dense)
DEV_FN uint64_t wg_desc(uint32_t a, uint32_t lbo_bytes = 16, uint32_t sbo_bytes = 1024) {
    return uint64_t((a & 0x3ffff) >> 4) | uint64_t(lbo_bytes >> 4) << 16 | uint64_t(sbo_bytes >> 4) << 32 | uint64_t(1) << 62;
}
DEV_FN void wgmma_fence(DEV_LOCA) {
#if DEV_CUDA
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
    emulator::wgmma_fence({file, line});
#endif
}
DEV_FN void wgmma_commit(DEV_LOCA) {
#if DEV_CUDA
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
    emulator::wgmma_commit({file, line});
#endif
}
template <int N> DEV_FN void wgmma_wait(DEV_LOCA) {
#if DEV_CUDA
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
#else
    emulator::wgmma_wait(N, {file, line});
#endif
}
// The accumulators must not be touched between a wgmma and its wait: tell the compiler so.
template <int R> DEV_FN void wgmma_fence_regs(float (&d)[R]) {
#if DEV_CUDA
    DEV_UNROLL for (int i = 0; i < R; i++) asm volatile("" : "+f"(d[i])::"memory");
#else
    (void)d;
#endif
}
#if DEV_CUDA
#define D8(o) "+f"(d[o]), "+f"(d[o + 1]), "+f"(d[o + 2]), "+f"(d[o + 3]), "+f"(d[o + 4]), "+f"(d[o + 5]), "+f"(d[o + 6]), "+f"(d[o + 7])
template <int N, int TA, int TB> DEV_FN void wgmma_bf16(float (&d)[N / 2], uint64_t da, uint64_t db, int scale_d) {
    static_assert(N == 64 || N == 128);
    if constexpr (N == 64) {
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
            "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
            "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}, "
            "%32, %33, p, 1, 1, %35, %36;\n}"
            : D8(0), D8(8), D8(16), D8(24) : "l"(da), "l"(db), "r"(scale_d), "n"(TA), "n"(TB) : "memory");
    } else {
        asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
            "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "
            "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
            "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
            "%64, %65, p, 1, 1, %67, %68;\n}"
            : D8(0), D8(8), D8(16), D8(24), D8(32), D8(40), D8(48), D8(56) : "l"(da), "l"(db), "r"(scale_d), "n"(TA), "n"(TB) : "memory");
    }
}
#undef D8
#else
template <int N, int TA, int TB> DEV_FN void wgmma_bf16(float (&d)[N / 2], uint64_t da, uint64_t db, int scale_d DEV_LOC) {
    emulator::wgmma(d, N, da, db, nullptr, scale_d, TA, TB, {file, line});
}
#endif
#endif  // DEV_SM90A
}  // namespace dev
