#!/usr/bin/env python3
"""Kernels of libmm1_kernels beside the best of PyTorch's: accuracy against float64, and speed.

  python3 perf/gpu/peers.py [--family gemm|attention|memory|all] [--out FOLDER] [--library PATH] [--set quick|full] [--rounds 9] [--milliseconds 60]

gemm: matrix products beside cuBLAS (torch.matmul), FOLDER/gemm_peers.csv. attention: beside every back end of scaled_dot_product_attention,
FOLDER/attention_peers.csv, as attention_peers.py says. memory: normalization, elementwise, loss, embedding, convolution, optimizer beside PyTorch's,
FOLDER/memory_peers.csv, as memory_peers.py says.

Inputs are N(0, 1), as speed depends on the data (zeros draw less power and clock higher). Each shape has as many copies of its operands as
exceed the L2 cache twice, used in turn. Both libraries are timed in the same process on the same stream, in alternating runs of
--milliseconds each; the figure is the median of --rounds. SM clock, power and temperature are read while the last run of a shape is on.
Accuracy: largest |x - float64| over a result's root mean square. bf16 results: at most twice that of cuBLAS, plus 2^-9. float32 results (weight
gradients), for which PyTorch has no bf16 product to compare with: at most 2^-24 sqrt(k) and 2^-16, far below bf16's 2^-9. FOLDER/gemm_peers.csv has a row per shape, written at once; FOLDER/versions.txt says what was measured with.
Exit code: 0 all accurate, 1 a row was not, 3 there is no GPU, no PyTorch or no library.
"""
import argparse
import csv
import sys
from pathlib import Path

import attention_peers
import memory_peers
from mm1_kernels import Library, Missing, find_library, gemm_args, import_torch
from timing import max_keeping_nan, measure, write_versions

# name, op, m, n, k. NT: a layer's forward (weight [n, k]); NN: its input gradient; TN: its weight gradient (float32, accumulating).
def shapes(which):
    """The shapes of one set, largest question first: is the kernel near cuBLAS at 4096 and 8192?"""
    yield "square 4096", "NT", 4096, 4096, 4096
    yield "square 8192", "NT", 8192, 8192, 8192
    yield "square 8192", "NN", 8192, 8192, 8192
    yield "square 8192", "TN", 8192, 8192, 8192
    widths = [768, 2048, 4096] if which == "quick" else [768, 1024, 1536, 2048, 2560, 3072, 4096, 5120, 8192]
    for width in widths:
        tokens = 4096
        yield f"decoder {width} qkv", "NT", tokens, 3 * width, width
        yield f"decoder {width} out", "NT", tokens, width, width
        yield f"decoder {width} up", "NT", tokens, 4 * width, width
        yield f"decoder {width} down", "NT", tokens, width, 4 * width
        yield f"decoder {width} up, input gradient", "NN", tokens, width, 4 * width
        yield f"decoder {width} up, weight gradient", "TN", 4 * width, width, tokens
    for patches in (729, 2304):
        for images in (1, 8) if which == "full" else (8,):
            tokens = patches * images
            yield f"ViT-H {images} x {patches} qkv", "NT", tokens, 3840, 1280
            yield f"ViT-H {images} x {patches} up", "NT", tokens, 5120, 1280
            yield f"ViT-H {images} x {patches} down", "NT", tokens, 1280, 5120
            yield f"ViT-H {images} x {patches} up, weight gradient", "TN", 5120, 1280, tokens
    if which == "full":
        for tokens in (1, 16, 128, 512):
            yield f"few tokens {tokens}", "NT", tokens, 4096, 4096
        yield "unaligned 1023", "NT", 1023, 1023, 1023
        yield "vocabulary 32000", "NT", 4096, 32000, 2048


class Product:
    """One shape: copies of its operands, and both libraries' calls on copy i."""

    def __init__(self, torch, library, op, m, n, k, l2_bytes):
        self.torch, self.library, self.op = torch, library, op
        self.float32_output = op == "TN"
        a_shape = (k, m) if op[0] == "T" else (m, k)
        b_shape = (n, k) if op[1] == "T" else (k, n)
        one_copy = 2 * (m * k + n * k) + (4 if self.float32_output else 2) * m * n
        free = torch.cuda.mem_get_info()[0]
        self.copies = max(1, min(64, 1 + 2 * l2_bytes // one_copy, int(free * 0.6) // (2 * one_copy)))
        new = lambda shape: torch.randn(shape, device="cuda", dtype=torch.bfloat16)
        self.a = [new(a_shape) for _ in range(self.copies)]
        self.b = [new(b_shape) for _ in range(self.copies)]
        dtype = torch.float32 if self.float32_output else torch.bfloat16
        self.ours = [torch.full((m, n), float("nan"), device="cuda", dtype=dtype) for _ in range(self.copies)]
        # cuBLAS through PyTorch gives bf16 for bf16; its weight gradient is timed so, which moves half of the output's bytes.
        self.theirs = [torch.empty((m, n), device="cuda", dtype=torch.bfloat16) for _ in range(self.copies)]
        self.args = [gemm_args(self.a[i], self.b[i], self.ours[i], op[0] == "T", op[1] == "T") for i in range(self.copies)]
        self.workspace = library.workspace(torch, self.args[0])

    def operands(self, i, dtype=None):
        a = self.a[i].t() if self.op[0] == "T" else self.a[i]
        b = self.b[i].t() if self.op[1] == "T" else self.b[i]
        return (a.to(dtype), b.to(dtype)) if dtype else (a, b)

    def run_ours(self, i, stream):
        self.library.gemm(self.args[i], stream, self.workspace)

    def run_theirs(self, i, stream):
        a, b = self.operands(i)
        self.torch.matmul(a, b, out=self.theirs[i])

    def accuracy(self, stream):
        """(ours, cuBLAS): largest difference from float64 over the result's root mean square; NaN where an element is."""
        self.run_ours(0, stream)
        self.run_theirs(0, stream)
        stream.synchronize()
        a, b = self.operands(0, self.torch.float64)
        rows = max(1, min(a.shape[0], 2**27 // max(1, b.shape[1])))
        ours = theirs = square = 0.0
        for first in range(0, a.shape[0], rows):
            exact = a[first:first + rows] @ b
            square += float((exact * exact).sum())
            ours = max_keeping_nan(ours, float((self.ours[0][first:first + rows].double() - exact).abs().max()))
            theirs = max_keeping_nan(theirs, float((self.theirs[0][first:first + rows].double() - exact).abs().max()))
        scale = (square / (a.shape[0] * b.shape[1])) ** 0.5
        return ours / scale, theirs / scale


COLUMNS = ["name", "op", "m", "n", "k", "output", "error", "error_cublas", "accurate", "ms", "ms_cublas", "tflops", "tflops_cublas", "ratio",
           "sm_mhz", "watts", "celsius", "copies"]


def compare_gemm(torch, library, options, folder, stream, l2_bytes):
    """Writes gemm_peers.csv; returns how many rows are not accurate."""
    inaccurate = 0
    with open(folder / "gemm_peers.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for name, op, m, n, k in shapes(options.which):
            product = Product(torch, library, op, m, n, k, l2_bytes)
            error, error_theirs = product.accuracy(stream)
            limit = max(2.0**-24 * k**0.5, 2.0**-16) if product.float32_output else 2.0**-9 + 2 * error_theirs
            accurate = error <= limit
            inaccurate += not accurate
            ours, theirs, state = measure(torch, product.run_ours, product.run_theirs, product.copies, options, stream)
            tera = 2e-9 * m * n * k
            output = "float32" if product.float32_output else "bfloat16"
            row = [name, op, m, n, k, output, f"{error:.3e}", f"{error_theirs:.3e}", int(accurate), f"{ours:.4f}", f"{theirs:.4f}",
                   f"{tera / ours:.1f}", f"{tera / theirs:.1f}", f"{theirs / ours:.3f}", *state, product.copies]
            writer.writerow(row)
            file.flush()
            print(f"{name:38} {op} {m:6} {n:6} {k:6}  {tera / ours:7.1f} TFLOP/s, cuBLAS {tera / theirs:7.1f}, ratio {theirs / ours:.3f}"
                  f"  error {error:.1e}{'' if accurate else ' NOT ACCURATE'}  {state[0]} MHz {state[1]} W", flush=True)
            del product
            torch.cuda.empty_cache()
    print(f"{inaccurate} rows inaccurate; {folder / 'gemm_peers.csv'}")
    return inaccurate


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", choices=["gemm", "attention", "memory", "all"], default="all")
    parser.add_argument("--out", default="artifacts/gpu", help="folder of the results")
    parser.add_argument("--library", help="libmm1_kernels.so; default MM1_KERNELS_PATH or artifacts/native/lib")
    parser.add_argument("--set", choices=["quick", "full"], default="quick", dest="which")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--milliseconds", type=float, default=60)
    options = parser.parse_args()
    try:
        torch = import_torch()
        library = Library(find_library(options.library))
    except Missing as missing:
        print(f"peers.py: {missing}", file=sys.stderr)
        return 3
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    write_versions(torch, library, folder)
    l2_bytes = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 50 << 20)
    stream = torch.cuda.Stream()
    inaccurate = 0
    with torch.cuda.stream(stream):
        if options.family in ("gemm", "all"):
            inaccurate += compare_gemm(torch, library, options, folder, stream, l2_bytes)
        if options.family in ("attention", "all"):
            inaccurate += attention_peers.compare(torch, library, options, folder, stream, l2_bytes)
        if options.family in ("memory", "all"):
            inaccurate += memory_peers.compare(torch, library, options, folder, stream, l2_bytes)
    return 1 if inaccurate else 0


if __name__ == "__main__":
    sys.exit(main())
