// The test harness of the native side: one header and main.cpp, nothing beyond C++17.
//
//   TEST(swizzle, is_a_bijection) {
//     CHECK(distinct == 64);
//     CHECK_NEAR(sum, 1.0, 1e-6);
//     CHECK_THROWS_WITH("row_stride", call());
//   }
//
// A failed check ends its test with file, line and what was compared. The program takes filters: it runs the tests whose "suite.name"
// contains one of its arguments, or all; --list prints the names. A line "skipped" with a reason stands for SKIP(reason). The last line
// is "N passed, N failed" and the exit code is 0 only if no test failed and at least one ran.
#ifndef MM1_TESTS_TEST_H
#define MM1_TESTS_TEST_H

#include <cmath>
#include <cstdio>
#include <exception>
#include <sstream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace test {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Skipped : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Case {
  const char* suite;
  const char* name;
  void (*body)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

struct Registration {
  Registration(const char* suite, const char* name, void (*body)()) { cases().push_back({suite, name, body}); }
};

[[noreturn]] inline void fail_at(const char* file, int line, const std::string& what) {
  std::ostringstream text;
  text << file << ":" << line << ": " << what;
  throw Failure(text.str());
}

template <class T, class = void>
struct IsPrintable : std::false_type {};
template <class T>
struct IsPrintable<T, std::void_t<decltype(std::declval<std::ostream&>() << std::declval<const T&>())>> : std::true_type {};

template <class T>
std::string show(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::to_string(static_cast<long long>(value));
  } else if constexpr (IsPrintable<T>::value) {
    std::ostringstream text;
    text.precision(9);
    text << value;
    return text.str();
  } else {
    return "(a value that cannot be printed)";
  }
}

template <class A, class B>
void check_equal(const A& expected, const B& actual, const char* expression, const char* file, int line) {
  if (!(expected == actual)) fail_at(file, line, std::string(expression) + " is " + show(actual) + ", not " + show(expected));
}

// NaN is near nothing.
inline void check_near(double actual, double expected, double tolerance, const char* expression, const char* file, int line) {
  const double difference = std::fabs(actual - expected);
  if (actual == expected || difference <= tolerance) return;
  std::ostringstream text;
  text.precision(9);
  text << expression << " is " << actual << ", not " << expected << " (difference " << difference << ", allowed " << tolerance << ")";
  fail_at(file, line, text.str());
}

inline void check_contains(const std::string& text, const std::string& part, const char* what, const char* file, int line) {
  if (text.find(part) == std::string::npos) fail_at(file, line, std::string(what) + " is \"" + text + "\", which does not contain \"" + part + "\"");
}

int run(int argument_count, char** arguments);

}  // namespace test

#define TEST(suite, name)                                                                         \
  static void test_##suite##_##name();                                                            \
  static const ::test::Registration registration_##suite##_##name(#suite, #name, test_##suite##_##name); \
  static void test_##suite##_##name()

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) ::test::fail_at(__FILE__, __LINE__, "not true: " #condition); \
  } while (0)

// What else should stand in the failure's text: CHECK_MESSAGE(ok, "m = " + std::to_string(m)).
#define CHECK_MESSAGE(condition, message)                                                                                       \
  do {                                                                                                                          \
    if (!(condition)) ::test::fail_at(__FILE__, __LINE__, std::string("not true: " #condition "; ") + std::string(message)); \
  } while (0)

#define CHECK_EQUAL(expected, actual) ::test::check_equal((expected), (actual), #actual, __FILE__, __LINE__)

#define CHECK_NEAR(actual, expected, tolerance) ::test::check_near((actual), (expected), (tolerance), #actual, __FILE__, __LINE__)

#define CHECK_CONTAINS(text, part) ::test::check_contains((text), (part), #text, __FILE__, __LINE__)

// The statement throws an exception whose text contains `part`.
#define CHECK_THROWS_WITH(part, ...)                                                                   \
  do {                                                                                                 \
    bool threw_ = false;                                                                               \
    try {                                                                                              \
      __VA_ARGS__;                                                                                     \
    } catch (const std::exception& error_) {                                                           \
      threw_ = true;                                                                                   \
      ::test::check_contains(error_.what(), (part), "the text of the exception", __FILE__, __LINE__);  \
    }                                                                                                  \
    if (!threw_) ::test::fail_at(__FILE__, __LINE__, "no exception from: " #__VA_ARGS__);              \
  } while (0)

// The call returns `status` and leaves a text that contains `part` (needs mm1/kernels.h).
#define CHECK_FAILS_WITH(status, part, ...)                                                                        \
  do {                                                                                                             \
    const auto status_ = (__VA_ARGS__);                                                                            \
    const std::string text_ = status_ == 0 ? "" : mm1_get_last_error_message();                                    \
    ::test::check_equal(static_cast<int>(status), static_cast<int>(status_), #__VA_ARGS__, __FILE__, __LINE__);    \
    ::test::check_contains(text_, (part), "the error text", __FILE__, __LINE__);                                   \
  } while (0)

// The call returns MM1_STATUS_OK; else its error text fails the test (needs mm1/kernels.h).
#define CHECK_OK(...)                                                                                                              \
  do {                                                                                                                             \
    const auto status_ = (__VA_ARGS__);                                                                                            \
    if (status_ != 0)                                                                                                              \
      ::test::fail_at(__FILE__, __LINE__, #__VA_ARGS__ " returned " + std::to_string(status_) + ": " + mm1_get_last_error_message()); \
  } while (0)

#define SKIP(reason) throw ::test::Skipped(reason)

#endif  // MM1_TESTS_TEST_H
