using System.Globalization;

namespace MM1.Native.Data;

/// <summary>
/// Another source in random order: a new permutation each epoch, a pure function of (seed, epoch), made by Feistel networks with cycle walking, so that no table of indices and no
/// buffer is kept. With a window the source is cut into blocks of so many documents; the blocks come in random order and each is shuffled in itself, so that reads stay near one
/// another on disks that seek. The documents left over after the last whole block come last.
/// </summary>
public sealed class ShuffledDocumentSource : IDocumentSource
{
    private const int Rounds = 6;
    private readonly IDocumentSource _inner;
    private readonly ulong _seed;
    private readonly long _window;

    /// <summary>Shuffles a source.</summary>
    /// <param name="inner">The source.</param>
    /// <param name="seed">The key of the permutations.</param>
    /// <param name="window">Documents of a block; 0 for one permutation of all.</param>
    public ShuffledDocumentSource(IDocumentSource inner, ulong seed, long window = 0)
    {
        ArgumentNullException.ThrowIfNull(inner);
        ArgumentOutOfRangeException.ThrowIfNegative(window);
        (_inner, _seed) = (inner, seed);
        _window = window >= inner.DocumentsPerEpoch ? 0 : window;
    }

    /// <inheritdoc/>
    public string Name => _inner.Name;

    /// <inheritdoc/>
    public long DocumentsPerEpoch => _inner.DocumentsPerEpoch;

    /// <inheritdoc/>
    public string Settings => _window == 0 ? _inner.Settings : string.Create(CultureInfo.InvariantCulture, $"{_inner.Settings}{(_inner.Settings.Length == 0 ? "" : ", ")}window {_window}");

    /// <inheritdoc/>
    public Document Read(long epoch, long index, CancellationToken cancellationToken = default) =>
        _inner.Read(epoch, Permute(epoch, index), cancellationToken);

    /// <summary>The place in the inner source of the document at (epoch, index).</summary>
    public long Permute(long epoch, long index)
    {
        long count = DocumentsPerEpoch;
        if ((ulong)index >= (ulong)count)
            throw new ArgumentOutOfRangeException(nameof(index), index, $"an epoch of source '{Name}' has {count} documents");
        ulong key = RandomStream.Mix(_seed + (ulong)epoch * 0x9E3779B97F4A7C15);
        if (_window == 0) return Permute(key, index, count);
        (long block, long within) = Math.DivRem(index, _window);
        long blocks = count / _window;
        if (block < blocks) block = Permute(RandomStream.Mix(key ^ 0xB10C), block, blocks);
        long length = Math.Min(_window, count - block * _window);
        return block * _window + Permute(RandomStream.Mix(key + (ulong)block + 1), within, length);
    }

    /// <summary>A permutation of [0, count): a Feistel network over the next power of 4, walked until it is inside.</summary>
    private static long Permute(ulong key, long index, long count)
    {
        int halfBits = 1;
        while (1L << (2 * halfBits) < count) halfBits++;
        ulong mask = (1ul << halfBits) - 1, value = (ulong)index;
        do
        {
            ulong left = value >> halfBits, right = value & mask;
            for (int round = 0; round < Rounds; round++)
                (left, right) = (right, left ^ (RandomStream.Mix(right ^ RandomStream.Mix(key + (ulong)round)) & mask));
            value = (left << halfBits) | right;
        }
        while (value >= (ulong)count);
        return (long)value;
    }
}
