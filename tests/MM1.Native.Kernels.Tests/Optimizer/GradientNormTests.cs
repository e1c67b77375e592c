using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class GradientNormTests
{
    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.WithNative.Select(name => new TheoryDataRow<string>(name));

    [Theory, MemberData(nameof(Devices))]
    public void NormAndClipFactorAreExact(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        foreach (int[] sizes in new int[][] { [], [0], [1], [17], [0, 5, 0, 16, 31], [16384], [16385, 1, 40000], [300000, 7, 0, 200000] })
        {
            TensorSpec[] specs = [.. sizes.Select(size => new TensorSpec(size, 1))];
            double expected = Math.Sqrt(specs.Select((spec, i) => spec.Gradient(i).Sum(x => (double)x * x)).Sum());
            foreach (float maxNorm in new[] { 0, 0.01f, 1e6f })
            {
                StepState state = Run(device, specs, maxNorm);
                Assert.Equal((float)expected, state.GradientNorm, Math.BitIncrement((float)expected) - (float)expected);
                Assert.Equal(maxNorm == 0 ? 1 : (float)Math.Min(1, maxNorm / (expected + 1e-6)), state.ClipFactor, 1e-7f);
                Assert.Equal(0, state.Skip);
            }
        }
    }

    [Fact]
    public void ThreadsAndRepetitionsGiveTheSameBits()
    {
        using Device one = TestDevices.Open(TestDevices.Names[0]), two = TestDevices.Open(TestDevices.Names[^1]);
        TensorSpec[] specs = [new(1000, 300), new(77, 1), new(123457, 1)];
        StepState expected = Run(one, specs, 1);
        for (int i = 0; i < 5; i++) Assert.Equal(expected, Run(two, specs, 1));
    }

    [Theory, MemberData(nameof(Devices))]
    public void ABadNormSkipsOnlyWhereAsked(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
        {
            Assert.Equal(0, Run(device, [new(20, 1)], 1, bad, skipNonFinite: false).Skip);
            StepState state = Run(device, [new(20, 1)], 1, bad, skipNonFinite: true);
            Assert.Equal(1, state.Skip);
            Assert.False(float.IsFinite(state.GradientNorm));
        }
        Assert.Equal(0, Run(device, [new(20, 1)], 1, 3e38f, skipNonFinite: false).Skip); // its square overflows float32, not float64
        Assert.Equal(0, Run(device, [new(20, 1)], 1, 1e30f, skipNonFinite: true).Skip);
        Assert.Equal(7, Run(device, [new(20, 1)], 1, 1, skipNonFinite: true, skip: 7).Skip); // a finite norm clears nothing
    }

    /// <summary>The limit is compared with the norm as it is written; a norm equal to it passes, 0 is no limit.</summary>
    [Theory, MemberData(nameof(Devices))]
    public void ANormAboveTheLimitSkips(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        TensorSpec[] specs = [new(300, 7), new(41, 1)];
        float norm = Run(device, specs, 1).GradientNorm;
        foreach ((float limit, int skip) in new[] { (0, 0), (norm, 0), (MathF.BitDecrement(norm), 1), (MathF.BitIncrement(norm), 0), (norm / 2, 1), (1e-30f, 1) })
        {
            StepState state = Run(device, specs, 1, limit: limit);
            Assert.Equal((skip, norm, limit), (state.Skip, state.GradientNorm, state.SkipAboveNorm));
            Assert.Equal(5, Run(device, specs, 1, limit: limit, skip: 5).Skip == 0 ? 0 : 5); // never cleared
        }
        Assert.Equal(1, Run(device, specs, 1, float.PositiveInfinity, skipNonFinite: false, limit: 1e30f).Skip);
        Assert.Equal(0, Run(device, specs, 1, float.NaN, skipNonFinite: false, limit: 1).Skip); // that is what SkipNonFinite is for
    }

    [Fact]
    public void BrokenArgumentsAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var tensors = new OptimizerTensors(device, [new(4, 1), new(3, 1)]);
        using DeviceBuffer state = LossResults.Upload(device, default);
        var args = new GradientNormArgs { TensorCount = 2, Tensors = tensors.Address, StepState = state.Address };
        Expect(args with { TensorCount = -1 }, "TensorCount is -1");
        Expect(args with { Tensors = 0 }, "Tensors is missing");
        Expect(args with { StepState = 0 }, "StepState is missing");
        Expect(args with { MaxNorm = -1 }, "MaxNorm is -1");
        Expect(args, "the workspace has 0 bytes");
        tensors.Records[1].Gradient = 0;
        tensors.UploadRecords();
        Expect(args, "Tensors[1].Gradient is missing; it holds 3 values.");
        tensors.Records[1].Count = -3;
        tensors.UploadRecords();
        Expect(args, "Tensors[1].Count is -3");

        void Expect(GradientNormArgs broken, string message) =>
            Assert.Contains(message, CrossEntropyTests.Fails(() => device.Kernels.GradientNorm(default, broken)), StringComparison.Ordinal);
    }

    private static StepState Run(Device device, TensorSpec[] specs, float maxNorm, float? last = null, bool skipNonFinite = true, int skip = 0, float limit = 0)
    {
        using var tensors = new OptimizerTensors(device, specs);
        if (last is not null)
        {
            float[] gradient = specs[0].Gradient(0);
            gradient[^1] = last.Value;
            tensors.UploadGradient(0, gradient);
        }
        using DeviceBuffer state = LossResults.Upload(device, new StepState { Step = 3, Skip = skip, SkipAboveNorm = limit });
        var args = new GradientNormArgs { TensorCount = specs.Length, Tensors = tensors.Address, StepState = state.Address, MaxNorm = maxNorm, SkipNonFinite = skipNonFinite ? 1 : 0 };
        long bytes = device.Kernels.GradientNormWorkspaceBytes(args);
        using DeviceBuffer workspace = LossResults.Workspace(device, bytes);
        device.Kernels.GradientNorm(new Launch(0, workspace.Address, bytes), args);
        workspace.CheckGuards();
        tensors.Download();
        return LossResults.Download(state);
    }
}
