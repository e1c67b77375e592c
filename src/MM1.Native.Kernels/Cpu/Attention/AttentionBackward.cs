using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Backward in one of two ways with the same bits, since every sum is one chain in a fixed order. With enough items,
/// (document, key head) computes all three gradients at once, five products a tile. With too few of them for the threads, key
/// ranges compute key and value gradients and, apart from that, tiles of queries the query gradient: seven products.
/// </summary>
internal unsafe struct AttentionBackward<T> : IRangeJob where T : unmanaged, ISimd<T>
{
    private AttentionProblem _problem;
    private readonly float* _outputGradient, _queryGradient, _keyGradient, _valueGradient;
    private readonly long _outputGradientStride, _queryGradientStride, _keyGradientStride, _valueGradientStride;
    private readonly byte* _workspace;
    private readonly long _workerBytes, _parts, _partKeys;

    /// <param name="problem">The forward's.</param>
    /// <param name="args">The gradients.</param>
    /// <param name="workspace">One part of <see cref="WorkerBytes"/> for each worker.</param>
    /// <param name="parts">1: all gradients at once. More: every item is cut twice into that many parts.</param>
    public AttentionBackward(in AttentionProblem problem, in FlashAttentionBackwardArgs args, nint workspace, long parts)
    {
        _problem = problem;
        _outputGradient = (float*)args.OutputGradient.Data;
        _outputGradientStride = args.OutputGradient.RowStride;
        _queryGradient = (float*)args.QueryGradient.Data;
        _queryGradientStride = args.QueryGradient.RowStride;
        _keyGradient = (float*)args.KeyGradient.Data;
        _keyGradientStride = args.KeyGradient.RowStride;
        _valueGradient = (float*)args.ValueGradient.Data;
        _valueGradientStride = args.ValueGradient.RowStride;
        _workspace = (byte*)workspace;
        _workerBytes = WorkerBytes(problem.HeadSize, problem.MaxKeyLength);
        _parts = parts;
        _partKeys = AttentionSizes.RoundUp((problem.MaxKeyLength + parts - 1) / parts, AttentionBackwardTile<T>.BlockKeys);
    }

    /// <summary>Items of a call.</summary>
    public readonly long Items => _problem.Batch * _problem.KeyValueHeads * (_parts == 1 ? 1 : 2 * _parts);

    public static long WorkerBytes(int headSize, long maxKeyLength)
    {
        var scratch = new AttentionScratch(null);
        _ = new AttentionBackwardTile<T>(ref scratch, headSize, 1);
        _ = new Packs(ref scratch, headSize, maxKeyLength);
        return scratch.Bytes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(long begin, long end, int worker)
    {
        var scratch = new AttentionScratch(_workspace + worker * _workerBytes);
        var tile = new AttentionBackwardTile<T>(ref scratch, _problem.HeadSize, _problem.Scale);
        var packs = new Packs(ref scratch, _problem.HeadSize, _problem.MaxKeyLength);
        for (long item = begin; item < end; item++)
        {
            if (_parts == 1)
            {
                Item(ref tile, packs, item, 0, int.MaxValue, 0, 1, keys: true, queries: true);
                continue;
            }
            long pair = item / (2 * _parts), part = item % (2 * _parts);
            if (part < _parts) Item(ref tile, packs, pair, part * _partKeys, (part + 1) * _partKeys, 0, 1, keys: true, queries: false);
            else Item(ref tile, packs, pair, 0, int.MaxValue, part - _parts, _parts, keys: false, queries: true);
        }
    }

    /// <summary>Keys [firstKey, lastKey) against the query tiles firstTile, firstTile + tileStep, ...</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Item(ref AttentionBackwardTile<T> tile, in Packs packs, long pair, long firstKey, long lastKey, long firstTile, long tileStep, bool keys, bool queries)
    {
        AttentionDocument document = _problem.Document(pair / _problem.KeyValueHeads);
        int keyHead = (int)(pair % _problem.KeyValueHeads), headSize = _problem.HeadSize, columns = AttentionBackwardTile<T>.Columns(headSize);
        int lanes = AttentionBackwardTile<T>.Lanes, begin = (int)Math.Min(firstKey, document.Keys), count = (int)Math.Min(lastKey, document.Keys) - begin;
        int padded = AttentionSizes.RoundUp(count, AttentionProduct.Rows);
        long tilesPerHead = (document.Queries + lanes - 1) / lanes, tiles = tilesPerHead * _problem.Group;
        if (keys ? count == 0 && !queries : firstTile >= tiles) return;
        long keyRow = document.FirstKey + begin;
        AttentionLanes.Pack(_problem.Key + keyRow * _problem.KeyStride + keyHead * headSize, _problem.KeyStride, count, padded, headSize, packs.Keys, headSize);
        AttentionLanes.Pack(_problem.Value + keyRow * _problem.ValueStride + keyHead * headSize, _problem.ValueStride, count, padded, headSize, packs.Values, headSize);
        if (keys)
        {
            new Span<float>(packs.KeyGradients, padded * columns).Clear();
            new Span<float>(packs.ValueGradients, padded * columns).Clear();
        }
        for (long index = firstTile; index < tiles; index += tileStep)
        {
            int first = (int)(index % tilesPerHead) * lanes, rows = Math.Min(lanes, document.Queries - first);
            int seen = Math.Min(document.VisibleKeys(first + rows - 1) - begin, count);
            if (seen <= 0 && !queries) continue;
            Load(ref tile, document, (int)(keyHead * _problem.Group + index / tilesPerHead), first, rows);
            for (int key = 0; key < seen; key += AttentionBackwardTile<T>.BlockKeys)
            {
                long at = (long)key * headSize, gradientAt = (long)key * columns;
                tile.Block(packs.Keys + at, packs.Values + at, keys ? packs.KeyGradients + gradientAt : null, keys ? packs.ValueGradients + gradientAt : null,
                    begin + key, Math.Min(AttentionBackwardTile<T>.BlockKeys, seen - key), queries);
            }
            if (queries) tile.End();
        }
        if (!keys) return;
        Write(packs.KeyGradients, columns, _problem.Scale, _keyGradient + keyRow * _keyGradientStride + keyHead * headSize, _keyGradientStride, count, headSize);
        Write(packs.ValueGradients, columns, 1, _valueGradient + keyRow * _valueGradientStride + keyHead * headSize, _valueGradientStride, count, headSize);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Load(ref AttentionBackwardTile<T> tile, AttentionDocument document, int head, int first, int rows)
    {
        long row = document.FirstQuery + first;
        int column = head * _problem.HeadSize, lanes = AttentionBackwardTile<T>.Lanes;
        for (int lane = 0; lane < rows; lane++, row++)
        {
            tile.QueryRows[lane] = _problem.Query + row * _problem.QueryStride + column;
            tile.OutputRows[lane] = _problem.Output + row * _problem.OutputStride + column;
            tile.OutputGradientRows[lane] = _outputGradient + row * _outputGradientStride + column;
            tile.QueryGradientRows[lane] = _queryGradient + row * _queryGradientStride + column;
            tile.Limits.Lanes[lane] = document.VisibleKeys(first + lane);
            if (first + lanes >= document.Queries) continue;
            // The tile after this one.
            AttentionLanes.Prefetch(tile.QueryRows[lane] + lanes * _problem.QueryStride, _problem.HeadSize);
            AttentionLanes.Prefetch(tile.OutputRows[lane] + lanes * _problem.OutputStride, _problem.HeadSize);
            AttentionLanes.Prefetch(tile.OutputGradientRows[lane] + lanes * _outputGradientStride, _problem.HeadSize);
        }
        tile.Begin(rows, _problem.LogSumExp + head * _problem.LogSumExpStride + document.FirstQuery + first);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Write(float* packed, int columns, float factor, float* rows, long stride, int count, int headSize)
    {
        for (int row = 0; row < count; row++, packed += columns, rows += stride)
        {
            for (int d = 0; d < headSize; d += Simd256.Count) Simd256.Store(Simd256.Load(packed + d) * Simd256.Create(factor), rows + d);
        }
    }

    /// <summary>Keys, values and their gradients of one head of one document, padded to whole groups of eight rows.</summary>
    private readonly struct Packs
    {
        public readonly float* Keys, Values, KeyGradients, ValueGradients;

        public Packs(ref AttentionScratch scratch, int headSize, long maxKeyLength)
        {
            long rows = AttentionSizes.RoundUp(maxKeyLength, AttentionProduct.Rows);
            Keys = scratch.Floats(rows * headSize);
            Values = scratch.Floats(rows * headSize);
            KeyGradients = scratch.Floats(rows * AttentionBackwardTile<T>.PaddedHeadSize(headSize));
            ValueGradients = scratch.Floats(rows * AttentionBackwardTile<T>.PaddedHeadSize(headSize));
        }
    }
}
