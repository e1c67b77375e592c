using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class CheckpointTests
{
    /// <summary>
    /// Whatever is done to whatever file: the checkpoint is refused by the name of the file, and the run goes on from the one before, with the bits that it would have had, which the next damage
    /// meets.
    /// </summary>
    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("optimizer.safetensors")]
    [InlineData("trainer.json")]
    [InlineData("model.json")]
    [InlineData("tokenizer.json")]
    [InlineData("complete.json")]
    public void ADamagedCheckpointIsPassedOver(string file)
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = Runs.Config("schedule.steps=6", "checkpoints.every=2");
        RunResult whole = Runs.Execute(config, folder["run"]);
        Dictionary<string, string> bits = Runs.Bits(whole.Checkpoint!);
        string path = Path.Combine(whole.Checkpoint!, file);
        foreach (string damage in (string[])["truncated", "flipped", "missing"])
        {
            Damage(path, damage);
            CheckpointException refused = Assert.Throws<CheckpointException>(() => CheckpointStore.Verify(whole.Checkpoint!));
            Assert.Contains(path, refused.Message);
            Assert.Contains("Use an earlier checkpoint", refused.Message);
            var events = new EventList();
            RunResult again = Runs.Execute(config, folder["run"], resume: true, events: events);
            RunStarted started = Assert.Single(events.Of<RunStarted>());
            Assert.Equal(4, started.Step);
            Assert.Contains(started.Notes, note => note.Contains(path, StringComparison.Ordinal));
            Assert.Contains(started.Notes, note => note.Contains("Continuing from step 4", StringComparison.Ordinal));
            Assert.Equal(bits, Runs.Bits(again.Checkpoint!));
        }
    }

    private static void Damage(string path, string damage)
    {
        byte[] bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 0x10;
        if (damage == "missing") File.Delete(path);
        else File.WriteAllBytes(path, damage == "truncated" ? bytes[..(bytes.Length / 2)] : bytes);
    }

    [Fact]
    public void WithoutAnyWholeCheckpointNothingIsOverwritten()
    {
        using var folder = new TemporaryFolder();
        RunResult run = Runs.Execute(Runs.Config("schedule.steps=3", "checkpoints.every=0"), folder["run"]);
        File.Delete(Path.Combine(run.Checkpoint!, "optimizer.safetensors"));
        CheckpointException refused = Assert.Throws<CheckpointException>(() => Runs.Execute(Runs.Config("schedule.steps=3"), folder["run"], resume: true));
        Assert.Contains("optimizer.safetensors", refused.Message);
        TrainingException there = Assert.Throws<TrainingException>(() => Runs.Execute(Runs.Config("schedule.steps=3"), folder["run"]));
        Assert.Contains("--resume", there.Message);
        Assert.True(Directory.Exists(run.Checkpoint!));
    }

    [Fact]
    public void OldCheckpointsGoAndUnfinishedOnesAreRemoved()
    {
        using var folder = new TemporaryFolder();
        string[] sets = ["schedule.steps=7", "checkpoints.every=1", "checkpoints.keep=2"];
        Runs.Execute(Runs.Config(sets), folder["run"], maxSteps: 5);
        Directory.CreateDirectory(folder["run/checkpoints/.unfinished-step-000006"]);
        File.WriteAllText(folder["run/checkpoints/.unfinished-step-000006/model.safetensors"], "half");
        Directory.CreateDirectory(folder["run/checkpoints/.old-step-000001"]);
        Assert.Equal([5L, 4L], new CheckpointStore(folder["run/checkpoints"]).List().Select(place => place.Step));
        Runs.Execute(Runs.Config(sets), folder["run"], resume: true);
        Assert.Equal(["step-000006", "step-000007"], Directory.GetFileSystemEntries(folder["run/checkpoints"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void ResumingWithoutACheckpointStartsFreshAndSaysSo()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        Runs.Execute(Runs.Config("schedule.steps=3"), folder["run"], resume: true, events: events);
        Assert.Contains("starting fresh", Assert.Single(Assert.Single(events.Of<RunStarted>()).Notes));
    }

    [Fact]
    public void ResumingAFinishedRunSaysSoAndChangesNothing()
    {
        using var folder = new TemporaryFolder();
        RunResult first = Runs.Execute(Runs.Config("schedule.steps=3"), folder["run"]);
        string metrics = File.ReadAllText(folder["run/metrics.jsonl"]), summary = File.ReadAllText(folder["run/summary.json"]);
        var events = new EventList();
        RunResult again = Runs.Execute(Runs.Config("schedule.steps=3"), folder["run"], resume: true, events: events);
        Assert.True(again.WasFinished);
        Assert.Equal(TrainStatus.Finished, again.Status);
        Assert.Equal(first.Checkpoint!, again.Checkpoint!);
        Assert.Contains("finished", Assert.Single(Assert.Single(events.Of<RunStarted>()).Notes));
        Assert.Equal(metrics, File.ReadAllText(folder["run/metrics.jsonl"]));
        Assert.Equal(summary, File.ReadAllText(folder["run/summary.json"]));
    }

    [Theory]
    [InlineData("seed=4", "seed")]
    [InlineData("data.length=96", "data.length")]
    [InlineData("model.decoder.hidden=48", "model.decoder.hidden")]
    [InlineData("optimizer.weightDecay=0.2", "optimizer.weightDecay")]
    [InlineData("schedule.steps=20", "schedule.steps")]
    [InlineData("guard.window=7", "guard.window")]
    [InlineData("freeze=[\"encoder.*\"]", "freeze")]
    public void ChangesThatAlterTheRunAreRefused(string set, string key)
    {
        using var folder = new TemporaryFolder();
        Runs.Execute(Runs.Config(), folder["run"], maxSteps: 2);
        CheckpointException refused = Assert.Throws<CheckpointException>(() => Runs.Execute(Runs.Config(set), folder["run"], resume: true));
        Assert.Contains(key, refused.Message);
        Assert.Contains("another output folder", refused.Message);
    }

    [Fact]
    public void ChangesThatDoNotAlterTheRunAreTaken()
    {
        using var folder = new TemporaryFolder();
        RunResult whole = Runs.Execute(Runs.Config(), folder["whole"]);
        Runs.Execute(Runs.Config(), folder["run"], maxSteps: 5);
        RunResult rest = Runs.Execute(Runs.Config("name=other", "log.every=3", "checkpoints.every=5", "checkpoints.keep=1", "samples.every=2", "recompute=true", "data.workers=2", "data.prefetch=2"), folder["run"], resume: true);
        Assert.Equal(Runs.Bits(whole.Checkpoint!), Runs.Bits(rest.Checkpoint!));
    }
}
