"""The C ABI of libmm1_kernels (kernels/include/mm1/kernels.h) by ctypes, on tensors of PyTorch."""
import ctypes
import os
from pathlib import Path

import header

REPOSITORY = Path(__file__).resolve().parents[2]


class Missing(Exception):
    """Something this machine lacks; the text says what and what to do."""


Operand = header.RECORDS["mm1_operand"]
GemmArgs = header.RECORDS["mm1_gemm_args"]
AttentionForwardArgs = header.RECORDS["mm1_flash_attention_forward_args"]
AttentionBackwardArgs = header.RECORDS["mm1_flash_attention_backward_args"]

# Records by verb.
RECORDS = {name[len("mm1_"):-len("_args")]: kind for name, kind in header.RECORDS.items() if name.endswith("_args") and name != "mm1_module_launch_args"}
MASKS = {"full": 0, "causal": 1, "prefix": 2}
ACTIVATIONS = {"none": 0, "relu": 1, "gelu": 2, "gelu_tanh": 3, "quick_gelu": 4, "silu": 5, "sigmoid": 6, "tanh": 7}
DTYPES = {f"torch.{name}": header.ENUMERATORS[f"MM1_DTYPE_{name.upper()}"] for name in ("float32", "bfloat16", "int32", "int64", "uint8")}


def import_torch():
    """PyTorch with a GPU that it sees, or Missing."""
    try:
        import torch
    except ImportError as error:
        raise Missing(f"PyTorch is not installed ({error}); the peers are cuBLAS by way of torch.matmul: pip install torch") from error
    if not torch.cuda.is_available():
        raise Missing("no GPU found: torch.cuda.is_available() is False; run this on a machine with an NVIDIA GPU (sm_80 or later)")
    return torch


def find_library(given=None):
    """The path of libmm1_kernels.so: as given, MM1_KERNELS_PATH, or the usual build folder."""
    candidates = [given] if given else [os.environ.get("MM1_KERNELS_PATH"), REPOSITORY / "artifacts/native/lib/libmm1_kernels.so"]
    candidates = [Path(c) for c in candidates if c]
    candidates = [c / "libmm1_kernels.so" if c.is_dir() else c for c in candidates]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    tried = ", ".join(str(c) for c in candidates)
    raise Missing(f"libmm1_kernels.so not found (tried {tried}); build it: cmake -S . -B artifacts/native && cmake --build artifacts/native")


class Library:
    """The functions that the scripts here call."""

    def __init__(self, path):
        self.path = Path(path)
        self.handle = ctypes.CDLL(str(path))
        self.handle.mm1_get_last_error_message.restype = ctypes.c_char_p
        for verb, record in RECORDS.items():
            entry, workspace = getattr(self.handle, f"mm1_{verb}"), getattr(self.handle, f"mm1_{verb}_workspace_bytes", None)
            entry.restype, entry.argtypes = ctypes.c_int32, [ctypes.c_void_p, ctypes.POINTER(record), ctypes.c_void_p, ctypes.c_int64]
            if workspace is not None:
                workspace.restype, workspace.argtypes = ctypes.c_int64, [ctypes.POINTER(record)]

    def error(self):
        return self.handle.mm1_get_last_error_message().decode()

    def run(self, verb, args, stream, workspace=None):
        """Launches a verb on a torch stream that is not the default one (NULL means the library's own stream)."""
        if not stream.cuda_stream:
            raise ValueError("give a stream of your own: torch.cuda.Stream()")
        address, size = (workspace.data_ptr(), workspace.numel() * workspace.element_size()) if workspace is not None else (None, 0)
        status = getattr(self.handle, f"mm1_{verb}")(stream.cuda_stream, ctypes.byref(args), address, size)
        if status != 0:
            raise RuntimeError(f"mm1_{verb} returned {status}: {self.error()}")

    def gemm(self, args, stream, workspace=None):
        self.run("gemm", args, stream, workspace)

    def workspace_bytes(self, args):
        verb = next(verb for verb, record in RECORDS.items() if isinstance(args, record))
        function = getattr(self.handle, f"mm1_{verb}_workspace_bytes", None)
        size = function(ctypes.byref(args)) if function else 0
        if size < 0:
            raise RuntimeError(f"mm1_{verb}_workspace_bytes: {self.error()}")
        return size

    def workspace(self, torch, args):
        """Scratch for one call, or None where it needs none."""
        size = self.workspace_bytes(args)
        return torch.empty(size, dtype=torch.uint8, device="cuda") if size else None


def operand(tensor):
    """A matrix (or a batch of them) whose columns are contiguous, or an absent operand."""
    if tensor is None:
        return Operand()
    if tensor.stride(-1) != 1:
        raise ValueError("columns must be contiguous")
    return Operand(tensor.data_ptr(), DTYPES[str(tensor.dtype)], 0, tensor.stride(-2) if tensor.dim() > 1 else tensor.numel())


def gemm_args(a, b, output, transpose_a=False, transpose_b=False, bias=None, residual=None, activation="none", alpha=1.0, beta=0.0):
    """The record of output = activation(alpha op(a) op(b) + beta output + bias) + residual; three dimensions are a batch."""
    batch = output.shape[0] if output.dim() == 3 else 1
    stride = lambda t: t.stride(0) if t is not None and t.dim() == 3 else 0
    return GemmArgs(
        struct_size=ctypes.sizeof(GemmArgs), transpose_a=int(transpose_a), transpose_b=int(transpose_b), activation=ACTIVATIONS[activation],
        m=output.shape[-2], n=output.shape[-1], k=a.shape[-2] if transpose_a else a.shape[-1], batch=batch,
        a=operand(a), b=operand(b), output=operand(output), bias=operand(bias), residual=operand(residual),
        batch_stride_a=stride(a), batch_stride_b=stride(b), batch_stride_output=stride(output), batch_stride_residual=stride(residual),
        alpha=alpha, beta=beta)


def attention_args(query, key, value, output, log_sum_exp, heads, key_value_heads, mask, batch, max_length, cu_seqlens=None):
    """The record of self-attention: operands [tokens, heads * head size]; cu_seqlens int32 [batch + 1] where documents are packed."""
    head_size = query.shape[1] // heads
    offsets = cu_seqlens.data_ptr() if cu_seqlens is not None else None
    return AttentionForwardArgs(
        struct_size=ctypes.sizeof(AttentionForwardArgs), mask=MASKS[mask], scale=head_size**-0.5, batch=batch, heads=heads,
        key_value_heads=key_value_heads, head_size=head_size, query_tokens=query.shape[0], key_tokens=key.shape[0],
        max_query_length=max_length, max_key_length=max_length, cu_seqlens_query=offsets, cu_seqlens_key=offsets,
        query=operand(query), key=operand(key), value=operand(value), output=operand(output), log_sum_exp=operand(log_sum_exp))


def attention_backward_args(forward, output_gradient, query_gradient, key_gradient, value_gradient):
    """The record of the gradients of a forward call."""
    return AttentionBackwardArgs(
        struct_size=ctypes.sizeof(AttentionBackwardArgs), forward=forward, output_gradient=operand(output_gradient),
        query_gradient=operand(query_gradient), key_gradient=operand(key_gradient), value_gradient=operand(value_gradient))
