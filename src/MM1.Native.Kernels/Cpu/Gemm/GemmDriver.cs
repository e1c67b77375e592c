using System.Runtime.CompilerServices;

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
            nint panels = (one.N + GemmTile.Columns<T>() - 1) / GemmTile.Columns<T>();
            bool byColumns = one.M <= GemmTile.MaximumBlockRows;
            if (threads == 1)
            {
                if (byColumns) Columns(ref one, chunk, 0, 0, panels);
                else Shared(ref one, chunk, 0, 1, default);
            }
            else if (byColumns)
            {
                var job = new ColumnsJob { Problem = &one, Chunk = chunk, Threads = threads, Panels = panels };
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
            nint panels = (Problem->N + GemmTile.Columns<T>() - 1) / GemmTile.Columns<T>();
            long end = Args->Batch * (worker + 1) / Threads;
            for (long index = Args->Batch * worker / Threads; index < end; index++)
            {
                GemmProblem one = Problem->At(in *Args, index);
                Columns(ref one, Chunk, worker, 0, panels);
            }
        }
    }

    /// <summary>Each worker takes a range of columns: few rows, so that packing B is most of the work and happens beside its use.</summary>
    private struct ColumnsJob : IWorkerJob
    {
        public GemmProblem* Problem;
        public float* Chunk;
        public int Threads;
        public nint Panels;

        public readonly void Run(int worker) => Columns(ref *Problem, Chunk, worker, Panels * worker / Threads, Panels * (worker + 1) / Threads);
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

    /// <summary>All rows, some panels of columns, on one worker alone: a panel of B is packed (or read as it lies) just before use.</summary>
    private static void Columns(ref GemmProblem problem, float* chunk, int worker, nint firstPanel, nint endPanel)
    {
        int width = GemmTile.Columns<T>();
        float* block = GemmScratch.Block(chunk, worker), panel = GemmScratch.Panel(chunk, worker), tile = GemmScratch.Tile(chunk, worker);
        nint maximumDepth = GemmTile.Depth(problem.K), k = 0;
        do
        {
            var pass = new Pass(in problem, k, Math.Min(maximumDepth, problem.K - k));
            for (nint row = 0; row < problem.M; row += GemmTile.MaximumBlockRows)
            {
                int rows = (int)Math.Min(GemmTile.MaximumBlockRows, problem.M - row);
                PackRows(in problem, in pass, row, rows, block);
                for (nint index = firstPanel; index < endPanel; index++)
                {
                    nint column = index * width;
                    int columns = (int)Math.Min(width, problem.N - column);
                    if (columns == width && !problem.TransposeB && rows <= 2 * GemmTile.Rows<T>())
                    {
                        Tiles(in problem, in pass, block, row, rows, problem.B + k * problem.StrideB + column, problem.StrideB, column, columns, tile);
                    }
                    else
                    {
                        PackColumns(in problem, in pass, column, columns, panel);
                        Tiles(in problem, in pass, block, row, rows, panel, width, column, columns, tile);
                    }
                }
            }
            k += pass.Depth;
        }
        while (k < problem.K);
    }

    /// <summary>A worker's share of all columns: it packs some panels of each chunk of B, waits for the others, and multiplies its own rows.</summary>
    private static void Shared(ref GemmProblem problem, float* chunk, int worker, int threads, WorkerBarrier barrier)
    {
        int width = GemmTile.Columns<T>(), height = GemmTile.Rows<T>();
        float* block = GemmScratch.Block(chunk, worker), tile = GemmScratch.Tile(chunk, worker);
        nint tiles = (problem.M + height - 1) / height;
        nint firstRow = tiles * worker / threads * height, endRow = Math.Min(problem.M, tiles * (worker + 1) / threads * height);
        nint maximumDepth = GemmTile.Depth(problem.K);
        for (nint firstColumn = 0; firstColumn < problem.N; firstColumn += GemmTile.ChunkColumns)
        {
            nint endColumn = Math.Min(problem.N, firstColumn + GemmTile.ChunkColumns);
            nint panels = (endColumn - firstColumn + width - 1) / width;
            nint k = 0;
            do
            {
                var pass = new Pass(in problem, k, Math.Min(maximumDepth, problem.K - k));
                if (threads > 1 && (k > 0 || firstColumn > 0)) barrier.Wait(); // the chunk is free again
                for (nint index = panels * worker / threads; index < panels * (worker + 1) / threads; index++)
                {
                    nint column = firstColumn + index * width;
                    PackColumns(in problem, in pass, column, (int)Math.Min(width, problem.N - column), chunk + index * width * pass.Depth);
                }
                if (threads > 1) barrier.Wait(); // the chunk is whole
                for (nint row = firstRow; row < endRow; row += GemmTile.MaximumBlockRows)
                {
                    int rows = (int)Math.Min(GemmTile.MaximumBlockRows, endRow - row);
                    PackRows(in problem, in pass, row, rows, block);
                    for (nint index = 0; index < panels; index++)
                    {
                        nint column = firstColumn + index * width;
                        Tiles(in problem, in pass, block, row, rows, chunk + index * width * pass.Depth, width, column, (int)Math.Min(width, problem.N - column), tile);
                    }
                }
                k += pass.Depth;
            }
            while (k < problem.K);
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

        public Pass(ref readonly GemmProblem problem, nint begin, nint depth)
        {
            Begin = begin;
            Depth = depth;
            First = begin == 0;
            Last = begin + depth == problem.K;
            Accumulate = !First || problem.Beta != 0;
            Direct = problem.Alpha == 1 && !(Last && problem.HasEpilogue)
                && (!First || problem.Beta == 0 || (problem.Beta == 1 && problem.Sums == problem.Output));
        }
    }

    /// <summary>Multiplies a block of packed rows by one panel of columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles(ref readonly GemmProblem problem, ref readonly Pass pass, float* block, nint row, int rows,
        float* panel, nint panelStride, nint column, int columns, float* tile)
    {
        int height = GemmTile.Rows<T>();
        nint depth = pass.Depth;
        bool direct = pass.Direct && columns == GemmTile.Columns<T>();
        for (int i = 0; i < rows; i += height)
        {
            int count = Math.Min(height, rows - i);
            float* a = block + i * depth;
            if (direct)
            {
                float* sums = problem.Sums + (row + i) * problem.StrideSums + column;
                Microkernels<T>.Multiply(count, depth, a, count, panel, panelStride, sums, problem.StrideSums, pass.Accumulate);
            }
            else
            {
                Microkernels<T>.Multiply(count, depth, a, count, panel, panelStride, tile, GemmTile.Columns<T>(), false);
                GemmEpilogue<T>.Finish(in problem, tile, row + i, column, count, columns, pass.First, pass.Last);
            }
        }
    }

    /// <summary>Panels of the register tile's height; the last holds just the rows that are left.</summary>
    private static void PackRows(ref readonly GemmProblem problem, ref readonly Pass pass, nint row, int rows, float* block)
    {
        int height = GemmTile.Rows<T>();
        for (int i = 0; i < rows; i += height)
        {
            int count = Math.Min(height, rows - i);
            float* source = problem.TransposeA ? problem.A + pass.Begin * problem.StrideA + row + i : problem.A + (row + i) * problem.StrideA + pass.Begin;
            GemmPacking.Panel<T>(source, problem.StrideA, problem.TransposeA, count, count, pass.Depth, block + i * pass.Depth);
        }
    }

    private static void PackColumns(ref readonly GemmProblem problem, ref readonly Pass pass, nint column, int columns, float* panel)
    {
        float* source = problem.TransposeB ? problem.B + column * problem.StrideB + pass.Begin : problem.B + pass.Begin * problem.StrideB + column;
        GemmPacking.Panel<T>(source, problem.StrideB, !problem.TransposeB, columns, GemmTile.Columns<T>(), pass.Depth, panel);
    }
}
