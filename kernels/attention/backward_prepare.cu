// What the main kernels of the backward need before they begin.
//
// Maths      rows[h, t] = (log_sum_exp[h, t], sum over c of output_gradient[t, h, c] * output[t, h, c]), float32. The former times log2(e)
//            for bfloat16, and +infinity in place of -infinity, so that exp2(score - it) is 0 for a row that sees no key.
//            ticket = 0, flags = 0; zeros into query gradients of rows that see no key or lie past the last document.
// Order      bfloat16: a lane's chunks of 16 bytes ascending, then 8 lanes by halves. float32: one chain of fused multiply-adds over the
//            columns, which goes from lane to lane: the order in which the main kernel makes the gradients of probabilities.
// Layout     output, output_gradient [tokens, heads, head_size], any strides; rows and flags as in backward.h.
// Roles      8 lanes a row and head, neighbours read neighbouring chunks.
// Budget     256 threads, no shared memory, a few dozen registers.
// Not here   documents: a row without keys is known by its log-sum-exp, a row past the last document by the last cuSeqlens entry.
//            Gradients of key rows past it: the main kernels write them as those of keys that no query sees.
#include "attention/backward.h"
#include "attention/schedule.cuh"
#include "attention/softmax.cuh"
#include "dev/arithmetic.cuh"
#include "dev/launch.h"
#include "host/device.h"

namespace mm1 {

namespace {

// Elements of one chunk of 16 bytes: 8 bfloat16 or 4 float32.
DEV_FN uint4 load_chunk(const char* address, bool is_float32, bool aligned) {
  if (aligned) return dev::ld_global_16(address);
  uint32_t words[4];
  DEV_UNROLL for (int i = 0; i < 4; i++) {
    words[i] = is_float32 ? dev::ld_global_4(address + i * 4)
                          : dev::ld_global_2(address + i * 4) | static_cast<uint32_t>(dev::ld_global_2(address + i * 4 + 2)) << 16;
  }
  return uint4{words[0], words[1], words[2], words[3]};
}

DEV_FN void zero_chunk(char* address, bool is_float32, bool aligned) {
  if (aligned) {
    dev::st_global_16(address, uint4{0, 0, 0, 0});
    return;
  }
  DEV_UNROLL for (int i = 0; i < 4; i++) {
    if (is_float32) {
      dev::st_global_4(address + i * 4, 0);
    } else {
      dev::st_global_2(address + i * 4, 0);
      dev::st_global_2(address + i * 4 + 2, 0);
    }
  }
}

DEV_FN float add_products(float sum, uint32_t a, uint32_t b, bool is_float32) {
  if (is_float32) return dev::fused_multiply_add(dev::u2f(a), dev::u2f(b), sum);
  sum = dev::fused_multiply_add(dev::low_bf16(a), dev::low_bf16(b), sum);
  return dev::fused_multiply_add(dev::high_bf16(a), dev::high_bf16(b), sum);
}

DEV_FN float add_chunk(float sum, uint4 a, uint4 b, bool is_float32) {
  sum = add_products(sum, a.x, b.x, is_float32);
  sum = add_products(sum, a.y, b.y, is_float32);
  sum = add_products(sum, a.z, b.z, is_float32);
  return add_products(sum, a.w, b.w, is_float32);
}

DEV_FN void prepare_query_row(const AttentionBackwardProblem& p, int64_t row, int64_t head, int lane) {
  const int element_bytes = p.forward.is_float32 ? 4 : 2;
  const int64_t bytes = static_cast<int64_t>(p.forward.head_size) * element_bytes;
  const int64_t used = first_row(p.forward.queries, p.forward.queries.documents);
  const float* const own = p.forward.log_sum_exp + head * p.forward.log_sum_exp_stride + row;
  const float log_sum_exp = row < used ? dev::u2f(dev::ld_global_4(own)) : minus_infinity();
  // Without keys the log-sum-exp is -infinity; keys.length says so too.
  if (log_sum_exp == minus_infinity() || p.forward.keys.length == 0) {
    char* const gradient = p.query_gradient.data + row * p.query_gradient.row_stride + head * bytes;
    for (int64_t at = lane * 16; at < bytes; at += kPrepareLanes * 16) zero_chunk(gradient + at, p.forward.is_float32, p.aligned_outputs);
  }
  float sum = 0.0f;
  const uint32_t first_lane = dev::lane() & ~7u;
  const uint32_t group = 0xffu << first_lane;
  const char* const output = p.forward.output.data + row * p.forward.output.row_stride + head * bytes;
  const char* const gradient = p.output_gradient.data + row * p.output_gradient.row_stride + head * bytes;
  for (int64_t first = 0; first < bytes && row < used; first += kPrepareLanes * 16) {
    const int64_t at = first + lane * 16;
    uint4 a{0, 0, 0, 0};
    uint4 b{0, 0, 0, 0};
    if (at < bytes) {
      a = load_chunk(output + at, p.forward.is_float32, p.aligned_inputs);
      b = load_chunk(gradient + at, p.forward.is_float32, p.aligned_inputs);
    }
    if (!p.forward.is_float32) {
      sum = add_chunk(sum, a, b, false);
      continue;
    }
    DEV_UNROLL for (int turn = 0; turn < kPrepareLanes; turn++) {
      sum = dev::shfl(add_chunk(sum, a, b, true), static_cast<int>(first_lane) + turn, group);
    }
  }
  if (!p.forward.is_float32) {
    DEV_UNROLL for (int distance = kPrepareLanes / 2; distance > 0; distance /= 2) sum = dev::add(sum, dev::shfl_xor(sum, distance, group));
  }
  if (lane == 0) {
    const float factor = p.forward.is_float32 ? 1.0f : kLog2E;
    const float scaled = log_sum_exp == minus_infinity() ? -minus_infinity() : dev::multiply(log_sum_exp, factor);
    dev::st_global_8(p.rows + (head * p.forward.queries.tokens + row) * 2, uint2{dev::f2u(scaled), dev::f2u(sum)});
  }
}

DEV_KERNEL DEV_BOUNDS(kPrepareThreads) attention_backward_prepare(const DEV_GRID_CONST AttentionBackwardProblem p) {
  const int64_t thread = static_cast<int64_t>(dev::bid_x()) * kPrepareThreads + dev::tid();
  const int64_t threads = static_cast<int64_t>(dev::nbid_x()) * kPrepareThreads;
  if (thread == 0) dev::st_global_4(p.ticket, 0);
  for (int64_t index = thread; index < p.flag_count; index += threads) dev::st_global_4(p.flags + index, 0);
  const int lane = static_cast<int>(thread % kPrepareLanes);
  const int64_t place = thread / kPrepareLanes;
  if (place < static_cast<int64_t>(p.forward.queries.tokens) * p.forward.heads) {
    prepare_query_row(p, place / p.forward.heads, place % p.forward.heads, lane);
  }
}

}  // namespace

mm1_status launch_attention_backward_prepare(mm1_stream stream, const AttentionBackwardProblem& problem,
                                             const AttentionBackwardPlan& plan) {
  dev::LaunchConfig config;
  config.grid = {static_cast<uint32_t>(plan.prepare_blocks), 1, 1};
  config.block = {kPrepareThreads, 1, 1};
  config.stream = reinterpret_cast<dev::Stream>(stream);
  const dev::LaunchStatus status = dev::launch(config, attention_backward_prepare, problem);
  return launched("flash_attention_backward", status.code, status.text);
}

}  // namespace mm1
