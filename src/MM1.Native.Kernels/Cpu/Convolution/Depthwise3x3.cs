namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// 3x3, stride 1, padding 1; an item is an output row. A register of channels walks along the row with its nine weights: each
/// input is loaded once and goes into the three sums that it touches.
/// </summary>
internal unsafe struct Depthwise3x3Job<T, TEpilogue> : IRangeJob
    where T : unmanaged, ISimd<T> where TEpilogue : unmanaged, IDepthwiseEpilogue
{
    public DepthwiseFilter Filter;
    public float* Source;
    public float* Destination;
    public long SourceStride;
    public long DestinationStride;
    public long Height;
    public long Width;
    public TEpilogue Epilogue;

    public readonly void Run(long begin, long end, int worker)
    {
        for (long row = begin; row < end; row++)
        {
            long y = row % Height;
            float* middle = Source + row * Width * SourceStride, destination = Destination + row * Width * DestinationStride;
            // Rows outside the image are one pixel of zeros, with a step of nothing.
            bool first = y == 0, last = y == Height - 1;
            float* top = first ? Filter.Zeros : middle - Width * SourceStride, bottom = last ? Filter.Zeros : middle + Width * SourceStride;
            long topStep = first ? 0 : SourceStride, bottomStep = last ? 0 : SourceStride;
            long c = 0;
            for (; c + T.Count <= Filter.Channels; c += T.Count)
                Walk<T>(top + c, topStep, middle + c, bottom + c, bottomStep, destination + c, c);
            for (; T.Count > Simd128.Count && c + Simd128.Count <= Filter.Channels; c += Simd128.Count)
                Walk<Simd128>(top + c, topStep, middle + c, bottom + c, bottomStep, destination + c, c);
            for (; c < Filter.Channels; c++)
                Walk<SimdScalar>(top + c, topStep, middle + c, bottom + c, bottomStep, destination + c, c);
        }
    }

    private readonly void Walk<TLanes>(float* top, long topStep, float* middle, float* bottom, long bottomStep, float* destination, long c)
        where TLanes : unmanaged, ISimd<TLanes>
    {
        TEpilogue epilogue = Epilogue;
        long channels = Filter.Channels, step = SourceStride, destinationStep = DestinationStride, count = Width;
        float* weights = Filter.Weights + c;
        TLanes bias = TLanes.Load(Filter.Bias + c);
        TLanes w0 = TLanes.Load(weights), w1 = TLanes.Load(weights + channels), w2 = TLanes.Load(weights + 2 * channels);
        TLanes w3 = TLanes.Load(weights + 3 * channels), w4 = TLanes.Load(weights + 4 * channels), w5 = TLanes.Load(weights + 5 * channels);
        TLanes w6 = TLanes.Load(weights + 6 * channels), w7 = TLanes.Load(weights + 7 * channels), w8 = TLanes.Load(weights + 8 * channels);

        // Column 0 is the middle of output 0 and the left of output 1.
        TLanes a = TLanes.Load(top), b = TLanes.Load(middle), d = TLanes.Load(bottom);
        TLanes left = TLanes.MultiplyAdd(d, w7, TLanes.MultiplyAdd(b, w4, TLanes.MultiplyAdd(a, w1, bias)));
        TLanes right = TLanes.MultiplyAdd(d, w6, TLanes.MultiplyAdd(b, w3, TLanes.MultiplyAdd(a, w0, bias)));
        for (long x = 1; x < count; x++)
        {
            top += topStep;
            middle += step;
            bottom += bottomStep;
            a = TLanes.Load(top);
            b = TLanes.Load(middle);
            d = TLanes.Load(bottom);
            epilogue.Store(TLanes.MultiplyAdd(d, w8, TLanes.MultiplyAdd(b, w5, TLanes.MultiplyAdd(a, w2, left))), destination);
            destination += destinationStep;
            left = TLanes.MultiplyAdd(d, w7, TLanes.MultiplyAdd(b, w4, TLanes.MultiplyAdd(a, w1, right)));
            right = TLanes.MultiplyAdd(d, w6, TLanes.MultiplyAdd(b, w3, TLanes.MultiplyAdd(a, w0, bias)));
        }
        epilogue.Store(left, destination);
    }
}
