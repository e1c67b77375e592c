// Graphs: CUDA's stream capture, in thread-local mode, so that other threads (a garbage collector's finalizers) may free memory meanwhile.
#include "host/backend.h"
#include "host/cuda/status.h"

namespace mm1::backend {

using cuda::released;
using cuda::status_of;

namespace {

cudaStream_t native(mm1_stream stream) { return reinterpret_cast<cudaStream_t>(stream); }
cudaGraph_t native(mm1_graph graph) { return reinterpret_cast<cudaGraph_t>(graph); }
cudaGraphExec_t native(mm1_graph_instance instance) { return reinterpret_cast<cudaGraphExec_t>(instance); }

}  // namespace

mm1_status graph_begin_capture(mm1_stream stream) {
  return status_of(cudaStreamBeginCapture(native(stream), cudaStreamCaptureModeThreadLocal), "graph_begin_capture");
}

mm1_status graph_end_capture(mm1_stream stream, mm1_graph* graph) {
  cudaGraph_t made = nullptr;
  MM1_RETURN_IF_FAILED(status_of(cudaStreamEndCapture(native(stream), &made), "graph_end_capture"));
  *graph = reinterpret_cast<mm1_graph>(made);
  return MM1_STATUS_OK;
}

mm1_status graph_is_capturing(mm1_stream stream, int32_t* capturing) {
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  MM1_RETURN_IF_FAILED(status_of(cudaStreamIsCapturing(native(stream), &capture), "graph_is_capturing"));
  *capturing = capture == cudaStreamCaptureStatusNone ? 0 : 1;
  return MM1_STATUS_OK;
}

mm1_status graph_instantiate(mm1_graph graph, mm1_graph_instance* instance) {
  cudaGraphExec_t made = nullptr;
  MM1_RETURN_IF_FAILED(status_of(cudaGraphInstantiateWithFlags(&made, native(graph), 0), "graph_instantiate"));
  *instance = reinterpret_cast<mm1_graph_instance>(made);
  return MM1_STATUS_OK;
}

mm1_status graph_launch(mm1_graph_instance instance, mm1_stream stream) {
  cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
  MM1_RETURN_IF_FAILED(status_of(cudaStreamIsCapturing(native(stream), &capture), "graph_launch"));
  if (capture != cudaStreamCaptureStatusNone) {
    // The query is not allowed here, which is its use: CUDA spoils the capture.
    cudaStreamQuery(native(stream));
    cudaGetLastError();
    return fail(MM1_STATUS_INVALID_ARGUMENT, "graph_launch: a graph cannot be launched into a capture; the capture is spoiled.");
  }
  return status_of(cudaGraphLaunch(native(instance), native(stream)), "graph_launch");
}

mm1_status graph_get_size(mm1_graph graph, int64_t* nodes) {
  size_t count = 0;
  MM1_RETURN_IF_FAILED(status_of(cudaGraphGetNodes(native(graph), nullptr, &count), "graph_get_size"));
  *nodes = static_cast<int64_t>(count);
  return MM1_STATUS_OK;
}

mm1_status graph_destroy(mm1_graph graph) { return released(cudaGraphDestroy(native(graph)), "graph_destroy"); }

mm1_status graph_instance_destroy(mm1_graph_instance instance) {
  return released(cudaGraphExecDestroy(native(instance)), "graph_instance_destroy");
}

}  // namespace mm1::backend
