namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Sums over one row. Four registers take turns, are added pairwise, and the tail follows one element at a time: an order that
/// depends on the length alone.
/// </summary>
internal static unsafe class RowMath
{
    public static float Sum<T>(float* x, long n) where T : unmanaged, ISimd<T>
    {
        T s0 = T.Create(0f), s1 = s0, s2 = s0, s3 = s0;
        long i = 0;
        for (; i <= n - 4 * T.Count; i += 4 * T.Count)
        {
            s0 += T.Load(x + i);
            s1 += T.Load(x + i + T.Count);
            s2 += T.Load(x + i + 2 * T.Count);
            s3 += T.Load(x + i + 3 * T.Count);
        }
        for (; i <= n - T.Count; i += T.Count) s0 += T.Load(x + i);
        float sum = T.Sum((s0 + s1) + (s2 + s3));
        for (; i < n; i++) sum += x[i];
        return sum;
    }

    /// <summary>Sum of (x - center)^2.</summary>
    public static float SumOfSquares<T>(float* x, float center, long n) where T : unmanaged, ISimd<T>
    {
        T c = T.Create(center), s0 = T.Create(0f), s1 = s0, s2 = s0, s3 = s0;
        long i = 0;
        for (; i <= n - 4 * T.Count; i += 4 * T.Count)
        {
            T d0 = T.Load(x + i) - c, d1 = T.Load(x + i + T.Count) - c, d2 = T.Load(x + i + 2 * T.Count) - c, d3 = T.Load(x + i + 3 * T.Count) - c;
            s0 = T.MultiplyAdd(d0, d0, s0);
            s1 = T.MultiplyAdd(d1, d1, s1);
            s2 = T.MultiplyAdd(d2, d2, s2);
            s3 = T.MultiplyAdd(d3, d3, s3);
        }
        for (; i <= n - T.Count; i += T.Count)
        {
            T d = T.Load(x + i) - c;
            s0 = T.MultiplyAdd(d, d, s0);
        }
        float sum = T.Sum((s0 + s1) + (s2 + s3));
        for (; i < n; i++) sum = MathF.FusedMultiplyAdd(x[i] - center, x[i] - center, sum);
        return sum;
    }

    /// <summary>Sum of x * y.</summary>
    public static float Dot<T>(float* x, float* y, long n) where T : unmanaged, ISimd<T>
    {
        T s0 = T.Create(0f), s1 = s0, s2 = s0, s3 = s0;
        long i = 0;
        for (; i <= n - 4 * T.Count; i += 4 * T.Count)
        {
            s0 = T.MultiplyAdd(T.Load(x + i), T.Load(y + i), s0);
            s1 = T.MultiplyAdd(T.Load(x + i + T.Count), T.Load(y + i + T.Count), s1);
            s2 = T.MultiplyAdd(T.Load(x + i + 2 * T.Count), T.Load(y + i + 2 * T.Count), s2);
            s3 = T.MultiplyAdd(T.Load(x + i + 3 * T.Count), T.Load(y + i + 3 * T.Count), s3);
        }
        for (; i <= n - T.Count; i += T.Count) s0 = T.MultiplyAdd(T.Load(x + i), T.Load(y + i), s0);
        float sum = T.Sum((s0 + s1) + (s2 + s3));
        for (; i < n; i++) sum = MathF.FusedMultiplyAdd(x[i], y[i], sum);
        return sum;
    }
}
