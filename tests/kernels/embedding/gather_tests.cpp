// mm1_embedding_gather and mm1_image_token_placement, both ways: copies, to the bit.
#include <algorithm>

#include "emulator/runtime.h"
#include "embedding/cases.h"
#include "embedding/embedding.h"
#include "mm1/runtime.h"
#include "support/agreement.h"
#include "support/budget.h"
#include "test.h"

namespace test {

namespace {

void finish() {
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
}

void append_row(std::vector<float>* to, const std::vector<float>& from, int64_t row, int64_t width) {
  to->insert(to->end(), from.begin() + row * width, from.begin() + (row + 1) * width);
}

// Where both are NaN the bits do not matter.
void check_rows(const std::string& what, std::vector<float> actual, std::vector<float> expected) {
  CHECK_EQUAL(expected.size(), actual.size());
  for (size_t i = 0; i < expected.size(); i++) {
    if (std::isnan(expected[i]) && std::isnan(actual[i])) actual[i] = expected[i] = 0;
  }
  check_same_bits(what, actual, expected);
}

// About half of the image rows named, each by one token, in no order.
std::vector<int32_t> placement_of(int64_t tokens, int64_t image_tokens) {
  std::vector<int32_t> placement(static_cast<size_t>(tokens), -1), rows;
  for (int64_t row = 0; row < image_tokens; row++) rows.push_back(static_cast<int32_t>(row));
  std::sort(rows.begin(), rows.end(),
            [](int32_t a, int32_t b) { return mixed(static_cast<uint64_t>(a)) < mixed(static_cast<uint64_t>(b)); });
  const int64_t named = std::min(tokens, (image_tokens + 1) / 2);
  for (int64_t i = 0; i < named; i++) placement[static_cast<size_t>((i * 7 + 3) % tokens)] = -2;
  size_t next = 0;
  for (int32_t& place : placement) {
    if (place == -2) place = rows[next++];
  }
  return placement;
}

struct Shape {
  int64_t tokens, rows, width;
};

}  // namespace

TEST(embedding, gather_copies_rows) {
  for (const mm1_dtype dtype : kRowDtypes) {
    for (const Shape& shape : {Shape{0, 5, 4}, {7, 1, 1}, {1, 3, 0}, {5, 9, 17}, {33, 4, 31}, {64, 128, 64}, {9, 5, 1300}, {0, 0, 8}}) {
      for (const int64_t odd : {0, 1}) {
        const std::vector<float> values = rows_of(1, dtype, shape.rows, shape.width);
        std::vector<int64_t> ids = ids_of(shape.tokens, std::max<int64_t>(shape.rows, 1));
        if (ids.size() > 4) {
          ids[1] = shape.rows;  // Outside: a row of NaN.
          ids[3] = -1;
        }
        const std::vector<float> nothing(static_cast<size_t>(shape.width), NAN);
        std::vector<float> expected;
        for (const int64_t id : ids)
          append_row(&expected, id >= 0 && id < shape.rows ? values : nothing, id >= 0 && id < shape.rows ? id : 0, shape.width);
        DeviceBuffer table(dtype, shape.rows, shape.width, shape.width + 3 * odd, odd),
            output(dtype, shape.tokens, shape.width, shape.width + 5 * odd, odd);
        table.upload(values);
        IdBuffer id_buffer(ids, odd == 1);
        mm1_embedding_gather_args args = mm1_embedding_gather_args_default();
        args.tokens = shape.tokens;
        args.vocabulary = shape.rows;
        args.width = shape.width;
        args.ids = id_buffer.buffer.operand();
        args.table = table.operand();
        args.output = output.operand();
        CHECK_OK(mm1_embedding_gather(nullptr, &args, nullptr, 0));
        finish();
        check_rows(name_of(dtype) + " gather", output.download(), expected);
      }
    }
  }
}

TEST(embedding, placement_puts_rows_in_and_takes_them_out) {
  for (const mm1_dtype dtype : kRowDtypes) {
    for (const Shape& shape : {Shape{0, 3, 4}, {5, 0, 4}, {4, 2, 0}, {1, 1, 1}, {30, 9, 17}, {70, 33, 136}}) {
      for (const int64_t odd : {0, 1}) {
        const std::vector<int32_t> placement = placement_of(shape.tokens, shape.rows);
        const std::vector<float> text = rows_of(1, dtype, shape.tokens, shape.width), image = rows_of(2, dtype, shape.rows, shape.width);
        const std::vector<float> nothing(static_cast<size_t>(shape.width), 0.0f);
        std::vector<float> placed, expected_text, expected_image(image.size(), 0.0f);
        for (int64_t t = 0; t < shape.tokens; t++) {
          const int32_t place = placement[static_cast<size_t>(t)];
          append_row(&placed, place < 0 ? text : image, place < 0 ? t : place, shape.width);
          append_row(&expected_text, place < 0 ? text : nothing, place < 0 ? t : 0, shape.width);
          if (place >= 0)
            std::copy(text.begin() + t * shape.width, text.begin() + (t + 1) * shape.width, expected_image.begin() + place * shape.width);
        }
        DeviceBuffer places(MM1_DTYPE_INT32, shape.tokens);
        places.upload_elements(placement);
        const int64_t stride = shape.width + 3 * odd;
        for (const bool in_place : {false, true}) {
          DeviceBuffer text_buffer(dtype, shape.tokens, shape.width, stride, odd),
              image_buffer(dtype, shape.rows, shape.width, stride, odd);
          DeviceBuffer output(dtype, shape.tokens, shape.width, stride, odd);
          text_buffer.upload(text);
          image_buffer.upload(image);
          mm1_image_token_placement_forward_args args = mm1_image_token_placement_forward_args_default();
          args.tokens = shape.tokens;
          args.image_tokens = shape.rows;
          args.width = shape.width;
          args.placement = places.operand();
          args.text = text_buffer.operand();
          args.image = image_buffer.operand();
          args.output = in_place ? text_buffer.operand() : output.operand();
          CHECK_OK(mm1_image_token_placement_forward(nullptr, &args, nullptr, 0));
          finish();
          check_same_bits(name_of(dtype) + " placement", in_place ? text_buffer.download() : output.download(), placed);
        }
        // Backward, the text as if it were the output's gradient: both, in place, text alone, image alone.
        for (int way = 0; way < 4; way++) {
          DeviceBuffer gradient(dtype, shape.tokens, shape.width, stride, odd),
              text_gradient(dtype, shape.tokens, shape.width, stride, odd);
          DeviceBuffer image_gradient(dtype, shape.rows, shape.width, stride, odd);
          gradient.upload(text);
          mm1_image_token_placement_backward_args args = mm1_image_token_placement_backward_args_default();
          args.tokens = shape.tokens;
          args.image_tokens = shape.rows;
          args.width = shape.width;
          args.placement = places.operand();
          args.output_gradient = gradient.operand();
          if (way != 3) args.text_gradient = way == 1 ? gradient.operand() : text_gradient.operand();
          if (way != 2) args.image_gradient = image_gradient.operand();
          CHECK_OK(mm1_image_token_placement_backward(nullptr, &args, nullptr, 0));
          finish();
          if (way != 3)
            check_same_bits(name_of(dtype) + " text gradient", way == 1 ? gradient.download() : text_gradient.download(), expected_text);
          if (way != 2) check_same_bits(name_of(dtype) + " image gradient", image_gradient.download(), expected_image);
        }
      }
    }
  }
}

TEST(embedding, a_placement_beyond_the_image_gives_nan) {
  DeviceBuffer places(MM1_DTYPE_INT32, 2), text(MM1_DTYPE_FLOAT32, 2, 3, 3), image(MM1_DTYPE_FLOAT32, 1, 3, 3),
      output(MM1_DTYPE_FLOAT32, 2, 3, 3);
  places.upload_elements(std::vector<int32_t>{0, 1});
  text.upload({1, 2, 3, 4, 5, 6});
  image.upload({7, 8, 9});
  mm1_image_token_placement_forward_args args = mm1_image_token_placement_forward_args_default();
  args.tokens = 2;
  args.image_tokens = 1;
  args.width = 3;
  args.placement = places.operand();
  args.text = text.operand();
  args.image = image.operand();
  args.output = output.operand();
  CHECK_OK(mm1_image_token_placement_forward(nullptr, &args, nullptr, 0));
  finish();
  check_rows("placement", output.download(), {7, 8, 9, NAN, NAN, NAN});
}

TEST(embedding, budgets_fit_every_profile) {
  for (const mm1::KernelBudget& budget : mm1::kEmbeddingBudgets) check_budget(budget);
}

}  // namespace test
