// One attention call with all of its options, its operands in device memory, and what it should give: references of forward, backward and
// decoding in plain C++, in float64 and in the same precision. Values are kept without gaps: query and output [query tokens, heads *
// head size], key and value [key tokens, key heads * head size], log-sum-exp [heads, query tokens].
#ifndef MM1_TESTS_ATTENTION_ATTENTION_CASE_H
#define MM1_TESTS_ATTENTION_ATTENTION_CASE_H

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mm1/kernels.h"
#include "support/device_buffer.h"

namespace test {

// How the operands lie in memory.
enum class AttentionLayout {
  plain,  // Each operand by itself, rows without gaps.
  gaps,   // Each operand by itself, with gaps of different sizes between the rows.
  fused   // Query, key and value are columns of one buffer, and so are their gradients.
};

// What a call computes. Documents lie one after another in the rows; `extra` rows behind them belong to none.
struct AttentionCase {
  mm1_dtype dtype = MM1_DTYPE_BFLOAT16;
  mm1_attention_mask mask = MM1_ATTENTION_MASK_FULL;
  std::vector<int> queries = {1};  // Lengths of the documents.
  std::vector<int> keys = {1};
  std::vector<int> prefixes;       // With the prefix mask: one for each document.
  int heads = 2;
  int key_value_heads = 2;
  int head_size = 32;
  bool packed = true;              // By cuSeqlens; else all documents have the same lengths.
  int extra = 0;
  int spare = 0;                   // Added to max_query_length and max_key_length of packed documents: they are capacities.
  AttentionLayout layout = AttentionLayout::plain;
  int gap = 8;                     // With AttentionLayout::gaps: elements between rows, times 1, 2, ... for each operand. Odd: unaligned.
  int offset = 0;                  // Elements from an aligned address to the first, of every operand.
  bool log_sum_exp = true;
  bool scaled = false;             // `scale` holds; else 1 / sqrt(head_size).
  float scale = 0;
  double spread = 1;               // Deviation of queries and keys.
  double shift = 0;                // Moves every score by about shift * sqrt(head_size).
  int seed = 1;

  std::string name() const;
  int documents() const { return static_cast<int>(queries.size()); }
  int query_tokens() const;
  int key_tokens() const;
  int columns() const { return heads * head_size; }
  int key_columns() const { return key_value_heads * head_size; }
  float factor() const;
  int first_query(int document) const;
  int first_key(int document) const;
  // Whether query i of a document sees its key j.
  bool sees(int document, int query, int key) const;
};

// Values of the case's dtype, a function of (seed, row, column): the same rows in any batch of the same heads.
struct AttentionInputs {
  std::vector<float> query, key, value, output_gradient;
};
AttentionInputs inputs_of(const AttentionCase& which);

// Rows [first, first + count) of a matrix of `columns` columns.
std::vector<float> rows_of(const std::vector<float>& values, int first, int count, int columns);

// One document of a case, or of its queries only those from `first_query` on, as a case of its own with the same values; keys: the first
// `keys` of the document (-1: all).
struct AttentionPart {
  AttentionCase which;
  AttentionInputs inputs;
};
AttentionPart part_of(const AttentionCase& whole, const AttentionInputs& inputs, int document, int first_query = 0, int queries = -1,
                      int keys = -1);

// Operands of a case in device memory, with guards and poison between and around the rows, and the records that name them.
class AttentionOperands {
 public:
  AttentionOperands(const AttentionCase& which, const AttentionInputs& inputs);

  mm1_flash_attention_forward_args forward_args() const { return forward_; }
  mm1_flash_attention_backward_args backward_args() const { return backward_; }

  // Workspaces of just the bytes that are asked for, as memory comes: poisoned. Both wait for the device and check all guards.
  void run_forward();
  void run_backward();

  std::vector<float> output() const;
  std::vector<float> log_sum_exp() const;
  std::vector<float> query_gradient() const;
  std::vector<float> key_gradient() const;
  std::vector<float> value_gradient() const;

  // The backward pass reads what a forward pass left in output and log_sum_exp; here they are given.
  void set_forward_results(const std::vector<float>& output, const std::vector<float>& log_sum_exp);

 private:
  std::vector<float> gradient(int which, int columns, int first_column) const;

  AttentionCase case_;
  std::vector<std::unique_ptr<DeviceBuffer>> inputs_, gradients_;  // One of each where they are fused, else three.
  std::unique_ptr<DeviceBuffer> output_, log_sum_exp_, output_gradient_;
  std::unique_ptr<DeviceBuffer> query_offsets_, key_offsets_, prefixes_;  // int32, kept as bits.
  mm1_flash_attention_forward_args forward_;
  mm1_flash_attention_backward_args backward_;
};

// int32 values in device memory.
std::unique_ptr<DeviceBuffer> device_integers(const std::vector<int>& values);

}  // namespace test

#endif  // MM1_TESTS_ATTENTION_ATTENTION_CASE_H
