using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class BiasGradientTests
{
    public static IEnumerable<TheoryDataRow<string, int, int, int, float>> Cases() =>
        from shape in new (int Rows, int Columns)[] { (0, 5), (5, 0), (1, 1), (3, 7), (256, 33), (257, 130), (1000, 17), (700, 300), (5000, 3) }
        from padding in new[] { 0, 5 }
        from beta in new[] { 0f, 1f, -0.5f }
        from name in TestDevices.Names.Concat(TestDevices.Native)
        select new TheoryDataRow<string, int, int, int, float>(name, shape.Rows, shape.Columns, padding, beta);

    [Theory, MemberData(nameof(Cases))]
    public void AgreesWithTheReference(string deviceName, int rows, int columns, int padding, float beta)
    {
        using Device device = TestDevices.Open(deviceName);
        float[] result = Run(device, rows, columns, padding, beta);
        double[] expected = GemmReference<double>.BiasGradient(rows, columns, Samples.As<double>(X(rows, columns)), beta, Samples.As<double>(Old(columns)));
        float[] straight = GemmReference<float>.BiasGradient(rows, columns, X(rows, columns), beta, Old(columns));
        Agreement.Check("bias gradient", result, expected, straight);
    }

    [Theory, InlineData(2048, 256), InlineData(5000, 3), InlineData(200, 1000)]
    public void ThreadsAndRepetitionsGiveTheSameBits(int rows, int columns)
    {
        float[]? expected = null;
        foreach (string name in TestDevices.Names.Concat(TestDevices.Names))
        {
            using Device device = TestDevices.Open(name);
            float[] result = Run(device, rows, columns, 0, 0);
            Agreement.CheckBitwise(name, result, expected ??= result);
        }
    }

    [Fact]
    public void BrokenRulesAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var x = new DeviceBuffer(device, 300, 4);
        using var result = new DeviceBuffer(device, 1, 4);
        var good = new BiasGradientArgs { Rows = 300, Columns = 4, OutputGradient = x, BiasGradient = result };
        Throws("Rows is -1", good with { Rows = -1 });
        Throws("Columns is -1", good with { Columns = -1 });
        Throws("OutputGradient is missing", good with { OutputGradient = default });
        Throws("BiasGradient is missing", good with { BiasGradient = default });
        Throws("row stride 3", good with { OutputGradient = x.Operand with { RowStride = 3 } });
        Throws("dtype BFloat16", good with { OutputGradient = x.Operand with { DType = DType.BFloat16 } });
        Throws("the workspace has 0 bytes", good);

        void Throws(string part, BiasGradientArgs args)
        {
            var exception = Assert.Throws<KernelArgumentException>(() => device.Kernels.BiasGradient(default, args));
            Assert.Contains(part, exception.Message, StringComparison.Ordinal);
            Assert.StartsWith("BiasGradient: ", exception.Message, StringComparison.Ordinal);
        }
    }

    private static float[] Run(Device device, int rows, int columns, int padding, float beta)
    {
        using DeviceBuffer x = DeviceBuffer.From<float>(device, X(rows, columns), rows, columns, columns + padding);
        using var result = new DeviceBuffer(device, 1, columns);
        if (beta != 0) result.Upload<float>(Old(columns));
        var args = new BiasGradientArgs { Rows = rows, Columns = columns, OutputGradient = x, BiasGradient = result, Beta = beta };
        long bytes = device.Kernels.BiasGradientWorkspaceBytes(args);
        using var workspace = new DeviceBuffer(device, 1, bytes, DType.UInt8);
        device.Kernels.BiasGradient(new Launch(0, workspace.Address, bytes), args);
        workspace.CheckGuards();
        return result.Download();
    }

    private static float[] X(int rows, int columns) => Samples.Normal(7, (long)rows * columns);

    private static float[] Old(int columns) => Samples.Normal(8, columns);
}
