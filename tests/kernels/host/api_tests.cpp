// mm1_get_api: versions, shorter and longer tables.
#include <cstddef>
#include <cstring>
#include <vector>

#include "mm1/kernels.h"
#include "test.h"

TEST(api, gives_the_functions_themselves) {
  mm1_api table{};
  table.struct_size = sizeof table;
  CHECK_OK(mm1_get_api(MM1_ABI_VERSION, &table));
  CHECK_EQUAL(static_cast<int64_t>(sizeof table), table.struct_size);
  CHECK_EQUAL(MM1_ABI_VERSION, table.abi_version);
  CHECK(table.get_last_error_message == mm1_get_last_error_message);
  CHECK(table.stream_create == mm1_stream_create && table.module_launch == mm1_module_launch);
}

// Every entry that is set is another function; and all of the runtime's are set.
TEST(api, has_every_runtime_function_once) {
  mm1_api table{};
  table.struct_size = sizeof table;
  CHECK_OK(mm1_get_api(MM1_ABI_VERSION, &table));
  constexpr size_t kFirst = offsetof(mm1_api, get_last_error_message), kCount = (sizeof(mm1_api) - kFirst) / sizeof(void*);
  std::vector<void*> entries(kCount);
  std::memcpy(entries.data(), reinterpret_cast<const char*>(&table) + kFirst, kCount * sizeof(void*));
  for (size_t i = 0; i < kCount; i++) {
    if (kFirst + i * sizeof(void*) >= offsetof(mm1_api, device_count)) CHECK(entries[i] != nullptr);
    for (size_t j = 0; j < i; j++) CHECK(entries[i] == nullptr || entries[i] != entries[j]);
  }
}

TEST(api, a_shorter_table_keeps_what_follows_it) {
  mm1_api table;
  std::memset(&table, 0x5a, sizeof table);
  table.struct_size = offsetof(mm1_api, gemm);
  CHECK_OK(mm1_get_api(MM1_ABI_VERSION, &table));
  CHECK_EQUAL(static_cast<int64_t>(offsetof(mm1_api, gemm)), table.struct_size);
  CHECK(table.get_last_error_message == mm1_get_last_error_message);
  const unsigned char* rest = reinterpret_cast<const unsigned char*>(&table);
  for (size_t i = offsetof(mm1_api, gemm); i < sizeof table; i++) CHECK_EQUAL(0x5a, static_cast<int>(rest[i]));
}

TEST(api, a_longer_table_gets_null_for_what_is_unknown) {
  struct Longer {
    mm1_api known;
    void* later[3];
  } table;
  std::memset(static_cast<void*>(&table), 0x5a, sizeof table);
  table.known.struct_size = sizeof table;
  CHECK_OK(mm1_get_api(MM1_ABI_VERSION, &table.known));
  CHECK_EQUAL(static_cast<int64_t>(sizeof(mm1_api)), table.known.struct_size);
  CHECK(table.known.device_count == mm1_device_count);
  for (void* later : table.later) CHECK(later == nullptr);
}

TEST(api, wrong_arguments_have_their_text) {
  mm1_api table{};
  CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "get_api: table is NULL.", mm1_get_api(MM1_ABI_VERSION, nullptr));
  CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "get_api: struct_size is 0; set it to sizeof(mm1_api).", mm1_get_api(MM1_ABI_VERSION, &table));
  table.struct_size = sizeof table;
  CHECK_FAILS_WITH(MM1_STATUS_VERSION_MISMATCH, "get_api: version 12 was asked for; this library has version 0.", mm1_get_api(12, &table));
  CHECK(table.device_count == nullptr);
}
