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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply<T>(float* a, nint aRow, nint aStep, float* b, nint bStep, float* c, nint cRow, nint depth, int vectors, bool accumulate)
        where T : unmanaged, ISimd<T>
    {
        if (typeof(T) == typeof(Simd512))
        {
            if (vectors == 3) AttentionProduct512.Multiply8x3(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            else if (vectors == 2) AttentionProduct512.Multiply8x2(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            else AttentionProduct512.Multiply8x1(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            return;
        }
        for (int half = 0; half < 2; half++, a += 4 * aRow, c += 4 * cRow) // 16 registers
        {
            if (typeof(T) == typeof(Simd256))
            {
                if (vectors == 3) AttentionProduct256.Multiply4x3(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
                else if (vectors == 2) AttentionProduct256.Multiply4x2(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
                else AttentionProduct256.Multiply4x1(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            }
            else if (vectors == 3) Multiply4x3<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            else if (vectors == 2) Multiply4x2<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
            else Multiply4x1<T>(a, aRow, aStep, b, bStep, c, cRow, depth, accumulate);
        }
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
