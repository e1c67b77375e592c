// Written by generate_microkernels.py; change that instead.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Register tiles of 256-bit vectors; see <see cref="Microkernels{T}"/>.</summary>
internal static unsafe class Microkernels256
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(int rows, int registers, nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        switch (3 * rows + registers)
        {
            case 4: Tile1x1(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 5: Tile1x2(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 6: Tile1x3(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 7: Tile2x1(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 8: Tile2x2(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 9: Tile2x3(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 10: Tile3x1(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 11: Tile3x2(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 12: Tile3x3(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 13: Tile4x1(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 14: Tile4x2(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 15: Tile4x3(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile1x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
        }
        else
        {
            c0l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile1x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default, c0m = default;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> bm = Vector256.Load(b + 8);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            c0m = Vector256.FusedMultiplyAdd(x, bm, c0m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            (Vector256.Load(c + 8) + c0m).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile1x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default, c0m = default, c0r = default;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> bm = Vector256.Load(b + 8);
            Vector256<float> br = Vector256.Load(b + 16);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            c0m = Vector256.FusedMultiplyAdd(x, bm, c0m);
            c0r = Vector256.FusedMultiplyAdd(x, br, c0r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            (Vector256.Load(c + 8) + c0m).Store(c + 8);
            (Vector256.Load(c + 16) + c0r).Store(c + 16);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 8);
            c0r.Store(c + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile2x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default;
        Vector256<float> c1l = default;
        nint row1 = 1 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
        }
        else
        {
            c0l.Store(c);
            c += cRow;
            c1l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile2x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default, c0m = default;
        Vector256<float> c1l = default, c1m = default;
        nint row1 = 1 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> bm = Vector256.Load(b + 8);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            c0m = Vector256.FusedMultiplyAdd(x, bm, c0m);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            c1m = Vector256.FusedMultiplyAdd(x, bm, c1m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            (Vector256.Load(c + 8) + c0m).Store(c + 8);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
            (Vector256.Load(c + 8) + c1m).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile2x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default, c0m = default, c0r = default;
        Vector256<float> c1l = default, c1m = default, c1r = default;
        nint row1 = 1 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> bm = Vector256.Load(b + 8);
            Vector256<float> br = Vector256.Load(b + 16);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            c0m = Vector256.FusedMultiplyAdd(x, bm, c0m);
            c0r = Vector256.FusedMultiplyAdd(x, br, c0r);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            c1m = Vector256.FusedMultiplyAdd(x, bm, c1m);
            c1r = Vector256.FusedMultiplyAdd(x, br, c1r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            (Vector256.Load(c + 8) + c0m).Store(c + 8);
            (Vector256.Load(c + 16) + c0r).Store(c + 16);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
            (Vector256.Load(c + 8) + c1m).Store(c + 8);
            (Vector256.Load(c + 16) + c1r).Store(c + 16);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 8);
            c0r.Store(c + 16);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 8);
            c1r.Store(c + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile3x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default;
        Vector256<float> c1l = default;
        Vector256<float> c2l = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            x = Vector256.Create(a[row2]);
            c2l = Vector256.FusedMultiplyAdd(x, bl, c2l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
            c += cRow;
            (Vector256.Load(c) + c2l).Store(c);
        }
        else
        {
            c0l.Store(c);
            c += cRow;
            c1l.Store(c);
            c += cRow;
            c2l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile3x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default, c0m = default;
        Vector256<float> c1l = default, c1m = default;
        Vector256<float> c2l = default, c2m = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> bm = Vector256.Load(b + 8);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            c0m = Vector256.FusedMultiplyAdd(x, bm, c0m);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            c1m = Vector256.FusedMultiplyAdd(x, bm, c1m);
            x = Vector256.Create(a[row2]);
            c2l = Vector256.FusedMultiplyAdd(x, bl, c2l);
            c2m = Vector256.FusedMultiplyAdd(x, bm, c2m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            (Vector256.Load(c + 8) + c0m).Store(c + 8);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
            (Vector256.Load(c + 8) + c1m).Store(c + 8);
            c += cRow;
            (Vector256.Load(c) + c2l).Store(c);
            (Vector256.Load(c + 8) + c2m).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 8);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile3x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default, c0m = default, c0r = default;
        Vector256<float> c1l = default, c1m = default, c1r = default;
        Vector256<float> c2l = default, c2m = default, c2r = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> bm = Vector256.Load(b + 8);
            Vector256<float> br = Vector256.Load(b + 16);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            c0m = Vector256.FusedMultiplyAdd(x, bm, c0m);
            c0r = Vector256.FusedMultiplyAdd(x, br, c0r);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            c1m = Vector256.FusedMultiplyAdd(x, bm, c1m);
            c1r = Vector256.FusedMultiplyAdd(x, br, c1r);
            x = Vector256.Create(a[row2]);
            c2l = Vector256.FusedMultiplyAdd(x, bl, c2l);
            c2m = Vector256.FusedMultiplyAdd(x, bm, c2m);
            c2r = Vector256.FusedMultiplyAdd(x, br, c2r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            (Vector256.Load(c + 8) + c0m).Store(c + 8);
            (Vector256.Load(c + 16) + c0r).Store(c + 16);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
            (Vector256.Load(c + 8) + c1m).Store(c + 8);
            (Vector256.Load(c + 16) + c1r).Store(c + 16);
            c += cRow;
            (Vector256.Load(c) + c2l).Store(c);
            (Vector256.Load(c + 8) + c2m).Store(c + 8);
            (Vector256.Load(c + 16) + c2r).Store(c + 16);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 8);
            c0r.Store(c + 16);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 8);
            c1r.Store(c + 16);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 8);
            c2r.Store(c + 16);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default;
        Vector256<float> c1l = default;
        Vector256<float> c2l = default;
        Vector256<float> c3l = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            x = Vector256.Create(a[row2]);
            c2l = Vector256.FusedMultiplyAdd(x, bl, c2l);
            x = Vector256.Create(a[row3]);
            c3l = Vector256.FusedMultiplyAdd(x, bl, c3l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
            c += cRow;
            (Vector256.Load(c) + c2l).Store(c);
            c += cRow;
            (Vector256.Load(c) + c3l).Store(c);
        }
        else
        {
            c0l.Store(c);
            c += cRow;
            c1l.Store(c);
            c += cRow;
            c2l.Store(c);
            c += cRow;
            c3l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default, c0m = default;
        Vector256<float> c1l = default, c1m = default;
        Vector256<float> c2l = default, c2m = default;
        Vector256<float> c3l = default, c3m = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> bm = Vector256.Load(b + 8);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            c0m = Vector256.FusedMultiplyAdd(x, bm, c0m);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            c1m = Vector256.FusedMultiplyAdd(x, bm, c1m);
            x = Vector256.Create(a[row2]);
            c2l = Vector256.FusedMultiplyAdd(x, bl, c2l);
            c2m = Vector256.FusedMultiplyAdd(x, bm, c2m);
            x = Vector256.Create(a[row3]);
            c3l = Vector256.FusedMultiplyAdd(x, bl, c3l);
            c3m = Vector256.FusedMultiplyAdd(x, bm, c3m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            (Vector256.Load(c + 8) + c0m).Store(c + 8);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
            (Vector256.Load(c + 8) + c1m).Store(c + 8);
            c += cRow;
            (Vector256.Load(c) + c2l).Store(c);
            (Vector256.Load(c + 8) + c2m).Store(c + 8);
            c += cRow;
            (Vector256.Load(c) + c3l).Store(c);
            (Vector256.Load(c + 8) + c3m).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 8);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 8);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector256<float> c0l = default, c0m = default, c0r = default;
        Vector256<float> c1l = default, c1m = default, c1r = default;
        Vector256<float> c2l = default, c2m = default, c2r = default;
        Vector256<float> c3l = default, c3m = default, c3r = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector256<float> bl = Vector256.Load(b);
            Vector256<float> bm = Vector256.Load(b + 8);
            Vector256<float> br = Vector256.Load(b + 16);
            Vector256<float> x = Vector256.Create(*a);
            c0l = Vector256.FusedMultiplyAdd(x, bl, c0l);
            c0m = Vector256.FusedMultiplyAdd(x, bm, c0m);
            c0r = Vector256.FusedMultiplyAdd(x, br, c0r);
            x = Vector256.Create(a[row1]);
            c1l = Vector256.FusedMultiplyAdd(x, bl, c1l);
            c1m = Vector256.FusedMultiplyAdd(x, bm, c1m);
            c1r = Vector256.FusedMultiplyAdd(x, br, c1r);
            x = Vector256.Create(a[row2]);
            c2l = Vector256.FusedMultiplyAdd(x, bl, c2l);
            c2m = Vector256.FusedMultiplyAdd(x, bm, c2m);
            c2r = Vector256.FusedMultiplyAdd(x, br, c2r);
            x = Vector256.Create(a[row3]);
            c3l = Vector256.FusedMultiplyAdd(x, bl, c3l);
            c3m = Vector256.FusedMultiplyAdd(x, bm, c3m);
            c3r = Vector256.FusedMultiplyAdd(x, br, c3r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector256.Load(c) + c0l).Store(c);
            (Vector256.Load(c + 8) + c0m).Store(c + 8);
            (Vector256.Load(c + 16) + c0r).Store(c + 16);
            c += cRow;
            (Vector256.Load(c) + c1l).Store(c);
            (Vector256.Load(c + 8) + c1m).Store(c + 8);
            (Vector256.Load(c + 16) + c1r).Store(c + 16);
            c += cRow;
            (Vector256.Load(c) + c2l).Store(c);
            (Vector256.Load(c + 8) + c2m).Store(c + 8);
            (Vector256.Load(c + 16) + c2r).Store(c + 16);
            c += cRow;
            (Vector256.Load(c) + c3l).Store(c);
            (Vector256.Load(c + 8) + c3m).Store(c + 8);
            (Vector256.Load(c + 16) + c3r).Store(c + 16);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 8);
            c0r.Store(c + 16);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 8);
            c1r.Store(c + 16);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 8);
            c2r.Store(c + 16);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 8);
            c3r.Store(c + 16);
        }
    }
}
