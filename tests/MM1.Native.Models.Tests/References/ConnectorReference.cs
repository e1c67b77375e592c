using System.Numerics;

namespace MM1.Native.Models.Tests;

/// <summary>Connectors by plain loops, one image at a time: x [grid, grid, channels].</summary>
internal static class ConnectorReference<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>Honeybee's block (timm's regnet Bottleneck) under a name prefix that ends in a dot or is empty.</summary>
    public static T[] Block(Weights<T> w, string name, T[] x, int grid, int inputs, int channels)
    {
        T[] y = Plain<T>.Map(Norm("norm1", Plain<T>.Linear(x, w[name + "conv1.weight"], null, inputs)), Plain<T>.Silu);
        y = Plain<T>.Map(Norm("norm2", Plain<T>.Depthwise3x3(y, w[name + "conv2.weight"], grid, grid, channels)), Plain<T>.Silu);
        T[] mean = Plain<T>.AdaptivePool(y, grid, grid, channels, 1, 1), squeezed = Plain<T>.Linear(mean, w[name + "squeeze.weight"], w[name + "squeeze.bias"], channels);
        T[] scale = Plain<T>.Linear(Plain<T>.Map(squeezed, Plain<T>.Silu), w[name + "excite.weight"], w[name + "excite.bias"], squeezed.Length);
        y = [.. y.Select((value, i) => value * Plain<T>.Sigmoid(scale[i % channels]))];
        y = Norm("norm3", Plain<T>.Linear(y, w[name + "conv3.weight"], null, channels));
        T[] shortcut = inputs == channels ? x : Norm("shortcut_norm", Plain<T>.Linear(x, w[name + "shortcut.weight"], null, inputs));
        return Plain<T>.Map(Plain<T>.Add(y, shortcut), Plain<T>.Silu);

        T[] Norm(string norm, T[] value) => Plain<T>.LayerNorm(value, w[$"{name}{norm}.weight"], w[$"{name}{norm}.bias"], 1e-5f);
    }

    public static T[] CAbstractor(Weights<T> w, ConnectorConfig config, T[] x, int grid, int channels, int side)
    {
        x = Plain<T>.Add(x, w["position_embedding"]);
        for (int i = 0; i < config.Depth; i++) x = Block(w, $"stage1.{i}.", x, grid, i == 0 ? channels : config.Hidden, config.Hidden);
        x = Plain<T>.AdaptivePool(x, grid, grid, config.Hidden, side, side);
        for (int i = 0; i < config.Depth; i++) x = Block(w, $"stage2.{i}.", x, side, config.Hidden, config.Hidden);
        for (int i = 0; i < config.ReadoutDepth; i++)
        {
            if (i > 0) x = Plain<T>.Map(x, Plain<T>.Silu);
            x = Plain<T>.Linear(x, w[$"readout.{i}.weight"], w[$"readout.{i}.bias"], w[$"readout.{i}.weight"].Length / w[$"readout.{i}.bias"].Length);
        }
        return x;
    }

    public static T[] AttentionPooling(Weights<T> w, T[] x, int channels, int heads)
    {
        T[] normalized = Plain<T>.LayerNorm(x, w["norm.weight"], w["norm.bias"], 1e-5f);
        T[] key = Plain<T>.Linear(normalized, w["key.weight"], w["key.bias"], channels), value = Plain<T>.Linear(normalized, w["value.weight"], w["value.bias"], channels);
        return Plain<T>.Linear(Plain<T>.Attention(w["queries"], key, value, heads, channels / heads), w["output.weight"], w["output.bias"], channels);
    }
}
