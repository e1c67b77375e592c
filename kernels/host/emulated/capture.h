// Captures of the emulated back end: what is not allowed while one is open.
//
// As with CUDA's thread-local mode, a capture belongs to the thread that began it. A refused call spoils it: mm1_graph_end_capture then
// fails with the reason.
#ifndef MM1_HOST_EMULATED_CAPTURE_H
#define MM1_HOST_EMULATED_CAPTURE_H

#include "emulator/runtime.h"
#include "host/error.h"

namespace mm1::emulated {

// Refuses `call` where the calling thread has a capture open.
mm1_status refuse_while_capturing(const char* call);

// Refuses `call` where the stream is part of a capture.
mm1_status refuse_on_captured_stream(const char* call, emulator::Stream* stream);

// Refuses and spoils the calling thread's captures for `reason`.
mm1_status refuse_capture(const char* call, const char* reason);

mm1_status begin_capture(emulator::Stream* stream);
mm1_status end_capture(emulator::Stream* stream, emulator::Graph** graph);

}  // namespace mm1::emulated

#endif  // MM1_HOST_EMULATED_CAPTURE_H
