// Streams and events: CUDA's own, cast.
#include "host/backend.h"
#include "host/cuda/status.h"

namespace mm1::backend {

using cuda::released;
using cuda::status_of;

namespace {

cudaStream_t native(mm1_stream stream) { return reinterpret_cast<cudaStream_t>(stream); }
cudaEvent_t native(mm1_event event) { return reinterpret_cast<cudaEvent_t>(event); }

mm1_status done_of(cudaError_t error, const char* call, int32_t* done) {
  if (error == cudaErrorNotReady) {
    cudaGetLastError();
    *done = 0;
    return MM1_STATUS_OK;
  }
  MM1_RETURN_IF_FAILED(status_of(error, call));
  *done = 1;
  return MM1_STATUS_OK;
}

}  // namespace

mm1_status stream_create(mm1_stream* stream) {
  cudaStream_t made = nullptr;
  MM1_RETURN_IF_FAILED(status_of(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "stream_create"));
  *stream = reinterpret_cast<mm1_stream>(made);
  return MM1_STATUS_OK;
}

mm1_status stream_destroy(mm1_stream stream) { return released(cudaStreamDestroy(native(stream)), "stream_destroy"); }

mm1_status stream_synchronize(mm1_stream stream) { return status_of(cudaStreamSynchronize(native(stream)), "stream_synchronize"); }

mm1_status stream_query(mm1_stream stream, int32_t* done) { return done_of(cudaStreamQuery(native(stream)), "stream_query", done); }

mm1_status stream_wait_event(mm1_stream stream, mm1_event event) {
  return status_of(cudaStreamWaitEvent(native(stream), native(event), 0), "stream_wait_event");
}

mm1_status event_create(bool timed, mm1_event* event) {
  cudaEvent_t made = nullptr;
  MM1_RETURN_IF_FAILED(status_of(cudaEventCreateWithFlags(&made, timed ? cudaEventDefault : cudaEventDisableTiming), "event_create"));
  *event = reinterpret_cast<mm1_event>(made);
  return MM1_STATUS_OK;
}

mm1_status event_destroy(mm1_event event) { return released(cudaEventDestroy(native(event)), "event_destroy"); }

mm1_status event_record(mm1_event event, mm1_stream stream) {
  return status_of(cudaEventRecord(native(event), native(stream)), "event_record");
}

mm1_status event_synchronize(mm1_event event) { return status_of(cudaEventSynchronize(native(event)), "event_synchronize"); }

mm1_status event_query(mm1_event event, int32_t* done) { return done_of(cudaEventQuery(native(event)), "event_query", done); }

mm1_status event_elapsed_milliseconds(mm1_event start, mm1_event end, float* milliseconds) {
  return status_of(cudaEventElapsedTime(milliseconds, native(start), native(end)), "event_elapsed_milliseconds");
}

}  // namespace mm1::backend
