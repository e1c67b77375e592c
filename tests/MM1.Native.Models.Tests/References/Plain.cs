using System.Numerics;

namespace MM1.Native.Models.Tests;

/// <summary>
/// Plain loops over row-major arrays, for references: with T = double the truth, with T = float what straightforward code in
/// the model's precision gives.
/// </summary>
internal static class Plain<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>x [rows, in] weight [out, in]^T + bias.</summary>
    public static T[] Linear(T[] x, T[] weight, T[]? bias, int inputs)
    {
        int rows = x.Length / inputs, outputs = weight.Length / inputs;
        var y = new T[rows * outputs];
        for (int r = 0; r < rows; r++)
        {
            for (int o = 0; o < outputs; o++)
            {
                T sum = T.Zero;
                for (int i = 0; i < inputs; i++) sum += x[r * inputs + i] * weight[o * inputs + i];
                y[r * outputs + o] = sum + (bias is null ? T.Zero : bias[o]);
            }
        }
        return y;
    }

    public static T[] LayerNorm(T[] x, T[] weight, T[] bias, double epsilon)
    {
        int columns = weight.Length;
        var y = new T[x.Length];
        for (int start = 0; start < x.Length; start += columns)
        {
            T mean = T.Zero, variance = T.Zero;
            for (int i = 0; i < columns; i++) mean += x[start + i];
            mean /= T.CreateChecked(columns);
            for (int i = 0; i < columns; i++) variance += (x[start + i] - mean) * (x[start + i] - mean);
            T inverse = T.One / T.Sqrt(variance / T.CreateChecked(columns) + T.CreateChecked(epsilon));
            for (int i = 0; i < columns; i++) y[start + i] = (x[start + i] - mean) * inverse * weight[i] + bias[i];
        }
        return y;
    }

    /// <summary>softmax(q k^T / sqrt(size)) v of one sequence; key j is seen by query i where the mask says so.</summary>
    public static T[] Attention(T[] query, T[] key, T[] value, int heads, int size, Func<int, int, bool>? sees = null)
    {
        int width = heads * size, queries = query.Length / width, keys = key.Length / width;
        var output = new T[query.Length];
        var weights = new T[keys];
        for (int h = 0; h < heads; h++)
        {
            for (int i = 0; i < queries; i++)
            {
                T maximum = T.NegativeInfinity, sum = T.Zero;
                for (int j = 0; j < keys; j++)
                {
                    T score = T.Zero;
                    for (int d = 0; d < size; d++) score += query[i * width + h * size + d] * key[j * width + h * size + d];
                    weights[j] = sees is null || sees(i, j) ? score / T.Sqrt(T.CreateChecked(size)) : T.NegativeInfinity;
                    maximum = T.Max(maximum, weights[j]);
                }
                for (int j = 0; j < keys; j++) sum += weights[j] = T.Exp(weights[j] - maximum);
                for (int j = 0; j < keys; j++)
                {
                    for (int d = 0; d < size; d++) output[i * width + h * size + d] += weights[j] / sum * value[j * width + h * size + d];
                }
            }
        }
        return output;
    }

    /// <summary>Bins that start at floor(i * in / out) and end before ceil((i + 1) * in / out); x [height, width, channels].</summary>
    public static T[] AdaptivePool(T[] x, int height, int width, int channels, int outHeight, int outWidth)
    {
        var y = new T[outHeight * outWidth * channels];
        for (int r = 0; r < outHeight; r++)
        {
            for (int c = 0; c < outWidth; c++)
            {
                int top = r * height / outHeight, bottom = ((r + 1) * height + outHeight - 1) / outHeight, left = c * width / outWidth, right = ((c + 1) * width + outWidth - 1) / outWidth;
                for (int ch = 0; ch < channels; ch++)
                {
                    T sum = T.Zero;
                    for (int i = top; i < bottom; i++)
                    {
                        for (int j = left; j < right; j++) sum += x[(i * width + j) * channels + ch];
                    }
                    y[(r * outWidth + c) * channels + ch] = sum / T.CreateChecked((bottom - top) * (right - left));
                }
            }
        }
        return y;
    }

    /// <summary>Depthwise 3x3, padding 1; x [height, width, channels], weight [channels, 3, 3].</summary>
    public static T[] Depthwise3x3(T[] x, T[] weight, int height, int width, int channels)
    {
        var y = new T[x.Length];
        for (int r = 0; r < height; r++)
        {
            for (int c = 0; c < width; c++)
            {
                for (int ch = 0; ch < channels; ch++)
                {
                    T sum = T.Zero;
                    for (int i = Math.Max(0, r - 1); i <= Math.Min(height - 1, r + 1); i++)
                    {
                        for (int j = Math.Max(0, c - 1); j <= Math.Min(width - 1, c + 1); j++)
                            sum += x[(i * width + j) * channels + ch] * weight[ch * 9 + (i - r + 1) * 3 + j - c + 1];
                    }
                    y[(r * width + c) * channels + ch] = sum;
                }
            }
        }
        return y;
    }

    /// <summary>3x3 of stride 2, padding 1; x [height, width, in], weight [out, 3, 3, in].</summary>
    public static T[] Convolution3x3Stride2(T[] x, T[] weight, int height, int width, int inputs)
    {
        int outputs = weight.Length / (9 * inputs), rows = (height + 1) / 2, columns = (width + 1) / 2;
        var y = new T[rows * columns * outputs];
        for (int at = 0; at < y.Length; at++)
        {
            (int place, int o) = Math.DivRem(at, outputs);
            (int r, int c) = Math.DivRem(place, columns);
            for (int tap = 0; tap < 9; tap++)
            {
                int i = 2 * r + tap / 3 - 1, j = 2 * c + tap % 3 - 1;
                if (i < 0 || i >= height || j < 0 || j >= width) continue;
                for (int k = 0; k < inputs; k++) y[at] += x[(i * width + j) * inputs + k] * weight[(o * 9 + tap) * inputs + k];
            }
        }
        return y;
    }

    public static T[] Add(T[] a, T[] b) => [.. a.Select((value, i) => value + b[i % b.Length])];

    public static T[] Map(T[] x, Func<T, T> function) => [.. x.Select(function)];

    public static T Sigmoid(T x) => T.One / (T.One + T.Exp(-x));

    public static T Silu(T x) => x * Sigmoid(x);

    public static T QuickGelu(T x) => x * Sigmoid(T.CreateChecked(1.702) * x);

    /// <summary>The exact one: x (1 + erf(x / sqrt 2)) / 2.</summary>
    public static T Gelu(T x) => x * (T.One + Erf(x / T.Sqrt(T.CreateChecked(2)))) / T.CreateChecked(2);

    /// <summary>GPT-2's.</summary>
    public static T GeluTanh(T x) =>
        x * (T.One + T.Tanh(T.Sqrt(T.CreateChecked(2) / T.Pi) * (x + T.CreateChecked(0.044715) * x * x * x))) / T.CreateChecked(2);

    /// <summary>2 / sqrt(pi) e^(-x^2) times the sum of 2^n x^(2n+1) / (2n+1)!!, whose terms all have one sign (Abramowitz and Stegun 7.1.6).</summary>
    public static T Erf(T x)
    {
        if (T.Abs(x) > T.CreateChecked(6)) return T.CopySign(T.One, x);
        T term = x, sum = x;
        for (int n = 1; T.Abs(term) > T.Abs(sum) * T.CreateChecked(1e-18); n++) sum += term *= T.CreateChecked(2) * x * x / T.CreateChecked(2 * n + 1);
        return T.CreateChecked(2) / T.Sqrt(T.Pi) * T.Exp(-x * x) * sum;
    }
}
