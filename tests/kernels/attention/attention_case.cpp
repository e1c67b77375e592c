#include "attention_case.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <sstream>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "support/samples.h"
#include "test.h"

namespace test {

namespace {

enum Purpose { kQuery = 11, kKey, kValue, kOutputGradient };

int sum_of(const std::vector<int>& lengths, size_t count) {
  return std::accumulate(lengths.begin(), lengths.begin() + static_cast<std::ptrdiff_t>(count), 0);
}

int longest(const std::vector<int>& lengths) { return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end()); }

std::vector<float> matrix(const AttentionCase& which, Purpose purpose, int rows, int columns, double deviation, double shift) {
  std::vector<float> values;
  values.reserve(static_cast<size_t>(rows) * static_cast<size_t>(columns));
  for (int r = 0; r < rows; r++) {
    for (int c = 0; c < columns; c++) {
      const double value = shift + deviation * normal_sample(static_cast<uint64_t>(purpose), which.seed, r, c);
      values.push_back(round_to(which.dtype, static_cast<float>(value)));
    }
  }
  return values;
}

std::vector<int> offsets_of(const std::vector<int>& lengths) {
  std::vector<int> offsets = {0};
  for (const int length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

void list(std::ostringstream& text, const char* what, const std::vector<int>& values) {
  text << what;
  for (size_t i = 0; i < values.size(); i++) text << (i == 0 ? " " : ",") << values[i];
}

// Columns [first, first + columns) of rows of `width`.
std::vector<float> columns_of(const std::vector<float>& values, int width, int first, int columns) {
  std::vector<float> result;
  for (size_t row = 0; row * static_cast<size_t>(width) < values.size(); row++) {
    const auto from = values.begin() + static_cast<std::ptrdiff_t>(row * static_cast<size_t>(width)) + first;
    result.insert(result.end(), from, from + columns);
  }
  return result;
}

mm1_operand moved(mm1_operand operand, int64_t elements, int64_t element_bytes) {
  operand.data = static_cast<char*>(operand.data) + elements * element_bytes;
  return operand;
}

// Verbs through the library's table, as a caller who loads the library reaches them.
const mm1_api& api() {
  static const mm1_api table = [] {
    mm1_api filled{};
    filled.struct_size = sizeof filled;
    CHECK_OK(mm1_get_api(MM1_ABI_VERSION, &filled));
    return filled;
  }();
  return table;
}

// A workspace of just the bytes that a call asks for.
class Workspace {
 public:
  explicit Workspace(int64_t bytes) : bytes_(bytes) {
    CHECK_MESSAGE(bytes >= 0, mm1_get_last_error_message());
    if (bytes > 0) CHECK_OK(mm1_memory_allocate(bytes, &memory_));
  }
  ~Workspace() {
    if (memory_ != nullptr) mm1_memory_free(memory_);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  void* data() const { return memory_; }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_;
  void* memory_ = nullptr;
};

}  // namespace

std::string AttentionCase::name() const {
  static const char* const kMasks[] = {"full", "causal", "prefix"};
  std::ostringstream text;
  text << (dtype == MM1_DTYPE_FLOAT32 ? "float32 " : "bfloat16 ") << kMasks[mask];
  list(text, " queries", queries);
  list(text, ", keys", keys);
  if (!prefixes.empty()) list(text, ", prefixes", prefixes);
  text << ", heads " << heads << "/" << key_value_heads << ", head size " << head_size << (packed ? "" : ", batch");
  if (extra != 0) text << ", " << extra << " rows behind";
  if (layout != AttentionLayout::plain) text << (layout == AttentionLayout::gaps ? ", gaps of " + std::to_string(gap) : ", fused");
  if (offset != 0) text << ", offset " << offset;
  if (!log_sum_exp) text << ", no log-sum-exp";
  if (scaled) text << ", scale " << scale;
  if (spread != 1) text << ", spread " << spread;
  if (shift != 0) text << ", shift " << shift;
  return text.str();
}

int AttentionCase::query_tokens() const { return sum_of(queries, queries.size()) + extra; }
int AttentionCase::key_tokens() const { return sum_of(keys, keys.size()) + extra; }
float AttentionCase::factor() const { return scaled ? scale : 1 / std::sqrt(static_cast<float>(head_size)); }
int AttentionCase::first_query(int document) const { return sum_of(queries, static_cast<size_t>(document)); }
int AttentionCase::first_key(int document) const { return sum_of(keys, static_cast<size_t>(document)); }

bool AttentionCase::sees(int document, int query, int key) const {
  const size_t d = static_cast<size_t>(document);
  return mask == MM1_ATTENTION_MASK_FULL || key <= query + keys[d] - queries[d] || (mask == MM1_ATTENTION_MASK_PREFIX && key < prefixes[d]);
}

AttentionInputs inputs_of(const AttentionCase& which) {
  AttentionInputs inputs;
  inputs.query = matrix(which, kQuery, which.query_tokens(), which.columns(), which.spread, std::fabs(which.shift));
  inputs.key = matrix(which, kKey, which.key_tokens(), which.key_columns(), which.spread, which.shift < 0 ? -1 : which.shift > 0 ? 1 : 0);
  inputs.value = matrix(which, kValue, which.key_tokens(), which.key_columns(), 1, 0);
  inputs.output_gradient = matrix(which, kOutputGradient, which.query_tokens(), which.columns(), 1, 0);
  return inputs;
}

std::vector<float> rows_of(const std::vector<float>& values, int first, int count, int columns) {
  const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first) * columns;
  return std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(count) * columns);
}

AttentionPart part_of(const AttentionCase& whole, const AttentionInputs& inputs, int document, int first_query, int queries, int keys) {
  const size_t d = static_cast<size_t>(document);
  const int count = queries < 0 ? whole.queries[d] - first_query : queries;
  const int key_count = keys < 0 ? whole.keys[d] : keys;
  const int query_row = whole.first_query(document) + first_query, key_row = whole.first_key(document);
  AttentionPart part{whole, {}};
  part.which.queries = {count};
  part.which.keys = {key_count};
  if (!whole.prefixes.empty()) part.which.prefixes = {whole.prefixes[d]};
  part.which.extra = 0;
  part.inputs.query = rows_of(inputs.query, query_row, count, whole.columns());
  part.inputs.output_gradient = rows_of(inputs.output_gradient, query_row, count, whole.columns());
  part.inputs.key = rows_of(inputs.key, key_row, key_count, whole.key_columns());
  part.inputs.value = rows_of(inputs.value, key_row, key_count, whole.key_columns());
  return part;
}

std::unique_ptr<DeviceBuffer> device_integers(const std::vector<int>& values) {
  std::vector<float> bits(values.size());
  if (!values.empty()) std::memcpy(bits.data(), values.data(), values.size() * sizeof(int));
  auto buffer = std::make_unique<DeviceBuffer>(MM1_DTYPE_FLOAT32, static_cast<int64_t>(values.size()));
  buffer->upload(bits);
  return buffer;
}

AttentionOperands::AttentionOperands(const AttentionCase& which, const AttentionInputs& inputs)
    : case_(which), forward_(mm1_flash_attention_forward_args_default()), backward_(mm1_flash_attention_backward_args_default()) {
  const int64_t queries = which.query_tokens(), keys = which.key_tokens(), columns = which.columns(), key_columns = which.key_columns();
  const int64_t gap = which.layout == AttentionLayout::gaps ? which.gap : 0;
  const auto buffer = [&](int64_t rows, int64_t width, int64_t gaps) {
    return std::make_unique<DeviceBuffer>(which.dtype, rows, width, width + gaps * gap, which.offset);
  };
  mm1_operand in[3], out[3];
  if (which.layout == AttentionLayout::fused) {
    CHECK_EQUAL(queries, keys);
    const int64_t width = columns + 2 * key_columns;
    std::vector<float> fused;
    for (int row = 0; row < queries; row++) {
      for (const auto& part : {rows_of(inputs.query, row, 1, which.columns()), rows_of(inputs.key, row, 1, which.key_columns()),
                               rows_of(inputs.value, row, 1, which.key_columns())}) {
        fused.insert(fused.end(), part.begin(), part.end());
      }
    }
    inputs_.push_back(buffer(queries, width, 0));
    inputs_[0]->upload(fused);
    gradients_.push_back(buffer(queries, width, 0));
    const int64_t bytes = inputs_[0]->element_bytes();
    const int64_t first[] = {0, columns, columns + key_columns};
    for (int i = 0; i < 3; i++) {
      in[i] = moved(inputs_[0]->operand(), first[i], bytes);
      out[i] = moved(gradients_[0]->operand(), first[i], bytes);
    }
  } else {
    const std::vector<float>* const values[] = {&inputs.query, &inputs.key, &inputs.value};
    for (int i = 0; i < 3; i++) {
      inputs_.push_back(buffer(i == 0 ? queries : keys, i == 0 ? columns : key_columns, i + 1));
      inputs_.back()->upload(*values[i]);
      gradients_.push_back(buffer(i == 0 ? queries : keys, i == 0 ? columns : key_columns, 3 - i));
      in[i] = inputs_.back()->operand();
      out[i] = gradients_.back()->operand();
    }
  }
  output_ = buffer(queries, columns, 5);
  output_gradient_ = buffer(queries, columns, 1);
  output_gradient_->upload(inputs.output_gradient);
  log_sum_exp_ = std::make_unique<DeviceBuffer>(MM1_DTYPE_FLOAT32, which.heads, queries, queries + gap, which.offset);

  forward_.mask = which.mask;
  forward_.scale = which.factor();
  forward_.batch = which.documents();
  forward_.heads = which.heads;
  forward_.key_value_heads = which.key_value_heads;
  forward_.head_size = which.head_size;
  forward_.query_tokens = queries;
  forward_.key_tokens = keys;
  forward_.max_query_length = longest(which.queries) + (which.packed ? which.spare : 0);
  forward_.max_key_length = longest(which.keys) + (which.packed ? which.spare : 0);
  if (which.packed) {
    query_offsets_ = device_integers(offsets_of(which.queries));
    key_offsets_ = device_integers(offsets_of(which.keys));
    forward_.cu_seqlens_query = static_cast<const int32_t*>(query_offsets_->data());
    forward_.cu_seqlens_key = static_cast<const int32_t*>(key_offsets_->data());
  }
  if (which.mask == MM1_ATTENTION_MASK_PREFIX) {
    prefixes_ = device_integers(which.prefixes);
    forward_.prefix_lengths = static_cast<const int32_t*>(prefixes_->data());
  }
  forward_.query = in[0];
  forward_.key = in[1];
  forward_.value = in[2];
  forward_.output = output_->operand();
  if (which.log_sum_exp) forward_.log_sum_exp = log_sum_exp_->operand();
  backward_.forward = forward_;
  backward_.forward.log_sum_exp = log_sum_exp_->operand();
  backward_.output_gradient = output_gradient_->operand();
  backward_.query_gradient = out[0];
  backward_.key_gradient = out[1];
  backward_.value_gradient = out[2];
}

void AttentionOperands::run_forward() {
  CHECK(api().flash_attention_forward != nullptr);
  Workspace workspace(api().flash_attention_forward_workspace_bytes(&forward_));
  CHECK_OK(api().flash_attention_forward(nullptr, &forward_, workspace.data(), workspace.bytes()));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
}

void AttentionOperands::run_backward() {
  CHECK(api().flash_attention_backward != nullptr);
  Workspace workspace(api().flash_attention_backward_workspace_bytes(&backward_));
  CHECK_OK(api().flash_attention_backward(nullptr, &backward_, workspace.data(), workspace.bytes()));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
}

std::vector<float> AttentionOperands::output() const { return output_->download(); }
std::vector<float> AttentionOperands::log_sum_exp() const { return log_sum_exp_->download(); }

std::vector<float> AttentionOperands::gradient(int which, int columns, int first_column) const {
  if (gradients_.size() == 3) return gradients_[static_cast<size_t>(which)]->download();
  return columns_of(gradients_[0]->download(), case_.columns() + 2 * case_.key_columns(), first_column, columns);
}

std::vector<float> AttentionOperands::query_gradient() const { return gradient(0, case_.columns(), 0); }
std::vector<float> AttentionOperands::key_gradient() const { return gradient(1, case_.key_columns(), case_.columns()); }
std::vector<float> AttentionOperands::value_gradient() const {
  return gradient(2, case_.key_columns(), case_.columns() + case_.key_columns());
}

void AttentionOperands::set_forward_results(const std::vector<float>& output, const std::vector<float>& log_sum_exp) {
  output_->upload(output);
  log_sum_exp_->upload(log_sum_exp);
}

}  // namespace test
