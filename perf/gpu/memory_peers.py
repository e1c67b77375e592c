"""Memory-bound families of libmm1_kernels beside PyTorch; peers.py --family memory runs it, memory_workloads.py and adamw_peers.py say what is called.

FOLDER/memory_peers.csv begins with lines of "#" that say what was measured with. A row: microseconds of both (medians of alternating runs), bytes
that a perfect kernel moves, ours over the copy rate, how many times faster than PyTorch. Large operands have 256 MB and more, where `of_copy` (bytes over
the rate of torch's copy of 1 GiB, run in alternation with both) is what counts; small ones show latency and have no such figure. Dense convolutions and
the fused linear + cross-entropy are bound by arithmetic: their fraction says little, their ratio counts. Compositions (SwiGLU, rotation, losses) are
compared with torch.compile's fusion ("compile"), or eager where it fails; everything else with the functional call.
Backward: torch.autograd.grad over one graph. Accuracy: largest |x - float64| over the result's root mean square, at most twice PyTorch's plus 2^-9.
"""
import csv
import importlib
import statistics

import adamw_peers
from memory_workloads import workloads
from timing import device_state, max_keeping_nan, milliseconds

COLUMNS = ["family", "name", "scale", "peer", "error", "error_torch", "accurate", "us", "us_torch", "bytes", "gb_per_s", "copy_gb_per_s", "of_copy", "ratio",
           "sm_mhz", "watts", "celsius", "copies"]
COPY_BYTES = 1 << 30


class TorchMake:
    """Tensors on the GPU."""

    def __init__(self, torch):
        self.torch = torch

    def normal(self, shape, dtype="bfloat16", scale=1.0):
        return self.torch.randn(shape, device="cuda", dtype=getattr(self.torch, dtype)).mul_(scale)

    def poison(self, shape, dtype="bfloat16"):
        return self.torch.full(shape, float("nan"), device="cuda", dtype=getattr(self.torch, dtype))

    def ones(self, shape, dtype="bfloat16"):
        return self.torch.ones(shape, device="cuda", dtype=getattr(self.torch, dtype))

    def ids(self, count, below):
        return self.torch.randint(below, (count,), device="cuda", dtype=self.torch.int32)

    def view(self, tensor, first, columns):
        return tensor[:, first:first + columns]

    def raw(self, data):
        return self.torch.frombuffer(bytearray(data), dtype=self.torch.uint8).cuda()


class Ours:
    """Copies of one workload and the scratch that they share."""

    def __init__(self, torch, library, calls, stream):
        self.library, self.calls = library, calls
        self.workspace = library.workspace(torch, calls[0].args)
        for call in calls:
            for earlier in call.before:
                library.run(earlier.verb, earlier.args, stream, library.workspace(torch, earlier.args))

    def __call__(self, i, stream):
        call = self.calls[i]
        self.library.run(call.verb, call.args, stream, self.workspace)


class Theirs:
    """PyTorch on the same inputs; ids as int64, as it wants them, converted beforehand."""

    def __init__(self, torch, calls, compiled, dtype=None):
        self.torch, self.calls, self.graphs = torch, calls, {}
        peer = calls[0].peer
        run = lambda *inputs: peer(torch, *inputs)
        if compiled:
            importlib.import_module("torch._functorch.config")
            torch._dynamo.reset()  # all workloads share one code object, whose cache has few places
            torch._functorch.config.donated_buffer = False  # a graph is run backward many times
        self.peer = torch.compile(run, dynamic=False) if compiled else run
        turn = lambda tensor: tensor.long() if not tensor.is_floating_point() else tensor.detach() if dtype is None else tensor.to(dtype)
        self.inputs = []
        for call in calls:
            inputs = [turn(tensor) for tensor in call.inputs]
            for leaf in call.leaves:
                inputs[leaf].requires_grad_()
            gradient = call.gradient
            self.inputs.append((inputs, gradient if dtype is None or gradient is None else gradient.to(dtype)))

    def __call__(self, i, stream):
        inputs, gradient = self.inputs[i]
        leaves = self.calls[i].leaves
        if not leaves:
            with self.torch.no_grad():
                return self.peer(*inputs)
        if i not in self.graphs:
            self.graphs[i] = self.peer(*inputs)[0]
        graph = self.graphs[i]
        return self.torch.autograd.grad(graph, [inputs[leaf] for leaf in leaves], gradient.to(graph.dtype).view(graph.shape), retain_graph=True)


def error_of(found, exact):
    """Largest difference over the root mean square of the exact result, over all results."""
    worst = 0.0
    for values, right in zip(found, exact):
        right = right.reshape(-1)
        scale = max(float(right.square().mean()) ** 0.5, 1e-30)
        worst = max_keeping_nan(worst, float((values.reshape(-1).double() - right).abs().max()) / scale)
    return worst


def alternate(torch, runs, options, stream):
    """Median milliseconds of each (run, copies), taken in turn, and the device's state while the first is on."""
    calls = [max(3, int(options.milliseconds / max(milliseconds(torch, run, 3, copies, stream), 1e-3))) for run, copies in runs]
    times = [[] for _ in runs]
    for _ in range(options.rounds):
        for which, (run, copies) in enumerate(runs):
            times[which].append(milliseconds(torch, run, calls[which], copies, stream))
    for i in range(calls[0]):
        runs[0][0](i % runs[0][1], stream)
    state = device_state(torch.cuda.current_device())
    stream.synchronize()
    return [statistics.median(series) for series in times], state


def compare_call(torch, library, build, options, stream, l2_bytes):
    """(calls, ours, theirs, peer's name, errors) of one workload."""
    calls = [build()]
    copies = max(1, min(64, 1 + 2 * l2_bytes // max(1, calls[0].moved)))
    calls += [build() for _ in range(copies - 1)]
    ours = Ours(torch, library, calls, stream)
    ours(0, stream)
    exact = [tensor.detach() for tensor in Theirs(torch, calls[:1], False, torch.float64)(0, stream)]
    name, theirs, found = "eager", None, None
    if calls[0].compiled:
        try:
            theirs = Theirs(torch, calls, True)
            found, name = theirs(0, stream), "compile"
        except Exception as error:  # whatever the compiler met; the row then says eager
            print(f"  torch.compile refuses {calls[0].verb}: {' '.join(str(error).split())[:120]}", flush=True)
            theirs = None
    if theirs is None:
        theirs = Theirs(torch, calls, False)
        found = theirs(0, stream)
    stream.synchronize()
    errors = error_of([tensor.detach() for tensor in calls[0].outputs], exact), error_of([tensor.detach() for tensor in found], exact)
    return calls, ours, theirs, name, errors


def compare_adamw(torch, library, shapes, make, stream):
    """As compare_call, of the optimizer: its tensors are its state, so there is one copy."""
    call = adamw_peers.call(make, shapes)
    step, masters = adamw_peers.torch_step(torch, call)
    indices = range(min(8, len(shapes)))
    exact = [adamw_peers.exact(torch, call, i) for i in indices]
    ours = Ours(torch, library, [call], stream)
    ours(0, stream)
    step()
    stream.synchronize()
    errors = error_of([call.outputs[i] for i in indices], exact), error_of([masters[i].detach() for i in indices], exact)
    return [call], ours, lambda i, stream: step(), "fused", errors


def compare(torch, library, options, folder, stream, l2_bytes):
    """Writes memory_peers.csv; returns how many rows are not accurate."""
    make, inaccurate, path = TorchMake(torch), 0, folder / "memory_peers.csv"
    source = torch.randn(COPY_BYTES // 4, device="cuda")
    target = torch.empty_like(source)
    copy = lambda i, stream: target.copy_(source)
    with open(path, "w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {line}\n" for line in (folder / "versions.txt").read_text(encoding="utf-8").splitlines())
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for scale in ("large", "small"):
            jobs = [(family, name, lambda build=build: compare_call(torch, library, lambda: build(make), options, stream, l2_bytes))
                    for family, name, build in workloads(scale)]
            layers = 24 if scale == "large" else 2
            shapes = adamw_peers.decoder(layers, 1024 if scale == "large" else 256, 2736 if scale == "large" else 704)
            jobs.append(("optimizer", f"adam_w {len(shapes)} tensors", lambda shapes=shapes: compare_adamw(torch, library, shapes, make, stream)))
            for family, name, job in jobs:
                try:
                    calls, ours, theirs, peer, errors = job()
                    accurate = errors[0] <= 2 * errors[1] + 2.0**-9
                    (ms, ms_torch, ms_copy), state = alternate(torch, [(ours, len(calls)), (theirs, len(calls)), (copy, 1)], options, stream)
                except (RuntimeError, MemoryError) as error:
                    inaccurate += 1
                    print(f"{name:44} FAILED {' '.join(str(error).split())[:160]}", flush=True)
                    writer.writerow([family, name, scale, "failed: " + " ".join(str(error).split())[:160], *[""] * (len(COLUMNS) - 4)])
                    file.flush()
                    torch.cuda.empty_cache()
                    continue
                inaccurate += not accurate
                rate, copy_rate = calls[0].moved / ms * 1e-6, 2 * COPY_BYTES / ms_copy * 1e-6
                # Bandwidth means something where operands leave the caches behind.
                fraction = f"{rate / copy_rate:.3f}" if calls[0].moved >= 256e6 else ""
                writer.writerow([family, name, scale, peer, f"{errors[0]:.3e}", f"{errors[1]:.3e}", int(accurate), f"{ms * 1e3:.2f}", f"{ms_torch * 1e3:.2f}",
                                 calls[0].moved, f"{rate:.1f}", f"{copy_rate:.1f}", fraction, f"{ms_torch / ms:.3f}", *state, len(calls)])
                file.flush()
                print(f"{name:44} {ms * 1e3:9.2f} us, torch {peer} {ms_torch * 1e3:9.2f}, ratio {ms_torch / ms:.3f}, {rate:7.1f} GB/s"
                      f"{f', {fraction} of copy' if fraction else ''}  error {errors[0]:.1e}{'' if accurate else ' NOT ACCURATE'}", flush=True)
                del calls, ours, theirs
                torch.cuda.empty_cache()
    print(f"{inaccurate} rows inaccurate or failed; {path}")
    return inaccurate
