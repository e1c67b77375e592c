namespace MM1.Native.Kernels.Cpu;

internal sealed unsafe partial class CpuKernels
{
    public void Add(in Launch launch, in AddArgs args)
    {
        const string verb = nameof(Add);
        CheckMatrix(args.Rows, args.Columns, verb);
        CheckBroadcast(args.Broadcast, args.Rows, args.RowsB, verb, nameof(args.RowsB));
        Check.Operand(args.A, args.Rows, args.Columns, DType.Float32, verb, nameof(args.A));
        Check.Operand(args.B, args.RowsB, args.Broadcast == Broadcast.PerRow ? 1 : args.Columns, DType.Float32, verb, nameof(args.B));
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        BinaryJob<AddMap>.Run(_pool, new AddMap(args.Alpha, args.Beta), args.A, args.B, args.Output, args.Rows, args.Columns,
            args.Broadcast, args.RowsB, LinePlan.LightGrain);
    }

    public void Multiply(in Launch launch, in MultiplyArgs args)
    {
        const string verb = nameof(Multiply);
        CheckMatrix(args.Rows, args.Columns, verb);
        CheckBroadcast(args.Broadcast, args.Rows, args.RowsB, verb, nameof(args.RowsB));
        Check.Operand(args.A, args.Rows, args.Columns, DType.Float32, verb, nameof(args.A));
        Check.Operand(args.B, args.RowsB, args.Broadcast == Broadcast.PerRow ? 1 : args.Columns, DType.Float32, verb, nameof(args.B));
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        if (args.OutputBeta == 0)
        {
            BinaryJob<MultiplyMap>.Run(_pool, default, args.A, args.B, args.Output, args.Rows, args.Columns,
                args.Broadcast, args.RowsB, LinePlan.LightGrain);
        }
        else
        {
            BinaryJob<MultiplyAccumulateMap>.Run(_pool, new MultiplyAccumulateMap(args.OutputBeta), args.A, args.B, args.Output, args.Rows, args.Columns,
                args.Broadcast, args.RowsB, LinePlan.LightGrain);
        }
    }

    public void Scale(in Launch launch, in ScaleArgs args)
    {
        const string verb = nameof(Scale);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        float factor = args.FactorPointer == 0 ? args.Factor : args.Factor * *(float*)args.FactorPointer;
        if (args.Beta == 0)
            UnaryJob<ScaleMap>.Run(_pool, new ScaleMap(factor), args.X, args.Output, args.Rows, args.Columns, LinePlan.LightGrain);
        else
            UnaryJob<ScaleAccumulateMap>.Run(_pool, new ScaleAccumulateMap(factor, args.Beta), args.X, args.Output, args.Rows, args.Columns, LinePlan.LightGrain);
    }

    public void ActivationForward(in Launch launch, in ActivationForwardArgs args)
    {
        const string verb = nameof(ActivationForward);
        CheckActivation(args.Activation, verb);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        var visitor = new ActivationForwardVisitor(_pool, in args);
        Activations.Dispatch(args.Activation, ref visitor);
    }

    public void ActivationBackward(in Launch launch, in ActivationBackwardArgs args)
    {
        const string verb = nameof(ActivationBackward);
        CheckActivation(args.Activation, verb);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.OutputGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.InputGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.InputGradient));
        var visitor = new ActivationBackwardVisitor(_pool, in args);
        Activations.Dispatch(args.Activation, ref visitor);
    }

    public void GatedActivationForward(in Launch launch, in GatedActivationForwardArgs args)
    {
        const string verb = nameof(GatedActivationForward);
        CheckActivation(args.Activation, verb);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.Gate, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Gate));
        Check.Operand(args.Up, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Up));
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        var visitor = new GatedForwardVisitor(_pool, in args);
        Activations.Dispatch(args.Activation, ref visitor);
    }

    public void GatedActivationBackward(in Launch launch, in GatedActivationBackwardArgs args)
    {
        const string verb = nameof(GatedActivationBackward);
        CheckActivation(args.Activation, verb);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.OutputGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Operand(args.Gate, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Gate));
        Check.Operand(args.Up, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Up));
        Check.Operand(args.GateGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.GateGradient));
        Check.Operand(args.UpGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.UpGradient));
        Check.Optional(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        var visitor = new GatedBackwardVisitor(_pool, in args);
        Activations.Dispatch(args.Activation, ref visitor);
    }

    public void RotaryEmbedding(in Launch launch, in RotaryEmbeddingArgs args)
    {
        const string verb = nameof(RotaryEmbedding);
        if (args.Style is not (RotaryStyle.Half or RotaryStyle.Interleaved)) Check.That(false, verb, $"Style is {args.Style}; it must be Half or Interleaved.");
        Check.Extent(args.Tokens, verb, nameof(args.Tokens));
        Check.Extent(args.Heads, verb, nameof(args.Heads));
        Check.Extent(args.HeadSize, verb, nameof(args.HeadSize));
        Check.Extent(args.MaxPosition, verb, nameof(args.MaxPosition));
        if (args.RotarySize < 0 || args.RotarySize % 2 != 0 || args.RotarySize > args.HeadSize)
            Check.That(false, verb, $"RotarySize is {args.RotarySize}; it must be even and at most HeadSize ({args.HeadSize}).");
        long columns = args.Heads * args.HeadSize;
        Check.Operand(args.X, args.Tokens, columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Output, args.Tokens, columns, DType.Float32, verb, nameof(args.Output));
        Check.Operand(args.CosineSine, args.MaxPosition, args.RotarySize, DType.Float32, verb, nameof(args.CosineSine));
        if (args.Tokens == 0 || columns == 0) return;
        if (args.Positions == 0) Check.That(false, verb, $"Positions is missing; it holds [{args.Tokens}] Int32 values.");
        CheckPositions(new ReadOnlySpan<int>((void*)args.Positions, checked((int)args.Tokens)), args.MaxPosition, verb);
        var job = new RotaryJob
        {
            X = (float*)args.X.Data,
            Output = (float*)args.Output.Data,
            Table = (float*)args.CosineSine.Data,
            Positions = (int*)args.Positions,
            StepX = args.X.RowStride,
            StepOutput = args.Output.RowStride,
            StepTable = args.CosineSine.RowStride,
            Heads = args.Heads,
            HeadSize = args.HeadSize,
            RotarySize = args.RotarySize,
            Sign = args.Inverse != 0 ? -1 : 1,
            Interleaved = args.Style == RotaryStyle.Interleaved,
        };
        _pool.For(args.Tokens, Math.Max(1, LinePlan.LightGrain / columns), ref job);
    }

    public void Cast(in Launch launch, in CastArgs args)
    {
        const string verb = nameof(Cast);
        CheckMatrix(args.Rows, args.Columns, verb);
        if (args.Rows == 0 || args.Columns == 0) return;
        CheckAnyOperand(args.X, args.Rows, args.Columns, verb, nameof(args.X));
        CheckAnyOperand(args.Output, args.Rows, args.Columns, verb, nameof(args.Output));
        if (args.X.DType == args.Output.DType) Check.That(false, verb, $"X and Output both have dtype {args.X.DType}; Copy is the verb for that.");
        Casts.Run(_pool, args);
    }

    public void Fill(in Launch launch, in FillArgs args)
    {
        const string verb = nameof(Fill);
        CheckMatrix(args.Rows, args.Columns, verb);
        if (args.Rows == 0 || args.Columns == 0) return;
        CheckAnyOperand(args.Output, args.Rows, args.Columns, verb, nameof(args.Output));
        switch (args.Output.DType)
        {
            case DType.Float64: FillJob<double>.Run(_pool, args); break;
            case DType.Float32: FillJob<float>.Run(_pool, args); break;
            case DType.BFloat16: FillJob<BFloat16>.Run(_pool, args); break;
            case DType.Float16: FillJob<Half>.Run(_pool, args); break;
            case DType.Int64: FillJob<long>.Run(_pool, args); break;
            case DType.Int32: FillJob<int>.Run(_pool, args); break;
            case DType.UInt8: FillJob<byte>.Run(_pool, args); break;
            default: FillJob<BoolByte>.Run(_pool, args); break;
        }
    }

    public void Copy(in Launch launch, in CopyArgs args)
    {
        const string verb = nameof(Copy);
        CheckMatrix(args.Rows, args.Columns, verb);
        if (args.Rows == 0 || args.Columns == 0) return;
        CheckAnyOperand(args.X, args.Rows, args.Columns, verb, nameof(args.X));
        Check.Operand(args.Output, args.Rows, args.Columns, args.X.DType, verb, nameof(args.Output));
        CopyJob.Run(_pool, args);
    }

    public void TransposeBlocks(in Launch launch, in TransposeBlocksArgs args)
    {
        const string verb = nameof(TransposeBlocks);
        Check.Extent(args.Batch, verb, nameof(args.Batch));
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Extent(args.Inner, verb, nameof(args.Inner));
        if (args.Batch == 0 || args.Rows == 0 || args.Columns == 0 || args.Inner == 0) return;
        CheckAnyOperand(args.X, args.Batch * args.Rows, args.Columns * args.Inner, verb, nameof(args.X));
        Check.Operand(args.Output, args.Batch * args.Columns, args.Rows * args.Inner, args.X.DType, verb, nameof(args.Output));
        TransposeJob.Run(_pool, args);
    }

    private static void CheckMatrix(long rows, long columns, string verb)
    {
        Check.Extent(rows, verb, "Rows");
        Check.Extent(columns, verb, "Columns");
    }

    private static void CheckActivation(Activation activation, string verb)
    {
        if (!Activations.IsKnown(activation)) Check.That(false, verb, $"Activation is {(int)activation}, which names no function.");
    }

    /// <summary>A required operand of any storage type.</summary>
    private static void CheckAnyOperand(in Operand operand, long rows, long columns, string verb, string field)
    {
        if (operand.DType is < DType.Float64 or > DType.Bool) Check.That(false, verb, $"{field} has dtype {operand.DType}; it needs a storage type.");
        Check.Operand(operand, rows, columns, operand.DType, verb, field);
    }

    private static void CheckBroadcast(Broadcast broadcast, long rows, long smallRows, string verb, string field)
    {
        if (broadcast is < Broadcast.Cycle or > Broadcast.PerRow) Check.That(false, verb, $"Broadcast is {(int)broadcast}, which is none of its values.");
        Check.Extent(smallRows, verb, field);
        if (broadcast == Broadcast.PerRow)
        {
            if (smallRows != rows) Check.That(false, verb, $"{field} is {smallRows}; with Broadcast.PerRow it is Rows ({rows}).");
        }
        else if (smallRows == 0 ? rows != 0 : rows % smallRows != 0)
        {
            Check.That(false, verb, $"{field} is {smallRows}, which does not divide Rows ({rows}).");
        }
    }

    /// <summary>On this device positions are at hand, and one beyond the table would read beyond it.</summary>
    private static void CheckPositions(ReadOnlySpan<int> positions, long maxPosition, string verb)
    {
        int least = System.Numerics.Tensors.TensorPrimitives.Min(positions), most = System.Numerics.Tensors.TensorPrimitives.Max(positions);
        if (least < 0 || most >= maxPosition)
            Check.That(false, verb, $"Positions holds {(least < 0 ? least : most)}; every position is at least 0 and below MaxPosition ({maxPosition}).");
    }

    private readonly ref struct ActivationForwardVisitor(WorkerPool pool, in ActivationForwardArgs args) : IActivationVisitor
    {
        private readonly ref readonly ActivationForwardArgs _args = ref args;

        public void Visit<TActivation>() where TActivation : struct, IActivation =>
            UnaryJob<ActivationMap<TActivation>>.Run(pool, default, _args.X, _args.Output, _args.Rows, _args.Columns, LinePlan.HeavyGrain);
    }

    private readonly ref struct ActivationBackwardVisitor(WorkerPool pool, in ActivationBackwardArgs args) : IActivationVisitor
    {
        private readonly ref readonly ActivationBackwardArgs _args = ref args;

        public void Visit<TActivation>() where TActivation : struct, IActivation
        {
            if (_args.Beta == 0)
            {
                BinaryJob<ActivationGradientMap<TActivation>>.Run(pool, default, _args.OutputGradient, _args.X, _args.InputGradient,
                    _args.Rows, _args.Columns, LinePlan.HeavyGrain);
            }
            else
            {
                BinaryJob<ActivationGradientAccumulateMap<TActivation>>.Run(pool, new(_args.Beta), _args.OutputGradient, _args.X, _args.InputGradient,
                    _args.Rows, _args.Columns, LinePlan.HeavyGrain);
            }
        }
    }

    private readonly ref struct GatedForwardVisitor(WorkerPool pool, in GatedActivationForwardArgs args) : IActivationVisitor
    {
        private readonly ref readonly GatedActivationForwardArgs _args = ref args;

        public void Visit<TActivation>() where TActivation : struct, IActivation =>
            BinaryJob<GatedMap<TActivation>>.Run(pool, default, _args.Gate, _args.Up, _args.Output, _args.Rows, _args.Columns, LinePlan.HeavyGrain);
    }

    private readonly ref struct GatedBackwardVisitor(WorkerPool pool, in GatedActivationBackwardArgs args) : IActivationVisitor
    {
        private readonly ref readonly GatedActivationBackwardArgs _args = ref args;

        public void Visit<TActivation>() where TActivation : struct, IActivation => GatedBackwardJob<TActivation>.Run(pool, _args);
    }
}
