using System.Text.Json.Nodes;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.Models;
using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class TrainerTests
{
    /// <summary>Four batches of one sequence are one of four: the same data, the same loss of the step (sum over its targets), the same weights but for the order of sums.</summary>
    [Fact]
    public void AccumulationOfFourIsABatchOfFour()
    {
        using var folder = new TemporaryFolder();
        var one = new EventList();
        var four = new EventList();
        RunResult batch = Runs.Execute(Runs.Config("data.sequences=4", "schedule.steps=6"), folder["batch"], events: one);
        RunResult accumulated = Runs.Execute(Runs.Config("data.sequences=1", "accumulation=4", "schedule.steps=6"), folder["accumulated"], events: four);
        StepCompleted[] expected = [.. one.Of<StepCompleted>()], actual = [.. four.Of<StepCompleted>()];
        Assert.Equal(6, actual.Length);
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal((expected[i].Tokens, expected[i].Targets, expected[i].Images), (actual[i].Tokens, actual[i].Targets, actual[i].Images));
            Assert.Equal(expected[i].Loss, actual[i].Loss, 1e-5 * expected[i].Loss);
            Assert.Equal(expected[i].GradientNorm, actual[i].GradientNorm, 1e-4 * expected[i].GradientNorm);
            Assert.Equal(expected[i].Sources.Select(source => (source.Source, source.Targets)), actual[i].Sources.Select(source => (source.Source, source.Targets)));
        }
        using SafeTensorsFile left = SafeTensorsFile.Open(Path.Combine(batch.Checkpoint!, "model.safetensors")), right = SafeTensorsFile.Open(Path.Combine(accumulated.Checkpoint!, "model.safetensors"));
        foreach (SafeTensorsEntry entry in left.Entries)
        {
            float[] a = left.Read<float>(entry), b = right.Read<float>(right.Find(entry.Name)!);
            // Adam divides by the root of the second moment: a gradient near 0 may turn a rounding into a part of a step of 0.003.
            for (int i = 0; i < a.Length; i++) Assert.True(Math.Abs(a[i] - b[i]) <= 1e-3, $"{entry.Name}[{i}]: {a[i]} and {b[i]}");
        }
    }

    /// <summary>Padding has no part in the loss: with it (the same shapes in every step) and without, the steps are the same but for rounding.</summary>
    [Fact]
    public void PaddingChangesNothing()
    {
        using var folder = new TemporaryFolder();
        EventList dense = new(), padded = new();
        Runs.Execute(Runs.Config("schedule.steps=6", "data.fixedShapes=false"), folder["dense"], events: dense);
        Runs.Execute(Runs.Config("schedule.steps=6", "data.fixedShapes=true"), folder["padded"], events: padded);
        StepCompleted[] expected = [.. padded.Of<StepCompleted>()], actual = [.. dense.Of<StepCompleted>()];
        Assert.Equal(6, actual.Length);
        Assert.Contains(expected, step => step.Throughput.PackingEfficiency < 1);
        for (int i = 0; i < 6; i++)
        {
            Assert.Equal((expected[i].Tokens, expected[i].Targets, expected[i].Images), (actual[i].Tokens, actual[i].Targets, actual[i].Images));
            Assert.Equal(expected[i].Loss, actual[i].Loss, 1e-5 * expected[i].Loss);
            Assert.Equal(expected[i].GradientNorm, actual[i].GradientNorm, 1e-4 * expected[i].GradientNorm);
            foreach ((SourceLoss left, SourceLoss right) in expected[i].Sources.Zip(actual[i].Sources))
            {
                Assert.Equal((left.Source, left.Targets), (right.Source, right.Targets));
                Assert.Equal(left.Loss, right.Loss, 1e-5 * left.Loss);
            }
        }
    }

    /// <summary>The losses by source, weighted by their targets, are the loss of the step.</summary>
    [Fact]
    public void LossesBySourceAddUp()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        Runs.Execute(Runs.Config("accumulation=3"), folder["run"], events: events);
        var sources = new HashSet<string>();
        foreach (StepCompleted step in events.Of<StepCompleted>())
        {
            Assert.Equal(step.Targets, step.Sources.Sum(source => source.Targets));
            Assert.Equal(step.Loss, step.Sources.Sum(source => source.Loss * source.Targets) / step.Targets, 1e-5 * step.Loss);
            sources.UnionWith(step.Sources.Select(source => source.Source));
        }
        Assert.Equal(["captions", "interleaved", "text"], sources.Order());
    }

    /// <summary>Evaluation and samples every second step, or none: the same bits.</summary>
    [Fact]
    public void EvaluationDoesNotDisturbTraining()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        RunResult plain = Runs.Execute(Runs.Config(), folder["plain"]);
        RunResult evaluated = Runs.Execute(Runs.Config("evaluation.every=2", "evaluation.limit=4", "evaluation.tasks=[{task: shapes-qa}, {task: shapes-caption, split: unseenCombination}]", "samples.every=3"),
            folder["evaluated"], events: events);
        Assert.Equal(Runs.Bits(plain.Checkpoint!), Runs.Bits(evaluated.Checkpoint!));
        Assert.Equal(Runs.Metrics(folder["plain"]), Runs.Metrics(folder["evaluated"]));
        Assert.Equal([2L, 2, 4, 4, 6, 6, 8, 8, 10, 10], events.Of<EvaluationCompleted>().Select(evaluation => evaluation.Step));
        Assert.Equal([3L, 6, 9, 12], events.Of<SamplesDrawn>().Select(samples => samples.Step));
    }

    [Fact]
    public void TheSummaryHasTheKeysThatTheConfigurationNames()
    {
        using var folder = new TemporaryFolder();
        RunResult run = Runs.Execute(Runs.Config("schedule.steps=3", "evaluation.finalLimit=5",
            "evaluation.final=[{task: shapes-qa, summary: {accuracy: qa_accuracy_unseen_seed}}, {task: shapes-qa, blind: true, summary: {accuracy: qa_accuracy_blind}}, "
            + "{task: shapes-format, shots: 1, wrongFormat: true, limit: 3, summary: {content_accuracy: content_accuracy_wrong_format, format_accuracy: format_accuracy}}]"), folder["run"]);
        JsonObject summary = JsonNode.Parse(File.ReadAllText(folder["run/summary.json"]))!.AsObject();
        Assert.Equal(["train_seconds", "eval_seconds", "build_excluded", "steps", "parameters", "tokens_per_s", "images_per_s", "data_wait_fraction", "peak_rss_mib",
            "qa_accuracy_unseen_seed", "qa_accuracy_blind", "content_accuracy_wrong_format", "format_accuracy"], summary.Select(entry => entry.Key));
        Assert.Equal(3, (int)summary["steps"]!);
        Assert.True((bool)summary["build_excluded"]!);
        Assert.Equal(run.Summary.Parameters, (long)summary["parameters"]!);
        Assert.InRange((double)summary["qa_accuracy_unseen_seed"]!, 0, 1);
        Assert.All((string[])["train_seconds", "eval_seconds", "tokens_per_s", "images_per_s"], key => Assert.True((double)summary[key]! > 0, key));
        Assert.InRange((double)summary["data_wait_fraction"]!, 0, 1);
        Assert.True((double)summary["peak_rss_mib"]! > 20);
        Assert.Equal(RunSummary.Read(folder["run/summary.json"]).Metrics, run.Summary.Metrics);
    }

    /// <summary>Cancelled in the middle: the present step ends, a checkpoint is saved, and the run goes on from it.</summary>
    [Fact]
    public void ACancelledRunSavesAndGoesOn()
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        var events = new EventList { Also = happened => { if (happened is StepCompleted { Step: 5 }) cancellation.Cancel(); } };
        RunResult stopped = Runs.Execute(Runs.Config(), folder["run"], events: events, cancellationToken: cancellation.Token);
        Assert.Equal(TrainStatus.Stopped, stopped.Status);
        Assert.EndsWith("step-000005", stopped.Checkpoint!);
        Assert.Equal(5, Assert.Single(events.Of<RunStopped>()).Step);
        Assert.False(File.Exists(folder["run/summary.json"]));
        RunResult rest = Runs.Execute(Runs.Config(), folder["run"], resume: true), whole = Runs.Execute(Runs.Config(), folder["whole"]);
        Assert.Equal(Runs.Bits(whole.Checkpoint!), Runs.Bits(rest.Checkpoint!));
    }

    [Fact]
    public void FrozenParametersStayAndScaledOnesMoveLess()
    {
        using var folder = new TemporaryFolder();
        RunResult start = Runs.Execute(Runs.Config("lrScale.\"*\"=0"), folder["start"], maxSteps: 1);
        RunResult run = Runs.Execute(Runs.Config("freeze=[\"encoder.*\"]", "lrScale.\"decoder.*\"=0", "optimizer.weightDecay=0"), folder["run"]);
        using SafeTensorsFile before = SafeTensorsFile.Open(Path.Combine(start.Checkpoint!, "model.safetensors")), after = SafeTensorsFile.Open(Path.Combine(run.Checkpoint!, "model.safetensors"));
        foreach (SafeTensorsEntry entry in after.Entries)
            Assert.Equal(!entry.Name.StartsWith("connector.", StringComparison.Ordinal), before.Read<float>(before.Find(entry.Name)!).AsSpan().SequenceEqual(after.Read<float>(entry)));
        using SafeTensorsFile state = SafeTensorsFile.Open(Path.Combine(run.Checkpoint!, "optimizer.safetensors"));
        Assert.DoesNotContain(state.Entries, entry => entry.Name.StartsWith("encoder.", StringComparison.Ordinal));
    }

    [Fact]
    public void PartsStartFromFiles()
    {
        using var folder = new TemporaryFolder();
        RunResult first = Runs.Execute(Runs.Config("schedule.steps=3"), folder["first"]);
        using (Device device = Runs.Open())
        using (ModelBundle bundle = ModelBundle.Load(first.Checkpoint!, device))
        {
            ModelFiles.Save(bundle.Model.Encoder, folder["encoder.safetensors"]);
            ModelFiles.Save(bundle.Model.Decoder, folder["llm.safetensors"]);
        }
        string[] sets = ["seed=9", "freeze=[\"encoder.*\", \"decoder.*\"]", $"init.encoder={folder["encoder.safetensors"]}", $"init.llm={folder["llm.safetensors"]}"];
        RunResult second = Runs.Execute(Runs.Config(sets), folder["second"], maxSteps: 2);
        using SafeTensorsFile before = SafeTensorsFile.Open(Path.Combine(first.Checkpoint!, "model.safetensors")), after = SafeTensorsFile.Open(Path.Combine(second.Checkpoint!, "model.safetensors"));
        foreach (SafeTensorsEntry entry in after.Entries)
            Assert.Equal(!entry.Name.StartsWith("connector.", StringComparison.Ordinal), before.Read<float>(before.Find(entry.Name)!).AsSpan().SequenceEqual(after.Read<float>(entry)));
        TrainingException swapped = Assert.Throws<TrainingException>(() => Runs.Execute(Runs.Config($"init.encoder={folder["llm.safetensors"]}"), folder["third"]));
        Assert.Contains("init.encoder", swapped.Message);
        Assert.Contains("missing", swapped.Message);
        Assert.Contains("init.llm", Assert.Throws<TrainingException>(() => Runs.Execute(Runs.Config($"init.llm={folder["nowhere.safetensors"]}"), folder["fourth"])).Message);
    }

    [Fact]
    public void OneStepIsTraced()
    {
        using var folder = new TemporaryFolder();
        RunResult traced = Runs.Execute(Runs.Config("trace.step=3"), folder["run"]), plain = Runs.Execute(Runs.Config(), folder["plain"]);
        Assert.Equal(Runs.Bits(plain.Checkpoint!), Runs.Bits(traced.Checkpoint!));
        JsonObject[] events = [.. JsonNode.Parse(File.ReadAllText(folder["run/trace.json"]))!["traceEvents"]!.AsArray().Select(node => node!.AsObject())];
        JsonObject[] spans = [.. events.Where(node => (string)node["ph"]! == "X")];
        Assert.Equal(["forward", "backward", "optimizer"], spans.Where(span => (int)span["tid"]! == 1).Select(span => (string)span["name"]!));
        string[] kernels = [.. spans.Where(span => (int)span["tid"]! == 2).Select(span => (string)span["name"]!)];
        Assert.Contains("FlashAttentionBackward", kernels);
        Assert.Equal("AdamW", kernels[^1]);
        Assert.All(spans, span => Assert.True((double)span["ts"]! >= 0 && (double)span["dur"]! >= 0));
        JsonObject backward = spans.Single(span => (string)span["name"]! == "backward"), attention = spans.First(span => (string)span["name"]! == "FlashAttentionBackward");
        Assert.InRange((double)attention["ts"]!, (double)backward["ts"]!, (double)backward["ts"]! + (double)backward["dur"]!);
    }

    /// <summary>A step whose labels are all masked is an error that says so, and its data are written.</summary>
    [Fact]
    public void AStepWithoutTargetsIsAnError()
    {
        using var folder = new TemporaryFolder();
        using Device device = Runs.Open();
        TrainingConfig config = Runs.Config();
        WordTokenizer tokenizer = WorldWords.CreateTokenizer();
        Mm1Config modelConfig = Mm1ConfigReader.FromNode(config.Model, "test", vocabulary: tokenizer.VocabularySize);
        var images = new ImageSettings { Size = 48 };
        var masked = TrainingData.From(new SyntheticWorld(config.Data.World), tokenizer,
            [new MixtureSource(new ListDocumentSource("masked", [new Document("masked", "only", [new TextSegment("a red circle", LossRole.Context)])]), 1)]);
        using var model = new Mm1Model(modelConfig);
        model.Build(device, 1);
        using var trainer = new Trainer(new TrainerParts
        {
            Config = config,
            ConfigNode = TrainingRun.ToNode(config, modelConfig),
            Model = model,
            Data = masked,
            Packing = masked.Packing(config, modelConfig, images),
            OutDirectory = folder.Path,
            Checkpoints = new CheckpointStore(folder["checkpoints"]),
            WriteModel = path => ModelBundle.Save(path, model, tokenizer, images),
            Emit = _ => { },
        });
        TrainingException failure = Assert.Throws<TrainingException>(() => trainer.Run(3, TestContext.Current.CancellationToken));
        Assert.Contains("every label is masked", failure.Message);
        Assert.Contains("a red circle", File.ReadAllText(folder["failed-batch-step-1/batch-0-documents.txt"]));
    }
}
