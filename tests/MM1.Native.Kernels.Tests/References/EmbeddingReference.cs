using System.Numerics;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>The embedding family by its definitions.</summary>
internal static class EmbeddingReference
{
    public static T[] Gather<T>(long[] ids, T[] table, int width) where T : IFloatingPointIeee754<T>
    {
        var output = new T[ids.Length * width];
        for (int token = 0; token < ids.Length; token++)
            for (int c = 0; c < width; c++) output[token * width + c] = table[ids[token] * width + c];
        return output;
    }

    public static T[] ScatterAdd<T>(long[] ids, T[] outputGradient, T[] old, int width, T beta) where T : IFloatingPointIeee754<T>
    {
        var sums = new T[old.Length];
        for (int token = 0; token < ids.Length; token++)
            for (int c = 0; c < width; c++) sums[ids[token] * width + c] += outputGradient[token * width + c];
        if (beta == T.Zero) return sums; // the old gradient is not read
        for (int i = 0; i < sums.Length; i++) sums[i] += beta * old[i];
        return sums;
    }

    public static T[] Place<T>(int[] placement, T[] text, T[] image, int width) where T : IFloatingPointIeee754<T>
    {
        var output = (T[])text.Clone();
        for (int token = 0; token < placement.Length; token++)
            for (int c = 0; c < width && placement[token] >= 0; c++) output[token * width + c] = image[placement[token] * width + c];
        return output;
    }

    public static (T[] Text, T[] Image) PlaceBackward<T>(int[] placement, T[] outputGradient, int imageTokens, int width) where T : IFloatingPointIeee754<T>
    {
        var text = (T[])outputGradient.Clone();
        var image = new T[imageTokens * width];
        for (int token = 0; token < placement.Length; token++)
        {
            for (int c = 0; c < width && placement[token] >= 0; c++)
            {
                image[placement[token] * width + c] += outputGradient[token * width + c];
                text[token * width + c] = T.Zero;
            }
        }
        return (text, image);
    }
}
