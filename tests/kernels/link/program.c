/* A user's program in C99: devices, streams, events, memory, graphs, errors and a matrix product, against the installed library. */
#include <mm1/kernels.h>
#include <stdio.h>
#include <string.h>

#define REQUIRE(condition)                                                              \
  do {                                                                                  \
    if (!(condition)) {                                                                 \
      printf("line %d: %s: %s\n", __LINE__, #condition, mm1_get_last_error_message());  \
      return 1;                                                                         \
    }                                                                                   \
  } while (0)
#define OK(call) REQUIRE((call) == MM1_STATUS_OK)

enum { M = 3, N = 5, K = 7 };

/* output = a b^T in float32, against sums in double. */
static int multiply(mm1_stream stream) {
  float a[M * K], b[N * K], output[M * N];
  void *device_a, *device_b, *device_output, *workspace = NULL;
  mm1_gemm_args args = mm1_gemm_args_default();
  int64_t bytes;
  int i, j, k;
  for (i = 0; i < M * K; i++) a[i] = (float)(i % 5) - 2.0f;
  for (i = 0; i < N * K; i++) b[i] = (float)(i % 7) - 3.0f;
  OK(mm1_memory_allocate(sizeof a, &device_a));
  OK(mm1_memory_allocate(sizeof b, &device_b));
  OK(mm1_memory_allocate(sizeof output, &device_output));
  OK(mm1_memory_copy_to_device(stream, device_a, a, sizeof a));
  OK(mm1_memory_copy_to_device(stream, device_b, b, sizeof b));
  args.transpose_b = MM1_TRANSPOSE_TRANSPOSED;
  args.m = M;
  args.n = N;
  args.k = K;
  args.a.data = device_a;
  args.b.data = device_b;
  args.output.data = device_output;
  args.a.dtype = args.b.dtype = args.output.dtype = MM1_DTYPE_FLOAT32;
  args.a.row_stride = args.b.row_stride = K;
  args.output.row_stride = N;
  bytes = mm1_gemm_workspace_bytes(&args);
  REQUIRE(bytes >= 0);
  if (bytes > 0) OK(mm1_memory_allocate(bytes, &workspace));
  OK(mm1_gemm(stream, &args, workspace, bytes));
  OK(mm1_memory_copy_to_host(stream, output, device_output, sizeof output));
  OK(mm1_stream_synchronize(stream));
  for (i = 0; i < M; i++) {
    for (j = 0; j < N; j++) {
      double sum = 0;
      for (k = 0; k < K; k++) sum += (double)a[i * K + k] * b[j * K + k];
      REQUIRE(output[i * N + j] == (float)sum); /* Small integers: exact. */
    }
  }
  /* A wrong argument has its text, and nothing is launched. */
  args.a.row_stride = 2;
  REQUIRE(mm1_gemm(stream, &args, workspace, bytes) == MM1_STATUS_INVALID_ARGUMENT);
  REQUIRE(strstr(mm1_get_last_error_message(), "gemm: a has row_stride 2") != NULL);
  OK(mm1_memory_free(device_a));
  OK(mm1_memory_free(device_b));
  OK(mm1_memory_free(device_output));
  OK(mm1_memory_free(workspace));
  return 0;
}

int main(void) {
  int32_t devices = 0, done = 0;
  int64_t nodes = 0;
  mm1_device_properties properties = mm1_device_properties_default();
  mm1_api api;
  mm1_stream stream;
  mm1_event event;
  mm1_graph graph;
  mm1_graph_instance instance;
  void *memory, *copy;
  unsigned char bytes[256];

  OK(mm1_device_count(&devices));
  REQUIRE(devices == 1);
  OK(mm1_device_get_properties(0, &properties));
  REQUIRE(properties.emulated != 0 && properties.capability_major >= 8 && strlen(properties.name) > 0);
  printf("%s, %d SMs\n", properties.name, (int)properties.multiprocessors);

  OK(mm1_stream_create(&stream));
  OK(mm1_event_create(0, &event));
  OK(mm1_memory_allocate(sizeof bytes, &memory));
  OK(mm1_memory_allocate(sizeof bytes, &copy));
  OK(mm1_memory_fill(stream, memory, 7, sizeof bytes));
  OK(mm1_event_record(event, stream));
  OK(mm1_event_synchronize(event));
  OK(mm1_event_query(event, &done));
  REQUIRE(done == 1);

  /* A copy and a fill as a graph, launched twice with new contents. */
  OK(mm1_graph_begin_capture(stream));
  OK(mm1_memory_copy_on_device(stream, copy, memory, sizeof bytes));
  OK(mm1_memory_fill(stream, memory, 9, 1));
  OK(mm1_graph_end_capture(stream, &graph));
  OK(mm1_graph_get_size(graph, &nodes));
  REQUIRE(nodes == 2);
  OK(mm1_graph_instantiate(graph, &instance));
  OK(mm1_graph_destroy(graph));
  OK(mm1_graph_launch(instance, stream));
  OK(mm1_memory_copy_to_host(stream, bytes, copy, sizeof bytes));
  REQUIRE(bytes[0] == 7 && bytes[255] == 7);
  OK(mm1_graph_launch(instance, stream));
  OK(mm1_memory_copy_to_host(stream, bytes, copy, sizeof bytes));
  REQUIRE(bytes[0] == 9 && bytes[255] == 7);
  OK(mm1_graph_instance_destroy(instance));

  if (multiply(stream) != 0) return 1;

  REQUIRE(mm1_memory_allocate(-1, &memory) == MM1_STATUS_INVALID_ARGUMENT);
  REQUIRE(strcmp(mm1_get_last_error_message(), "memory_allocate: bytes is -1; it must not be negative.") == 0);
  memset(&api, 0, sizeof api);
  api.struct_size = (int64_t)sizeof api;
  OK(mm1_get_api(MM1_ABI_VERSION, &api));
  REQUIRE(api.stream_create != NULL && api.gemm != NULL && api.abi_version == MM1_ABI_VERSION);

  OK(mm1_memory_free(memory));
  OK(mm1_memory_free(copy));
  OK(mm1_event_destroy(event));
  OK(mm1_stream_destroy(stream));
  printf("ok\n");
  return 0;
}
