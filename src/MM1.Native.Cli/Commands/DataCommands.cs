using System.CommandLine;
using MM1.Native.Data;
using MM1.Native.Inference;

namespace MM1.Native.Cli;

/// <summary><c>mm1 data</c>: <c>make</c> here, the others in files of their own.</summary>
internal static class DataCommands
{
    private static readonly string[] Kinds = ["captions", "interleaved", "text", "evaluation"];

    public static Command Create(Terminal terminal) => new("data", "Looks at data, counts it, converts it, and makes that of the synthetic world.")
    {
        DataInspectCommand.Create(terminal),
        DataStatsCommand.Create(terminal),
        DataConvertCommand.Create(terminal),
        Make(terminal),
    };

    private static Command Make(Terminal terminal)
    {
        var output = new Option<string>("--out") { Description = "the folder to write into; made when it is not there", Required = true, HelpName = "dir" };
        var kind = new Option<string[]>("--kind") { Description = $"what to write: {string.Join(", ", Kinds)}; may be given several times (default: all)", HelpName = "kind" };
        kind.AcceptOnlyFromAmong(Kinds);
        var count = new Option<int?>("--count")
        {
            Description = "documents of each kind, or items of each held-out part (default: 10000 captions, 2000 interleaved, 1000 text, 500 evaluation)",
            HelpName = "n",
        };
        count.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out int value) && value < 1) result.AddError($"--count is 1 or more, not {value}.");
        });
        var seed = new Option<ulong>("--seed") { Description = "the world's seed: the same seed gives the same bytes", DefaultValueFactory = static _ => 1, HelpName = "n" };
        var size = new Option<int>("--image-size") { Description = "pixels of a side, 48 or more", DefaultValueFactory = static _ => 48, HelpName = "n" };
        var shapes = new Option<int>("--maximum-shapes") { Description = "most shapes of a scene, 2 to 6", DefaultValueFactory = static _ => 3, HelpName = "n" };
        var command = new Command("make", "Writes the synthetic world in the formats of real data: WebDataset shards, JSON lines, PNG.") { output, kind, count, seed, size, shapes };
        command.SetAction((parsed, cancellation) =>
        {
            string folder = parsed.GetRequiredValue(output);
            string[] kinds = parsed.GetValue(kind) is { Length: > 0 } given ? given : Kinds;
            var world = new SyntheticWorld(new SyntheticWorldOptions { Seed = parsed.GetValue(seed), ImageSize = parsed.GetValue(size), MaximumShapes = parsed.GetValue(shapes) });
            var standard = new SyntheticDatasetOptions();
            var options = new SyntheticDatasetOptions
            {
                Captions = Count("captions", standard.Captions),
                Interleaved = Count("interleaved", standard.Interleaved),
                Text = Count("text", standard.Text),
                Evaluation = Count("evaluation", standard.Evaluation),
            };
            RequireEmpty(folder);
            SyntheticDataset.Write(world, folder, options, cancellationToken: cancellation);
            long bytes = new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(static file => file.Length);
            terminal.Write($"wrote {options.Captions} captions, {options.Interleaved} interleaved and {options.Text} text documents and 4 x {options.Evaluation} evaluation items to {folder} ({Quantity.Bytes(bytes)})");
            terminal.WriteLine($"next: {OwnName.Value} data inspect {OwnName.Quote(folder)}");
            return Task.FromResult(ExitCode.Success);

            int Count(string name, int standardCount) => kinds.Contains(name) ? parsed.GetValue(count) ?? standardCount : 0;
        });
        return command;
    }

    /// <summary>An output folder is new or empty.</summary>
    internal static void RequireEmpty(string folder)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new CommandException(ExitCode.Usage, $"'{folder}' is not empty; name a new folder with --out, so that nothing is mixed or overwritten");
    }
}
