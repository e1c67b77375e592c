// What a launch says on the host, at once: a text and a number of mm1_status. Errors of a running kernel come later, from the stream.
#pragma once
#include <cstdint>

namespace dev {

struct LaunchStatus {
  int32_t code = 0;                   // an mm1_status; 0: launched
  const char* text = "";              // valid on this thread until its next launch
  bool ok() const { return code == 0; }
};

}  // namespace dev
