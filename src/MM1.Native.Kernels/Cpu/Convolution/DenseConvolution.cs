namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Dense convolutions as matrix products. A 1x1 convolution is one as it lies; the others copy the patches of a block of
/// output pixels into a matrix that stays in the cache, and never those of the whole batch.
/// </summary>
internal static unsafe class DenseConvolution
{
    // Two blocks of this size fit the second-level caches of two cores; more pixels in a block amortize packing the weights.
    private const long BlockFloats = 1 << 19;
    private const long MinimumPixels = 64;
    private const long Alignment = 256;

    /// <summary>Output pixels of one block: a function of the patch alone, so that sums over blocks have one order.</summary>
    public static long BlockPixels(in ConvolutionShape shape) => Math.Max(MinimumPixels, BlockFloats / Math.Max(shape.PatchLength, 1));

    public static long ForwardWorkspaceBytes(CpuKernels kernels, in ConvolutionShape shape, in ConvolutionForwardArgs args)
    {
        if (shape.IsPointwise) return kernels.GemmWorkspaceBytes(ForwardProduct(shape, args, args.X, 0, shape.OutputPixels));
        long full = Math.Min(BlockPixels(shape), shape.OutputPixels), rest = shape.OutputPixels % Math.Max(full, 1);
        return PatchBytes(shape) + Math.Max(
            kernels.GemmWorkspaceBytes(ForwardProduct(shape, args, Patches(default, shape), 0, full)),
            kernels.GemmWorkspaceBytes(ForwardProduct(shape, args, Patches(default, shape), 0, rest)));
    }

    public static void Forward(CpuKernels kernels, WorkerPool pool, in Launch launch, in ConvolutionShape shape, in ConvolutionForwardArgs args)
    {
        if (shape.OutputPixels == 0 || shape.OutputChannels == 0) return;
        if (shape.IsPointwise)
        {
            kernels.Gemm(launch, ForwardProduct(shape, args, args.X, 0, shape.OutputPixels));
            return;
        }
        Operand patches = Patches(launch, shape);
        Launch inner = AfterPatches(launch, shape);
        long block = BlockPixels(shape);
        for (long pixel = 0; pixel < shape.OutputPixels; pixel += block)
        {
            long count = Math.Min(block, shape.OutputPixels - pixel);
            PatchMatrix.Gather(pool, shape, args.X, pixel, count, (float*)patches.Data);
            kernels.Gemm(inner, ForwardProduct(shape, args, patches, pixel, count));
        }
    }

    public static long BackwardDataWorkspaceBytes(CpuKernels kernels, in ConvolutionShape shape, in ConvolutionBackwardDataArgs args)
    {
        if (shape.IsPointwise) return kernels.GemmWorkspaceBytes(BackwardDataProduct(shape, args, args.InputGradient, 0, shape.OutputPixels, args.Beta));
        long full = Math.Min(BlockPixels(shape), shape.OutputPixels), rest = shape.OutputPixels % Math.Max(full, 1);
        return PatchBytes(shape) + Math.Max(
            kernels.GemmWorkspaceBytes(BackwardDataProduct(shape, args, Patches(default, shape), 0, full, 0)),
            kernels.GemmWorkspaceBytes(BackwardDataProduct(shape, args, Patches(default, shape), 0, rest, 0)));
    }

    public static void BackwardData(CpuKernels kernels, WorkerPool pool, in Launch launch, in ConvolutionShape shape, in ConvolutionBackwardDataArgs args)
    {
        if (shape.InputPixels == 0 || shape.InputChannels == 0) return;
        if (shape.IsPointwise)
        {
            kernels.Gemm(launch, BackwardDataProduct(shape, args, args.InputGradient, 0, shape.OutputPixels, args.Beta));
            return;
        }
        Operand patches = Patches(launch, shape);
        Launch inner = AfterPatches(launch, shape);
        PatchMatrix.Scale(pool, shape, args.InputGradient, args.Beta);
        long block = BlockPixels(shape);
        for (long pixel = 0; pixel < shape.OutputPixels; pixel += block)
        {
            long count = Math.Min(block, shape.OutputPixels - pixel);
            kernels.Gemm(inner, BackwardDataProduct(shape, args, patches, pixel, count, 0));
            PatchMatrix.Scatter(pool, shape, (float*)patches.Data, pixel, count, args.InputGradient);
        }
    }

    public static long BackwardWeightWorkspaceBytes(CpuKernels kernels, in ConvolutionShape shape, in ConvolutionBackwardWeightArgs args)
    {
        long bias = args.BiasGradient.IsPresent ? kernels.BiasGradientWorkspaceBytes(BiasSum(shape, args)) : 0;
        if (!args.WeightGradient.IsPresent) return bias;
        if (shape.IsPointwise) return Math.Max(bias, kernels.GemmWorkspaceBytes(BackwardWeightProduct(shape, args, args.X, 0, shape.OutputPixels)));
        long full = Math.Min(BlockPixels(shape), shape.OutputPixels), rest = shape.OutputPixels % Math.Max(full, 1);
        return Math.Max(bias, PatchBytes(shape) + Math.Max(
            kernels.GemmWorkspaceBytes(BackwardWeightProduct(shape, args, Patches(default, shape), 0, full)),
            kernels.GemmWorkspaceBytes(BackwardWeightProduct(shape, args, Patches(default, shape), 0, rest))));
    }

    public static void BackwardWeight(CpuKernels kernels, WorkerPool pool, in Launch launch, in ConvolutionShape shape, in ConvolutionBackwardWeightArgs args)
    {
        if (shape.OutputChannels == 0) return;
        if (args.BiasGradient.IsPresent) kernels.BiasGradient(launch, BiasSum(shape, args));
        if (!args.WeightGradient.IsPresent || shape.PatchLength == 0) return;
        if (shape.IsPointwise || shape.OutputPixels == 0)
        {
            kernels.Gemm(launch, BackwardWeightProduct(shape, args, args.X, 0, shape.OutputPixels));
            return;
        }
        Operand patches = Patches(launch, shape);
        Launch inner = AfterPatches(launch, shape);
        long block = BlockPixels(shape);
        for (long pixel = 0; pixel < shape.OutputPixels; pixel += block)
        {
            long count = Math.Min(block, shape.OutputPixels - pixel);
            PatchMatrix.Gather(pool, shape, args.X, pixel, count, (float*)patches.Data);
            kernels.Gemm(inner, BackwardWeightProduct(shape, args, patches, pixel, count));
        }
    }

    /// <summary>Output pixels = activation(patches * weight^T + bias).</summary>
    private static GemmArgs ForwardProduct(in ConvolutionShape shape, in ConvolutionForwardArgs args, in Operand patches, long pixel, long count) => new()
    {
        M = count,
        N = shape.OutputChannels,
        K = shape.PatchLength,
        TransposeB = Transpose.Transposed,
        A = patches,
        B = args.Weight,
        Output = From(args.Output, pixel),
        Bias = args.Bias,
        Activation = args.Activation,
    };

    /// <summary>Patch gradients = output gradient * weight.</summary>
    private static GemmArgs BackwardDataProduct(in ConvolutionShape shape, in ConvolutionBackwardDataArgs args, in Operand patches, long pixel, long count, float beta) => new()
    {
        M = count,
        N = shape.PatchLength,
        K = shape.OutputChannels,
        A = From(args.OutputGradient, pixel),
        B = args.Weight,
        Output = patches,
        Beta = beta,
    };

    /// <summary>Weight gradient += output gradient^T * patches; the first block meets the old gradient's factor.</summary>
    private static GemmArgs BackwardWeightProduct(in ConvolutionShape shape, in ConvolutionBackwardWeightArgs args, in Operand patches, long pixel, long count) => new()
    {
        M = shape.OutputChannels,
        N = shape.PatchLength,
        K = count,
        TransposeA = Transpose.Transposed,
        A = From(args.OutputGradient, pixel),
        B = patches,
        Output = args.WeightGradient,
        Beta = pixel == 0 ? args.Beta : 1,
    };

    private static BiasGradientArgs BiasSum(in ConvolutionShape shape, in ConvolutionBackwardWeightArgs args) => new()
    {
        Rows = shape.OutputPixels,
        Columns = shape.OutputChannels,
        OutputGradient = args.OutputGradient,
        BiasGradient = args.BiasGradient,
        Beta = args.Beta,
    };

    private static Operand From(in Operand operand, long row) =>
        operand with { Data = operand.Data + (nint)(row * operand.RowStride * sizeof(float)) };

    private static long PatchBytes(in ConvolutionShape shape) =>
        (Math.Min(BlockPixels(shape), shape.OutputPixels) * shape.PatchLength * sizeof(float) + Alignment - 1) & -Alignment;

    private static Operand Patches(in Launch launch, in ConvolutionShape shape) => new(launch.Workspace, DType.Float32, shape.PatchLength);

    private static Launch AfterPatches(in Launch launch, in ConvolutionShape shape)
    {
        long bytes = PatchBytes(shape);
        return launch with { Workspace = launch.Workspace + (nint)bytes, WorkspaceBytes = launch.WorkspaceBytes - bytes };
    }
}
