namespace MM1.Native.Kernels.Cpu;

internal sealed unsafe partial class CpuKernels
{
    private const long RandomGrain = 8192;

    public void RandomFill(in Launch launch, in RandomFillArgs args)
    {
        Check.Extent(args.Count, nameof(RandomFill), nameof(args.Count));
        Check.Extent(args.Offset, nameof(RandomFill), nameof(args.Offset));
        Check.Operand(args.Output, 1, args.Count, DType.Float32, nameof(RandomFill), nameof(args.Output));
        switch (SimdWidth.Bits)
        {
            case 512: RandomFill<Simd512>(args); break;
            case 256: RandomFill<Simd256>(args); break;
            case 128: RandomFill<Simd128>(args); break;
            default: RandomFill<SimdScalar>(args); break;
        }
    }

    /// <summary>The verb on registers of one width; every width gives the same bits.</summary>
    internal void RandomFill<T>(in RandomFillArgs args) where T : unmanaged, ISimd<T>
    {
        ulong counter = args.StepState == 0 ? 0 : ((StepState*)args.StepState)->RandomCounter;
        var job = new RandomFillJob<T>
        {
            Output = (float*)args.Output.Data,
            Seed = args.Seed,
            Purpose = args.Purpose,
            FirstIndex = (ulong)args.Offset + counter,
            Distribution = args.Distribution,
            Factor = args.StandardDeviation,
            Addend = args.Mean,
            Least = float.NegativeInfinity,
            Greatest = float.PositiveInfinity,
        };
        switch (args.Distribution)
        {
            case Distribution.Uniform:
                if (!(args.Low <= args.High) || !float.IsFinite(args.High - args.Low))
                    Check.That(false, nameof(RandomFill), $"Low is {args.Low} and High is {args.High}; a finite range [Low, High) is needed.");
                job.Factor = args.High - args.Low;
                job.Addend = args.Low;
                job.Greatest = args.High > args.Low ? MathF.BitDecrement(args.High) : args.High;
                break;
            case Distribution.Normal:
                CheckMoments(args);
                break;
            case Distribution.TruncatedNormal:
                CheckMoments(args);
                if (!(args.Low <= args.High)) Check.That(false, nameof(RandomFill), $"Low is {args.Low} and High is {args.High}; Low must not be above High.");
                if (!WordRange.TryFind(args.Mean, args.StandardDeviation, args.Low, args.High, out job.Words))
                    Check.That(false, nameof(RandomFill), $"no value of the normal distribution with Mean {args.Mean} and StandardDeviation {args.StandardDeviation} lies between Low {args.Low} and High {args.High}.");
                (job.Least, job.Greatest) = (args.Low, args.High);
                break;
            default:
                Check.That(false, nameof(RandomFill), $"Distribution is {args.Distribution}, which is none.");
                break;
        }
        _pool.For(args.Count, RandomGrain, ref job);
    }

    private static void CheckMoments(in RandomFillArgs args)
    {
        if (!float.IsFinite(args.Mean) || !float.IsFinite(args.StandardDeviation) || args.StandardDeviation < 0)
            Check.That(false, nameof(RandomFill), $"Mean is {args.Mean} and StandardDeviation is {args.StandardDeviation}; both must be finite and the deviation not negative.");
    }
}
