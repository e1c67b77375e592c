// Options from the environment, limits, and the process's counters.
#include "options.h"

#include <cstdlib>
#include <cstring>
#include <mutex>

#include "state.h"

namespace emulator {

namespace {

struct Settings {
  std::mutex mutex;
  Options options;
  Limits limits;
  Counters counters;
};

uint32_t number(const char* name, uint32_t otherwise) {
  const char* text = std::getenv(name);
  return text && *text ? static_cast<uint32_t>(std::strtoul(text, nullptr, 10)) : otherwise;
}

Options read_options() {
  Options o;
  const char* async = std::getenv("MM1_EMULATOR_ASYNC");
  if (async) o.late = std::strcmp(async, "early") != 0;
  o.seed = number("MM1_EMULATOR_SEED", o.seed);
  o.residency = number("MM1_EMULATOR_RESIDENCY", o.residency);
  o.threads = number("MM1_EMULATOR_THREADS", o.threads);
  o.count_accesses = number("MM1_EMULATOR_COUNT", 0) != 0;
  o.spin_limit_ms = number("MM1_EMULATOR_SPIN_MS", o.spin_limit_ms);
  return o;
}

Settings& settings() {
  static Settings* one = [] {
    Settings* s = new Settings;
    s->options = read_options();
    return s;
  }();
  return *one;
}

}  // namespace

Options options() {
  std::lock_guard<std::mutex> lock(settings().mutex);
  return settings().options;
}

void set_options(const Options& value) {
  std::lock_guard<std::mutex> lock(settings().mutex);
  settings().options = value;
}

Limits limits() {
  std::lock_guard<std::mutex> lock(settings().mutex);
  return settings().limits;
}

void set_limits(const Limits& value) {
  std::lock_guard<std::mutex> lock(settings().mutex);
  settings().limits = value;
}

Counters counters() {
  std::lock_guard<std::mutex> lock(settings().mutex);
  return settings().counters;
}

void add_counters(const Counters& part) {
  std::lock_guard<std::mutex> lock(settings().mutex);
  uint64_t* sum = reinterpret_cast<uint64_t*>(&settings().counters);
  const uint64_t* from = reinterpret_cast<const uint64_t*>(&part);
  for (size_t i = 0; i < sizeof(Counters) / sizeof(uint64_t); i++) sum[i] += from[i];
}

void clear_access_sites();            // accesses.cpp

void reset_counters() {
  {
    std::lock_guard<std::mutex> lock(settings().mutex);
    settings().counters = {};
  }
  clear_access_sites();
}

}  // namespace emulator
