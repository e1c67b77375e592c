// The verb mm1_key_value_cache_append: normalisation and launch.
#include "attention/key_value_cache_append.h"

#include "attention/attention.h"
#include "host/check.h"
#include "host/device.h"
#include "host/device_profile.h"

namespace mm1 {

namespace {

constexpr const char* kVerb = "key_value_cache_append";

AppendCopy copy_of(const mm1_operand& source, const mm1_operand& cache, int64_t columns) {
  const int64_t element = dtype_bytes(source.dtype);
  AppendCopy copy{};
  copy.source = static_cast<const char*>(source.data);
  copy.cache = static_cast<char*>(cache.data);
  copy.source_stride = source.row_stride * element;
  copy.cache_stride = cache.row_stride * element;
  const int64_t row_bytes = columns * element;
  const uint64_t together = reinterpret_cast<uintptr_t>(copy.source) | reinterpret_cast<uintptr_t>(copy.cache) |
                            static_cast<uint64_t>(copy.source_stride) | static_cast<uint64_t>(copy.cache_stride) | static_cast<uint64_t>(row_bytes);
  for (copy.width = 16; together % static_cast<uint64_t>(copy.width) != 0;) copy.width /= 2;
  copy.units = static_cast<int32_t>(row_bytes / copy.width);
  return copy;
}

}  // namespace

}  // namespace mm1

mm1_status mm1_key_value_cache_append(
    mm1_stream stream, const mm1_key_value_cache_append_args* given, void* /*workspace*/, int64_t /*workspace_bytes*/) {
  mm1_key_value_cache_append_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kVerb, given, &args));
  MM1_RETURN_IF_FAILED(mm1::check_key_value_cache_append(args));
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kVerb, &stream));
  const int64_t columns = args.key_value_heads * args.head_size;
  // Without a place in the cache every token is padding.
  if (args.tokens == 0 || columns == 0 || args.batch == 0 || args.max_length == 0) return MM1_STATUS_OK;

  mm1::AppendProblem problem{};
  problem.key = mm1::copy_of(args.key, args.key_cache, columns);
  problem.value = mm1::copy_of(args.value, args.value_cache, columns);
  problem.sequences = args.sequences;
  problem.positions = args.positions;
  problem.tokens = args.tokens;
  problem.max_length = args.max_length;
  const int64_t units = int64_t{problem.key.units} + problem.value.units;
  problem.blocks_per_token = (units + mm1::kAppendThreads - 1) / mm1::kAppendThreads;
  if (args.tokens > mm1::kGridX / problem.blocks_per_token) {
    return mm1::fail(MM1_STATUS_UNSUPPORTED, "%s: tokens = %lld with rows of %lld columns needs more blocks than a grid has.", mm1::kVerb,
                     static_cast<long long>(args.tokens), static_cast<long long>(columns));
  }
  return mm1::launch_append(stream, problem);
}
