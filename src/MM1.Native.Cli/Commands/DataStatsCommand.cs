using System.CommandLine;
using System.Text.Json.Nodes;
using MM1.Native.Data;

namespace MM1.Native.Cli;

/// <summary><c>mm1 data stats</c>: every document of files of data, counted.</summary>
internal static class DataStatsCommand
{
    public static Command Create(Terminal terminal)
    {
        var source = new SourceArguments(terminal);
        Option<long?> limit = new("--limit") { Description = "documents to look at, spread evenly over each source (default: all)", HelpName = "n" };
        limit.Validators.Add(static result =>
        {
            if (result.Tokens.Count == 1 && long.TryParse(result.Tokens[0].Value, out long value) && value < 1) result.AddError($"--limit is 1 or more, not {value}.");
        });
        Option<string?> tokenizer = DataInspectCommand.SharedTokenizer();
        var skipImages = new Option<bool>("--no-images") { Description = "leaves images undecoded: faster, and neither their sizes nor bad ones are known" };
        Option<bool> json = SharedOptions.Json();
        var command = new Command("stats", "Reads every document and image: counts, lengths, sizes, repeated texts, and all that is wrong, by cause.") { limit, tokenizer, skipImages, json };
        source.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            ITokenizer ids = DataInspectCommand.Tokenizer(parsed.GetValue(tokenizer));
            var options = new StatisticsOptions { Limit = parsed.GetValue(limit), Tokenizer = ids, Images = !parsed.GetValue(skipImages) };
            IReadOnlyList<OpenedSource> opened = source.Open(parsed, cancellation);
            var counted = new List<DocumentStatistics>();
            foreach (OpenedSource one in opened) counted.Add(DocumentStatistics.Of(one.Source, options, LiveCount.For(terminal, one.Source.Name, one.Source.DocumentsPerEpoch), cancellation));
            if (parsed.GetValue(json)) terminal.WriteLine(JsonText.Of(new JsonObject { ["sources"] = new JsonArray([.. opened.Zip(counted, DataReport.Json)]) }));
            else DataReport.Print(terminal, opened, counted, ids is ByteTokenizer);
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }
}

/// <summary>How many documents are done, on the error stream where a person watches.</summary>
internal sealed class LiveCount(Terminal terminal, string name, long total) : IProgress<long>
{
    /// <summary>Nothing where the output is piped.</summary>
    public static LiveCount? For(Terminal terminal, string name, long total) => terminal.Interactive ? new LiveCount(terminal, name, total) : null;

    /// <inheritdoc/>
    public void Report(long value)
    {
        lock (terminal) terminal.Error.Write(FormattableString.Invariant($"\r{name}: {value} of {total}{(value == total ? "\n" : "")}"));
    }
}
