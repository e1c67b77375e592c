// What the shadow memory keeps of threads, blocks and units. Private to emulator/, shadow builds only.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

namespace emulator {

// Happens-before by vector clocks. A unit (cluster or block) is a team: within it every thread has a clock for every thread, and for the
// asynchronous actors: TMA loads, bulk reads, each warpgroup's wgmma. What a thread knows of other teams came through
// acquire and release, and is kept apart.
using Clocks = std::vector<uint32_t>;
using Knowledge = std::map<uint32_t, std::shared_ptr<const Clocks>>;     // by team
using SharedKnowledge = std::shared_ptr<const Knowledge>;

// Who touched a cell: null if clock is 0.
struct Mark {
  uint32_t team = 0;
  uint32_t clock = 0;
  uint32_t site = 0;
  uint16_t actor = 0;                 // a thread of the team, or beyond them an asynchronous actor
  uint8_t bytes = 0;                  // bit 0, 1: of the cell's two bytes
  bool atomic = false;
};

constexpr int readers_per_cell = 3;   // more than that: a random one is forgotten
struct Cell {                         // of two bytes
  Mark write;
  Mark read[readers_per_cell];
  uint32_t epoch = 0;                 // shared memory: the team whose marks these are
  uint8_t initialised = 0;            // bit 0, 1
  bool flying = false;                // an asynchronous copy is under way
  bool generic = false;               // written by ordinary stores (or cp.async), not by TMA
  bool barrier = false;               // part of an mbarrier
};

struct Gathered {                     // what those who arrived at a barrier knew
  Clocks clocks;
  SharedKnowledge known;
};

struct ShadowThread {
  bool inside = true;                 // the emulator, not the kernel, is running on this fiber
  SharedKnowledge known;
  SharedKnowledge fenced;             // at the last fence_device: what relaxed stores after it publish
  std::vector<SharedKnowledge> seen;  // by relaxed loads: known after the next fence_device
  uint32_t proxy_fence = 0;           // own clock at the last fence.proxy.async
  uint32_t init_fence = 0;            // own clock at the last fence.mbarrier_init
};

struct ShadowMbarrier {
  Gathered arriving;
  Gathered complete;
  uint16_t initialised_by = 0;
  uint32_t initialised_at = 0;
};

struct ShadowBlock {
  std::vector<Cell> cells;
  Gathered barriers[16];
  std::unordered_map<uint32_t, ShadowMbarrier> mbarriers;
};

struct ShadowUnit {
  uint32_t team = 0;
  uint32_t threads = 0;
  uint32_t columns = 0;
  uint32_t warpgroups_per_block = 0;
  Clocks clocks;                      // threads x columns
  Clocks actor_clock;                 // of the asynchronous actors, from column `threads` on
  Gathered cluster;
  uint32_t tma() const { return threads; }
  uint32_t bulk() const { return threads + 1; }
  uint32_t wgmma(uint32_t rank, uint32_t group) const { return threads + 2 + rank * warpgroups_per_block + group; }
  uint32_t* of(uint32_t thread) { return &clocks[static_cast<size_t>(thread) * columns]; }
  uint32_t tick(uint32_t actor) { return ++actor_clock[actor - threads]; }
};

}  // namespace emulator
