using System.Runtime.CompilerServices;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Image tokens in the places of placeholders, and their gradients back.</summary>
internal static unsafe class Placement
{
    // Image rows looked at in one pass over the placements; one bit each, on the stack.
    private const int WindowRows = 1 << 15;
    private const int WindowWords = WindowRows / 64;

    /// <summary>Every placement names no image row (negative) or one of its own.</summary>
    [SkipLocalsInit]
    public static void Check(in Operand placement, long tokens, long imageTokens, string verb)
    {
        int* places = (int*)placement.Data;
        long previous = -1;
        bool ascending = true;
        for (long token = 0; token < tokens; token++)
        {
            long place = places[token];
            if (place < 0) continue;
            if (place >= imageTokens)
                throw new KernelArgumentException(verb, $"Placement[{token}] is {place}, outside the {imageTokens} rows of the image tokens.");
            ascending &= place > previous;
            previous = place;
        }
        if (ascending) return; // the usual order; nothing can come twice
        ulong* named = stackalloc ulong[WindowWords];
        for (long window = 0; window < imageTokens; window += WindowRows)
        {
            new Span<ulong>(named, WindowWords).Clear();
            for (long token = 0; token < tokens; token++)
            {
                long row = places[token] - window;
                if ((ulong)row >= WindowRows || places[token] < 0) continue;
                if ((named[row >> 6] >> (int)(row & 63) & 1) != 0)
                    throw new KernelArgumentException(verb, $"Placement[{token}] is {places[token]}, which an earlier token names too; an image row has one place at most.");
                named[row >> 6] |= 1UL << (int)(row & 63);
            }
        }
    }

    public static void Forward(WorkerPool pool, in ImageTokenPlacementForwardArgs args)
    {
        if (args.Width == 0) return;
        var job = new ForwardJob
        {
            Placement = (int*)args.Placement.Data,
            Text = (float*)args.Text.Data,
            Image = (float*)args.Image.Data,
            Output = (float*)args.Output.Data,
            TextStride = args.Text.RowStride,
            ImageStride = args.Image.RowStride,
            OutputStride = args.Output.RowStride,
            Width = args.Width,
        };
        pool.For(args.Tokens, TokenRows.Grain(args.Width), ref job);
    }

    public static void Backward(WorkerPool pool, in ImageTokenPlacementBackwardArgs args)
    {
        if (args.Width == 0) return;
        // Before the tokens: the gradient of the text may be the output gradient itself, whose rows are cleared below.
        if (args.ImageGradient.IsPresent) ClearUnnamed(args);
        var job = new BackwardJob
        {
            Placement = (int*)args.Placement.Data,
            Gradient = (float*)args.OutputGradient.Data,
            Text = (float*)args.TextGradient.Data,
            Image = (float*)args.ImageGradient.Data,
            GradientStride = args.OutputGradient.RowStride,
            TextStride = args.TextGradient.RowStride,
            ImageStride = args.ImageGradient.RowStride,
            Width = args.Width,
        };
        pool.For(args.Tokens, TokenRows.Grain(args.Width), ref job);
    }

    [SkipLocalsInit]
    private static void ClearUnnamed(in ImageTokenPlacementBackwardArgs args)
    {
        int* places = (int*)args.Placement.Data;
        ulong* named = stackalloc ulong[WindowWords];
        for (long window = 0; window < args.ImageTokens; window += WindowRows)
        {
            long rows = Math.Min(WindowRows, args.ImageTokens - window);
            new Span<ulong>(named, (int)((rows + 63) >> 6)).Clear();
            for (long token = 0; token < args.Tokens; token++)
            {
                long row = places[token] - window;
                if (places[token] >= 0 && (ulong)row < (ulong)rows) named[row >> 6] |= 1UL << (int)(row & 63);
            }
            for (long row = 0; row < rows; row++)
            {
                if ((named[row >> 6] >> (int)(row & 63) & 1) == 0)
                    ChannelMath.Clear((float*)args.ImageGradient.Data + (window + row) * args.ImageGradient.RowStride, args.Width);
            }
        }
    }

    private struct ForwardJob : IRangeJob
    {
        public int* Placement;
        public float* Text;
        public float* Image;
        public float* Output;
        public long TextStride;
        public long ImageStride;
        public long OutputStride;
        public long Width;

        public readonly void Run(long begin, long end, int worker)
        {
            for (long token = begin; token < end; token++)
            {
                float* output = Output + token * OutputStride, text = Text + token * TextStride;
                int place = Placement[token];
                if (place >= 0) ChannelMath.Copy(Image + place * ImageStride, output, Width);
                else if (text != output) ChannelMath.Copy(text, output, Width);
            }
        }
    }

    private struct BackwardJob : IRangeJob
    {
        public int* Placement;
        public float* Gradient;
        public float* Text;
        public float* Image;
        public long GradientStride;
        public long TextStride;
        public long ImageStride;
        public long Width;

        public readonly void Run(long begin, long end, int worker)
        {
            for (long token = begin; token < end; token++)
            {
                float* gradient = Gradient + token * GradientStride;
                int place = Placement[token];
                if (place >= 0 && Image != null) ChannelMath.Copy(gradient, Image + place * ImageStride, Width);
                if (Text == null) continue;
                float* text = Text + token * TextStride;
                if (place >= 0) ChannelMath.Clear(text, Width);
                else if (text != gradient) ChannelMath.Copy(gradient, text, Width);
            }
        }
    }
}
