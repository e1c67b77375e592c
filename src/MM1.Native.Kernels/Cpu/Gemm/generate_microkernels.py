#!/usr/bin/env python3
"""Writes Microkernels{512,256,128}.g.cs, the register tiles of the matrix product. Run it in this folder.

A tile of r rows by v registers keeps its r v sums in locals. C# has no loop that the JIT would unroll into registers, so the
straight lines are written out here, once per shape. They name Vector512<float> and so on and are not generic over ISimd: the
JIT then updates each sum in place (vfmadd231ps), where through a wrapper it adds a move to many. 128-bit machines without a
fused multiply-add would emulate one number by number: there the estimate rounds twice instead."""

REGISTERS = 3
WIDTHS = {512: 9, 256: 4, 128: 8}  # rows that fill 32 registers, 16 registers, and 32 again on Arm

HEADER = """// Written by generate_microkernels.py; change that instead.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Register tiles of {width}-bit vectors; see <see cref="Microkernels{{T}}"/>.</summary>
internal static unsafe class Microkernels{width}
{{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(int rows, int registers, nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {{
        switch ({registers} * rows + registers)
        {{
"""

LETTERS = "lmr"


def name(row, register):
    return f"c{row}{LETTERS[register]}"


def kernel(width, rows, registers):
    vector, lanes = f"Vector{width}", width // 32
    multiply_add = "MultiplyAddEstimate" if width == 128 else "FusedMultiplyAdd"
    columns = range(registers)
    out = f"""
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile{rows}x{registers}(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {{
"""
    for i in range(rows):
        out += f"        {vector}<float> " + ", ".join(f"{name(i, j)} = default" for j in columns) + ";\n"
    if rows > 1:
        out += "        nint " + ", ".join(f"row{i} = {i} * aRow" for i in range(1, rows)) + ";\n"
    out += "        for (nint k = depth; k > 0; k--)\n        {\n"
    for j in columns:
        out += f"            {vector}<float> b{LETTERS[j]} = {vector}.Load(b" + (f" + {lanes * j}" if j else "") + ");\n"
    for i in range(rows):
        out += f"            {vector + '<float> ' if i == 0 else ''}x = {vector}.Create({f'a[row{i}]' if i else '*a'});\n"
        for j in columns:
            out += f"            {name(i, j)} = {vector}.{multiply_add}(x, b{LETTERS[j]}, {name(i, j)});\n"
    out += "            a += aStep;\n            b += bStep;\n        }\n        if (accumulate)\n        {\n"
    for i in range(rows):
        for j in columns:
            at = "c" + (f" + {lanes * j}" if j else "")
            out += f"            ({vector}.Load({at}) + {name(i, j)}).Store({at});\n"
        out += "            c += cRow;\n" if i + 1 < rows else ""
    out += "        }\n        else\n        {\n"
    for i in range(rows):
        for j in columns:
            out += f"            {name(i, j)}.Store(c" + (f" + {lanes * j}" if j else "") + ");\n"
        out += "            c += cRow;\n" if i + 1 < rows else ""
    out += "        }\n    }\n"
    return out


for width, height in WIDTHS.items():
    shapes = [(rows, registers) for rows in range(1, height + 1) for registers in range(1, REGISTERS + 1)]
    text = HEADER.format(width=width, registers=REGISTERS)
    for rows, registers in shapes:
        text += f"            case {REGISTERS * rows + registers}: Tile{rows}x{registers}(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;\n"
    text += "        }\n    }\n"
    text += "".join(kernel(width, rows, registers) for rows, registers in shapes)
    with open(f"Microkernels{width}.g.cs", "w") as file:
        file.write(text + "}\n")
