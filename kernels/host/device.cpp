#include "host/device.h"

#include <map>
#include <mutex>
#include <string>

#include "host/backend.h"

namespace mm1 {

namespace {

// The first failure of each lost device. Never destroyed: threads may still call while the process ends.
struct Failures {
  std::mutex mutex;
  std::map<int32_t, std::string> texts;
};

Failures& failures() {
  static Failures* all = new Failures;
  return *all;
}

mm1_status lost(const char* call, const std::string& text) {
  return fail(MM1_STATUS_DEVICE_LOST, "%s: the device is lost since an earlier failure; start a new process. The failure was: %s", call,
              text.c_str());
}

}  // namespace

mm1_status report_failure(const char* call, int32_t device, const char* text) {
  Failures& all = failures();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto [first, is_new] = all.texts.emplace(device, text);
  if (!is_new) return lost(call, first->second);
  return fail(MM1_STATUS_DEVICE_ERROR, "%s: %s", call, text);
}

bool is_lost(int32_t device) {
  Failures& all = failures();
  const std::lock_guard<std::mutex> lock(all.mutex);
  return all.texts.count(device) != 0;
}

void forget_failures() {
  Failures& all = failures();
  const std::lock_guard<std::mutex> lock(all.mutex);
  all.texts.clear();
}

mm1_status enter(const char* call) {
  int32_t device = 0;
  MM1_RETURN_IF_FAILED(backend::get_device(&device));
  {
    Failures& all = failures();
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto found = all.texts.find(device);
    if (found != all.texts.end()) return lost(call, found->second);
  }
  std::string text;
  if (backend::device_failed(device, &text)) return report_failure(call, device, text.c_str());
  return MM1_STATUS_OK;
}

mm1_status enter(const char* call, mm1_stream* stream) {
  MM1_RETURN_IF_FAILED(enter(call));
  return backend::resolve_stream(call, stream);
}

mm1_status launched(const char* call, int32_t code, const char* text) {
  if (code == MM1_STATUS_OK) return MM1_STATUS_OK;
  int32_t device = 0;
  std::string failure;
  if (backend::get_device(&device) == MM1_STATUS_OK && backend::device_failed(device, &failure)) return report_failure(call, device, failure.c_str());
  return fail(code, "%s: %s", call, text);
}

const DeviceProfile& current_profile() {
  int32_t device = 0;
  const DeviceProfile* profile = &kProfileSm90;
  if (backend::get_device(&device) == MM1_STATUS_OK) {
    if (backend::device_profile(device, &profile) != MM1_STATUS_OK) profile = &kProfileSm90;
  }
  return *profile;
}

}  // namespace mm1
