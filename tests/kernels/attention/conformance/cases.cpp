// Sizes are small enough for the emulator and for a float64 loop; every instance, mask, layout and edge of a tile is in the list.
#include "cases.h"

namespace attention_test {

namespace {

using test::AttentionCase;
using test::AttentionLayout;
using test::DecodeCase;

class List {
 public:
  explicit List(mm1_dtype dtype) : dtype_(dtype) {}

  AttentionCase& attention(mm1_attention_mask mask, std::vector<int> queries, std::vector<int> keys, int heads, int key_value_heads, int head_size) {
    Case added;
    added.attention.dtype = dtype_;
    added.attention.mask = mask;
    added.attention.queries = std::move(queries);
    added.attention.keys = std::move(keys);
    added.attention.heads = heads;
    added.attention.key_value_heads = key_value_heads;
    added.attention.head_size = head_size;
    all.push_back(std::move(added));
    return all.back().attention;
  }

  void decode(std::vector<int> lengths, int query_length, int max_length, int heads, int key_value_heads, int head_size, int gap = 0, int offset = 0) {
    Case added;
    added.decodes = true;
    added.decode.dtype = dtype_;
    added.decode.lengths = std::move(lengths);
    added.decode.query_length = query_length;
    added.decode.max_length = max_length;
    added.decode.heads = heads;
    added.decode.key_value_heads = key_value_heads;
    added.decode.head_size = head_size;
    added.decode.gap = gap;
    added.decode.offset = offset;
    all.push_back(std::move(added));
  }

  std::vector<Case> all;

 private:
  mm1_dtype dtype_;
};

constexpr mm1_attention_mask kFull = MM1_ATTENTION_MASK_FULL;
constexpr mm1_attention_mask kCausal = MM1_ATTENTION_MASK_CAUSAL;
constexpr mm1_attention_mask kPrefix = MM1_ATTENTION_MASK_PREFIX;

std::vector<Case> smoke(mm1_dtype dtype) {
  List list(dtype);
  list.attention(kFull, {70}, {130}, 2, 1, 64);
  list.attention(kCausal, {128}, {128}, 1, 1, 128);
  list.attention(kPrefix, {60, 9}, {60, 75}, 2, 2, 40).prefixes = {23, 70};
  AttentionCase& packed = list.attention(kCausal, {0, 5, 64, 1, 130, 0}, {0, 5, 64, 1, 130, 0}, 4, 2, 80);
  packed.extra = 7;
  packed.layout = AttentionLayout::fused;
  AttentionCase& unaligned = list.attention(kCausal, {37}, {51}, 2, 1, 32);
  unaligned.layout = AttentionLayout::gaps;
  unaligned.gap = 3;
  unaligned.offset = 1;
  list.decode({77, 0, 300}, 1, 300, 8, 2, 64);
  return list.all;
}

std::vector<Case> all(mm1_dtype dtype) {
  List list(dtype);
  list.all = smoke(dtype);
  // Pairs of lengths.
  for (const auto& lengths : {std::pair<int, int>{1, 1}, {239, 1}, {799, 3}, {127, 128}, {257, 255}, {0, 19}, {19, 0}}) {
    list.attention(kCausal, {lengths.first}, {lengths.second}, 1, 1, 32);
  }
  // Heads enough that the error of no single score decides: in one head's three rows one probability outweighs all others.
  list.attention(kCausal, {3}, {300}, 8, 8, 32);
  list.attention(kFull, {}, {}, 2, 2, 32);
  for (const int head_size : {8, 24, 32, 64, 72, 96, 104, 128, 136, 200, 256}) list.attention(kCausal, {77}, {101}, 2, 1, head_size);
  AttentionCase& uniform = list.attention(kFull, {48, 48}, {96, 96}, 2, 2, 32);
  uniform.packed = false;
  uniform.extra = 5;
  list.attention(kCausal, {5, 0, 64, 17, 9}, {7, 12, 40, 17, 0}, 2, 2, 32).extra = 3;
  list.attention(kPrefix, {60, 60, 90, 10}, {60, 60, 30, 75}, 2, 2, 96).prefixes = {0, 99, 20, 70};
  // Exponentials of the log-sum-exp under- and overflow, 64 rows beyond a multiple of 128; sharp rows; other factors.
  for (const double shift : {-40.0, -20.0, 25.0}) list.attention(kCausal, {192}, {192}, 1, 1, 64).shift = shift;
  list.attention(kCausal, {192}, {192}, 1, 1, 80).shift = -34;
  list.attention(kFull, {64}, {192}, 1, 1, 64).shift = 13;
  list.attention(kCausal, {92}, {92}, 1, 1, 32).spread = 6;
  for (const float scale : {0.0f, -0.25f}) {
    AttentionCase& scaled = list.attention(kFull, {33}, {65}, 1, 1, 32);
    scaled.scaled = true;
    scaled.scale = scale;
  }
  list.decode({15, 16, 17, 63, 65, 127}, 1, 130, 8, 2, 64);
  list.decode({255, 256, 257, 300}, 2, 300, 2, 1, 32);
  list.decode({5, 100}, 70, 150, 2, 1, 24);
  list.decode({530}, 20, 600, 2, 2, 8);
  for (const int head_size : {8, 80, 128, 200, 256}) list.decode({37, 270}, 2, 270, 2, 1, head_size);
  list.decode({33, 290}, 2, 291, 4, 2, 48, 3, 1);
  return list.all;
}

}  // namespace

std::vector<Case> cases(const std::string& list) {
  std::vector<Case> result;
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32}) {
    const std::vector<Case> part = list == "all" ? all(dtype) : list == "smoke" || list == "small" ? smoke(dtype) : std::vector<Case>();
    result.insert(result.end(), part.begin(), part.end());
  }
  return result;
}

}  // namespace attention_test
