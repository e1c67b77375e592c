using System.Numerics;

namespace MM1.Native.Models.Tests;

/// <summary>A contrastive model by plain loops, after the pseudocode of CLIP's paper (figure 3), with a bag of words for its text.</summary>
internal static class ContrastiveReference<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>Unit vectors of images; features of each [patches, channels].</summary>
    public static T[] Images(Weights<T> w, IEnumerable<T[]> features, int channels, double epsilon) =>
        Unit([.. features.SelectMany(image => Plain<T>.Linear(Mean(Plain<T>.LayerNorm(image, w["image_norm.weight"], w["image_norm.bias"], epsilon), channels), w["image_projection.weight"], null, channels))], WidthOf(w));

    /// <summary>Unit vectors of captions.</summary>
    public static T[] Captions(Weights<T> w, int[][] captions)
    {
        int width = WidthOf(w);
        T[] means = [.. captions.SelectMany(caption => Mean([.. caption.SelectMany(token => w["token_embedding.weight"].AsSpan(token * width, width).ToArray())], width).Select(value => T.CreateChecked(3) * value))];
        T[] hidden = Plain<T>.Map(Plain<T>.Linear(means, w["text_mlp.fc1.weight"], w["text_mlp.fc1.bias"], width), Plain<T>.Gelu);
        T[] x = Plain<T>.Add(means, Plain<T>.Linear(hidden, w["text_mlp.fc2.weight"], w["text_mlp.fc2.bias"], 2 * width));
        return Unit(Plain<T>.Linear(x, w["text_projection.weight"], null, width), width);
    }

    /// <summary>Mean of the cross-entropies of rows and of columns.</summary>
    public static T Loss(Weights<T> w, T[] images, T[] captions)
    {
        int width = WidthOf(w), n = images.Length / width;
        T scale = T.Min(T.CreateChecked(100), T.Exp(w["log_scale"][0])), sum = T.Zero;
        T[] logits = Plain<T>.Map(Plain<T>.Linear(images, captions, null, width), value => scale * value);
        for (int i = 0; i < n; i++)
        {
            T row = T.Zero, column = T.Zero;
            for (int j = 0; j < n; j++)
            {
                row += T.Exp(logits[i * n + j]);
                column += T.Exp(logits[j * n + i]);
            }
            sum += T.Log(row) + T.Log(column) - T.CreateChecked(2) * logits[i * n + i];
        }
        return sum / T.CreateChecked(2 * n);
    }

    private static int WidthOf(Weights<T> w) => (int)Math.Sqrt(w["text_projection.weight"].Length);

    private static T[] Mean(T[] x, int columns)
    {
        var mean = new T[columns];
        for (int i = 0; i < x.Length; i++) mean[i % columns] += x[i] / T.CreateChecked(x.Length / columns);
        return mean;
    }

    private static T[] Unit(T[] x, int columns)
    {
        var y = new T[x.Length];
        for (int start = 0; start < x.Length; start += columns)
        {
            T square = T.Zero;
            for (int i = 0; i < columns; i++) square += x[start + i] * x[start + i];
            for (int i = 0; i < columns; i++) y[start + i] = x[start + i] / T.Sqrt(square);
        }
        return y;
    }
}
