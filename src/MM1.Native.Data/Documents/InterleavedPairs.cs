using System.Globalization;

namespace MM1.Native.Data;

/// <summary>
/// Interleaved documents made of image-caption pairs: several images, each with its caption and a line feed after it, the layout of few-shot prompts. What stands in a document is a function of
/// seed, epoch and index; pairs of a source come in its own random order, of which a part is left out where a document has fewer than the most pairs.
/// </summary>
public sealed class InterleavedPairs : IDocumentSource
{
    private readonly IDocumentSource[] _pairs;
    private readonly ShuffledDocumentSource[] _shuffled;
    private readonly double[] _weights;
    private readonly int _minimum, _maximum;
    private readonly ulong _seed;

    /// <summary>Combines sources.</summary>
    /// <param name="name">The name of the new source.</param>
    /// <param name="pairs">Sources of documents with an image and text after it; each is drawn by its number of documents.</param>
    /// <param name="minimum">Fewest pairs of a document, 1 or more.</param>
    /// <param name="maximum">Most pairs of a document.</param>
    /// <param name="seed">Key of the draws.</param>
    public InterleavedPairs(string name, IReadOnlyList<IDocumentSource> pairs, int minimum, int maximum, ulong seed)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(pairs);
        if (pairs.Count == 0) throw new ArgumentException($"source '{name}' is made of no sources", nameof(pairs));
        if (minimum < 1 || maximum < minimum) throw new ArgumentException($"documents of source '{name}' have {minimum} to {maximum} pairs; the first is 1 or more, the second not less", nameof(minimum));
        (Name, _minimum, _maximum, _seed) = (name, minimum, maximum, seed);
        _pairs = [.. pairs];
        _weights = [.. pairs.Select(static source => (double)source.DocumentsPerEpoch)];
        _shuffled = [.. pairs.Select(source => new ShuffledDocumentSource(source, RandomStream.For(seed, $"{name}/{source.Name}").Next()))];
        Settings = string.Create(CultureInfo.InvariantCulture, $"{minimum} to {maximum} of {string.Join(" and ", pairs.Select(static source => string.Create(CultureInfo.InvariantCulture, $"{source.Name}/{source.DocumentsPerEpoch}{(source.Settings.Length == 0 ? "" : $"({source.Settings})")}")))}");
        DocumentsPerEpoch = Math.Max(1, pairs.Sum(static source => source.DocumentsPerEpoch) * 2 / (minimum + maximum));
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public long DocumentsPerEpoch { get; }

    /// <inheritdoc/>
    public string Settings { get; }

    /// <inheritdoc/>
    /// <exception cref="BadDocumentException">A document that it draws cannot be used, or is no image with text after it.</exception>
    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        RandomStream random = RandomStream.For(_seed, Name, epoch, index);
        int count = _minimum + random.Below(_maximum - _minimum + 1);
        var segments = new List<Segment>(2 * count);
        List<DocumentProblem>? problems = null;
        for (int i = 0; i < count; i++)
        {
            int source = random.Weighted(_weights);
            // Every place of every document has a number of its own: a source that is not drawn here leaves a gap in its order.
            (long round, long at) = Math.DivRem(checked((epoch * DocumentsPerEpoch + index) * _maximum + i), _pairs[source].DocumentsPerEpoch);
            Document pair = _shuffled[source].Read(round, at, cancellationToken);
            if (pair.Problems is { } found) (problems ??= []).AddRange(found);
            Append(pair, segments);
        }
        return new Document(Name, $"{Name}/{epoch}/{index}", segments, problems);
    }

    /// <summary>Appends a document's first image and the text from there to the next.</summary>
    private static void Append(Document pair, List<Segment> segments)
    {
        int image = 0, before = segments.Count;
        while (image < pair.Segments.Count && pair.Segments[image] is not ImageSegment) image++;
        if (image == pair.Segments.Count) throw new BadDocumentException("no pair", $"'{pair.Id}' has no image", pair.Id);
        segments.Add(pair.Segments[image]);
        for (int i = image + 1; i < pair.Segments.Count && pair.Segments[i] is TextSegment text; i++) segments.Add(text);
        if (segments.Count == before + 1) throw new BadDocumentException("no pair", $"'{pair.Id}' has no text after its image", pair.Id);
        var last = (TextSegment)segments[^1];
        segments[^1] = last with { Text = last.Text.TrimEnd() + "\n" };
    }
}
