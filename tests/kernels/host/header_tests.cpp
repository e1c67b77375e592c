// The headers as C++17 and as C99 (header_c99.c) say the same.
#include <mm1/kernels.h>
#include <mm1/runtime.h>

#include <cstddef>

#include "test.h"

extern "C" int64_t header_sizes_c(int index);

TEST(header, records_are_the_same_in_c_and_cpp) {
  CHECK_EQUAL(static_cast<int64_t>(sizeof(mm1_api)), header_sizes_c(0));
  CHECK_EQUAL(static_cast<int64_t>(sizeof(mm1_gemm_args)), header_sizes_c(1));
  CHECK_EQUAL(static_cast<int64_t>(sizeof(mm1_module_launch_args)), header_sizes_c(2));
  CHECK_EQUAL(static_cast<int64_t>(sizeof(mm1_device_properties)), header_sizes_c(3));
}

// Other languages lay records out by hand: no hidden padding, and these sizes for good within one ABI version.
TEST(header, runtime_records_have_no_padding) {
  CHECK_EQUAL(size_t{256}, sizeof(mm1_device_properties));
  CHECK_EQUAL(size_t{136}, offsetof(mm1_device_properties, emulated));
  CHECK_EQUAL(size_t{152}, offsetof(mm1_device_properties, memory_bytes));
  CHECK_EQUAL(size_t{184}, offsetof(mm1_device_properties, threads_per_multiprocessor));
  CHECK_EQUAL(size_t{224}, offsetof(mm1_device_properties, pci_bus_id));
  CHECK_EQUAL(size_t{56}, sizeof(mm1_module_launch_args));
  CHECK_EQUAL(size_t{40}, offsetof(mm1_module_launch_args, shared_bytes));
}
