using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>Element-wise functions written plainly, for float64 (the reference) and float32.</summary>
internal static class ElementwiseReference
{
    public static T Activate<T>(Activation activation, T x) where T : IFloatingPointIeee754<T>
    {
        T half = T.CreateChecked(0.5), one = T.One;
        return activation switch
        {
            Activation.None => x,
            Activation.Relu => T.IsNaN(x) || x > T.Zero ? x : T.Zero,
            Activation.Gelu => x * half * (one + Erf(x / T.Sqrt(T.CreateChecked(2)))),
            Activation.GeluTanh => half * x * (one + T.Tanh(GeluTanhArgument(x))),
            Activation.QuickGelu => x * Sigmoid(T.CreateChecked(1.702) * x),
            Activation.Silu => x * Sigmoid(x),
            Activation.Sigmoid => Sigmoid(x),
            Activation.Tanh => T.Tanh(x),
            _ => throw new ArgumentOutOfRangeException(nameof(activation)),
        };
    }

    public static T Derivative<T>(Activation activation, T x) where T : IFloatingPointIeee754<T>
    {
        T half = T.CreateChecked(0.5), one = T.One;
        switch (activation)
        {
            case Activation.None: return one;
            case Activation.Relu: return x > T.Zero ? one : T.Zero;
            case Activation.Gelu:
                return half * (one + Erf(x / T.Sqrt(T.CreateChecked(2)))) + x * T.Exp(-x * x * half) / T.Sqrt(T.CreateChecked(2) * T.Pi);
            case Activation.GeluTanh:
                T tanh = T.Tanh(GeluTanhArgument(x));
                T slope = T.Sqrt(T.CreateChecked(2) / T.Pi) * (one + T.CreateChecked(3 * 0.044715) * x * x);
                return half * (one + tanh) + half * x * (one - tanh * tanh) * slope;
            case Activation.QuickGelu:
                T a = T.CreateChecked(1.702), s = Sigmoid(a * x);
                return s + a * x * s * (one - s);
            case Activation.Silu: return Sigmoid(x) * (one + x * (one - Sigmoid(x)));
            case Activation.Sigmoid: return Sigmoid(x) * (one - Sigmoid(x));
            case Activation.Tanh: return one - T.Tanh(x) * T.Tanh(x);
            default: throw new ArgumentOutOfRangeException(nameof(activation));
        }
    }

    /// <summary>Rotates [tokens, heads, headSize]; the table is [positions, rotary] of cosines, then sines.</summary>
    public static T[] Rotary<T>(RotaryStyle style, bool inverse, T[] x, T[] table, int[] positions, int heads, int headSize, int rotary)
        where T : IFloatingPointIeee754<T>
    {
        var output = (T[])x.Clone();
        int half = rotary / 2;
        for (int token = 0; token < positions.Length; token++)
        {
            for (int head = 0; head < heads; head++)
            {
                int start = (token * heads + head) * headSize;
                for (int i = 0; i < half; i++)
                {
                    T cosine = table[positions[token] * rotary + i], sine = table[positions[token] * rotary + half + i];
                    if (inverse) sine = -sine;
                    int first = start + (style == RotaryStyle.Half ? i : 2 * i), second = start + (style == RotaryStyle.Half ? i + half : 2 * i + 1);
                    output[first] = x[first] * cosine - x[second] * sine;
                    output[second] = x[second] * cosine + x[first] * sine;
                }
            }
        }
        return output;
    }

    /// <summary>Row of the small operand that a row meets.</summary>
    public static int SmallRow(Broadcast broadcast, int row, int rows, int smallRows) => broadcast switch
    {
        Broadcast.Cycle => row % smallRows,
        Broadcast.Repeat => row / (rows / smallRows),
        _ => row,
    };

    public static T Sigmoid<T>(T x) where T : IFloatingPointIeee754<T> => T.One / (T.One + T.Exp(-x));

    private static T GeluTanhArgument<T>(T x) where T : IFloatingPointIeee754<T> =>
        T.Sqrt(T.CreateChecked(2) / T.Pi) * (x + T.CreateChecked(0.044715) * x * x * x);

    private static T Erf<T>(T x) where T : IFloatingPointIeee754<T> => T.CreateChecked(Erf(double.CreateChecked(x)));

    /// <summary>The error function to about 15 digits: its Taylor series, and beyond 2 the continued fraction of the complement.</summary>
    public static double Erf(double x)
    {
        if (double.IsNaN(x)) return x;
        if (Math.Abs(x) > 2) return x > 0 ? 1 - Erfc(x) : Erfc(-x) - 1;
        double term = x, sum = x;
        for (int n = 1; n < 100; n++)
        {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    public static double Erfc(double x)
    {
        if (double.IsNaN(x)) return x;
        if (x <= 2) return 1 - Erf(x);
        double fraction = 0;
        for (int n = 200; n >= 1; n--) fraction = n / 2.0 / (x + fraction);
        return Math.Exp(-x * x) / (Math.Sqrt(Math.PI) * (x + fraction));
    }
}
