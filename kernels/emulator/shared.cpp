// Shared memory of a block: the arena, static arrays, addresses, explicit loads and stores.
#include <sys/mman.h>

#include "state.h"

namespace emulator {

BlockState::~BlockState() {
  if (arena) munmap(arena, arena_bytes + page_bytes);
  give_stacks(stacks);
}

void prepare_block(BlockState& b, const Launch& launch) {
  const uint32_t n = launch.threads_per_block;
  const size_t bytes = (static_capacity + launch.shape.shared_bytes + page_bytes - 1) & ~(page_bytes - 1);
  if (b.arena_bytes != bytes) {
    if (b.arena) munmap(b.arena, b.arena_bytes + page_bytes);
    b.arena = nullptr;
    void* memory = mmap(nullptr, bytes + page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw Error("the emulator has no memory for a block's shared memory");
    b.arena = static_cast<char*>(memory);
    b.arena_bytes = bytes;
    mprotect(b.arena + bytes, page_bytes, PROT_NONE);
    memset(b.arena, 0xff, static_capacity);
  }
  memset(b.arena, 0xff, b.static_bytes);          // of the block before: NaN in every float format
  memset(b.arena + static_capacity, 0xff, launch.shape.shared_bytes);
  b.static_bytes = 0;
  b.dynamic_bytes = static_cast<uint32_t>(launch.shape.shared_bytes);
  b.arrays.clear();
  b.live = n;
  b.collectives.assign((n + 31) / 32 * collectives_per_warp, Collective());
  b.warpgroups.resize((n + 127) / 128);
  for (Warpgroup& g : b.warpgroups) {
    g.arrived = 0;
    g.retired = 0;
    g.queue.clear();
    g.accumulators.clear();
  }
  for (BlockBarrier& barrier : b.barriers) {
    barrier.count = 0;
    barrier.waiters.clear();
  }
  b.register_waiters.clear();
  if (b.thread_capacity < n) {
    b.thread.reset(new Thread[n]);
    b.thread_capacity = n;
  }
  if (b.stacks.size() < n) take_stacks(b.stacks, n - b.stacks.size());
  const uint32_t registers = std::min(256u, launch.limits.registers_per_block / n / 8 * 8);
  b.register_pool = 0;
  for (uint32_t t = 0; t < n; t++) {
    Thread& thread = b.thread[t];
    thread.thread = t;
    thread.x = t % b.size.x;
    thread.y = t / b.size.x % b.size.y;
    thread.z = t / b.size.x / b.size.y;
    thread.lane = t % 32;
    thread.warp = t / 32;
    thread.block = &b;
    thread.stack = b.stacks[t];
    thread.wait = Wait::none;
    thread.wait_here = {nullptr, 0};
    thread.copies.clear();
    thread.copy_group = 0;
    thread.stores.clear();
    thread.store_group = 0;
    thread.wgmma_issued = 0;
    thread.wgmma_group = 0;
    thread.wgmma_fenced = false;
    thread.cluster_arrived = false;
    thread.registers = registers;
    thread.unit_index = b.cluster_rank * n + t;
  }
  SHADOW(begin_block(b));
}

char* shared_bytes(uint32_t address, uint32_t bytes, Loc here, const char* what, BlockState** owner) {
  BlockState* b = block();
  // Most accesses: within the block's own dynamic memory.
  if (const uint32_t within = address - static_capacity; within <= b->dynamic_bytes && bytes <= b->dynamic_bytes - within) {
    if (owner) *owner = b;
    return b->arena + address;
  }
  const uint32_t tag = address >> address_rank_shift;
  const uint32_t offset = offset_of(address);
  if (tag != 0) {
    if (tag > b->cluster_blocks) fail(std::string(what) + ": no block of the cluster has this shared address", here);
    b = b->unit->blocks[tag - 1].get();
    if (b->live == 0) fail(std::string(what) + ": the block whose shared memory this is has ended", here);
  }
  const bool is_dynamic = offset >= static_capacity && offset + bytes <= static_capacity + b->dynamic_bytes;
  const bool is_static = offset + bytes <= b->static_bytes;
  if (!is_dynamic && !is_static) {
    if (offset < static_capacity)
      fail(std::string(what) + ": out of bounds: " + std::to_string(bytes) + " bytes at static shared " + std::to_string(offset) + " of " +
               std::to_string(b->static_bytes),
           here);
    fail(std::string(what) + ": out of bounds: " + std::to_string(bytes) + " bytes at dynamic shared " +
             std::to_string(offset - static_capacity) + " of " + std::to_string(b->dynamic_bytes),
         here);
  }
  if (owner) *owner = b;
  return b->arena + offset;
}

uint32_t shared_address(const void* pointer) {
  EMULATOR_INSIDE;
  BlockState* b = block();
  const size_t offset = static_cast<size_t>(static_cast<const char*>(pointer) - b->arena);
  if (offset > b->arena_bytes) fail("smem_addr: the pointer does not lie in the block's shared memory");
  return static_cast<uint32_t>(offset);
}

void* dynamic_shared() {
  EMULATOR_INSIDE;
  return block()->arena + static_capacity;
}

uint32_t dynamic_shared_bytes() {
  EMULATOR_INSIDE;
  return block()->dynamic_bytes;
}

void* shared_array(const void* key, size_t bytes, size_t alignment, Loc here) {
  EMULATOR_INSIDE;
  BlockState& b = *block();
  for (const SharedArray& array : b.arrays) {
    if (array.key == key) return b.arena + array.offset;
  }
  alignment = std::max<size_t>(alignment, 16);
  const size_t offset = (b.static_bytes + alignment - 1) & ~(alignment - 1);
  if (offset + bytes > static_capacity)
    fail("static shared arrays of more than the emulator's " + std::to_string(static_capacity) + " bytes", here);
  const Limits& limits = worker->launch->limits;
  if (offset + bytes + b.dynamic_bytes > limits.shared_bytes_per_block)
    fail("over budget: " + std::to_string(offset + bytes) + " static and " + std::to_string(b.dynamic_bytes) +
             " dynamic bytes of shared memory, the device has " + std::to_string(limits.shared_bytes_per_block),
         here);
  b.static_bytes = static_cast<uint32_t>(offset + bytes);
  b.arrays.push_back({key, static_cast<uint32_t>(offset), bytes});
  SHADOW(allow(b, static_cast<uint32_t>(offset), static_cast<uint32_t>(bytes)));
  return b.arena + offset;
}

namespace {

// Sizes that kernels use become moves of a register.
inline void copy(void* target, const void* source, uint32_t bytes) {
  switch (bytes) {
    case 4:
      memcpy(target, source, 4);
      break;
    case 8:
      memcpy(target, source, 8);
      break;
    case 16:
      memcpy(target, source, 16);
      break;
    default:
      memcpy(target, source, bytes);
  }
}

char* checked(uint32_t address, uint32_t bytes, bool cluster, bool write, Loc here, BlockState** owner) {
  const char* what = write ? "shared store" : "shared load";
  if (offset_of(address) & (bytes - 1))  // A power of two: not a division for every access.
    fail(std::string(what) + ": misaligned: " + std::to_string(bytes) + " bytes at shared address " + std::to_string(offset_of(address)),
         here);
  if (!cluster && address >> address_rank_shift)
    fail(std::string(what) + ": an address of another block needs ld_cluster or st_cluster", here);
  char* memory = shared_bytes(address, bytes, here, what, owner);
  if (counts_accesses() && !cluster) record_access(here, false, write, offset_of(address), bytes);
  return memory;
}

}  // namespace

void shared_load(void* value, uint32_t address, uint32_t bytes, bool cluster, Loc here) {
  EMULATOR_INSIDE;
  BlockState* owner;
  const char* memory = checked(address, bytes, cluster, false, here, &owner);
  SHADOW(read(*owner, offset_of(address), bytes, *self(), here));
  copy(value, memory, bytes);
}

void shared_store(uint32_t address, const void* value, uint32_t bytes, bool cluster, Loc here) {
  EMULATOR_INSIDE;
  BlockState* owner;
  char* memory = checked(address, bytes, cluster, true, here, &owner);
  SHADOW(write(*owner, offset_of(address), bytes, *self(), here));
  copy(memory, value, bytes);
}

}  // namespace emulator
