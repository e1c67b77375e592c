namespace MM1.Native.Kernels.Cpu;

/// <summary>Sums over rows, per column: blocks of a constant number of rows, each row by row, then the blocks in order.</summary>
internal static unsafe class ColumnSums<T> where T : unmanaged, ISimd<T>
{
    public static void Run(WorkerPool pool, float* x, nint stride, nint rows, nint columns, float* result, float beta, float* partial)
    {
        nint blocks = ColumnSums.Blocks(rows);
        if (blocks <= 1)
        {
            var whole = new ColumnsJob { X = x, Stride = stride, Rows = rows, Result = result, Beta = beta };
            pool.For(columns, Math.Max(64, ColumnSums.SerialElements / Math.Max(rows, 1)), ref whole);
            return;
        }
        var job = new BlocksJob { X = x, Stride = stride, Rows = rows, Columns = columns, Partial = partial };
        pool.For(blocks, Math.Max(1, ColumnSums.SerialElements / (ColumnSums.BlockRows * columns)), ref job);
        var join = new ColumnsJob { X = partial, Stride = columns, Rows = blocks, Result = result, Beta = beta };
        join.Run(0, columns, 0);
    }

    private struct BlocksJob : IRangeJob
    {
        public float* X, Partial;
        public nint Stride, Rows, Columns;

        public readonly void Run(long begin, long end, int worker)
        {
            for (long block = begin; block < end; block++)
            {
                long row = block * ColumnSums.BlockRows;
                Sum(X + row * Stride, Stride, (nint)Math.Min(ColumnSums.BlockRows, Rows - row), 0, Columns, Partial + block * Columns, 0);
            }
        }
    }

    private struct ColumnsJob : IRangeJob
    {
        public float* X, Result;
        public nint Stride, Rows;
        public float Beta;

        public readonly void Run(long begin, long end, int worker) => Sum(X, Stride, Rows, (nint)begin, (nint)end, Result, Beta);
    }

    private static void Sum(float* x, nint stride, nint rows, nint begin, nint end, float* result, float beta)
    {
        nint column = begin;
        for (; column + 8 * T.Count <= end; column += 8 * T.Count) Eight(x + column, stride, rows, result + column, beta);
        for (; column + T.Count <= end; column += T.Count) One<T>(x + column, stride, rows, result + column, beta);
        for (; column < end; column++) One<SimdScalar>(x + column, stride, rows, result + column, beta);
    }

    /// <summary>Eight registers of columns: whole cache lines of several rows are on their way at once.</summary>
    private static void Eight(float* x, nint stride, nint rows, float* result, float beta)
    {
        T zero = T.Create(0f), s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero;
        for (nint row = 0; row < rows; row++, x += stride)
        {
            s0 += T.Load(x);
            s1 += T.Load(x + T.Count);
            s2 += T.Load(x + 2 * T.Count);
            s3 += T.Load(x + 3 * T.Count);
            s4 += T.Load(x + 4 * T.Count);
            s5 += T.Load(x + 5 * T.Count);
            s6 += T.Load(x + 6 * T.Count);
            s7 += T.Load(x + 7 * T.Count);
        }
        Store(s0, result, beta);
        Store(s1, result + T.Count, beta);
        Store(s2, result + 2 * T.Count, beta);
        Store(s3, result + 3 * T.Count, beta);
        Store(s4, result + 4 * T.Count, beta);
        Store(s5, result + 5 * T.Count, beta);
        Store(s6, result + 6 * T.Count, beta);
        Store(s7, result + 7 * T.Count, beta);
    }

    private static void One<TLanes>(float* x, nint stride, nint rows, float* result, float beta) where TLanes : unmanaged, ISimd<TLanes>
    {
        TLanes sum = TLanes.Create(0f);
        for (nint row = 0; row < rows; row++, x += stride) sum += TLanes.Load(x);
        Store(sum, result, beta);
    }

    private static void Store<TLanes>(TLanes sum, float* result, float beta) where TLanes : unmanaged, ISimd<TLanes> =>
        TLanes.Store(beta == 0 ? sum : TLanes.MultiplyAdd(TLanes.Create(beta), TLanes.Load(result), sum), result);
}

/// <summary>Sizes of <see cref="ColumnSums{T}"/>.</summary>
internal static class ColumnSums
{
    public const int BlockRows = 256;

    /// <summary>Elements that one thread sums before another is worth waking.</summary>
    public const long SerialElements = 1 << 15;

    public static nint Blocks(long rows) => (nint)((rows + BlockRows - 1) / BlockRows);
}
