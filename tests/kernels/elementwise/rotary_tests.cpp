// Conformance of mm1_rotary_embedding. Without asynchronous operations: late, one seed and shadow.
#include "elementwise/elementwise.h"
#include "support/row_case.h"
#include "support/samples.h"

namespace test {

namespace {

constexpr int64_t kPositions = 50;

struct RotaryCase {
  mm1_rotary_style style;
  int64_t tokens, heads, head_size, rotary_size;
  int64_t padding = 0;
  int64_t offset = 0;
  int64_t table_padding = 0;

  RowShape shape() const { return {tokens, heads * head_size, padding, offset}; }
  std::string name() const {
    return "style " + std::to_string(style) + " heads " + std::to_string(heads) + "x" + std::to_string(head_size) + " rotary " +
           std::to_string(rotary_size) + " " + shape().name();
  }
};

std::vector<float> table_of(int64_t rotary) {
  std::vector<float> table;
  for (int64_t p = 0; p < kPositions; p++) {
    for (int64_t i = 0; i < rotary; i++) {
      const double angle = static_cast<double>(p) * std::pow(10000.0, -2.0 * static_cast<double>(i % (rotary / 2)) / static_cast<double>(rotary));
      table.push_back(static_cast<float>(i < rotary / 2 ? std::cos(angle) : std::sin(angle)));
    }
  }
  return table;
}

std::vector<int32_t> positions_of(int64_t tokens) {
  std::vector<int32_t> positions;
  for (int64_t t = 0; t < tokens; t++) positions.push_back(static_cast<int32_t>(mixed(static_cast<uint64_t>(t)) % kPositions));
  return positions;
}

std::vector<float> rotate(const RotaryCase& which, mm1_dtype dtype, bool inverse, bool in_place, const std::vector<int32_t>& positions) {
  const RowShape shape = which.shape();
  const auto x = row_buffer(dtype, shape, row_samples(1, dtype, shape.rows, shape.columns));
  const auto own = row_buffer(dtype, shape);
  const auto table = row_buffer(MM1_DTYPE_FLOAT32, {kPositions, which.rotary_size, which.table_padding}, table_of(which.rotary_size));
  DeviceBuffer places(MM1_DTYPE_INT32, which.tokens);
  places.upload_elements(positions);
  mm1_rotary_embedding_args args = mm1_rotary_embedding_args_default();
  args.style = which.style;
  args.inverse = inverse;
  args.tokens = which.tokens;
  args.heads = which.heads;
  args.head_size = which.head_size;
  args.rotary_size = which.rotary_size;
  args.max_position = kPositions;
  args.x = x->operand();
  args.output = (in_place ? *x : *own).operand();
  args.cosine_sine = table->operand();
  args.positions = static_cast<const int32_t*>(places.data());
  CHECK_OK(mm1_rotary_embedding(nullptr, &args, nullptr, 0));
  finish_call();
  return (in_place ? *x : *own).download();
}

template <class T>
T defined(const RotaryCase& which, bool inverse, const std::vector<float>& x, const std::vector<float>& table, const std::vector<int32_t>& positions,
          size_t index) {
  const int64_t token = static_cast<int64_t>(index) / which.shape().columns;
  const int64_t within = static_cast<int64_t>(index) % which.head_size;
  const int64_t half = which.rotary_size / 2;
  if (within >= which.rotary_size) return T(x[index]);
  const bool is_half = which.style == MM1_ROTARY_STYLE_HALF;
  const int64_t angle = is_half ? within % half : within / 2;
  const bool is_second = is_half ? within >= half : within % 2 == 1;
  const int64_t partner = is_half ? (is_second ? -half : half) : (is_second ? -1 : 1);
  const size_t row = static_cast<size_t>(positions[static_cast<size_t>(token)] * which.rotary_size);
  const T c = T(table[row + static_cast<size_t>(angle)]);
  const T s = T(table[row + static_cast<size_t>(half + angle)]) * T(inverse ? -1 : 1);
  const T own = T(x[index]), other = T(x[static_cast<size_t>(static_cast<int64_t>(index) + partner)]);
  return is_second ? other * s + own * c : own * c - other * s;
}

}  // namespace

TEST(rotary, both_styles_forwards_and_back) {
  size_t number = 0;
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const mm1_rotary_style style : {MM1_ROTARY_STYLE_HALF, MM1_ROTARY_STYLE_INTERLEAVED}) {
      const RotaryCase cases[] = {{style, 5, 4, 32, 32},    {style, 5, 3, 64, 24, 7},   {style, 7, 2, 10, 6},      {style, 3, 1, 7, 0},
                                  {style, 2, 1, 300, 298, 1}, {style, 1, 1, 2, 2},      {style, 0, 4, 8, 8},       {style, 4, 0, 8, 8},
                                  {style, 6, 2, 64, 32, 64},  {style, 3, 2, 32, 16, 0, 1}, {style, 3, 2, 128, 128, 0, 0, 1}};
      for (const RotaryCase& which : cases) {
        if (number++ % shadow_stride(3) != 0) continue;
        in_case(name_of(dtype) + (" " + which.name()), [&] {
          const std::vector<float> x = row_samples(1, dtype, which.tokens, which.shape().columns);
          const std::vector<float> table = table_of(which.rotary_size);
          const std::vector<int32_t> positions = positions_of(which.tokens);
          for (const bool inverse : {false, true}) {
            const std::vector<float> result = rotate(which, dtype, inverse, false, positions);
            check_elements("rotated", dtype, result, [&](auto zero, size_t i) {
              return defined<decltype(zero)>(which, inverse, x, table, positions, i);
            });
            check_same_bits("in place", rotate(which, dtype, inverse, true, positions), result);
          }
        });
      }
    }
  }
}

TEST(rotary, bits_depend_neither_on_alignment_nor_on_the_grid) {
  for (const mm1_dtype dtype : kComputeDtypes) {
    for (const mm1_rotary_style style : {MM1_ROTARY_STYLE_HALF, MM1_ROTARY_STYLE_INTERLEAVED}) {
      const RotaryCase which{style, 37, 3, 48, 32};
      RotaryCase unaligned = which;
      unaligned.padding = 3;
      unaligned.offset = 1;
      unaligned.table_padding = 1;
      RotaryCase alone = which;
      alone.tokens = 1;
      const std::vector<int32_t> positions = positions_of(37);
      const std::vector<float> result = rotate(which, dtype, false, false, positions);
      check_same_bits("unaligned", rotate(unaligned, dtype, false, false, positions), result);
      check_same_bits("alone", rotate(alone, dtype, false, false, positions_of(1)), std::vector<float>(result.begin(), result.begin() + 144));
      mm1::set_elementwise_blocks(1);
      const std::vector<float> looped = rotate(which, dtype, false, false, positions);
      mm1::set_elementwise_blocks(0);
      check_same_bits("one block", looped, result);
    }
  }
}

// A position that the table does not have: NaN in what is rotated, the rest is copied, other tokens are as ever.
TEST(rotary, positions_out_of_range_give_nan) {
  const RotaryCase which{MM1_ROTARY_STYLE_HALF, 3, 2, 24, 16};
  const std::vector<float> x = row_samples(1, MM1_DTYPE_FLOAT32, 3, 48);
  const std::vector<float> result = rotate(which, MM1_DTYPE_FLOAT32, false, false, {0, -1, static_cast<int32_t>(kPositions)});
  for (size_t i = 0; i < result.size(); i++) {
    const bool is_rotated = i % 24 < 16;
    if (i >= 48 && is_rotated) {
      CHECK(std::isnan(result[i]));
    } else {
      CHECK_EQUAL(x[i], result[i]);   // Position 0 turns by nothing.
    }
  }
}

}  // namespace test
