using System.Numerics;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class AdafactorTests
{
    private static readonly TensorSpec[] Mixed =
    [
        new(0, 5) { Factored = true },
        new(1, 1) { Factored = true },
        new(7, 5) { Factored = true, Shadow = DType.BFloat16, WeightDecay = 0.1f },
        new(7, 1) { Shadow = DType.Float16 },
        new(33, 40) { Factored = true, LearningRateScale = 0.5f },
        new(200, 131) { Factored = true, WeightDecay = 0.01f, Shadow = DType.Float32 },
        new(3, 2500) { Factored = true },
        new(2500, 2) { Factored = true },
        new(20011, 1) { LearningRateScale = 2 },
        new(0, 1),
    ];

    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.WithNative.Select(name => new TheoryDataRow<string>(name));

    [Theory, MemberData(nameof(Devices))]
    public void AgreesWithTheReference(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        foreach (TensorSpec[] specs in new TensorSpec[][] { [], [new(4, 3) { Factored = true }], Mixed })
        {
            foreach (AdafactorArgs args in new AdafactorArgs[]
            {
                new(),
                new() { Beta1 = 0.9f, ScaleParameter = 0 },
                new() { DecayExponent = -0.5f, Epsilon = 1e-3f, EpsilonScale = 2, ClipThreshold = 0.3f, Beta1 = 0.5f },
                new() { ClipThreshold = 100 },
            })
            {
                foreach (long step in new[] { 1L, 2, 1000 })
                {
                    if (step != 2 && TestDevices.Native.Contains(deviceName)) continue; // the native suite has them
                    var state = new StepState { Step = step, LearningRate = 0.05f, ClipFactor = step == 2 ? 0.25f : 1 };
                    using var tensors = new OptimizerTensors(device, specs);
                    Run(device, tensors, args, state);
                    LossResults.Check($"{args} step {step}", tensors.Download(), Reference<double>(specs, args, state), Reference<float>(specs, args, state));
                    tensors.CheckShadows();
                }
            }
        }
    }

    [Fact]
    public void ThreadsAndRepetitionsGiveTheSameBits()
    {
        using Device one = TestDevices.Open(TestDevices.Names[0]), two = TestDevices.Open(TestDevices.Names[^1]);
        Dictionary<string, float[]> Once(Device device)
        {
            using var tensors = new OptimizerTensors(device, [.. Mixed, new(300, 400) { Factored = true }]);
            Run(device, tensors, new AdafactorArgs { Beta1 = 0.9f }, new StepState { Step = 4, LearningRate = 0.01f, ClipFactor = 0.7f });
            return tensors.Download();
        }
        Dictionary<string, float[]> expected = Once(one);
        LossResults.CheckBitwise("repeated", Once(one), expected);
        LossResults.CheckBitwise("threads", Once(two), expected);
    }

    /// <summary>f(x) = sum of c (x - target)^2 / 2 with curvatures from 0.1 to 10, factored and not: 300 steps of a falling rate bring it near its minimum.</summary>
    [Theory, InlineData(true), InlineData(false)]
    public void AQuadraticConverges(bool factored)
    {
        using Device device = TestDevices.Open(TestDevices.Names[^1]);
        var spec = new TensorSpec(20, 30) { Factored = factored };
        using var tensors = new OptimizerTensors(device, [spec], zeroState: true);
        float[] target = Samples.Normal(77, spec.Count);
        double[] curvature = [.. Enumerable.Range(0, spec.Count).Select(i => 0.1 * Math.Pow(100, (double)i / (spec.Count - 1)))];
        double Value(float[] x) => x.Select((value, i) => curvature[i] * (value - target[i]) * (value - target[i]) / 2).Sum();
        double before = Value(tensors.Master(0));
        for (int step = 1; step <= 300; step++)
        {
            float[] x = tensors.Master(0);
            tensors.UploadGradient(0, [.. x.Select((value, i) => (float)(curvature[i] * (value - target[i])))]);
            Run(device, tensors, new AdafactorArgs(), new StepState { Step = step, LearningRate = 0.1f * (301 - step) / 300, ClipFactor = 1 });
        }
        double after = Value(tensors.Master(0));
        Assert.True(after < 1e-4 * before, $"{before} before, {after} after.");
    }

    [Theory, MemberData(nameof(Devices))]
    public void AZeroGradientMovesNothingAndSkipLeavesAll(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        TensorSpec[] specs = [new(6, 7) { Factored = true }, new(9, 1)];
        using var tensors = new OptimizerTensors(device, specs, zeroState: true);
        for (int i = 0; i < 2; i++) tensors.UploadGradient(i, new float[specs[i].Count]);
        Dictionary<string, float[]> before = tensors.Download();
        Run(device, tensors, new AdafactorArgs(), new StepState { Step = 1, LearningRate = 1, ClipFactor = 1, Skip = 1 });
        LossResults.CheckBitwise("skipped", tensors.Download(), before);
        for (int step = 1; step <= 3; step++) Run(device, tensors, new AdafactorArgs(), new StepState { Step = step, LearningRate = 1, ClipFactor = 1 });
        for (int i = 0; i < 2; i++) Agreement.CheckBitwise("master", tensors.Master(i), before[$"master {i}"]);
    }

    [Fact]
    public void BrokenArgumentsAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var tensors = new OptimizerTensors(device, [new(4, 1), new(3, 2) { Factored = true }]);
        using DeviceBuffer state = LossResults.Upload(device, new StepState { Step = 1, ClipFactor = 1 }), zero = LossResults.Upload(device, default);
        OptimizerTensor good = tensors.Records[1];
        Dictionary<string, float[]> before = tensors.Download();
        var args = new AdafactorArgs { TensorCount = 2, Tensors = tensors.Address, StepState = state.Address };
        Expect(args with { TensorCount = -1 }, "TensorCount is -1");
        Expect(args with { StepState = 0 }, "StepState is missing");
        Expect(args with { Beta1 = -0.1f }, "Beta1 is -0.1");
        Expect(args with { ClipThreshold = 0 }, "ClipThreshold is 0; it must be positive.");
        Expect(args, "the workspace has 0 bytes");
        ExpectRecord(good with { Master = 0 }, "Tensors[1].Master is missing; it holds 6 values.");
        ExpectRecord(good with { SecondMomentRow = 0 }, "Tensors[1].SecondMomentRow is missing");
        ExpectRecord(good with { SecondMomentColumn = 0 }, "Tensors[1].SecondMomentColumn is missing");
        ExpectRecord(good with { SecondMomentRow = 0, SecondMomentColumn = 0 }, "Tensors[1].SecondMoment is missing");
        ExpectRecord(good with { Rows = 2 }, "Tensors[1] has 6 elements; its 2 rows of 2 columns do not give that.");
        tensors.Records[1] = good with { FirstMoment = 0 };
        tensors.UploadRecords();
        Expect(args with { Beta1 = 0.9f }, "Tensors[1].FirstMoment is missing");
        long bytes = device.Kernels.AdafactorWorkspaceBytes(args);
        using DeviceBuffer workspace = LossResults.Workspace(device, bytes);
        Assert.Contains("StepState.Step is 0", CrossEntropyTests.Fails(
            () => device.Kernels.Adafactor(new Launch(0, workspace.Address, bytes), args with { StepState = zero.Address })), StringComparison.Ordinal);
        LossResults.CheckBitwise("nothing was written", tensors.Download(), before);

        void ExpectRecord(OptimizerTensor record, string message)
        {
            tensors.Records[1] = record;
            tensors.UploadRecords();
            Expect(args, message);
        }
        void Expect(AdafactorArgs broken, string message) =>
            Assert.Contains(message, CrossEntropyTests.Fails(() => device.Kernels.Adafactor(default, broken)), StringComparison.Ordinal);
    }

    private static void Run(Device device, OptimizerTensors tensors, AdafactorArgs args, StepState state)
    {
        using DeviceBuffer buffer = LossResults.Upload(device, state);
        args = args with { TensorCount = tensors.Length, Tensors = tensors.Address, StepState = buffer.Address };
        long bytes = device.Kernels.AdafactorWorkspaceBytes(args);
        using DeviceBuffer workspace = LossResults.Workspace(device, bytes);
        device.Kernels.Adafactor(new Launch(0, workspace.Address, bytes), args);
        workspace.CheckGuards();
        Assert.Equal(state, LossResults.Download(buffer));
    }

    private static Dictionary<string, T[]> Reference<T>(TensorSpec[] specs, AdafactorArgs args, StepState state) where T : IFloatingPointIeee754<T>
    {
        var results = new Dictionary<string, T[]>();
        for (int i = 0; i < specs.Length; i++)
        {
            TensorSpec spec = specs[i];
            T[] master = Samples.As<T>(spec.Master(i)), first = Samples.As<T>(spec.FirstMoment(i)), second = Samples.As<T>(spec.SecondMoment(i, spec.Factored ? 0 : spec.Count));
            T[] rows = Samples.As<T>(spec.SecondMoment(i, spec.Factored ? spec.Rows : 0)), columns = Samples.As<T>(spec.SecondMoment(i + 1, spec.Factored ? spec.Columns : 0));
            if (spec.Count > 0)
            {
                OptimizerReference<T>.Adafactor(master, Samples.As<T>(spec.Gradient(i)), first, spec.Factored ? null : second, rows, columns, spec.Rows, spec.Columns,
                    args, state, spec.LearningRateScale, spec.WeightDecay);
            }
            results[$"master {i}"] = master;
            results[$"first moment {i}"] = first;
            results[$"second moment {i}"] = second;
            results[$"row means {i}"] = rows;
            results[$"column means {i}"] = columns;
        }
        return results;
    }
}
