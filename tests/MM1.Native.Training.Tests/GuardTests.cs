using MM1.Native.Autograd;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.Models;
using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class GuardTests
{
    [Fact]
    public void OutliersAreFoundByTheirScore()
    {
        var detector = new OutlierDetector(4);
        foreach (double value in (double[])[9, 1, 2, 3])
        {
            Assert.Equal(0, detector.Score(1e9)); // not before the window is full
            detector.Add(value);
        }
        detector.Add(4); // 1 2 3 4: mean 2.5, deviation sqrt(1.25)
        Assert.Equal(2.5 / Math.Sqrt(1.25), detector.Score(5), 12);
        Assert.Equal(2.5 + 6 * Math.Sqrt(1.25), detector.Threshold(6), 12);
        detector.Load([2, 2, 2, 2]);
        Assert.Equal(5, detector.Score(2.1), 6); // constant values have a deviation of a hundredth
    }

    [Fact]
    public void SpikesAreSkippedUntilTheyAreTooMany()
    {
        var guard = new SpikeGuard(new GuardConfig { ZScore = 3, Window = 4, MaximumSkips = 2 });
        for (int i = 0; i < 4; i++)
        {
            Assert.True(double.IsPositiveInfinity(guard.GradientNormLimit));
            Assert.Null(guard.JudgeLoss(100));
            guard.Accept(1 + 0.1 * i, 2 + 0.1 * i);
        }
        Assert.Null(guard.JudgeLoss(1.4));
        Assert.Equal(SkipCause.LossSpike, guard.JudgeLoss(1.6));
        Assert.Null(guard.JudgeLoss(-50)); // what falls is no spike
        Assert.Equal(SkipCause.LossNotFinite, guard.JudgeLoss(double.NaN));
        Assert.Equal(2.15 + 3 * Math.Sqrt(0.0125), guard.GradientNormLimit, 12);
        guard.Skip();
        guard.Skip();
        Assert.False(guard.IsExhausted);
        GuardState state = guard.ToState();
        var restored = new SpikeGuard(new GuardConfig { ZScore = 3, Window = 4, MaximumSkips = 2 }, state);
        Assert.Equal(guard.GradientNormLimit, restored.GradientNormLimit);
        restored.Skip();
        Assert.True(restored.IsExhausted);
        Assert.Equal(3, restored.Skips);
        restored.Accept(1, 2);
        Assert.False(restored.IsExhausted);
    }

    /// <summary>With a guard that takes the slightest rise for a spike a run skips steps, of loss and of gradient norm; a skipped step changes no weight and no moment.</summary>
    [Fact]
    public void ASkippedStepChangesNothing()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        TrainingConfig config = Runs.Config("guard.zScore=0.5", "guard.window=2", "guard.maximumSkips=1000", "schedule.steps=30", "checkpoints.every=1", "checkpoints.keep=100");
        Runs.Execute(config, folder["run"], events: events);
        StepSkipped[] skips = [.. events.Of<StepSkipped>()];
        Assert.Contains(skips, skip => skip.Cause == SkipCause.LossSpike);
        Assert.Contains(skips, skip => skip.Cause == SkipCause.GradientSpike);
        Assert.True(skips.Length < 29);
        Assert.Equal(Enumerable.Range(1, skips.Length), skips.Select(skip => (int)skip.Skips));
        for (int step = 2; step <= 30; step++)
        {
            bool same = File.ReadAllBytes(Path(step, "model.safetensors")).AsSpan().SequenceEqual(File.ReadAllBytes(Path(step - 1, "model.safetensors")));
            bool sameState = File.ReadAllBytes(Path(step, "optimizer.safetensors")).AsSpan().SequenceEqual(File.ReadAllBytes(Path(step - 1, "optimizer.safetensors")));
            bool skipped = skips.Any(skip => skip.Step == step);
            Assert.Equal((skipped, skipped), (same, sameState));
            Assert.Equal(skipped, events.Of<StepCompleted>().Single(done => done.Step == step).Skipped);
        }
        TrainerState state = Trainer.ReadState(folder["run/checkpoints/step-000030"]);
        Assert.Equal(30 - skips.Length, state.OptimizerSteps);
        Assert.Equal(skips.Length, state.Guard.Skips);

        string Path(int step, string file) => folder[$"run/checkpoints/step-{step:D6}/{file}"];
    }

    [Fact]
    public void TooManySkipsInARowStopTheRunWithItsBatch()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        TrainingException failure = Assert.Throws<TrainingException>(() => Runs.Execute(
            Runs.Config("guard.zScore=0.0001", "guard.window=2", "guard.maximumSkips=2", "schedule.steps=300", "optimizer.learningRate=1e-9"), folder["run"], events: events));
        Assert.Contains("3 steps in a row were skipped, guard.maximumSkips allows 2", failure.Message);
        RunStopped stopped = Assert.Single(events.Of<RunStopped>());
        Assert.Equal(failure.Message, stopped.Reason);
        string dump = folder[$"run/failed-batch-step-{stopped.Step + 1}"];
        Assert.Contains(dump, failure.Message);
        Assert.Equal(1 + 2 * 64, File.ReadAllLines(Path.Combine(dump, "batch-0-tokens.tsv")).Length);
        Assert.NotEmpty(File.ReadAllText(Path.Combine(dump, "batch-0-documents.txt")));
        byte[] image = File.ReadAllBytes(Directory.GetFiles(dump, "*.png")[0]);
        Assert.Equal((48, 48), (Data.ImageCodec.Decode(image).Width, Data.ImageCodec.Decode(image).Height));
    }

    /// <summary>Weights that are no numbers: the run stops at once and names one. Finite ones that overflow: steps are skipped, then the run stops.</summary>
    [Theory]
    [InlineData(float.NaN, "holds values that are no numbers")]
    [InlineData(1e30f, "steps in a row were skipped")]
    public void WhatIsNotFiniteStopsTheRun(float value, string message)
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = Runs.Config("guard.maximumSkips=1", $"init.model={folder["bad.safetensors"]}");
        using (Device device = Runs.Open())
        using (var model = new Mm1Model(Mm1ConfigReader.FromNode(config.Model, "test", vocabulary: Data.WorldWords.CreateTokenizer().VocabularySize)))
        {
            model.Build(device, 1);
            Parameter weight = model.Decoder.TokenEmbedding.Weight;
            float[] values = weight.ToArray();
            for (int i = 0; i < values.Length; i++) values[i] = i % 3 == 0 ? value : -value;
            weight.Load(values);
            ModelFiles.Save(model, folder["bad.safetensors"]);
        }
        TrainingException failure = Assert.Throws<TrainingException>(() => Runs.Execute(config, folder["run"]));
        Assert.Contains(message, failure.Message);
        if (float.IsNaN(value)) Assert.Contains("'decoder.token_embedding.weight'", failure.Message);
        Assert.Contains("failed-batch-step-", failure.Message);
    }
}
