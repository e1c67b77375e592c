// Bank conflicts and sectors. A request is what the lanes of a warp do at one place for the same time: the emulator's lanes come there one
// after the other, so each access is written down with its place, lane and how often the lane has been there, and put together at the end.
#include <dlfcn.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <unordered_map>

#include "state.h"

namespace emulator {

namespace {

struct Sites {
  std::mutex mutex;
  std::unordered_map<uint64_t, std::string> names;
  std::map<std::pair<uint64_t, uint8_t>, AccessSite> totals;
};

Sites& sites() {
  static Sites* one = new Sites;
  return *one;
}

// 32 banks of 4 bytes. Accesses of 8 bytes go in two halves of the warp, of 16 in four quarters: each as many wavefronts as
// the largest number of different words that one bank has to give.
uint32_t wavefronts(const std::vector<const Worker::Access*>& lanes, uint32_t& ideal) {
  uint32_t total = 0;
  ideal = 0;
  const uint32_t widest = (*std::max_element(lanes.begin(), lanes.end(), [](auto* x, auto* y) { return x->bytes < y->bytes; }))->bytes;
  const uint32_t group = widest <= 4 ? 32 : 128 / widest;
  for (uint32_t first = 0; first < 32; first += group) {
    std::vector<uint64_t> words;
    for (const Worker::Access* a : lanes) {
      if (a->lane < first || a->lane >= first + group) continue;
      for (uint64_t w = a->address / 4; w <= (a->address + a->bytes - 1) / 4; w++) words.push_back(w);
    }
    if (words.empty()) continue;
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    uint32_t banks[32] = {};
    uint32_t degree = 0;
    for (uint64_t w : words) degree = std::max(degree, ++banks[w % 32]);
    total += degree;
    ideal++;
  }
  return total;
}

uint32_t sectors(const std::vector<const Worker::Access*>& lanes, uint32_t& ideal) {
  std::vector<uint64_t> touched;
  uint32_t bytes = 0;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const Worker::Access* a : lanes) {
    for (uint64_t s = a->address / 32; s <= (a->address + a->bytes - 1) / 32; s++) touched.push_back(s);
    ranges.push_back({a->address, a->address + a->bytes});
  }
  std::sort(ranges.begin(), ranges.end());       // bytes that several lanes read count once
  uint64_t end = 0;
  for (auto [from, to] : ranges) {
    if (to <= end) continue;
    bytes += static_cast<uint32_t>(to - std::max(from, end));
    end = to;
  }
  std::sort(touched.begin(), touched.end());
  touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
  ideal = (bytes + 31) / 32;
  return static_cast<uint32_t>(touched.size());
}

std::string name_of_pc(uint64_t site) {
  Dl_info info = {};
  const void* pc = reinterpret_cast<const void*>(site & ~(uint64_t(1) << 63));
  char text[300];
  if (dladdr(pc, &info) && info.dli_fname) {
    snprintf(text, sizeof text, "%s+%#lx", info.dli_fname,
             static_cast<unsigned long>(static_cast<const char*>(pc) - static_cast<const char*>(info.dli_fbase)));
  } else {
    snprintf(text, sizeof text, "%p", pc);
  }
  return text;
}

}  // namespace

namespace {

constexpr uint64_t is_pc = uint64_t(1) << 63;

void record(uint64_t site, bool global, bool write, uint64_t address, uint32_t bytes) {
  const Thread& t = *self();
  const Dim3 index = t.block->index;
  const Dim3 grid = t.block->grid;
  const uint64_t block_number = (static_cast<uint64_t>(index.z) * grid.y + index.y) * grid.x + index.x;
  worker->accesses.push_back({site, address, 0, static_cast<uint16_t>(bytes), static_cast<uint8_t>(t.lane),
                              static_cast<uint8_t>(global | write << 1), block_number << 5 | t.warp});
}

}  // namespace

void record_access(Loc here, bool global, bool write, uint64_t address, uint32_t bytes) {
  // The file's name is a literal, so its address stands for it.
  const uint64_t site = (reinterpret_cast<uint64_t>(here.file) << 16 ^ static_cast<uint64_t>(here.line)) & ~is_pc;
  Sites& s = sites();
  {
    std::lock_guard<std::mutex> lock(s.mutex);
    std::string& name = s.names[site];
    if (name.empty()) name = name_of(here);
  }
  record(site, global, write, address, bytes);
}

void record_access(void* pc, bool global, bool write, uint64_t address, uint32_t bytes) {
  record(reinterpret_cast<uint64_t>(pc) | is_pc, global, write, address, bytes);
}

void count_accesses(Worker& w) {
  // The order of one lane's accesses at one place is the order in which they were written down.
  auto& list = w.accesses;
  std::stable_sort(list.begin(), list.end(), [](const Worker::Access& x, const Worker::Access& y) {
    return std::tie(x.warp, x.site, x.kind, x.lane) < std::tie(y.warp, y.site, y.kind, y.lane);
  });
  for (size_t i = 1; i < list.size(); i++) {
    const Worker::Access& before = list[i - 1];
    Worker::Access& a = list[i];
    if (a.warp == before.warp && a.site == before.site && a.kind == before.kind && a.lane == before.lane) a.sequence = before.sequence + 1;
  }
  std::stable_sort(list.begin(), list.end(), [](const Worker::Access& x, const Worker::Access& y) {
    return std::tie(x.warp, x.site, x.kind, x.sequence) < std::tie(y.warp, y.site, y.kind, y.sequence);
  });
  Sites& s = sites();
  std::lock_guard<std::mutex> lock(s.mutex);
  std::vector<const Worker::Access*> lanes;
  for (size_t i = 0; i < list.size();) {
    lanes.clear();
    size_t j = i;
    while (j < list.size() && list[j].warp == list[i].warp && list[j].site == list[i].site && list[j].kind == list[i].kind &&
           list[j].sequence == list[i].sequence)
      lanes.push_back(&list[j++]);
    const bool global = list[i].kind & 1;
    uint32_t ideal;
    const uint32_t units = global ? sectors(lanes, ideal) : wavefronts(lanes, ideal);
    AccessSite& site = s.totals[{list[i].site, list[i].kind}];
    if (site.requests == 0) {
      site.where = list[i].site >> 63 ? name_of_pc(list[i].site) : s.names[list[i].site];
      site.global = global;
      site.write = list[i].kind >> 1;
    }
    site.requests++;
    site.units += units;
    site.ideal += ideal;
    if (global) {
      w.counters.global_requests++;
      w.counters.global_sectors += units;
      w.counters.global_sectors_ideal += ideal;
    } else {
      w.counters.shared_requests++;
      w.counters.shared_conflicts += units - ideal;
    }
    i = j;
  }
  list.clear();
}

std::vector<AccessSite> access_sites() {
  Sites& s = sites();
  std::lock_guard<std::mutex> lock(s.mutex);
  std::vector<AccessSite> result;
  for (const auto& [key, site] : s.totals) result.push_back(site);
  return result;
}

void clear_access_sites() {
  Sites& s = sites();
  std::lock_guard<std::mutex> lock(s.mutex);
  s.totals.clear();
}

}  // namespace emulator
