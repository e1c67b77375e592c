"""mm1_adam_w, one launch over all tensors of a decoder, beside torch.optim.AdamW(fused=True); memory_peers.py runs it.

Ours also writes the bfloat16 shadow (2 of 30 bytes a parameter), which PyTorch's step does not: its masters are cast in each forward under autocast.
"""
from header import ENUMERATORS, RECORDS, record
from memory_workloads import Call, size

TINY = [(8, 16), (16,), (3, 5)]
HYPER = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)


def decoder(layers, width, hidden):
    """Shapes of a decoder's parameters, as MM1.Native.Benchmarks' has them."""
    block = [(3 * width, width), (width, width), (width,), (width,), (2 * hidden, width), (width, hidden)]
    return block * layers + [(width,)]


def call(make, shapes):
    """The verb's call on new tensors: second moments are positive, as after some steps."""
    masters = [make.normal(shape, "float32") for shape in shapes]
    gradients = [make.normal(shape, "float32") for shape in shapes]
    first = [make.normal(shape, "float32", 0.1) for shape in shapes]
    second = [make.ones(shape, "float32") for shape in shapes]
    shadows = [make.poison(shape) for shape in shapes]
    table = (RECORDS["mm1_optimizer_tensor"] * len(shapes))()
    for i in range(len(shapes)):
        rows, columns = shapes[i][0], masters[i].numel() // shapes[i][0]
        table[i] = record("mm1_optimizer_tensor", master=masters[i].data_ptr(), shadow=shadows[i].data_ptr(), gradient=gradients[i].data_ptr(),
                          first_moment=first[i].data_ptr(), second_moment=second[i].data_ptr(), count=masters[i].numel(), rows=rows, columns=columns,
                          learning_rate_scale=1.0, weight_decay=HYPER["weight_decay"], shadow_dtype=ENUMERATORS["MM1_DTYPE_BFLOAT16"])
    state = record("mm1_step_state", step=10, learning_rate=HYPER["lr"], clip_factor=1.0)
    device_table, device_state = make.raw(bytes(table)), make.raw(bytes(state))
    fields = dict(tensor_count=len(shapes), tensors=device_table.data_ptr(), step_state=device_state.data_ptr(),
                  beta1=HYPER["betas"][0], beta2=HYPER["betas"][1], epsilon=HYPER["eps"])
    moved = 2 * size(*masters, *first, *second) + size(*gradients, *shadows)
    result = Call("adam_w", fields, masters, [*masters, *shadows], None, moved, extra=(device_table, device_state, gradients, first, second))
    result.gradients, result.first, result.second = gradients, first, second
    return result


def torch_step(torch, ours):
    """(step, masters) of PyTorch's fused AdamW from the same state as ours, in tensors of its own."""
    masters = [torch.nn.Parameter(master.clone()) for master in ours.inputs]
    optimizer = torch.optim.AdamW(masters, fused=True, **HYPER)
    for parameter, gradient, first, second in zip(masters, ours.gradients, ours.first, ours.second):
        parameter.grad = gradient
        optimizer.state[parameter] = {"step": torch.tensor(9.0, device=parameter.device), "exp_avg": first.clone(), "exp_avg_sq": second.clone()}
    return optimizer.step, masters


def exact(torch, ours, index):
    """Tensor `index` after the step, in float64."""
    p, g, m, v = (group[index].double() for group in (ours.inputs, ours.gradients, ours.first, ours.second))
    (a, b), lr = HYPER["betas"], HYPER["lr"]
    m, v = a * m + (1 - a) * g, b * v + (1 - b) * g * g
    return p * (1 - lr * HYPER["weight_decay"]) - lr * (m / (1 - a**10)) / ((v / (1 - b**10)).sqrt() + HYPER["eps"])
