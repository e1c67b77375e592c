// The emulated device: one, with the profile that MM1_EMULATOR_PROFILE names (default sm_90).
#ifndef MM1_HOST_EMULATED_DEVICE_H
#define MM1_HOST_EMULATED_DEVICE_H

#include "host/device_profile.h"
#include "host/error.h"

namespace mm1::emulated {

// The device's profile. INVALID_ARGUMENT where the variable names none.
mm1_status profile(const DeviceProfile** result);

// Tests only, while nothing runs: the device has another profile (one that lives on) from here on.
void set_profile(const DeviceProfile& profile);

// OK, or what the caller returns after work that met a failure.
mm1_status status_of(bool well, const char* call);

}  // namespace mm1::emulated

#endif  // MM1_HOST_EMULATED_DEVICE_H
