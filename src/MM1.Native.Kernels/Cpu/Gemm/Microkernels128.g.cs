// Written by generate_microkernels.py; change that instead.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Register tiles of 128-bit vectors; see <see cref="Microkernels{T}"/>.</summary>
internal static unsafe class Microkernels128
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
            case 16: Tile5x1(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 17: Tile5x2(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 18: Tile5x3(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 19: Tile6x1(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 20: Tile6x2(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 21: Tile6x3(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 22: Tile7x1(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 23: Tile7x2(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 24: Tile7x3(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 25: Tile8x1(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 26: Tile8x2(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
            case 27: Tile8x3(depth, a, aRow, aStep, b, bStep, c, cRow, accumulate); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile1x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
        }
        else
        {
            c0l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile1x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile1x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default, c0r = default;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> br = Vector128.Load(b + 8);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            c0r = Vector128.MultiplyAddEstimate(x, br, c0r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            (Vector128.Load(c + 8) + c0r).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c0r.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile2x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default;
        Vector128<float> c1l = default;
        nint row1 = 1 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
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
        Vector128<float> c0l = default, c0m = default;
        Vector128<float> c1l = default, c1m = default;
        nint row1 = 1 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile2x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default, c0r = default;
        Vector128<float> c1l = default, c1m = default, c1r = default;
        nint row1 = 1 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> br = Vector128.Load(b + 8);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            c0r = Vector128.MultiplyAddEstimate(x, br, c0r);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            c1r = Vector128.MultiplyAddEstimate(x, br, c1r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            (Vector128.Load(c + 8) + c0r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            (Vector128.Load(c + 8) + c1r).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c0r.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c1r.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile3x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default;
        Vector128<float> c1l = default;
        Vector128<float> c2l = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
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
        Vector128<float> c0l = default, c0m = default;
        Vector128<float> c1l = default, c1m = default;
        Vector128<float> c2l = default, c2m = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile3x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default, c0r = default;
        Vector128<float> c1l = default, c1m = default, c1r = default;
        Vector128<float> c2l = default, c2m = default, c2r = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> br = Vector128.Load(b + 8);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            c0r = Vector128.MultiplyAddEstimate(x, br, c0r);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            c1r = Vector128.MultiplyAddEstimate(x, br, c1r);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            c2r = Vector128.MultiplyAddEstimate(x, br, c2r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            (Vector128.Load(c + 8) + c0r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            (Vector128.Load(c + 8) + c1r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            (Vector128.Load(c + 8) + c2r).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c0r.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c1r.Store(c + 8);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c2r.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default;
        Vector128<float> c1l = default;
        Vector128<float> c2l = default;
        Vector128<float> c3l = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
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
        Vector128<float> c0l = default, c0m = default;
        Vector128<float> c1l = default, c1m = default;
        Vector128<float> c2l = default, c2m = default;
        Vector128<float> c3l = default, c3m = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile4x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default, c0r = default;
        Vector128<float> c1l = default, c1m = default, c1r = default;
        Vector128<float> c2l = default, c2m = default, c2r = default;
        Vector128<float> c3l = default, c3m = default, c3r = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> br = Vector128.Load(b + 8);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            c0r = Vector128.MultiplyAddEstimate(x, br, c0r);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            c1r = Vector128.MultiplyAddEstimate(x, br, c1r);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            c2r = Vector128.MultiplyAddEstimate(x, br, c2r);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            c3r = Vector128.MultiplyAddEstimate(x, br, c3r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            (Vector128.Load(c + 8) + c0r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            (Vector128.Load(c + 8) + c1r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            (Vector128.Load(c + 8) + c2r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            (Vector128.Load(c + 8) + c3r).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c0r.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c1r.Store(c + 8);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c2r.Store(c + 8);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c3r.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile5x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default;
        Vector128<float> c1l = default;
        Vector128<float> c2l = default;
        Vector128<float> c3l = default;
        Vector128<float> c4l = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
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
            c += cRow;
            c4l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile5x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default;
        Vector128<float> c1l = default, c1m = default;
        Vector128<float> c2l = default, c2m = default;
        Vector128<float> c3l = default, c3m = default;
        Vector128<float> c4l = default, c4m = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            c4m = Vector128.MultiplyAddEstimate(x, bm, c4m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            (Vector128.Load(c + 4) + c4m).Store(c + 4);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c += cRow;
            c4l.Store(c);
            c4m.Store(c + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile5x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default, c0r = default;
        Vector128<float> c1l = default, c1m = default, c1r = default;
        Vector128<float> c2l = default, c2m = default, c2r = default;
        Vector128<float> c3l = default, c3m = default, c3r = default;
        Vector128<float> c4l = default, c4m = default, c4r = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> br = Vector128.Load(b + 8);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            c0r = Vector128.MultiplyAddEstimate(x, br, c0r);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            c1r = Vector128.MultiplyAddEstimate(x, br, c1r);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            c2r = Vector128.MultiplyAddEstimate(x, br, c2r);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            c3r = Vector128.MultiplyAddEstimate(x, br, c3r);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            c4m = Vector128.MultiplyAddEstimate(x, bm, c4m);
            c4r = Vector128.MultiplyAddEstimate(x, br, c4r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            (Vector128.Load(c + 8) + c0r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            (Vector128.Load(c + 8) + c1r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            (Vector128.Load(c + 8) + c2r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            (Vector128.Load(c + 8) + c3r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            (Vector128.Load(c + 4) + c4m).Store(c + 4);
            (Vector128.Load(c + 8) + c4r).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c0r.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c1r.Store(c + 8);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c2r.Store(c + 8);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c3r.Store(c + 8);
            c += cRow;
            c4l.Store(c);
            c4m.Store(c + 4);
            c4r.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile6x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default;
        Vector128<float> c1l = default;
        Vector128<float> c2l = default;
        Vector128<float> c3l = default;
        Vector128<float> c4l = default;
        Vector128<float> c5l = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
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
            c += cRow;
            c4l.Store(c);
            c += cRow;
            c5l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile6x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default;
        Vector128<float> c1l = default, c1m = default;
        Vector128<float> c2l = default, c2m = default;
        Vector128<float> c3l = default, c3m = default;
        Vector128<float> c4l = default, c4m = default;
        Vector128<float> c5l = default, c5m = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            c4m = Vector128.MultiplyAddEstimate(x, bm, c4m);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            c5m = Vector128.MultiplyAddEstimate(x, bm, c5m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            (Vector128.Load(c + 4) + c4m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
            (Vector128.Load(c + 4) + c5m).Store(c + 4);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c += cRow;
            c4l.Store(c);
            c4m.Store(c + 4);
            c += cRow;
            c5l.Store(c);
            c5m.Store(c + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile6x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default, c0r = default;
        Vector128<float> c1l = default, c1m = default, c1r = default;
        Vector128<float> c2l = default, c2m = default, c2r = default;
        Vector128<float> c3l = default, c3m = default, c3r = default;
        Vector128<float> c4l = default, c4m = default, c4r = default;
        Vector128<float> c5l = default, c5m = default, c5r = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> br = Vector128.Load(b + 8);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            c0r = Vector128.MultiplyAddEstimate(x, br, c0r);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            c1r = Vector128.MultiplyAddEstimate(x, br, c1r);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            c2r = Vector128.MultiplyAddEstimate(x, br, c2r);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            c3r = Vector128.MultiplyAddEstimate(x, br, c3r);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            c4m = Vector128.MultiplyAddEstimate(x, bm, c4m);
            c4r = Vector128.MultiplyAddEstimate(x, br, c4r);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            c5m = Vector128.MultiplyAddEstimate(x, bm, c5m);
            c5r = Vector128.MultiplyAddEstimate(x, br, c5r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            (Vector128.Load(c + 8) + c0r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            (Vector128.Load(c + 8) + c1r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            (Vector128.Load(c + 8) + c2r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            (Vector128.Load(c + 8) + c3r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            (Vector128.Load(c + 4) + c4m).Store(c + 4);
            (Vector128.Load(c + 8) + c4r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
            (Vector128.Load(c + 4) + c5m).Store(c + 4);
            (Vector128.Load(c + 8) + c5r).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c0r.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c1r.Store(c + 8);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c2r.Store(c + 8);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c3r.Store(c + 8);
            c += cRow;
            c4l.Store(c);
            c4m.Store(c + 4);
            c4r.Store(c + 8);
            c += cRow;
            c5l.Store(c);
            c5m.Store(c + 4);
            c5r.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile7x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default;
        Vector128<float> c1l = default;
        Vector128<float> c2l = default;
        Vector128<float> c3l = default;
        Vector128<float> c4l = default;
        Vector128<float> c5l = default;
        Vector128<float> c6l = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow, row6 = 6 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            x = Vector128.Create(a[row6]);
            c6l = Vector128.MultiplyAddEstimate(x, bl, c6l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c6l).Store(c);
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
            c += cRow;
            c4l.Store(c);
            c += cRow;
            c5l.Store(c);
            c += cRow;
            c6l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile7x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default;
        Vector128<float> c1l = default, c1m = default;
        Vector128<float> c2l = default, c2m = default;
        Vector128<float> c3l = default, c3m = default;
        Vector128<float> c4l = default, c4m = default;
        Vector128<float> c5l = default, c5m = default;
        Vector128<float> c6l = default, c6m = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow, row6 = 6 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            c4m = Vector128.MultiplyAddEstimate(x, bm, c4m);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            c5m = Vector128.MultiplyAddEstimate(x, bm, c5m);
            x = Vector128.Create(a[row6]);
            c6l = Vector128.MultiplyAddEstimate(x, bl, c6l);
            c6m = Vector128.MultiplyAddEstimate(x, bm, c6m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            (Vector128.Load(c + 4) + c4m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
            (Vector128.Load(c + 4) + c5m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c6l).Store(c);
            (Vector128.Load(c + 4) + c6m).Store(c + 4);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c += cRow;
            c4l.Store(c);
            c4m.Store(c + 4);
            c += cRow;
            c5l.Store(c);
            c5m.Store(c + 4);
            c += cRow;
            c6l.Store(c);
            c6m.Store(c + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile7x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default, c0r = default;
        Vector128<float> c1l = default, c1m = default, c1r = default;
        Vector128<float> c2l = default, c2m = default, c2r = default;
        Vector128<float> c3l = default, c3m = default, c3r = default;
        Vector128<float> c4l = default, c4m = default, c4r = default;
        Vector128<float> c5l = default, c5m = default, c5r = default;
        Vector128<float> c6l = default, c6m = default, c6r = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow, row6 = 6 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> br = Vector128.Load(b + 8);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            c0r = Vector128.MultiplyAddEstimate(x, br, c0r);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            c1r = Vector128.MultiplyAddEstimate(x, br, c1r);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            c2r = Vector128.MultiplyAddEstimate(x, br, c2r);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            c3r = Vector128.MultiplyAddEstimate(x, br, c3r);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            c4m = Vector128.MultiplyAddEstimate(x, bm, c4m);
            c4r = Vector128.MultiplyAddEstimate(x, br, c4r);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            c5m = Vector128.MultiplyAddEstimate(x, bm, c5m);
            c5r = Vector128.MultiplyAddEstimate(x, br, c5r);
            x = Vector128.Create(a[row6]);
            c6l = Vector128.MultiplyAddEstimate(x, bl, c6l);
            c6m = Vector128.MultiplyAddEstimate(x, bm, c6m);
            c6r = Vector128.MultiplyAddEstimate(x, br, c6r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            (Vector128.Load(c + 8) + c0r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            (Vector128.Load(c + 8) + c1r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            (Vector128.Load(c + 8) + c2r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            (Vector128.Load(c + 8) + c3r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            (Vector128.Load(c + 4) + c4m).Store(c + 4);
            (Vector128.Load(c + 8) + c4r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
            (Vector128.Load(c + 4) + c5m).Store(c + 4);
            (Vector128.Load(c + 8) + c5r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c6l).Store(c);
            (Vector128.Load(c + 4) + c6m).Store(c + 4);
            (Vector128.Load(c + 8) + c6r).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c0r.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c1r.Store(c + 8);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c2r.Store(c + 8);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c3r.Store(c + 8);
            c += cRow;
            c4l.Store(c);
            c4m.Store(c + 4);
            c4r.Store(c + 8);
            c += cRow;
            c5l.Store(c);
            c5m.Store(c + 4);
            c5r.Store(c + 8);
            c += cRow;
            c6l.Store(c);
            c6m.Store(c + 4);
            c6r.Store(c + 8);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile8x1(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default;
        Vector128<float> c1l = default;
        Vector128<float> c2l = default;
        Vector128<float> c3l = default;
        Vector128<float> c4l = default;
        Vector128<float> c5l = default;
        Vector128<float> c6l = default;
        Vector128<float> c7l = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow, row6 = 6 * aRow, row7 = 7 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            x = Vector128.Create(a[row6]);
            c6l = Vector128.MultiplyAddEstimate(x, bl, c6l);
            x = Vector128.Create(a[row7]);
            c7l = Vector128.MultiplyAddEstimate(x, bl, c7l);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c6l).Store(c);
            c += cRow;
            (Vector128.Load(c) + c7l).Store(c);
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
            c += cRow;
            c4l.Store(c);
            c += cRow;
            c5l.Store(c);
            c += cRow;
            c6l.Store(c);
            c += cRow;
            c7l.Store(c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile8x2(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default;
        Vector128<float> c1l = default, c1m = default;
        Vector128<float> c2l = default, c2m = default;
        Vector128<float> c3l = default, c3m = default;
        Vector128<float> c4l = default, c4m = default;
        Vector128<float> c5l = default, c5m = default;
        Vector128<float> c6l = default, c6m = default;
        Vector128<float> c7l = default, c7m = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow, row6 = 6 * aRow, row7 = 7 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            c4m = Vector128.MultiplyAddEstimate(x, bm, c4m);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            c5m = Vector128.MultiplyAddEstimate(x, bm, c5m);
            x = Vector128.Create(a[row6]);
            c6l = Vector128.MultiplyAddEstimate(x, bl, c6l);
            c6m = Vector128.MultiplyAddEstimate(x, bm, c6m);
            x = Vector128.Create(a[row7]);
            c7l = Vector128.MultiplyAddEstimate(x, bl, c7l);
            c7m = Vector128.MultiplyAddEstimate(x, bm, c7m);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            (Vector128.Load(c + 4) + c4m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
            (Vector128.Load(c + 4) + c5m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c6l).Store(c);
            (Vector128.Load(c + 4) + c6m).Store(c + 4);
            c += cRow;
            (Vector128.Load(c) + c7l).Store(c);
            (Vector128.Load(c + 4) + c7m).Store(c + 4);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c += cRow;
            c4l.Store(c);
            c4m.Store(c + 4);
            c += cRow;
            c5l.Store(c);
            c5m.Store(c + 4);
            c += cRow;
            c6l.Store(c);
            c6m.Store(c + 4);
            c += cRow;
            c7l.Store(c);
            c7m.Store(c + 4);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Tile8x3(nint depth, float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, bool accumulate)
    {
        Vector128<float> c0l = default, c0m = default, c0r = default;
        Vector128<float> c1l = default, c1m = default, c1r = default;
        Vector128<float> c2l = default, c2m = default, c2r = default;
        Vector128<float> c3l = default, c3m = default, c3r = default;
        Vector128<float> c4l = default, c4m = default, c4r = default;
        Vector128<float> c5l = default, c5m = default, c5r = default;
        Vector128<float> c6l = default, c6m = default, c6r = default;
        Vector128<float> c7l = default, c7m = default, c7r = default;
        nint row1 = 1 * aRow, row2 = 2 * aRow, row3 = 3 * aRow, row4 = 4 * aRow, row5 = 5 * aRow, row6 = 6 * aRow, row7 = 7 * aRow;
        for (nint k = depth; k > 0; k--)
        {
            Vector128<float> bl = Vector128.Load(b);
            Vector128<float> bm = Vector128.Load(b + 4);
            Vector128<float> br = Vector128.Load(b + 8);
            Vector128<float> x = Vector128.Create(*a);
            c0l = Vector128.MultiplyAddEstimate(x, bl, c0l);
            c0m = Vector128.MultiplyAddEstimate(x, bm, c0m);
            c0r = Vector128.MultiplyAddEstimate(x, br, c0r);
            x = Vector128.Create(a[row1]);
            c1l = Vector128.MultiplyAddEstimate(x, bl, c1l);
            c1m = Vector128.MultiplyAddEstimate(x, bm, c1m);
            c1r = Vector128.MultiplyAddEstimate(x, br, c1r);
            x = Vector128.Create(a[row2]);
            c2l = Vector128.MultiplyAddEstimate(x, bl, c2l);
            c2m = Vector128.MultiplyAddEstimate(x, bm, c2m);
            c2r = Vector128.MultiplyAddEstimate(x, br, c2r);
            x = Vector128.Create(a[row3]);
            c3l = Vector128.MultiplyAddEstimate(x, bl, c3l);
            c3m = Vector128.MultiplyAddEstimate(x, bm, c3m);
            c3r = Vector128.MultiplyAddEstimate(x, br, c3r);
            x = Vector128.Create(a[row4]);
            c4l = Vector128.MultiplyAddEstimate(x, bl, c4l);
            c4m = Vector128.MultiplyAddEstimate(x, bm, c4m);
            c4r = Vector128.MultiplyAddEstimate(x, br, c4r);
            x = Vector128.Create(a[row5]);
            c5l = Vector128.MultiplyAddEstimate(x, bl, c5l);
            c5m = Vector128.MultiplyAddEstimate(x, bm, c5m);
            c5r = Vector128.MultiplyAddEstimate(x, br, c5r);
            x = Vector128.Create(a[row6]);
            c6l = Vector128.MultiplyAddEstimate(x, bl, c6l);
            c6m = Vector128.MultiplyAddEstimate(x, bm, c6m);
            c6r = Vector128.MultiplyAddEstimate(x, br, c6r);
            x = Vector128.Create(a[row7]);
            c7l = Vector128.MultiplyAddEstimate(x, bl, c7l);
            c7m = Vector128.MultiplyAddEstimate(x, bm, c7m);
            c7r = Vector128.MultiplyAddEstimate(x, br, c7r);
            a += aStep;
            b += bStep;
        }
        if (accumulate)
        {
            (Vector128.Load(c) + c0l).Store(c);
            (Vector128.Load(c + 4) + c0m).Store(c + 4);
            (Vector128.Load(c + 8) + c0r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c1l).Store(c);
            (Vector128.Load(c + 4) + c1m).Store(c + 4);
            (Vector128.Load(c + 8) + c1r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c2l).Store(c);
            (Vector128.Load(c + 4) + c2m).Store(c + 4);
            (Vector128.Load(c + 8) + c2r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c3l).Store(c);
            (Vector128.Load(c + 4) + c3m).Store(c + 4);
            (Vector128.Load(c + 8) + c3r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c4l).Store(c);
            (Vector128.Load(c + 4) + c4m).Store(c + 4);
            (Vector128.Load(c + 8) + c4r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c5l).Store(c);
            (Vector128.Load(c + 4) + c5m).Store(c + 4);
            (Vector128.Load(c + 8) + c5r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c6l).Store(c);
            (Vector128.Load(c + 4) + c6m).Store(c + 4);
            (Vector128.Load(c + 8) + c6r).Store(c + 8);
            c += cRow;
            (Vector128.Load(c) + c7l).Store(c);
            (Vector128.Load(c + 4) + c7m).Store(c + 4);
            (Vector128.Load(c + 8) + c7r).Store(c + 8);
        }
        else
        {
            c0l.Store(c);
            c0m.Store(c + 4);
            c0r.Store(c + 8);
            c += cRow;
            c1l.Store(c);
            c1m.Store(c + 4);
            c1r.Store(c + 8);
            c += cRow;
            c2l.Store(c);
            c2m.Store(c + 4);
            c2r.Store(c + 8);
            c += cRow;
            c3l.Store(c);
            c3m.Store(c + 4);
            c3r.Store(c + 8);
            c += cRow;
            c4l.Store(c);
            c4m.Store(c + 4);
            c4r.Store(c + 8);
            c += cRow;
            c5l.Store(c);
            c5m.Store(c + 4);
            c5r.Store(c + 8);
            c += cRow;
            c6l.Store(c);
            c6m.Store(c + 4);
            c6r.Store(c + 8);
            c += cRow;
            c7l.Store(c);
            c7m.Store(c + 4);
            c7r.Store(c + 8);
        }
    }
}
