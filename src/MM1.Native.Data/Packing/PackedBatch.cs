using System.Collections.Concurrent;

namespace MM1.Native.Data;

/// <summary>A document in a batch.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Source">Its source: an index into the mixture.</param>
/// <param name="Start">Its first token in the batch.</param>
/// <param name="Length">Its tokens.</param>
/// <param name="Offset">Where it begins in the whole document; above 0 for a further piece of a split one.</param>
/// <param name="FirstImage">Its first image in the batch.</param>
/// <param name="Images">Its images.</param>
public readonly record struct PackedDocument(string Id, int Source, int Start, int Length, int Offset, int FirstImage, int Images);

/// <summary>An image of a batch that could not be loaded.</summary>
/// <param name="Document">The name of its document.</param>
/// <param name="Source">The source of the document: an index into the mixture.</param>
/// <param name="Image">Its place among the images of the document, from 0.</param>
/// <param name="Cause">The short name of the cause: <see cref="BadImageException.Cause"/>.</param>
/// <param name="Message">What is wrong with it, with the file where it has one.</param>
public readonly record struct BadImage(string Document, int Source, int Image, string Cause, string Message)
{
    /// <summary>One line for a log.</summary>
    public override string ToString() => $"document '{Document}', image {Image}: {Message}";
}

/// <summary>A document that could not be used, or something that one had to do without: a line of the log of bad samples.</summary>
/// <param name="Source">The name of the source.</param>
/// <param name="Id">The name of the document: its file and key or line.</param>
/// <param name="What"><c>document</c>: it is passed over; <c>problem</c>: it is used without something; <c>image</c>: an image of it could not be loaded, and it has no targets.</param>
/// <param name="Cause">The short name under which it is counted.</param>
/// <param name="Message">What is wrong, and where.</param>
public sealed record BadSample(string Source, string Id, string What, string Cause, string Message)
{
    /// <summary>The name of the file that logs are written to.</summary>
    public const string FileName = "bad-samples.jsonl";

    /// <summary>Writes the members into an open object.</summary>
    public void WriteTo(System.Text.Json.Utf8JsonWriter json)
    {
        ArgumentNullException.ThrowIfNull(json);
        json.WriteString("source", Source);
        json.WriteString("id", Id);
        json.WriteString("what", What);
        json.WriteString("cause", Cause);
        json.WriteString("message", Message);
    }
}

/// <summary>Bad images of one cause.</summary>
/// <param name="Count">How many.</param>
/// <param name="First">The first of them, in one line.</param>
public readonly record struct BadImageCount(long Count, string First);

/// <summary>
/// Sequences of packed documents, in arrays of fixed capacity. Dispose it when its contents are copied: the arrays are used again.
/// </summary>
public sealed class PackedBatch : IDisposable
{
    /// <summary>The target that does not count.</summary>
    public const int IgnoreIndex = -100;

    private BatchPool? _pool;
    private readonly int[] _tokenIds;
    private readonly int[] _positions;
    private readonly int[] _targets;
    private readonly int[] _placement;
    private readonly int[] _cuSeqlens;
    private readonly float[] _images;
    private readonly byte[] _imageBytes;
    private readonly int _imageValues;

    internal PackedBatch(PackingOptions options)
    {
        (Sequences, Length, ImageTokens, ImageSize) = (options.Sequences, options.Length, options.ImageTokens, options.ImageSize);
        int tokens = Sequences * Length;
        _tokenIds = new int[tokens];
        _positions = new int[tokens];
        _targets = new int[tokens];
        _placement = new int[tokens];
        _cuSeqlens = new int[options.DocumentCapacity + 1];
        SourceOfSequence = new int[Sequences];
        _imageValues = 3 * ImageSize * ImageSize;
        long capacity = (long)options.BucketFor(options.ImageCapacity) * _imageValues;
        _images = options.ImageElement == ImageElement.Float32 ? new float[capacity] : [];
        _imageBytes = options.ImageElement == ImageElement.UInt8 ? new byte[capacity] : [];
    }

    /// <summary>Its number, from 0.</summary>
    public long Index { get; internal set; }

    /// <summary>Sequences.</summary>
    public int Sequences { get; }

    /// <summary>Tokens of a sequence.</summary>
    public int Length { get; }

    /// <summary>Placeholders of an image.</summary>
    public int ImageTokens { get; }

    /// <summary>Pixels of a side of an image.</summary>
    public int ImageSize { get; }

    /// <summary>[Sequences * Length]: token ids; the padding id where nothing stands.</summary>
    public ReadOnlyMemory<int> TokenIds => _tokenIds;

    /// <summary>[Sequences * Length]: position in the document, from 0. Padding counts as a document.</summary>
    public ReadOnlyMemory<int> Positions => _positions;

    /// <summary>
    /// [Sequences * Length]: the next token of the same document where that is a target, else <see cref="IgnoreIndex"/>. The last position of an image has the
    /// text that follows as its target.
    /// </summary>
    public ReadOnlyMemory<int> Targets => _targets;

    /// <summary>[Sequences * Length]: image * ImageTokens + row at placeholders, else -1.</summary>
    public ReadOnlyMemory<int> Placement => _placement;

    /// <summary>
    /// [DocumentCapacity + 1]: the first token of each document, ascending; the padding at the end of a sequence is a document of its own. Entries from
    /// <see cref="DocumentCount"/> on are the number of all tokens: empty documents.
    /// </summary>
    public ReadOnlyMemory<int> CuSeqlens => _cuSeqlens;

    /// <summary>Documents that are not empty, those of padding included.</summary>
    public int DocumentCount { get; internal set; }

    /// <summary>The longest document, padding included.</summary>
    public int LongestDocument { get; internal set; }

    /// <summary>Images.</summary>
    public int ImageCount { get; internal set; }

    /// <summary>Images with those of zeros that fill the bucket.</summary>
    public int PaddedImageCount { get; internal set; }

    /// <summary>float32 [PaddedImageCount, ImageSize, ImageSize, 3], normalised; empty where bytes were asked for.</summary>
    public ReadOnlyMemory<float> Images => _images.Length == 0 ? default : _images.AsMemory(0, PaddedImageCount * _imageValues);

    /// <summary>uint8 [PaddedImageCount, ImageSize, ImageSize, 3]; empty where float32 was asked for.</summary>
    public ReadOnlyMemory<byte> ImageBytes => _imageBytes.Length == 0 ? default : _imageBytes.AsMemory(0, PaddedImageCount * _imageValues);

    /// <summary>Positions whose target counts.</summary>
    public int TargetCount { get; internal set; }

    /// <summary>Tokens of documents; the rest is padding.</summary>
    public int TokenCount { get; internal set; }

    /// <summary>Images that could not be loaded: they are zero, and their documents have no targets.</summary>
    public int BadImages => BadImageList.Count;

    /// <summary>Each of <see cref="BadImages"/>, in the order of the batch.</summary>
    public IReadOnlyList<BadImage> BadImageList { get; internal set; } = [];

    /// <summary><see cref="BadImages"/> by cause, ordered by name, each with the message of its first: the same whatever worker made the batch.</summary>
    public IReadOnlyDictionary<string, BadImageCount> BadImagesByCause
    {
        get
        {
            var causes = new SortedDictionary<string, BadImageCount>(StringComparer.Ordinal);
            foreach (BadImage bad in BadImageList)
                causes[bad.Cause] = causes.TryGetValue(bad.Cause, out BadImageCount seen) ? seen with { Count = seen.Count + 1 } : new BadImageCount(1, bad.ToString());
            return causes;
        }
    }

    /// <summary>
    /// What was bad since the batch before: documents passed over while this batch was filled, what documents had to leave out, images that could not be loaded. The same with
    /// any number of workers, and each once, also over a resume. At most <see cref="MaximumBadSamples"/>; the statistics of the cursor count all.
    /// </summary>
    public IReadOnlyList<BadSample> BadSamples { get; internal set; } = [];

    /// <summary>Most entries of <see cref="BadSamples"/>.</summary>
    public const int MaximumBadSamples = 1000;

    /// <summary>The documents, in order, padding left out.</summary>
    public IReadOnlyList<PackedDocument> Documents { get; internal set; } = [];

    /// <summary>[Sequences]: the source of each sequence, an index into the mixture.</summary>
    public int[] SourceOfSequence { get; }

    /// <summary>Where the mixture stands after this batch.</summary>
    public MixtureCursor CursorAfter { get; internal set; } = null!;

    internal Span<int> TokenSpan => _tokenIds;

    internal Span<int> PositionSpan => _positions;

    internal Span<int> TargetSpan => _targets;

    internal Span<int> PlacementSpan => _placement;

    internal Span<int> CuSeqlensSpan => _cuSeqlens;

    internal Span<float> ImageSpan(int image) => _images.AsSpan(image * _imageValues, _imageValues);

    internal Span<byte> ImageByteSpan(int image) => _imageBytes.AsSpan(image * _imageValues, _imageValues);

    internal void Rent(BatchPool pool) => _pool = pool;

    /// <summary>Gives the arrays back for a later batch; the batch must not be read any more.</summary>
    public void Dispose() => Interlocked.Exchange(ref _pool, null)?.Return(this);
}

/// <summary>Batches whose arrays are free.</summary>
internal sealed class BatchPool(PackingOptions options)
{
    private readonly ConcurrentBag<PackedBatch> _free = [];

    internal PackedBatch Rent()
    {
        if (!_free.TryTake(out PackedBatch? batch)) batch = new PackedBatch(options);
        batch.Rent(this);
        return batch;
    }

    internal void Return(PackedBatch batch) => _free.Add(batch);
}
