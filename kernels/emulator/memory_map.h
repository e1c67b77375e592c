// One allocation of device memory, or of host memory that kernels may touch. Private to emulator/.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace emulator {

struct Allocation {
  char* mapping = nullptr;
  size_t mapping_bytes = 0;
  char* body = nullptr;
  size_t bytes = 0;
  bool host = false;
  void* shadow = nullptr;             // shadow builds: the cells
};

bool find_allocation(const void* address, Allocation* result);   // guards included
std::string describe_address(const void* address);

#if MM1_SHADOW
void* shadow_make_cells(const Allocation& allocation);
void shadow_free_cells(const Allocation& allocation);
void shadow_host_write(void* target, size_t bytes);
#endif

}  // namespace emulator
