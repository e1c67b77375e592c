// Conformance of attention on whatever device a library drives: forward, backward and decoding with the cases and references of the emulated
// tests, for a machine that has a GPU and nothing else.
//
//   attention_conformance LIBRARY [--list smoke|small|all] [--path auto] [--first N] [--count N] [--csv FILE]
//   attention_conformance [--list smoke|small|all] --names | --paths
//
// LIBRARY is libmm1_kernels.so (a GPU) or libmm1_kernels_emulated.so. Each case is held against float64 by the error rule
// (tests/kernels/support/agreement.h), run twice (the bits must repeat), and one document or sequence of it alone must have the bits that it
// has in company. --csv appends a row per case, written at once. Arguments and exit codes are those of gemm_conformance: 0 no case failed and
// one ran, 1 a case failed, 2 wrong usage, 3 the library has no device, 4 the window holds no case.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "cases.h"
#include "decode_case.h"
#include "library.h"
#include "support/agreement.h"

namespace {

using attention_test::Case;
using test::AttentionCase;
using test::AttentionInputs;
using test::AttentionOperands;
using test::DecodeCase;

// Largest error in units of what check_agreement allows, times 2: over the straightforward form's largest error and half of the floor.
double ratio_of(mm1_dtype stored, const std::vector<float>& actual, const std::vector<double>& exact, const std::vector<float>& straightforward) {
  double plain = 0, squares = 0, count = 0;
  for (size_t i = 0; i < exact.size(); i++) {
    if (!std::isfinite(exact[i])) continue;
    plain = std::max(plain, std::fabs(straightforward[i] - exact[i]));
    squares += exact[i] * exact[i];
    count++;
  }
  const double floor = 8 * std::ldexp(1.0, -24) * std::sqrt(squares / std::max(count, 1.0));
  const double own = stored == MM1_DTYPE_FLOAT32 ? 8 * std::ldexp(1.0, -24) : std::ldexp(1.0, -9);
  double ratio = 0;
  for (size_t i = 0; i < exact.size(); i++) {
    const double error = std::isfinite(exact[i]) ? std::fabs(actual[i] - exact[i]) : 0;
    if (error > 0) ratio = std::max(ratio, error / (plain + std::max(floor, own * std::fabs(exact[i])) / 2));
  }
  return ratio;
}

double root_of(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * value;
  return std::sqrt(squares / std::max<double>(1, static_cast<double>(values.size())));
}

struct Results {
  std::vector<float> output, log_sum_exp, query_gradient, key_gradient, value_gradient;
};

Results run(const AttentionCase& which, const AttentionInputs& inputs) {
  AttentionOperands operands(which, inputs);
  operands.run_forward();
  operands.run_backward();
  return {operands.output(), operands.log_sum_exp(), operands.query_gradient(), operands.key_gradient(), operands.value_gradient()};
}

double check_attention(const AttentionCase& which) {
  const AttentionInputs inputs = inputs_of(which);
  const Results actual = run(which, inputs);
  const auto exact = test::forward_reference<double>(which, inputs);
  const auto plain = test::forward_reference<float>(which, inputs);
  const auto exact_gradients = test::backward_reference<double>(which, inputs, exact);
  const auto plain_gradients = test::backward_reference<float>(which, inputs, plain);
  double ratio = 0;
  const auto agrees = [&](const char* what, mm1_dtype stored, const std::vector<float>& values, const std::vector<double>& reference,
                          const std::vector<float>& straightforward) {
    test::check_agreement(what, stored, values, reference, straightforward);
    ratio = std::max(ratio, ratio_of(stored, values, reference, straightforward));
  };
  agrees("output", which.dtype, actual.output, exact.output, plain.output);
  agrees("log-sum-exp", MM1_DTYPE_FLOAT32, actual.log_sum_exp, exact.log_sum_exp, plain.log_sum_exp);
  // A key alone has all of the weight, and the gradient of its score is the difference of two equal sums: a few roundings of their size.
  const double sums = root_of(inputs.output_gradient) * root_of(inputs.value) * std::sqrt(static_cast<double>(which.head_size)) * std::fabs(which.factor());
  const auto score_gradient_agrees = [&](const char* what, const std::vector<float>& values, const std::vector<double>& reference,
                                         const std::vector<float>& straightforward, const std::vector<float>& factor) {
    const bool is_nothing = std::all_of(reference.begin(), reference.end(), [](double value) { return value == 0; });
    if (!is_nothing) return agrees(what, which.dtype, values, reference, straightforward);
    const double limit = 8 * std::ldexp(1.0, -24) * sums * root_of(factor);
    for (const float value : values) {
      if (!(std::fabs(value) <= limit)) throw std::runtime_error(std::string(what) + " is " + std::to_string(value) + " where it is nothing");
    }
  };
  score_gradient_agrees("query gradient", actual.query_gradient, exact_gradients.query_gradient, plain_gradients.query_gradient, inputs.key);
  score_gradient_agrees("key gradient", actual.key_gradient, exact_gradients.key_gradient, plain_gradients.key_gradient, inputs.query);
  agrees("value gradient", which.dtype, actual.value_gradient, exact_gradients.value_gradient, plain_gradients.value_gradient);

  const Results again = run(which, inputs);
  const auto same = [](const char* what, const std::vector<float>& values, const std::vector<float>& expected) {
    test::check_same_bits(what, values, expected);
  };
  same("a second output", again.output, actual.output);
  same("a second query gradient", again.query_gradient, actual.query_gradient);
  same("a second key gradient", again.key_gradient, actual.key_gradient);
  same("a second value gradient", again.value_gradient, actual.value_gradient);

  const auto longest = std::max_element(which.queries.begin(), which.queries.end());
  if (which.documents() > 1 && *longest > 0) {
    const int document = static_cast<int>(longest - which.queries.begin());
    const test::AttentionPart part = part_of(which, inputs, document);
    const Results alone = run(part.which, part.inputs);
    const int queries = *longest, keys = which.keys[static_cast<size_t>(document)];
    same("the document alone", alone.output, test::rows_of(actual.output, which.first_query(document), queries, which.columns()));
    same("its query gradient", alone.query_gradient, test::rows_of(actual.query_gradient, which.first_query(document), queries, which.columns()));
    same("its key gradient", alone.key_gradient, test::rows_of(actual.key_gradient, which.first_key(document), keys, which.key_columns()));
    same("its value gradient", alone.value_gradient, test::rows_of(actual.value_gradient, which.first_key(document), keys, which.key_columns()));
  }
  return ratio;
}

double check_decode(const DecodeCase& which) {
  const AttentionCase attention = which.as_attention();
  const AttentionInputs inputs = inputs_of(attention);
  test::DecodeOperands operands(which, inputs);
  const std::vector<float> actual = operands.run();
  const std::vector<double> exact = test::forward_reference<double>(attention, inputs).output;
  const std::vector<float> plain = test::forward_reference<float>(attention, inputs).output;
  test::check_agreement("output", which.dtype, actual, exact, plain);
  test::check_same_bits("a second output", operands.run(), actual);
  if (which.batch() > 1) {
    const int last = which.batch() - 1;
    DecodeCase single = which;
    single.lengths = {which.lengths.back()};
    single.max_length = which.max_length + 100;
    const std::vector<float> alone = test::DecodeOperands(single, part_of(attention, inputs, last).inputs).run();
    test::check_same_bits("the last sequence alone", alone, test::rows_of(actual, last * which.query_length, which.query_length, attention.columns()));
  }
  return ratio_of(which.dtype, actual, exact, plain);
}

[[noreturn]] void usage(const char* program, const char* what) {
  std::fprintf(stderr, "%s: %s\nusage: %s LIBRARY [--list smoke|small|all] [--path auto] [--first N] [--count N] [--csv FILE] [--names] [--paths]\n",
               program, what, program);
  std::exit(2);
}

}  // namespace

int main(int argument_count, char** arguments) {
  std::string library_path, list = "smoke", csv_path;
  size_t first = 0, count = SIZE_MAX;
  bool names = false, paths = false;
  for (int i = 1; i < argument_count; i++) {
    const std::string argument = arguments[i];
    const auto value = [&]() -> std::string {
      if (i + 1 >= argument_count) usage(arguments[0], (argument + " needs a value").c_str());
      return arguments[++i];
    };
    if (argument == "--list") list = value();
    else if (argument == "--first") first = std::stoul(value());
    else if (argument == "--count") count = std::stoul(value());
    else if (argument == "--csv") csv_path = value();
    else if (argument == "--names") names = true;
    else if (argument == "--paths") paths = true;
    else if (argument == "--path") {
      if (value() != "auto") usage(arguments[0], "attention has one path, auto");
    } else if (argument[0] == '-' || !library_path.empty()) usage(arguments[0], ("unknown argument " + argument).c_str());
    else library_path = argument;
  }
  const std::vector<Case> cases = attention_test::cases(list);
  if (cases.empty()) usage(arguments[0], ("no list " + list).c_str());
  if (names) {
    for (const Case& which : cases) std::printf("%s\n", which.name().c_str());
    return 0;
  }
  if (paths) {
    std::puts("auto");
    return 0;
  }
  if (library_path.empty()) usage(arguments[0], "no library given");
  const std::string broken = attention_test::load_library(library_path.c_str());
  if (!broken.empty()) {
    std::fprintf(stderr, "%s\n", broken.c_str());
    return 2;
  }
  const mm1_api& api = attention_test::library();
  int32_t devices = 0;
  if (api.device_count(&devices) != MM1_STATUS_OK || devices == 0) {
    std::fprintf(stderr, "no device: %s\n", api.get_last_error_message());
    return 3;
  }
  mm1_device_properties properties = mm1_device_properties_default();
  if (api.device_get_properties(0, &properties) == MM1_STATUS_OK) {
    std::printf("%s, %d SMs, %zu cases of list %s\n", properties.name, properties.multiprocessors, cases.size(), list.c_str());
  }
  std::FILE* const csv = csv_path.empty() ? nullptr : std::fopen(csv_path.c_str(), "a");
  if (!csv_path.empty() && csv == nullptr) usage(arguments[0], ("cannot write " + csv_path).c_str());

  int passed = 0, failed = 0;
  double largest_ratio = 0;
  for (size_t i = first; i < cases.size() && i - first < count; i++) {
    std::string text;
    double ratio = 0;
    const auto start = std::chrono::steady_clock::now();
    try {
      ratio = cases[i].decodes ? check_decode(cases[i].decode) : check_attention(cases[i].attention);
    } catch (const std::exception& error) {
      text = error.what();
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    (text.empty() ? passed : failed)++;
    largest_ratio = std::max(largest_ratio, ratio);
    const std::string name = cases[i].name();
    if (!text.empty()) std::printf("FAILED %zu %s: %s\n", i, name.c_str(), text.c_str());
    if (csv != nullptr) {
      for (char& c : text) c = c == '"' ? '\'' : c == '\n' ? ' ' : c;
      std::fprintf(csv, "%zu,\"%s\",%s,%.3f,%.2f,\"%s\"\n", i, name.c_str(), text.empty() ? "passed" : "failed", seconds, ratio, text.c_str());
      std::fflush(csv);
    }
    std::fflush(stdout);
    if (api.device_get_status(0) == MM1_STATUS_DEVICE_LOST) {
      std::printf("the device is lost; the cases after %zu were not run\n", i);
      failed++;
      break;
    }
  }
  if (csv != nullptr) std::fclose(csv);
  std::printf("largest error %.2f of a straightforward form's (2 is allowed)\n%d passed, %d failed\n", largest_ratio, passed, failed);
  return failed > 0 ? 1 : passed > 0 ? 0 : 4;
}
