// The verb mm1_flash_attention_decode: workspace, normalisation, dispatch.
#include "attention/decode.h"

#include "attention/attention.h"
#include "host/backend.h"
#include "host/check.h"
#include "host/device.h"

namespace mm1 {

namespace {

constexpr const char* kVerb = "flash_attention_decode";

// Parts of the workspace, each at a multiple of 256 bytes.
struct DecodeWorkspace {
  int64_t ticket_bytes;
  int64_t state_bytes;
  int64_t sum_bytes;
  int64_t total() const { return ticket_bytes + state_bytes + sum_bytes; }
};

int64_t rounded_up(int64_t bytes) { return (bytes + 255) / 256 * 256; }

DecodeWorkspace workspace_of(const mm1_flash_attention_decode_args& args) {
  const int64_t splits = decode_splits(args.max_length);
  const int64_t rows = args.batch * args.query_length * args.heads;
  if (splits == 1 || rows == 0) return {0, 0, 0};
  const int64_t tiles = (args.query_length * (args.heads / args.key_value_heads) + kDecodeRows - 1) / kDecodeRows;
  return {rounded_up(args.batch * args.key_value_heads * tiles * 4), rounded_up(rows * splits * 8), rounded_up(rows * splits * args.head_size * 4)};
}

DecodeInput input_of(const mm1_operand& operand) {
  const int64_t stride = operand.row_stride * dtype_bytes(operand.dtype);
  // One row alone counts as if others followed: a kernel must not read it another way than among others.
  return {static_cast<const char*>(operand.data), stride, reinterpret_cast<uintptr_t>(operand.data) % 16 == 0 && stride % 16 == 0, 0};
}

int32_t access_of(const EpilogueOperand& output) {
  for (int32_t width = 4; width > 1; width /= 2) {
    const uintptr_t bytes = static_cast<uintptr_t>(width) * (output.is_float32 ? 4 : 2);
    if (reinterpret_cast<uintptr_t>(output.data) % bytes == 0 && output.row_stride % width == 0) return width;
  }
  return 1;
}

DecodeProblem normalise(const mm1_flash_attention_decode_args& args, void* workspace) {
  DecodeProblem problem{};
  problem.query = input_of(args.query);
  problem.key = input_of(args.key_cache);
  problem.value = input_of(args.value_cache);
  problem.output.data = args.output.data;
  problem.output.row_stride = args.output.row_stride;
  problem.output.is_float32 = args.output.dtype == MM1_DTYPE_FLOAT32;
  problem.access_output = access_of(problem.output);
  problem.lengths = args.lengths;
  problem.batch = args.batch;
  problem.query_length = args.query_length;
  problem.key_value_heads = args.key_value_heads;
  problem.group = args.heads / args.key_value_heads;
  problem.head_size = args.head_size;
  problem.max_length = args.max_length;
  problem.rows = args.query_length * problem.group;
  problem.row_tiles = (problem.rows + kDecodeRows - 1) / kDecodeRows;
  problem.splits = decode_splits(args.max_length);
  problem.scale = args.scale;
  if (problem.splits > 1) {
    const DecodeWorkspace parts = workspace_of(args);
    char* const base = static_cast<char*>(workspace);
    problem.tickets = reinterpret_cast<uint32_t*>(base);
    problem.partial_state = reinterpret_cast<float*>(base + parts.ticket_bytes);
    problem.partial_sums = reinterpret_cast<float*>(base + parts.ticket_bytes + parts.state_bytes);
  }
  return problem;
}

}  // namespace

}  // namespace mm1

int64_t mm1_flash_attention_decode_workspace_bytes(const mm1_flash_attention_decode_args* given) {
  mm1_flash_attention_decode_args args;
  if (mm1::read_args(mm1::kVerb, given, &args) != MM1_STATUS_OK) return -1;
  return mm1::check_attention_decode_record(args) == MM1_STATUS_OK ? mm1::workspace_of(args).total() : -1;
}

mm1_status mm1_flash_attention_decode(
    mm1_stream stream, const mm1_flash_attention_decode_args* given, void* workspace, int64_t workspace_bytes) {
  mm1_flash_attention_decode_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kVerb, given, &args));
  MM1_RETURN_IF_FAILED(mm1::check_attention_decode(args));
  mm1::Check check(mm1::kVerb);
  check.workspace(workspace, workspace_bytes, mm1::workspace_of(args).total());
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kVerb, &stream));
  if (args.batch == 0 || args.query_length == 0 || args.heads == 0) return MM1_STATUS_OK;

  const mm1::DecodeProblem problem = mm1::normalise(args, workspace);
  // Rows and tickets are counted in 32 bits too; what exceeds them is far beyond a grid.
  const double blocks = static_cast<double>(problem.batch) * static_cast<double>(problem.key_value_heads) *
                        static_cast<double>(problem.splits) * static_cast<double>(problem.row_tiles);
  if (blocks > static_cast<double>(mm1::kGridX) || problem.rows > INT32_MAX) {
    return mm1::fail(MM1_STATUS_UNSUPPORTED, "%s: batch = %lld, max_length = %lld needs more blocks than a grid has.", mm1::kVerb,
                     static_cast<long long>(args.batch), static_cast<long long>(args.max_length));
  }
  if (problem.tickets != nullptr) {
    MM1_RETURN_IF_FAILED(mm1::backend::memory_fill(stream, problem.tickets, 0, problem.batch * problem.key_value_heads * problem.row_tiles * 4));
  }
  return problem.output.is_float32 ? mm1::launch_decode_float32(stream, problem) : mm1::launch_decode_bfloat16(stream, problem);
}
