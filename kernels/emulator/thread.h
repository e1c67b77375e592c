// The CUDA thread that is running, as dev/ sees it. Kernels never see anything but the dev:: vocabulary.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
};

// Where in the kernel source: every primitive takes its caller's as a default argument.
struct Loc {
  const char* file;
  int line;
  constexpr Loc(const char* its_file = nullptr, int its_line = 0) : file(its_file), line(its_line) {}
};
// With a constructor: g++ 12 evaluates the builtins of a braced aggregate where it is declared, not where the function is called.
#define EMULATOR_HERE ::emulator::Loc here = ::emulator::Loc(__builtin_FILE(), __builtin_LINE())

struct Block {
  Dim3 index;
  Dim3 size;
  Dim3 grid;
  Dim3 cluster;                       // in blocks; 1, 1, 1 without clusters
  uint32_t threads;
  uint32_t cluster_rank;
  uint32_t cluster_blocks;
};

struct Fiber {
  uint32_t thread;                    // linear index in the block
  uint32_t x, y, z;                   // threadIdx
  uint32_t lane;
  uint32_t warp;
  Block* block;
};

// __thread and not thread_local: no initialiser call; initial-exec: one instruction, also in a shared library.
extern __thread Fiber* current __attribute__((tls_model("initial-exec")));

// Shadow builds instrument the kernels' accesses; the emulator's own records are none of them.
#if MM1_SHADOW
#define EMULATOR_UNCHECKED static inline __attribute__((noinline, unused, no_sanitize("thread")))
#else
#define EMULATOR_UNCHECKED static inline __attribute__((always_inline, unused))
#endif

EMULATOR_UNCHECKED uint32_t thread_x() { return current->x; }
EMULATOR_UNCHECKED uint32_t thread_y() { return current->y; }
EMULATOR_UNCHECKED uint32_t thread_z() { return current->z; }
EMULATOR_UNCHECKED uint32_t thread_lane() { return current->lane; }
EMULATOR_UNCHECKED uint32_t thread_count() { return current->block->threads; }
EMULATOR_UNCHECKED Dim3 block_index() { return current->block->index; }
EMULATOR_UNCHECKED Dim3 block_size() { return current->block->size; }
EMULATOR_UNCHECKED Dim3 grid_size() { return current->block->grid; }
EMULATOR_UNCHECKED uint32_t block_cluster_rank() { return current->block->cluster_rank; }
EMULATOR_UNCHECKED uint32_t block_cluster_blocks() { return current->block->cluster_blocks; }

}  // namespace emulator
