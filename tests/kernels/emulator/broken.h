// Deliberately broken kernels: each test names the modes in which its mistake is caught, and how.
#pragma once
#include <cstdio>
#include <functional>

#include "support.h"

enum Mode { late = 1, early = 2, seeds = 4, shadow = 8, always = 15 };

#if MM1_SHADOW
constexpr bool shadow_build = true;
#else
constexpr bool shadow_build = false;
#endif

// run() launches the kernel and returns the text of its failure, or "wrong result", or "". In the modes named, the text holds `part`.
// A mistake caught by chance must show for one of eight seeds. The fast build tries late, early and seeds; the shadow build shadow.
inline void expect_caught(int modes, const char* part, const std::function<std::string()>& run) {
  if (!*part || !modes) test::fail_at(__FILE__, __LINE__, "a broken kernel must name a mode and words of its message");
  const emulator::Options before = emulator::options();
  const auto attempt = [&](const char* name, const std::function<void(emulator::Options&)>& change, bool required) {
    emulator::Options o = before;
    o.seed = 0;
    o.late = true;
    o.threads = 1;
    o.spin_limit_ms = 100;
    change(o);
    emulator::set_options(o);
    const std::string text = run();
    emulator::set_options(before);
    const bool caught = text.find(part) != std::string::npos;
    if (caught) std::printf("    %-6s %s\n", name, text.substr(0, text.find('\n')).c_str());
    if (required && !caught) test::fail_at(__FILE__, __LINE__, std::string(name) + ": \"" + text + "\" does not contain \"" + part + "\"");
    return caught;
  };
  if (shadow_build) {
    if (modes & shadow) attempt("shadow", [](emulator::Options&) {}, true);
    return;
  }
  if (modes & late) attempt("late", [](emulator::Options&) {}, true);
  if (modes & early) attempt("early", [](emulator::Options& o) { o.late = false; }, true);
  if (modes & seeds) {
    bool caught = false;
    for (uint32_t seed = 1; seed <= 8 && !caught; seed++) caught = attempt("seeds", [&](emulator::Options& o) { o.seed = seed; }, false);
    if (!caught) test::fail_at(__FILE__, __LINE__, std::string("seeds 1 to 8: nothing contains \"") + part + "\"");
  }
}

#define BROKEN(name, modes, part, ...)                        \
  TEST(broken, name) {                                        \
    std::printf("  %s\n", #name);                             \
    expect_caught(modes, part, [&]() -> std::string __VA_ARGS__); \
  }
