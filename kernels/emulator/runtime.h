// The emulated device as the host side sees it: streams, events, graphs, memory, and the state of being lost.
// A failing kernel leaves a text that stays (as on a GPU): work enqueued later is dropped until clear_error().
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

#include "options.h"

namespace emulator {

// A program's mistake, found by the emulator. Inside a stream it becomes the device's error.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// ---- the device's error -----------------------------------------------------------------------------------------------------------------
bool failed();
std::string error_text();             // empty while the device is well
void set_error(const std::string& text);   // the first one stays
void clear_error();                   // tests only: a GPU has no such thing

// ---- streams ----------------------------------------------------------------------------------------------------------------------------
// Work of one stream runs in order; streams are ordered only by events and by the host's own waits. nullptr is the default stream,
// a stream like the others. A function returning bool says whether the device is well.
struct Stream;
struct Event;
struct Graph;

Stream* stream_create();
void stream_destroy(Stream* stream);  // waits for its work
bool stream_enqueue(Stream* stream, std::function<void()> work);   // or appends to the graph that the stream captures
bool stream_synchronize(Stream* stream);
bool stream_finished(Stream* stream); // without waiting
bool device_synchronize();            // all streams

// ---- events -----------------------------------------------------------------------------------------------------------------------------
Event* event_create();
void event_destroy(Event* event);
void event_record(Event* event, Stream* stream);
void stream_wait_event(Stream* stream, Event* event);   // an event that was never recorded does not hold anything up
bool event_synchronize(Event* event);
bool event_finished(Event* event);
double event_milliseconds(Event* from, Event* to);      // both finished; negative if either never ran

// ---- graphs -----------------------------------------------------------------------------------------------------------------------------
// Between begin and end, work enqueued on the stream (and on streams that waited for an event recorded in the capture) is kept, not run.
// These throw Error for misuse: capturing twice, ending what was not begun, a joined stream never joined back.
void stream_begin_capture(Stream* stream);
Graph* stream_end_capture(Stream* stream);
bool stream_is_capturing(Stream* stream);
size_t graph_nodes(const Graph* graph);
bool graph_launch(Graph* graph, Stream* stream);        // the graph must live until the stream has passed it
void graph_destroy(Graph* graph);

// ---- memory -----------------------------------------------------------------------------------------------------------------------------
// Device memory lies between unreadable pages, as close to the one behind as its 256-byte alignment permits, and is full of NaN.
// The bytes between the end and that page hold a pattern: memory_free and check_guards say who was overrun.
void* memory_allocate(size_t bytes);  // nullptr: no memory
void memory_free(void* memory);       // throws Error for a wrong pointer, and for guard bytes that changed
void check_guards();                  // throws Error

// Page-locked host memory: kernels may touch it too.
void* host_allocate(size_t bytes);
void host_free(void* memory);

// Copies in host order, between any two kinds of memory, with bounds checked for device memory. The asynchronous one is stream_enqueue
// of memory_copy. memory_fill writes one byte value.
void memory_copy(void* target, const void* source, size_t bytes);
void memory_fill(void* target, int value, size_t bytes);
void memory_copy_async(Stream* stream, void* target, const void* source, size_t bytes);
void memory_fill_async(Stream* stream, void* target, int value, size_t bytes);

// True if all of the bytes lie in one live allocation of device memory. (Any other pointer: false.)
bool memory_is_device(const void* memory, size_t bytes);
size_t memory_in_use();

// For tests that write device memory through plain pointers: the bytes count as initialised (shadow builds).
void memory_written_by_host(void* memory, size_t bytes);

}  // namespace emulator
