namespace MM1.Native.Kernels.Cpu;

/// <summary>Multi-tensor optimizers: the list of tensors and the step's state lie in device memory.</summary>
internal sealed unsafe partial class CpuKernels
{
    public void GradientNorm(in Launch launch, in GradientNormArgs args)
    {
        const string Verb = nameof(GradientNorm);
        CheckTensors(args.TensorCount, args.Tensors, args.StepState, Verb);
        if (!(args.MaxNorm >= 0)) Check.That(false, Verb, $"MaxNorm is {args.MaxNorm}; it must be 0 (no clipping) or positive.");
        var tensors = (OptimizerTensor*)args.Tensors;
        for (long i = 0; i < args.TensorCount; i++) CheckAddress(tensors[i].Gradient, tensors[i].Count, i, Verb, nameof(OptimizerTensor.Gradient));
        Check.Workspace(launch, GradientNormWorkspaceBytes(args), Verb);

        var job = new GradientNormJob { Tensors = tensors, Blocks = OptimizerBlocks.Total(tensors, args.TensorCount), Partials = (double*)launch.Workspace };
        // A few blocks are not worth a second thread: then all slots are one grain.
        _pool.For(GradientNormJob.Slots, job.Blocks < 8 ? GradientNormJob.Slots : 1, ref job);
        double sum = 0;
        for (int slot = 0; slot < GradientNormJob.Slots; slot++) sum += job.Partials[slot];
        double norm = Math.Sqrt(sum);
        var state = (StepState*)args.StepState;
        state->GradientNorm = (float)norm;
        state->ClipFactor = args.MaxNorm == 0 ? 1 : (float)Math.Min(1, args.MaxNorm / (norm + 1e-6));
        if (args.SkipNonFinite != 0 && !float.IsFinite((float)norm)) state->Skip = 1;
        if (state->SkipAboveNorm != 0 && (float)norm > state->SkipAboveNorm) state->Skip = 1;
    }

    public long GradientNormWorkspaceBytes(in GradientNormArgs args) => GradientNormJob.Slots * sizeof(double);

    public void AdamW(in Launch launch, in AdamWArgs args)
    {
        const string Verb = nameof(AdamW);
        CheckTensors(args.TensorCount, args.Tensors, args.StepState, Verb);
        CheckFraction(args.Beta1, Verb, nameof(args.Beta1));
        CheckFraction(args.Beta2, Verb, nameof(args.Beta2));
        var tensors = (OptimizerTensor*)args.Tensors;
        for (long i = 0; i < args.TensorCount; i++)
        {
            CheckUpdated(tensors + i, i, Verb);
            CheckAddress(tensors[i].FirstMoment, tensors[i].Count, i, Verb, nameof(OptimizerTensor.FirstMoment));
            CheckAddress(tensors[i].SecondMoment, tensors[i].Count, i, Verb, nameof(OptimizerTensor.SecondMoment));
        }
        var state = (StepState*)args.StepState;
        if (state->Skip != 0) return;
        CheckStep(state, Verb);

        var job = new AdamWJob(args, *state);
        _pool.For(OptimizerBlocks.Total(tensors, args.TensorCount), 1, ref job);
    }

    public void Adafactor(in Launch launch, in AdafactorArgs args)
    {
        const string Verb = nameof(Adafactor);
        CheckTensors(args.TensorCount, args.Tensors, args.StepState, Verb);
        CheckFraction(args.Beta1, Verb, nameof(args.Beta1));
        if (!(args.ClipThreshold > 0)) Check.That(false, Verb, $"ClipThreshold is {args.ClipThreshold}; it must be positive.");
        var tensors = (OptimizerTensor*)args.Tensors;
        long elements = 0;
        for (long i = 0; i < args.TensorCount; i++)
        {
            OptimizerTensor* tensor = tensors + i;
            CheckUpdated(tensor, i, Verb);
            elements += tensor->Count;
            if (args.Beta1 != 0) CheckAddress(tensor->FirstMoment, tensor->Count, i, Verb, nameof(OptimizerTensor.FirstMoment));
            if (tensor->SecondMomentRow == 0 && tensor->SecondMomentColumn == 0)
            {
                CheckAddress(tensor->SecondMoment, tensor->Count, i, Verb, nameof(OptimizerTensor.SecondMoment));
                continue;
            }
            CheckAddress(tensor->SecondMomentRow, tensor->Count, i, Verb, nameof(OptimizerTensor.SecondMomentRow));
            CheckAddress(tensor->SecondMomentColumn, tensor->Count, i, Verb, nameof(OptimizerTensor.SecondMomentColumn));
            if (tensor->Rows * tensor->Columns != tensor->Count)
                Check.That(false, Verb, $"Tensors[{i}] has {tensor->Count} elements; its {tensor->Rows} rows of {tensor->Columns} columns do not give that.");
        }
        Check.Workspace(launch, AdafactorWorkspaceBytes(args), Verb);
        var state = (StepState*)args.StepState;
        if (state->Skip != 0) return;
        CheckStep(state, Verb);

        double fresh = Math.Pow(state->Step, args.DecayExponent);
        var job = new AdafactorJob
        {
            Tensors = tensors,
            Partials = (AdafactorPartial*)launch.Workspace,
            LearningRate = state->LearningRate,
            ClipFactor = state->ClipFactor,
            Beta2 = (float)(1 - fresh),
            OneMinusBeta2 = (float)fresh,
            Epsilon = args.Epsilon,
            EpsilonScale = args.EpsilonScale,
            ClipThreshold = args.ClipThreshold,
            Beta1 = args.Beta1,
            ScaleParameter = args.ScaleParameter != 0,
        };
        long items = args.TensorCount * AdafactorJob.Slots, grain = elements < 2 * OptimizerBlocks.Elements ? items : 1;
        for (job.Phase = AdafactorPhase.Rows; job.Phase <= AdafactorPhase.Apply; job.Phase++) _pool.For(items, grain, ref job);
    }

    public long AdafactorWorkspaceBytes(in AdafactorArgs args) => args.TensorCount * AdafactorJob.Slots * sizeof(AdafactorPartial);

    private static void CheckTensors(long tensorCount, nint tensors, nint stepState, string verb)
    {
        Check.Extent(tensorCount, verb, nameof(AdamWArgs.TensorCount));
        Check.That(tensorCount == 0 || tensors != 0, verb, "Tensors is missing; it holds TensorCount records.");
        Check.That(stepState != 0, verb, "StepState is missing.");
    }

    private static void CheckFraction(float value, string verb, string field)
    {
        if (!(value >= 0 && value < 1)) Check.That(false, verb, $"{field} is {value}; it must lie in [0, 1).");
    }

    private static void CheckStep(StepState* state, string verb)
    {
        if (state->Step < 1) Check.That(false, verb, $"StepState.Step is {state->Step}; steps count from 1.");
    }

    private static void CheckUpdated(OptimizerTensor* tensor, long index, string verb)
    {
        CheckAddress(tensor->Master, tensor->Count, index, verb, nameof(OptimizerTensor.Master));
        CheckAddress(tensor->Gradient, tensor->Count, index, verb, nameof(OptimizerTensor.Gradient));
        if (tensor->Shadow != 0 && !ShadowCopy.Supports(tensor->ShadowDType))
            Check.That(false, verb, $"Tensors[{index}].ShadowDType is {tensor->ShadowDType}; a shadow is BFloat16, Float16 or Float32.");
    }

    private static void CheckAddress(nint address, long count, long index, string verb, string field)
    {
        if (count < 0) Check.That(false, verb, $"Tensors[{index}].Count is {count}; it must not be negative.");
        if (count > 0 && address == 0) Check.That(false, verb, $"Tensors[{index}].{field} is missing; it holds {count} values.");
    }
}
