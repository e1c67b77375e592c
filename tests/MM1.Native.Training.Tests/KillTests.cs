using System.Diagnostics;
using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class KillTests
{
    private const int Kills = 20;

    private static readonly string[] Sets = ["schedule.steps=100000", "checkpoints.every=2", "checkpoints.keep=2", "data.workers=1", "log.every=5"];

    /// <summary>
    /// A run that is killed twenty times, at random instants from its start on, and continued each time: every checkpoint is whole whenever one looks, and the end has the bits of a run that was
    /// never stopped.
    /// </summary>
    [Fact]
    public void ARunThatIsKilledAtAnyInstantContinuesBitForBit()
    {
        using var folder = new TemporaryFolder();
        string killed = folder["killed"];
        var random = new Random(20);
        long newest = 0;
        int inTraining = 0;
        for (int i = 0; i < Kills; i++)
        {
            using Process child = ChildProgram.Start(killed, Sets);
            // Half of the kills wait for a number of steps, which are a line each: a machine that is busy would otherwise see none in training, or none that was saved.
            int steps = i % 2 == 0 ? random.Next(1, 12) : 0, seen = 0;
            while (seen < steps && child.StandardOutput.ReadLine() is not null) seen++;
            if (seen > 0) inTraining++;
            // A step takes milliseconds and every second one is saved: some more of them meet all of training; the others meet the start.
            Thread.Sleep(random.Next(seen > 0 ? 50 : 700));
            Assert.False(child.HasExited, $"the child ended by itself: {(child.HasExited ? child.StandardError.ReadToEnd() : "")}");
            child.Kill();
            child.WaitForExit();
            var store = new CheckpointStore(Path.Combine(killed, "checkpoints"));
            foreach (CheckpointPlace place in store.List())
            {
                CheckpointStore.Verify(place.Path);
                Assert.Equal(place.Step, Trainer.ReadState(place.Path).Step);
            }
            long step = store.List() is { Count: > 0 } places ? places[0].Step : 0;
            Assert.True(step >= newest, $"step {newest} was saved, then the newest was {step}");
            newest = step;
        }
        Assert.True(inTraining > 0 && newest > 0, "no kill met a run in training");
        int end = (int)newest + 3;
        RunResult last = Runs.Execute(Runs.Config(Sets), killed, resume: true, maxSteps: end), whole = Runs.Execute(Runs.Config(Sets), folder["whole"], maxSteps: end);
        Assert.Equal(Runs.Bits(whole.Checkpoint!), Runs.Bits(last.Checkpoint!));
        Assert.Equal(Runs.Metrics(folder["whole"]), Runs.Metrics(killed));
        Assert.Empty(Directory.GetDirectories(Path.Combine(killed, "checkpoints"), ".*"));
        Assert.InRange(Directory.GetDirectories(Path.Combine(killed, "checkpoints")).Length, 1, 2);
    }
}
