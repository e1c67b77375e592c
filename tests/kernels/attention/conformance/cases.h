// The lists of attention_conformance: calls of forward and backward, and of decoding.
#ifndef MM1_TESTS_ATTENTION_CONFORMANCE_CASES_H
#define MM1_TESTS_ATTENTION_CONFORMANCE_CASES_H

#include <string>
#include <vector>

#include "attention_case.h"
#include "attention_reference.h"

namespace attention_test {

struct Case {
  bool decodes = false;
  test::AttentionCase attention;
  test::DecodeCase decode;

  std::string name() const { return decodes ? decode.name() : attention.name(); }
};

// "smoke" (each kind of call once), "small" (for compute-sanitizer) or "all"; empty: no such list.
std::vector<Case> cases(const std::string& list);

}  // namespace attention_test

#endif  // MM1_TESTS_ATTENTION_CONFORMANCE_CASES_H
