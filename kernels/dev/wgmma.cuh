// wgmma: the matrix instruction of a warpgroup (four warps, 128 threads, aligned to 128), asynchronous, and setmaxnreg.
// d[64 x N] (+)= a[64 x 16] b[16 x N], bf16 in, float32 out. B comes from shared memory, A from shared memory or registers.
//
//   d:  thread t holds rows t/32*16 + t%32/4 (+ 8) and columns 8j + t%4*2 (+ 1): d[4j], d[4j+1] the first row, d[4j+2], d[4j+3] the second
//   a in registers: the A fragment of mma.sync m16n8k16 for the 16 rows of the thread's warp
//   wgmma_fence()              once before the first wgmma after registers were written
//   wgmma_bf16<N, TA, TB>(..)  any number
//   wgmma_commit()             closes the group
//   wgmma_wait<n>()            all but the newest n groups are done: accumulators and A registers are free, shared memory has been read
//
// TA, TB: 0 = K-major (a row of K values is contiguous: A[M,K] row-major, B[N,K] row-major), 1 = MN-major.
#pragma once
#include "device.cuh"

namespace dev {
#if DEV_SM90A

// An operand in shared memory with the 128-byte swizzle of TMA; base 1024-aligned, a step along K adds bytes to `address`.
//   K-major:  rows of 128 bytes (64 values of K), groups of 8 rows every `stride_bytes` (1024 when dense); leading_bytes unused.
//             The next k16 is address + 32.
//   MN-major: rows of 128 bytes (64 values of M or N), groups of 8 k every stride_bytes, the next 64 of M or N every leading_bytes.
//             The next k16 is address + 2 * stride_bytes.
DEV_FN uint64_t wg_desc(uint32_t address, uint32_t leading_bytes = 16, uint32_t stride_bytes = 1024) {
  return static_cast<uint64_t>((address & 0x3ffff) >> 4) | static_cast<uint64_t>(leading_bytes >> 4) << 16 |
         static_cast<uint64_t>(stride_bytes >> 4) << 32 | static_cast<uint64_t>(1) << 62;
}

DEV_FN void wgmma_fence(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  emulator::wgmma_fence(here);
#endif
}

DEV_FN void wgmma_commit(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  emulator::wgmma_commit(here);
#endif
}

template <int N>
DEV_FN void wgmma_wait(DEV_HERE_ONLY) {
#if DEV_CUDA
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
#else
  emulator::wgmma_wait(N, here);
#endif
}

// The accumulators must not be touched between a wgmma and its wait: this tells the compiler so. Before the first wgmma and after the wait.
template <int R>
DEV_FN void wgmma_fence_regs(float (&d)[R]) {
#if DEV_CUDA
  DEV_UNROLL
  for (int i = 0; i < R; i++) asm volatile("" : "+f"(d[i])::"memory");
#else
  (void)d;
#endif
}

#if DEV_CUDA
// Operands of asm statements for N = 32 * pieces: a piece is 16 accumulator registers. Widths that are no multiple of 32 are not assembled.
#define DEV_WGMMA_TEXT_1 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define DEV_WGMMA_TEXT_2 \
  DEV_WGMMA_TEXT_1 \
  ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define DEV_WGMMA_TEXT_3 \
  DEV_WGMMA_TEXT_2 \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define DEV_WGMMA_TEXT_4 \
  DEV_WGMMA_TEXT_3 \
  ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define DEV_WGMMA_TEXT_5 \
  DEV_WGMMA_TEXT_4 \
  ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define DEV_WGMMA_TEXT_6 \
  DEV_WGMMA_TEXT_5 \
  ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define DEV_WGMMA_TEXT_7 \
  DEV_WGMMA_TEXT_6 \
  ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"
#define DEV_WGMMA_TEXT_8 \
  DEV_WGMMA_TEXT_7 \
  ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define DEV_WGMMA_FOUR(o) "+f"(d[o]), "+f"(d[o + 1]), "+f"(d[o + 2]), "+f"(d[o + 3])
#define DEV_WGMMA_SIXTEEN(o) DEV_WGMMA_FOUR(o), DEV_WGMMA_FOUR(o + 4), DEV_WGMMA_FOUR(o + 8), DEV_WGMMA_FOUR(o + 12)
#define DEV_WGMMA_OUT_1 DEV_WGMMA_SIXTEEN(0)
#define DEV_WGMMA_OUT_2 DEV_WGMMA_OUT_1, DEV_WGMMA_SIXTEEN(16)
#define DEV_WGMMA_OUT_3 DEV_WGMMA_OUT_2, DEV_WGMMA_SIXTEEN(32)
#define DEV_WGMMA_OUT_4 DEV_WGMMA_OUT_3, DEV_WGMMA_SIXTEEN(48)
#define DEV_WGMMA_OUT_5 DEV_WGMMA_OUT_4, DEV_WGMMA_SIXTEEN(64)
#define DEV_WGMMA_OUT_6 DEV_WGMMA_OUT_5, DEV_WGMMA_SIXTEEN(80)
#define DEV_WGMMA_OUT_7 DEV_WGMMA_OUT_6, DEV_WGMMA_SIXTEEN(96)
#define DEV_WGMMA_OUT_8 DEV_WGMMA_OUT_7, DEV_WGMMA_SIXTEEN(112)
// Shared-memory A: operands after the accumulators are a, b, accumulate, TA, TB.
#define DEV_WGMMA_SHARED(pieces, n, a_at, b_at, s_at, ta_at, tb_at) \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #s_at ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" \
               DEV_WGMMA_TEXT_##pieces "}, %" #a_at ", %" #b_at ", p, 1, 1, %" #ta_at ", %" #tb_at ";\n}" \
               : DEV_WGMMA_OUT_##pieces \
               : "l"(a), "l"(b), "r"(accumulate), "n"(TA), "n"(TB) \
               : "memory")
// A in registers: operands after the accumulators are a[0..3], b, accumulate, TB.
#define DEV_WGMMA_REGISTERS(pieces, n, a0_at, a1_at, a2_at, a3_at, b_at, s_at, tb_at) \
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %" #s_at ", 0;\nwgmma.mma_async.sync.aligned.m64n" #n "k16.f32.bf16.bf16 {" \
               DEV_WGMMA_TEXT_##pieces "}, {%" #a0_at ", %" #a1_at ", %" #a2_at ", %" #a3_at "}, %" #b_at ", p, 1, 1, %" #tb_at ";\n}" \
               : DEV_WGMMA_OUT_##pieces \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(TB) \
               : "memory")
#endif

template <int N, int TA, int TB>
DEV_FN void wgmma_bf16(float (&d)[N / 2], uint64_t a, uint64_t b, int accumulate DEV_HERE) {
#if DEV_CUDA
  static_assert(N % 32 == 0 && N >= 32 && N <= 256, "a width that dev/ assembles");
  if constexpr (N == 32) {
    DEV_WGMMA_SHARED(1, 32, 16, 17, 18, 19, 20);
  } else if constexpr (N == 64) {
    DEV_WGMMA_SHARED(2, 64, 32, 33, 34, 35, 36);
  } else if constexpr (N == 96) {
    DEV_WGMMA_SHARED(3, 96, 48, 49, 50, 51, 52);
  } else if constexpr (N == 128) {
    DEV_WGMMA_SHARED(4, 128, 64, 65, 66, 67, 68);
  } else if constexpr (N == 160) {
    DEV_WGMMA_SHARED(5, 160, 80, 81, 82, 83, 84);
  } else if constexpr (N == 192) {
    DEV_WGMMA_SHARED(6, 192, 96, 97, 98, 99, 100);
  } else if constexpr (N == 224) {
    DEV_WGMMA_SHARED(7, 224, 112, 113, 114, 115, 116);
  } else if constexpr (N == 256) {
    DEV_WGMMA_SHARED(8, 256, 128, 129, 130, 131, 132);
  }
#else
  static_assert(N % 8 == 0 && N >= 8 && N <= 256, "a width of wgmma");
  emulator::wgmma(d, N, a, nullptr, b, accumulate != 0, TA != 0, TB != 0, here);
#endif
}

// A in registers is always K-major: TA is 0.
template <int N, int TA, int TB>
DEV_FN void wgmma_bf16(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, int accumulate DEV_HERE) {
  static_assert(TA == 0, "A in registers is K-major");
#if DEV_CUDA
  static_assert(N % 32 == 0 && N >= 32 && N <= 256, "a width that dev/ assembles");
  if constexpr (N == 32) {
    DEV_WGMMA_REGISTERS(1, 32, 16, 17, 18, 19, 20, 21, 22);
  } else if constexpr (N == 64) {
    DEV_WGMMA_REGISTERS(2, 64, 32, 33, 34, 35, 36, 37, 38);
  } else if constexpr (N == 96) {
    DEV_WGMMA_REGISTERS(3, 96, 48, 49, 50, 51, 52, 53, 54);
  } else if constexpr (N == 128) {
    DEV_WGMMA_REGISTERS(4, 128, 64, 65, 66, 67, 68, 69, 70);
  } else if constexpr (N == 160) {
    DEV_WGMMA_REGISTERS(5, 160, 80, 81, 82, 83, 84, 85, 86);
  } else if constexpr (N == 192) {
    DEV_WGMMA_REGISTERS(6, 192, 96, 97, 98, 99, 100, 101, 102);
  } else if constexpr (N == 224) {
    DEV_WGMMA_REGISTERS(7, 224, 112, 113, 114, 115, 116, 117, 118);
  } else if constexpr (N == 256) {
    DEV_WGMMA_REGISTERS(8, 256, 128, 129, 130, 131, 132, 133, 134);
  }
#else
  static_assert(N % 8 == 0 && N >= 8 && N <= 256, "a width of wgmma");
  emulator::wgmma(d, N, 0, a, b, accumulate != 0, false, TB != 0, here);
#endif
}

// setmaxnreg, by all four warps of a warpgroup: registers of this thread from here on, a multiple of 8 in 24..256. reg_inc waits until
// other warpgroups have given enough back.
template <int N>
DEV_FN void reg_inc(DEV_HERE_ONLY) {
  static_assert(N % 8 == 0 && N >= 24 && N <= 256, "a register count of setmaxnreg");
#if DEV_CUDA
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
#else
  emulator::set_registers(N, true, here);
#endif
}

template <int N>
DEV_FN void reg_dec(DEV_HERE_ONLY) {
  static_assert(N % 8 == 0 && N >= 24 && N <= 256, "a register count of setmaxnreg");
#if DEV_CUDA
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
#else
  emulator::set_registers(N, false, here);
#endif
}

#endif  // DEV_SM90A
}  // namespace dev
