#include "library.h"

#include <dlfcn.h>

#include <cstring>
#include <map>
#include <vector>

#include "emulator/runtime.h"
#include "mm1/runtime.h"

namespace attention_test {

namespace {

constexpr int64_t kGuard = 256;
constexpr int kGuardByte = 0xa5;

mm1_api g_api = {};
const char* (*g_error)() = nullptr;
std::map<void*, int64_t> g_blocks;  // Addresses that were given out, and bytes.

std::string guards_of(char* address, int64_t bytes) {
  for (char* const side : {address - kGuard, address + bytes}) {
    std::vector<unsigned char> guard(kGuard);
    if (g_api.memory_copy_to_host(nullptr, guard.data(), side, kGuard) != MM1_STATUS_OK) return g_error();
    if (g_api.stream_synchronize(nullptr) != MM1_STATUS_OK) return g_error();
    for (const unsigned char byte : guard) {
      if (byte != kGuardByte) return "a guard byte beside " + std::to_string(bytes) + " bytes of device memory was overwritten";
    }
  }
  return "";
}

}  // namespace

std::string load_library(const char* path) {
  void* const handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return std::string("cannot load ") + path + ": " + dlerror();
  const auto get_api = reinterpret_cast<mm1_status (*)(int32_t, mm1_api*)>(dlsym(handle, "mm1_get_api"));
  g_error = reinterpret_cast<const char* (*)()>(dlsym(handle, "mm1_get_last_error_message"));
  if (get_api == nullptr || g_error == nullptr) return std::string(path) + " has no mm1_get_api";
  g_api.struct_size = sizeof(g_api);
  if (get_api(MM1_ABI_VERSION, &g_api) != MM1_STATUS_OK) return g_error();
  if (g_api.flash_attention_forward == nullptr || g_api.flash_attention_backward == nullptr || g_api.flash_attention_decode == nullptr) {
    return std::string(path) + " has no attention";
  }
  return "";
}

const mm1_api& library() { return g_api; }

}  // namespace attention_test

using attention_test::g_api;
using attention_test::g_blocks;

extern "C" {

const char* mm1_get_last_error_message(void) { return attention_test::g_error(); }

mm1_status mm1_get_api(int32_t, mm1_api* table) {
  *table = g_api;
  return MM1_STATUS_OK;
}

mm1_status mm1_memory_allocate(int64_t bytes, void** address) {
  void* block = nullptr;
  mm1_status status = g_api.memory_allocate(bytes + 2 * attention_test::kGuard, &block);
  if (status != MM1_STATUS_OK) return status;
  status = g_api.memory_fill(nullptr, block, attention_test::kGuardByte, bytes + 2 * attention_test::kGuard);
  *address = static_cast<char*>(block) + attention_test::kGuard;
  g_blocks[*address] = bytes;
  if (status == MM1_STATUS_OK && bytes > 0) status = g_api.memory_fill(nullptr, *address, 0xff, bytes);
  return status != MM1_STATUS_OK ? status : g_api.stream_synchronize(nullptr);
}

mm1_status mm1_memory_free(void* address) {
  if (address == nullptr) return MM1_STATUS_OK;
  g_blocks.erase(address);
  return g_api.memory_free(static_cast<char*>(address) - attention_test::kGuard);
}

mm1_status mm1_memory_copy_to_device(mm1_stream stream, void* target, const void* source, int64_t bytes) {
  const mm1_status status = g_api.memory_copy_to_device(stream, target, source, bytes);
  return status != MM1_STATUS_OK ? status : g_api.stream_synchronize(stream);
}

mm1_status mm1_memory_copy_to_host(mm1_stream stream, void* target, const void* source, int64_t bytes) {
  const mm1_status status = g_api.memory_copy_to_host(stream, target, source, bytes);
  return status != MM1_STATUS_OK ? status : g_api.stream_synchronize(stream);
}

mm1_status mm1_stream_synchronize(mm1_stream stream) { return g_api.stream_synchronize(stream); }

mm1_status mm1_flash_attention_decode(mm1_stream stream, const mm1_flash_attention_decode_args* args, void* workspace, int64_t bytes) {
  return g_api.flash_attention_decode(stream, args, workspace, bytes);
}

int64_t mm1_flash_attention_decode_workspace_bytes(const mm1_flash_attention_decode_args* args) {
  return g_api.flash_attention_decode_workspace_bytes(args);
}

}  // extern "C"

namespace emulator {

// What the cases ask of the emulator: guards of all memory that is in use.
void check_guards() {
  for (const auto& block : g_blocks) {
    const std::string text = attention_test::guards_of(static_cast<char*>(block.first), block.second);
    if (!text.empty()) throw Error(text);
  }
}

}  // namespace emulator
