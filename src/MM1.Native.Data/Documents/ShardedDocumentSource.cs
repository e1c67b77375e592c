using System.Globalization;

namespace MM1.Native.Data;

/// <summary>
/// The part of another source that one of several processes sees: every count-th document, beginning with its rank. The parts are disjoint and together everything. Put it around
/// the shuffled source, so that each epoch deals the documents anew; each rank keeps a cursor of its own.
/// </summary>
public sealed class ShardedDocumentSource : IDocumentSource
{
    private readonly IDocumentSource _inner;
    private readonly int _rank;
    private readonly int _count;

    /// <summary>The part of a rank.</summary>
    /// <param name="inner">The source.</param>
    /// <param name="rank">The number of the process, from 0.</param>
    /// <param name="count">Processes.</param>
    /// <exception cref="ArgumentException">There are fewer documents than processes.</exception>
    public ShardedDocumentSource(IDocumentSource inner, int rank, int count)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        ArgumentOutOfRangeException.ThrowIfNegative(rank);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(rank, count);
        if (inner.DocumentsPerEpoch < count) throw new ArgumentException($"source '{inner.Name}' has {inner.DocumentsPerEpoch} documents, and {count} processes want one each", nameof(inner));
        (_inner, _rank, _count) = (inner, rank, count);
    }

    /// <inheritdoc/>
    public string Name => _inner.Name;

    /// <inheritdoc/>
    public long DocumentsPerEpoch => (_inner.DocumentsPerEpoch - _rank + _count - 1) / _count;

    /// <inheritdoc/>
    public string Settings => string.Create(CultureInfo.InvariantCulture, $"{_inner.Settings}{(_inner.Settings.Length == 0 ? "" : ", ")}rank {_rank} of {_count}");

    /// <inheritdoc/>
    public Document Read(long epoch, long index, CancellationToken cancellationToken = default)
    {
        if ((ulong)index >= (ulong)DocumentsPerEpoch)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"an epoch of source '{Name}' has {DocumentsPerEpoch} documents for rank {_rank}");
        return _inner.Read(epoch, index * _count + _rank, cancellationToken);
    }
}
