// Warp matrix instructions: ldmatrix, stmatrix, mma.sync. All 32 lanes take part.
//
// Fragments, with g = lane / 4 and q = lane % 4 (bf16 pairs hold neighbouring columns of A, neighbouring rows of B):
//   ldmatrix: lane i of group m (i = 8m..8m+7) gives the address of row i % 8 of matrix m; each lane gets row g, columns 2q, 2q+1
//             (transposed: rows 2q, 2q+1 of column g) of every matrix, in registers 0..3.
//   A 16x16:  a[0] row g, columns 2q..   a[1] row g+8, same   a[2] row g, columns 2q+8..   a[3] row g+8, same
//   B 16x8:   b[0] rows 2q.., column g   b[1] rows 2q+8.., column g
//   C 16x8:   c[0], c[1] row g, columns 2q, 2q+1   c[2], c[3] row g+8
//   tf32, A 16x8: a[0] row g, column q   a[1] row g+8, q   a[2] row g, q+4   a[3] row g+8, q+4
//   B 8x8:      b[0] row q, column g   b[1] row q+4
#pragma once
#include "device.cuh"

namespace dev {

DEV_FN void ldmatrix_x4(uint32_t (&r)[4], uint32_t address DEV_HERE) {
#if DEV_CUDA
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
#else
  emulator::ldmatrix(r, 4, false, address, here);
#endif
}

DEV_FN void ldmatrix_x4_trans(uint32_t (&r)[4], uint32_t address DEV_HERE) {
#if DEV_CUDA
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(address)
               : "memory");
#else
  emulator::ldmatrix(r, 4, true, address, here);
#endif
}

DEV_FN void ldmatrix_x2(uint32_t (&r)[2], uint32_t address DEV_HERE) {
#if DEV_CUDA
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(address) : "memory");
#else
  emulator::ldmatrix(r, 2, false, address, here);
#endif
}

DEV_FN void ldmatrix_x2_trans(uint32_t (&r)[2], uint32_t address DEV_HERE) {
#if DEV_CUDA
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(address) : "memory");
#else
  emulator::ldmatrix(r, 2, true, address, here);
#endif
}

#if DEV_SM90A
DEV_FN void stmatrix_x4(uint32_t address, const uint32_t (&r)[4] DEV_HERE) {
#if DEV_CUDA
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
               : "memory");
#else
  emulator::stmatrix(address, r, 4, false, here);
#endif
}

DEV_FN void stmatrix_x4_trans(uint32_t address, const uint32_t (&r)[4] DEV_HERE) {
#if DEV_CUDA
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(address), "r"(r[0]), "r"(r[1]), "r"(r[2]),
               "r"(r[3])
               : "memory");
#else
  emulator::stmatrix(address, r, 4, true, here);
#endif
}

DEV_FN void stmatrix_x2(uint32_t address, const uint32_t (&r)[2] DEV_HERE) {
#if DEV_CUDA
  asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(address), "r"(r[0]), "r"(r[1]) : "memory");
#else
  emulator::stmatrix(address, r, 2, false, here);
#endif
}
#endif

// d += a b, m16n8k16, float32 accumulation.
DEV_FN void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t* b DEV_HERE) {
#if DEV_CUDA
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  emulator::mma_bf16(d, a, b, 1, 1, here);
#endif
}

// d += a b, m16n8k8; a and b hold tf32 bits (to_tf32; without it the hardware ignores the low 13 bits).
DEV_FN void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t* b DEV_HERE) {
#if DEV_CUDA
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  emulator::mma_tf32(d, a, b, 1, 1, here);
#endif
}

// The whole warp tile of one k step: R x C instructions, all of them independent. In the emulator the warp meets once, not R * C times,
// which makes the tile an order of magnitude faster there; on the GPU it is exactly the unrolled loop.
template <int R, int C>
DEV_FN void mma_bf16_tile(float (&d)[R][C][4], const uint32_t (&a)[R][4], const uint32_t (&b)[C][2] DEV_HERE) {
#if DEV_CUDA
  DEV_UNROLL
  for (int i = 0; i < R; i++) {
    DEV_UNROLL
    for (int j = 0; j < C; j++) mma_bf16(d[i][j], a[i], b[j]);
  }
#else
  emulator::mma_bf16(&d[0][0][0], &a[0][0], &b[0][0], R, C, here);
#endif
}

template <int R, int C>
DEV_FN void mma_tf32_tile(float (&d)[R][C][4], const uint32_t (&a)[R][4], const uint32_t (&b)[C][2] DEV_HERE) {
#if DEV_CUDA
  DEV_UNROLL
  for (int i = 0; i < R; i++) {
    DEV_UNROLL
    for (int j = 0; j < C; j++) mma_tf32(d[i][j], a[i], b[j]);
  }
#else
  emulator::mma_tf32(&d[0][0][0], &a[0][0], &b[0][0], R, C, here);
#endif
}

}  // namespace dev
