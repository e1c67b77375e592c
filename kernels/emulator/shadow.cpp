// The shadow of shared and global memory: for every two bytes who wrote them last, who has read them since, and whether they may be read.
#include "state.h"

#if MM1_SHADOW

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

#include "memory_map.h"

namespace emulator {

namespace {

// ---- places -----------------------------------------------------------------------------------------------------------------------------
std::vector<Place>& places() {
  static auto* all = new std::vector<Place>(1);
  return *all;
}

uint32_t number_of(const Place& place) {
  static auto* numbers = new std::unordered_map<uint64_t, uint32_t>;
  static uint64_t last_key = 0;
  static uint32_t last = 0;
  const uint64_t key = place.pc ? reinterpret_cast<uint64_t>(place.pc)
                                : reinterpret_cast<uint64_t>(place.here.file) << 16 ^ static_cast<uint64_t>(place.here.line);
  if (key == last_key) return last;
  uint32_t& number = (*numbers)[key];
  if (number == 0) {
    number = static_cast<uint32_t>(places().size());
    places().push_back(place);
  }
  last_key = key;
  return last = number;
}

std::string name_of_actor(const Mark& mark, Thread& thread) {
  ShadowUnit& unit = shadow_unit(thread);
  const Launch& launch = *worker->launch;
  const uint32_t n = launch.threads_per_block;
  const Dim3 clusters = {launch.shape.grid.x / launch.shape.cluster.x, launch.shape.grid.y / launch.shape.cluster.y, 1};
  const uint32_t index = mark.team - launch.first_team;
  const uint32_t rank = mark.actor < unit.threads ? mark.actor / n : 0;
  const Dim3 c = launch.shape.cluster;
  char text[160];
  snprintf(text, sizeof text, "block (%u,%u,%u) ", index % clusters.x * c.x + rank % c.x,
           index / clusters.x % clusters.y * c.y + rank / c.x % c.y, index / clusters.x / clusters.y * c.z + rank / c.x / c.y);
  std::string name = mark.team == unit.team && launch.blocks_per_unit == 1 ? "" : text;
  if (mark.actor < unit.threads) return name + "thread " + std::to_string(mark.actor % n);
  if (mark.actor == unit.tma()) return name + "TMA load";
  if (mark.actor == unit.bulk()) return name + "TMA store";
  return name + "wgmma of warpgroup " + std::to_string(mark.actor - unit.threads - 2);
}

// ---- one cell ---------------------------------------------------------------------------------------------------------------------------
struct Access {
  Thread* thread;
  const char* memory;                 // "shared" or "global"
  uint64_t address;                   // for the text
  Place place;
  uint32_t site;
  uint16_t actor;                     // who is written down: the thread, or an asynchronous actor
  uint32_t clock;
  bool atomic;
  bool async;                         // through the async proxy
};

[[noreturn]] void report(const Access& a, const std::string& text, const Mark* other) {
  std::string full = text;
  if (other && other->site) full += " (at " + name_of(places()[other->site]) + ")";
  full += ", " + std::string(a.memory) + " byte " + std::to_string(a.address);
  leave_launch(name_of(*a.thread) + ": " + full + ", at " + name_of(a.place));
}

Mark mark_of(const Access& a, uint8_t bytes) { return {shadow_unit(*a.thread).team, a.clock, a.site, a.actor, bytes, a.atomic}; }

bool conflicts(const Access& a, const Mark& mark, uint8_t bytes) {
  return mark.clock != 0 && (mark.bytes & bytes) && !(a.atomic && mark.atomic) && !ordered_before(mark, *a.thread);
}

void check_common(const Access& a, const Cell& cell, const char* verb) {
  if (cell.flying) report(a, std::string(verb) + " bytes of an asynchronous copy that has not been waited for", &cell.write);
  if (cell.barrier) report(a, std::string(verb) + " an mbarrier with an ordinary access", nullptr);
}

void check_proxy(const Access& a, const Cell& cell, const char* what) {
  if (!a.async || !cell.generic || cell.write.team != shadow_unit(*a.thread).team) return;
  Unit& unit = *a.thread->state().unit;
  const uint32_t n = worker->launch->threads_per_block;
  if (cell.write.actor >= unit.shadow.threads) return;
  const Thread& writer = unit.blocks[cell.write.actor / n]->thread[cell.write.actor % n];
  if (cell.write.clock > writer.shadow.proxy_fence)
    report(
        a,
        std::string(what) + " what " + name_of_actor(cell.write, *a.thread) + " wrote with ordinary stores and without fence_proxy_async",
        &cell.write);
}

void read_cell(const Access& a, Cell& cell, uint8_t bytes) {
  check_common(a, cell, "reads");
  if (conflicts(a, cell.write, bytes))
    report(a, "DATA RACE: reads what " + name_of_actor(cell.write, *a.thread) + " wrote, with nothing that orders the two", &cell.write);
  if ((cell.initialised & bytes) != bytes) report(a, std::string("reads uninitialised ") + a.memory + " memory", nullptr);
  check_proxy(a, cell, "an asynchronous operation reads");
  int slot = -1;
  for (int i = 0; i < readers_per_cell && slot < 0; i++) {
    const Mark& m = cell.read[i];
    const bool same = m.clock && m.actor == a.actor && m.team == shadow_unit(*a.thread).team && m.atomic == a.atomic;
    if (m.clock == 0 || same || ordered_before(m, *a.thread)) slot = i;
  }
  if (slot < 0) slot = static_cast<int>(worker->random_below(readers_per_cell));
  cell.read[slot] = mark_of(a, bytes);
}

void write_cell(const Access& a, Cell& cell, uint8_t bytes) {
  check_common(a, cell, "overwrites");
  if (conflicts(a, cell.write, bytes))
    report(a, "DATA RACE: overwrites what " + name_of_actor(cell.write, *a.thread) + " wrote, with nothing that orders the two",
           &cell.write);
  for (Mark& m : cell.read) {
    if (conflicts(a, m, bytes))
      report(a, "DATA RACE: overwrites what " + name_of_actor(m, *a.thread) + " reads, with nothing that orders the two", &m);
    if (m.bytes & bytes && !(a.atomic && m.atomic)) m.clock = 0;
  }
  if (a.async) check_proxy(a, cell, "an asynchronous operation overwrites");
  cell.write = mark_of(a, bytes);
  cell.initialised |= bytes;
  cell.generic = !a.async;
}

// cells[0] is the cell of address 0; calls visit(cell, bytes of the cell).
template <class F>
void for_each_cell(Access& a, Cell* cells, uint64_t first, uint32_t bytes, F&& visit) {
  worker->counters.checked_accesses++;
  for (uint64_t i = first / 2; i <= (first + bytes - 1) / 2; i++) {
    uint8_t mask = 3;
    if (i * 2 < first) mask &= 2;
    if (i * 2 + 1 >= first + bytes) mask &= 1;
    a.address = i * 2 + !(mask & 1);
    visit(cells[i], mask);
  }
}

Access access_of(Thread& thread, const char* memory, Place place) {
  Access a;
  a.thread = &thread;
  a.memory = memory;
  a.address = 0;
  a.place = place;
  a.site = number_of(place);
  a.actor = static_cast<uint16_t>(thread.unit_index);
  a.clock = own_clock(thread);
  a.atomic = false;
  a.async = false;
  return a;
}

// ---- shared memory ----------------------------------------------------------------------------------------------------------------------
// Marks of the units before are forgotten when a cell is first touched.
template <class F>
void for_each_shared(Access& a, BlockState& b, uint32_t offset, uint32_t bytes, F&& visit) {
  if (offset >= static_capacity ? offset + bytes > static_capacity + b.dynamic_bytes : true) {
    bool inside = false;
    for (const SharedArray& array : b.arrays) inside |= offset >= array.offset && offset + bytes <= array.offset + array.bytes;
    if (!inside) {
      a.address = offset >= static_capacity ? offset - static_capacity : offset;
      report(a,
             std::string("out of bounds: ") + std::to_string(bytes) + " bytes, the block has " + std::to_string(b.dynamic_bytes) +
                 " dynamic and " + std::to_string(b.static_bytes) + " static",
             nullptr);
    }
  }
  const uint32_t team = b.unit->shadow.team;
  for_each_cell(a, b.shadow.cells.data(), offset, bytes, [&](Cell& cell, uint8_t mask) {
    if (cell.epoch != team) {
      cell = Cell();
      cell.epoch = team;
    }
    if (offset >= static_capacity) a.address -= static_capacity;
    visit(cell, mask);
  });
}

const char* memory_name(uint32_t offset) { return offset >= static_capacity ? "dynamic shared" : "static shared"; }

void shared_access(BlockState& b, uint32_t offset, uint32_t bytes, Thread& thread, Place place, bool write) {
  Access a = access_of(thread, memory_name(offset), place);
  for_each_shared(a, b, offset, bytes, [&](Cell& cell, uint8_t mask) { write ? write_cell(a, cell, mask) : read_cell(a, cell, mask); });
}

// ---- global memory ----------------------------------------------------------------------------------------------------------------------
Allocation recent;                    // one launch at a time

const Allocation* find(const char* address) {
  if (address >= recent.mapping && address < recent.mapping + recent.mapping_bytes) return &recent;
  return find_allocation(address, &recent) ? &recent : nullptr;
}

// Code and constants of the process: everything that a library or the program maps.
bool is_constant(const void* address) {
  struct Range {
    uintptr_t begin, end;
  };
  static auto* ranges = new std::vector<Range>;
  const auto look = [&] {
    const uintptr_t at = reinterpret_cast<uintptr_t>(address);
    for (const Range& r : *ranges) {
      if (at >= r.begin && at < r.end) return true;
    }
    return false;
  };
  if (look()) return true;
  ranges->clear();
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* into) {
        for (int i = 0; i < info->dlpi_phnum; i++) {
          if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
          const uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
          static_cast<std::vector<Range>*>(into)->push_back({begin, begin + info->dlpi_phdr[i].p_memsz});
        }
        return 0;
      },
      ranges);
  return look();
}

// nullptr: not device memory (then nothing more is known of it), or the access has been refused.
const Allocation* global_allocation(Access& a, const void* address, uint32_t bytes, bool write) {
  const char* at = static_cast<const char*>(address);
  const Allocation* found = find(at);
  const char* verb = write ? "writes" : "reads";
  if (!found) {
    const char* argument = static_cast<const char*>(worker->launch->call.argument.get());
    if (at >= argument && at + bytes <= argument + worker->launch->call.argument_bytes && !write) return nullptr;
    if (!write && is_constant(address)) return nullptr;
    report(a, std::string(verb) + " host memory (or freed memory): neither device memory nor shared memory nor the thread's own", nullptr);
  }
  if (at < found->body || at + bytes > found->body + found->bytes) {
    a.address = static_cast<uint64_t>(at - found->body);
    report(a, std::string("out of bounds: ") + verb + " " + std::to_string(bytes) + " bytes, " + describe_address(address), nullptr);
  }
  return found->host ? nullptr : found;
}

bool global_access(const void* address, uint32_t bytes, Thread& thread, Place place, bool write) {     // false: no device memory
  if (bytes == 0) return false;
  Access a = access_of(thread, "global", place);
  const Allocation* found = global_allocation(a, address, bytes, write);
  if (!found) return false;
  const uint64_t first = static_cast<uint64_t>(static_cast<const char*>(address) - found->body);
  for_each_cell(a, static_cast<Cell*>(found->shadow), first, bytes,
                [&](Cell& cell, uint8_t mask) { write ? write_cell(a, cell, mask) : read_cell(a, cell, mask); });
  return true;
}

}  // namespace

std::string name_of(const Place& place) {
  if (!place.pc) return name_of(place.here);
  Dl_info info = {};
  dladdr(place.pc, &info);
  const unsigned long offset = reinterpret_cast<unsigned long>(place.pc) - 1 - reinterpret_cast<unsigned long>(info.dli_fbase);
  char command[1200];
  char line[600] = "";
  snprintf(command, sizeof command, "addr2line -Cse '%s' %#lx 2>/dev/null", info.dli_fname ? info.dli_fname : "/proc/self/exe", offset);
  if (FILE* pipe = popen(command, "r")) {
    if (!fgets(line, sizeof line, pipe)) line[0] = 0;
    pclose(pipe);
  }
  std::string name = line;
  while (!name.empty() && name.back() == '\n') name.pop_back();
  if (!name.empty() && name[0] != '?') return name;
  char text[600];
  snprintf(text, sizeof text, "%s+%#lx (build with -g for the line)", info.dli_fname ? info.dli_fname : "?", offset);
  return text;
}

// ---- launches, allocations --------------------------------------------------------------------------------------------------------------
void shadow_begin_launch(Launch& launch) {
  static uint32_t next_team = 1;
  if (next_team + launch.units > 0xf0000000u) next_team = 1;     // four thousand million blocks later
  launch.first_team = next_team;
  next_team += static_cast<uint32_t>(launch.units);
  recent = Allocation();
  shadow_forget_synchronization();
}

void shadow_end_launch(Launch&) {}

void* shadow_make_cells(const Allocation& allocation) {
  if (allocation.host) return nullptr;
  void* cells =
      mmap(nullptr, (allocation.bytes / 2 + 1) * sizeof(Cell), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return cells == MAP_FAILED ? nullptr : cells;
}

void shadow_free_cells(const Allocation& allocation) {
  if (allocation.shadow) munmap(allocation.shadow, (allocation.bytes / 2 + 1) * sizeof(Cell));
}

void shadow_host_write(void* target, size_t bytes) {
  Allocation a;
  if (bytes == 0 || !find_allocation(target, &a) || a.host) return;
  const size_t first = static_cast<size_t>(static_cast<char*>(target) - a.body);
  Cell* cells = static_cast<Cell*>(a.shadow);
  for (size_t i = first / 2; i <= (first + bytes - 1) / 2; i++) {
    cells[i].initialised |= static_cast<uint8_t>((i * 2 >= first ? 1 : 0) | (i * 2 + 1 < first + bytes ? 2 : 0));
  }
}

void shadow_begin_block(BlockState& b) {
  b.shadow.cells.resize(b.arena_bytes / 2);
  b.shadow.mbarriers.clear();
  for (Gathered& g : b.shadow.barriers) g = Gathered();
  for (uint32_t t = 0; t < b.threads; t++) b.thread[t].shadow = ShadowThread();
}

void shadow_allow(BlockState&, uint32_t, uint32_t) {}            // for_each_shared looks into BlockState::arrays

// ---- accesses ---------------------------------------------------------------------------------------------------------------------------
void shadow_read(BlockState& b, uint32_t offset, uint32_t bytes, Thread& thread, Loc here) {
  shared_access(b, offset, bytes, thread, {here, nullptr}, false);
}
void shadow_write(BlockState& b, uint32_t offset, uint32_t bytes, Thread& thread, Loc here) {
  shared_access(b, offset, bytes, thread, {here, nullptr}, true);
}
void shadow_global_read(const void* address, uint32_t bytes, Thread& thread, Loc here) {
  global_access(address, bytes, thread, {here, nullptr}, false);
}
void shadow_global_write(const void* address, uint32_t bytes, Thread& thread, Loc here) {
  global_access(address, bytes, thread, {here, nullptr}, true);
}
void shadow_bulk_write(const void* address, uint32_t bytes, Thread& thread, Loc here) {
  global_access(address, bytes, thread, {here, nullptr}, true);
}

void shadow_ordinary(void* address, uint32_t bytes, bool write, bool aligned, void* pc) {
  Thread& thread = *self();
  const char* at = static_cast<const char*>(address);
  if (static_cast<size_t>(at - thread.stack) < stack_bytes || bytes == 0) return;
  BlockState& b = thread.state();
  const Place place = {{nullptr, 0}, pc};
  if (aligned && reinterpret_cast<uintptr_t>(address) % bytes) {
    Access a = access_of(thread, "address", place);
    a.address = reinterpret_cast<uintptr_t>(address);
    report(a, "misaligned: an access of " + std::to_string(bytes) + " bytes", nullptr);
  }
  const size_t offset = static_cast<size_t>(at - b.arena);
  if (offset < b.arena_bytes) {
    if (counts_accesses()) record_access(pc, false, write, offset, bytes);
    shared_access(b, static_cast<uint32_t>(offset), bytes, thread, place, write);
    return;
  }
  const bool is_device = global_access(address, bytes, thread, place, write);
  if (is_device && counts_accesses()) record_access(pc, true, write, reinterpret_cast<uint64_t>(address), bytes);
}

// ---- asynchronous copies ----------------------------------------------------------------------------------------------------------------
void shadow_copy_issue(BlockState& b, uint32_t offset, uint32_t bytes, Thread& thread, Loc here) {
  Access a = access_of(thread, memory_name(offset), {here, nullptr});
  for_each_shared(a, b, offset, bytes, [&](Cell& cell, uint8_t mask) {
    write_cell(a, cell, mask);
    cell.flying = true;
  });
}

void shadow_copy_land(BlockState& b, uint32_t offset, uint32_t bytes, Thread& thread) {
  for (uint32_t i = offset / 2; i < (offset + bytes) / 2; i++) {
    b.shadow.cells[i].flying = false;
    b.shadow.cells[i].write.clock = own_clock(thread);
  }
}

void shadow_tma_issue(BlockState& b, uint32_t offset, uint32_t bytes, uint32_t barrier, Thread& thread, Transfer& transfer, Loc here) {
  shadow_mbarrier_touch(b, barrier, thread, here);
  Unit& unit = *thread.state().unit;
  const ShadowMbarrier& m = b.shadow.mbarriers[barrier];
  const uint32_t n = worker->launch->threads_per_block;
  Access a = access_of(thread, memory_name(offset), {here, nullptr});
  const Thread& creator = unit.blocks[m.initialised_by / n]->thread[m.initialised_by % n];
  if (m.initialised_at > std::max(creator.shadow.init_fence, creator.shadow.proxy_fence)) {
    a.address = barrier;
    report(a, "TMA is to use an mbarrier that " + name_of(creator) + " initialised without fence_mbar_init", nullptr);
  }
  a.actor = static_cast<uint16_t>(unit.shadow.tma());
  a.clock = unit.shadow.tick(unit.shadow.tma());
  a.async = true;
  transfer.clock = a.clock;
  for_each_shared(a, b, offset, bytes, [&](Cell& cell, uint8_t mask) {
    write_cell(a, cell, mask);
    cell.flying = true;
  });
}

void shadow_tma_land(BlockState& b, uint32_t offset, uint32_t bytes, uint32_t barrier, Transfer& transfer) {
  for (uint32_t i = offset / 2; i < (offset + bytes) / 2; i++) b.shadow.cells[i].flying = false;
  ShadowUnit& unit = b.unit->shadow;
  Clocks& clocks = b.shadow.mbarriers[barrier].arriving.clocks;
  if (clocks.empty()) clocks.assign(unit.columns, 0);
  clocks[unit.tma()] = std::max(clocks[unit.tma()], transfer.clock);
}

void shadow_bulk_read(BlockState& b, uint32_t offset, uint32_t bytes, Thread& thread, BulkStore& store, Loc here) {
  ShadowUnit& unit = shadow_unit(thread);
  Access a = access_of(thread, memory_name(offset), {here, nullptr});
  a.actor = static_cast<uint16_t>(unit.bulk());
  a.clock = unit.tick(unit.bulk());
  a.async = true;
  store.clock = a.clock;
  for_each_shared(a, b, offset, bytes, [&](Cell& cell, uint8_t mask) { read_cell(a, cell, mask); });
}

void shadow_wgmma_read(BlockState& b, uint32_t offset, uint32_t bytes, Thread& witness, uint32_t warpgroup, uint32_t clock, Loc here) {
  ShadowUnit& unit = shadow_unit(witness);
  Access a = access_of(witness, memory_name(offset), {here, nullptr});
  a.actor = static_cast<uint16_t>(unit.wgmma(b.cluster_rank, warpgroup));
  a.clock = clock;
  a.async = true;
  for_each_shared(a, b, offset, bytes, [&](Cell& cell, uint8_t mask) { read_cell(a, cell, mask); });
}

// ---- atomics and mbarriers --------------------------------------------------------------------------------------------------------------
void shadow_atomic(const void* address, uint32_t bytes, Thread& thread, bool load, bool store, Order order, Loc here) {
  BlockState& b = thread.state();
  const size_t offset = static_cast<size_t>(static_cast<const char*>(address) - b.arena);
  const bool is_shared = offset < b.arena_bytes;
  Access a = access_of(thread, is_shared ? memory_name(static_cast<uint32_t>(offset)) : "global", {here, nullptr});
  a.atomic = true;
  const auto visit = [&](Cell& cell, uint8_t mask) {
    if (!store) read_cell(a, cell, mask);
    if (!load) write_cell(a, cell, mask);
  };
  // What is learnt here orders the accesses after it, not this one: an atomic does not race with atomics anyway.
  if (is_shared) {
    for_each_shared(a, b, static_cast<uint32_t>(offset), bytes, visit);
  } else if (const Allocation* found = global_allocation(a, address, bytes, !load)) {
    for_each_cell(a, static_cast<Cell*>(found->shadow), static_cast<uint64_t>(static_cast<const char*>(address) - found->body), bytes,
                  visit);
  }
  shadow_synchronize(address, thread, load, store, order);
}

void shadow_mbarrier_init(BlockState& b, uint32_t offset, Thread& thread, Loc here) {
  shared_access(b, offset, 8, thread, {here, nullptr}, true);
  for (uint32_t i = offset / 2; i < offset / 2 + 4; i++) b.shadow.cells[i].barrier = true;
  ShadowMbarrier& m = b.shadow.mbarriers[offset];
  m = ShadowMbarrier();
  m.initialised_by = static_cast<uint16_t>(thread.unit_index);
  m.initialised_at = own_clock(thread);
}

void shadow_mbarrier_gone(BlockState& b, uint32_t offset, Thread& thread, Loc here) {
  for (uint32_t i = offset / 2; i < offset / 2 + 4; i++) b.shadow.cells[i].barrier = false;
  shared_access(b, offset, 8, thread, {here, nullptr}, true);
  for (uint32_t i = offset / 2; i < offset / 2 + 4; i++) b.shadow.cells[i].initialised = 0;
  b.shadow.mbarriers.erase(offset);
}

// Whoever uses a barrier must know of its initialisation.
void shadow_mbarrier_touch(BlockState& b, uint32_t offset, Thread& thread, Loc here) {
  const auto found = b.shadow.mbarriers.find(offset);
  if (found == b.shadow.mbarriers.end()) return;
  Mark made;
  made.team = b.unit->shadow.team;
  made.clock = found->second.initialised_at;
  made.actor = found->second.initialised_by;
  if (ordered_before(made, thread)) return;
  Access a = access_of(thread, memory_name(offset), {here, nullptr});
  a.address = offset >= static_capacity ? offset - static_capacity : offset;
  report(a, "DATA RACE: uses an mbarrier that " + name_of_actor(made, thread) + " initialised, with nothing that orders the two",
         &b.shadow.cells[offset / 2].write);
}

}  // namespace emulator

#endif
