namespace MM1.Native.Kernels.Cpu;

/// <summary>Linear + softmax cross-entropy in windows of tokens; see <see cref="LinearCrossEntropyPlan"/>.</summary>
internal sealed unsafe partial class CpuKernels
{
    public void LinearCrossEntropyForward(in Launch launch, in LinearCrossEntropyForwardArgs args)
    {
        const string Verb = nameof(LinearCrossEntropyForward);
        Check.Extent(args.Tokens, Verb, nameof(args.Tokens));
        Check.Extent(args.Width, Verb, nameof(args.Width));
        Check.Extent(args.Vocabulary, Verb, nameof(args.Vocabulary));
        Check.Extent(args.ChunkTokens, Verb, nameof(args.ChunkTokens));
        Check.Operand(args.X, args.Tokens, args.Width, DType.Float32, Verb, nameof(args.X));
        Check.Operand(args.Weight, args.Vocabulary, args.Width, DType.Float32, Verb, nameof(args.Weight));
        Check.Operand(args.Targets, 1, args.Tokens, DType.Int32, Verb, nameof(args.Targets));
        Check.Operand(args.Loss, 1, 1, DType.Float32, Verb, nameof(args.Loss));
        Check.Optional(args.TokenLosses, 1, args.Tokens, DType.Float32, Verb, nameof(args.TokenLosses));
        Check.Operand(args.LogSumExp, 1, args.Tokens, DType.Float32, Verb, nameof(args.LogSumExp));
        Check.Workspace(launch, LinearCrossEntropyForwardWorkspaceBytes(args), Verb);
        long counted = LossTargets.Count((int*)args.Targets.Data, args.Tokens, args.Vocabulary, args.IgnoreIndex, Verb);

        LinearCrossEntropyPlan plan = ForwardPlan(args);
        Launch products = plan.ProductsLaunch(launch);
        int* tokenOfRow = (int*)(launch.Workspace + (nint)plan.TokenOfRow);
        double sum = 0;
        for (long first = 0; first < args.Tokens; first += plan.ChunkTokens)
        {
            long tokens = Math.Min(plan.ChunkTokens, args.Tokens - first);
            int* targets = (int*)args.Targets.Data + first;
            long rows = CountedRows.List(targets, tokens, args.IgnoreIndex, tokenOfRow);
            float* losses = (float*)(launch.Workspace + (nint)plan.Losses);
            float* tokenLosses = args.TokenLosses.IsPresent ? (float*)args.TokenLosses.Data + first : null;
            float* logSumExp = (float*)args.LogSumExp.Data + first;
            new Span<float>(losses, (int)tokens).Clear();
            if (tokenLosses != null) new Span<float>(tokenLosses, (int)tokens).Clear();
            new Span<float>(logSumExp, (int)tokens).Clear();

            Operand x = ChunkRows(args.X, first, tokens, rows, args.Width, tokenOfRow, launch.Workspace + (nint)plan.GatheredX);
            Gemm(products, LogitsProduct(launch, plan, x, args.Weight, rows, args.Width, args.Vocabulary));
            var job = new CrossEntropyForwardJob
            {
                Logits = (float*)launch.Workspace,
                RowStride = plan.LogitsStride,
                Vocabulary = args.Vocabulary,
                Targets = targets,
                TokenOfRow = tokenOfRow,
                Losses = losses,
                TokenLosses = tokenLosses,
                LogSumExp = logSumExp,
                IgnoreIndex = args.IgnoreIndex,
                ZLossWeight = args.ZLossWeight,
            };
            _pool.For(rows, CrossEntropyForwardJob.Grain(args.Vocabulary), ref job);
            sum = LossTargets.Sum(losses, tokens, sum);
        }
        *(float*)args.Loss.Data = (float)(sum / LossTargets.Denominator(args.StepState, counted));
    }

    public long LinearCrossEntropyForwardWorkspaceBytes(in LinearCrossEntropyForwardArgs args)
    {
        LinearCrossEntropyPlan plan = ForwardPlan(args);
        return plan.Products + LogitsProductBytes(plan, args.Weight, args.Width, args.Vocabulary);
    }

    public void LinearCrossEntropyBackward(in Launch launch, in LinearCrossEntropyBackwardArgs args)
    {
        const string Verb = nameof(LinearCrossEntropyBackward);
        Check.Extent(args.Tokens, Verb, nameof(args.Tokens));
        Check.Extent(args.Width, Verb, nameof(args.Width));
        Check.Extent(args.Vocabulary, Verb, nameof(args.Vocabulary));
        Check.Extent(args.ChunkTokens, Verb, nameof(args.ChunkTokens));
        Check.Operand(args.X, args.Tokens, args.Width, DType.Float32, Verb, nameof(args.X));
        Check.Operand(args.Weight, args.Vocabulary, args.Width, DType.Float32, Verb, nameof(args.Weight));
        Check.Operand(args.Targets, 1, args.Tokens, DType.Int32, Verb, nameof(args.Targets));
        Check.Operand(args.LogSumExp, 1, args.Tokens, DType.Float32, Verb, nameof(args.LogSumExp));
        Check.Optional(args.LossGradient, 1, 1, DType.Float32, Verb, nameof(args.LossGradient));
        Check.Optional(args.InputGradient, args.Tokens, args.Width, DType.Float32, Verb, nameof(args.InputGradient));
        Check.Optional(args.WeightGradient, args.Vocabulary, args.Width, DType.Float32, Verb, nameof(args.WeightGradient));
        Check.Workspace(launch, LinearCrossEntropyBackwardWorkspaceBytes(args), Verb);
        long counted = LossTargets.Count((int*)args.Targets.Data, args.Tokens, args.Vocabulary, args.IgnoreIndex, Verb);

        LinearCrossEntropyPlan plan = BackwardPlan(args);
        Launch products = plan.ProductsLaunch(launch);
        int* tokenOfRow = (int*)(launch.Workspace + (nint)plan.TokenOfRow);
        float factor = LossTargets.GradientFactor(args.LossGradient, args.StepState, counted);
        var logits = new Operand(launch.Workspace, DType.Float32, plan.LogitsStride);
        float betaWeight = args.BetaWeight;
        long first = 0;
        do // once even for no tokens: the weight gradient then is BetaWeight times the old one
        {
            long tokens = Math.Min(plan.ChunkTokens, args.Tokens - first);
            int* targets = (int*)args.Targets.Data + first;
            long rows = CountedRows.List(targets, tokens, args.IgnoreIndex, tokenOfRow);
            Operand x = ChunkRows(args.X, first, tokens, rows, args.Width, tokenOfRow, launch.Workspace + (nint)plan.GatheredX);
            Gemm(products, LogitsProduct(launch, plan, x, args.Weight, rows, args.Width, args.Vocabulary));
            var job = new CrossEntropyBackwardJob
            {
                Logits = (float*)launch.Workspace,
                RowStride = plan.LogitsStride,
                Gradient = (float*)launch.Workspace,
                GradientRowStride = plan.LogitsStride,
                Vocabulary = args.Vocabulary,
                Targets = targets,
                TokenOfRow = tokenOfRow,
                LogSumExp = (float*)args.LogSumExp.Data + first,
                Factor = factor,
                IgnoreIndex = args.IgnoreIndex,
                ZLossWeight = args.ZLossWeight,
            };
            _pool.For(rows, CrossEntropyForwardJob.Grain(args.Vocabulary), ref job);
            if (args.InputGradient.IsPresent) ChunkInputGradient(launch, args, plan, first, tokens, rows);
            if (args.WeightGradient.IsPresent && (rows > 0 || first == 0))
            {
                Gemm(products, WeightGradientProduct(logits, x, rows, args, betaWeight));
                betaWeight = 1;
            }
            first += tokens;
        }
        while (first < args.Tokens);
    }

    public long LinearCrossEntropyBackwardWorkspaceBytes(in LinearCrossEntropyBackwardArgs args)
    {
        LinearCrossEntropyPlan plan = BackwardPlan(args);
        var logits = new Operand(0, DType.Float32, plan.LogitsStride);
        var x = new Operand(0, DType.Float32, args.Width);
        long bytes = LogitsProductBytes(plan, args.Weight, args.Width, args.Vocabulary);
        if (args.InputGradient.IsPresent)
            bytes = Math.Max(bytes, GemmWorkspaceBytes(InputGradientProduct(logits, args, plan.ChunkTokens, x)));
        if (args.WeightGradient.IsPresent)
            bytes = Math.Max(bytes, GemmWorkspaceBytes(WeightGradientProduct(logits, x, plan.ChunkTokens, args, 1)));
        return plan.Products + bytes;
    }

    private static LinearCrossEntropyPlan ForwardPlan(in LinearCrossEntropyForwardArgs args) =>
        new(args.Tokens, args.Width, args.Vocabulary, args.ChunkTokens, losses: true, inputGradient: false);

    private static LinearCrossEntropyPlan BackwardPlan(in LinearCrossEntropyBackwardArgs args) =>
        new(args.Tokens, args.Width, args.Vocabulary, args.ChunkTokens, losses: false, inputGradient: args.InputGradient.IsPresent);

    /// <summary>The rows of X that count: X itself where all do, else gathered.</summary>
    private static Operand ChunkRows(in Operand x, long first, long tokens, long rows, long width, int* tokenOfRow, nint gathered)
    {
        float* source = (float*)x.Data + first * x.RowStride;
        if (rows == tokens) return new Operand((nint)source, DType.Float32, x.RowStride);
        CountedRows.Gather(source, x.RowStride, tokenOfRow, rows, width, (float*)gathered);
        return new Operand(gathered, DType.Float32, width);
    }

    /// <summary>
    /// Input gradient of one window. Gathered or not, the product itself does the accumulation: a row's bits do not depend on
    /// whether its neighbours count.
    /// </summary>
    private void ChunkInputGradient(in Launch launch, in LinearCrossEntropyBackwardArgs args, in LinearCrossEntropyPlan plan, long first, long tokens, long rows)
    {
        var logits = new Operand(launch.Workspace, DType.Float32, plan.LogitsStride);
        float* gradient = (float*)args.InputGradient.Data + first * args.InputGradient.RowStride;
        if (rows == tokens)
        {
            Gemm(plan.ProductsLaunch(launch), InputGradientProduct(logits, args, rows, new((nint)gradient, DType.Float32, args.InputGradient.RowStride)));
            return;
        }
        int* tokenOfRow = (int*)(launch.Workspace + (nint)plan.TokenOfRow);
        float* gathered = (float*)(launch.Workspace + (nint)plan.GatheredGradient);
        if (args.BetaInput != 0) CountedRows.Gather(gradient, args.InputGradient.RowStride, tokenOfRow, rows, args.Width, gathered);
        Gemm(plan.ProductsLaunch(launch), InputGradientProduct(logits, args, rows, new((nint)gathered, DType.Float32, args.Width)));
        CountedRows.Scatter(gathered, tokenOfRow, rows, args.Width, gradient, args.InputGradient.RowStride, tokens, args.BetaInput);
    }

    /// <summary>logits = x weight^T.</summary>
    private static GemmArgs LogitsProduct(in Launch launch, in LinearCrossEntropyPlan plan, in Operand x, in Operand weight, long rows, long width, long vocabulary) => new()
    {
        TransposeB = Transpose.Transposed,
        M = rows,
        N = vocabulary,
        K = width,
        A = x,
        B = weight,
        Output = new(launch.Workspace, DType.Float32, plan.LogitsStride),
    };

    private long LogitsProductBytes(in LinearCrossEntropyPlan plan, in Operand weight, long width, long vocabulary) =>
        GemmWorkspaceBytes(LogitsProduct(default, plan, new Operand(0, DType.Float32, width), weight, plan.ChunkTokens, width, vocabulary));

    /// <summary>inputGradient = logitsGradient weight + beta inputGradient.</summary>
    private static GemmArgs InputGradientProduct(in Operand logits, in LinearCrossEntropyBackwardArgs args, long rows, in Operand output) => new()
    {
        M = rows,
        N = args.Width,
        K = args.Vocabulary,
        A = logits,
        B = args.Weight,
        Output = output,
        Beta = args.BetaInput,
    };

    /// <summary>weightGradient = logitsGradient^T x + beta weightGradient.</summary>
    private static GemmArgs WeightGradientProduct(in Operand logits, in Operand x, long rows, in LinearCrossEntropyBackwardArgs args, float beta) => new()
    {
        TransposeA = Transpose.Transposed,
        M = args.Vocabulary,
        N = args.Width,
        K = rows,
        A = logits,
        B = x,
        Output = args.WeightGradient,
        Beta = beta,
    };
}
