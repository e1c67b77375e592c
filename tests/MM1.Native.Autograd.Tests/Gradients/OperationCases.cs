using MM1.Native.Kernels;

namespace MM1.Native.Autograd.Tests;

/// <summary>Every differentiable operation with its options.</summary>
internal static partial class OperationCases
{
    public static IReadOnlyDictionary<string, OperationCase> All { get; } = new[]
    {
        Products(), Elementwise(), Layouts(), Normalizations(), Reductions(), Tables(), Images(), Attentions(), Losses(), Blocks(),
    }.SelectMany(cases => cases).ToDictionary(entry => entry.Name);

    private static IEnumerable<OperationCase> Products()
    {
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            // Far from the kink of max(x, 0): the bias decides the sign.
            Func<int, float, float> adjust = (input, value) => activation == Activation.Relu && input == 2 ? MathF.CopySign(16, value) : value;
            yield return new($"Linear {activation}", [[2, 3, 5], [4, 5], [4]], (_, t) => Functional.Linear(t[0], t[1], t[2], activation)) { Adjust = adjust };
            yield return new($"Linear {activation} residual", [[6, 5], [4, 5], [4], [6, 4]], (_, t) => Functional.Linear(t[0], t[1], t[2], activation, t[3])) { Adjust = adjust };
        }
        yield return new("Linear without bias", [[6, 5], [4, 5]], (_, t) => Functional.Linear(t[0], t[1]));
        yield return new("Linear residual without bias", [[6, 5], [4, 5], [6, 4]], (_, t) => Functional.Linear(t[0], t[1], residual: t[2]));
        yield return new("Linear of a vector", [[5], [4, 5], [4]], (_, t) => Functional.Linear(t[0], t[1], t[2]));
        yield return new("Linear residual is x", [[6, 5], [5, 5]], (_, t) => Functional.Linear(t[0], t[1], null, Activation.Silu, t[0]));
        foreach (bool a in new[] { false, true })
        {
            foreach (bool b in new[] { false, true })
            {
                string name = (a ? "T" : "N") + (b ? "T" : "N");
                Shape left = a ? [4, 3] : [3, 4], right = b ? [5, 4] : [4, 5];
                yield return new($"MatMul {name}", [left, right], (_, t) => Functional.MatMul(t[0], t[1], a, b, 0.5f));
                yield return new($"MatMul {name} batches", [[2, 3, left[0], left[1]], [2, 3, right[0], right[1]]], (_, t) => Functional.MatMul(t[0], t[1], a, b));
                yield return new($"MatMul {name} shared", [[3, left[0], left[1]], right], (_, t) => Functional.MatMul(t[0], t[1], a, b, -2));
            }
        }
        yield return new("MatMul of x with itself", [[4, 4]], (_, t) => Functional.MatMul(t[0], t[0]));
        yield return new("MatMul x transposed x", [[5, 4]], (_, t) => Functional.MatMul(t[0], t[0], transposeA: true));
    }

    private static IEnumerable<OperationCase> Elementwise()
    {
        yield return new("Add", [[3, 4], [3, 4]], (_, t) => t[0] + t[1]);
        yield return new("Subtract", [[3, 4], [3, 4]], (_, t) => t[0] - t[1]);
        yield return new("Add scaled", [[2, 3, 4], [2, 3, 4]], (_, t) => Functional.Add(t[0], t[1], 0.5f, -3));
        yield return new("Add bias", [[2, 3, 4], [4]], (_, t) => t[0] + t[1]);
        yield return new("Add bias scaled", [[2, 3, 4], [4]], (_, t) => Functional.Add(t[0], t[1], 2, 0.25f));
        yield return new("Add table", [[2, 3, 4], [3, 4]], (_, t) => t[0] + t[1]);
        yield return new("Add per row", [[2, 3, 4], [2, 3, 1]], (_, t) => Functional.Add(t[0], t[1], -1, 2));
        yield return new("Add x to itself", [[3, 4]], (_, t) => t[0] + t[0]);
        yield return new("Subtract x from itself", [[3, 4]], (_, t) => Functional.Add(t[0], t[0], 3, -1));
        yield return new("Multiply", [[3, 4], [3, 4]], (_, t) => t[0] * t[1]);
        yield return new("Multiply x by itself", [[3, 4]], (_, t) => t[0] * t[0]);
        yield return new("Multiply channel", [[2, 3, 4], [4]], (_, t) => t[0] * t[1]);
        yield return new("Multiply per row", [[2, 3, 4], [2, 3, 1]], (_, t) => t[0] * t[1]);
        yield return new("Multiply per image", [[2, 3, 2, 4], [2, 4]], (_, t) => Functional.Multiply(t[0], t[1], perImage: true));
        yield return new("Scale", [[3, 4]], (_, t) => -0.75f * t[0]);
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            yield return new($"Activate {activation}", [[3, 4]], (_, t) => Functional.Activate(t[0], activation)) { Adjust = AwayFromZero(activation) };
            yield return new($"GatedActivation {activation}", [[3, 8]], (_, t) => Functional.GatedActivation(t[0], activation)) { Adjust = AwayFromZero(activation) };
        }
        foreach (RotaryStyle style in Enum.GetValues<RotaryStyle>())
        {
            yield return new($"RotaryEmbedding {style}", [[5, 2, 8]], (c, t) => Functional.RotaryEmbedding(t[0], Positions(5), c.Rotary(8, style)));
            yield return new($"RotaryEmbedding {style} partial", [[5, 2, 8]], (c, t) => Functional.RotaryEmbedding(t[0], Positions(5), c.Rotary(4, style)));
        }
        yield return new("Cast to the same", [[3, 4]], (_, t) => Functional.Cast(t[0], DType.Float32));
    }

    private static Func<int, float, float> AwayFromZero(Activation activation) => (_, value) => activation == Activation.Relu ? value + MathF.CopySign(0.125f, value) : value;

    private static IEnumerable<OperationCase> Layouts()
    {
        yield return new("Reshape", [[2, 3, 4]], (_, t) => Functional.Reshape(t[0], [6, 4]));
        yield return new("Reshape twice and add", [[2, 6]], (_, t) => Functional.Reshape(t[0], [3, 4]) + Functional.Reshape(t[0], [3, 4]));
        yield return new("Rows", [[5, 2, 3]], (_, t) => Functional.Rows(t[0], 1, 3));
        yield return new("Rows all", [[5, 3]], (_, t) => Functional.Rows(t[0], 0, 5));
        yield return new("Rows overlapping", [[5, 3]], (_, t) => Functional.Rows(t[0], 0, 3) * Functional.Rows(t[0], 2, 3));
        for (int dimension = 0; dimension < 3; dimension++)
        {
            int d = dimension;
            yield return new($"Slice dimension {d}", [[4, 5, 3]], (_, t) => Functional.Slice(t[0], d, 1, 2));
            yield return new($"Concatenate dimension {d}", [new Shape(2, 3, 4).With(d, 5), [2, 3, 4], new Shape(2, 3, 4).With(d, 1)], (_, t) => Functional.Concatenate(t, d));
            yield return new($"Concatenate x twice, dimension {d}", [[2, 3, 4]], (_, t) => Functional.Concatenate([t[0], t[0]], d));
            if (d < 2) yield return new($"SwapDimensions {d}", [[2, 3, 4]], (_, t) => Functional.SwapDimensions(t[0], d));
        }
        yield return new("SwapDimensions inside", [[2, 3, 4, 5]], (_, t) => Functional.SwapDimensions(t[0], 1));
        yield return new("Slices overlapping", [[4, 5]], (_, t) => Functional.Slice(t[0], 1, 0, 3) + Functional.Slice(t[0], 1, 2, 3));
    }

    private static IEnumerable<OperationCase> Normalizations()
    {
        yield return new("LayerNorm", [[2, 3, 8], [8], [8]], (_, t) => Functional.LayerNorm(t[0], t[1], t[2]));
        yield return new("LayerNorm without bias", [[6, 8], [8]], (_, t) => Functional.LayerNorm(t[0], t[1], null));
        yield return new("LayerNorm without weight", [[6, 8], [8]], (_, t) => Functional.LayerNorm(t[0], null, t[1]));
        yield return new("LayerNorm bare", [[6, 8]], (_, t) => Functional.LayerNorm(t[0], null, null, 1e-3f));
        yield return new("LayerNorm and SiLU", [[2, 3, 8], [8], [8]], (_, t) => Functional.LayerNorm(t[0], t[1], t[2], activation: Activation.Silu));
        yield return new("LayerNorm of 17 and SiLU without weight", [[6, 17], [17]], (_, t) => Functional.LayerNorm(t[0], null, t[1], activation: Activation.Silu));
        yield return new("AddLayerNorm", [[2, 3, 8], [2, 3, 8], [8], [8]], (_, t) => Both(Functional.AddLayerNorm(t[0], t[1], t[2], t[3])));
        yield return new("AddLayerNorm of x and x", [[6, 8], [8], [8]], (_, t) => Both(Functional.AddLayerNorm(t[0], t[0], t[1], t[2])));
        yield return new("RmsNorm", [[2, 3, 8], [8]], (_, t) => Functional.RmsNorm(t[0], t[1]));
        yield return new("RmsNorm bare", [[6, 8]], (_, t) => Functional.RmsNorm(t[0], null, 1e-2f));
        yield return new("AddRmsNorm", [[2, 3, 8], [2, 3, 8], [8]], (_, t) => Both(Functional.AddRmsNorm(t[0], t[1], t[2])));
        yield return new("AddRmsNorm of x and x", [[6, 8], [8]], (_, t) => Both(Functional.AddRmsNorm(t[0], t[0], t[1])));
        yield return new("L2Normalize", [[3, 2, 4]], (_, t) => Functional.L2Normalize(t[0]));
    }

    private static IEnumerable<OperationCase> Reductions()
    {
        yield return new("Sum", [[2, 3, 4]], (_, t) => Functional.Sum(t[0]));
        yield return new("Sum of a vector", [[7]], (_, t) => Functional.Sum(t[0]));
        yield return new("Sum of a scalar", [[]], (_, t) => Functional.Sum(t[0]));
        yield return new("Mean", [[2, 3, 4]], (_, t) => Functional.Mean(t[0]));
        yield return new("SumLast", [[2, 3, 4]], (_, t) => Functional.SumLast(t[0]));
        yield return new("MeanLast", [[2, 3, 4]], (_, t) => Functional.MeanLast(t[0]));
        yield return new("Softmax", [[2, 3, 4]], (_, t) => Functional.Softmax(t[0]));
        yield return new("Softmax scaled", [[5, 4]], (_, t) => Functional.Softmax(t[0], 0.5f));
    }

    private static IEnumerable<OperationCase> Tables()
    {
        yield return new("Embedding", [[5, 4]], (_, t) => Functional.Embedding(Int32([2, 3], 0, 4, 4, 1, 0, 4), t[0]));
        yield return new("Embedding long ids", [[5, 4]], (_, t) => Functional.Embedding(Tensor.From<long>([3, 3, 0], [3]), t[0]));
        yield return new("PlaceImageTokens", [[5, 4], [3, 4]], (_, t) => Functional.PlaceImageTokens(t[0], t[1], Int32([5], -1, 2, 0, -1, -1)));
    }

    private static IEnumerable<OperationCase> Images()
    {
        yield return new("Conv2d 1x1", [[2, 3, 3, 4], [5, 1, 1, 4], [5]], (_, t) => Functional.Conv2d(t[0], t[1], t[2]));
        yield return new("Conv2d 3x3", [[2, 5, 4, 3], [4, 3, 3, 3], [4]], (_, t) => Functional.Conv2d(t[0], t[1], t[2], padding: 1));
        yield return new("Conv2d 3x3 stride 2", [[1, 5, 6, 2], [3, 3, 3, 2]], (_, t) => Functional.Conv2d(t[0], t[1], stride: 2, padding: 1));
        yield return new("Conv2d patches", [[2, 4, 6, 3], [5, 2, 2, 3], [5]], (_, t) => Functional.Conv2d(t[0], t[1], t[2], stride: 2));
        yield return new("Conv2d depthwise", [[2, 4, 5, 3], [3, 3, 3, 1], [3]], (_, t) => Functional.Conv2d(t[0], t[1], t[2], padding: 1, groups: 3));
        yield return new("AdaptiveAveragePool2d", [[2, 5, 7, 3]], (_, t) => Functional.AdaptiveAveragePool2d(t[0], 3, 4));
        yield return new("AdaptiveAveragePool2d global", [[2, 3, 4, 3]], (_, t) => Functional.AdaptiveAveragePool2d(t[0], 1, 1));
        yield return new("InterpolateGrid up", [[1 + 9, 4]], (_, t) => Functional.InterpolateGrid(t[0], 1, (3, 3), (5, 4), antialias: false));
        yield return new("InterpolateGrid down", [[20, 3]], (_, t) => Functional.InterpolateGrid(t[0], 0, (4, 5), (2, 3), antialias: true));
    }

    private static IEnumerable<OperationCase> Attentions()
    {
        foreach (AttentionMask mask in new[] { AttentionMask.Full, AttentionMask.Causal })
        {
            yield return new($"Attention {mask}", [[6, 2, 8], [6, 2, 8], [6, 2, 8]], (_, t) => Functional.Attention(t[0], t[1], t[2], AttentionLayout.Uniform(2, 3, mask)));
            yield return new($"Attention {mask} packed", [[7, 4, 8], [7, 2, 8], [7, 2, 8]], (_, t) => Functional.Attention(t[0], t[1], t[2], Packed(mask), scale: 0.5f));
            yield return new($"Attention {mask} cross", [[4, 2, 8], [6, 1, 8], [6, 1, 8]], (_, t) => Functional.Attention(t[0], t[1], t[2], AttentionLayout.Cross(2, 2, 3, mask)));
        }
        yield return new("Attention prefix", [[6, 2, 8], [6, 2, 8], [6, 2, 8]], (_, t) => Functional.Attention(t[0], t[1], t[2], AttentionLayout.Uniform(2, 3).WithPrefix(Int32([2], 2, 0))));
        yield return new("Attention packed cross", [[5, 2, 8], [6, 2, 8], [6, 2, 8]],
            (_, t) => Functional.Attention(t[0], t[1], t[2], AttentionLayout.PackedCross(Int32([3], 0, 2, 5), 3, Int32([3], 0, 4, 6), 4)));
        yield return new("Attention of x", [[6, 2, 8]], (_, t) => Functional.Attention(t[0], t[0], t[0], AttentionLayout.Uniform(2, 3)));
        yield return new("SelfAttention", [[6, 48]], (_, t) => Functional.SelfAttention(t[0], new() { Heads = 2, HeadSize = 8 }, AttentionLayout.Uniform(2, 3)));
        yield return new("SelfAttention grouped", [[7, 64]], (_, t) => Functional.SelfAttention(t[0], new() { Heads = 4, KeyValueHeads = 2, HeadSize = 8, Scale = 0.5f }, Packed(AttentionMask.Causal)));
        yield return new("SelfAttention rotary", [[6, 48]],
            (c, t) => Functional.SelfAttention(t[0], new() { Heads = 2, HeadSize = 8, Rotary = c.Rotary(8), Positions = Positions(6) }, AttentionLayout.Uniform(2, 3)));
        yield return new("SelfAttention norms", [[6, 32], [8], [8]],
            (_, t) => Functional.SelfAttention(t[0], new() { Heads = 2, KeyValueHeads = 1, HeadSize = 8, QueryNorm = t[1], KeyNorm = t[2] }, AttentionLayout.Uniform(2, 3, AttentionMask.Full)));
        yield return new("SelfAttention rotary norms", [[7, 64], [8], [8]],
            (c, t) => Functional.SelfAttention(t[0], new() { Heads = 4, KeyValueHeads = 2, HeadSize = 8, Rotary = c.Rotary(4), Positions = Positions(7), QueryNorm = t[1], KeyNorm = t[2], NormEpsilon = 1e-3f },
                Packed(AttentionMask.Causal)));
    }

    private static IEnumerable<OperationCase> Losses()
    {
        yield return new("Loss.CrossEntropy", [[2, 3, 5]], (_, t) => Loss.CrossEntropy(t[0], Int32([2, 3], 0, 4, Loss.IgnoreIndex, 2, 2, 1)));
        yield return new("Loss.CrossEntropy z", [[4, 5]], (_, t) => Loss.CrossEntropy(t[0], Int32([4], 3, 7, 4, 0), ignoreIndex: 7, zLossWeight: 0.125f));
        yield return new("Loss.LinearCrossEntropy", [[2, 3, 4], [5, 4]], (_, t) => Loss.LinearCrossEntropy(t[0], t[1], Int32([2, 3], 0, 4, Loss.IgnoreIndex, 2, 2, 1), zLossWeight: 0.125f));
        yield return new("Loss.Contrastive", [[4, 6], [4, 6], [1]], (_, t) => Loss.Contrastive(t[0], t[1], t[2])) { Adjust = (input, value) => input == 2 ? 0.5f : value / 2 };
        yield return new("Loss.PatchRegression", [[2, 3, 6]], (_, t) => Loss.PatchRegression(t[0], Normal([2, 3, 6])));
        yield return new("Loss.PatchRegression mask", [[4, 6]], (_, t) => Loss.PatchRegression(t[0], Normal([4, 6]), Tensor.From<byte>([1, 0, 1, 1], [4]), normalizeTarget: false));
    }

    private static IEnumerable<OperationCase> Blocks()
    {
        yield return new("Recompute", [[3, 4], [4, 4]], (_, t) => Functional.Recompute(x => Functional.Activate(x, Activation.Tanh) * x, Functional.MatMul(t[0], t[1])));
        yield return new("Custom", [[3, 4], [3, 4]], (_, t) => Functional.Custom(new ProductAndSum(), t));
    }

    private static AttentionLayout Packed(AttentionMask mask) => AttentionLayout.Packed(Int32([4], 0, 4, 4, 7), 4, mask);

    private static Tensor[] Both((Tensor Sum, Tensor Output) pair) => [pair.Sum, pair.Output];

    private static Tensor Int32(Shape shape, params int[] values) => Tensor.From(values, shape);

    private static Tensor Positions(int count) => Tensor.From(Enumerable.Range(0, count).Select(i => (i * 5) % 7).ToArray(), [count]);

    private static Tensor Normal(Shape shape) => Tensor.From(TestSupport.Samples.Normal(77, shape.Elements), shape);

    /// <summary>A custom operation of two outputs, a * b and a + b, with saved inputs.</summary>
    internal sealed class ProductAndSum : ICustomOperation
    {
        public string Name => "ProductAndSum";

        public Tensor[] Forward(ReadOnlySpan<Tensor> inputs, CustomContext context)
        {
            context.Save(inputs[0]);
            context.Save(inputs[1]);
            context.State = "a note";
            return [inputs[0] * inputs[1], inputs[0] + inputs[1]];
        }

        public Tensor?[] Backward(ReadOnlySpan<Tensor?> outputGradients, CustomContext context)
        {
            if (context.State is not "a note") throw new InvalidOperationException("The state is gone.");
            Tensor? a = null, b = null;
            if (outputGradients[0] is { } product) (a, b) = (product * context.Saved[1], product * context.Saved[0]);
            if (outputGradients[1] is { } sum) (a, b) = a is null ? (sum, sum) : (a.Value + sum, b!.Value + sum);
            return [a, b];
        }
    }
}
