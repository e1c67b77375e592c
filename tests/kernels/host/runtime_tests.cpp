// Devices, streams, events, memory and lost devices over the emulator.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "emulator/runtime.h"
#include "host/device.h"
#include "host/emulated/device.h"
#include "mm1/runtime.h"
#include "runtime_kernels.h"
#include "test.h"

namespace {

constexpr int32_t kCount = 1000;
constexpr int64_t kBytes = kCount * sizeof(float);
constexpr int32_t kFarAway = kCount + 4096;  // In the unreadable pages behind an allocation of kCount floats.

float* allocate_floats(int64_t count) {
  void* memory = nullptr;
  CHECK_OK(mm1_memory_allocate(count * static_cast<int64_t>(sizeof(float)), &memory));
  return static_cast<float*>(memory);
}

std::vector<float> read(mm1_stream stream, const float* device, int64_t count) {
  std::vector<float> host(static_cast<size_t>(count));
  CHECK_OK(mm1_memory_copy_to_host(stream, host.data(), device, count * static_cast<int64_t>(sizeof(float))));
  return host;
}

bool all_are(const std::vector<float>& values, float expected) {
  return std::all_of(values.begin(), values.end(), [expected](float value) { return value == expected; });
}

// The device is well again, whatever the test did to it.
struct Revived {
  ~Revived() {
    emulator::device_synchronize();
    emulator::clear_error();
    mm1::forget_failures();
  }
};

}  // namespace

TEST(runtime_device, is_one_with_the_default_profile) {
  int32_t count = 0, current = -1;
  CHECK_OK(mm1_device_count(&count));
  CHECK_EQUAL(1, count);
  CHECK_OK(mm1_device_set_current(0));
  CHECK_OK(mm1_device_get_current(&current));
  CHECK_EQUAL(0, current);
  CHECK_OK(mm1_device_get_status(0));
  mm1_device_properties properties = mm1_device_properties_default();
  CHECK_OK(mm1_device_get_properties(0, &properties));
  CHECK_EQUAL(std::string("emulated sm_90 (H100 SXM)"), std::string(properties.name));
  CHECK_EQUAL(9, properties.capability_major);
  CHECK_EQUAL(132, properties.multiprocessors);
  CHECK_EQUAL(227 * 1024, properties.shared_bytes_per_block);
  CHECK_EQUAL(1 << MM1_DTYPE_FLOAT32 | 1 << MM1_DTYPE_BFLOAT16, properties.compute_dtypes);
  CHECK_EQUAL(3, properties.math_modes);
  CHECK_EQUAL(1, properties.emulated);
  CHECK_EQUAL(1, properties.supported);
}

TEST(runtime_device, properties_follow_the_callers_size) {
  mm1_device_properties properties;
  std::memset(&properties, 0x5a, sizeof properties);
  properties.struct_size = 152;
  CHECK_OK(mm1_device_get_properties(0, &properties));
  CHECK_EQUAL(152, properties.struct_size);
  CHECK_EQUAL(9, properties.capability_major);
  CHECK_EQUAL(0x5a5a5a5a5a5a5a5all, static_cast<long long>(properties.memory_bytes));
}

TEST(runtime_device, plans_see_the_profile_that_is_set) {
  mm1::emulated::set_profile(mm1::kProfileSm86);
  mm1_device_properties properties = mm1_device_properties_default();
  CHECK_OK(mm1_device_get_properties(0, &properties));
  const bool is_86 = properties.capability_major == 8 && properties.capability_minor == 6 && !mm1::current_profile().runs_sm90a();
  mm1::emulated::set_profile(mm1::kProfileSm90);
  CHECK(is_86);
  CHECK(mm1::current_profile().runs_sm90a());
}

TEST(runtime_memory, is_aligned_and_counted) {
  int64_t free_before = 0, free_now = 0, total = 0;
  CHECK_OK(mm1_memory_get_info(&free_before, &total));
  void *a = nullptr, *b = nullptr;
  CHECK_OK(mm1_memory_allocate(1, &a));
  CHECK_OK(mm1_memory_allocate(1000, &b));
  CHECK(a != nullptr && b != nullptr && a != b);
  CHECK(reinterpret_cast<uintptr_t>(a) % 256 == 0 && reinterpret_cast<uintptr_t>(b) % 256 == 0);
  CHECK_OK(mm1_memory_get_info(&free_now, &total));
  CHECK(free_before - free_now >= 1001);
  CHECK_OK(mm1_memory_free(a));
  CHECK_OK(mm1_memory_free(b));
  CHECK_OK(mm1_memory_get_info(&free_now, &total));
  CHECK_EQUAL(free_before, free_now);
}

TEST(runtime_memory, goes_there_and_back_in_every_way) {
  mm1_stream stream = nullptr;
  CHECK_OK(mm1_stream_create(&stream));
  for (const mm1_stream used : {mm1_stream{nullptr}, stream}) {
    float *a = allocate_floats(kCount), *b = allocate_floats(kCount);
    void* pinned = nullptr;
    CHECK_OK(mm1_memory_allocate_pinned(kBytes, &pinned));
    float* const host = static_cast<float*>(pinned);
    for (int32_t i = 0; i < kCount; i++) host[i] = static_cast<float>(i);
    CHECK_OK(mm1_memory_copy_to_device(used, a, host, kBytes));
    CHECK_OK(mm1_memory_copy_on_device(used, b, a, kBytes));
    CHECK_OK(mm1_memory_fill(used, a, 0, kBytes));
    CHECK(all_are(read(used, a, kCount), 0.0f));
    std::memset(host, 0, kBytes);
    CHECK_OK(mm1_memory_copy_to_host(used, host, b, kBytes));
    CHECK_OK(mm1_stream_synchronize(used));
    for (int32_t i = 0; i < kCount; i++) CHECK_EQUAL(static_cast<float>(i), host[i]);
    // A part of an allocation.
    CHECK_OK(mm1_memory_copy_to_device(used, a + 10, host + 20, 40));
    CHECK_EQUAL(20.0f, read(used, a, kCount)[10]);
    CHECK_OK(mm1_memory_free(a));
    CHECK_OK(mm1_memory_free(b));
    CHECK_OK(mm1_memory_free_pinned(pinned));
  }
  CHECK_OK(mm1_stream_destroy(stream));
}

TEST(runtime_memory, unpinned_memory_has_been_read_when_the_call_returns) {
  mm1_stream stream = nullptr;
  CHECK_OK(mm1_stream_create(&stream));
  float* a = allocate_floats(kCount);
  std::vector<float> host(kCount, 3.0f);
  CHECK_OK(mm1_memory_copy_to_device(stream, a, host.data(), kBytes));
  std::fill(host.begin(), host.end(), -1.0f);
  CHECK(all_are(read(stream, a, kCount), 3.0f));
  CHECK_OK(mm1_memory_free(a));
  CHECK_OK(mm1_stream_destroy(stream));
}

TEST(runtime_memory, fresh_memory_is_no_number) {
  float* a = allocate_floats(kCount);
  for (const float value : read(nullptr, a, kCount)) CHECK(std::isnan(value));
  CHECK_OK(mm1_memory_free(a));
}

TEST(runtime_streams, run_their_work_in_order) {
  mm1_stream stream = nullptr;
  CHECK_OK(mm1_stream_create(&stream));
  float* a = allocate_floats(kCount);
  CHECK_OK(mm1_memory_fill(stream, a, 0, kBytes));
  CHECK_OK(launch_scale_add(stream, a, kCount, 1.0f, 2.0f));
  CHECK_OK(launch_scale_add(stream, a, kCount, 3.0f, 1.0f));
  CHECK(all_are(read(stream, a, kCount), 7.0f));
  int32_t done = 0;
  CHECK_OK(mm1_stream_synchronize(stream));
  CHECK_OK(mm1_stream_query(stream, &done));
  CHECK_EQUAL(1, done);
  CHECK_OK(mm1_memory_free(a));
  CHECK_OK(mm1_stream_destroy(stream));
}

TEST(runtime_streams, are_ordered_by_events) {
  mm1_stream first = nullptr, second = nullptr;
  mm1_event ready = nullptr;
  CHECK_OK(mm1_stream_create(&first));
  CHECK_OK(mm1_stream_create(&second));
  CHECK_OK(mm1_event_create(0, &ready));
  float* a = allocate_floats(kCount);
  for (int round = 0; round < 5; round++) {
    CHECK_OK(mm1_memory_fill(first, a, 0, kBytes));
    CHECK_OK(launch_scale_add(first, a, kCount, 1.0f, 5.0f));
    CHECK_OK(mm1_event_record(ready, first));
    CHECK_OK(mm1_stream_wait_event(second, ready));
    CHECK_OK(launch_scale_add(second, a, kCount, 2.0f, 0.0f));
    CHECK(all_are(read(second, a, kCount), 10.0f));
  }
  CHECK_OK(mm1_memory_free(a));
  CHECK_OK(mm1_event_destroy(ready));
  CHECK_OK(mm1_stream_destroy(first));
  CHECK_OK(mm1_stream_destroy(second));
}

TEST(runtime_streams, finish_their_work_when_destroyed) {
  mm1_stream stream = nullptr;
  CHECK_OK(mm1_stream_create(&stream));
  float* a = allocate_floats(kCount);
  CHECK_OK(mm1_memory_fill(stream, a, 0, kBytes));
  CHECK_OK(launch_scale_add(stream, a, kCount, 1.0f, 4.0f));
  CHECK_OK(mm1_stream_destroy(stream));
  CHECK_OK(mm1_device_synchronize());
  CHECK(all_are(read(nullptr, a, kCount), 4.0f));
  CHECK_OK(mm1_memory_free(a));
}

TEST(runtime_streams, come_from_several_threads) {
  std::vector<std::thread> threads;
  std::vector<std::string> errors(4);
  for (size_t t = 0; t < errors.size(); t++) {
    threads.emplace_back([t, &errors] {
      try {
        mm1_stream stream = nullptr;
        CHECK_OK(mm1_stream_create(&stream));
        float* a = allocate_floats(kCount);
        CHECK_OK(mm1_memory_fill(stream, a, 0, kBytes));
        for (int i = 0; i < 8; i++) CHECK_OK(launch_scale_add(stream, a, kCount, 1.0f, static_cast<float>(t + 1)));
        CHECK(all_are(read(stream, a, kCount), static_cast<float>(8 * (t + 1))));
        // The text of an error is the thread's own.
        CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "bytes is -" + std::to_string(t + 1), mm1_memory_fill(stream, a, 0, -static_cast<int64_t>(t + 1)));
        CHECK_OK(mm1_memory_free(a));
        CHECK_OK(mm1_stream_destroy(stream));
      } catch (const std::exception& error) {
        errors[t] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& error : errors) CHECK_EQUAL(std::string(), error);
}

TEST(runtime_events, pass_and_are_timed) {
  mm1_event start = nullptr, end = nullptr;
  CHECK_OK(mm1_event_create(1, &start));
  CHECK_OK(mm1_event_create(1, &end));
  float* a = allocate_floats(kCount);
  CHECK_OK(mm1_event_record(start, nullptr));
  CHECK_OK(mm1_memory_fill(nullptr, a, 0, kBytes));
  CHECK_OK(launch_scale_add(nullptr, a, kCount, 1.0f, 1.0f));
  CHECK_OK(mm1_event_record(end, nullptr));
  CHECK_OK(mm1_event_synchronize(end));
  int32_t done = 0;
  CHECK_OK(mm1_event_query(end, &done));
  CHECK_EQUAL(1, done);
  float milliseconds = -1;
  CHECK_OK(mm1_event_elapsed_milliseconds(start, end, &milliseconds));
  CHECK(milliseconds >= 0 && milliseconds < 60000);
  CHECK_OK(mm1_memory_free(a));
  CHECK_OK(mm1_event_destroy(start));
  CHECK_OK(mm1_event_destroy(end));
}

TEST(runtime_events, that_were_never_recorded_hold_nothing_up) {
  mm1_event event = nullptr;
  CHECK_OK(mm1_event_create(0, &event));
  CHECK_OK(mm1_stream_wait_event(nullptr, event));
  CHECK_OK(mm1_event_synchronize(event));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  CHECK_OK(mm1_event_destroy(event));
}

TEST(runtime_lost_device, first_the_failure_then_lost) {
  const Revived revived;
  mm1_stream stream = nullptr;
  CHECK_OK(mm1_stream_create(&stream));
  float* a = allocate_floats(kCount);
  CHECK_OK(mm1_memory_fill(stream, a, 0, kBytes));
  CHECK_OK(launch_store_at(stream, a, kFarAway));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_ERROR, "stream_synchronize: ", mm1_stream_synchronize(stream));
  const std::string failure = std::string(mm1_get_last_error_message()).substr(std::strlen("stream_synchronize: "));
  CHECK_CONTAINS(failure, "block (0,0,0)");

  // From here on every call that needs the device says so, with the first failure's text.
  void* memory = nullptr;
  mm1_event event = nullptr;
  mm1_stream other = nullptr;
  float host[4] = {};
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, failure, mm1_stream_synchronize(stream));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, failure, mm1_device_get_status(0));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, "memory_allocate: the device is lost", mm1_memory_allocate(16, &memory));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, failure, mm1_memory_copy_to_host(nullptr, host, a, sizeof host));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, failure, mm1_stream_create(&other));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, failure, mm1_event_create(0, &event));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, failure, mm1_graph_begin_capture(stream));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, failure, launch_scale_add(stream, a, kCount, 1.0f, 1.0f));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, failure, mm1_device_synchronize());

  // What was there can be given back, and what is known without the device stays known.
  CHECK_OK(mm1_memory_free(a));
  CHECK_OK(mm1_stream_destroy(stream));
  int32_t count = 0;
  CHECK_OK(mm1_device_count(&count));
}

TEST(runtime_lost_device, any_call_may_be_the_first_to_see_it) {
  const Revived revived;
  float* a = allocate_floats(kCount);
  CHECK_OK(launch_store_at(nullptr, a, kFarAway));
  emulator::device_synchronize();
  void* memory = nullptr;
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_ERROR, "memory_allocate: ", mm1_memory_allocate(16, &memory));
  CHECK_FAILS_WITH(MM1_STATUS_DEVICE_LOST, "memory_allocate: the device is lost", mm1_memory_allocate(16, &memory));
  CHECK_OK(mm1_memory_free(a));
}

// The bytes right behind an allocation belong to no other: shadow memory sees the store itself, otherwise the guard bytes tell.
TEST(runtime_lost_device, an_overrun_shows_when_memory_is_freed) {
  const Revived revived;
  float* a = allocate_floats(kCount);
  CHECK_OK(launch_store_at(nullptr, a, kCount));
  const mm1_status status = mm1_device_synchronize();
  if (status == MM1_STATUS_OK) {
    CHECK_FAILS_WITH(MM1_STATUS_DEVICE_ERROR, "memory_free: ", mm1_memory_free(a));
  } else {
    CHECK_EQUAL(MM1_STATUS_DEVICE_ERROR, status);
    mm1_memory_free(a);
  }
  CHECK_EQUAL(MM1_STATUS_DEVICE_LOST, mm1_device_get_status(0));
}

TEST(runtime_lost_device, a_refused_launch_does_not_lose_it) {
  const mm1_status status = launch_too_large(nullptr);
  CHECK(status != MM1_STATUS_OK && status != MM1_STATUS_DEVICE_LOST);
  CHECK_CONTAINS(std::string(mm1_get_last_error_message()), "too_large: ");
  CHECK_OK(mm1_device_get_status(0));
  CHECK_OK(mm1_device_synchronize());
}
