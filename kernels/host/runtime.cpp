// runtime.h: arguments are checked here, the back end does the work.
#include <cstring>
#include <string>

#include "host/backend.h"
#include "host/check.h"
#include "host/device.h"

using mm1::enter;
using mm1::fail;
namespace backend = mm1::backend;

namespace {

// Refuses NULL where a result goes or a handle is needed.
#define MM1_REQUIRE(call, argument)                                                                                       \
  do {                                                                                                                    \
    if ((argument) == nullptr) return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: " #argument " is NULL.", call);              \
  } while (0)

mm1_status check_bytes(const char* call, int64_t bytes) {
  if (bytes >= 0) return MM1_STATUS_OK;
  return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: bytes is %lld; it must not be negative.", call, static_cast<long long>(bytes));
}

mm1_status check_device(const char* call, int32_t device) {
  int32_t count = 0;
  std::string why_none;
  MM1_RETURN_IF_FAILED(backend::device_count(&count, &why_none));
  if (device >= 0 && device < count) return MM1_STATUS_OK;
  if (count == 0) return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: device is %d; there is no device: %s", call, device, why_none.c_str());
  return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: device is %d; devices are 0 to %d.", call, device, count - 1);
}

using Copy = mm1_status (*)(mm1_stream, void*, const void*, int64_t);

mm1_status copy(const char* call, Copy copy, mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  MM1_RETURN_IF_FAILED(check_bytes(call, bytes));
  if (bytes > 0) {
    MM1_REQUIRE(call, destination);
    MM1_REQUIRE(call, source);
  }
  MM1_RETURN_IF_FAILED(enter(call, &stream));
  return bytes == 0 ? MM1_STATUS_OK : copy(stream, destination, source, bytes);
}

mm1_status allocate(const char* call, mm1_status (*allocate)(int64_t, void**), int64_t bytes, void** address) {
  MM1_REQUIRE(call, address);
  MM1_RETURN_IF_FAILED(check_bytes(call, bytes));
  MM1_RETURN_IF_FAILED(enter(call));
  if (bytes == 0) {
    *address = nullptr;
    return MM1_STATUS_OK;
  }
  return allocate(bytes, address);
}

}  // namespace

/* ---- devices ---- */

mm1_status mm1_device_count(int32_t* count) {
  MM1_REQUIRE("device_count", count);
  std::string why_none;
  MM1_RETURN_IF_FAILED(backend::device_count(count, &why_none));
  if (*count == 0) fail(MM1_STATUS_OK, "device_count: there is no device: %s", why_none.c_str());
  return MM1_STATUS_OK;
}

mm1_status mm1_device_get_properties(int32_t device, mm1_device_properties* properties) {
  MM1_REQUIRE("device_get_properties", properties);
  const int64_t given = properties->struct_size;
  if (given < static_cast<int64_t>(sizeof given) || given > (1 << 16)) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "device_get_properties: struct_size is %lld; set it to sizeof(mm1_device_properties).",
                static_cast<long long>(given));
  }
  MM1_RETURN_IF_FAILED(check_device("device_get_properties", device));
  mm1_device_properties full{};
  MM1_RETURN_IF_FAILED(backend::device_properties(device, &full));
  const int64_t known = static_cast<int64_t>(sizeof full);
  full.struct_size = given < known ? given : known;
  std::memset(static_cast<void*>(properties), 0, static_cast<size_t>(given));
  std::memcpy(static_cast<void*>(properties), &full, static_cast<size_t>(full.struct_size));
  return MM1_STATUS_OK;
}

mm1_status mm1_device_set_current(int32_t device) {
  MM1_RETURN_IF_FAILED(check_device("device_set_current", device));
  mm1_device_properties properties{};
  MM1_RETURN_IF_FAILED(backend::device_properties(device, &properties));
  if (properties.supported == 0) {
    return fail(MM1_STATUS_UNSUPPORTED, "device_set_current: device %d (%s) has compute capability %d.%d; 8.0 or later is needed.", device,
                properties.name, properties.capability_major, properties.capability_minor);
  }
  return backend::set_device(device);
}

mm1_status mm1_device_get_current(int32_t* device) {
  MM1_REQUIRE("device_get_current", device);
  return backend::get_device(device);
}

mm1_status mm1_device_get_status(int32_t device) {
  MM1_RETURN_IF_FAILED(check_device("device_get_status", device));
  std::string text;
  const bool failed = backend::device_failed(device, &text);
  if (!failed && !mm1::is_lost(device)) return MM1_STATUS_OK;
  // The second report says what the first one was.
  mm1::report_failure("device_get_status", device, text.c_str());
  return mm1::report_failure("device_get_status", device, text.c_str());
}

mm1_status mm1_device_synchronize(void) {
  MM1_RETURN_IF_FAILED(enter("device_synchronize"));
  return backend::device_synchronize();
}

/* ---- streams ---- */

mm1_status mm1_stream_create(mm1_stream* stream) {
  MM1_REQUIRE("stream_create", stream);
  MM1_RETURN_IF_FAILED(enter("stream_create"));
  return backend::stream_create(stream);
}

mm1_status mm1_stream_destroy(mm1_stream stream) { return stream == nullptr ? MM1_STATUS_OK : backend::stream_destroy(stream); }

mm1_status mm1_stream_synchronize(mm1_stream stream) {
  MM1_RETURN_IF_FAILED(enter("stream_synchronize", &stream));
  return backend::stream_synchronize(stream);
}

mm1_status mm1_stream_query(mm1_stream stream, int32_t* done) {
  MM1_REQUIRE("stream_query", done);
  MM1_RETURN_IF_FAILED(enter("stream_query", &stream));
  return backend::stream_query(stream, done);
}

mm1_status mm1_stream_wait_event(mm1_stream stream, mm1_event event) {
  MM1_REQUIRE("stream_wait_event", event);
  MM1_RETURN_IF_FAILED(enter("stream_wait_event", &stream));
  return backend::stream_wait_event(stream, event);
}

/* ---- events ---- */

mm1_status mm1_event_create(int32_t timed, mm1_event* event) {
  MM1_REQUIRE("event_create", event);
  MM1_RETURN_IF_FAILED(enter("event_create"));
  return backend::event_create(timed != 0, event);
}

mm1_status mm1_event_destroy(mm1_event event) { return event == nullptr ? MM1_STATUS_OK : backend::event_destroy(event); }

mm1_status mm1_event_record(mm1_event event, mm1_stream stream) {
  MM1_REQUIRE("event_record", event);
  MM1_RETURN_IF_FAILED(enter("event_record", &stream));
  return backend::event_record(event, stream);
}

mm1_status mm1_event_synchronize(mm1_event event) {
  MM1_REQUIRE("event_synchronize", event);
  MM1_RETURN_IF_FAILED(enter("event_synchronize"));
  return backend::event_synchronize(event);
}

mm1_status mm1_event_query(mm1_event event, int32_t* done) {
  MM1_REQUIRE("event_query", event);
  MM1_REQUIRE("event_query", done);
  MM1_RETURN_IF_FAILED(enter("event_query"));
  return backend::event_query(event, done);
}

mm1_status mm1_event_elapsed_milliseconds(mm1_event start, mm1_event end, float* milliseconds) {
  MM1_REQUIRE("event_elapsed_milliseconds", start);
  MM1_REQUIRE("event_elapsed_milliseconds", end);
  MM1_REQUIRE("event_elapsed_milliseconds", milliseconds);
  MM1_RETURN_IF_FAILED(enter("event_elapsed_milliseconds"));
  return backend::event_elapsed_milliseconds(start, end, milliseconds);
}

/* ---- memory ---- */

mm1_status mm1_memory_allocate(int64_t bytes, void** address) {
  return allocate("memory_allocate", backend::memory_allocate, bytes, address);
}

mm1_status mm1_memory_free(void* address) { return address == nullptr ? MM1_STATUS_OK : backend::memory_free(address); }

mm1_status mm1_memory_allocate_pinned(int64_t bytes, void** address) {
  return allocate("memory_allocate_pinned", backend::memory_allocate_pinned, bytes, address);
}

mm1_status mm1_memory_free_pinned(void* address) { return address == nullptr ? MM1_STATUS_OK : backend::memory_free_pinned(address); }

mm1_status mm1_memory_get_info(int64_t* free_bytes, int64_t* total_bytes) {
  MM1_REQUIRE("memory_get_info", free_bytes);
  MM1_REQUIRE("memory_get_info", total_bytes);
  MM1_RETURN_IF_FAILED(enter("memory_get_info"));
  return backend::memory_get_info(free_bytes, total_bytes);
}

mm1_status mm1_memory_copy_to_device(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  return copy("memory_copy_to_device", backend::memory_copy_to_device, stream, destination, source, bytes);
}

mm1_status mm1_memory_copy_to_host(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  return copy("memory_copy_to_host", backend::memory_copy_to_host, stream, destination, source, bytes);
}

mm1_status mm1_memory_copy_on_device(mm1_stream stream, void* destination, const void* source, int64_t bytes) {
  if (bytes > 0 && destination != nullptr && source != nullptr) {
    const uintptr_t to = reinterpret_cast<uintptr_t>(destination), from = reinterpret_cast<uintptr_t>(source), length = static_cast<uintptr_t>(bytes);
    if (to < from + length && from < to + length) {
      return fail(MM1_STATUS_INVALID_ARGUMENT, "memory_copy_on_device: destination and source share bytes.");
    }
  }
  return copy("memory_copy_on_device", backend::memory_copy_on_device, stream, destination, source, bytes);
}

mm1_status mm1_memory_fill(mm1_stream stream, void* destination, int32_t value, int64_t bytes) {
  MM1_RETURN_IF_FAILED(check_bytes("memory_fill", bytes));
  if (bytes > 0) MM1_REQUIRE("memory_fill", destination);
  if (value < 0 || value > 255) return fail(MM1_STATUS_INVALID_ARGUMENT, "memory_fill: value is %d; it is a byte, 0 to 255.", value);
  MM1_RETURN_IF_FAILED(enter("memory_fill", &stream));
  return bytes == 0 ? MM1_STATUS_OK : backend::memory_fill(stream, destination, value, bytes);
}

/* ---- graphs ---- */

mm1_status mm1_graph_begin_capture(mm1_stream stream) {
  MM1_RETURN_IF_FAILED(enter("graph_begin_capture", &stream));
  return backend::graph_begin_capture(stream);
}

mm1_status mm1_graph_end_capture(mm1_stream stream, mm1_graph* graph) {
  MM1_REQUIRE("graph_end_capture", graph);
  MM1_RETURN_IF_FAILED(enter("graph_end_capture", &stream));
  return backend::graph_end_capture(stream, graph);
}

mm1_status mm1_graph_is_capturing(mm1_stream stream, int32_t* capturing) {
  MM1_REQUIRE("graph_is_capturing", capturing);
  MM1_RETURN_IF_FAILED(enter("graph_is_capturing", &stream));
  return backend::graph_is_capturing(stream, capturing);
}

mm1_status mm1_graph_instantiate(mm1_graph graph, mm1_graph_instance* instance) {
  MM1_REQUIRE("graph_instantiate", graph);
  MM1_REQUIRE("graph_instantiate", instance);
  MM1_RETURN_IF_FAILED(enter("graph_instantiate"));
  return backend::graph_instantiate(graph, instance);
}

mm1_status mm1_graph_launch(mm1_graph_instance instance, mm1_stream stream) {
  MM1_REQUIRE("graph_launch", instance);
  MM1_RETURN_IF_FAILED(enter("graph_launch", &stream));
  return backend::graph_launch(instance, stream);
}

mm1_status mm1_graph_get_size(mm1_graph graph, int64_t* nodes) {
  MM1_REQUIRE("graph_get_size", graph);
  MM1_REQUIRE("graph_get_size", nodes);
  return backend::graph_get_size(graph, nodes);
}

mm1_status mm1_graph_destroy(mm1_graph graph) { return graph == nullptr ? MM1_STATUS_OK : backend::graph_destroy(graph); }

mm1_status mm1_graph_instance_destroy(mm1_graph_instance instance) {
  return instance == nullptr ? MM1_STATUS_OK : backend::graph_instance_destroy(instance);
}

/* ---- modules ---- */

mm1_status mm1_module_load(const void* image, int64_t bytes, mm1_module* module) {
  MM1_REQUIRE("module_load", image);
  MM1_REQUIRE("module_load", module);
  if (bytes <= 0) return fail(MM1_STATUS_INVALID_ARGUMENT, "module_load: bytes is %lld; the image is empty.", static_cast<long long>(bytes));
  MM1_RETURN_IF_FAILED(enter("module_load"));
  return backend::module_load(image, bytes, module);
}

mm1_status mm1_module_unload(mm1_module module) { return module == nullptr ? MM1_STATUS_OK : backend::module_unload(module); }

mm1_status mm1_module_get_function(mm1_module module, const char* name, mm1_function* function) {
  MM1_REQUIRE("module_get_function", module);
  MM1_REQUIRE("module_get_function", name);
  MM1_REQUIRE("module_get_function", function);
  MM1_RETURN_IF_FAILED(enter("module_get_function"));
  return backend::module_get_function(module, name, function);
}

mm1_status mm1_module_launch(mm1_stream stream, const mm1_module_launch_args* given) {
  mm1_module_launch_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args("module_launch", given, &args));
  if (args.function == nullptr) return fail(MM1_STATUS_INVALID_ARGUMENT, "module_launch: function is NULL.");
  const struct {
    const char* name;
    int32_t value;
  } extents[] = {{"grid_x", args.grid_x},   {"grid_y", args.grid_y},   {"grid_z", args.grid_z},
                 {"block_x", args.block_x}, {"block_y", args.block_y}, {"block_z", args.block_z}};
  for (const auto& extent : extents) {
    if (extent.value < 1) return fail(MM1_STATUS_INVALID_ARGUMENT, "module_launch: %s is %d; it is at least 1.", extent.name, extent.value);
  }
  const double threads = static_cast<double>(args.block_x) * args.block_y * args.block_z;
  if (threads > mm1::kThreadsPerBlock) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "module_launch: a block has %.0f threads; at most %d are allowed.", threads, mm1::kThreadsPerBlock);
  }
  if (args.grid_y > mm1::kGridYZ || args.grid_z > mm1::kGridYZ) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "module_launch: grid_y is %d and grid_z %d; at most %lld are allowed.", args.grid_y, args.grid_z,
                static_cast<long long>(mm1::kGridYZ));
  }
  MM1_RETURN_IF_FAILED(enter("module_launch", &stream));
  const int64_t shared = mm1::current_profile().shared_bytes_per_block;
  if (args.shared_bytes < 0 || args.shared_bytes > shared) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "module_launch: shared_bytes is %lld; this device has 0 to %lld for a block.",
                static_cast<long long>(args.shared_bytes), static_cast<long long>(shared));
  }
  return backend::module_launch(stream, args);
}
