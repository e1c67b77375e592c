#include "host/error.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace mm1 {

namespace {

// A text longer than this is cut at its end; the emulator's longest reports (a deadlock with its waiting threads) fit.
constexpr int kTextBytes = 8192;

// A plain array: no destructor at thread exit, so a late call from another thread_local's destructor is safe.
thread_local char text[kTextBytes];

}  // namespace

mm1_status fail(mm1_status status, const char* format, ...) {
  // The arguments may point into the old text (a cause that is wrapped), so the new one is put together apart.
  char next[kTextBytes];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(next, sizeof next, format, arguments);
  va_end(arguments);
  std::memcpy(text, next, std::strlen(next) + 1);
  return status;
}

const char* last_error_text() { return text; }

}  // namespace mm1

const char* mm1_get_last_error_message(void) { return mm1::last_error_text(); }
