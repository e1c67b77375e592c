// Conformance of mm1_embedding_scatter_add.
#include "emulator/options.h"
#include "emulator/runtime.h"
#include "embedding/cases.h"
#include "embedding/embedding.h"
#include "mm1/runtime.h"
#include "support/agreement.h"
#include "test.h"

namespace test {

namespace {

struct ScatterCase {
  mm1_dtype dtype;
  std::vector<int64_t> ids;
  int64_t vocabulary;
  int64_t width;
  float beta;
  bool odd;  // int64 ids, unaligned rows.

  int64_t tokens() const { return static_cast<int64_t>(ids.size()); }
  std::string name() const {
    return name_of(dtype) + " " + std::to_string(tokens()) + " tokens, " + std::to_string(vocabulary) + "x" + std::to_string(width) +
           " beta " + show(beta);
  }
};

std::vector<float> run(const ScatterCase& which, const std::vector<float>& gradient) {
  DeviceBuffer rows(which.dtype, which.tokens(), which.width, which.width + (which.odd ? 3 : 0), which.odd);
  DeviceBuffer table(MM1_DTYPE_FLOAT32, which.vocabulary, which.width, which.width + (which.odd ? 5 : 0), which.odd);
  rows.upload(gradient);
  if (which.beta != 0) table.upload(rows_of(2, MM1_DTYPE_FLOAT32, which.vocabulary, which.width));
  IdBuffer ids(which.ids, which.odd);
  mm1_embedding_scatter_add_args args = mm1_embedding_scatter_add_args_default();
  args.tokens = which.tokens();
  args.vocabulary = which.vocabulary;
  args.width = which.width;
  args.ids = ids.buffer.operand();
  args.output_gradient = rows.operand();
  args.table_gradient = table.operand();
  args.beta = which.beta;
  const int64_t bytes = mm1_embedding_scatter_add_workspace_bytes(&args);
  CHECK(bytes >= 0);
  void* workspace = nullptr;
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  CHECK_OK(mm1_embedding_scatter_add(nullptr, &args, workspace, bytes));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  CHECK_OK(mm1_memory_free(workspace));
  return table.download();
}

std::vector<float> gradient_of(const ScatterCase& which) { return rows_of(1, which.dtype, which.tokens(), which.width); }

template <class T>
std::vector<T> by_definition(const ScatterCase& which) {
  const std::vector<float> gradient = gradient_of(which), old = rows_of(2, MM1_DTYPE_FLOAT32, which.vocabulary, which.width);
  std::vector<T> table(old.size(), T(0));
  for (size_t t = 0; t < which.ids.size(); t++) {
    if (which.ids[t] < 0 || which.ids[t] >= which.vocabulary) continue;
    for (size_t c = 0; c < static_cast<size_t>(which.width); c++) {
      table[static_cast<size_t>(which.ids[t] * which.width) + c] += static_cast<T>(gradient[t * static_cast<size_t>(which.width) + c]);
    }
  }
  for (size_t i = 0; which.beta != 0 && i < table.size(); i++) table[i] += static_cast<T>(which.beta) * static_cast<T>(old[i]);
  return table;
}

void check(const ScatterCase& which) {
  check_agreement(which.name(), MM1_DTYPE_FLOAT32, run(which, gradient_of(which)), by_definition<double>(which),
                  by_definition<float>(which));
}

}  // namespace

TEST(embedding_scatter_add, agrees) {
  struct Shape {
    int64_t tokens, vocabulary, width;
  };
  for (const mm1_dtype dtype : kRowDtypes) {
    for (const Shape& shape : {Shape{0, 5, 4},
                               {7, 1, 1},
                               {1, 3, 0},
                               {5, 9, 17},
                               {64, 128, 64},
                               {300, 50, 33},
                               {700, 3, 40},
                               {2500, 300, 8},
                               {40, 70000, 1},
                               {0, 0, 8}}) {
      for (const float beta : {0.0f, 1.0f, -0.75f}) {
        for (const bool odd : {false, true}) {
#ifdef MM1_SHADOW
          if (shape.vocabulary > 1000 || (odd && shape.tokens > 100)) continue;
#endif
          if (shape.vocabulary > 1000 && (odd || beta < 0)) continue;
          check({dtype, ids_of(shape.tokens, std::max<int64_t>(shape.vocabulary, 1)), shape.vocabulary, shape.width, beta, odd});
        }
      }
    }
  }
}

TEST(embedding_scatter_add, ids_outside_the_table_are_skipped) {
  for (const bool odd : {false, true}) {
    for (const float beta : {0.0f, 1.0f}) check({MM1_DTYPE_FLOAT32, {0, -1, 5, 6, 5, -2147483647 - 1, 2147483647, 0}, 6, 5, beta, odd});
  }
  check({MM1_DTYPE_FLOAT32, {0, int64_t{1} << 32, -(int64_t{1} << 33), 1}, 6, 5, 0, true});
  check({MM1_DTYPE_FLOAT32, std::vector<int64_t>(300, 6), 6, 5, 1, false});
}

// A row has the same bits whatever other tokens there are and wherever its own are among them, however rows lie, and every time: also that
// of an id with many pieces.
TEST(embedding_scatter_add, other_tokens_do_not_change_a_row) {
  const int64_t width = 12, vocabulary = 8;
  for (const mm1_dtype dtype : kRowDtypes) {
    const ScatterCase all{dtype, ids_of(900, vocabulary), vocabulary, width, 0, false};
    const std::vector<float> gradient = gradient_of(all), together = run(all, gradient);
    check_same_bits("again", run(all, gradient), together);
    ScatterCase odd = all;
    odd.odd = true;
    check_same_bits("unaligned", run(odd, gradient), together);
    for (int64_t id = 0; id < vocabulary; id += 7) {
      ScatterCase alone{dtype, {}, vocabulary, width, 0, false};
      std::vector<float> own;
      for (size_t t = 0; t < all.ids.size(); t++) {
        if (all.ids[t] != id) continue;
        alone.ids.push_back(id);
        own.insert(own.end(), gradient.begin() + static_cast<int64_t>(t) * width, gradient.begin() + static_cast<int64_t>(t + 1) * width);
      }
      const std::vector<float> row = run(alone, own);
      check_same_bits("row " + std::to_string(id), {row.begin() + id * width, row.begin() + (id + 1) * width},
                      {together.begin() + id * width, together.begin() + (id + 1) * width});
    }
  }
}

// Pieces of 128 tokens, in ascending order. One large value shows which sums it swallows.
TEST(embedding_scatter_add, pieces_are_summed_in_ascending_order) {
  for (const int64_t before : {0, 1, 127, 128, 129, 300}) {  // Tokens of a lower id: where the pieces lie must not matter.
    const int64_t own = 400;
    ScatterCase which{MM1_DTYPE_FLOAT32, {}, 2, 1, 0, false};
    std::vector<float> gradient;
    float expected = 0;
    for (int64_t t = 0; t < own; t++) {
      which.ids.push_back(1);
      gradient.push_back(t == 70 ? 16777216.0f : 1.0f);  // 2^24: adding 1 to it changes nothing.
    }
    for (int64_t t = 0; t < before; t++) {
      which.ids.push_back(0);
      gradient.push_back(2.0f);
    }
    for (int64_t piece = 0; piece < own; piece += mm1::kScatterPiece) {
      float sum = 0;
      for (int64_t t = piece; t < own && t < piece + mm1::kScatterPiece; t++) sum += gradient[static_cast<size_t>(t)];
      expected = piece == 0 ? sum : expected + sum;
    }
    const std::vector<float> table = run(which, gradient);
    CHECK_EQUAL(2.0f * static_cast<float>(before), table[0]);
    CHECK_EQUAL(expected, table[1]);
  }
}

// With beta 1 a row that no token names stays as it is: NaN is not touched, nor a zero's sign.
TEST(embedding_scatter_add, rows_without_tokens_stay) {
  DeviceBuffer rows(MM1_DTYPE_FLOAT32, 2, 2, 2), table(MM1_DTYPE_FLOAT32, 3, 2, 2);
  rows.upload({1, 2, 3, 4});
  table.upload({10, 20, -0.0f, NAN, 5, 6});
  IdBuffer ids({2, 0}, false);
  mm1_embedding_scatter_add_args args = mm1_embedding_scatter_add_args_default();
  args.tokens = 2;
  args.vocabulary = 3;
  args.width = 2;
  args.ids = ids.buffer.operand();
  args.output_gradient = rows.operand();
  args.table_gradient = table.operand();
  args.beta = 1;
  void* workspace = nullptr;
  const int64_t bytes = mm1_embedding_scatter_add_workspace_bytes(&args);
  CHECK_OK(mm1_memory_allocate(bytes, &workspace));
  CHECK_OK(mm1_embedding_scatter_add(nullptr, &args, workspace, bytes));
  check_same_bits("table", table.download(), {13, 24, -0.0f, NAN, 6, 8});
  CHECK_OK(mm1_memory_free(workspace));
}

TEST(embedding_scatter_add, layouts_of_the_workspace) {
  CHECK_EQUAL(int64_t{0}, mm1::scatter_workspace(0, 100).bytes);
  for (const int64_t tokens : {1, 127, 128, 2048, 2049, 100000}) {
    const mm1::ScatterWorkspace layout = mm1::scatter_workspace(tokens, 24);
    CHECK(layout.partial % 16 == 0 && layout.keys % 4 == 0);
    CHECK_EQUAL(layout.partial + tokens / 128 * 24 * 4, layout.keys);
    CHECK_EQUAL(layout.keys + 8 * tokens, layout.order);
    CHECK_EQUAL(layout.order + 8 * tokens, layout.counts);
    CHECK_EQUAL(layout.counts + (tokens + 2047) / 2048 * 1024, layout.bytes);
  }
  CHECK_EQUAL(1, mm1::sort_passes(255));
  CHECK_EQUAL(2, mm1::sort_passes(256));
  CHECK_EQUAL(2, mm1::sort_passes(65535));
  CHECK_EQUAL(3, mm1::sort_passes(65536));
  CHECK_EQUAL(4, mm1::sort_passes(2147483647));
}

}  // namespace test
