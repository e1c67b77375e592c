// Streams, events and graphs. A stream is a queue and a thread that empties it. With a seed a stream may only run when it is drawn:
// the host's waits draw one stream after the other, one operation at a time, until what they wait for has happened. So a
// forgotten event or wait shows as work that has not been done, and the order repeats for the same seed.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "runtime.h"

namespace emulator {

namespace {

using Clock = std::chrono::steady_clock;

struct EventState {
  uint64_t recorded = 0;              // calls of event_record
  uint64_t completed = 0;             // the newest of them that the stream has reached
  Clock::time_point time;
  Graph* capture = nullptr;           // recorded inside a capture
  uint64_t capture_id = 0;
  Stream* capture_stream = nullptr;
  size_t capture_node = 0;
};

struct Operation {
  std::function<void()> work;         // empty: an event's
  std::shared_ptr<EventState> event;
  uint64_t generation = 0;
  bool waits = false;                 // for the event; otherwise it records it
  bool eager = true;                  // false: only when drawn
};

}  // namespace

struct Event {
  std::shared_ptr<EventState> state = std::make_shared<EventState>();
};

struct Graph {
  uint64_t id = 0;
  std::vector<std::function<void()>> nodes;
  Stream* origin = nullptr;
  std::set<Stream*> streams;          // that take part in the capture
};

struct Stream {
  std::deque<Operation> queue;
  bool running = false;
  bool ends = false;
  std::thread thread;
  Graph* capture = nullptr;
  size_t capture_last = 0;            // nodes of the graph when this stream last added one
  bool capture_joined = false;        // waited for by another stream since then
  uint64_t finished = 0;              // operations
  uint64_t number = 0;                // no other stream ever has it
};

namespace {

struct Device {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Stream*> streams;
  Stream* standard = nullptr;         // nullptr's
  Stream* drawn = nullptr;
  uint32_t running = 0;
  uint32_t random_state = 0;
  uint64_t captures = 0;
  uint64_t numbers = 0;               // of streams
  std::string error;
};

Device& device() {
  static Device* one = new Device;
  return *one;
}

bool eligible(const Stream& s) {
  if (s.queue.empty() || s.running) return false;
  const Operation& head = s.queue.front();
  return !head.waits || head.event->completed >= head.generation;
}

void run(Stream* s) {
  Device& d = device();
  std::unique_lock<std::mutex> lock(d.mutex);
  for (;;) {
    d.changed.wait(lock, [&] { return (s->ends && s->queue.empty()) || (eligible(*s) && (s->queue.front().eager || d.drawn == s)); });
    if (s->queue.empty()) return;
    if (d.drawn == s) d.drawn = nullptr;
    Operation operation = std::move(s->queue.front());
    s->queue.pop_front();
    s->running = true;
    d.running++;
    if (operation.work && d.error.empty()) {
      lock.unlock();
      std::string text;
      try {
        operation.work();
      } catch (const std::exception& e) {
        text = *e.what() ? e.what() : "unknown error";
      }
      operation.work = nullptr;       // its captures go while no lock is held
      lock.lock();
      if (!text.empty() && d.error.empty()) d.error = text;
    } else if (operation.event && !operation.waits) {
      operation.event->completed = std::max(operation.event->completed, operation.generation);
      operation.event->time = Clock::now();
    }
    s->running = false;
    s->finished++;
    d.running--;
    d.changed.notify_all();
  }
}

// Until done(): lets streams run, one drawn at a time where they are not eager.
template <class F>
void wait_until(std::unique_lock<std::mutex>& lock, F&& done) {
  Device& d = device();
  while (!done()) {
    if (d.running == 0 && !d.drawn) {
      std::vector<Stream*> candidates;
      for (Stream* s : d.streams) {
        if (eligible(*s) && !s->queue.front().eager) candidates.push_back(s);
      }
      if (!candidates.empty()) {
        d.random_state = d.random_state * 1664525u + 1013904223u + options().seed;
        d.drawn = candidates[(d.random_state >> 16) % candidates.size()];
        d.changed.notify_all();
      } else if (std::none_of(d.streams.begin(), d.streams.end(), [](Stream* s) { return eligible(*s); })) {
        throw Error("streams wait for each other: nothing that is enqueued can run");
      }
    }
    d.changed.wait(lock);
  }
}

Stream* resolve(Stream* stream) {     // with the lock held
  Device& d = device();
  if (stream) return stream;
  if (!d.standard) {
    d.standard = new Stream;
    d.standard->number = ++d.numbers;
    d.streams.push_back(d.standard);
    d.standard->thread = std::thread(run, d.standard);
    d.standard->thread.detach();      // lives as long as the process
  }
  return d.standard;
}

bool idle(const Stream& s) { return s.queue.empty() && !s.running; }

void refuse_capture(const Stream& s, const char* function) {
  if (s.capture) throw Error(std::string(function) + ": the stream is being captured");
}

void append(Stream* s, Operation operation) {    // with the lock held
  operation.eager = options().seed == 0;
  s->queue.push_back(std::move(operation));
  device().changed.notify_all();
}

}  // namespace

// ---- the device's error -----------------------------------------------------------------------------------------------------------------

bool failed() {
  std::lock_guard<std::mutex> lock(device().mutex);
  return !device().error.empty();
}

std::string error_text() {
  std::lock_guard<std::mutex> lock(device().mutex);
  return device().error;
}

void set_error(const std::string& text) {
  std::lock_guard<std::mutex> lock(device().mutex);
  if (device().error.empty()) device().error = text;
}

void clear_error() {
  device_synchronize();
  std::lock_guard<std::mutex> lock(device().mutex);
  device().error.clear();
}

// ---- streams ----------------------------------------------------------------------------------------------------------------------------

Stream* stream_create() {
  Device& d = device();
  Stream* s = new Stream;
  std::lock_guard<std::mutex> lock(d.mutex);
  s->number = ++d.numbers;
  d.streams.push_back(s);
  s->thread = std::thread(run, s);
  return s;
}

void stream_destroy(Stream* stream) {
  if (!stream) return;
  Device& d = device();
  {
    std::unique_lock<std::mutex> lock(d.mutex);
    refuse_capture(*stream, "stream_destroy");
    wait_until(lock, [&] { return idle(*stream); });
    stream->ends = true;
    d.streams.erase(std::find(d.streams.begin(), d.streams.end(), stream));
    d.changed.notify_all();
  }
  stream->thread.join();
  delete stream;
}

bool stream_enqueue(Stream* stream, std::function<void()> work) {
  Device& d = device();
  std::lock_guard<std::mutex> lock(d.mutex);
  Stream* s = resolve(stream);
  if (s->capture) {
    s->capture->nodes.push_back(std::move(work));
    s->capture_last = s->capture->nodes.size();
    s->capture_joined = false;
    return d.error.empty();
  }
  Operation operation;
  operation.work = std::move(work);
  append(s, std::move(operation));
  return d.error.empty();
}

bool stream_synchronize(Stream* stream) {
  Device& d = device();
  std::unique_lock<std::mutex> lock(d.mutex);
  Stream* s = resolve(stream);
  refuse_capture(*s, "stream_synchronize");
  wait_until(lock, [&] { return idle(*s); });
  return d.error.empty();
}

bool stream_finished(Stream* stream) {
  Device& d = device();
  std::unique_lock<std::mutex> lock(d.mutex);
  Stream* s = resolve(stream);
  refuse_capture(*s, "stream_finished");
  if (idle(*s)) return true;
  if (s->queue.empty() || s->queue.front().eager) return false;
  // Nothing runs by itself with a seed: a poll lets one drawn operation run, or polling would never end.
  const size_t before = s->queue.size();
  bool once = false;
  wait_until(lock, [&] { return std::exchange(once, true) || s->queue.size() < before || idle(*s); });
  return idle(*s);
}

bool device_synchronize() {
  Device& d = device();
  std::unique_lock<std::mutex> lock(d.mutex);
  // What is enqueued now, not what other threads add meanwhile: those who go on without a pause would hold this one up for as long.
  std::map<uint64_t, uint64_t> goals;   // by number of the stream: one that is destroyed meanwhile is done
  for (Stream* s : d.streams) goals[s->number] = s->finished + s->queue.size() + (s->running ? 1 : 0);
  wait_until(lock, [&] {
    return std::all_of(d.streams.begin(), d.streams.end(),
                       [&](Stream* s) { return goals.count(s->number) == 0 || s->finished >= goals[s->number]; });
  });
  return d.error.empty();
}

// ---- events -----------------------------------------------------------------------------------------------------------------------------

Event* event_create() { return new Event; }

void event_destroy(Event* event) { delete event; }

void event_record(Event* event, Stream* stream) {
  Device& d = device();
  std::lock_guard<std::mutex> lock(d.mutex);
  Stream* s = resolve(stream);
  EventState& e = *event->state;
  if (s->capture) {
    e.capture = s->capture;
    e.capture_id = s->capture->id;
    e.capture_stream = s;
    e.capture_node = s->capture->nodes.size();
    return;
  }
  e.capture = nullptr;
  Operation operation;
  operation.event = event->state;
  operation.generation = ++e.recorded;
  append(s, std::move(operation));
}

void stream_wait_event(Stream* stream, Event* event) {
  Device& d = device();
  std::lock_guard<std::mutex> lock(d.mutex);
  Stream* s = resolve(stream);
  EventState& e = *event->state;
  if (e.capture) {
    bool live = false;
    for (Stream* other : d.streams) live |= other->capture == e.capture && other->capture->id == e.capture_id;
    if (!live) throw Error("stream_wait_event: the event was recorded in a capture that has ended");
    if (s->capture && s->capture != e.capture) throw Error("stream_wait_event: the event belongs to another capture");
    if (!s->capture) {
      s->capture = e.capture;
      s->capture->streams.insert(s);
      s->capture_last = e.capture_node;
      s->capture_joined = false;
    }
    if (e.capture_stream != s && e.capture_node >= e.capture_stream->capture_last) e.capture_stream->capture_joined = true;
    return;
  }
  if (s->capture) {
    if (e.recorded == 0) return;
    throw Error("stream_wait_event: a captured stream cannot wait for an event recorded outside of the capture");
  }
  if (e.completed >= e.recorded) return;
  Operation operation;
  operation.event = event->state;
  operation.generation = e.recorded;
  operation.waits = true;
  append(s, std::move(operation));
}

bool event_synchronize(Event* event) {
  Device& d = device();
  std::unique_lock<std::mutex> lock(d.mutex);
  std::shared_ptr<EventState> e = event->state;
  const uint64_t generation = e->recorded;
  wait_until(lock, [&] { return e->completed >= generation; });
  return d.error.empty();
}

bool event_finished(Event* event) {
  Device& d = device();
  std::unique_lock<std::mutex> lock(d.mutex);
  EventState& e = *event->state;
  if (e.completed >= e.recorded) return true;
  bool once = false;
  if (options().seed) wait_until(lock, [&] { return std::exchange(once, true) || e.completed >= e.recorded; });
  return e.completed >= e.recorded;
}

double event_milliseconds(Event* from, Event* to) {
  std::lock_guard<std::mutex> lock(device().mutex);
  if (from->state->completed == 0 || to->state->completed == 0) return -1;
  return std::chrono::duration<double, std::milli>(to->state->time - from->state->time).count();
}

// ---- graphs -----------------------------------------------------------------------------------------------------------------------------
// The nodes of all streams stand in one list in the order in which they were enqueued: an order that keeps every dependency.

void stream_begin_capture(Stream* stream) {
  Device& d = device();
  std::lock_guard<std::mutex> lock(d.mutex);
  Stream* s = resolve(stream);
  refuse_capture(*s, "stream_begin_capture");
  Graph* graph = new Graph;
  graph->id = ++d.captures;
  graph->origin = s;
  graph->streams.insert(s);
  s->capture = graph;
  s->capture_last = 0;
}

Graph* stream_end_capture(Stream* stream) {
  Device& d = device();
  std::lock_guard<std::mutex> lock(d.mutex);
  Stream* s = resolve(stream);
  if (!s->capture) throw Error("stream_end_capture: the stream is not being captured");
  Graph* graph = s->capture;
  if (graph->origin != s) throw Error("stream_end_capture: the capture was begun on another stream");
  bool unjoined = false;
  for (Stream* other : graph->streams) {
    unjoined |= other != s && !other->capture_joined;
    other->capture = nullptr;
  }
  graph->streams.clear();
  graph->origin = nullptr;
  if (unjoined) {
    delete graph;
    throw Error("stream_end_capture: a stream that joined the capture was not waited for at its end");
  }
  return graph;
}

bool stream_is_capturing(Stream* stream) {
  std::lock_guard<std::mutex> lock(device().mutex);
  return resolve(stream)->capture != nullptr;
}

size_t graph_nodes(const Graph* graph) { return graph->nodes.size(); }

bool graph_launch(Graph* graph, Stream* stream) {
  return stream_enqueue(stream, [graph] {
    for (const auto& node : graph->nodes) node();
  });
}

void graph_destroy(Graph* graph) { delete graph; }

// ---- memory -----------------------------------------------------------------------------------------------------------------------------

void memory_copy_async(Stream* stream, void* target, const void* source, size_t bytes) {
  stream_enqueue(stream, [=] { memory_copy(target, source, bytes); });
}

void memory_fill_async(Stream* stream, void* target, int value, size_t bytes) {
  stream_enqueue(stream, [=] { memory_fill(target, value, bytes); });
}

}  // namespace emulator
