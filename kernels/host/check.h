// Argument checks that every verb shares: the rules and the wording of src/MM1.Native.Kernels/Contract/Check.cs, in the names of kernels.h.
//
//   mm1_gemm_args args;
//   MM1_RETURN_IF_FAILED(read_args("gemm", given, &args));
//   Check check("gemm");
//   check.extent("m", args.m);
//   check.operand("a", args.a, args.m, args.k, dtype);
//   check.that(args.batch == 1 || args.batch_stride_output != 0, "batch_stride_output is 0; the outputs of %lld problems would overlap",
//              static_cast<long long>(args.batch));
//   MM1_RETURN_IF_FAILED(check.status());
//
// The first broken rule sets the status and the text; the checks after it do nothing.
#ifndef MM1_HOST_CHECK_H
#define MM1_HOST_CHECK_H

#include <cstdint>
#include <type_traits>

#include "host/error.h"

namespace mm1 {

// Bytes of one element; 0 for MM1_DTYPE_NONE and values that are no dtype.
int64_t dtype_bytes(mm1_dtype dtype);

// "float32", "bfloat16", ...; "none" and "an unknown dtype".
const char* dtype_name(mm1_dtype dtype);

inline bool is_present(const mm1_operand& operand) { return operand.data != nullptr; }

// Bytes that an operand of a call touches: `problems` blocks of `rows` rows. Strides in elements, as in the records.
struct Region {
  const mm1_operand* operand = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t problems = 1;
  int64_t problem_stride = 0;
};

// Whether two regions share a byte. Column ranges of one buffer (the parts of a fused projection) do not.
bool regions_overlap(const Region& a, const Region& b);

class Check {
 public:
  explicit Check(const char* verb) : verb_(verb) {}

  // A rule of the verb's own; the text is what follows "verb: ".
  void that(bool holds, const char* format, ...) MM1_PRINTF_FORMAT(3, 4);

  // The same for something that the contract allows and this device lacks (MM1_STATUS_UNSUPPORTED).
  void supported(bool holds, const char* format, ...) MM1_PRINTF_FORMAT(3, 4);

  // An extent that must not be negative.
  void extent(const char* field, int64_t value);

  // An enumerated field whose values run from 0 to `last`.
  void enumerator(const char* field, int32_t value, int32_t last, const char* type);

  // A reserved field, which must be zero.
  void reserved(const char* field, int64_t value);

  // A required operand [rows, columns] of one dtype whose rows do not overlap; anything goes where it is empty.
  void operand(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype);

  // The same with two dtypes to choose from ("compute or float32").
  void operand(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype, mm1_dtype other);

  // An operand that may be absent, and otherwise follows the same rules.
  void optional(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype);
  void optional(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype, mm1_dtype other);

  // An output that shares no byte with another operand. Absent and empty operands overlap nothing.
  void apart(const char* output_field, const Region& output, const char* other_field, const Region& other);

  // The same, but the other may be the output itself: same address, dtype, shape and strides.
  void apart_or_same(const char* output_field, const Region& output, const char* other_field, const Region& other);

  // Scratch of at least `needed` bytes at a 256-byte aligned address (MM1_STATUS_WORKSPACE_TOO_SMALL).
  void workspace(const void* address, int64_t given, int64_t needed);

  bool ok() const { return status_ == MM1_STATUS_OK; }
  mm1_status status() const { return status_; }

 private:
  void present(const char* field, const mm1_operand& operand, int64_t rows, int64_t columns, mm1_dtype dtype, mm1_dtype other);
  void fail_with(mm1_status status, const char* format, ...) MM1_PRINTF_FORMAT(3, 4);

  const char* verb_;
  mm1_status status_ = MM1_STATUS_OK;
};

// Copies a caller's record by the struct_size rule of kernels.h: what a shorter one lacks reads as zero; a longer one must be zero
// beyond `known` bytes. The copy's struct_size is `known`.
mm1_status read_record(const char* verb, const void* given, void* copy, int64_t known);

template <class Args>
mm1_status read_args(const char* verb, const Args* given, Args* copy) {
  static_assert(std::is_trivially_copyable<Args>::value && std::is_same<decltype(Args::struct_size), int64_t>::value, "an argument record");
  return read_record(verb, given, copy, static_cast<int64_t>(sizeof(Args)));
}

}  // namespace mm1

#endif  // MM1_HOST_CHECK_H
