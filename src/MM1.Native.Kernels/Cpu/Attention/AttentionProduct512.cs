using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// <see cref="AttentionProduct"/> in 512-bit registers. Written on bare vectors: in wrapped ones the compiler
/// keeps a copy of every sum and spills them.
/// </summary>
internal static unsafe class AttentionProduct512
{
    /// <summary>Eight rows by three vectors: 24 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply8x3(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default, c02 = default;
        Vector512<float> c10 = default, c11 = default, c12 = default;
        Vector512<float> c20 = default, c21 = default, c22 = default;
        Vector512<float> c30 = default, c31 = default, c32 = default;
        Vector512<float> c40 = default, c41 = default, c42 = default;
        Vector512<float> c50 = default, c51 = default, c52 = default;
        Vector512<float> c60 = default, c61 = default, c62 = default;
        Vector512<float> c70 = default, c71 = default, c72 = default;
        if (accumulate)
        {
            float* row = c;
            c00 = Vector512.Load(row); c01 = Vector512.Load(row + 16); c02 = Vector512.Load(row + 32); row += cRow;
            c10 = Vector512.Load(row); c11 = Vector512.Load(row + 16); c12 = Vector512.Load(row + 32); row += cRow;
            c20 = Vector512.Load(row); c21 = Vector512.Load(row + 16); c22 = Vector512.Load(row + 32); row += cRow;
            c30 = Vector512.Load(row); c31 = Vector512.Load(row + 16); c32 = Vector512.Load(row + 32); row += cRow;
            c40 = Vector512.Load(row); c41 = Vector512.Load(row + 16); c42 = Vector512.Load(row + 32); row += cRow;
            c50 = Vector512.Load(row); c51 = Vector512.Load(row + 16); c52 = Vector512.Load(row + 32); row += cRow;
            c60 = Vector512.Load(row); c61 = Vector512.Load(row + 16); c62 = Vector512.Load(row + 32); row += cRow;
            c70 = Vector512.Load(row); c71 = Vector512.Load(row + 16); c72 = Vector512.Load(row + 32);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow, a6 = a5 + aRow, a7 = a6 + aRow;
        nint p = 0;
        do
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16), b2 = Vector512.Load(b + 32);
            Vector512<float> x = Vector512.Create(a[p]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            c02 = Vector512.FusedMultiplyAdd(x, b2, c02);
            x = Vector512.Create(a1[p]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            c12 = Vector512.FusedMultiplyAdd(x, b2, c12);
            x = Vector512.Create(a2[p]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            c22 = Vector512.FusedMultiplyAdd(x, b2, c22);
            x = Vector512.Create(a3[p]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            c32 = Vector512.FusedMultiplyAdd(x, b2, c32);
            x = Vector512.Create(a4[p]);
            c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
            c42 = Vector512.FusedMultiplyAdd(x, b2, c42);
            x = Vector512.Create(a5[p]);
            c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
            c52 = Vector512.FusedMultiplyAdd(x, b2, c52);
            x = Vector512.Create(a6[p]);
            c60 = Vector512.FusedMultiplyAdd(x, b0, c60);
            c61 = Vector512.FusedMultiplyAdd(x, b1, c61);
            c62 = Vector512.FusedMultiplyAdd(x, b2, c62);
            x = Vector512.Create(a7[p]);
            c70 = Vector512.FusedMultiplyAdd(x, b0, c70);
            c71 = Vector512.FusedMultiplyAdd(x, b1, c71);
            c72 = Vector512.FusedMultiplyAdd(x, b2, c72);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        c00.Store(c); c01.Store(c + 16); c02.Store(c + 32); c += cRow;
        c10.Store(c); c11.Store(c + 16); c12.Store(c + 32); c += cRow;
        c20.Store(c); c21.Store(c + 16); c22.Store(c + 32); c += cRow;
        c30.Store(c); c31.Store(c + 16); c32.Store(c + 32); c += cRow;
        c40.Store(c); c41.Store(c + 16); c42.Store(c + 32); c += cRow;
        c50.Store(c); c51.Store(c + 16); c52.Store(c + 32); c += cRow;
        c60.Store(c); c61.Store(c + 16); c62.Store(c + 32); c += cRow;
        c70.Store(c); c71.Store(c + 16); c72.Store(c + 32);
    }

    /// <summary>Eight rows by two vectors: 16 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply8x2(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
    {
        Vector512<float> c00 = default, c01 = default;
        Vector512<float> c10 = default, c11 = default;
        Vector512<float> c20 = default, c21 = default;
        Vector512<float> c30 = default, c31 = default;
        Vector512<float> c40 = default, c41 = default;
        Vector512<float> c50 = default, c51 = default;
        Vector512<float> c60 = default, c61 = default;
        Vector512<float> c70 = default, c71 = default;
        if (accumulate)
        {
            float* row = c;
            c00 = Vector512.Load(row); c01 = Vector512.Load(row + 16); row += cRow;
            c10 = Vector512.Load(row); c11 = Vector512.Load(row + 16); row += cRow;
            c20 = Vector512.Load(row); c21 = Vector512.Load(row + 16); row += cRow;
            c30 = Vector512.Load(row); c31 = Vector512.Load(row + 16); row += cRow;
            c40 = Vector512.Load(row); c41 = Vector512.Load(row + 16); row += cRow;
            c50 = Vector512.Load(row); c51 = Vector512.Load(row + 16); row += cRow;
            c60 = Vector512.Load(row); c61 = Vector512.Load(row + 16); row += cRow;
            c70 = Vector512.Load(row); c71 = Vector512.Load(row + 16);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow, a6 = a5 + aRow, a7 = a6 + aRow;
        nint p = 0;
        do
        {
            Vector512<float> b0 = Vector512.Load(b), b1 = Vector512.Load(b + 16);
            Vector512<float> x = Vector512.Create(a[p]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            c01 = Vector512.FusedMultiplyAdd(x, b1, c01);
            x = Vector512.Create(a1[p]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            c11 = Vector512.FusedMultiplyAdd(x, b1, c11);
            x = Vector512.Create(a2[p]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            c21 = Vector512.FusedMultiplyAdd(x, b1, c21);
            x = Vector512.Create(a3[p]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            c31 = Vector512.FusedMultiplyAdd(x, b1, c31);
            x = Vector512.Create(a4[p]);
            c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
            c41 = Vector512.FusedMultiplyAdd(x, b1, c41);
            x = Vector512.Create(a5[p]);
            c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
            c51 = Vector512.FusedMultiplyAdd(x, b1, c51);
            x = Vector512.Create(a6[p]);
            c60 = Vector512.FusedMultiplyAdd(x, b0, c60);
            c61 = Vector512.FusedMultiplyAdd(x, b1, c61);
            x = Vector512.Create(a7[p]);
            c70 = Vector512.FusedMultiplyAdd(x, b0, c70);
            c71 = Vector512.FusedMultiplyAdd(x, b1, c71);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        c00.Store(c); c01.Store(c + 16); c += cRow;
        c10.Store(c); c11.Store(c + 16); c += cRow;
        c20.Store(c); c21.Store(c + 16); c += cRow;
        c30.Store(c); c31.Store(c + 16); c += cRow;
        c40.Store(c); c41.Store(c + 16); c += cRow;
        c50.Store(c); c51.Store(c + 16); c += cRow;
        c60.Store(c); c61.Store(c + 16); c += cRow;
        c70.Store(c); c71.Store(c + 16);
    }

    /// <summary>Eight rows by one vector: 8 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Multiply8x1(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
    {
        Vector512<float> c00 = default;
        Vector512<float> c10 = default;
        Vector512<float> c20 = default;
        Vector512<float> c30 = default;
        Vector512<float> c40 = default;
        Vector512<float> c50 = default;
        Vector512<float> c60 = default;
        Vector512<float> c70 = default;
        if (accumulate)
        {
            float* row = c;
            c00 = Vector512.Load(row); row += cRow;
            c10 = Vector512.Load(row); row += cRow;
            c20 = Vector512.Load(row); row += cRow;
            c30 = Vector512.Load(row); row += cRow;
            c40 = Vector512.Load(row); row += cRow;
            c50 = Vector512.Load(row); row += cRow;
            c60 = Vector512.Load(row); row += cRow;
            c70 = Vector512.Load(row);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow, a6 = a5 + aRow, a7 = a6 + aRow;
        nint p = 0;
        do
        {
            Vector512<float> b0 = Vector512.Load(b);
            Vector512<float> x = Vector512.Create(a[p]);
            c00 = Vector512.FusedMultiplyAdd(x, b0, c00);
            x = Vector512.Create(a1[p]);
            c10 = Vector512.FusedMultiplyAdd(x, b0, c10);
            x = Vector512.Create(a2[p]);
            c20 = Vector512.FusedMultiplyAdd(x, b0, c20);
            x = Vector512.Create(a3[p]);
            c30 = Vector512.FusedMultiplyAdd(x, b0, c30);
            x = Vector512.Create(a4[p]);
            c40 = Vector512.FusedMultiplyAdd(x, b0, c40);
            x = Vector512.Create(a5[p]);
            c50 = Vector512.FusedMultiplyAdd(x, b0, c50);
            x = Vector512.Create(a6[p]);
            c60 = Vector512.FusedMultiplyAdd(x, b0, c60);
            x = Vector512.Create(a7[p]);
            c70 = Vector512.FusedMultiplyAdd(x, b0, c70);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        c00.Store(c); c += cRow;
        c10.Store(c); c += cRow;
        c20.Store(c); c += cRow;
        c30.Store(c); c += cRow;
        c40.Store(c); c += cRow;
        c50.Store(c); c += cRow;
        c60.Store(c); c += cRow;
        c70.Store(c);
    }
}
