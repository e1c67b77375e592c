using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// <see cref="AttentionProduct"/> in 256-bit registers. Written on bare vectors: in wrapped ones the compiler
/// keeps a copy of every sum and spills them.
/// </summary>
internal static unsafe class AttentionProduct256
{
    /// <summary>Four rows by three vectors: 12 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply4x3(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
    {
        Vector256<float> c00 = default, c01 = default, c02 = default;
        Vector256<float> c10 = default, c11 = default, c12 = default;
        Vector256<float> c20 = default, c21 = default, c22 = default;
        Vector256<float> c30 = default, c31 = default, c32 = default;
        if (accumulate)
        {
            float* row = c;
            c00 = Vector256.Load(row); c01 = Vector256.Load(row + 8); c02 = Vector256.Load(row + 16); row += cRow;
            c10 = Vector256.Load(row); c11 = Vector256.Load(row + 8); c12 = Vector256.Load(row + 16); row += cRow;
            c20 = Vector256.Load(row); c21 = Vector256.Load(row + 8); c22 = Vector256.Load(row + 16); row += cRow;
            c30 = Vector256.Load(row); c31 = Vector256.Load(row + 8); c32 = Vector256.Load(row + 16);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        nint p = 0;
        do
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8), b2 = Vector256.Load(b + 16);
            Vector256<float> x = Vector256.Create(a[p]);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            c02 = Vector256.FusedMultiplyAdd(x, b2, c02);
            x = Vector256.Create(a1[p]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            c12 = Vector256.FusedMultiplyAdd(x, b2, c12);
            x = Vector256.Create(a2[p]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            c22 = Vector256.FusedMultiplyAdd(x, b2, c22);
            x = Vector256.Create(a3[p]);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
            c32 = Vector256.FusedMultiplyAdd(x, b2, c32);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        c00.Store(c); c01.Store(c + 8); c02.Store(c + 16); c += cRow;
        c10.Store(c); c11.Store(c + 8); c12.Store(c + 16); c += cRow;
        c20.Store(c); c21.Store(c + 8); c22.Store(c + 16); c += cRow;
        c30.Store(c); c31.Store(c + 8); c32.Store(c + 16);
    }

    /// <summary>Four rows by two vectors: 8 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply4x2(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
    {
        Vector256<float> c00 = default, c01 = default;
        Vector256<float> c10 = default, c11 = default;
        Vector256<float> c20 = default, c21 = default;
        Vector256<float> c30 = default, c31 = default;
        if (accumulate)
        {
            float* row = c;
            c00 = Vector256.Load(row); c01 = Vector256.Load(row + 8); row += cRow;
            c10 = Vector256.Load(row); c11 = Vector256.Load(row + 8); row += cRow;
            c20 = Vector256.Load(row); c21 = Vector256.Load(row + 8); row += cRow;
            c30 = Vector256.Load(row); c31 = Vector256.Load(row + 8);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        nint p = 0;
        do
        {
            Vector256<float> b0 = Vector256.Load(b), b1 = Vector256.Load(b + 8);
            Vector256<float> x = Vector256.Create(a[p]);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector256.FusedMultiplyAdd(x, b1, c01);
            x = Vector256.Create(a1[p]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector256.FusedMultiplyAdd(x, b1, c11);
            x = Vector256.Create(a2[p]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector256.FusedMultiplyAdd(x, b1, c21);
            x = Vector256.Create(a3[p]);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector256.FusedMultiplyAdd(x, b1, c31);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        c00.Store(c); c01.Store(c + 8); c += cRow;
        c10.Store(c); c11.Store(c + 8); c += cRow;
        c20.Store(c); c21.Store(c + 8); c += cRow;
        c30.Store(c); c31.Store(c + 8);
    }

    /// <summary>Four rows by one vector: 4 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply4x1(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
    {
        Vector256<float> c00 = default;
        Vector256<float> c10 = default;
        Vector256<float> c20 = default;
        Vector256<float> c30 = default;
        if (accumulate)
        {
            float* row = c;
            c00 = Vector256.Load(row); row += cRow;
            c10 = Vector256.Load(row); row += cRow;
            c20 = Vector256.Load(row); row += cRow;
            c30 = Vector256.Load(row);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        nint p = 0;
        do
        {
            Vector256<float> b0 = Vector256.Load(b);
            Vector256<float> x = Vector256.Create(a[p]);
            c00 = Vector256.FusedMultiplyAdd(x, b0, c00);
            x = Vector256.Create(a1[p]);
            c10 = Vector256.FusedMultiplyAdd(x, b0, c10);
            x = Vector256.Create(a2[p]);
            c20 = Vector256.FusedMultiplyAdd(x, b0, c20);
            x = Vector256.Create(a3[p]);
            c30 = Vector256.FusedMultiplyAdd(x, b0, c30);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        c00.Store(c); c += cRow;
        c10.Store(c); c += cRow;
        c20.Store(c); c += cRow;
        c30.Store(c);
    }
}
