using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Elementwise;

/// <summary>
/// The elementwise and normalization verbs on bfloat16, which only native devices have; their float32 cases run in the tests of the verbs. The whole lists
/// of shapes are the native suite's (tests/kernels): here it is the way from C# that is tested.
/// </summary>
public sealed class RowsInBFloat16Tests
{
    private const int Rows = 13;

    public static IEnumerable<TheoryDataRow<string, int, int>> Shapes() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, int, int>("", 0, 0) { Skip = TestDevices.NativeMissing }]
        : from name in TestDevices.Native from shape in new[] { (64, 0), (64, 8), (37, 3), (264, 0) } select new TheoryDataRow<string, int, int>(name, shape.Item1, shape.Item2);

    [Theory, MemberData(nameof(Shapes))]
    public void ABiasIsAdded(string device, int columns, int padding)
    {
        float[] a = Values(1, Rows * columns), b = Values(2, columns);
        using var bench = new KernelBench(device);
        DeviceBuffer output = Output(bench, columns, padding);
        bench.Kernels.Add(default, new AddArgs { Rows = Rows, Columns = columns, RowsB = 1, Beta = 0.5f, A = Input(bench, a, Rows, columns, padding), B = Input(bench, b, 1, columns, 0), Output = output });
        bench.CheckGuards();
        Check("sum", output, i => a[i] + 0.5 * b[i % columns], i => a[i] + 0.5f * b[i % columns]);
    }

    [Theory, MemberData(nameof(Shapes))]
    public void SwiGluBothWays(string device, int columns, int padding)
    {
        float[] gate = Values(1, Rows * columns), up = Values(2, Rows * columns), dy = Values(3, Rows * columns);
        using var bench = new KernelBench(device);
        DeviceBuffer output = Output(bench, columns, padding), gateGradient = Output(bench, columns, padding), upGradient = Output(bench, columns, padding);
        DeviceBuffer gates = Input(bench, gate, Rows, columns, padding), ups = Input(bench, up, Rows, columns, padding);
        bench.Kernels.GatedActivationForward(default, new GatedActivationForwardArgs { Activation = Activation.Silu, Rows = Rows, Columns = columns, Gate = gates, Up = ups, Output = output });
        bench.Kernels.GatedActivationBackward(default, new GatedActivationBackwardArgs
        {
            Activation = Activation.Silu,
            Rows = Rows,
            Columns = columns,
            OutputGradient = Input(bench, dy, Rows, columns, padding),
            Gate = gates,
            Up = ups,
            GateGradient = gateGradient,
            UpGradient = upGradient,
        });
        bench.CheckGuards();
        Check("output", output, i => ElementwiseReference.Activate<double>(Activation.Silu, gate[i]) * up[i], i => ElementwiseReference.Activate(Activation.Silu, gate[i]) * up[i]);
        Check("gate gradient", gateGradient, i => (double)dy[i] * up[i] * ElementwiseReference.Derivative<double>(Activation.Silu, gate[i]),
            i => dy[i] * up[i] * ElementwiseReference.Derivative(Activation.Silu, gate[i]));
        Check("up gradient", upGradient, i => dy[i] * ElementwiseReference.Activate<double>(Activation.Silu, gate[i]), i => dy[i] * ElementwiseReference.Activate(Activation.Silu, gate[i]));
    }

    [Theory, MemberData(nameof(Shapes))]
    public void HeadsAreRotated(string device, int columns, int padding)
    {
        const int rotary = 32, maxPosition = 40;
        float[] x = Values(1, Rows * columns), table = Samples.Normal(2, maxPosition * rotary);
        int[] positions = Samples.Integers(3, Rows, maxPosition);
        using var bench = new KernelBench(device);
        foreach (RotaryStyle style in Enum.GetValues<RotaryStyle>())
        {
            DeviceBuffer output = Output(bench, columns, padding);
            bench.Kernels.RotaryEmbedding(default, new RotaryEmbeddingArgs
            {
                Style = style,
                Tokens = Rows,
                Heads = 1,
                HeadSize = columns,
                RotarySize = rotary,
                MaxPosition = maxPosition,
                X = Input(bench, x, Rows, columns, padding),
                Output = output,
                CosineSine = bench.Input(table, maxPosition, rotary),
                Positions = bench.Input(positions, 1, Rows)!.Address,
            });
            bench.CheckGuards();
            double[] exact = ElementwiseReference.Rotary(style, false, Samples.As<double>(x), Samples.As<double>(table), positions, 1, columns, rotary);
            float[] plain = ElementwiseReference.Rotary(style, false, x, table, positions, 1, columns, rotary);
            Check($"{style}", output, i => exact[i], i => plain[i]);
        }
    }

    [Theory, MemberData(nameof(Shapes))]
    public void NormsBothWays(string device, int columns, int padding)
    {
        BothWays(device, columns, padding, Activation.None);
        BothWays(device, columns, padding, Activation.Silu);
    }

    private static void BothWays(string device, int columns, int padding, Activation activation)
    {
        const float epsilon = 1e-5f;
        float[] x = Values(1, Rows * columns), residual = Values(2, Rows * columns), weight = Samples.Normal(3, columns), dy = Values(4, Rows * columns);
        using var bench = new KernelBench(device);
        DeviceBuffer sum = Output(bench, columns, padding), output = Output(bench, columns, padding), gradient = Output(bench, columns, padding);
        DeviceBuffer mean = bench.Output(Rows, 1), inverse = bench.Output(Rows, 1), weightGradient = bench.Output(1, columns), biasGradient = bench.Output(1, columns);
        DeviceBuffer? weights = bench.Input(weight, 1, columns);
        bench.Kernels.LayerNormForward(default, new LayerNormForwardArgs
        {
            Rows = Rows,
            Columns = columns,
            X = Input(bench, x, Rows, columns, padding),
            Residual = Input(bench, residual, Rows, columns, padding),
            SumOutput = sum,
            Weight = weights,
            Output = output,
            Mean = mean,
            InverseStandardDeviation = inverse,
            Epsilon = epsilon,
            Activation = activation,
        });
        var args = new LayerNormBackwardArgs
        {
            Rows = Rows,
            Columns = columns,
            OutputGradient = Input(bench, dy, Rows, columns, padding),
            X = sum,
            Weight = weights,
            Mean = mean,
            InverseStandardDeviation = inverse,
            InputGradient = gradient,
            WeightGradient = weightGradient,
            BiasGradient = biasGradient,
            Activation = activation,
        };
        bench.Kernels.LayerNormBackward(bench.Launch(bench.Kernels.LayerNormBackwardWorkspaceBytes(args)), args);
        bench.CheckGuards();
        // Statistics are those of the sum as it is stored.
        float[] s = Storage.Round([.. x.Zip(residual, (a, b) => a + b)], DType.BFloat16);
        Agreement.CheckBitwise("sum", sum.DownloadFloats(), s);
        var exact = NormalizationReference.NormForward(true, Samples.As<double>(s), null, Samples.As<double>(weight), null, Rows, 1, columns, epsilon, activation);
        var plain = NormalizationReference.NormForward(true, s, null, weight, null, Rows, 1, columns, epsilon, activation);
        Check("output", output, i => exact.Output[i], i => plain.Output[i]);
        Agreement.Check("mean", mean.Download(), exact.Mean, plain.Mean);
        Agreement.Check("inverse", inverse.Download(), exact.Inverse, plain.Inverse);
        var gradients = NormalizationReference.NormBackward(true, Samples.As<double>(dy), Samples.As<double>(s), Samples.As<double>(weight), Rows, 1, columns, epsilon, null, activation);
        var plainGradients = NormalizationReference.NormBackward(true, dy, s, weight, Rows, 1, columns, epsilon, null, activation);
        Check("input gradient", gradient, i => gradients.Input[i], i => plainGradients.Input[i]);
        Agreement.Check("weight gradient", weightGradient.Download(), gradients.Weight, plainGradients.Weight);
        Agreement.Check("bias gradient", biasGradient.Download(), gradients.Bias, plainGradients.Bias);
    }

    private static float[] Values(int seed, int count) => Storage.Round(Samples.Normal(seed, count), DType.BFloat16);

    private static DeviceBuffer Input(KernelBench bench, float[] values, int rows, int columns, int padding) => bench.Input(Storage.ToBFloat16(values), rows, columns, padding)!;

    private static DeviceBuffer Output(KernelBench bench, int columns, int padding) => bench.Output(Rows, columns, padding, dtype: DType.BFloat16);

    private static void Check(string what, DeviceBuffer actual, Func<int, double> reference, Func<int, float> plain)
    {
        float[] values = actual.DownloadFloats();
        int[] indices = [.. Enumerable.Range(0, values.Length)];
        Agreement.Check(what, values, [.. indices.Select(reference)], Storage.Round([.. indices.Select(plain)], DType.BFloat16), stored: Storage.Rounding(DType.BFloat16));
    }
}
