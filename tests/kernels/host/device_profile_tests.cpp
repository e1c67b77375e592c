#include "host/device_profile.h"

#include <string>

#include "test.h"

using namespace mm1;

TEST(device_profile, is_found_by_name_only) {
  for (const DeviceProfile& profile : kProfiles) CHECK(find_profile(profile.name) == &profile);
  CHECK(find_profile("sm_9") == nullptr);
  CHECK(find_profile("sm_900") == nullptr);
  CHECK(find_profile("") == nullptr);
}

TEST(device_profile, only_capability_9_0_runs_sm_90a_code) {
  for (const DeviceProfile& profile : kProfiles) CHECK_EQUAL(std::string(profile.name) == "sm_90", profile.runs_sm90a());
  CHECK(!(DeviceProfile{"sm_100", "", 10, 0, 1, 0, 0, 0, 0, 0}.runs_sm90a()));
}

TEST(device_profile, one_block_fits_a_multiprocessor) {
  for (const DeviceProfile& profile : kProfiles) {
    CHECK_EQUAL(profile.shared_bytes_per_multiprocessor, profile.shared_bytes_per_block + kReservedSharedBytesPerBlock);
    CHECK(profile.threads_per_multiprocessor >= kThreadsPerBlock);
  }
}
