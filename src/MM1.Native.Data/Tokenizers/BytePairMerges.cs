using System.Buffers;
using System.Numerics;

namespace MM1.Native.Data;

/// <summary>A pair of symbols that merge, when (the lowest rank first) and into what.</summary>
internal readonly record struct BytePairMerge(int Left, int Right, int Rank, int Result);

/// <summary>
/// The merging of byte-pair encoding: as long as two neighbours form a known pair, the pair of lowest rank is merged, the leftmost
/// of equal ones first. A hash table of the pairs; short words are scanned again after each merge, long ones use a heap, so that
/// n symbols cost O(n log n) however they look.
/// </summary>
internal sealed class BytePairMerges
{
    private const int ScannedLength = 32;
    private readonly ulong[] _keys;
    private readonly long[] _values; // rank in the upper half, result in the lower
    private readonly int _shift;

    /// <summary>A table of the merges; a pair that is given twice is an error of the caller.</summary>
    public BytePairMerges(IReadOnlyCollection<BytePairMerge> merges)
    {
        int size = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Max(16, 2 * merges.Count));
        _keys = new ulong[size];
        _values = new long[size];
        _shift = 64 - BitOperations.Log2((uint)size);
        Array.Fill(_keys, ulong.MaxValue);
        foreach (BytePairMerge merge in merges)
        {
            ulong key = Key(merge.Left, merge.Right);
            int at = Slot(key);
            if (_keys[at] == key) throw new ArgumentException($"the pair {merge.Left}, {merge.Right} is given twice", nameof(merges));
            _keys[at] = key;
            _values[at] = ((long)merge.Rank << 32) | (uint)merge.Result;
        }
    }

    /// <summary>Merges symbols in place; returns how many are left at the front of the span.</summary>
    public int Merge(Span<int> symbols) => symbols.Length < 2 ? symbols.Length : symbols.Length <= ScannedLength ? MergeShort(symbols) : MergeLong(symbols);

    private static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    /// <summary>Where a key is, or the empty place where it would be: at most half of the table is full.</summary>
    private int Slot(ulong key)
    {
        int mask = _keys.Length - 1;
        int at = (int)((key * 0x9E3779B97F4A7C15) >> _shift);
        while (_keys[at] != key && _keys[at] != ulong.MaxValue) at = (at + 1) & mask;
        return at;
    }

    /// <summary>Rank and result of a pair, or <see cref="long.MaxValue"/>.</summary>
    private long Find(int left, int right)
    {
        ulong key = Key(left, right);
        int at = Slot(key);
        return _keys[at] == key ? _values[at] : long.MaxValue;
    }

    private int MergeShort(Span<int> symbols)
    {
        Span<long> pairs = stackalloc long[ScannedLength];
        int count = symbols.Length;
        for (int i = 0; i + 1 < count; i++) pairs[i] = Find(symbols[i], symbols[i + 1]);
        while (count > 1)
        {
            int best = -1;
            long lowest = long.MaxValue;
            for (int i = 0; i + 1 < count; i++)
            {
                // Equal ranks: the leftmost, so the results' ids in the lower half must not decide.
                if (pairs[i] >> 32 < lowest >> 32) (best, lowest) = (i, pairs[i]);
            }
            if (best < 0) break;
            symbols[best] = (int)lowest;
            symbols[(best + 2)..count].CopyTo(symbols[(best + 1)..]);
            count--;
            if (best + 1 < count) pairs[(best + 2)..count].CopyTo(pairs[(best + 1)..]);
            if (best > 0) pairs[best - 1] = Find(symbols[best - 1], symbols[best]);
            if (best + 1 < count) pairs[best] = Find(symbols[best], symbols[best + 1]);
        }
        return count;
    }

    /// <summary>A doubly linked list over the symbols' places and a heap of (rank, place); stale heap entries are known by their symbols.</summary>
    private int MergeLong(Span<int> symbols)
    {
        int count = symbols.Length;
        int[] links = ArrayPool<int>.Shared.Rent(2 * count);
        Span<int> previous = links.AsSpan(0, count), next = links.AsSpan(count, count);
        var heap = new PriorityQueue<(int Place, int Left, int Right, int Result), long>(count);
        for (int i = 0; i < count; i++)
        {
            previous[i] = i - 1;
            next[i] = i + 1;
        }
        for (int i = 0; i + 1 < count; i++) Push(heap, symbols, i, i + 1);
        while (heap.TryDequeue(out (int Place, int Left, int Right, int Result) pair, out _))
        {
            int place = pair.Place, right = next[place];
            if (symbols[place] != pair.Left || right >= count || symbols[right] != pair.Right) continue;
            symbols[place] = pair.Result;
            symbols[right] = -1;
            next[place] = next[right];
            if (next[right] < count)
            {
                previous[next[right]] = place;
                Push(heap, symbols, place, next[right]);
            }
            if (previous[place] >= 0) Push(heap, symbols, previous[place], place);
        }
        int kept = 0;
        for (int i = 0; i < count; i = next[i]) symbols[kept++] = symbols[i];
        ArrayPool<int>.Shared.Return(links);
        return kept;
    }

    private void Push(PriorityQueue<(int Place, int Left, int Right, int Result), long> heap, ReadOnlySpan<int> symbols, int left, int right)
    {
        long found = Find(symbols[left], symbols[right]);
        if (found != long.MaxValue) heap.Enqueue((left, symbols[left], symbols[right], (int)found), ((found >> 32) << 32) | (uint)left);
    }
}
