// The PTX check: every row of expected.txt against what clang made of the kernel sources, and the counting itself.
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ptx_file.h"
#include "test.h"

namespace {

const char* const kArchitectures[] = {"sm_80", "sm_90a"};

std::vector<ptx::Kernel> kernels(const std::string& architecture) {
  if (std::string(MM1_PTX_COMPILER).empty()) SKIP("clang++-19 was not found when CMake ran; install clang-19 and run cmake again");
  const std::string folder = std::string(MM1_PTX_FOLDER) + "/" + architecture;
  if (!std::filesystem::is_directory(folder)) throw std::runtime_error("no PTX in " + folder + "; build the target ptx");
  return ptx::kernels_in_folder(folder);
}

}  // namespace

TEST(ptx, statements_are_counted_by_kernel) {
  const std::string text =
      ".visible .entry _Z5firstv(\n)\n{\n\t.reg .b32 %r<2>;\n\tmma.sync.a; // mma.sync.a\n\t{\n\t.reg .pred p;\n\tmma.sync.b; bar.sync 0;\n\t}\n}\n"
      ".visible .entry second()\n{\n\tret;\n}\n";
  const std::vector<ptx::Kernel> found = ptx::kernels_of(text);
  CHECK_EQUAL(size_t{2}, found.size());
  CHECK_EQUAL(std::string("first()"), found[0].name);
  CHECK_EQUAL(std::string("second"), found[1].name);
  CHECK_EQUAL(2, ptx::count(found[0].body, "mma.sync"));
  CHECK_EQUAL(1, ptx::count(found[0].body, "mma*.b"));
  CHECK_EQUAL(0, ptx::count(found[0].body, "b*mma"));
  CHECK_EQUAL(0, ptx::count(found[1].body, "mma.sync"));
  CHECK_THROWS_WITH("without an end", ptx::kernels_of(".entry broken()\n{\n"));
}

TEST(ptx, kernels_use_the_instructions_they_are_meant_to_use) {
  std::map<std::string, std::vector<ptx::Kernel>> compiled;
  for (const char* architecture : kArchitectures) compiled[architecture] = kernels(architecture);
  std::string broken;
  for (const ptx::Expectation& expected : ptx::read_table(MM1_PTX_TABLE)) {
    CHECK_MESSAGE(compiled.count(expected.architecture) == 1, "line " + std::to_string(expected.line) + ": no architecture " + expected.architecture);
    int matches = 0;
    for (const ptx::Kernel& kernel : compiled[expected.architecture]) {
      if (!ptx::contains(kernel.name, expected.kernel)) continue;
      matches++;
      const int found = ptx::count(kernel.body, expected.pattern);
      const bool holds = expected.minimum == 0 ? found == 0 : found >= expected.minimum;
      if (holds) continue;
      broken += "\n  line " + std::to_string(expected.line) + ", " + expected.architecture + " " + kernel.name + ": " + std::to_string(found) + " x " +
                expected.pattern + ", expected " + (expected.minimum == 0 ? "none" : "at least " + std::to_string(expected.minimum));
    }
    if (matches == 0) broken += "\n  line " + std::to_string(expected.line) + ": no kernel " + expected.kernel + " for " + expected.architecture;
  }
  CHECK_MESSAGE(broken.empty(), broken);
}

TEST(ptx, every_kernel_stands_in_the_table) {
  const std::vector<ptx::Expectation> table = ptx::read_table(MM1_PTX_TABLE);
  std::string missing;
  for (const char* architecture : kArchitectures) {
    const std::vector<ptx::Kernel> compiled = kernels(architecture);
    CHECK_MESSAGE(!compiled.empty(), architecture);
    for (const ptx::Kernel& kernel : compiled) {
      bool stands = false;
      for (const ptx::Expectation& expected : table) {
        stands |= expected.architecture == architecture && ptx::contains(kernel.name, expected.kernel);
      }
      if (!stands) missing += "\n  " + std::string(architecture) + " " + kernel.name;
    }
  }
  CHECK_MESSAGE(missing.empty(), missing);
}

// Both architectures have the same kernels: a body for the other architecture traps, but is there.
TEST(ptx, both_architectures_have_every_kernel) {
  std::set<std::string> names[2];
  for (int i = 0; i < 2; i++) {
    for (const ptx::Kernel& kernel : kernels(kArchitectures[i])) names[i].insert(kernel.name);
  }
  CHECK(names[0] == names[1]);
}
