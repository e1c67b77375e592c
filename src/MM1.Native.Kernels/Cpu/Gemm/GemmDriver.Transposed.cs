namespace MM1.Native.Kernels.Cpu;

internal static unsafe partial class GemmDriver<T>
{
    /// <summary>
    /// The product of a transposed A, weight gradients above all: long sums, small outputs. The output is cut into parts of rows or of columns,
    /// which workers take as they are free, all parts of one k block before those of the next. B is read as it lies, so that nobody packs for others and
    /// all workers never wait for one another: a part's next k block waits only for its last one, taken a whole round earlier.
    /// </summary>
    private static void RunTransposed(WorkerPool pool, ref GemmProblem problem, float* chunk, int threads)
    {
        var parts = new TransposedParts(in problem, threads);
        fixed (GemmProblem* pinned = &problem)
        {
            var job = new TransposedJob { Problem = pinned, Parts = parts, Chunk = chunk, Threads = threads, Barrier = pool.Barrier };
            new Span<int>(chunk, (int)parts.Count).Clear(); // k blocks done of each part; B needs no room here
            if (threads == 1) job.Run(0);
            else pool.Run(ref job);
        }
    }

    private struct TransposedJob : IWorkerJob
    {
        public GemmProblem* Problem;
        public TransposedParts Parts;
        public float* Chunk;
        public int Threads;
        public WorkerBarrier Barrier;

        public readonly void Run(int worker) => Transposed(ref *Problem, in Parts, Chunk, worker, Threads, Barrier);
    }

    /// <summary>A worker's share. A part of a k block comes after the same part of all earlier ones, so the sums are added in order whoever adds them.</summary>
    private static void Transposed(ref GemmProblem problem, ref readonly TransposedParts parts, float* chunk, int worker, int threads, WorkerBarrier barrier)
    {
        int* done = (int*)chunk;
        int height = GemmTile.Rows<T>();
        float* block = GemmScratch.Block(chunk, worker), panel = GemmScratch.Panel(chunk, worker), tile = GemmScratch.Tile(chunk, worker);
        nint depth = GemmTile.Depth(problem.K), passes = Math.Max(1, (problem.K + depth - 1) / Math.Max(depth, 1)), items = parts.Count * passes;
        nint packedPass = -1, packedRow = -1, fetchedPass = 0;
        var fetches = new GemmFetches();
        var rows = new Block();
        for (nint item = threads == 1 ? 0 : barrier.Claim(); item < items; item = threads == 1 ? item + 1 : barrier.Claim())
        {
            nint index = item / parts.Count, part = item % parts.Count, k = index * depth;
            var pass = new Pass(in problem, k, Math.Min(depth, problem.K - k));
            var panels = new Panels(parts.FirstColumn(part), parts.EndColumn(part));
            nint row = parts.FirstRow(part), count = parts.EndRow(part) - row, steps = panels.Count * ((count + height - 1) / height);
            if (threads > 1) barrier.WaitFor(done + part, (int)index);
            if (packedPass != index || packedRow != row)
            {
                rows = Block.Of(in problem, in pass, row, count, panels.Count, block);
                packedPass = index;
                packedRow = row;
            }
            Ahead(in problem, in parts, item + threads, depth, steps, ref fetches.Block);
            if (fetchedPass <= index)
            {
                fetchedPass = index + 1;
                AheadOfPass(in problem, in parts, fetchedPass * depth, depth, steps * Math.Max(1, parts.Count / threads), ref fetches.Pass);
            }
            for (nint number = 0; number < panels.Count; number++)
            {
                Panel columns = panels.At(number);
                // Rows of B whole pages apart share cache sets, and the last panel may end within a register.
                if (columns.IsWhole && problem.StrideB % PageElements != 0)
                    Tiles(in problem, in pass, in rows, in columns, problem.B + k * problem.StrideB + columns.Column, problem.StrideB, tile, ref fetches);
                else
                    Tiles(in problem, in pass, in rows, in columns, columns.Pack(in problem, in pass, panel), columns.Width, tile, ref fetches);
            }
            Volatile.Write(ref done[part], (int)index + 1);
        }
    }

    /// <summary>Fetches what only the item has that this worker is likely to take next: rows of A, or columns of B.</summary>
    private static void Ahead(ref readonly GemmProblem problem, ref readonly TransposedParts parts, nint item, nint depth, nint steps, ref GemmFetch fetch)
    {
        nint k = item / parts.Count * depth, part = item % parts.Count;
        if (k >= problem.K) return;
        if (parts.ByColumns)
        {
            nint column = parts.FirstColumn(part);
            fetch.Start(problem.B + k * problem.StrideB + column, problem.StrideB, Math.Min(depth, problem.K - k), parts.EndColumn(part) - column, steps);
        }
        else
        {
            nint row = parts.FirstRow(part);
            fetch.Start(problem.A + k * problem.StrideA + row, problem.StrideA, Math.Min(depth, problem.K - k), parts.EndRow(part) - row, steps);
        }
    }

    /// <summary>Fetches what all items of a k block share, where that is little enough to stay: columns of B, or rows of A.</summary>
    private static void AheadOfPass(ref readonly GemmProblem problem, ref readonly TransposedParts parts, nint k, nint depth, nint steps, ref GemmFetch fetch)
    {
        nint columns = parts.ByColumns ? problem.M : problem.N;
        if (k >= problem.K || columns > MostFetchedColumns) return;
        if (parts.ByColumns) fetch.Start(problem.A + k * problem.StrideA, problem.StrideA, Math.Min(depth, problem.K - k), columns, steps);
        else fetch.Start(problem.B + k * problem.StrideB, problem.StrideB, Math.Min(depth, problem.K - k), columns, steps);
    }

    /// <summary>Elements of a memory page, and columns whose k block takes a quarter of an L2 cache.</summary>
    private const int PageElements = 4096 / sizeof(float), MostFetchedColumns = 256;

    /// <summary>Parts of the output: of columns where A is narrow, which every worker then copies whole, else of rows.</summary>
    private readonly struct TransposedParts
    {
        private const int PartsPerWorker = 4, LeastRegisters = 2 * GemmTile.Registers;

        private readonly nint _rows, _columns, _units, _unit;
        public readonly bool ByColumns;
        public readonly nint Count;

        public TransposedParts(ref readonly GemmProblem problem, int threads)
        {
            _rows = problem.M;
            _columns = problem.N;
            ByColumns = problem.M < problem.N && problem.M <= GemmTile.MaximumBlockRows;
            _unit = ByColumns ? T.Count : GemmTile.Rows<T>();
            nint least = ByColumns ? LeastRegisters : LeastBlockTiles, most = ByColumns ? GemmTile.ChunkColumns / T.Count : GemmTile.MaximumBlockRows / _unit;
            _units = ((ByColumns ? _columns : _rows) + _unit - 1) / _unit;
            nint length = Math.Clamp((_units + threads * PartsPerWorker - 1) / (threads * PartsPerWorker), least, most);
            Count = (_units + length - 1) / length;
        }

        public nint FirstRow(nint part) => ByColumns ? 0 : _units * part / Count * _unit;

        public nint EndRow(nint part) => ByColumns ? _rows : Math.Min(_rows, _units * (part + 1) / Count * _unit);

        public nint FirstColumn(nint part) => ByColumns ? _units * part / Count * _unit : 0;

        public nint EndColumn(nint part) => ByColumns ? Math.Min(_columns, _units * (part + 1) / Count * _unit) : _columns;
    }
}
