using System.CommandLine;
using MM1.Native.Data;
using Spectre.Console;

namespace MM1.Native.Cli;

/// <summary><c>mm1 inspect-batch</c>: what the model will see, token by token.</summary>
internal static class InspectBatchCommand
{
    public static Command Create(Terminal terminal)
    {
        var config = new Argument<string>("CONFIG") { Description = "a YAML file" };
        Option<string[]> set = SharedOptions.Set();
        Option<long> index = SharedOptions.Number("--index", "the batch, from 0, in the order of training", 0, 0);
        var command = new Command("inspect-batch", "Prints the tokens of a batch with document, image and loss mask: what counts in the loss is green, or stands in [brackets] when piped.") { config, set, index };
        command.SetAction((parsed, _) =>
        {
            RunTarget target = Targets.Read(parsed.GetRequiredValue(config), parsed.GetValue(set) ?? []);
            long wanted = parsed.GetValue(index);
            using var signals = new StopSignals(terminal, "stopping");
            using var loader = new BatchLoader(target.Data.Mixture, target.Data.Tokenizer, target.Packing);
            for (long i = 0; i < wanted; i++) loader.Next(signals.Token).Dispose();
            using PackedBatch batch = loader.Next(signals.Token);
            Print(batch, target.Data.Tokenizer, [.. target.Data.Mixture.Select(static source => source.Source.Name)], terminal);
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    /// <summary>Prints a batch; an error where nothing of it counts in the loss.</summary>
    internal static void Print(PackedBatch batch, ITokenizer tokenizer, IReadOnlyList<string> sources, Terminal terminal)
    {
        terminal.Write($"batch {batch.Index}: {batch.Sequences} sequences of {batch.Length} tokens; {batch.TokenCount} tokens in {batch.Documents.Count} documents ({Quantity.Percent((double)batch.TokenCount / batch.Sequences / batch.Length)} filled), {batch.ImageCount} images, {batch.TargetCount} tokens count in the loss");
        foreach (string line in BatchText.Lines(batch, tokenizer, sources, terminal.Interactive))
        {
            if (terminal.Interactive) terminal.Console.MarkupLine(line);
            else terminal.WriteLine(line);
        }
        if (batch.TargetCount == 0)
            throw new CommandException(ExitCode.Failed, $"every label of batch {batch.Index.ToString(System.Globalization.CultureInfo.InvariantCulture)} is masked: nothing of it counts in the loss, so a step on it teaches nothing. Look at the roles of its texts above, and at data.length: a document cut after its image has no target");
    }
}
