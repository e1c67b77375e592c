// Turns a kernel's invalid access into an error of its launch.
#pragma once

namespace emulator {

void install_fault_handler();         // once for the process and once for each host thread; cheap when done already

}  // namespace emulator
