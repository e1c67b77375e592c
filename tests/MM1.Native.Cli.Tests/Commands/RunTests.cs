using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using MM1.Native.Data;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Cli.Tests;

/// <summary>The command end to end, as a process: train, resume, eval, generate, signals.</summary>
[Collection("the run")]
public sealed class RunTests(TinyRun run)
{
    [Fact]
    public void TrainShowsThePlanALineAStepAndWhatToTypeNext()
    {
        Mm1Run first = run.First;
        Assert.True(first.ExitCode == 0, first.Error + first.Output);
        Assert.Contains("device        cpu, 2 threads", first.Output, StringComparison.Ordinal);
        Assert.Contains("parameters    ", first.Output, StringComparison.Ordinal);
        Assert.Contains("learning rate 0.0030 at its peak (set by the configuration)", first.Output, StringComparison.Ordinal);
        Assert.Contains("320 tokens", first.Output, StringComparison.Ordinal);
        string[] steps = [.. first.Output.Split('\n').Where(static line => line.StartsWith("step ", StringComparison.Ordinal))];
        Assert.Equal(3, steps.Length);
        Assert.All(steps, static line => Assert.Matches(@"^step \d/3  loss \d\.\d{4} \(.*\)  lr \d\.\d\de-\d  norm \S+  \S+ tokens/s  \S+ images/s  \S+ GFLOP/s  \S+ [GM]iB  data wait \S+%  ETA ", line));
        Assert.DoesNotContain("\e", first.Output, StringComparison.Ordinal);
        Assert.Contains("--resume", first.Output.Split('\n')[^2], StringComparison.Ordinal);
        Assert.Empty(first.Error);
    }

    [Fact]
    public void ResumeGoesOnAndTheEndShowsMetricsAndPlaces()
    {
        Mm1Run second = run.Second;
        Assert.True(second.ExitCode == 0, second.Error + second.Output);
        Assert.Contains("Continuing from step 3", second.Output, StringComparison.Ordinal);
        Assert.Equal(3, second.Output.Split('\n').Count(static line => line.StartsWith("step ", StringComparison.Ordinal)));
        Assert.Contains("qa_accuracy_unseen_seed", second.Output, StringComparison.Ordinal);
        Assert.Contains($"mm1.dll eval {run.RunFolder} --task ", second.Output, StringComparison.Ordinal);
        JsonNode summary = JsonNode.Parse(File.ReadAllText(run.At("run", "summary.json")))!;
        Assert.Equal(6, summary["steps"]!.GetValue<int>());
        Assert.True(File.Exists(run.At("run", "checkpoints", "step-000006", "model.safetensors")));
        foreach (string place in new[] { "curves.png", "samples.png", "summary.json" }) Assert.Contains(place, second.Output, StringComparison.Ordinal);
        new Picture(run.At("run", "curves.png")).ShouldHaveInk(100, 40, 500, 280);
        new Picture(run.At("run", "samples.png")).ShouldHaveInk(12, 60, 200, 200, 0.5);
        Assert.True(File.Exists(run.At("run", "curves.svg")));
        // The curves of a resumed run begin at its first step.
        Assert.Equal([1, 2, 3, 4, 5, 6], MetricsFile.Read(run.At("run", "metrics.jsonl")).Loss.Steps);
        Assert.Equal([1, 2, 3], MetricsFile.Read(run.At("run", "metrics.jsonl"), 3).Loss.Steps);
    }

    [Fact]
    public void AFinishedRunIsLeftAsItIs()
    {
        Mm1Run again = Mm1.Call("train", run.ConfigFile, "--out", run.RunFolder, "--resume");
        Assert.True(again.ExitCode == 0, again.Error);
        Assert.Contains("finished", again.Output, StringComparison.Ordinal);
        Mm1Run refused = Mm1.Call("train", run.ConfigFile, "--out", run.RunFolder);
        Assert.Equal(ExitCode.Usage, refused.ExitCode);
        Assert.Contains("--resume", refused.Error, StringComparison.Ordinal);
        Assert.Contains("--overwrite", refused.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Usage, Mm1.Call("train", run.ConfigFile, "--out", run.RunFolder, "--resume", "--overwrite").ExitCode);
        Assert.True(File.Exists(run.At("run", "summary.json")));
    }

    [Fact]
    public void OverwriteDeletesTheRunAndNothingElse()
    {
        string folder = run.At("other");
        Assert.Equal(0, Mm1.Call("train", run.ConfigFile, "--out", folder, "--max-steps", "1", "--set", "encoderPretraining={steps: 2, images: 4, warmupSteps: 0}").ExitCode);
        Assert.True(Directory.Exists(Path.Combine(folder, "pretraining")));
        File.WriteAllText(Path.Combine(folder, "notes.txt"), "mine");
        Mm1Run again = Mm1.Call("train", run.ConfigFile, "--out", folder, "--max-steps", "2", "--overwrite");
        Assert.True(again.ExitCode == 0, again.Error);
        Assert.Equal(2, MetricsFile.Read(Path.Combine(folder, "metrics.jsonl")).Loss.Steps.Count);
        Assert.Equal(["step-000002"], Directory.GetDirectories(Path.Combine(folder, "checkpoints")).Select(static path => Path.GetFileName(path)));
        Assert.False(Directory.Exists(Path.Combine(folder, "pretraining")));
        Assert.Equal("mine", File.ReadAllText(Path.Combine(folder, "notes.txt")));
    }

    /// <summary>
    /// The same command on a native device, in bfloat16 there and float32 here: losses agree to the roundings of some twenty values on the way of each,
    /// and the cpu goes on from the checkpoint.
    /// </summary>
    [Theory, MemberData(nameof(TestDevices.NativeRows), MemberType = typeof(TestDevices))]
    public void ANativeDeviceTrainsAndTheCpuGoesOn(string device)
    {
        string folder = run.At("native");
        Mm1Run native = Mm1.Call("train", run.ConfigFile, "--out", folder, "--max-steps", "2", "--device", device);
        Assert.True(native.ExitCode == 0, native.Error + native.Output);
        Assert.Contains($"device        {device}", native.Output, StringComparison.Ordinal);
        Mm1Run cpu = Mm1.Call("train", run.ConfigFile, "--out", folder, "--resume", "--max-steps", "3", "--device", "cpu");
        Assert.True(cpu.ExitCode == 0, cpu.Error + cpu.Output);
        Assert.Contains("Continuing from step 2", cpu.Output, StringComparison.Ordinal);
        Curve actual = MetricsFile.Read(Path.Combine(folder, "metrics.jsonl")).Loss, expected = MetricsFile.Read(run.At("run", "metrics.jsonl"), 3).Loss;
        Assert.Equal([1, 2, 3], actual.Steps);
        for (int i = 0; i < 3; i++) Assert.Equal(expected.Values[i], actual.Values[i], (i + 1) * 20.0 / 256);
    }

    [Fact]
    public void BFloat16OnTheCpuIsRefusedInOneLine()
    {
        Mm1Run refused = Mm1.Call("train", run.ConfigFile, "--out", run.At("refused"), "--set", "precision=bfloat16");
        Assert.Equal(ExitCode.Usage, refused.ExitCode);
        Assert.Contains("precision: Device cpu does not compute in bfloat16; use precision float32 (or auto), or a CUDA device.", refused.Error, StringComparison.Ordinal);
        Assert.Single(refused.Error.Trim().Split('\n'));
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    public void ASignalSavesAndEndsAndResumeGoesOn(string signal, int code)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent by the kill command");
        string folder = run.At("signal-" + signal);
        string metrics = Path.Combine(folder, "metrics.jsonl");
        Mm1Run stopped = Mm1.Start(process =>
        {
            // Well into its steps.
            var clock = Stopwatch.StartNew();
            while (!process.HasExited && !(File.Exists(metrics) && new FileInfo(metrics).Length > 500))
            {
                Assert.True(clock.Elapsed < TimeSpan.FromMinutes(1), "no step within a minute");
                Thread.Sleep(20);
            }
            Send(signal, process);
        }, "train", run.ConfigFile, "--out", folder, "--set", "schedule.steps=100000");
        Assert.True(stopped.ExitCode == code, stopped.Output + stopped.Error);
        Assert.Contains("saving", stopped.Error, StringComparison.Ordinal);
        string[] checkpoints = Directory.GetDirectories(Path.Combine(folder, "checkpoints"));
        Assert.NotEmpty(checkpoints);
        int step = checkpoints.Max(static path => int.Parse(Path.GetFileName(path)[5..], System.Globalization.CultureInfo.InvariantCulture));
        Mm1Run resumed = Mm1.Call("train", run.ConfigFile, "--out", folder, "--set", "schedule.steps=100000", "--resume", "--max-steps", (step + 1).ToString(System.Globalization.CultureInfo.InvariantCulture));
        Assert.True(resumed.ExitCode == 0, resumed.Error);
        Assert.Contains($"Continuing from step {step} ", resumed.Output, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(folder, "curves.png")));
    }

    /// <summary>A step of half a minute on few data: the first Ctrl-C waits for its end, the second does not.</summary>
    [Fact]
    public void ASecondInterruptEndsAtOnce()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent by the kill command");
        string folder = run.At("twice");
        var clock = new Stopwatch();
        Mm1Run stopped = Mm1.Start(process =>
        {
            while (!process.HasExited && !File.Exists(Path.Combine(folder, "metrics.jsonl"))) Thread.Sleep(20);
            Thread.Sleep(2000); // the batches are made, the step is running
            Send("INT", process);
            Thread.Sleep(1000);
            Assert.False(process.HasExited, "the first signal ended it");
            clock.Start();
            Send("INT", process);
            process.WaitForExit(TimeSpan.FromSeconds(30));
            clock.Stop();
        }, "train", run.ConfigFile, "--out", folder, "--threads", "1", "--set", "model={preset: small, decoder: {layers: 12, width: 512, hidden: 1376}}", "--set", "data.sequences=4",
            "--set", "data.length=1024", "--set", "accumulation=4", "--set", "recompute=true");
        Assert.True(stopped.ExitCode == ExitCode.Interrupted, $"{stopped.ExitCode}: {stopped.Output}{stopped.Error}");
        Assert.Contains("saving", stopped.Error, StringComparison.Ordinal);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(10), $"it took {clock.Elapsed.TotalSeconds:0.0} s to end");
        Assert.Empty(Directory.GetDirectories(Path.Combine(folder, "checkpoints")));
    }

    [Fact]
    public void EvalGivesMetricsForEachNumberOfShotsAndWritesSamples()
    {
        string samples = run.At("eval", "samples.jsonl");
        Mm1Run text = Mm1.Start("eval", run.RunFolder, "--task", "shapes-qa", "--shots", "0,2", "--limit", "5", "--log-samples", samples);
        Assert.True(text.ExitCode == 0, text.Error);
        Assert.Contains("0 shots", text.Output, StringComparison.Ordinal);
        Assert.Contains("2 shots", text.Output, StringComparison.Ordinal);
        Assert.Contains("accuracy_colour", text.Output, StringComparison.Ordinal);
        Assert.Contains("step-000006", text.Output, StringComparison.Ordinal);
        string[] lines = File.ReadAllLines(samples);
        Assert.Equal(10, lines.Length);
        using JsonDocument sample = JsonDocument.Parse(lines[0]);
        foreach (string key in new[] { "id", "prompt", "output", "truth", "correct", "shots" }) Assert.True(sample.RootElement.TryGetProperty(key, out _), key);
        new Picture(Path.ChangeExtension(samples, ".png")).ShouldHaveInk(12, 60, 200, 200, 0.5);

        Mm1Run json = Mm1.Call("eval", run.At("run", "checkpoints", "step-000006"), "--task", "shapes-qa", "--limit", "5", "--json", "--batch-size", "2", "--split", "unseenCombination", "--blind");
        Assert.True(json.ExitCode == 0, json.Error);
        JsonNode result = JsonNode.Parse(json.Output)!["results"]![0]!;
        Assert.InRange(result["metrics"]!["accuracy"]!.GetValue<double>(), 0, 1);
        Assert.Equal(5, result["items"]!.GetValue<int>());

        string id = sample.RootElement.GetProperty("id").GetString()!;
        Mm1Run one = Mm1.Call("eval", run.RunFolder, "--task", "shapes-qa", "--shots", "0", "--limit", "5", "--sample-id", id);
        Assert.True(one.ExitCode == 0, one.Error);
        Assert.Contains($"output  {sample.RootElement.GetProperty("output").GetString()}", one.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void GenerateTakesImagesOfAnySizeAndMarksInThePrompt()
    {
        string image = run.At("picture.png");
        var pixels = new byte[90 * 61 * 3];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)(i * 7);
        File.WriteAllBytes(image, ImageCodec.EncodePng(new ImageData(90, 61, pixels)));
        Mm1Run text = Mm1.Start("generate", run.RunFolder, "--image", image, "--prompt", "which colour is the circle?", "--max-new-tokens", "5");
        Assert.True(text.ExitCode == 0, text.Error);
        Assert.Equal(1, text.Output.Count(static c => c == '\n'));

        string[] sampled = ["generate", run.RunFolder, "--image", image, "--image", image, "--prompt", "<image> is red. <image> is", "--temperature", "1", "--top-p", "0.9", "--seed", "5", "--max-new-tokens", "6"];
        Mm1Run first = Mm1.Call(sampled), second = Mm1.Call(sampled);
        Assert.True(first.ExitCode == 0, first.Error);
        Assert.Equal(first.Output, second.Output);

        Mm1Run marks = Mm1.Call("generate", run.RunFolder, "--image", image, "--prompt", "<image> and <image>");
        Assert.Equal(ExitCode.Usage, marks.ExitCode);
        Assert.Contains("2 <image> and 1 --image", marks.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Unreadable, Mm1.Call("generate", run.RunFolder, "--image", run.ConfigFile, "--prompt", "x").ExitCode);
        Assert.Equal(ExitCode.Unreadable, Mm1.Call("generate", run.RunFolder, "--image", run.At("none.png")).ExitCode);
        Assert.Equal(ExitCode.Usage, Mm1.Call("generate", run.RunFolder).ExitCode);
        Assert.Equal(ExitCode.Usage, Mm1.Call("generate", run.RunFolder, "--prompt", "x", "--temperature", "-1").ExitCode);
    }

    [Fact]
    public void ATruncatedCheckpointIsRefusedInOneSentence()
    {
        string copy = run.At("damaged");
        Directory.CreateDirectory(copy);
        foreach (string file in Directory.GetFiles(run.At("run", "checkpoints", "step-000006"))) File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        string weights = Path.Combine(copy, "model.safetensors");
        using (FileStream stream = File.OpenWrite(weights)) stream.SetLength(stream.Length / 2);
        foreach (bool manifest in new[] { true, false })
        {
            if (!manifest) File.Delete(Path.Combine(copy, "complete.json"));
            Mm1Run failed = Mm1.Call("eval", copy, "--task", "shapes-qa");
            Assert.Equal(ExitCode.Unreadable, failed.ExitCode);
            Assert.Single(failed.ErrorLines);
            Assert.Contains("damaged", failed.Error, StringComparison.Ordinal);
        }
        Mm1Run none = Mm1.Call("generate", run.At("nowhere"), "--prompt", "x");
        Assert.Equal(ExitCode.Unreadable, none.ExitCode);
        Assert.Contains("nowhere", none.Error, StringComparison.Ordinal);
    }

    private static void Send(string signal, Process process)
    {
        using Process kill = Process.Start("kill", ["-" + signal, process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }
}
