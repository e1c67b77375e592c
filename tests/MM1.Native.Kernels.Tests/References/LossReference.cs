using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>The losses by their definitions; matrices are row-major without padding.</summary>
internal static class LossReference<T> where T : IFloatingPointIeee754<T>
{
    private static readonly T Two = T.CreateChecked(2);

    /// <summary>log(sum of exp) of one row.</summary>
    public static T LogSumExp(ReadOnlySpan<T> row)
    {
        T maximum = T.NegativeInfinity, sum = T.Zero;
        foreach (T x in row) maximum = T.Max(maximum, x);
        foreach (T x in row) sum += T.Exp(x - maximum);
        return maximum + T.Log(sum);
    }

    /// <summary>Denominator 0 counts the targets.</summary>
    public static T Denominator(int[] targets, int ignoreIndex, double denominator) =>
        T.CreateChecked(denominator != 0 ? denominator : Math.Max(1, targets.Count(target => target != ignoreIndex)));

    /// <summary>The loss with z-loss, divided; each token's cross-entropy without z-loss, not divided.</summary>
    public static (T Loss, T[] TokenLosses, T[] LogSumExp) CrossEntropy(T[] logits, int[] targets, int vocabulary, int ignoreIndex, T zLossWeight, double denominator)
    {
        var losses = new T[targets.Length];
        var logSumExp = new T[targets.Length];
        T sum = T.Zero;
        for (int t = 0; t < targets.Length; t++)
        {
            if (targets[t] == ignoreIndex) continue;
            logSumExp[t] = LogSumExp(logits.AsSpan(t * vocabulary, vocabulary));
            losses[t] = logSumExp[t] - logits[t * vocabulary + targets[t]];
            sum += losses[t] + zLossWeight * logSumExp[t] * logSumExp[t];
        }
        return (sum / Denominator(targets, ignoreIndex, denominator), losses, logSumExp);
    }

    public static T[] CrossEntropyGradient(T[] logits, int[] targets, int vocabulary, int ignoreIndex, T zLossWeight, double denominator, T lossGradient)
    {
        var gradient = new T[logits.Length];
        T factor = lossGradient / Denominator(targets, ignoreIndex, denominator);
        for (int t = 0; t < targets.Length; t++)
        {
            if (targets[t] == ignoreIndex) continue;
            T logSumExp = LogSumExp(logits.AsSpan(t * vocabulary, vocabulary));
            for (int v = 0; v < vocabulary; v++)
            {
                int i = t * vocabulary + v;
                T softmax = T.Exp(logits[i] - logSumExp);
                gradient[i] = factor * (softmax - (v == targets[t] ? T.One : T.Zero) + Two * zLossWeight * logSumExp * softmax);
            }
        }
        return gradient;
    }

    /// <summary>a b^T of a [m, k] and b [n, k].</summary>
    public static T[] Product(T[] a, T[] b, int m, int n, int k) =>
        GemmReference<T>.Gemm(false, true, m, n, k, T.One, a, b, T.Zero, [], null, Activation.None, false, null, null);

    public static T[] LinearInputGradient(T[] logitsGradient, T[] weight, int tokens, int vocabulary, int width, T beta, T[] old) =>
        GemmReference<T>.Gemm(false, false, tokens, width, vocabulary, T.One, logitsGradient, weight, beta, old, null, Activation.None, false, null, null);

    public static T[] LinearWeightGradient(T[] logitsGradient, T[] x, int tokens, int vocabulary, int width, T beta, T[] old) =>
        GemmReference<T>.Gemm(true, false, vocabulary, width, tokens, T.One, logitsGradient, x, beta, old, null, Activation.None, false, null, null);

    public static (T Loss, T[] Rows, T[] Columns) Contrastive(T[] image, T[] text, int pairs, int width, T logScale, T maxScale)
    {
        T[] logits = ContrastiveLogits(image, text, pairs, width, logScale, maxScale);
        var rows = new T[pairs];
        var columns = new T[pairs];
        T sum = T.Zero;
        for (int i = 0; i < pairs; i++)
        {
            rows[i] = LogSumExp(logits.AsSpan(i * pairs, pairs));
            var column = new T[pairs];
            for (int j = 0; j < pairs; j++) column[j] = logits[j * pairs + i];
            columns[i] = LogSumExp(column);
            sum += (rows[i] - logits[i * pairs + i] + columns[i] - logits[i * pairs + i]) / Two;
        }
        return (sum / T.CreateChecked(Math.Max(pairs, 1)), rows, columns);
    }

    public static (T[] Image, T[] Text, T LogScale) ContrastiveGradient(
        T[] image, T[] text, int pairs, int width, T logScale, T maxScale, T lossGradient)
    {
        T[] logits = ContrastiveLogits(image, text, pairs, width, logScale, maxScale);
        (_, T[] rows, T[] columns) = Contrastive(image, text, pairs, width, logScale, maxScale);
        T scale = T.Min(T.Exp(logScale), maxScale), scaleGradient = T.Zero;
        T[] imageGradient = new T[image.Length], textGradient = new T[text.Length];
        for (int i = 0; i < pairs; i++)
        {
            for (int j = 0; j < pairs; j++)
            {
                T l = logits[i * pairs + j];
                T g = lossGradient / (Two * T.CreateChecked(pairs)) * (T.Exp(l - rows[i]) + T.Exp(l - columns[j]) - (i == j ? Two : T.Zero));
                scaleGradient += g * l;
                for (int c = 0; c < width; c++)
                {
                    imageGradient[i * width + c] += scale * g * text[j * width + c];
                    textGradient[j * width + c] += scale * g * image[i * width + c];
                }
            }
        }
        return (imageGradient, textGradient, T.Exp(logScale) > maxScale ? T.Zero : scaleGradient);
    }

    /// <summary>Loss and the gradient with respect to the prediction.</summary>
    public static (T Loss, T[] Gradient) PatchRegression(T[] prediction, T[] target, byte[]? mask, int patches, int columns, bool normalize, T epsilon, double denominator, T lossGradient)
    {
        int counted = mask is null ? patches : mask.Count(m => m != 0);
        T divisor = T.CreateChecked(denominator != 0 ? denominator : Math.Max(counted, 1)), sum = T.Zero;
        var gradient = new T[prediction.Length];
        for (int p = 0; p < patches; p++)
        {
            if (mask is not null && mask[p] == 0) continue;
            T[] normalized = [.. target.AsSpan(p * columns, columns)];
            if (normalize) Normalize(normalized, epsilon);
            T patch = T.Zero;
            for (int c = 0; c < columns; c++)
            {
                T difference = prediction[p * columns + c] - normalized[c];
                patch += difference * difference;
                gradient[p * columns + c] = Two * lossGradient * difference / (divisor * T.CreateChecked(columns));
            }
            if (columns > 0) sum += patch / T.CreateChecked(columns);
        }
        return (sum / divisor, gradient);
    }

    private static void Normalize(T[] values, T epsilon)
    {
        T mean = T.Zero, variance = T.Zero;
        foreach (T x in values) mean += x / T.CreateChecked(values.Length);
        foreach (T x in values) variance += (x - mean) * (x - mean);
        if (values.Length > 1) variance /= T.CreateChecked(values.Length - 1);
        else variance = T.Zero;
        for (int i = 0; i < values.Length; i++) values[i] = (values[i] - mean) / T.Sqrt(variance + epsilon);
    }

    private static T[] ContrastiveLogits(T[] image, T[] text, int pairs, int width, T logScale, T maxScale)
    {
        T[] logits = Product(image, text, pairs, pairs, width);
        T scale = T.Min(T.Exp(logScale), maxScale);
        for (int i = 0; i < logits.Length; i++) logits[i] *= scale;
        return logits;
    }
}
