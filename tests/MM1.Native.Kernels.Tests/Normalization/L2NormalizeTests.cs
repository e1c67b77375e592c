using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Normalization;

/// <summary>Unit rows, both ways.</summary>
public sealed class L2NormalizeTests
{
    public static TheoryData<string, int, int, int> Cases()
    {
        var data = new TheoryData<string, int, int, int>();
        foreach (string device in TestDevices.WithNative)
        {
            data.Add(device, 5, 77, 3);
            data.Add(device, 3, 512, 0);
            data.Add(device, 9, 1, 0);
            data.Add(device, 0, 6, 0);
            data.Add(device, 4, 0, 0);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void BothWays(string device, int rows, int columns, int padding)
    {
        // The first row is zero and the second below the least norm: both are clamped.
        const float epsilon = 0.01f;
        float[] x = Samples.Normal(1, rows * columns), dy = Samples.Normal(2, x.Length), old = Samples.Normal(3, x.Length);
        for (int i = 0; i < Math.Min(2 * columns, x.Length); i++) x[i] *= i < columns ? 0 : 1e-5f;
        using var bench = new KernelBench(device);
        DeviceBuffer output = bench.Output(rows, columns, padding), inverse = bench.Output(rows, 1);
        bench.Kernels.L2NormalizeForward(default, new L2NormalizeForwardArgs { Rows = rows, Columns = columns, X = bench.Input(x, rows, columns, padding), Output = output, InverseNorm = inverse, Epsilon = epsilon });
        var reference = NormalizationReference.L2Forward(Samples.As<double>(x), rows, columns, epsilon);
        var plain = NormalizationReference.L2Forward(x, rows, columns, epsilon);
        Agreement.Check("output", output.Download(), reference.Output, plain.Output);
        Agreement.Check("inverse norm", inverse.Download(), reference.Inverse, plain.Inverse);
        foreach (float beta in new[] { 0f, 0.5f })
        {
            DeviceBuffer gradient = bench.Output(rows, columns, padding, beta == 0 ? null : old);
            bench.Kernels.L2NormalizeBackward(default, new L2NormalizeBackwardArgs
            {
                Rows = rows,
                Columns = columns,
                OutputGradient = bench.Input(dy, rows, columns, padding),
                Output = output,
                InverseNorm = inverse,
                InputGradient = gradient,
                Epsilon = epsilon,
                Beta = beta,
            });
            bench.CheckGuards();
            Agreement.Check("input gradient", gradient.Download(),
                NormalizationReference.Accumulate(NormalizationReference.L2Backward(Samples.As<double>(dy), Samples.As<double>(x), rows, columns, epsilon), beta, Samples.As<double>(old)),
                NormalizationReference.Accumulate(NormalizationReference.L2Backward(dy, x, rows, columns, epsilon), beta, old));
        }
    }

    [Fact]
    public void ReferenceBackwardIsTheGradient()
    {
        double[] x = Samples.As<double>(Samples.Normal(1, 12)), dy = Samples.As<double>(Samples.Normal(2, 12));
        for (int i = 0; i < 4; i++) x[i] *= 0.01; // clamped
        Agreement.CheckFiniteDifferences("x", values => NormalizationReference.L2Forward(values, 3, 4, 0.5f).Output.Zip(dy, (a, b) => a * b).Sum(), x,
            NormalizationReference.L2Backward(dy, x, 3, 4, 0.5f));
    }

    [Fact]
    public void RowsAreInvariant()
    {
        const int rows = 601, columns = 75;
        float[] x = Samples.Normal(1, rows * columns), dy = Samples.Normal(2, x.Length);
        Invariance.Check("unit rows", rows, (device, first, count) =>
        {
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(count, columns), inverse = bench.Output(count, 1), gradient = bench.Output(count, columns);
            bench.Kernels.L2NormalizeForward(default, new L2NormalizeForwardArgs { Rows = count, Columns = columns, X = bench.Input(Invariance.Rows(x, first, count, columns), count, columns), Output = output, InverseNorm = inverse });
            bench.Kernels.L2NormalizeBackward(default, new L2NormalizeBackwardArgs
            {
                Rows = count,
                Columns = columns,
                OutputGradient = bench.Input(Invariance.Rows(dy, first, count, columns), count, columns),
                Output = output,
                InverseNorm = inverse,
                InputGradient = gradient,
            });
            return [output.Download(), inverse.Download(), gradient.Download()];
        });
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[6], 2, 3)!, y = bench.Output(2, 3);
        Assert.Contains("Epsilon is 0", Assert.Throws<KernelArgumentException>(() =>
            bench.Kernels.L2NormalizeForward(default, new L2NormalizeForwardArgs { Rows = 2, Columns = 3, X = x, Output = y, Epsilon = 0 })).Message);
        Assert.Contains("InverseNorm is missing", Assert.Throws<KernelArgumentException>(() =>
            bench.Kernels.L2NormalizeBackward(default, new L2NormalizeBackwardArgs { Rows = 2, Columns = 3, OutputGradient = x, Output = x, InputGradient = y })).Message);
        Assert.Contains("InverseNorm has row stride 2; it holds [2, 1] values without gaps.", Assert.Throws<KernelArgumentException>(() =>
            bench.Kernels.L2NormalizeForward(default, new L2NormalizeForwardArgs { Rows = 2, Columns = 3, X = x, Output = y, InverseNorm = new Operand(x.Address, DType.Float32, 2) })).Message);
    }
}
