namespace MM1.Native.Kernels.Cpu;

internal sealed unsafe partial class CpuKernels
{
    public void Reduce(in Launch launch, in ReduceArgs args)
    {
        const string verb = nameof(Reduce);
        if (args.Reduction is < Reduction.Sum or > Reduction.Max) Check.That(false, verb, $"Reduction is {(int)args.Reduction}, which is none of its values.");
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Output, args.Rows, 1, DType.Float32, verb, nameof(args.Output));
        long grain = Math.Max(1, LinePlan.LightGrain / Math.Max(args.Columns, 1));
        if (args.Reduction == Reduction.Max)
        {
            var job = new MaxJob
            {
                Columns = args.Columns,
                X = (float*)args.X.Data,
                Output = (float*)args.Output.Data,
                StepX = args.X.RowStride,
                StepOutput = args.Output.RowStride,
                Beta = args.Beta,
            };
            _pool.For(args.Rows, grain, ref job);
            return;
        }
        var sum = new SumJob
        {
            Columns = args.Columns,
            X = (float*)args.X.Data,
            Output = (float*)args.Output.Data,
            StepX = args.X.RowStride,
            StepOutput = args.Output.RowStride,
            Beta = args.Beta,
            Mean = args.Reduction == Reduction.Mean,
        };
        // A few long rows: the threads share each.
        if (args.Rows < _pool.Threads && args.Columns >= 4 * LinePlan.LightGrain) ReduceLongRows(sum, args.Rows);
        else _pool.For(args.Rows, grain, ref sum);
    }

    public void ReduceRows(in Launch launch, in ReduceRowsArgs args)
    {
        const string verb = nameof(ReduceRows);
        CheckMatrix(args.Rows, args.Columns, verb);
        CheckBroadcast(args.Broadcast, args.Rows, args.OutputRows, verb, nameof(args.OutputRows));
        bool perRow = args.Broadcast == Broadcast.PerRow;
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Optional(args.Multiplier, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Multiplier));
        Check.Operand(args.Output, args.OutputRows, perRow ? 1 : args.Columns, DType.Float32, verb, nameof(args.Output));
        Check.Workspace(launch, ReduceRowsWorkspaceBytes(args), verb);
        if (perRow)
        {
            var dot = new DotJob
            {
                Columns = args.Columns,
                X = (float*)args.X.Data,
                Multiplier = (float*)args.Multiplier.Data,
                Output = (float*)args.Output.Data,
                StepX = args.X.RowStride,
                StepMultiplier = args.Multiplier.RowStride,
                StepOutput = args.Output.RowStride,
                Beta = args.Beta,
            };
            _pool.For(args.Rows, Math.Max(1, LinePlan.LightGrain / Math.Max(args.Columns, 1)), ref dot);
            return;
        }
        if (args.OutputRows == 0 || args.Columns == 0) return;
        long rowsPerOutput = args.Rows / args.OutputRows, blocks = Math.Max(1, RowBlocks.Count(rowsPerOutput));
        var job = new ReduceRowsJob
        {
            Columns = args.Columns,
            Stripes = (args.Columns + ReduceRowsJob.Stripe - 1) / ReduceRowsJob.Stripe,
            RowsPerOutput = rowsPerOutput,
            Blocks = blocks,
            X = (float*)args.X.Data,
            Multiplier = (float*)args.Multiplier.Data,
            Target = blocks == 1 ? (float*)args.Output.Data : (float*)launch.Workspace,
            StepX = args.X.RowStride,
            StepMultiplier = args.Multiplier.RowStride,
            StepTarget = blocks == 1 ? args.Output.RowStride : args.Columns,
            FirstStep = args.Broadcast == Broadcast.Cycle ? 1 : rowsPerOutput,
            RowStep = args.Broadcast == Broadcast.Cycle ? args.OutputRows : 1,
            Beta = blocks == 1 ? args.Beta : 0,
        };
        long work = Math.Min(RowBlocks.Rows, Math.Max(rowsPerOutput, 1)) * Math.Min(args.Columns, ReduceRowsJob.Stripe);
        _pool.For(args.OutputRows * blocks * job.Stripes, Math.Max(1, LinePlan.LightGrain / work), ref job);
        if (blocks == 1) return;
        for (long output = 0; output < args.OutputRows; output++)
        {
            RowBlocks.Combine(_pool, (float*)launch.Workspace + output * blocks * args.Columns, blocks, args.Columns,
                (float*)args.Output.Data + output * args.Output.RowStride, args.Beta);
        }
    }

    public long ReduceRowsWorkspaceBytes(in ReduceRowsArgs args)
    {
        if (args.Broadcast == Broadcast.PerRow || args.OutputRows <= 0) return 0;
        long blocks = RowBlocks.Count(args.Rows / args.OutputRows);
        return blocks <= 1 ? 0 : args.OutputRows * blocks * args.Columns * sizeof(float);
    }

    public void ArgMax(in Launch launch, in ArgMaxArgs args)
    {
        const string verb = nameof(ArgMax);
        CheckMatrix(args.Rows, args.Columns, verb);
        CheckIndexable(args.Columns, verb);
        if (args.Columns == 0) Check.That(false, verb, "Columns is 0; a row needs an element to have a largest.");
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Indices, args.Rows, 1, DType.Int32, verb, nameof(args.Indices));
        Check.Optional(args.Values, args.Rows, 1, DType.Float32, verb, nameof(args.Values));
        var job = new ArgMaxJob
        {
            Columns = args.Columns,
            X = (float*)args.X.Data,
            Indices = (int*)args.Indices.Data,
            Values = (float*)args.Values.Data,
            StepX = args.X.RowStride,
            StepIndices = args.Indices.RowStride,
            StepValues = args.Values.RowStride,
        };
        _pool.For(args.Rows, Math.Max(1, LinePlan.LightGrain / args.Columns), ref job);
    }

    public void TopK(in Launch launch, in TopKArgs args)
    {
        const string verb = nameof(TopK);
        CheckMatrix(args.Rows, args.Columns, verb);
        CheckIndexable(args.Columns, verb);
        if (args.K < 1 || args.K > args.Columns) Check.That(false, verb, $"K is {args.K}; it must be from 1 to Columns ({args.Columns}).");
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Values, args.Rows, args.K, DType.Float32, verb, nameof(args.Values));
        Check.Operand(args.Indices, args.Rows, args.K, DType.Int32, verb, nameof(args.Indices));
        var job = new TopKJob
        {
            Columns = args.Columns,
            K = args.K,
            X = (float*)args.X.Data,
            Values = (float*)args.Values.Data,
            Indices = (int*)args.Indices.Data,
            StepX = args.X.RowStride,
            StepValues = args.Values.RowStride,
            StepIndices = args.Indices.RowStride,
        };
        _pool.For(args.Rows, Math.Max(1, LinePlan.HeavyGrain / args.Columns), ref job);
    }

    public void SoftmaxForward(in Launch launch, in SoftmaxForwardArgs args)
    {
        const string verb = nameof(SoftmaxForward);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        if (args.Columns == 0) return;
        var job = new SoftmaxForwardJob
        {
            Columns = args.Columns,
            X = (float*)args.X.Data,
            Output = (float*)args.Output.Data,
            StepX = args.X.RowStride,
            StepOutput = args.Output.RowStride,
            Scale = args.Scale,
        };
        _pool.For(args.Rows, Math.Max(1, LinePlan.HeavyGrain / args.Columns), ref job);
    }

    public void SoftmaxBackward(in Launch launch, in SoftmaxBackwardArgs args)
    {
        const string verb = nameof(SoftmaxBackward);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        Check.Operand(args.OutputGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Operand(args.InputGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.InputGradient));
        if (args.Columns == 0) return;
        var job = new SoftmaxBackwardJob
        {
            Columns = args.Columns,
            Output = (float*)args.Output.Data,
            OutputGradient = (float*)args.OutputGradient.Data,
            InputGradient = (float*)args.InputGradient.Data,
            StepOutput = args.Output.RowStride,
            StepOutputGradient = args.OutputGradient.RowStride,
            StepInputGradient = args.InputGradient.RowStride,
            Scale = args.Scale,
            Beta = args.Beta,
        };
        _pool.For(args.Rows, Math.Max(1, LinePlan.LightGrain / args.Columns), ref job);
    }

    private void ReduceLongRows(SumJob sum, long rows)
    {
        const long wave = 512; // block sums at a time, on the stack
        float* sums = stackalloc float[(int)wave];
        for (long row = 0; row < rows; row++)
        {
            double total = 0;
            for (long start = 0; start < sum.Columns; start += wave * SumJob.Block)
            {
                var job = new BlockSumJob { X = sum.X + row * sum.StepX + start, Sums = sums, Columns = Math.Min(sum.Columns - start, wave * SumJob.Block) };
                long blocks = (job.Columns + SumJob.Block - 1) / SumJob.Block;
                _pool.For(blocks, LinePlan.LightGrain / SumJob.Block, ref job);
                for (long block = 0; block < blocks; block++) total += sums[block];
            }
            sum.Store(row, total);
        }
    }

    private static void CheckIndexable(long columns, string verb)
    {
        if (columns > int.MaxValue) Check.That(false, verb, $"Columns is {columns}; an Int32 index reaches {int.MaxValue}.");
    }
}
