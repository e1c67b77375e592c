// The verb mm1_rotary_embedding: argument rules and launch.
#include "elementwise/elementwise.h"
#include "host/device.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

constexpr const char* kVerb = "rotary_embedding";

using Long = long long;

int64_t packs_of(int64_t elements, int64_t pack) { return (elements + pack - 1) / pack; }

void check_rotary(const mm1_rotary_embedding_args& args, Check* check) {
  check->enumerator("style", args.style, MM1_ROTARY_STYLE_INTERLEAVED, "mm1_rotary_style");
  check->extent("tokens", args.tokens);
  check->extent("heads", args.heads);
  check->extent("head_size", args.head_size);
  check->extent("max_position", args.max_position);
  check->that(args.rotary_size >= 0 && args.rotary_size % 2 == 0 && args.rotary_size <= args.head_size,
              "rotary_size is %lld; it must be even and at most head_size (%lld).", static_cast<Long>(args.rotary_size),
              static_cast<Long>(args.head_size));
  if (!check->ok()) return;
  const int64_t columns = args.heads * args.head_size;
  check_compute(check, "x", args.x, args.tokens, columns);
  check->operand("output", args.output, args.tokens, columns, args.x.dtype);
  check->operand("cosine_sine", args.cosine_sine, args.max_position, args.rotary_size, MM1_DTYPE_FLOAT32);
  if (args.tokens == 0 || columns == 0) return;
  check->that(args.positions != nullptr, "positions is missing; it holds [%lld] int32 values.", static_cast<Long>(args.tokens));
  check->that(reinterpret_cast<uintptr_t>(args.positions) % sizeof(int32_t) == 0, "positions is no multiple of the 4 bytes of one int32.");
  const Region output{&args.output, args.tokens, columns, 1, 0};
  check->apart_or_same("output", output, "x", {&args.x, args.tokens, columns, 1, 0});
  check->apart("output", output, "cosine_sine", {&args.cosine_sine, args.max_position, args.rotary_size, 1, 0});
  const mm1_operand positions{const_cast<int32_t*>(args.positions), MM1_DTYPE_INT32, 0, 0};
  check->apart("output", output, "positions", {&positions, 1, args.tokens, 1, 0});
}

}  // namespace

}  // namespace mm1

mm1_status mm1_rotary_embedding(mm1_stream stream, const mm1_rotary_embedding_args* given, void*, int64_t) {
  using namespace mm1;
  mm1_rotary_embedding_args args;
  MM1_RETURN_IF_FAILED(read_args(kVerb, given, &args));
  Check check(kVerb);
  check_rotary(args, &check);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(enter(kVerb, &stream));
  if (args.tokens == 0 || args.heads == 0 || args.head_size == 0) return MM1_STATUS_OK;

  const bool is_float32 = args.x.dtype == MM1_DTYPE_FLOAT32;
  const int64_t element = is_float32 ? 4 : 2;
  const int64_t pack = kPackBytes / element;
  const bool is_interleaved = args.style == MM1_ROTARY_STYLE_INTERLEAVED;
  // What a pack must divide: where heads begin, where the second half does, where the copied part does.
  const int64_t part = is_interleaved ? args.rotary_size : args.rotary_size / 2;
  Rotary problem{};
  problem.x = row_operand(args.x, args.tokens);
  problem.output = row_operand(args.output, args.tokens);
  problem.table = row_operand(args.cosine_sine, args.max_position);
  problem.positions = args.positions;
  problem.head_size = args.head_size;
  problem.rotary_size = args.rotary_size;
  problem.rotated_items = packs_of(part, pack);
  problem.items = problem.rotated_items + packs_of(args.head_size - args.rotary_size, pack);
  problem.max_position = args.max_position;
  problem.interleaved = is_interleaved;
  problem.inverse = args.inverse != 0;
  problem.vector = has_packs(problem.x, element) && has_packs(problem.output, element) && args.head_size % pack == 0 && part % pack == 0;
  problem.vector_table = has_packs(problem.table, 4) && args.rotary_size / 2 % 4 == 0;
  const RowGrid grid = plan_row_walk(args.tokens, args.heads * problem.items, 1, current_profile(), elementwise_blocks());
  problem.walk = grid.walk;
  return launch_rotary(stream, is_float32, grid.blocks, problem);
}
