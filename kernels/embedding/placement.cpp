// The verbs mm1_image_token_placement_forward and _backward: argument rules and launch. Placements lie in
// device memory and are not checked.
#include "embedding/embedding.h"
#include "host/check.h"
#include "host/device.h"
#include "tile/row_checks.h"

namespace mm1 {

namespace {

constexpr const char* kForward = "image_token_placement_forward";
constexpr const char* kBackward = "image_token_placement_backward";

void check_extents(Check* check, int64_t tokens, int64_t image_tokens, int64_t width) {
  check->extent("tokens", tokens);
  check->extent("image_tokens", image_tokens);
  check->extent("width", width);
}

// Whether all rows begin at multiples of 16 bytes; absent operands have no rows.
bool is_wide(const RowBytes& rows) {
  return rows.data == nullptr || (reinterpret_cast<uintptr_t>(rows.data) % 16 == 0 && rows.stride % 16 == 0);
}

RowBytes row_bytes(const mm1_operand& operand, int64_t rows) {
  return {static_cast<char*>(operand.data), rows > 1 ? operand.row_stride * dtype_bytes(operand.dtype) : 0};
}

}  // namespace

}  // namespace mm1

mm1_status mm1_image_token_placement_forward(mm1_stream stream, const mm1_image_token_placement_forward_args* given, void*, int64_t) {
  mm1_image_token_placement_forward_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kForward, given, &args));
  mm1::Check check(mm1::kForward);
  mm1::check_extents(&check, args.tokens, args.image_tokens, args.width);
  check.operand("placement", args.placement, 1, args.tokens, MM1_DTYPE_INT32);
  mm1::check_compute(&check, "text", args.text, args.tokens, args.width);
  if (args.tokens > 0) check.operand("image", args.image, args.image_tokens, args.width, args.text.dtype);
  check.operand("output", args.output, args.tokens, args.width, args.text.dtype);
  const mm1::Region output{&args.output, args.tokens, args.width};
  check.apart_or_same("output", output, "text", {&args.text, args.tokens, args.width});
  check.apart("output", output, "image", {&args.image, args.image_tokens, args.width});
  check.apart("output", output, "placement", {&args.placement, 1, args.tokens});
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kForward, &stream));
  if (args.tokens == 0 || args.width == 0) return MM1_STATUS_OK;

  mm1::RowGather gather{};
  gather.ids = {args.placement.data, 0, 0};
  gather.table = mm1::row_bytes(args.image, args.image_tokens);
  gather.text = mm1::row_bytes(args.text, args.tokens);
  gather.output = mm1::row_bytes(args.output, args.tokens);
  gather.tokens = args.tokens;
  gather.table_rows = args.image_tokens;
  gather.columns = args.width;
  gather.element_bytes = static_cast<int32_t>(mm1::dtype_bytes(args.text.dtype));
  gather.wide = (args.image_tokens == 0 || mm1::is_wide(gather.table)) && mm1::is_wide(gather.text) && mm1::is_wide(gather.output);
  gather.keep_text = args.output.data == args.text.data;
  return mm1::launch_gather(mm1::kForward, stream, gather);
}

mm1_status mm1_image_token_placement_backward(mm1_stream stream, const mm1_image_token_placement_backward_args* given, void*, int64_t) {
  mm1_image_token_placement_backward_args args;
  MM1_RETURN_IF_FAILED(mm1::read_args(mm1::kBackward, given, &args));
  mm1::Check check(mm1::kBackward);
  mm1::check_extents(&check, args.tokens, args.image_tokens, args.width);
  check.operand("placement", args.placement, 1, args.tokens, MM1_DTYPE_INT32);
  mm1::check_compute(&check, "output_gradient", args.output_gradient, args.tokens, args.width);
  const bool is_empty = args.tokens == 0 || args.width == 0;
  const mm1_dtype dtype = is_empty ? args.image_gradient.dtype : args.output_gradient.dtype;
  check.optional("text_gradient", args.text_gradient, args.tokens, args.width, dtype);
  if (is_empty && mm1::is_present(args.image_gradient)) {
    mm1::check_compute(&check, "image_gradient", args.image_gradient, args.image_tokens, args.width);
  } else {
    check.optional("image_gradient", args.image_gradient, args.image_tokens, args.width, dtype);
  }
  const mm1::Region gradient{&args.output_gradient, args.tokens, args.width}, placement{&args.placement, 1, args.tokens};
  const mm1::Region text{&args.text_gradient, args.tokens, args.width}, image{&args.image_gradient, args.image_tokens, args.width};
  check.apart_or_same("text_gradient", text, "output_gradient", gradient);
  check.apart("text_gradient", text, "placement", placement);
  check.apart("image_gradient", image, "output_gradient", gradient);
  check.apart("image_gradient", image, "text_gradient", text);
  check.apart("image_gradient", image, "placement", placement);
  MM1_RETURN_IF_FAILED(check.status());
  MM1_RETURN_IF_FAILED(mm1::enter(mm1::kBackward, &stream));
  if (args.width == 0) return MM1_STATUS_OK;

  mm1::RowSplit split{};
  split.placement = static_cast<const int32_t*>(args.placement.data);
  split.gradient = mm1::row_bytes(args.output_gradient, args.tokens);
  split.text = mm1::row_bytes(args.text_gradient, args.tokens);
  split.image = mm1::row_bytes(args.image_gradient, args.image_tokens);
  split.tokens = args.tokens;
  split.image_rows = args.image_tokens;
  split.columns = args.width;
  split.element_bytes = static_cast<int32_t>(mm1::dtype_bytes(dtype));
  split.wide = mm1::is_wide(split.gradient) && mm1::is_wide(split.text) && mm1::is_wide(split.image);
  split.keep_text = args.text_gradient.data == args.output_gradient.data;
  return mm1::launch_split(stream, split);
}
