// ldmatrix, stmatrix, mma.sync: the warp meets, the last lane computes. dev/matrix.cuh has the fragments' table.
#include "collective.h"

namespace emulator {

namespace {

float low(uint32_t pair) {
  const uint32_t bits = pair << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

float high(uint32_t pair) {
  const uint32_t bits = pair & 0xffff0000u;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

float tf32(uint32_t bits) {           // the hardware ignores the low 13 bits
  bits &= 0xffffe000u;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// Eight rows of 16 bytes are one wavefront if they lie in different groups of four banks (the same row twice is no conflict).
void count_conflicts(const uint32_t* address) {
  uint32_t degree = 0;
  for (uint32_t bank = 0; bank < 8; bank++) {
    uint32_t distinct = 0;
    for (int i = 0; i < 8; i++) {
      if (address[i] / 16 % 8 != bank) continue;
      bool seen = false;
      for (int j = 0; j < i; j++) seen |= address[j] == address[i];
      distinct += !seen;
    }
    degree = std::max(degree, distinct);
  }
  worker->counters.matrix_conflicts += degree - 1;
}

char* row(const Collective& c, int lane, const char* what, bool write, Loc here) {
  const uint32_t address = c.argument[lane];
  if (address % 16)
    fail_for(*c.lanes[lane], std::string(what) + ": misaligned: the row address " + std::to_string(address) + " is no multiple of 16",
             here);
  if (address >> address_rank_shift) fail_for(*c.lanes[lane], std::string(what) + ": reaches only its own block's shared memory", here);
  char* memory = shared_bytes(address, 16, here, what);
  if (write) {
    SHADOW(write(*block(), address, 16, *c.lanes[lane], here));
  } else {
    SHADOW(read(*block(), address, 16, *c.lanes[lane], here));
  }
  return memory;
}

struct MmaOperands {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};

constexpr int largest_tile = 16;      // tiles of 16 rows, and twice as many of 8 columns

// Matrices of one tile. On the heap, one for each worker: thread-local storage of a library that a program loads late is a few hundred
// bytes (see Scratch in wgmma.cpp).
struct TileScratch {
  alignas(64) float a[largest_tile * 16 * 16];
  alignas(64) float b[16 * largest_tile * 16];
  alignas(64) float d[largest_tile * 16 * largest_tile * 16];
};

// The fragments of all lanes to matrices, the product, and back.
template <bool Bf16>
void multiply_tile(const Collective& c, int rows, int columns) {
  constexpr int k = Bf16 ? 16 : 8;
  static thread_local std::unique_ptr<TileScratch> scratch;
  if (scratch == nullptr) scratch = std::make_unique<TileScratch>();
  float* const a = scratch->a;
  float* const b = scratch->b;
  float* const d = scratch->d;
  const size_t n = static_cast<size_t>(columns) * 8;
  for (int lane = 0; lane < 32; lane++) {
    const MmaOperands& o = *static_cast<MmaOperands*>(c.slot[lane]);
    const int g = lane >> 2;
    const int q = lane & 3;
    for (int i = 0; i < rows; i++) {
      const uint32_t* x = o.a + i * 4;
      float* to = a + (i * 16 + g) * k;
      if (Bf16) {
        to[2 * q] = low(x[0]);
        to[2 * q + 1] = high(x[0]);
        to[8 * k + 2 * q] = low(x[1]);
        to[8 * k + 2 * q + 1] = high(x[1]);
        to[2 * q + 8] = low(x[2]);
        to[2 * q + 9] = high(x[2]);
        to[8 * k + 2 * q + 8] = low(x[3]);
        to[8 * k + 2 * q + 9] = high(x[3]);
      } else {
        to[q] = tf32(x[0]);
        to[8 * k + q] = tf32(x[1]);
        to[q + 4] = tf32(x[2]);
        to[8 * k + q + 4] = tf32(x[3]);
      }
    }
    for (int j = 0; j < columns; j++) {
      const uint32_t* x = o.b + j * 2;
      float* to = b + j * 8 + g;
      if (Bf16) {
        to[static_cast<size_t>(2 * q) * n] = low(x[0]);
        to[static_cast<size_t>(2 * q + 1) * n] = high(x[0]);
        to[static_cast<size_t>(2 * q + 8) * n] = low(x[1]);
        to[static_cast<size_t>(2 * q + 9) * n] = high(x[1]);
      } else {
        to[static_cast<size_t>(q) * n] = tf32(x[0]);
        to[static_cast<size_t>(q + 4) * n] = tf32(x[1]);
      }
    }
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        const float* x = o.d + (i * columns + j) * 4;
        float* to = d + static_cast<size_t>(i * 16 + g) * n + static_cast<size_t>(j * 8 + 2 * q);
        memcpy(to, x, 8);
        memcpy(to + 8 * n, x + 2, 8);
      }
    }
  }
  multiply_add(d, n, a, k, b, n, static_cast<uint32_t>(rows) * 16, static_cast<uint32_t>(n), k);
  for (int lane = 0; lane < 32; lane++) {
    const MmaOperands& o = *static_cast<MmaOperands*>(c.slot[lane]);
    const int g = lane >> 2;
    const int q = lane & 3;
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        float* to = o.d + (i * columns + j) * 4;
        const float* x = d + static_cast<size_t>(i * 16 + g) * n + static_cast<size_t>(j * 8 + 2 * q);
        memcpy(to, x, 8);
        memcpy(to + 2, x + 8 * n, 8);
      }
    }
  }
}

template <bool Bf16>
void mma(float* d, const uint32_t* a, const uint32_t* b, int rows, int columns, Loc here) {
  if (rows > largest_tile || columns > 2 * largest_tile) fail("mma: a warp tile of more than 256 x 256", here);
  MmaOperands operands = {d, a, b};
  collective(~0u, Bf16 ? op_mma_bf16 : op_mma_tf32, rows * 256 + columns, &operands, 0, here, [&](Collective& c) {
    worker->counters.mma += static_cast<uint64_t>(rows * columns);
    multiply_tile<Bf16>(c, rows, columns);
  });
}

}  // namespace

void ldmatrix(uint32_t* registers, int count, bool transposed, uint32_t address, Loc here) {
  EMULATOR_INSIDE;
  collective(~0u, op_ldmatrix, count * 2 + transposed, registers, address, here, [&](Collective& c) {
    worker->counters.ldmatrix++;
    for (int m = 0; m < count; m++) {
      uint16_t tile[8][8];
      for (int i = 0; i < 8; i++) memcpy(tile[i], row(c, m * 8 + i, "ldmatrix", false, here), 16);
      count_conflicts(c.argument + m * 8);
      for (int lane = 0; lane < 32; lane++) {
        const int g = lane >> 2;
        const int q = (lane & 3) * 2;
        const uint32_t value = transposed ? tile[q][g] | static_cast<uint32_t>(tile[q + 1][g]) << 16
                                          : tile[g][q] | static_cast<uint32_t>(tile[g][q + 1]) << 16;
        static_cast<uint32_t*>(c.slot[lane])[m] = value;
      }
    }
  });
}

void stmatrix(uint32_t address, const uint32_t* registers, int count, bool transposed, Loc here) {
  EMULATOR_INSIDE;
  if (worker->launch->limits.compute_capability < 90) fail("stmatrix: needs compute capability 9.0", here);
  collective(~0u, op_stmatrix, count * 2 + transposed, const_cast<uint32_t*>(registers), address, here, [&](Collective& c) {
    worker->counters.stmatrix++;
    for (int m = 0; m < count; m++) {
      uint16_t tile[8][8];
      for (int lane = 0; lane < 32; lane++) {
        const int g = lane >> 2;
        const int q = (lane & 3) * 2;
        const uint32_t value = static_cast<const uint32_t*>(c.slot[lane])[m];
        (transposed ? tile[q][g] : tile[g][q]) = static_cast<uint16_t>(value);
        (transposed ? tile[q + 1][g] : tile[g][q + 1]) = static_cast<uint16_t>(value >> 16);
      }
      for (int i = 0; i < 8; i++) memcpy(row(c, m * 8 + i, "stmatrix", true, here), tile[i], 16);
      count_conflicts(c.argument + m * 8);
    }
  });
}

void mma_bf16(float* d, const uint32_t* a, const uint32_t* b, int rows, int columns, Loc here) {
  EMULATOR_INSIDE;
  mma<true>(d, a, b, rows, columns, here);
}

void mma_tf32(float* d, const uint32_t* a, const uint32_t* b, int rows, int columns, Loc here) {
  EMULATOR_INSIDE;
  mma<false>(d, a, b, rows, columns, here);
}

}  // namespace emulator
