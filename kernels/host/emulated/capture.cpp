#include "host/emulated/capture.h"

#include <algorithm>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace mm1::emulated {

namespace {

struct Capture {
  emulator::Stream* origin;
  std::thread::id thread;
  std::string spoiled;  // Why there will be no graph; empty while all is well.
};

std::mutex mutex;

std::vector<Capture>& captures() {
  static std::vector<Capture>* all = new std::vector<Capture>;
  return *all;
}

// Spoils the calling thread's captures, or all of them where it has none (a call on a stream that another thread captures).
void spoil(const std::string& why) {
  const std::lock_guard<std::mutex> lock(mutex);
  const std::thread::id self = std::this_thread::get_id();
  const bool own = std::any_of(captures().begin(), captures().end(), [&](const Capture& capture) { return capture.thread == self; });
  for (Capture& capture : captures()) {
    if ((!own || capture.thread == self) && capture.spoiled.empty()) capture.spoiled = why;
  }
}

}  // namespace

mm1_status refuse_capture(const char* call, const char* reason) {
  spoil(std::string(call) + ": " + reason);
  return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: %s; the capture is spoiled.", call, reason);
}

mm1_status refuse_while_capturing(const char* call) {
  {
    const std::lock_guard<std::mutex> lock(mutex);
    const std::thread::id self = std::this_thread::get_id();
    if (std::none_of(captures().begin(), captures().end(), [&](const Capture& capture) { return capture.thread == self; })) return MM1_STATUS_OK;
  }
  return refuse_capture(call, "not allowed while this thread captures a stream");
}

mm1_status refuse_on_captured_stream(const char* call, emulator::Stream* stream) {
  if (!emulator::stream_is_capturing(stream)) return MM1_STATUS_OK;
  return refuse_capture(call, "not allowed on a stream that is being captured");
}

mm1_status begin_capture(emulator::Stream* stream) {
  MM1_RETURN_IF_FAILED(refuse_on_captured_stream("graph_begin_capture", stream));
  emulator::stream_begin_capture(stream);
  const std::lock_guard<std::mutex> lock(mutex);
  captures().push_back({stream, std::this_thread::get_id(), ""});
  return MM1_STATUS_OK;
}

mm1_status end_capture(emulator::Stream* stream, emulator::Graph** graph) {
  Capture capture{};
  {
    const std::lock_guard<std::mutex> lock(mutex);
    const auto found = std::find_if(captures().begin(), captures().end(), [&](const Capture& open) { return open.origin == stream; });
    if (found == captures().end()) {
      return fail(MM1_STATUS_INVALID_ARGUMENT, "graph_end_capture: no capture was begun on this stream.");
    }
    if (found->thread != std::this_thread::get_id()) {
      return fail(MM1_STATUS_INVALID_ARGUMENT, "graph_end_capture: another thread began the capture; that thread ends it.");
    }
    capture = *found;
    captures().erase(found);
  }
  // Throws where a joined stream was never joined back; the capture is over in any case.
  *graph = emulator::stream_end_capture(stream);
  if (capture.spoiled.empty()) return MM1_STATUS_OK;
  emulator::graph_destroy(*graph);
  *graph = nullptr;
  return fail(MM1_STATUS_INVALID_ARGUMENT, "graph_end_capture: there is no graph, because of a call during the capture: %s", capture.spoiled.c_str());
}

}  // namespace mm1::emulated
