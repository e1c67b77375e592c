using System.Numerics;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// The gradient of an embedding table: a stable counting sort of the tokens by id, then every table row sums its own tokens
/// in ascending order, so that nothing depends on who does which row.
/// </summary>
internal static unsafe class EmbeddingScatter
{
    /// <summary>Offsets (one more than rows, and one to fill through) and the tokens in the order of their ids.</summary>
    public static long WorkspaceBytes(in EmbeddingScatterAddArgs args) => (args.Vocabulary + 2 + args.Tokens) * sizeof(int);

    public static void Run(WorkerPool pool, in Launch launch, in EmbeddingScatterAddArgs args)
    {
        if (args.Vocabulary == 0 || args.Width == 0) return;
        int* offsets = (int*)launch.Workspace, order = offsets + args.Vocabulary + 2;
        if (args.Ids.DType == DType.Int64) Sort((long*)args.Ids.Data, args.Tokens, args.Vocabulary, offsets, order);
        else Sort((int*)args.Ids.Data, args.Tokens, args.Vocabulary, offsets, order);
        switch (SimdWidth.Bits)
        {
            case 512: Sum<Simd512>(pool, args, offsets, order); break;
            case 256: Sum<Simd256>(pool, args, offsets, order); break;
            case 128: Sum<Simd128>(pool, args, offsets, order); break;
            default: Sum<SimdScalar>(pool, args, offsets, order); break;
        }
    }

    /// <summary>Afterwards the tokens of id are order[offsets[id]] .. order[offsets[id + 1] - 1], ascending.</summary>
    private static void Sort<TId>(TId* ids, long tokens, long vocabulary, int* offsets, int* order) where TId : unmanaged, IBinaryInteger<TId>
    {
        // Counted two places up: the prefix sum leaves each id's begin one place up, and filling moves it to the id's end.
        NativeMemory.Clear(offsets, (nuint)(vocabulary + 2) * sizeof(int));
        for (long token = 0; token < tokens; token++) offsets[long.CreateTruncating(ids[token]) + 2]++;
        for (long id = 2; id < vocabulary + 2; id++) offsets[id] += offsets[id - 1];
        for (int token = 0; token < tokens; token++) order[offsets[long.CreateTruncating(ids[token]) + 1]++] = token;
    }

    private static void Sum<T>(WorkerPool pool, in EmbeddingScatterAddArgs args, int* offsets, int* order) where T : unmanaged, ISimd<T>
    {
        var job = new SumJob<T>
        {
            Offsets = offsets,
            Order = order,
            Gradient = (float*)args.OutputGradient.Data,
            Table = (float*)args.TableGradient.Data,
            GradientStride = args.OutputGradient.RowStride,
            TableStride = args.TableGradient.RowStride,
            Rows = args.Vocabulary,
            Width = args.Width,
            Beta = args.Beta,
        };
        // Column block by column block over all rows: the blocks of an id that most tokens share go to different threads.
        long blocks = (args.Width + SumJob<T>.ColumnBlock - 1) / SumJob<T>.ColumnBlock;
        long work = args.Tokens * args.Width + (args.Beta == 1 ? 0 : args.Vocabulary * args.Width) + args.Vocabulary;
        long items = blocks * args.Vocabulary;
        pool.For(items, work < 1 << 15 ? items : 1 + (1 << 13) / SumJob<T>.ColumnBlock, ref job);
    }

    private struct SumJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public const int ColumnBlock = 64;

        public int* Offsets;
        public int* Order;
        public float* Gradient;
        public float* Table;
        public long GradientStride;
        public long TableStride;
        public long Rows;
        public long Width;
        public float Beta;

        public readonly void Run(long begin, long end, int worker)
        {
            while (begin < end)
            {
                long block = begin / Rows, row = begin - block * Rows, count = Math.Min(end - begin, Rows - row);
                long column = block * ColumnBlock, columns = Math.Min(ColumnBlock, Width - column);
                begin += count;
                for (; count > 0; count--, row++)
                {
                    int first = Offsets[row], last = Offsets[row + 1];
                    float* table = Table + row * TableStride + column;
                    if (first != last) Tokens(first, last, Gradient + column, table, columns);
                    else ChannelMath.Scale<T>(Beta, table, columns);
                }
            }
        }

        private readonly void Tokens(int first, int last, float* gradient, float* table, long columns)
        {
            long c = 0;
            for (; c + 4 * T.Count <= columns; c += 4 * T.Count)
            {
                T sum0 = T.Create(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
                for (int i = first; i < last; i++)
                {
                    float* row = gradient + Order[i] * GradientStride + c;
                    sum0 += T.Load(row);
                    sum1 += T.Load(row + T.Count);
                    sum2 += T.Load(row + 2 * T.Count);
                    sum3 += T.Load(row + 3 * T.Count);
                }
                Store(sum0, table + c);
                Store(sum1, table + c + T.Count);
                Store(sum2, table + c + 2 * T.Count);
                Store(sum3, table + c + 3 * T.Count);
            }
            for (; c + T.Count <= columns; c += T.Count)
            {
                T sum = T.Create(0);
                for (int i = first; i < last; i++) sum += T.Load(gradient + Order[i] * GradientStride + c);
                Store(sum, table + c);
            }
            for (; c < columns; c++)
            {
                var sum = SimdScalar.Create(0);
                for (int i = first; i < last; i++) sum += SimdScalar.Load(gradient + Order[i] * GradientStride + c);
                Store(sum, table + c);
            }
        }

        private readonly void Store<TLanes>(TLanes sum, float* table) where TLanes : unmanaged, ISimd<TLanes> =>
            TLanes.Store(ChannelMath.Accumulate(sum, Beta, table), table);
    }
}
