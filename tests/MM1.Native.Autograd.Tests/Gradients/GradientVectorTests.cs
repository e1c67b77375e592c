using System.Text.Json;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Autograd.Tests;

/// <summary>Published gradients of small graphs (PyTorch's, by way of Burn's tests); logarithm and gather are custom operations.</summary>
public sealed class GradientVectorTests
{
    private const string File = "tensors/gradients/autodiff_small.json";

    // The file prints four decimals; its one rounder figure is off by what its note says.
    private static readonly Dictionary<string, double> Tolerances = new()
    {
        ["softmax"] = 1e-4,
        ["log_softmax"] = 1e-4,
        ["gelu_erf"] = 2.1e-3,
        ["cross_entropy_soft_targets"] = 1e-4,
        ["gather_axis1"] = 0,
    };

    public static IEnumerable<TheoryDataRow<string, string>> Cases() => TestDevices.Rows([.. Tolerances.Keys]);

    [Theory, MemberData(nameof(Cases))]
    public void GradientsAreThePublishedOnes(string deviceName, string name)
    {
        double tolerance = Tolerances[name];
        string? path = TestData.TryPath(File);
        if (path is null) Assert.Skip(TestData.Missing(File));
        using JsonDocument document = JsonDocument.Parse(System.IO.File.ReadAllText(path));
        JsonElement test = document.RootElement.GetProperty("cases").EnumerateArray().Single(entry => entry.GetProperty("name").GetString() == name);
        using Device device = TestDevices.Open(deviceName);
        using Arena arena = device.BeginStep();
        Tensor a = Matrix(test, "A"), b = test.TryGetProperty("B", out _) ? Matrix(test, "B") : default;
        Tensor loss = name switch
        {
            "softmax" => Functional.Sum(Functional.MatMul(Functional.Softmax(Functional.MatMul(a, b)), b)),
            "log_softmax" => Functional.Sum(Functional.MatMul(LogSoftmax(Functional.MatMul(a, b)), b)),
            "gelu_erf" => Functional.Sum(Functional.MatMul(a, Functional.MatMul(a, Functional.Activate(b, Activation.Gelu)))),
            "cross_entropy_soft_targets" => -0.5f * Functional.Sum(LogSoftmax(Functional.MatMul(a, b)) * Tensor.From([0.8f, 0.2f, 0.9f, 0.1f], [2, 2])),
            _ => Functional.Sum(Functional.MatMul(Functional.MatMul(a, a, transposeB: true),
                Functional.Custom(new Gather(Flat(test.GetProperty("idx")).Select(value => (int)value).ToArray(), 5), a)[0])),
        };
        loss.Backward();
        Check("grad_A", a);
        if (b.IsDefined) Check("grad_B", b);

        void Check(string field, Tensor leaf)
        {
            double[] expected = Flat(test.GetProperty(field));
            float[] actual = leaf.Gradient!.Value.ToArray();
            for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance);
        }
    }

    private static Tensor LogSoftmax(Tensor x) => Functional.Custom(new LogSoftmaxOnHost(), x)[0];

    private static Tensor Matrix(JsonElement test, string name)
    {
        JsonElement rows = test.GetProperty(name);
        float[] values = [.. Flat(rows).Select(value => (float)value)];
        return Tensor.From(values, [rows.GetArrayLength(), values.Length / rows.GetArrayLength()], requiresGradient: true);
    }

    private static double[] Flat(JsonElement rows) => [.. rows.EnumerateArray().SelectMany(row => row.EnumerateArray().Select(value => value.GetDouble()))];

    private sealed class LogSoftmaxOnHost : ICustomOperation
    {
        public string Name => "LogSoftmax";

        public Tensor[] Forward(ReadOnlySpan<Tensor> inputs, CustomContext context)
        {
            float[] x = inputs[0].ToArray();
            int columns = (int)inputs[0].Shape.Columns;
            for (int start = 0; start < x.Length; start += columns)
            {
                Span<float> row = x.AsSpan(start, columns);
                double largest = row[0], sum = 0;
                foreach (float value in row) largest = Math.Max(largest, value);
                foreach (float value in row) sum += Math.Exp(value - largest);
                foreach (ref float value in row) value = (float)(value - largest - Math.Log(sum));
            }
            Tensor output = Tensor.From(x, inputs[0].Shape);
            context.Save(output);
            return [output];
        }

        public Tensor?[] Backward(ReadOnlySpan<Tensor?> outputGradients, CustomContext context)
        {
            Tensor upstream = outputGradients[0]!.Value, output = context.Saved[0];
            Tensor probabilities = Tensor.From(output.ToArray().Select(MathF.Exp).ToArray(), output.Shape);
            Tensor sums = Functional.Reshape(Functional.SumLast(upstream), output.Shape.WithColumns(1));
            return [upstream - probabilities * sums];
        }
    }

    /// <summary>output[i, j] = x[i, indices[i, j]].</summary>
    private sealed class Gather(int[] indices, int width) : ICustomOperation
    {
        public string Name => "Gather";

        public Tensor[] Forward(ReadOnlySpan<Tensor> inputs, CustomContext context)
        {
            context.State = inputs[0].Shape;
            float[] x = inputs[0].ToArray();
            long columns = inputs[0].Shape.Columns;
            return [Tensor.From(indices.Select((index, i) => x[i / width * columns + index]).ToArray(), inputs[0].Shape.WithColumns(width))];
        }

        public Tensor?[] Backward(ReadOnlySpan<Tensor?> outputGradients, CustomContext context)
        {
            var shape = (Shape)context.State!;
            float[] upstream = outputGradients[0]!.Value.ToArray(), gradient = new float[shape.Elements];
            for (int i = 0; i < upstream.Length; i++) gradient[i / width * shape.Columns + indices[i]] += upstream[i];
            return [Tensor.From(gradient, shape)];
        }
    }
}
