using System.Numerics;

namespace MM1.Native.Models.Tests;

/// <summary>A vision transformer by plain loops, one image at a time (OpenAI's clip/model.py; ml-aim's layers.py).</summary>
internal static class VisionReference<T> where T : IFloatingPointIeee754<T>
{
    public static T[] Block(Weights<T> w, string name, VisionConfig config, T[] x, Func<int, int, bool>? sees = null)
    {
        int width = (int)config.Width, heads = (int)config.Heads;
        T[] y = Norm(w, name + ".attention_norm", config, x);
        T[] qkv = Plain<T>.Linear(y, w[name + ".attention.qkv.weight"], w.Find(name + ".attention.qkv.bias"), width);
        T[] mixed = Plain<T>.Attention(Part(0), Part(1), Part(2), heads, width / heads, sees);
        T[] sum = Plain<T>.Add(x, Plain<T>.Linear(mixed, w[name + ".attention.output.weight"], w.Find(name + ".attention.output.bias"), width));
        T[] hidden = Plain<T>.Linear(Norm(w, name + ".mlp_norm", config, sum), w[name + ".mlp.fc1.weight"], w.Find(name + ".mlp.fc1.bias"), width);
        hidden = Activate(config, hidden);
        return Plain<T>.Add(sum, Plain<T>.Linear(hidden, w[name + ".mlp.fc2.weight"], w.Find(name + ".mlp.fc2.bias"), (int)config.ResolvedHidden));

        T[] Part(int part) => [.. Enumerable.Range(0, qkv.Length / (3 * width)).SelectMany(row => qkv.AsSpan(row * 3 * width + part * width, width).ToArray())];
    }

    /// <summary>Patches of an image [size, size, 3] after the given blocks, at the training resolution.</summary>
    public static T[] Forward(Weights<T> w, VisionConfig config, T[] image, int layers, int prefix = -1)
    {
        int grid = config.Grid, width = (int)config.Width;
        T[] x = config.StemConvolutions > 0 ? Stem(w, config, image) : Patches(w, config, image);
        if (config.PatchNorm) x = Norm(w, "patch_norm", config, x);
        if (config.ClassToken) x = [.. w["class_embedding"], .. x];
        x = Plain<T>.Add(x, w.Find("position_embedding") ?? SinCos(grid, width));
        if (config.PreNorm) x = Norm(w, "pre_norm", config, x);
        for (int i = 0; i < layers; i++) x = Block(w, $"layers.{i}", config, x, prefix < 0 ? null : (q, k) => k <= q || k < prefix);
        return config.ClassToken ? x[width..] : x;
    }

    private static T[] Patches(Weights<T> w, VisionConfig config, T[] image)
    {
        int patch = config.PatchSize, grid = config.Grid;
        var patches = new List<T>();
        for (int r = 0; r < grid; r++)
        {
            for (int c = 0; c < grid; c++)
            {
                for (int i = 0; i < patch; i++) patches.AddRange(image.AsSpan(((r * patch + i) * config.ImageSize + c * patch) * 3, patch * 3).ToArray());
            }
        }
        return Plain<T>.Linear([.. patches], w["patch_embedding.weight"], w.Find("patch_embedding.bias"), patch * patch * 3);
    }

    private static T[] Stem(Weights<T> w, VisionConfig config, T[] image)
    {
        T[] x = image;
        for (int i = 0, side = config.ImageSize, channels = 3; i < config.StemConvolutions; i++, side /= 2)
        {
            T[] weight = w[$"stem.convolutions.{i}.weight"];
            x = Plain<T>.Convolution3x3Stride2(x, weight, side, side, channels);
            channels = weight.Length / (9 * channels);
            x = Activate(config, Norm(w, $"stem.norms.{i}", config, x));
        }
        return Plain<T>.Linear(x, w["stem.output.weight"], w.Find("stem.output.bias"), (int)config.Width);
    }

    private static T[] Activate(VisionConfig config, T[] x) => Plain<T>.Map(x, config.Activation == Kernels.Activation.Gelu ? Plain<T>.Gelu : Plain<T>.QuickGelu);

    private static T[] Norm(Weights<T> w, string name, VisionConfig config, T[] x) => Plain<T>.LayerNorm(x, w[name + ".weight"], w[name + ".bias"], config.NormEpsilon);

    private static T[] SinCos(int grid, int width)
    {
        var table = new T[grid * grid * width];
        for (int p = 0; p < grid * grid; p++)
        {
            for (int c = 0; c < width; c++)
            {
                int half = width / 2, quarter = width / 4, place = c < half ? p % grid : p / grid, within = c % half;
                double angle = place / Math.Pow(10000, within % quarter / (double)quarter);
                table[p * width + c] = T.CreateChecked((float)(within < quarter ? Math.Sin(angle) : Math.Cos(angle)));
            }
        }
        return table;
    }
}
