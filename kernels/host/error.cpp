#include "host/error.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace mm1 {

namespace {

// A text longer than this is cut at its end; the emulator's longest reports (a deadlock with its waiting threads) fit.
constexpr int kTextBytes = 8192;

// Made at a thread's first error, freed when it ends. Not an array: thread-local storage of a library that is loaded late (dlopen) must be small. A
// failure within another thread_local's destructor makes a new one, which stays.
struct Text {
  char* characters = nullptr;
  ~Text() {
    std::free(characters);
    characters = nullptr;
  }
};

thread_local Text text;

}  // namespace

mm1_status fail(mm1_status status, const char* format, ...) {
  // The arguments may point into the old text (a cause that is wrapped), so the new one is put together apart.
  char next[kTextBytes];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(next, sizeof next, format, arguments);
  va_end(arguments);
  if (text.characters == nullptr) text.characters = static_cast<char*>(std::malloc(kTextBytes));
  if (text.characters != nullptr) std::memcpy(text.characters, next, std::strlen(next) + 1);
  return status;
}

const char* last_error_text() { return text.characters == nullptr ? "" : text.characters; }

}  // namespace mm1

const char* mm1_get_last_error_message(void) { return mm1::last_error_text(); }
