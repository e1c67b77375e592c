namespace MM1.Native.Data;

/// <summary>
/// Documents by number. What stands at (epoch, index) is a pure function of the source's settings and seed, so a cursor of
/// two numbers resumes it exactly, and several threads may read at once.
/// </summary>
public interface IDocumentSource
{
    /// <summary>The name that statistics, cursors and logs use; unique in a mixture.</summary>
    string Name { get; }

    /// <summary>Documents of one epoch, at least 1. After the last the next epoch begins.</summary>
    long DocumentsPerEpoch { get; }

    /// <summary>The document at a place in the order.</summary>
    /// <param name="epoch">The pass, from 0.</param>
    /// <param name="index">The place in the pass, in [0, <see cref="DocumentsPerEpoch"/>).</param>
    /// <param name="cancellationToken">Ends a wait for slow storage.</param>
    /// <exception cref="BadDocumentException">This one document cannot be used; the caller counts it and goes on.</exception>
    Document Read(long epoch, long index, CancellationToken cancellationToken = default);
}

/// <summary>One document cannot be used. It is counted by <see cref="Cause"/> and passed over, up to a threshold.</summary>
public sealed class BadDocumentException : Exception
{
    /// <summary>Without a cause.</summary>
    public BadDocumentException() : this("unknown", "the document cannot be used") { }

    /// <summary>With a message alone.</summary>
    public BadDocumentException(string message) : this("unknown", message) { }

    /// <summary>With a message and what lies behind it.</summary>
    public BadDocumentException(string message, Exception innerException) : base(message, innerException) => Cause = "unknown";

    /// <summary>With the short name of the cause under which it is counted.</summary>
    public BadDocumentException(string cause, string message) : base(message) => Cause = cause;

    /// <summary>With the cause and the name of the document: its file and key or line.</summary>
    public BadDocumentException(string cause, string message, string id) : base(message) => (Cause, Id) = (cause, id);

    /// <summary>The short name under which it is counted, e.g. <c>truncated image</c>.</summary>
    public string Cause { get; }

    /// <summary>The name of the document (file and key or line), or null where the source gave none.</summary>
    public string? Id { get; }
}

/// <summary>Documents held in memory, in their order, the same every epoch.</summary>
public sealed class ListDocumentSource : IDocumentSource
{
    private readonly IReadOnlyList<Document> _documents;

    /// <summary>Wraps the documents.</summary>
    public ListDocumentSource(string name, IReadOnlyList<Document> documents)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(documents);
        if (documents.Count == 0) throw new ArgumentException($"source '{name}' has no documents", nameof(documents));
        Name = name;
        _documents = documents;
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public long DocumentsPerEpoch => _documents.Count;

    /// <inheritdoc/>
    public Document Read(long epoch, long index, CancellationToken cancellationToken = default) => _documents[checked((int)index)];
}

/// <summary>
/// Another source in random order: a new permutation each epoch, a pure function of (seed, epoch), made by a Feistel network
/// with cycle walking, so that no table of indices is kept.
/// </summary>
public sealed class ShuffledDocumentSource : IDocumentSource
{
    private const int Rounds = 6;
    private readonly IDocumentSource _inner;
    private readonly ulong _seed;
    private readonly int _halfBits;

    /// <summary>Shuffles <paramref name="inner"/>.</summary>
    public ShuffledDocumentSource(IDocumentSource inner, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
        _seed = seed;
        _halfBits = 1;
        while (1L << (2 * _halfBits) < inner.DocumentsPerEpoch) _halfBits++;
    }

    /// <inheritdoc/>
    public string Name => _inner.Name;

    /// <inheritdoc/>
    public long DocumentsPerEpoch => _inner.DocumentsPerEpoch;

    /// <inheritdoc/>
    public Document Read(long epoch, long index, CancellationToken cancellationToken = default) =>
        _inner.Read(epoch, Permute(epoch, index), cancellationToken);

    /// <summary>The place in the inner source of the document at (epoch, index).</summary>
    public long Permute(long epoch, long index)
    {
        if ((ulong)index >= (ulong)DocumentsPerEpoch)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"an epoch of source '{Name}' has {DocumentsPerEpoch} documents");
        ulong mask = (1ul << _halfBits) - 1, value = (ulong)index;
        do
        {
            ulong left = value >> _halfBits, right = value & mask;
            for (int round = 0; round < Rounds; round++)
            {
                ulong key = RandomStream.Mix(RandomStream.Mix(_seed + (ulong)epoch * 0x9E3779B97F4A7C15) + (ulong)round);
                (left, right) = (right, left ^ (RandomStream.Mix(right ^ key) & mask));
            }
            value = (left << _halfBits) | right;
        }
        while (value >= (ulong)DocumentsPerEpoch); // the network permutes a power of 4; walk on until inside
        return (long)value;
    }
}
