using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Training.Tests;

/// <summary>Runs and checkpoints that move between devices; the data files of a checkpoint know nothing of the device that wrote them.</summary>
public sealed class DeviceChangeTests
{
    public static IEnumerable<TheoryDataRow<string, string>> Cases() => TestDevices.Native.Length == 0
        ? [new TheoryDataRow<string, string>("", "") { Skip = TestDevices.NativeMissing }]
        : TestDevices.Native.SelectMany(static device => new[] { "float32", "auto" }, static (device, precision) => new TheoryDataRow<string, string>(device, precision));

    /// <summary>Two steps on the cpu, two on the other device, two on the cpu again: the run goes on as if it had stayed, up to the roundings of the other device's precision.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void ARunMovesThereAndBack(string deviceName, string precision)
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = Runs.Config("schedule.steps=6", "schedule.warmupSteps=1", "data.length=48", "checkpoints.every=2", "samples.count=1", $"precision={precision}");
        EventList stayed = new(), moved = new();
        Runs.Execute(config, folder["stays"], events: stayed);
        Runs.Execute(config, folder["moves"], maxSteps: 2, events: moved);
        Assert.Equal(Bytes(Path.Combine(folder["stays"], "checkpoints", "step-000002")), Bytes(Path.Combine(folder["moves"], "checkpoints", "step-000002")));
        Runs.Execute(config, folder["moves"], resume: true, maxSteps: 4, events: moved, deviceName: deviceName);
        RunResult end = Runs.Execute(config, folder["moves"], resume: true, events: moved);
        Assert.Equal(TrainStatus.Finished, end.Status);
        double[] expected = [.. stayed.Of<StepCompleted>().Select(static step => step.Loss)], actual = [.. moved.Of<StepCompleted>().Select(static step => step.Loss)];
        Assert.Equal(expected[..2], actual[..2]);
        Assert.Equal(6, actual.Length);
        // A loss is a mean of logarithms, each off by the roundings of some twenty values on its way (2^-24 or 2^-8); the steps that follow each other add theirs.
        double unit = precision == "float32" ? Math.Pow(2, -24) : Math.Pow(2, -8);
        for (int i = 2; i < 6; i++)
            Assert.True(Math.Abs(actual[i] - expected[i]) <= 20 * unit * (i - 1) * Math.Max(1, expected[i]), $"step {i + 1}: {actual[i]:R} against {expected[i]:R}");
    }

    /// <summary>Weights that a device loads and another writes again are the same bits, masters of a bfloat16 run too.</summary>
    [Theory, MemberData(nameof(Cases))]
    public void LoadedWeightsHaveTheBitsOfTheFile(string deviceName, string precision)
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = Runs.Config("schedule.steps=2", "schedule.warmupSteps=1", "data.length=48", "samples.count=1", $"precision={precision}");
        RunResult run = Runs.Execute(config, folder["run"], deviceName: deviceName);
        using Device cpu = TestDevices.Open("cpu/1"), native = TestDevices.Open(deviceName);
        using ModelBundle here = ModelBundle.Load(run.Checkpoint!, cpu), there = ModelBundle.Load(run.Checkpoint!, native);
        foreach ((Autograd.Parameter mine, Autograd.Parameter other) in here.Model.Parameters().Zip(there.Model.Parameters()))
        {
            Assert.Equal(mine.Name, other.Name);
            Agreement.CheckBitwise(mine.Name, other.ToArray(), mine.ToArray());
        }
    }

    [Fact]
    public void BFloat16IsRefusedByTheCpuInOneMessage()
    {
        using var folder = new TemporaryFolder();
        var refused = Assert.Throws<ConfigurationException>(() => Runs.Execute(Runs.Config("precision=bfloat16"), folder["run"]));
        Assert.Equal("precision: Device cpu does not compute in bfloat16; use precision float32 (or auto), or a CUDA device.", refused.Message);
    }

    private static string[] Bytes(string checkpoint) =>
        [.. new[] { "model.safetensors", "optimizer.safetensors" }.Select(name => Convert.ToBase64String(File.ReadAllBytes(Path.Combine(checkpoint, name))))];
}
