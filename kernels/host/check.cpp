#include "host/check.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace mm1 {

namespace {

using Long = long long;

// A record of a later version is a few fields longer; a size beyond this is no size but garbage, and reading that far would crash.
constexpr int64_t kLongestRecord = 1 << 16;

// First byte and the byte after the last of the rows of one problem.
struct Span {
  uintptr_t begin;
  uintptr_t end;
};

// Rows of a region as bytes.
struct Rows {
  int64_t row_bytes;
  int64_t stride_bytes;
  int64_t count;
};

Rows rows_of(const Region& region) {
  const int64_t element = dtype_bytes(region.operand->dtype);
  return {region.columns * element, region.operand->row_stride * element, region.rows};
}

Span span_of(const Region& region, const Rows& rows, int64_t problem) {
  const int64_t element = dtype_bytes(region.operand->dtype);
  const uintptr_t begin = reinterpret_cast<uintptr_t>(region.operand->data) + static_cast<uintptr_t>(problem * region.problem_stride * element);
  return {begin, begin + static_cast<uintptr_t>((rows.count - 1) * rows.stride_bytes + rows.row_bytes)};
}

bool spans_meet(const Span& a, const Span& b) { return a.begin < b.end && b.begin < a.end; }

// Whether the bytes [begin, end) meet a row that begins at `first`.
bool meets_a_row(uintptr_t begin, uintptr_t end, uintptr_t first, const Rows& rows) {
  if (end <= first) return false;
  if (rows.count == 1 || rows.stride_bytes <= 0) return begin < first + static_cast<uintptr_t>(rows.row_bytes);
  // The last row that begins before `end` is the one that reaches farthest.
  const int64_t row = static_cast<int64_t>(end - 1 - first) / rows.stride_bytes;
  const int64_t last = row < rows.count ? row : rows.count - 1;
  return begin < first + static_cast<uintptr_t>(last * rows.stride_bytes + rows.row_bytes);
}

bool problems_overlap(const Span& a, const Rows& rows_a, const Span& b, const Rows& rows_b) {
  if (!spans_meet(a, b)) return false;
  if (rows_a.stride_bytes == rows_b.stride_bytes && rows_a.stride_bytes > 0) {
    // Columns of one fused buffer: apart within a row, apart in all of them.
    const int64_t stride = rows_a.stride_bytes;
    const int64_t distance = static_cast<int64_t>(b.begin - a.begin) % stride;
    const int64_t shift = distance < 0 ? distance + stride : distance;
    if (shift >= rows_a.row_bytes && shift + rows_b.row_bytes <= stride) return false;
  }
  for (int64_t row = 0; row < rows_a.count; row++) {
    const uintptr_t begin = a.begin + static_cast<uintptr_t>(row * rows_a.stride_bytes);
    if (meets_a_row(begin, begin + static_cast<uintptr_t>(rows_a.row_bytes), b.begin, rows_b)) return true;
  }
  return false;
}

bool is_empty(const Region& region) {
  return region.operand == nullptr || region.operand->data == nullptr || region.rows <= 0 || region.columns <= 0 || region.problems <= 0 ||
         dtype_bytes(region.operand->dtype) == 0;
}

bool is_same(const Region& a, const Region& b) {
  return a.operand->data == b.operand->data && a.operand->dtype == b.operand->dtype && a.rows == b.rows && a.columns == b.columns &&
         (a.rows == 1 || a.operand->row_stride == b.operand->row_stride) && a.problems == b.problems &&
         (a.problems == 1 || a.problem_stride == b.problem_stride);
}

}  // namespace

int64_t dtype_bytes(mm1_dtype dtype) {
  switch (dtype) {
    case MM1_DTYPE_FLOAT64:
    case MM1_DTYPE_INT64:
      return 8;
    case MM1_DTYPE_FLOAT32:
    case MM1_DTYPE_INT32:
      return 4;
    case MM1_DTYPE_BFLOAT16:
    case MM1_DTYPE_FLOAT16:
      return 2;
    case MM1_DTYPE_UINT8:
    case MM1_DTYPE_BOOL:
      return 1;
    default:
      return 0;
  }
}

const char* dtype_name(mm1_dtype dtype) {
  switch (dtype) {
    case MM1_DTYPE_NONE:
      return "none";
    case MM1_DTYPE_FLOAT64:
      return "float64";
    case MM1_DTYPE_FLOAT32:
      return "float32";
    case MM1_DTYPE_BFLOAT16:
      return "bfloat16";
    case MM1_DTYPE_FLOAT16:
      return "float16";
    case MM1_DTYPE_INT64:
      return "int64";
    case MM1_DTYPE_INT32:
      return "int32";
    case MM1_DTYPE_UINT8:
      return "uint8";
    case MM1_DTYPE_BOOL:
      return "bool";
    default:
      return "an unknown dtype";
  }
}

bool regions_overlap(const Region& a, const Region& b) {
  if (is_empty(a) || is_empty(b)) return false;
  const Rows rows_a = rows_of(a);
  const Rows rows_b = rows_of(b);
  // A shared operand (stride 0) is one problem.
  const int64_t problems_a = a.problem_stride == 0 ? 1 : a.problems;
  const int64_t problems_b = b.problem_stride == 0 ? 1 : b.problems;
  // Buffers of their own are the rule: then the hulls decide, and no pair of problems is looked at.
  const Span first_a = span_of(a, rows_a, 0), last_a = span_of(a, rows_a, problems_a - 1);
  const Span first_b = span_of(b, rows_b, 0), last_b = span_of(b, rows_b, problems_b - 1);
  const Span hull_a{first_a.begin < last_a.begin ? first_a.begin : last_a.begin, first_a.end > last_a.end ? first_a.end : last_a.end};
  const Span hull_b{first_b.begin < last_b.begin ? first_b.begin : last_b.begin, first_b.end > last_b.end ? first_b.end : last_b.end};
  if (!spans_meet(hull_a, hull_b)) return false;
  for (int64_t i = 0; i < problems_a; i++) {
    const Span span_a = span_of(a, rows_a, i);
    if (!spans_meet(span_a, hull_b)) continue;
    for (int64_t j = 0; j < problems_b; j++) {
      if (problems_overlap(span_a, rows_a, span_of(b, rows_b, j), rows_b)) return true;
    }
  }
  return false;
}

void Check::fail_with(mm1_status status, const char* format, ...) {
  if (status_ != MM1_STATUS_OK) return;
  char rule[2048];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(rule, sizeof rule, format, arguments);
  va_end(arguments);
  status_ = fail(status, "%s: %s", verb_, rule);
}

void Check::that(bool holds, const char* format, ...) {
  if (holds || !ok()) return;
  char rule[2048];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(rule, sizeof rule, format, arguments);
  va_end(arguments);
  fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s", rule);
}

void Check::supported(bool holds, const char* format, ...) {
  if (holds || !ok()) return;
  char rule[2048];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(rule, sizeof rule, format, arguments);
  va_end(arguments);
  fail_with(MM1_STATUS_UNSUPPORTED, "%s", rule);
}

void Check::extent(const char* field, int64_t value) {
  if (value < 0) fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s is %lld; it must not be negative.", field, static_cast<Long>(value));
}

void Check::enumerator(const char* field, int32_t value, int32_t last, const char* type) {
  if (value < 0 || value > last) fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s is %d, no value of %s.", field, value, type);
}

void Check::reserved(const char* field, int64_t value) {
  if (value != 0) fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s is %lld; a reserved field is zero.", field, static_cast<Long>(value));
}

void Check::operand(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype) {
  this->operand(field, operand, rows, columns, dtype, dtype);
}

void Check::operand(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype, mm1_dtype other) {
  if (rows <= 0 || columns <= 0) return;
  if (!is_present(operand)) {
    fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s is missing; it holds [%lld, %lld] %s values.", field, static_cast<Long>(rows),
              static_cast<Long>(columns), dtype_name(dtype));
    return;
  }
  present(field, operand, rows, columns, dtype, other);
}

void Check::optional(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype) {
  optional(field, operand, rows, columns, dtype, dtype);
}

void Check::optional(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype, mm1_dtype other) {
  if (is_present(operand) && rows > 0 && columns > 0) present(field, operand, rows, columns, dtype, other);
}

void Check::present(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype, mm1_dtype other) {
  if (!ok()) return;
  if (operand.dtype != dtype && operand.dtype != other) {
    if (dtype == other) {
      fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s has dtype %s; this call needs %s.", field, dtype_name(operand.dtype), dtype_name(dtype));
    } else {
      fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s has dtype %s; this call needs %s or %s.", field, dtype_name(operand.dtype), dtype_name(dtype),
                dtype_name(other));
    }
    return;
  }
  if (operand.reserved != 0) {
    fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s.reserved is %d; a reserved field is zero.", field, operand.reserved);
    return;
  }
  if (rows > 1 && operand.row_stride < columns) {
    fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s has row_stride %lld, less than its %lld columns; rows would overlap.", field,
              static_cast<Long>(operand.row_stride), static_cast<Long>(columns));
    return;
  }
  const uintptr_t address = reinterpret_cast<uintptr_t>(operand.data);
  const uintptr_t element = static_cast<uintptr_t>(dtype_bytes(operand.dtype));
  if (address % element != 0) {
    fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s is at address 0x%llx, no multiple of the %lld bytes of one %s.", field,
              static_cast<unsigned long long>(address), static_cast<Long>(element), dtype_name(operand.dtype));
  }
}

void Check::apart(const char* output_field, const Region& output, const char* other_field, const Region& other) {
  if (ok() && regions_overlap(output, other)) {
    fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s overlaps %s; an output shares no memory with another operand.", output_field, other_field);
  }
}

void Check::apart_or_same(const char* output_field, const Region& output, const char* other_field, const Region& other) {
  if (!ok() || is_empty(output) || is_empty(other) || is_same(output, other)) return;
  if (regions_overlap(output, other)) {
    fail_with(MM1_STATUS_INVALID_ARGUMENT, "%s overlaps %s; they may be the same (address, dtype, shape, strides) but not share a part.",
              output_field, other_field);
  }
}

void Check::workspace(const void* address, int64_t given, int64_t needed) {
  if (needed <= 0 || !ok()) return;
  if (given < needed) {
    fail_with(MM1_STATUS_WORKSPACE_TOO_SMALL, "the workspace has %lld bytes; mm1_%s_workspace_bytes asks for %lld.", static_cast<Long>(given),
              verb_, static_cast<Long>(needed));
  } else if (address == nullptr) {
    fail_with(MM1_STATUS_INVALID_ARGUMENT, "the workspace is NULL; mm1_%s_workspace_bytes asks for %lld bytes.", verb_, static_cast<Long>(needed));
  } else if (reinterpret_cast<uintptr_t>(address) % 256 != 0) {
    fail_with(MM1_STATUS_INVALID_ARGUMENT, "the workspace is at address 0x%llx, no multiple of 256.",
              static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(address)));
  }
}

mm1_status read_record(const char* verb, const void* given, void* copy, int64_t known) {
  if (given == nullptr) return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: the argument record is NULL.", verb);
  int64_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (size < static_cast<int64_t>(sizeof size) || size > kLongestRecord) {
    return fail(MM1_STATUS_INVALID_ARGUMENT, "%s: struct_size is %lld, no size of the argument record (%lld bytes in this version).", verb,
                static_cast<Long>(size), static_cast<Long>(known));
  }
  const unsigned char* bytes = static_cast<const unsigned char*>(given);
  for (int64_t i = known; i < size; i++) {
    if (bytes[i] != 0) {
      return fail(MM1_STATUS_UNSUPPORTED, "%s: byte %lld of the argument record is set; this library knows its first %lld bytes only.", verb,
                  static_cast<Long>(i), static_cast<Long>(known));
    }
  }
  const int64_t taken = size < known ? size : known;
  std::memcpy(copy, given, static_cast<size_t>(taken));
  std::memset(static_cast<unsigned char*>(copy) + taken, 0, static_cast<size_t>(known - taken));
  std::memcpy(copy, &known, sizeof known);
  return MM1_STATUS_OK;
}

}  // namespace mm1
