using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>A pointwise function and its derivative on registers: what <see cref="Activation"/> names, as a type argument.</summary>
internal interface IActivation
{
    static abstract T Forward<T>(T x) where T : unmanaged, ISimd<T>;

    /// <summary>Value and derivative at once; what of it is not used costs nothing.</summary>
    static abstract void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>;
}

/// <summary>Code that runs with an <see cref="Activation"/> as a type argument.</summary>
internal interface IActivationVisitor
{
    void Visit<TActivation>() where TActivation : struct, IActivation;
}

/// <summary>From the value <see cref="Activation"/> to the types below.</summary>
internal static class Activations
{
    public static bool IsKnown(Activation activation) => activation is >= Activation.None and <= Activation.Tanh;

    /// <summary>Calls the visitor with the type of the activation, which must be known.</summary>
    public static void Dispatch<TVisitor>(Activation activation, ref TVisitor visitor) where TVisitor : struct, IActivationVisitor, allows ref struct
    {
        switch (activation)
        {
            case Activation.None: visitor.Visit<IdentityActivation>(); break;
            case Activation.Relu: visitor.Visit<ReluActivation>(); break;
            case Activation.Gelu: visitor.Visit<GeluActivation>(); break;
            case Activation.GeluTanh: visitor.Visit<GeluTanhActivation>(); break;
            case Activation.QuickGelu: visitor.Visit<QuickGeluActivation>(); break;
            case Activation.Silu: visitor.Visit<SiluActivation>(); break;
            case Activation.Sigmoid: visitor.Visit<SigmoidActivation>(); break;
            case Activation.Tanh: visitor.Visit<TanhActivation>(); break;
            default: throw new ArgumentOutOfRangeException(nameof(activation), activation, "No such activation.");
        }
    }
}

/// <summary>x.</summary>
internal readonly struct IdentityActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Forward<T>(T x) where T : unmanaged, ISimd<T> => x;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>
    {
        value = x;
        derivative = T.Create(1f);
    }
}

/// <summary>max(x, 0); NaN stays NaN. The derivative at 0 is 0.</summary>
internal readonly struct ReluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Forward<T>(T x) where T : unmanaged, ISimd<T>
    {
        T zero = T.Create(0f);
        return T.Select(T.GreaterThan(zero, x), zero, x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>
    {
        value = Forward(x);
        T zero = T.Create(0f);
        derivative = T.Select(T.GreaterThan(x, zero), T.Create(1f), zero);
    }
}

/// <summary>x * Phi(x), Phi the normal distribution; the derivative is Phi(x) + x * phi(x).</summary>
internal readonly struct GeluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Forward<T>(T x) where T : unmanaged, ISimd<T> => x * VectorFunctions.NormalProbability(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>
    {
        T probability = VectorFunctions.NormalProbability(x);
        value = x * probability;
        derivative = T.MultiplyAdd(x, VectorFunctions.NormalDensity(x), probability);
    }
}

/// <summary>x * (1 + tanh u) / 2 = x * sigmoid(2u), u = sqrt(2/pi) * (x + 0.044715 x^3): the second form does not cancel for negative x.</summary>
internal readonly struct GeluTanhActivation : IActivation
{
    private const float Linear = 1.59576912f; // 2 * sqrt(2 / pi)
    private const float Cubic = 0.0713548163f; // 0.044715 times that

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Forward<T>(T x) where T : unmanaged, ISimd<T> =>
        x * VectorFunctions.SigmoidOfNumber(x * T.MultiplyAdd(T.Create(Cubic), x * x, T.Create(Linear)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>
    {
        T square = x * x;
        VectorFunctions.SigmoidAndComplement(x * T.MultiplyAdd(T.Create(Cubic), square, T.Create(Linear)), out T sigmoid, out T complement);
        value = x * sigmoid;
        T slope = T.MultiplyAdd(T.Create(3 * Cubic), square, T.Create(Linear));
        derivative = T.MultiplyAdd(value * complement, slope, sigmoid);
    }
}

/// <summary>x * sigmoid(1.702 x).</summary>
internal readonly struct QuickGeluActivation : IActivation
{
    private const float Slope = 1.702f;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Forward<T>(T x) where T : unmanaged, ISimd<T> => x * VectorFunctions.SigmoidOfNumber(T.Create(Slope) * x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>
    {
        VectorFunctions.SigmoidAndComplement(T.Create(Slope) * x, out T sigmoid, out T complement);
        value = x * sigmoid;
        derivative = T.MultiplyAdd(value * complement, T.Create(Slope), sigmoid);
    }
}

/// <summary>x * sigmoid(x).</summary>
internal readonly struct SiluActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Forward<T>(T x) where T : unmanaged, ISimd<T> => x * VectorFunctions.SigmoidOfNumber(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>
    {
        VectorFunctions.SigmoidAndComplement(x, out T sigmoid, out T complement);
        value = x * sigmoid;
        derivative = T.MultiplyAdd(value, complement, sigmoid);
    }
}

/// <summary>1 / (1 + e^-x).</summary>
internal readonly struct SigmoidActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Forward<T>(T x) where T : unmanaged, ISimd<T> => VectorFunctions.Sigmoid(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>
    {
        VectorFunctions.SigmoidAndComplement(x, out T sigmoid, out T complement);
        T isNaN = T.IsNaN(x);
        value = T.Select(isNaN, x, sigmoid);
        derivative = T.Select(isNaN, x, sigmoid * complement);
    }
}

/// <summary>tanh(x).</summary>
internal readonly struct TanhActivation : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Forward<T>(T x) where T : unmanaged, ISimd<T> => VectorFunctions.Tanh(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ForwardAndDerivative<T>(T x, out T value, out T derivative) where T : unmanaged, ISimd<T>
    {
        value = VectorFunctions.Tanh(x);
        derivative = T.NegativeMultiplyAdd(value, value, T.Create(1f));
    }
}
