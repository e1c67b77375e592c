using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>
/// Pooling and interpolation as what they are, products with one sparse matrix for each side: rows of weights over the input
/// positions. The gradient is the product with the transposed matrices.
/// </summary>
internal static class ResamplingReference
{
    /// <summary>Weights [output, input] of means over bins floor(i in / out) .. ceil((i + 1) in / out).</summary>
    public static T[,] AdaptiveAverage<T>(int input, int output) where T : IFloatingPointIeee754<T>
    {
        var matrix = new T[output, input];
        for (int i = 0; i < output; i++)
        {
            int first = (int)Math.Floor((double)i * input / output), end = (int)Math.Ceiling((double)(i + 1) * input / output);
            for (int j = first; j < end; j++) matrix[i, j] = T.One / T.CreateChecked(end - first);
        }
        return matrix;
    }

    /// <summary>Weights [output, input] of bicubic interpolation, PyTorch's with align_corners false.</summary>
    public static T[,] Bicubic<T>(int input, int output, bool antialias) where T : IFloatingPointIeee754<T>
    {
        T Of(double value) => T.CreateChecked(value);
        T half = Of(0.5), scale = Of(input) / Of(Math.Max(output, 1)), a = antialias ? Of(-0.5) : Of(-0.75);
        T stretch = antialias ? T.Max(scale, T.One) : T.One;
        T Cubic(T distance)
        {
            T x = T.Abs(distance);
            if (x <= T.One) return (a + Of(2)) * x * x * x - (a + Of(3)) * x * x + T.One;
            return x < Of(2) ? a * x * x * x - Of(5) * a * x * x + Of(8) * a * x - Of(4) * a : T.Zero;
        }

        var matrix = new T[output, input];
        for (int i = 0; i < output; i++)
        {
            T center = (Of(i) + half) * scale - half, total = T.Zero;
            // Far beyond the filter's reach on both sides; positions outside repeat the border, or with antialiasing do not count.
            int reach = (int)Math.Ceiling(double.CreateChecked(stretch) * 2) + 2, middle = (int)Math.Floor(double.CreateChecked(center));
            for (int j = middle - reach; j <= middle + reach; j++)
            {
                if (antialias && (j < 0 || j >= input)) continue;
                T weight = Cubic((Of(j) - center) / stretch);
                matrix[i, Math.Clamp(j, 0, input - 1)] += weight;
                total += weight;
            }
            for (int j = 0; j < input && antialias; j++) matrix[i, j] /= total;
        }
        return matrix;
    }

    public static T[,] Transposed<T>(T[,] matrix)
    {
        var transposed = new T[matrix.GetLength(1), matrix.GetLength(0)];
        for (int i = 0; i < matrix.GetLength(0); i++)
            for (int j = 0; j < matrix.GetLength(1); j++) transposed[j, i] = matrix[i, j];
        return transposed;
    }

    /// <summary>[batch, height, width, channels] resampled along both sides.</summary>
    public static T[] Apply<T>(int batch, T[,] vertical, T[,] horizontal, int channels, T[] x) where T : IFloatingPointIeee754<T>
    {
        int height = vertical.GetLength(1), width = horizontal.GetLength(1), newHeight = vertical.GetLength(0), newWidth = horizontal.GetLength(0);
        var output = new T[batch * newHeight * newWidth * channels];
        foreach ((int n, int i, int j) in ConvolutionReference.Grid(batch, newHeight, newWidth))
        {
            int target = ((n * newHeight + i) * newWidth + j) * channels;
            foreach ((int _, int y, int z) in ConvolutionReference.Grid(1, height, width))
            {
                T weight = vertical[i, y] * horizontal[j, z];
                int source = ((n * height + y) * width + z) * channels;
                for (int c = 0; c < channels && weight != T.Zero; c++) output[target + c] += weight * x[source + c];
            }
        }
        return output;
    }
}
