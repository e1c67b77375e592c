// mm1_random_fill to the bit: the known answers of Philox, bits from an independent statement of the specification (the same as in the
// managed tests of the CPU device), and a plain statement of it here for every place of longer streams.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "emulator/runtime.h"
#include "mm1/runtime.h"
#include "random/random_fill.h"
#include "support/agreement.h"
#include "support/budget.h"
#include "support/device_buffer.h"
#include "test.h"

namespace test {

namespace {

constexpr uint64_t kSeed = 0x123456789ABCDEF0ull;
constexpr uint64_t kPurpose = 0x21CFD59DECE53C2Bull;  // RandomKey.Purpose("init", "decoder.layers.0.attention.qkv.weight").
constexpr float kInfinity = std::numeric_limits<float>::infinity();

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

// ---- the specification, as docs/architecture.md states it ----

std::vector<uint32_t> philox(std::vector<uint32_t> counter, uint64_t seed) {
  uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; round++) {
    const uint64_t a = static_cast<uint64_t>(counter[0]) * 0xD2511F53u, b = static_cast<uint64_t>(counter[2]) * 0xCD9E8D57u;
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

uint32_t word_at(uint64_t seed, uint64_t purpose, uint64_t index) {
  const uint64_t block = index / 4;
  const std::vector<uint32_t> words = philox({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                                              static_cast<uint32_t>(purpose), static_cast<uint32_t>(purpose >> 32)},
                                             seed);
  return words[index % 4];
}

float horner(float t, const std::vector<float>& coefficients) {
  float r = coefficients[0];
  for (size_t i = 1; i < coefficients.size(); i++) r = std::fmaf(r, t, coefficients[i]);
  return r;
}

float quantile(uint32_t word) {
  const int32_t k = static_cast<int32_t>(word);
  const int32_t a = k >= 0 ? k : -k - 1;
  volatile float x = static_cast<float>(a) + 0.5f;
  x = x * (1.0f / 2147483648.0f);
  volatile float y = static_cast<float>(2147483647 - a) + 0.5f;
  y = y * (1.0f / 2147483648.0f);
  volatile float g = 2.0f - y;
  g = y * g;
  const int32_t s = static_cast<int32_t>(bits_of(g) - 0x3F3504F3u);
  const float n = static_cast<float>(s >> 23);
  const float f = float_of((static_cast<uint32_t>(s) & 0x007FFFFFu) + 0x3F3504F3u) - 1.0f;
  const float p = horner(f, {7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f, -1.6668057665e-1f,
                             2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f});
  volatile float square = f * f;
  const float w = -std::fmaf(n, 0.693147182f, std::fmaf(square, std::fmaf(p, f, -0.5f), f));
  const float r =
      w <= 6.25f
          ? horner(w - 3.125f, {9.87641635e-10f, -6.51619603e-09f, -3.62786459e-08f, 6.01978115e-07f, -1.95157827e-06f, -1.9639212e-05f,
                                0.000264117669f, -0.00104750611f, -0.0085329162f, 0.339634955f, 2.33862066f})
          : horner(std::sqrt(w) - 3.5625f, {-1.85708504e-05f, 1.46706716e-05f, 0.000109552515f, -0.000299917621f, 0.000480420102f,
                                            -0.000740073563f, 0.00127886364f, -0.00256948872f, 0.00412120949f, 1.42518139f, 4.80614614f});
  return (k < 0 ? -x : x) * r;
}

int64_t boundary(const mm1_random_fill_args& args, float bound, bool or_equal) {
  int64_t lo = -2147483648ll, hi = 2147483648ll;
  while (lo < hi) {
    const int64_t m = static_cast<int64_t>(std::floor((static_cast<double>(lo) + static_cast<double>(hi)) / 2));
    const float value = std::fmaf(quantile(static_cast<uint32_t>(m)), args.standard_deviation, args.mean);
    if (or_equal ? value >= bound : value > bound) {
      hi = m;
    } else {
      lo = m + 1;
    }
  }
  return lo;
}

std::vector<float> by_specification(const mm1_random_fill_args& args, uint64_t counter = 0) {
  int64_t first = 0, size = 0;
  if (args.distribution == MM1_DISTRIBUTION_TRUNCATED_NORMAL) {
    first = boundary(args, args.low, true);
    size = boundary(args, args.high, false) - first;
  }
  std::vector<float> values;
  for (int64_t i = 0; i < args.count; i++) {
    const uint32_t word = word_at(args.seed, args.purpose, static_cast<uint64_t>(args.offset) + counter + static_cast<uint64_t>(i));
    if (args.distribution == MM1_DISTRIBUTION_UNIFORM) {
      const float u = static_cast<float>(word >> 8) * (1.0f / 16777216.0f);
      const float value = std::fmaf(u, args.high - args.low, args.low);
      const float largest = args.high > args.low ? std::nextafter(args.high, -kInfinity) : args.high;
      values.push_back(value > largest ? largest : value);
    } else if (args.distribution == MM1_DISTRIBUTION_NORMAL) {
      values.push_back(std::fmaf(quantile(word), args.standard_deviation, args.mean));
    } else {
      const int64_t k = first + static_cast<int64_t>(static_cast<unsigned __int128>(word) * static_cast<uint64_t>(size) >> 32);
      const float value = std::fmaf(quantile(static_cast<uint32_t>(k)), args.standard_deviation, args.mean);
      values.push_back(value < args.low ? args.low : value > args.high ? args.high : value);
    }
  }
  return values;
}

mm1_random_fill_args arguments(mm1_distribution distribution, int64_t count, int64_t offset = 0) {
  mm1_random_fill_args args = mm1_random_fill_args_default();
  args.distribution = distribution;
  args.count = count;
  args.seed = kSeed;
  args.purpose = kPurpose;
  args.offset = offset;
  if (distribution == MM1_DISTRIBUTION_TRUNCATED_NORMAL) {
    args.mean = 0.25f;
    args.standard_deviation = 0.75f;
    args.low = -0.5f;
    args.high = 1.5f;
  }
  return args;
}

std::vector<float> fill(mm1_random_fill_args args, int64_t misplaced = 0) {
  DeviceBuffer output(MM1_DTYPE_FLOAT32, 1, args.count, args.count, misplaced);
  args.output = output.operand();
  CHECK_OK(mm1_random_fill(nullptr, &args, nullptr, 0));
  CHECK_OK(mm1_stream_synchronize(nullptr));
  emulator::check_guards();
  return output.download();
}

std::vector<float> golden(const std::vector<uint32_t>& bits) {
  std::vector<float> values;
  for (const uint32_t each : bits) values.push_back(float_of(each));
  return values;
}

const std::vector<mm1_distribution> kAll = {MM1_DISTRIBUTION_UNIFORM, MM1_DISTRIBUTION_NORMAL, MM1_DISTRIBUTION_TRUNCATED_NORMAL};

}  // namespace

// Random123's kat_vectors; the kernel sees only blocks below 2^62, so the first of them through the verb and the others of the reference.
TEST(random, philox_gives_its_known_answers) {
  CHECK((philox({0, 0, 0, 0}, 0) == std::vector<uint32_t>{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  CHECK((philox({~0u, ~0u, ~0u, ~0u}, ~0ull) == std::vector<uint32_t>{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  CHECK((philox({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, 0x299F31D0A4093822ull) ==
         std::vector<uint32_t>{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
  mm1_random_fill_args args = arguments(MM1_DISTRIBUTION_UNIFORM, 4);
  args.seed = 0;
  args.purpose = 0;
  const std::vector<float> zero = fill(args);
  const uint32_t words[4] = {0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8};
  for (size_t i = 0; i < 4; i++) CHECK_EQUAL(static_cast<float>(words[i] >> 8) / 16777216.0f, zero[i]);
}

TEST(random, bits_are_those_of_the_cpu_device) {
  const int64_t offset = (5ll << 32) * 4 + 3;
  check_same_bits("uniform", fill(arguments(MM1_DISTRIBUTION_UNIFORM, 16, offset)),
                  golden({0x3F55B232, 0x3D1E2FC0, 0x3F24B922, 0x3F1CC523, 0x3E4A1D54, 0x3F4E0F23, 0x3E7EC6A0, 0x3F1B12ED, 0x3E97DE20,
                          0x3F3A3761, 0x3F28484E, 0x3F5FB8D7, 0x3DB89FE0, 0x3F638DB4, 0x3F23B536, 0x3D86F710}));
  mm1_random_fill_args normal = arguments(MM1_DISTRIBUTION_NORMAL, 16, offset);
  normal.mean = 0.5f;
  normal.standard_deviation = 0.02f;
  check_same_bits("normal", fill(normal),
                  golden({0x3EFBA115, 0x3F007F15, 0x3EF5184E, 0x3EF391B3, 0x3F02A57A, 0x3EFAC643, 0x3F036F25, 0x3EF334BF, 0x3F043F5E,
                          0x3EF858B5, 0x3EF5B46B, 0x3EFCB532, 0x3F012AC0, 0x3EFD1C22, 0x3EF4E9EC, 0x3F00D983}));
  check_same_bits("truncated normal", fill(arguments(MM1_DISTRIBUTION_TRUNCATED_NORMAL, 16, offset)),
                  golden({0x3F7089C9, 0xBED219CE, 0x3F141347, 0x3F073297, 0xBDE2B33A, 0x3F5FD0FD, 0xBCDA9E6C, 0x3F047E7E, 0x3D463490,
                          0x3F3919D4, 0x3F19F5B2, 0x3F84637E, 0xBE9B7913, 0x3F89776C, 0x3F12694C, 0xBEB46667}));
}

// The plain statement above reproduces words at the seams of the conversion, so that it may judge the kernel elsewhere.
TEST(random, the_statement_here_is_right) {
  const uint32_t words[16] = {0x00000000, 0x00000001, 0x00000002, 0x7FFFFFFF, 0x80000000, 0x80000001, 0xFFFFFFFF, 0x7FFFF000,
                              0x800FFFFF, 0x7FF00000, 0x40000000, 0xC0000000, 0x7FE0FFFF, 0x801F0123, 0x7FC01234, 0x00000123};
  const uint32_t expected[16] = {0x2FA06C99, 0x3070A2E6, 0x30C887BF, 0x40CAD08D, 0xC0CAD08D, 0xC0C55363, 0xAFA06C99, 0x40986AB5,
                                 0xC05F2CB7, 0x405F2CB7, 0x3F2CAB5C, 0xBF2CAB5C, 0x40539721, 0xC0539679, 0x40463F0E, 0x3436ABA8};
  for (int i = 0; i < 16; i++) CHECK_EQUAL(expected[i], bits_of(quantile(words[i])));
}

// 20,000 draws, among them the tails; wherever a call begins, however its output lies, and again.
TEST(random, every_place_of_a_stream_is_by_the_specification) {
  for (const mm1_distribution distribution : kAll) {
    const int64_t count = 20011;
    const std::vector<float> expected = by_specification(arguments(distribution, count));
    check_same_bits("whole", fill(arguments(distribution, count)), expected);
    check_same_bits("unaligned", fill(arguments(distribution, count), 1), expected);
    for (const int64_t split : {1, 2, 3, 4, 1021, 8192}) {
      check_same_bits("first part", fill(arguments(distribution, split), 3), {expected.begin(), expected.begin() + split});
      check_same_bits("second part", fill(arguments(distribution, count - split, split), split % 4),
                      {expected.begin() + split, expected.end()});
    }
  }
}

TEST(random, options_are_by_the_specification) {
  std::vector<mm1_random_fill_args> cases;
  const auto add = [&](mm1_distribution distribution, float mean, float deviation, float low, float high) {
    mm1_random_fill_args args = arguments(distribution, 1500, 17);
    args.mean = mean;
    args.standard_deviation = deviation;
    args.low = low;
    args.high = high;
    cases.push_back(args);
  };
  for (const auto& range :
       {std::pair<float, float>{-1, 1}, {0, 1e-30f}, {1, 1.0000001f}, {-3, -3}, {16777216, 16777220}, {1e-41f, 1e-38f}}) {
    add(MM1_DISTRIBUTION_UNIFORM, 0, 1, range.first, range.second);
  }
  add(MM1_DISTRIBUTION_NORMAL, 3, 0, 0, 0);
  add(MM1_DISTRIBUTION_NORMAL, 0, 1e-39f, 0, 0);  // Subnormal results are kept.
  add(MM1_DISTRIBUTION_TRUNCATED_NORMAL, 0, 1, 3, 4);
  add(MM1_DISTRIBUTION_TRUNCATED_NORMAL, 0, 1, -0.001f, 0.001f);
  add(MM1_DISTRIBUTION_TRUNCATED_NORMAL, 2, 0, 2, 2);
  add(MM1_DISTRIBUTION_TRUNCATED_NORMAL, 1, 3, -kInfinity, 0);
  add(MM1_DISTRIBUTION_TRUNCATED_NORMAL, 0, 1, -kInfinity, kInfinity);
  for (const mm1_random_fill_args& args : cases) check_same_bits("options", fill(args), by_specification(args));
}

TEST(random, the_step_state_moves_the_offset) {
  mm1_step_state state{};
  void* memory = nullptr;
  CHECK_OK(mm1_memory_allocate(sizeof state, &memory));
  for (const uint64_t counter : {uint64_t{0}, uint64_t{12345}, ~uint64_t{0} - 100}) {  // The last runs over the end of the stream.
    state.random_counter = counter;
    CHECK_OK(mm1_memory_copy_to_device(nullptr, memory, &state, sizeof state));
    mm1_random_fill_args args = arguments(MM1_DISTRIBUTION_NORMAL, 300, 7);
    args.step_state = static_cast<const mm1_step_state*>(memory);
    const std::vector<float> moved = fill(args);
    check_same_bits("moved", moved, by_specification(args, counter));
  }
  CHECK_OK(mm1_memory_free(memory));
}

TEST(random, none_and_one) {
  for (const mm1_distribution distribution : kAll) {
    CHECK(fill(arguments(distribution, 0)).empty());
    check_same_bits("one", fill(arguments(distribution, 1, 6), 1), by_specification(arguments(distribution, 1, 6)));
  }
  mm1_random_fill_args args = arguments(MM1_DISTRIBUTION_NORMAL, 0);
  CHECK_OK(mm1_random_fill(nullptr, &args, nullptr, 0));  // An empty output may have no address.
}

TEST(random, broken_rules_are_named) {
  DeviceBuffer output(MM1_DTYPE_FLOAT32, 8);
  const auto fails = [&](mm1_status status, const char* text, mm1_random_fill_args args) {
    CHECK_FAILS_WITH(status, text, mm1_random_fill(nullptr, &args, nullptr, 0));
  };
  const auto with = [&](auto change, mm1_distribution distribution = MM1_DISTRIBUTION_UNIFORM) {
    mm1_random_fill_args args = arguments(distribution, 8);
    args.output = output.operand();
    change(args);
    return args;
  };
  constexpr mm1_status invalid = MM1_STATUS_INVALID_ARGUMENT;
  constexpr mm1_distribution normal = MM1_DISTRIBUTION_NORMAL, truncated = MM1_DISTRIBUTION_TRUNCATED_NORMAL;
  CHECK_FAILS_WITH(invalid, "random_fill: the argument record is NULL", mm1_random_fill(nullptr, nullptr, nullptr, 0));
  fails(invalid, "random_fill: struct_size is 0", with([](auto& args) { args.struct_size = 0; }));
  fails(invalid, "random_fill: count is -1; it must not be negative.", with([](auto& args) { args.count = -1; }));
  fails(invalid, "random_fill: offset is -4; it must not be negative.", with([](auto& args) { args.offset = -4; }));
  fails(invalid, "random_fill: reserved is 1", with([](auto& args) { args.reserved = 1; }));
  fails(invalid, "random_fill: output is missing; it holds [1, 8] float32 values.", with([](auto& args) { args.output.data = nullptr; }));
  fails(invalid, "random_fill: output has dtype bfloat16; this call needs float32.",
        with([](auto& args) { args.output.dtype = MM1_DTYPE_BFLOAT16; }));
  fails(invalid, "random_fill: distribution is 9, no value of mm1_distribution.", with([](auto& args) { args.distribution = 9; }));
  fails(invalid, "random_fill: low is 2 and high is 1; a finite range [low, high) is needed.", with([](auto& args) { args.low = 2; }));
  fails(invalid, "a finite range", with([](auto& args) { args.high = kInfinity; }));
  fails(invalid, "a finite range", with([](auto& args) { args.low = NAN; }));
  fails(invalid, "random_fill: low is nan and high is 1.5; low must not be above high.",
        with([](auto& args) { args.low = NAN; }, truncated));
  fails(invalid, "random_fill: mean is 0 and standard_deviation is -1; both must be finite and the deviation not negative.",
        with([](auto& args) { args.standard_deviation = -1; }, normal));
  fails(invalid, "mean is inf", with([](auto& args) { args.mean = kInfinity; }, truncated));
  fails(invalid,
        "random_fill: no value of the normal distribution with mean 0.25 and standard_deviation 0.75 lies between low 7 and high 8.",
        with([](auto& args) { args.low = 7, args.high = 8; }, truncated));
  fails(invalid, "step_state is at address 0x4, no multiple of 8.",
        with([](auto& args) { args.step_state = reinterpret_cast<const mm1_step_state*>(4); }));
  for (const float value : output.download()) CHECK(std::isnan(value));
}

TEST(random, the_budget_fits_every_profile) { check_budget(mm1::kRandomFillBudget); }

}  // namespace test
