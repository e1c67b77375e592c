using System.CommandLine;
using System.Globalization;
using MM1.Native.Inference;
using MM1.Native.Kernels;
using MM1.Native.Training;

namespace MM1.Native.Cli;

/// <summary><c>mm1 train</c>.</summary>
internal static class TrainCommand
{
    /// <summary>What a run writes; <c>--overwrite</c> deletes these and nothing else.</summary>
    private static readonly string[] OwnFiles =
        ["config.json", "config.yaml", "metrics.jsonl", "summary.json", "trace.json", "events.out.tfevents.*", "curves.png", "curves.svg", "samples.png", "*" + AtomicFile.TemporaryEnding, ".lock"];

    public static Command Create(Terminal terminal)
    {
        var config = new Argument<string>("CONFIG") { Description = "a YAML file, e.g. configs/shapes-tiny.yaml" };
        Option<string[]> set = SharedOptions.Set();
        Option<string> device = SharedOptions.Device();
        Option<int> threads = SharedOptions.Threads();
        var output = new Option<string?>("--out") { Description = "the run's folder (default: runs/ and the configuration's name)", HelpName = "dir" };
        var resume = new Option<bool>("--resume") { Description = "goes on from the newest checkpoint of the run's folder; starts fresh, and says so, where there is none" };
        var overwrite = new Option<bool>("--overwrite") { Description = "deletes the run that is in the folder first" };
        var maximum = new Option<int?>("--max-steps") { Description = "stops after this step with a checkpoint; the schedule stays as it is", HelpName = "n" };
        maximum.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int value) && value < 1) result.AddError($"--max-steps is 1 or more, not {value}.");
        });
        var command = new Command("train", "Trains a model. Ctrl-C saves and ends; --resume goes on.") { config, set, device, threads, output, resume, overwrite, maximum };
        command.SetAction(parsed => Run(terminal, new Request(
            Targets.Read(parsed.GetRequiredValue(config), parsed.GetValue(set) ?? []), parsed.GetRequiredValue(device), parsed.GetValue(threads), parsed.GetValue(output),
            parsed.GetValue(resume), parsed.GetValue(overwrite), parsed.GetValue(maximum))));
        return command;
    }

    private static int Run(Terminal terminal, Request request)
    {
        TrainingConfig config = request.Target.Config;
        string folder = request.Out ?? Path.Combine("runs", config.Name);
        if (request.Resume && request.Overwrite) throw new CommandException(ExitCode.Usage, "--resume goes on with a run and --overwrite deletes it: give one of them");
        Prepare(folder, request);
        using Device device = Device.Parse(request.Device, new DeviceOptions { Threads = request.Threads });
        terminal.WriteLine($"{config.Name}: {request.Target.File} -> {folder}");
        terminal.WriteLine($"device        {device.Name}{(device.Kind == DeviceKind.Cpu ? $", {device.Threads} threads" : "")}");
        foreach (string line in request.Target.Plan().Summary()) terminal.WriteLine(line);
        terminal.WriteLine();
        using var signals = new StopSignals(terminal, "stopping after this step and saving; a second Ctrl-C ends at once");
        using var console = new ConsoleSink(terminal, TimeProvider.System, PeakGigaflops());
        using var pictures = new PictureSink(terminal);
        RunResult result = TrainingRun.Execute(config, new RunOptions
        {
            OutDirectory = folder,
            Device = device,
            Resume = request.Resume,
            MaxSteps = request.MaxSteps,
            Sinks = [console, pictures],
            Data = request.Target.Data,
            CancellationToken = signals.Token,
        });
        console.Dispose();
        Conclude(terminal, folder, request, result);
        return result.Status == TrainStatus.Stopped && signals.ExitCode != 0 ? signals.ExitCode : ExitCode.Success;
    }

    /// <summary>Nothing is overwritten that was not named.</summary>
    private static void Prepare(string folder, Request request)
    {
        if (File.Exists(folder)) throw new CommandException(ExitCode.Unreadable, $"'{folder}' is a file; name a folder with --out");
        if (!Directory.Exists(folder) || request.Resume) return;
        if (request.Overwrite)
        {
            DeleteRun(folder);
            return;
        }
        if (!Directory.EnumerateFileSystemEntries(folder).Any()) return;
        throw new CommandException(ExitCode.Usage, CheckpointFolders.List(folder).Count > 0
            ? $"'{folder}' holds a run already: go on with it by --resume, delete it by --overwrite, or name another folder with --out"
            : $"'{folder}' is not empty: name another folder with --out, or delete what a run left there by --overwrite");
    }

    private static void DeleteRun(string folder)
    {
        string checkpoints = CheckpointFolders.Root(folder);
        if (Directory.Exists(checkpoints)) Directory.Delete(checkpoints, recursive: true);
        string pretraining = Path.Combine(folder, "pretraining");
        if (Directory.Exists(pretraining)) Directory.Delete(pretraining, recursive: true);
        foreach (string failed in Directory.GetDirectories(folder, "failed-batch-step-*")) Directory.Delete(failed, recursive: true);
        foreach (string pattern in OwnFiles)
            foreach (string file in Directory.GetFiles(folder, pattern)) File.Delete(file);
    }

    private static void Conclude(Terminal terminal, string folder, Request request, RunResult result)
    {
        RunSummary summary = result.Summary;
        bool finished = result.Status == TrainStatus.Finished;
        terminal.WriteLine();
        if (finished && summary.Metrics.Count > 0)
            terminal.WriteTable(["metric", "value"], summary.Metrics.Select(static pair => (IReadOnlyList<string>)[pair.Key, pair.Value.ToString("0.000", CultureInfo.InvariantCulture)]));
        terminal.Write($"{summary.Steps} steps: {Quantity.Duration(TimeSpan.FromSeconds(summary.TrainSeconds))} of training, {Quantity.Duration(TimeSpan.FromSeconds(summary.EvalSeconds))} of evaluation, {Quantity.Count(summary.TokensPerSecond)} tokens/s, {Quantity.Count(summary.ImagesPerSecond)} images/s, {Quantity.Bytes(summary.PeakRssMiB * 1048576)} at most");
        if (summary.PretrainingImages > 0)
            terminal.WriteLine($"pre-training  {Quantity.Duration(TimeSpan.FromSeconds(summary.PretrainingSeconds))} of it with {summary.PretrainingImages.ToString(CultureInfo.InvariantCulture)} images and captions");
        if (result.Checkpoint is not null) terminal.WriteLine($"checkpoint    {result.Checkpoint}");
        Place("curves", "curves.png");
        Place("samples", "samples.png");
        Place("summary", "summary.json");
        terminal.WriteLine();
        if (finished)
        {
            terminal.WriteLine("next:");
            if (request.Target.Data.World is null) NextOfSources(terminal, folder, request.Target.Config);
            else
            {
                terminal.WriteLine($"  {OwnName.Value} eval {OwnName.Quote(folder)} --task shapes-format --shots 0,4,8");
                terminal.WriteLine($"  {OwnName.Value} data make --out data/shapes --kind evaluation --count 20");
                terminal.WriteLine($"  {OwnName.Value} generate {OwnName.Quote(folder)} --image data/shapes/evaluation-unseen-seed/question-images/000000000.png --prompt \"how many shapes are there?\"");
            }
        }
        else
        {
            string again = string.Concat(request.Set.Select(static set => $" --set {OwnName.Quote(set)}"));
            if (request.Out is { } output) again += $" --out {OwnName.Quote(output)}";
            if (request.Device != "cpu") again += $" --device {request.Device}";
            if (request.Threads > 0) again += string.Create(CultureInfo.InvariantCulture, $" --threads {request.Threads}");
            terminal.WriteLine($"next: {OwnName.Value} train {OwnName.Quote(request.Target.File)}{again} --resume");
        }

        void Place(string name, string file)
        {
            string path = Path.Combine(folder, file);
            if (File.Exists(path)) terminal.WriteLine($"{name,-13} {path}");
        }
    }

    /// <summary>The evaluations of the configuration as commands.</summary>
    private static void NextOfSources(Terminal terminal, string folder, TrainingConfig config)
    {
        foreach (EvaluationEntry entry in config.Evaluation.Final.Where(static entry => entry.Data is not null))
        {
            FilesConfig data = entry.Data!;
            // Only what a command line says as well: one that would measure something else is no help.
            bool isPlain = data == new FilesConfig { Format = data.Format, Paths = data.Paths, Lines = data.Lines } && entry is { Shots: 0, Blind: false, Limit: null };
            if (!isPlain) continue;
            string files = string.Join(' ', data.Paths.Select(path => OwnName.Quote(Path.Combine(config.Data.Root!, path))));
            terminal.WriteLine($"  {OwnName.Value} eval {OwnName.Quote(folder)} --task {entry.Task} --data {files} --format {data.Format}{(data.Lines is { } lines ? " --lines " + lines : "")}");
        }
        terminal.WriteLine($"  {OwnName.Value} generate {OwnName.Quote(folder)} --image picture.png");
    }

    private static double PeakGigaflops()
    {
        if (Environment.GetEnvironmentVariable("MM1_PEAK_GFLOPS") is not { Length: > 0 } text) return 0;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double peak) && peak > 0 ? peak
            : throw new CommandException(ExitCode.Usage, $"MM1_PEAK_GFLOPS is '{text}'; it must be a number above 0, such as 220");
    }

    private sealed record Request(RunTarget Target, string Device, int Threads, string? Out, bool Resume, bool Overwrite, int? MaxSteps)
    {
        public IReadOnlyList<string> Set => Target.Set;
    }
}
