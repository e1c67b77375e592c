using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class ResumeTests
{
    /// <summary>A run that is stopped and continued twice ends with the bits of one that never stopped: weights, optimizer, data cursor, guard, metrics.</summary>
    [Theory]
    [InlineData("accumulation=1")]
    [InlineData("accumulation=3")]
    [InlineData("overfitOneBatch=true")]
    [InlineData("optimizer.kind=adafactor")]
    [InlineData("guard.window=4")]
    [InlineData("data.workers=2")]
    public void AContinuedRunHasTheSameBits(string set)
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = Runs.Config(set);
        RunResult whole = Runs.Execute(config, folder["whole"]);
        Assert.Equal(TrainStatus.Finished, whole.Status);
        Assert.Equal(TrainStatus.Stopped, Runs.Execute(config, folder["parts"], resume: true, maxSteps: 3).Status);
        Assert.Equal(TrainStatus.Stopped, Runs.Execute(config, folder["parts"], resume: true, maxSteps: 7).Status);
        RunResult parts = Runs.Execute(config, folder["parts"], resume: true);
        Assert.Equal(TrainStatus.Finished, parts.Status);
        Assert.Equal(Runs.Bits(whole.Checkpoint!), Runs.Bits(parts.Checkpoint!));
        Assert.Equal(Runs.Metrics(folder["whole"]), Runs.Metrics(folder["parts"]));
        Assert.Equal(12, Runs.Metrics(folder["parts"]).Length);
    }

    [Fact]
    public void LossFalls()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        Runs.Execute(Runs.Config("schedule.steps=120", "overfitOneBatch=true", "checkpoints.every=0"), folder["run"], events: events);
        double[] losses = [.. events.Of<StepCompleted>().Select(step => step.Loss)];
        Assert.True(losses[^1] < 0.7 * losses[0], $"from {losses[0]} to {losses[^1]}");
    }
}
