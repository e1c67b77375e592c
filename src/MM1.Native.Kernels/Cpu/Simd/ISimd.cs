using System.Runtime.Intrinsics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// A register of float32 lanes. A kernel is written once over <typeparamref name="T"/> and compiled for
/// <see cref="Simd512"/>, <see cref="Simd256"/>, <see cref="Simd128"/> and, for tails, <see cref="SimdScalar"/>:
/// <code>
/// for (; i + T.Count &lt;= n; i += T.Count) T.Store(VectorMath.Exp(T.Load(x + i)), y + i);
/// for (; i &lt; n; i++) SimdScalar.Store(VectorMath.Exp(SimdScalar.Load(x + i)), y + i);
/// </code>
/// </summary>
internal unsafe interface ISimd<T> where T : unmanaged, ISimd<T>
{
    /// <summary>Lanes.</summary>
    static abstract int Count { get; }

    static abstract T Load(float* source);
    static abstract void Store(T value, float* destination);
    static abstract T Create(float value);
    static abstract T operator +(T left, T right);
    static abstract T operator -(T left, T right);
    static abstract T operator *(T left, T right);
    static abstract T operator /(T left, T right);
    static abstract T operator -(T value);

    /// <summary>left * right + addend, rounded once.</summary>
    static abstract T MultiplyAdd(T left, T right, T addend);

    /// <summary>addend - left * right, rounded once.</summary>
    static abstract T NegativeMultiplyAdd(T left, T right, T addend);

    /// <summary>The larger; what a NaN gives is the machine's choice.</summary>
    static abstract T Max(T left, T right);

    /// <summary>The smaller; what a NaN gives is the machine's choice.</summary>
    static abstract T Min(T left, T right);
    static abstract T Abs(T value);
    static abstract T Sqrt(T value);

    /// <summary>To the nearest integer, ties to even.</summary>
    static abstract T Round(T value);

    /// <summary>All-ones lanes where it holds, for <see cref="Select"/>.</summary>
    static abstract T GreaterThan(T left, T right);

    /// <summary>All-ones lanes where the value is NaN.</summary>
    static abstract T IsNaN(T value);
    static abstract T Select(T mask, T whenTrue, T whenFalse);

    /// <summary>value * 2^exponent for an integral exponent in [-252, 254].</summary>
    static abstract T ScaleByPowerOfTwo(T value, T exponent);

    /// <summary>value = mantissa * 2^exponent, mantissa in [sqrt(1/2), sqrt 2), for positive normal values.</summary>
    static abstract void SplitExponent(T value, out T mantissa, out T exponent);

    /// <summary>Sum of the lanes in a fixed pairwise order.</summary>
    static abstract float Sum(T value);

    /// <summary>Largest lane.</summary>
    static abstract float MaxLane(T value);
}

/// <summary>The widest register that this machine computes in at full speed.</summary>
internal static class SimdWidth
{
    /// <summary>512, 256, 128 or (without SIMD) 0 bits. The JIT folds it to a constant.</summary>
    public static int Bits =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;
}
