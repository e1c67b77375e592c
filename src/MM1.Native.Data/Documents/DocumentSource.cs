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

    /// <summary>
    /// What the documents and their order depend on beside name and number, in a few words, e.g. the bytes of the files; empty where nothing else matters. A cursor remembers it,
    /// and a resume with other data is refused.
    /// </summary>
    string Settings => "";

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
