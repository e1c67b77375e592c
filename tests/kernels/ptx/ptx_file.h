// Just enough of PTX to count instructions by kernel.
#ifndef MM1_TESTS_PTX_FILE_H
#define MM1_TESTS_PTX_FILE_H

#include <string>
#include <vector>

namespace ptx {

// One .entry: its demangled name and the text of its body.
struct Kernel {
  std::string name;
  std::string body;
};

// The kernels of one .ptx text. Throws std::runtime_error where an entry has no end.
std::vector<Kernel> kernels_of(const std::string& text);

// All kernels of the .ptx files in a folder.
std::vector<Kernel> kernels_in_folder(const std::string& folder);

// Whether the parts of the pattern between its stars stand in the text in this order.
bool contains(const std::string& text, const std::string& pattern);

// Statements of the body that contain `pattern`. Comments do not count.
int count(const std::string& body, const std::string& pattern);

// One line of the table: in kernels of `architecture` whose name contains the pattern `kernel` there are at least `minimum` statements `pattern`;
// a minimum of 0 stands for "none at all".
struct Expectation {
  std::string architecture;
  std::string kernel;
  std::string pattern;
  int minimum = 0;
  int line = 0;
};

// Reads lines "architecture | kernel | pattern | minimum"; '#' begins a comment. Throws std::runtime_error for a line that is none.
std::vector<Expectation> read_table(const std::string& path);

}  // namespace ptx

#endif  // MM1_TESTS_PTX_FILE_H
