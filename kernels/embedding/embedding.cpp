// The verbs mm1_embedding_gather and mm1_embedding_scatter_add: argument rules and launch. Ids lie in device memory and are not checked.
#include "embedding/embedding.h"

#include "host/check.h"
#include "host/device.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

constexpr const char* kGather = "embedding_gather";
constexpr const char* kScatter = "embedding_scatter_add";

void check_extents(Check* check, int64_t tokens, int64_t vocabulary, int64_t width) {
  check->extent("tokens", tokens);
  check->extent("vocabulary", vocabulary);
  check->extent("width", width);
}

void check_record(const mm1_embedding_scatter_add_args& args, Check* check) {
  check_extents(check, args.tokens, args.vocabulary, args.width);
  check->supported(args.tokens <= 2147483647 && args.vocabulary <= 2147483647, "tokens and vocabulary must be below 2^31 on this device.");
  check->reserved("reserved", args.reserved);
}

bool is_wide(const void* data, int64_t stride_bytes) { return reinterpret_cast<uintptr_t>(data) % 16 == 0 && stride_bytes % 16 == 0; }

RowBytes row_bytes(const mm1_operand& operand, int64_t rows) {
  return {static_cast<char*>(operand.data), rows > 1 ? operand.row_stride * dtype_bytes(operand.dtype) : 0};
}

TokenIds token_ids(const mm1_operand& ids) { return {ids.data, ids.dtype == MM1_DTYPE_INT64, 0}; }

}  // namespace

}  // namespace mm1

mm1_status mm1_embedding_gather(mm1_stream stream, const mm1_embedding_gather_args* given, void*, int64_t) {
  mm1_embedding_gather_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kGather, given, &args));
  mm1::Check check(mm1::kGather);
  mm1::check_extents(&check, args.tokens, args.vocabulary, args.width);
  const bool has_table = args.vocabulary > 0 && args.width > 0;
  mm1::check_compute(&check, "table", args.table, args.vocabulary, args.width);
  if (has_table) {
    check.operand("output", args.output, args.tokens, args.width, args.table.dtype);
  } else {
    mm1::check_compute(&check, "output", args.output, args.tokens, args.width);
  }
  check.operand("ids", args.ids, 1, args.tokens, MM1_DTYPE_INT32, MM1_DTYPE_INT64);
  const mm1::Region output{&args.output, args.tokens, args.width};
  check.apart("output", output, "table", {&args.table, args.vocabulary, args.width});
  check.apart("output", output, "ids", {&args.ids, 1, args.tokens});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kGather, &stream));
  if (args.tokens == 0 || args.width == 0) return MM1_STATUS_OK;

  mm1::RowGather gather{};
  gather.ids = mm1::token_ids(args.ids);
  gather.table = mm1::row_bytes(args.table, args.vocabulary);
  gather.output = mm1::row_bytes(args.output, args.tokens);
  gather.tokens = args.tokens;
  gather.table_rows = args.vocabulary;
  gather.columns = args.width;
  gather.element_bytes = static_cast<int32_t>(mm1::dtype_bytes(args.output.dtype));
  gather.wide = mm1::is_wide(gather.table.data, gather.table.stride) && mm1::is_wide(gather.output.data, gather.output.stride);
  return mm1::launch_gather(mm1::kGather, stream, gather);
}

int64_t mm1_embedding_scatter_add_workspace_bytes(const mm1_embedding_scatter_add_args* given) {
  mm1_embedding_scatter_add_args args;
  if (mm1::read_args(mm1::kScatter, given, &args) != MM1_STATUS_OK) return -1;
  mm1::Check check(mm1::kScatter);
  mm1::check_record(args, &check);
  return check.ok() ? mm1::scatter_workspace(args.tokens, args.width).bytes : -1;
}

mm1_status mm1_embedding_scatter_add(mm1_stream stream, const mm1_embedding_scatter_add_args* given, void* workspace,
                                     int64_t workspace_bytes) {
  mm1_embedding_scatter_add_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kScatter, given, &args));
  mm1::Check check(mm1::kScatter);
  mm1::check_record(args, &check);
  mm1::check_compute(&check, "output_gradient", args.output_gradient, args.tokens, args.width);
  check.operand("table_gradient", args.table_gradient, args.vocabulary, args.width, MM1_DTYPE_FLOAT32);
  check.operand("ids", args.ids, 1, args.tokens, MM1_DTYPE_INT32, MM1_DTYPE_INT64);
  const mm1::Region table{&args.table_gradient, args.vocabulary, args.width};
  check.apart("table_gradient", table, "output_gradient", {&args.output_gradient, args.tokens, args.width});
  check.apart("table_gradient", table, "ids", {&args.ids, 1, args.tokens});
  const mm1::ScatterWorkspace layout = check.ok() ? mm1::scatter_workspace(args.tokens, args.width) : mm1::ScatterWorkspace{};
  if (check.ok()) check.workspace(workspace, workspace_bytes, layout.bytes);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kScatter, &stream));
  if (args.vocabulary == 0 || args.width == 0 || (args.tokens == 0 && args.beta == 1.0f)) return MM1_STATUS_OK;

  char* const base = static_cast<char*>(workspace);
  mm1::Scatter scatter{};
  scatter.ids = mm1::token_ids(args.ids);
  scatter.gradient = mm1::row_operand(args.output_gradient, args.tokens);
  scatter.table = mm1::row_operand(args.table_gradient, args.vocabulary);
  scatter.tokens = args.tokens;
  scatter.vocabulary = args.vocabulary;
  scatter.width = args.width;
  scatter.beta = args.beta;
  scatter.packs_gradient = mm1::has_packs(scatter.gradient, mm1::dtype_bytes(args.output_gradient.dtype));
  scatter.packs_table = mm1::has_packs(scatter.table, 4);
  if (args.tokens > 0) {
    scatter.partial = reinterpret_cast<float*>(base + layout.partial);
    for (int i = 0; i < 2; i++) {
      scatter.keys[i] = reinterpret_cast<uint32_t*>(base + layout.keys) + i * args.tokens;
      scatter.order[i] = reinterpret_cast<uint32_t*>(base + layout.order) + i * args.tokens;
    }
    scatter.counts = reinterpret_cast<uint32_t*>(base + layout.counts);
    MM1_RETURN_IF_FAILED(mm1::launch_token_sort(stream, &scatter));
  }
  return mm1::launch_scatter_sums(stream, args.tokens == 0 || args.output_gradient.dtype == MM1_DTYPE_FLOAT32, scatter);
}
