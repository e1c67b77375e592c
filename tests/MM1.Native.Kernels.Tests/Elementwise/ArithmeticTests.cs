using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Elementwise;

/// <summary>Add, multiply and scale.</summary>
public sealed class ArithmeticTests
{
    public static TheoryData<string, Broadcast, int, int, int, int> Shapes()
    {
        var data = new TheoryData<string, Broadcast, int, int, int, int>();
        foreach (string device in TestDevices.WithNative)
        {
            // rows, columns, rows of B, padding
            data.Add(device, Broadcast.Cycle, 6, 37, 6, 0);
            data.Add(device, Broadcast.Cycle, 6, 37, 6, 3);
            data.Add(device, Broadcast.Cycle, 7, 64, 1, 0);
            data.Add(device, Broadcast.Cycle, 12, 5, 3, 2);
            data.Add(device, Broadcast.Repeat, 12, 5, 3, 2);
            data.Add(device, Broadcast.Repeat, 8, 100, 1, 0);
            data.Add(device, Broadcast.PerRow, 9, 33, 9, 1);
            data.Add(device, Broadcast.PerRow, 5, 1, 5, 0);
            data.Add(device, Broadcast.Cycle, 1, 1, 1, 0);
            data.Add(device, Broadcast.Cycle, 0, 4, 0, 0);
            data.Add(device, Broadcast.Cycle, 0, 4, 2, 0);
            data.Add(device, Broadcast.Cycle, 4, 0, 2, 0);
            data.Add(device, Broadcast.Cycle, 301, 333, 301, 0);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Add(string device, Broadcast broadcast, int rows, int columns, int rowsB, int padding)
    {
        int columnsB = broadcast == Broadcast.PerRow ? 1 : columns;
        float[] a = Samples.Normal(1, rows * columns), b = Samples.Normal(2, rowsB * columnsB);
        foreach ((float alpha, float beta) in new[] { (1f, 1f), (1f, -1f), (0.25f, 3f) })
        {
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(rows, columns, padding);
            bench.Kernels.Add(default, new AddArgs
            {
                Broadcast = broadcast,
                Alpha = alpha,
                Beta = beta,
                Rows = rows,
                Columns = columns,
                RowsB = rowsB,
                A = bench.Input(a, rows, columns, padding),
                B = bench.Input(b, rowsB, columnsB, padding),
                Output = output,
            });
            bench.CheckGuards();
            Check($"{alpha} a + {beta} b", output.Download(), (i, j) => alpha * a[i] + beta * b[j], (i, j) => (double)alpha * a[i] + (double)beta * b[j],
                broadcast, rows, columns, rowsB);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Multiply(string device, Broadcast broadcast, int rows, int columns, int rowsB, int padding)
    {
        int columnsB = broadcast == Broadcast.PerRow ? 1 : columns;
        float[] a = Samples.Normal(1, rows * columns), b = Samples.Normal(2, rowsB * columnsB), old = Samples.Normal(3, rows * columns);
        foreach (float beta in new[] { 0f, 1f, -0.5f })
        {
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(rows, columns, padding, beta == 0 ? null : old);
            bench.Kernels.Multiply(default, new MultiplyArgs
            {
                Broadcast = broadcast,
                OutputBeta = beta,
                Rows = rows,
                Columns = columns,
                RowsB = rowsB,
                A = bench.Input(a, rows, columns, padding),
                B = bench.Input(b, rowsB, columnsB, padding),
                Output = output,
            });
            bench.CheckGuards();
            Check($"a * b + {beta} old", output.Download(), (i, j) => a[i] * b[j] + (beta == 0 ? 0 : beta * old[i]),
                (i, j) => (double)a[i] * b[j] + (beta == 0 ? 0 : (double)beta * old[i]), broadcast, rows, columns, rowsB);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Scale(string device, Broadcast broadcast, int rows, int columns, int rowsB, int padding)
    {
        _ = (broadcast, rowsB);
        float[] x = Samples.Normal(1, rows * columns), old = Samples.Normal(3, rows * columns);
        foreach ((float beta, float? pointed) in new[] { (0f, (float?)null), (2f, null), (0f, 1.5f), (-1f, 0.1f) })
        {
            using var bench = new KernelBench(device);
            DeviceBuffer output = bench.Output(rows, columns, padding, beta == 0 ? null : old);
            bench.Kernels.Scale(default, new ScaleArgs
            {
                Rows = rows,
                Columns = columns,
                X = bench.Input(x, rows, columns, padding),
                Output = output,
                FactorPointer = pointed is null ? 0 : bench.Input(new[] { pointed.Value }, 1, 1)!.Address,
                Factor = 0.7f,
                Beta = beta,
            });
            bench.CheckGuards();
            float factor = 0.7f * (pointed ?? 1);
            Check($"scale by {factor} + {beta} old", output.Download(), (i, _) => factor * x[i] + (beta == 0 ? 0 : beta * old[i]),
                (i, _) => 0.7f * (double)(pointed ?? 1) * x[i] + (beta == 0 ? 0 : (double)beta * old[i]), Broadcast.Cycle, rows, columns, Math.Max(rows, 1));
        }
    }

    [Fact]
    public void InPlaceGivesTheSameBits()
    {
        const int rows = 11, columns = 45;
        float[] a = Samples.Normal(1, rows * columns), b = Samples.Normal(2, rows * columns), c = Samples.Normal(3, columns);
        foreach (string device in TestDevices.WithNative)
        {
            using var bench = new KernelBench(device);
            DeviceBuffer apart = bench.Output(rows, columns), overA = bench.Input(a, rows, columns)!, overB = bench.Input(b, rows, columns)!;
            var args = new AddArgs { Rows = rows, Columns = columns, RowsB = rows, Alpha = 2, Beta = 3, A = bench.Input(a, rows, columns), B = bench.Input(b, rows, columns), Output = apart };
            bench.Kernels.Add(default, args);
            bench.Kernels.Add(default, args with { A = overA, Output = overA });
            bench.Kernels.Add(default, args with { B = overB, Output = overB });
            Agreement.CheckBitwise("over A", overA.Download(), apart.Download());
            Agreement.CheckBitwise("over B", overB.Download(), apart.Download());

            DeviceBuffer product = bench.Output(rows, columns), overProduct = bench.Input(a, rows, columns)!;
            var multiply = new MultiplyArgs { Rows = rows, Columns = columns, RowsB = 1, A = bench.Input(a, rows, columns), B = bench.Input(c, 1, columns), Output = product };
            bench.Kernels.Multiply(default, multiply);
            bench.Kernels.Multiply(default, multiply with { A = overProduct, Output = overProduct });
            Agreement.CheckBitwise("product over A", overProduct.Download(), product.Download());

            DeviceBuffer scaled = bench.Output(rows, columns), overX = bench.Input(a, rows, columns)!;
            bench.Kernels.Scale(default, new ScaleArgs { Rows = rows, Columns = columns, Factor = 3, X = bench.Input(a, rows, columns), Output = scaled });
            bench.Kernels.Scale(default, new ScaleArgs { Rows = rows, Columns = columns, Factor = 3, X = overX, Output = overX });
            Agreement.CheckBitwise("scaled over X", overX.Download(), scaled.Download());
        }
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[12], 4, 3)!, y = bench.Output(4, 3);
        IKernels kernels = bench.Kernels;
        var add = new AddArgs { Rows = 4, Columns = 3, RowsB = 4, A = x, B = x, Output = y };
        Fails("Columns is -1", () => kernels.Add(default, add with { Columns = -1 }));
        Fails("RowsB is 3, which does not divide Rows (4)", () => kernels.Add(default, add with { RowsB = 3 }));
        Fails("RowsB is 0, which does not divide Rows (4)", () => kernels.Add(default, add with { RowsB = 0 }));
        Fails("RowsB is 1; with Broadcast.PerRow it is Rows (4)", () => kernels.Add(default, add with { RowsB = 1, Broadcast = Broadcast.PerRow }));
        Fails("Broadcast is 7", () => kernels.Add(default, add with { Broadcast = (Broadcast)7 }));
        Fails("B is missing", () => kernels.Add(default, add with { B = default }));
        Fails("RowsB is 3", () => kernels.Multiply(default, new MultiplyArgs { Rows = 4, Columns = 3, RowsB = 3, A = x, B = x, Output = y }));
        Fails("Output is missing", () => kernels.Scale(default, new ScaleArgs { Rows = 4, Columns = 3, X = x }));
        Fails("X has row stride 2", () => kernels.Scale(default, new ScaleArgs { Rows = 4, Columns = 3, X = new Operand(x.Address, DType.Float32, 2), Output = y }));
        Assert.All(y.Download(), value => Assert.True(float.IsNaN(value)));
    }

    private static void Fails(string rule, Action call) => Assert.Contains(rule, Assert.Throws<KernelArgumentException>(call).Message);

    /// <summary>Compares with functions of the index into A and the index into B.</summary>
    private static void Check(string what, float[] actual, Func<int, int, float> plain, Func<int, int, double> reference, Broadcast broadcast, int rows, int columns, int rowsB)
    {
        var straightforward = new float[actual.Length];
        var exact = new double[actual.Length];
        for (int row = 0; row < rows; row++)
        {
            for (int c = 0; c < columns; c++)
            {
                int i = row * columns + c, j = broadcast == Broadcast.PerRow ? row : ElementwiseReference.SmallRow(broadcast, row, rows, rowsB) * columns + c;
                straightforward[i] = plain(i, j);
                exact[i] = reference(i, j);
            }
        }
        Agreement.Check(what, actual, exact, straightforward);
    }
}
