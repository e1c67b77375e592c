using System.Diagnostics;
using System.Text.Json.Nodes;
using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Training.Tests;

public sealed class PretrainingTests
{
    private static readonly string[] Sets = ["encoderPretraining={steps: 6, images: 8, warmupSteps: 2}", "model.vision={imageSize: 48, patchSize: 8, layers: 1, width: 16, heads: 2, stemConvolutions: 3}"];

    /// <summary>Which caption is an image's among sixteen: by chance the loss is ln 16.</summary>
    [Fact]
    public void TheLossFalls()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        Runs.Execute(Runs.Config(Sets[1], "encoderPretraining={steps: 120, images: 16, warmupSteps: 10, learningRate: 4e-3}", "checkpoints.every=0"), folder["run"], maxSteps: 1, events: events);
        double[] losses = [.. events.Of<PretrainingStepCompleted>().Select(static step => step.Loss)];
        Assert.Equal(120, losses.Length);
        double last = losses[^20..].Average();
        Assert.True(last < 0.75 * Math.Log(16), $"the last twenty steps have a mean loss of {last}; chance is {Math.Log(16)}");
        Assert.True(losses[0] > last, $"from {losses[0]} to {last}");
    }

    /// <summary>Continued after it, from step 0 too, it is not repeated, and the end has the bits of a run that never stopped.</summary>
    [Fact]
    public void AContinuedRunDoesNotRepeatIt()
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = Runs.Config(Sets);
        RunResult whole = Runs.Execute(config, folder["whole"]);
        Runs.Execute(config, folder["parts"], maxSteps: 3);
        Assert.True(Directory.Exists(folder["parts/checkpoints/step-000000"]));
        Directory.Delete(folder["parts/checkpoints/step-000003"], recursive: true);
        var events = new EventList();
        RunResult parts = Runs.Execute(config, folder["parts"], resume: true, events: events);
        Assert.Empty(events.Of<PretrainingStepCompleted>());
        Assert.Equal(0, Assert.Single(events.Of<RunStarted>()).Step);
        Assert.Equal(Runs.Bits(whole.Checkpoint!), Runs.Bits(parts.Checkpoint!));
        Assert.Equal(Runs.Metrics(folder["whole"]), Runs.Metrics(folder["parts"]));
        Assert.Equal(Losses(folder["whole"]), Losses(folder["parts"]));
        Assert.Equal(6, Losses(folder["parts"]).Length);
        Assert.NotEqual(Runs.Bits(whole.Checkpoint!)["model.safetensors"], Runs.Bits(Runs.Execute(Runs.Config(Sets[1]), folder["without"]).Checkpoint!)["model.safetensors"]);
    }

    [Fact]
    public void AskedToStopItLeavesNothingAndBeginsAnew()
    {
        using var folder = new TemporaryFolder();
        using var stop = new CancellationTokenSource();
        TrainingConfig config = Runs.Config([.. Sets, "data.workers=2"]);
        var events = new EventList { Also = happened => { if (happened is PretrainingStepCompleted { PretrainingStep: 3 }) stop.Cancel(); } };
        RunResult stopped = Runs.Execute(config, folder["run"], events: events, cancellationToken: stop.Token);
        Assert.Equal((TrainStatus.Stopped, null), (stopped.Status, stopped.Checkpoint));
        Assert.Equal(3, events.Of<PretrainingStepCompleted>().Count());
        Assert.Contains("pre-training", Assert.Single(events.Of<RunStopped>()).Reason, StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(folder["run/checkpoints"]));
        RunResult again = Runs.Execute(config, folder["run"], resume: true), whole = Runs.Execute(config, folder["whole"]);
        Assert.Equal(Runs.Bits(whole.Checkpoint!), Runs.Bits(again.Checkpoint!));
        Assert.Equal(Losses(folder["whole"]), Losses(folder["run"]));
    }

    [Fact]
    public void KilledInItARunBeginsAnewWithTheSameBits()
    {
        using var folder = new TemporaryFolder();
        string[] sets = [.. Sets, "encoderPretraining.steps=2000"];
        using (Process child = ChildProgram.Start(folder["killed"], sets))
        {
            Assert.StartsWith("pre-training 1 ", child.StandardOutput.ReadLine(), StringComparison.Ordinal);
            child.Kill();
            child.WaitForExit();
        }
        Assert.Empty(Directory.GetDirectories(folder["killed/checkpoints"], "step-*"));
        RunResult again = Runs.Execute(Runs.Config(Sets), folder["killed"], resume: true), whole = Runs.Execute(Runs.Config(Sets), folder["whole"]);
        Assert.Equal(Runs.Bits(whole.Checkpoint!), Runs.Bits(again.Checkpoint!));
        Assert.Equal(Losses(folder["whole"]), Losses(folder["killed"]));
    }

    /// <summary>As many batches ahead and as many threads as one likes: the same bits.</summary>
    [Fact]
    public void WorkersAndThreadsChangeNothing()
    {
        using var folder = new TemporaryFolder();
        RunResult one = Runs.Execute(Runs.Config(Sets), folder["one"], maxSteps: 1);
        using Device device = TestDevices.Open("cpu/2");
        RunResult two = TrainingRun.Execute(Runs.Config([.. Sets, "data.workers=3"]), new RunOptions { OutDirectory = folder["two"], Device = device, MaxSteps = 1 });
        Assert.Equal(Runs.Bits(one.Checkpoint!), Runs.Bits(two.Checkpoint!));
        Assert.Equal(Losses(folder["one"]), Losses(folder["two"]));
    }

    /// <summary>A frozen encoder is one that the steps leave as pre-training made it.</summary>
    [Fact]
    public void AFrozenEncoderIsPretrained()
    {
        using var folder = new TemporaryFolder();
        string[] sets = [.. Sets, "freeze=[\"encoder.*\"]"];
        string trained = Runs.Execute(Runs.Config(sets), folder["with"], maxSteps: 2).Checkpoint!, drawn = Runs.Execute(Runs.Config([.. sets, "encoderPretraining.steps=0"]), folder["without"], maxSteps: 2).Checkpoint!;
        using Device device = Runs.Open();
        Dictionary<string, float[]> first = Encoder(folder["with/checkpoints/step-000000"]), last = Encoder(trained), before = Encoder(drawn);
        foreach (string name in first.Keys) Assert.Equal(first[name], last[name]);
        Assert.All(before.Keys, name => Assert.NotEqual(before[name], last[name]));

        Dictionary<string, float[]> Encoder(string checkpoint)
        {
            using ModelBundle bundle = ModelBundle.Load(checkpoint, device);
            return bundle.Model.Encoder.Parameters().ToDictionary(static parameter => parameter.Name, static parameter => parameter.ToArray());
        }
    }

    [Fact]
    public void ALossThatIsNoNumberEndsTheRun()
    {
        using var folder = new TemporaryFolder();
        TrainingException failure = Assert.Throws<TrainingException>(() => Runs.Execute(Runs.Config([.. Sets, "encoderPretraining.learningRate=1e30"]), folder["run"]));
        Assert.Contains("At step 2 of the encoder's pre-training the ", failure.Message, StringComparison.Ordinal);
        Assert.Contains("lower encoderPretraining.learningRate", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>Times count as training, and the summary says how much of them; speeds are those of the steps.</summary>
    [Fact]
    public void TheSummaryCountsIt()
    {
        using var folder = new TemporaryFolder();
        RunResult run = Runs.Execute(Runs.Config([.. Sets, "encoderPretraining.source=interleaved"]), folder["run"]);
        JsonNode summary = JsonNode.Parse(File.ReadAllText(folder["run/summary.json"]))!;
        Assert.Equal(48, (int)summary["pretraining_images"]!);
        double inIt = (double)summary["pretraining_seconds"]!, all = (double)summary["train_seconds"]!;
        Assert.InRange(inIt, 1e-3, all);
        RunSummary read = RunSummary.Read(folder["run/summary.json"]);
        Assert.Equal((48, run.Summary.Metrics.Count), (read.PretrainingImages, read.Metrics.Count));
        Assert.Equal(inIt, read.PretrainingSeconds);
        string events = string.Concat(Directory.GetFiles(folder["run/pretraining"], "events.out.tfevents.*").Select(static file => System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(file))));
        Assert.Contains("loss/contrastive", events, StringComparison.Ordinal);
        Runs.Execute(Runs.Config(), folder["without"]);
        Assert.Null(JsonNode.Parse(File.ReadAllText(folder["without/summary.json"]))!["pretraining_images"]);
    }

    /// <summary>A document that is no image with text gives its place to the next epoch's; a source without any is an error.</summary>
    [Fact]
    public void OtherDocumentsArePassedOver()
    {
        var world = new SyntheticWorld(new SyntheticWorldOptions());
        var config = new EncoderPretrainingConfig { Steps = 1, Images = 4 };
        var images = new ImageSettings { Size = 48 };
        using var feed = new CaptionedImageFeed(new EveryThird(world.Captions), WorldWords.CreateTokenizer(), images, new ImageAugmentation(), config, 1, workers: 1);
        CaptionedImages batch = feed.Take(CancellationToken.None);
        Assert.Equal(4, batch.Pairs);
        Assert.Equal(4 * batch.Tokens.Length, batch.Averaging.Length);
        for (int pair = 0; pair < 4; pair++) Assert.Equal(1, batch.Averaging.Slice(pair * batch.Tokens.Length, batch.Tokens.Length).ToArray().Sum(), 1e-5f);
        using var empty = new CaptionedImageFeed(world.Text, WorldWords.CreateTokenizer(), images, new ImageAugmentation(), config, 1, workers: 1);
        TrainingException failure = Assert.Throws<TrainingException>(() => empty.Take(CancellationToken.None));
        Assert.Contains("has no image with text after it", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>Colours are part of the model: what training normalised by is what a checkpoint is used with.</summary>
    [Fact]
    public void ColoursAreKeptWithTheModel()
    {
        using var folder = new TemporaryFolder();
        const string Colours = "data.images={mean: [0.1, 0.2, 0.3], deviation: [0.25, 0.5, 1]}";
        string own = Runs.Execute(Runs.Config(Colours), folder["own"], maxSteps: 1).Checkpoint!, usual = Runs.Execute(Runs.Config(), folder["usual"], maxSteps: 1).Checkpoint!;
        using Device device = Runs.Open();
        using ModelBundle first = ModelBundle.Load(own, device), second = ModelBundle.Load(usual, device);
        Assert.Equal([0.1f, 0.2f, 0.3f], first.Images.Mean);
        Assert.Equal([0.25f, 0.5f, 1f], first.Images.StandardDeviation);
        Assert.Equal(new ImageSettings { Size = 48 }.Mean, second.Images.Mean);
        Assert.Equal(new ImageSettings { Size = 48 }.StandardDeviation, second.Images.StandardDeviation);
        Assert.NotEqual(Runs.Metrics(folder["own"]), Runs.Metrics(folder["usual"]));
    }

    /// <summary>What of the pre-training two equal runs share.</summary>
    private static string[] Losses(string folder) =>
    [
        .. File.ReadLines(Path.Combine(folder, "metrics.jsonl")).Select(static line => JsonNode.Parse(line)!).Where(static line => (string)line["event"]! == "pretraining")
            .Select(static line => $"{line["step"]} {line["pretraining_step"]} {line["loss"]} {line["gradient_norm"]} {line["learning_rate"]} {line["scale"]}"),
    ];

    /// <summary>Two of three documents cannot be used: one is bad, one has no text.</summary>
    private sealed class EveryThird(IDocumentSource inner) : IDocumentSource
    {
        public string Name => inner.Name;

        public long DocumentsPerEpoch => inner.DocumentsPerEpoch;

        public Document Read(long epoch, long index, CancellationToken cancellationToken = default) => ((epoch + index) % 3) switch
        {
            0 => inner.Read(epoch, index, cancellationToken),
            1 => throw new BadDocumentException("test", "a bad document"),
            _ => new Document(Name, "image alone", [inner.Read(epoch, index, cancellationToken).Segments[0]]),
        };
    }
}
