// Each wrong argument of a runtime call has its own message, and leaves the outputs as they were.
#include <cstring>
#include <string>

#include "mm1/runtime.h"
#include "test.h"

namespace {

#define REFUSED(part, ...) CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, part, __VA_ARGS__)

// Addresses of nothing.
mm1_stream foreign_stream() {
  static char place;
  return reinterpret_cast<mm1_stream>(&place);
}

mm1_event foreign_event() {
  static char place;
  return reinterpret_cast<mm1_event>(&place);
}

}  // namespace

TEST(runtime_arguments, of_devices) {
  mm1_device_properties properties = mm1_device_properties_default();
  REFUSED("device_count: count is NULL.", mm1_device_count(nullptr));
  REFUSED("device_get_properties: properties is NULL.", mm1_device_get_properties(0, nullptr));
  REFUSED("device_get_properties: device is 1; devices are 0 to 0.", mm1_device_get_properties(1, &properties));
  REFUSED("device_get_properties: device is -1; devices are 0 to 0.", mm1_device_get_properties(-1, &properties));
  properties.struct_size = 0;
  REFUSED("device_get_properties: struct_size is 0; set it to sizeof(mm1_device_properties).", mm1_device_get_properties(0, &properties));
  REFUSED("device_set_current: device is 7; devices are 0 to 0.", mm1_device_set_current(7));
  REFUSED("device_get_current: device is NULL.", mm1_device_get_current(nullptr));
  REFUSED("device_get_status: device is 3; devices are 0 to 0.", mm1_device_get_status(3));
}

TEST(runtime_arguments, of_streams_and_events) {
  int32_t done = 5;
  float milliseconds = 0;
  REFUSED("stream_create: stream is NULL.", mm1_stream_create(nullptr));
  REFUSED("is no stream of this library, or it was destroyed.", mm1_stream_synchronize(foreign_stream()));
  REFUSED("stream_destroy: ", mm1_stream_destroy(foreign_stream()));
  REFUSED("stream_query: done is NULL.", mm1_stream_query(nullptr, nullptr));
  REFUSED("stream_query: ", mm1_stream_query(foreign_stream(), &done));
  REFUSED("stream_wait_event: event is NULL.", mm1_stream_wait_event(nullptr, nullptr));
  REFUSED("is no event of this library, or it was destroyed.", mm1_stream_wait_event(nullptr, foreign_event()));
  REFUSED("event_create: event is NULL.", mm1_event_create(0, nullptr));
  REFUSED("event_destroy: ", mm1_event_destroy(foreign_event()));
  REFUSED("event_record: event is NULL.", mm1_event_record(nullptr, nullptr));
  REFUSED("event_record: ", mm1_event_record(foreign_event(), nullptr));
  REFUSED("event_synchronize: event is NULL.", mm1_event_synchronize(nullptr));
  REFUSED("event_query: event is NULL.", mm1_event_query(nullptr, &done));
  REFUSED("event_elapsed_milliseconds: start is NULL.", mm1_event_elapsed_milliseconds(nullptr, foreign_event(), &milliseconds));
  REFUSED("event_elapsed_milliseconds: end is NULL.", mm1_event_elapsed_milliseconds(foreign_event(), nullptr, &milliseconds));
  REFUSED("event_elapsed_milliseconds: milliseconds is NULL.", mm1_event_elapsed_milliseconds(foreign_event(), foreign_event(), nullptr));
  CHECK_EQUAL(5, done);

  mm1_event event = nullptr;
  CHECK_OK(mm1_event_create(0, &event));
  REFUSED("event_query: done is NULL.", mm1_event_query(event, nullptr));
  REFUSED("start is not timed; create it with timed = 1.", mm1_event_elapsed_milliseconds(event, event, &milliseconds));
  CHECK_OK(mm1_event_destroy(event));
  REFUSED("event_destroy: ", mm1_event_destroy(event));
  CHECK_OK(mm1_event_create(1, &event));
  REFUSED("start was not recorded.", mm1_event_elapsed_milliseconds(event, event, &milliseconds));
  CHECK_OK(mm1_event_destroy(event));

  mm1_stream stream = nullptr;
  CHECK_OK(mm1_stream_create(&stream));
  CHECK_OK(mm1_stream_destroy(stream));
  REFUSED("stream_synchronize: ", mm1_stream_synchronize(stream));
  CHECK_OK(mm1_stream_destroy(nullptr));
  CHECK_OK(mm1_event_destroy(nullptr));
}

TEST(runtime_arguments, of_memory) {
  char host[64] = {};
  void* memory = host;
  int64_t bytes = 0;
  REFUSED("memory_allocate: address is NULL.", mm1_memory_allocate(16, nullptr));
  REFUSED("memory_allocate: bytes is -1; it must not be negative.", mm1_memory_allocate(-1, &memory));
  REFUSED("memory_allocate_pinned: address is NULL.", mm1_memory_allocate_pinned(16, nullptr));
  REFUSED("memory_allocate_pinned: bytes is -2; it must not be negative.", mm1_memory_allocate_pinned(-2, &memory));
  CHECK(memory == host);
  REFUSED("is no live allocation of device memory.", mm1_memory_free(host));
  REFUSED("is no live allocation of pinned memory.", mm1_memory_free_pinned(host));
  REFUSED("memory_get_info: free_bytes is NULL.", mm1_memory_get_info(nullptr, &bytes));
  REFUSED("memory_get_info: total_bytes is NULL.", mm1_memory_get_info(&bytes, nullptr));
  CHECK_FAILS_WITH(MM1_STATUS_OUT_OF_MEMORY, "memory_allocate: ", mm1_memory_allocate(int64_t{1} << 60, &memory));
  CHECK(memory == host);

  CHECK_OK(mm1_memory_allocate(64, &memory));
  REFUSED("memory_copy_to_device: bytes is -1; it must not be negative.", mm1_memory_copy_to_device(nullptr, memory, host, -1));
  REFUSED("memory_copy_to_device: destination is NULL.", mm1_memory_copy_to_device(nullptr, nullptr, host, 1));
  REFUSED("memory_copy_to_device: source is NULL.", mm1_memory_copy_to_device(nullptr, memory, nullptr, 1));
  REFUSED("memory_copy_to_device: the 65 bytes at destination", mm1_memory_copy_to_device(nullptr, memory, host, 65));
  REFUSED("memory_copy_to_device: the 8 bytes at destination", mm1_memory_copy_to_device(nullptr, host, host + 8, 8));
  REFUSED("memory_copy_to_host: the 65 bytes at source", mm1_memory_copy_to_host(nullptr, host, memory, 65));
  REFUSED("memory_copy_to_host: destination is NULL.", mm1_memory_copy_to_host(nullptr, nullptr, memory, 1));
  REFUSED("memory_copy_on_device: destination and source share bytes.",
          mm1_memory_copy_on_device(nullptr, memory, static_cast<char*>(memory) + 8, 16));
  REFUSED("memory_copy_on_device: the 8 bytes at source", mm1_memory_copy_on_device(nullptr, memory, host, 8));
  REFUSED("memory_fill: value is 256; it is a byte, 0 to 255.", mm1_memory_fill(nullptr, memory, 256, 1));
  REFUSED("memory_fill: value is -1", mm1_memory_fill(nullptr, memory, -1, 1));
  REFUSED("memory_fill: bytes is -1", mm1_memory_fill(nullptr, memory, 0, -1));
  REFUSED("memory_fill: destination is NULL.", mm1_memory_fill(nullptr, nullptr, 0, 1));
  REFUSED("memory_fill: the 65 bytes at destination", mm1_memory_fill(nullptr, memory, 0, 65));
  REFUSED("memory_fill: ", mm1_memory_fill(foreign_stream(), memory, 0, 1));
  CHECK_OK(mm1_memory_fill(nullptr, nullptr, 0, 0));
  CHECK_OK(mm1_memory_copy_to_host(nullptr, nullptr, nullptr, 0));
  CHECK_OK(mm1_memory_free(memory));
  REFUSED("memory_free: ", mm1_memory_free(memory));
  CHECK_OK(mm1_memory_free(nullptr));
  CHECK_OK(mm1_memory_free_pinned(nullptr));
  CHECK_OK(mm1_memory_allocate(0, &memory));
  CHECK(memory == nullptr);
}

TEST(runtime_arguments, of_graphs) {
  static char place;
  const mm1_graph graph = reinterpret_cast<mm1_graph>(&place);
  const mm1_graph_instance instance = reinterpret_cast<mm1_graph_instance>(&place);
  mm1_graph made = nullptr;
  mm1_graph_instance made_instance = nullptr;
  int64_t nodes = 0;
  REFUSED("graph_end_capture: graph is NULL.", mm1_graph_end_capture(nullptr, nullptr));
  REFUSED("graph_end_capture: no capture was begun on this stream.", mm1_graph_end_capture(nullptr, &made));
  REFUSED("graph_is_capturing: capturing is NULL.", mm1_graph_is_capturing(nullptr, nullptr));
  REFUSED("graph_begin_capture: ", mm1_graph_begin_capture(foreign_stream()));
  REFUSED("graph_instantiate: graph is NULL.", mm1_graph_instantiate(nullptr, &made_instance));
  REFUSED("graph_instantiate: instance is NULL.", mm1_graph_instantiate(graph, nullptr));
  REFUSED("is no graph of this library, or it was destroyed.", mm1_graph_instantiate(graph, &made_instance));
  REFUSED("graph_launch: instance is NULL.", mm1_graph_launch(nullptr, nullptr));
  REFUSED("is no graph instance of this library, or it was destroyed.", mm1_graph_launch(instance, nullptr));
  REFUSED("graph_get_size: graph is NULL.", mm1_graph_get_size(nullptr, &nodes));
  REFUSED("graph_get_size: nodes is NULL.", mm1_graph_get_size(graph, nullptr));
  REFUSED("graph_destroy: ", mm1_graph_destroy(graph));
  REFUSED("graph_instance_destroy: ", mm1_graph_instance_destroy(instance));
  CHECK_OK(mm1_graph_destroy(nullptr));
  CHECK_OK(mm1_graph_instance_destroy(nullptr));
  CHECK(made == nullptr && made_instance == nullptr);
}

TEST(runtime_arguments, of_modules) {
  static char place;
  mm1_module module = nullptr;
  mm1_function function = reinterpret_cast<mm1_function>(&place);
  const char ptx[] = ".version 8.0";
  REFUSED("module_load: image is NULL.", mm1_module_load(nullptr, 1, &module));
  REFUSED("module_load: module is NULL.", mm1_module_load(ptx, sizeof ptx, nullptr));
  REFUSED("module_load: bytes is 0; the image is empty.", mm1_module_load(ptx, 0, &module));
  REFUSED("module_get_function: module is NULL.", mm1_module_get_function(nullptr, "f", &function));
  REFUSED("module_get_function: name is NULL.", mm1_module_get_function(reinterpret_cast<mm1_module>(&place), nullptr, &function));
  REFUSED("module_get_function: function is NULL.", mm1_module_get_function(reinterpret_cast<mm1_module>(&place), "f", nullptr));

  mm1_module_launch_args args = mm1_module_launch_args_default();
  REFUSED("module_launch: the argument record is NULL.", mm1_module_launch(nullptr, nullptr));
  REFUSED("module_launch: function is NULL.", mm1_module_launch(nullptr, &args));
  args.function = function;
  args.grid_y = 0;
  REFUSED("module_launch: grid_y is 0; it is at least 1.", mm1_module_launch(nullptr, &args));
  args.grid_y = 65536;
  REFUSED("module_launch: grid_y is 65536 and grid_z 1; at most 65535 are allowed.", mm1_module_launch(nullptr, &args));
  args.grid_y = 1;
  args.block_x = 1025;
  REFUSED("module_launch: a block has 1025 threads; at most 1024 are allowed.", mm1_module_launch(nullptr, &args));
  args.block_x = args.block_y = args.block_z = 2147483647;
  REFUSED("threads; at most 1024 are allowed.", mm1_module_launch(nullptr, &args));
  args.block_x = args.block_y = args.block_z = 1;
  args.shared_bytes = -1;
  REFUSED("module_launch: shared_bytes is -1; this device has 0 to 232448 for a block.", mm1_module_launch(nullptr, &args));
  args.struct_size = 3;
  REFUSED("module_launch: struct_size is 3", mm1_module_launch(nullptr, &args));
}

TEST(runtime_modules, the_emulator_refuses_them_clearly) {
  const char ptx[] = ".version 8.0";
  mm1_module module = nullptr;
  CHECK_FAILS_WITH(MM1_STATUS_UNSUPPORTED, "module_load: the emulated device runs the library's own kernels as C++; it cannot run PTX or cubins.",
                   mm1_module_load(ptx, sizeof ptx, &module));
  CHECK(module == nullptr);
}
