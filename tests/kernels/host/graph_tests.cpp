// Captured work: replays with the addresses it was recorded with and the contents of the moment; what cannot be recorded is refused.
#include <cstring>
#include <vector>

#include "mm1/runtime.h"
#include "runtime_kernels.h"
#include "test.h"

namespace {

constexpr int32_t kCount = 300;
constexpr int64_t kBytes = kCount * sizeof(float);

// A stream, two buffers and pinned memory for one test.
struct Fixture {
  mm1_stream stream = nullptr;
  mm1_stream side = nullptr;
  float* a = nullptr;
  float* b = nullptr;
  float* pinned = nullptr;

  Fixture() {
    void* memory = nullptr;
    CHECK_OK(mm1_stream_create(&stream));
    CHECK_OK(mm1_stream_create(&side));
    CHECK_OK(mm1_memory_allocate(kBytes, &memory));
    a = static_cast<float*>(memory);
    CHECK_OK(mm1_memory_allocate(kBytes, &memory));
    b = static_cast<float*>(memory);
    CHECK_OK(mm1_memory_allocate_pinned(kBytes, &memory));
    pinned = static_cast<float*>(memory);
    std::memset(pinned, 0, kBytes);
    CHECK_OK(mm1_memory_fill(stream, a, 0, kBytes));
    CHECK_OK(mm1_memory_fill(stream, b, 0, kBytes));
    CHECK_OK(mm1_stream_synchronize(stream));
  }

  ~Fixture() {
    mm1_memory_free(a);
    mm1_memory_free(b);
    mm1_memory_free_pinned(pinned);
    mm1_stream_destroy(stream);
    mm1_stream_destroy(side);
  }

  float first_of(const float* device) {
    float value = -1;
    CHECK_OK(mm1_memory_copy_to_host(stream, &value, device, sizeof value));
    return value;
  }

  mm1_graph_instance end_and_instantiate(int64_t expected_nodes) {
    mm1_graph graph = nullptr;
    mm1_graph_instance instance = nullptr;
    int64_t nodes = 0;
    CHECK_OK(mm1_graph_end_capture(stream, &graph));
    CHECK_OK(mm1_graph_get_size(graph, &nodes));
    CHECK_EQUAL(expected_nodes, nodes);
    CHECK_OK(mm1_graph_instantiate(graph, &instance));
    CHECK_OK(mm1_graph_destroy(graph));
    return instance;
  }

  // The call spoils a capture, and afterwards the stream works as before.
  template <class F>
  void check_spoils(const char* text, F&& call) {
    mm1_graph graph = nullptr;
    CHECK_OK(mm1_graph_begin_capture(stream));
    CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, text, call());
    CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "graph_end_capture: there is no graph, because of a call during the capture: ",
                     mm1_graph_end_capture(stream, &graph));
    CHECK_CONTAINS(std::string(mm1_get_last_error_message()), text);
    CHECK(graph == nullptr);
    CHECK_OK(launch_scale_add(stream, a, kCount, 0.0f, 1.0f));
    CHECK_EQUAL(1.0f, first_of(a));
  }
};

}  // namespace

TEST(graph, records_and_does_not_run) {
  Fixture f;
  int32_t capturing = -1;
  CHECK_OK(mm1_graph_begin_capture(f.stream));
  CHECK_OK(mm1_graph_is_capturing(f.stream, &capturing));
  CHECK_EQUAL(1, capturing);
  CHECK_OK(launch_scale_add(f.stream, f.a, kCount, 1.0f, 1.0f));
  const mm1_graph_instance instance = f.end_and_instantiate(1);
  CHECK_OK(mm1_graph_is_capturing(f.stream, &capturing));
  CHECK_EQUAL(0, capturing);
  CHECK_EQUAL(0.0f, f.first_of(f.a));
  CHECK_OK(mm1_graph_launch(instance, f.stream));
  CHECK_EQUAL(1.0f, f.first_of(f.a));
  CHECK_OK(mm1_graph_instance_destroy(instance));
}

TEST(graph, replays_with_new_contents) {
  Fixture f;
  CHECK_OK(mm1_graph_begin_capture(f.stream));
  CHECK_OK(mm1_memory_copy_to_device(f.stream, f.a, f.pinned, kBytes));
  CHECK_OK(launch_scale_add(f.stream, f.a, kCount, 2.0f, 1.0f));
  CHECK_OK(mm1_memory_copy_on_device(f.stream, f.b, f.a, kBytes));
  CHECK_OK(mm1_memory_fill(f.stream, f.a, 0, kBytes));
  CHECK_OK(mm1_memory_copy_to_host(f.stream, f.pinned, f.b, kBytes));
  const mm1_graph_instance instance = f.end_and_instantiate(5);
  // x -> 2 x + 1 from 0: 1, 3, 7, 15.
  for (const float expected : {1.0f, 3.0f, 7.0f, 15.0f}) {
    CHECK_OK(mm1_graph_launch(instance, f.stream));
    CHECK_OK(mm1_stream_synchronize(f.stream));
    for (int32_t i = 0; i < kCount; i++) CHECK_EQUAL(expected, f.pinned[i]);
    CHECK_EQUAL(0.0f, f.first_of(f.a));
  }
  CHECK_OK(mm1_graph_instance_destroy(instance));
}

TEST(graph, launches_of_one_instance_run_one_after_another) {
  Fixture f;
  CHECK_OK(mm1_graph_begin_capture(f.stream));
  for (int i = 0; i < 4; i++) CHECK_OK(launch_scale_add(f.stream, f.a, kCount, 1.0f, 1.0f));
  const mm1_graph_instance instance = f.end_and_instantiate(4);
  for (int i = 0; i < 5; i++) {
    CHECK_OK(mm1_graph_launch(instance, f.stream));
    CHECK_OK(mm1_graph_launch(instance, f.side));
  }
  CHECK_OK(mm1_device_synchronize());
  CHECK_EQUAL(40.0f, f.first_of(f.a));
  CHECK_OK(mm1_graph_instance_destroy(instance));
}

TEST(graph, takes_in_streams_that_wait_for_it) {
  Fixture f;
  mm1_event fork = nullptr, join = nullptr;
  CHECK_OK(mm1_event_create(0, &fork));
  CHECK_OK(mm1_event_create(0, &join));
  CHECK_OK(mm1_graph_begin_capture(f.stream));
  CHECK_OK(launch_scale_add(f.stream, f.a, kCount, 0.0f, 3.0f));
  CHECK_OK(mm1_event_record(fork, f.stream));
  CHECK_OK(mm1_stream_wait_event(f.side, fork));
  int32_t capturing = 0;
  CHECK_OK(mm1_graph_is_capturing(f.side, &capturing));
  CHECK_EQUAL(1, capturing);
  CHECK_OK(mm1_memory_copy_on_device(f.side, f.b, f.a, kBytes));
  CHECK_OK(mm1_event_record(join, f.side));
  CHECK_OK(mm1_stream_wait_event(f.stream, join));
  CHECK_OK(launch_scale_add(f.stream, f.b, kCount, 10.0f, 0.0f));
  const mm1_graph_instance instance = f.end_and_instantiate(3);
  CHECK_EQUAL(0.0f, f.first_of(f.b));
  CHECK_OK(mm1_graph_launch(instance, f.side));
  CHECK_OK(mm1_stream_synchronize(f.side));
  CHECK_EQUAL(30.0f, f.first_of(f.b));
  CHECK_OK(mm1_graph_instance_destroy(instance));
  CHECK_OK(mm1_event_destroy(fork));
  CHECK_OK(mm1_event_destroy(join));
}

TEST(graph, an_unjoined_stream_gives_no_graph) {
  Fixture f;
  mm1_event fork = nullptr;
  mm1_graph graph = nullptr;
  CHECK_OK(mm1_event_create(0, &fork));
  CHECK_OK(mm1_graph_begin_capture(f.stream));
  CHECK_OK(mm1_event_record(fork, f.stream));
  CHECK_OK(mm1_stream_wait_event(f.side, fork));
  CHECK_OK(launch_scale_add(f.side, f.a, kCount, 1.0f, 1.0f));
  CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "graph_end_capture: ", mm1_graph_end_capture(f.stream, &graph));
  CHECK(graph == nullptr);
  // Both streams work again.
  CHECK_OK(launch_scale_add(f.side, f.a, kCount, 0.0f, 6.0f));
  CHECK_OK(mm1_stream_synchronize(f.side));
  CHECK_EQUAL(6.0f, f.first_of(f.a));
  CHECK_OK(mm1_event_destroy(fork));
}

TEST(graph, the_librarys_own_stream_can_be_captured) {
  Fixture f;
  mm1_graph graph = nullptr;
  mm1_graph_instance instance = nullptr;
  CHECK_OK(mm1_graph_begin_capture(nullptr));
  CHECK_OK(launch_scale_add(nullptr, f.a, kCount, 0.0f, 8.0f));
  CHECK_OK(mm1_graph_end_capture(nullptr, &graph));
  CHECK_OK(mm1_graph_instantiate(graph, &instance));
  CHECK_OK(mm1_graph_launch(instance, f.stream));
  CHECK_EQUAL(8.0f, f.first_of(f.a));
  CHECK_OK(mm1_graph_instance_destroy(instance));
  CHECK_OK(mm1_graph_destroy(graph));
}

TEST(graph, an_empty_one_launches) {
  Fixture f;
  CHECK_OK(mm1_graph_begin_capture(f.stream));
  const mm1_graph_instance instance = f.end_and_instantiate(0);
  CHECK_OK(mm1_graph_launch(instance, f.stream));
  CHECK_OK(mm1_stream_synchronize(f.stream));
  CHECK_OK(mm1_graph_instance_destroy(instance));
}

TEST(graph, what_cannot_be_recorded_spoils_the_capture) {
  Fixture f;
  float host[4] = {};
  int32_t done = 0;
  void* memory = nullptr;
  float* const a = f.a;
  mm1_stream const stream = f.stream;
  f.check_spoils("stream_synchronize: not allowed on a stream that is being captured", [&] { return mm1_stream_synchronize(stream); });
  f.check_spoils("stream_query: not allowed on a stream that is being captured", [&] { return mm1_stream_query(stream, &done); });
  f.check_spoils("stream_destroy: not allowed on a stream that is being captured", [&] { return mm1_stream_destroy(stream); });
  f.check_spoils("device_synchronize: not allowed while this thread captures a stream", [&] { return mm1_device_synchronize(); });
  f.check_spoils("memory_allocate: not allowed while this thread captures a stream", [&] { return mm1_memory_allocate(16, &memory); });
  f.check_spoils("memory_allocate_pinned: not allowed while this thread captures a stream",
                 [&] { return mm1_memory_allocate_pinned(16, &memory); });
  f.check_spoils("memory_free: not allowed while this thread captures a stream", [&] { return mm1_memory_free(a); });
  f.check_spoils("host memory that is not pinned cannot be captured", [&] { return mm1_memory_copy_to_device(stream, a, host, sizeof host); });
  f.check_spoils("host memory that is not pinned cannot be captured", [&] { return mm1_memory_copy_to_host(stream, host, a, sizeof host); });
  f.check_spoils("graph_begin_capture: not allowed on a stream that is being captured", [&] { return mm1_graph_begin_capture(stream); });
}

TEST(graph, its_events_have_no_time_of_their_own) {
  Fixture f;
  mm1_event event = nullptr;
  mm1_graph graph = nullptr;
  int32_t done = 0;
  CHECK_OK(mm1_event_create(1, &event));
  for (int i = 0; i < 2; i++) {
    CHECK_OK(mm1_graph_begin_capture(f.stream));
    CHECK_OK(mm1_event_record(event, f.stream));
    if (i == 0) CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "event_query: the event was recorded in a capture", mm1_event_query(event, &done));
    if (i == 1) CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "event_synchronize: the event was recorded in a capture", mm1_event_synchronize(event));
    CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "there is no graph", mm1_graph_end_capture(f.stream, &graph));
  }
  // Recorded outside of a capture it works again.
  CHECK_OK(mm1_event_record(event, f.stream));
  CHECK_OK(mm1_event_synchronize(event));
  CHECK_OK(mm1_event_destroy(event));
}

TEST(graph, a_graph_is_not_launched_into_a_capture) {
  Fixture f;
  CHECK_OK(mm1_graph_begin_capture(f.stream));
  CHECK_OK(launch_scale_add(f.stream, f.a, kCount, 1.0f, 1.0f));
  const mm1_graph_instance instance = f.end_and_instantiate(1);
  f.check_spoils("graph_launch: a graph cannot be launched into a capture", [&] { return mm1_graph_launch(instance, f.stream); });
  CHECK_OK(mm1_graph_instance_destroy(instance));
}

TEST(graph, other_streams_work_meanwhile) {
  Fixture f;
  CHECK_OK(mm1_graph_begin_capture(f.stream));
  CHECK_OK(launch_scale_add(f.stream, f.a, kCount, 1.0f, 1.0f));
  CHECK_OK(launch_scale_add(f.side, f.b, kCount, 0.0f, 2.0f));
  CHECK_OK(mm1_stream_synchronize(f.side));
  const mm1_graph_instance instance = f.end_and_instantiate(1);
  CHECK_EQUAL(2.0f, f.first_of(f.b));
  CHECK_EQUAL(0.0f, f.first_of(f.a));
  CHECK_OK(mm1_graph_instance_destroy(instance));
}
