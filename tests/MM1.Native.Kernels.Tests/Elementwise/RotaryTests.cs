using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Elementwise;

/// <summary>Rotary embedding, both pairings, forwards and back.</summary>
public sealed class RotaryTests
{
    private const int MaxPosition = 50;

    public static TheoryData<string, RotaryStyle, int, int, int, int, int> Cases()
    {
        var data = new TheoryData<string, RotaryStyle, int, int, int, int, int>();
        foreach (string device in TestDevices.WithNative)
        {
            foreach (RotaryStyle style in Enum.GetValues<RotaryStyle>())
            {
                // tokens, heads, head size, rotary size, padding
                data.Add(device, style, 5, 4, 32, 32, 0);
                data.Add(device, style, 5, 3, 64, 24, 7);
                data.Add(device, style, 7, 2, 10, 6, 0);
                data.Add(device, style, 3, 1, 7, 0, 0);
                data.Add(device, style, 2, 1, 300, 298, 1);
                data.Add(device, style, 1, 1, 2, 2, 0);
                data.Add(device, style, 0, 4, 8, 8, 0);
                data.Add(device, style, 4, 0, 8, 8, 0);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Rotates(string device, RotaryStyle style, int tokens, int heads, int headSize, int rotary, int padding)
    {
        float[] x = Samples.Normal(1, tokens * heads * headSize), table = Table(rotary);
        int[] positions = Samples.Integers(2, tokens, MaxPosition);
        foreach (bool inverse in new[] { false, true })
        {
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(tokens, heads * headSize, padding), inPlace = bench.Input(x, tokens, heads * headSize, padding)!;
            RotaryEmbeddingArgs args = Args(bench, style, inverse, tokens, heads, headSize, rotary, positions, table, padding) with
            {
                X = bench.Input(x, tokens, heads * headSize, padding),
                Output = output,
            };
            bench.Kernels.RotaryEmbedding(default, args);
            bench.Kernels.RotaryEmbedding(default, args with { X = inPlace, Output = inPlace });
            bench.CheckGuards();
            Agreement.Check($"{style}, inverse {inverse}", output.Download(),
                ElementwiseReference.Rotary(style, inverse, Samples.As<double>(x), Samples.As<double>(table), positions, heads, headSize, rotary),
                ElementwiseReference.Rotary(style, inverse, x, table, positions, heads, headSize, rotary));
            Agreement.CheckBitwise("in place", inPlace.Download(), output.Download());
        }
    }

    // <R x, y> = <x, R' y>: the inverse is the transpose, which is the backward.
    [Theory]
    [InlineData(RotaryStyle.Half)]
    [InlineData(RotaryStyle.Interleaved)]
    public void InverseOfTheReferenceIsItsGradient(RotaryStyle style)
    {
        double[] x = Samples.As<double>(Samples.Normal(1, 3 * 2 * 8)), dy = Samples.As<double>(Samples.Normal(2, x.Length)), table = Samples.As<double>(Table(6));
        int[] positions = [4, 0, 17];
        Agreement.CheckFiniteDifferences("x", values => ElementwiseReference.Rotary(style, false, values, table, positions, 2, 8, 6).Zip(dy, (a, b) => a * b).Sum(), x,
            ElementwiseReference.Rotary(style, true, dy, table, positions, 2, 8, 6));
    }

    [Theory]
    [InlineData(RotaryStyle.Half)]
    [InlineData(RotaryStyle.Interleaved)]
    public void RowsAreInvariant(RotaryStyle style)
    {
        const int tokens = 500, heads = 3, headSize = 44, rotary = 38;
        float[] x = Samples.Normal(1, tokens * heads * headSize), table = Table(rotary);
        int[] positions = Samples.Integers(2, tokens, MaxPosition);
        Invariance.Check($"{style}", tokens, (device, first, count) =>
        {
            using var bench = new KernelBench(device);
            DeviceBuffer buffer = bench.Input(Invariance.Rows(x, first, count, heads * headSize), count, heads * headSize)!;
            bench.Kernels.RotaryEmbedding(default, Args(bench, style, false, count, heads, headSize, rotary, positions[first..(first + count)], table, 0) with { X = buffer, Output = buffer });
            return [buffer.Download()];
        });
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[16], 2, 8)!, y = bench.Output(2, 8);
        IKernels kernels = bench.Kernels;
        RotaryEmbeddingArgs args = Args(bench, RotaryStyle.Half, false, 2, 1, 8, 4, [3, 49], Table(4), 0) with { X = x, Output = y };
        Fails("RotarySize is 3", () => kernels.RotaryEmbedding(default, args with { RotarySize = 3 }));
        Fails("RotarySize is 10", () => kernels.RotaryEmbedding(default, args with { RotarySize = 10 }));
        Fails("Style is 2", () => kernels.RotaryEmbedding(default, args with { Style = (RotaryStyle)2 }));
        Fails("Positions is missing", () => kernels.RotaryEmbedding(default, args with { Positions = 0 }));
        Fails("Positions holds 49", () => kernels.RotaryEmbedding(default, args with { MaxPosition = 49 }));
        Fails("Positions holds -1", () => kernels.RotaryEmbedding(default, args with { Positions = bench.Input(new[] { 0, -1 }, 1, 2)!.Address }));
        Assert.All(y.Download(), value => Assert.True(float.IsNaN(value)));
    }

    private static void Fails(string rule, Action call) => Assert.Contains(rule, Assert.Throws<KernelArgumentException>(call).Message);

    private static float[] Table(int rotary)
    {
        var table = new float[MaxPosition * rotary];
        for (int position = 0; position < MaxPosition; position++)
        {
            for (int i = 0; i < rotary / 2; i++)
            {
                double angle = position * Math.Pow(10000, -2.0 * i / rotary);
                table[position * rotary + i] = (float)Math.Cos(angle);
                table[position * rotary + rotary / 2 + i] = (float)Math.Sin(angle);
            }
        }
        return table;
    }

    private static RotaryEmbeddingArgs Args(KernelBench bench, RotaryStyle style, bool inverse, int tokens, int heads, int headSize, int rotary, int[] positions, float[] table, int padding) => new()
    {
        Style = style,
        Inverse = inverse ? 1 : 0,
        Tokens = tokens,
        Heads = heads,
        HeadSize = headSize,
        RotarySize = rotary,
        MaxPosition = MaxPosition,
        CosineSine = bench.Input(table, MaxPosition, rotary, padding),
        Positions = bench.Input(positions, 1, tokens)!.Address,
    };
}
