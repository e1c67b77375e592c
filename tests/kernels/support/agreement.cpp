#include "support/agreement.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "test.h"

namespace test {

namespace {

constexpr double kFloat32Unit = 1.0 / 16777216;  // Relative error of one rounding.
constexpr double kBfloat16Unit = 1.0 / 512;
constexpr double kFloorRoundings = 8;            // Of float32, in sums of the size of the signal.

}  // namespace

void check_agreement(const std::string& what, mm1_dtype stored, const std::vector<float>& actual, const std::vector<double>& reference,
                     const std::vector<float>& straightforward) {
  CHECK_EQUAL(reference.size(), actual.size());
  CHECK_EQUAL(reference.size(), straightforward.size());
  // An element far above the root mean square is rounded in proportion to itself: float32 in each step of the sum, bfloat16 once.
  const double own = stored == MM1_DTYPE_FLOAT32 ? kFloorRoundings * kFloat32Unit : kBfloat16Unit;
  double signal = 0, allowed = 0, allowed_squares = 0, error_squares = 0;
  double finite = 0;
  for (size_t i = 0; i < reference.size(); i++) {
    if (!std::isfinite(reference[i])) continue;
    const double error = std::fabs(straightforward[i] - reference[i]);
    finite++;
    signal += reference[i] * reference[i];
    allowed = std::max(allowed, error);
    allowed_squares += error * error;
  }
  const double count = std::max(finite, 1.0);
  const double floor = kFloorRoundings * kFloat32Unit * std::sqrt(signal / count);
  for (size_t i = 0; i < reference.size(); i++) {
    const std::string place = what + "[" + std::to_string(i) + "]";
    if (!std::isfinite(reference[i])) {
      const bool same = std::isnan(reference[i]) ? std::isnan(actual[i]) : static_cast<double>(actual[i]) == reference[i];
      CHECK_MESSAGE(same, place + " is " + show(actual[i]) + ", float64 gives " + show(reference[i]));
      continue;
    }
    const double limit = 2 * allowed + std::max(floor, own * std::fabs(reference[i]));
    const double error = std::fabs(actual[i] - reference[i]);
    CHECK_MESSAGE(error <= limit, place + " is " + show(actual[i]) + ", float64 gives " + show(reference[i]) + ", straightforward " +
                                      show(straightforward[i]) + "; allowed error " + show(limit));
    error_squares += error * error;
  }
  const double limit = 2 * std::sqrt(allowed_squares / count) + floor;
  const double error = std::sqrt(error_squares / count);
  CHECK_MESSAGE(error <= limit, what + ": root mean square of the errors " + show(error) + ", allowed " + show(limit));
}

void check_same_bits(const std::string& what, const std::vector<float>& actual, const std::vector<float>& expected) {
  CHECK_EQUAL(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); i++) {
    CHECK_MESSAGE(std::memcmp(&actual[i], &expected[i], 4) == 0,
                  what + "[" + std::to_string(i) + "] is " + show(actual[i]) + ", not the bits of " + show(expected[i]));
  }
}

}  // namespace test
