using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary>Wrong input of each kind: one message that says what and where, no stack trace, the documented exit code.</summary>
public sealed class ErrorTests
{
    public static TheoryData<string, string, string> Configurations() => new()
    {
        { "malformed YAML", "name: [smallest\ndata: {", "broken.yaml" },
        { "an unknown key and the nearest", TinyRun.Yaml.Replace("optimizer: { learningRate", "optimizer: { lerningRate", StringComparison.Ordinal), "learningRate" },
        { "an unknown key of the model", TinyRun.Yaml.Replace("vision: { layers", "vision: { layer", StringComparison.Ordinal), "layers" },
        { "a wrong type", TinyRun.Yaml.Replace("steps: 6", "steps: many", StringComparison.Ordinal), "schedule.steps" },
        { "a value out of range", TinyRun.Yaml.Replace("sequences: 2", "sequences: 0", StringComparison.Ordinal), "data.sequences" },
        { "an unknown preset", TinyRun.Yaml.Replace("preset: tiny", "preset: tinny", StringComparison.Ordinal), "'tiny'" },
        { "a model that cannot be built", TinyRun.Yaml.Replace("width: 32, heads: 2 }", "width: 33, heads: 2 }", StringComparison.Ordinal), "33" },
        { "a missing section", "name: smallest\nmodel: { preset: tiny }\n", "data" },
        { "an empty file", "", "empty" },
    };

    [Theory, MemberData(nameof(Configurations))]
    public void AWrongConfigurationIsOneMessageAndCode2(string what, string yaml, string expected)
    {
        using var folder = new TemporaryFolder();
        string file = folder["broken.yaml"];
        File.WriteAllText(file, yaml);
        foreach (string[] command in new string[][] { ["train", file, "--out", folder["run"]], ["config", "print", file], ["plan", file], ["inspect-batch", file] })
        {
            Mm1Run run = Mm1.Call(command);
            Assert.True(run.ExitCode == ExitCode.Usage, $"{what}: {run.ExitCode} {run.Error}");
            string line = Assert.Single(run.ErrorLines);
            Assert.StartsWith("mm1: error: ", line, StringComparison.Ordinal);
            Assert.Contains(expected, line, StringComparison.Ordinal);
            Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain("internal error", run.Error, StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(folder["run"]));
    }

    [Theory]
    [InlineData(ExitCode.Usage, "no such file", "train", "nowhere.yaml")]
    [InlineData(ExitCode.Usage, "Did you mean 'mm1-3b'?", "plan", "mm1-3")]
    [InlineData(ExitCode.Usage, "Did you mean 'train'?", "trian", "x.yaml")]
    [InlineData(ExitCode.Usage, "Did you mean '--json'?", "plan", "tiny", "--jsn")]
    [InlineData(ExitCode.Usage, "--set", "plan", "tiny", "--set", "a=1")]
    [InlineData(ExitCode.Usage, "0,x", "eval", "nowhere", "--task", "shapes-qa", "--shots", "0,x")]
    [InlineData(ExitCode.Usage, "shapes-qa", "eval", "nowhere", "--task", "shape-qa")]
    [InlineData(ExitCode.Unreadable, "nowhere", "eval", "nowhere", "--task", "shapes-qa")]
    [InlineData(ExitCode.Device, "cuda:99", "eval", "nowhere", "--task", "shapes-qa", "--device", "cuda:99")]
    [InlineData(ExitCode.Usage, "'gpu' is no device", "eval", "nowhere", "--task", "shapes-qa", "--device", "gpu")]
    [InlineData(ExitCode.Usage, "--threads", "eval", "nowhere", "--task", "shapes-qa", "--threads", "-1")]
    [InlineData(ExitCode.Usage, "--max-steps", "train", "nowhere.yaml", "--max-steps", "0")]
    [InlineData(ExitCode.Usage, "48 pixels", "data", "make", "--out", "nowhere", "--image-size", "12")]
    [InlineData(ExitCode.Usage, "--out", "data", "make")]
    [InlineData(ExitCode.Usage, "no preset and there is no such file", "config", "print", "nowhere.yaml")]
    public void WrongArgumentsAreNamed(int code, string expected, params string[] arguments)
    {
        Mm1Run run = Mm1.Call(arguments);
        Assert.True(run.ExitCode == code, $"{run.ExitCode}: {run.Error}{run.Output}");
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Parameter '", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("trian")]
    [InlineData("data", "inspct", "folder")]
    public void AMisspeltCommandIsToldOnce(params string[] arguments)
    {
        Mm1Run run = Mm1.Call(arguments);
        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Single(run.ErrorLines, static line => line.Contains("Did you mean '", StringComparison.Ordinal));
        Assert.DoesNotContain("Required command", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void AnOutputThatCannotBeWrittenIsCode3()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["smallest.yaml"], TinyRun.Yaml);
        File.WriteAllText(folder["file"], "");
        foreach (string[] command in new string[][]
        {
            ["train", folder["smallest.yaml"], "--out", folder["file"]],
            ["train", folder["smallest.yaml"], "--out", Path.Combine(folder["file"], "below")],
            ["data", "make", "--out", Path.Combine(folder["file"], "below"), "--count", "1"],
        })
        {
            Mm1Run run = Mm1.Call(command);
            Assert.True(run.ExitCode == ExitCode.Unreadable, $"{string.Join(' ', command)}: {run.ExitCode} {run.Error}");
            Assert.Contains(folder["file"], run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void AFolderThatHoldsOtherThingsIsLeftAlone()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["smallest.yaml"], TinyRun.Yaml);
        Mm1Run run = Mm1.Call("train", folder["smallest.yaml"], "--out", folder.Path);
        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains("not empty", run.Error, StringComparison.Ordinal);
        Assert.Equal([folder["smallest.yaml"]], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void AStackTraceIsShownOnlyWhereItIsAskedFor()
    {
        Assert.DoesNotContain("   at ", Mm1.Call("plan", "nowhere").Error, StringComparison.Ordinal);
        Environment.SetEnvironmentVariable("MM1_TRACE", "1");
        try
        {
            Assert.Contains("   at ", Mm1.Call("plan", "nowhere").Error, StringComparison.Ordinal);
        }
        finally
        {
            Environment.SetEnvironmentVariable("MM1_TRACE", null);
        }
    }
}
