using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>Normalization written plainly, for float64 (the reference) and float32 (what a straightforward implementation gives).</summary>
internal static class NormalizationReference
{
    internal readonly record struct Forward<T>(T[] Sum, T[] Output, T[] Mean, T[] Inverse);

    internal readonly record struct Gradients<T>(T[] Input, T[] Weight, T[] Bias);

    /// <summary>Layer norm, or RMS norm where <paramref name="centered"/> is false (the mean is then zero).</summary>
    public static Forward<T> NormForward<T>(bool centered, T[] x, T[]? residual, T[]? weight, T[]? bias, int rows, int groups, int columns, float epsilon,
        Activation activation = Activation.None)
        where T : IFloatingPointIeee754<T>
    {
        var sum = new T[x.Length];
        for (int i = 0; i < x.Length; i++) sum[i] = residual is null ? x[i] : x[i] + residual[i];
        var output = new T[x.Length];
        var means = new T[rows * groups];
        var inverses = new T[rows * groups];
        T count = T.CreateChecked(columns);
        for (int group = 0; group < rows * groups; group++)
        {
            int start = group * columns;
            T mean = T.Zero, square = T.Zero;
            for (int c = 0; c < columns; c++) mean += sum[start + c];
            mean = centered ? mean / count : T.Zero;
            for (int c = 0; c < columns; c++) square += (sum[start + c] - mean) * (sum[start + c] - mean);
            T inverse = T.One / T.Sqrt(square / count + T.CreateChecked(epsilon));
            for (int c = 0; c < columns; c++)
            {
                output[start + c] = (sum[start + c] - mean) * inverse;
                if (weight is not null) output[start + c] *= weight[c];
                if (bias is not null) output[start + c] += bias[c];
                output[start + c] = ElementwiseReference.Activate(activation, output[start + c]);
            }
            means[group] = mean;
            inverses[group] = inverse;
        }
        return new(sum, output, means, inverses);
    }

    /// <summary>Gradients of <see cref="NormForward"/> of s, weight and bias (the betas and the sum gradient are the caller's).</summary>
    public static Gradients<T> NormBackward<T>(bool centered, T[] outputGradient, T[] sum, T[]? weight, int rows, int groups, int columns, float epsilon,
        T[]? bias = null, Activation activation = Activation.None)
        where T : IFloatingPointIeee754<T>
    {
        Forward<T> forward = NormForward(centered, sum, null, null, null, rows, groups, columns, epsilon);
        var input = new T[sum.Length];
        var weightGradient = new T[columns];
        var biasGradient = new T[columns];
        T count = T.CreateChecked(columns);
        // Of what the activation was given.
        var arriving = (T[])outputGradient.Clone();
        T[] given = NormForward(centered, sum, null, weight, bias, rows, groups, columns, epsilon).Output;
        for (int i = 0; i < arriving.Length; i++) arriving[i] *= ElementwiseReference.Derivative(activation, given[i]);
        for (int group = 0; group < rows * groups; group++)
        {
            int start = group * columns;
            T meanGradient = T.Zero, meanProduct = T.Zero;
            for (int c = 0; c < columns; c++)
            {
                T dy = arriving[start + c], normalized = forward.Output[start + c];
                T g = weight is null ? dy : dy * weight[c];
                meanGradient += g;
                meanProduct += g * normalized;
                weightGradient[c] += dy * normalized;
                biasGradient[c] += dy;
            }
            meanGradient = centered ? meanGradient / count : T.Zero;
            meanProduct /= count;
            for (int c = 0; c < columns; c++)
            {
                T g = weight is null ? arriving[start + c] : arriving[start + c] * weight[c];
                input[start + c] = forward.Inverse[group] * (g - meanGradient - forward.Output[start + c] * meanProduct);
            }
        }
        return new(input, weightGradient, biasGradient);
    }

    public static (T[] Output, T[] Inverse) L2Forward<T>(T[] x, int rows, int columns, float epsilon) where T : IFloatingPointIeee754<T>
    {
        var output = new T[x.Length];
        var inverses = new T[rows];
        for (int row = 0; row < rows; row++)
        {
            T square = T.Zero;
            for (int c = 0; c < columns; c++) square += x[row * columns + c] * x[row * columns + c];
            inverses[row] = T.One / T.Max(T.Sqrt(square), T.CreateChecked(epsilon));
            for (int c = 0; c < columns; c++) output[row * columns + c] = x[row * columns + c] * inverses[row];
        }
        return (output, inverses);
    }

    public static T[] L2Backward<T>(T[] outputGradient, T[] x, int rows, int columns, float epsilon) where T : IFloatingPointIeee754<T>
    {
        (T[] output, T[] inverses) = L2Forward(x, rows, columns, epsilon);
        var gradient = new T[x.Length];
        for (int row = 0; row < rows; row++)
        {
            T square = T.Zero, dot = T.Zero;
            for (int c = 0; c < columns; c++)
            {
                int i = row * columns + c;
                square += x[i] * x[i];
                dot += outputGradient[i] * output[i];
            }
            bool clamped = T.Sqrt(square) <= T.CreateChecked(epsilon);
            for (int c = 0; c < columns; c++)
            {
                int i = row * columns + c;
                gradient[i] = inverses[row] * (clamped ? outputGradient[i] : outputGradient[i] - output[i] * dot);
            }
        }
        return gradient;
    }

    /// <summary>gradient + beta * old (+ added).</summary>
    public static T[] Accumulate<T>(T[] gradient, float beta, T[] old, T[]? added = null) where T : IFloatingPointIeee754<T>
    {
        var result = new T[gradient.Length];
        for (int i = 0; i < result.Length; i++)
        {
            result[i] = gradient[i] + (added is null ? T.Zero : added[i]);
            if (beta != 0) result[i] += T.CreateChecked(beta) * old[i];
        }
        return result;
    }
}
