"""Attention of libmm1_kernels beside every back end of torch's scaled_dot_product_attention, forward and backward; peers.py runs it.

Operands are N(0, 1), bfloat16, token-major [tokens, heads, head size]: the peers see the same memory transposed. A back end that refuses a shape
gets a row with its reason. Grouped heads: enable_gqa where the back end takes it, else keys and values repeated beforehand (note "repeated", not timed).
Packed documents, 4096 tokens a sequence, have no one peer; each of these is a row:
  nested   documents as a jagged nested tensor
  loop     one call for each document
  mask     a block-diagonal mask, made beforehand, over padded sequences: back ends that take a mask
Backward: torch.autograd.grad over one graph. Each back end is timed as it comes and, where it has such a mode, deterministically
(use_deterministic_algorithms); ours is always deterministic. Accuracy: largest |x - float64| over the result's root mean square, for head 0 of
sequence 0 (of packed: its longest document), output and query gradient for up to 512 rows, and key and value gradients up to 4096 tokens. At most twice
the smallest of the peers', plus 2^-9.
"""
import csv
import random
import warnings

from mm1_kernels import attention_args, attention_backward_args
from timing import max_keeping_nan, measure

COLUMNS = ["name", "pass", "peer", "deterministic", "note", "batch", "heads", "key_value_heads", "head_size", "tokens", "mask", "documents", "error",
           "error_peer", "accurate", "ms", "ms_peer", "tflops", "tflops_peer", "ratio", "sm_mhz", "watts", "celsius", "copies"]
BACK_ENDS = ["FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION", "MATH"]
LARGEST_SCORES = 16 << 30  # Bytes that the math back end may need for the scores of one call.


class Shape:
    """One workload. documents: lengths of packed documents by sequence, or None."""

    def __init__(self, name, batch, heads, key_value_heads, head_size, length, mask, documents=None):
        self.name, self.batch, self.heads, self.key_value_heads = name, batch, heads, key_value_heads
        self.head_size, self.length, self.mask, self.documents = head_size, length, mask, documents

    @property
    def tokens(self):
        return self.batch * self.length

    def forward_flops(self):
        lengths = [n for row in self.documents for n in row] if self.documents else [self.length] * self.batch
        return sum(4.0 * self.heads * self.head_size * n * n for n in lengths) / (2 if self.mask == "causal" else 1)


def documents_of(count, length, batch, seed=1):
    """`count` documents a sequence, of random lengths that add up to `length`."""
    generator = random.Random(seed)
    rows = []
    for _ in range(batch):
        cuts = sorted(generator.sample(range(1, length), count - 1))
        rows.append([b - a for a, b in zip([0, *cuts], [*cuts, length])])
    return rows


def shapes(which):
    """kernels' anchors (batch 2, 64 heads on 8, head size 128), ViT-H's patches, packed sequences."""
    for length in (2048, 4096, 8192) if which == "quick" else (2048, 4096, 8192, 16384, 32768):
        for mask in ("causal", "full"):
            yield Shape(f"decoder {length}", 2, 64, 8, 128, length, mask)
    for patches in (729, 2304):
        yield Shape(f"ViT-H 8 x {patches}", 8, 16, 16, 80, patches, "full")
    for count in (10, 40) if which == "quick" else (10, 20, 40):
        yield Shape(f"packed, {count} documents", 4, 16, 16, 128, 4096, "causal", documents_of(count, 4096, 4))
    if which == "full":
        for head_size in (64, 256):
            yield Shape(f"head size {head_size}", 2, 16, 16, head_size, 4096, "causal")


class Attention:
    """Copies of one workload's operands and our calls on copy i."""

    def __init__(self, torch, library, shape, l2_bytes):
        self.torch, self.library, self.shape = torch, library, shape
        columns, key_columns = shape.heads * shape.head_size, shape.key_value_heads * shape.head_size
        one_copy = 2 * shape.tokens * (4 * columns + 4 * key_columns)
        self.copies = max(1, min(16, 1 + 2 * l2_bytes // one_copy))
        new = lambda width: [torch.randn(shape.tokens, width, device="cuda", dtype=torch.bfloat16) for _ in range(self.copies)]
        poison = lambda width: torch.full((shape.tokens, width), float("nan"), device="cuda", dtype=torch.bfloat16)
        self.query, self.key, self.value, self.output_gradient = new(columns), new(key_columns), new(key_columns), new(columns)
        self.output = [poison(columns) for _ in range(self.copies)]
        self.gradients = [(poison(columns), poison(key_columns), poison(key_columns)) for _ in range(self.copies)]
        self.log_sum_exp = [torch.empty(shape.heads, shape.tokens, device="cuda", dtype=torch.float32) for _ in range(self.copies)]
        self.offsets, documents, longest = None, shape.batch, shape.length
        if shape.documents:
            lengths = [n for row in shape.documents for n in row]
            documents, longest = len(lengths), max(lengths)
            self.offsets = torch.tensor([0, *lengths], device="cuda").cumsum(0).to(torch.int32)
        self.forward_args = [
            attention_args(self.query[i], self.key[i], self.value[i], self.output[i], self.log_sum_exp[i], shape.heads, shape.key_value_heads,
                           shape.mask, documents, longest, self.offsets) for i in range(self.copies)]
        self.backward_args = [attention_backward_args(self.forward_args[i], self.output_gradient[i], *self.gradients[i]) for i in range(self.copies)]
        self.forward_workspace = library.workspace(torch, self.forward_args[0])
        self.backward_workspace = library.workspace(torch, self.backward_args[0])

    def forward(self, i, stream):
        self.library.run("flash_attention_forward", self.forward_args[i], stream, self.forward_workspace)

    def backward(self, i, stream):
        self.library.run("flash_attention_backward", self.backward_args[i], stream, self.backward_workspace)

    def heads_of(self, tensor, heads):
        """[batch, heads, length, head size] over token-major memory."""
        return tensor.view(self.shape.batch, self.shape.length, heads, self.shape.head_size).transpose(1, 2)

    def exact(self):
        """float64 results of key head 0 and its group in one document, the longest of sequence 0: by name, with the query rows and where it lies."""
        torch, shape = self.torch, self.shape
        lengths = shape.documents[0] if shape.documents else [shape.length]
        length = max(lengths)
        place = slice(sum(lengths[:lengths.index(length)]), sum(lengths[:lengths.index(length)]) + length)
        group, size = shape.heads // shape.key_value_heads, shape.head_size
        head = lambda copies, index: copies[0][place, index * size:(index + 1) * size].double()
        key, value = head(self.key, 0), head(self.value, 0)
        whole = length <= 4096
        rows = torch.arange(length, device="cuda") if whole else torch.randperm(length, device="cuda")[:512].sort().values
        key_gradient, value_gradient = torch.zeros_like(key), torch.zeros_like(value)
        results = {}
        for index in range(group if whole else 1):
            outputs, query_gradients = [], []
            for chunk in rows.split(512):
                query, gradient = head(self.query, index)[chunk], head(self.output_gradient, index)[chunk]
                scores = query @ key.t() * size**-0.5
                if shape.mask == "causal":
                    scores.masked_fill_(torch.arange(length, device="cuda")[None, :] > chunk[:, None], float("-inf"))
                probability = scores.softmax(-1)
                output = probability @ value
                score_gradient = probability * (gradient @ value.t() - (gradient * output).sum(-1, keepdim=True)) * size**-0.5
                key_gradient += score_gradient.t() @ query
                value_gradient += probability.t() @ gradient
                if index == 0:
                    outputs.append(output)
                    query_gradients.append(score_gradient @ key)
            if index == 0:
                results["output"], results["query"] = torch.cat(outputs), torch.cat(query_gradients)
        if whole:
            results["key"], results["value"] = key_gradient, value_gradient
        return results, rows, place

    def error(self, exact, output=None, gradients=None):
        """Largest error over the result's root mean square, of head 0; of [tokens, columns] tensors."""
        results, rows, place = exact
        size, found = self.shape.head_size, {}
        if output is not None:
            found["output"] = output[place, :size][rows]
        if gradients is not None:
            found["query"] = gradients[0][place, :size][rows]
            found["key"], found["value"] = gradients[1][place, :size], gradients[2][place, :size]
        worst = 0.0
        for what, values in found.items():
            if what in results:
                scale = float(results[what].square().mean()) ** 0.5
                worst = max_keeping_nan(worst, float((values.double() - results[what]).abs().max()) / scale)
        return worst


class Peer:
    """One back end on one workload: forward(i, stream) and backward(i, stream), which raise where the back end refuses."""

    def __init__(self, torch, attention, back_end, form):
        from torch.nn.attention import SDPBackend, sdpa_kernel
        self.torch, self.attention, self.form, self.note = torch, attention, form, form
        self.choose = lambda: sdpa_kernel([getattr(SDPBackend, back_end)])
        shape = attention.shape
        scores = 2 * shape.batch * shape.heads * shape.length**2
        if back_end == "MATH" and form != "loop" and 4 * scores > LARGEST_SCORES:
            raise MemoryError("the scores would need more memory than the comparison allows")
        self.leaves = [tuple(t.detach().requires_grad_() for t in (attention.query[i], attention.key[i], attention.value[i])) for i in range(attention.copies)]
        self.group = shape.heads // shape.key_value_heads
        self.takes_groups = self.group == 1
        self.mask = self.block_mask() if form == "mask" else None
        self.graphs = {}
        with torch.no_grad():
            self.probe()

    def block_mask(self):
        torch, shape = self.torch, self.attention.shape
        number = torch.stack([torch.repeat_interleave(torch.arange(len(row)), torch.tensor(row)) for row in shape.documents]).cuda()
        same = number[:, None, :, None] == number[:, None, None, :]
        return same & torch.ones(shape.length, shape.length, dtype=torch.bool, device="cuda").tril()

    def probe(self):
        """One call; grouped heads by enable_gqa, or repeated."""
        if self.group > 1:
            try:
                self.takes_groups = True
                self.call(0)
                return
            except (RuntimeError, TypeError):
                self.takes_groups = False
                self.note = f"{self.form}, repeated" if self.form else "repeated"
                # Repeated once, as leaves of their own: what is timed is attention alone.
                repeat = lambda t: self.attention.heads_of(t, self.attention.shape.key_value_heads).repeat_interleave(self.group, 1).transpose(1, 2)
                flat = lambda t: repeat(t).reshape(self.attention.shape.tokens, -1).detach().requires_grad_()
                self.leaves = [(q, flat(k), flat(v)) for q, k, v in self.leaves]
        self.call(0)

    def call(self, i):
        torch, shape = self.torch, self.attention.shape
        sdpa = torch.nn.functional.scaled_dot_product_attention
        query, key, value = self.leaves[i]
        groups = {"enable_gqa": True} if self.group > 1 and self.takes_groups else {}
        key_heads = shape.key_value_heads if self.takes_groups else shape.heads
        causal = shape.mask == "causal"
        with self.choose():
            if self.form == "loop":
                lengths = [n for row in shape.documents for n in row]
                view = lambda t, heads: t.view(1, -1, heads, shape.head_size).transpose(1, 2).split(lengths, 2)
                parts = [sdpa(q, k, v, is_causal=causal) for q, k, v in zip(view(query, shape.heads), view(key, key_heads), view(value, key_heads))]
                return torch.cat(parts, 2).transpose(1, 2).reshape(shape.tokens, -1)
            if self.form == "nested":
                offsets = self.attention.offsets.long()
                nest = lambda t, heads: torch.nested.nested_tensor_from_jagged(t.view(-1, heads, shape.head_size), offsets).transpose(1, 2)
                result = sdpa(nest(query, shape.heads), nest(key, key_heads), nest(value, key_heads), is_causal=causal)
                return result.transpose(1, 2).values().reshape(shape.tokens, -1)
            heads = lambda t, count: self.attention.heads_of(t, count)
            if self.form == "mask":
                result = sdpa(heads(query, shape.heads), heads(key, key_heads), heads(value, key_heads), attn_mask=self.mask)
            else:
                result = sdpa(heads(query, shape.heads), heads(key, key_heads), heads(value, key_heads), is_causal=causal, **groups)
            return result.transpose(1, 2).reshape(shape.tokens, -1)

    def forward(self, i, stream):
        with self.torch.no_grad():
            return self.call(i)

    def backward(self, i, stream):
        if i not in self.graphs:
            self.graphs[i] = self.call(i)
        return self.torch.autograd.grad(self.graphs[i], self.leaves[i], self.attention.output_gradient[i], retain_graph=True)

    def gradients(self):
        """Of copy 0, key and value summed over the heads that were repeated."""
        query, key, value = self.backward(0, None)
        if not self.takes_groups:
            shape = self.attention.shape
            fold = lambda t: t.view(shape.tokens, shape.key_value_heads, self.group, shape.head_size).float().sum(2).reshape(shape.tokens, -1)
            key, value = fold(key), fold(value)
        return query, key, value


def has_deterministic_mode(torch, peer):
    """Whether the backward runs under use_deterministic_algorithms without a warning that it is not deterministic."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            peer.graphs.clear()
            peer.backward(0, None)
            torch.cuda.synchronize()
        return not any("deterministic" in str(warning.message) for warning in caught)
    finally:
        torch.use_deterministic_algorithms(False)


def reason_of(error):
    return " ".join(str(error).split())[:160] or type(error).__name__


def forms_of(shape, back_end):
    if not shape.documents:
        return [""]
    return ["nested", "loop", "mask"] if back_end in ("EFFICIENT_ATTENTION", "MATH") else ["nested", "loop"]


def compare(torch, library, options, folder, stream, l2_bytes):
    """Writes attention_peers.csv; returns how many workloads' results are not accurate."""
    inaccurate = 0
    path = folder / "attention_peers.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)

        def write(shape, which, peer, deterministic, note, *rest):
            documents = len(shape.documents[0]) if shape.documents else 1
            row = [shape.name, which, peer, deterministic, note, shape.batch, shape.heads, shape.key_value_heads, shape.head_size, shape.tokens,
                   shape.mask, documents, *rest]
            writer.writerow(row + [""] * (len(COLUMNS) - len(row)))
            file.flush()

        for shape in shapes(options.which):
            attention = Attention(torch, library, shape, l2_bytes)
            exact = attention.exact()
            for i in range(attention.copies):
                attention.forward(i, stream)
                attention.backward(i, stream)
            stream.synchronize()
            errors = {"forward": attention.error(exact, output=attention.output[0]), "backward": attention.error(exact, gradients=attention.gradients[0])}
            rows, smallest = [], {}
            for back_end in BACK_ENDS:
                for form in forms_of(shape, back_end):
                    try:
                        peer = Peer(torch, attention, back_end, form)
                        output, gradients = peer.forward(0, stream), peer.gradients()
                        stream.synchronize()
                    except (RuntimeError, TypeError, MemoryError, AttributeError, NotImplementedError) as error:
                        write(shape, "", back_end, "", f"{form + ': ' if form else ''}{reason_of(error)}")
                        torch.cuda.empty_cache()
                        continue
                    theirs = {"forward": attention.error(exact, output=output), "backward": attention.error(exact, gradients=gradients)}
                    for which, error in theirs.items():
                        smallest[which] = min(smallest.get(which, error), error)
                    del output, gradients
                    modes = [False, True] if has_deterministic_mode(torch, peer) else [False]
                    for which, ours, run, deterministic in [("forward", attention.forward, peer.forward, False),
                                                            *(("backward", attention.backward, peer.backward, mode) for mode in modes)]:
                        torch.use_deterministic_algorithms(deterministic, warn_only=True)
                        peer.graphs.clear()
                        try:
                            rows.append((which, back_end, deterministic, peer.note, theirs[which],
                                         *measure(torch, ours, run, attention.copies, options, stream)))
                        except RuntimeError as error:
                            write(shape, which, back_end, int(deterministic), reason_of(error))
                        finally:
                            torch.use_deterministic_algorithms(False)
                    del peer
                    torch.cuda.empty_cache()
            accurate = {which: error <= 2 * smallest.get(which, 0.0) + 2.0**-9 for which, error in errors.items()}
            inaccurate += not all(accurate.values())
            for which, back_end, deterministic, note, error_peer, ours, theirs, state in rows:
                tera = 1e-9 * shape.forward_flops() * (2.5 if which == "backward" else 1)
                write(shape, which, back_end, int(deterministic), note, f"{errors[which]:.3e}", f"{error_peer:.3e}", int(accurate[which]),
                      f"{ours:.4f}", f"{theirs:.4f}", f"{tera / ours:.1f}", f"{tera / theirs:.1f}", f"{theirs / ours:.3f}", *state, attention.copies)
                print(f"{shape.name:24} {shape.mask:6} {which:8} {tera / ours:7.1f} TFLOP/s, {back_end.lower()} {note}"
                      f"{' deterministic' if deterministic else ''} {tera / theirs:7.1f}, ratio {theirs / ours:.3f}  error {errors[which]:.1e}"
                      f"{'' if accurate[which] else ' NOT ACCURATE'}", flush=True)
            del attention, exact
            torch.cuda.empty_cache()
    print(f"{inaccurate} workloads inaccurate; {path}")
    return inaccurate
