using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>One of <see cref="Activation"/> as a type, so that loops are compiled for it.</summary>
internal interface IActivationFunction
{
    static abstract T Apply<T>(T x) where T : unmanaged, ISimd<T>;

    /// <summary>The derivative at x.</summary>
    static abstract T Derivative<T>(T x) where T : unmanaged, ISimd<T>;
}

/// <summary>The pointwise functions of <see cref="Activation"/> and their derivatives on registers of lanes.</summary>
internal static class ActivationFunctions
{
    private const float SquareRootOfHalf = 0.70710678f;
    private const float NormalDensityAtZero = 0.39894228f; // 1 / sqrt(2 pi)
    private const float GeluTanhScale = 1.5957691f; // 2 sqrt(2 / pi): (1 + tanh u) / 2 = sigmoid(2 u)
    private const float GeluTanhCubic = 0.044715f;
    private const float QuickGeluScale = 1.702f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Relu<T>(T x) where T : unmanaged, ISimd<T> => T.Select(T.GreaterThan(T.Create(0f), x), T.Create(0f), x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T ReluDerivative<T>(T x) where T : unmanaged, ISimd<T> => T.Select(T.GreaterThan(x, T.Create(0f)), T.Create(1f), T.Create(0f));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Gelu<T>(T x) where T : unmanaged, ISimd<T>
    {
        T half = x * T.Create(0.5f);
        return T.MultiplyAdd(half, Erf(x * T.Create(SquareRootOfHalf)), half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluDerivative<T>(T x) where T : unmanaged, ISimd<T>
    {
        T distribution = T.MultiplyAdd(T.Create(0.5f), Erf(x * T.Create(SquareRootOfHalf)), T.Create(0.5f));
        T density = T.Create(NormalDensityAtZero) * VectorMath.Exp(x * x * T.Create(-0.5f));
        return T.MultiplyAdd(x, density, distribution);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluTanh<T>(T x) where T : unmanaged, ISimd<T> => x / OnePlusExpOfMinus(GeluTanhArgument(x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluTanhDerivative<T>(T x) where T : unmanaged, ISimd<T>
    {
        T s = Sigmoid(GeluTanhArgument(x), out T derivative);
        T inner = T.MultiplyAdd(T.Create(3 * GeluTanhScale * GeluTanhCubic), x * x, T.Create(GeluTanhScale));
        return T.MultiplyAdd(x * inner, derivative, s);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T QuickGelu<T>(T x) where T : unmanaged, ISimd<T> => x / OnePlusExpOfMinus(x * T.Create(QuickGeluScale));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T QuickGeluDerivative<T>(T x) where T : unmanaged, ISimd<T>
    {
        T scaled = x * T.Create(QuickGeluScale), s = Sigmoid(scaled, out T derivative);
        return T.MultiplyAdd(scaled, derivative, s);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Silu<T>(T x) where T : unmanaged, ISimd<T> => x / OnePlusExpOfMinus(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T SiluDerivative<T>(T x) where T : unmanaged, ISimd<T>
    {
        T s = Sigmoid(x, out T derivative);
        return T.MultiplyAdd(x, derivative, s);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sigmoid<T>(T x) where T : unmanaged, ISimd<T> => T.Create(1f) / OnePlusExpOfMinus(x);

    /// <summary>With its derivative, from e^-|x|: s (1 - s) would cancel where s is near 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Sigmoid<T>(T x, out T derivative) where T : unmanaged, ISimd<T>
    {
        T one = T.Create(1f), e = VectorMath.Exp(-T.Abs(x)), upper = one / (one + e), lower = e * upper;
        derivative = upper * lower;
        return T.Select(T.GreaterThan(x, T.Create(0f)), upper, lower);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T SigmoidDerivative<T>(T x) where T : unmanaged, ISimd<T>
    {
        _ = Sigmoid(x, out T derivative);
        return derivative;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T TanhDerivative<T>(T x) where T : unmanaged, ISimd<T>
    {
        _ = Sigmoid(x + x, out T derivative); // tanh x = 2 sigmoid(2 x) - 1
        return T.Create(4f) * derivative;
    }

    /// <summary>Near 0 an odd polynomial (Cephes tanhf), further out 1 - 2 / (e^2|x| + 1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh<T>(T x) where T : unmanaged, ISimd<T>
    {
        T size = T.Abs(x), square = x * x, one = T.Create(1f);
        T p = T.MultiplyAdd(T.Create(-5.70498872745e-3f), square, T.Create(2.06390887954e-2f));
        p = T.MultiplyAdd(p, square, T.Create(-5.37397155531e-2f));
        p = T.MultiplyAdd(p, square, T.Create(1.33314422036e-1f));
        p = T.MultiplyAdd(p, square, T.Create(-3.33332819422e-1f));
        T near = T.MultiplyAdd(p * square, x, x);
        T far = one - T.Create(2f) / (VectorMath.Exp(size + size) + one);
        far = T.Select(T.GreaterThan(T.Create(0f), x), -far, far);
        return T.Select(T.GreaterThan(size, T.Create(0.625f)), far, near);
    }

    /// <summary>Near 0 an odd polynomial, further out 1 - e^polynomial(|x|), both within 1 unit in the last place (N. Juffa's erff).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Erf<T>(T x) where T : unmanaged, ISimd<T>
    {
        T size = T.Min(T.Abs(x), T.Create(4f)), square = x * x, squareOfSize = size * size; // erf(4) rounds to 1
        T p = T.MultiplyAdd(T.Create(-1.72853470e-5f), size, T.Create(3.83197126e-4f));
        T q = T.MultiplyAdd(T.Create(-3.88396438e-3f), size, T.Create(2.42546219e-2f));
        p = T.MultiplyAdd(p, squareOfSize, q);
        p = T.MultiplyAdd(p, size, T.Create(-1.06777877e-1f));
        p = T.MultiplyAdd(p, size, T.Create(-6.34846687e-1f));
        p = T.MultiplyAdd(p, size, T.Create(-1.28717512e-1f));
        p = T.MultiplyAdd(p, size, -size);
        T far = T.Create(1f) - VectorMath.ExpNonPositive(p);
        far = T.Select(T.GreaterThan(T.Create(0f), x), -far, far);
        T near = T.MultiplyAdd(T.Create(-5.96761703e-4f), square, T.Create(4.99119423e-3f));
        near = T.MultiplyAdd(near, square, T.Create(-2.67681349e-2f));
        near = T.MultiplyAdd(near, square, T.Create(1.12819925e-1f));
        near = T.MultiplyAdd(near, square, T.Create(-3.76125336e-1f));
        near = T.MultiplyAdd(near, square, T.Create(1.28379166e-1f));
        near = T.MultiplyAdd(near, x, x);
        return T.Select(T.GreaterThan(T.Abs(x), T.Create(0.927734375f)), far, near); // NaN is not greater: it stays in near
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T GeluTanhArgument<T>(T x) where T : unmanaged, ISimd<T> =>
        x * T.MultiplyAdd(T.Create(GeluTanhScale * GeluTanhCubic), x * x, T.Create(GeluTanhScale));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T OnePlusExpOfMinus<T>(T x) where T : unmanaged, ISimd<T> => VectorMath.Exp(-x) + T.Create(1f);
}

internal readonly struct IdentityFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : unmanaged, ISimd<T> => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x) where T : unmanaged, ISimd<T> => T.Create(1f);
}

internal readonly struct ReluFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.Relu(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.ReluDerivative(x);
}

internal readonly struct GeluFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.Gelu(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.GeluDerivative(x);
}

internal readonly struct GeluTanhFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.GeluTanh(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.GeluTanhDerivative(x);
}

internal readonly struct QuickGeluFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.QuickGelu(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.QuickGeluDerivative(x);
}

internal readonly struct SiluFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.Silu(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.SiluDerivative(x);
}

internal readonly struct SigmoidFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.Sigmoid(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.SigmoidDerivative(x);
}

internal readonly struct TanhFunction : IActivationFunction
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.Tanh(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x) where T : unmanaged, ISimd<T> => ActivationFunctions.TanhDerivative(x);
}
