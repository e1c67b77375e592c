using System.Numerics;
using MM1.Native.Kernels;

namespace MM1.Native.Models.Tests;

/// <summary>A decoder by plain loops, one document at a time.</summary>
internal static class DecoderReference<T> where T : IFloatingPointIeee754<T>
{
    /// <summary>Rows of the token embedding.</summary>
    public static T[] Embed(Weights<T> w, DecoderConfig config, ReadOnlySpan<int> tokens)
    {
        int width = (int)config.Width;
        var rows = new T[tokens.Length * width];
        for (int t = 0; t < tokens.Length; t++) w["token_embedding.weight"].AsSpan(tokens[t] * width, width).CopyTo(rows.AsSpan(t * width));
        return rows;
    }

    /// <summary>Final hidden states of one document's embeddings.</summary>
    public static T[] Hidden(Weights<T> w, DecoderConfig config, T[] embeddings)
    {
        int width = (int)config.Width;
        T[] x = config.Position == PositionKind.Learned ? [.. embeddings.Select((value, i) => value + w["position_embedding.weight"][i])] : embeddings;
        for (int i = 0; i < config.Layers; i++)
        {
            Weights<T> block = w.Part($"layers.{i}.");
            x = Plain<T>.Add(x, Attention(block.Part("attention."), config, Norm(block.Part("attention_norm."), config, x)));
            x = Plain<T>.Add(x, Mlp(block.Part("mlp."), config, Norm(block.Part("mlp_norm."), config, x)));
        }
        return Norm(w.Part("norm."), config, x);
    }

    /// <summary>Logits of hidden states.</summary>
    public static T[] Logits(Weights<T> w, DecoderConfig config, T[] hidden) =>
        Plain<T>.Linear(hidden, w[config.TiedEmbedding ? "token_embedding.weight" : "head.weight"], null, (int)config.Width);

    /// <summary>Cross-entropy of each counting target plus its z-loss, their mean.</summary>
    public static T Loss(T[] logits, int[] targets, T zLossWeight)
    {
        int vocabulary = logits.Length / targets.Length;
        T sum = T.Zero;
        for (int t = 0; t < targets.Length; t++)
        {
            if (targets[t] < 0) continue;
            Span<T> row = logits.AsSpan(t * vocabulary, vocabulary);
            T maximum = row[0], total = T.Zero;
            foreach (T value in row) maximum = T.Max(maximum, value);
            foreach (T value in row) total += T.Exp(value - maximum);
            T logSumExp = maximum + T.Log(total);
            sum += logSumExp - row[targets[t]] + zLossWeight * logSumExp * logSumExp;
        }
        return sum / T.CreateChecked(targets.Count(target => target >= 0));
    }

    private static T[] Norm(Weights<T> w, DecoderConfig config, T[] x) =>
        config.Norm == NormKind.Layer ? Plain<T>.LayerNorm(x, w["weight"], w["bias"], config.NormEpsilon) : RmsNorm(x, w["weight"], config.NormEpsilon);

    private static T[] RmsNorm(T[] x, T[] weight, double epsilon)
    {
        var y = new T[x.Length];
        for (int start = 0; start < x.Length; start += weight.Length)
        {
            T squares = T.Zero;
            for (int i = 0; i < weight.Length; i++) squares += x[start + i] * x[start + i];
            T inverse = T.One / T.Sqrt(squares / T.CreateChecked(weight.Length) + T.CreateChecked(epsilon));
            for (int i = 0; i < weight.Length; i++) y[start + i] = x[start + i] * inverse * weight[i];
        }
        return y;
    }

    private static T[] Attention(Weights<T> w, DecoderConfig config, T[] x)
    {
        int heads = (int)config.Heads, kvHeads = (int)config.ResolvedKeyValueHeads, size = (int)config.ResolvedHeadSize, all = (heads + 2 * kvHeads) * size;
        T[] qkv = Plain<T>.Linear(x, w["qkv.weight"], w.Find("qkv.bias"), (int)config.Width);
        T[] query = Columns(0, heads), key = Columns(heads, kvHeads), value = Columns(heads + kvHeads, kvHeads);
        if (config.QueryKeyNorm) (query, key) = (RmsNorm(query, w["query_norm.weight"], config.NormEpsilon), RmsNorm(key, w["key_norm.weight"], config.NormEpsilon));
        if (config.Position == PositionKind.Rotary) (query, key) = (Rotate(query, heads), Rotate(key, kvHeads));
        T[] mixed = Plain<T>.Attention(query, Repeat(key), Repeat(value), heads, size, (q, k) => k <= q);
        return Plain<T>.Linear(mixed, w["output.weight"], w.Find("output.bias"), heads * size);

        T[] Columns(int first, int count) => [.. Enumerable.Range(0, qkv.Length / all).SelectMany(row => qkv.AsSpan(row * all + first * size, count * size).ToArray())];

        // Each key head serves as many neighbouring query heads.
        T[] Repeat(T[] rows) => [.. Enumerable.Range(0, rows.Length / (kvHeads * size) * heads).SelectMany(i => rows.AsSpan((i / heads * kvHeads + i % heads * kvHeads / heads) * size, size).ToArray())];

        T[] Rotate(T[] rows, int count)
        {
            var y = new T[rows.Length];
            for (int i = 0; i < rows.Length; i += size)
            {
                for (int pair = 0; pair < size / 2; pair++)
                {
                    double angle = i / (count * size) * Math.Pow(config.RotaryTheta, -2.0 * pair / size);
                    T cosine = T.CreateChecked((float)Math.Cos(angle)), sine = T.CreateChecked((float)Math.Sin(angle));
                    (int first, int second) = config.RotaryStyle == RotaryStyle.Half ? (i + pair, i + pair + size / 2) : (i + 2 * pair, i + 2 * pair + 1);
                    (y[first], y[second]) = (rows[first] * cosine - rows[second] * sine, rows[second] * cosine + rows[first] * sine);
                }
            }
            return y;
        }
    }

    private static T[] Mlp(Weights<T> w, DecoderConfig config, T[] x)
    {
        int width = (int)config.Width, hidden = (int)config.Hidden;
        if (config.Mlp is not (MlpKind.SwiGlu or MlpKind.GeGlu))
        {
            Func<T, T> activation = config.Mlp switch
            {
                MlpKind.Gelu => Plain<T>.Gelu,
                MlpKind.GeluTanh => Plain<T>.GeluTanh,
                MlpKind.QuickGelu => Plain<T>.QuickGelu,
                _ => value => T.Max(value, T.Zero),
            };
            return Plain<T>.Linear(Plain<T>.Map(Plain<T>.Linear(x, w["fc1.weight"], w.Find("fc1.bias"), width), activation), w["fc2.weight"], w.Find("fc2.bias"), hidden);
        }
        T[] both = Plain<T>.Linear(x, w["gate_up.weight"], w.Find("gate_up.bias"), width);
        var gated = new T[both.Length / 2];
        for (int i = 0; i < gated.Length; i++)
        {
            int at = i / hidden * 2 * hidden + i % hidden;
            gated[i] = (config.Mlp == MlpKind.SwiGlu ? Plain<T>.Silu(both[at]) : Plain<T>.Gelu(both[at])) * both[at + hidden];
        }
        return Plain<T>.Linear(gated, w["down.weight"], w.Find("down.bias"), hidden);
    }
}
