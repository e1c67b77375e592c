// The argument rules of the attention family: those of src/MM1.Native.Kernels/Cpu/Attention/AttentionChecks.cs, but for what lies in device
// memory (cuSeqlens, lengths, positions), which the host cannot see.
#include "attention/attention.h"
#include "host/check.h"

namespace mm1 {

namespace {

using Long = long long;
using Forward = mm1_flash_attention_forward_args;
using Backward = mm1_flash_attention_backward_args;
using Decode = mm1_flash_attention_decode_args;
using Append = mm1_key_value_cache_append_args;

bool is_compute(mm1_dtype dtype) { return dtype == MM1_DTYPE_FLOAT32 || dtype == MM1_DTYPE_BFLOAT16; }

// The dtype that a call's operands must have: the first operand's, if the device computes in it. Empty operands may have none.
mm1_dtype compute_dtype(Check* check, const char* first_field, const mm1_operand& first, bool first_is_empty, const mm1_operand& second) {
  const mm1_dtype dtype = first_is_empty ? second.dtype : first.dtype;
  check->supported(first_is_empty || !is_present(first) || (dtype != MM1_DTYPE_FLOAT64 && dtype != MM1_DTYPE_FLOAT16),
                   "%s has dtype %s; this device computes in bfloat16 and float32.", first_field, dtype_name(dtype));
  return dtype;
}

void check_heads(int64_t heads, int64_t key_value_heads, int64_t head_size, Check* check) {
  check->extent("heads", heads);
  check->extent("key_value_heads", key_value_heads);
  check->that(head_size >= 8 && head_size <= kMaximumHeadSize && head_size % 8 == 0,
              "head_size is %lld; it must be a multiple of 8 from 8 to %lld.", static_cast<Long>(head_size),
              static_cast<Long>(kMaximumHeadSize));
  check->that(heads == 0 || (key_value_heads != 0 && heads % key_value_heads == 0), "key_value_heads %lld does not divide heads %lld.",
              static_cast<Long>(key_value_heads), static_cast<Long>(heads));
  check->that(heads <= INT32_MAX / kMaximumHeadSize && key_value_heads <= INT32_MAX / kMaximumHeadSize,
              "heads and key_value_heads times 256 must fit in 32 bits.");
}

void check_fits(int64_t batch, int64_t length, int64_t tokens, const char* which, Check* check) {
  check->that(batch == 0 || length <= tokens / batch, "batch %lld times max_%s_length %lld is more than %s_tokens %lld.",
              static_cast<Long>(batch), which, static_cast<Long>(length), which, static_cast<Long>(tokens));
}

// Rules that no operand takes part in: what mm1_flash_attention_forward_workspace_bytes looks at.
void check_record(const Forward& args, Check* check) {
  check->extent("batch", args.batch);
  check->extent("query_tokens", args.query_tokens);
  check->extent("key_tokens", args.key_tokens);
  check->extent("max_query_length", args.max_query_length);
  check->extent("max_key_length", args.max_key_length);
  check_heads(args.heads, args.key_value_heads, args.head_size, check);
  check->that(args.mask >= MM1_ATTENTION_MASK_FULL && args.mask <= MM1_ATTENTION_MASK_PREFIX, "mask is none of full, causal and prefix.");
  check->that(args.query_tokens <= INT32_MAX && args.key_tokens <= INT32_MAX, "query_tokens and key_tokens must fit in 32 bits.");
  check->that(args.batch < INT32_MAX, "batch must fit in 32 bits.");
  check->that((args.cu_seqlens_query == nullptr) == (args.cu_seqlens_key == nullptr),
              "cu_seqlens_query and cu_seqlens_key must be given together or not at all.");
  check->that((args.mask == MM1_ATTENTION_MASK_PREFIX) == (args.prefix_lengths != nullptr) || args.batch == 0,
              "prefix_lengths must be given with the prefix mask and with no other.");
  if (args.cu_seqlens_query == nullptr) {
    check_fits(args.batch, args.max_query_length, args.query_tokens, "query", check);
    check_fits(args.batch, args.max_key_length, args.key_tokens, "key", check);
  }
}

struct Columns {
  int64_t queries;
  int64_t keys;
};

// The operands of a forward record; those of a backward's are the same, output and log_sum_exp being inputs.
mm1_dtype check_operands(const Forward& args, Columns columns, Check* check) {
  const mm1_dtype dtype =
      compute_dtype(check, args.query_tokens > 0 ? "query" : "key", args.query_tokens > 0 ? args.query : args.key,
                    args.query_tokens == 0 && args.key_tokens == 0, args.output);
  check->operand("query", args.query, args.query_tokens, columns.queries, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32);
  check->operand("key", args.key, args.key_tokens, columns.keys, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  check->operand("value", args.value, args.key_tokens, columns.keys, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  check->operand("output", args.output, args.query_tokens, columns.queries, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  check->optional("log_sum_exp", args.log_sum_exp, args.heads, args.query_tokens, MM1_DTYPE_FLOAT32);
  return dtype;
}

Columns columns_of(int64_t heads, int64_t key_value_heads, int64_t head_size) { return {heads * head_size, key_value_heads * head_size}; }

}  // namespace

mm1_status check_attention_record(const char* verb, const mm1_flash_attention_forward_args& args) {
  Check check(verb);
  check_record(args, &check);
  return check.status();
}

mm1_status check_attention_forward(const mm1_flash_attention_forward_args& args) {
  Check check("flash_attention_forward");
  check_record(args, &check);
  if (!check.ok()) return check.status();
  const Columns columns = columns_of(args.heads, args.key_value_heads, args.head_size);
  check_operands(args, columns, &check);
  if (!check.ok()) return check.status();
  const Region query{&args.query, args.query_tokens, columns.queries};
  const Region key{&args.key, args.key_tokens, columns.keys};
  const Region value{&args.value, args.key_tokens, columns.keys};
  const Region output{&args.output, args.query_tokens, columns.queries};
  const Region log_sum_exp{&args.log_sum_exp, args.heads, args.query_tokens};
  check.apart("output", output, "query", query);
  check.apart("output", output, "key", key);
  check.apart("output", output, "value", value);
  check.apart("output", output, "log_sum_exp", log_sum_exp);
  check.apart("log_sum_exp", log_sum_exp, "query", query);
  check.apart("log_sum_exp", log_sum_exp, "key", key);
  check.apart("log_sum_exp", log_sum_exp, "value", value);
  return check.status();
}

mm1_status check_attention_backward(const mm1_flash_attention_backward_args& args) {
  Check check("flash_attention_backward");
  const Forward& forward = args.forward;
  check_record(forward, &check);
  check.reserved("reserved", args.reserved);
  if (!check.ok()) return check.status();
  const Columns columns = columns_of(forward.heads, forward.key_value_heads, forward.head_size);
  const mm1_dtype dtype = check_operands(forward, columns, &check);
  check.operand("log_sum_exp", forward.log_sum_exp, forward.heads, forward.query_tokens, MM1_DTYPE_FLOAT32);
  check.operand("output_gradient", args.output_gradient, forward.query_tokens, columns.queries, dtype);
  check.operand("query_gradient", args.query_gradient, forward.query_tokens, columns.queries, dtype);
  check.operand("key_gradient", args.key_gradient, forward.key_tokens, columns.keys, dtype);
  check.operand("value_gradient", args.value_gradient, forward.key_tokens, columns.keys, dtype);
  if (!check.ok()) return check.status();
  struct Named {
    const char* field;
    Region region;
  };
  const Named inputs[] = {{"query", {&forward.query, forward.query_tokens, columns.queries}},
                          {"key", {&forward.key, forward.key_tokens, columns.keys}},
                          {"value", {&forward.value, forward.key_tokens, columns.keys}},
                          {"output", {&forward.output, forward.query_tokens, columns.queries}},
                          {"log_sum_exp", {&forward.log_sum_exp, forward.heads, forward.query_tokens}},
                          {"output_gradient", {&args.output_gradient, forward.query_tokens, columns.queries}}};
  const Named outputs[] = {{"query_gradient", {&args.query_gradient, forward.query_tokens, columns.queries}},
                           {"key_gradient", {&args.key_gradient, forward.key_tokens, columns.keys}},
                           {"value_gradient", {&args.value_gradient, forward.key_tokens, columns.keys}}};
  for (int i = 0; i < 3; i++) {
    for (const Named& input : inputs) check.apart(outputs[i].field, outputs[i].region, input.field, input.region);
    for (int j = 0; j < i; j++) check.apart(outputs[i].field, outputs[i].region, outputs[j].field, outputs[j].region);
  }
  return check.status();
}

mm1_status check_attention_decode(const mm1_flash_attention_decode_args& args) {
  Check check("flash_attention_decode");
  check.extent("batch", args.batch);
  check.extent("query_length", args.query_length);
  check.extent("max_length", args.max_length);
  check_heads(args.heads, args.key_value_heads, args.head_size, &check);
  check.that(args.batch <= INT32_MAX && args.query_length <= INT32_MAX && args.max_length <= INT32_MAX,
             "batch, query_length and max_length must fit in 32 bits.");
  check.reserved("reserved", args.reserved);
  if (!check.ok()) return check.status();
  const int64_t rows = args.batch * args.query_length;
  const int64_t cache_rows = args.batch * args.max_length;
  const Columns columns = columns_of(args.heads, args.key_value_heads, args.head_size);
  check.that(args.lengths != nullptr || rows == 0, "lengths is missing.");
  const mm1_dtype dtype = compute_dtype(&check, "query", args.query, rows == 0, args.key_cache);
  check.operand("query", args.query, rows, columns.queries, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32);
  check.operand("key_cache", args.key_cache, cache_rows, columns.keys, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  check.operand("value_cache", args.value_cache, cache_rows, columns.keys, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  check.operand("output", args.output, rows, columns.queries, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  const Region output{&args.output, rows, columns.queries};
  check.apart("output", output, "query", {&args.query, rows, columns.queries});
  check.apart("output", output, "key_cache", {&args.key_cache, cache_rows, columns.keys});
  check.apart("output", output, "value_cache", {&args.value_cache, cache_rows, columns.keys});
  return check.status();
}

mm1_status check_key_value_cache_append(const mm1_key_value_cache_append_args& args) {
  Check check("key_value_cache_append");
  check.extent("tokens", args.tokens);
  check.extent("batch", args.batch);
  check.extent("max_length", args.max_length);
  check.extent("key_value_heads", args.key_value_heads);
  check.extent("head_size", args.head_size);
  if (!check.ok() || args.tokens == 0) return check.status();
  check.that(args.sequences != nullptr, "sequences is missing.");
  check.that(args.positions != nullptr, "positions is missing.");
  const int64_t columns = args.key_value_heads * args.head_size;
  const int64_t rows = args.batch * args.max_length;
  const mm1_dtype dtype = compute_dtype(&check, "key", args.key, columns == 0, args.key_cache);
  check.operand("key", args.key, args.tokens, columns, MM1_DTYPE_BFLOAT16, MM1_DTYPE_FLOAT32);
  check.operand("value", args.value, args.tokens, columns, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  check.operand("key_cache", args.key_cache, rows, columns, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  check.operand("value_cache", args.value_cache, rows, columns, is_compute(dtype) ? dtype : MM1_DTYPE_FLOAT32);
  const Region key{&args.key, args.tokens, columns};
  const Region value{&args.value, args.tokens, columns};
  const Region key_cache{&args.key_cache, rows, columns};
  const Region value_cache{&args.value_cache, rows, columns};
  check.apart("key_cache", key_cache, "key", key);
  check.apart("key_cache", key_cache, "value", value);
  check.apart("value_cache", value_cache, "key", key);
  check.apart("value_cache", value_cache, "value", value);
  check.apart("value_cache", value_cache, "key_cache", key_cache);
  return check.status();
}

}  // namespace mm1
