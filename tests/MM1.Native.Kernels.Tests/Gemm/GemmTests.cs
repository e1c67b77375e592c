using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class GemmTests
{
    private static readonly string[] Layouts = ["NN", "NT", "TN", "TT"];

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Shapes() => Each(
        from layout in Layouts
        from shape in new (int M, int N, int K)[]
        {
            (1, 1, 1), (1, 33, 5), (7, 1, 17), (13, 31, 15), (14, 32, 16), (15, 33, 17), (29, 65, 31), (5, 70, 513), (64, 64, 64),
            (100, 96, 40), (31, 200, 700), (260, 40, 70), (300, 70, 530), (300, 2100, 9),
        }
        from padding in new[] { 0, 3 }
        select new GemmCase { M = shape.M, N = shape.N, K = shape.K, Layout = layout, Padding = padding });

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Empty() => Each(
        from shape in new (int M, int N, int K)[] { (0, 5, 5), (5, 0, 5), (5, 6, 0), (0, 0, 0) }
        from beta in new[] { 0f, 0.5f }
        select new GemmCase { M = shape.M, N = shape.N, K = shape.K, Beta = beta, Bias = true, Activation = Activation.Gelu, Residual = 1 });

    /// <summary>Every activation, forward and backward, with each combination of the epilogue's other parts, on tails and on two k blocks.</summary>
    public static IEnumerable<TheoryDataRow<string, GemmCase>> Epilogues() => Each(
        from activation in Enum.GetValues<Activation>()
        from gradient in new[] { false, true }
        from residual in new[] { 0, 1, 2 }
        from index in new[] { 0, 1, 2, 3 }
        select new GemmCase
        {
            M = index < 2 ? 20 : 37,
            N = index % 2 == 0 ? 40 : 64,
            K = index is 1 or 2 ? 600 : 24,
            Layout = Layouts[index],
            Activation = activation,
            Gradient = gradient,
            Residual = residual,
            PreActivation = index >= 2,
            Bias = index != 1,
            Alpha = index == 3 ? 0.75f : 1,
            Beta = index == 2 && residual != 2 ? 0.5f : 0,
            Padding = index,
        });

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Scaled() => Each(
        from alpha in new[] { 1f, 0f, -2f }
        from beta in new[] { 0f, 1f, -0.5f }
        from k in new[] { 40, 1200 }
        select new GemmCase { M = 30, N = 50, K = k, Layout = "TN", Alpha = alpha, Beta = beta });

    public static IEnumerable<TheoryDataRow<string, GemmCase>> Batches() => Each(
        from batch in new[] { 2, 3, 9 }
        from shape in new (int M, int N, int K)[] { (5, 6, 7), (33, 40, 20), (90, 100, 120) }
        from shared in new[] { 0, 1, 2 }
        select new GemmCase { M = shape.M, N = shape.N, K = shape.K, Batch = batch, ShareA = shared == 1, ShareB = shared == 2, Layout = Layouts[batch % 4], Padding = shared });

    [Theory, MemberData(nameof(Shapes)), MemberData(nameof(Empty)), MemberData(nameof(Epilogues)), MemberData(nameof(Scaled)), MemberData(nameof(Batches))]
    public void AgreesWithTheReference(string deviceName, GemmCase @case)
    {
        using Device device = TestDevices.Open(deviceName);
        @case.Check(device);
    }

    [Theory, MemberData(nameof(Devices))]
    public void ALongSumNeedsScratchWhereTheResidualIsTheOutput(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        new GemmCase { M = 270, N = 70, K = 1100, Residual = 2, Activation = Activation.Gelu, Bias = true }.Check(device);
        new GemmCase { M = 270, N = 70, K = 1100, Residual = 2, Activation = Activation.Gelu, Gradient = true, Alpha = 0.5f }.Check(device);
        new GemmCase { M = 30, N = 70, K = 1100, Batch = 3, Residual = 2, Activation = Activation.Silu, PreActivation = true }.Check(device);
        new GemmCase { M = 30, N = 70, K = 1100, Batch = 3, Residual = 2, Beta = 0.5f }.Check(device);
    }

    /// <summary>The bits of a row do not depend on the rows beside it, on threads, nor on a repetition.</summary>
    [Theory]
    [InlineData("NN", 256, 256), InlineData("NT", 256, 256), InlineData("TN", 256, 256), InlineData("TT", 70, 1030), InlineData("NT", 2100, 40), InlineData("NN", 40, 513)]
    public void ARowIsTheSameBitsAmongAnyOthers(string layout, int n, int k)
    {
        var all = new GemmCase { M = 512, N = n, K = k, Layout = layout, Bias = true, Activation = Activation.Gelu };
        float[]? expected = null;
        foreach (string name in TestDevices.Names)
        {
            using Device device = TestDevices.Open(name);
            foreach (int m in new[] { 512, 512, 253, 40, 15, 14, 7, 1 })
            {
                float[] output = (all with { M = m }).Run(device).Output;
                expected ??= output;
                Agreement.CheckBitwise($"{layout} M={m} on {name}", output, expected.AsSpan(0, output.Length));
            }
        }
    }

    /// <summary>More threads than tiles of rows, panels of columns, problems, or CPUs.</summary>
    [Fact]
    public void AnyNumberOfThreadsGivesTheSameBits()
    {
        GemmCase[] cases =
        [
            new() { M = 300, N = 130, K = 600, Layout = "NT", Bias = true }, new() { M = 40, N = 260, K = 90, Layout = "TN" },
            new() { M = 260, N = 2200, K = 20 }, new() { M = 60, N = 70, K = 200, Batch = 7 },
        ];
        using Device one = Device.Parse("cpu", new DeviceOptions { Threads = 1 });
        foreach (int threads in new[] { 3, 7, 40 })
        {
            using Device many = Device.Parse("cpu", new DeviceOptions { Threads = threads, PinThreads = false });
            foreach (GemmCase @case in cases) Agreement.CheckBitwise($"{@case} on {threads} threads", @case.Run(many).Output, @case.Run(one).Output);
        }
    }

    [Theory, MemberData(nameof(Devices))]
    public void AProductOfABatchIsTheSameBitsAlone(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        var alone = new GemmCase { M = 33, N = 47, K = 600, Layout = "NT", ShareB = true };
        float[] one = alone.Run(device).Output, many = (alone with { Batch = 8 }).Run(device).Output;
        Agreement.CheckBitwise("first of 8", many.AsSpan(0, one.Length), one);
    }

    /// <summary>NaN and infinity of an operand reach exactly the rows and columns that they meet.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void ANotANumberStaysInItsRow(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        const int M = 20, N = 40, K = 30;
        float[] values = Samples.Normal(1, M * K);
        values[3 * K + 4] = float.NaN;
        using DeviceBuffer a = DeviceBuffer.From<float>(device, values, M, K), b = DeviceBuffer.From<float>(device, Samples.Normal(2, K * N), K, N);
        using var output = new DeviceBuffer(device, M, N);
        device.Kernels.Gemm(default, new GemmArgs { M = M, N = N, K = K, A = a, B = b, Output = output });
        float[] result = output.Download();
        for (int i = 0; i < result.Length; i++) Assert.Equal(i / N == 3, float.IsNaN(result[i]));
    }

    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.Names.Concat(TestDevices.Native).Select(name => new TheoryDataRow<string>(name));

    private static IEnumerable<TheoryDataRow<string, GemmCase>> Each(IEnumerable<GemmCase> cases) =>
        from @case in cases from name in TestDevices.Names.Concat(TestDevices.Native) select new TheoryDataRow<string, GemmCase>(name, @case);
}
