using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests.Normalization;

/// <summary>ONNX operator vectors of the normalizations.</summary>
public sealed class NormVectorTests
{
    public static TheoryData<string> Devices => [.. TestDevices.Names];

    [Theory]
    [MemberData(nameof(Devices))]
    public void LayerNormalization(string device) => OperatorVectors.Run("layer_normalization", 13, 0, test =>
    {
        OnnxTensor x = test.Input(0)!;
        int axis = OperatorVectors.Axis(test, x.Shape.Length, -1);
        long rows = x.Extent(0, axis), columns = x.Extent(axis, x.Shape.Length);
        using var bench = new KernelBench(device);
        DeviceBuffer output = bench.Output(rows, columns), mean = bench.Output(rows, 1), inverse = bench.Output(rows, 1);
        bench.Kernels.LayerNormForward(default, new LayerNormForwardArgs
        {
            Rows = rows,
            Columns = columns,
            X = bench.Input(x.Floats(), rows, columns),
            Weight = bench.Input(test.Input(1)!.Floats(), 1, columns),
            Bias = bench.Input(test.Input(2)!.Floats(), 1, columns),
            Output = output,
            Mean = mean,
            InverseStandardDeviation = inverse,
            Epsilon = (float)test.Number("epsilon", 1e-5),
        });
        OperatorVectors.Check(test, test.Output(0), output.Download());
        OperatorVectors.Check(test, test.Output(1), mean.Download());
        OperatorVectors.Check(test, test.Output(2), inverse.Download());
        return true;
    });

    [Theory]
    [MemberData(nameof(Devices))]
    public void RootMeanSquareNormalization(string device) => OperatorVectors.Run("rms_normalization", 13, 0, test =>
    {
        OnnxTensor x = test.Input(0)!;
        int axis = OperatorVectors.Axis(test, x.Shape.Length, -1);
        long rows = x.Extent(0, axis), columns = x.Extent(axis, x.Shape.Length);
        using var bench = new KernelBench(device);
        DeviceBuffer output = bench.Output(rows, columns);
        bench.Kernels.RmsNormForward(default, new RmsNormForwardArgs
        {
            Rows = rows,
            Columns = columns,
            X = bench.Input(x.Floats(), rows, columns),
            Weight = bench.Input(test.Input(1)!.Floats(), 1, columns),
            Output = output,
            Epsilon = (float)test.Number("epsilon", 1e-5),
        });
        OperatorVectors.Check(test, test.Output(0), output.Download());
        return true;
    });
}
