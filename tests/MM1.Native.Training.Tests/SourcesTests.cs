using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Training.Tests;

/// <summary>Training on files: <c>data.kind: sources</c>.</summary>
public sealed class SourcesTests
{
    private const string Final = """
        evaluation.final=[
          { task: caption-class, data: { format: webdataset, paths: [held-out/00000.tar] }, demonstrations: { format: webdataset, paths: [shards/00000.tar] }, shots: 1,
            summary: { accuracy: held_out }, timeTo: [ { metric: accuracy, value: 0, summary: seconds_to_0 }, { metric: accuracy, value: 2, summary: seconds_to_never } ] },
          { task: text-perplexity, data: { format: text, paths: [verses.txt], lines: "30-" }, summary: { perplexity: held_out_perplexity } } ]
        """;

    [Theory]
    [InlineData("data.workers=0")]
    [InlineData("data.workers=2")]
    [InlineData("encoderPretraining={ steps: 3, images: 4, warmupSteps: 1, source: photos }")]
    [InlineData("data.tokenizer={ kind: train, vocabulary: 300 }")]
    public void AContinuedRunHasTheSameBits(string set)
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = SmallShards.Config(SmallShards.Write(folder["data"]), set, "samples.count=3", "evaluation.every=4", Final);
        RunResult whole = Runs.Execute(config, folder["whole"]);
        Assert.Equal(TrainStatus.Finished, whole.Status);
        Runs.Execute(config, folder["parts"], maxSteps: 5);
        // The folder may move: paths are relative to it.
        Directory.Move(folder["data"], folder["elsewhere"]);
        var events = new EventList();
        RunResult parts = Runs.Execute(config with { Data = config.Data with { Root = folder["elsewhere"] } }, folder["parts"], resume: true, events: events);
        Dictionary<string, string> expected = Runs.Bits(whole.Checkpoint!), found = Runs.Bits(parts.Checkpoint!);
        Assert.Equal(expected.Where(static file => file.Key != "trainer.json"), found.Where(static file => file.Key != "trainer.json"));
        Assert.Equal(Runs.Metrics(folder["whole"]), Runs.Metrics(folder["parts"]));
        Assert.Equal(["photos", "again", "series", "verses"], Cursor(parts.Checkpoint!).Sources.Select(static source => source.Name));
        Assert.Equal(Cursor(whole.Checkpoint!).ToJson(), Cursor(parts.Checkpoint!).ToJson());

        // What was reached before the stop keeps its time; what never is has none.
        string[] keys = [.. parts.Summary.Metrics.Select(static pair => pair.Key)];
        Assert.Equal(["held_out", "held_out_perplexity", "seconds_to_0"], keys);
        EvaluationCompleted last = events.Of<EvaluationCompleted>().Last(static one => one.Name == "caption-class/held-out/00000.tar/1-shot");
        Assert.True(parts.Summary.Metrics[^1].Value < last.TrainSeconds);
        Assert.Contains(events.Of<EvaluationCompleted>(), static one => one.Name == "text-perplexity/verses.txt/lines 30-");
        SamplesDrawn samples = events.Of<SamplesDrawn>().Last();
        Assert.Equal(3, samples.Samples.Count);
        Assert.All(samples.Samples, static sample => Assert.StartsWith("a photo of ", sample.Truth, StringComparison.Ordinal));

        static MixtureCursor Cursor(string checkpoint) => Trainer.ReadState(checkpoint).Cursor!;
    }

    /// <summary>Of a shard only pictures and captions are read: keys and the other members are nowhere in a batch.</summary>
    [Fact]
    public void KeysAndOtherMembersNeverReachTheModel()
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = SmallShards.Config(SmallShards.Write(folder["data"]), "data.length=192"); // no document is split
        TrainingData data = TrainingData.Open(config);
        Assert.Null(data.World);
        Assert.IsType<ByteTokenizer>(data.Tokenizer);
        Mm1Batches batches = new(config, data);
        var texts = new HashSet<string>();
        for (int i = 0; i < 30; i++) batches.Next(texts);
        Assert.Contains("a photo of blue", texts);
        Assert.All(texts, static text => Assert.Matches(new Regex("^((a photo of (red|green|blue|grey)\n?)+|(line [0-9]+ of a song about the sea and the wind\n?)+)$"), text));
        Assert.DoesNotContain(texts, static text => Regex.IsMatch(text, "line 3[0-9]")); // held out
    }

    /// <summary>45% of sequences are of the group captions, and of these three quarters of the source of weight 3.</summary>
    [Fact]
    public void GroupsShareTheirWeight()
    {
        using var folder = new TemporaryFolder();
        TrainingData data = TrainingData.Open(SmallShards.Config(SmallShards.Write(folder["data"])));
        Assert.Equal([("photos", 0.3375), ("again", 0.1125), ("series", 0.45), ("verses", 0.1)], data.Mixture.Select(static source => (source.Source.Name, Math.Round(source.Weight, 12))));
        TrainingData without = TrainingData.Open(SmallShards.Config(folder["data"], "data.weights={ captions: 1, interleaved: 0, text: 0 }"));
        Assert.Equal(["photos", "again"], without.Mixture.Select(static source => source.Source.Name));
        // Another seed is another order of the same documents.
        string[] first = Ids(data), second = Ids(TrainingData.Open(SmallShards.Config(folder["data"], "seed=4")));
        Assert.NotEqual(first, second);
        Assert.Equal(first.Order(), second.Order());

        static string[] Ids(TrainingData data) => [.. Enumerable.Range(0, 20).Select(i => data.Mixture[0].Source.Read(0, i).Id)];
    }

    [Fact]
    public void ARunLearnsTheColours()
    {
        using var folder = new TemporaryFolder();
        var events = new EventList();
        TrainingConfig config = SmallShards.Config(SmallShards.Write(folder["data"]), "schedule={ steps: 300, warmupSteps: 10 }", "checkpoints.every=0", "optimizer.learningRate=0.01",
            "data.tokenizer={ kind: train, vocabulary: 300 }",
            "evaluation.final=[{ task: caption-class, data: { format: webdataset, paths: [held-out/00000.tar] }, summary: { accuracy: chosen, accuracy_greedy: written } }]");
        RunResult result = Runs.Execute(config, folder["run"], events: events);
        Assert.Equal(1, result.Summary.Metrics[0].Value);
        Assert.Equal(1, result.Summary.Metrics[1].Value);
    }

    [Fact]
    public void OtherTextsThanTheCheckpointsAreRefused()
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = SmallShards.Config(SmallShards.Write(folder["data"]), "data.tokenizer={ kind: train, vocabulary: 300, sources: [verses] }");
        Runs.Execute(config, folder["run"], maxSteps: 2);
        string verses = folder["data/verses.txt"];
        File.WriteAllText(verses, File.ReadAllText(verses).Replace("wind", "moon", StringComparison.Ordinal));
        Assert.Contains("The tokenizer is not that of checkpoint", Assert.Throws<CheckpointException>(() => Runs.Execute(config, folder["run"], resume: true)).Message, StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Wrong() => new()
    {
        { "data.root=null", "data.root must name the data folder that paths start from: --set data.root=FOLDER" },
        { "data.root=nowhere-at-all", "data.root: the data folder 'nowhere-at-all' is not there" },
        { "data.sources=[]", "data.sources must list sources" },
        { "data.sources[0].format=webdatset", "did you mean 'webdataset'?" },
        { "data.sources[0].format=null", "data.sources[0].format must be a format's name" },
        { "data.sources[0].paths=[nothing.tar]", "data.sources[0]: no file 'nothing.tar' in the data folder" },
        { "data.sources[0].paths=[]", "data.sources[0].paths must name files" },
        { "data.sources[0].group=caption", "data.sources[0].group must be a key of data.weights (captions, interleaved, text); the nearest is 'captions'" },
        { "data.sources[1].name=photos", "data.sources[1].name must not be that of another source" },
        { "data.sources[0].weight=0", "data.sources[0].weight must be positive" },
        { "data.sources[2].pairs.of=[photo]", "data.sources[2].pairs.of must name sources of data.sources; the nearest is 'photos'" },
        { "data.sources[2].pairs.of=[series]", "that one is made of pairs itself" },
        { "data.sources[2].pairs.maximum=1", "data.sources[2].pairs.maximum must not be less than minimum (2)" },
        { "data.sources[3].lines='30-20'", "data.sources[3]: lines '30-20' hold nothing" },
        { "data.weights={ captions: 1, music: 1, interleaved: 0, text: 0 }", "data.weights.music has no source of this group" },
        { "data.tokenizer={ kind: words }", "data.tokenizer.kind must be bytes, file or train where data.kind is sources" },
        { "data.tokenizer={ kind: file }", "data.tokenizer.path must name the file" },
        { "data.tokenizer={ kind: file, path: nowhere.json }", "data.tokenizer.path: " },
        { "data.tokenizer={ kind: train, vocabulary: 200 }", "data.tokenizer.vocabulary must lie in 259" },
        { "data.tokenizer={ kind: train, sources: [verse] }", "data.tokenizer.sources must name sources of files in data.sources; the nearest is 'verses'" },
        { "encoderPretraining={ steps: 2, warmupSteps: 1 }", "encoderPretraining.source must be the name of a source in data.sources" },
        { "evaluation.final=[{ task: shapes-qa }]", "evaluation.final[0].task must not ask about the synthetic world where data.kind is sources" },
        { "evaluation.final=[{ task: caption-class }]", "evaluation.final[0].data must give the files of task 'caption-class'" },
        { "evaluation.final=[{ task: caption-class, data: { format: webdataset, paths: [nothing.tar] } }]", "evaluation.final[0].data: no file 'nothing.tar'" },
        { "evaluation.final=[{ task: caption-class, data: { format: webdataset, paths: [held-out/00000.tar] }, summary: { acuracy: a } }]", "evaluation.final[0].summary must name metrics of task 'caption-class' (accuracy, accuracy_greedy" },
        { "evaluation.final=[{ task: caption-class, shots: 2, data: { format: webdataset, paths: [held-out/00000.tar] } }]", "needs data for its 2 examples" },
    };

    [Theory, MemberData(nameof(Wrong))]
    public void AWrongSettingIsOneSentenceWithItsKey(string set, string expected)
    {
        using var folder = new TemporaryFolder();
        TrainingConfig config = SmallShards.Config(SmallShards.Write(folder["data"]), set);
        Assert.Contains(expected, Assert.Throws<ConfigurationException>(() => Runs.Execute(config, folder["run"])).Message, StringComparison.Ordinal);
    }

    /// <summary>Files that are there and cannot be used are no matter of the configuration: another type, another exit code.</summary>
    [Fact]
    public void FilesThatCannotBeUsedAreNamed()
    {
        using var folder = new TemporaryFolder();
        SmallShards.Write(folder["data"]);
        Assert.Contains("data.sources[0]: the path '../other.tar' leaves the data folder", Fails("data.sources[0].paths=[../other.tar]"), StringComparison.Ordinal);
        File.WriteAllBytes(folder["data/shards/00001.tar.gz"], [1, 2, 3, 4]);
        Assert.Contains("00001.tar.gz", Fails("seed=1"), StringComparison.Ordinal);

        string Fails(string set)
        {
            TrainingException fault = Assert.Throws<TrainingException>(() => Runs.Execute(SmallShards.Config(folder["data"], set), folder["run"]));
            Assert.IsAssignableFrom<IOException>(fault.InnerException);
            return fault.Message;
        }
    }

    [Fact]
    public void ASyntheticRunHasNoSources()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("data.sources is for data.kind: sources", Assert.Throws<ConfigurationException>(() =>
            Runs.Execute(Runs.Config("data.sources=[{ name: a, group: text, format: text, paths: [a.txt] }]"), folder["run"])).Message, StringComparison.Ordinal);
        Assert.Contains("evaluation.final[0].data is not for task 'shapes-qa'", Assert.Throws<ConfigurationException>(() =>
            Runs.Execute(Runs.Config($"data.root={folder.Path}", "evaluation.final=[{ task: shapes-qa, data: { format: text, paths: [a.txt] } }]"), folder["run"])).Message, StringComparison.Ordinal);
    }

    /// <summary>The configuration with its defaults is what a checkpoint keeps and <c>mm1 config print</c> shows; it reads back as itself.</summary>
    [Fact]
    public void TheWholeConfigurationReadsBackAsItself()
    {
        TrainingConfig config = SmallShards.Config("data", Final);
        JsonObject node = TrainingRun.ToNode(config, Mm1ConfigReader.FromNode(config.Model, "test", vocabulary: 300));
        Assert.Equal(3.0, (double)node["data"]!["sources"]![0]!["weight"]!);
        TrainingConfig again = StrictYaml.Bind(node, TrainingJson.Default.TrainingConfig, "again");
        Assert.Equal(node.ToJsonString(), TrainingRun.ToNode(again, Mm1ConfigReader.FromNode(again.Model, "test", vocabulary: 300)).ToJsonString());
    }

    /// <summary>The real shards, where they are: every caption is read as it is, and nothing else.</summary>
    [Fact]
    public void TheRealShardsGiveTheirCaptions()
    {
        const string Shards = "images/cifar10_wds";
        Assert.SkipWhen(TestData.TryPath(Shards) is null, TestData.Missing(Shards));
        using var folder = new TemporaryFolder();
        TrainingConfig config = Runs.Config("data.kind=sources", $"data.root={TestData.TryPath("images")}", $"data.cache={folder["cache"]}",
            "data.sources=[{ name: photos, group: captions, format: webdataset, paths: ['cifar10_wds/cifar10-train-*'] }]", "data.weights={ captions: 1 }", "data.maximumImages=16");
        TrainingData data = TrainingData.Open(config);
        Assert.Equal(8000, data.Mixture[0].Source.DocumentsPerEpoch);
        var texts = new HashSet<string>();
        Mm1Batches batches = new(config, data);
        for (int i = 0; i < 60; i++) batches.Next(texts);
        Assert.Equal(10, texts.Count);
        Assert.All(texts, static text => Assert.Matches(new Regex("^a photo of an? [a-z]+$"), text));
    }

    /// <summary>Decodes the documents of batches.</summary>
    private sealed class Mm1Batches(TrainingConfig config, TrainingData data)
    {
        private readonly BatchLoader _loader = Open(config, data);

        public void Next(HashSet<string> texts)
        {
            using PackedBatch batch = _loader.Next();
            foreach (PackedDocument document in batch.Documents)
                texts.Add(data.Tokenizer.Decode(batch.TokenIds.Span.Slice(document.Start, document.Length)));
        }

        private static BatchLoader Open(TrainingConfig config, TrainingData data)
        {
            Models.Mm1Config model = Mm1ConfigReader.FromNode(config.Model, "test", vocabulary: data.Tokenizer.VocabularySize);
            return new BatchLoader(data.Mixture, data.Tokenizer, data.Packing(config, model, config.Data.Images.For(model.Vision)));
        }
    }
}
