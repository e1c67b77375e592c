namespace MM1.Native.Kernels.Cpu;

/// <summary>Bicubic interpolation of a grid of positions. A learned table is small: the filter's weights are worked out where they are used.</summary>
internal static unsafe class GridInterpolation
{
    public static void Check(long inputHeight, long inputWidth, long outputHeight, long outputWidth, long channels, long prefixRows, string verb)
    {
        Kernels.Check.Extent(inputHeight, verb, "InputHeight");
        Kernels.Check.Extent(inputWidth, verb, "InputWidth");
        Kernels.Check.Extent(outputHeight, verb, "OutputHeight");
        Kernels.Check.Extent(outputWidth, verb, "OutputWidth");
        Kernels.Check.Extent(channels, verb, "Channels");
        Kernels.Check.Extent(prefixRows, verb, "PrefixRows");
        Kernels.Check.That(inputHeight * inputWidth > 0 || outputHeight * outputWidth * channels == 0, verb,
            "a grid without positions cannot be interpolated; InputHeight and InputWidth must be at least 1.");
    }

    public static void Forward(WorkerPool pool, in GridInterpolationForwardArgs args)
    {
        if (args.Channels == 0) return;
        switch (SimdWidth.Bits)
        {
            case 512: Forward<Simd512>(pool, args); break;
            case 256: Forward<Simd256>(pool, args); break;
            case 128: Forward<Simd128>(pool, args); break;
            default: Forward<SimdScalar>(pool, args); break;
        }
    }

    public static void Backward(WorkerPool pool, in GridInterpolationBackwardArgs args)
    {
        if (args.Channels == 0) return;
        switch (SimdWidth.Bits)
        {
            case 512: Backward<Simd512>(pool, args); break;
            case 256: Backward<Simd256>(pool, args); break;
            case 128: Backward<Simd128>(pool, args); break;
            default: Backward<SimdScalar>(pool, args); break;
        }
    }

    private static void Forward<T>(WorkerPool pool, in GridInterpolationForwardArgs args) where T : unmanaged, ISimd<T>
    {
        var job = new ForwardJob<T>
        {
            Args = args,
            Vertical = new CubicAxis(args.InputHeight, args.OutputHeight, args.Antialias != 0),
            Horizontal = new CubicAxis(args.InputWidth, args.OutputWidth, args.Antialias != 0),
        };
        pool.For(args.PrefixRows + args.OutputHeight * args.OutputWidth, ChannelMath.Grain(16 * args.Channels), ref job);
    }

    private static void Backward<T>(WorkerPool pool, in GridInterpolationBackwardArgs args) where T : unmanaged, ISimd<T>
    {
        var job = new BackwardJob<T>
        {
            Args = args,
            Vertical = new CubicAxis(args.InputHeight, args.OutputHeight, args.Antialias != 0),
            Horizontal = new CubicAxis(args.InputWidth, args.OutputWidth, args.Antialias != 0),
        };
        pool.For(args.PrefixRows + args.InputHeight * args.InputWidth, ChannelMath.Grain(16 * args.Channels), ref job);
    }

    private struct ForwardJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public GridInterpolationForwardArgs Args;
        public CubicAxis Vertical;
        public CubicAxis Horizontal;

        public readonly void Run(long begin, long end, int worker)
        {
            float* x = (float*)Args.X.Data, grid = x + Args.PrefixRows * Args.X.RowStride;
            for (long row = begin; row < end; row++)
            {
                float* output = (float*)Args.Output.Data + row * Args.Output.RowStride;
                if (row < Args.PrefixRows)
                {
                    ChannelMath.Copy(x + row * Args.X.RowStride, output, Args.Channels);
                    continue;
                }
                long outputY = (row - Args.PrefixRows) / Args.OutputWidth, outputX = row - Args.PrefixRows - outputY * Args.OutputWidth;
                CubicFilter vertical = Vertical.At(outputY), horizontal = Horizontal.At(outputX);
                ChannelMath.Clear(output, Args.Channels);
                for (long tapY = vertical.First; tapY < vertical.End; tapY++)
                {
                    double weightY = vertical.Weight(tapY);
                    float* line = grid + Vertical.Clamp(tapY) * Args.InputWidth * Args.X.RowStride;
                    for (long tapX = horizontal.First; tapX < horizontal.End; tapX++)
                    {
                        float weight = (float)(weightY * horizontal.Weight(tapX));
                        ChannelMath.MultiplyAdd<T>(weight, line + Horizontal.Clamp(tapX) * Args.X.RowStride, output, Args.Channels);
                    }
                }
            }
        }
    }

    /// <summary>Every source position collects from the new positions that read it, in ascending order.</summary>
    private struct BackwardJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public GridInterpolationBackwardArgs Args;
        public CubicAxis Vertical;
        public CubicAxis Horizontal;

        public readonly void Run(long begin, long end, int worker)
        {
            float* outputGradient = (float*)Args.OutputGradient.Data, grid = outputGradient + Args.PrefixRows * Args.OutputGradient.RowStride;
            for (long row = begin; row < end; row++)
            {
                float* gradient = (float*)Args.InputGradient.Data + row * Args.InputGradient.RowStride;
                ChannelMath.Scale<T>(Args.Beta, gradient, Args.Channels);
                if (row < Args.PrefixRows)
                {
                    ChannelMath.Add<T>(outputGradient + row * Args.OutputGradient.RowStride, gradient, Args.Channels);
                    continue;
                }
                long inputY = (row - Args.PrefixRows) / Args.InputWidth, inputX = row - Args.PrefixRows - inputY * Args.InputWidth;
                Vertical.Readers(inputY, out long top, out long bottom);
                Horizontal.Readers(inputX, out long left, out long right);
                for (long outputY = top; outputY < bottom; outputY++)
                {
                    double weightY = Vertical.Coefficient(outputY, inputY);
                    if (weightY == 0) continue;
                    for (long outputX = left; outputX < right; outputX++)
                    {
                        float weight = (float)(weightY * Horizontal.Coefficient(outputX, inputX));
                        if (weight == 0) continue;
                        ChannelMath.MultiplyAdd<T>(weight, grid + (outputY * Args.OutputWidth + outputX) * Args.OutputGradient.RowStride, gradient, Args.Channels);
                    }
                }
            }
        }
    }
}
