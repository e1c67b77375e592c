namespace MM1.Native.Kernels.Cpu;

/// <summary>Softmax cross-entropy of logits that exist.</summary>
internal sealed unsafe partial class CpuKernels
{
    public void CrossEntropyForward(in Launch launch, in CrossEntropyForwardArgs args)
    {
        const string Verb = nameof(CrossEntropyForward);
        Check.Extent(args.Tokens, Verb, nameof(args.Tokens));
        Check.Extent(args.Vocabulary, Verb, nameof(args.Vocabulary));
        Check.Operand(args.Logits, args.Tokens, args.Vocabulary, DType.Float32, Verb, nameof(args.Logits));
        Check.Operand(args.Targets, 1, args.Tokens, DType.Int32, Verb, nameof(args.Targets));
        Check.Operand(args.Loss, 1, 1, DType.Float32, Verb, nameof(args.Loss));
        Check.Optional(args.TokenLosses, 1, args.Tokens, DType.Float32, Verb, nameof(args.TokenLosses));
        Check.Optional(args.LogSumExp, 1, args.Tokens, DType.Float32, Verb, nameof(args.LogSumExp));
        Check.Workspace(launch, CrossEntropyForwardWorkspaceBytes(args), Verb);
        long counted = LossTargets.Count((int*)args.Targets.Data, args.Tokens, args.Vocabulary, args.IgnoreIndex, Verb);

        var job = new CrossEntropyForwardJob
        {
            Logits = (float*)args.Logits.Data,
            RowStride = args.Logits.RowStride,
            Vocabulary = args.Vocabulary,
            Targets = (int*)args.Targets.Data,
            Losses = (float*)launch.Workspace,
            TokenLosses = (float*)args.TokenLosses.Data,
            LogSumExp = (float*)args.LogSumExp.Data,
            IgnoreIndex = args.IgnoreIndex,
            ZLossWeight = args.ZLossWeight,
        };
        _pool.For(args.Tokens, CrossEntropyForwardJob.Grain(args.Vocabulary), ref job);
        *(float*)args.Loss.Data = (float)(LossTargets.Sum(job.Losses, args.Tokens) / LossTargets.Denominator(args.StepState, counted));
    }

    public long CrossEntropyForwardWorkspaceBytes(in CrossEntropyForwardArgs args) => args.Tokens * sizeof(float);

    public void CrossEntropyBackward(in Launch launch, in CrossEntropyBackwardArgs args)
    {
        const string Verb = nameof(CrossEntropyBackward);
        Check.Extent(args.Tokens, Verb, nameof(args.Tokens));
        Check.Extent(args.Vocabulary, Verb, nameof(args.Vocabulary));
        Check.Operand(args.Logits, args.Tokens, args.Vocabulary, DType.Float32, Verb, nameof(args.Logits));
        Check.Operand(args.Targets, 1, args.Tokens, DType.Int32, Verb, nameof(args.Targets));
        Check.Operand(args.LogSumExp, 1, args.Tokens, DType.Float32, Verb, nameof(args.LogSumExp));
        Check.Optional(args.LossGradient, 1, 1, DType.Float32, Verb, nameof(args.LossGradient));
        Check.Operand(args.LogitsGradient, args.Tokens, args.Vocabulary, DType.Float32, Verb, nameof(args.LogitsGradient));
        if (args.Tokens > 1 && args.LogitsGradient.Data == args.Logits.Data && args.LogitsGradient.RowStride != args.Logits.RowStride)
            Check.That(false, Verb, "LogitsGradient may be Logits only with the same row stride.");
        long counted = LossTargets.Count((int*)args.Targets.Data, args.Tokens, args.Vocabulary, args.IgnoreIndex, Verb);

        var job = new CrossEntropyBackwardJob
        {
            Logits = (float*)args.Logits.Data,
            RowStride = args.Logits.RowStride,
            Gradient = (float*)args.LogitsGradient.Data,
            GradientRowStride = args.LogitsGradient.RowStride,
            Vocabulary = args.Vocabulary,
            Targets = (int*)args.Targets.Data,
            LogSumExp = (float*)args.LogSumExp.Data,
            Factor = LossTargets.GradientFactor(args.LossGradient, args.StepState, counted),
            IgnoreIndex = args.IgnoreIndex,
            ZLossWeight = args.ZLossWeight,
        };
        _pool.For(args.Tokens, CrossEntropyForwardJob.Grain(args.Vocabulary), ref job);
    }

    public long CrossEntropyBackwardWorkspaceBytes(in CrossEntropyBackwardArgs args) => 0;
}
