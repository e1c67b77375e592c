#!/usr/bin/env python3
"""Writes Microkernels.g.cs, the register tiles of the matrix product: python3 generate_microkernels.py > Microkernels.g.cs

A tile of r rows by two registers keeps its 2 r sums in locals; C# has no loop that the JIT would unroll into registers,
so the straight lines are written out here, once per number of rows."""

ROWS = 14

HEADER = """// Written by generate_microkernels.py; change that instead.
using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Register tiles: <c>c[i, j] (+)= sum over k of a[k, i] b[k, j]</c> for up to 14 rows i and two registers of columns j.
/// Each sum is one chain of fused multiply-adds in ascending k, whatever the number of rows.
/// </summary>
internal static unsafe class Microkernels<T> where T : unmanaged, ISimd<T>
{
    /// <summary>
    /// Multiplies <paramref name="depth"/> steps. a is k-major: its rows lie side by side, <paramref name="aStride"/> apart
    /// in k; b likewise by columns. Adds to c with <paramref name="accumulate"/>, else overwrites it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(int rows, nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        switch (rows)
        {"""


def kernel(rows):
    lines = [
        "",
        "    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]",
        f"    private static void Rows{rows}(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)",
        "    {",
        "        T zero = T.Create(0f);",
    ]
    lines += [f"        T c{i}l = zero, c{i}r = zero;" for i in range(rows)]
    lines += [
        "        for (nint k = depth; k > 0; k--)",
        "        {",
        "            T left = T.Load(b), right = T.Load(b + T.Count);",
    ]
    for i in range(rows):
        lines += [
            f"            {'T ' if i == 0 else ''}x = T.Create(a[{i}]);",
            f"            c{i}l = T.MultiplyAdd(x, left, c{i}l);",
            f"            c{i}r = T.MultiplyAdd(x, right, c{i}r);",
        ]
    lines += ["            a += aStride;", "            b += bStride;", "        }", "        if (accumulate)", "        {"]
    for i in range(rows):
        lines += [f"            Add(c + {i} * cStride, c{i}l, c{i}r);"]
    lines += ["        }", "        else", "        {"]
    for i in range(rows):
        lines += [f"            Set(c + {i} * cStride, c{i}l, c{i}r);"]
    lines += ["        }", "    }"]
    return lines


out = HEADER.split("\n")
for i in range(1, ROWS + 1):
    out += [f"            case {i}: Rows{i}(depth, a, aStride, b, bStride, c, cStride, accumulate); break;"]
out += ["        }", "    }"]
out += [
    "",
    "    [MethodImpl(MethodImplOptions.AggressiveInlining)]",
    "    private static void Set(float* c, T left, T right)",
    "    {",
    "        T.Store(left, c);",
    "        T.Store(right, c + T.Count);",
    "    }",
    "",
    "    [MethodImpl(MethodImplOptions.AggressiveInlining)]",
    "    private static void Add(float* c, T left, T right)",
    "    {",
    "        T.Store(T.Load(c) + left, c);",
    "        T.Store(T.Load(c + T.Count) + right, c + T.Count);",
    "    }",
]
for i in range(1, ROWS + 1):
    out += kernel(i)
out += ["}"]
print("\n".join(out))
