using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Forward over items (document, key head, part): an item packs its keys and values once and takes every
/// <see cref="_parts"/>-th tile of queries of the heads that share them.
/// </summary>
internal unsafe struct AttentionForward<T>(in AttentionProblem problem, nint workspace, long parts) : IRangeJob where T : unmanaged, ISimd<T>
{
    private readonly AttentionProblem _problem = problem;
    private readonly byte* _workspace = (byte*)workspace;
    private readonly long _workerBytes = WorkerBytes(problem.HeadSize, problem.MaxKeyLength);
    private readonly long _parts = parts;

    public static long WorkerBytes(int headSize, long maxKeyLength)
    {
        var scratch = new AttentionScratch(null);
        _ = new AttentionForwardTile<T>(ref scratch, headSize, 1);
        Packs(ref scratch, headSize, maxKeyLength, out _, out _);
        return scratch.Bytes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(long begin, long end, int worker)
    {
        var scratch = new AttentionScratch(_workspace + worker * _workerBytes);
        var tile = new AttentionForwardTile<T>(ref scratch, _problem.HeadSize, _problem.Scale);
        Packs(ref scratch, _problem.HeadSize, _problem.MaxKeyLength, out float* keys, out float* values);
        for (long item = begin; item < end; item++)
        {
            long pair = item / _parts;
            Item(ref tile, keys, values, pair / _problem.KeyValueHeads, (int)(pair % _problem.KeyValueHeads), item % _parts);
        }
    }

    private static void Packs(ref AttentionScratch scratch, int headSize, long maxKeyLength, out float* keys, out float* values)
    {
        long size = AttentionSizes.RoundUp(maxKeyLength, AttentionProduct.Rows) * headSize;
        keys = scratch.Floats(size);
        values = scratch.Floats(size);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Item(ref AttentionForwardTile<T> tile, float* keys, float* values, long documentIndex, int keyHead, long part)
    {
        AttentionDocument document = _problem.Document(documentIndex);
        int headSize = _problem.HeadSize, lanes = AttentionForwardTile<T>.Lanes;
        long tilesPerHead = (document.Queries + lanes - 1) / lanes, tiles = tilesPerHead * _problem.Group;
        if (part >= tiles) return;
        int visible = document.VisibleKeys(document.Queries - 1), padded = AttentionSizes.RoundUp(visible, AttentionProduct.Rows);
        AttentionLanes.Pack(_problem.Key + document.FirstKey * _problem.KeyStride + keyHead * headSize, _problem.KeyStride, visible, padded, headSize, keys, headSize);
        AttentionLanes.Pack(_problem.Value + document.FirstKey * _problem.ValueStride + keyHead * headSize, _problem.ValueStride, visible, padded, headSize, values, headSize);
        for (long index = part; index < tiles; index += _parts)
        {
            int head = (int)(keyHead * _problem.Group + index / tilesPerHead), first = (int)(index % tilesPerHead) * lanes;
            int rows = Math.Min(lanes, document.Queries - first);
            long row = document.FirstQuery + first;
            for (int lane = 0; lane < rows; lane++)
            {
                tile.QueryRows[lane] = _problem.Query + (row + lane) * _problem.QueryStride + head * headSize;
                tile.OutputRows[lane] = _problem.Output + (row + lane) * _problem.OutputStride + head * headSize;
                tile.Limits.Lanes[lane] = document.VisibleKeys(first + lane);
                // The tile after this one.
                if (first + _parts * lanes < document.Queries) AttentionLanes.Prefetch(tile.QueryRows[lane] + _parts * lanes * _problem.QueryStride, headSize);
            }
            tile.Begin(rows);
            int most = tile.Limits.Most;
            for (int key = 0; key < most; key += AttentionSizes.BlockKeys)
                tile.Block(keys + (long)key * headSize, values + (long)key * headSize, key, Math.Min(AttentionSizes.BlockKeys, most - key));
            tile.End(rows, _problem.LogSumExp == null ? null : _problem.LogSumExp + head * _problem.LogSumExpStride + row);
        }
    }
}
