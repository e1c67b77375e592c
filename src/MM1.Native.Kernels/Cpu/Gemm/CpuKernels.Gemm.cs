namespace MM1.Native.Kernels.Cpu;

internal sealed unsafe partial class CpuKernels
{
    private readonly GemmScratch _gemmScratch = new(pool.Threads);

    public void Gemm(in Launch launch, in GemmArgs args)
    {
        CheckGemm(in args);
        Check.Workspace(in launch, GemmWorkspaceBytes(in args), nameof(Gemm));
        if (args.M == 0 || args.N == 0 || args.Batch == 0) return;
        switch (SimdWidth.Bits)
        {
            case 512: GemmDriver<Simd512>.Run(_pool, _gemmScratch, in args, launch.Workspace); break;
            case 256: GemmDriver<Simd256>.Run(_pool, _gemmScratch, in args, launch.Workspace); break;
            case 128: GemmDriver<Simd128>.Run(_pool, _gemmScratch, in args, launch.Workspace); break;
            default: GemmDriver<SimdScalar>.Run(_pool, _gemmScratch, in args, launch.Workspace); break;
        }
    }

    public long GemmWorkspaceBytes(in GemmArgs args) => GemmProblem.NeedsSums(in args) ? args.Batch * args.M * args.N * sizeof(float) : 0;

    public void BiasGradient(in Launch launch, in BiasGradientArgs args)
    {
        const string Verb = nameof(BiasGradient);
        Check.Extent(args.Rows, Verb, nameof(args.Rows));
        Check.Extent(args.Columns, Verb, nameof(args.Columns));
        Check.Operand(in args.OutputGradient, args.Rows, args.Columns, DType.Float32, Verb, nameof(args.OutputGradient));
        Check.Operand(in args.BiasGradient, 1, args.Columns, DType.Float32, Verb, nameof(args.BiasGradient));
        Check.Workspace(in launch, BiasGradientWorkspaceBytes(in args), Verb);
        if (args.Columns == 0) return;
        float* x = (float*)args.OutputGradient.Data, result = (float*)args.BiasGradient.Data, partial = (float*)launch.Workspace;
        nint stride = (nint)args.OutputGradient.RowStride, rows = (nint)args.Rows, columns = (nint)args.Columns;
        switch (SimdWidth.Bits)
        {
            case 512: ColumnSums<Simd512>.Run(_pool, x, stride, rows, columns, result, args.Beta, partial); break;
            case 256: ColumnSums<Simd256>.Run(_pool, x, stride, rows, columns, result, args.Beta, partial); break;
            case 128: ColumnSums<Simd128>.Run(_pool, x, stride, rows, columns, result, args.Beta, partial); break;
            default: ColumnSums<SimdScalar>.Run(_pool, x, stride, rows, columns, result, args.Beta, partial); break;
        }
    }

    public long BiasGradientWorkspaceBytes(in BiasGradientArgs args) =>
        args.Rows > ColumnSums.BlockRows ? ColumnSums.Blocks(args.Rows) * args.Columns * sizeof(float) : 0;

    private static void CheckGemm(in GemmArgs args)
    {
        const string Verb = nameof(Gemm);
        Check.Extent(args.M, Verb, nameof(args.M));
        Check.Extent(args.N, Verb, nameof(args.N));
        Check.Extent(args.K, Verb, nameof(args.K));
        Check.Extent(args.Batch, Verb, nameof(args.Batch));
        Check.That(args.TransposeA is Transpose.None or Transpose.Transposed, Verb, "TransposeA is no value of Transpose.");
        Check.That(args.TransposeB is Transpose.None or Transpose.Transposed, Verb, "TransposeB is no value of Transpose.");
        Check.That(args.Activation is >= Activation.None and <= Activation.Tanh, Verb, "Activation is no value of Activation.");
        Check.That(args.MathMode == MathMode.Default, Verb, "MathMode is not Default; this device computes in float32 only.");
        if (args.Batch == 0) return;
        bool turnA = args.TransposeA != Transpose.None, turnB = args.TransposeB != Transpose.None;
        if (args.M > 0 && args.N > 0)
        {
            Check.Operand(in args.A, turnA ? args.K : args.M, turnA ? args.M : args.K, DType.Float32, Verb, nameof(args.A));
            Check.Operand(in args.B, turnB ? args.N : args.K, turnB ? args.K : args.N, DType.Float32, Verb, nameof(args.B));
        }
        Check.Operand(in args.Output, args.M, args.N, DType.Float32, Verb, nameof(args.Output));
        Check.Optional(in args.Bias, 1, args.N, DType.Float32, Verb, nameof(args.Bias));
        Check.Optional(in args.Residual, args.M, args.N, DType.Float32, Verb, nameof(args.Residual));
        if (args.ActivationGradient != 0)
            Check.Operand(in args.PreActivation, args.M, args.N, DType.Float32, Verb, nameof(args.PreActivation));
        else
            Check.Optional(in args.PreActivation, args.M, args.N, DType.Float32, Verb, nameof(args.PreActivation));
        Check.That(args.Batch == 1 || args.M == 0 || args.N == 0 || args.BatchStrideOutput != 0, Verb,
            "BatchStrideOutput is 0 with Batch above 1; the problems would write one output.");
    }
}
