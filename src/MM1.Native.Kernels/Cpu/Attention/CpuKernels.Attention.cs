namespace MM1.Native.Kernels.Cpu;

internal sealed unsafe partial class CpuKernels
{
    /// <summary>Multiply-adds below which waking the other threads costs more than they save.</summary>
    private const double AttentionGrainWork = 400_000;

    /// <summary>Items a thread should find at least, so that unequal ones even out.</summary>
    private const long AttentionItemsPerThread = 4;

    public void FlashAttentionForward(in Launch launch, in FlashAttentionForwardArgs args)
    {
        AttentionChecks.Forward(args, nameof(FlashAttentionForward));
        Check.Workspace(launch, FlashAttentionForwardWorkspaceBytes(args), nameof(FlashAttentionForward));
        if (args.Heads == 0 || args.QueryTokens == 0) return;
        var problem = new AttentionProblem(args);
        long used = problem.UsedQueryRows;
        AttentionProblem.FillRows(problem.Output, problem.OutputStride, used, args.QueryTokens, args.Heads * args.HeadSize, 0);
        if (problem.LogSumExp != null && used < args.QueryTokens)
            AttentionProblem.FillRows(problem.LogSumExp + used, problem.LogSumExpStride, 0, args.Heads, args.QueryTokens - used, float.NegativeInfinity);
        if (SimdWidth.Bits == 512) Forward<Simd512>(launch, problem);
        else if (SimdWidth.Bits == 256) Forward<Simd256>(launch, problem);
        else if (SimdWidth.Bits == 128) Forward<Simd128>(launch, problem);
        else Forward<SimdScalar>(launch, problem);
    }

    public long FlashAttentionForwardWorkspaceBytes(in FlashAttentionForwardArgs args)
    {
        int headSize = (int)args.HeadSize;
        long worker = SimdWidth.Bits switch
        {
            512 => AttentionForward<Simd512>.WorkerBytes(headSize, args.MaxKeyLength),
            256 => AttentionForward<Simd256>.WorkerBytes(headSize, args.MaxKeyLength),
            128 => AttentionForward<Simd128>.WorkerBytes(headSize, args.MaxKeyLength),
            _ => AttentionForward<SimdScalar>.WorkerBytes(headSize, args.MaxKeyLength),
        };
        return _pool.Threads * worker;
    }

    public void FlashAttentionBackward(in Launch launch, in FlashAttentionBackwardArgs args)
    {
        AttentionChecks.Backward(args, nameof(FlashAttentionBackward));
        Check.Workspace(launch, FlashAttentionBackwardWorkspaceBytes(args), nameof(FlashAttentionBackward));
        if (args.Forward.KeyValueHeads == 0) return;
        var problem = new AttentionProblem(args.Forward);
        long columns = args.Forward.Heads * args.Forward.HeadSize, keyColumns = args.Forward.KeyValueHeads * args.Forward.HeadSize;
        AttentionProblem.FillRows((float*)args.QueryGradient.Data, args.QueryGradient.RowStride, problem.UsedQueryRows, args.Forward.QueryTokens, columns, 0);
        AttentionProblem.FillRows((float*)args.KeyGradient.Data, args.KeyGradient.RowStride, problem.UsedKeyRows, args.Forward.KeyTokens, keyColumns, 0);
        AttentionProblem.FillRows((float*)args.ValueGradient.Data, args.ValueGradient.RowStride, problem.UsedKeyRows, args.Forward.KeyTokens, keyColumns, 0);
        if (SimdWidth.Bits == 512) Backward<Simd512>(launch, problem, args);
        else if (SimdWidth.Bits == 256) Backward<Simd256>(launch, problem, args);
        else if (SimdWidth.Bits == 128) Backward<Simd128>(launch, problem, args);
        else Backward<SimdScalar>(launch, problem, args);
    }

    public long FlashAttentionBackwardWorkspaceBytes(in FlashAttentionBackwardArgs args)
    {
        int headSize = (int)args.Forward.HeadSize;
        long worker = SimdWidth.Bits switch
        {
            512 => AttentionBackward<Simd512>.WorkerBytes(headSize, args.Forward.MaxKeyLength),
            256 => AttentionBackward<Simd256>.WorkerBytes(headSize, args.Forward.MaxKeyLength),
            128 => AttentionBackward<Simd128>.WorkerBytes(headSize, args.Forward.MaxKeyLength),
            _ => AttentionBackward<SimdScalar>.WorkerBytes(headSize, args.Forward.MaxKeyLength),
        };
        return _pool.Threads * worker;
    }

    public void FlashAttentionDecode(in Launch launch, in FlashAttentionDecodeArgs args)
    {
        AttentionChecks.Decode(args, nameof(FlashAttentionDecode));
        Check.Workspace(launch, FlashAttentionDecodeWorkspaceBytes(args), nameof(FlashAttentionDecode));
        if (args.Heads == 0 || args.QueryLength == 0) return;
        if (SimdWidth.Bits == 512) Decode<Simd512>(launch, args);
        else if (SimdWidth.Bits == 256) Decode<Simd256>(launch, args);
        else if (SimdWidth.Bits == 128) Decode<Simd128>(launch, args);
        else Decode<SimdScalar>(launch, args);
    }

    public long FlashAttentionDecodeWorkspaceBytes(in FlashAttentionDecodeArgs args)
    {
        int headSize = (int)args.HeadSize;
        long worker = SimdWidth.Bits switch
        {
            512 => AttentionDecode<Simd512>.WorkerBytes(headSize),
            256 => AttentionDecode<Simd256>.WorkerBytes(headSize),
            128 => AttentionDecode<Simd128>.WorkerBytes(headSize),
            _ => AttentionDecode<SimdScalar>.WorkerBytes(headSize),
        };
        return _pool.Threads * worker;
    }

    public void KeyValueCacheAppend(in Launch launch, in KeyValueCacheAppendArgs args)
    {
        AttentionChecks.Append(args, nameof(KeyValueCacheAppend));
        int columns = (int)(args.KeyValueHeads * args.HeadSize);
        for (long token = 0; token < args.Tokens; token++)
        {
            long sequence = ((int*)args.Sequences)[token];
            if (sequence < 0) continue;
            long row = sequence * args.MaxLength + ((int*)args.Positions)[token];
            CopyRow(args.Key, token, args.KeyCache, row, columns);
            CopyRow(args.Value, token, args.ValueCache, row, columns);
        }
    }

    private static void CopyRow(in Operand source, long sourceRow, in Operand destination, long destinationRow, int columns) =>
        new ReadOnlySpan<float>((float*)source.Data + sourceRow * source.RowStride, columns)
            .CopyTo(new Span<float>((float*)destination.Data + destinationRow * destination.RowStride, columns));

    private void Forward<T>(in Launch launch, in AttentionProblem problem) where T : unmanaged, ISimd<T>
    {
        double work = 2 * problem.Work();
        long pairs = problem.Batch * problem.KeyValueHeads, parts = 1;
        if (_pool.Threads > 1 && pairs < AttentionItemsPerThread * _pool.Threads && work > AttentionGrainWork)
        {
            long tiles = problem.Group * ((problem.MaxQueryLength + AttentionForwardTile<T>.Lanes - 1) / AttentionForwardTile<T>.Lanes);
            parts = Math.Clamp((AttentionItemsPerThread * _pool.Threads + pairs - 1) / Math.Max(pairs, 1), 1, Math.Max(tiles, 1));
        }
        var job = new AttentionForward<T>(problem, launch.Workspace, parts);
        _pool.For(pairs * parts, AttentionGrain(work, pairs * parts), ref job);
    }

    private void Backward<T>(in Launch launch, in AttentionProblem problem, in FlashAttentionBackwardArgs args) where T : unmanaged, ISimd<T>
    {
        double work = 5 * problem.Work();
        long pairs = problem.Batch * problem.KeyValueHeads, parts = 1, threads = _pool.Threads;
        // Seven products in small parts, or five with threads that wait at the end.
        if (threads > 1 && pairs > 0 && work > AttentionGrainWork && 7 * pairs < 5 * threads * ((pairs + threads - 1) / threads))
            parts = (AttentionItemsPerThread * threads + pairs - 1) / pairs;
        var job = new AttentionBackward<T>(problem, args, launch.Workspace, parts);
        _pool.For(job.Items, AttentionGrain(work, job.Items), ref job);
    }

    private void Decode<T>(in Launch launch, in FlashAttentionDecodeArgs args) where T : unmanaged, ISimd<T>
    {
        double keys = 0;
        for (long sequence = 0; sequence < args.Batch; sequence++) keys += ((int*)args.Lengths)[sequence];
        // A tile of few lanes takes as long as a full vector of them.
        double work = 2 * keys * args.KeyValueHeads * args.HeadSize * Math.Max(16, args.QueryLength * (args.Heads / args.KeyValueHeads));
        var job = new AttentionDecode<T>(args, launch.Workspace);
        long items = args.Batch * args.KeyValueHeads;
        _pool.For(items, AttentionGrain(work, items), ref job);
    }

    private static long AttentionGrain(double work, long items) => work == 0 ? items : Math.Max(1, (long)(AttentionGrainWork * items / work));
}
