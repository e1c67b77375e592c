// The functions of mm1/*.h over whatever library a program has loaded, so that the cases and references of the emulated tests, which call
// them by name, drive a GPU as well. Device memory gets guard bytes on either side and is full of NaN, as the emulator's is.
#ifndef MM1_TESTS_ATTENTION_CONFORMANCE_LIBRARY_H
#define MM1_TESTS_ATTENTION_CONFORMANCE_LIBRARY_H

#include <string>

#include "mm1/kernels.h"

namespace attention_test {

// "" or what is wrong. Then every mm1_ function that the cases call goes to it.
std::string load_library(const char* path);

const mm1_api& library();

}  // namespace attention_test

#endif  // MM1_TESTS_ATTENTION_CONFORMANCE_LIBRARY_H
