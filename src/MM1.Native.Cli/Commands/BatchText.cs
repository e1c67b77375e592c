using System.Globalization;
using System.Text;
using MM1.Native.Data;
using Spectre.Console;

namespace MM1.Native.Cli;

/// <summary>
/// A batch in words: each document with its tokens; tokens that count in the loss are green, or stand in [brackets] without colours; runs of an image's
/// placeholders and of padding are one mark each.
/// </summary>
internal static class BatchText
{
    /// <summary>Lines of the batch.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="tokenizer">Names tokens.</param>
    /// <param name="sources">Names of the mixture's sources.</param>
    /// <param name="colour">Whether lines are markup with colours.</param>
    public static IEnumerable<string> Lines(PackedBatch batch, ITokenizer tokenizer, IReadOnlyList<string> sources, bool colour)
    {
        int next = 0;
        for (int sequence = 0; sequence < batch.Sequences; sequence++)
        {
            int begin = sequence * batch.Length, end = begin + batch.Length, used = begin;
            int first = next;
            while (next < batch.Documents.Count && batch.Documents[next].Start < end) used = batch.Documents[next].Start + batch.Documents[next++].Length;
            string header = string.Create(CultureInfo.InvariantCulture, $"sequence {sequence}: source {sources[batch.SourceOfSequence[sequence]]}, {next - first} documents, {used - begin} of {batch.Length} tokens");
            yield return colour ? $"[bold]{Markup.Escape(header)}[/]" : header;
            for (int i = first; i < next; i++)
            {
                yield return Header(batch.Documents[i], i, colour);
                yield return Tokens(batch, batch.Documents[i], tokenizer, colour);
            }
            if (used < end) yield return Marked(string.Create(CultureInfo.InvariantCulture, $"  (padding: {end - used} tokens)"), "grey", colour);
        }
    }

    private static string Header(PackedDocument document, int number, bool colour)
    {
        string images = document.Images == 0 ? "" : document.Images == 1 ? string.Create(CultureInfo.InvariantCulture, $", image {document.FirstImage}")
            : string.Create(CultureInfo.InvariantCulture, $", images {document.FirstImage} to {document.FirstImage + document.Images - 1}");
        string piece = document.Offset > 0 ? string.Create(CultureInfo.InvariantCulture, $", goes on from its token {document.Offset}") : "";
        return Marked(string.Create(CultureInfo.InvariantCulture, $"  document {number}: {document.Id}, tokens {document.Start} to {document.Start + document.Length - 1}{images}{piece}"), "yellow", colour);
    }

    private static string Tokens(PackedBatch batch, PackedDocument document, ITokenizer tokenizer, bool colour)
    {
        ReadOnlySpan<int> ids = batch.TokenIds.Span, placement = batch.Placement.Span, targets = batch.Targets.Span;
        var text = new StringBuilder("   ");
        for (int at = document.Start; at < document.Start + document.Length; at++)
        {
            if (placement[at] >= 0)
            {
                int image = placement[at] / batch.ImageTokens, count = 0;
                while (at + count < document.Start + document.Length && placement[at + count] >= 0 && placement[at + count] / batch.ImageTokens == image) count++;
                text.Append(' ').Append(Marked(string.Create(CultureInfo.InvariantCulture, $"<image {image}: {count} tokens>"), "blue", colour));
                at += count - 1;
                continue;
            }
            // Token t is learned where the position before it has it as its target.
            bool isTarget = at > document.Start && targets[at - 1] != PackedBatch.IgnoreIndex;
            string word = tokenizer.Describe(ids[at]).Replace("\n", "\\n", StringComparison.Ordinal);
            text.Append(' ').Append(isTarget ? colour ? Marked(word, "green", true) : $"[{word}]" : Marked(word, "grey", colour));
        }
        return text.ToString();
    }

    private static string Marked(string text, string style, bool colour) => colour ? $"[{style}]{Markup.Escape(text)}[/]" : text;
}
