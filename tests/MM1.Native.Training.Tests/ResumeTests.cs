using System.Text.Json.Nodes;
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

    /// <summary>Steps that are not logged leave the points of their curves: what is drawn after a resume is what was drawn before.</summary>
    [Fact]
    public void MetricsHaveEveryStep()
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = Runs.Config("log.every=5");
        Runs.Execute(config, folder["run"], maxSteps: 7);
        Runs.Execute(config, folder["run"], resume: true);
        JsonObject[] lines = [.. File.ReadLines(folder["run/metrics.jsonl"]).Select(static line => JsonNode.Parse(line)!.AsObject())];
        JsonObject[] points = [.. lines.Where(static line => (string)line["event"]! is "step" or "loss")];
        Assert.Equal(Enumerable.Range(1, 12), points.Select(static line => (int)line["step"]!));
        Assert.Equal([1, 5, 10, 12], points.Where(static line => (string)line["event"]! == "step").Select(static line => (int)line["step"]!));
        foreach (string key in new[] { "loss", "loss_by_source", "learning_rate", "gradient_norm" }) Assert.All(points, line => Assert.True(line.ContainsKey(key), key));
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
