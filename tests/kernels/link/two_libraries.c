/* Two libraries of the same function names in one process: each must call its own functions and keep its own error text, even where both
 * are visible to everybody (RTLD_GLOBAL). Arguments: the two libraries. */
#include <dlfcn.h>
#include <mm1/kernels.h>
#include <stdio.h>
#include <string.h>

typedef mm1_status (*get_api)(int32_t, mm1_api*);

static int load(const char* path, mm1_api* table) {
  void* library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  get_api entry;
  void* symbol;
  if (library == NULL) {
    printf("%s\n", dlerror());
    return 0;
  }
  symbol = dlsym(library, "mm1_get_api");
  memcpy(&entry, &symbol, sizeof entry);
  memset(table, 0, sizeof *table);
  table->struct_size = (int64_t)sizeof *table;
  return symbol != NULL && entry(MM1_ABI_VERSION, table) == MM1_STATUS_OK;
}

int main(int count, char** arguments) {
  mm1_api first, second;
  void* memory = NULL;
  int32_t done;
  if (count != 3 || !load(arguments[1], &first) || !load(arguments[2], &second)) {
    printf("the libraries cannot be loaded\n");
    return 1;
  }
  if (first.memory_allocate == second.memory_allocate || first.get_last_error_message == second.get_last_error_message) {
    printf("the second library bound functions of the first\n");
    return 1;
  }
  if (first.memory_allocate(-1, &memory) != MM1_STATUS_INVALID_ARGUMENT || strlen(second.get_last_error_message()) != 0) {
    printf("an error of the first library shows in the second: %s\n", second.get_last_error_message());
    return 1;
  }
  /* Memory of one library is none of the other's. */
  if (first.memory_allocate(64, &memory) != MM1_STATUS_OK || second.memory_free(memory) != MM1_STATUS_INVALID_ARGUMENT ||
      second.stream_query(NULL, &done) != MM1_STATUS_OK || first.memory_free(memory) != MM1_STATUS_OK) {
    printf("memory: %s; %s\n", first.get_last_error_message(), second.get_last_error_message());
    return 1;
  }
  printf("two libraries, each its own\n");
  return 0;
}
