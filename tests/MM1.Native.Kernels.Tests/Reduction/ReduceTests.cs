using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Reductions;

/// <summary>Sums, means and maxima over columns, and sums over rows.</summary>
public sealed class ReduceTests
{
    public static TheoryData<string, Reduction, int, int, int> ColumnCases()
    {
        var data = new TheoryData<string, Reduction, int, int, int>();
        foreach (string device in TestDevices.WithNative)
        {
            foreach (Reduction reduction in Enum.GetValues<Reduction>())
            {
                data.Add(device, reduction, 5, 77, 3);
                data.Add(device, reduction, 3, 1, 0);
                data.Add(device, reduction, 0, 4, 0);
                data.Add(device, reduction, 4, 0, 0);
                data.Add(device, reduction, 2, 9001, 0);
                data.Add(device, reduction, 1, 200_003, 0);
                data.Add(device, reduction, 300, 300, 0);
            }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(ColumnCases))]
    public void Reduces(string device, Reduction reduction, int rows, int columns, int padding)
    {
        float[] x = Samples.Normal(1, rows * columns), old = Samples.Normal(2, rows);
        foreach (float beta in new[] { 0f, 0.5f })
        {
            if (columns == 0 && beta != 0) continue; // NaN and infinity stay what they are
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(rows, 1, padding, beta == 0 ? null : old);
            bench.Kernels.Reduce(default, new ReduceArgs { Reduction = reduction, Beta = beta, Rows = rows, Columns = columns, X = bench.Input(x, rows, columns, padding), Output = output });
            bench.CheckGuards();
            double[] exact = ReductionReference.Reduce(reduction, Samples.As<double>(x), rows, columns);
            Agreement.Check($"{reduction}", output.Download(),
                NormalizationReference.Accumulate(exact, beta, Samples.As<double>(old)),
                NormalizationReference.Accumulate(ReductionReference.Reduce(reduction, x, rows, columns), beta, old),
                RoundingUnit * Condition(reduction, x, exact, rows, columns));
        }
    }

    private const double RoundingUnit = 5.96e-8;

    /// <summary>
    /// By how much a sum magnifies a rounding: values of both signs leave a result far smaller than the partial sums that were
    /// rounded, which grow like the root of the sum of squares. One lucky row of a straightforward sum must not set the bound.
    /// </summary>
    private static double Condition(Reduction reduction, float[] x, double[] exact, int rows, int columns)
    {
        if (reduction == Reduction.Max || rows == 0 || columns == 0) return 1;
        double partial = Math.Sqrt(x.Sum(value => (double)value * value) / rows) / (reduction == Reduction.Mean ? columns : 1);
        double result = Math.Sqrt(exact.Sum(value => value * value) / rows);
        return Math.Max(1, partial / result);
    }

    [Fact]
    public void NanWinsTheMaximumAtAnyPlace()
    {
        foreach (string device in TestDevices.WithNative)
        {
            for (int columns = 1; columns < 70; columns++)
            {
                using var bench = new KernelBench(device);
                var x = new float[columns * columns];
                for (int i = 0; i < columns; i++) x[i * columns + i] = float.NaN;
                DeviceBuffer output = bench.Output(columns, 1);
                bench.Kernels.Reduce(default, new ReduceArgs { Reduction = Reduction.Max, Rows = columns, Columns = columns, X = bench.Input(x, columns, columns), Output = output });
                Assert.All(output.Download(), value => Assert.True(float.IsNaN(value)));
            }
        }
    }

    public static TheoryData<string, Broadcast, int, int, int, int> RowCases()
    {
        var data = new TheoryData<string, Broadcast, int, int, int, int>();
        foreach (string device in TestDevices.WithNative)
        {
            // rows, columns, output rows, padding
            data.Add(device, Broadcast.Cycle, 300, 77, 1, 0);
            data.Add(device, Broadcast.Cycle, 12, 130, 4, 3);
            data.Add(device, Broadcast.Cycle, 390, 65, 3, 1);
            data.Add(device, Broadcast.Repeat, 390, 65, 3, 1);
            data.Add(device, Broadcast.Repeat, 12, 5, 12, 0);
            data.Add(device, Broadcast.Repeat, 64, 1100, 1, 0);
            data.Add(device, Broadcast.PerRow, 9, 33, 9, 2);
            data.Add(device, Broadcast.PerRow, 9, 0, 9, 0);
            data.Add(device, Broadcast.Cycle, 0, 5, 3, 0);
            data.Add(device, Broadcast.Cycle, 0, 5, 0, 0);
            data.Add(device, Broadcast.Cycle, 6, 0, 2, 0);
            data.Add(device, Broadcast.Repeat, 1, 1, 1, 0);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(RowCases))]
    public void ReducesRows(string device, Broadcast broadcast, int rows, int columns, int outputRows, int padding)
    {
        int width = broadcast == Broadcast.PerRow ? 1 : columns;
        float[] x = Samples.Normal(1, rows * columns), factors = Samples.Normal(2, rows * columns), old = Samples.Normal(3, outputRows * width);
        foreach (float beta in new[] { 0f, -0.5f })
        {
            foreach (float[]? multiplier in new[] { null, factors })
            {
                using var bench = new KernelBench(device);
                DeviceBuffer output = bench.Output(outputRows, width, padding, beta == 0 ? null : old);
                RunReduceRows(bench, broadcast, beta, rows, columns, outputRows, x, multiplier, padding, output);
                bench.CheckGuards();
                Agreement.Check($"{broadcast}", output.Download(),
                    NormalizationReference.Accumulate(ReductionReference.ReduceRows(broadcast, Samples.As<double>(x), multiplier is null ? null : Samples.As<double>(multiplier), rows, columns, outputRows), beta, Samples.As<double>(old)),
                    NormalizationReference.Accumulate(ReductionReference.ReduceRows(broadcast, x, multiplier, rows, columns, outputRows), beta, old));
            }
        }
    }

    // An output row sums its own rows only: alone it gives the same bits, on any number of threads.
    [Fact]
    public void OutputRowsAreInvariant()
    {
        const int outputRows = 6, each = 200, columns = 131;
        float[] x = Samples.Normal(1, outputRows * each * columns), factors = Samples.Normal(2, x.Length);
        Invariance.Check("sum over rows", outputRows, (device, first, count) =>
        {
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(count, columns);
            RunReduceRows(bench, Broadcast.Repeat, 0, count * each, columns, count, Invariance.Rows(x, first * each, count * each, columns)!, Invariance.Rows(factors, first * each, count * each, columns), 0, output);
            return [output.Download()];
        });
    }

    [Fact]
    public void RowsAreInvariant()
    {
        const int rows = 5, columns = 150_001;
        float[] x = Samples.Normal(1, rows * columns);
        Invariance.Check("reductions", rows, (device, first, count) =>
        {
            using var bench = new KernelBench(device);
            DeviceBuffer? input = bench.Input(Invariance.Rows(x, first, count, columns), count, columns);
            var outputs = new List<float[]>();
            foreach (Reduction reduction in Enum.GetValues<Reduction>())
            {
                DeviceBuffer output = bench.Output(count, 1);
                bench.Kernels.Reduce(default, new ReduceArgs { Reduction = reduction, Rows = count, Columns = columns, X = input, Output = output });
                outputs.Add(output.Download());
            }
            return [.. outputs];
        });
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[600], 200, 3)!, y = bench.Output(200, 3);
        IKernels kernels = bench.Kernels;
        Fails("Reduction is 3", () => kernels.Reduce(default, new ReduceArgs { Reduction = (Reduction)3, Rows = 2, Columns = 3, X = x, Output = y }));
        Fails("X is missing", () => kernels.Reduce(default, new ReduceArgs { Rows = 2, Columns = 3, Output = y }));
        Fails("OutputRows is 3, which does not divide Rows (200)", () => kernels.ReduceRows(default, new ReduceRowsArgs { Rows = 200, Columns = 3, OutputRows = 3, X = x, Output = y }));
        Fails("OutputRows is 1; with Broadcast.PerRow it is Rows (200)", () =>
            kernels.ReduceRows(default, new ReduceRowsArgs { Broadcast = Broadcast.PerRow, Rows = 200, Columns = 3, OutputRows = 1, X = x, Output = y }));
        Fails("workspace has 0 bytes", () => kernels.ReduceRows(default, new ReduceRowsArgs { Rows = 200, Columns = 3, OutputRows = 1, X = x, Output = y }));
        Assert.All(y.Download(), value => Assert.True(float.IsNaN(value)));
    }

    private static void Fails(string rule, Action call) => Assert.Contains(rule, Assert.Throws<KernelArgumentException>(call).Message);

    private static void RunReduceRows(KernelBench bench, Broadcast broadcast, float beta, int rows, int columns, int outputRows, float[] x, float[]? multiplier, int padding, DeviceBuffer output)
    {
        var args = new ReduceRowsArgs
        {
            Broadcast = broadcast,
            Beta = beta,
            Rows = rows,
            Columns = columns,
            OutputRows = outputRows,
            X = bench.Input(x, rows, columns, padding),
            Multiplier = bench.Input(multiplier, rows, columns, padding),
            Output = output,
        };
        bench.Kernels.ReduceRows(bench.Launch(bench.Kernels.ReduceRowsWorkspaceBytes(args)), args);
    }
}
