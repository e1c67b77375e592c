namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Weight and bias gradients of a depthwise convolution: sums over blocks of output rows, whose extents depend on nothing but the
/// image, each into a place of its own, then the blocks added in ascending order.
/// </summary>
internal static unsafe class DepthwiseWeightGradient
{
    private const long BlockPixels = 256;
    private const long ChannelBlock = 64;

    private static long BlockRows(in ConvolutionShape shape) => BlockPixels / Math.Max(shape.OutputWidth, 1) + 1;

    private static long BlocksPerImage(in ConvolutionShape shape) => (shape.OutputHeight + BlockRows(shape) - 1) / BlockRows(shape);

    /// <summary>Sums [blocks, taps + bias, channels] and a row of zeros.</summary>
    public static long WorkspaceBytes(in ConvolutionShape shape) =>
        (shape.Batch * BlocksPerImage(shape) * (shape.Taps + 1) + 1) * shape.InputChannels * sizeof(float);

    public static void Run(WorkerPool pool, in Launch launch, in ConvolutionShape shape, in ConvolutionBackwardWeightArgs args)
    {
        switch (SimdWidth.Bits)
        {
            case 512: Run<Simd512>(pool, launch, shape, args); break;
            case 256: Run<Simd256>(pool, launch, shape, args); break;
            case 128: Run<Simd128>(pool, launch, shape, args); break;
            default: Run<SimdScalar>(pool, launch, shape, args); break;
        }
    }

    private static void Run<T>(WorkerPool pool, in Launch launch, in ConvolutionShape shape, in ConvolutionBackwardWeightArgs args) where T : unmanaged, ISimd<T>
    {
        long blocks = shape.OutputPixels == 0 ? 0 : shape.Batch * BlocksPerImage(shape);
        long channelBlocks = (shape.InputChannels + ChannelBlock - 1) / ChannelBlock;
        float* sums = (float*)launch.Workspace, zeros = sums + blocks * (shape.Taps + 1) * shape.InputChannels;
        ChannelMath.Clear(zeros, shape.InputChannels);
        var job = new BlockJob<T>
        {
            Shape = shape,
            BlockRows = BlockRows(shape),
            BlocksPerImage = BlocksPerImage(shape),
            ChannelBlocks = channelBlocks,
            X = (float*)args.X.Data,
            Gradient = (float*)args.OutputGradient.Data,
            InputStride = args.X.RowStride,
            GradientStride = args.OutputGradient.RowStride,
            Sums = sums,
            Zeros = zeros,
        };
        long rows = Math.Min(BlockRows(shape), shape.OutputHeight);
        pool.For(blocks * channelBlocks, ChannelMath.Grain(shape.Taps * rows * shape.OutputWidth / 4 * Math.Min(shape.InputChannels, ChannelBlock)), ref job);
        var reduce = new ReduceJob<T>
        {
            Taps = shape.Taps,
            Channels = shape.InputChannels,
            Blocks = blocks,
            Sums = sums,
            WeightGradient = (float*)args.WeightGradient.Data,
            BiasGradient = (float*)args.BiasGradient.Data,
            Stride = args.WeightGradient.RowStride,
            Beta = args.Beta,
        };
        pool.For(channelBlocks, ChannelMath.Grain((blocks + 8) * (shape.Taps + 1) * Math.Min(shape.InputChannels, ChannelBlock)), ref reduce);
    }

    /// <summary>An item is a block of output rows of one image and a block of channels.</summary>
    private struct BlockJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public ConvolutionShape Shape;
        public long BlockRows;
        public long BlocksPerImage;
        public long ChannelBlocks;
        public float* X;
        public float* Gradient;
        public long InputStride;
        public long GradientStride;
        public float* Sums;
        public float* Zeros;

        public readonly void Run(long begin, long end, int worker)
        {
            long channels = Shape.InputChannels;
            for (long item = begin; item < end; item++)
            {
                long block = item / ChannelBlocks, first = (item - block * ChannelBlocks) * ChannelBlock, last = Math.Min(first + ChannelBlock, channels);
                long image = block / BlocksPerImage, top = (block - image * BlocksPerImage) * BlockRows;
                long bottom = Math.Min(top + BlockRows, Shape.OutputHeight), c = first;
                float* sums = Sums + block * (Shape.Taps + 1) * channels;
                if (Shape.IsSame3x3)
                {
                    for (; c + T.Count <= last; c += T.Count) Same3x3<T>(image, top, bottom, sums + c, c);
                    for (; T.Count > Simd128.Count && c + Simd128.Count <= last; c += Simd128.Count) Same3x3<Simd128>(image, top, bottom, sums + c, c);
                    for (; c < last; c++) Same3x3<SimdScalar>(image, top, bottom, sums + c, c);
                }
                else
                {
                    for (; c + T.Count <= last; c += T.Count) General<T>(image, top, bottom, sums + c, c);
                    for (; c < last; c++) General<SimdScalar>(image, top, bottom, sums + c, c);
                }
            }
        }

        /// <summary>Nine sums and the bias in registers; three columns of inputs slide along the row.</summary>
        private readonly void Same3x3<TLanes>(long image, long top, long bottom, float* sums, long c) where TLanes : unmanaged, ISimd<TLanes>
        {
            long height = Shape.InputHeight, width = Shape.InputWidth, channels = Shape.InputChannels, step = InputStride, gradientStep = GradientStride;
            TLanes zero = TLanes.Create(0);
            TLanes s0 = zero, s1 = zero, s2 = zero, s3 = zero, s4 = zero, s5 = zero, s6 = zero, s7 = zero, s8 = zero, bias = zero;
            for (long y = top; y < bottom; y++)
            {
                float* gradient = Gradient + (image * height + y) * width * gradientStep + c;
                float* middle = X + (image * height + y) * width * step + c;
                bool first = y == 0, last = y == height - 1;
                float* above = first ? Zeros + c : middle - width * step, below = last ? Zeros + c : middle + width * step;
                long aboveStep = first ? 0 : step, belowStep = last ? 0 : step;
                TLanes a0 = zero, b0 = zero, d0 = zero, a1 = TLanes.Load(above), b1 = TLanes.Load(middle), d1 = TLanes.Load(below), g;
                for (long x = 1; x < width; x++)
                {
                    above += aboveStep;
                    middle += step;
                    below += belowStep;
                    TLanes a2 = TLanes.Load(above), b2 = TLanes.Load(middle), d2 = TLanes.Load(below);
                    g = TLanes.Load(gradient);
                    gradient += gradientStep;
                    s0 = TLanes.MultiplyAdd(a0, g, s0);
                    s1 = TLanes.MultiplyAdd(a1, g, s1);
                    s2 = TLanes.MultiplyAdd(a2, g, s2);
                    s3 = TLanes.MultiplyAdd(b0, g, s3);
                    s4 = TLanes.MultiplyAdd(b1, g, s4);
                    s5 = TLanes.MultiplyAdd(b2, g, s5);
                    s6 = TLanes.MultiplyAdd(d0, g, s6);
                    s7 = TLanes.MultiplyAdd(d1, g, s7);
                    s8 = TLanes.MultiplyAdd(d2, g, s8);
                    bias += g;
                    a0 = a1;
                    a1 = a2;
                    b0 = b1;
                    b1 = b2;
                    d0 = d1;
                    d1 = d2;
                }
                g = TLanes.Load(gradient); // the last column has nothing to its right
                s0 = TLanes.MultiplyAdd(a0, g, s0);
                s1 = TLanes.MultiplyAdd(a1, g, s1);
                s3 = TLanes.MultiplyAdd(b0, g, s3);
                s4 = TLanes.MultiplyAdd(b1, g, s4);
                s6 = TLanes.MultiplyAdd(d0, g, s6);
                s7 = TLanes.MultiplyAdd(d1, g, s7);
                bias += g;
            }
            TLanes.Store(s0, sums);
            TLanes.Store(s1, sums + channels);
            TLanes.Store(s2, sums + 2 * channels);
            TLanes.Store(s3, sums + 3 * channels);
            TLanes.Store(s4, sums + 4 * channels);
            TLanes.Store(s5, sums + 5 * channels);
            TLanes.Store(s6, sums + 6 * channels);
            TLanes.Store(s7, sums + 7 * channels);
            TLanes.Store(s8, sums + 8 * channels);
            TLanes.Store(bias, sums + 9 * channels);
        }

        /// <summary>Any kernel, stride and padding: tap by tap.</summary>
        private readonly void General<TLanes>(long image, long top, long bottom, float* sums, long c) where TLanes : unmanaged, ISimd<TLanes>
        {
            for (long tap = 0; tap < Shape.Taps; tap++)
            {
                long tapY = tap / Shape.KernelWidth, tapX = tap - tapY * Shape.KernelWidth;
                TLanes sum = TLanes.Create(0);
                for (long y = top; y < bottom; y++)
                {
                    long inputY = y * Shape.Stride - Shape.Padding + tapY;
                    if ((ulong)inputY >= (ulong)Shape.InputHeight) continue;
                    for (long x = 0; x < Shape.OutputWidth; x++)
                    {
                        long inputX = x * Shape.Stride - Shape.Padding + tapX;
                        if ((ulong)inputX >= (ulong)Shape.InputWidth) continue;
                        float* source = X + ((image * Shape.InputHeight + inputY) * Shape.InputWidth + inputX) * InputStride + c;
                        sum = TLanes.MultiplyAdd(TLanes.Load(source), TLanes.Load(GradientAt(image, y, x) + c), sum);
                    }
                }
                TLanes.Store(sum, sums + tap * Shape.InputChannels);
            }
            TLanes bias = TLanes.Create(0);
            for (long y = top; y < bottom; y++)
            {
                for (long x = 0; x < Shape.OutputWidth; x++) bias += TLanes.Load(GradientAt(image, y, x) + c);
            }
            TLanes.Store(bias, sums + Shape.Taps * Shape.InputChannels);
        }

        private readonly float* GradientAt(long image, long y, long x) =>
            Gradient + ((image * Shape.OutputHeight + y) * Shape.OutputWidth + x) * GradientStride;
    }

    /// <summary>An item is a block of channels: adds the blocks and turns the sums into the weight's layout.</summary>
    private struct ReduceJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public long Taps;
        public long Channels;
        public long Blocks;
        public float* Sums;
        public float* WeightGradient;
        public float* BiasGradient;
        public long Stride;
        public float Beta;

        public readonly void Run(long begin, long end, int worker)
        {
            float* total = stackalloc float[(int)ChannelBlock];
            for (long item = begin; item < end; item++)
            {
                long first = item * ChannelBlock, count = Math.Min(ChannelBlock, Channels - first);
                for (long tap = 0; tap <= Taps; tap++)
                {
                    if ((tap < Taps ? WeightGradient : BiasGradient) == null) continue;
                    ChannelMath.Clear(total, count);
                    for (long block = 0; block < Blocks; block++)
                        ChannelMath.Add<T>(Sums + (block * (Taps + 1) + tap) * Channels + first, total, count);
                    for (long c = 0; c < count; c++)
                    {
                        float* place = tap < Taps ? WeightGradient + (first + c) * Stride + tap : BiasGradient + first + c;
                        SimdScalar.Store(ChannelMath.Accumulate(SimdScalar.Load(total + c), Beta, place), place);
                    }
                }
            }
        }
    }
}
