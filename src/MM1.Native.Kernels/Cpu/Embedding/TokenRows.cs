using System.Numerics;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Copies of table rows to tokens.</summary>
internal static unsafe class TokenRows
{
    // Floats that one thread copies in about the time that waking another takes.
    private const long GrainFloats = 1 << 15;

    public static long Grain(long width) => 1 + GrainFloats / Math.Max(width, 1);

    public static void Gather(WorkerPool pool, in EmbeddingGatherArgs args)
    {
        if (args.Width == 0) return;
        if (args.Ids.DType == DType.Int32) Gather<int>(pool, args);
        else Gather<long>(pool, args);
    }

    private static void Gather<TId>(WorkerPool pool, in EmbeddingGatherArgs args) where TId : unmanaged, IBinaryInteger<TId>
    {
        var job = new GatherJob<TId>
        {
            Ids = (TId*)args.Ids.Data,
            Table = (float*)args.Table.Data,
            Output = (float*)args.Output.Data,
            TableStride = args.Table.RowStride,
            OutputStride = args.Output.RowStride,
            Width = args.Width,
        };
        pool.For(args.Tokens, Grain(args.Width), ref job);
    }

    private struct GatherJob<TId> : IRangeJob where TId : unmanaged, IBinaryInteger<TId>
    {
        public TId* Ids;
        public float* Table;
        public float* Output;
        public long TableStride;
        public long OutputStride;
        public long Width;

        public readonly void Run(long begin, long end, int worker)
        {
            for (long token = begin; token < end; token++)
                ChannelMath.Copy(Table + long.CreateTruncating(Ids[token]) * TableStride, Output + token * OutputStride, Width);
        }
    }
}
