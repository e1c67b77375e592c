using MM1.Native.Autograd;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Models.Tests;

/// <summary>A step of the whole model, recorded once and replayed, is the step that runs operation by operation: to the bit, whatever changes from step to step.</summary>
public sealed class CapturedStepTests
{
    private const int Steps = 20, Skipped = 11;

    public static IEnumerable<TheoryDataRow<string, Precision>> Cases() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, Precision>("", Precision.Auto) { Skip = TestDevices.NativeMissing }]
        : TestDevices.Native.SelectMany(static device => new[] { Precision.Float32, Precision.BFloat16 }, static (device, precision) => new TheoryDataRow<string, Precision>(device, precision));

    [Theory, MemberData(nameof(Cases))]
    public void TwentyReplayedStepsHaveTheBitsOfOrdinaryOnes(string deviceName, Precision precision)
    {
        using Device device = TestDevices.Open(deviceName);
        (float[] eager, float[] eagerLosses) = Train(device, precision, captured: false);
        (float[] replayed, float[] losses) = Train(device, precision, captured: true);
        Agreement.CheckBitwise("losses", losses, eagerLosses);
        Agreement.CheckBitwise("parameters", replayed, eager);
        Assert.True(losses[^1] < losses[0], $"The loss went from {losses[0]} to {losses[^1]}.");
    }

    public static IEnumerable<TheoryDataRow<string, Precision>> Encoders() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, Precision>("", Precision.Auto) { Skip = TestDevices.NativeMissing }]
        : from device in TestDevices.Native from precision in new[] { Precision.Float32, Precision.BFloat16 } select new TheoryDataRow<string, Precision>(device, precision);

    /// <summary>AIM's encoder adds fixed positions, here to another grid than that of training too, and nothing of it comes from the host.</summary>
    [Theory, MemberData(nameof(Encoders))]
    public void AnAimEncoderIsRecorded(string deviceName, Precision precision)
    {
        using Device device = TestDevices.Open(deviceName);
        foreach (int height in new[] { 8, 12 })
        {
            (float[] eager, float[] eagerLosses) = TrainAim(device, precision, height, captured: false);
            (float[] replayed, float[] losses) = TrainAim(device, precision, height, captured: true);
            Agreement.CheckBitwise("losses", losses, eagerLosses);
            Agreement.CheckBitwise("parameters", replayed, eager);
            Assert.True(losses[^1] < losses[0], $"The loss went from {losses[0]} to {losses[^1]}.");
        }
    }

    [Fact]
    public void TheCpuRecordsNothing()
    {
        using Device device = TestDevices.Open("cpu/1");
        using Mm1Model model = new(StepModel.Config(layers: 1));
        model.Build(device, 1);
        using var optimizer = new AdamW(model.Parameters());
        using Arena session = device.BeginSession();
        var refused = Assert.Throws<ArgumentException>(() => new CapturedStep(optimizer, () => []));
        Assert.StartsWith("Device cpu records no work; steps are captured on cuda:N and cuda-emulated.", refused.Message, StringComparison.Ordinal);
    }

    /// <summary>A body that cannot be recorded says why; the capture is abandoned, and the device and the model go on as before.</summary>
    [Theory, MemberData(nameof(TestDevices.NativeRows), MemberType = typeof(TestDevices))]
    public void WhatCannotBeRecordedIsToldAndLeavesTheDeviceUsable(string deviceName)
    {
        using Device device = TestDevices.Open(deviceName);
        using var layer = new Linear(4, 3);
        layer.Build(device, 1);
        using var optimizer = new AdamW(layer.Parameters(), new AdamWOptions { LearningRate = 1e-2f });
        using Arena session = device.BeginSession();
        Tensor x = Tensor.From(Samples.Normal(1, 8), [2, 4]);
        bool fromHost = false, reads = false, more = false;
        using var step = new CapturedStep(optimizer, () =>
        {
            if (fromHost) _ = Tensor.From([1f, 2], [2]);
            Tensor loss = Functional.Sum(layer.Forward(x) * layer.Forward(x)).Keep();
            loss.Backward();
            if (reads) loss.Item();
            return more ? [loss, loss] : [loss];
        });
        Assert.Equal("The step has not run yet.", Assert.Throws<InvalidOperationException>(() => step.Outputs).Message);

        using (device.BeginStep()) Functional.Sum(layer.Forward(x)).Backward();
        Assert.StartsWith("Parameters hold gradients of an earlier backward; a captured step begins without.", Assert.Throws<InvalidOperationException>(() => step.Run(1)).Message, StringComparison.Ordinal);
        foreach (Parameter parameter in layer.Parameters()) parameter.ZeroGradient();

        Assert.True(step.Run(1));
        Assert.True(step.Run(1));
        float before = step.Outputs[0].Item();
        try
        {
            GradientMode.TrapNonFinite = true;
            Assert.StartsWith("GradientMode.TrapNonFinite reads every result on the host", Assert.Throws<InvalidOperationException>(() => step.Run(1)).Message, StringComparison.Ordinal);
        }
        finally
        {
            GradientMode.TrapNonFinite = false;
        }
        foreach ((Action<bool> set, string part) in new (Action<bool>, string)[] { (value => fromHost = value, "8 bytes of host memory cannot be copied"), (value => reads = value, "captur"), (value => more = value, "The body returned 2 tensors, 1 before") })
        {
            float[] parameters = [.. layer.Parameters().SelectMany(static parameter => parameter.ToArray())];
            set(true);
            Exception refused = Assert.ThrowsAny<Exception>(() => step.Run(1));
            Assert.Contains(part, refused.Message, StringComparison.OrdinalIgnoreCase);
            set(false);
            Assert.False(step.IsRecorded);
            Assert.All(layer.Parameters(), static parameter => Assert.False(parameter.HasGradient));
            Agreement.CheckBitwise("parameters after an abandoned capture", [.. layer.Parameters().SelectMany(static parameter => parameter.ToArray())], parameters);
            using (device.BeginInference()) Assert.Equal([2f, 4], Functional.Scale(Tensor.From([1f, 2], [2]), 2).ToArray());
        }
        Assert.True(step.Run(1));
        Assert.True(step.IsRecorded);
        Assert.True(step.Run(1));
        Assert.True(step.Outputs[0].Item() < before);
    }

    private static (float[] Parameters, float[] Losses) TrainAim(Device device, Precision precision, int height, bool captured)
    {
        using var model = new VisionTransformer(VisionConfig.Aim(8, 4, 1, 16, 2));
        model.Build(device, 7, precision.Shadow(device));
        using var optimizer = new AdamW(model.Parameters(), new AdamWOptions { LearningRate = 1e-2f });
        using Arena session = device.BeginSession();
        Tensor images = Tensor.Zeros([2, height, 8, 3]);
        using CapturedStep? step = captured ? new CapturedStep(optimizer, () => [Loss()]) : null;
        var losses = new List<float>();
        for (int i = 0; i < 5; i++)
        {
            images.Write<float>(Samples.Normal(i % 2, images.Elements));
            if (step is not null)
            {
                step.Run(1);
                losses.Add(step.Outputs[0].Item());
                Assert.Equal(i >= 2, step.IsRecorded);
                continue;
            }
            using (device.BeginStep(1)) losses.Add(Loss().Item());
            optimizer.Step();
        }
        return ([.. model.Parameters().SelectMany(static parameter => parameter.ToArray())], [.. losses]);

        Tensor Loss()
        {
            Tensor features = model.Forward(images), loss = Functional.Mean(features * features).Keep();
            loss.Backward();
            return loss;
        }
    }

    private static (float[] Parameters, float[] Losses) Train(Device device, Precision precision, bool captured)
    {
        using Mm1Model model = new(StepModel.Config(layers: 1));
        model.Build(device, 7, precision.Shadow(device));
        using var optimizer = new AdamW(model.Parameters(), new AdamWOptions { MaxGradientNorm = 1, WeightDecay = 0.1f });
        using Arena session = device.BeginSession();
        Mm1Batch inputs = StepModel.Inputs();
        using CapturedStep? step = captured ? new CapturedStep(optimizer, () => [Loss()]) : null;
        var losses = new List<float>();
        for (int i = 0; i < Steps; i++)
        {
            int targets = StepModel.Write(inputs, i);
            optimizer.LearningRate = 3e-3f * (i + 1) / Steps;
            optimizer.SkipAboveGradientNorm = i == Skipped ? 1e-6f : 0;
            bool updated;
            if (step is not null)
            {
                updated = step.Run(targets);
                losses.Add(step.Outputs[0].Item());
                Assert.Equal(i >= 2, step.IsRecorded);
            }
            else
            {
                using (device.BeginStep(targets)) losses.Add(Loss().Item());
                updated = optimizer.Step();
            }
            Assert.Equal(i != Skipped, updated);
            // Other work between some steps, which wants more memory each time, must not disturb what was recorded.
            if (i % 5 == 2) using (device.BeginInference()) Functional.Scale(Tensor.Full([4096 * (i + 1)], 1), 2).ToArray();
        }
        Assert.Equal((Steps - 1, 1), (optimizer.Steps, optimizer.SkippedSteps));
        return ([.. model.Parameters().SelectMany(static parameter => parameter.ToArray())], [.. losses]);

        Tensor Loss()
        {
            Tensor loss = model.Loss(inputs, zLossWeight: 1e-4f).Keep();
            loss.Backward();
            return loss;
        }
    }
}
