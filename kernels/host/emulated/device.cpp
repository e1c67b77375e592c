#include "host/emulated/device.h"

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>

#include "emulator/runtime.h"
#include "host/backend.h"
#include "host/device.h"

namespace mm1 {

namespace emulated {

namespace {

// The device's memory, as its properties say it: a figure for plans, not a limit. What the host has is what there is.
constexpr int64_t kMemoryBytes = 16ll * 1024 * 1024 * 1024;

struct State {
  std::once_flag once;
  const DeviceProfile* profile = nullptr;  // nullptr: the variable names none.
  std::string name;
};

State& state() {
  static State* only = new State;
  return *only;
}

void take(const DeviceProfile& profile) {
  state().profile = &profile;
  emulator::Limits limits;
  limits.compute_capability = static_cast<uint32_t>(10 * profile.capability_major + profile.capability_minor);
  limits.shared_bytes_per_block = static_cast<uint32_t>(profile.shared_bytes_per_block);
  emulator::set_limits(limits);
}

}  // namespace

mm1_status profile(const DeviceProfile** result) {
  State& only = state();
  std::call_once(only.once, [&only] {
    const char* name = std::getenv("MM1_EMULATOR_PROFILE");
    only.name = name == nullptr || *name == '\0' ? "sm_90" : name;
    if (const DeviceProfile* found = find_profile(only.name.c_str())) take(*found);
  });
  if (only.profile == nullptr) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "MM1_EMULATOR_PROFILE is '%s'; it is sm_80, sm_86, sm_89 or sm_90.", only.name.c_str());
  }
  *result = only.profile;
  return MM1_STATUS_OK;
}

void set_profile(const DeviceProfile& chosen) {
  const DeviceProfile* before = nullptr;
  profile(&before);
  take(chosen);
}

mm1_status status_of(bool well, const char* call) {
  if (well) return MM1_STATUS_OK;
  return report_failure(call, 0, emulator::error_text().c_str());
}

}  // namespace emulated

namespace backend {

mm1_status device_count(int32_t* count, std::string*) {
  *count = 1;
  return MM1_STATUS_OK;
}

mm1_status device_profile(int32_t, const DeviceProfile** profile) { return emulated::profile(profile); }

mm1_status device_properties(int32_t, mm1_device_properties* properties) {
  const DeviceProfile* profile = nullptr;
  MM1_RETURN_IF_FAILED(emulated::profile(&profile));
  std::snprintf(properties->name, sizeof properties->name, "emulated %s (%s)", profile->name, profile->card);
  properties->emulated = 1;
  properties->capability_major = profile->capability_major;
  properties->capability_minor = profile->capability_minor;
  properties->multiprocessors = profile->multiprocessors;
  properties->memory_bytes = emulated::kMemoryBytes;
  properties->shared_bytes_per_block = profile->shared_bytes_per_block;
  properties->shared_bytes_per_multiprocessor = profile->shared_bytes_per_multiprocessor;
  properties->l2_bytes = profile->l2_bytes;
  properties->threads_per_multiprocessor = profile->threads_per_multiprocessor;
  properties->blocks_per_multiprocessor = profile->blocks_per_multiprocessor;
  properties->compute_dtypes = kComputeDtypes;
  properties->math_modes = kMathModes;
  properties->supported = 1;
  return MM1_STATUS_OK;
}

mm1_status set_device(int32_t) { return MM1_STATUS_OK; }

mm1_status get_device(int32_t* device) {
  *device = 0;
  const DeviceProfile* profile = nullptr;
  return emulated::profile(&profile);
}

bool device_failed(int32_t, std::string* text) {
  if (!emulator::failed()) return false;
  *text = emulator::error_text();
  return true;
}

}  // namespace backend

}  // namespace mm1
