using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Bounded functions on registers of float32 lanes: sigmoid, tanh, erf and the normal distribution.</summary>
internal static class VectorFunctions
{
    private const float InverseSqrt2 = 0.707106781f;
    private const float ErfSplit = 0.927734375f; // below: a polynomial of erf; above: of log(erfc)

    /// <summary>1 / (1 + e^-x), within 3 units in the last place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sigmoid<T>(T x) where T : unmanaged, ISimd<T> => T.Select(T.IsNaN(x), x, SigmoidOfNumber(x));

    /// <summary>As <see cref="Sigmoid"/>, but what a NaN gives is the machine's choice: for callers that multiply by x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T SigmoidOfNumber<T>(T x) where T : unmanaged, ISimd<T>
    {
        T one = T.Create(1f);
        return one / (one + VectorMath.ExpNonPositive(T.Min(-x, T.Create(89f)))); // e^89 is infinity
    }

    /// <summary>
    /// <see cref="SigmoidOfNumber"/> and one minus it. For positive x the complement comes from the exponential: the difference
    /// would keep only what the rounding of the sigmoid left of it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SigmoidAndComplement<T>(T x, out T sigmoid, out T complement) where T : unmanaged, ISimd<T>
    {
        T one = T.Create(1f), e = VectorMath.ExpNonPositive(T.Min(-x, T.Create(89f)));
        sigmoid = one / (one + e);
        complement = T.Select(T.GreaterThan(one, e), e * sigmoid, one - sigmoid);
    }

    /// <summary>tanh x, within 3 units in the last place (Cephes tanhf).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh<T>(T x) where T : unmanaged, ISimd<T>
    {
        T magnitude = T.Abs(x), square = x * x;
        T p = T.MultiplyAdd(T.Create(-5.70498872745e-3f), square, T.Create(2.06390887954e-2f));
        p = T.MultiplyAdd(p, square, T.Create(-5.37397155531e-2f));
        p = T.MultiplyAdd(p, square, T.Create(1.33314422036e-1f));
        p = T.MultiplyAdd(p, square, T.Create(-3.33332819422e-1f));
        T small = T.MultiplyAdd(p * square, x, x);
        T one = T.Create(1f), e = VectorMath.ExpNonPositive(T.Create(-2f) * magnitude);
        T large = one - T.Create(2f) * e / (one + e);
        large = T.Select(T.GreaterThan(T.Create(0f), x), -large, large);
        // A NaN compares false and takes the polynomial, which keeps it.
        return T.Select(T.GreaterThan(magnitude, T.Create(0.625f)), large, small);
    }

    /// <summary>The error function, within 2 units in the last place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Erf<T>(T x) where T : unmanaged, ISimd<T>
    {
        T magnitude = T.Abs(x);
        T large = T.Create(1f) - ErfcOfLarge(magnitude);
        large = T.Select(T.GreaterThan(T.Create(0f), x), -large, large);
        return T.Select(T.GreaterThan(magnitude, T.Create(ErfSplit)), large, ErfOfSmall(x));
    }

    /// <summary>
    /// Probability that a standard normal variable is below x: (1 + erf(x / sqrt 2)) / 2. The lower tail comes from the
    /// complement: relative error 5e-6 down to -2.8; beyond, an absolute one of half a unit in the last place of 1.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T NormalProbability<T>(T x) where T : unmanaged, ISimd<T>
    {
        T half = T.Create(0.5f), scaled = x * T.Create(InverseSqrt2), magnitude = T.Abs(scaled);
        T tail = half * ErfcOfLarge(magnitude);
        T large = T.Select(T.GreaterThan(T.Create(0f), x), tail, T.Create(1f) - tail);
        T small = T.MultiplyAdd(half, ErfOfSmall(scaled), half);
        return T.Select(T.GreaterThan(magnitude, T.Create(ErfSplit)), large, small);
    }

    /// <summary>Density of the standard normal distribution: e^(-x^2 / 2) / sqrt(2 pi). A NaN may be lost.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T NormalDensity<T>(T x) where T : unmanaged, ISimd<T> =>
        T.Create(0.398942280f) * VectorMath.ExpNonPositive(T.Create(-0.5f) * x * x);

    /// <summary>Minimax polynomial of erf below <see cref="ErfSplit"/>; keeps NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T ErfOfSmall<T>(T x) where T : unmanaged, ISimd<T>
    {
        T square = x * x;
        T p = T.MultiplyAdd(T.Create(-5.96761703e-4f), square, T.Create(4.99119423e-3f));
        p = T.MultiplyAdd(p, square, T.Create(-2.67681349e-2f));
        p = T.MultiplyAdd(p, square, T.Create(1.12819925e-1f));
        p = T.MultiplyAdd(p, square, T.Create(-3.76125336e-1f));
        p = T.MultiplyAdd(p, square, T.Create(1.28379166e-1f));
        return T.MultiplyAdd(p, x, x);
    }

    /// <summary>1 - erf(t) for t above <see cref="ErfSplit"/>, as e to a minimax polynomial of log(erfc t).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T ErfcOfLarge<T>(T t) where T : unmanaged, ISimd<T>
    {
        T square = t * t;
        T high = T.MultiplyAdd(T.Create(-1.72853470e-5f), t, T.Create(3.83197126e-4f));
        T low = T.MultiplyAdd(T.Create(-3.88396438e-3f), t, T.Create(2.42546219e-2f));
        T p = T.MultiplyAdd(high, square, low);
        p = T.MultiplyAdd(p, t, T.Create(-1.06777877e-1f));
        p = T.MultiplyAdd(p, t, T.Create(-6.34846687e-1f));
        p = T.MultiplyAdd(p, t, T.Create(-1.28717512e-1f));
        return VectorMath.ExpNonPositive(T.MultiplyAdd(p, t, -t));
    }
}
