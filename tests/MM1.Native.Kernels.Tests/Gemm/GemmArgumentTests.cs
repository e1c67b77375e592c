using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class GemmArgumentTests
{
    [Fact]
    public void BrokenRulesAreNamedBeforeAnythingIsWritten()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using DeviceBuffer a = DeviceBuffer.From<float>(device, new float[3 * 4], 3, 4), b = DeviceBuffer.From<float>(device, new float[4 * 5], 4, 5);
        using var output = new DeviceBuffer(device, 3, 5);
        var good = new GemmArgs { M = 3, N = 5, K = 4, A = a, B = b, Output = output };
        Throws("M is -1", good with { M = -1 });
        Throws("N is -1", good with { N = -1 });
        Throws("K is -1", good with { K = -1 });
        Throws("Batch is -1", good with { Batch = -1 });
        Throws("TransposeA is no value", good with { TransposeA = (Transpose)2 });
        Throws("TransposeB is no value", good with { TransposeB = (Transpose)(-1) });
        Throws("Activation is no value", good with { Activation = (Activation)8 });
        Throws("MathMode is not Default", good with { MathMode = MathMode.Tf32 });
        Throws("A is missing; it holds [3, 4]", good with { A = default });
        Throws("B is missing; it holds [5, 4]", good with { B = default, TransposeB = Transpose.Transposed });
        Throws("Output is missing", good with { Output = default });
        Throws("A has row stride 3, less than its 4 columns", good with { A = a.Operand with { RowStride = 3 } });
        Throws("B has row stride 4, less than its 5 columns", good with { B = b.Operand with { RowStride = 4 } });
        Throws("Output has dtype BFloat16", good with { Output = output.Operand with { DType = DType.BFloat16 } });
        Throws("Bias has dtype Int32", good with { Bias = output.Operand with { DType = DType.Int32 } });
        Throws("Residual has row stride 2", good with { Residual = output.Operand with { RowStride = 2 } });
        Throws("PreActivation is missing", good with { Activation = Activation.Relu, ActivationGradient = 1 });
        Throws("PreActivation is missing", good with { ActivationGradient = 1 });
        Throws("PreActivation has dtype Int64", good with { PreActivation = output.Operand with { DType = DType.Int64 } });
        Throws("BatchStrideOutput is 0", good with { Batch = 2 });
        Throws("the workspace has 0 bytes; GemmWorkspaceBytes asks for 60", good with
        {
            K = 600,
            A = a.Operand with { RowStride = 600 },
            Residual = output,
        });
        Assert.All(output.Download(), value => Assert.True(float.IsNaN(value)));

        void Throws(string part, GemmArgs args)
        {
            var exception = Assert.Throws<KernelArgumentException>(() => device.Kernels.Gemm(default, args));
            Assert.Contains(part, exception.Message, StringComparison.Ordinal);
            Assert.StartsWith("Gemm: ", exception.Message, StringComparison.Ordinal);
        }
    }
}
