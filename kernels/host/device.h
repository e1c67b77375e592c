// What a verb needs of the runtime, the same over the GPU and over the emulator.
//
//   mm1_status mm1_gemm(mm1_stream stream, const mm1_gemm_args* given, void* workspace, int64_t workspace_bytes) {
//     ... read_args, checks ...
//     MM1_RETURN_IF_FAILED(enter("gemm", &stream));   // the device is there and well; NULL becomes the library's own stream
//     const GemmPlan plan = plan_gemm(args, current_profile());
//     const dev::LaunchStatus status = dev::launch({..., reinterpret_cast<dev::Stream>(stream)}, kernel, ...);
//     return launched("gemm", status.code, status.text);
//   }
#ifndef MM1_HOST_DEVICE_H
#define MM1_HOST_DEVICE_H

#include "host/device_profile.h"
#include "host/error.h"

namespace mm1 {

// MM1_STATUS_OK where the calling thread's current device can take work. `call` begins the text: "gemm", "memory_allocate".
mm1_status enter(const char* call);

// The same for work on a stream. NULL becomes the library's own stream of the current device; the result is a dev::Stream, cast.
mm1_status enter(const char* call, mm1_stream* stream);

// The calling thread's current device, for plans and workspace sizes. Call enter() first: where there is no device it is that of sm_90.
const DeviceProfile& current_profile();

// The status of a launch from its code and text (dev::LaunchStatus). A failure that loses the device is remembered.
mm1_status launched(const char* call, int32_t code, const char* text);

// Remembers the first failure of a device for good. Returns MM1_STATUS_DEVICE_ERROR for the first one, MM1_STATUS_DEVICE_LOST later.
mm1_status report_failure(const char* call, int32_t device, const char* text);

// Whether a device was lost. Does not look at the device.
bool is_lost(int32_t device);

// Tests only: devices are well again (emulator::clear_error does its part of it).
void forget_failures();

}  // namespace mm1

#endif  // MM1_HOST_DEVICE_H
