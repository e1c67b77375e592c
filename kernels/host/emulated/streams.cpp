// Streams and events of the emulated device.
#include "host/backend.h"
#include "host/emulated/capture.h"
#include "host/emulated/device.h"
#include "host/emulated/handles.h"

namespace mm1::backend {

using emulated::guarded;

namespace {

struct StreamInfo {};

struct EventInfo {
  bool timed = false;
  bool recorded = false;
  bool captured = false;  // The last record went into a capture: it happens in no time of its own.
};

emulated::Handles<mm1_stream, StreamInfo>& streams() {
  static auto* all = new emulated::Handles<mm1_stream, StreamInfo>("stream");
  return *all;
}

emulated::Handles<mm1_event, EventInfo>& events() {
  static auto* all = new emulated::Handles<mm1_event, EventInfo>("event");
  return *all;
}

emulator::Stream* native(mm1_stream stream) { return reinterpret_cast<emulator::Stream*>(stream); }
emulator::Event* native(mm1_event event) { return reinterpret_cast<emulator::Event*>(event); }

}  // namespace

mm1_status resolve_stream(const char* call, mm1_stream* stream) {
  // nullptr is the emulator's default stream, which serves as the library's own.
  StreamInfo info;
  return *stream == nullptr ? MM1_STATUS_OK : streams().find(call, *stream, &info);
}

mm1_status stream_create(mm1_stream* stream) {
  return guarded("stream_create", [&]() -> mm1_status {
    *stream = reinterpret_cast<mm1_stream>(emulator::stream_create());
    streams().add(*stream, {});
    return MM1_STATUS_OK;
  });
}

mm1_status stream_destroy(mm1_stream stream) {
  return guarded("stream_destroy", [&]() -> mm1_status {
    StreamInfo info;
    MM1_RETURN_IF_FAILED(streams().find("stream_destroy", stream, &info));
    MM1_RETURN_IF_FAILED(emulated::refuse_on_captured_stream("stream_destroy", native(stream)));
    MM1_RETURN_IF_FAILED(streams().remove("stream_destroy", stream, &info));
    emulator::stream_destroy(native(stream));
    return MM1_STATUS_OK;
  });
}

mm1_status stream_synchronize(mm1_stream stream) {
  return guarded("stream_synchronize", [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(emulated::refuse_on_captured_stream("stream_synchronize", native(stream)));
    return emulated::status_of(emulator::stream_synchronize(native(stream)), "stream_synchronize");
  });
}

mm1_status stream_query(mm1_stream stream, int32_t* done) {
  return guarded("stream_query", [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(emulated::refuse_on_captured_stream("stream_query", native(stream)));
    *done = emulator::stream_finished(native(stream)) ? 1 : 0;
    return MM1_STATUS_OK;
  });
}

mm1_status stream_wait_event(mm1_stream stream, mm1_event event) {
  return guarded("stream_wait_event", [&]() -> mm1_status {
    EventInfo info;
    MM1_RETURN_IF_FAILED(events().find("stream_wait_event", event, &info));
    emulator::stream_wait_event(native(stream), native(event));
    return MM1_STATUS_OK;
  });
}

mm1_status device_synchronize() {
  return guarded("device_synchronize", [&]() -> mm1_status {
    MM1_RETURN_IF_FAILED(emulated::refuse_while_capturing("device_synchronize"));
    return emulated::status_of(emulator::device_synchronize(), "device_synchronize");
  });
}

mm1_status event_create(bool timed, mm1_event* event) {
  return guarded("event_create", [&]() -> mm1_status {
    *event = reinterpret_cast<mm1_event>(emulator::event_create());
    EventInfo info;
    info.timed = timed;
    events().add(*event, info);
    return MM1_STATUS_OK;
  });
}

mm1_status event_destroy(mm1_event event) {
  return guarded("event_destroy", [&]() -> mm1_status {
    EventInfo info;
    MM1_RETURN_IF_FAILED(events().remove("event_destroy", event, &info));
    emulator::event_destroy(native(event));
    return MM1_STATUS_OK;
  });
}

mm1_status event_record(mm1_event event, mm1_stream stream) {
  return guarded("event_record", [&]() -> mm1_status {
    EventInfo info;
    MM1_RETURN_IF_FAILED(events().find("event_record", event, &info));
    emulator::event_record(native(event), native(stream));
    info.recorded = true;
    info.captured = emulator::stream_is_capturing(native(stream));
    events().change(event, info);
    return MM1_STATUS_OK;
  });
}

mm1_status event_synchronize(mm1_event event) {
  return guarded("event_synchronize", [&]() -> mm1_status {
    EventInfo info;
    MM1_RETURN_IF_FAILED(events().find("event_synchronize", event, &info));
    if (info.captured) return emulated::refuse_capture("event_synchronize", "the event was recorded in a capture");
    return emulated::status_of(emulator::event_synchronize(native(event)), "event_synchronize");
  });
}

mm1_status event_query(mm1_event event, int32_t* done) {
  return guarded("event_query", [&]() -> mm1_status {
    EventInfo info;
    MM1_RETURN_IF_FAILED(events().find("event_query", event, &info));
    if (info.captured) return emulated::refuse_capture("event_query", "the event was recorded in a capture");
    *done = emulator::event_finished(native(event)) ? 1 : 0;
    return MM1_STATUS_OK;
  });
}

mm1_status event_elapsed_milliseconds(mm1_event start, mm1_event end, float* milliseconds) {
  constexpr const char* kCall = "event_elapsed_milliseconds";
  return guarded(kCall, [&]() -> mm1_status {
    const struct {
      const char* name;
      mm1_event event;
    } both[] = {{"start", start}, {"end", end}};
    for (const auto& each : both) {
      EventInfo info;
      MM1_RETURN_IF_FAILED(events().find(kCall, each.event, &info));
      if (!info.timed) return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: %s is not timed; create it with timed = 1.", kCall, each.name);
      if (!info.recorded || info.captured) return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: %s was not recorded.", kCall, each.name);
      if (!emulator::event_finished(native(each.event))) {
        return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: %s has not passed yet; synchronize it first.", kCall, each.name);
      }
    }
    *milliseconds = static_cast<float>(emulator::event_milliseconds(native(start), native(end)));
    return MM1_STATUS_OK;
  });
}

}  // namespace mm1::backend
