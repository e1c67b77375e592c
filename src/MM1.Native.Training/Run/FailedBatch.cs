using System.Globalization;
using System.Text;
using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>Writes the batches of a step that a run stopped at, for a person to look at: tokens with targets, texts, images.</summary>
internal static class FailedBatch
{
    public static void Write(string folder, IReadOnlyList<PackedBatch> batches, ITokenizer tokenizer, PackingOptions options)
    {
        Directory.CreateDirectory(folder);
        for (int i = 0; i < batches.Count; i++)
        {
            string prefix = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"batch-{i}"));
            File.WriteAllText(prefix + "-tokens.tsv", Tokens(batches[i], tokenizer));
            File.WriteAllText(prefix + "-documents.txt", Documents(batches[i], tokenizer, options));
            for (int image = 0; image < batches[i].ImageCount; image++)
                File.WriteAllBytes(string.Create(CultureInfo.InvariantCulture, $"{prefix}-image-{image:D3}.png"), ImageCodec.EncodePng(Pixels(batches[i], image, options)));
        }
    }

    private static string Tokens(PackedBatch batch, ITokenizer tokenizer)
    {
        var text = new StringBuilder("sequence\tindex\ttoken\tposition\ttarget\timage row\ttoken text\ttarget text\n");
        ReadOnlySpan<int> tokens = batch.TokenIds.Span, positions = batch.Positions.Span, targets = batch.Targets.Span, placement = batch.Placement.Span;
        for (int i = 0; i < tokens.Length; i++)
        {
            string target = targets[i] == PackedBatch.IgnoreIndex ? "" : tokenizer.Describe(targets[i]);
            text.Append(CultureInfo.InvariantCulture, $"{i / batch.Length}\t{i % batch.Length}\t{tokens[i]}\t{positions[i]}\t{targets[i]}\t{placement[i]}\t{tokenizer.Describe(tokens[i])}\t{target}\n");
        }
        return text.ToString();
    }

    private static string Documents(PackedBatch batch, ITokenizer tokenizer, PackingOptions options)
    {
        var text = new StringBuilder();
        foreach (PackedDocument document in batch.Documents)
        {
            text.Append(CultureInfo.InvariantCulture, $"sequence {document.Start / options.Length}, {document.Id}: {document.Length} tokens, images {document.FirstImage}..{document.FirstImage + document.Images - 1}\n  ");
            ReadOnlySpan<int> tokens = batch.TokenIds.Span.Slice(document.Start, document.Length);
            for (int at = 0, image = document.FirstImage; at < tokens.Length;)
            {
                int end = at;
                if (tokens[at] == tokenizer.ImageId)
                {
                    text.Append(CultureInfo.InvariantCulture, $" [image {image++}] ");
                    at += options.ImageTokens;
                    continue;
                }
                while (end < tokens.Length && tokens[end] != tokenizer.ImageId) end++;
                text.Append(tokenizer.Decode(tokens[at..end]));
                at = end;
            }
            text.Append('\n');
        }
        return text.ToString();
    }

    private static ImageData Pixels(PackedBatch batch, int image, PackingOptions options)
    {
        int values = 3 * batch.ImageSize * batch.ImageSize;
        ReadOnlySpan<float> normalised = batch.Images.Span.Slice(image * values, values);
        var pixels = new byte[values];
        for (int i = 0; i < values; i++)
        {
            float value = normalised[i] * options.StandardDeviation[i % 3] + options.Mean[i % 3];
            pixels[i] = (byte)Math.Clamp(MathF.Round(value * 255), 0, 255);
        }
        return new ImageData(batch.ImageSize, batch.ImageSize, pixels);
    }
}
