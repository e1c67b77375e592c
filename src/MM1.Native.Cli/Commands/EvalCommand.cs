using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using MM1.Native.Data;
using MM1.Native.Inference;
using MM1.Native.Kernels;

namespace MM1.Native.Cli;

/// <summary><c>mm1 eval</c>: metrics of a checkpoint on a task, with any numbers of examples before each item.</summary>
internal static class EvalCommand
{
    private static readonly JsonWriterOptions LineOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create(Terminal terminal)
    {
        Argument<string> checkpoint = SharedOptions.Checkpoint();
        var task = new Option<string[]>("--task") { Description = $"{string.Join(", ", EvaluationTasks.BuiltIn)}, or a YAML file; several may be given", HelpName = "name", Required = true, AllowMultipleArgumentsPerToken = true };
        var shots = new Option<string?>("--shots") { Description = "examples before each item, a list such as 0,4,8 (default: the task's own)", HelpName = "n,n,..." };
        var limit = new Option<int?>("--limit") { Description = "the first so many items (default: the task's own)", HelpName = "n" };
        var split = new Option<string?>("--split") { Description = "the part of the world (default: the task's own)" };
        split.AcceptOnlyFromAmong([.. Enum.GetNames<WorldSplit>().Select(JsonNamingPolicy.CamelCase.ConvertName)]);
        var data = new Option<string[]>("--data") { Description = "what tasks such as caption-class and text-perplexity take their items from: WebDataset shards, text, ...", HelpName = "file", AllowMultipleArgumentsPerToken = true };
        var demonstrations = new Option<string[]>("--demonstrations") { Description = "what such tasks draw examples from, for --shots", HelpName = "file", AllowMultipleArgumentsPerToken = true };
        var format = new Option<string?>("--format") { Description = $"the format of both: {string.Join(", ", DataFiles.Formats.All.Select(static format => format.Name))} (default: told by the files' names)", HelpName = "name" };
        var lines = new Option<string?>("--lines") { Description = "lines of --data's text, from 0, the last exclusive (default: all)", HelpName = "a-b" };
        var images = new Option<string?>("--images") { Description = "the folder or tar that holds the images of --data and --demonstrations, where these name them (default: beside them)", HelpName = "path" };
        var blind = new Option<bool>("--blind") { Description = "gives each item another one's image: what the words alone tell" };
        var wrong = new Option<bool>("--wrong-format") { Description = "shows another answer format in the examples than the one that is scored" };
        var log = new Option<string?>("--log-samples") { Description = "writes each item with prompt, output and truth as a JSON line; a PNG sheet of the first 24 beside it", HelpName = "file" };
        var id = new Option<string[]>("--sample-id") { Description = "only the item of this id; several may be given", HelpName = "id", AllowMultipleArgumentsPerToken = true };
        Option<long> batch = SharedOptions.Number("--batch-size", "items that are answered at a time; results do not depend on it", 64, 1);
        Option<bool> json = SharedOptions.Json();
        Option<string> device = SharedOptions.Device();
        Option<int> threads = SharedOptions.Threads();
        var command = new Command("eval", "Measures a checkpoint by a task.") { checkpoint, task, data, demonstrations, format, lines, images, shots, limit, split, blind, wrong, log, id, batch, json, device, threads };
        command.SetAction((parsed, _) =>
        {
            int?[] counts = parsed.GetValue(shots) is { } list ? Shots(list) : [null];
            IEvaluationTask[] tasks = [.. (parsed.GetValue(task) ?? []).Select(EvaluationTasks.Load)];
            string[] ids = parsed.GetValue(id) ?? [];
            string? samples = parsed.GetValue(log);
            string[] dataFiles = parsed.GetValue(data) ?? [], exampleFiles = parsed.GetValue(demonstrations) ?? [];
            CheckData(tasks, dataFiles, exampleFiles, parsed.GetValue(lines));
            using var signals = new StopSignals(terminal, "stopping");
            IDocumentSource? items = dataFiles.Length == 0 ? null : DataFiles.Open("data", "--data", dataFiles, parsed.GetValue(format), parsed.GetValue(lines), parsed.GetValue(images), signals.Token);
            IDocumentSource? examples = exampleFiles.Length == 0 ? null : DataFiles.Open("demonstrations", "--demonstrations", exampleFiles, parsed.GetValue(format), null, parsed.GetValue(images), signals.Token);
            using Device opened = Device.Parse(parsed.GetRequiredValue(device), new DeviceOptions { Threads = parsed.GetValue(threads) });
            using ModelBundle bundle = Checkpoints.Load(parsed.GetRequiredValue(checkpoint), opened);
            if (Checkpoints.WasTrainedOnSources(bundle) && Array.Find(tasks, static one => one.Material == TaskMaterial.World) is { } foreign)
                throw new CommandException(ExitCode.Usage, $"the task '{foreign.Name}' asks about the synthetic world, and '{bundle.Path}' was trained on files; caption-class and text-perplexity take --data, and a task file may have a world of its own");
            var options = new EvaluationOptions
            {
                Limit = parsed.GetValue(limit),
                BatchSize = (int)Math.Min(parsed.GetValue(batch), 1 << 20),
                LogSamples = samples is not null || ids.Length > 0,
                SampleIds = ids.Length > 0 ? ids : null,
                Split = parsed.GetValue(split) is { } part ? Enum.Parse<WorldSplit>(part, ignoreCase: true) : null,
                Blind = parsed.GetValue(blind),
                WrongFormat = parsed.GetValue(wrong),
                World = Checkpoints.WorldOf(bundle),
                Data = items,
                DemonstrationData = examples,
            };
            var generator = new Mm1Generator(bundle);
            var progress = new LiveProgress(terminal, parsed.GetValue(json));
            var results = new List<EvaluationResult>();
            foreach (IEvaluationTask one in tasks)
                foreach (int? count in counts)
                    results.Add(Evaluator.Run(one, generator, options with { Shots = count }, progress, signals.Token));
            progress.Clear();
            if (samples is not null) WriteSamples(samples, results);
            if (parsed.GetValue(json)) terminal.WriteLine(JsonText.Of(ToJson(bundle, results)));
            else Print(terminal, bundle, results, ids.Length > 0, samples);
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    /// <summary>Data that no task takes, and tasks without data, are told before the model is loaded.</summary>
    private static void CheckData(IEvaluationTask[] tasks, string[] data, string[] demonstrations, string? lines)
    {
        IEvaluationTask? needs = Array.Find(tasks, static task => task.Material is TaskMaterial.Captions or TaskMaterial.Text);
        if (needs is null && data.Length + demonstrations.Length > 0)
            throw new CommandException(ExitCode.Usage, $"--data and --demonstrations are for tasks over data, such as caption-class; {string.Join(", ", tasks.Select(static task => $"'{task.Name}'"))} ask about a synthetic world");
        if (needs is not null && data.Length == 0)
            throw new CommandException(ExitCode.Usage, $"the task '{needs.Name}' needs --data: {(needs.Material == TaskMaterial.Text ? "text, e.g. --data text.txt --lines 3000-3760" : "images with captions, e.g. --data shard.tar")}");
        if (lines is not null && data.Length == 0) throw new CommandException(ExitCode.Usage, "--lines are lines of --data, which is not given");
    }

    /// <summary>A list such as <c>0,4,8</c>.</summary>
    internal static int?[] Shots(string list)
    {
        var counts = new List<int?>();
        foreach (string part in list.Split(',', StringSplitOptions.TrimEntries))
        {
            counts.Add(int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int count) ? count
                : throw new CommandException(ExitCode.Usage, $"--shots takes numbers such as 0,4,8, not '{list}'"));
        }
        return [.. counts.Distinct()];
    }

    private static JsonObject ToJson(ModelBundle bundle, IReadOnlyList<EvaluationResult> results)
    {
        var list = new JsonArray();
        foreach (EvaluationResult result in results)
        {
            JsonObject one = (result with { Samples = null }).ToJson();
            one.Remove("samples");
            list.Add((JsonNode)one);
        }
        return new JsonObject { ["checkpoint"] = bundle.Path, ["device"] = bundle.Device.Name, ["results"] = list };
    }

    private static void Print(Terminal terminal, ModelBundle bundle, IReadOnlyList<EvaluationResult> results, bool showsSamples, string? samples)
    {
        terminal.WriteLine($"{bundle.Path} on {bundle.Device.Name}");
        foreach (IGrouping<string, EvaluationResult> task in results.GroupBy(static result => result.Task))
        {
            string[] metrics = [.. task.SelectMany(static result => result.Metrics.Keys).Distinct().Order(StringComparer.Ordinal)];
            EvaluationResult first = task.First();
            string with = (first.Blind ? ", another item's image" : "") + (first.WrongFormat ? ", examples in another format" : "");
            terminal.Write($"\n{task.Key}: {first.Items} items{with}, {task.Sum(static result => result.Seconds):0.0} s");
            terminal.WriteTable(["metric", .. task.Select(static result => result.Shots == 1 ? "1 shot" : $"{result.Shots.ToString(CultureInfo.InvariantCulture)} shots")],
                metrics.Select(metric => (IReadOnlyList<string>)[metric, .. task.Select(result => result.Metrics.TryGetValue(metric, out double value) ? value.ToString("0.000", CultureInfo.InvariantCulture) : "-")]));
        }
        if (showsSamples)
        {
            foreach (EvaluationSample sample in results.SelectMany(static result => result.Samples ?? []))
            {
                terminal.WriteLine($"\n{sample.Id}  {(sample.Correct ? "right" : "wrong")}");
                terminal.WriteLine($"  prompt  {sample.Prompt.Replace("\n", "\\n", StringComparison.Ordinal)}");
                terminal.WriteLine($"  output  {sample.Output}");
                terminal.WriteLine($"  truth   {sample.Truth}");
            }
        }
        if (samples is not null) terminal.WriteLine($"\nsamples: {samples}, {Path.ChangeExtension(samples, ".png")}");
    }

    private static void WriteSamples(string path, IReadOnlyList<EvaluationResult> results)
    {
        using var stream = new MemoryStream();
        var cells = new List<SampleCell>();
        foreach (EvaluationResult result in results)
        {
            foreach (EvaluationSample sample in result.Samples ?? [])
            {
                using (var json = new Utf8JsonWriter(stream, LineOptions))
                {
                    json.WriteStartObject();
                    json.WriteString("task", result.Task);
                    json.WriteNumber("shots", result.Shots);
                    json.WriteString("id", sample.Id);
                    json.WriteString("prompt", sample.Prompt);
                    json.WriteStartArray("images");
                    foreach (string image in sample.ImageSources) json.WriteStringValue(image);
                    json.WriteEndArray();
                    json.WriteString("output", sample.Output);
                    json.WriteString("truth", sample.Truth);
                    json.WriteBoolean("correct", sample.Correct);
                    json.WriteEndObject();
                }
                stream.WriteByte((byte)'\n');
                if (cells.Count < 24) cells.Add(new SampleCell([.. sample.Images.Select(static image => image.Load())], SampleSheet.LastQuestion(sample.Prompt), sample.Output, sample.Truth, sample.Correct));
            }
        }
        WholeFile.Write(path, stream.ToArray());
        string title = string.Join(", ", results.Select(static result => string.Create(CultureInfo.InvariantCulture, $"{result.Task} {result.Shots}-shot: {(result.Samples ?? []).Count(static sample => sample.Correct)} of {result.Items} right")));
        SampleSheet.Write(Path.ChangeExtension(path, ".png"), title, cells);
    }

    /// <summary>A line that is written over, where a person watches.</summary>
    private sealed class LiveProgress(Terminal terminal, bool quiet) : IProgress<EvaluationProgress>
    {
        private bool _shown;

        public void Report(EvaluationProgress value)
        {
            if (!terminal.Interactive || quiet) return;
            var line = new StringBuilder("\r\e[2K").Append(value.Task).Append("  ").Append(CultureInfo.InvariantCulture, $"{value.Done}/{value.Total}");
            terminal.Output.Write(line);
            terminal.Output.Flush();
            _shown = true;
        }

        public void Clear()
        {
            if (_shown) terminal.Output.Write("\r\e[2K");
        }
    }
}
