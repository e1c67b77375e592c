using System.Numerics;
using MM1.Native.Kernels;
using MM1.Native.Kernels.Tests.References;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>
/// Two layers of an attention block (fused projection, attention of packed documents with grouped heads, output projection with the residual in its epilogue)
/// through the tape, on the CPU and on native devices: result and every gradient against float64 by the error rule.
/// </summary>
public sealed class AttentionBlockTests
{
    private const int Width = 48, Heads = 4, KeyValueHeads = 2, HeadSize = 16, Columns = Heads * HeadSize, KeyColumns = KeyValueHeads * HeadSize, Projected = Columns + 2 * KeyColumns;
    private static readonly int[] Offsets = [0, 13, 13, 33, 70];
    private static readonly int Tokens = Offsets[^1];

    public static TheoryData<string, AttentionMask> DevicesAndMasks()
    {
        var data = new TheoryData<string, AttentionMask>();
        foreach (string name in TestDevices.Names.Concat(TestDevices.Native))
        {
            data.Add(name, AttentionMask.Causal);
            data.Add(name, AttentionMask.Full);
        }
        return data;
    }

    [Theory, MemberData(nameof(DevicesAndMasks))]
    public void ResultAndGradientsAgreeWithFloat64(string deviceName, AttentionMask mask)
    {
        using Device device = TestDevices.Open(deviceName);
        float[][] inputs =
        [
            Samples.Normal(1, Tokens * Width),
            .. Enumerable.Range(0, 2).SelectMany(layer => new[]
            {
                Samples.Normal(10 * layer + 2, Projected * Width, 1 / Math.Sqrt(Width)), Samples.Normal(10 * layer + 3, Projected, 0.5),
                Samples.Normal(10 * layer + 4, Width * Columns, 1 / Math.Sqrt(Columns)), Samples.Normal(10 * layer + 5, Width, 0.5),
            }),
        ];
        float[] outputGradient = Dual.Weights(1, new Shape(Tokens, Width));
        (double[] Result, double[][] Gradients) exact = Reference<double>(inputs, outputGradient, mask);
        (float[] Result, float[][] Gradients) plain = Reference<float>(inputs, outputGradient, mask);
        (float[] Result, float[][] Gradients) first = Run(device, inputs, outputGradient, mask), again = Run(device, inputs, outputGradient, mask);
        Agreement.Check("result", first.Result, exact.Result, plain.Result);
        for (int i = 0; i < inputs.Length; i++)
        {
            string what = i == 0 ? "gradient of the input" : $"gradient of {new[] { "the projection", "its bias", "the output projection", "its bias" }[(i - 1) % 4]} in layer {(i - 1) / 4}";
            Agreement.Check(what, first.Gradients[i], exact.Gradients[i], plain.Gradients[i]);
            Agreement.CheckBitwise($"{what}, again", again.Gradients[i], first.Gradients[i]);
        }
    }

    private static (float[], float[][]) Run(Device device, float[][] inputs, float[] outputGradient, AttentionMask mask)
    {
        using (device.BeginStep())
        {
            Tensor[] leaves = [.. inputs.Select((values, i) => Tensor.From(values, ShapeOf(i), requiresGradient: true))];
            AttentionLayout layout = AttentionLayout.Packed(Tensor.From(Offsets, [Offsets.Length]), 37, mask);
            var options = new SelfAttentionOptions { Heads = Heads, KeyValueHeads = KeyValueHeads, HeadSize = HeadSize };
            Tensor x = leaves[0];
            for (int layer = 0; layer < 2; layer++)
            {
                int at = 1 + 4 * layer;
                Tensor attention = Functional.SelfAttention(Functional.Linear(x, leaves[at], leaves[at + 1]), options, layout);
                x = Functional.Linear(attention, leaves[at + 2], leaves[at + 3], residual: x);
            }
            float[] result = x.ToArray();
            Dual.Product(x, outputGradient).Backward();
            return (result, [.. leaves.Select(static leaf => leaf.Gradient!.Value.ToArray())]);
        }
    }

    private static Shape ShapeOf(int input) => input == 0 ? [Tokens, Width] : ((input - 1) % 4) switch
    {
        0 => [Projected, Width],
        1 => [Projected],
        2 => [Width, Columns],
        _ => [Width],
    };

    /// <summary>The same by definition in one precision.</summary>
    private static (T[] Result, T[][] Gradients) Reference<T>(float[][] given, float[] outputGradient, AttentionMask mask) where T : IFloatingPointIeee754<T>
    {
        T[][] inputs = Array.ConvertAll(given, static values => Samples.As<T>(values));
        var shape = new AttentionShape(mask, 1 / MathF.Sqrt(HeadSize), Heads, KeyValueHeads, HeadSize, Offsets, Offsets, null, Tokens, Tokens);
        var xs = new T[3][];
        var parts = new (T[] Query, T[] Key, T[] Value, T[] Output, T[] LogSumExp)[2];
        xs[0] = inputs[0];
        for (int layer = 0; layer < 2; layer++)
        {
            int at = 1 + 4 * layer;
            T[] projected = Linear(xs[layer], Width, inputs[at], inputs[at + 1]);
            T[] query = Cut(projected, 0, Columns), key = Cut(projected, Columns, KeyColumns), value = Cut(projected, Columns + KeyColumns, KeyColumns);
            (T[] output, T[] logSumExp) = AttentionReference.Forward(shape, query, key, value);
            parts[layer] = (query, key, value, output, logSumExp);
            xs[layer + 1] = Linear(output, Columns, inputs[at + 2], inputs[at + 3]);
            for (int i = 0; i < xs[layer].Length; i++) xs[layer + 1][i] += xs[layer][i];
        }
        var gradients = new T[inputs.Length][];
        T[] gradient = Samples.As<T>(outputGradient);
        for (int layer = 1; layer >= 0; layer--)
        {
            int at = 1 + 4 * layer;
            var part = parts[layer];
            gradients[at + 2] = WeightGradient(gradient, Width, part.Output, Columns);
            gradients[at + 3] = ColumnSums(gradient, Width);
            T[] attention = InputGradient(gradient, Width, inputs[at + 2], Columns);
            (T[] query, T[] key, T[] value) = AttentionReference.Backward(shape, part.Query, part.Key, part.Value, part.Output, part.LogSumExp, attention);
            var projected = new T[Tokens * Projected];
            for (int row = 0; row < Tokens; row++)
            {
                query.AsSpan(row * Columns, Columns).CopyTo(projected.AsSpan(row * Projected));
                key.AsSpan(row * KeyColumns, KeyColumns).CopyTo(projected.AsSpan(row * Projected + Columns));
                value.AsSpan(row * KeyColumns, KeyColumns).CopyTo(projected.AsSpan(row * Projected + Columns + KeyColumns));
            }
            gradients[at] = WeightGradient(projected, Projected, xs[layer], Width);
            gradients[at + 1] = ColumnSums(projected, Projected);
            T[] input = InputGradient(projected, Projected, inputs[at], Width);
            for (int i = 0; i < input.Length; i++) input[i] += gradient[i];
            gradient = input;
        }
        gradients[0] = gradient;
        return (xs[2], gradients);
    }

    private static T[] Cut<T>(T[] projected, int first, int count)
    {
        var cut = new T[Tokens * count];
        for (int row = 0; row < Tokens; row++) projected.AsSpan(row * Projected + first, count).CopyTo(cut.AsSpan(row * count));
        return cut;
    }

    // x [tokens, depth] times weight [width, depth] transposed, plus bias.
    private static T[] Linear<T>(T[] x, int depth, T[] weight, T[] bias) where T : IFloatingPointIeee754<T>
    {
        int width = bias.Length;
        var y = new T[Tokens * width];
        for (int row = 0; row < Tokens; row++)
        {
            for (int column = 0; column < width; column++)
            {
                T sum = T.Zero;
                for (int k = 0; k < depth; k++) sum += x[row * depth + k] * weight[column * depth + k];
                y[row * width + column] = sum + bias[column];
            }
        }
        return y;
    }

    private static T[] WeightGradient<T>(T[] gradient, int width, T[] x, int depth) where T : IFloatingPointIeee754<T>
    {
        var result = new T[width * depth];
        for (int row = 0; row < Tokens; row++)
        {
            for (int column = 0; column < width; column++)
            {
                for (int k = 0; k < depth; k++) result[column * depth + k] += gradient[row * width + column] * x[row * depth + k];
            }
        }
        return result;
    }

    private static T[] InputGradient<T>(T[] gradient, int width, T[] weight, int depth) where T : IFloatingPointIeee754<T>
    {
        var result = new T[Tokens * depth];
        for (int row = 0; row < Tokens; row++)
        {
            for (int column = 0; column < width; column++)
            {
                for (int k = 0; k < depth; k++) result[row * depth + k] += gradient[row * width + column] * weight[column * depth + k];
            }
        }
        return result;
    }

    private static T[] ColumnSums<T>(T[] gradient, int width) where T : IFloatingPointIeee754<T>
    {
        var sums = new T[width];
        for (int i = 0; i < gradient.Length; i++) sums[i % width] += gradient[i];
        return sums;
    }
}
