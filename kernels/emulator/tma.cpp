// TMA: boxes of tensors. A load is a transfer that lands by itself (late: when no thread can go on, or at a random moment) and
// tells its mbarrier; a store is read and written when its group is waited for (late), or at once (early).
#include "state.h"
#include "swizzle.h"

namespace emulator {

namespace {

uint32_t box_bytes(const TensorMap& map) {
  uint32_t bytes = map.element_bytes;
  for (uint32_t i = 0; i < map.rank; i++) bytes *= map.box[i];
  return bytes;
}

void check_map(const TensorMap* map, uint32_t rank, uint32_t shared, const char* what, Loc here) {
  if (worker->launch->limits.compute_capability < 90) fail(std::string(what) + ": needs compute capability 9.0", here);
  if (reinterpret_cast<uintptr_t>(map) % 64) fail(std::string(what) + ": the tensor map is not 64-byte aligned", here);
  if (map->magic != tensor_map_magic) fail(std::string(what) + ": the tensor map was never encoded", here);
  if (map->rank != rank)
    fail(std::string(what) + ": a map of rank " + std::to_string(map->rank) + " in an instruction of rank " + std::to_string(rank), here);
  const uint32_t alignment = map->swizzle ? map->swizzle * 8u : 128u;      // where the swizzle's pattern repeats
  if (offset_of(shared) % alignment)
    fail(std::string(what) + ": misaligned: shared address " + std::to_string(offset_of(shared)) + " is no multiple of " +
             std::to_string(alignment),
         here);
}

// Calls row(global pointer or nullptr, elements before the tensor, elements inside, offset in the box) for every innermost row.
template <class F>
void for_each_row(const TensorMap& map, const int32_t* at, F&& row) {
  const uint32_t bytes = map.box[0] * map.element_bytes;
  uint32_t rows = 1;
  for (uint32_t i = 1; i < map.rank; i++) rows *= map.box[i];
  const int64_t x = at[0];
  const int64_t first = std::max<int64_t>(0, -x);                           // elements of the row that lie before the tensor
  const int64_t end = std::min<int64_t>(map.box[0], static_cast<int64_t>(map.extent[0]) - x);
  uint32_t index[5] = {0, 0, 0, 0, 0};
  for (uint32_t r = 0; r < rows; r++) {
    char* global = map.base + x * map.element_bytes;
    bool inside = end > first;
    for (uint32_t i = 1; i < map.rank; i++) {
      const int64_t position = static_cast<int64_t>(at[i]) + index[i];
      inside &= position >= 0 && position < static_cast<int64_t>(map.extent[i]);
      global += position * static_cast<int64_t>(map.stride[i]);
    }
    row(inside ? global : nullptr, static_cast<uint32_t>(inside ? first : 0), static_cast<uint32_t>(inside ? end - first : 0), r * bytes);
    for (uint32_t i = 1; i < map.rank && ++index[i] == map.box[i]; i++) index[i] = 0;
  }
}

// Shared memory of a box, swizzled, from or to a dense buffer: chunks of 16 bytes keep together.
template <class F>
void for_each_chunk(const TensorMap& map, uint32_t shared, uint32_t bytes, F&& chunk) {
  for (uint32_t offset = 0; offset < bytes; offset += 16) chunk(offset, swizzle(shared + offset, map.swizzle));
}

std::vector<char>& scratch() {
  static thread_local std::vector<char> memory;
  return memory;
}

float to_float(const char* from, uint32_t bytes) {
  uint32_t bits = 0;
  memcpy(&bits, from, bytes);
  if (bytes == 2) bits <<= 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

void from_float(float value, char* to, uint32_t bytes) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if (bytes == 2) bits = (bits & 0x7fffffff) > 0x7f800000 ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  memcpy(to, &bits, bytes);
}

void read_store(BulkStore& store, Thread& thread) {
  if (store.read) return;
  store.read = true;
  store.staged.resize(box_bytes(store.map));
  const char* arena = thread.state().arena;
  for_each_chunk(store.map, store.source, box_bytes(store.map),
                 [&](uint32_t offset, uint32_t at) { memcpy(&store.staged[offset], arena + at, 16); });
  SHADOW(bulk_read_done(thread, store.clock));
}

void write_store(BulkStore& store, Thread& thread) {
  (void)thread;
  const TensorMap& map = store.map;
  const uint32_t bytes = map.element_bytes;
  for_each_row(map, store.at, [&](char* global, uint32_t first, uint32_t count, uint32_t offset) {
    if (!global) return;
    char* to = global + first * bytes;
    const char* from = &store.staged[offset + first * bytes];
    SHADOW(bulk_write(to, count * bytes, thread, store.here));
    if (!store.add) {
      memcpy(to, from, count * bytes);
      return;
    }
    for (uint32_t i = 0; i < count; i++)
      from_float(to_float(to + i * bytes, bytes) + to_float(from + i * bytes, bytes), to + i * bytes, bytes);
  });
}

}  // namespace

void tma_load(uint32_t target, const TensorMap* map, uint32_t rank, const int32_t* coordinates, uint32_t barrier, uint32_t block_mask,
              Loc here) {
  EMULATOR_INSIDE;
  const char* what = block_mask ? "TMA multicast load" : "TMA load";
  check_map(map, rank, target, what, here);
  Thread& thread = *self();
  const uint32_t bytes = box_bytes(*map);
  if (block_mask >> thread.block->cluster_blocks) fail(std::string(what) + ": the mask names blocks that the cluster has not", here);
  if ((target | barrier) >> address_rank_shift)
    fail(std::string(what) + ": the target and its mbarrier are addresses of the own block", here);
  if (barrier % 8) fail(std::string(what) + ": misaligned mbarrier", here);
  std::unique_ptr<Transfer> transfer;
  if (worker->spare_transfers.empty()) {
    transfer.reset(new Transfer());
  } else {
    transfer = std::move(worker->spare_transfers.back());
    worker->spare_transfers.pop_back();
  }
  transfer->issuer = &thread;
  transfer->barrier = barrier;
  transfer->here = here;
  transfer->tma = true;
  transfer->block_mask = static_cast<uint16_t>(block_mask);
  transfer->target = target;
  transfer->map = *map;
  for (uint32_t i = 0; i < rank; i++) transfer->at[i] = coordinates[i];
  for (uint32_t r = 0; r < thread.block->cluster_blocks; r++) {
    if (!(block_mask ? block_mask >> r & 1 : r == thread.block->cluster_rank)) continue;
    const uint32_t tag = r == thread.block->cluster_rank ? 0 : (r + 1) << address_rank_shift;
    char* memory = shared_bytes(tag | target, bytes, here, what);
    shared_bytes(tag | barrier, 8, here, what);
    SHADOW(tma_issue(*thread.state().unit->blocks[r], target, bytes, barrier, thread, *transfer, here));
    worker->counters.tma_load_bytes += bytes;
    if (late()) memset(memory, 0xff, bytes);
  }
#if MM1_SHADOW
  for_each_row(*map, coordinates, [&](char* global, uint32_t first, uint32_t count, uint32_t) {
    if (global) shadow_global_read(global + first * map->element_bytes, count * map->element_bytes, thread, here);
  });
#endif
  worker->transfers.push_back(std::move(transfer));
  if (!late()) {
    while (deliver_transfer()) {
    }
  }
}

void land_tma_load(Transfer& transfer) {
  const TensorMap& map = transfer.map;
  const uint32_t bytes = box_bytes(map);
  std::vector<char>& box = scratch();
  box.assign(bytes, 0);
  for_each_row(map, transfer.at, [&](char* global, uint32_t first, uint32_t count, uint32_t offset) {
    if (global) memcpy(&box[offset + first * map.element_bytes], global + first * map.element_bytes, count * map.element_bytes);
  });
  Unit& unit = *transfer.issuer->state().unit;
  for (auto& b : unit.blocks) {
    if (!(transfer.block_mask ? transfer.block_mask >> b->cluster_rank & 1 : b->cluster_rank == transfer.issuer->block->cluster_rank))
      continue;
    if (b->live == 0) fail_for(*transfer.issuer, "TMA load: lands in shared memory of a block that has ended", transfer.here);
    for_each_chunk(map, transfer.target, bytes, [&](uint32_t offset, uint32_t at) { memcpy(b->arena + at, &box[offset], 16); });
    uint64_t bits;
    memcpy(&bits, b->arena + transfer.barrier, 8);
    if (bits >> 62 || (bits >> 21 & 0xfffff) == 0)
      fail_for(*transfer.issuer,
               "TMA load: used before mbarrier.init, or overwritten since: mbarrier at shared " + std::to_string(transfer.barrier),
               transfer.here);
    SHADOW(tma_land(*b, transfer.target, bytes, transfer.barrier, transfer));
    complete_bytes(*b, transfer.barrier, bytes, transfer);
  }
}

bool deliver_transfer() {
  Worker& w = *worker;
  if (w.transfers.empty()) return false;
  const size_t which = seeded() ? w.random_below(static_cast<uint32_t>(w.transfers.size())) : 0;
  std::unique_ptr<Transfer> transfer = std::move(w.transfers[which]);
  w.transfers.erase(w.transfers.begin() + static_cast<std::ptrdiff_t>(which));
  if (transfer->tma) {
    land_tma_load(*transfer);
    w.spare_transfers.push_back(std::move(transfer));
  } else {
    Thread& thread = *transfer->issuer;
    for (AsyncCopy& copy : transfer->copies) land_copy(copy, thread);
    SHADOW(arrived_later(thread, *transfer));
    arrive_for(thread.state(), transfer->barrier, thread, transfer->here);
  }
  return true;
}

void tma_store(const TensorMap* map, uint32_t source, uint32_t rank, const int32_t* coordinates, bool add, Loc here) {
  EMULATOR_INSIDE;
  const char* what = add ? "TMA reduction" : "TMA store";
  check_map(map, rank, source, what, here);
  if (add && map->float_bytes == 0) fail(std::string(what) + ": the map holds no float32 or bfloat16 values", here);
  if (source >> address_rank_shift) fail(std::string(what) + ": reads only its own block's shared memory", here);
  Thread& thread = *self();
  const uint32_t bytes = box_bytes(*map);
  shared_bytes(source, bytes, here, what);
  worker->counters.tma_store_bytes += bytes;
  thread.stores.emplace_back();
  BulkStore& store = thread.stores.back();
  store.map = *map;
  for (uint32_t i = 0; i < rank; i++) store.at[i] = coordinates[i];
  store.source = source;
  store.group = thread.store_group;
  store.clock = 0;
  store.add = add;
  store.read = false;
  store.here = here;
  SHADOW(bulk_read(thread.state(), source, bytes, thread, store, here));
  if (takes_effect_now()) read_store(store, thread);
}

void tma_commit() {
  EMULATOR_INSIDE;
  self()->store_group++;
}

void tma_wait(uint32_t pending_groups, bool read_only, Loc here) {
  EMULATOR_INSIDE;
  (void)here;
  Thread& thread = *self();
  size_t done = 0;
  for (; done < thread.stores.size(); done++) {
    BulkStore& store = thread.stores[done];
    if (store.group + pending_groups >= thread.store_group && here.file) break;
    read_store(store, thread);
    if (read_only) continue;
    write_store(store, thread);
  }
  if (!read_only) thread.stores.erase(thread.stores.begin(), thread.stores.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace emulator
