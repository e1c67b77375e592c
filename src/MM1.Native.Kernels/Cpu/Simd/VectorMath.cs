using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Elementary functions on registers of float32 lanes, within 2 units in the last place over the ranges named.</summary>
internal static partial class VectorMath
{
    private const float Log2E = 1.44269504f;
    private const float Ln2High = 0.693359375f; // 9 bits: n * Ln2High is exact for |n| < 2^15 (Cody and Waite 1980)
    private const float Ln2Low = -2.12194440e-4f;

    /// <summary>e^x. Above 88.73 infinity, below -104 zero; where the machine scales in hardware, subnormal results are exact.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp<T>(T x) where T : unmanaged, ISimd<T>
    {
        // Clamped so that the power of two stays in range; Max last, with x first, would lose NaN: see Min/Max of ISimd.
        T clamped = T.Max(T.Min(x, T.Create(89f)), T.Create(-105f));
        T n = T.Round(clamped * T.Create(Log2E));
        T r = T.NegativeMultiplyAdd(n, T.Create(Ln2High), clamped);
        r = T.NegativeMultiplyAdd(n, T.Create(Ln2Low), r);
        // Minimax polynomial of (e^r - 1 - r) / r^2 on |r| <= ln 2 / 2 (Cephes expf).
        T p = T.MultiplyAdd(T.Create(1.9875691500e-4f), r, T.Create(1.3981999507e-3f));
        p = T.MultiplyAdd(p, r, T.Create(8.3334519073e-3f));
        p = T.MultiplyAdd(p, r, T.Create(4.1665795894e-2f));
        p = T.MultiplyAdd(p, r, T.Create(1.6666665459e-1f));
        p = T.MultiplyAdd(p, r, T.Create(5.0000001201e-1f));
        p = T.MultiplyAdd(p, r * r, r) + T.Create(1f);
        T result = T.ScaleByPowerOfTwo(p, n);
        return T.Select(T.IsNaN(x), x, result);
    }

    /// <summary>e^x for x that is never NaN and never positive by more than rounding (softmax after its maximum): no NaN test.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T ExpNonPositive<T>(T x) where T : unmanaged, ISimd<T>
    {
        T clamped = T.Max(x, T.Create(-105f));
        T n = T.Round(clamped * T.Create(Log2E));
        T r = T.NegativeMultiplyAdd(n, T.Create(Ln2High), clamped);
        r = T.NegativeMultiplyAdd(n, T.Create(Ln2Low), r);
        T p = T.MultiplyAdd(T.Create(1.9875691500e-4f), r, T.Create(1.3981999507e-3f));
        p = T.MultiplyAdd(p, r, T.Create(8.3334519073e-3f));
        p = T.MultiplyAdd(p, r, T.Create(4.1665795894e-2f));
        p = T.MultiplyAdd(p, r, T.Create(1.6666665459e-1f));
        p = T.MultiplyAdd(p, r, T.Create(5.0000001201e-1f));
        p = T.MultiplyAdd(p, r * r, r) + T.Create(1f);
        return T.ScaleByPowerOfTwo(p, n);
    }

    /// <summary>Natural logarithm of a positive normal x; 0 gives -infinity, infinity infinity, negative and NaN NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Log<T>(T x) where T : unmanaged, ISimd<T>
    {
        T.SplitExponent(x, out T m, out T n);
        T f = m - T.Create(1f), f2 = f * f;
        T p = T.MultiplyAdd(T.Create(7.0376836292e-2f), f, T.Create(-1.1514610310e-1f));
        p = T.MultiplyAdd(p, f, T.Create(1.1676998740e-1f));
        p = T.MultiplyAdd(p, f, T.Create(-1.2420140846e-1f));
        p = T.MultiplyAdd(p, f, T.Create(1.4249322787e-1f));
        p = T.MultiplyAdd(p, f, T.Create(-1.6668057665e-1f));
        p = T.MultiplyAdd(p, f, T.Create(2.0000714765e-1f));
        p = T.MultiplyAdd(p, f, T.Create(-2.4999993993e-1f));
        p = T.MultiplyAdd(p, f, T.Create(3.3333331174e-1f));
        T y = T.MultiplyAdd(p * f, f2, n * T.Create(Ln2Low));
        y = T.NegativeMultiplyAdd(T.Create(0.5f), f2, y);
        y = T.MultiplyAdd(n, T.Create(Ln2High), f + y);
        T zero = T.Create(0f), infinity = T.Create(float.PositiveInfinity);
        y = T.Select(T.GreaterThan(x, zero), y, T.Select(T.GreaterThan(zero, x), T.Create(float.NaN), -infinity));
        y = T.Select(T.GreaterThan(x, T.Create(float.MaxValue)), infinity, y);
        return T.Select(T.IsNaN(x), x, y);
    }
}
