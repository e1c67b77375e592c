"""Calls of the memory-bound families with what PyTorch has for each; memory_peers.py times them, selftest.py runs ours on the emulated library.

A workload is built by functions of `make`, which gives tensors and nothing else, so that the same records come from PyTorch's tensors and from
plain host memory: make.normal(shape, dtype), make.poison(shape, dtype), make.ids(count, below), make.view(tensor, first column, columns).
"""
from header import ENUMERATORS, record
from mm1_kernels import operand

SILU, GELU_TANH = ENUMERATORS["MM1_ACTIVATION_SILU"], ENUMERATORS["MM1_ACTIVATION_GELU_TANH"]


class Call:
    """One verb on one set of operands.

    peer(torch, *inputs) gives the results in the order of outputs; where gradient is there, the outputs are the gradients of the inputs whose
    numbers are in `leaves`, for that output gradient. moved: bytes that a perfect kernel reads and writes. compiled: a composition that torch.compile fuses.
    """

    def __init__(self, verb, fields, inputs, outputs, peer, moved, gradient=None, leaves=(), compiled=False, before=(), extra=()):
        operands = {name: operand(value) if hasattr(value, "data_ptr") and name != "positions" else value for name, value in fields.items()}
        if "positions" in operands:
            operands["positions"] = fields["positions"].data_ptr()
        self.verb, self.args = verb, record(f"mm1_{verb}_args", **operands)
        self.inputs, self.outputs, self.peer, self.moved = inputs, outputs, peer, moved
        self.gradient, self.leaves, self.compiled = gradient, leaves, compiled
        self.before = before  # Calls whose outputs this one reads: run once.
        self.keep = (fields, extra)


def size(*tensors):
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def layer_norm_forward(make, rows, columns):
    x, weight, bias, y = make.normal((rows, columns)), make.normal((columns,)), make.normal((columns,)), make.poison((rows, columns))
    mean, inverse = make.poison((rows, 1), "float32"), make.poison((rows, 1), "float32")
    return Call("layer_norm_forward", dict(rows=rows, columns=columns, x=x, weight=weight, bias=bias, output=y, mean=mean, inverse_standard_deviation=inverse),
                [x, weight, bias], [y], lambda torch, x, w, b: [torch.nn.functional.layer_norm(x, (columns,), w, b)], size(x, y, mean, inverse))


def layer_norm_backward(make, rows, columns):
    forward = layer_norm_forward(make, rows, columns)
    x, weight, bias = forward.inputs
    gradient, dx = make.normal((rows, columns)), make.poison((rows, columns))
    dw, db = make.poison((columns,), "float32"), make.poison((columns,), "float32")
    saved = forward.keep[0]
    mean, inverse = saved["mean"], saved["inverse_standard_deviation"]
    return Call("layer_norm_backward", dict(rows=rows, columns=columns, output_gradient=gradient, x=x, weight=weight, mean=mean, inverse_standard_deviation=inverse,
                                            input_gradient=dx, weight_gradient=dw, bias_gradient=db),
                [x, weight, bias], [dx, dw, db], forward.peer, size(x, gradient, dx, mean, inverse), gradient, (0, 1, 2), before=[forward])


def rms_norm_forward(make, rows, columns):
    x, weight, y, inverse = make.normal((rows, columns)), make.normal((columns,)), make.poison((rows, columns)), make.poison((rows, 1), "float32")
    return Call("rms_norm_forward", dict(rows=rows, columns=columns, x=x, weight=weight, output=y, inverse_root_mean_square=inverse), [x, weight], [y],
                lambda torch, x, w: [torch.nn.functional.rms_norm(x, (columns,), w, 1e-5)], size(x, y, inverse))


def rms_norm_backward(make, rows, columns):
    forward = rms_norm_forward(make, rows, columns)
    x, weight = forward.inputs
    gradient, dx, dw = make.normal((rows, columns)), make.poison((rows, columns)), make.poison((columns,), "float32")
    inverse = forward.keep[0]["inverse_root_mean_square"]
    return Call("rms_norm_backward", dict(rows=rows, columns=columns, output_gradient=gradient, x=x, weight=weight, inverse_root_mean_square=inverse,
                                          input_gradient=dx, weight_gradient=dw),
                [x, weight], [dx, dw], forward.peer, size(x, gradient, dx, inverse), gradient, (0, 1), before=[forward])


def swiglu(torch, both):
    gate, up = both.chunk(2, -1)
    return [torch.nn.functional.silu(gate) * up]


def swiglu_forward(make, rows, columns):
    both, y = make.normal((rows, 2 * columns)), make.poison((rows, columns))
    return Call("gated_activation_forward", dict(activation=SILU, rows=rows, columns=columns, gate=make.view(both, 0, columns), up=make.view(both, columns, columns), output=y),
                [both], [y], swiglu, size(both, y), compiled=True)


def swiglu_backward(make, rows, columns):
    both, gradient, result = make.normal((rows, 2 * columns)), make.normal((rows, columns)), make.poison((rows, 2 * columns))
    half = lambda tensor, first: make.view(tensor, first, columns)
    return Call("gated_activation_backward", dict(activation=SILU, rows=rows, columns=columns, output_gradient=gradient, gate=half(both, 0), up=half(both, columns),
                                                  gate_gradient=half(result, 0), up_gradient=half(result, columns)),
                [both], [result], swiglu, size(both, gradient, result), gradient, (0,), compiled=True)


def gelu(torch, x):
    return [torch.nn.functional.gelu(x, approximate="tanh")]


def activation_forward(make, rows, columns):
    x, y = make.normal((rows, columns)), make.poison((rows, columns))
    return Call("activation_forward", dict(activation=GELU_TANH, rows=rows, columns=columns, x=x, output=y), [x], [y], gelu, size(x, y))


def activation_backward(make, rows, columns):
    x, gradient, dx = make.normal((rows, columns)), make.normal((rows, columns)), make.poison((rows, columns))
    return Call("activation_backward", dict(activation=GELU_TANH, rows=rows, columns=columns, output_gradient=gradient, x=x, input_gradient=dx),
                [x], [dx], gelu, size(x, gradient, dx), gradient, (0,))


def add(make, rows, columns):
    a, b, y = make.normal((rows, columns)), make.normal((rows, columns)), make.poison((rows, columns))
    return Call("add", dict(rows=rows, columns=columns, rows_b=rows, a=a, b=b, output=y), [a, b], [y], lambda torch, a, b: [a + b], size(a, b, y))


def cast(make, rows, columns):
    x, y = make.normal((rows, columns), "float32"), make.poison((rows, columns))
    return Call("cast", dict(rows=rows, columns=columns, x=x, output=y), [x], [y],
                lambda torch, x: [x.to(torch.bfloat16) if x.dtype == torch.float32 else x], size(x, y))


def rotary(make, rows, columns):
    head = min(128, columns)
    heads, positions_below = columns // head, max(1, min(rows, 4096))
    x, y, table, positions = make.normal((rows, columns)), make.poison((rows, columns)), make.normal((positions_below, head), "float32"), make.ids(rows, positions_below)

    def peer(torch, x, table, positions):
        cosine, sine = (part[:, None, :] for part in table[positions].chunk(2, -1))
        a, b = x.view(rows, heads, head).to(table.dtype).chunk(2, -1)
        return [torch.cat([a * cosine - b * sine, a * sine + b * cosine], -1).to(x.dtype).view(rows, columns)]
    return Call("rotary_embedding", dict(tokens=rows, heads=heads, head_size=head, rotary_size=head, max_position=positions_below, x=x, output=y, cosine_sine=table,
                                         positions=positions), [x, table, positions], [y], peer, size(x, y, positions), compiled=True)


def softmax_forward(make, rows, columns):
    x, y = make.normal((rows, columns)), make.poison((rows, columns))
    return Call("softmax_forward", dict(rows=rows, columns=columns, x=x, output=y), [x], [y], lambda torch, x: [x.softmax(-1)], size(x, y))


def cross_entropy(torch, logits, targets):
    return [torch.nn.functional.cross_entropy(logits if logits.dtype == torch.float64 else logits.float(), targets)]


def cross_entropy_forward(make, rows, columns):
    logits, targets, loss, lse = make.normal((rows, columns)), make.ids(rows, columns), make.poison((1,), "float32"), make.poison((rows,), "float32")
    return Call("cross_entropy_forward", dict(tokens=rows, vocabulary=columns, logits=logits, targets=targets, loss=loss, log_sum_exp=lse), [logits, targets], [loss],
                cross_entropy, size(logits, targets, lse), compiled=True)


def cross_entropy_backward(make, rows, columns):
    forward = cross_entropy_forward(make, rows, columns)
    logits, targets = forward.inputs
    result, lse, one = make.poison((rows, columns)), forward.keep[0]["log_sum_exp"], make.ones((1,), "float32")
    return Call("cross_entropy_backward", dict(tokens=rows, vocabulary=columns, logits=logits, targets=targets, log_sum_exp=lse, loss_gradient=one, logits_gradient=result),
                [logits, targets], [result], cross_entropy, size(logits, targets, lse, result), one, (0,), compiled=True, before=[forward])


def linear_cross_entropy(torch, x, weight, targets):
    return cross_entropy(torch, torch.nn.functional.linear(x, weight), targets)


def linear_cross_entropy_forward(make, tokens, width, vocabulary):
    x, weight, targets = make.normal((tokens, width)), make.normal((vocabulary, width), scale=width**-0.5), make.ids(tokens, vocabulary)
    loss, lse = make.poison((1,), "float32"), make.poison((tokens,), "float32")
    return Call("linear_cross_entropy_forward", dict(tokens=tokens, width=width, vocabulary=vocabulary, x=x, weight=weight, targets=targets, loss=loss, log_sum_exp=lse),
                [x, weight, targets], [loss], linear_cross_entropy, size(x, weight, targets, lse), compiled=True)


def linear_cross_entropy_backward(make, tokens, width, vocabulary):
    forward = linear_cross_entropy_forward(make, tokens, width, vocabulary)
    x, weight, targets = forward.inputs
    dx, dw, one, lse = make.poison((tokens, width)), make.poison((vocabulary, width), "float32"), make.ones((1,), "float32"), forward.keep[0]["log_sum_exp"]
    return Call("linear_cross_entropy_backward", dict(tokens=tokens, width=width, vocabulary=vocabulary, x=x, weight=weight, targets=targets, log_sum_exp=lse,
                                                      loss_gradient=one, input_gradient=dx, weight_gradient=dw),
                [x, weight, targets], [dx, dw], linear_cross_entropy, size(x, weight, targets, lse, dx, dw), one, (0, 1), compiled=True, before=[forward])


def embedding_gather(make, tokens, width, vocabulary):
    table, ids, y = make.normal((vocabulary, width)), make.ids(tokens, vocabulary), make.poison((tokens, width))
    return Call("embedding_gather", dict(tokens=tokens, width=width, vocabulary=vocabulary, table=table, ids=ids, output=y), [table, ids], [y],
                lambda torch, table, ids: [torch.nn.functional.embedding(ids, table)], 2 * size(y) + size(ids))


def embedding_scatter_add(make, tokens, width, vocabulary):
    table, ids, gradient, result = make.normal((vocabulary, width)), make.ids(tokens, vocabulary), make.normal((tokens, width)), make.poison((vocabulary, width), "float32")
    return Call("embedding_scatter_add", dict(tokens=tokens, width=width, vocabulary=vocabulary, ids=ids, output_gradient=gradient, table_gradient=result), [table, ids], [result],
                lambda torch, table, ids: [torch.nn.functional.embedding(ids, table)], size(ids, gradient, result), gradient, (0,))


def convolution(kind, images, side, channels, outputs, kernel, depthwise=False):
    """A builder of forward, backward_data or backward_weight: stride 1, same size, channels last."""
    def build(make):
        pixels, padding = images * side * side, kernel // 2
        x, gradient = make.normal((pixels, channels)), make.normal((pixels, outputs))
        weight = make.normal((outputs, kernel * kernel * (1 if depthwise else channels)), scale=(kernel * kernel * (1 if depthwise else channels))**-0.5)
        shape = dict(batch=images, input_height=side, input_width=side, input_channels=channels, output_height=side, output_width=side, output_channels=outputs,
                     kernel_height=kernel, kernel_width=kernel, padding=padding, groups=channels if depthwise else 1)

        def peer(torch, x, weight):
            image = x.view(images, side, side, channels).permute(0, 3, 1, 2)
            filters = weight.view(outputs, kernel, kernel, -1).permute(0, 3, 1, 2)
            result = torch.nn.functional.conv2d(image, filters, padding=padding, groups=channels if depthwise else 1)
            return [result.permute(0, 2, 3, 1).reshape(pixels, outputs)]
        if kind == "forward":
            y = make.poison((pixels, outputs))
            return Call("convolution_forward", dict(shape, x=x, weight=weight, output=y), [x, weight], [y], peer, size(x, weight, y))
        if kind == "backward_data":
            dx = make.poison((pixels, channels))
            return Call("convolution_backward_data", dict(shape, output_gradient=gradient, weight=weight, input_gradient=dx), [x, weight], [dx], peer,
                        size(gradient, weight, dx), gradient, (0,))
        dw = make.poison(tuple(weight.shape), "float32")
        return Call("convolution_backward_weight", dict(shape, x=x, output_gradient=gradient, weight_gradient=dw), [x, weight], [dw], peer, size(x, gradient, dw), gradient, (1,))
    return build


def pooling(backward, images, side, to, channels):
    def build(make):
        x, gradient = make.normal((images * side * side, channels)), make.normal((images * to * to, channels))
        shape = dict(batch=images, input_height=side, input_width=side, output_height=to, output_width=to, channels=channels)

        def peer(torch, x):
            result = torch.nn.functional.adaptive_avg_pool2d(x.view(images, side, side, channels).permute(0, 3, 1, 2), to)
            return [result.permute(0, 2, 3, 1).reshape(-1, channels)]
        if backward:
            dx = make.poison((images * side * side, channels))
            return Call("adaptive_average_pool_backward", dict(shape, output_gradient=gradient, input_gradient=dx), [x], [dx], peer, size(gradient, dx), gradient, (0,))
        y = make.poison((images * to * to, channels))
        return Call("adaptive_average_pool_forward", dict(shape, x=x, output=y), [x], [y], peer, size(x, y))
    return build


ROW_FAMILIES = {
    "normalization": [layer_norm_forward, layer_norm_backward, rms_norm_forward, rms_norm_backward],
    "elementwise": [swiglu_forward, swiglu_backward, activation_forward, activation_backward, add, cast, rotary, softmax_forward],
}


def workloads(scale):
    """(family, name, builder) of a scale: large (256 MB and more, where bandwidth counts), small (latency), tiny (for the emulated library)."""
    rows, columns = {"large": (65536, 2048), "small": (2048, 1024), "tiny": (5, 64)}[scale]
    for family, builders in ROW_FAMILIES.items():
        for builder in builders:
            yield family, f"{builder.__name__} {rows}x{columns}", lambda make, builder=builder: builder(make, rows, columns)
    tokens, vocabulary = {"large": (8192, 32768), "small": (512, 4096), "tiny": (5, 37)}[scale]
    for builder in (cross_entropy_forward, cross_entropy_backward):
        yield "loss", f"{builder.__name__} {tokens}x{vocabulary}", lambda make, builder=builder: builder(make, tokens, vocabulary)
    width = {"large": 2048, "small": 512, "tiny": 16}[scale]
    for builder in (linear_cross_entropy_forward, linear_cross_entropy_backward):
        yield "loss", f"{builder.__name__} {tokens}x{width}x{vocabulary}", lambda make, builder=builder: builder(make, tokens, width, vocabulary)
    many = {"large": 65536, "small": 2048, "tiny": 9}[scale]
    for builder in (embedding_gather, embedding_scatter_add):
        yield "embedding", f"{builder.__name__} {many}x{width} of {vocabulary}", lambda make, builder=builder: builder(make, many, width, vocabulary)
    images, side, channels = {"large": (128, 32, 1024), "small": (4, 24, 256), "tiny": (1, 5, 16)}[scale]
    for what, kernel, depthwise in (("1x1", 1, False), ("3x3 dense", 3, False), ("3x3 depthwise", 3, True)):
        for kind in ("forward", "backward_data", "backward_weight"):
            yield "convolution", f"{what} {kind} {images}x{side}x{side}x{channels}", convolution(kind, images, side, channels, channels, kernel, depthwise)
    to = {"large": 12, "small": 12, "tiny": 3}[scale]
    for backward in (False, True):
        yield "convolution", f"pool {'backward' if backward else 'forward'} {images}x{side} to {to}, {channels}", pooling(backward, images, side, to, channels)
