using System.Buffers;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>How much of the synthetic world is written to disk.</summary>
public sealed record SyntheticDatasetOptions
{
    /// <summary>Caption documents, as WebDataset shards in <c>captions/</c> (default 10,000).</summary>
    public int Captions { get; init; } = 10_000;

    /// <summary>Interleaved documents, in <c>interleaved/documents.jsonl</c> (default 2,000).</summary>
    public int Interleaved { get; init; } = 2_000;

    /// <summary>Text documents, in <c>text/documents.jsonl</c> (default 1,000).</summary>
    public int Text { get; init; } = 1_000;

    /// <summary>Questions and captions of each held-out part, in <c>evaluation-*/</c> (default 500 of each).</summary>
    public int Evaluation { get; init; } = 500;
}

/// <summary>Writes the synthetic world in the formats that real data comes in; the same world gives the same bytes.</summary>
public static class SyntheticDataset
{
    /// <summary>Writes the first documents of each training source and the first items of each held-out part.</summary>
    /// <param name="world">The world.</param>
    /// <param name="folder">Where to; made when it is not there.</param>
    /// <param name="options">How much.</param>
    /// <param name="progress">Told the number of documents and items written so far.</param>
    /// <param name="cancellationToken">Stops between two documents.</param>
    public static void Write(SyntheticWorld world, string folder, SyntheticDatasetOptions? options = null, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(world);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new SyntheticDatasetOptions();
        long written = 0;
        if (options.Captions > 0)
        {
            using var captions = new WebDatasetWriter(Path.Combine(folder, "captions"));
            for (int i = 0; i < options.Captions; i++)
            {
                Document document = At(world.Captions, i);
                var image = (SceneImage)((ImageSegment)document.Segments[0]).Image;
                string caption = ((TextSegment)document.Segments[1]).Text;
                captions.Write(image.Load(), caption, Describe(document.Id, caption, image));
                Advance();
            }
            captions.Complete();
        }
        WriteDocuments("interleaved", world.Interleaved, options.Interleaved);
        WriteDocuments("text", world.Text, options.Text);
        foreach ((WorldSplit split, string name) in new[] { (WorldSplit.UnseenSeed, "evaluation-unseen-seed"), (WorldSplit.UnseenCombination, "evaluation-unseen-combination") })
        {
            if (options.Evaluation == 0) break;
            string place = Path.Combine(folder, name);
            using var questions = new JsonLinesWriter(place, "questions.jsonl", "question-images");
            using var described = new JsonLinesWriter(place, "captions.jsonl", "caption-images");
            for (int i = 0; i < options.Evaluation; i++)
            {
                questions.Write(world.Question(split, i));
                described.Write(world.Caption(split, i));
                Advance();
            }
        }

        void WriteDocuments(string name, IDocumentSource source, int count)
        {
            if (count == 0) return;
            using var lines = new JsonLinesWriter(Path.Combine(folder, name), "documents.jsonl");
            for (int i = 0; i < count; i++)
            {
                lines.Write(At(source, i));
                Advance();
            }
        }

        Document At(IDocumentSource source, long index) => source.Read(index / source.DocumentsPerEpoch, index % source.DocumentsPerEpoch, cancellationToken);

        void Advance()
        {
            cancellationToken.ThrowIfCancellationRequested();
            progress?.Report(++written);
        }
    }

    private static ReadOnlySpan<byte> Describe(string id, string caption, SceneImage image)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("id", id);
            json.WriteString("caption", caption);
            json.WriteNumber("width", image.Size);
            json.WriteNumber("height", image.Size);
            JsonLinesWriter.WriteObjects(json, image.Scene);
            json.WriteEndObject();
        }
        return buffer.WrittenSpan;
    }
}
