using System.Text;
using System.Text.Json.Nodes;
using MM1.Native.Data;
using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary>A run on files, made once: two shards of plain colours with captions, and a text.</summary>
public sealed class FilesRun : IDisposable
{
    private static readonly (string Name, byte Red, byte Green, byte Blue)[] Colours = [("red", 220, 30, 30), ("green", 30, 200, 40), ("blue", 40, 50, 220)];
    private readonly TemporaryFolder _folder = new();

    public FilesRun()
    {
        Shard("train", 0, 12);
        Shard("test", 100, 6);
        File.WriteAllLines(At("song.txt"), Enumerable.Range(0, 30).Select(static i => i % 3 == 2 ? "" : $"line {i} of a song about the sea"));
        File.WriteAllText(Config, """
            name: files
            seed: 3
            model:
              preset: tiny
              vision: { imageSize: 24, patchSize: 8, stemConvolutions: 0, layers: 1, width: 32, heads: 2 }
              connector: { tokens: 1, hidden: 16 }
              decoder: { layers: 1, width: 32, heads: 2, hidden: 48, maxPositions: 160 }
            data:
              kind: sources
              sources:
                - { name: photos, group: captions, format: webdataset, paths: [train/*.tar] }
                - { name: series, group: interleaved, pairs: { of: [photos], minimum: 2, maximum: 3 } }
                - { name: song, group: text, format: text, paths: [song.txt], lines: "0-20" }
              tokenizer: { kind: train, vocabulary: 300 }
              augmentation: { horizontalFlip: 0.5, padCrop: 2 }
              sequences: 2
              length: 120
            optimizer: { learningRate: 3e-3 }
            schedule: { steps: 6, warmupSteps: 2 }
            samples: { count: 4 }
            log: { every: 1 }
            evaluation:
              every: 3
              final:
                - task: caption-class
                  data: { format: webdataset, paths: [test/00000.tar] }
                  summary: { accuracy: held_out, accuracy_greedy: held_out_greedy }
                  timeTo: [ { metric: accuracy, value: 0, summary: seconds_to_0 } ]
                - { task: text-perplexity, data: { format: text, paths: [song.txt], lines: "21-" }, summary: { bits_per_byte: song_bits } }
            """);
        Trained = Mm1.Call("train", Config, "--set", $"data.root={_folder.Path}", "--out", RunFolder, "--threads", "1");
    }

    internal Mm1Run Trained { get; }

    internal string Config => At("files.yaml");

    internal string RunFolder => At("run");

    internal string Root => _folder.Path;

    internal string At(params string[] parts) => Path.Combine([_folder.Path, .. parts]);

    public void Dispose() => _folder.Dispose();

    private void Shard(string name, int first, int count)
    {
        using var writer = new WebDatasetWriter(At(name));
        for (int i = first; i < first + count; i++)
        {
            (string colour, byte red, byte green, byte blue) = Colours[i % Colours.Length];
            var pixels = new byte[3 * 24 * 24];
            for (int p = 0; p < pixels.Length; p += 3) (pixels[p], pixels[p + 1], pixels[p + 2]) = ((byte)(red - i % 7), green, blue);
            writer.Write(new ImageData(24, 24, pixels), $"a photo of {colour}", Encoding.UTF8.GetBytes("{}"));
        }
        writer.Complete();
    }
}

/// <summary>Training and evaluation on files, by the command.</summary>
public sealed class FilesTests(FilesRun run) : IClassFixture<FilesRun>
{
    private string TestShard => run.At("test", "00000.tar");

    [Fact]
    public void ARunLeavesItsMetricsAndItsSampleSheet()
    {
        Assert.True(run.Trained.ExitCode == ExitCode.Success, run.Trained.Error);
        JsonObject summary = JsonNode.Parse(File.ReadAllText(run.At("run", "summary.json")))!.AsObject();
        foreach (string key in new[] { "held_out", "held_out_greedy", "song_bits", "seconds_to_0", "images_per_s", "tokens_per_s", "data_wait_fraction" }) Assert.True(summary.ContainsKey(key), key);
        Assert.True((double)summary["seconds_to_0"]! < (double)summary["train_seconds"]!);
        string[] metrics = File.ReadAllLines(run.At("run", "metrics.jsonl"));
        Assert.Equal(2, metrics.Count(static line => line.Contains("\"name\":\"caption-class/test/00000.tar\"", StringComparison.Ordinal) && line.Contains("\"train_seconds\":", StringComparison.Ordinal)));
        Assert.Contains($"--task caption-class --data {TestShard} --format webdataset", run.Trained.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("shapes", run.Trained.Output, StringComparison.Ordinal);
        // Four cells: image, "(the image alone)", the answer, the truth where it is another.
        var sheet = new Picture(run.At("run", "samples.png"));
        Assert.True(sheet.Count((220, 30, 30)) + sheet.Count((30, 200, 40)) + sheet.Count((40, 50, 220)) > 4 * 50 * 50);
    }

    [Fact]
    public void EvaluationTakesShards()
    {
        Mm1Run json = Mm1.Call("eval", run.RunFolder, "--task", "caption-class", "--data", TestShard, "--json", "--threads", "1");
        Assert.True(json.ExitCode == ExitCode.Success, json.Error);
        JsonNode result = JsonNode.Parse(json.Output)!["results"]![0]!;
        Assert.Equal(("caption-class", 6), ((string)result["task"]!, (int)result["items"]!));
        JsonObject summary = JsonNode.Parse(File.ReadAllText(run.At("run", "summary.json")))!.AsObject();
        Assert.Equal((double)summary["held_out"]!, (double)result["metrics"]!["accuracy"]!);
        Assert.Equal((double)summary["held_out_greedy"]!, (double)result["metrics"]!["accuracy_greedy"]!);
        Assert.True(result["metrics"]!.AsObject().ContainsKey("accuracy_blue"));

        string samples = run.At("few.jsonl");
        Mm1Run few = Mm1.Call("eval", run.RunFolder, "--task", "caption-class", "--data", TestShard, "--demonstrations", run.At("train", "00000.tar"), "--shots", "0,2", "--limit", "3",
            "--log-samples", samples, "--threads", "1");
        Assert.True(few.ExitCode == ExitCode.Success, few.Error);
        JsonObject[] lines = [.. File.ReadLines(samples).Select(static line => JsonNode.Parse(line)!.AsObject())];
        Assert.Equal([0, 0, 0, 2, 2, 2], lines.Select(static line => (int)line["shots"]!));
        Assert.Equal(3, lines[5]["images"]!.AsArray().Count);
        Assert.True(File.Exists(run.At("few.png")));
        Mm1Run one = Mm1.Call("eval", run.RunFolder, "--task", "caption-class", "--data", TestShard, "--sample-id", (string)lines[2]["id"]!, "--threads", "1");
        Assert.Contains((string)lines[2]["id"]!, one.Output, StringComparison.Ordinal);
        Assert.Contains($"output  {(string)lines[2]["output"]!}", one.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void EvaluationTakesText()
    {
        Mm1Run text = Mm1.Call("eval", run.RunFolder, "--task", "text-perplexity", "--data", run.At("song.txt"), "--lines", "21-", "--json", "--threads", "1");
        Assert.True(text.ExitCode == ExitCode.Success, text.Error);
        JsonNode metrics = JsonNode.Parse(text.Output)!["results"]![0]!["metrics"]!;
        Assert.Equal((double)JsonNode.Parse(File.ReadAllText(run.At("run", "summary.json")))!["song_bits"]!, (double)metrics["bits_per_byte"]!);
    }

    [Fact]
    public void ConfigurationsOnFilesCanBeLookedAt()
    {
        string root = $"data.root={run.Root}";
        Mm1Run print = Mm1.Call("config", "print", run.Config, "--set", root);
        Assert.True(print.ExitCode == ExitCode.Success, print.Error);
        File.WriteAllText(run.At("printed.yaml"), print.Output);
        Assert.Equal(print.Output, Mm1.Call("config", "print", run.At("printed.yaml")).Output);
        Assert.Equal(ExitCode.Success, Mm1.Call("plan", run.Config, "--set", root).ExitCode);
        Mm1Run batch = Mm1.Call("inspect-batch", run.Config, "--set", root);
        Assert.True(batch.ExitCode == ExitCode.Success, batch.Error);
        Assert.Matches("source (photos|series|song)", batch.Output);
    }

    [Fact]
    public void WrongInputIsOneMessage()
    {
        (int Code, string Expected, string[] Arguments)[] cases =
        [
            (ExitCode.Usage, "data.root must name the data folder that paths start from: --set data.root=FOLDER", ["train", run.Config, "--out", run.At("no")]),
            (ExitCode.Usage, "data.root: the data folder 'nowhere' is not there", ["train", run.Config, "--set", "data.root=nowhere", "--out", run.At("no")]),
            (ExitCode.Usage, "did you mean 'webdataset'?", ["inspect-batch", run.Config, "--set", $"data.root={run.Root}", "--set", "data.sources[0].format=webdatset"]),
            (ExitCode.Usage, "'data.sources[0].wieght' is not a known key; the nearest is 'weight'", ["plan", run.Config, "--set", "data.sources[0].wieght=2"]),
            (ExitCode.Usage, "the task 'caption-class' needs --data", ["eval", run.RunFolder, "--task", "caption-class"]),
            (ExitCode.Usage, "the task 'text-perplexity' needs --data", ["eval", run.RunFolder, "--task", "text-perplexity"]),
            (ExitCode.Usage, "--data and --demonstrations are for tasks over data", ["eval", run.RunFolder, "--task", "shapes-qa", "--data", TestShard]),
            (ExitCode.Usage, "asks about the synthetic world", ["eval", run.RunFolder, "--task", "shapes-qa"]),
            (ExitCode.Usage, "needs data for its 2 examples", ["eval", run.RunFolder, "--task", "caption-class", "--data", TestShard, "--shots", "2"]),
            (ExitCode.Usage, "name it by --format", ["eval", run.RunFolder, "--task", "caption-class", "--data", run.At("files.yaml")]),
            (ExitCode.Usage, "there is no format 'tarr'", ["eval", run.RunFolder, "--task", "caption-class", "--data", TestShard, "--format", "tarr"]),
            (ExitCode.Usage, "hold nothing", ["eval", run.RunFolder, "--task", "text-perplexity", "--data", run.At("song.txt"), "--lines", "5-2"]),
            (ExitCode.Usage, "--lines are lines of --data", ["eval", run.RunFolder, "--task", "shapes-qa", "--lines", "0-2"]),
            (ExitCode.Unreadable, "missing.tar", ["eval", run.RunFolder, "--task", "caption-class", "--data", run.At("missing.tar")]),
        ];
        foreach ((int code, string expected, string[] arguments) in cases)
        {
            Mm1Run failed = Mm1.Call(arguments);
            Assert.True(failed.ExitCode == code, $"{string.Join(' ', arguments)}: {failed.ExitCode} {failed.Error}");
            Assert.Contains(expected, Assert.Single(failed.ErrorLines), StringComparison.Ordinal);
            Assert.DoesNotContain("Parameter '", failed.Error, StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(run.At("no")));
    }
}
