using System.Numerics;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

/// <summary>The pixel loss, forward and backward, with all options; the text form names it in test output.</summary>
public sealed record PatchRegressionCase
{
    public int Patches { get; init; }
    public int Columns { get; init; }
    /// <summary>0: no mask; else every so many patches one counts.</summary>
    public int CountEvery { get; init; }
    public bool Normalize { get; init; } = true;
    public float Epsilon { get; init; } = 1e-6f;
    public float Denominator { get; init; } = -1;
    public float LossGradient { get; init; } = float.NaN;
    /// <summary>Added to every pixel: the mean that normalization takes away again.</summary>
    public float Offset { get; init; } = 0.5f;
    public int Padding { get; init; }

    public float[] Prediction() => Samples.Normal(1, (long)Patches * Columns);

    public float[] Target() => [.. Samples.Normal(2, (long)Patches * Columns, 0.25).Select(x => x + Offset)];

    public byte[]? Mask() => CountEvery == 0 ? null : [.. Enumerable.Range(1, Patches).Select(p => (byte)(p % CountEvery == 0 ? p : 0))];

    internal Dictionary<string, float[]> Run(Device device, float[]? predictionValues = null, float[]? targetValues = null)
    {
        using DeviceBuffer prediction = LossResults.From(device, predictionValues ?? Prediction(), Patches, Columns, Padding);
        using DeviceBuffer target = LossResults.From(device, targetValues ?? Target(), Patches, Columns, 2 * Padding);
        using DeviceBuffer? mask = CountEvery == 0 ? null : DeviceBuffer.From<byte>(device, Mask(), 1, Patches);
        using DeviceBuffer? state = Denominator < 0 ? null : LossResults.Upload(device, new StepState { LossDenominator = Denominator });
        using var loss = new DeviceBuffer(device, 1, 1);
        var forward = new PatchRegressionForwardArgs
        {
            Patches = Patches,
            Columns = Columns,
            Prediction = prediction,
            Target = target,
            Mask = mask,
            Loss = loss,
            StepState = state?.Address ?? 0,
            NormalizeTarget = Normalize ? 1 : 0,
            Epsilon = Epsilon,
        };
        long bytes = device.Kernels.PatchRegressionForwardWorkspaceBytes(forward);
        using DeviceBuffer workspace = LossResults.Workspace(device, bytes);
        device.Kernels.PatchRegressionForward(new Launch(0, workspace.Address, bytes), forward);
        workspace.CheckGuards();

        using var gradient = new DeviceBuffer(device, Patches, Columns, DType.Float32, Columns + 3 * Padding);
        using DeviceBuffer? lossGradient = float.IsNaN(LossGradient) ? null : DeviceBuffer.From<float>(device, [LossGradient], 1, 1);
        var backward = new PatchRegressionBackwardArgs
        {
            Patches = Patches,
            Columns = Columns,
            Prediction = prediction,
            Target = target,
            Mask = mask,
            LossGradient = lossGradient,
            PredictionGradient = gradient,
            StepState = state?.Address ?? 0,
            NormalizeTarget = Normalize ? 1 : 0,
            Epsilon = Epsilon,
        };
        bytes = device.Kernels.PatchRegressionBackwardWorkspaceBytes(backward);
        using DeviceBuffer backwardWorkspace = LossResults.Workspace(device, bytes);
        device.Kernels.PatchRegressionBackward(new Launch(0, backwardWorkspace.Address, bytes), backward);
        prediction.CheckGuards();
        target.CheckGuards();
        return new() { ["loss"] = loss.Download(), ["prediction gradient"] = gradient.Download() };
    }

    public void Check(Device device) => LossResults.Check(this, Run(device), Reference<double>(), Reference<float>());

    private Dictionary<string, T[]> Reference<T>() where T : IFloatingPointIeee754<T>
    {
        (T loss, T[] gradient) = LossReference<T>.PatchRegression(Samples.As<T>(Prediction()), Samples.As<T>(Target()), Mask(), Patches, Columns,
            Normalize, T.CreateChecked(Epsilon), Math.Max(Denominator, 0), T.CreateChecked(float.IsNaN(LossGradient) ? 1 : LossGradient));
        return new() { ["loss"] = [loss], ["prediction gradient"] = gradient };
    }
}

public sealed class PatchRegressionTests
{
    public static IEnumerable<TheoryDataRow<string, PatchRegressionCase>> Cases()
    {
        PatchRegressionCase[] cases =
        [
            .. from columns in new[] { 0, 1, 2, 15, 16, 17, 31, 33, 65, 100, 588, 768 }
               from normalize in new[] { true, false }
               select new PatchRegressionCase { Patches = 6, Columns = columns, Normalize = normalize, Padding = columns % 3, CountEvery = columns % 4 },
            .. from patches in new[] { 0, 1, 200 }
               select new PatchRegressionCase { Patches = patches, Columns = 300, CountEvery = 2, LossGradient = -3, Denominator = patches == 1 ? 0 : 77 },
            new() { Patches = 5, Columns = 48, Epsilon = 0.1f },
        ];
        return from device in TestDevices.WithNative from @case in cases select new TheoryDataRow<string, PatchRegressionCase>(device, @case);
    }

    [Theory, MemberData(nameof(Cases))]
    public void AgreesWithTheReference(string deviceName, PatchRegressionCase @case)
    {
        using Device device = TestDevices.Open(deviceName);
        @case.Check(device);
    }

    [Fact]
    public void TheReferencesGradientIsTheDerivative()
    {
        double[] prediction = Samples.As<double>(Samples.Normal(1, 4 * 6)), target = Samples.As<double>(Samples.Normal(2, 4 * 6));
        byte[] mask = [1, 0, 7, 1];
        (double, double[] Gradient) At(double[] x, double lossGradient) => LossReference<double>.PatchRegression(x, target, mask, 4, 6, true, 1e-3, 0, lossGradient);
        Agreement.CheckFiniteDifferences("prediction", x => 1.5 * At(x, 1).Item1, prediction, At(prediction, 1.5).Gradient);
    }

    [Theory, MemberData(nameof(LossResults.Pairs), MemberType = typeof(LossResults))]
    public void APatchIsTheSameBitsAmongAnyOthers(string first, string second)
    {
        using Device one = TestDevices.Open(first), two = TestDevices.Open(second);
        var many = new PatchRegressionCase { Patches = 400, Columns = 201, Denominator = 1 };
        Dictionary<string, float[]> expected = many.Run(one);
        LossResults.CheckBitwise("repeated", many.Run(one), expected);
        LossResults.CheckBitwise("threads", (many with { Padding = 1 }).Run(two), expected);
        foreach (int patch in new[] { 0, 77, 399 })
        {
            Range row = (patch * 201)..((patch + 1) * 201);
            Dictionary<string, float[]> single = (many with { Patches = 1 }).Run(two, many.Prediction()[row], many.Target()[row]);
            Agreement.CheckBitwise("alone", single["prediction gradient"], expected["prediction gradient"].AsSpan(row));
        }
    }

    /// <summary>A patch of one colour has no deviation: its normalized target is zero, also with Epsilon 0.</summary>
    [Theory, MemberData(nameof(LossResults.Pairs), MemberType = typeof(LossResults))]
    public void AConstantPatchIsTheZeroTarget(string deviceName, string _)
    {
        foreach (float epsilon in new[] { 0f, 1e-6f }) AConstantPatch(deviceName, epsilon);
    }

    private static void AConstantPatch(string deviceName, float epsilon)
    {
        using Device device = TestDevices.Open(deviceName);
        var @case = new PatchRegressionCase { Patches = 1, Columns = 20, Epsilon = epsilon };
        var target = new float[20];
        Array.Fill(target, 0.25f);
        float[] prediction = @case.Prediction();
        Dictionary<string, float[]> results = @case.Run(device, prediction, target);
        Assert.Equal(prediction.Average(x => (double)x * x), results["loss"][0], 1e-5);
    }

    [Fact]
    public void BrokenArgumentsAreNamed()
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var six = new DeviceBuffer(device, 3, 2);
        using var wrong = new DeviceBuffer(device, 3, 2, DType.Int32);
        var forward = new PatchRegressionForwardArgs { Patches = 3, Columns = 2, Prediction = six, Target = six, Loss = six };
        Expect(forward with { Patches = -1 }, "Patches is -1");
        Expect(forward with { Columns = -1 }, "Columns is -1");
        Expect(forward with { Prediction = default }, "Prediction is missing");
        Expect(forward with { Target = wrong }, "Target has dtype Int32");
        Expect(forward with { Mask = six }, "Mask has dtype Float32; this device needs UInt8.");
        Expect(forward with { Loss = default }, "Loss is missing");
        Expect(forward, "the workspace has 0 bytes");
        var backward = new PatchRegressionBackwardArgs { Patches = 3, Columns = 2, Prediction = six, Target = six, PredictionGradient = six };
        ExpectBackward(backward with { LossGradient = wrong }, "LossGradient has dtype Int32");
        ExpectBackward(backward with { PredictionGradient = six.Operand with { RowStride = 1 } }, "PredictionGradient has row stride 1");

        void Expect(PatchRegressionForwardArgs args, string message) =>
            Assert.Contains(message, CrossEntropyTests.Fails(() => device.Kernels.PatchRegressionForward(default, args)), StringComparison.Ordinal);
        void ExpectBackward(PatchRegressionBackwardArgs args, string message) =>
            Assert.Contains(message, CrossEntropyTests.Fails(() => device.Kernels.PatchRegressionBackward(default, args)), StringComparison.Ordinal);
    }
}
