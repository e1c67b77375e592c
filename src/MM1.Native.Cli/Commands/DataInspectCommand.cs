using System.CommandLine;
using MM1.Native.Data;

namespace MM1.Native.Cli;

/// <summary><c>mm1 data inspect</c>: a quick look at a configuration's mixture, or at any files of data.</summary>
internal static class DataInspectCommand
{
    /// <summary>Documents of each source on the contact sheet.</summary>
    private const int ShownOfEach = 4;

    public static Command Create(Terminal terminal)
    {
        var source = new SourceArguments(terminal, "a YAML configuration, a file, a folder or a pattern in quotes ('shards/*.tar')");
        Option<string[]> set = SharedOptions.Set();
        Option<long> batches = SharedOptions.Number("--batches", "of a configuration: batches to read", 50, 1);
        Option<long> limit = SharedOptions.Number("--limit", "of files: documents to look at, spread evenly over each source", 200, 1);
        Option<string?> tokenizer = SharedTokenizer();
        var sheet = new Option<string>("--sheet") { Description = "the contact sheet, a PNG file", DefaultValueFactory = static _ => "contact-sheet.png", HelpName = "file" };
        var command = new Command("inspect", "Counts by source, lengths of documents, sizes of images, what is wrong; draws a contact sheet.") { set, batches, limit, tokenizer, sheet };
        source.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            string name = parsed.GetRequiredValue(source.Source);
            string[] changes = parsed.GetValue(set) ?? [];
            bool isConfiguration = name.EndsWith(".yaml", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".yml", StringComparison.OrdinalIgnoreCase)
                || (Directory.Exists(name) && File.Exists(Path.Combine(name, "config.json")));
            if (!isConfiguration && changes.Length > 0) throw new CommandException(ExitCode.Usage, "--set changes a configuration file, not files of data");
            IReadOnlyList<IDocumentSource> shown;
            if (isConfiguration) shown = Mixture(terminal, name, changes, parsed.GetValue(batches), cancellation);
            else
            {
                IReadOnlyList<OpenedSource> opened = source.Open(parsed, cancellation);
                ITokenizer ids = Tokenizer(parsed.GetValue(tokenizer));
                var options = new StatisticsOptions { Limit = parsed.GetValue(limit), Tokenizer = ids };
                DataReport.Print(terminal, opened, [.. opened.Select(one => DocumentStatistics.Of(one.Source, options, cancellationToken: cancellation))], ids is ByteTokenizer);
                shown = [.. opened.Select(static one => one.Source)];
            }
            string path = parsed.GetRequiredValue(sheet);
            ContactSheet.Write(path, [.. shown.SelectMany(one => First(one, cancellation))]);
            terminal.WriteLine($"contact sheet: {path}");
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    /// <summary><c>--tokenizer</c>.</summary>
    internal static Option<string?> SharedTokenizer() => new("--tokenizer") { Description = "the tokenizer that counts tokens: a tokenizer.json, .model or .tiktoken (default: a token is a byte)", HelpName = "file" };

    /// <summary>The tokenizer of a file, else bytes.</summary>
    internal static ITokenizer Tokenizer(string? file) => file is null ? new ByteTokenizer() : TokenizerFile.Load(file);

    private static IReadOnlyList<IDocumentSource> Mixture(Terminal terminal, string name, string[] changes, long batches, CancellationToken cancellation)
    {
        RunTarget target = Targets.Read(name, changes);
        DataInspection inspection = DataInspection.Of(target.Data.Mixture, target.Data.Tokenizer, target.Packing, batches, cancellation);
        terminal.Write($"{name}: {inspection.Batches} batches of {target.Packing.Sequences} sequences of {target.Packing.Length} tokens, {target.Packing.ImageTokens} tokens an image");
        inspection.Print(terminal);
        return [.. target.Data.Mixture.Select(static one => one.Source)];
    }

    /// <summary>The first documents that can be drawn.</summary>
    private static IEnumerable<Document> First(IDocumentSource source, CancellationToken cancellation)
    {
        int shown = 0;
        for (long i = 0; i < Math.Min(8 * ShownOfEach, source.DocumentsPerEpoch) && shown < ShownOfEach; i++)
        {
            Document document;
            try
            {
                document = source.Read(0, i, cancellation);
                // A picture of what training sees: what cannot be loaded is counted above, not drawn.
                document = document with { Segments = [.. document.Segments.Select(static segment => segment is ImageSegment image ? new ImageSegment(image.Image.Load()) : segment)] };
            }
            catch (Exception bad) when (bad is BadDocumentException or BadImageException)
            {
                continue;
            }
            shown++;
            yield return document;
        }
    }
}
