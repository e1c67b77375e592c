namespace MM1.Native.Kernels.Cpu;

/// <summary>One matrix product with its epilogue, as pointers.</summary>
internal unsafe struct GemmProblem
{
    public nint M, N, K;
    public float* A, B, Output, Bias, Residual, PreActivation;

    /// <summary>Where sums lie between k blocks: the output, unless that is still to be read as the residual.</summary>
    public float* Sums;
    public nint StrideA, StrideB, StrideOutput, StrideResidual, StridePreActivation, StrideSums;
    public bool TransposeA, TransposeB, ActivationGradient;
    public Activation Activation;
    public float Alpha, Beta;

    /// <summary>Whether the last k block has more to do than to add to the sums.</summary>
    public readonly bool HasEpilogue => Bias != null || Residual != null || PreActivation != null || Activation != Activation.None;

    public GemmProblem(in GemmArgs args, nint workspace)
    {
        M = (nint)args.M;
        N = (nint)args.N;
        K = (nint)args.K;
        A = (float*)args.A.Data;
        B = (float*)args.B.Data;
        Output = (float*)args.Output.Data;
        Bias = (float*)args.Bias.Data;
        Residual = (float*)args.Residual.Data;
        PreActivation = (float*)args.PreActivation.Data;
        StrideA = (nint)args.A.RowStride;
        StrideB = (nint)args.B.RowStride;
        StrideOutput = (nint)args.Output.RowStride;
        StrideResidual = (nint)args.Residual.RowStride;
        StridePreActivation = (nint)args.PreActivation.RowStride;
        TransposeA = args.TransposeA != Transpose.None;
        TransposeB = args.TransposeB != Transpose.None;
        Activation = args.Activation;
        ActivationGradient = args.ActivationGradient != 0;
        if (ActivationGradient && Activation == Activation.None) PreActivation = null; // its derivative is 1
        Alpha = args.Alpha;
        Beta = args.Beta;
        if (NeedsSums(args))
        {
            Sums = (float*)workspace;
            StrideSums = N;
        }
        else if (SumsInPreActivation(args))
        {
            Sums = PreActivation;
            StrideSums = StridePreActivation;
        }
        else
        {
            Sums = Output;
            StrideSums = StrideOutput;
        }
    }

    /// <summary>The problem of one index of the batch.</summary>
    public readonly GemmProblem At(in GemmArgs args, long index)
    {
        GemmProblem problem = this;
        problem.A += index * args.BatchStrideA;
        problem.B += index * args.BatchStrideB;
        problem.Output += index * args.BatchStrideOutput;
        if (Residual != null) problem.Residual += index * args.BatchStrideResidual;
        if (PreActivation != null) problem.PreActivation += index * args.BatchStridePreActivation;
        problem.Sums = NeedsSums(args) ? Sums + index * M * N : SumsInPreActivation(args) ? problem.PreActivation : problem.Output;
        return problem;
    }

    /// <summary>Scratch for sums between k blocks: only where the residual is the output itself and no pre-activation takes them.</summary>
    public static bool NeedsSums(in GemmArgs args) => ResidualWaitsInOutput(args) && !SumsInPreActivation(args);

    private static bool SumsInPreActivation(in GemmArgs args) =>
        ResidualWaitsInOutput(args) && args.PreActivation.IsPresent && args.ActivationGradient == 0;

    private static bool ResidualWaitsInOutput(in GemmArgs args) =>
        args.K > GemmTile.MaximumDepth && args.Residual.IsPresent && args.Residual.Data == args.Output.Data;
}
