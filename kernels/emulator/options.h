// How the emulator runs kernels, and what it counted while doing so.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace emulator {

// One set for the process: read once from MM1_EMULATOR_* (see read_options), changed by tests through set_options. A launch takes the
// set that is in force when the launch is enqueued.
struct Options {
  // MM1_EMULATOR_ASYNC=late|early. late: cp.async, TMA and wgmma take effect as late as the program's own waits permit, and what they
  // will write is poisoned (NaN) until then. early: they take effect when issued.
  bool late = true;

  // MM1_EMULATOR_SEED=n. 0: first blocks first, a stream is a thread. Other values: the next fiber, block and stream are drawn
  // at random, asynchronous operations take effect at random moments, and streams run only while the host waits for one of them.
  uint32_t seed = 0;

  // MM1_EMULATOR_RESIDENCY=n: clusters (or blocks, without clusters) that one host thread interleaves. 0: two, or with a seed 1 to 4.
  uint32_t residency = 0;

  // MM1_EMULATOR_THREADS=n: host threads for one launch; 0: one for each processor. Shadow builds always use one.
  uint32_t threads = 0;

  // MM1_EMULATOR_COUNT=1: record every access of explicit loads and stores (and in shadow builds of all) for bank conflicts and sectors.
  bool count_accesses = false;

  // MM1_EMULATOR_SPIN_MS=n: a kernel in which nothing but spinning happens for so long is stopped.
  uint32_t spin_limit_ms = 10000;
};

Options options();
void set_options(const Options& value);

// What the emulated device has. The host side sets it from its device profile.
struct Limits {
  uint32_t compute_capability = 90;      // 10 * major + minor: Hopper's instructions need 90
  uint32_t shared_bytes_per_block = 227 * 1024;
  uint32_t registers_per_block = 65536;
  uint32_t threads_per_block = 1024;
  uint32_t blocks_per_cluster = 8;
};

Limits limits();
void set_limits(const Limits& value);

// Sums over all launches since reset_counters. They are complete when the streams have been synchronized.
struct Counters {
  uint64_t launches = 0;
  uint64_t blocks = 0;
  uint64_t switches = 0;              // from one fiber to another
  uint64_t barriers = 0;              // completed phases of bar.sync and of cluster barriers
  uint64_t shuffles = 0;              // of a warp, votes included
  uint64_t mma = 0;                   // mma.sync instructions of a warp
  uint64_t ldmatrix = 0;
  uint64_t stmatrix = 0;
  uint64_t wgmma = 0;                 // instructions of a warpgroup
  uint64_t cp_async_bytes = 0;        // read from global memory; zero fill does not count
  uint64_t tma_load_bytes = 0;        // written to shared memory, once for each block of a multicast
  uint64_t tma_store_bytes = 0;
  uint64_t mbarrier_arrivals = 0;
  uint64_t atomics = 0;
  uint64_t checked_accesses = 0;      // by the shadow memory
  // Shared memory. A wavefront moves at most 32 words from 32 banks; conflicts are the wavefronts beyond the necessary ones.
  // ldmatrix, stmatrix: always counted. Loads, stores and cp.async: with Options::count_accesses.
  uint64_t matrix_conflicts = 0;
  uint64_t shared_requests = 0;
  uint64_t shared_conflicts = 0;
  // Global memory, with Options::count_accesses: requests of a warp, 32-byte sectors they touch, and the sectors that their bytes
  // would fill if they lay together.
  uint64_t global_requests = 0;
  uint64_t global_sectors = 0;
  uint64_t global_sectors_ideal = 0;
};

Counters counters();
void reset_counters();

// One row for each place in the kernels that loads or stores, with Options::count_accesses.
struct AccessSite {
  std::string where;                  // file:line, or the function of an ordinary access (shadow builds)
  bool global = false;
  bool write = false;
  uint64_t requests = 0;
  uint64_t units = 0;                 // sectors (global) or wavefronts (shared)
  uint64_t ideal = 0;                 // units that the bytes need at least
};

std::vector<AccessSite> access_sites();

}  // namespace emulator
