using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// The one product that attention is made of: <c>C[8, n] (+)= A[8, depth] B[depth, n]</c>, n in vectors. A is read one value at a
/// time, so it may lie in either order; B and C are rows of vectors.
/// </summary>
/// <remarks>
/// Every element of C is a single chain of fused multiply-adds in ascending depth, begun at zero or at what C held. So the
/// bits never depend on how a product is cut into tiles or on the order in which tiles of other elements are visited: that is what makes
/// rows independent of the batch and of the threads, and decoding equal to the whole sequence.
/// </remarks>
internal static unsafe class AttentionProduct
{
    /// <summary>Rows of A and C of one call.</summary>
    public const int Rows = 8;

    /// <summary>Most vectors of one tile.</summary>
    public const int MaximumVectors = 3;

    /// <summary>The product over any number of vectors.</summary>
    public static void MultiplyColumns<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, int vectors, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        while (vectors > 0)
        {
            int now = vectors == 4 ? 2 : Math.Min(vectors, MaximumVectors); // 2 + 2 keeps more sums in flight than 3 + 1
            Multiply<T>(a, aRow, aStep, b, bStep, c, cRow, depth, now, accumulate);
            b += now * T.Count;
            c += now * T.Count;
            vectors -= now;
        }
    }

    /// <summary>The product over 1 to <see cref="MaximumVectors"/> vectors, depth at least 1.</summary>
    public static void Multiply<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, int vectors, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        if (T.Count == 16) // 32 registers
        {
            if (vectors == 3) Multiply8x3<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            else if (vectors == 2) Multiply8x2<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            else Multiply8x1<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            return;
        }
        for (int half = 0; half < 2; half++, a += 4 * aRow, c += 4 * cRow) // 16 registers
        {
            if (vectors == 3) Multiply4x3<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            else if (vectors == 2) Multiply4x2<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            else Multiply4x1<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
        }
    }

    /// <summary>Eight rows by three vectors: 24 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply8x3<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        int w = T.Count;
        T c00 = T.Create(0f), c01 = T.Create(0f), c02 = T.Create(0f);
        T c10 = T.Create(0f), c11 = T.Create(0f), c12 = T.Create(0f);
        T c20 = T.Create(0f), c21 = T.Create(0f), c22 = T.Create(0f);
        T c30 = T.Create(0f), c31 = T.Create(0f), c32 = T.Create(0f);
        T c40 = T.Create(0f), c41 = T.Create(0f), c42 = T.Create(0f);
        T c50 = T.Create(0f), c51 = T.Create(0f), c52 = T.Create(0f);
        T c60 = T.Create(0f), c61 = T.Create(0f), c62 = T.Create(0f);
        T c70 = T.Create(0f), c71 = T.Create(0f), c72 = T.Create(0f);
        if (accumulate)
        {
            float* row = c;
            c00 = T.Load(row); c01 = T.Load(row + w); c02 = T.Load(row + 2 * w); row += cRow;
            c10 = T.Load(row); c11 = T.Load(row + w); c12 = T.Load(row + 2 * w); row += cRow;
            c20 = T.Load(row); c21 = T.Load(row + w); c22 = T.Load(row + 2 * w); row += cRow;
            c30 = T.Load(row); c31 = T.Load(row + w); c32 = T.Load(row + 2 * w); row += cRow;
            c40 = T.Load(row); c41 = T.Load(row + w); c42 = T.Load(row + 2 * w); row += cRow;
            c50 = T.Load(row); c51 = T.Load(row + w); c52 = T.Load(row + 2 * w); row += cRow;
            c60 = T.Load(row); c61 = T.Load(row + w); c62 = T.Load(row + 2 * w); row += cRow;
            c70 = T.Load(row); c71 = T.Load(row + w); c72 = T.Load(row + 2 * w);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow, a6 = a5 + aRow, a7 = a6 + aRow;
        nint p = 0;
        do
        {
            T b0 = T.Load(b), b1 = T.Load(b + w), b2 = T.Load(b + 2 * w);
            T x = T.Create(a[p]);
            c00 = T.MultiplyAdd(x, b0, c00); c01 = T.MultiplyAdd(x, b1, c01); c02 = T.MultiplyAdd(x, b2, c02);
            x = T.Create(a1[p]);
            c10 = T.MultiplyAdd(x, b0, c10); c11 = T.MultiplyAdd(x, b1, c11); c12 = T.MultiplyAdd(x, b2, c12);
            x = T.Create(a2[p]);
            c20 = T.MultiplyAdd(x, b0, c20); c21 = T.MultiplyAdd(x, b1, c21); c22 = T.MultiplyAdd(x, b2, c22);
            x = T.Create(a3[p]);
            c30 = T.MultiplyAdd(x, b0, c30); c31 = T.MultiplyAdd(x, b1, c31); c32 = T.MultiplyAdd(x, b2, c32);
            x = T.Create(a4[p]);
            c40 = T.MultiplyAdd(x, b0, c40); c41 = T.MultiplyAdd(x, b1, c41); c42 = T.MultiplyAdd(x, b2, c42);
            x = T.Create(a5[p]);
            c50 = T.MultiplyAdd(x, b0, c50); c51 = T.MultiplyAdd(x, b1, c51); c52 = T.MultiplyAdd(x, b2, c52);
            x = T.Create(a6[p]);
            c60 = T.MultiplyAdd(x, b0, c60); c61 = T.MultiplyAdd(x, b1, c61); c62 = T.MultiplyAdd(x, b2, c62);
            x = T.Create(a7[p]);
            c70 = T.MultiplyAdd(x, b0, c70); c71 = T.MultiplyAdd(x, b1, c71); c72 = T.MultiplyAdd(x, b2, c72);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        T.Store(c00, c); T.Store(c01, c + w); T.Store(c02, c + 2 * w); c += cRow;
        T.Store(c10, c); T.Store(c11, c + w); T.Store(c12, c + 2 * w); c += cRow;
        T.Store(c20, c); T.Store(c21, c + w); T.Store(c22, c + 2 * w); c += cRow;
        T.Store(c30, c); T.Store(c31, c + w); T.Store(c32, c + 2 * w); c += cRow;
        T.Store(c40, c); T.Store(c41, c + w); T.Store(c42, c + 2 * w); c += cRow;
        T.Store(c50, c); T.Store(c51, c + w); T.Store(c52, c + 2 * w); c += cRow;
        T.Store(c60, c); T.Store(c61, c + w); T.Store(c62, c + 2 * w); c += cRow;
        T.Store(c70, c); T.Store(c71, c + w); T.Store(c72, c + 2 * w);
    }

    /// <summary>Eight rows by two vectors: 16 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply8x2<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        int w = T.Count;
        T c00 = T.Create(0f), c01 = T.Create(0f);
        T c10 = T.Create(0f), c11 = T.Create(0f);
        T c20 = T.Create(0f), c21 = T.Create(0f);
        T c30 = T.Create(0f), c31 = T.Create(0f);
        T c40 = T.Create(0f), c41 = T.Create(0f);
        T c50 = T.Create(0f), c51 = T.Create(0f);
        T c60 = T.Create(0f), c61 = T.Create(0f);
        T c70 = T.Create(0f), c71 = T.Create(0f);
        if (accumulate)
        {
            float* row = c;
            c00 = T.Load(row); c01 = T.Load(row + w); row += cRow;
            c10 = T.Load(row); c11 = T.Load(row + w); row += cRow;
            c20 = T.Load(row); c21 = T.Load(row + w); row += cRow;
            c30 = T.Load(row); c31 = T.Load(row + w); row += cRow;
            c40 = T.Load(row); c41 = T.Load(row + w); row += cRow;
            c50 = T.Load(row); c51 = T.Load(row + w); row += cRow;
            c60 = T.Load(row); c61 = T.Load(row + w); row += cRow;
            c70 = T.Load(row); c71 = T.Load(row + w);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow, a6 = a5 + aRow, a7 = a6 + aRow;
        nint p = 0;
        do
        {
            T b0 = T.Load(b), b1 = T.Load(b + w);
            T x = T.Create(a[p]);
            c00 = T.MultiplyAdd(x, b0, c00); c01 = T.MultiplyAdd(x, b1, c01);
            x = T.Create(a1[p]);
            c10 = T.MultiplyAdd(x, b0, c10); c11 = T.MultiplyAdd(x, b1, c11);
            x = T.Create(a2[p]);
            c20 = T.MultiplyAdd(x, b0, c20); c21 = T.MultiplyAdd(x, b1, c21);
            x = T.Create(a3[p]);
            c30 = T.MultiplyAdd(x, b0, c30); c31 = T.MultiplyAdd(x, b1, c31);
            x = T.Create(a4[p]);
            c40 = T.MultiplyAdd(x, b0, c40); c41 = T.MultiplyAdd(x, b1, c41);
            x = T.Create(a5[p]);
            c50 = T.MultiplyAdd(x, b0, c50); c51 = T.MultiplyAdd(x, b1, c51);
            x = T.Create(a6[p]);
            c60 = T.MultiplyAdd(x, b0, c60); c61 = T.MultiplyAdd(x, b1, c61);
            x = T.Create(a7[p]);
            c70 = T.MultiplyAdd(x, b0, c70); c71 = T.MultiplyAdd(x, b1, c71);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        T.Store(c00, c); T.Store(c01, c + w); c += cRow;
        T.Store(c10, c); T.Store(c11, c + w); c += cRow;
        T.Store(c20, c); T.Store(c21, c + w); c += cRow;
        T.Store(c30, c); T.Store(c31, c + w); c += cRow;
        T.Store(c40, c); T.Store(c41, c + w); c += cRow;
        T.Store(c50, c); T.Store(c51, c + w); c += cRow;
        T.Store(c60, c); T.Store(c61, c + w); c += cRow;
        T.Store(c70, c); T.Store(c71, c + w);
    }

    /// <summary>Eight rows by one vector: 8 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply8x1<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        T c00 = T.Create(0f);
        T c10 = T.Create(0f);
        T c20 = T.Create(0f);
        T c30 = T.Create(0f);
        T c40 = T.Create(0f);
        T c50 = T.Create(0f);
        T c60 = T.Create(0f);
        T c70 = T.Create(0f);
        if (accumulate)
        {
            float* row = c;
            c00 = T.Load(row); row += cRow;
            c10 = T.Load(row); row += cRow;
            c20 = T.Load(row); row += cRow;
            c30 = T.Load(row); row += cRow;
            c40 = T.Load(row); row += cRow;
            c50 = T.Load(row); row += cRow;
            c60 = T.Load(row); row += cRow;
            c70 = T.Load(row);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow, a6 = a5 + aRow, a7 = a6 + aRow;
        nint p = 0;
        do
        {
            T b0 = T.Load(b);
            T x = T.Create(a[p]);
            c00 = T.MultiplyAdd(x, b0, c00);
            x = T.Create(a1[p]);
            c10 = T.MultiplyAdd(x, b0, c10);
            x = T.Create(a2[p]);
            c20 = T.MultiplyAdd(x, b0, c20);
            x = T.Create(a3[p]);
            c30 = T.MultiplyAdd(x, b0, c30);
            x = T.Create(a4[p]);
            c40 = T.MultiplyAdd(x, b0, c40);
            x = T.Create(a5[p]);
            c50 = T.MultiplyAdd(x, b0, c50);
            x = T.Create(a6[p]);
            c60 = T.MultiplyAdd(x, b0, c60);
            x = T.Create(a7[p]);
            c70 = T.MultiplyAdd(x, b0, c70);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        T.Store(c00, c); c += cRow;
        T.Store(c10, c); c += cRow;
        T.Store(c20, c); c += cRow;
        T.Store(c30, c); c += cRow;
        T.Store(c40, c); c += cRow;
        T.Store(c50, c); c += cRow;
        T.Store(c60, c); c += cRow;
        T.Store(c70, c);
    }

    /// <summary>Four rows by three vectors: 12 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply4x3<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        int w = T.Count;
        T c00 = T.Create(0f), c01 = T.Create(0f), c02 = T.Create(0f);
        T c10 = T.Create(0f), c11 = T.Create(0f), c12 = T.Create(0f);
        T c20 = T.Create(0f), c21 = T.Create(0f), c22 = T.Create(0f);
        T c30 = T.Create(0f), c31 = T.Create(0f), c32 = T.Create(0f);
        if (accumulate)
        {
            float* row = c;
            c00 = T.Load(row); c01 = T.Load(row + w); c02 = T.Load(row + 2 * w); row += cRow;
            c10 = T.Load(row); c11 = T.Load(row + w); c12 = T.Load(row + 2 * w); row += cRow;
            c20 = T.Load(row); c21 = T.Load(row + w); c22 = T.Load(row + 2 * w); row += cRow;
            c30 = T.Load(row); c31 = T.Load(row + w); c32 = T.Load(row + 2 * w);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        nint p = 0;
        do
        {
            T b0 = T.Load(b), b1 = T.Load(b + w), b2 = T.Load(b + 2 * w);
            T x = T.Create(a[p]);
            c00 = T.MultiplyAdd(x, b0, c00); c01 = T.MultiplyAdd(x, b1, c01); c02 = T.MultiplyAdd(x, b2, c02);
            x = T.Create(a1[p]);
            c10 = T.MultiplyAdd(x, b0, c10); c11 = T.MultiplyAdd(x, b1, c11); c12 = T.MultiplyAdd(x, b2, c12);
            x = T.Create(a2[p]);
            c20 = T.MultiplyAdd(x, b0, c20); c21 = T.MultiplyAdd(x, b1, c21); c22 = T.MultiplyAdd(x, b2, c22);
            x = T.Create(a3[p]);
            c30 = T.MultiplyAdd(x, b0, c30); c31 = T.MultiplyAdd(x, b1, c31); c32 = T.MultiplyAdd(x, b2, c32);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        T.Store(c00, c); T.Store(c01, c + w); T.Store(c02, c + 2 * w); c += cRow;
        T.Store(c10, c); T.Store(c11, c + w); T.Store(c12, c + 2 * w); c += cRow;
        T.Store(c20, c); T.Store(c21, c + w); T.Store(c22, c + 2 * w); c += cRow;
        T.Store(c30, c); T.Store(c31, c + w); T.Store(c32, c + 2 * w);
    }

    /// <summary>Four rows by two vectors: 8 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply4x2<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        int w = T.Count;
        T c00 = T.Create(0f), c01 = T.Create(0f);
        T c10 = T.Create(0f), c11 = T.Create(0f);
        T c20 = T.Create(0f), c21 = T.Create(0f);
        T c30 = T.Create(0f), c31 = T.Create(0f);
        if (accumulate)
        {
            float* row = c;
            c00 = T.Load(row); c01 = T.Load(row + w); row += cRow;
            c10 = T.Load(row); c11 = T.Load(row + w); row += cRow;
            c20 = T.Load(row); c21 = T.Load(row + w); row += cRow;
            c30 = T.Load(row); c31 = T.Load(row + w);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        nint p = 0;
        do
        {
            T b0 = T.Load(b), b1 = T.Load(b + w);
            T x = T.Create(a[p]);
            c00 = T.MultiplyAdd(x, b0, c00); c01 = T.MultiplyAdd(x, b1, c01);
            x = T.Create(a1[p]);
            c10 = T.MultiplyAdd(x, b0, c10); c11 = T.MultiplyAdd(x, b1, c11);
            x = T.Create(a2[p]);
            c20 = T.MultiplyAdd(x, b0, c20); c21 = T.MultiplyAdd(x, b1, c21);
            x = T.Create(a3[p]);
            c30 = T.MultiplyAdd(x, b0, c30); c31 = T.MultiplyAdd(x, b1, c31);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        T.Store(c00, c); T.Store(c01, c + w); c += cRow;
        T.Store(c10, c); T.Store(c11, c + w); c += cRow;
        T.Store(c20, c); T.Store(c21, c + w); c += cRow;
        T.Store(c30, c); T.Store(c31, c + w);
    }

    /// <summary>Four rows by one vector: 4 sums in registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply4x1<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        T c00 = T.Create(0f);
        T c10 = T.Create(0f);
        T c20 = T.Create(0f);
        T c30 = T.Create(0f);
        if (accumulate)
        {
            float* row = c;
            c00 = T.Load(row); row += cRow;
            c10 = T.Load(row); row += cRow;
            c20 = T.Load(row); row += cRow;
            c30 = T.Load(row);
        }
        float* a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
        nint p = 0;
        do
        {
            T b0 = T.Load(b);
            T x = T.Create(a[p]);
            c00 = T.MultiplyAdd(x, b0, c00);
            x = T.Create(a1[p]);
            c10 = T.MultiplyAdd(x, b0, c10);
            x = T.Create(a2[p]);
            c20 = T.MultiplyAdd(x, b0, c20);
            x = T.Create(a3[p]);
            c30 = T.MultiplyAdd(x, b0, c30);
            p += aStep;
            b += bStep;
        }
        while (--depth > 0);
        T.Store(c00, c); c += cRow;
        T.Store(c10, c); c += cRow;
        T.Store(c20, c); c += cRow;
        T.Store(c30, c);
    }
}
