// Live handles of the emulated back end, so that a destroyed or foreign one is refused with a text and not followed.
#ifndef MM1_HOST_EMULATED_HANDLES_H
#define MM1_HOST_EMULATED_HANDLES_H

#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <unordered_map>

#include "emulator/runtime.h"
#include "host/error.h"

namespace mm1::emulated {

// What a caller's mistake and the emulator's own become.
template <class F>
mm1_status guarded(const char* call, F&& work) {
  try {
    return work();
  } catch (const emulator::Error& error) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: %s", call, error.what());
  } catch (const std::bad_alloc&) {
    return fail(MM1_STATUS_OUT_OF_MEMORY, "%s: the host has no memory left.", call);
  } catch (const std::exception& error) {
    return fail(MM1_STATUS_INTERNAL_ERROR, "%s: %s", call, error.what());
  }
}

// A set of live handles of one kind with what is known of each.
template <class Handle, class Info>
class Handles {
 public:
  explicit Handles(const char* kind) : kind_(kind) {}

  void add(Handle handle, const Info& info) {
    const std::lock_guard<std::mutex> lock(mutex_);
    live_[handle] = info;
  }

  // Copies what is known of a live handle.
  mm1_status find(const char* call, Handle handle, Info* info) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = live_.find(handle);
    if (found == live_.end()) return unknown(call, handle);
    *info = found->second;
    return MM1_STATUS_OK;
  }

  void change(Handle handle, const Info& info) { add(handle, info); }

  mm1_status remove(const char* call, Handle handle, Info* info) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = live_.find(handle);
    if (found == live_.end()) return unknown(call, handle);
    *info = found->second;
    live_.erase(found);
    return MM1_STATUS_OK;
  }

 private:
  mm1_status unknown(const char* call, Handle handle) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: %p is no %s of this library, or it was destroyed.", call, static_cast<const void*>(handle), kind_);
  }

  const char* kind_;
  std::mutex mutex_;
  std::unordered_map<Handle, Info> live_;
};

}  // namespace mm1::emulated

#endif  // MM1_HOST_EMULATED_HANDLES_H
