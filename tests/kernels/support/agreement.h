// The error rule of every conformance test, as in the managed tests: against float64, a kernel may have at most twice the largest error of
// a straightforward implementation in the same precision, plus a floor of a few roundings of the signal. The same holds for the root mean
// square of the errors, where a small but systematic fault shows.
#ifndef MM1_TESTS_SUPPORT_AGREEMENT_H
#define MM1_TESTS_SUPPORT_AGREEMENT_H

#include <string>
#include <vector>

#include "mm1/kernels.h"

namespace test {

// `straightforward` holds values of the dtype that the kernel stores.
void check_agreement(const std::string& what, mm1_dtype stored, const std::vector<float>& actual, const std::vector<double>& reference,
                     const std::vector<float>& straightforward);

void check_same_bits(const std::string& what, const std::vector<float>& actual, const std::vector<float>& expected);

}  // namespace test

#endif  // MM1_TESTS_SUPPORT_AGREEMENT_H
