// Conformance of mm1_cast and mm1_fill: every pair of storage types against exact arithmetic, bit by bit.
#include <cstring>
#include <limits>

#include "elementwise/elementwise.h"
#include "support/row_case.h"
#include "support/samples.h"

namespace test {

namespace {

constexpr mm1_dtype kStorage[] = {MM1_DTYPE_FLOAT64, MM1_DTYPE_FLOAT32, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT16,
                                  MM1_DTYPE_INT64,   MM1_DTYPE_INT32,   MM1_DTYPE_UINT8,    MM1_DTYPE_BOOL};

bool is_float(mm1_dtype dtype) { return dtype >= MM1_DTYPE_FLOAT64 && dtype <= MM1_DTYPE_FLOAT16; }

// A float of 16 bits by its definition.
struct Narrow {
  int exponent_bits;
  int mantissa_bits;

  long double decode(uint32_t bits) const {
    const int last = (1 << exponent_bits) - 1, bias = last / 2;
    const int exponent = static_cast<int>(bits >> mantissa_bits) & last;
    const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
    const long double sign = bits >> (exponent_bits + mantissa_bits) != 0 ? -1 : 1;
    if (exponent == last) return mantissa != 0 ? std::numeric_limits<long double>::quiet_NaN() : sign * std::numeric_limits<long double>::infinity();
    if (exponent == 0) return sign * std::ldexp(static_cast<long double>(mantissa), 1 - bias - mantissa_bits);
    return sign * std::ldexp(static_cast<long double>(mantissa | 1u << mantissa_bits), exponent - bias - mantissa_bits);
  }

  // Of the two neighbours of a number the nearer, of equally near ones the even; infinity stands where the next power of two does.
  uint32_t nearest(long double value) const {
    const uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
    if (std::isnan(value)) return infinity | 1u << (mantissa_bits - 1);
    const uint32_t sign = std::signbit(value) ? 1u << (exponent_bits + mantissa_bits) : 0;
    const long double size = std::fabs(value);
    const auto place = [&](uint32_t bits) { return bits == infinity ? 2 * decode(infinity - (1u << mantissa_bits)) : decode(bits); };
    if (size >= place(infinity)) return sign | infinity;
    uint32_t below = 0, above = infinity;
    while (above - below > 1) {
      const uint32_t middle = (below + above) / 2;
      (place(middle) <= size ? below : above) = middle;
    }
    const long double down = size - place(below), up = place(above) - size;
    return sign | (down < up || (down == up && below % 2 == 0) ? below : above);
  }
};

constexpr Narrow kBfloat16{8, 7}, kFloat16{5, 10};

template <class T>
void append(std::vector<unsigned char>* bytes, T value) {
  unsigned char image[sizeof(T)];
  std::memcpy(image, &value, sizeof(T));
  bytes->insert(bytes->end(), image, image + sizeof(T));
}

template <class T>
T at(const std::vector<unsigned char>& bytes, size_t i) {
  T value;
  std::memcpy(&value, &bytes[i * sizeof(T)], sizeof(T));
  return value;
}

// An element as a long double, which holds every value of every type.
long double decode(mm1_dtype dtype, const std::vector<unsigned char>& bytes, size_t i) {
  switch (dtype) {
    case MM1_DTYPE_FLOAT64:
      return at<double>(bytes, i);
    case MM1_DTYPE_FLOAT32:
      return at<float>(bytes, i);
    case MM1_DTYPE_BFLOAT16:
      return kBfloat16.decode(at<uint16_t>(bytes, i));
    case MM1_DTYPE_FLOAT16:
      return kFloat16.decode(at<uint16_t>(bytes, i));
    case MM1_DTYPE_INT64:
      return at<int64_t>(bytes, i);
    case MM1_DTYPE_INT32:
      return at<int32_t>(bytes, i);
    case MM1_DTYPE_UINT8:
      return bytes[i];
    default:
      return bytes[i] != 0 ? 1 : 0;
  }
}

int64_t saturated(long double value, long double least, long double most) {
  if (std::isnan(value)) return 0;
  const long double whole = std::trunc(value);
  return static_cast<int64_t>(whole < least ? least : whole > most ? most : whole);
}

void encode(mm1_dtype dtype, long double value, std::vector<unsigned char>* bytes) {
  switch (dtype) {
    case MM1_DTYPE_FLOAT64:
      return append(bytes, static_cast<double>(value));
    case MM1_DTYPE_FLOAT32:
      return append(bytes, static_cast<float>(value));
    case MM1_DTYPE_BFLOAT16:
      return append(bytes, static_cast<uint16_t>(kBfloat16.nearest(value)));
    case MM1_DTYPE_FLOAT16:
      return append(bytes, static_cast<uint16_t>(kFloat16.nearest(value)));
    case MM1_DTYPE_INT64:
      return append(bytes, saturated(value, -9223372036854775808.0L, 9223372036854775807.0L));
    case MM1_DTYPE_INT32:
      return append(bytes, static_cast<int32_t>(saturated(value, -2147483648.0L, 2147483647.0L)));
    case MM1_DTYPE_UINT8:
      return append(bytes, static_cast<uint8_t>(saturated(value, 0, 255)));
    default:
      return append(bytes, static_cast<uint8_t>(value != 0 ? 1 : 0));
  }
}

// Edges of every type and of every rounding, and arbitrary bits.
std::vector<unsigned char> elements_of(mm1_dtype dtype, size_t count) {
  const long double infinity = std::numeric_limits<long double>::infinity();
  const long double one = 1;
  const long double edges[] = {0, -0.0L, 1, -1, 0.5L, 1.5L, 2.5L, -2.5L, -0.9L, 254.9L, 255, 255.5L, 256, 300, -300, 2147483647, 2147483648.0L,
                               -2147483648.0L, -2147483649.0L, 9223372036854775807.0L, 9.3e18L, -9223372036854775808.0L, -9.3e18L, 65504, 65519.99L,
                               65520, 65536, one + 0x1p-8L, one + 0x1p-8L + 0x1p-40L, one + 3 * 0x1p-8L, one + 0x1p-11L, one + 0x1p-11L + 0x1p-45L,
                               one + 3 * 0x1p-11L, one + 0x1p-24L, one + 0x1p-24L + 0x1p-50L, 0x1p-14L, 0x1p-24L, 0x1p-25L, 0x1.8p-25L, 0x1p-26L,
                               0x1p-126L, 0x1p-133L, 0x1p-134L, 0x1.8p-134L, 0x1p-149L, 0x1p-150L, 0x1p-200L, 3.3895e38L, 0x1.ffp127L,
                               0x1.fefp127L, 0x1.fffffep127L, 0x1.ffffffp127L, 1e39L, 1e300L, 9007199254740993.0L, 9007199254740994.0L,
                               0x1.01p60L, 0x1.01p60L + 1, 0x1.03p60L, 0x1.03p60L - 1, 0x1.000001p60L, 0x1.000001p60L + 1, infinity, -infinity,
                               std::numeric_limits<long double>::quiet_NaN()};
  std::vector<unsigned char> bytes;
  for (const long double value : edges) encode(dtype, value, &bytes);
  const size_t size = bytes.size() / (sizeof edges / sizeof edges[0]);
  for (uint64_t word = 0; bytes.size() < count * size; word++) {
    const uint64_t bits = mixed(word);
    for (size_t b = 0; b < size; b++) bytes.push_back(static_cast<unsigned char>(bits >> (8 * b)));
  }
  bytes.resize(count * size);
  return bytes;
}

template <class T>
void move(const DeviceBuffer* from, DeviceBuffer* to, std::vector<unsigned char>* bytes) {
  std::vector<T> elements(bytes->size() / sizeof(T));
  if (to != nullptr) {
    std::memcpy(elements.data(), bytes->data(), bytes->size());
    to->upload_elements(elements);
  } else {
    elements = from->download_elements<T>();
    bytes->resize(elements.size() * sizeof(T));
    if (!elements.empty()) std::memcpy(bytes->data(), elements.data(), bytes->size());
  }
}

void move_bytes(mm1_dtype dtype, const DeviceBuffer* from, DeviceBuffer* to, std::vector<unsigned char>* bytes) {
  switch (dtype) {
    case MM1_DTYPE_FLOAT64:
      return move<double>(from, to, bytes);
    case MM1_DTYPE_FLOAT32:
      return move<float>(from, to, bytes);
    case MM1_DTYPE_BFLOAT16:
    case MM1_DTYPE_FLOAT16:
      return move<uint16_t>(from, to, bytes);
    case MM1_DTYPE_INT64:
      return move<int64_t>(from, to, bytes);
    case MM1_DTYPE_INT32:
      return move<int32_t>(from, to, bytes);
    default:
      return move<uint8_t>(from, to, bytes);
  }
}

void check_cast(mm1_dtype from, mm1_dtype to, const RowShape& shape) {
  std::vector<unsigned char> source = elements_of(from, static_cast<size_t>(shape.count()));
  const auto x = row_buffer(from, shape), output = row_buffer(to, shape);
  move_bytes(from, nullptr, x.get(), &source);
  mm1_cast_args args = mm1_cast_args_default();
  args.rows = shape.rows;
  args.columns = shape.columns;
  args.x = x->operand();
  args.output = output->operand();
  CHECK_OK(mm1_cast(nullptr, &args, nullptr, 0));
  finish_call();
  std::vector<unsigned char> actual;
  move_bytes(to, output.get(), nullptr, &actual);
  const size_t size = static_cast<size_t>(output->element_bytes());
  CHECK_EQUAL(static_cast<size_t>(shape.count()) * size, actual.size());
  for (size_t i = 0; i < static_cast<size_t>(shape.count()); i++) {
    const long double value = decode(from, source, i);
    const std::string place = "element " + std::to_string(i) + ", " + show(static_cast<double>(value)) + ": ";
    if (std::isnan(value) && is_float(to)) {
      CHECK_MESSAGE(std::isnan(decode(to, actual, i)), place + "the NaN was lost");
      continue;
    }
    std::vector<unsigned char> expected;
    encode(to, value, &expected);
    CHECK_MESSAGE(std::memcmp(&actual[i * size], expected.data(), size) == 0,
                  place + "gave " + show(static_cast<double>(decode(to, actual, i))) + ", not " + show(static_cast<double>(decode(to, expected, 0))));
  }
}

}  // namespace

TEST(cast, every_pair_rounds_once) {
  for (const mm1_dtype from : kStorage) {
    for (const mm1_dtype to : kStorage) {
      if (from == to) continue;
      for (const RowShape& shape : {RowShape{1, 300}, RowShape{6, 33, 3}, RowShape{4, 24, 0, 1}, RowShape{3, 64, 16}, RowShape{0, 3}, RowShape{3, 0}}) {
        in_case("from " + std::to_string(from) + " to " + std::to_string(to) + " " + shape.name(), [&] { check_cast(from, to, shape); });
      }
    }
  }
}

// Every bfloat16 and float16 to float32 and back; by a grid that loops.
TEST(cast, narrow_floats_survive_the_round_trip) {
  std::vector<uint16_t> bits(65536);
  for (size_t i = 0; i < bits.size(); i++) bits[i] = static_cast<uint16_t>(i);
  for (const mm1_dtype dtype : {MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT16}) {
    DeviceBuffer x(dtype, 65536), wide(MM1_DTYPE_FLOAT32, 65536), back(dtype, 65536);
    x.upload_elements(bits);
    mm1::set_elementwise_blocks(2);
    mm1_cast_args args = mm1_cast_args_default();
    args.rows = 1;
    args.columns = 65536;
    args.x = x.operand();
    args.output = wide.operand();
    CHECK_OK(mm1_cast(nullptr, &args, nullptr, 0));
    args.x = wide.operand();
    args.output = back.operand();
    CHECK_OK(mm1_cast(nullptr, &args, nullptr, 0));
    mm1::set_elementwise_blocks(0);
    finish_call();
    const std::vector<float> values = wide.download();
    const std::vector<uint16_t> result = back.download_elements<uint16_t>();
    const Narrow& narrow = dtype == MM1_DTYPE_BFLOAT16 ? kBfloat16 : kFloat16;
    for (size_t i = 0; i < bits.size(); i++) {
      const long double value = narrow.decode(static_cast<uint32_t>(i));
      if (std::isnan(value)) {
        CHECK(std::isnan(values[i]) && std::isnan(narrow.decode(result[i])));
      } else {
        CHECK_EQUAL(static_cast<float>(value), values[i]);
        CHECK_EQUAL(bits[i], result[i]);
      }
    }
  }
}

TEST(fill, every_type_takes_the_value_as_cast_would) {
  for (const mm1_dtype dtype : kStorage) {
    for (const double value : {2.7, -1.0, 0.0, 1e30, std::nan(""), 65520.0}) {
      for (const RowShape& shape : {RowShape{3, 7}, RowShape{3, 7, 2}, RowShape{0, 5}, RowShape{5, 0}, RowShape{1, 1, 0, 1}, RowShape{5, 64, 16}, RowShape{20, 301}}) {
        const auto output = row_buffer(dtype, shape);
        mm1_fill_args args = mm1_fill_args_default();
        args.rows = shape.rows;
        args.columns = shape.columns;
        args.output = output->operand();
        args.value = value;
        CHECK_OK(mm1_fill(nullptr, &args, nullptr, 0));
        finish_call();
        std::vector<unsigned char> actual, expected;
        move_bytes(dtype, output.get(), nullptr, &actual);
        for (int64_t i = 0; i < shape.count(); i++) encode(dtype, value, &expected);
        const std::string what = "dtype " + std::to_string(dtype) + " value " + show(value) + " " + shape.name();
        CHECK_EQUAL(expected.size(), actual.size());
        for (size_t i = 0; i < static_cast<size_t>(shape.count()); i++) {
          if (std::isnan(value) && is_float(dtype)) {
            CHECK_MESSAGE(std::isnan(decode(dtype, actual, i)), what);
          } else {
            CHECK_MESSAGE(decode(dtype, actual, i) == decode(dtype, expected, i), what);
          }
        }
      }
    }
  }
}

}  // namespace test
