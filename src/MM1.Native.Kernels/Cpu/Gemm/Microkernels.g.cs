// Written by generate_microkernels.py; change that instead.
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
        {
            case 1: Rows1(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 2: Rows2(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 3: Rows3(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 4: Rows4(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 5: Rows5(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 6: Rows6(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 7: Rows7(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 8: Rows8(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 9: Rows9(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 10: Rows10(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 11: Rows11(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 12: Rows12(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 13: Rows13(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
            case 14: Rows14(depth, a, aStride, b, bStride, c, cStride, accumulate); break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Set(float* c, T left, T right)
    {
        T.Store(left, c);
        T.Store(right, c + T.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* c, T left, T right)
    {
        T.Store(T.Load(c) + left, c);
        T.Store(T.Load(c + T.Count) + right, c + T.Count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows1(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows2(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows3(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows4(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows5(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows6(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows7(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        T c6l = zero, c6r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            x = T.Create(a[6]);
            c6l = T.MultiplyAdd(x, left, c6l);
            c6r = T.MultiplyAdd(x, right, c6r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
            Add(c + 6 * cStride, c6l, c6r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
            Set(c + 6 * cStride, c6l, c6r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows8(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        T c6l = zero, c6r = zero;
        T c7l = zero, c7r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            x = T.Create(a[6]);
            c6l = T.MultiplyAdd(x, left, c6l);
            c6r = T.MultiplyAdd(x, right, c6r);
            x = T.Create(a[7]);
            c7l = T.MultiplyAdd(x, left, c7l);
            c7r = T.MultiplyAdd(x, right, c7r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
            Add(c + 6 * cStride, c6l, c6r);
            Add(c + 7 * cStride, c7l, c7r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
            Set(c + 6 * cStride, c6l, c6r);
            Set(c + 7 * cStride, c7l, c7r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows9(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        T c6l = zero, c6r = zero;
        T c7l = zero, c7r = zero;
        T c8l = zero, c8r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            x = T.Create(a[6]);
            c6l = T.MultiplyAdd(x, left, c6l);
            c6r = T.MultiplyAdd(x, right, c6r);
            x = T.Create(a[7]);
            c7l = T.MultiplyAdd(x, left, c7l);
            c7r = T.MultiplyAdd(x, right, c7r);
            x = T.Create(a[8]);
            c8l = T.MultiplyAdd(x, left, c8l);
            c8r = T.MultiplyAdd(x, right, c8r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
            Add(c + 6 * cStride, c6l, c6r);
            Add(c + 7 * cStride, c7l, c7r);
            Add(c + 8 * cStride, c8l, c8r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
            Set(c + 6 * cStride, c6l, c6r);
            Set(c + 7 * cStride, c7l, c7r);
            Set(c + 8 * cStride, c8l, c8r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows10(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        T c6l = zero, c6r = zero;
        T c7l = zero, c7r = zero;
        T c8l = zero, c8r = zero;
        T c9l = zero, c9r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            x = T.Create(a[6]);
            c6l = T.MultiplyAdd(x, left, c6l);
            c6r = T.MultiplyAdd(x, right, c6r);
            x = T.Create(a[7]);
            c7l = T.MultiplyAdd(x, left, c7l);
            c7r = T.MultiplyAdd(x, right, c7r);
            x = T.Create(a[8]);
            c8l = T.MultiplyAdd(x, left, c8l);
            c8r = T.MultiplyAdd(x, right, c8r);
            x = T.Create(a[9]);
            c9l = T.MultiplyAdd(x, left, c9l);
            c9r = T.MultiplyAdd(x, right, c9r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
            Add(c + 6 * cStride, c6l, c6r);
            Add(c + 7 * cStride, c7l, c7r);
            Add(c + 8 * cStride, c8l, c8r);
            Add(c + 9 * cStride, c9l, c9r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
            Set(c + 6 * cStride, c6l, c6r);
            Set(c + 7 * cStride, c7l, c7r);
            Set(c + 8 * cStride, c8l, c8r);
            Set(c + 9 * cStride, c9l, c9r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows11(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        T c6l = zero, c6r = zero;
        T c7l = zero, c7r = zero;
        T c8l = zero, c8r = zero;
        T c9l = zero, c9r = zero;
        T c10l = zero, c10r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            x = T.Create(a[6]);
            c6l = T.MultiplyAdd(x, left, c6l);
            c6r = T.MultiplyAdd(x, right, c6r);
            x = T.Create(a[7]);
            c7l = T.MultiplyAdd(x, left, c7l);
            c7r = T.MultiplyAdd(x, right, c7r);
            x = T.Create(a[8]);
            c8l = T.MultiplyAdd(x, left, c8l);
            c8r = T.MultiplyAdd(x, right, c8r);
            x = T.Create(a[9]);
            c9l = T.MultiplyAdd(x, left, c9l);
            c9r = T.MultiplyAdd(x, right, c9r);
            x = T.Create(a[10]);
            c10l = T.MultiplyAdd(x, left, c10l);
            c10r = T.MultiplyAdd(x, right, c10r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
            Add(c + 6 * cStride, c6l, c6r);
            Add(c + 7 * cStride, c7l, c7r);
            Add(c + 8 * cStride, c8l, c8r);
            Add(c + 9 * cStride, c9l, c9r);
            Add(c + 10 * cStride, c10l, c10r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
            Set(c + 6 * cStride, c6l, c6r);
            Set(c + 7 * cStride, c7l, c7r);
            Set(c + 8 * cStride, c8l, c8r);
            Set(c + 9 * cStride, c9l, c9r);
            Set(c + 10 * cStride, c10l, c10r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows12(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        T c6l = zero, c6r = zero;
        T c7l = zero, c7r = zero;
        T c8l = zero, c8r = zero;
        T c9l = zero, c9r = zero;
        T c10l = zero, c10r = zero;
        T c11l = zero, c11r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            x = T.Create(a[6]);
            c6l = T.MultiplyAdd(x, left, c6l);
            c6r = T.MultiplyAdd(x, right, c6r);
            x = T.Create(a[7]);
            c7l = T.MultiplyAdd(x, left, c7l);
            c7r = T.MultiplyAdd(x, right, c7r);
            x = T.Create(a[8]);
            c8l = T.MultiplyAdd(x, left, c8l);
            c8r = T.MultiplyAdd(x, right, c8r);
            x = T.Create(a[9]);
            c9l = T.MultiplyAdd(x, left, c9l);
            c9r = T.MultiplyAdd(x, right, c9r);
            x = T.Create(a[10]);
            c10l = T.MultiplyAdd(x, left, c10l);
            c10r = T.MultiplyAdd(x, right, c10r);
            x = T.Create(a[11]);
            c11l = T.MultiplyAdd(x, left, c11l);
            c11r = T.MultiplyAdd(x, right, c11r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
            Add(c + 6 * cStride, c6l, c6r);
            Add(c + 7 * cStride, c7l, c7r);
            Add(c + 8 * cStride, c8l, c8r);
            Add(c + 9 * cStride, c9l, c9r);
            Add(c + 10 * cStride, c10l, c10r);
            Add(c + 11 * cStride, c11l, c11r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
            Set(c + 6 * cStride, c6l, c6r);
            Set(c + 7 * cStride, c7l, c7r);
            Set(c + 8 * cStride, c8l, c8r);
            Set(c + 9 * cStride, c9l, c9r);
            Set(c + 10 * cStride, c10l, c10r);
            Set(c + 11 * cStride, c11l, c11r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows13(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        T c6l = zero, c6r = zero;
        T c7l = zero, c7r = zero;
        T c8l = zero, c8r = zero;
        T c9l = zero, c9r = zero;
        T c10l = zero, c10r = zero;
        T c11l = zero, c11r = zero;
        T c12l = zero, c12r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            x = T.Create(a[6]);
            c6l = T.MultiplyAdd(x, left, c6l);
            c6r = T.MultiplyAdd(x, right, c6r);
            x = T.Create(a[7]);
            c7l = T.MultiplyAdd(x, left, c7l);
            c7r = T.MultiplyAdd(x, right, c7r);
            x = T.Create(a[8]);
            c8l = T.MultiplyAdd(x, left, c8l);
            c8r = T.MultiplyAdd(x, right, c8r);
            x = T.Create(a[9]);
            c9l = T.MultiplyAdd(x, left, c9l);
            c9r = T.MultiplyAdd(x, right, c9r);
            x = T.Create(a[10]);
            c10l = T.MultiplyAdd(x, left, c10l);
            c10r = T.MultiplyAdd(x, right, c10r);
            x = T.Create(a[11]);
            c11l = T.MultiplyAdd(x, left, c11l);
            c11r = T.MultiplyAdd(x, right, c11r);
            x = T.Create(a[12]);
            c12l = T.MultiplyAdd(x, left, c12l);
            c12r = T.MultiplyAdd(x, right, c12r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
            Add(c + 6 * cStride, c6l, c6r);
            Add(c + 7 * cStride, c7l, c7r);
            Add(c + 8 * cStride, c8l, c8r);
            Add(c + 9 * cStride, c9l, c9r);
            Add(c + 10 * cStride, c10l, c10r);
            Add(c + 11 * cStride, c11l, c11r);
            Add(c + 12 * cStride, c12l, c12r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
            Set(c + 6 * cStride, c6l, c6r);
            Set(c + 7 * cStride, c7l, c7r);
            Set(c + 8 * cStride, c8l, c8r);
            Set(c + 9 * cStride, c9l, c9r);
            Set(c + 10 * cStride, c10l, c10r);
            Set(c + 11 * cStride, c11l, c11r);
            Set(c + 12 * cStride, c12l, c12r);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Rows14(nint depth, float* a, nint aStride, float* b, nint bStride, float* c, nint cStride, bool accumulate)
    {
        T zero = T.Create(0f);
        T c0l = zero, c0r = zero;
        T c1l = zero, c1r = zero;
        T c2l = zero, c2r = zero;
        T c3l = zero, c3r = zero;
        T c4l = zero, c4r = zero;
        T c5l = zero, c5r = zero;
        T c6l = zero, c6r = zero;
        T c7l = zero, c7r = zero;
        T c8l = zero, c8r = zero;
        T c9l = zero, c9r = zero;
        T c10l = zero, c10r = zero;
        T c11l = zero, c11r = zero;
        T c12l = zero, c12r = zero;
        T c13l = zero, c13r = zero;
        for (nint k = depth; k > 0; k--)
        {
            T left = T.Load(b), right = T.Load(b + T.Count);
            T x = T.Create(a[0]);
            c0l = T.MultiplyAdd(x, left, c0l);
            c0r = T.MultiplyAdd(x, right, c0r);
            x = T.Create(a[1]);
            c1l = T.MultiplyAdd(x, left, c1l);
            c1r = T.MultiplyAdd(x, right, c1r);
            x = T.Create(a[2]);
            c2l = T.MultiplyAdd(x, left, c2l);
            c2r = T.MultiplyAdd(x, right, c2r);
            x = T.Create(a[3]);
            c3l = T.MultiplyAdd(x, left, c3l);
            c3r = T.MultiplyAdd(x, right, c3r);
            x = T.Create(a[4]);
            c4l = T.MultiplyAdd(x, left, c4l);
            c4r = T.MultiplyAdd(x, right, c4r);
            x = T.Create(a[5]);
            c5l = T.MultiplyAdd(x, left, c5l);
            c5r = T.MultiplyAdd(x, right, c5r);
            x = T.Create(a[6]);
            c6l = T.MultiplyAdd(x, left, c6l);
            c6r = T.MultiplyAdd(x, right, c6r);
            x = T.Create(a[7]);
            c7l = T.MultiplyAdd(x, left, c7l);
            c7r = T.MultiplyAdd(x, right, c7r);
            x = T.Create(a[8]);
            c8l = T.MultiplyAdd(x, left, c8l);
            c8r = T.MultiplyAdd(x, right, c8r);
            x = T.Create(a[9]);
            c9l = T.MultiplyAdd(x, left, c9l);
            c9r = T.MultiplyAdd(x, right, c9r);
            x = T.Create(a[10]);
            c10l = T.MultiplyAdd(x, left, c10l);
            c10r = T.MultiplyAdd(x, right, c10r);
            x = T.Create(a[11]);
            c11l = T.MultiplyAdd(x, left, c11l);
            c11r = T.MultiplyAdd(x, right, c11r);
            x = T.Create(a[12]);
            c12l = T.MultiplyAdd(x, left, c12l);
            c12r = T.MultiplyAdd(x, right, c12r);
            x = T.Create(a[13]);
            c13l = T.MultiplyAdd(x, left, c13l);
            c13r = T.MultiplyAdd(x, right, c13r);
            a += aStride;
            b += bStride;
        }
        if (accumulate)
        {
            Add(c + 0 * cStride, c0l, c0r);
            Add(c + 1 * cStride, c1l, c1r);
            Add(c + 2 * cStride, c2l, c2r);
            Add(c + 3 * cStride, c3l, c3r);
            Add(c + 4 * cStride, c4l, c4r);
            Add(c + 5 * cStride, c5l, c5r);
            Add(c + 6 * cStride, c6l, c6r);
            Add(c + 7 * cStride, c7l, c7r);
            Add(c + 8 * cStride, c8l, c8r);
            Add(c + 9 * cStride, c9l, c9r);
            Add(c + 10 * cStride, c10l, c10r);
            Add(c + 11 * cStride, c11l, c11r);
            Add(c + 12 * cStride, c12l, c12r);
            Add(c + 13 * cStride, c13l, c13r);
        }
        else
        {
            Set(c + 0 * cStride, c0l, c0r);
            Set(c + 1 * cStride, c1l, c1r);
            Set(c + 2 * cStride, c2l, c2r);
            Set(c + 3 * cStride, c3l, c3r);
            Set(c + 4 * cStride, c4l, c4r);
            Set(c + 5 * cStride, c5l, c5r);
            Set(c + 6 * cStride, c6l, c6r);
            Set(c + 7 * cStride, c7l, c7r);
            Set(c + 8 * cStride, c8l, c8r);
            Set(c + 9 * cStride, c9l, c9r);
            Set(c + 10 * cStride, c10l, c10r);
            Set(c + 11 * cStride, c11l, c11r);
            Set(c + 12 * cStride, c12l, c12r);
            Set(c + 13 * cStride, c13l, c13r);
        }
    }
}
