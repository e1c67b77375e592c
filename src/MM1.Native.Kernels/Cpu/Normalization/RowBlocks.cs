using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Sums over rows in blocks of a constant number of rows: each block is summed on its own, wherever, and the blocks then in order.
/// The bits so depend on the number of rows alone.
/// </summary>
internal static unsafe class RowBlocks
{
    /// <summary>Rows of a block.</summary>
    public const long Rows = 64;

    public static long Count(long rows) => (rows + Rows - 1) / Rows;

    /// <summary>output = sum of partials [blocks, columns] in order (+ beta * output).</summary>
    public static void Combine(WorkerPool pool, float* partials, long blocks, long columns, float* output, float beta)
    {
        var job = new CombineJob { Partials = partials, Blocks = blocks, Columns = columns, Output = output, Beta = beta };
        long stripes = (columns + CombineJob.Stripe - 1) / CombineJob.Stripe;
        pool.For(stripes, Math.Max(1, LinePlan.LightGrain / (CombineJob.Stripe * Math.Max(blocks, 1))), ref job);
    }

    private struct CombineJob : IRangeJob
    {
        public const long Stripe = 256;

        public float* Partials;
        public long Blocks;
        public long Columns;
        public float* Output;
        public float Beta;

        public readonly void Run(long begin, long end, int worker)
        {
            long i = begin * Stripe, n = Math.Min(Columns, end * Stripe);
            if (SimdWidth.Bits == 512) i = Loop<Simd512>(i, n);
            else if (SimdWidth.Bits == 256) i = Loop<Simd256>(i, n);
            else if (SimdWidth.Bits == 128) i = Loop<Simd128>(i, n);
            Loop<SimdScalar>(i, n);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly long Loop<T>(long i, long n) where T : unmanaged, ISimd<T>
        {
            for (; i <= n - T.Count; i += T.Count)
            {
                T sum = T.Create(0f);
                for (long block = 0; block < Blocks; block++) sum += T.Load(Partials + block * Columns + i);
                if (Beta != 0) sum = T.MultiplyAdd(T.Create(Beta), T.Load(Output + i), sum);
                T.Store(sum, Output + i);
            }
            return i;
        }
    }
}
