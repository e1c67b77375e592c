using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Normalization;

/// <summary>Layer norm and RMS norm, both ways, against float64.</summary>
public sealed class NormTests
{
    private const float Epsilon = 1e-5f;

    /// <summary>Shape, optional operands and row stride above the columns of one case.</summary>
    private sealed record Case(bool Centered, int Rows, int Groups, int Columns, bool Residual = false, bool Weight = true, bool Bias = false,
        bool SumGradient = false, float Beta = 0, int Padding = 0, double Offset = 0, Activation Activation = Activation.None)
    {
        public int Width => Groups * Columns;

        public float[] X => [.. Samples.Normal(1, Rows * Width).Select(value => value + (float)Offset)];

        public float[]? ResidualValues => Residual ? Samples.Normal(2, Rows * Width) : null;

        public float[]? WeightValues => Weight ? Samples.Normal(3, Columns) : null;

        public float[]? BiasValues => Bias ? Samples.Normal(4, Columns) : null;
    }

    private static readonly Case[] AllCases =
    [
        new(true, 3, 1, 256, Bias: true),
        new(true, 5, 1, 77, Residual: true, Bias: true, SumGradient: true, Padding: 3),
        new(true, 130, 3, 33, Weight: false, Bias: true, Beta: 0.5f),
        new(true, 67, 1, 1, Bias: true),
        new(true, 4, 2, 15, Residual: true, Weight: false, SumGradient: true, Beta: -2, Padding: 1),
        new(true, 9, 1, 100, Weight: false, Bias: false, SumGradient: true),
        new(true, 6, 1, 1000, Bias: true, Offset: 30),
        new(true, 0, 1, 16, Bias: true, Beta: 1),
        new(true, 5, 1, 0, Bias: true),
        new(true, 300, 1, 192, Bias: true),
        new(true, 130, 1, 24, Bias: true),
        new(true, 37, 3, 17, Residual: true, Weight: false, Bias: true, SumGradient: true, Beta: -2, Padding: 3),
        new(true, 70, 2, 48, Weight: false, Offset: 30),
        new(true, 65, 1, 63, Residual: true, Bias: true, SumGradient: true),
        new(true, 70, 1, 36, Bias: true, Activation: Activation.Silu),
        new(true, 37, 3, 17, Residual: true, Weight: false, Bias: true, SumGradient: true, Beta: -2, Padding: 3, Activation: Activation.Silu),
        new(true, 130, 2, 100, Residual: true, SumGradient: true, Beta: 0.5f, Activation: Activation.Silu),
        new(true, 9, 1, 15, Weight: false, Bias: false, Padding: 1, Activation: Activation.Silu),
        new(true, 66, 1, 300, Weight: false, Bias: true, Activation: Activation.Silu),
        new(true, 0, 1, 16, Bias: true, Beta: 1, Activation: Activation.Silu),
        new(false, 3, 1, 256),
        new(false, 5, 1, 77, Residual: true, SumGradient: true, Padding: 3),
        new(false, 130, 16, 32, Beta: 0.5f),
        new(false, 64, 4, 8, Weight: false, Padding: 5),
        new(false, 67, 1, 1),
        new(false, 4, 2, 15, Residual: true, Weight: false, SumGradient: true, Beta: -2, Padding: 1),
        new(false, 1, 1, 5000),
        new(false, 0, 4, 16, Beta: 1),
        new(false, 300, 2, 96, Residual: true, SumGradient: true),
        new(false, 67, 8, 16, Beta: 0.5f),
        new(false, 33, 3, 40, Residual: true, Weight: false, SumGradient: true, Padding: 1),
    ];

    public static TheoryData<string, int> Cases()
    {
        var data = new TheoryData<string, int>();
        foreach (string device in TestDevices.WithNative)
        {
            for (int index = 0; index < AllCases.Length; index++) data.Add(device, index);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward(string device, int index)
    {
        Case c = AllCases[index];
        float[] x = c.X;
        float[]? residual = c.ResidualValues, weight = c.WeightValues, bias = c.BiasValues;
        (float[] sum, float[] output, float[] mean, float[] inverse) = RunForward(device, c, x, residual, weight, bias, c.Rows);
        if (c.Columns == 0) return;
        NormalizationReference.Forward<double> reference = NormalizationReference.NormForward(c.Centered, Double(x)!, Double(residual), Double(weight), Double(bias),
            c.Rows, c.Groups, c.Columns, Epsilon, c.Activation);
        NormalizationReference.Forward<float> plain = NormalizationReference.NormForward(c.Centered, x, residual, weight, bias, c.Rows, c.Groups, c.Columns, Epsilon, c.Activation);
        Agreement.Check($"{c} output", output, reference.Output, plain.Output);
        Agreement.Check($"{c} inverse", inverse, reference.Inverse, plain.Inverse);
        if (c.Residual) Agreement.CheckBitwise($"{c} sum", sum, plain.Sum);
        if (c.Centered) Agreement.Check($"{c} mean", mean, reference.Mean, plain.Mean);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Backward(string device, int index)
    {
        Case c = AllCases[index];
        float[] dy = Samples.Normal(5, c.Rows * c.Width), old = Samples.Normal(7, c.Rows * c.Width);
        float[]? sumGradient = c.SumGradient ? Samples.Normal(6, c.Rows * c.Width) : null;
        float[] oldWeight = Samples.Normal(8, c.Columns), oldBias = Samples.Normal(9, c.Columns);
        (float[] input, float[] weight, float[] bias) = RunBackward(device, c, dy, sumGradient, c.X, c.WeightValues, c.Rows, old, oldWeight, oldBias);
        NormalizationReference.Gradients<double> reference = NormalizationReference.NormBackward(c.Centered, Double(dy)!, Double(c.X)!, Double(c.WeightValues),
            c.Rows, c.Groups, c.Columns, Epsilon, Double(c.BiasValues), c.Activation);
        NormalizationReference.Gradients<float> plain = NormalizationReference.NormBackward(c.Centered, dy, c.X, c.WeightValues, c.Rows, c.Groups, c.Columns, Epsilon,
            c.BiasValues, c.Activation);
        Agreement.Check($"{c} input gradient", input,
            NormalizationReference.Accumulate(reference.Input, c.Beta, Double(old)!, Double(sumGradient)),
            NormalizationReference.Accumulate(plain.Input, c.Beta, old, sumGradient));
        Agreement.Check($"{c} weight gradient", weight,
            NormalizationReference.Accumulate(reference.Weight, c.Beta, Double(oldWeight)!), NormalizationReference.Accumulate(plain.Weight, c.Beta, oldWeight));
        if (c.Centered)
        {
            Agreement.Check($"{c} bias gradient", bias,
                NormalizationReference.Accumulate(reference.Bias, c.Beta, Double(oldBias)!), NormalizationReference.Accumulate(plain.Bias, c.Beta, oldBias));
        }
    }

    /// <summary>One pass has the bits of the norm followed by the activation, both ways, on every device in float32.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void ActivatedHasTheBitsOfTwoPasses(string device, int index)
    {
        Case c = AllCases[index] with { Activation = Activation.Silu };
        if (!c.Centered || c.Columns == 0) return;
        Case bare = c with { Activation = Activation.None };
        float[] dy = Samples.Normal(5, c.Rows * c.Width), old = Samples.Normal(7, c.Rows * c.Width), oldWeight = Samples.Normal(8, c.Columns), oldBias = Samples.Normal(9, c.Columns);
        float[]? sumGradient = c.SumGradient ? Samples.Normal(6, c.Rows * c.Width) : null;
        float[] normalized = RunForward(device, bare, c.X, null, c.WeightValues, c.BiasValues, c.Rows).Output;
        float[] activated = RunForward(device, c, c.X, null, c.WeightValues, c.BiasValues, c.Rows).Output;
        using var bench = new KernelBench(device);
        DeviceBuffer x = bench.Input(normalized, c.Rows, c.Width)!, y = bench.Output(c.Rows, c.Width), dx = bench.Output(c.Rows, c.Width);
        bench.Kernels.ActivationForward(default, new ActivationForwardArgs { Activation = Activation.Silu, Rows = c.Rows, Columns = c.Width, X = x, Output = y });
        Agreement.CheckBitwise("output", activated, y.Download());
        bench.Kernels.ActivationBackward(default, new ActivationBackwardArgs
        {
            Activation = Activation.Silu,
            Rows = c.Rows,
            Columns = c.Width,
            OutputGradient = bench.Input(dy, c.Rows, c.Width),
            X = ForwardOfBackward(bench, c),
            InputGradient = dx,
        });
        var two = RunBackward(device, bare, dx.Download(), sumGradient, c.X, c.WeightValues, c.Rows, old, oldWeight, oldBias);
        var one = RunBackward(device, c, dy, sumGradient, c.X, c.WeightValues, c.Rows, old, oldWeight, oldBias);
        Agreement.CheckBitwise("input gradient", one.Input, two.Input);
        Agreement.CheckBitwise("weight gradient", one.Weight, two.Weight);
        Agreement.CheckBitwise("bias gradient", one.Bias, two.Bias);
    }

    [Theory]
    [InlineData(true, Activation.None)]
    [InlineData(false, Activation.None)]
    [InlineData(true, Activation.Silu)]
    public void ReferenceBackwardIsTheGradient(bool centered, Activation activation)
    {
        const int rows = 3, groups = 2, columns = 5;
        double[] x = Double(Samples.Normal(1, rows * groups * columns))!, weight = Double(Samples.Normal(2, columns))!, bias = Double(Samples.Normal(3, columns))!;
        double[] dy = Double(Samples.Normal(4, x.Length))!;
        NormalizationReference.Gradients<double> gradients = NormalizationReference.NormBackward(centered, dy, x, weight, rows, groups, columns, Epsilon, bias, activation);
        double Loss(double[] _) => NormalizationReference.NormForward(centered, x, null, weight, bias, rows, groups, columns, Epsilon, activation)
            .Output.Zip(dy, (value, gradient) => value * gradient).Sum();
        Agreement.CheckFiniteDifferences("x", Loss, x, gradients.Input);
        Agreement.CheckFiniteDifferences("weight", Loss, weight, gradients.Weight);
        Agreement.CheckFiniteDifferences("bias", Loss, bias, gradients.Bias);
    }

    [Theory]
    [InlineData(true, 700, 1, 96)]
    [InlineData(true, 700, 1, 24)]
    [InlineData(false, 700, 3, 33)]
    [InlineData(true, 700, 1, 36, Activation.Silu)]
    public void RowsAreInvariant(bool centered, int rows, int groups, int columns, Activation activation = Activation.None)
    {
        var c = new Case(centered, rows, groups, columns, Residual: true, Bias: centered, SumGradient: true, Activation: activation);
        float[] x = c.X, residual = c.ResidualValues!, dy = Samples.Normal(5, x.Length), sumGradient = Samples.Normal(6, x.Length);
        Invariance.Check("forward", rows, (device, first, count) =>
        {
            var (sum, output, mean, inverse) = RunForward(device, c, Invariance.Rows(x, first, count, c.Width)!, Invariance.Rows(residual, first, count, c.Width),
                c.WeightValues, c.BiasValues, count);
            return centered ? [sum, output, mean, inverse] : [sum, output, inverse];
        });
        Invariance.Check("backward", rows, (device, first, count) =>
        [
            RunBackward(device, c, Invariance.Rows(dy, first, count, c.Width)!, Invariance.Rows(sumGradient, first, count, c.Width),
                Invariance.Rows(x, first, count, c.Width)!, c.WeightValues, count, new float[count * c.Width], new float[columns], new float[columns]).Input,
        ]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void ParameterGradientsDoNotDependOnThreads(bool centered)
    {
        var c = new Case(centered, 1000, 1, 200, Bias: centered);
        float[] dy = Samples.Normal(5, c.Rows * c.Width);
        var runs = TestDevices.Names.Where(name => name.StartsWith("cpu/", StringComparison.Ordinal)).SelectMany(name => new[] { name, name })
            .Select(name => RunBackward(name, c, dy, null, c.X, c.WeightValues, c.Rows, new float[dy.Length], new float[c.Columns], new float[c.Columns])).ToArray();
        foreach (var (_, weight, bias) in runs)
        {
            Agreement.CheckBitwise("weight gradient", weight, runs[0].Weight);
            if (centered) Agreement.CheckBitwise("bias gradient", bias, runs[0].Bias);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void InPlaceGivesTheSameBits(bool centered)
    {
        var c = new Case(centered, 40, 2, 24, Residual: true);
        float[] x = c.X, residual = c.ResidualValues!, dy = Samples.Normal(5, x.Length), extra = Samples.Normal(6, x.Length);
        foreach (string device in TestDevices.WithNative)
        {
            var (sum, output, _, _) = RunForward(device, c, x, residual, c.WeightValues, null, c.Rows);
            using var bench = new KernelBench(device);
            // s over X, and s over the residual.
            foreach (bool overX in new[] { true, false })
            {
                DeviceBuffer a = bench.Input(x, c.Rows, c.Width)!, b = bench.Input(residual, c.Rows, c.Width)!, y = bench.Output(c.Rows, c.Width);
                CallForward(bench, c, a, b, overX ? a : b, bench.Input(c.WeightValues, 1, c.Columns), null, y, null, null);
                Agreement.CheckBitwise("sum in place", (overX ? a : b).Download(), sum);
                Agreement.CheckBitwise("output", y.Download(), output);
            }
            DeviceBuffer s = bench.Input(sum, c.Rows, c.Width)!;
            CallForward(bench, c, s, null, null, bench.Input(c.WeightValues, 1, c.Columns), null, s, null, null);
            Agreement.CheckBitwise("output over X", s.Download(), output);

            var backward = RunBackward(device, c, dy, extra, x, c.WeightValues, c.Rows, new float[x.Length], new float[c.Columns], new float[c.Columns]);
            foreach (bool overOutput in new[] { true, false })
            {
                DeviceBuffer a = bench.Input(dy, c.Rows, c.Width)!, b = bench.Input(extra, c.Rows, c.Width)!;
                DeviceBuffer weightGradient = bench.Output(1, c.Columns);
                CallBackward(bench, c, a, b, bench.Input(x, c.Rows, c.Width), bench.Input(c.WeightValues, 1, c.Columns), overOutput ? a : b, weightGradient, null, x, 0);
                Agreement.CheckBitwise("input gradient in place", (overOutput ? a : b).Download(), backward.Input);
                Agreement.CheckBitwise("weight gradient", weightGradient.Download(), backward.Weight);
            }
        }
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[6], 2, 3)!, y = bench.Output(2, 3), statistics = bench.Input(new float[2], 2, 1)!, small = bench.Output(1, 3);
        IKernels kernels = bench.Kernels;
        Launch launch = default;
        Fails("Rows is -1", () => kernels.LayerNormForward(launch, new LayerNormForwardArgs { Rows = -1, Columns = 3 }));
        Fails("Groups is -2", () => kernels.RmsNormForward(launch, new RmsNormForwardArgs { Rows = 1, Groups = -2, Columns = 3 }));
        Fails("X is missing", () => kernels.RmsNormForward(launch, new RmsNormForwardArgs { Rows = 2, Columns = 3, Output = y }));
        Fails("SumOutput is missing", () => kernels.RmsNormForward(launch, new RmsNormForwardArgs { Rows = 2, Columns = 3, X = x, Residual = x, Output = y }));
        Fails("Output has row stride 2", () => kernels.LayerNormForward(launch,
            new LayerNormForwardArgs { Rows = 2, Columns = 3, X = x, Output = new Operand(y.Address, DType.Float32, 2) }));
        Fails("Weight has dtype BFloat16", () => kernels.LayerNormForward(launch,
            new LayerNormForwardArgs { Rows = 2, Columns = 3, X = x, Weight = new Operand(small.Address, DType.BFloat16, 3), Output = y }));
        Fails("workspace has 0 bytes", () => kernels.RmsNormBackward(launch,
            new RmsNormBackwardArgs { Rows = 2, Columns = 3, X = x, OutputGradient = x, InputGradient = y, InverseRootMeanSquare = statistics, WeightGradient = small }));
        Fails("Mean is missing", () => kernels.LayerNormBackward(launch,
            new LayerNormBackwardArgs { Rows = 2, Columns = 3, X = x, OutputGradient = x, InputGradient = y, InverseStandardDeviation = statistics }));
        Fails("Activation is Gelu; a norm applies None or Silu", () => kernels.LayerNormForward(launch,
            new LayerNormForwardArgs { Rows = 2, Columns = 3, X = x, Output = y, Activation = Activation.Gelu }));
        Fails("Activation is 99", () => kernels.LayerNormBackward(launch, new LayerNormBackwardArgs { Rows = 2, Columns = 3, Activation = (Activation)99 }));
        // As of a vector of all rows.
        var vector = new Operand(statistics.Address, DType.Float32, 2);
        Fails("Mean has row stride 2; it holds [2, 1] values without gaps.", () => kernels.LayerNormForward(launch,
            new LayerNormForwardArgs { Rows = 2, Columns = 3, X = x, Output = y, Mean = vector }));
        Fails("InverseRootMeanSquare has row stride 2; it holds [2, 1] values without gaps.", () => kernels.RmsNormBackward(launch,
            new RmsNormBackwardArgs { Rows = 2, Columns = 3, X = x, OutputGradient = x, InputGradient = y, InverseRootMeanSquare = vector }));
        Assert.All(y.Download(), value => Assert.True(float.IsNaN(value))); // nothing was written
    }

    private static void Fails(string rule, Action call) => Assert.Contains(rule, Assert.Throws<KernelArgumentException>(call).Message);

    private static double[]? Double(float[]? values) => values is null ? null : Samples.As<double>(values);

    private static (float[] Sum, float[] Output, float[] Mean, float[] Inverse) RunForward(string device, Case c, float[] x, float[]? residual, float[]? weight, float[]? bias, int rows)
    {
        using var bench = new KernelBench(device);
        DeviceBuffer sum = bench.Output(rows, c.Width, c.Padding), output = bench.Output(rows, c.Width, c.Padding);
        DeviceBuffer mean = bench.Output(rows, c.Groups), inverse = bench.Output(rows, c.Groups);
        CallForward(bench, c, bench.Input(x, rows, c.Width, c.Padding)!, bench.Input(residual, rows, c.Width, c.Padding), residual is null ? null : sum,
            bench.Input(weight, 1, c.Columns), bench.Input(bias, 1, c.Columns), output, mean, inverse);
        bench.CheckGuards();
        return (sum.Download(), output.Download(), mean.Download(), inverse.Download());
    }

    private static void CallForward(KernelBench bench, Case c, DeviceBuffer x, DeviceBuffer? residual, DeviceBuffer? sum, DeviceBuffer? weight, DeviceBuffer? bias,
        DeviceBuffer output, DeviceBuffer? mean, DeviceBuffer? inverse)
    {
        if (c.Centered)
        {
            bench.Kernels.LayerNormForward(bench.Launch(), new LayerNormForwardArgs
            {
                Rows = x.Rows,
                Groups = c.Groups,
                Columns = c.Columns,
                X = x,
                Residual = residual,
                SumOutput = sum,
                Weight = weight,
                Bias = bias,
                Output = output,
                Mean = mean,
                InverseStandardDeviation = inverse,
                Epsilon = Epsilon,
                Activation = c.Activation,
            });
        }
        else
        {
            bench.Kernels.RmsNormForward(bench.Launch(), new RmsNormForwardArgs
            {
                Rows = x.Rows,
                Groups = c.Groups,
                Columns = c.Columns,
                X = x,
                Residual = residual,
                SumOutput = sum,
                Weight = weight,
                Output = output,
                InverseRootMeanSquare = inverse,
                Epsilon = Epsilon,
            });
        }
    }

    /// <summary>The norm of c.X from the statistics that <see cref="CallBackward"/> gives the kernel, by the operations of a norm: what the activation was given.</summary>
    private static DeviceBuffer ForwardOfBackward(KernelBench bench, Case c)
    {
        NormalizationReference.Forward<float> statistics = NormalizationReference.NormForward(c.Centered, c.X, null, null, null, c.Rows, c.Groups, c.Columns, Epsilon);
        float[] given = c.X;
        float[]? weight = c.WeightValues, bias = c.BiasValues;
        for (int i = 0; i < given.Length; i++)
        {
            int group = i / c.Columns, column = i % c.Columns;
            float value = (given[i] - statistics.Mean[group]) * statistics.Inverse[group];
            if (weight is not null && bias is not null) value = MathF.FusedMultiplyAdd(value, weight[column], bias[column]);
            else if (weight is not null) value *= weight[column];
            else if (bias is not null) value += bias[column];
            given[i] = value;
        }
        return bench.Input(given, c.Rows, c.Width)!;
    }

    private static (float[] Input, float[] Weight, float[] Bias) RunBackward(string device, Case c, float[] dy, float[]? sumGradient, float[] x, float[]? weight, int rows,
        float[] old, float[] oldWeight, float[] oldBias)
    {
        using var bench = new KernelBench(device);
        // With beta 0 the outputs stay poisoned: they must not be read.
        DeviceBuffer input = bench.Output(rows, c.Width, c.Padding, c.Beta == 0 ? null : old);
        DeviceBuffer weightGradient = bench.Output(1, c.Columns, 0, c.Beta == 0 ? null : oldWeight), biasGradient = bench.Output(1, c.Columns, 0, c.Beta == 0 ? null : oldBias);
        CallBackward(bench, c, bench.Input(dy, rows, c.Width, c.Padding)!, bench.Input(sumGradient, rows, c.Width, c.Padding), bench.Input(x, rows, c.Width, c.Padding),
            bench.Input(weight, 1, c.Columns), input, weightGradient, biasGradient, x, c.Beta);
        bench.CheckGuards();
        return (input.Download(), weightGradient.Download(), biasGradient.Download());
    }

    private static void CallBackward(KernelBench bench, Case c, DeviceBuffer dy, DeviceBuffer? sumGradient, DeviceBuffer? x, DeviceBuffer? weight, DeviceBuffer input,
        DeviceBuffer weightGradient, DeviceBuffer? biasGradient, float[] values, float beta)
    {
        long rows = dy.Rows;
        NormalizationReference.Forward<float> statistics = NormalizationReference.NormForward(c.Centered, values, null, null, null, (int)rows, c.Groups, c.Columns, Epsilon);
        DeviceBuffer? mean = bench.Input(statistics.Mean, rows, c.Groups), inverse = bench.Input(statistics.Inverse, rows, c.Groups);
        if (c.Centered)
        {
            var args = new LayerNormBackwardArgs
            {
                Rows = rows,
                Groups = c.Groups,
                Columns = c.Columns,
                OutputGradient = dy,
                SumGradient = sumGradient,
                X = x,
                Weight = weight,
                Mean = mean,
                InverseStandardDeviation = inverse,
                InputGradient = input,
                WeightGradient = weightGradient,
                BiasGradient = biasGradient,
                BetaInput = beta,
                BetaParameters = beta,
                Bias = bench.Input(c.BiasValues, 1, c.Columns),
                Activation = c.Activation,
            };
            bench.Kernels.LayerNormBackward(bench.Launch(bench.Kernels.LayerNormBackwardWorkspaceBytes(args)), args);
        }
        else
        {
            var args = new RmsNormBackwardArgs
            {
                Rows = rows,
                Groups = c.Groups,
                Columns = c.Columns,
                OutputGradient = dy,
                SumGradient = sumGradient,
                X = x,
                Weight = weight,
                InverseRootMeanSquare = inverse,
                InputGradient = input,
                WeightGradient = weightGradient,
                BetaInput = beta,
                BetaParameters = beta,
            };
            bench.Kernels.RmsNormBackward(bench.Launch(bench.Kernels.RmsNormBackwardWorkspaceBytes(args)), args);
        }
    }
}
