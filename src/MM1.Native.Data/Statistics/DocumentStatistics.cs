using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace MM1.Native.Data;

/// <summary>How documents are counted.</summary>
public sealed record StatisticsOptions
{
    /// <summary>Documents to look at, spread evenly over the source; null for all (default null).</summary>
    public long? Limit { get; init; }

    /// <summary>Counts tokens; null for none (default null).</summary>
    public ITokenizer? Tokenizer { get; init; }

    /// <summary>Whether images are decoded, which finds bad ones and their sizes (default true).</summary>
    public bool Images { get; init; } = true;

    /// <summary>Threads (default: one for each processor).</summary>
    public int Threads { get; init; } = Environment.ProcessorCount;
}

/// <summary>What is in a source: how many documents, how long, which images, and everything that is wrong with it.</summary>
public sealed record DocumentStatistics
{
    /// <summary>The source.</summary>
    public required string Source { get; init; }

    /// <summary>Documents of the source.</summary>
    public required long Documents { get; init; }

    /// <summary>Documents that were looked at, bad ones included.</summary>
    public required long Read { get; init; }

    /// <summary>Documents that can be used: <see cref="Read"/> without those that are bad or have a bad image.</summary>
    public required long Usable { get; init; }

    /// <summary>Characters of the texts of a document (UTF-16).</summary>
    public required Distribution Characters { get; init; }

    /// <summary>Tokens of the texts of a document; of no numbers without a tokenizer.</summary>
    public required Distribution Tokens { get; init; }

    /// <summary>Share of the characters that are targets.</summary>
    public required double TargetShare { get; init; }

    /// <summary>Images of a document.</summary>
    public required Distribution Images { get; init; }

    /// <summary>Columns of the images.</summary>
    public required Distribution Width { get; init; }

    /// <summary>Rows of the images.</summary>
    public required Distribution Height { get; init; }

    /// <summary>Bytes of the image files.</summary>
    public required Distribution FileBytes { get; init; }

    /// <summary>Images by the kind of their file: jpg, png, webp, gif, other.</summary>
    public required IReadOnlyDictionary<string, long> FileKinds { get; init; }

    /// <summary>Documents whose texts are those of an earlier one: captions that repeat.</summary>
    public required long RepeatedTexts { get; init; }

    /// <summary>What is wrong, by cause: documents, images, and what documents had to leave out.</summary>
    public required IReadOnlyDictionary<string, long> Bad { get; init; }

    /// <summary>The first of each cause, as one line.</summary>
    public required IReadOnlyDictionary<string, string> FirstBad { get; init; }

    /// <summary>Counts a source. The result does not depend on the number of threads.</summary>
    /// <param name="source">The source.</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="progress">Told the documents that are done.</param>
    /// <param name="cancellationToken">Ends the counting.</param>
    public static DocumentStatistics Of(IDocumentSource source, StatisticsOptions? options = null, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        options ??= new StatisticsOptions();
        if (options.Limit is < 1) throw new ArgumentException($"the limit of documents is 1 or more, not {options.Limit}", nameof(options));
        long documents = source.DocumentsPerEpoch, count = Math.Min(options.Limit ?? documents, documents), done = 0;
        using var whole = new Tally();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Math.Max(1, options.Threads), CancellationToken = cancellationToken };
        Parallel.For(0L, count, parallel, static () => new Tally(), (i, _, tally) =>
        {
            // Evenly spread, the first included; all of them in order where there is no limit.
            tally.Count(source, (long)((Int128)i * documents / count), options, cancellationToken);
            long now = Interlocked.Increment(ref done);
            if (now % 64 == 0 || now == count) progress?.Report(now);
            return tally;
        }, tally =>
        {
            lock (whole) whole.Add(tally);
            tally.Dispose();
        });
        return whole.Result(source.Name, documents, count);
    }

    /// <summary>What one thread counted.</summary>
    private sealed class Tally : IDisposable
    {
        private readonly List<double> _characters = [], _tokens = [], _images = [], _widths = [], _heights = [], _bytes = [];
        private readonly SortedDictionary<string, long> _kinds = new(StringComparer.Ordinal), _bad = new(StringComparer.Ordinal);
        private readonly SortedDictionary<string, (long Index, string Message)> _first = new(StringComparer.Ordinal);
        private readonly Dictionary<UInt128, long> _texts = [];
        private readonly List<int> _ids = [];
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        private long _usable, _targets, _repeated;

        internal void Count(IDocumentSource source, long index, StatisticsOptions options, CancellationToken cancellationToken)
        {
            Document document;
            try
            {
                document = source.Read(0, index, cancellationToken);
            }
            catch (BadDocumentException bad)
            {
                Fault(index, bad.Cause, bad.Message);
                return;
            }
            foreach (DocumentProblem problem in document.Problems ?? []) Fault(index, problem.Cause, problem.Message);
            int characters = 0, tokens = 0, images = 0;
            bool good = true;
            foreach (Segment segment in document.Segments)
            {
                if (segment is TextSegment text)
                {
                    characters += text.Text.Length;
                    if (text.Role == LossRole.Target) _targets += text.Text.Length;
                    _hash.AppendData(Encoding.UTF8.GetBytes(text.Text));
                    _hash.AppendData([0xFF]); // no UTF-8 text has it: where a text ends counts
                    if (options.Tokenizer is not { } tokenizer) continue;
                    _ids.Clear();
                    tokenizer.Encode(text.Text, _ids);
                    tokens += _ids.Count;
                }
                else if (segment is ImageSegment image)
                {
                    images++;
                    if (options.Images) good &= Look(index, document.Id, image.Image);
                }
            }
            if (characters == 0 && images == 0)
            {
                Fault(index, "empty", $"{document.Id}: the document has neither text nor image");
                good = false;
            }
            if (good) _usable++;
            _characters.Add(characters);
            if (options.Tokenizer is not null) _tokens.Add(tokens);
            _images.Add(images);
            byte[] digest = _hash.GetHashAndReset();
            if (characters > 0) Increase(_texts, BinaryPrimitives.ReadUInt128LittleEndian(digest), 1);
        }

        internal void Add(Tally other)
        {
            _characters.AddRange(other._characters);
            _tokens.AddRange(other._tokens);
            _images.AddRange(other._images);
            _widths.AddRange(other._widths);
            _heights.AddRange(other._heights);
            _bytes.AddRange(other._bytes);
            foreach ((string kind, long count) in other._kinds) _kinds[kind] = _kinds.GetValueOrDefault(kind) + count;
            foreach ((string cause, long count) in other._bad) _bad[cause] = _bad.GetValueOrDefault(cause) + count;
            foreach ((string cause, (long index, string message)) in other._first) First(cause, index, message);
            foreach ((UInt128 text, long count) in other._texts) Increase(_texts, text, count);
            _usable += other._usable;
            _targets += other._targets;
        }

        internal DocumentStatistics Result(string source, long documents, long read)
        {
            foreach (long count in _texts.Values) _repeated += count - 1;
            Distribution characters = Distribution.Of(_characters);
            return new DocumentStatistics
            {
                Source = source,
                Documents = documents,
                Read = read,
                Usable = _usable,
                Characters = characters,
                Tokens = Distribution.Of(_tokens),
                TargetShare = characters.Sum == 0 ? 0 : _targets / characters.Sum,
                Images = Distribution.Of(_images),
                Width = Distribution.Of(_widths),
                Height = Distribution.Of(_heights),
                FileBytes = Distribution.Of(_bytes),
                FileKinds = _kinds,
                RepeatedTexts = _repeated,
                Bad = _bad,
                FirstBad = new SortedDictionary<string, string>(_first.ToDictionary(static pair => pair.Key, static pair => pair.Value.Message), StringComparer.Ordinal),
            };
        }

        public void Dispose() => _hash.Dispose();

        private bool Look(long index, string id, IImageSource image)
        {
            try
            {
                if (image is IImageFile file)
                {
                    ReadOnlyMemory<byte> bytes = file.ReadFile();
                    _bytes.Add(bytes.Length);
                    string kind = ImageSignature.ExtensionOf(bytes.Span) ?? "other";
                    _kinds[kind] = _kinds.GetValueOrDefault(kind) + 1;
                }
                ImageData pixels = image.Load();
                _widths.Add(pixels.Width);
                _heights.Add(pixels.Height);
                return true;
            }
            catch (BadImageException bad)
            {
                Fault(index, bad.Cause, $"{id}: {bad.Message}");
                return false;
            }
        }

        private void Fault(long index, string cause, string message)
        {
            _bad[cause] = _bad.GetValueOrDefault(cause) + 1;
            First(cause, index, message);
        }

        private void First(string cause, long index, string message)
        {
            if (!_first.TryGetValue(cause, out (long Index, string Message) known) || index < known.Index) _first[cause] = (index, message);
        }

        private static void Increase(Dictionary<UInt128, long> counts, UInt128 key, long more) =>
            CollectionsMarshal.GetValueRefOrAddDefault(counts, key, out _) += more;
    }
}
