// The state of running kernels: threads, blocks, units (clusters), workers (host threads), launches. Private to emulator/.
#pragma once
#include <atomic>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fiber.h"
#include "launch.h"
#include "options.h"
#include "primitives.h"
#if MM1_SHADOW
#include "shadow_state.h"
#endif

namespace emulator {

// The arena of a block: static arrays, then dynamic shared memory, then an unreadable page. A shared address is an offset into it.
constexpr uint32_t static_capacity = 16 * 1024;
constexpr uint32_t address_rank_shift = 24;       // rank + 1 of another block of the cluster, from mapa
constexpr uint32_t address_mask = (1u << address_rank_shift) - 1;

enum class Wait : uint8_t { none, warp, barrier, cluster, mbarrier, warpgroup, registers, exited };

struct BlockState;
struct Unit;
struct Worker;

struct AsyncCopy {                    // one cp.async
  uint32_t target;
  const void* source;
  uint8_t bytes;
  uint8_t source_bytes;
  bool landed;                        // the data are there; the group is still open in the eyes of the program
  uint32_t group;
};

struct BulkStore {                    // one TMA store or reduction
  TensorMap map;
  int32_t at[5];
  uint32_t source;
  uint32_t group;
  uint32_t clock;                     // shadow: of the read
  bool add;
  bool read;
  std::vector<char> staged;
  Loc here;
};

struct Thread : Fiber {
  Context context;
  char* stack;
  Wait wait;
  uint32_t wait_a, wait_b;            // what it waits for, for the report
  Loc wait_here;
  std::vector<AsyncCopy> copies;
  uint32_t copy_group;
  std::vector<BulkStore> stores;
  uint32_t store_group;
  uint32_t wgmma_issued;
  uint32_t wgmma_group;
  bool wgmma_fenced;
  bool cluster_arrived;
  uint32_t registers;
  uint32_t unit_index;                // linear index in the cluster
#if MM1_SHADOW
  ShadowThread shadow;
#endif
  BlockState& state();
};

// A rendezvous of lanes of a warp. A warp may be in several at once, over disjoint masks.
struct Collective {
  uint32_t mask = 0;
  uint32_t arrived = 0;
  int operation = 0;
  int parameter = 0;
  Loc here = {nullptr, 0};
  void* slot[32];
  uint32_t argument[32];
  Thread* lanes[32];
};
constexpr int collectives_per_warp = 8;

struct BlockBarrier {
  uint32_t expected = 0;
  uint32_t count = 0;
  Loc here = {nullptr, 0};
  std::vector<Thread*> waiters;
};

// The accumulators of a warpgroup, as the 64 x n matrix they are, from the first wgmma that uses them until their last has been waited for.
struct Accumulators {
  uint32_t n;
  uint32_t pending;                   // operations that were issued and not retired
  uint32_t gathered;                  // lanes whose values are in the tile
  float* d[128];
  std::vector<float> tile;
};

struct WgmmaOperation {
  uint32_t n;
  uint64_t a, b;
  bool registers, accumulate, a_transposed, b_transposed;
  bool done;
  uint32_t group;
  uint32_t arrived;
  uint32_t clock;                     // shadow: of its reads
  Accumulators* accumulators;
  Loc here;
  const uint32_t* a_pointer[128];
  uint32_t a_values[128][4];
};

struct Warpgroup {
  Warpgroup() = default;
  Warpgroup(Warpgroup&&) = default;   // and so not copied when a vector of them grows
  uint32_t arrived = 0;               // at a rendezvous (wait, fence)
  int operation = 0;
  uint32_t parameter = 0;
  Loc here = {nullptr, 0};
  Thread* threads[128];
  uint32_t retired = 0;               // operations taken out of the queue so far
  std::deque<std::unique_ptr<WgmmaOperation>> queue;
  std::vector<std::unique_ptr<WgmmaOperation>> spare;
  std::vector<std::unique_ptr<Accumulators>> accumulators;
};

struct SharedArray {
  const void* key;
  uint32_t offset;
  size_t bytes;
};

struct BlockState : Block {
  Unit* unit = nullptr;
  std::unique_ptr<Thread[]> thread;
  uint32_t thread_capacity = 0;
  std::vector<char*> stacks;
  std::vector<Collective> collectives;
  std::vector<Warpgroup> warpgroups;
  BlockBarrier barriers[16];
  std::vector<SharedArray> arrays;
  uint32_t live = 0;
  uint32_t static_bytes = 0;
  uint32_t dynamic_bytes = 0;
  char* arena = nullptr;
  size_t arena_bytes = 0;
  uint64_t register_pool = 0;
  std::vector<Thread*> register_waiters;
#if MM1_SHADOW
  ShadowBlock shadow;
#endif
  ~BlockState();
};

inline BlockState& Thread::state() { return *static_cast<BlockState*>(block); }

// What is scheduled as one: a cluster, or a block of a grid without clusters.
struct Unit {
  std::vector<std::unique_ptr<BlockState>> blocks;
  uint32_t live = 0;
  uint32_t cluster_count = 0;         // arrivals at the cluster's barrier
  std::vector<Thread*> cluster_waiters;
  std::vector<Thread*> mbarrier_waiters;
#if MM1_SHADOW
  ShadowUnit shadow;
#endif
};

// An asynchronous operation that lands by itself and then tells an mbarrier.
struct Transfer {
  Thread* issuer;
  uint32_t barrier;
  Loc here;
  // TMA loads
  bool tma;
  uint16_t block_mask;                // 0: into the issuer's block
  uint32_t target;
  TensorMap map;
  int32_t at[5];
  uint32_t clock;                     // shadow
  // cp.async.mbarrier.arrive
  std::vector<AsyncCopy> copies;
#if MM1_SHADOW
  Clocks snapshot;                    // the issuer's, when it asked
#endif
};

struct Launch {
  LaunchShape shape;
  KernelCall call;
  Options options;
  Limits limits;
  uint64_t units = 0;
  uint32_t blocks_per_unit = 1;
  uint32_t threads_per_block = 0;
  std::vector<uint32_t> order;        // of units, when drawn at random
  std::atomic<uint64_t> next{0};
  std::atomic<uint64_t> progress{0};  // stores and atomics that a spinning block may be waiting for
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::string error;
  Counters counters;
#if MM1_SHADOW
  uint32_t first_team = 0;
#endif
};

// One host thread's share of a launch. A unit stays on the worker that started it.
struct Worker {
  Launch* launch = nullptr;
  std::vector<std::unique_ptr<Unit>> units;
  std::vector<Unit*> finished;
  std::vector<Thread*> ring;          // ready threads, a ring buffer of a power of two
  uint32_t head = 0, count = 0, mask = 0;
  std::vector<std::unique_ptr<Transfer>> transfers;
  std::vector<std::unique_ptr<Transfer>> spare_transfers;
  uint32_t live_units = 0;
  uint32_t random_state = 1;
  uint32_t idle_spins = 0;            // spin() calls since anything else happened
  Context main;
  Counters counters;
  std::vector<char> emergency_stack;
  struct Access {
    uint64_t site;
    uint64_t address;
    uint32_t sequence;
    uint16_t bytes;
    uint8_t lane;
    uint8_t kind;                     // bit 0: global, bit 1: write
    uint64_t warp;
  };
  std::vector<Access> accesses;       // Options::count_accesses

  uint32_t random() {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
  }
  uint32_t random_below(uint32_t n) { return static_cast<uint32_t>(static_cast<uint64_t>(random()) * n >> 32); }
  void push(Thread* thread) { ring[(head + count++) & mask] = thread; }
  void push_last(Thread* thread) {
    head = (head - 1) & mask;
    ring[head] = thread;
    count++;
  }
};

// At the head of every primitive. In shadow builds the linker may give the emulator a kernel source's instrumented copy of a standard
// library function: what such a copy does on the emulator's behalf is no access of the kernel's.
#if MM1_SHADOW
struct Inside {
  Thread* thread;
  bool before;
  Inside() : thread(static_cast<Thread*>(current)), before(thread->shadow.inside) { thread->shadow.inside = true; }
  ~Inside() { thread->shadow.inside = before; }
};
#define EMULATOR_INSIDE const ::emulator::Inside inside
#else
#define EMULATOR_INSIDE ((void)0)
#endif

extern __thread Worker* worker __attribute__((tls_model("initial-exec")));

inline Thread* self() { return static_cast<Thread*>(current); }
inline BlockState* block() { return static_cast<BlockState*>(current->block); }
inline bool late() { return worker->launch->options.late; }
inline uint32_t resident_units(const Options& o) { return o.residency ? o.residency : o.seed ? 1 + o.seed % 4 : 2; }
inline bool seeded() { return worker->launch->options.seed != 0; }
// Whether an asynchronous operation is to take effect at once: always (early), never (late), or by chance (late with a seed).
inline bool takes_effect_now() { return !late() || (seeded() && worker->random_below(4) == 0); }

// ---- scheduler.cpp ----------------------------------------------------------------------------------------------------------------------
void wait_for(Wait wait, uint32_t a, uint32_t b, Loc here);
inline void wake(Thread* thread) {
  thread->wait = Wait::none;
  worker->push(thread);
}
void run_units(Launch& launch);       // a worker's whole life, on the calling host thread
void prepare_worker_for_faults(Worker& worker);      // fault.cpp

// ---- report.cpp -------------------------------------------------------------------------------------------------------------------------
[[noreturn]] void fail(const std::string& text);
[[noreturn]] void fail(const std::string& text, Loc here);
[[noreturn]] void fail_for(const Thread& thread, const std::string& text, Loc here);   // the mistake is another thread's
[[noreturn]] void report_deadlock();
std::string name_of(const Thread& thread);
std::string name_of(Loc here);
[[noreturn]] void leave_launch(const std::string& text);

// ---- shared.cpp -------------------------------------------------------------------------------------------------------------------------
void prepare_block(BlockState& block, const Launch& launch);
// The bytes behind a shared address, bounds checked; `owner` receives the block whose memory it is.
char* shared_bytes(uint32_t address, uint32_t bytes, Loc here, const char* what, BlockState** owner = nullptr);
inline uint32_t offset_of(uint32_t address) { return address & address_mask; }

// ---- transfers and the like -------------------------------------------------------------------------------------------------------------
bool deliver_transfer();              // a pending one takes effect; false: there is none
void land_copies(Thread& thread, uint32_t pending_groups);
void land_copy(AsyncCopy& copy, Thread& thread);
void land_tma_load(Transfer& transfer);
void complete_bytes(BlockState& block, uint32_t offset, uint32_t bytes, const Transfer& transfer);
void arrive_for(BlockState& block, uint32_t offset, const Thread& thread, Loc here);
void finish_thread(Thread& thread);   // checks on exit
void release_registers(BlockState& block);

// ---- accesses.cpp -----------------------------------------------------------------------------------------------------------------------
void record_access(Loc here, bool global, bool write, uint64_t address, uint32_t bytes);
void record_access(void* pc, bool global, bool write, uint64_t address, uint32_t bytes);      // ordinary accesses, in shadow builds
void count_accesses(Worker& worker);
inline bool counts_accesses() { return worker->launch->options.count_accesses; }
void add_counters(const Counters& counters);

// ---- multiply.cpp -----------------------------------------------------------------------------------------------------------------------
// c[m x n] += a[m x k] b[k x n], row-major, n a multiple of 8; each element's sum runs over k in ascending order.
void multiply_add(float* c, size_t c_stride, const float* a, size_t a_stride, const float* b, size_t b_stride, uint32_t m, uint32_t n,
                  uint32_t k);

#if MM1_SHADOW
#define SHADOW(call) ::emulator::shadow_##call
#else
#define SHADOW(call) ((void)0)
#endif

}  // namespace emulator
#if MM1_SHADOW
#include "shadow.h"
#endif
