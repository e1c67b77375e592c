using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Decoding over items (sequence, key head): the new tokens' heads that share a key head are the lanes of forward tiles, so a
/// decoded row is made of the same operations as the same row of the whole sequence. Keys and values are packed block by block.
/// </summary>
internal unsafe struct AttentionDecode<T>(in FlashAttentionDecodeArgs args, nint workspace) : IRangeJob where T : unmanaged, ISimd<T>
{
    private readonly FlashAttentionDecodeArgs _args = args;
    private readonly byte* _workspace = (byte*)workspace;
    private readonly long _workerBytes = WorkerBytes((int)args.HeadSize);

    public static long WorkerBytes(int headSize)
    {
        var scratch = new AttentionScratch(null);
        _ = new AttentionForwardTile<T>(ref scratch, headSize, 1);
        _ = scratch.Floats(2 * AttentionSizes.BlockKeys * headSize);
        return scratch.Bytes;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(long begin, long end, int worker)
    {
        int headSize = (int)_args.HeadSize, lanes = AttentionForwardTile<T>.Lanes, blockKeys = AttentionSizes.BlockKeys;
        var scratch = new AttentionScratch(_workspace + worker * _workerBytes);
        var tile = new AttentionForwardTile<T>(ref scratch, headSize, _args.Scale);
        float* keys = scratch.Floats(2 * blockKeys * headSize), values = keys + blockKeys * headSize;
        long group = _args.Heads / _args.KeyValueHeads, all = _args.QueryLength * group;
        for (long item = begin; item < end; item++)
        {
            long sequence = item / _args.KeyValueHeads, keyHead = item % _args.KeyValueHeads;
            float* keyCache = (float*)_args.KeyCache.Data + sequence * _args.MaxLength * _args.KeyCache.RowStride + keyHead * headSize;
            float* valueCache = (float*)_args.ValueCache.Data + sequence * _args.MaxLength * _args.ValueCache.RowStride + keyHead * headSize;
            long length = ((int*)_args.Lengths)[sequence];
            for (long first = 0; first < all; first += lanes)
            {
                int rows = (int)Math.Min(lanes, all - first);
                for (int lane = 0; lane < rows; lane++)
                {
                    // Heads within tokens, so that the keys seen never fall from lane to lane.
                    long token = (first + lane) / group, row = sequence * _args.QueryLength + token;
                    long column = (keyHead * group + (first + lane) % group) * headSize;
                    tile.QueryRows[lane] = (float*)_args.Query.Data + row * _args.Query.RowStride + column;
                    tile.OutputRows[lane] = (float*)_args.Output.Data + row * _args.Output.RowStride + column;
                    tile.Limits.Lanes[lane] = Math.Max(0, length - _args.QueryLength + token + 1);
                }
                tile.Begin(rows);
                int most = tile.Limits.Most;
                for (int key = 0; key < most; key += blockKeys)
                {
                    int count = Math.Min(blockKeys, most - key), padded = AttentionSizes.RoundUp(count, AttentionProduct.Rows);
                    AttentionLanes.Pack(keyCache + key * _args.KeyCache.RowStride, _args.KeyCache.RowStride, count, padded, headSize, keys, headSize);
                    AttentionLanes.Pack(valueCache + key * _args.ValueCache.RowStride, _args.ValueCache.RowStride, count, padded, headSize, values, headSize);
                    tile.Block(keys, values, key, count);
                }
                tile.End(rows, null);
            }
        }
    }
}
