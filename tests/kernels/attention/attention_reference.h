// Attention by its definition, all probabilities of a row at once, in plain C++.
//
//   float64            the truth
//   same precision     sums in float32; with bfloat16 operands what a matrix unit takes must be bfloat16, so probabilities and the gradients
//                      of scores are rounded once, and so is every result: what a kernel without tiles would do
#ifndef MM1_TESTS_ATTENTION_ATTENTION_REFERENCE_H
#define MM1_TESTS_ATTENTION_ATTENTION_REFERENCE_H

#include <vector>

#include "attention_case.h"

namespace test {

template <class T>
struct ForwardReference {
  std::vector<T> output, log_sum_exp;
};

template <class T>
struct BackwardReference {
  std::vector<T> query_gradient, key_gradient, value_gradient;
};

// T = double: exact. T = float: the same precision as the case's dtype.
template <class T>
ForwardReference<T> forward_reference(const AttentionCase& which, const AttentionInputs& inputs);

// From the forward's results: those of the reference, as a rule.
template <class T>
BackwardReference<T> backward_reference(const AttentionCase& which, const AttentionInputs& inputs, const ForwardReference<T>& forward);

// Decoding is attention of `lengths[b]` keys by query_length queries, causal and aligned to the last: one document a sequence.
struct DecodeCase {
  mm1_dtype dtype = MM1_DTYPE_BFLOAT16;
  std::vector<int> lengths = {1};  // Valid keys of each sequence, the new tokens included.
  int query_length = 1;
  int max_length = 1;
  int heads = 2;
  int key_value_heads = 2;
  int head_size = 32;
  int gap = 0;                     // Elements between the rows of query and output; twice as many between those of the caches.
  int offset = 0;                  // Elements from an aligned address to the first, of every operand.
  bool scaled = false;             // `scale` holds; else 1 / sqrt(head_size).
  float scale = 0;
  double spread = 1;
  int seed = 1;

  std::string name() const;
  int batch() const { return static_cast<int>(lengths.size()); }
  AttentionCase as_attention() const;
};

// A cache [batch * max_length, columns] whose valid rows are those of `packed` (the documents of as_attention() one after another). The
// rest is `filler`: what lies beyond a sequence's length must not matter.
std::vector<float> cache_of(const DecodeCase& which, const std::vector<float>& packed, float filler);

extern template ForwardReference<double> forward_reference<double>(const AttentionCase&, const AttentionInputs&);
extern template ForwardReference<float> forward_reference<float>(const AttentionCase&, const AttentionInputs&);
extern template BackwardReference<double> backward_reference<double>(const AttentionCase&, const AttentionInputs&,
                                                                     const ForwardReference<double>&);
extern template BackwardReference<float> backward_reference<float>(const AttentionCase&, const AttentionInputs&,
                                                                   const ForwardReference<float>&);

}  // namespace test

#endif  // MM1_TESTS_ATTENTION_ATTENTION_REFERENCE_H
