// Device memory: every allocation between two unreadable pages, its body full of NaN, the rest of its pages full of a pattern.
//
//   | unreadable | pattern | body (256-byte aligned, as far back as that permits) | pattern | unreadable |
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>

#include "fiber.h"
#include "memory_map.h"
#include "runtime.h"

namespace emulator {

namespace {

constexpr uint8_t poison = 0xff;      // NaN in every floating-point format, -1 in the others
constexpr uint8_t pattern = 0xa5;

struct Memory {
  std::mutex mutex;
  std::map<uintptr_t, Allocation> allocations;   // by the first byte of the mapping
  size_t in_use = 0;
};

Memory& memory() {
  static Memory* one = new Memory;
  return *one;
}

Allocation* find(Memory& m, const void* address) {
  auto after = m.allocations.upper_bound(reinterpret_cast<uintptr_t>(address));
  if (after == m.allocations.begin()) return nullptr;
  Allocation& a = std::prev(after)->second;
  return static_cast<const char*>(address) < a.mapping + a.mapping_bytes ? &a : nullptr;
}

// Empty: the pattern is whole.
std::string changed_guard(const Allocation& a) {
  const char* end = a.body + a.bytes;
  const auto text = [&](size_t distance, const char* side) {
    return "device memory: a byte " + std::to_string(distance) + side + " an allocation of " + std::to_string(a.bytes) +
           " bytes was overwritten";
  };
  for (const char* p = a.mapping + page_bytes; p < a.body; p++) {
    if (static_cast<uint8_t>(*p) != pattern) return text(static_cast<size_t>(a.body - p), " before");
  }
  for (const char* p = end; p < a.mapping + a.mapping_bytes - page_bytes; p++) {
    if (static_cast<uint8_t>(*p) != pattern) return text(static_cast<size_t>(p - end), " behind the end of");
  }
  return "";
}

void* allocate(size_t bytes, bool host) {
  const size_t body = std::max<size_t>((bytes + 255) & ~size_t(255), 256);
  const size_t pages = std::max<size_t>((body + page_bytes - 1) & ~(page_bytes - 1), page_bytes);
  if (pages < bytes) return nullptr;
  void* mapping = mmap(nullptr, pages + 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  Allocation a;
  a.mapping = static_cast<char*>(mapping);
  a.mapping_bytes = pages + 2 * page_bytes;
  a.body = a.mapping + page_bytes + pages - body;
  a.bytes = bytes;
  a.host = host;
  mprotect(a.mapping, page_bytes, PROT_NONE);
  mprotect(a.mapping + page_bytes + pages, page_bytes, PROT_NONE);
  memset(a.mapping + page_bytes, pattern, static_cast<size_t>(a.body - a.mapping) - page_bytes);
  memset(a.body, host ? 0 : poison, bytes);
  memset(a.body + bytes, pattern, body - bytes);
#if MM1_SHADOW
  a.shadow = shadow_make_cells(a);
#endif
  Memory& m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  m.allocations[reinterpret_cast<uintptr_t>(mapping)] = a;
  if (!host) m.in_use += bytes;
  return a.body;
}

void release(void* body, bool host, const char* function) {
  if (!body) return;
  std::string broken;
  Allocation a;
  {
    Memory& m = memory();
    std::lock_guard<std::mutex> lock(m.mutex);
    Allocation* found = find(m, body);
    if (!found || found->body != body || found->host != host) throw Error(std::string(function) + ": not the address of a live allocation");
    a = *found;
    broken = changed_guard(a);
    m.allocations.erase(reinterpret_cast<uintptr_t>(a.mapping));
    if (!host) m.in_use -= a.bytes;
  }
#if MM1_SHADOW
  shadow_free_cells(a);
#endif
  munmap(a.mapping, a.mapping_bytes);
  if (!broken.empty()) throw Error(broken);
}

// A range that begins in one of our allocations must lie in its body.
void check_range(const void* address, size_t bytes, const char* function) {
  Memory& m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  const Allocation* a = find(m, address);
  if (!a || bytes == 0) return;
  const char* first = static_cast<const char*>(address);
  if (first < a->body || bytes > a->bytes || first + bytes > a->body + a->bytes)
    throw Error(std::string(function) + ": " + std::to_string(bytes) + " bytes from byte " + std::to_string(first - a->body) +
                " of an allocation of " + std::to_string(a->bytes) + " bytes");
}

}  // namespace

void* memory_allocate(size_t bytes) { return allocate(bytes, false); }
void memory_free(void* body) { release(body, false, "memory_free"); }
void* host_allocate(size_t bytes) { return allocate(bytes, true); }
void host_free(void* body) { release(body, true, "host_free"); }

void check_guards() {
  Memory& m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  for (const auto& [address, a] : m.allocations) {
    const std::string broken = changed_guard(a);
    if (!broken.empty()) throw Error(broken);
  }
}

void memory_copy(void* target, const void* source, size_t bytes) {
  if (bytes == 0) return;
  check_range(target, bytes, "memory_copy");
  check_range(source, bytes, "memory_copy");
  memmove(target, source, bytes);
  memory_written_by_host(target, bytes);
}

void memory_fill(void* target, int value, size_t bytes) {
  if (bytes == 0) return;
  check_range(target, bytes, "memory_fill");
  memset(target, value, bytes);
  memory_written_by_host(target, bytes);
}

bool memory_is_device(const void* address, size_t bytes) {
  Memory& m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  const Allocation* a = find(m, address);
  const char* first = static_cast<const char*>(address);
  return a && !a->host && first >= a->body && first + bytes <= a->body + a->bytes;
}

size_t memory_in_use() {
  Memory& m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  return m.in_use;
}

void memory_written_by_host(void* target, size_t bytes) {
#if MM1_SHADOW
  shadow_host_write(target, bytes);
#else
  (void)target;
  (void)bytes;
#endif
}

bool find_allocation(const void* address, Allocation* result) {
  Memory& m = memory();
  std::lock_guard<std::mutex> lock(m.mutex);
  const Allocation* a = find(m, address);
  if (a) *result = *a;
  return a != nullptr;
}

// For a text about a fault: where the address lies.
std::string describe_address(const void* address) {
  char text[200];
  Allocation a;
  const char* at = static_cast<const char*>(address);
  if (!find_allocation(address, &a)) {
    snprintf(text, sizeof text, "address %p is neither device nor shared memory", address);
  } else if (at < a.body) {
    snprintf(text, sizeof text, "%zu bytes before an allocation of %zu bytes", static_cast<size_t>(a.body - at), a.bytes);
  } else {
    snprintf(text, sizeof text, "byte %zu of an allocation of %zu bytes", static_cast<size_t>(at - a.body), a.bytes);
  }
  return text;
}

}  // namespace emulator
