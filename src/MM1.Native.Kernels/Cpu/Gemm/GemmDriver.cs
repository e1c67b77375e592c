using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// The blocked matrix product (Goto and van de Geijn 2008): k blocks of constant length, panels packed for the caches,
/// register tiles, and the epilogue on each tile as it leaves the registers.
/// </summary>
/// <remarks>
/// Every path sums an output element in the same order: one chain of fused multiply-adds per k block, blocks added in order.
/// So paths, blocks of rows and columns, and threads are free to be chosen for speed.
/// </remarks>
internal static unsafe class GemmDriver<T> where T : unmanaged, ISimd<T>
{
    /// <summary>Multiply-adds below which waking the other threads costs more than they save.</summary>
    private const long SerialWork = 1 << 19;

    /// <summary>Blocks of rows that a worker takes when all are equally fast, and the fewest tiles in one: copying A must not show.</summary>
    private const int BlocksPerWorker = 8, LeastBlockTiles = 4;

    /// <summary>Blocks of rows of a transposed A that a worker takes: it is read across its rows, so that small blocks share cache lines.</summary>
    private const int TransposedBlocksPerWorker = 2;

    /// <summary>Rows up to which workers always divide the columns of a transposed A's product: each copies all of A.</summary>
    private const int TransposedColumnRows = 192;

    /// <summary>Elements that a k block of B may span to be read as it lies whatever the number of rows: a third of an L1 cache.</summary>
    private const long InPlaceElements = 4096;

    /// <summary>Elements of an output that no L2 cache holds, and steps of k that last as long as it takes to come.</summary>
    private const long FetchElements = 1 << 20, FetchDepth = 64;

    private const int CacheLine = 64 / sizeof(float);

    public static void Run(WorkerPool pool, GemmScratch scratch, in GemmArgs args, nint workspace)
    {
        var problem = new GemmProblem(in args, workspace);
        float* chunk = scratch.Chunk;
        long work = args.M * args.N * Math.Max(args.K, 1);
        int threads = work * args.Batch < SerialWork ? 1 : pool.Threads;
        if (threads > 1 && args.Batch >= threads && (args.Batch % threads == 0 || args.Batch >= 4 * threads || work < SerialWork))
        {
            fixed (GemmArgs* pinned = &args)
            {
                var job = new BatchJob { Problem = &problem, Args = pinned, Chunk = chunk, Threads = threads };
                pool.Run(ref job);
            }
            return;
        }
        if (work < SerialWork) threads = 1;
        for (long index = 0; index < args.Batch; index++)
        {
            GemmProblem one = problem.At(in args, index);
            nint registers = RegistersOf(one.N);
            bool byColumns = one.M <= (one.TransposeA && threads > 1 && one.N < one.M ? TransposedColumnRows : GemmTile.MaximumBlockRows);
            if (threads == 1)
            {
                if (byColumns) Columns(ref one, chunk, 0, 0, registers);
                else Shared(ref one, chunk, 0, 1, default);
            }
            else if (byColumns)
            {
                var job = new ColumnsJob { Problem = &one, Chunk = chunk, Threads = threads, Registers = registers };
                pool.Run(ref job);
            }
            else
            {
                var job = new SharedJob { Problem = &one, Chunk = chunk, Threads = threads, Barrier = pool.Barrier };
                pool.Run(ref job);
            }
        }
    }

    /// <summary>Each worker takes whole problems.</summary>
    private struct BatchJob : IWorkerJob
    {
        public GemmProblem* Problem;
        public GemmArgs* Args;
        public float* Chunk;
        public int Threads;

        public readonly void Run(int worker)
        {
            nint registers = RegistersOf(Problem->N);
            long end = Args->Batch * (worker + 1) / Threads;
            for (long index = Args->Batch * worker / Threads; index < end; index++)
            {
                GemmProblem one = Problem->At(in *Args, index);
                Columns(ref one, Chunk, worker, 0, registers);
            }
        }
    }

    /// <summary>Each worker takes a range of columns: few rows, so that packing B is most of the work and happens beside its use.</summary>
    private struct ColumnsJob : IWorkerJob
    {
        public GemmProblem* Problem;
        public float* Chunk;
        public int Threads;
        public nint Registers;

        public readonly void Run(int worker) => Columns(ref *Problem, Chunk, worker, Registers * worker / Threads, Registers * (worker + 1) / Threads);
    }

    /// <summary>All workers pack B together, then each takes a range of rows.</summary>
    private struct SharedJob : IWorkerJob
    {
        public GemmProblem* Problem;
        public float* Chunk;
        public int Threads;
        public WorkerBarrier Barrier;

        public readonly void Run(int worker) => Shared(ref *Problem, Chunk, worker, Threads, Barrier);
    }

    /// <summary>Registers of columns, the last maybe in part.</summary>
    private static nint RegistersOf(nint columns) => (columns + T.Count - 1) / T.Count;

    /// <summary>All rows, some registers of columns, on one worker alone: a panel of B is packed (or read as it lies) just before use.</summary>
    private static void Columns(ref GemmProblem problem, float* chunk, int worker, nint firstRegister, nint endRegister)
    {
        if (firstRegister == endRegister) return;
        float* block = GemmScratch.Block(chunk, worker), panel = GemmScratch.Panel(chunk, worker), tile = GemmScratch.Tile(chunk, worker);
        var panels = new Panels(firstRegister * T.Count, Math.Min(problem.N, endRegister * T.Count));
        nint maximumDepth = GemmTile.Depth(problem.K), k = 0;
        do
        {
            var pass = new Pass(in problem, k, Math.Min(maximumDepth, problem.K - k));
            for (nint row = 0; row < problem.M; row += GemmTile.MaximumBlockRows)
            {
                Block rows = Block.Of(in problem, in pass, row, Math.Min(GemmTile.MaximumBlockRows, problem.M - row), panels.Count, block);
                for (nint index = 0; index < panels.Count; index++)
                {
                    Panel columns = panels.At(index);
                    bool inPlace = !problem.TransposeB && columns.IsWhole && (rows.Count <= 2 * GemmTile.Rows<T>() || pass.Depth * problem.StrideB <= InPlaceElements);
                    if (inPlace)
                        Tiles(in problem, in pass, in rows, in columns, problem.B + k * problem.StrideB + columns.Column, problem.StrideB, tile);
                    else
                        Tiles(in problem, in pass, in rows, in columns, columns.Pack(in problem, in pass, panel), columns.Width, tile);
                }
            }
            k += pass.Depth;
        }
        while (k < problem.K);
    }

    /// <summary>
    /// A worker's share of all columns: it packs some panels of each chunk of B, waits for the others, and multiplies blocks of
    /// rows as they are free, so that a CPU which something else slows down holds nobody up.
    /// </summary>
    private static void Shared(ref GemmProblem problem, float* chunk, int worker, int threads, WorkerBarrier barrier)
    {
        int height = GemmTile.Rows<T>();
        float* block = GemmScratch.Block(chunk, worker), tile = GemmScratch.Tile(chunk, worker);
        nint tiles = (problem.M + height - 1) / height;
        nint blockRows = BlockTiles(tiles, threads, problem.TransposeA) * height;
        int blocks = (int)((problem.M + blockRows - 1) / blockRows), claimed = 0;
        nint chunkColumns = GemmTile.ChunkColumns / T.Count * T.Count, maximumDepth = GemmTile.Depth(problem.K);
        for (nint firstColumn = 0; firstColumn < problem.N; firstColumn += chunkColumns)
        {
            var panels = new Panels(firstColumn, Math.Min(problem.N, firstColumn + chunkColumns));
            nint k = 0;
            do
            {
                var pass = new Pass(in problem, k, Math.Min(maximumDepth, problem.K - k));
                if (threads > 1 && (k > 0 || firstColumn > 0)) barrier.Wait(); // the chunk is free again
                for (nint index = panels.Count * worker / threads; index < panels.Count * (worker + 1) / threads; index++)
                {
                    Panel columns = panels.At(index);
                    _ = columns.Pack(in problem, in pass, chunk + (columns.Column - firstColumn) * pass.Depth);
                }
                if (threads > 1) barrier.Wait(); // the chunk is whole
                for (int taken = threads == 1 ? 0 : barrier.Claim() - claimed; taken < blocks; taken = threads == 1 ? taken + 1 : barrier.Claim() - claimed)
                {
                    nint row = taken * blockRows;
                    Block rows = Block.Of(in problem, in pass, row, Math.Min(blockRows, problem.M - row), panels.Count, block);
                    for (nint index = 0; index < panels.Count; index++)
                    {
                        Panel columns = panels.At(index);
                        Tiles(in problem, in pass, in rows, in columns, chunk + (columns.Column - firstColumn) * pass.Depth, columns.Width, tile);
                    }
                }
                claimed += blocks + threads; // every block once, and once by every worker in vain
                k += pass.Depth;
            }
            while (k < problem.K);
        }
    }

    /// <summary>Tiles in the blocks of rows that workers take.</summary>
    private static nint BlockTiles(nint tiles, int threads, bool transposed)
    {
        nint most = GemmTile.MaximumBlockRows / GemmTile.Rows<T>();
        if (threads == 1) return most;
        if (!transposed) return Math.Clamp(tiles / (threads * BlocksPerWorker), LeastBlockTiles, most);
        // Few blocks: as many for every worker.
        nint rounds = Math.Max(TransposedBlocksPerWorker, (tiles + threads * most - 1) / (threads * most));
        return Math.Max((tiles + threads * rounds - 1) / (threads * rounds), LeastBlockTiles);
    }

    /// <summary>Multiplies a block of rows by one panel of columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles(ref readonly GemmProblem problem, ref readonly Pass pass, ref readonly Block rows, ref readonly Panel columns, float* panel, nint panelStride, float* tile)
    {
        int height = GemmTile.Rows<T>(), registers = columns.Width / T.Count;
        bool direct = pass.Direct && columns.IsWhole;
        for (int i = 0; i < rows.Count; i += height)
        {
            int count = Math.Min(height, rows.Count - i);
            float* a = rows.Start + i * rows.TileStep;
            nint step = rows.Step == 0 ? count : rows.Step;
            if (pass.Fetch) Fetch(in problem, in pass, rows.Row + i, columns.Column, count, columns.Count);
            if (direct)
            {
                float* sums = problem.Sums + (rows.Row + i) * problem.StrideSums + columns.Column;
                Microkernels<T>.Multiply(count, registers, pass.Depth, a, rows.RowStep, step, panel, panelStride, sums, problem.StrideSums, pass.Accumulate);
            }
            else
            {
                Microkernels<T>.Multiply(count, registers, pass.Depth, a, rows.RowStep, step, panel, panelStride, tile, GemmTile.Columns<T>(), false);
                GemmEpilogue<T>.Finish(in problem, tile, rows.Row + i, columns.Column, count, columns.Count, pass.First, pass.Last);
            }
        }
    }

    /// <summary>Asks for what the end of a tile will read and write, so that it is in the cache by then.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(ref readonly GemmProblem problem, ref readonly Pass pass, nint row, nint column, int rows, int columns)
    {
        Fetch(problem.Sums + row * problem.StrideSums + column, problem.StrideSums, rows, columns);
        if (!pass.Last) return;
        if (problem.Residual != null) Fetch(problem.Residual + row * problem.StrideResidual + column, problem.StrideResidual, rows, columns);
        if (problem.PreActivation != null) Fetch(problem.PreActivation + row * problem.StridePreActivation + column, problem.StridePreActivation, rows, columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Fetch(float* matrix, nint stride, int rows, int columns)
    {
        for (int i = 0; i < rows; i++, matrix += stride)
        {
            for (int j = 0; j < columns; j += CacheLine) Sse.Prefetch0(matrix + j);
        }
    }

    /// <summary>One k block.</summary>
    private readonly struct Pass
    {
        public readonly nint Begin, Depth;
        public readonly bool First, Last;

        /// <summary>Full tiles go from registers to the sums: nothing is left to be done to them in this pass.</summary>
        public readonly bool Direct;
        public readonly bool Accumulate;

        /// <summary>What a tile reads and writes at its end is asked for at its beginning.</summary>
        public readonly bool Fetch;

        public Pass(ref readonly GemmProblem problem, nint begin, nint depth)
        {
            Begin = begin;
            Depth = depth;
            First = begin == 0;
            Last = begin + depth == problem.K;
            Accumulate = !First || problem.Beta != 0;
            Fetch = Sse.IsSupported && depth >= FetchDepth && problem.M * problem.N >= FetchElements;
            Direct = problem.Alpha == 1 && !(Last && problem.HasEpilogue)
                && (!First || problem.Beta == 0 || (problem.Beta == 1 && problem.Sums == problem.Output));
        }
    }

    /// <summary>
    /// Columns [begin, end) cut into the fewest panels of at most <see cref="GemmTile.Registers"/> registers, as even as they get: a tile of one register
    /// computes slower than it loads, and two of two cost less than one of three and one of one.
    /// </summary>
    private readonly struct Panels(nint begin, nint end)
    {
        private readonly nint _begin = begin, _end = end, _registers = RegistersOf(end - begin);

        public nint Count => (_registers + GemmTile.Registers - 1) / GemmTile.Registers;

        public Panel At(nint index)
        {
            nint column = _begin + _registers * index / Count * T.Count;
            return new Panel(column, Math.Min(_begin + _registers * (index + 1) / Count * T.Count, _end) - column);
        }
    }

    /// <summary>Columns of one panel, in whole registers.</summary>
    private readonly struct Panel(nint column, nint count)
    {
        public readonly nint Column = column;
        public readonly int Count = (int)count;
        public readonly int Width = ((int)count + T.Count - 1) / T.Count * T.Count;

        public bool IsWhole => Count == Width;

        public float* Pack(ref readonly GemmProblem problem, ref readonly Pass pass, float* panel)
        {
            float* source = problem.TransposeB ? problem.B + Column * problem.StrideB + pass.Begin : problem.B + pass.Begin * problem.StrideB + Column;
            GemmPacking.Columns<T>(source, problem.StrideB, problem.TransposeB, Count, Width, pass.Depth, panel);
            return panel;
        }
    }

    /// <summary>Some rows of A in one k block, and how the register tiles walk them.</summary>
    private struct Block
    {
        /// <summary>Panels of columns from which on a copy of the rows pays, and tiles of a transposed A from which on it always does.</summary>
        private const int WorthCopying = 3, WorthTurning = 5, PageElements = 4096 / sizeof(float);

        public nint Row;
        public int Count;
        public float* Start;

        /// <summary>Elements from row to row in a tile; from k to k (0: as many as the tile has rows); and per row from tile to tile.</summary>
        public nint RowStep, Step, TileStep;

        public static Block Of(ref readonly GemmProblem problem, ref readonly Pass pass, nint row, nint count, nint panels, float* scratch)
        {
            var block = new Block { Row = row, Count = (int)count };
            // Rows that lie side by side are read where they are, unless whole pages lie between them: such rows share one cache set.
            bool copy = problem.TransposeA
                ? panels >= WorthCopying || count >= WorthTurning * GemmTile.Rows<T>()
                : panels >= WorthCopying && problem.StrideA % PageElements == 0;
            if (problem.TransposeA)
            {
                float* source = problem.A + pass.Begin * problem.StrideA + row;
                if (copy) GemmPacking.TransposedRows<T>(source, problem.StrideA, block.Count, GemmTile.Rows<T>(), pass.Depth, scratch);
                block.Start = copy ? scratch : source;
                block.RowStep = 1;
                block.Step = copy ? 0 : problem.StrideA;
                block.TileStep = copy ? pass.Depth : 1;
            }
            else
            {
                float* source = problem.A + row * problem.StrideA + pass.Begin;
                if (copy) GemmPacking.Rows<T>(source, problem.StrideA, block.Count, pass.Depth, scratch);
                block.Start = copy ? scratch : source;
                block.RowStep = block.TileStep = copy ? pass.Depth + GemmPacking.RowPadding : problem.StrideA;
                block.Step = 1;
            }
            return block;
        }
    }
}
