// main() of every native test program: runs the registered tests that the arguments name.
#include <chrono>
#include <cstring>

#include "test.h"

namespace test {

static bool is_wanted(const std::string& name, const std::vector<std::string>& filters) {
  if (filters.empty()) return true;
  for (const std::string& filter : filters) {
    if (name.find(filter) != std::string::npos) return true;
  }
  return false;
}

int run(int argument_count, char** arguments) {
  std::vector<std::string> filters;
  bool list = false;
  for (int i = 1; i < argument_count; i++) {
    if (std::strcmp(arguments[i], "--list") == 0) {
      list = true;
    } else if (arguments[i][0] == '-') {
      std::fprintf(stderr, "%s: unknown option %s; give parts of test names, or --list\n", arguments[0], arguments[i]);
      return 2;
    } else {
      filters.push_back(arguments[i]);
    }
  }
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  for (const Case& current : cases()) {
    const std::string name = std::string(current.suite) + "." + current.name;
    if (!is_wanted(name, filters)) continue;
    if (list) {
      std::puts(name.c_str());
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    try {
      current.body();
      passed++;
    } catch (const Skipped& reason) {
      skipped++;
      std::printf("skipped %s: %s\n", name.c_str(), reason.what());
    } catch (const std::exception& error) {
      failed++;
      std::printf("FAILED %s\n  %s\n", name.c_str(), error.what());
    } catch (...) {
      failed++;
      std::printf("FAILED %s\n  an exception that is no std::exception\n", name.c_str());
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (seconds >= 1.0) std::printf("%6.1f s %s\n", seconds, name.c_str());
    std::fflush(stdout);
  }
  if (list) return 0;
  if (passed + failed + skipped == 0) {
    std::printf("no test matches; --list prints the names\n");
    failed = 1;
  }
  if (skipped > 0) {
    std::printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  } else {
    std::printf("%d passed, %d failed\n", passed, failed);
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace test

int main(int argument_count, char** arguments) { return test::run(argument_count, arguments); }
