namespace MM1.Native.Kernels.Cpu;

/// <summary>Symmetric InfoNCE in blocks of image rows; see <see cref="ContrastivePlan"/>.</summary>
internal sealed unsafe partial class CpuKernels
{
    public void ContrastiveLossForward(in Launch launch, in ContrastiveLossForwardArgs args)
    {
        const string Verb = nameof(ContrastiveLossForward);
        Check.Extent(args.Pairs, Verb, nameof(args.Pairs));
        Check.Extent(args.Width, Verb, nameof(args.Width));
        Check.Operand(args.Image, args.Pairs, args.Width, DType.Float32, Verb, nameof(args.Image));
        Check.Operand(args.Text, args.Pairs, args.Width, DType.Float32, Verb, nameof(args.Text));
        Check.Operand(args.LogScale, 1, 1, DType.Float32, Verb, nameof(args.LogScale));
        Check.Operand(args.Loss, 1, 1, DType.Float32, Verb, nameof(args.Loss));
        Check.Operand(args.LogSumExpRows, 1, args.Pairs, DType.Float32, Verb, nameof(args.LogSumExpRows));
        Check.Operand(args.LogSumExpColumns, 1, args.Pairs, DType.Float32, Verb, nameof(args.LogSumExpColumns));
        if (!(args.MaxScale > 0)) Check.That(false, Verb, $"MaxScale is {args.MaxScale}; it must be positive.");
        Check.Workspace(launch, ContrastiveLossForwardWorkspaceBytes(args), Verb);

        var plan = new ContrastivePlan(args.Pairs);
        Launch products = plan.ProductsLaunch(launch);
        float scale = ContrastivePlan.Scale(*(float*)args.LogScale.Data, args.MaxScale, out _);
        float* logits = (float*)launch.Workspace;
        float* maximum = (float*)(launch.Workspace + (nint)plan.ColumnMaximum);
        float* sum = (float*)(launch.Workspace + (nint)plan.ColumnSum);
        float* diagonal = (float*)(launch.Workspace + (nint)plan.PerRow);
        new Span<float>(maximum, (int)plan.Stride).Fill(float.NegativeInfinity);
        new Span<float>(sum, (int)plan.Stride).Clear();
        for (long first = 0; first < args.Pairs; first += plan.Rows)
        {
            long rows = Math.Min(plan.Rows, args.Pairs - first);
            Gemm(products, ContrastiveLogits(launch, plan, args.Image, args.Text, first, rows, args.Pairs, args.Width, scale));
            var rowsJob = new ContrastiveRowsJob
            {
                Logits = logits,
                Stride = plan.Stride,
                Pairs = args.Pairs,
                FirstRow = first,
                LogSumExp = (float*)args.LogSumExpRows.Data,
                Diagonal = diagonal,
            };
            _pool.For(rows, CrossEntropyForwardJob.Grain(args.Pairs), ref rowsJob);
            var columnsJob = new ContrastiveColumnsJob { Logits = logits, Stride = plan.Stride, Rows = rows, Maximum = maximum, Sum = sum };
            _pool.For(plan.Stride / ContrastiveColumnsJob.Strip, CrossEntropyForwardJob.Grain(rows * ContrastiveColumnsJob.Strip), ref columnsJob);
        }
        float* lseRows = (float*)args.LogSumExpRows.Data, lseColumns = (float*)args.LogSumExpColumns.Data;
        double total = 0;
        for (long i = 0; i < args.Pairs; i++)
        {
            lseColumns[i] = (float)(maximum[i] + Math.Log(sum[i]));
            total += (double)(lseRows[i] - diagonal[i]) + (lseColumns[i] - diagonal[i]);
        }
        *(float*)args.Loss.Data = (float)(total / (2.0 * Math.Max(args.Pairs, 1)));
    }

    public long ContrastiveLossForwardWorkspaceBytes(in ContrastiveLossForwardArgs args)
    {
        var plan = new ContrastivePlan(args.Pairs);
        return plan.Products + GemmWorkspaceBytes(ContrastiveLogits(default, plan, args.Image, args.Text, 0, plan.Rows, args.Pairs, args.Width, 1));
    }

    public void ContrastiveLossBackward(in Launch launch, in ContrastiveLossBackwardArgs args)
    {
        const string Verb = nameof(ContrastiveLossBackward);
        Check.Extent(args.Pairs, Verb, nameof(args.Pairs));
        Check.Extent(args.Width, Verb, nameof(args.Width));
        Check.Operand(args.Image, args.Pairs, args.Width, DType.Float32, Verb, nameof(args.Image));
        Check.Operand(args.Text, args.Pairs, args.Width, DType.Float32, Verb, nameof(args.Text));
        Check.Operand(args.LogScale, 1, 1, DType.Float32, Verb, nameof(args.LogScale));
        Check.Operand(args.LogSumExpRows, 1, args.Pairs, DType.Float32, Verb, nameof(args.LogSumExpRows));
        Check.Operand(args.LogSumExpColumns, 1, args.Pairs, DType.Float32, Verb, nameof(args.LogSumExpColumns));
        Check.Optional(args.LossGradient, 1, 1, DType.Float32, Verb, nameof(args.LossGradient));
        Check.Optional(args.ImageGradient, args.Pairs, args.Width, DType.Float32, Verb, nameof(args.ImageGradient));
        Check.Optional(args.TextGradient, args.Pairs, args.Width, DType.Float32, Verb, nameof(args.TextGradient));
        Check.Optional(args.LogScaleGradient, 1, 1, DType.Float32, Verb, nameof(args.LogScaleGradient));
        if (!(args.MaxScale > 0)) Check.That(false, Verb, $"MaxScale is {args.MaxScale}; it must be positive.");
        Check.Workspace(launch, ContrastiveLossBackwardWorkspaceBytes(args), Verb);

        var plan = new ContrastivePlan(args.Pairs);
        Launch products = plan.ProductsLaunch(launch);
        float scale = ContrastivePlan.Scale(*(float*)args.LogScale.Data, args.MaxScale, out bool clamped);
        float lossGradient = args.LossGradient.IsPresent ? *(float*)args.LossGradient.Data : 1;
        float* scaleGradients = (float*)(launch.Workspace + (nint)plan.PerRow);
        for (long first = 0; first < args.Pairs; first += plan.Rows)
        {
            long rows = Math.Min(plan.Rows, args.Pairs - first);
            Gemm(products, ContrastiveLogits(launch, plan, args.Image, args.Text, first, rows, args.Pairs, args.Width, scale));
            var job = new ContrastiveGradientJob
            {
                Logits = (float*)launch.Workspace,
                Stride = plan.Stride,
                Pairs = args.Pairs,
                FirstRow = first,
                LogSumExpRows = (float*)args.LogSumExpRows.Data,
                LogSumExpColumns = (float*)args.LogSumExpColumns.Data,
                ScaleGradients = scaleGradients,
                Factor = (float)(lossGradient / (2.0 * args.Pairs)),
            };
            _pool.For(rows, CrossEntropyForwardJob.Grain(args.Pairs), ref job);
            if (args.ImageGradient.IsPresent) Gemm(products, ContrastiveImageGradient(launch, plan, args, first, rows, scale));
            if (args.TextGradient.IsPresent) Gemm(products, ContrastiveTextGradient(launch, plan, args, first, rows, scale));
        }
        if (!args.LogScaleGradient.IsPresent) return;
        float* gradient = (float*)args.LogScaleGradient.Data;
        double total = clamped ? 0 : LossTargets.Sum(scaleGradients, args.Pairs);
        *gradient = (float)(args.BetaLogScale == 0 ? total : total + (double)args.BetaLogScale * *gradient);
    }

    public long ContrastiveLossBackwardWorkspaceBytes(in ContrastiveLossBackwardArgs args)
    {
        var plan = new ContrastivePlan(args.Pairs);
        long bytes = GemmWorkspaceBytes(ContrastiveLogits(default, plan, args.Image, args.Text, 0, plan.Rows, args.Pairs, args.Width, 1));
        if (args.ImageGradient.IsPresent) bytes = Math.Max(bytes, GemmWorkspaceBytes(ContrastiveImageGradient(default, plan, args, 0, plan.Rows, 1)));
        if (args.TextGradient.IsPresent) bytes = Math.Max(bytes, GemmWorkspaceBytes(ContrastiveTextGradient(default, plan, args, plan.Rows, plan.Rows, 1)));
        return plan.Products + bytes;
    }

    private static GemmArgs ContrastiveLogits(
        in Launch launch, in ContrastivePlan plan, in Operand image, in Operand text, long first, long rows, long pairs, long width, float scale) => new()
        {
            TransposeB = Transpose.Transposed,
            M = rows,
            N = pairs,
            K = width,
            A = RowsFrom(image, first),
            B = text,
            Output = new(launch.Workspace, DType.Float32, plan.Stride),
            Alpha = scale,
        };

    private static GemmArgs ContrastiveImageGradient(
        in Launch launch, in ContrastivePlan plan, in ContrastiveLossBackwardArgs args, long first, long rows, float scale) => new()
        {
            M = rows,
            N = args.Width,
            K = args.Pairs,
            A = new(launch.Workspace, DType.Float32, plan.Stride),
            B = args.Text,
            Output = RowsFrom(args.ImageGradient, first),
            Alpha = scale,
        };

    /// <summary>Accumulates over the blocks, ascending.</summary>
    private static GemmArgs ContrastiveTextGradient(
        in Launch launch, in ContrastivePlan plan, in ContrastiveLossBackwardArgs args, long first, long rows, float scale) => new()
        {
            TransposeA = Transpose.Transposed,
            M = args.Pairs,
            N = args.Width,
            K = rows,
            A = new(launch.Workspace, DType.Float32, plan.Stride),
            B = RowsFrom(args.Image, first),
            Output = args.TextGradient,
            Alpha = scale,
            Beta = first == 0 ? 0 : 1,
        };

    private static Operand RowsFrom(in Operand operand, long first) =>
        new(operand.Data + (nint)(first * operand.RowStride * sizeof(float)), operand.DType, operand.RowStride);
}
