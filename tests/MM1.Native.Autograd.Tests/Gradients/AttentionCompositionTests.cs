using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>The fused attention operations against compositions of plain ones, forward and all gradients.</summary>
public sealed class AttentionCompositionTests
{
    private const int HeadSize = 16;

    public static TheoryData<string, int, int, bool, bool, bool> Cases()
    {
        var cases = new TheoryData<string, int, int, bool, bool, bool>();
        foreach (string device in TestDevices.Names)
        {
            foreach ((int heads, int kvHeads) in new[] { (2, 2), (4, 2), (3, 1) })
            {
                for (int options = 0; options < 8; options++) cases.Add(device, heads, kvHeads, (options & 1) != 0, (options & 2) != 0, (options & 4) != 0);
            }
        }
        return cases;
    }

    [Theory, MemberData(nameof(Cases))]
    public void SelfAttentionIsItsParts(string deviceName, int heads, int kvHeads, bool rotary, bool norms, bool packed)
    {
        const int Tokens = 20;
        using Device device = TestDevices.Open(deviceName);
        using var table = new RotaryTable(device, 64, HeadSize);
        float[] qkv = Samples.Normal(1, Tokens * (heads + 2 * kvHeads) * HeadSize), weights = Samples.Normal(2, HeadSize), others = Samples.Normal(3, HeadSize);
        float[][] fused = Run(Fused), parts = Run(Parts), consumed = Run(Consuming);
        for (int i = 0; i < fused.Length; i++)
        {
            // Sums over tokens of the norms' weights run in other blocks: 64 roundings of a sum of tokens * heads terms.
            Close.Check($"result {i}", fused[i], parts[i], 64);
            Agreement.CheckBitwise($"result {i}, consuming", consumed[i], fused[i]);
        }

        float[][] Run(Func<Tensor, Tensor, Tensor, AttentionLayout, Tensor, Tensor> attention)
        {
            using (device.BeginStep())
            {
                Tensor leaf = Tensor.From(qkv, [Tokens, qkv.Length / Tokens], requiresGradient: true);
                Tensor query = Tensor.From(weights, [HeadSize], requiresGradient: true), key = Tensor.From(others, [HeadSize], requiresGradient: true);
                Tensor positions = Tensor.From(Enumerable.Range(0, Tokens).Select(i => i % 11).ToArray(), [Tokens]);
                AttentionLayout layout = packed ? AttentionLayout.Packed(Tensor.From([0, 7, 7, 16, 20], [5]), 9) : AttentionLayout.Uniform(2, Tokens / 2);
                // A copy, so that the consuming call spoils no leaf.
                Tensor output = attention(Functional.Scale(leaf, 1), query, key, layout, positions);
                float[] values = output.ToArray();
                Dual.Of(output).Backward();
                return norms ? [values, leaf.Gradient!.Value.ToArray(), query.Gradient!.Value.ToArray(), key.Gradient!.Value.ToArray()] : [values, leaf.Gradient!.Value.ToArray()];
            }
        }

        SelfAttentionOptions Options(Tensor query, Tensor key, Tensor positions) => new()
        {
            Heads = heads,
            KeyValueHeads = kvHeads,
            HeadSize = HeadSize,
            Rotary = rotary ? table : null,
            Positions = rotary ? positions : null,
            QueryNorm = norms ? query : null,
            KeyNorm = norms ? key : null,
        };

        Tensor Fused(Tensor x, Tensor query, Tensor key, AttentionLayout layout, Tensor positions) => Functional.SelfAttention(x, Options(query, key, positions), layout);

        Tensor Consuming(Tensor x, Tensor query, Tensor key, AttentionLayout layout, Tensor positions) => Functional.SelfAttention(x, Options(query, key, positions), layout, consumes: true);

        Tensor Parts(Tensor x, Tensor query, Tensor key, AttentionLayout layout, Tensor positions)
        {
            Tensor q = Heads(0, heads), k = Heads(heads, kvHeads), v = Heads(heads + kvHeads, kvHeads);
            if (norms) (q, k) = (Functional.RmsNorm(q, query), Functional.RmsNorm(k, key));
            if (rotary) (q, k) = (Functional.RotaryEmbedding(q, positions, table), Functional.RotaryEmbedding(k, positions, table));
            return Functional.Reshape(Functional.Attention(q, k, v, layout), [Tokens, heads * HeadSize]);

            Tensor Heads(int first, int count) => Functional.Reshape(Functional.Slice(x, 1, first * HeadSize, count * HeadSize), [Tokens, count, HeadSize]);
        }
    }

    [Theory, InlineData(AttentionMask.Full), InlineData(AttentionMask.Causal), InlineData(AttentionMask.Prefix)]
    public void AttentionIsSoftmaxOfProducts(AttentionMask mask)
    {
        const int Batch = 2, Length = 9, Heads = 4, KeyHeads = 2, Prefix = 4;
        using Device device = TestDevices.Open("cpu/2");
        float[][] flash = Run(Flash), plain = Run(Plain);
        for (int i = 0; i < flash.Length; i++) Close.Check($"result {i}", flash[i], plain[i], 32);

        float[][] Run(Func<Tensor, Tensor, Tensor, Tensor> attention)
        {
            using (device.BeginStep())
            {
                Tensor[] leaves = [Leaf(1, Heads), Leaf(2, KeyHeads), Leaf(3, KeyHeads)];
                Tensor output = attention(leaves[0], leaves[1], leaves[2]);
                float[] values = output.ToArray();
                Dual.Of(output).Backward();
                return [values, .. leaves.Select(leaf => leaf.Gradient!.Value.ToArray())];
            }
        }

        Tensor Leaf(int seed, int heads) => Tensor.From(Samples.Normal(seed, Batch * Length * heads * HeadSize), [Batch * Length, heads, HeadSize], requiresGradient: true);

        Tensor Flash(Tensor q, Tensor k, Tensor v)
        {
            AttentionLayout layout = AttentionLayout.Uniform(Batch, Length, mask == AttentionMask.Full ? mask : AttentionMask.Causal);
            return Functional.Attention(q, k, v, mask == AttentionMask.Prefix ? layout.WithPrefix(Tensor.From([Prefix, Prefix], [2])) : layout);
        }

        Tensor Plain(Tensor q, Tensor k, Tensor v)
        {
            Tensor scores = Functional.MatMul(ByHead(q, Heads), ByHead(Repeat(k), Heads), transposeB: true, scale: 1 / MathF.Sqrt(HeadSize));
            var seen = new float[Length * Length];
            for (int i = 0; i < seen.Length; i++)
            {
                int row = i / Length, column = i % Length;
                bool visible = mask == AttentionMask.Full || column <= row || (mask == AttentionMask.Prefix && column < Prefix);
                seen[i] = visible ? 0 : float.NegativeInfinity;
            }
            Tensor weights = Functional.Softmax(scores + Tensor.From(seen, [Length, Length]));
            Tensor mixed = Functional.SwapDimensions(Functional.MatMul(weights, ByHead(Repeat(v), Heads)), 1);
            return Functional.Reshape(mixed, [Batch * Length, Heads, HeadSize]);
        }

        static Tensor ByHead(Tensor x, int heads) => Functional.SwapDimensions(Functional.Reshape(x, [Batch, Length, heads, HeadSize]), 1);

        // Query head h reads key head h / (heads / keyHeads).
        static Tensor Repeat(Tensor x) =>
            Functional.Concatenate([.. Enumerable.Range(0, Heads).Select(h => Functional.Slice(x, 1, h / (Heads / KeyHeads), 1))], 1);
    }

    [Fact]
    public void DecodingStepByStepIsCausalAttention()
    {
        const int Batch = 2, Length = 7, Heads = 2, KeyHeads = 1;
        using Device device = TestDevices.Open("cpu/2");
        using Arena session = device.BeginSession();
        float[] q = Samples.Normal(1, Batch * Length * Heads * HeadSize), k = Samples.Normal(2, Batch * Length * KeyHeads * HeadSize), v = Samples.Normal(3, Batch * Length * KeyHeads * HeadSize);
        Tensor whole = Functional.Attention(Tensor.From(q, [Batch * Length, Heads, HeadSize]), Tensor.From(k, [Batch * Length, KeyHeads, HeadSize]),
            Tensor.From(v, [Batch * Length, KeyHeads, HeadSize]), AttentionLayout.Uniform(Batch, Length));
        float[] expected = whole.ToArray();
        Tensor keys = Tensor.Full([Batch, 10, KeyHeads, HeadSize], float.NaN), values = Tensor.Full([Batch, 10, KeyHeads, HeadSize], float.NaN);
        Tensor sequences = Tensor.From([0, 1], [2]);
        for (int t = 0; t < Length; t++)
        {
            using (device.BeginInference())
            {
                Functional.AppendKeyValue(Tokens(k, KeyHeads, t), Tokens(v, KeyHeads, t), keys, values, sequences, Tensor.From([t, t], [2]));
                Tensor output = Functional.DecodeAttention(Tokens(q, Heads, t), keys, values, Tensor.From([t + 1, t + 1], [2]));
                Close.Check($"token {t}", output.ToArray(), Take(expected, Heads, t), 32);
            }
        }

        static Tensor Tokens(float[] values, int heads, int t) => Tensor.From(Take(values, heads, t), [Batch, heads, HeadSize]);

        static float[] Take(float[] values, int heads, int t)
        {
            int row = heads * HeadSize;
            return [.. Enumerable.Range(0, Batch).SelectMany(b => values.AsSpan((b * Length + t) * row, row).ToArray())];
        }
    }
}
