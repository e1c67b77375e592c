using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Reductions;

/// <summary>ONNX operator vectors of the reductions; axes inside a tensor become rows by the device's own transposition.</summary>
public sealed class ReductionVectorTests
{
    public static TheoryData<string> Devices => [.. TestDevices.WithNative];

    [Theory]
    [MemberData(nameof(Devices))]
    public void Softmax(string device) => OperatorVectors.Run("softmax", 5, 0, test =>
    {
        OnnxTensor x = test.Input(0)!;
        int axis = OperatorVectors.Axis(test, x.Shape.Length, -1);
        using var bench = new KernelBench(device);
        DeviceBuffer rows = OperatorVectors.AxisToRows(bench, x, axis, out long count, out long columns);
        bench.Kernels.SoftmaxForward(default, new SoftmaxForwardArgs { Rows = count, Columns = columns, X = rows, Output = rows });
        OperatorVectors.Check(test, test.Output(0), OperatorVectors.RowsToAxis(rows.Download(), x, axis, columns));
        return true;
    });

    // Sums of squares are sums of X times itself.
    [Theory]
    [MemberData(nameof(Devices))]
    public void Reduce(string device) => OperatorVectors.Run("reduce", 20, 0, test =>
    {
        OnnxTensor x = test.Input(0)!;
        double[] axes = test.Input(1)?.Values ?? [];
        using var bench = new KernelBench(device);
        DeviceBuffer? rows;
        long count = 1, columns = x.Count;
        if (axes.Length == 1)
        {
            int axis = (int)(axes[0] < 0 ? axes[0] + x.Shape.Length : axes[0]);
            rows = OperatorVectors.AxisToRows(bench, x, axis, out count, out columns);
        }
        else
        {
            Assert.Empty(axes);
            if (test.Integer("noop_with_empty_axes", 0) != 0) (count, columns) = (columns, 1); // no axis: each element by itself
            rows = bench.Input(x.Floats(), count, columns);
        }
        DeviceBuffer output = bench.Output(count, 1);
        switch (test.Operator)
        {
            case "ReduceSum":
            case "ReduceMean":
                bench.Kernels.Reduce(default, new ReduceArgs { Reduction = test.Operator == "ReduceSum" ? Reduction.Sum : Reduction.Mean, Rows = count, Columns = columns, X = rows, Output = output });
                break;
            case "ReduceSumSquare":
                bench.Kernels.ReduceRows(default, new ReduceRowsArgs { Broadcast = Broadcast.PerRow, Rows = count, OutputRows = count, Columns = columns, X = rows, Multiplier = rows, Output = output });
                break;
            default: throw new InvalidDataException(test.Operator);
        }
        OperatorVectors.Check(test, test.Output(0), output.Download());
        return true;
    });

    // Ties go to the lower index in the contract; six cases ask for the last.
    [Theory]
    [MemberData(nameof(Devices))]
    public void ArgMax(string device) => OperatorVectors.Run("argmax", 5, 6, test =>
    {
        if (test.Integer("select_last_index", 0) != 0) return false;
        OnnxTensor x = test.Input(0)!;
        int axis = OperatorVectors.Axis(test, x.Shape.Length, 0);
        using var bench = new KernelBench(device);
        DeviceBuffer rows = OperatorVectors.AxisToRows(bench, x, axis, out long count, out long columns), indices = bench.Output(count, 1, 0, null, DType.Int32);
        bench.Kernels.ArgMax(default, new ArgMaxArgs { Rows = count, Columns = columns, X = rows, Indices = indices });
        Assert.Equal(test.Output(0)!.Integers(), indices.Download<int>());
        return true;
    });

    // Three cases rank integers, which the device does not compute in.
    [Theory]
    [MemberData(nameof(Devices))]
    public void TopK(string device) => OperatorVectors.Run("top_k", 2, 3, test =>
    {
        OnnxTensor x = test.Input(0)!;
        if (x.DType != DType.Float32) return false;
        int axis = OperatorVectors.Axis(test, x.Shape.Length, -1);
        long k = (long)test.Input(1)!.Values[0];
        using var bench = new KernelBench(device);
        DeviceBuffer rows = OperatorVectors.AxisToRows(bench, x, axis, out long count, out long columns);
        DeviceBuffer values = bench.Output(count, k), indices = bench.Output(count, k, 0, null, DType.Int32);
        bench.Kernels.TopK(default, new TopKArgs { Rows = count, Columns = columns, K = k, X = rows, Values = values, Indices = indices });
        OperatorVectors.Check(test, test.Output(0), OperatorVectors.RowsToAxis(values.Download(), x, axis, k));
        Assert.Equal(test.Output(1)!.Integers(), OperatorVectors.RowsToAxis(indices.Download<int>(), x, axis, k));
        return true;
    });
}
