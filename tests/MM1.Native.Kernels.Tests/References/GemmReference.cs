using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>The matrix product by its definition, without blocks; matrices are row-major without padding.</summary>
internal static class GemmReference<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>Returns the output; <paramref name="preActivation"/> is written, or read with <paramref name="gradient"/>.</summary>
    public static T[] Gemm(bool transposeA, bool transposeB, int m, int n, int k, T alpha, T[] a, T[] b, T beta, T[] old,
        T[]? bias, Activation activation, bool gradient, T[]? preActivation, T[]? residual)
    {
        var output = new T[m * n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                T sum = T.Zero;
                for (int p = 0; p < k; p++) sum += (transposeA ? a[p * m + i] : a[i * k + p]) * (transposeB ? b[j * k + p] : b[p * n + j]);
                T t = alpha * sum;
                if (beta != T.Zero) t += beta * old[i * n + j];
                if (bias is not null) t += bias[j];
                if (gradient) t *= ElementwiseReference.Derivative(activation, preActivation![i * n + j]);
                else
                {
                    if (preActivation is not null) preActivation[i * n + j] = t;
                    t = ElementwiseReference.Activate(activation, t);
                }
                if (residual is not null) t += residual[i * n + j];
                output[i * n + j] = t;
            }
        }
        return output;
    }

    public static T[] BiasGradient(int rows, int columns, T[] outputGradient, T beta, T[] old)
    {
        var result = new T[columns];
        for (int j = 0; j < columns; j++)
        {
            T sum = T.Zero;
            for (int i = 0; i < rows; i++) sum += outputGradient[i * columns + j];
            result[j] = beta == T.Zero ? sum : sum + beta * old[j];
        }
        return result;
    }
}
