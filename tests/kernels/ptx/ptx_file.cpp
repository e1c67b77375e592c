#include "ptx_file.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace ptx {

namespace {

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string demangled(const std::string& name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  const std::string result = status == 0 && text != nullptr ? text : name;
  std::free(text);
  return result;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

bool contains(const std::string& text, const std::string& pattern) {
  size_t at = 0;
  std::istringstream parts(pattern);
  for (std::string part; std::getline(parts, part, '*');) {
    at = text.find(part, at);
    if (at == std::string::npos) return false;
    at += part.size();
  }
  return true;
}

std::vector<Kernel> kernels_of(const std::string& text) {
  std::vector<Kernel> kernels;
  size_t at = 0;
  while ((at = text.find(".entry", at)) != std::string::npos) {
    const size_t name = text.find_first_not_of(" \t\n", at + 6);
    const size_t open = text.find('{', at);
    const size_t parameters = text.find_first_of("(\n", name);
    // Blocks in braces nest: the bodies of inline assembly have their own registers.
    size_t close = open;
    for (int depth = 0; close < text.size(); close++) {
      if (text[close] == '{') depth++;
      if (text[close] == '}' && --depth == 0) break;
    }
    if (open == std::string::npos || close >= text.size()) throw std::runtime_error("an .entry without an end");
    kernels.push_back({demangled(trimmed(text.substr(name, parameters - name))), text.substr(open + 1, close - open - 1)});
    at = close;
  }
  return kernels;
}

std::vector<Kernel> kernels_in_folder(const std::string& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".ptx") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Kernel> all;
  for (const auto& path : paths) {
    for (Kernel& kernel : kernels_of(read_file(path))) all.push_back(std::move(kernel));
  }
  return all;
}

int count(const std::string& body, const std::string& pattern) {
  // Most lines hold no part of the pattern: look for its first part, then at the statement around it.
  const std::string first = pattern.substr(0, pattern.find('*'));
  int found = 0;
  for (size_t at = body.find(first); at != std::string::npos;) {
    const size_t before = body.find_last_of(";\n", at);
    const size_t begin = at == 0 || before == std::string::npos ? 0 : before + 1;
    const size_t end = std::min(body.find_first_of(";\n", at), body.size());
    const size_t line = body.rfind('\n', at) == std::string::npos ? 0 : body.rfind('\n', at);
    const bool is_comment = body.find("//", line) < at;
    found += !is_comment && contains(body.substr(begin, end - begin), pattern);
    at = body.find(first, end);
  }
  return found;
}

std::vector<Expectation> read_table(const std::string& path) {
  std::vector<Expectation> table;
  std::istringstream lines(read_file(path));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    number++;
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '|');) cells.push_back(trimmed(cell));
    char* end = nullptr;
    const long minimum = cells.size() == 4 ? std::strtol(cells[3].c_str(), &end, 10) : -1;
    if (minimum < 0 || *end != '\0' || cells[3].empty()) {
      throw std::runtime_error(path + ":" + std::to_string(number) + ": not \"architecture | kernel | pattern | minimum\": " + line);
    }
    table.push_back({cells[0], cells[1], cells[2], static_cast<int>(minimum), number});
  }
  return table;
}

}  // namespace ptx
