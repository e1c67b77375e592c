using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class EmbeddingTests
{
    /// <summary>Device, tokens, vocabulary, width.</summary>
    public static TheoryData<string, int, int, int> Cases()
    {
        var cases = new TheoryData<string, int, int, int>();
        foreach (string device in TestDevices.WithNative)
        {
            foreach ((int tokens, int vocabulary, int width) in new[]
            {
                (0, 5, 4), (7, 1, 1), (1, 3, 0), (5, 9, 17), (33, 4, 31), (64, 128, 64), (300, 50, 65), (1000, 7, 200), (2000, 500, 130), (0, 0, 8),
            })
            {
                cases.Add(device, tokens, vocabulary, width);
            }
        }
        return cases;
    }

    [Theory, MemberData(nameof(Cases))]
    public void GatherCopiesRows(string deviceName, int tokens, int vocabulary, int width)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] ids = Samples.Integers(1, tokens, Math.Max(vocabulary, 1));
        float[] table = Samples.Normal(2, vocabulary * width);
        float[] expected = EmbeddingReference.Gather(Array.ConvertAll(ids, id => (long)id), table, width);
        foreach (bool wide in new[] { false, true })
        {
            using var tableBuffer = DeviceBuffer.From<float>(device, table, vocabulary, width, width + 3);
            using var output = new DeviceBuffer(device, tokens, width, DType.Float32, width + 5);
            using DeviceBuffer idBuffer = Ids(device, ids, wide);
            var args = new EmbeddingGatherArgs { Tokens = tokens, Vocabulary = vocabulary, Width = width, Ids = idBuffer, Table = tableBuffer, Output = output };
            device.Kernels.EmbeddingGather(device.Launch(), args);
            Agreement.CheckBitwise("Output", output.Download(), expected);
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void ScatterAddSumsTokens(string deviceName, int tokens, int vocabulary, int width)
    {
        using Device device = TestDevices.Open(deviceName);
        int[] ids = Samples.Integers(3, tokens, Math.Max(vocabulary, 1));
        for (int i = 0; i < tokens / 3; i++) ids[i] = 0; // one id that many tokens share
        float[] gradient = Samples.Normal(4, tokens * width), old = Samples.Normal(5, vocabulary * width);
        foreach (float beta in new[] { 0f, 1f, -0.75f })
        {
            float[] first = Scatter(device, ids, gradient, old, vocabulary, width, beta, wide: false, pad: 0);
            float[] second = Scatter(device, ids, gradient, old, vocabulary, width, beta, wide: true, pad: 7);
            Agreement.CheckBitwise("TableGradient again", second, first);
            long[] longIds = Array.ConvertAll(ids, id => (long)id);
            Agreement.Check("TableGradient", first,
                EmbeddingReference.ScatterAdd(longIds, Samples.As<double>(gradient), Samples.As<double>(old), width, (double)beta),
                EmbeddingReference.ScatterAdd(longIds, gradient, old, width, beta));
            // In ascending order of tokens, to the bit; other factors round once more in the reference. Native devices sum long runs in pieces.
            if (beta is 0 or 1 && (tokens <= 100 || !TestDevices.Native.Contains(deviceName))) Agreement.CheckBitwise("TableGradient in order", first, EmbeddingReference.ScatterAdd(longIds, gradient, old, width, beta));
        }
    }

    [Theory, InlineData(3000, 40, 200), InlineData(700, 2000, 70)]
    public void ThreadsDoNotChangeTheSums(int tokens, int vocabulary, int width)
    {
        int[] ids = Samples.Integers(6, tokens, vocabulary);
        for (int i = 0; i < tokens / 2; i++) ids[2 * i] = 1;
        float[] gradient = Samples.Normal(7, tokens * width), old = Samples.Normal(8, vocabulary * width);
        float[]? expected = null;
        foreach (string name in TestDevices.Names)
        {
            using Device device = TestDevices.Open(name);
            float[] actual = Scatter(device, ids, gradient, old, vocabulary, width, 0.5f, wide: false, pad: 0);
            Agreement.CheckBitwise(name, actual, expected ??= actual);
        }
    }

    [Fact]
    public void OtherTokensDoNotChangeARow()
    {
        using Device device = TestDevices.Open(TestDevices.Names[^1]);
        const int Width = 40;
        float[] gradient = Samples.Normal(9, 50 * Width), old = new float[8 * Width];
        int[] many = Samples.Integers(10, 50, 8);
        float[] together = Scatter(device, many, gradient, old, 8, Width, 0, wide: false, pad: 0);
        for (int id = 0; id < 8; id++)
        {
            int[] tokens = [.. Enumerable.Range(0, 50).Where(t => many[t] == id)];
            float[] own = [.. tokens.SelectMany(t => gradient[(t * Width)..((t + 1) * Width)])];
            int[] ids = Array.ConvertAll(tokens, _ => id);
            float[] alone = Scatter(device, ids, own, old, 8, Width, 0, wide: false, pad: 0);
            Agreement.CheckBitwise($"row {id}", together.AsSpan(id * Width, Width), alone.AsSpan(id * Width, Width));
        }
    }

    [Fact]
    public void ReferenceGradient()
    {
        const int Vocabulary = 4, Width = 3;
        long[] ids = [2, 0, 2, 2, 1];
        double[] weights = Samples.As<double>(Samples.Normal(11, ids.Length * Width)), table = Samples.As<double>(Samples.Normal(12, Vocabulary * Width));
        double Loss(double[] t) => EmbeddingReference.Gather(ids, t, Width).Zip(weights, (x, w) => x * x * w).Sum();
        double[] outputGradient = [.. EmbeddingReference.Gather(ids, table, Width).Zip(weights, (x, w) => 2 * x * w)];
        Agreement.CheckFiniteDifferences("TableGradient", Loss, table,
            EmbeddingReference.ScatterAdd(ids, outputGradient, new double[table.Length], Width, 0.0));
    }

    [Theory, InlineData(-1), InlineData(6), InlineData(int.MinValue)]
    public void AnIdOutsideTheTableIsNamed(int bad)
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        foreach (bool wide in new[] { false, true })
        {
            using DeviceBuffer ids = Ids(device, [0, 5, bad, 2], wide);
            using var table = DeviceBuffer.From<float>(device, new float[6 * 2], 6, 2);
            using var tokens = DeviceBuffer.From<float>(device, new float[4 * 2], 4, 2);
            var gather = new EmbeddingGatherArgs { Tokens = 4, Vocabulary = 6, Width = 2, Ids = ids, Table = table, Output = tokens };
            var scatter = new EmbeddingScatterAddArgs { Tokens = 4, Vocabulary = 6, Width = 2, Ids = ids, OutputGradient = tokens, TableGradient = table };
            Launch launch = device.Launch(device.Kernels.EmbeddingScatterAddWorkspaceBytes(scatter));
            var thrown = Assert.Throws<KernelArgumentException>(() => device.Kernels.EmbeddingGather(launch, gather));
            Assert.Equal($"EmbeddingGather: Ids[2] is {bad}, outside the table of 6 rows.", thrown.Message);
            thrown = Assert.Throws<KernelArgumentException>(() => device.Kernels.EmbeddingScatterAdd(launch, scatter));
            Assert.Equal($"EmbeddingScatterAdd: Ids[2] is {bad}, outside the table of 6 rows.", thrown.Message);
        }
    }

    [Fact]
    public void BrokenRulesAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using DeviceBuffer ids = Ids(device, [0, 1], wide: false);
        using var rows = DeviceBuffer.From<float>(device, new float[2 * 4], 2, 4);
        using var doubles = new DeviceBuffer(device, 2, 4, DType.Float64);
        Launch launch = device.Launch(1000), none = default;
        var gather = new EmbeddingGatherArgs { Tokens = 2, Vocabulary = 2, Width = 4, Ids = ids, Table = rows, Output = rows };
        Expect("EmbeddingGather: Tokens is -1", () => device.Kernels.EmbeddingGather(launch, gather with { Tokens = -1 }));
        Expect("EmbeddingGather: Vocabulary is -1", () => device.Kernels.EmbeddingGather(launch, gather with { Vocabulary = -1 }));
        Expect("EmbeddingGather: Width is -1", () => device.Kernels.EmbeddingGather(launch, gather with { Width = -1 }));
        Expect("EmbeddingGather: Ids is missing", () => device.Kernels.EmbeddingGather(launch, gather with { Ids = default }));
        Expect("EmbeddingGather: Ids has dtype Float32", () => device.Kernels.EmbeddingGather(launch, gather with { Ids = rows }));
        Expect("EmbeddingGather: Table is missing", () => device.Kernels.EmbeddingGather(launch, gather with { Table = default }));
        Expect("EmbeddingGather: Table has dtype Float64", () => device.Kernels.EmbeddingGather(launch, gather with { Table = doubles }));
        Expect("EmbeddingGather: Output has row stride 3", () => device.Kernels.EmbeddingGather(launch, gather with { Output = rows.Operand with { RowStride = 3 } }));
        var scatter = new EmbeddingScatterAddArgs { Tokens = 2, Vocabulary = 2, Width = 4, Ids = ids, OutputGradient = rows, TableGradient = rows };
        Expect("EmbeddingScatterAdd: Tokens is -1", () => device.Kernels.EmbeddingScatterAdd(launch, scatter with { Tokens = -1 }));
        Expect("EmbeddingScatterAdd: Tokens and Vocabulary must be below 2^31", () => device.Kernels.EmbeddingScatterAdd(launch, scatter with { Tokens = 1L << 31 }));
        Expect("EmbeddingScatterAdd: Ids is missing", () => device.Kernels.EmbeddingScatterAdd(launch, scatter with { Ids = default }));
        Expect("EmbeddingScatterAdd: OutputGradient is missing", () => device.Kernels.EmbeddingScatterAdd(launch, scatter with { OutputGradient = default }));
        Expect("EmbeddingScatterAdd: TableGradient is missing", () => device.Kernels.EmbeddingScatterAdd(launch, scatter with { TableGradient = default }));
        Expect("EmbeddingScatterAdd: the workspace has 0 bytes", () => device.Kernels.EmbeddingScatterAdd(none, scatter));
    }

    [Fact]
    public void OnnxGathers()
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead("gather");
        if (cases is null)
        {
            Assert.Skip(TestData.Missing(OnnxCases.PathOf("gather")));
            return;
        }
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        var outside = new List<string>();
        foreach (OnnxCase test in cases)
        {
            // Whole rows of a table: not element by element, not along another axis, no ids counted from the end.
            if (test.Operator != "Gather" || test.Integer("axis", 0) != 0 || test.Input(1)!.Values.Any(id => id < 0))
            {
                outside.Add(test.Name);
                continue;
            }
            OnnxTensor table = test.Input(0)!, ids = test.Input(1)!;
            int rows = (int)table.Shape[0], width = (int)(table.Count / rows), tokens = (int)ids.Count;
            using var tableBuffer = DeviceBuffer.From<float>(device, table.Floats(), rows, width);
            using DeviceBuffer idBuffer = Ids(device, ids.Integers(), wide: true);
            using var output = new DeviceBuffer(device, tokens, width);
            var args = new EmbeddingGatherArgs { Tokens = tokens, Vocabulary = rows, Width = width, Ids = idBuffer, Table = tableBuffer, Output = output };
            device.Kernels.EmbeddingGather(default, args);
            Agreement.CheckBitwise(test.Name, output.Download(), test.Output(0)!.Floats());
        }
        Assert.Equal(5, cases.Count);
        Assert.Equal(["test_gather_1", "test_gather_elements_0", "test_gather_elements_1", "test_gather_negative_indices"], outside);
    }

    [Fact]
    public void OnnxScatters()
    {
        IReadOnlyList<OnnxCase>? cases = OnnxCases.TryRead("scatter");
        if (cases is null)
        {
            Assert.Skip(TestData.Missing(OnnxCases.PathOf("scatter")));
            return;
        }
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        int fitting = 0, outside = 0;
        foreach (OnnxCase test in cases)
        {
            OnnxTensor data = test.Input(0)!, indices = test.Input(1)!;
            // Adding along the only axis of a vector is adding rows of one column; replacing, maximum and minimum are no embedding gradient.
            if (test.Text("reduction", "none") != "add" || data.Count != data.Shape[^1] || test.Integer("axis", 0) != data.Shape.Length - 1)
            {
                outside++;
                continue;
            }
            fitting++;
            int[] ids = Array.ConvertAll(indices.Integers(), id => id < 0 ? id + (int)data.Count : id);
            float[] actual = Scatter(device, ids, test.Input(2)!.Floats(), data.Floats(), (int)data.Count, 1, 1, wide: true, pad: 0);
            Agreement.CheckBitwise(test.Name, actual, test.Output(0)!.Floats());
        }
        Assert.Equal((1, 4), (fitting, outside));
    }

    internal static void Expect(string beginning, Action call) =>
        Assert.StartsWith(beginning, Assert.Throws<KernelArgumentException>(call).Message, StringComparison.Ordinal);

    private static DeviceBuffer Ids(Device device, int[] ids, bool wide) => wide
        ? DeviceBuffer.From<long>(device, Array.ConvertAll(ids, id => (long)id), 1, ids.Length)
        : DeviceBuffer.From<int>(device, ids, 1, ids.Length);

    private static float[] Scatter(Device device, int[] ids, float[] gradient, float[] old, int vocabulary, int width, float beta, bool wide, int pad)
    {
        using DeviceBuffer idBuffer = Ids(device, ids, wide);
        using var gradientBuffer = DeviceBuffer.From<float>(device, gradient, ids.Length, width, width + pad);
        using var table = new DeviceBuffer(device, vocabulary, width, DType.Float32, width + pad);
        if (beta != 0) table.Upload<float>(old); // else NaN: it must not be read
        var args = new EmbeddingScatterAddArgs
        {
            Tokens = ids.Length,
            Vocabulary = vocabulary,
            Width = width,
            Ids = idBuffer,
            OutputGradient = gradientBuffer,
            TableGradient = table,
            Beta = beta,
        };
        long bytes = device.Kernels.EmbeddingScatterAddWorkspaceBytes(args);
        using var workspace = new DeviceBuffer(device, 1, bytes, DType.UInt8);
        device.Kernels.EmbeddingScatterAdd(new Launch(0, workspace.Address, bytes), args);
        workspace.CheckGuards();
        return table.Download();
    }
}
