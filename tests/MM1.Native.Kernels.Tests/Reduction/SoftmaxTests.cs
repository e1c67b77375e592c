using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Reductions;

/// <summary>Softmax, both ways.</summary>
public sealed class SoftmaxTests
{
    public static TheoryData<string, int, int, float, int> Cases()
    {
        var data = new TheoryData<string, int, int, float, int>();
        foreach (string device in TestDevices.WithNative)
        {
            data.Add(device, 5, 77, 1, 3);
            data.Add(device, 8, 64, 0.125f, 0);
            data.Add(device, 3, 40, -2, 0);
            data.Add(device, 4, 1, 1, 0);
            data.Add(device, 2, 5003, 3, 0);
            data.Add(device, 0, 4, 1, 0);
            data.Add(device, 4, 0, 1, 0);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void BothWays(string device, int rows, int columns, float scale, int padding)
    {
        float[] x = Samples.Normal(1, rows * columns, 4), dy = Samples.Normal(2, x.Length), old = Samples.Normal(3, x.Length);
        using var bench = new KernelBench(device);
        DeviceBuffer output = bench.Output(rows, columns, padding), inPlace = bench.Input(x, rows, columns, padding)!;
        bench.Kernels.SoftmaxForward(default, new SoftmaxForwardArgs { Rows = rows, Columns = columns, X = bench.Input(x, rows, columns, padding), Output = output, Scale = scale });
        bench.Kernels.SoftmaxForward(default, new SoftmaxForwardArgs { Rows = rows, Columns = columns, X = inPlace, Output = inPlace, Scale = scale });
        double[] reference = ReductionReference.Softmax(Samples.As<double>(x), rows, columns, scale);
        float[] plain = ReductionReference.Softmax(x, rows, columns, scale);
        Agreement.Check("output", output.Download(), reference, plain);
        Agreement.CheckBitwise("in place", inPlace.Download(), output.Download());
        foreach (float beta in new[] { 0f, 0.5f })
        {
            DeviceBuffer gradient = bench.Output(rows, columns, padding, beta == 0 ? null : old), over = bench.Input(dy, rows, columns, padding)!;
            var args = new SoftmaxBackwardArgs
            {
                Rows = rows,
                Columns = columns,
                Output = bench.Input(plain, rows, columns, padding),
                OutputGradient = bench.Input(dy, rows, columns, padding),
                InputGradient = gradient,
                Scale = scale,
                Beta = beta,
            };
            bench.Kernels.SoftmaxBackward(default, args);
            bench.CheckGuards();
            // The backward takes the output as it is.
            Agreement.Check("input gradient", gradient.Download(),
                NormalizationReference.Accumulate(ReductionReference.SoftmaxBackward(Samples.As<double>(dy), Samples.As<double>(plain), rows, columns, scale), beta, Samples.As<double>(old)),
                NormalizationReference.Accumulate(ReductionReference.SoftmaxBackward(dy, plain, rows, columns, scale), beta, old));
            if (beta != 0) continue;
            bench.Kernels.SoftmaxBackward(default, args with { OutputGradient = over, InputGradient = over });
            Agreement.CheckBitwise("gradient in place", over.Download(), gradient.Download());
        }
    }

    [Fact]
    public void ReferenceBackwardIsTheGradient()
    {
        double[] x = Samples.As<double>(Samples.Normal(1, 15)), dy = Samples.As<double>(Samples.Normal(2, 15));
        Agreement.CheckFiniteDifferences("x", values => ReductionReference.Softmax(values, 3, 5, 0.7f).Zip(dy, (a, b) => a * b).Sum(), x,
            ReductionReference.SoftmaxBackward(dy, ReductionReference.Softmax(x, 3, 5, 0.7f), 3, 5, 0.7f));
    }

    [Fact]
    public void SpecialRows()
    {
        const int columns = 35;
        float infinity = float.PositiveInfinity;
        var x = new float[5 * columns];
        Array.Fill(x, -infinity, 0, columns); // sees nothing
        Array.Fill(x, -infinity, columns, columns);
        x[columns + 34] = 3; // sees one
        x[2 * columns + 33] = float.NaN;
        x[3 * columns] = infinity;
        for (int c = 0; c < columns; c++) x[4 * columns + c] = c % 2 == 0 ? 3e38f : -3e38f;
        foreach (string device in TestDevices.WithNative)
        {
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(5, columns);
            bench.Kernels.SoftmaxForward(default, new SoftmaxForwardArgs { Rows = 5, Columns = columns, X = bench.Input(x, 5, columns), Output = output });
            float[] y = output.Download();
            Assert.All(y[..(2 * columns - 1)], value => Assert.Equal(0, value));
            Assert.Equal(1, y[2 * columns - 1]);
            Assert.All(y[(2 * columns)..(4 * columns)], value => Assert.True(float.IsNaN(value)));
            for (int c = 0; c < columns; c++) Assert.Equal(c % 2 == 0 ? 1 / 18f : 0, y[4 * columns + c], 1e-8f);
        }
    }

    [Fact]
    public void RowsAreInvariant()
    {
        const int rows = 401, columns = 101;
        float[] x = Samples.Normal(1, rows * columns), dy = Samples.Normal(2, x.Length);
        Invariance.Check("softmax", rows, (device, first, count) =>
        {
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(count, columns), gradient = bench.Output(count, columns);
            bench.Kernels.SoftmaxForward(default, new SoftmaxForwardArgs { Rows = count, Columns = columns, X = bench.Input(Invariance.Rows(x, first, count, columns), count, columns), Output = output });
            bench.Kernels.SoftmaxBackward(default, new SoftmaxBackwardArgs { Rows = count, Columns = columns, Output = output, OutputGradient = bench.Input(Invariance.Rows(dy, first, count, columns), count, columns), InputGradient = gradient });
            return [output.Download(), gradient.Download()];
        });
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[6], 2, 3)!;
        Assert.Contains("Output is missing", Assert.Throws<KernelArgumentException>(() =>
            bench.Kernels.SoftmaxForward(default, new SoftmaxForwardArgs { Rows = 2, Columns = 3, X = x })).Message);
        Assert.Contains("InputGradient has row stride 2", Assert.Throws<KernelArgumentException>(() =>
            bench.Kernels.SoftmaxBackward(default, new SoftmaxBackwardArgs { Rows = 2, Columns = 3, Output = x, OutputGradient = x, InputGradient = new Operand(x.Address, DType.Float32, 2) })).Message);
    }
}
