using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.References;

/// <summary>Runs the operator vectors of a family and counts what the contract covers and what it leaves out.</summary>
internal static class OperatorVectors
{
    /// <summary>Vectors hold float32 results of numpy: they agree to a few roundings.</summary>
    private const double Tolerance = 3e-6;

    /// <summary>Runs every case; <paramref name="run"/> returns false for a case that is out of the contract.</summary>
    public static void Run(string family, int covered, int outside, Func<OnnxCase, bool> run)
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead(family);
        if (cases is null) Assert.Skip(TestData.Missing(OnnxCases.PathOf(family)));
        int ran = cases.Count(run);
        Assert.Equal((covered, outside), (ran, cases.Count - ran));
    }

    public static void Check(OnnxCase test, OnnxTensor? expected, ReadOnlySpan<float> actual)
    {
        Assert.NotNull(expected);
        Assert.Equal(expected.Values.Length, actual.Length);
        for (int i = 0; i < actual.Length; i++)
        {
            double want = expected.Values[i];
            Assert.True(want.Equals(actual[i]) || Math.Abs(want - actual[i]) <= Tolerance * (1 + Math.Abs(want)), $"{test}, {expected.Name}[{i}]: {actual[i]:R}, not {want:R}");
        }
    }

    /// <summary>An axis attribute, counted from the front.</summary>
    public static int Axis(OnnxCase test, int rank, long otherwise)
    {
        long axis = test.Integer("axis", otherwise);
        return (int)(axis < 0 ? axis + rank : axis);
    }

    /// <summary>[before, extent, after] as [before, after, extent] by the device's own transposition, so that a row verb sees the axis.</summary>
    public static DeviceBuffer AxisToRows(KernelBench bench, OnnxTensor x, int axis, out long rows, out long columns)
    {
        long before = x.Extent(0, axis), after = x.Extent(axis + 1, x.Shape.Length);
        rows = before * after;
        columns = x.Shape[axis];
        DeviceBuffer moved = bench.Output(rows, columns);
        bench.Kernels.TransposeBlocks(default, new TransposeBlocksArgs
        {
            Batch = before,
            Rows = columns,
            Columns = after,
            X = bench.Input(x.Floats(), before * columns, after),
            Output = moved,
        });
        return moved;
    }

    /// <summary>The way back from <see cref="AxisToRows"/> for results with some columns a row.</summary>
    public static T[] RowsToAxis<T>(T[] rows, OnnxTensor x, int axis, long columns)
    {
        long before = x.Extent(0, axis), after = x.Extent(axis + 1, x.Shape.Length);
        var moved = new T[rows.Length];
        for (long b = 0; b < before; b++)
        {
            for (long a = 0; a < after; a++)
            {
                for (long c = 0; c < columns; c++) moved[(b * columns + c) * after + a] = rows[(b * after + a) * columns + c];
            }
        }
        return moved;
    }
}
