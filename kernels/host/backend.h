// What host/ asks of a back end: host/emulated/ over the emulator, host/cuda/ over the CUDA runtime. One of them is linked.
// The functions of runtime.h check their own arguments (host/runtime.cpp) and call the twin of the same name here; a back end
// returns statuses with texts and reports what breaks the device through report_failure.
#ifndef MM1_HOST_BACKEND_H
#define MM1_HOST_BACKEND_H

#include <string>

#include "host/device_profile.h"
#include "host/error.h"

namespace mm1::backend {

// What every device of the library computes in (mm1_device_properties): bits of mm1_dtype and mm1_math_mode.
constexpr int32_t kComputeDtypes = 1 << MM1_DTYPE_FLOAT32 | 1 << MM1_DTYPE_BFLOAT16;
constexpr int32_t kMathModes = 1 << MM1_MATH_MODE_DEFAULT | 1 << MM1_MATH_MODE_TF32;

// ---- devices ----

// Number of devices; 0 with a text where there is none.
mm1_status device_count(int32_t* count, std::string* why_none);

// All fields; struct_size is not read.
mm1_status device_properties(int32_t device, mm1_device_properties* properties);

// What a plan needs of the device; valid for ever.
mm1_status device_profile(int32_t device, const DeviceProfile** profile);

mm1_status set_device(int32_t device);
mm1_status get_device(int32_t* device);

// True with a text where the device failed, as far as that is known without waiting.
bool device_failed(int32_t device, std::string* text);

mm1_status device_synchronize();

// The library's own stream of the current device, and whether a stream is one of the library's or a live one.
mm1_status resolve_stream(const char* call, mm1_stream* stream);

// ---- streams, events, memory, graphs, modules: as in runtime.h; streams are resolved, handles not NULL, sizes above 0 ----

mm1_status stream_create(mm1_stream* stream);
mm1_status stream_destroy(mm1_stream stream);
mm1_status stream_synchronize(mm1_stream stream);
mm1_status stream_query(mm1_stream stream, int32_t* done);
mm1_status stream_wait_event(mm1_stream stream, mm1_event event);

mm1_status event_create(bool timed, mm1_event* event);
mm1_status event_destroy(mm1_event event);
mm1_status event_record(mm1_event event, mm1_stream stream);
mm1_status event_synchronize(mm1_event event);
mm1_status event_query(mm1_event event, int32_t* done);
mm1_status event_elapsed_milliseconds(mm1_event start, mm1_event end, float* milliseconds);

mm1_status memory_allocate(int64_t bytes, void** address);
mm1_status memory_free(void* address);
mm1_status memory_allocate_pinned(int64_t bytes, void** address);
mm1_status memory_free_pinned(void* address);
mm1_status memory_get_info(int64_t* free_bytes, int64_t* total_bytes);
mm1_status memory_copy_to_device(mm1_stream stream, void* destination, const void* source, int64_t bytes);
mm1_status memory_copy_to_host(mm1_stream stream, void* destination, const void* source, int64_t bytes);
mm1_status memory_copy_on_device(mm1_stream stream, void* destination, const void* source, int64_t bytes);
mm1_status memory_fill(mm1_stream stream, void* destination, int value, int64_t bytes);

mm1_status graph_begin_capture(mm1_stream stream);
mm1_status graph_end_capture(mm1_stream stream, mm1_graph* graph);
mm1_status graph_is_capturing(mm1_stream stream, int32_t* capturing);
mm1_status graph_instantiate(mm1_graph graph, mm1_graph_instance* instance);
mm1_status graph_launch(mm1_graph_instance instance, mm1_stream stream);
mm1_status graph_get_size(mm1_graph graph, int64_t* nodes);
mm1_status graph_destroy(mm1_graph graph);
mm1_status graph_instance_destroy(mm1_graph_instance instance);

mm1_status module_load(const void* image, int64_t bytes, mm1_module* module);
mm1_status module_unload(mm1_module module);
mm1_status module_get_function(mm1_module module, const char* name, mm1_function* function);
mm1_status module_launch(mm1_stream stream, const mm1_module_launch_args& args);

}  // namespace mm1::backend

#endif  // MM1_HOST_BACKEND_H
