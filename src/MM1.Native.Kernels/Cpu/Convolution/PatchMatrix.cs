namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Rows of patches: row i holds the inputs of output pixel first + i, [KernelHeight, KernelWidth, InputChannels], zeros
/// outside the image. Gathered for products with the weights; added back into images for the gradient.
/// </summary>
internal static unsafe class PatchMatrix
{
    /// <summary>Copies the patches of output pixels [first, first + count).</summary>
    public static void Gather(WorkerPool pool, in ConvolutionShape shape, in Operand x, long first, long count, float* patches)
    {
        if (shape.InputChannels == 0) return;
        var job = new GatherJob { Shape = shape, X = (float*)x.Data, Stride = x.RowStride, First = first, Patches = patches };
        pool.For(count, ChannelMath.Grain(2 * shape.PatchLength), ref job);
    }

    /// <summary>Multiplies every pixel's gradient by <paramref name="beta"/>; 0 clears it unread.</summary>
    public static void Scale(WorkerPool pool, in ConvolutionShape shape, in Operand gradient, float beta)
    {
        if (beta == 1) return;
        switch (SimdWidth.Bits)
        {
            case 512: Scale<Simd512>(pool, shape, gradient, beta); break;
            case 256: Scale<Simd256>(pool, shape, gradient, beta); break;
            case 128: Scale<Simd128>(pool, shape, gradient, beta); break;
            default: Scale<SimdScalar>(pool, shape, gradient, beta); break;
        }
    }

    /// <summary>Adds the patch gradients of output pixels [first, first + count) to the input pixels they came from.</summary>
    public static void Scatter(WorkerPool pool, in ConvolutionShape shape, float* patches, long first, long count, in Operand gradient)
    {
        switch (SimdWidth.Bits)
        {
            case 512: Scatter<Simd512>(pool, shape, patches, first, count, gradient); break;
            case 256: Scatter<Simd256>(pool, shape, patches, first, count, gradient); break;
            case 128: Scatter<Simd128>(pool, shape, patches, first, count, gradient); break;
            default: Scatter<SimdScalar>(pool, shape, patches, first, count, gradient); break;
        }
    }

    private static void Scale<T>(WorkerPool pool, in ConvolutionShape shape, in Operand gradient, float beta) where T : unmanaged, ISimd<T>
    {
        var job = new ScaleJob<T> { Gradient = (float*)gradient.Data, Stride = gradient.RowStride, Channels = shape.InputChannels, Beta = beta };
        pool.For(shape.InputPixels, ChannelMath.Grain(shape.InputChannels), ref job);
    }

    private static void Scatter<T>(WorkerPool pool, in ConvolutionShape shape, float* patches, long first, long count, in Operand gradient)
        where T : unmanaged, ISimd<T>
    {
        // The input rows that the block may touch, counted over all images.
        long firstRow = first / shape.OutputWidth, lastRow = (first + count - 1) / shape.OutputWidth;
        long top = firstRow % shape.OutputHeight * shape.Stride - shape.Padding;
        long bottom = lastRow % shape.OutputHeight * shape.Stride - shape.Padding + shape.KernelHeight;
        long begin = firstRow / shape.OutputHeight * shape.InputHeight + Math.Clamp(top, 0, shape.InputHeight);
        long end = lastRow / shape.OutputHeight * shape.InputHeight + Math.Clamp(bottom, 0, shape.InputHeight);
        var job = new ScatterJob<T>
        {
            Shape = shape,
            Patches = patches,
            First = first,
            End = first + count,
            FirstRow = begin,
            Gradient = (float*)gradient.Data,
            Stride = gradient.RowStride,
        };
        pool.For(end - begin, ChannelMath.Grain(2 * shape.PatchLength * shape.OutputWidth / shape.Stride), ref job);
    }

    private struct GatherJob : IRangeJob
    {
        public ConvolutionShape Shape;
        public float* X;
        public float* Patches;
        public long Stride;
        public long First;

        public readonly void Run(long begin, long end, int worker)
        {
            long channels = Shape.InputChannels, kernelWidth = Shape.KernelWidth;
            long x = (First + begin) % Shape.OutputWidth, row = (First + begin) / Shape.OutputWidth;
            long y = row % Shape.OutputHeight, image = row / Shape.OutputHeight;
            long run = kernelWidth * channels, rowStep = Shape.InputWidth * Stride;
            float* patch = Patches + begin * Shape.PatchLength;
            for (long item = begin; item < end; item++, patch += Shape.PatchLength)
            {
                Shape.TapRange(x, Shape.InputWidth, kernelWidth, out long left, out long right);
                long originX = x * Shape.Stride - Shape.Padding, originY = y * Shape.Stride - Shape.Padding;
                if (right - left == kernelWidth && Stride == channels && originY >= 0 && originY + Shape.KernelHeight <= Shape.InputHeight)
                {
                    float* source = X + ((image * Shape.InputHeight + originY) * Shape.InputWidth + originX) * Stride, to = patch;
                    for (long tapY = Shape.KernelHeight; tapY > 0; tapY--, source += rowStep, to += run) ChannelMath.CopyRun(source, to, run);
                }
                else
                {
                    Copy(image, originX, originY, left, right, patch);
                }
                if (++x < Shape.OutputWidth) continue;
                x = 0;
                if (++y < Shape.OutputHeight) continue;
                y = 0;
                image++;
            }
        }

        /// <summary>One patch that may reach over the image's edges, or whose pixels lie apart.</summary>
        private readonly void Copy(long image, long originX, long originY, long left, long right, float* patch)
        {
            long channels = Shape.InputChannels, kernelWidth = Shape.KernelWidth;
            for (long tapY = 0; tapY < Shape.KernelHeight; tapY++, patch += kernelWidth * channels)
            {
                long inputY = originY + tapY;
                if ((ulong)inputY >= (ulong)Shape.InputHeight || left == right)
                {
                    ChannelMath.Clear(patch, kernelWidth * channels);
                    continue;
                }
                if (left > 0) ChannelMath.Clear(patch, left * channels);
                float* source = X + ((image * Shape.InputHeight + inputY) * Shape.InputWidth + originX + left) * Stride;
                if (Stride == channels) ChannelMath.CopyRun(source, patch + left * channels, (right - left) * channels);
                else
                {
                    for (long tapX = left; tapX < right; tapX++, source += Stride) ChannelMath.CopyRun(source, patch + tapX * channels, channels);
                }
                if (right < kernelWidth) ChannelMath.Clear(patch + right * channels, (kernelWidth - right) * channels);
            }
        }
    }

    private struct ScaleJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public float* Gradient;
        public long Stride;
        public long Channels;
        public float Beta;

        public readonly void Run(long begin, long end, int worker)
        {
            if (Stride == Channels)
            {
                ChannelMath.Scale<T>(Beta, Gradient + begin * Channels, (end - begin) * Channels);
                return;
            }
            for (long pixel = begin; pixel < end; pixel++) ChannelMath.Scale<T>(Beta, Gradient + pixel * Stride, Channels);
        }
    }

    /// <summary>
    /// An item is an input row. A pixel's sum grows in the order of the output pixels, within a block and from block to block:
    /// where blocks begin does not matter.
    /// </summary>
    private struct ScatterJob<T> : IRangeJob where T : unmanaged, ISimd<T>
    {
        public ConvolutionShape Shape;
        public float* Patches;
        public float* Gradient;
        public long First;
        public long End;
        public long FirstRow;
        public long Stride;

        public readonly void Run(long begin, long end, int worker)
        {
            for (long row = FirstRow + begin; row < FirstRow + end; row++)
            {
                long image = row / Shape.InputHeight, inputY = row - image * Shape.InputHeight;
                Shape.OutputRange(inputY, Shape.OutputHeight, Shape.KernelHeight, out long top, out long bottom);
                for (long y = top; y < bottom; y++)
                {
                    long pixel = (image * Shape.OutputHeight + y) * Shape.OutputWidth, tapY = inputY + Shape.Padding - y * Shape.Stride;
                    long left = Math.Max(0, First - pixel), right = Math.Min(Shape.OutputWidth, End - pixel);
                    float* patch = Patches + (pixel + left - First) * Shape.PatchLength + tapY * Shape.KernelWidth * Shape.InputChannels;
                    for (long x = left; x < right; x++, patch += Shape.PatchLength)
                        Add(patch, x, Gradient + (row * Shape.InputWidth + x * Shape.Stride - Shape.Padding) * Stride);
                }
            }
        }

        /// <summary>Adds one kernel row of output column x to the input pixels from <paramref name="gradient"/> on.</summary>
        private readonly void Add(float* patch, long x, float* gradient)
        {
            long channels = Shape.InputChannels;
            Shape.TapRange(x, Shape.InputWidth, Shape.KernelWidth, out long left, out long right);
            if (Stride == channels) ChannelMath.Add<T>(patch + left * channels, gradient + left * channels, (right - left) * channels);
            else
            {
                for (long tap = left; tap < right; tap++) ChannelMath.Add<T>(patch + tap * channels, gradient + tap * Stride, channels);
            }
        }
    }
}
