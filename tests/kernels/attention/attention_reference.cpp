#include "attention_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <type_traits>

namespace test {

namespace {

// What the same precision stores between two products, and at the end; float64 stores everything as it is.
template <class T>
T stored(const AttentionCase& which, T value) {
  if constexpr (std::is_same<T, float>::value) return round_to(which.dtype, value);
  return value;
}

// One row of one head: the rows of its keys, and its scaled scores.
template <class T>
struct Row {
  int document, head, row;
  int64_t at;                   // First element of the row in query and output.
  std::vector<int64_t> key_at;  // First element of each key it sees.
  std::vector<T> scores;
};

template <class T, class Visit>
void for_each_row(const AttentionCase& which, const AttentionInputs& inputs, Visit visit) {
  const int size = which.head_size;
  const int group = which.key_value_heads > 0 ? which.heads / which.key_value_heads : 1;
  const T scale = static_cast<T>(which.factor());
  for (int document = 0; document < which.documents(); document++) {
    for (int head = 0; head < which.heads; head++) {
      for (int query = 0; query < which.queries[static_cast<size_t>(document)]; query++) {
        Row<T> row;
        row.document = document;
        row.head = head;
        row.row = which.first_query(document) + query;
        row.at = (int64_t{row.row} * which.heads + head) * size;
        for (int key = 0; key < which.keys[static_cast<size_t>(document)]; key++) {
          if (!which.sees(document, query, key)) continue;
          const int64_t at = (int64_t{which.first_key(document) + key} * which.key_value_heads + head / group) * size;
          T sum = 0;
          for (int d = 0; d < size; d++) {
            sum += static_cast<T>(inputs.query[static_cast<size_t>(row.at + d)]) * static_cast<T>(inputs.key[static_cast<size_t>(at + d)]);
          }
          row.key_at.push_back(at);
          row.scores.push_back(sum * scale);
        }
        visit(row);
      }
    }
  }
}

}  // namespace

template <class T>
ForwardReference<T> forward_reference(const AttentionCase& which, const AttentionInputs& inputs) {
  ForwardReference<T> result;
  result.output.assign(inputs.query.size(), T(0));
  result.log_sum_exp.assign(static_cast<size_t>(which.heads) * static_cast<size_t>(which.query_tokens()), -std::numeric_limits<T>::infinity());
  for_each_row<T>(which, inputs, [&](Row<T>& row) {
    if (row.scores.empty()) return;
    const T maximum = *std::max_element(row.scores.begin(), row.scores.end());
    T sum = 0;
    for (T& score : row.scores) sum += score = std::exp(score - maximum);
    result.log_sum_exp[static_cast<size_t>(row.head) * static_cast<size_t>(which.query_tokens()) + static_cast<size_t>(row.row)] =
        maximum + std::log(sum);
    std::vector<T> output(static_cast<size_t>(which.head_size), T(0));
    for (size_t j = 0; j < row.scores.size(); j++) {
      const T probability = stored(which, row.scores[j] / sum);
      const float* const value = &inputs.value[static_cast<size_t>(row.key_at[j])];
      for (size_t d = 0; d < output.size(); d++) output[d] += probability * static_cast<T>(value[d]);
    }
    for (size_t d = 0; d < output.size(); d++) result.output[static_cast<size_t>(row.at) + d] = stored(which, output[d]);
  });
  return result;
}

template <class T>
BackwardReference<T> backward_reference(const AttentionCase& which, const AttentionInputs& inputs, const ForwardReference<T>& forward) {
  BackwardReference<T> result;
  result.query_gradient.assign(inputs.query.size(), T(0));
  result.key_gradient.assign(inputs.key.size(), T(0));
  result.value_gradient.assign(inputs.value.size(), T(0));
  const T scale = static_cast<T>(which.factor());
  for_each_row<T>(which, inputs, [&](Row<T>& row) {
    const size_t size = static_cast<size_t>(which.head_size);
    const size_t at = static_cast<size_t>(row.at);
    const float* const output_gradient = &inputs.output_gradient[at];
    T delta = 0;
    for (size_t d = 0; d < size; d++) delta += static_cast<T>(output_gradient[d]) * forward.output[at + d];
    const T log_sum_exp =
        forward.log_sum_exp[static_cast<size_t>(row.head) * static_cast<size_t>(which.query_tokens()) + static_cast<size_t>(row.row)];
    for (size_t j = 0; j < row.scores.size(); j++) {
      const size_t key_at = static_cast<size_t>(row.key_at[j]);
      const T probability = std::exp(row.scores[j] - log_sum_exp);
      T probability_gradient = 0;
      for (size_t d = 0; d < size; d++) probability_gradient += static_cast<T>(output_gradient[d]) * static_cast<T>(inputs.value[key_at + d]);
      // The scale is a factor of the finished sums where the products take bfloat16: it must not cost a rounding.
      const T score_gradient = stored(which, probability * (probability_gradient - delta));
      const T rounded = stored(which, probability);
      for (size_t d = 0; d < size; d++) {
        result.value_gradient[key_at + d] += rounded * static_cast<T>(output_gradient[d]);
        result.key_gradient[key_at + d] += score_gradient * static_cast<T>(inputs.query[at + d]);
        result.query_gradient[at + d] += score_gradient * static_cast<T>(inputs.key[key_at + d]);
      }
    }
  });
  for (T& value : result.query_gradient) value = stored(which, value * scale);
  for (T& value : result.key_gradient) value = stored(which, value * scale);
  for (T& value : result.value_gradient) value = stored(which, value);
  return result;
}

template ForwardReference<double> forward_reference<double>(const AttentionCase&, const AttentionInputs&);
template ForwardReference<float> forward_reference<float>(const AttentionCase&, const AttentionInputs&);
template BackwardReference<double> backward_reference<double>(const AttentionCase&, const AttentionInputs&, const ForwardReference<double>&);
template BackwardReference<float> backward_reference<float>(const AttentionCase&, const AttentionInputs&, const ForwardReference<float>&);

std::string DecodeCase::name() const {
  std::ostringstream text;
  text << "decode " << (dtype == MM1_DTYPE_FLOAT32 ? "float32" : "bfloat16") << " lengths";
  for (const int length : lengths) text << " " << length;
  text << " of " << max_length << ", " << query_length << " new, heads " << heads << "/" << key_value_heads << ", head size " << head_size;
  if (gap != 0) text << ", gap " << gap;
  if (offset != 0) text << ", offset " << offset;
  if (scaled) text << ", scale " << scale;
  return text.str();
}

AttentionCase DecodeCase::as_attention() const {
  AttentionCase which;
  which.dtype = dtype;
  which.mask = MM1_ATTENTION_MASK_CAUSAL;
  which.queries.assign(lengths.size(), query_length);
  which.keys = lengths;
  which.heads = heads;
  which.key_value_heads = key_value_heads;
  which.head_size = head_size;
  which.scaled = scaled;
  which.scale = scale;
  which.spread = spread;
  which.seed = seed;
  return which;
}

std::vector<float> cache_of(const DecodeCase& which, const std::vector<float>& packed, float filler) {
  const size_t columns = static_cast<size_t>(which.key_value_heads) * static_cast<size_t>(which.head_size);
  std::vector<float> cache(which.lengths.size() * static_cast<size_t>(which.max_length) * columns, filler);
  auto from = packed.begin();
  for (size_t sequence = 0; sequence < which.lengths.size(); sequence++) {
    const auto end = from + static_cast<std::ptrdiff_t>(static_cast<size_t>(which.lengths[sequence]) * columns);
    std::copy(from, end, cache.begin() + static_cast<std::ptrdiff_t>(sequence * static_cast<size_t>(which.max_length) * columns));
    from = end;
  }
  return cache;
}

}  // namespace test
