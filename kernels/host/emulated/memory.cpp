// Device memory, pinned memory and copies of the emulated device.
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "host/backend.h"
#include "host/device.h"
#include "host/emulated/capture.h"
#include "host/emulated/device.h"
#include "host/emulated/handles.h"

namespace mm1::backend {

using emulated::guarded;

namespace {

// Live allocations by address. The emulator has its own books of device memory; these tell a wrong address from an overrun.
class Allocations {
 public:
  void add(void* address, int64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    bytes_[reinterpret_cast<uintptr_t>(address)] = bytes;
  }

  bool remove(void* address) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return bytes_.erase(reinterpret_cast<uintptr_t>(address)) != 0;
  }

  bool contains(const void* address, int64_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const uintptr_t begin = reinterpret_cast<uintptr_t>(address);
    auto after = bytes_.upper_bound(begin);
    if (after == bytes_.begin()) return false;
    --after;
    return begin - after->first + static_cast<uintptr_t>(bytes) <= static_cast<uintptr_t>(after->second);
  }

 private:
  std::mutex mutex_;
  std::map<uintptr_t, int64_t> bytes_;
};

Allocations& device_allocations() {
  static auto* all = new Allocations;
  return *all;
}

Allocations& pinned_allocations() {
  static auto* all = new Allocations;
  return *all;
}

emulator::Stream* native(mm1_stream stream) { return reinterpret_cast<emulator::Stream*>(stream); }

mm1_status check_on_device(const char* call, const char* field, const void* address, int64_t bytes) {
  if (emulator::memory_is_device(address, static_cast<size_t>(bytes))) return MM1_STATUS_OK;
  return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: the %lld bytes at %s (%p) do not lie in one live allocation of device memory.", call,
              static_cast<long long>(bytes), field, address);
}

constexpr const char* kUnpinnedCopy = "a copy between the device and host memory that is not pinned cannot be captured";

}  // namespace

mm1_status memory_allocate(int64_t bytes, void** address) {
  return guarded("memory_allocate", [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(emulated::refuse_while_capturing("memory_allocate"));
    void* memory = emulator::memory_allocate(static_cast<size_t>(bytes));
    if (memory == nullptr) {
      return fail(MM1_STATUS_OUT_OF_MEMORY, "memory_allocate: %lld bytes were asked for; the emulated device has no more (%lld in use).",
                  static_cast<long long>(bytes), static_cast<long long>(emulator::memory_in_use()));
    }
    device_allocations().add(memory, bytes);
    *address = memory;
    return MM1_STATUS_OK;
  });
}

mm1_status memory_free(void* address) {
  return guarded("memory_free", [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(emulated::refuse_while_capturing("memory_free"));
    if (!device_allocations().remove(address)) {
      return fail(MM1_STATUS_INVALID_ARGUMENT, "memory_free: %p is no live allocation of device memory.", address);
    }
    // A failure of work in flight is reported by the next call that needs the device; here memory is given back.
    emulator::device_synchronize();
    try {
      emulator::memory_free(address);
    } catch (const emulator::Error& overrun) {
      // Changed guard bytes: some kernel wrote out of bounds, and nothing that was computed can be trusted.
      emulator::set_error(overrun.what());
      return emulated::status_of(false, "memory_free");
    }
    return MM1_STATUS_OK;
  });
}

mm1_status memory_allocate_pinned(int64_t bytes, void** address) {
  return guarded("memory_allocate_pinned", [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(emulated::refuse_while_capturing("memory_allocate_pinned"));
    void* memory = emulator::host_allocate(static_cast<size_t>(bytes));
    if (memory == nullptr) {
      return fail(MM1_STATUS_OUT_OF_MEMORY, "memory_allocate_pinned: the host cannot give %lld bytes.", static_cast<long long>(bytes));
    }
    pinned_allocations().add(memory, bytes);
    *address = memory;
    return MM1_STATUS_OK;
  });
}

mm1_status memory_free_pinned(void* address) {
  return guarded("memory_free_pinned", [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(emulated::refuse_while_capturing("memory_free_pinned"));
    if (!pinned_allocations().remove(address)) {
      return fail(MM1_STATUS_INVALID_ARGUMENT, "memory_free_pinned: %p is no live allocation of pinned memory.", address);
    }
    emulator::device_synchronize();
    emulator::host_free(address);
    return MM1_STATUS_OK;
  });
}

mm1_status memory_get_info(int64_t* free_bytes, int64_t* total_bytes) {
  mm1_device_properties properties{};
  MM1_RETURN_IF_FAILED(device_properties(0, &properties));
  const int64_t used = static_cast<int64_t>(emulator::memory_in_use());
  *total_bytes = properties.memory_bytes;
  *free_bytes = used < properties.memory_bytes ? properties.memory_bytes - used : 0;
  return MM1_STATUS_OK;
}

mm1_status memory_copy_to_device(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  constexpr const char* kCall = "memory_copy_to_device";
  return guarded(kCall, [&]() -> mm1_status {
    const size_t length = static_cast<size_t>(bytes);
    MM1_RETURN_IF_FAILED(check_on_device(kCall, "destination", destination, bytes));
    if (pinned_allocations().contains(source, bytes) || emulator::memory_is_device(source, length)) {
      emulator::memory_copy_async(native(stream), destination, source, length);
      return MM1_STATUS_OK;
    }
    if (emulator::stream_is_capturing(native(stream))) return emulated::refuse_capture(kCall, kUnpinnedCopy);
    // Read now, written when the stream comes to it.
    const char* first = static_cast<const char*>(source);
    auto staged = std::make_shared<std::vector<char>>(first, first + length);
    emulator::stream_enqueue(native(stream), [destination, staged] { emulator::memory_copy(destination, staged->data(), staged->size()); });
    return MM1_STATUS_OK;
  });
}

mm1_status memory_copy_to_host(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  constexpr const char* kCall = "memory_copy_to_host";
  return guarded(kCall, [&]() -> mm1_status {
    const size_t length = static_cast<size_t>(bytes);
    MM1_RETURN_IF_FAILED(check_on_device(kCall, "source", source, bytes));
    const bool pinned = pinned_allocations().contains(destination, bytes) || emulator::memory_is_device(destination, length);
    if (!pinned && emulator::stream_is_capturing(native(stream))) return emulated::refuse_capture(kCall, kUnpinnedCopy);
    emulator::memory_copy_async(native(stream), destination, source, length);
    if (pinned) return MM1_STATUS_OK;
    return emulated::status_of(emulator::stream_synchronize(native(stream)), kCall);
  });
}

mm1_status memory_copy_on_device(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  constexpr const char* kCall = "memory_copy_on_device";
  return guarded(kCall, [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(check_on_device(kCall, "destination", destination, bytes));
    MM1_RETURN_IF_FAILED(check_on_device(kCall, "source", source, bytes));
    emulator::memory_copy_async(native(stream), destination, source, static_cast<size_t>(bytes));
    return MM1_STATUS_OK;
  });
}

mm1_status memory_fill(mm1_stream stream, void* destination, int value, int64_t bytes) {
  return guarded("memory_fill", [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(check_on_device("memory_fill", "destination", destination, bytes));
    emulator::memory_fill_async(native(stream), destination, value, static_cast<size_t>(bytes));
    return MM1_STATUS_OK;
  });
}

}  // namespace mm1::backend
