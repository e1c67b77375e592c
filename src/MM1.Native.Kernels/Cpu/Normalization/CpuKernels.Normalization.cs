namespace MM1.Native.Kernels.Cpu;

internal sealed unsafe partial class CpuKernels
{
    public void LayerNormForward(in Launch launch, in LayerNormForwardArgs args)
    {
        const string verb = nameof(LayerNormForward);
        CheckGroups(args.Rows, args.Groups, args.Columns, verb);
        CheckNormActivation(args.Activation, verb);
        long rows = args.Rows, columns = args.Groups * args.Columns;
        Check.Operand(args.X, rows, columns, DType.Float32, verb, nameof(args.X));
        CheckSum(args.Residual, args.SumOutput, rows, columns, verb);
        Check.Optional(args.Weight, 1, args.Columns, DType.Float32, verb, nameof(args.Weight));
        Check.Optional(args.Bias, 1, args.Columns, DType.Float32, verb, nameof(args.Bias));
        Check.Operand(args.Output, rows, columns, DType.Float32, verb, nameof(args.Output));
        Check.Statistics(args.Mean, rows, args.Groups, false, verb, nameof(args.Mean));
        Check.Statistics(args.InverseStandardDeviation, rows, args.Groups, false, verb, nameof(args.InverseStandardDeviation));
        if (args.Activation == Activation.Silu) RunForward<SiluActivation>(args);
        else RunForward<IdentityActivation>(args);
    }

    private void RunForward<TActivation>(in LayerNormForwardArgs args) where TActivation : struct, IActivation
    {
        var job = new NormForwardJob<On, TActivation>
        {
            Groups = args.Groups,
            Columns = args.Columns,
            X = (float*)args.X.Data,
            Residual = (float*)args.Residual.Data,
            SumOutput = (float*)args.SumOutput.Data,
            Weight = (float*)args.Weight.Data,
            Bias = (float*)args.Bias.Data,
            Output = (float*)args.Output.Data,
            Mean = (float*)args.Mean.Data,
            InverseDeviation = (float*)args.InverseStandardDeviation.Data,
            StepX = args.X.RowStride,
            StepResidual = args.Residual.RowStride,
            StepSumOutput = args.SumOutput.RowStride,
            StepOutput = args.Output.RowStride,
            StepMean = args.Mean.RowStride,
            StepInverseDeviation = args.InverseStandardDeviation.RowStride,
            Epsilon = args.Epsilon,
        };
        _pool.For(args.Rows, Math.Max(1, LinePlan.LightGrain / Math.Max(args.Groups * args.Columns, 1)), ref job);
    }

    public void LayerNormBackward(in Launch launch, in LayerNormBackwardArgs args)
    {
        const string verb = nameof(LayerNormBackward);
        CheckGroups(args.Rows, args.Groups, args.Columns, verb);
        CheckNormActivation(args.Activation, verb);
        long rows = args.Rows, columns = args.Groups * args.Columns;
        Check.Operand(args.OutputGradient, rows, columns, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Optional(args.SumGradient, rows, columns, DType.Float32, verb, nameof(args.SumGradient));
        Check.Operand(args.X, rows, columns, DType.Float32, verb, nameof(args.X));
        Check.Optional(args.Weight, 1, args.Columns, DType.Float32, verb, nameof(args.Weight));
        Check.Optional(args.Bias, 1, args.Columns, DType.Float32, verb, nameof(args.Bias));
        Check.Statistics(args.Mean, rows, args.Groups, true, verb, nameof(args.Mean));
        Check.Statistics(args.InverseStandardDeviation, rows, args.Groups, true, verb, nameof(args.InverseStandardDeviation));
        Check.Operand(args.InputGradient, rows, columns, DType.Float32, verb, nameof(args.InputGradient));
        Check.Optional(args.WeightGradient, 1, args.Columns, DType.Float32, verb, nameof(args.WeightGradient));
        Check.Optional(args.BiasGradient, 1, args.Columns, DType.Float32, verb, nameof(args.BiasGradient));
        Check.Workspace(launch, LayerNormBackwardWorkspaceBytes(args), verb);
        if (args.Columns == 0) return;
        if (args.Activation == Activation.Silu) RunBackward<SiluActivation>(args, (float*)launch.Workspace);
        else RunBackward<IdentityActivation>(args, (float*)launch.Workspace);
    }

    private void RunBackward<TActivation>(in LayerNormBackwardArgs args, float* workspace) where TActivation : struct, IActivation
    {
        // One after the other: rows of both parameters' sums for each block, and of the activation's gradient.
        long blocks = RowBlocks.Count(args.Rows), part = blocks * args.Columns;
        float* weightPartials = args.WeightGradient.IsPresent ? workspace : null;
        float* biasPartials = args.BiasGradient.IsPresent ? workspace + (args.WeightGradient.IsPresent ? part : 0) : null;
        var job = new NormBackwardJob<On, TActivation>
        {
            RowCount = args.Rows,
            Groups = args.Groups,
            Columns = args.Columns,
            OutputGradient = (float*)args.OutputGradient.Data,
            SumGradient = (float*)args.SumGradient.Data,
            X = (float*)args.X.Data,
            Weight = (float*)args.Weight.Data,
            Bias = (float*)args.Bias.Data,
            Mean = (float*)args.Mean.Data,
            InverseDeviation = (float*)args.InverseStandardDeviation.Data,
            InputGradient = (float*)args.InputGradient.Data,
            WeightPartials = weightPartials,
            BiasPartials = biasPartials,
            Arriving = workspace + part * ((args.WeightGradient.IsPresent ? 1 : 0) + (args.BiasGradient.IsPresent ? 1 : 0)),
            StepOutputGradient = args.OutputGradient.RowStride,
            StepSumGradient = args.SumGradient.RowStride,
            StepX = args.X.RowStride,
            StepMean = args.Mean.RowStride,
            StepInverseDeviation = args.InverseStandardDeviation.RowStride,
            StepInputGradient = args.InputGradient.RowStride,
            Beta = args.BetaInput,
        };
        _pool.For(blocks, BlockGrain(args.Groups * args.Columns), ref job);
        if (args.WeightGradient.IsPresent)
            RowBlocks.Combine(_pool, weightPartials, blocks, args.Columns, (float*)args.WeightGradient.Data, args.BetaParameters);
        if (args.BiasGradient.IsPresent)
            RowBlocks.Combine(_pool, biasPartials, blocks, args.Columns, (float*)args.BiasGradient.Data, args.BetaParameters);
    }

    public long LayerNormBackwardWorkspaceBytes(in LayerNormBackwardArgs args) =>
        PartialBytes(args.Rows, args.Columns, (args.WeightGradient.IsPresent ? 1 : 0) + (args.BiasGradient.IsPresent ? 1 : 0) + (args.Activation == Activation.None ? 0 : 1));

    public void RmsNormForward(in Launch launch, in RmsNormForwardArgs args)
    {
        const string verb = nameof(RmsNormForward);
        CheckGroups(args.Rows, args.Groups, args.Columns, verb);
        long rows = args.Rows, columns = args.Groups * args.Columns;
        Check.Operand(args.X, rows, columns, DType.Float32, verb, nameof(args.X));
        CheckSum(args.Residual, args.SumOutput, rows, columns, verb);
        Check.Optional(args.Weight, 1, args.Columns, DType.Float32, verb, nameof(args.Weight));
        Check.Operand(args.Output, rows, columns, DType.Float32, verb, nameof(args.Output));
        Check.Statistics(args.InverseRootMeanSquare, rows, args.Groups, false, verb, nameof(args.InverseRootMeanSquare));
        var job = new NormForwardJob<Off, IdentityActivation>
        {
            Groups = args.Groups,
            Columns = args.Columns,
            X = (float*)args.X.Data,
            Residual = (float*)args.Residual.Data,
            SumOutput = (float*)args.SumOutput.Data,
            Weight = (float*)args.Weight.Data,
            Output = (float*)args.Output.Data,
            InverseDeviation = (float*)args.InverseRootMeanSquare.Data,
            StepX = args.X.RowStride,
            StepResidual = args.Residual.RowStride,
            StepSumOutput = args.SumOutput.RowStride,
            StepOutput = args.Output.RowStride,
            StepInverseDeviation = args.InverseRootMeanSquare.RowStride,
            Epsilon = args.Epsilon,
        };
        _pool.For(rows, Math.Max(1, LinePlan.LightGrain / Math.Max(columns, 1)), ref job);
    }

    public void RmsNormBackward(in Launch launch, in RmsNormBackwardArgs args)
    {
        const string verb = nameof(RmsNormBackward);
        CheckGroups(args.Rows, args.Groups, args.Columns, verb);
        long rows = args.Rows, columns = args.Groups * args.Columns;
        Check.Operand(args.OutputGradient, rows, columns, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Optional(args.SumGradient, rows, columns, DType.Float32, verb, nameof(args.SumGradient));
        Check.Operand(args.X, rows, columns, DType.Float32, verb, nameof(args.X));
        Check.Optional(args.Weight, 1, args.Columns, DType.Float32, verb, nameof(args.Weight));
        Check.Statistics(args.InverseRootMeanSquare, rows, args.Groups, true, verb, nameof(args.InverseRootMeanSquare));
        Check.Operand(args.InputGradient, rows, columns, DType.Float32, verb, nameof(args.InputGradient));
        Check.Optional(args.WeightGradient, 1, args.Columns, DType.Float32, verb, nameof(args.WeightGradient));
        Check.Workspace(launch, RmsNormBackwardWorkspaceBytes(args), verb);
        if (args.Columns == 0) return;
        long blocks = RowBlocks.Count(rows);
        float* partials = args.WeightGradient.IsPresent ? (float*)launch.Workspace : null;
        var job = new NormBackwardJob<Off, IdentityActivation>
        {
            RowCount = rows,
            Groups = args.Groups,
            Columns = args.Columns,
            OutputGradient = (float*)args.OutputGradient.Data,
            SumGradient = (float*)args.SumGradient.Data,
            X = (float*)args.X.Data,
            Weight = (float*)args.Weight.Data,
            InverseDeviation = (float*)args.InverseRootMeanSquare.Data,
            InputGradient = (float*)args.InputGradient.Data,
            WeightPartials = partials,
            StepOutputGradient = args.OutputGradient.RowStride,
            StepSumGradient = args.SumGradient.RowStride,
            StepX = args.X.RowStride,
            StepInverseDeviation = args.InverseRootMeanSquare.RowStride,
            StepInputGradient = args.InputGradient.RowStride,
            Beta = args.BetaInput,
        };
        _pool.For(blocks, BlockGrain(columns), ref job);
        if (args.WeightGradient.IsPresent)
            RowBlocks.Combine(_pool, partials, blocks, args.Columns, (float*)args.WeightGradient.Data, args.BetaParameters);
    }

    public long RmsNormBackwardWorkspaceBytes(in RmsNormBackwardArgs args) =>
        PartialBytes(args.Rows, args.Columns, args.WeightGradient.IsPresent ? 1 : 0);

    public void L2NormalizeForward(in Launch launch, in L2NormalizeForwardArgs args)
    {
        const string verb = nameof(L2NormalizeForward);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.X, args.Rows, args.Columns, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        Check.Statistics(args.InverseNorm, args.Rows, 1, false, verb, nameof(args.InverseNorm));
        CheckLeastNorm(args.Epsilon, verb);
        var job = new L2NormalizeForwardJob
        {
            Columns = args.Columns,
            X = (float*)args.X.Data,
            Output = (float*)args.Output.Data,
            InverseNorm = (float*)args.InverseNorm.Data,
            StepX = args.X.RowStride,
            StepOutput = args.Output.RowStride,
            StepInverseNorm = args.InverseNorm.RowStride,
            Epsilon = args.Epsilon,
        };
        _pool.For(args.Rows, Math.Max(1, LinePlan.LightGrain / Math.Max(args.Columns, 1)), ref job);
    }

    public void L2NormalizeBackward(in Launch launch, in L2NormalizeBackwardArgs args)
    {
        const string verb = nameof(L2NormalizeBackward);
        CheckMatrix(args.Rows, args.Columns, verb);
        Check.Operand(args.OutputGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Operand(args.Output, args.Rows, args.Columns, DType.Float32, verb, nameof(args.Output));
        Check.Statistics(args.InverseNorm, args.Rows, 1, true, verb, nameof(args.InverseNorm));
        Check.Operand(args.InputGradient, args.Rows, args.Columns, DType.Float32, verb, nameof(args.InputGradient));
        CheckLeastNorm(args.Epsilon, verb);
        if (args.Columns == 0) return;
        var job = new L2NormalizeBackwardJob
        {
            Columns = args.Columns,
            OutputGradient = (float*)args.OutputGradient.Data,
            Output = (float*)args.Output.Data,
            InverseNorm = (float*)args.InverseNorm.Data,
            InputGradient = (float*)args.InputGradient.Data,
            StepOutputGradient = args.OutputGradient.RowStride,
            StepOutput = args.Output.RowStride,
            StepInverseNorm = args.InverseNorm.RowStride,
            StepInputGradient = args.InputGradient.RowStride,
            Epsilon = args.Epsilon,
            Beta = args.Beta,
        };
        _pool.For(args.Rows, Math.Max(1, LinePlan.LightGrain / args.Columns), ref job);
    }

    private static void CheckGroups(long rows, long groups, long columns, string verb)
    {
        CheckMatrix(rows, columns, verb);
        Check.Extent(groups, verb, "Groups");
    }

    private static void CheckNormActivation(Activation activation, string verb)
    {
        CheckActivation(activation, verb);
        if (activation is not (Activation.None or Activation.Silu)) Check.That(false, verb, $"Activation is {activation}; a norm applies None or Silu.");
    }

    private static void CheckSum(in Operand residual, in Operand sumOutput, long rows, long columns, string verb)
    {
        Check.Optional(residual, rows, columns, DType.Float32, verb, "Residual");
        Check.Optional(sumOutput, rows, columns, DType.Float32, verb, "SumOutput");
        Check.That(!residual.IsPresent || sumOutput.IsPresent || rows * columns == 0, verb, "SumOutput is missing; with Residual it receives the sum.");
    }

    private static void CheckLeastNorm(float epsilon, string verb)
    {
        if (!(epsilon > 0)) Check.That(false, verb, $"Epsilon is {epsilon}; the least norm must be positive.");
    }

    /// <summary>Row blocks in a chunk that is worth a thread.</summary>
    private static long BlockGrain(long columns) => Math.Max(1, LinePlan.LightGrain / Math.Max(RowBlocks.Rows * columns, 1));

    private static long PartialBytes(long rows, long columns, int gradients) => RowBlocks.Count(rows) * columns * gradients * sizeof(float);
}
