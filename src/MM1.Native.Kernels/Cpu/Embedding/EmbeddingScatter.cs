using System.Numerics;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// The gradient of an embedding table: a stable counting sort of the tokens by id, then every table row sums its own tokens
/// in ascending order, so that nothing depends on who does which row.
/// </summary>
internal static unsafe class EmbeddingScatter
{
    /// <summary>Offsets (one more than rows, and one to fill through), the tokens in the order of their ids, and the ids that occur.</summary>
    public static long WorkspaceBytes(in EmbeddingScatterAddArgs args) => (args.Vocabulary + 2 + 2 * args.Tokens + 1) * sizeof(int);

    public static void Run(WorkerPool pool, in Launch launch, in EmbeddingScatterAddArgs args)
    {
        if (args.Vocabulary == 0 || args.Width == 0) return;
        int* offsets = (int*)launch.Workspace, order = offsets + args.Vocabulary + 2;
        int* named = order + args.Tokens;
        long count = args.Ids.DType == DType.Int64
            ? Sort((long*)args.Ids.Data, args.Tokens, args.Vocabulary, offsets, order, named)
            : Sort((int*)args.Ids.Data, args.Tokens, args.Vocabulary, offsets, order, named);
        // With Beta 1 a row that no token names stays as it is.
        if (args.Beta != 1)
        {
            named = null;
            count = args.Vocabulary;
        }
        switch (SimdWidth.Bits)
        {
            case 512: Sum<Simd512>(pool, args, offsets, order, named, count); break;
            case 256: Sum<Simd256>(pool, args, offsets, order, named, count); break;
            case 128: Sum<Simd128>(pool, args, offsets, order, named, count); break;
            default: Sum<SimdScalar>(pool, args, offsets, order, named, count); break;
        }
    }

    /// <summary>
    /// Afterwards the tokens of id are order[offsets[id]] .. order[offsets[id + 1] - 1], ascending, and <paramref name="named"/>
    /// lists the ids that occur; returns how many.
    /// </summary>
    private static long Sort<TId>(TId* ids, long tokens, long vocabulary, int* offsets, int* order, int* named) where TId : unmanaged, IBinaryInteger<TId>
    {
        // Counted two places up: the prefix sum leaves each id's begin one place up, and filling moves it to the id's end.
        NativeMemory.Clear(offsets, (nuint)(vocabulary + 2) * sizeof(int));
        for (long token = 0; token < tokens; token++) offsets[long.CreateTruncating(ids[token]) + 2]++;
        long count = 0;
        int sum = 0;
        for (long id = 0; id < vocabulary; id++)
        {
            int occurrences = offsets[id + 2];
            named[count] = (int)id; // kept if it occurs; the list has a place to spare
            count += occurrences != 0 ? 1 : 0;
            offsets[id + 2] = sum += occurrences;
        }
        for (int token = 0; token < tokens; token++) order[offsets[long.CreateTruncating(ids[token]) + 1]++] = token;
        return count;
    }

    private static void Sum<T>(WorkerPool pool, in EmbeddingScatterAddArgs args, int* offsets, int* order, int* named, long rows) where T : unmanaged, ISimd<T>
    {
        var job = new SumJob<T>
        {
            Offsets = offsets,
            Order = order,
            Gradient = (float*)args.OutputGradient.Data,
            Table = (float*)args.TableGradient.Data,
            GradientStride = args.OutputGradient.RowStride,
            TableStride = args.TableGradient.RowStride,
            Named = named,
            Rows = rows,
            Width = args.Width,
            Beta = args.Beta,
        };
        // Column block by column block over all rows: the blocks of an id that most tokens share go to different threads. Sums of
        // columns are independent, so the cut may follow the number of threads.
        long share = (args.Width + pool.Threads - 1) / pool.Threads;
        job.ColumnBlock = Math.Max((share + 63) & -64, 64);
        long blocks = (args.Width + job.ColumnBlock - 1) / job.ColumnBlock, items = blocks * rows;
        long work = (args.Tokens + (args.Beta == 1 ? 0 : rows)) * args.Width;
        pool.For(items, work < 1 << 15 ? items : ChannelMath.Grain(work / Math.Max(items, 1)), ref job);
    }

    private struct SumJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public int* Offsets;
        public int* Order;
        public float* Gradient;
        public float* Table;
        public long GradientStride;
        public long TableStride;
        public int* Named;
        public long ColumnBlock;
        public long Rows;
        public long Width;
        public float Beta;

        public readonly void Run(long begin, long end, int worker)
        {
            while (begin < end)
            {
                long block = begin / Rows, item = begin - block * Rows, count = Math.Min(end - begin, Rows - item);
                long column = block * ColumnBlock, columns = Math.Min(ColumnBlock, Width - column);
                begin += count;
                for (; count > 0; count--, item++)
                {
                    long row = Named == null ? item : Named[item];
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
