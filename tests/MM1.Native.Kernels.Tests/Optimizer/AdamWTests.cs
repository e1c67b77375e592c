using System.Numerics;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed class AdamWTests
{
    private static readonly TensorSpec[] Mixed =
    [
        new(0, 1),
        new(1, 1) { Shadow = DType.BFloat16 },
        new(5, 3) { Shadow = DType.Float16, LearningRateScale = 0.5f },
        new(16, 1) { WeightDecay = 0.1f },
        new(33, 7) { Shadow = DType.BFloat16, WeightDecay = 0.1f },
        new(2048, 1) { Shadow = DType.Float32 },
        new(16384, 1) { Shadow = DType.BFloat16 },
        new(16385, 1) { Shadow = DType.Float16, WeightDecay = 0.01f, LearningRateScale = 3 },
        new(0, 4),
        new(401, 103) { Shadow = DType.BFloat16, WeightDecay = 0.3f, LearningRateScale = 0 },
        new(50021, 1),
    ];

    public static IEnumerable<TheoryDataRow<string>> Devices() => TestDevices.WithNative.Select(name => new TheoryDataRow<string>(name));

    [Theory, MemberData(nameof(Devices))]
    public void AgreesWithTheReference(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        foreach (TensorSpec[] specs in new TensorSpec[][] { [], [new(3, 1)], Mixed })
        {
            foreach ((long step, float clip, float epsilon) in new[] { (1L, 1f, 1e-8f), (7, 0.25f, 1e-8f), (1_000_000, 0.5f, 0.01f) })
            {
                var args = new AdamWArgs { Epsilon = epsilon };
                var state = new StepState { Step = step, LearningRate = 0.02f, ClipFactor = clip };
                using var tensors = new OptimizerTensors(device, specs);
                Run(device, tensors, args, state);
                LossResults.Check($"step {step}", tensors.Download(), Reference<double>(specs, args, state), Reference<float>(specs, args, state));
                tensors.CheckShadows();
            }
        }
    }

    [Fact]
    public void ThreadsGroupingAndRepetitionsGiveTheSameBits()
    {
        using Device one = TestDevices.Open(TestDevices.Names[0]), two = TestDevices.Open(TestDevices.Names[^1]);
        var state = new StepState { Step = 4, LearningRate = 0.01f, ClipFactor = 0.7f };
        Dictionary<string, float[]> Once(Device device)
        {
            using var tensors = new OptimizerTensors(device, Mixed);
            Run(device, tensors, new AdamWArgs(), state);
            return tensors.Download();
        }
        Dictionary<string, float[]> expected = Once(one);
        LossResults.CheckBitwise("repeated", Once(one), expected);
        LossResults.CheckBitwise("threads", Once(two), expected);

        using var single = new OptimizerTensors(two, Mixed);
        OptimizerTensor[] records = [.. single.Records];
        for (int i = 0; i < records.Length; i++) // each tensor in a call of its own
        {
            single.Records[0] = records[i];
            single.UploadRecords();
            two.Kernels.AdamW(default, Args(new AdamWArgs { TensorCount = 1, Tensors = single.Address }, state, two, out DeviceBuffer buffer));
            buffer.Dispose();
        }
        LossResults.CheckBitwise("one by one", single.Download(), expected);
    }

    [Theory, MemberData(nameof(Devices))]
    public void SkipLeavesEverythingAsItIs(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var tensors = new OptimizerTensors(device, [new(100, 1) { Shadow = DType.Float32, WeightDecay = 1 }]);
        Dictionary<string, float[]> before = tensors.Download();
        Run(device, tensors, new AdamWArgs(), new StepState { Step = 1, LearningRate = 1, ClipFactor = float.NaN, Skip = 1 });
        LossResults.CheckBitwise("skipped", tensors.Download(), before);
        Assert.All(tensors.Shadow(0)!, value => Assert.True(float.IsNaN(value))); // the poison
    }

    [Theory, MemberData(nameof(Devices))]
    public void ANaNShowsInTheShadow(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        foreach (DType dtype in new[] { DType.BFloat16, DType.Float16, DType.Float32 })
        {
            using var tensors = new OptimizerTensors(device, [new(70, 1) { Shadow = dtype }]);
            float[] master = Samples.Normal(5, 70);
            for (int i = 0; i < 70; i += 3) master[i] = BitConverter.Int32BitsToSingle(i % 2 == 0 ? 0x7FFFFFFF : unchecked((int)0xFF800001)); // both would round to something finite
            for (int i = 1; i < 70; i += 3) master[i] = i % 2 == 0 ? float.MaxValue : 65519.99f; // the first rounds to infinity in both halves, the second in neither
            tensors.UploadMaster(0, master);
            Run(device, tensors, new AdamWArgs(), new StepState { Step = 1, LearningRate = 0, ClipFactor = 1 });
            float[] shadow = tensors.Shadow(0)!;
            for (int i = 0; i < 70; i += 3) Assert.True(float.IsNaN(shadow[i]));
            for (int i = 1; i < 70; i++)
            {
                float expected = dtype == DType.BFloat16 ? (float)(BFloat16)master[i] : dtype == DType.Float16 ? (float)(Half)master[i] : master[i];
                Assert.Equal(expected, shadow[i]);
            }
        }
    }

    /// <summary>
    /// 100 steps stay within the first-order bound on accumulated rounding, computed along the float64 trajectory: u = 2^-24 per
    /// rounded operation and rounded constant, errors of the moments carried on by their decay rates into the update.
    /// </summary>
    [Theory, MemberData(nameof(Devices))]
    public void AHundredStepsStayWithinTheRoundingBound(string deviceName)
    {
        const double U = 1.0 / (1 << 24);
        using Device device = TestDevices.Open(deviceName);
        var spec = new TensorSpec(1000, 1) { WeightDecay = 0.1f, Shadow = DType.BFloat16 };
        using var tensors = new OptimizerTensors(device, [spec], zeroState: true);
        var args = new AdamWArgs();
        double[] p = Samples.As<double>(spec.Master(0)), m = new double[1000], v = new double[1000];
        double[] errorP = new double[1000], errorM = new double[1000], errorV = new double[1000];
        double b1 = args.Beta1, b2 = args.Beta2;
        for (int step = 1; step <= 100; step++)
        {
            var state = new StepState { Step = step, LearningRate = 1e-3f * step / 100, ClipFactor = 0.9f };
            float[] gradient = Samples.Normal(step, 1000, 0.1);
            tensors.UploadGradient(0, gradient);
            Run(device, tensors, args, state);
            OptimizerReference<double>.AdamW(p, Samples.As<double>(gradient), m, v, args, state, 1, spec.WeightDecay);
            double correction1 = 1 - Math.Pow(b1, step), correction2 = 1 - Math.Pow(b2, step);
            for (int i = 0; i < 1000; i++)
            {
                double g = Math.Abs((double)state.ClipFactor * gradient[i]), decay = (double)state.LearningRate * spec.WeightDecay;
                errorM[i] = b1 * errorM[i] + U * (Math.Abs(m[i]) + 3 * (1 - b1) * g);      // the sum; clip, constant, product
                errorV[i] = b2 * errorV[i] + U * (v[i] + 5 * (1 - b2) * g * g);            // the sum; twice clip, constant, two products
                double denominator = Math.Sqrt(v[i] / correction2) + args.Epsilon;
                double update = state.LearningRate * Math.Abs(m[i]) / correction1 / denominator;
                double errorUpdate = state.LearningRate * errorM[i] / correction1 / denominator
                    + update * (errorV[i] / (2 * v[i]) + 6 * U);                           // root, constant, sum, step constant, product, quotient
                errorP[i] = errorP[i] * (1 + decay) + errorUpdate + U * (Math.Abs(p[i]) + update + 2 * decay * Math.Abs(p[i]));
            }
        }
        float[] actual = tensors.Master(0);
        double worst = 0;
        for (int i = 0; i < 1000; i++)
        {
            double error = Math.Abs(actual[i] - p[i]);
            worst = Math.Max(worst, error);
            Assert.True(error <= 1.01 * errorP[i], $"[{i}]: {actual[i]:R}, float64 {p[i]:R}, bound {errorP[i]:E2}."); // 1 % for second order
        }
        Assert.True(worst > 0);
        tensors.CheckShadows();
    }

    /// <summary>A decay of 1e-7 a step is below a rounding of 1: as a factor 1 - lr lambda it would vanish or double.</summary>
    [Fact]
    public void ATinyDecayIsNotLost()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var tensors = new OptimizerTensors(device, [new(4096, 1) { WeightDecay = 1e-3f }], zeroState: true);
        float[] master = [.. Samples.Normal(3, 4096).Select(x => Math.Abs(x) + 0.5f)];
        tensors.UploadMaster(0, master);
        tensors.UploadGradient(0, new float[4096]);
        for (int step = 1; step <= 50; step++) Run(device, tensors, new AdamWArgs(), new StepState { Step = step, LearningRate = 4e-5f, ClipFactor = 1 });
        double lost = master.Zip(tensors.Master(0), (before, after) => (double)before - after).Sum() / master.Sum(x => (double)x);
        Assert.InRange(lost, 0.4 * 50 * 4e-8, 1.6 * 50 * 4e-8);
    }

    [Fact]
    public void BrokenArgumentsAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var tensors = new OptimizerTensors(device, [new(4, 1), new(3, 1) { Shadow = DType.BFloat16 }]);
        OptimizerTensor good = tensors.Records[1];
        var state = new StepState { Step = 1, ClipFactor = 1 };
        Dictionary<string, float[]> before = tensors.Download();
        Expect(new AdamWArgs { TensorCount = -1 }, state, "TensorCount is -1");
        Expect(new AdamWArgs { TensorCount = 2 }, state, "Tensors is missing");
        var args = new AdamWArgs { TensorCount = 2, Tensors = tensors.Address };
        Expect(args with { Beta1 = 1 }, state, "Beta1 is 1; it must lie in [0, 1).");
        Expect(args with { Beta2 = float.NaN }, state, "Beta2 is NaN");
        Expect(args, default, "StepState.Step is 0; steps count from 1.");
        Assert.Contains("StepState is missing", CrossEntropyTests.Fails(() => device.Kernels.AdamW(default, args)), StringComparison.Ordinal);
        ExpectRecord(good with { Master = 0 }, "Tensors[1].Master is missing; it holds 3 values.");
        ExpectRecord(good with { Gradient = 0 }, "Tensors[1].Gradient is missing");
        ExpectRecord(good with { FirstMoment = 0 }, "Tensors[1].FirstMoment is missing");
        ExpectRecord(good with { SecondMoment = 0 }, "Tensors[1].SecondMoment is missing");
        ExpectRecord(good with { Count = -1 }, "Tensors[1].Count is -1");
        ExpectRecord(good with { ShadowDType = DType.Int32 }, "Tensors[1].ShadowDType is Int32");
        LossResults.CheckBitwise("nothing was written", tensors.Download(), before);

        void ExpectRecord(OptimizerTensor record, string message)
        {
            tensors.Records[1] = record;
            tensors.UploadRecords();
            Expect(args, state, message);
        }
        void Expect(AdamWArgs broken, StepState with, string message)
        {
            AdamWArgs complete = Args(broken, with, device, out DeviceBuffer buffer);
            using (buffer) Assert.Contains(message, CrossEntropyTests.Fails(() => device.Kernels.AdamW(default, complete)), StringComparison.Ordinal);
        }
    }

    internal static void Run(Device device, OptimizerTensors tensors, AdamWArgs args, StepState state)
    {
        AdamWArgs complete = Args(args with { TensorCount = tensors.Length, Tensors = tensors.Address }, state, device, out DeviceBuffer buffer);
        using (buffer)
        {
            device.Kernels.AdamW(default, complete);
            Assert.Equal(state, LossResults.Download(buffer));
        }
    }

    private static AdamWArgs Args(AdamWArgs args, StepState state, Device device, out DeviceBuffer buffer)
    {
        buffer = LossResults.Upload(device, state);
        return args with { StepState = buffer.Address };
    }

    private static Dictionary<string, T[]> Reference<T>(TensorSpec[] specs, AdamWArgs args, StepState state) where T : IFloatingPointIeee754<T>
    {
        var results = new Dictionary<string, T[]>();
        for (int i = 0; i < specs.Length; i++)
        {
            T[] master = Samples.As<T>(specs[i].Master(i)), first = Samples.As<T>(specs[i].FirstMoment(i)), second = Samples.As<T>(specs[i].SecondMoment(i, specs[i].Count));
            OptimizerReference<T>.AdamW(master, Samples.As<T>(specs[i].Gradient(i)), first, second, args, state, specs[i].LearningRateScale, specs[i].WeightDecay);
            results[$"master {i}"] = master;
            results[$"first moment {i}"] = first;
            results[$"second moment {i}"] = second;
            results[$"row means {i}"] = [];
            results[$"column means {i}"] = [];
        }
        return results;
    }
}
