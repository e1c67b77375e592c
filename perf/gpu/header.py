#!/usr/bin/env python3
"""The records of kernels/include/mm1/kernels.h as ctypes structures, read from the header itself.

  python3 perf/gpu/header.py        compares every record's size, offsets and defaults with what the C compiler makes of the header

Exit code: 0 the same, 1 a difference, 3 no C compiler.
"""
import ctypes
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "kernels/include"
SCALARS = {"int64_t": ctypes.c_int64, "int32_t": ctypes.c_int32, "uint64_t": ctypes.c_uint64, "float": ctypes.c_float, "double": ctypes.c_double}


def read():
    """(records by name, defaults by record, enumerators by name) of the header."""
    text = (INCLUDE / "mm1/kernels.h").read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.S)
    types = dict(SCALARS)
    types.update((name, ctypes.c_int32) for name in re.findall(r"typedef int32_t (mm1_\w+);", text))
    records, defaults = {}, {}
    for name, body in re.findall(r"typedef struct (mm1_\w+) \{(.*?)\} \1;", text, flags=re.S):
        if "(*" in body:
            continue  # the table of functions
        fields = []
        for declaration in filter(None, (part.strip() for part in body.split(";"))):
            kind, field = re.fullmatch(r"(.+?)\s*(\w+)", declaration, flags=re.S).groups()
            fields.append((field, ctypes.c_void_p if kind.endswith("*") else types[kind]))
        records[name] = types[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    for name, assignments in re.findall(r"MM1_DEFAULT_\((mm1_\w+),\s*\((args\..*?)\)\)\s", text, flags=re.S):
        values = re.findall(r"args\.(\w+) = ([-\d.e]+)f?", assignments)
        defaults[name] = {field: float(value) if re.search(r"[.e]", value) else int(value) for field, value in values}
    return records, defaults, {name: int(value) for name, value in re.findall(r"(MM1_[A-Z0-9_]+) = (-?\d+)", text)}


RECORDS, DEFAULTS, ENUMERATORS = read()


def record(name, **fields):
    """A record with the header's defaults and these fields; a field that it does not have is an error."""
    kind = RECORDS[name]
    result = kind()
    known = {field for field, _ in kind._fields_}
    values = {**DEFAULTS.get(name, {}), **fields}
    if "struct_size" in known:
        values["struct_size"] = ctypes.sizeof(kind)
    for field, value in values.items():
        if field not in known:
            raise TypeError(f"{name} has no field {field}")
        setattr(result, field, value)
    for field, inner in kind._fields_:  # a forward's record inside a backward's
        if field not in fields and inner in RECORDS.values() and hasattr(inner, "struct_size"):
            getattr(result, field).struct_size = ctypes.sizeof(inner)
    return result


def layout_by_python():
    lines = []
    for name, kind in RECORDS.items():
        lines.append(f"{name} {ctypes.sizeof(kind)}")
        lines += [f"{name}.{field} {getattr(kind, field).offset}" for field, _ in kind._fields_]
        if name in DEFAULTS or name.endswith("_args"):
            lines.append(f"{name} default {bytes(record(name)).hex()}")
    return lines


def layout_by_compiler(compiler):
    source = ["#include <mm1/kernels.h>", "#include <stddef.h>", "#include <stdio.h>",
              "static void hex(const void* p, size_t n) { for (size_t i = 0; i < n; i++) printf(\"%02x\", ((const unsigned char*)p)[i]); }", "int main(void) {"]
    for name, kind in RECORDS.items():
        source.append(f'printf("{name} %zu\\n", sizeof({name}));')
        source += [f'printf("{name}.{field} %zu\\n", offsetof({name}, {field}));' for field, _ in kind._fields_]
        if name in DEFAULTS or name.endswith("_args"):
            source.append(f'{{ {name} value = {name}_default(); printf("{name} default "); hex(&value, sizeof value); printf("\\n"); }}')
    source.append("return 0; }")
    with tempfile.TemporaryDirectory() as folder:
        file, program = Path(folder) / "layout.c", Path(folder) / "layout"
        file.write_text("\n".join(source), encoding="utf-8")
        subprocess.run([compiler, "-std=c99", "-DMM1_STATIC_LIBRARY", f"-I{INCLUDE}", str(file), "-o", str(program)], check=True)
        return subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout.splitlines()


def main():
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        print("header.py: no C compiler found (cc, gcc, clang)", file=sys.stderr)
        return 3
    ours, theirs = layout_by_python(), layout_by_compiler(compiler)
    differences = [(a, b) for a, b in zip(ours, theirs) if a != b]
    for a, b in differences[:10]:
        print(f"here {a}\n  C: {b}")
    verbs = len([name for name in RECORDS if name.endswith("_args")])
    print(f"{len(RECORDS)} records ({verbs} of verbs), {len(ours)} sizes, offsets and defaults compared, {len(differences)} differ")
    return 1 if differences or len(ours) != len(theirs) else 0


if __name__ == "__main__":
    sys.exit(main())
