#include "host/check.h"

#include <cstring>
#include <string>
#include <vector>

#include "test.h"

using namespace mm1;

namespace {

alignas(256) char memory[4096];

mm1_operand operand_at(int64_t offset, mm1_dtype dtype, int64_t row_stride) { return {memory + offset, dtype, 0, row_stride}; }

// The text that one check leaves, "" where it holds.
template <class F>
std::string text_of(F&& call) {
  Check check("verb");
  call(check);
  return check.ok() ? "" : last_error_text();
}

}  // namespace

TEST(check, every_rule_has_its_text) {
  const mm1_operand good = operand_at(0, MM1_DTYPE_FLOAT32, 8);
  mm1_operand reserved = good;
  reserved.reserved = 1;
  CHECK_EQUAL(std::string("verb: m is -1; it must not be negative."), text_of([](Check& check) { check.extent("m", -1); }));
  CHECK_EQUAL(std::string("verb: mask is 3, no value of mm1_attention_mask."),
              text_of([](Check& check) { check.enumerator("mask", 3, 2, "mm1_attention_mask"); }));
  CHECK_EQUAL(std::string("verb: reserved is 7; a reserved field is zero."), text_of([](Check& check) { check.reserved("reserved", 7); }));
  CHECK_EQUAL(std::string("verb: a is missing; it holds [4, 8] float32 values."),
              text_of([](Check& check) { check.operand("a", mm1_operand{}, 4, 8, MM1_DTYPE_FLOAT32); }));
  CHECK_EQUAL(std::string("verb: a has dtype float32; this call needs bfloat16."),
              text_of([&](Check& check) { check.operand("a", good, 4, 8, MM1_DTYPE_BFLOAT16); }));
  CHECK_EQUAL(std::string("verb: a has dtype float32; this call needs bfloat16 or float16."),
              text_of([&](Check& check) { check.operand("a", good, 4, 8, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT16); }));
  CHECK_EQUAL(std::string("verb: a.reserved is 1; a reserved field is zero."),
              text_of([&](Check& check) { check.operand("a", reserved, 4, 8, MM1_DTYPE_FLOAT32); }));
  CHECK_EQUAL(std::string("verb: a has row_stride 8, less than its 9 columns; rows would overlap."),
              text_of([&](Check& check) { check.operand("a", good, 2, 9, MM1_DTYPE_FLOAT32); }));
  CHECK_CONTAINS(text_of([](Check& check) { check.operand("a", operand_at(2, MM1_DTYPE_FLOAT32, 8), 4, 8, MM1_DTYPE_FLOAT32); }),
                 ", no multiple of the 4 bytes of one float32.");
  CHECK_EQUAL(std::string("verb: the workspace has 9 bytes; mm1_verb_workspace_bytes asks for 10."),
              text_of([](Check& check) { check.workspace(memory, 9, 10); }));
  CHECK_EQUAL(std::string("verb: the workspace is NULL; mm1_verb_workspace_bytes asks for 10 bytes."),
              text_of([](Check& check) { check.workspace(nullptr, 10, 10); }));
  CHECK_CONTAINS(text_of([](Check& check) { check.workspace(memory + 128, 10, 10); }), ", no multiple of 256.");
}

TEST(check, what_is_allowed_passes) {
  const mm1_operand good = operand_at(0, MM1_DTYPE_FLOAT32, 8);
  Check check("verb");
  check.extent("m", 0);
  check.operand("a", good, 4, 8, MM1_DTYPE_FLOAT32);
  check.operand("a", good, 1, 100, MM1_DTYPE_FLOAT32);                        // The stride of a single row is not read.
  check.operand("a", mm1_operand{}, 0, 8, MM1_DTYPE_FLOAT32);                 // Empty: may be absent,
  check.operand("a", operand_at(1, MM1_DTYPE_BOOL, 0), 4, 0, MM1_DTYPE_FLOAT32);  // or anything.
  check.operand("a", good, 4, 8, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32);
  check.optional("b", mm1_operand{}, 4, 8, MM1_DTYPE_FLOAT32);
  check.workspace(nullptr, 0, 0);
  check.enumerator("mask", 2, 2, "mm1_attention_mask");
  CHECK_EQUAL(MM1_STATUS_OK, check.status());
}

TEST(check, the_first_broken_rule_counts) {
  Check check("verb");
  check.that(false, "first %d", 1);
  check.supported(false, "second");
  check.extent("m", -1);
  check.workspace(nullptr, 0, 10);
  CHECK_EQUAL(MM1_STATUS_INVALID_ARGUMENT, check.status());
  CHECK_EQUAL(std::string("verb: first 1"), std::string(last_error_text()));
}

TEST(check, statuses_say_what_kind_of_rule) {
  Check lacking("verb");
  lacking.supported(false, "no tf32 here");
  CHECK_EQUAL(MM1_STATUS_UNSUPPORTED, lacking.status());
  Check small("verb");
  small.workspace(memory, 1, 2);
  CHECK_EQUAL(MM1_STATUS_WORKSPACE_TOO_SMALL, small.status());
}

// Against a map of bytes, over many pairs of small regions.
TEST(check, overlap_is_exact) {
  const auto bytes_of = [](const Region& region) {
    std::vector<bool> touched(sizeof memory);
    const int64_t element = dtype_bytes(region.operand->dtype);
    const int64_t base = static_cast<char*>(region.operand->data) - memory;
    for (int64_t problem = 0; problem < region.problems; problem++) {
      for (int64_t row = 0; row < region.rows; row++) {
        const int64_t begin = base + (problem * region.problem_stride + row * region.operand->row_stride) * element;
        for (int64_t i = 0; i < region.columns * element; i++) touched[static_cast<size_t>(begin + i)] = true;
      }
    }
    return touched;
  };
  uint32_t state = 12345;
  const auto draw = [&state](int64_t low, int64_t high) {
    state = state * 1664525u + 1013904223u;
    return low + static_cast<int64_t>(state >> 8) % (high - low + 1);
  };
  int overlapping = 0;
  for (int trial = 0; trial < 4000; trial++) {
    mm1_operand operands[2];
    Region regions[2];
    for (int i = 0; i < 2; i++) {
      const mm1_dtype dtype = draw(0, 1) != 0 ? MM1_DTYPE_FLOAT32 : MM1_DTYPE_BFLOAT16;
      const int64_t columns = draw(0, 6);
      operands[i] = operand_at(draw(0, 40) * 4, dtype, columns + draw(0, 12));
      // Columns of one buffer, now and then.
      if (i == 1 && draw(0, 3) == 0 && dtype == operands[0].dtype && columns <= operands[0].row_stride) {
        operands[1].row_stride = operands[0].row_stride;
      }
      regions[i] = {&operands[i], draw(0, 5), columns, draw(1, 3), draw(0, 1) * draw(0, 60)};
    }
    const std::vector<bool> a = bytes_of(regions[0]);
    const std::vector<bool> b = bytes_of(regions[1]);
    bool expected = false;
    for (size_t i = 0; i < a.size(); i++) expected = expected || (a[i] && b[i]);
    CHECK_EQUAL(expected, regions_overlap(regions[0], regions[1]));
    CHECK_EQUAL(expected, regions_overlap(regions[1], regions[0]));
    overlapping += expected;
  }
  CHECK(overlapping > 400 && overlapping < 3600);
}

TEST(check, parts_of_a_fused_projection_are_apart) {
  const mm1_operand query = operand_at(0, MM1_DTYPE_FLOAT32, 24);
  const mm1_operand key = operand_at(32, MM1_DTYPE_FLOAT32, 24);
  Check check("verb");
  check.apart("output", {&query, 8, 8}, "key", {&key, 8, 8});
  CHECK(check.ok());
  check.apart("output", {&query, 8, 9}, "key", {&key, 8, 8});
  CHECK_CONTAINS(last_error_text(), "verb: output overlaps key; an output shares no memory with another operand.");
  CHECK(!check.ok());
}

TEST(check, the_same_operand_is_no_partial_overlap) {
  const mm1_operand output = operand_at(0, MM1_DTYPE_FLOAT32, 8);
  mm1_operand shifted = operand_at(4, MM1_DTYPE_FLOAT32, 8);
  Check check("verb");
  check.apart_or_same("output", {&output, 4, 8}, "residual", {&output, 4, 8});
  CHECK(check.ok());
  check.apart_or_same("output", {&output, 4, 8}, "residual", {&shifted, 4, 8});
  CHECK(!check.ok());
  CHECK_CONTAINS(last_error_text(), "they may be the same");
}

namespace {

struct Record {
  int64_t struct_size;
  int64_t a;
  int64_t b;
};

struct OldRecord {
  int64_t struct_size;
  int64_t a;
};

struct NewRecord {
  Record known;
  int64_t later;
};

}  // namespace

TEST(record, of_the_same_size_is_copied) {
  const Record given{sizeof(Record), 1, 2};
  Record copy{};
  CHECK_EQUAL(MM1_STATUS_OK, read_args("verb", &given, &copy));
  CHECK(copy.struct_size == sizeof(Record) && copy.a == 1 && copy.b == 2);
}

TEST(record, that_is_shorter_reads_as_zero) {
  const OldRecord given{sizeof(OldRecord), 5};
  Record copy{9, 9, 9};
  CHECK_EQUAL(MM1_STATUS_OK, read_args("verb", reinterpret_cast<const Record*>(&given), &copy));
  CHECK(copy.struct_size == sizeof(Record) && copy.a == 5 && copy.b == 0);
}

TEST(record, that_is_longer_must_be_zero_there) {
  NewRecord given{{sizeof(NewRecord), 1, 2}, 0};
  Record copy{};
  CHECK_EQUAL(MM1_STATUS_OK, read_args("verb", &given.known, &copy));
  CHECK(copy.struct_size == sizeof(Record) && copy.a == 1 && copy.b == 2);
  given.later = int64_t{1} << 40;
  CHECK_FAILS_WITH(MM1_STATUS_UNSUPPORTED, "verb: byte 29 of the argument record is set; this library knows its first 24 bytes only.",
                   read_args("verb", &given.known, &copy));
}

TEST(record, without_a_size_is_refused) {
  Record given{};
  Record copy{};
  CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "verb: the argument record is NULL.", read_args<Record>("verb", nullptr, &copy));
  CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "verb: struct_size is 0, no size of the argument record (24 bytes in this version).",
                   read_args("verb", &given, &copy));
  given.struct_size = -8;
  CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "struct_size is -8", read_args("verb", &given, &copy));
  given.struct_size = int64_t{1} << 40;
  CHECK_FAILS_WITH(MM1_STATUS_INVALID_ARGUMENT, "struct_size is 1099511627776", read_args("verb", &given, &copy));
}

TEST(error, texts_may_hold_the_text_before) {
  fail(MM1_STATUS_DEVICE_ERROR, "cause");
  CHECK_EQUAL(MM1_STATUS_DEVICE_LOST, fail(MM1_STATUS_DEVICE_LOST, "lost after: %s", last_error_text()));
  CHECK_EQUAL(std::string("lost after: cause"), std::string(last_error_text()));
}
