using System.Numerics;

namespace MM1.Native.Kernels.Tests;

/// <summary>The pointwise functions, from their definitions.</summary>
internal static class ActivationReference<T> where T : IFloatingPointIeee754<T>
{
    private static T Of(double value) => T.CreateChecked(value);

    public static T Apply(Activation activation, T x) => activation switch
    {
        Activation.None => x,
        Activation.Relu => x < T.Zero ? T.Zero : x,
        Activation.Gelu => x * (T.One + Erf(x / T.Sqrt(Of(2)))) / Of(2),
        Activation.GeluTanh => x * (T.One + T.Tanh(Inner(x))) / Of(2),
        Activation.QuickGelu => x * Sigmoid(Of(1.702) * x),
        Activation.Silu => x * Sigmoid(x),
        Activation.Sigmoid => Sigmoid(x),
        Activation.Tanh => T.Tanh(x),
        _ => throw new ArgumentOutOfRangeException(nameof(activation)),
    };

    public static T Derivative(Activation activation, T x)
    {
        switch (activation)
        {
            case Activation.None: return T.One;
            case Activation.Relu: return x > T.Zero ? T.One : T.Zero;
            case Activation.Gelu:
                return (T.One + Erf(x / T.Sqrt(Of(2)))) / Of(2) + x * T.Exp(-x * x / Of(2)) / T.Sqrt(Of(2) * T.Pi);
            case Activation.GeluTanh:
                T tanh = T.Tanh(Inner(x));
                return (T.One + tanh) / Of(2) + x / Of(2) * (T.One - tanh * tanh) * T.Sqrt(Of(2) / T.Pi) * (T.One + Of(3 * 0.044715) * x * x);
            case Activation.QuickGelu:
                T quick = Sigmoid(Of(1.702) * x);
                return quick + Of(1.702) * x * quick * (T.One - quick);
            case Activation.Silu:
                T silu = Sigmoid(x);
                return silu + x * silu * (T.One - silu);
            case Activation.Sigmoid:
                T sigmoid = Sigmoid(x);
                return sigmoid * (T.One - sigmoid);
            case Activation.Tanh:
                T t = T.Tanh(x);
                return T.One - t * t;
            default: throw new ArgumentOutOfRangeException(nameof(activation));
        }
    }

    /// <summary>2 / sqrt(pi) e^(-x^2) times the sum of 2^n x^(2n+1) / (2n+1)!!, all of one sign (Abramowitz and Stegun 7.1.6).</summary>
    public static T Erf(T x)
    {
        if (T.Abs(x) > Of(6)) return T.CopySign(T.One, x);
        T term = x, sum = x;
        for (int n = 1; n < 400; n++)
        {
            term *= Of(2) * x * x / Of(2 * n + 1);
            if (sum + term == sum) break;
            sum += term;
        }
        return Of(2) / T.Sqrt(T.Pi) * T.Exp(-x * x) * sum;
    }

    private static T Inner(T x) => T.Sqrt(Of(2) / T.Pi) * (x + Of(0.044715) * x * x * x);

    private static T Sigmoid(T x) => T.One / (T.One + T.Exp(-x));
}
