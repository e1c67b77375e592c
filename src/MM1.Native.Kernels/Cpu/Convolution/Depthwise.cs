using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>What happens to a finished sum of a depthwise convolution.</summary>
internal unsafe interface IDepthwiseEpilogue
{
    void Store<T>(T sum, float* output) where T : unmanaged, ISimd<T>;
}

/// <summary>
/// Depthwise convolutions, forward and to the input: direct, over registers of channels. The weights are laid out tap by tap
/// first, and a row of zeros stands for the rows above and below the image.
/// </summary>
internal static unsafe class Depthwise
{
    /// <summary>Weights [taps, channels], one row of biases and one of zeros.</summary>
    public static long FilterBytes(in ConvolutionShape shape) => (shape.Taps + 2) * shape.InputChannels * sizeof(float);

    public static void Forward(WorkerPool pool, in Launch launch, in ConvolutionShape shape, in ConvolutionForwardArgs args)
    {
        if (shape.OutputPixels == 0) return;
        var filter = new DepthwiseFilter(launch.Workspace, shape);
        filter.Load(args.Weight, flip: false);
        filter.LoadBias(args.Bias);
        var visitor = new ForwardVisitor { Pool = pool, Shape = shape, Filter = filter, X = args.X, Output = args.Output };
        Activations.Dispatch(args.Activation, ref visitor);
    }

    public static void BackwardData(WorkerPool pool, in Launch launch, in ConvolutionShape shape, in ConvolutionBackwardDataArgs args)
    {
        if (shape.InputPixels == 0) return;
        var filter = new DepthwiseFilter(launch.Workspace, shape);
        // An output of the input's size goes back through the same loop with the kernel turned by half a circle.
        filter.Load(args.Weight, flip: shape.IsSame3x3);
        filter.LoadBias(default);
        switch (SimdWidth.Bits)
        {
            case 512: BackwardData<Simd512>(pool, shape, filter, args); break;
            case 256: BackwardData<Simd256>(pool, shape, filter, args); break;
            case 128: BackwardData<Simd128>(pool, shape, filter, args); break;
            default: BackwardData<SimdScalar>(pool, shape, filter, args); break;
        }
    }

    private static void BackwardData<T>(WorkerPool pool, in ConvolutionShape shape, in DepthwiseFilter filter, in ConvolutionBackwardDataArgs args)
        where T : unmanaged, ISimd<T>
    {
        var epilogue = new AccumulateEpilogue { Beta = args.Beta };
        if (shape.IsSame3x3)
        {
            Same3x3<T, AccumulateEpilogue>(pool, shape, filter, args.OutputGradient, args.InputGradient, epilogue);
            return;
        }
        var job = new BackwardDataJob<T>
        {
            Shape = shape,
            Filter = filter,
            OutputGradient = (float*)args.OutputGradient.Data,
            InputGradient = (float*)args.InputGradient.Data,
            OutputStride = args.OutputGradient.RowStride,
            InputStride = args.InputGradient.RowStride,
            Epilogue = epilogue,
        };
        pool.For(shape.Batch * shape.InputHeight, RowGrain(shape, shape.InputWidth), ref job);
    }

    private static void Forward<T, TActivation>(WorkerPool pool, in ConvolutionShape shape, in DepthwiseFilter filter, in Operand x, in Operand output)
        where T : unmanaged, ISimd<T> where TActivation : struct, IActivation
    {
        if (shape.IsSame3x3)
        {
            Same3x3<T, ActivationEpilogue<TActivation>>(pool, shape, filter, x, output, default);
            return;
        }
        var job = new ForwardJob<T, TActivation>
        {
            Shape = shape,
            Filter = filter,
            X = (float*)x.Data,
            Output = (float*)output.Data,
            InputStride = x.RowStride,
            OutputStride = output.RowStride,
        };
        pool.For(shape.Batch * shape.OutputHeight, RowGrain(shape, shape.OutputWidth), ref job);
    }

    private static void Same3x3<T, TEpilogue>(WorkerPool pool, in ConvolutionShape shape, in DepthwiseFilter filter, in Operand source, in Operand destination, TEpilogue epilogue)
        where T : unmanaged, ISimd<T> where TEpilogue : unmanaged, IDepthwiseEpilogue
    {
        var job = new Depthwise3x3Job<T, TEpilogue>
        {
            Filter = filter,
            Source = (float*)source.Data,
            Destination = (float*)destination.Data,
            SourceStride = source.RowStride,
            DestinationStride = destination.RowStride,
            Height = shape.InputHeight,
            Width = shape.InputWidth,
            Epilogue = epilogue,
        };
        pool.For(shape.Batch * shape.InputHeight, RowGrain(shape, shape.InputWidth), ref job);
    }

    private static long RowGrain(in ConvolutionShape shape, long width) => ChannelMath.Grain(shape.Taps * shape.InputChannels * width / 4);

    private struct ForwardVisitor : IActivationVisitor
    {
        public WorkerPool Pool;
        public ConvolutionShape Shape;
        public DepthwiseFilter Filter;
        public Operand X;
        public Operand Output;

        public readonly void Visit<TActivation>() where TActivation : struct, IActivation
        {
            switch (SimdWidth.Bits)
            {
                case 512: Forward<Simd512, TActivation>(Pool, Shape, Filter, X, Output); break;
                case 256: Forward<Simd256, TActivation>(Pool, Shape, Filter, X, Output); break;
                case 128: Forward<Simd128, TActivation>(Pool, Shape, Filter, X, Output); break;
                default: Forward<SimdScalar, TActivation>(Pool, Shape, Filter, X, Output); break;
            }
        }
    }

    private readonly struct ActivationEpilogue<TActivation> : IDepthwiseEpilogue where TActivation : struct, IActivation
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Store<T>(T sum, float* output) where T : unmanaged, ISimd<T> => T.Store(TActivation.Forward(sum), output);
    }

    private struct AccumulateEpilogue : IDepthwiseEpilogue
    {
        public float Beta;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public readonly void Store<T>(T sum, float* output) where T : unmanaged, ISimd<T> => T.Store(ChannelMath.Accumulate(sum, Beta, output), output);
    }

    /// <summary>Any kernel, stride and padding; an item is an output row.</summary>
    private struct ForwardJob<T, TActivation> : IRangeJob where T : unmanaged, ISimd<T> where TActivation : struct, IActivation
    {
        public ConvolutionShape Shape;
        public DepthwiseFilter Filter;
        public float* X;
        public float* Output;
        public long InputStride;
        public long OutputStride;

        public readonly void Run(long begin, long end, int worker)
        {
            for (long row = begin; row < end; row++)
            {
                long image = row / Shape.OutputHeight, y = row - image * Shape.OutputHeight;
                Shape.TapRange(y, Shape.InputHeight, Shape.KernelHeight, out long top, out long bottom);
                for (long x = 0; x < Shape.OutputWidth; x++)
                {
                    Shape.TapRange(x, Shape.InputWidth, Shape.KernelWidth, out long left, out long right);
                    long inputRow = image * Shape.InputHeight + y * Shape.Stride - Shape.Padding;
                    // Of tap (0, 0), perhaps outside the image; only taps inside are read.
                    float* origin = X + (inputRow * Shape.InputWidth + x * Shape.Stride - Shape.Padding) * InputStride;
                    float* output = Output + (row * Shape.OutputWidth + x) * OutputStride;
                    long c = 0;
                    for (; c + T.Count <= Filter.Channels; c += T.Count)
                        T.Store(TActivation.Forward(Sum<T>(origin + c, top, bottom, left, right, c)), output + c);
                    for (; c < Filter.Channels; c++)
                        SimdScalar.Store(TActivation.Forward(Sum<SimdScalar>(origin + c, top, bottom, left, right, c)), output + c);
                }
            }
        }

        private readonly TLanes Sum<TLanes>(float* origin, long top, long bottom, long left, long right, long c) where TLanes : unmanaged, ISimd<TLanes>
        {
            TLanes sum = TLanes.Load(Filter.Bias + c);
            for (long tapY = top; tapY < bottom; tapY++)
            {
                float* source = origin + (tapY * Shape.InputWidth + left) * InputStride;
                float* weight = Filter.Weights + (tapY * Shape.KernelWidth + left) * Filter.Channels + c;
                for (long tapX = left; tapX < right; tapX++, source += InputStride, weight += Filter.Channels)
                    sum = TLanes.MultiplyAdd(TLanes.Load(source), TLanes.Load(weight), sum);
            }
            return sum;
        }
    }

    /// <summary>Any kernel, stride and padding; an item is an input row, whose pixels collect from the outputs that read them.</summary>
    private struct BackwardDataJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public ConvolutionShape Shape;
        public DepthwiseFilter Filter;
        public float* OutputGradient;
        public float* InputGradient;
        public long OutputStride;
        public long InputStride;
        public AccumulateEpilogue Epilogue;

        public readonly void Run(long begin, long end, int worker)
        {
            for (long row = begin; row < end; row++)
            {
                long image = row / Shape.InputHeight, inputY = row - image * Shape.InputHeight;
                Shape.OutputRange(inputY, Shape.OutputHeight, Shape.KernelHeight, out long top, out long bottom);
                for (long inputX = 0; inputX < Shape.InputWidth; inputX++)
                {
                    Shape.OutputRange(inputX, Shape.OutputWidth, Shape.KernelWidth, out long left, out long right);
                    float* gradient = OutputGradient + image * Shape.OutputHeight * Shape.OutputWidth * OutputStride;
                    float* weight = Filter.Weights + ((inputY + Shape.Padding) * Shape.KernelWidth + inputX + Shape.Padding) * Filter.Channels;
                    float* destination = InputGradient + (row * Shape.InputWidth + inputX) * InputStride;
                    long c = 0;
                    for (; c + T.Count <= Filter.Channels; c += T.Count)
                        Epilogue.Store(Sum<T>(gradient + c, weight + c, top, bottom, left, right), destination + c);
                    for (; c < Filter.Channels; c++)
                        Epilogue.Store(Sum<SimdScalar>(gradient + c, weight + c, top, bottom, left, right), destination + c);
                }
            }
        }

        private readonly TLanes Sum<TLanes>(float* gradient, float* weight, long top, long bottom, long left, long right) where TLanes : unmanaged, ISimd<TLanes>
        {
            TLanes sum = TLanes.Create(0);
            for (long y = top; y < bottom; y++)
            {
                for (long x = left; x < right; x++)
                {
                    float* tap = weight - (y * Shape.KernelWidth + x) * Shape.Stride * Filter.Channels;
                    sum = TLanes.MultiplyAdd(TLanes.Load(gradient + (y * Shape.OutputWidth + x) * OutputStride), TLanes.Load(tap), sum);
                }
            }
            return sum;
        }
    }
}

/// <summary>A depthwise kernel in the workspace, tap by tap.</summary>
internal readonly unsafe struct DepthwiseFilter(nint workspace, in ConvolutionShape shape)
{
    public readonly long Channels = shape.InputChannels;
    public readonly long Taps = shape.Taps;

    /// <summary>[Taps, Channels].</summary>
    public readonly float* Weights = (float*)workspace;

    /// <summary>[Channels].</summary>
    public readonly float* Bias = (float*)workspace + shape.Taps * shape.InputChannels;

    /// <summary>[Channels] zeros.</summary>
    public readonly float* Zeros = (float*)workspace + (shape.Taps + 1) * shape.InputChannels;

    /// <summary>Copies weights [Channels, Taps], taps in reverse order with <paramref name="flip"/>; fills the zeros.</summary>
    public void Load(in Operand weight, bool flip)
    {
        ChannelMath.Clear(Zeros, Channels);
        for (long channel = 0; channel < Channels; channel++)
        {
            float* source = (float*)weight.Data + channel * weight.RowStride;
            for (long tap = 0; tap < Taps; tap++) Weights[(flip ? Taps - 1 - tap : tap) * Channels + channel] = source[tap];
        }
    }

    public void LoadBias(in Operand bias)
    {
        if (bias.IsPresent) ChannelMath.Copy((float*)bias.Data, Bias, Channels);
        else ChannelMath.Clear(Bias, Channels);
    }
}
