// A captured loss replays with what is in device memory then: targets, the denominator of the step, the scale.
#include "loss_case.h"
#include "mm1/runtime.h"
#include "test.h"

namespace test {

namespace {

// Records what `enqueue` puts on a stream, and replays it after each change as often as asked.
class Captured {
 public:
  template <class Enqueue>
  explicit Captured(const Enqueue& enqueue) {
    mm1_graph graph = nullptr;
    CHECK_OK(mm1_stream_create(&stream_));
    CHECK_OK(mm1_device_synchronize());
    CHECK_OK(mm1_graph_begin_capture(stream_));
    enqueue(stream_);
    CHECK_OK(mm1_graph_end_capture(stream_, &graph));
    CHECK_OK(mm1_graph_instantiate(graph, &instance_));
    CHECK_OK(mm1_graph_destroy(graph));
  }
  ~Captured() {
    mm1_graph_instance_destroy(instance_);
    mm1_stream_destroy(stream_);
  }

  void replay() const {
    CHECK_OK(mm1_device_synchronize());
    CHECK_OK(mm1_graph_launch(instance_, stream_));
    CHECK_OK(mm1_stream_synchronize(stream_));
  }

 private:
  mm1_stream stream_ = nullptr;
  mm1_graph_instance instance_ = nullptr;
};

}  // namespace

TEST(loss_capture, linear_cross_entropy_replays_with_new_targets_and_denominators) {
  LinearCrossEntropyCase which;
  which.dtype = MM1_DTYPE_BFLOAT16;
  which.tokens = 40;
  which.width = 16;
  which.vocabulary = 48;
  which.chunk_tokens = 16;
  which.denominator = 0;
  const auto x = upload(which.dtype, which.x(), 40, 16), weight = upload(which.dtype, which.weight(), 48, 16);
  const auto targets = upload_targets(which.targets());
  const auto state = upload_state(0);
  DeviceBuffer loss(MM1_DTYPE_FLOAT32, 1), lse(MM1_DTYPE_FLOAT32, 40), dx(which.dtype, 40, 16, 16), dw(MM1_DTYPE_FLOAT32, 48, 16, 16);
  mm1_linear_cross_entropy_forward_args forward = mm1_linear_cross_entropy_forward_args_default();
  forward.tokens = 40;
  forward.width = 16;
  forward.vocabulary = 48;
  forward.chunk_tokens = 16;
  forward.x = x->operand();
  forward.weight = weight->operand();
  forward.targets = targets->operand();
  forward.loss = loss.operand();
  forward.log_sum_exp = lse.operand();
  forward.step_state = static_cast<const mm1_step_state*>(state->data());
  mm1_linear_cross_entropy_backward_args backward = mm1_linear_cross_entropy_backward_args_default();
  backward.tokens = 40;
  backward.width = 16;
  backward.vocabulary = 48;
  backward.chunk_tokens = 16;
  backward.x = forward.x;
  backward.weight = forward.weight;
  backward.targets = forward.targets;
  backward.log_sum_exp = forward.log_sum_exp;
  backward.input_gradient = dx.operand();
  backward.weight_gradient = dw.operand();
  backward.step_state = forward.step_state;
  const Workspace first(mm1_linear_cross_entropy_forward_workspace_bytes(&forward));
  const Workspace second(mm1_linear_cross_entropy_backward_workspace_bytes(&backward));
  const Captured captured([&](mm1_stream stream) {
    CHECK_OK(mm1_linear_cross_entropy_forward(stream, &forward, first.address(), first.bytes()));
    CHECK_OK(mm1_linear_cross_entropy_backward(stream, &backward, second.address(), second.bytes()));
  });
  for (const int64_t ignore_every : {0, 1, 4}) {
    which.ignore_every = ignore_every;
    which.denominator = ignore_every == 4 ? 17.0f : 0.0f;
    targets->upload_elements(which.targets());
    CHECK_OK(mm1_memory_copy_on_device(nullptr, state->data(), upload_state(which.denominator)->data(), sizeof(mm1_step_state)));
    captured.replay();
    const Results eager = which.run();
    check_same_bits("loss", loss.download(), eager.at("loss").values);
    check_same_bits("input gradient", dx.download(), eager.at("input gradient").values);
    check_same_bits("weight gradient", dw.download(), eager.at("weight gradient").values);
  }
}

}  // namespace test
