namespace MM1.Native.Kernels.Cpu;

/// <summary>AIM's pixel loss.</summary>
internal sealed unsafe partial class CpuKernels
{
    public void PatchRegressionForward(in Launch launch, in PatchRegressionForwardArgs args)
    {
        const string Verb = nameof(PatchRegressionForward);
        Check.Extent(args.Patches, Verb, nameof(args.Patches));
        Check.Extent(args.Columns, Verb, nameof(args.Columns));
        Check.Operand(args.Prediction, args.Patches, args.Columns, DType.Float32, Verb, nameof(args.Prediction));
        Check.Operand(args.Target, args.Patches, args.Columns, DType.Float32, Verb, nameof(args.Target));
        Check.Optional(args.Mask, 1, args.Patches, DType.UInt8, Verb, nameof(args.Mask));
        Check.Operand(args.Loss, 1, 1, DType.Float32, Verb, nameof(args.Loss));
        Check.Workspace(launch, PatchRegressionForwardWorkspaceBytes(args), Verb);

        var job = new PatchRegressionJob
        {
            Prediction = (float*)args.Prediction.Data,
            PredictionStride = args.Prediction.RowStride,
            Target = (float*)args.Target.Data,
            TargetStride = args.Target.RowStride,
            Mask = (byte*)args.Mask.Data,
            Columns = args.Columns,
            Epsilon = args.Epsilon,
            Normalize = args.NormalizeTarget != 0,
            Losses = (float*)launch.Workspace,
        };
        _pool.For(args.Patches, PatchGrain(args.Columns), ref job);
        double sum = LossTargets.Sum(job.Losses, args.Patches);
        *(float*)args.Loss.Data = (float)(sum / LossTargets.Denominator(args.StepState, LossTargets.Count(job.Mask, args.Patches)));
    }

    public long PatchRegressionForwardWorkspaceBytes(in PatchRegressionForwardArgs args) => args.Patches * sizeof(float);

    public void PatchRegressionBackward(in Launch launch, in PatchRegressionBackwardArgs args)
    {
        const string Verb = nameof(PatchRegressionBackward);
        Check.Extent(args.Patches, Verb, nameof(args.Patches));
        Check.Extent(args.Columns, Verb, nameof(args.Columns));
        Check.Operand(args.Prediction, args.Patches, args.Columns, DType.Float32, Verb, nameof(args.Prediction));
        Check.Operand(args.Target, args.Patches, args.Columns, DType.Float32, Verb, nameof(args.Target));
        Check.Optional(args.Mask, 1, args.Patches, DType.UInt8, Verb, nameof(args.Mask));
        Check.Optional(args.LossGradient, 1, 1, DType.Float32, Verb, nameof(args.LossGradient));
        Check.Operand(args.PredictionGradient, args.Patches, args.Columns, DType.Float32, Verb, nameof(args.PredictionGradient));

        double lossGradient = args.LossGradient.IsPresent ? *(float*)args.LossGradient.Data : 1;
        double denominator = LossTargets.Denominator(args.StepState, LossTargets.Count((byte*)args.Mask.Data, args.Patches));
        var job = new PatchRegressionJob
        {
            Prediction = (float*)args.Prediction.Data,
            PredictionStride = args.Prediction.RowStride,
            Target = (float*)args.Target.Data,
            TargetStride = args.Target.RowStride,
            Mask = (byte*)args.Mask.Data,
            Columns = args.Columns,
            Epsilon = args.Epsilon,
            Normalize = args.NormalizeTarget != 0,
            Gradient = (float*)args.PredictionGradient.Data,
            GradientStride = args.PredictionGradient.RowStride,
            Factor = (float)(2 * lossGradient / (denominator * args.Columns)),
        };
        _pool.For(args.Patches, PatchGrain(args.Columns), ref job);
    }

    public long PatchRegressionBackwardWorkspaceBytes(in PatchRegressionBackwardArgs args) => 0;

    /// <summary>Patches that are worth handing to another thread: they are read three times, at memory speed.</summary>
    private static long PatchGrain(long columns) => Math.Max(1, 32768 / Math.Max(columns, 1));
}
