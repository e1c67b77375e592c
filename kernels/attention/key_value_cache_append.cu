// New tokens into a KV cache: row sequences[t] * max_length + positions[t] of each cache becomes row t of key or value.
//
// Blocks     256 threads for one token: first the units of its key, then those of its value, each of 16 bytes where addresses, strides and
//            rows permit, else of the largest width that they do. Sequences and positions are read from device memory: one launch serves
//            every step. A token of a negative sequence is padding.
// Not here   a sequence or position out of range: undefined behaviour by the contract.
#include "attention/key_value_cache_append.h"

#include "dev/launch.h"
#include "host/device.h"
#include "host/error.h"

namespace mm1 {

namespace {

DEV_FN void copy_unit(const AppendCopy& copy, int64_t token, int64_t row, int64_t unit) {
  const char* const source = copy.source + token * copy.source_stride + unit * copy.width;
  char* const target = copy.cache + row * copy.cache_stride + unit * copy.width;
  if (copy.width == 16) {
    dev::st_global_16(target, dev::ld_global_16_streaming(source));
  } else if (copy.width == 8) {
    dev::st_global_8(target, dev::ld_global_8(source));
  } else if (copy.width == 4) {
    dev::st_global_4(target, dev::ld_global_4(source));
  } else {
    dev::st_global_2(target, dev::ld_global_2(source));
  }
}

DEV_KERNEL DEV_BOUNDS(kAppendThreads) append_tokens(const DEV_GRID_CONST AppendProblem problem) {
  const uint32_t per_token = static_cast<uint32_t>(problem.blocks_per_token);
  const int64_t token = dev::bid_x() / per_token;
  const int64_t unit = static_cast<int64_t>(dev::bid_x() % per_token) * kAppendThreads + dev::tid();
  const int32_t sequence = static_cast<int32_t>(dev::ld_global_4(problem.sequences + token));
  if (sequence < 0) return;
  const int64_t row = sequence * problem.max_length + static_cast<int32_t>(dev::ld_global_4(problem.positions + token));
  if (unit < problem.key.units) {
    copy_unit(problem.key, token, row, unit);
  } else if (unit < problem.key.units + problem.value.units) {
    copy_unit(problem.value, token, row, unit - problem.key.units);
  }
}

}  // namespace

mm1_status launch_append(mm1_stream stream, const AppendProblem& problem) {
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(problem.tokens * problem.blocks_per_token), 1, 1};
  config.block = {kAppendThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, append_tokens, problem);
  return launched("key_value_cache_append", status.code, status.text);
}

}  // namespace mm1
