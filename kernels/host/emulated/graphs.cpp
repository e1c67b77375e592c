// Graphs of the emulated device, and why it has no modules.
#include <memory>

#include "host/backend.h"
#include "host/device.h"
#include "host/emulated/capture.h"
#include "host/emulated/device.h"
#include "host/emulated/handles.h"

namespace mm1::backend {

using emulated::guarded;

namespace {

// Shared by a graph and its instances, so that each may be destroyed first.
using SharedGraph = std::shared_ptr<emulator::Graph>;

struct Graph {
  SharedGraph work;
};

struct Instance {
  SharedGraph work;
  std::shared_ptr<emulator::Event> passed;  // Behind the last launch: the next one, on whatever stream, waits for it.
};

emulated::Handles<mm1_graph, Graph>& graphs() {
  static auto* all = new emulated::Handles<mm1_graph, Graph>("graph");
  return *all;
}

emulated::Handles<mm1_graph_instance, Instance>& instances() {
  static auto* all = new emulated::Handles<mm1_graph_instance, Instance>("graph instance");
  return *all;
}

emulator::Stream* native(mm1_stream stream) { return reinterpret_cast<emulator::Stream*>(stream); }

// Handles are addresses of nothing but themselves.
template <class Handle>
Handle new_handle() {
  return reinterpret_cast<Handle>(new char);
}

template <class Handle>
void delete_handle(Handle handle) {
  delete reinterpret_cast<char*>(handle);
}

mm1_status no_modules(const char* call) {
  return fail(MM1_STATUS_UNSUPPORTED, "%s: the emulated device runs the library's own kernels as C++; it cannot run PTX or cubins. Use a GPU.", call);
}

}  // namespace

mm1_status graph_begin_capture(mm1_stream stream) {
  return guarded("graph_begin_capture", [&]() -> mm1_status { return emulated::begin_capture(native(stream)); });
}

mm1_status graph_end_capture(mm1_stream stream, mm1_graph* graph) {
  return guarded("graph_end_capture", [&]() -> mm1_status {
    emulator::Graph* work = nullptr;
    MM1_RETURN_IF_FAILED(emulated::end_capture(native(stream), &work));
    *graph = new_handle<mm1_graph>();
    graphs().add(*graph, {SharedGraph(work, emulator::graph_destroy)});
    return MM1_STATUS_OK;
  });
}

mm1_status graph_is_capturing(mm1_stream stream, int32_t* capturing) {
  return guarded("graph_is_capturing", [&]() -> mm1_status {
    *capturing = emulator::stream_is_capturing(native(stream)) ? 1 : 0;
    return MM1_STATUS_OK;
  });
}

mm1_status graph_instantiate(mm1_graph graph, mm1_graph_instance* instance) {
  return guarded("graph_instantiate", [&]() -> mm1_status {
    Graph found;
    MM1_RETURN_IF_FAILED(graphs().find("graph_instantiate", graph, &found));
    const std::shared_ptr<emulator::Event> passed(emulator::event_create(), emulator::event_destroy);
    *instance = new_handle<mm1_graph_instance>();
    instances().add(*instance, {found.work, passed});
    return MM1_STATUS_OK;
  });
}

mm1_status graph_launch(mm1_graph_instance instance, mm1_stream stream) {
  return guarded("graph_launch", [&]() -> mm1_status {
    Instance found;
    MM1_RETURN_IF_FAILED(instances().find("graph_launch", instance, &found));
    if (emulator::stream_is_capturing(native(stream))) {
      return emulated::refuse_capture("graph_launch", "a graph cannot be launched into a capture");
    }
    emulator::stream_wait_event(native(stream), found.passed.get());
    MM1_RETURN_IF_FAILED(emulated::status_of(emulator::graph_launch(found.work.get(), native(stream)), "graph_launch"));
    emulator::event_record(found.passed.get(), native(stream));
    return MM1_STATUS_OK;
  });
}

mm1_status graph_get_size(mm1_graph graph, int64_t* nodes) {
  return guarded("graph_get_size", [&]() -> mm1_status {
    Graph found;
    MM1_RETURN_IF_FAILED(graphs().find("graph_get_size", graph, &found));
    *nodes = static_cast<int64_t>(emulator::graph_nodes(found.work.get()));
    return MM1_STATUS_OK;
  });
}

mm1_status graph_destroy(mm1_graph graph) {
  return guarded("graph_destroy", [&]() -> mm1_status {
    Graph found;
    MM1_RETURN_IF_FAILED(graphs().remove("graph_destroy", graph, &found));
    delete_handle(graph);
    return MM1_STATUS_OK;
  });
}

mm1_status graph_instance_destroy(mm1_graph_instance instance) {
  return guarded("graph_instance_destroy", [&]() -> mm1_status {
    Instance found;
    MM1_RETURN_IF_FAILED(instances().remove("graph_instance_destroy", instance, &found));
    delete_handle(instance);
    // A launch in flight still reads the graph.
    emulator::event_synchronize(found.passed.get());
    return MM1_STATUS_OK;
  });
}

mm1_status module_load(const void*, int64_t, mm1_module*) { return no_modules("module_load"); }
mm1_status module_unload(mm1_module) { return no_modules("module_unload"); }
mm1_status module_get_function(mm1_module, const char*, mm1_function*) { return no_modules("module_get_function"); }
mm1_status module_launch(mm1_stream, const mm1_module_launch_args&) { return no_modules("module_launch"); }

}  // namespace mm1::backend
