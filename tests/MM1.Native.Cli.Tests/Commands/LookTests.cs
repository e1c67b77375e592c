using System.Text.Json.Nodes;
using MM1.Native.Data;
using MM1.Native.Models;
using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary>Commands that look at things: plan, doctor, config print, data, inspect-batch, help.</summary>
public sealed class LookTests
{
    [Fact]
    public void HelpListsCommandsAndExitCodes()
    {
        Mm1Run help = Mm1.Start("--help");
        Assert.Equal(0, help.ExitCode);
        foreach (string command in new[] { "train", "generate", "eval", "plan", "doctor", "data", "tokenizer", "inspect-batch", "config" }) Assert.Contains("\n  " + command, help.Output, StringComparison.Ordinal);
        foreach ((int code, string meaning) in ExitCode.Table) Assert.Contains($"{code,-5}{meaning}", help.Output, StringComparison.Ordinal);
        Assert.Equal(help.Output, Mm1.Start().Output);
        Assert.Matches(@"^\d+\.\d+\.\d+", Mm1.Start("--version").Output);
    }

    [Fact]
    public void PlanOfThePapersLargestModelAllocatesNothing()
    {
        long before = Kernels.DeviceMemory.LiveBytes;
        Mm1Run text = Mm1.Call("plan", "mm1-30b");
        Assert.True(text.ExitCode == 0, text.Error);
        Assert.Contains("29,683,796,992", text.Output, StringComparison.Ordinal);
        Assert.Contains("2.22e-5", text.Output, StringComparison.Ordinal);
        Assert.Equal(before, Kernels.DeviceMemory.LiveBytes);
        JsonNode json = JsonNode.Parse(Mm1.Call("plan", "mm1-3b", "--json", "--half").Output)!;
        Assert.Equal(ParameterTotals.Of(Mm1Presets.Get("mm1-3b")).Total, json["parameters"]!["total"]!.GetValue<long>());
        Assert.Equal(4 * json["parameters"]!["total"]!.GetValue<long>(), json["memory_bytes"]!["weights"]!.GetValue<long>());
        Assert.Equal(2 * json["parameters"]!["total"]!.GetValue<long>(), json["memory_bytes"]!["shadow"]!.GetValue<long>());
        foreach (string preset in Mm1Presets.Names) Assert.Equal(0, Mm1.Call("plan", preset, "--json").ExitCode);
    }

    [Fact]
    public void PlanOfAConfigurationCountsItsOwnBatch()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["smallest.yaml"], TinyRun.Yaml);
        JsonNode json = JsonNode.Parse(Mm1.Call("plan", folder["smallest.yaml"], "--json", "--set", "accumulation=3", "--set", "recompute=true").Output)!;
        Assert.Equal(3 * 320, json["tokens_per_step"]!.GetValue<long>());
        Assert.Contains("token embeddings of deviation 0.3, residual gain 0.5", Mm1.Call("plan", folder["smallest.yaml"], "--set", "model.decoder.embeddingDeviation=0.3", "--set", "model.decoder.residualGain=0.5").Output, StringComparison.Ordinal);
        Assert.Equal(0.003, json["learning_rate"]!.GetValue<double>());
        Assert.True(json["micro_batch"]!["recompute"]!.GetValue<bool>());
    }

    [Fact]
    public void DoctorNamesDevicesAndWhyOneIsNotThere()
    {
        JsonNode json = JsonNode.Parse(Mm1.Call("doctor", "--json").Output)!;
        JsonNode Finding(string name) => json["findings"]!.AsArray().Single(finding => finding!["name"]!.GetValue<string>() == name)!;
        Assert.StartsWith("yes", Finding("device cpu")["value"]!.GetValue<string>(), StringComparison.Ordinal);
        // Which of these are there depends on the machine and on what was built; the reason and the places that were looked at do not.
        foreach (string name in new[] { "device cuda:0", "device cuda-emulated" })
        {
            Assert.Matches("^(yes|no): .", Finding(name)["value"]!.GetValue<string>());
            Assert.NotEmpty(Finding(name)["probed"]!.AsArray());
        }
        foreach (string name in new[] { "system", ".NET", "processor", "SIMD", "cores", "memory", "images", "fonts", "disk" }) Assert.NotEmpty(Finding(name)["value"]!.GetValue<string>());
        Assert.True(json["ok"]!.GetValue<bool>());
        const string BuildLine = "cmake -S . -B artifacts/native && cmake --build artifacts/native";
        Assert.Equal(BuildLine, json["native_build"]!.GetValue<string>());
        string text = Mm1.Call("doctor").Output;
        Assert.Contains("device cuda-emulated", text, StringComparison.Ordinal);
        Assert.Contains(BuildLine, text, StringComparison.Ordinal);
    }

    [Fact]
    public void DoctorShowsWhereALibraryWasLookedFor()
    {
        using var folder = new TemporaryFolder();
        Environment.SetEnvironmentVariable("MM1_KERNELS_PATH", folder.Path);
        try
        {
            JsonNode json = JsonNode.Parse(Mm1.Call("doctor", "--json").Output)!;
            foreach ((string device, string file) in new[] { ("device cuda:0", LibraryFile("mm1_kernels")), ("device cuda-emulated", LibraryFile("mm1_kernels_emulated")) })
            {
                JsonNode finding = json["findings"]!.AsArray().Single(finding => finding!["name"]!.GetValue<string>() == device)!;
                Assert.Equal($"no: {file} is not here", finding["value"]!.GetValue<string>());
                Assert.Equal($"{folder[file]}: no such file", Assert.Single(finding["probed"]!.AsArray())!.GetValue<string>());
                Assert.Contains("cmake --build artifacts/native", finding["hint"]!.GetValue<string>(), StringComparison.Ordinal);
                // What is there and is no library is refused, and named.
                File.WriteAllText(folder[file], "no library");
            }
            Mm1Run refused = Mm1.Call("doctor");
            Assert.Equal(0, refused.ExitCode);
            Assert.Equal(2, refused.Output.Split('\n').Count(static line => line.Contains("cannot be loaded", StringComparison.Ordinal)));
        }
        finally
        {
            Environment.SetEnvironmentVariable("MM1_KERNELS_PATH", null);
        }

        static string LibraryFile(string name) => OperatingSystem.IsWindows() ? $"{name}.dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";
    }

    [Fact]
    public void APrintedConfigurationMeansTheSame()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["smallest.yaml"], TinyRun.Yaml);
        string[] set = ["--set", "lrScale.\"encoder.*\"=0.1", "--set", "freeze=[connector.*]", "--set", "name=\"yes: #1\"", "--set", "optimizer.weightDecay=1e-5"];
        Mm1Run first = Mm1.Call(["config", "print", folder["smallest.yaml"], .. set]);
        Assert.True(first.ExitCode == 0, first.Error);
        Assert.Contains("\"encoder.*\": 0.1", first.Output, StringComparison.Ordinal);
        Assert.Contains("beta2: 0.95", first.Output, StringComparison.Ordinal);
        foreach (string key in new[] { "encoderPretraining:", "embeddingDeviation: 0.2", "residualGain: 0.5", "stemConvolutions: 3", "deviation:" }) Assert.Contains(key, first.Output, StringComparison.Ordinal);
        File.WriteAllText(folder["printed.yaml"], first.Output);
        Mm1Run second = Mm1.Call("config", "print", folder["printed.yaml"]);
        Assert.True(second.ExitCode == 0, second.Error);
        Assert.Equal(first.Output, second.Output);
        Assert.Contains("width: 3072", Mm1.Call("config", "print", "mm1-3b").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryConfigurationOfTheRepositoryCanBeRead()
    {
        string folder = ConfigurationFolder();
        string[] files = Directory.GetFiles(folder, "*.yaml");
        Assert.Contains(files, static file => Path.GetFileName(file) == "shapes-tiny.yaml");
        foreach (string file in files)
        {
            Mm1Run plan = Mm1.Call("plan", file, "--json");
            if (Inference.StrictYaml.Read(file)["data"]!["kind"]?.GetValue<string>() == "sources")
            {
                // Its files are not here; it says what to set, and with that every key and value is right.
                Assert.Equal(ExitCode.Usage, plan.ExitCode);
                Assert.Contains("--set data.root=FOLDER", Assert.Single(plan.ErrorLines), StringComparison.Ordinal);
                Training.TrainingConfig config = Inference.StrictYaml.Bind(Inference.StrictYaml.Read(file), Training.TrainingJson.Default.TrainingConfig, file);
                (config with { Data = config.Data with { Root = "anywhere" } }).Validate();
                continue;
            }
            Assert.True(plan.ExitCode == 0, plan.Error);
            if (Path.GetFileName(file).StartsWith("shapes-tiny", StringComparison.Ordinal)) Assert.InRange(JsonNode.Parse(plan.Output)!["parameters"]!["total"]!.GetValue<long>(), 500_000, 1_500_000);
        }
    }

    /// <summary>Three arms, one recipe: they differ in the connector and in nothing else.</summary>
    [Fact]
    public void TheArmsOfTheComparisonAreTheSameRecipe()
    {
        string[] arms = ["shapes-tiny.yaml", "shapes-tiny-attention-pooling.yaml", "shapes-tiny-average-pooling.yaml"];
        var printed = new List<string>();
        var kinds = new List<string>();
        foreach (string arm in arms)
        {
            Mm1Run run = Mm1.Call("config", "print", Path.Combine(ConfigurationFolder(), arm));
            Assert.True(run.ExitCode == 0, run.Error);
            JsonObject config = Inference.StrictYaml.Parse(run.Output, arm);
            kinds.Add(config["model"]!["connector"]!["kind"]!.GetValue<string>());
            Assert.Equal(9, config["model"]!["connector"]!["tokens"]!.GetValue<long>());
            config["model"]!.AsObject().Remove("connector");
            config.Remove("name");
            printed.Add(config.ToJsonString());
        }
        Assert.Equal(["cAbstractor", "attentionPooling", "averagePooling"], kinds);
        Assert.All(printed, text => Assert.Equal(printed[0], text));
    }

    [Fact]
    public void DataIsMadeAndLookedAt()
    {
        using var folder = new TemporaryFolder();
        Mm1Run made = Mm1.Call("data", "make", "--out", folder["data"], "--count", "12", "--seed", "4");
        Assert.True(made.ExitCode == 0, made.Error);
        Assert.True(File.Exists(folder["data/captions/00000.tar"]));
        Mm1Run looked = Mm1.Call("data", "inspect", folder["data"], "--sheet", folder["sheet.png"]);
        Assert.True(looked.ExitCode == 0, looked.Error);
        Assert.Matches(@"captions\s+webdataset\s+1\s", looked.Output);
        Assert.Matches(@"interleaved/documents\.jsonl\s+documents\s+1\s", looked.Output);
        Assert.Matches(@"evaluation-unseen-seed/questions\.jsonl\s+questions\s+1\s+\S+ \S+\s+12\s+12\s+12\s", looked.Output);
        new Picture(folder["sheet.png"]).ShouldHaveInk(12, 12, 400, 120, 0.05);
        // What was written is what the world makes.
        var world = new SyntheticWorld(new SyntheticWorldOptions { Seed = 4 });
        IDocumentSource captions = DocumentFormats.BuiltIn.Open(new SourceOptions { Name = "captions", Format = "webdataset", Root = folder["data"], Paths = ["captions/*.tar"] }, TestContext.Current.CancellationToken);
        for (int i = 0; i < 12; i++)
        {
            Document expected = world.Captions.Read(0, i), found = captions.Read(0, i);
            Assert.Equal(((TextSegment)expected.Segments[1]).Text, ((TextSegment)found.Segments[1]).Text);
            Assert.Equal(((ImageSegment)expected.Segments[0]).Image.Load().Pixels, ((ImageSegment)found.Segments[0]).Image.Load().Pixels);
        }

        Mm1Run again = Mm1.Call("data", "make", "--out", folder["data"], "--count", "1");
        Assert.Equal(ExitCode.Usage, again.ExitCode);
        Mm1Run only = Mm1.Call("data", "make", "--out", folder["text"], "--kind", "text", "--count", "2");
        Assert.True(only.ExitCode == 0, only.Error);
        Assert.Equal(["text"], Directory.GetFileSystemEntries(folder["text"]).Select(static path => Path.GetFileName(path)));
        byte[] shard = File.ReadAllBytes(folder["data/captions/00000.tar"]);
        Directory.CreateDirectory(folder["damaged"]);
        File.WriteAllBytes(folder["damaged/00000.tar"], shard[..(shard.Length / 2 + 100)]);
        Mm1Run damaged = Mm1.Call("data", "inspect", folder["damaged"]);
        Assert.True(damaged.ExitCode == ExitCode.Unreadable, damaged.Error + damaged.Output);
        Assert.Contains("00000.tar", damaged.Error, StringComparison.Ordinal);
    }

    /// <summary>One line of four is damaged: it is counted, and its file and line are told.</summary>
    [Fact]
    public void EvaluationItemsAloneAreLookedAt()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(0, Mm1.Call("data", "make", "--out", folder["data"], "--kind", "evaluation", "--count", "3").ExitCode);
        File.AppendAllText(folder["data/evaluation-unseen-seed/questions.jsonl"], "{\"id\": 4}\n");
        Mm1Run looked = Mm1.Call("data", "inspect", folder["data"], "--sheet", folder["sheet.png"]);
        Assert.True(looked.ExitCode == 0, looked.Error);
        foreach (string split in new[] { "unseen-seed", "unseen-combination" })
            foreach (string kind in new[] { "captions", "questions" })
                Assert.Matches($@"evaluation-{split}/{kind}\.jsonl\s+{kind}\s", looked.Output);
        Assert.Contains("evaluation-unseen-seed/questions.jsonl: 1 of 4 documents cannot be used", looked.Output, StringComparison.Ordinal);
        Assert.Contains("questions.jsonl:4: the key 'question' is missing", looked.Output, StringComparison.Ordinal);
        new Picture(folder["sheet.png"]).ShouldHaveInk(12, 12, 400, 120, 0.05);
    }

    [Fact]
    public void DataIsCountedAndConverted()
    {
        using var folder = new TemporaryFolder();
        Assert.Equal(0, Mm1.Call("data", "make", "--out", folder["data"], "--count", "5", "--kind", "captions").ExitCode);
        Mm1Run counted = Mm1.Call("data", "stats", folder["data"], "--json");
        Assert.True(counted.ExitCode == 0, counted.Error);
        JsonNode source = JsonNode.Parse(counted.Output)!["sources"]![0]!;
        Assert.Equal(("captions", 5, 5, 48.0), (source["source"]!.GetValue<string>(), source["documents"]!.GetValue<int>(), source["fileKinds"]!["png"]!.GetValue<int>(), source["width"]!["greatest"]!.GetValue<double>()));
        Mm1Run converted = Mm1.Call("data", "convert", folder["data/captions/00000.tar"], "--to", "jsonl", "--out", folder["lines"]);
        Assert.True(converted.ExitCode == 0, converted.Error);
        Assert.Contains("wrote 5 documents", converted.Output, StringComparison.Ordinal);
        Assert.Equal(5, File.ReadLines(folder["lines/documents.jsonl"]).Count());
        Mm1Run again = Mm1.Call("data", "convert", folder["lines"], "--to", "webdataset", "--out", folder["shards"], "--limit", "3");
        Assert.True(again.ExitCode == 0, again.Error);
        Assert.Matches(@"shards\s+webdataset\s+1\s+\S+ \S+\s+3\s", Mm1.Call("data", "stats", folder["shards"]).Output);

        Assert.Contains("is not empty", Mm1.Call("data", "convert", folder["lines"], "--to", "webdataset", "--out", folder["shards"]).Error, StringComparison.Ordinal);
        Assert.Contains("there is no file or folder", Mm1.Call("data", "stats", folder["nowhere"]).Error, StringComparison.Ordinal);
        File.WriteAllText(folder["odd.json"], "{}");
        Assert.Contains("say it with --format (", Mm1.Call("data", "stats", folder["odd.json"]).Error, StringComparison.Ordinal);
        Assert.Contains("did you mean 'captions'?", Mm1.Call("data", "stats", folder["odd.json"], "--format", "caption").Error, StringComparison.Ordinal);
        Directory.CreateDirectory(folder["empty"]);
        Assert.Contains("holds no data", Mm1.Call("data", "inspect", folder["empty"]).Error, StringComparison.Ordinal);
        Assert.Contains("holds 2 sources", Mm1.Call("data", "convert", folder.Path, "--to", "jsonl", "--out", folder["new"], "--format", "webdataset").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void DataOfAConfigurationIsCounted()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["smallest.yaml"], TinyRun.Yaml);
        Mm1Run looked = Mm1.Call("data", "inspect", folder["smallest.yaml"], "--batches", "20", "--sheet", folder["sheet.png"]);
        Assert.True(looked.ExitCode == 0, looked.Error);
        Assert.Contains("20 batches of 2 sequences of 160 tokens", looked.Output, StringComparison.Ordinal);
        Assert.Matches(@"captions\s+45\.0%", looked.Output);
        Assert.True(File.Exists(folder["sheet.png"]));
    }

    [Fact]
    public void ABatchIsShownWithDocumentImageAndLossMask()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["smallest.yaml"], TinyRun.Yaml);
        Mm1Run shown = Mm1.Call("inspect-batch", folder["smallest.yaml"], "--set", "data.weights={interleaved: 1}", "--index", "2");
        Assert.True(shown.ExitCode == 0, shown.Error);
        Assert.StartsWith("batch 2: 2 sequences of 160 tokens", shown.Output, StringComparison.Ordinal);
        Assert.Contains("sequence 1: source interleaved", shown.Output, StringComparison.Ordinal);
        Assert.Contains("<image 0: 9 tokens>", shown.Output, StringComparison.Ordinal);
        Assert.Contains("document 0: train/interleaved/", shown.Output, StringComparison.Ordinal);
        int counted = int.Parse(System.Text.RegularExpressions.Regex.Match(shown.Output, @"(\d+) tokens count in the loss").Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(counted, System.Text.RegularExpressions.Regex.Count(shown.Output, @" \[\S+\]"));
    }

    [Fact]
    public void ABatchWhoseLabelsAreAllMaskedIsAnError()
    {
        var silent = new Document("context", "d0", [new TextSegment("a red circle", LossRole.Context)]);
        var options = new PackingOptions { Sequences = 1, Length = 16, ImageTokens = 9, ImageSize = 48, Workers = 0 };
        ITokenizer tokenizer = WorldWords.CreateTokenizer();
        using var loader = new BatchLoader([new MixtureSource(new ListDocumentSource("context", [silent]), 1)], tokenizer, options);
        using PackedBatch batch = loader.Next();
        using var output = new StringWriter();
        var failure = Assert.Throws<CommandException>(() => InspectBatchCommand.Print(batch, tokenizer, ["context"], new Terminal(output, output, false, 100)));
        Assert.Contains("masked", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("[red]", output.ToString(), StringComparison.Ordinal);
        // In colours the same words, and every markup is well-formed.
        string[] lines = [.. BatchText.Lines(batch, tokenizer, ["context"], colour: true)];
        Assert.Contains(lines, static line => Spectre.Console.Markup.Remove(line).Contains("red", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/w/bin/mm1", "/usr/bin", "bin/mm1")]
    [InlineData("/w/bin/mm1", "/usr/bin:/w/bin", "mm1")]
    [InlineData("/w/mm1", "", "./mm1")]
    [InlineData("/elsewhere/mm1", "", "/elsewhere/mm1")]
    [InlineData("/usr/share/dotnet/dotnet", "/usr/share/dotnet", "dotnet bin/mm1.dll")]
    public void WhatToTypeNextCanBeTyped(string process, string path, string expected)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "paths are those of Unix");
        Assert.Equal(expected, OwnName.Find(process, "/w/bin", path, "/w"));
    }

    private static string ConfigurationFolder()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "MM1.Native.sln"))) return Path.Combine(folder.FullName, "configs");
        throw new DirectoryNotFoundException("no folder above holds MM1.Native.sln");
    }

    [Theory]
    [InlineData("runs/shapes-tiny", "runs/shapes-tiny")]
    [InlineData("schedule.steps=200", "schedule.steps=200")]
    [InlineData("model={preset: small}", "'model={preset: small}'")]
    [InlineData("it's", "'it'\\''s'")]
    [InlineData("", "''")]
    public void WhatComesNextCanBeTyped(string argument, string expected) => Assert.Equal(expected, OwnName.Quote(argument));
}
