// The list. Sizes are small enough for the emulator and for a float64 loop; every kernel, loader, tile tail and epilogue is in it.
#include "gemm_case.h"

namespace gemm_test {

namespace {

Case named(const char* name, const char* layout, int64_t m, int64_t n, int64_t k) {
  Case test;
  test.name = name;
  test.layout = layout;
  test.m = m;
  test.n = n;
  test.k = k;
  return test;
}

template <class Change>
Case with(Case test, Change change) {
  change(test);
  return test;
}

// One of each path: layouts, tiles, unaligned operands, dtypes, batches, both epilogues.
std::vector<Case> smoke() {
  std::vector<Case> list;
  const auto add = [&list](const char* name, const char* layout, int64_t m, int64_t n, int64_t k, auto change) {
    list.push_back(with(named(name, layout, m, n, k), change));
  };
  const auto plain = [](Case&) {};
  add("bf16 NT 256 columns", "NT", 128, 256, 320, [](Case& c) { c.path = "sm90:256x1"; });
  add("bf16 NT tails", "NT", 200, 264, 136, plain);
  add("bf16 NN", "NN", 136, 192, 320, plain);
  add("bf16 TN to float32", "TN", 264, 136, 320, [](Case& c) { c.output = MM1_DTYPE_FLOAT32; });
  add("bf16 TT one row", "TT", 1, 512, 512, plain);
  add("bf16 NT bias gelu residual", "NT", 130, 200, 136, [](Case& c) { c.bias = c.residual = true, c.activation = MM1_ACTIVATION_GELU; });
  add("bf16 NT pre_activation silu", "NT", 65, 130, 72, [](Case& c) { c.pre_activation = true, c.activation = MM1_ACTIVATION_SILU; });
  add("bf16 NN gradient of gelu_tanh", "NN", 65, 130, 72, [](Case& c) { c.gradient = true, c.activation = MM1_ACTIVATION_GELU_TANH; });
  add("bf16 TN accumulate", "TN", 136, 72, 264, [](Case& c) { c.output = MM1_DTYPE_FLOAT32, c.alpha = 0.5f, c.beta = 1.0f; });
  add("bf16 NT batch, shared b", "NT", 40, 136, 80, [](Case& c) { c.batch = 5, c.share_b = true; });
  add("bf16 NT unaligned rows", "NT", 33, 35, 37, [](Case& c) { c.dense = true; });
  add("bf16 NN unaligned address", "NN", 64, 64, 64, [](Case& c) { c.offset = 1; });
  add("bf16 NT 128 columns, cluster", "NT", 300, 264, 136, [](Case& c) { c.path = "sm90:128x2"; });
  add("bf16 TN 256 columns, cluster, float32", "TN", 264, 520, 200, [](Case& c) { c.path = "sm90:256x2", c.output = MM1_DTYPE_FLOAT32; });
  add("bf16 NT on the sm_80 kernel", "NT", 200, 264, 136, [](Case& c) { c.path = "sm80"; });
  add("bf16 TN on the sm_80 kernel", "TN", 136, 264, 200, [](Case& c) { c.path = "sm80"; });
  add("float32 NT", "NT", 130, 70, 133, [](Case& c) { c.input = c.output = MM1_DTYPE_FLOAT32; });
  add("float32 TN unaligned", "TN", 33, 65, 67, [](Case& c) { c.input = c.output = MM1_DTYPE_FLOAT32, c.dense = true; });
  add("tf32 NN", "NN", 130, 72, 136, [](Case& c) { c.input = c.output = MM1_DTYPE_FLOAT32, c.math_mode = MM1_MATH_MODE_TF32; });
  add("bf16 k = 0", "NT", 40, 24, 0, [](Case& c) { c.bias = true; });
  return list;
}

std::vector<Case> all() {
  std::vector<Case> list = smoke();
  const char* const layouts[] = {"NT", "NN", "TN", "TT"};
  struct Precision {
    const char* name;
    mm1_dtype input, output;
    mm1_math_mode math_mode;
    const char* path;
  };
  const Precision precisions[] = {
      {"bf16", MM1_DTYPE_BFLOAT16, MM1_DTYPE_BFLOAT16, MM1_MATH_MODE_DEFAULT, "auto"},
      {"bf16 to float32", MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32, MM1_MATH_MODE_DEFAULT, "auto"},
      {"bf16 256x1", MM1_DTYPE_BFLOAT16, MM1_DTYPE_BFLOAT16, MM1_MATH_MODE_DEFAULT, "sm90:256x1"},
      {"bf16 256x2", MM1_DTYPE_BFLOAT16, MM1_DTYPE_BFLOAT16, MM1_MATH_MODE_DEFAULT, "sm90:256x2"},
      {"bf16 192x2", MM1_DTYPE_BFLOAT16, MM1_DTYPE_BFLOAT16, MM1_MATH_MODE_DEFAULT, "sm90:192x2"},
      {"bf16 128x2 to float32", MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32, MM1_MATH_MODE_DEFAULT, "sm90:128x2"},
      {"bf16 on sm80", MM1_DTYPE_BFLOAT16, MM1_DTYPE_BFLOAT16, MM1_MATH_MODE_DEFAULT, "sm80"},
      {"float32", MM1_DTYPE_FLOAT32, MM1_DTYPE_FLOAT32, MM1_MATH_MODE_DEFAULT, "auto"},
      {"tf32", MM1_DTYPE_FLOAT32, MM1_DTYPE_FLOAT32, MM1_MATH_MODE_TF32, "auto"},
  };
  const auto in = [](Case test, const Precision& precision) {
    test.name = std::string(precision.name) + " " + test.name;
    test.input = precision.input;
    test.output = precision.output;
    test.math_mode = precision.math_mode;
    test.path = precision.path;
    return test;
  };
  for (const Precision& precision : precisions) {
    // Extents around the tiles, in every layout, aligned and not.
    struct Shape {
      int64_t m, n, k;
    };
    const Shape shapes[] = {{1, 1, 1}, {7, 9, 5}, {64, 64, 64}, {127, 129, 63}, {128, 256, 65}, {129, 257, 191}, {300, 130, 328}};
    for (const char* layout : layouts) {
      for (const Shape& shape : shapes) {
        Case test = named("", layout, shape.m, shape.n, shape.k);
        test.name = std::string(layout) + " " + std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" + std::to_string(shape.k);
        list.push_back(in(test, precision));
        test.name += " dense";
        test.dense = true;
        list.push_back(in(test, precision));
      }
    }
    // Every activation and its derivative.
    for (int activation = MM1_ACTIVATION_RELU; activation <= MM1_ACTIVATION_TANH; activation++) {
      Case test = named("", "NT", 37, 75, 48);
      test.activation = activation;
      test.bias = true;
      test.name = "activation " + std::to_string(activation);
      list.push_back(in(test, precision));
      test.gradient = true;
      test.residual = true;
      test.name += ", gradient";
      list.push_back(in(test, precision));
    }
    // Epilogues.
    Case test = named("alpha beta", "NT", 70, 90, 100);
    test.alpha = -1.5f;
    test.beta = 0.25f;
    list.push_back(in(test, precision));
    test.name = "residual is the output";
    test.beta = 0.0f;
    test.residual_is_output = true;
    list.push_back(in(test, precision));
    test.name = "everything";
    test.residual_is_output = false;
    test.beta = 2.0f;
    test.bias = test.residual = test.pre_activation = true;
    test.activation = MM1_ACTIVATION_QUICK_GELU;
    list.push_back(in(test, precision));
    test.name = "everything, unaligned";
    test.dense = true;
    test.offset = 1;
    list.push_back(in(test, precision));
    // Batches, wider rows.
    Case batch = named("batch", "NN", 40, 70, 90);
    batch.batch = 4;
    batch.padding = 24;
    list.push_back(in(batch, precision));
    batch.name = "batch, shared a";
    batch.share_a = true;
    list.push_back(in(batch, precision));
    batch.name = "batch, dense";
    batch.share_a = false;
    batch.dense = true;
    batch.padding = 0;
    list.push_back(in(batch, precision));
    Case none = named("k = 0", "NT", 5, 7, 0);
    none.bias = true;
    none.beta = 1.0f;
    list.push_back(in(none, precision));
    list.push_back(in(named("m = 0", "NT", 0, 7, 5), precision));
    list.push_back(in(named("n = 0", "NT", 5, 0, 5), precision));
  }
  // Long sums: many rounds of every ring.
  for (const char* layout : layouts) {
    Case test = named("bf16 long", layout, 136, 272, 2056);
    list.push_back(test);
    for (const char* path : {"sm80", "sm90:128x1", "sm90:192x2", "sm90:256x1", "sm90:256x2"}) {
      test.name = std::string("bf16 long ") + path;
      test.path = path;
      list.push_back(test);
    }
  }
  return list;
}

}  // namespace

std::vector<Case> cases(const std::string& list) {
  if (list == "smoke") return smoke();
  if (list == "all") return all();
  std::vector<Case> few;
  if (list != "small") return few;
  for (Case& test : smoke()) {
    if (test.m * test.n * test.k * test.batch <= 128 * 256 * 384) few.push_back(test);
  }
  return few;
}

}  // namespace gemm_test
