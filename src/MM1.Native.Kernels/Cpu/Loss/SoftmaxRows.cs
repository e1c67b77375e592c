using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// The softmax of one row of logits, never stored: its log-sum-exp forward, its gradient backward. Two passes over the row
/// (the maximum, then the sum); up to half a million columns they meet the second time in the L2 cache.
/// </summary>
/// <remarks>
/// Four registers sum in turn and are added pairwise at the end: an order that only the column count fixes. A NaN or +infinity
/// anywhere makes the result NaN; -infinity counts as probability zero.
/// </remarks>
internal static unsafe class SoftmaxRows
{
    public static float LogSumExp(float* x, long columns) => SimdWidth.Bits switch
    {
        512 => LogSumExp<Simd512>(x, columns),
        256 => LogSumExp<Simd256>(x, columns),
        128 => LogSumExp<Simd128>(x, columns),
        _ => LogSumExp<SimdScalar>(x, columns),
    };

    /// <summary>gradient = factor * exp(x - logSumExp); may be in place.</summary>
    public static void ScaledSoftmax(float* x, float* gradient, long columns, float logSumExp, float factor)
    {
        switch (SimdWidth.Bits)
        {
            case 512: ScaledSoftmax<Simd512>(x, gradient, columns, logSumExp, factor); break;
            case 256: ScaledSoftmax<Simd256>(x, gradient, columns, logSumExp, factor); break;
            case 128: ScaledSoftmax<Simd128>(x, gradient, columns, logSumExp, factor); break;
            default: ScaledSoftmax<SimdScalar>(x, gradient, columns, logSumExp, factor); break;
        }
    }

    /// <summary>One width of <see cref="LogSumExp(float*, long)"/>.</summary>
    internal static float LogSumExp<T>(float* x, long columns) where T : unmanaged, ISimd<T>
    {
        float maximum = Maximum<T>(x, columns);
        T shift = T.Create(maximum);
        // Clamping may lose a NaN, but what it took off, x - clamped, is NaN then, else never positive: its sum tells.
        T sum0 = T.Create(0), sum1 = sum0, sum2 = sum0, sum3 = sum0, lost0 = sum0, lost1 = sum0;
        long i = 0;
        for (; i + 4 * T.Count <= columns; i += 4 * T.Count)
        {
            sum0 += ExpOfShifted(T.Load(x + i) - shift, ref lost0);
            sum1 += ExpOfShifted(T.Load(x + i + T.Count) - shift, ref lost1);
            sum2 += ExpOfShifted(T.Load(x + i + 2 * T.Count) - shift, ref lost0);
            sum3 += ExpOfShifted(T.Load(x + i + 3 * T.Count) - shift, ref lost1);
        }
        for (; i + T.Count <= columns; i += T.Count) sum0 += ExpOfShifted(T.Load(x + i) - shift, ref lost0);
        if (i < columns) sum1 += ExpOfShifted(SimdTail.Load<T>(x + i, columns - i, float.NegativeInfinity) - shift, ref lost1);
        if (float.IsNaN(T.Sum(lost0 + lost1))) return float.NaN;
        return (float)(maximum + Math.Log(T.Sum((sum0 + sum1) + (sum2 + sum3))));
    }

    /// <summary>One width of <see cref="ScaledSoftmax(float*, float*, long, float, float)"/>.</summary>
    internal static void ScaledSoftmax<T>(float* x, float* gradient, long columns, float logSumExp, float factor) where T : unmanaged, ISimd<T>
    {
        // A NaN logit has made logSumExp NaN and with it the factor, so clamping loses nothing. Probabilities below e^-64 become 0, see Probability:
        // by subtraction, which the others do not see and which costs less than a choice.
        T shift = T.Create(logSumExp), scale = T.Create(factor), floor = T.Create(-64f), least = VectorMath.ExpNonPositive(floor);
        long i = 0;
        for (; i + 2 * T.Count <= columns; i += 2 * T.Count)
        {
            T first = scale * (VectorMath.ExpNonPositive(T.Max(T.Load(x + i) - shift, floor)) - least);
            T second = scale * (VectorMath.ExpNonPositive(T.Max(T.Load(x + i + T.Count) - shift, floor)) - least);
            T.Store(first, gradient + i);
            T.Store(second, gradient + i + T.Count);
        }
        for (; i + T.Count <= columns; i += T.Count) T.Store(scale * (VectorMath.ExpNonPositive(T.Max(T.Load(x + i) - shift, floor)) - least), gradient + i);
        if (i < columns)
        {
            T last = scale * (VectorMath.ExpNonPositive(T.Max(SimdTail.Load<T>(x + i, columns - i, 0) - shift, floor)) - least);
            SimdTail.Store(last, gradient + i, columns - i);
        }
    }

    /// <summary>
    /// e^x for x up to 0, but never subnormal: machines take a hundred cycles for those. Below -87 the result is 1.6e-38, which a sum of
    /// at least 1 does not see. Compared this way round, NaN stays NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T ExpOfShifted<T>(T x) where T : unmanaged, ISimd<T>
    {
        T floor = T.Create(-87f);
        return VectorMath.Exp(T.Select(T.GreaterThan(floor, x), floor, x));
    }

    /// <summary>The same without choices; <paramref name="lost"/> becomes NaN where x is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T ExpOfShifted<T>(T x, ref T lost) where T : unmanaged, ISimd<T>
    {
        T clamped = T.Max(x, T.Create(-87f));
        lost += x - clamped;
        return VectorMath.ExpNonPositive(clamped);
    }

    /// <summary>
    /// e^x for a logarithm of a probability; 0 below e^-64 (1.6e-28). Such probabilities move no sum, but divided by a denominator they
    /// are subnormal, and the matrix products that read the gradient crawl.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Probability<T>(T x) where T : unmanaged, ISimd<T>
    {
        T floor = T.Create(-64f), negligible = T.GreaterThan(floor, x);
        return T.Select(negligible, T.Create(0), VectorMath.Exp(T.Select(negligible, floor, x)));
    }

    /// <summary>The largest element; NaN may be passed over (the sum of exponentials finds it).</summary>
    private static float Maximum<T>(float* x, long columns) where T : unmanaged, ISimd<T>
    {
        T max0 = T.Create(float.NegativeInfinity), max1 = max0, max2 = max0, max3 = max0;
        long i = 0;
        for (; i + 4 * T.Count <= columns; i += 4 * T.Count)
        {
            max0 = T.Max(max0, T.Load(x + i));
            max1 = T.Max(max1, T.Load(x + i + T.Count));
            max2 = T.Max(max2, T.Load(x + i + 2 * T.Count));
            max3 = T.Max(max3, T.Load(x + i + 3 * T.Count));
        }
        for (; i + T.Count <= columns; i += T.Count) max0 = T.Max(max0, T.Load(x + i));
        if (i < columns) max1 = T.Max(max1, SimdTail.Load<T>(x + i, columns - i, float.NegativeInfinity));
        return T.MaxLane(T.Max(T.Max(max0, max1), T.Max(max2, max3)));
    }
}
