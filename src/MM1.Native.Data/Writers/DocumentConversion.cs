using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace MM1.Native.Data;

/// <summary>What documents are converted to.</summary>
public enum ConversionTarget
{
    /// <summary>Shards of images with captions (<see cref="WebDatasetWriter"/>); a document is one image and texts after it, all of them targets.</summary>
    WebDataset,
    /// <summary>Documents of any kind as JSON lines with images beside them (<see cref="JsonLinesWriter"/>).</summary>
    JsonLines,
}

/// <summary>How documents are converted.</summary>
public sealed record ConversionOptions
{
    /// <summary>The format.</summary>
    public required ConversionTarget Target { get; init; }

    /// <summary>Documents, the first of the source; null for all (default null).</summary>
    public long? Limit { get; init; }

    /// <summary>Whether every image is decoded first, so that none that cannot be used is copied (default true).</summary>
    public bool Verify { get; init; } = true;

    /// <summary>Samples of a shard (default 10,000).</summary>
    public int SamplesPerShard { get; init; } = 10_000;

    /// <summary>Share of bad documents above which the conversion stops (default 0.1).</summary>
    public double BadLimit { get; init; } = 0.1;
}

/// <summary>What a conversion did.</summary>
/// <param name="Written">Documents written.</param>
/// <param name="Bad">Documents that could not be used and things that documents had to leave out, each as a line of the log.</param>
public sealed record ConversionResult(long Written, IReadOnlyList<BadSample> Bad);

/// <summary>
/// Documents of any source into the formats that train fast and need no other library. Image files are copied as they are, never encoded again; what documents say and where images
/// stand stays the same. Everything that could not be used is in <c>bad-samples.jsonl</c>.
/// </summary>
public static class DocumentConversion
{
    private const int Chunk = 64, JudgeBadAfter = 100;

    /// <summary>Converts.</summary>
    /// <param name="source">The documents.</param>
    /// <param name="folder">Where to; made when it is not there.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Told the documents that are done.</param>
    /// <param name="cancellationToken">Stops; what is incomplete bears the ending .part.</param>
    /// <exception cref="InvalidDataException">A document does not fit the format, or too many are bad.</exception>
    public static ConversionResult Run(IDocumentSource source, string folder, ConversionOptions options, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Limit is < 1) throw new ArgumentException($"the limit of documents is 1 or more, not {options.Limit}", nameof(options));
        long count = Math.Min(options.Limit ?? source.DocumentsPerEpoch, source.DocumentsPerEpoch), written = 0, unusable = 0;
        var log = new List<BadSample>();
        Directory.CreateDirectory(folder);
        using (IDisposable writer = options.Target == ConversionTarget.WebDataset ? new WebDatasetWriter(folder, options.SamplesPerShard) : new JsonLinesWriter(folder, "documents.jsonl.part"))
        {
            var prepared = new Prepared[Chunk];
            var parallel = new ParallelOptions { CancellationToken = cancellationToken, MaxDegreeOfParallelism = Environment.ProcessorCount };
            for (long begin = 0; begin < count; begin += Chunk)
            {
                int size = (int)Math.Min(Chunk, count - begin);
                // Reading and decoding in parallel, writing in order: the same source gives the same bytes.
                Parallel.For(0, size, parallel, i => prepared[i] = Prepare(source, begin + i, options, cancellationToken));
                foreach (Prepared next in prepared.AsSpan(0, size))
                {
                    if (next.Misfit is not null) throw new InvalidDataException(next.Misfit);
                    log.AddRange(next.Bad);
                    if (next.Document is null) unusable++;
                    else
                    {
                        Write(writer, next.Document);
                        written++;
                    }
                }
                long done = begin + size;
                if ((done >= JudgeBadAfter || done == count) && unusable > options.BadLimit * done)
                    throw new InvalidDataException($"source '{source.Name}': {unusable} of {done} documents cannot be used; the limit is a share of {options.BadLimit}. The first: {log[0].Message}");
                progress?.Report(done);
            }
            (writer as WebDatasetWriter)?.Complete();
        }
        if (options.Target == ConversionTarget.JsonLines) File.Move(Path.Combine(folder, "documents.jsonl.part"), Path.Combine(folder, "documents.jsonl"));
        if (log.Count > 0) File.WriteAllLines(Path.Combine(folder, BadSample.FileName), log.Select(Line));
        return new ConversionResult(written, log);
    }

    private static Prepared Prepare(IDocumentSource source, long index, ConversionOptions options, CancellationToken cancellationToken)
    {
        var bad = new List<BadSample>();
        Document document;
        try
        {
            document = source.Read(0, index, cancellationToken);
        }
        catch (BadDocumentException fault)
        {
            return new Prepared(null, [new BadSample(source.Name, fault.Id ?? "", "document", fault.Cause, fault.Message)]);
        }
        foreach (DocumentProblem problem in document.Problems ?? []) bad.Add(new BadSample(source.Name, document.Id, "problem", problem.Cause, problem.Message));
        var segments = new List<Segment>(document.Segments);
        for (int i = 0; i < segments.Count; i++)
        {
            if (segments[i] is not ImageSegment image) continue;
            try
            {
                (ReadOnlyMemory<byte> bytes, _) = ImageBytes.Of(image.Image);
                var copy = new EncodedImage(bytes);
                if (options.Verify) _ = copy.Load();
                segments[i] = new ImageSegment(copy);
            }
            catch (BadImageException fault)
            {
                return new Prepared(null, [.. bad, new BadSample(source.Name, document.Id, "image", fault.Cause, fault.Message)]);
            }
        }
        if (options.Target == ConversionTarget.WebDataset && !(segments.Count >= 2 && segments[0] is ImageSegment && segments.Skip(1).All(static segment => segment is TextSegment { Role: LossRole.Target })))
            return new Prepared(null, bad, $"document '{document.Id}' is no image with a caption ({Describe(segments)}); convert to JSON lines, which hold documents of any kind");
        return new Prepared(document with { Segments = segments }, bad);
    }

    private static string Describe(List<Segment> segments) => $"{segments.Count(static segment => segment is ImageSegment)} images, {segments.Count(static segment => segment is TextSegment)} texts, {segments.Count(static segment => segment is TextSegment { Role: LossRole.Context })} of them no targets";

    private static void Write(IDisposable writer, Document document)
    {
        if (writer is JsonLinesWriter lines)
        {
            lines.Write(document);
            return;
        }
        string caption = string.Join(' ', document.Segments.OfType<TextSegment>().Select(static text => text.Text));
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("id", document.Id);
            json.WriteString("source", document.Source);
            json.WriteString("caption", caption);
            json.WriteEndObject();
        }
        ((WebDatasetWriter)writer).Write(((ImageSegment)document.Segments[0]).Image, caption, buffer.WrittenSpan);
    }

    private static string Line(BadSample bad)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            bad.WriteTo(json);
            json.WriteEndObject();
        }
        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private readonly record struct Prepared(Document? Document, IReadOnlyList<BadSample> Bad, string? Misfit = null);
}
