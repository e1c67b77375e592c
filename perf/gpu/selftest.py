#!/usr/bin/env python3
"""Every record of memory_workloads.py and adamw_peers.py on the emulated library, with no GPU and no PyTorch. Results must be numbers, and
nothing beside the operands may be written.

  python3 perf/gpu/selftest.py [LIBRARY]        default artifacts/native/lib/libmm1_kernels_emulated.so
"""
import ctypes
import math
import random
import struct
import sys

import adamw_peers
from memory_workloads import workloads
from mm1_kernels import REPOSITORY, Library

BYTES = {"float32": 4, "bfloat16": 2, "int32": 4, "uint8": 1}


GUARD = bytes(range(256))


class Memory:
    """Memory of the emulated device, which the host can reach, between guards; never freed, as the process ends soon."""
    library = None
    blocks = []

    def __init__(self, size):
        address = ctypes.c_void_p()
        if self.library.handle.mm1_memory_allocate(ctypes.c_int64(size + 2 * len(GUARD)), ctypes.byref(address)) != 0:
            raise MemoryError(self.library.error())
        self.address, self.size = address.value + len(GUARD), size
        for guard in (self.address - len(GUARD), self.address + size):
            ctypes.memmove(guard, GUARD, len(GUARD))
        self.blocks.append(self)

    def is_intact(self):
        return ctypes.string_at(self.address - len(GUARD), len(GUARD)) == GUARD == ctypes.string_at(self.address + self.size, len(GUARD))


class HostTensor:
    """What operand() and the workloads ask of a tensor, over the emulated device's memory."""

    def __init__(self, shape, dtype, memory=None, first=0, row=None):
        self.shape, self.name, self.dtype = tuple(shape), dtype, f"torch.{dtype}"
        self.memory = memory or Memory(math.prod(shape) * BYTES[dtype])
        self.first, self.row = first, row or self.shape[-1]

    def data_ptr(self):
        return self.memory.address + self.first * BYTES[self.name]

    def element_size(self):
        return BYTES[self.name]

    def numel(self):
        return math.prod(self.shape)

    def dim(self):
        return len(self.shape)

    def stride(self, dimension):
        return 1 if dimension == -1 else self.row

    def write(self, values):
        data = b"".join(struct.pack("<f", v)[2:] if self.name == "bfloat16" else struct.pack("<f" if self.name == "float32" else "<i", v) for v in values)
        ctypes.memmove(self.data_ptr(), data, len(data))
        return self

    def read(self):
        data = ctypes.string_at(self.data_ptr(), self.numel() * self.element_size())
        if self.name == "bfloat16":
            return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]
        return list(struct.unpack(f"<{self.numel()}{'f' if self.name == 'float32' else 'i'}", data))


class HostMake:
    """Tensors of random numbers in host memory."""

    def __init__(self):
        self.random = random.Random(1)

    def normal(self, shape, dtype="bfloat16", scale=1.0):
        return HostTensor(shape, dtype).write(self.random.gauss(0, scale) for _ in range(math.prod(shape)))

    def poison(self, shape, dtype="bfloat16"):
        return HostTensor(shape, dtype).write(math.nan for _ in range(math.prod(shape)))

    def ones(self, shape, dtype="bfloat16"):
        return HostTensor(shape, dtype).write(1.0 for _ in range(math.prod(shape)))

    def ids(self, count, below):
        return HostTensor((count,), "int32").write(self.random.randrange(below) for _ in range(count))

    def view(self, tensor, first, columns):
        return HostTensor((tensor.shape[0], columns), tensor.name, tensor.memory, first, tensor.row)

    def raw(self, data):
        result = HostTensor((len(data),), "uint8")
        ctypes.memmove(result.data_ptr(), data, len(data))
        return result


def run(library, call):
    """A call on the library's own stream, after those whose results it reads."""
    for earlier in call.before:
        run(library, earlier)
    size = library.workspace_bytes(call.args)
    address = Memory(size).address
    status = getattr(library.handle, f"mm1_{call.verb}")(None, ctypes.byref(call.args), address if size else None, size)
    if status == 0:
        status = library.handle.mm1_device_synchronize()
    if status != 0:
        raise RuntimeError(f"mm1_{call.verb} returned {status}: {library.error()}")


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else REPOSITORY / "artifacts/native/lib/libmm1_kernels_emulated.so"
    library, make, failed, count = Library(path), HostMake(), 0, 0
    Memory.library = library
    calls = [(name, lambda builder=builder: builder(make)) for _, name, builder in workloads("tiny")]
    calls += [(f"adam_w of {len(adamw_peers.TINY)} tensors", lambda: adamw_peers.call(make, adamw_peers.TINY))]
    for name, build in calls:
        count += 1
        try:
            call = build()
            run(library, call)
            bad = [i for i, output in enumerate(call.outputs) if not all(math.isfinite(value) for value in output.read())]
            torn = [block.size for block in Memory.blocks if not block.is_intact()]
            Memory.blocks.clear()
            problem = f"the guard of {torn[0]} bytes was written" if torn else f"output {bad[0]} holds a NaN or infinity" if bad else ""
        except (RuntimeError, TypeError) as error:
            problem = str(error)
        failed += bool(problem)
        print(f"{'FAILED' if problem else 'passed'} {name} {problem}", flush=True)
    print(f"{count - failed} of {count} passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
