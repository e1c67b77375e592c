using MM1.Native.Inference;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Training.Tests;

/// <summary>Runs whose steps are recorded and replayed.</summary>
public sealed class CaptureTests
{
    private static readonly string[] Sets = ["data.fixedShapes=true", "data.length=48", "data.maximumImages=2", "schedule.warmupSteps=1", "samples.count=1"];

    public static IEnumerable<TheoryDataRow<string, string>> Cases() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, string>("", "") { Skip = TestDevices.NativeMissing }]
        : from device in TestDevices.Native
          from sets in new[] { "precision=auto model.connector.kind=cAbstractor model.connector.hidden=16 model.connector.depth=1", "precision=float32 accumulation=2 recompute=true data.sequences=1" }
          select new TheoryDataRow<string, string>(device, sets);

    /// <summary>Samples and checkpoints in between, a continuation, several batches a step: losses, norms, weights and moments are those of the run that records nothing, to the bit.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void ARecordedRunHasTheBitsOfAnOrdinaryOne(string deviceName, string sets)
    {
        using var folder = new TemporaryFolder();
        string[] all = [.. Sets, "schedule.steps=8", "checkpoints.every=3", "samples.every=4", .. sets.Split(' ')];
        EventList eager = new(), recorded = new();
        Runs.Execute(Runs.Config(all), folder["eager"], maxSteps: 6, events: eager, deviceName: deviceName);
        TrainingConfig capture = Runs.Config([.. all, "capture=true"]);
        Runs.Execute(capture, folder["recorded"], maxSteps: 5, events: recorded, deviceName: deviceName);
        // An ordinary step goes on where recorded ones stopped.
        Runs.Execute(Runs.Config(all), folder["recorded"], resume: true, maxSteps: 6, events: recorded, deviceName: deviceName);
        Assert.Equal(Runs.Metrics(folder["eager"]), Runs.Metrics(folder["recorded"]));
        Assert.Equal(6, Runs.Metrics(folder["eager"]).Length);
        foreach (string file in (string[])["step-000003/model.safetensors", "step-000003/optimizer.safetensors", "step-000006/model.safetensors", "step-000006/optimizer.safetensors"])
            Assert.True(File.ReadAllBytes(Path.Combine(folder["eager"], "checkpoints", file)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(folder["recorded"], "checkpoints", file))), file);
        Assert.Empty(recorded.Of<StepSkipped>());
    }

    /// <summary>A gradient norm above the guard's limit is skipped by the device in a replayed step as well, and changes nothing; outliers of the loss are learned from.</summary>
    [Theory, MemberData(nameof(TestDevices.NativeRows), MemberType = typeof(TestDevices))]
    public void TheDeviceSkipsOutliersOfTheNorm(string deviceName)
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        TrainingConfig config = Runs.Config([.. Sets, "capture=true", "data.sequences=1", "guard.zScore=0.5", "guard.window=2", "guard.maximumSkips=1000", "schedule.steps=14", "checkpoints.every=1", "checkpoints.keep=100"]);
        Runs.Execute(config, folder["run"], maxSteps: 12, events: events, deviceName: deviceName);
        StepSkipped[] skips = [.. events.Of<StepSkipped>()];
        Assert.Contains(skips, static skip => skip.Step > 3);
        Assert.All(skips, static skip => Assert.Equal(SkipCause.GradientSpike, skip.Cause));
        for (int step = 2; step <= 12; step++)
        {
            bool same = Weights(step).AsSpan().SequenceEqual(Weights(step - 1));
            Assert.Equal(skips.Any(skip => skip.Step == step), same);
        }

        byte[] Weights(int step) => File.ReadAllBytes(folder[$"run/checkpoints/step-{step:D6}/model.safetensors"]);
    }

    [Theory]
    [InlineData("Configuration: data.fixedShapes must be true where capture is (a recorded step has the same shapes each time), not false.", "data.fixedShapes=false")]
    [InlineData("Configuration: trace.step must be 0 where capture is true (a recorded step is launched at once; its kernels cannot be timed), not 3.", "trace.step=3")]
    [InlineData("capture: device cpu records no work; set capture to false, or train on cuda:N or cuda-emulated.", "name=cpu")]
    public void WhatCannotBeRecordedIsRefused(string message, string set)
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(message, Assert.Throws<ConfigurationException>(() => Runs.Execute(Runs.Config([.. Sets, "capture=true", set]), folder["run"])).Message);
    }
}
