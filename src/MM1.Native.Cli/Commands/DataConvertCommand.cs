using System.CommandLine;
using MM1.Native.Data;

namespace MM1.Native.Cli;

/// <summary><c>mm1 data convert</c>: any source into WebDataset shards or JSON lines.</summary>
internal static class DataConvertCommand
{
    public static Command Create(Terminal terminal)
    {
        var source = new SourceArguments(terminal);
        var output = new Option<string>("--out") { Description = "the folder to write into; new or empty", Required = true, HelpName = "dir" };
        var to = new Option<string>("--to") { Description = "webdataset: shards of images with captions; jsonl: documents of any kind, images beside them", Required = true, HelpName = "format" };
        to.AcceptOnlyFromAmong("webdataset", "jsonl");
        Option<long?> limit = new("--limit") { Description = "documents, the first of the source (default: all)", HelpName = "n" };
        limit.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && long.TryParse(result.Tokens[0].Value, out long value) && value < 1) result.AddError($"--limit is 1 or more, not {value}.");
        });
        Option<long> shard = SharedOptions.Number("--samples-per-shard", "samples of a shard, 10,000 at most", 10_000, 1);
        var trust = new Option<bool>("--no-verify") { Description = "copies images without decoding them first: faster, and bad ones are copied too" };
        var bad = new Option<double>("--bad-limit") { Description = "share of bad documents above which it stops", HelpName = "share", DefaultValueFactory = static _ => 0.1 };
        var command = new Command("convert", "Writes documents of any format as WebDataset shards or JSON lines; image files are copied, never encoded again.") { output, to, limit, shard, trust, bad };
        source.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            IReadOnlyList<OpenedSource> opened = source.Open(parsed, cancellation);
            if (opened.Count > 1)
                throw new CommandException(ExitCode.Usage, $"'{parsed.GetRequiredValue(source.Source)}' holds {opened.Count} sources ({string.Join(", ", opened.Select(static one => one.Source.Name))}); convert them one by one");
            string folder = parsed.GetRequiredValue(output);
            DataCommands.RequireEmpty(folder);
            var options = new ConversionOptions
            {
                Target = parsed.GetRequiredValue(to) == "webdataset" ? ConversionTarget.WebDataset : ConversionTarget.JsonLines,
                Limit = parsed.GetValue(limit),
                Verify = !parsed.GetValue(trust),
                SamplesPerShard = (int)Math.Min(int.MaxValue, parsed.GetValue(shard)),
                BadLimit = parsed.GetValue(bad),
            };
            IDocumentSource documents = opened[0].Source;
            ConversionResult result = DocumentConversion.Run(documents, folder, options, LiveCount.For(terminal, documents.Name, documents.DocumentsPerEpoch), cancellation);
            long bytes = new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(static file => file.Length);
            terminal.Write($"wrote {result.Written} documents to {folder} ({Quantity.Bytes(bytes)})");
            if (result.Bad.Count > 0)
                terminal.Write($"bad: {string.Join(", ", result.Bad.GroupBy(static one => one.Cause).OrderBy(static group => group.Key, StringComparer.Ordinal).Select(static group => $"{group.Key} {group.Count()}"))}; see {Path.Combine(folder, BadSample.FileName)}");
            terminal.WriteLine($"next: {OwnName.Value} data inspect {OwnName.Quote(folder)}");
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }
}
