namespace MM1.Native.Kernels.Cpu;

/// <summary>One value into every element.</summary>
internal unsafe struct FillJob<T> : IRangeJob where T : unmanaged
{
    public LinePlan Plan;
    public T* Output;
    public long Step;
    public T Value;

    public static void Run(WorkerPool pool, in FillArgs args)
    {
        var plan = new LinePlan(args.Rows, args.Columns, LinePlan.IsContiguous(args.Output, args.Rows, args.Columns));
        var job = new FillJob<T>
        {
            Plan = plan,
            Output = (T*)args.Output.Data,
            Step = plan.Step(args.Output),
            Value = Conversion.FromDouble<T>(args.Value),
        };
        pool.For(plan.Lines, plan.Grain(LinePlan.LightGrain), ref job);
    }

    public readonly void Run(long begin, long end, int worker)
    {
        for (long line = begin; line < end; line++) new Span<T>(Output + line * Step, checked((int)Plan.Length(line))).Fill(Value);
    }
}

/// <summary>Lines of bytes from one operand to another.</summary>
internal unsafe struct CopyJob : IRangeJob
{
    public LinePlan Plan;
    public byte* X;
    public byte* Output;
    public long StepX;
    public long StepOutput;
    public long Size;

    public static void Run(WorkerPool pool, in CopyArgs args)
    {
        long rows = args.Rows, columns = args.Columns;
        var plan = new LinePlan(rows, columns, LinePlan.IsContiguous(args.X, rows, columns) && LinePlan.IsContiguous(args.Output, rows, columns));
        long size = args.X.DType.Size();
        var job = new CopyJob
        {
            Plan = plan,
            X = (byte*)args.X.Data,
            Output = (byte*)args.Output.Data,
            StepX = plan.Step(args.X) * size,
            StepOutput = plan.Step(args.Output) * size,
            Size = size,
        };
        pool.For(plan.Lines, plan.Grain(2 * LinePlan.LightGrain), ref job);
    }

    public readonly void Run(long begin, long end, int worker)
    {
        if (Plan.Contiguous)
        {
            long bytes = ((end - begin - 1) * LinePlan.LineLength + Plan.Length(end - 1)) * Size;
            Buffer.MemoryCopy(X + begin * StepX, Output + begin * StepOutput, bytes, bytes);
            return;
        }
        for (long line = begin; line < end; line++)
        {
            long bytes = Plan.Length(line) * Size;
            Buffer.MemoryCopy(X + line * StepX, Output + line * StepOutput, bytes, bytes);
        }
    }
}
