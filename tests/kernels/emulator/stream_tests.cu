// Streams, events, graphs, memory and the device's error, as the host side uses them.
#include <atomic>
#include <chrono>
#include <thread>

#include "support.h"

using dev::bar_sync;
using dev::LaunchConfig;
using dev::LaunchStatus;
using dev::sync_block;
using dev::tid;
using namespace emulator;

DEV_KERNEL add_one(int* values) { values[tid()]++; }
DEV_KERNEL times_ten(int* values) { values[tid()] *= 10; }
DEV_KERNEL goes_wrong(int* values) { sync_block(), values[tid()] = 0, bar_sync(17, 32); }

TEST(stream, runs_in_order_and_apart_from_the_host) {
  Stream* s = stream_create();
  Array<int> values(32, 1);
  std::atomic<bool> go{false};
  if (options().seed == 0) {
    stream_enqueue(s, [&] {
      while (!go) std::this_thread::yield();
    });
  }
  CHECK(dev::launch({{1}, {32}, 0, s}, add_one, values.data).ok());
  CHECK(dev::launch({{1}, {32}, 0, s}, times_ten, values.data).ok());
  CHECK(!stream_finished(s) || options().seed != 0);
  go = true;
  CHECK(stream_synchronize(s));
  CHECK(stream_finished(s));
  for (int i = 0; i < 32; i++) CHECK_EQUAL(20, values[i]);
  stream_destroy(s);
}

TEST(stream, events_order_streams) {
  Stream* a = stream_create();
  Stream* b = stream_create();
  Event* done = event_create();
  Event* end = event_create();
  for (int round = 0; round < 20; round++) {
    Array<int> values(32, 1);
    stream_enqueue(a, [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); });
    dev::launch({{1}, {32}, 0, a}, add_one, values.data);
    event_record(done, a);
    stream_wait_event(b, done);
    dev::launch({{1}, {32}, 0, b}, times_ten, values.data);
    event_record(end, b);
    CHECK(event_synchronize(end));
    CHECK(event_finished(done));
    CHECK_EQUAL(20, values[31]);
    CHECK(event_milliseconds(done, end) >= 0);
  }
  event_destroy(done);
  event_destroy(end);
  stream_destroy(a);
  stream_destroy(b);
}

TEST(stream, without_an_event_a_seed_finds_the_other_order) {
  bool wrong = false;
  for (uint32_t seed = 1; seed <= 20 && !wrong; seed++) {
    Options before = options();
    Options o = before;
    o.seed = seed;
    set_options(o);
    Stream* a = stream_create();
    Stream* b = stream_create();
    Array<int> values(32, 1);
    dev::launch({{1}, {32}, 0, a}, add_one, values.data);
    dev::launch({{1}, {32}, 0, b}, times_ten, values.data);
    device_synchronize();
    wrong = values[0] != 20;
    stream_destroy(a);
    stream_destroy(b);
    set_options(before);
  }
  CHECK(wrong);
}

TEST(stream, with_a_seed_nothing_runs_before_the_host_waits) {
  WithOptions with([](Options& o) { o.seed = 5; });
  Stream* s = stream_create();
  int ran = 0;
  stream_enqueue(s, [&] { ran++; });
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK_EQUAL(0, ran);
  stream_synchronize(s);
  CHECK_EQUAL(1, ran);
  stream_destroy(s);
}

TEST(stream, a_failing_kernel_loses_the_device) {
  Stream* s = stream_create();
  Array<int> values(32, 1);
  CHECK(dev::launch({{1}, {32}, 0, s}, goes_wrong, values.data).ok());
  CHECK(!stream_synchronize(s));
  CHECK(failed());
  CHECK_CONTAINS(error_text(), "barrier 17");
  CHECK_CONTAINS(error_text(), "stream_tests.cu");
  const LaunchStatus status = dev::launch({{1}, {32}, 0, s}, add_one, values.data);
  CHECK_EQUAL(6, status.code);
  CHECK_CONTAINS(std::string(status.text), "barrier 17");
  stream_enqueue(s, [&] { values[0] = 99; });
  stream_synchronize(s);
  CHECK_EQUAL(1, values[0]);          // dropped
  clear_error();
  CHECK(!failed());
  CHECK(dev::launch({{1}, {32}, 0, s}, add_one, values.data).ok());
  CHECK(stream_synchronize(s));
  CHECK_EQUAL(2, values[0]);
  stream_destroy(s);
}

TEST(stream, launches_that_the_driver_would_refuse) {
  int* none = nullptr;
  const auto refused = [&](LaunchConfig config, const char* text) {
    const LaunchStatus status = dev::launch(config, add_one, none);
    CHECK_EQUAL(8, status.code);
    CHECK_CONTAINS(std::string(status.text), text);
  };
  refused({{1}, {1025}}, "1025 x 1 x 1 threads");
  refused({{0}, {32}}, "0 x 1 x 1 blocks");
  refused({{1, 65536}, {32}}, "1 x 65536 x 1 blocks");
  refused({{1}, {32}, 233000}, "233000 bytes of shared memory");
  refused({{3}, {32}, 0, nullptr, {2, 1, 1}}, "no multiple of its clusters");
  refused({{32}, {32}, 0, nullptr, {16, 1, 1}}, "cluster of 16");
  CHECK(!failed());
}

TEST(stream, graphs_replay_what_was_captured) {
  Stream* a = stream_create();
  Stream* b = stream_create();
  Event* fork = event_create();
  Event* join = event_create();
  Array<int> values(32, 0);
  stream_begin_capture(a);
  dev::launch({{1}, {32}, 0, a}, add_one, values.data);
  event_record(fork, a);
  stream_wait_event(b, fork);
  dev::launch({{1}, {32}, 0, b}, times_ten, values.data);
  event_record(join, b);
  stream_wait_event(a, join);
  dev::launch({{1}, {32}, 0, a}, add_one, values.data);
  CHECK(stream_is_capturing(b));
  Graph* graph = stream_end_capture(a);
  CHECK(!stream_is_capturing(b));
  CHECK_EQUAL(3u, graph_nodes(graph));
  CHECK_EQUAL(0, values[0]);          // captured, not run
  graph_launch(graph, a);
  graph_launch(graph, a);
  stream_synchronize(a);
  CHECK_EQUAL(((1 * 10 + 1) + 1) * 10 + 1, values[31]);
  graph_destroy(graph);
  stream_begin_capture(a);
  CHECK_THROWS_WITH("being captured", stream_synchronize(a));
  event_record(fork, a);
  stream_wait_event(b, fork);
  dev::launch({{1}, {32}, 0, b}, times_ten, values.data);
  CHECK_THROWS_WITH("not waited for", stream_end_capture(a));
  CHECK_THROWS_WITH("not being captured", stream_end_capture(a));
  event_destroy(fork);
  event_destroy(join);
  stream_destroy(a);
  stream_destroy(b);
}

TEST(memory, is_poisoned_guarded_and_counted) {
  const size_t before = memory_in_use();
  float* p = static_cast<float*>(memory_allocate(1000));
  CHECK_EQUAL(0u, reinterpret_cast<uintptr_t>(p) % 256);
  CHECK_EQUAL(before + 1000, memory_in_use());
  for (int i = 0; i < 250; i++) CHECK(std::isnan(p[i]));
  CHECK(memory_is_device(p, 1000));
  CHECK(!memory_is_device(p, 1001));
  CHECK(!memory_is_device(&before, 1));
  check_guards();
  CHECK_THROWS_WITH("1001 bytes from byte 0 of an allocation of 1000", memory_fill(p, 0, 1001));
  CHECK_THROWS_WITH("not the address", memory_free(p + 1));
  reinterpret_cast<char*>(p)[1003] = 0;
  CHECK_THROWS_WITH("3 behind the end of an allocation of 1000 bytes", check_guards());
  CHECK_THROWS_WITH("3 behind the end", memory_free(p));
  CHECK_EQUAL(before, memory_in_use());
}
