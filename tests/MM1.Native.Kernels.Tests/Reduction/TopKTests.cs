using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Reductions;

/// <summary>The largest element of a row and the K largest.</summary>
public sealed class TopKTests
{
    public static TheoryData<string, int, int, int, int> Cases()
    {
        var data = new TheoryData<string, int, int, int, int>();
        foreach (string device in TestDevices.WithNative)
        {
            // rows, columns, K, padding
            data.Add(device, 50, 8, 2, 0);
            data.Add(device, 9, 77, 5, 3);
            data.Add(device, 3, 40, 40, 0);
            data.Add(device, 4, 1, 1, 0);
            data.Add(device, 2, 5003, 64, 0);
            data.Add(device, 300, 150, 7, 0);
            data.Add(device, 0, 4, 2, 0);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void FindsTheLargestInOrder(string device, int rows, int columns, int k, int padding)
    {
        // Few different values, so that there are ties everywhere; zeros of both signs, infinities, NaN.
        float[] x = [.. Samples.Integers(1, rows * columns, 30).Select(value => value switch
        {
            0 => -0f,
            1 => 0f,
            2 => float.NegativeInfinity,
            29 when columns > 20 => float.NaN,
            28 => float.PositiveInfinity,
            _ => (value - 15) * 0.5f,
        })];
        if (rows > 2) Array.Fill(x, float.NaN, columns, columns);
        if (rows > 3) Array.Fill(x, float.NegativeInfinity, 2 * columns, columns);
        using var bench = new KernelBench(device);
        DeviceBuffer? input = bench.Input(x, rows, columns, padding);
        DeviceBuffer values = bench.Output(rows, k, padding), indices = bench.Output(rows, k, padding, null, DType.Int32);
        DeviceBuffer largest = bench.Output(rows, 1, padding), index = bench.Output(rows, 1, padding, null, DType.Int32), indexOnly = bench.Output(rows, 1, 0, null, DType.Int32);
        bench.Kernels.TopK(default, new TopKArgs { Rows = rows, Columns = columns, K = k, X = input, Values = values, Indices = indices });
        bench.Kernels.ArgMax(default, new ArgMaxArgs { Rows = rows, Columns = columns, X = input, Indices = index, Values = largest });
        bench.Kernels.ArgMax(default, new ArgMaxArgs { Rows = rows, Columns = columns, X = input, Indices = indexOnly });
        bench.CheckGuards();
        int[] found = indices.Download<int>(), first = index.Download<int>();
        float[] foundValues = values.Download(), firstValues = largest.Download();
        for (int row = 0; row < rows; row++)
        {
            int[] order = ReductionReference.Order(x.AsSpan(row * columns, columns));
            Assert.Equal(order[..k], found[(row * k)..((row + 1) * k)]);
            Assert.Equal(order[0], first[row]);
            Agreement.CheckBitwise("values", foundValues.AsSpan(row * k, k), order[..k].Select(c => x[row * columns + c]).ToArray());
            Agreement.CheckBitwise("largest", firstValues.AsSpan(row, 1), [x[row * columns + order[0]]]);
        }
        Assert.Equal(first, indexOnly.Download<int>());
    }

    [Fact]
    public void ArgumentsAreChecked()
    {
        using var bench = new KernelBench(TestDevices.Names[0]);
        DeviceBuffer x = bench.Input(new float[6], 2, 3)!, values = bench.Output(2, 3), indices = bench.Output(2, 3, 0, null, DType.Int32);
        IKernels kernels = bench.Kernels;
        Fails("K is 4; it must be from 1 to Columns (3)", () => kernels.TopK(default, new TopKArgs { Rows = 2, Columns = 3, K = 4, X = x, Values = values, Indices = indices }));
        Fails("K is 0", () => kernels.TopK(default, new TopKArgs { Rows = 2, Columns = 3, K = 0, X = x, Values = values, Indices = indices }));
        Fails("Indices has dtype Float32; this device needs Int32", () => kernels.TopK(default, new TopKArgs { Rows = 2, Columns = 3, K = 1, X = x, Values = values, Indices = values }));
        Fails("Columns is 0", () => kernels.ArgMax(default, new ArgMaxArgs { Rows = 2, Columns = 0, X = x, Indices = indices }));
    }

    private static void Fails(string rule, Action call) => Assert.Contains(rule, Assert.Throws<KernelArgumentException>(call).Message);
}
