namespace MM1.Native.Kernels.Cpu;

/// <summary>Means over bins that cover the image, overlapping where the sizes do not divide.</summary>
internal static unsafe class AdaptiveAveragePool
{
    // A forward item is so many channels of one pixel: also one image pooled to one pixel keeps all threads busy.
    private const long ChannelBlock = 64;

    public static void Check(long batch, long inputHeight, long inputWidth, long outputHeight, long outputWidth, long channels, string verb)
    {
        Kernels.Check.Extent(batch, verb, "Batch");
        Kernels.Check.Extent(inputHeight, verb, "InputHeight");
        Kernels.Check.Extent(inputWidth, verb, "InputWidth");
        Kernels.Check.Extent(outputHeight, verb, "OutputHeight");
        Kernels.Check.Extent(outputWidth, verb, "OutputWidth");
        Kernels.Check.Extent(channels, verb, "Channels");
        Kernels.Check.That(inputHeight * inputWidth > 0 || batch * outputHeight * outputWidth * channels == 0, verb,
            "an input without pixels has no average; InputHeight and InputWidth must be at least 1.");
    }

    /// <summary>Bin <paramref name="index"/> of one side: [first, end).</summary>
    public static void Bin(long index, long input, long output, out long first, out long end)
    {
        first = index * input / output;
        end = ((index + 1) * input + output - 1) / output;
    }

    public static void Forward(WorkerPool pool, in AdaptiveAveragePoolForwardArgs args)
    {
        if (args.Batch * args.OutputHeight * args.OutputWidth * args.Channels == 0) return;
        switch (SimdWidth.Bits)
        {
            case 512: Forward<Simd512>(pool, args); break;
            case 256: Forward<Simd256>(pool, args); break;
            case 128: Forward<Simd128>(pool, args); break;
            default: Forward<SimdScalar>(pool, args); break;
        }
    }

    public static void Backward(WorkerPool pool, in AdaptiveAveragePoolBackwardArgs args)
    {
        if (args.Batch * args.InputHeight * args.InputWidth * args.Channels == 0) return;
        switch (SimdWidth.Bits)
        {
            case 512: Backward<Simd512>(pool, args); break;
            case 256: Backward<Simd256>(pool, args); break;
            case 128: Backward<Simd128>(pool, args); break;
            default: Backward<SimdScalar>(pool, args); break;
        }
    }

    private static void Forward<T>(WorkerPool pool, in AdaptiveAveragePoolForwardArgs args) where T : unmanaged, ISimd<T>
    {
        long blocks = (args.Channels + ChannelBlock - 1) / ChannelBlock;
        var job = new ForwardJob<T> { Args = args, Blocks = blocks };
        long binPixels = (args.InputHeight / args.OutputHeight + 1) * (args.InputWidth / args.OutputWidth + 1);
        pool.For(args.Batch * args.OutputHeight * args.OutputWidth * blocks, ChannelMath.Grain(binPixels * Math.Min(args.Channels, ChannelBlock)), ref job);
    }

    private static void Backward<T>(WorkerPool pool, in AdaptiveAveragePoolBackwardArgs args) where T : unmanaged, ISimd<T>
    {
        var job = new BackwardJob<T> { Args = args };
        long bins = (args.OutputHeight / args.InputHeight + 1) * (args.OutputWidth / args.InputWidth + 1);
        pool.For(args.Batch * args.InputHeight * args.InputWidth, ChannelMath.Grain(bins * args.Channels), ref job);
    }

    private struct ForwardJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public AdaptiveAveragePoolForwardArgs Args;
        public long Blocks;

        public readonly void Run(long begin, long end, int worker)
        {
            long pixels = Args.OutputHeight * Args.OutputWidth;
            for (long item = begin; item < end; item++)
            {
                long pixel = item / Blocks, channel = (item - pixel * Blocks) * ChannelBlock;
                long image = pixel / pixels, inside = pixel - image * pixels, y = inside / Args.OutputWidth;
                Bin(y, Args.InputHeight, Args.OutputHeight, out long top, out long bottom);
                Bin(inside - y * Args.OutputWidth, Args.InputWidth, Args.OutputWidth, out long left, out long right);
                float* source = (float*)Args.X.Data + ((image * Args.InputHeight + top) * Args.InputWidth + left) * Args.X.RowStride;
                float* output = (float*)Args.Output.Data + pixel * Args.Output.RowStride;
                Average(source, bottom - top, right - left, output, channel, Math.Min(Args.Channels, channel + ChannelBlock));
            }
        }

        private readonly void Average(float* source, long height, long width, float* output, long begin, long end)
        {
            long c = begin, stride = Args.X.RowStride, rowStride = Args.InputWidth * stride;
            float area = height * width;
            for (; c + 4 * T.Count <= end; c += 4 * T.Count)
            {
                T sum0 = T.Create(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
                for (long y = 0; y < height; y++)
                {
                    float* pixel = source + y * rowStride + c;
                    for (long x = 0; x < width; x++, pixel += stride)
                    {
                        sum0 += T.Load(pixel);
                        sum1 += T.Load(pixel + T.Count);
                        sum2 += T.Load(pixel + 2 * T.Count);
                        sum3 += T.Load(pixel + 3 * T.Count);
                    }
                }
                T divisor = T.Create(area);
                T.Store(sum0 / divisor, output + c);
                T.Store(sum1 / divisor, output + c + T.Count);
                T.Store(sum2 / divisor, output + c + 2 * T.Count);
                T.Store(sum3 / divisor, output + c + 3 * T.Count);
            }
            for (; c + T.Count <= end; c += T.Count) T.Store(Sum<T>(source + c, height, width, stride, rowStride) / T.Create(area), output + c);
            for (; c < end; c++) output[c] = Sum<SimdScalar>(source + c, height, width, stride, rowStride).Value / area;
        }

        private static TLanes Sum<TLanes>(float* source, long height, long width, long stride, long rowStride) where TLanes : unmanaged, ISimd<TLanes>
        {
            TLanes sum = TLanes.Create(0);
            for (long y = 0; y < height; y++)
            {
                for (long x = 0; x < width; x++) sum += TLanes.Load(source + y * rowStride + x * stride);
            }
            return sum;
        }
    }

    /// <summary>Every input pixel collects from the bins that hold it, so that no two threads add to one place.</summary>
    private struct BackwardJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public AdaptiveAveragePoolBackwardArgs Args;

        public readonly void Run(long begin, long end, int worker)
        {
            long pixels = Args.InputHeight * Args.InputWidth;
            for (long pixel = begin; pixel < end; pixel++)
            {
                long image = pixel / pixels, inside = pixel - image * pixels, y = inside / Args.InputWidth, x = inside - y * Args.InputWidth;
                float* gradient = (float*)Args.InputGradient.Data + pixel * Args.InputGradient.RowStride;
                ChannelMath.Scale<T>(Args.Beta, gradient, Args.Channels);
                // Bins hold pixels as pixels lie in bins: the same formula with the sides exchanged.
                Bin(y, Args.OutputHeight, Args.InputHeight, out long top, out long bottom);
                Bin(x, Args.OutputWidth, Args.InputWidth, out long left, out long right);
                for (long binY = top; binY < bottom; binY++)
                {
                    Bin(binY, Args.InputHeight, Args.OutputHeight, out long firstY, out long endY);
                    for (long binX = left; binX < right; binX++)
                    {
                        Bin(binX, Args.InputWidth, Args.OutputWidth, out long firstX, out long endX);
                        long row = (image * Args.OutputHeight + binY) * Args.OutputWidth + binX;
                        float* source = (float*)Args.OutputGradient.Data + row * Args.OutputGradient.RowStride;
                        ChannelMath.MultiplyAdd<T>(1f / ((endY - firstY) * (endX - firstX)), source, gradient, Args.Channels);
                    }
                }
            }
        }
    }
}
