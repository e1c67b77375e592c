using System.CommandLine;
using MM1.Native.Data;
using MM1.Native.Inference;

namespace MM1.Native.Cli;

/// <summary><c>mm1 data make</c> and <c>mm1 data inspect</c>.</summary>
internal static class DataCommands
{
    /// <summary>Documents of each source on the contact sheet.</summary>
    private const int ShownOfEach = 4;

    private static readonly string[] Kinds = ["captions", "interleaved", "text", "evaluation"];

    public static Command Create(Terminal terminal) => new("data", "Makes data of the synthetic world and looks at data.") { Make(terminal), Inspect(terminal) };

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

    private static Command Inspect(Terminal terminal)
    {
        var target = new Argument<string>("CONFIG|DIR") { Description = "a YAML file, or a folder that 'mm1 data make' wrote" };
        Option<string[]> set = SharedOptions.Set();
        Option<long> batches = SharedOptions.Number("--batches", "batches to read", 50, 1);
        var sheet = new Option<string>("--sheet") { Description = "the contact sheet, a PNG file", DefaultValueFactory = static _ => "contact-sheet.png", HelpName = "file" };
        var command = new Command("inspect", "Counts by source, lengths of documents, how full sequences are; draws a contact sheet.") { target, set, batches, sheet };
        command.SetAction((parsed, cancellation) =>
        {
            string name = parsed.GetRequiredValue(target);
            string[] changes = parsed.GetValue(set) ?? [];
            bool isFolder = Directory.Exists(name) && !File.Exists(Path.Combine(name, "config.json"));
            if (isFolder && changes.Length > 0) throw new CommandException(ExitCode.Usage, "--set changes a configuration file, not a folder of data");
            (IReadOnlyList<MixtureSource> mixture, ITokenizer tokenizer, PackingOptions packing) = isFolder ? Open(name) : Open(Targets.Read(name, changes));
            var documents = new List<Document>();
            if (mixture.Count > 0)
            {
                DataInspection inspection = DataInspection.Of(mixture, tokenizer, packing, parsed.GetValue(batches), cancellation);
                terminal.Write($"{name}: {inspection.Batches} batches of {packing.Sequences} sequences of {packing.Length} tokens, {packing.ImageTokens} tokens an image");
                inspection.Print(terminal);
                foreach (MixtureSource source in mixture)
                    for (long i = 0; i < Math.Min(ShownOfEach, source.Source.DocumentsPerEpoch); i++) documents.Add(source.Source.Read(0, i, cancellation));
            }
            if (isFolder)
            {
                foreach ((string file, IReadOnlyList<Document> items) in DatasetFolder.EvaluationItems(name))
                {
                    terminal.Write($"{file}: {items.Count} items");
                    if (mixture.Count == 0) documents.AddRange(items.Take(ShownOfEach));
                }
            }
            string path = parsed.GetRequiredValue(sheet);
            ContactSheet.Write(path, documents);
            terminal.WriteLine($"contact sheet: {path}");
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static (IReadOnlyList<MixtureSource> Mixture, ITokenizer Tokenizer, PackingOptions Packing) Open(RunTarget target) => (target.Data.Mixture, target.Data.Tokenizer, target.Packing);

    /// <summary>A folder has no configuration: sequences are those of the preset tiny.</summary>
    private static (IReadOnlyList<MixtureSource> Mixture, ITokenizer Tokenizer, PackingOptions Packing) Open(string folder)
    {
        IReadOnlyList<MixtureSource> mixture = DatasetFolder.Read(folder);
        ImageData? first = mixture.SelectMany(static source => source.Source.Read(0, 0).Segments).OfType<ImageSegment>().FirstOrDefault()?.Image.Load();
        var packing = new PackingOptions
        {
            Sequences = 8,
            Length = 512,
            ImageTokens = 9,
            ImageSize = first?.Width ?? 48,
            Preparation = new ImageSettings { Size = first?.Width ?? 48 }.Preparation,
        };
        return (mixture, WorldWords.CreateTokenizer(), packing);
    }

    private static void RequireEmpty(string folder)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new CommandException(ExitCode.Usage, $"'{folder}' is not empty; name a new folder with --out, so that nothing is mixed or overwritten");
    }
}
