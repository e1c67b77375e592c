namespace MM1.Native.Kernels.Cpu;

/// <summary>The extents that the three verbs of a convolution share, and their rules.</summary>
internal readonly struct ConvolutionShape
{
    public readonly long Batch, InputHeight, InputWidth, InputChannels, OutputHeight, OutputWidth, OutputChannels;
    public readonly long KernelHeight, KernelWidth, Stride, Padding, Groups;

    public ConvolutionShape(in ConvolutionForwardArgs args)
    {
        (Batch, InputHeight, InputWidth, InputChannels) = (args.Batch, args.InputHeight, args.InputWidth, args.InputChannels);
        (OutputHeight, OutputWidth, OutputChannels) = (args.OutputHeight, args.OutputWidth, args.OutputChannels);
        (KernelHeight, KernelWidth, Stride, Padding, Groups) = (args.KernelHeight, args.KernelWidth, args.Stride, args.Padding, args.Groups);
    }

    public ConvolutionShape(in ConvolutionBackwardDataArgs args)
    {
        (Batch, InputHeight, InputWidth, InputChannels) = (args.Batch, args.InputHeight, args.InputWidth, args.InputChannels);
        (OutputHeight, OutputWidth, OutputChannels) = (args.OutputHeight, args.OutputWidth, args.OutputChannels);
        (KernelHeight, KernelWidth, Stride, Padding, Groups) = (args.KernelHeight, args.KernelWidth, args.Stride, args.Padding, args.Groups);
    }

    public ConvolutionShape(in ConvolutionBackwardWeightArgs args)
    {
        (Batch, InputHeight, InputWidth, InputChannels) = (args.Batch, args.InputHeight, args.InputWidth, args.InputChannels);
        (OutputHeight, OutputWidth, OutputChannels) = (args.OutputHeight, args.OutputWidth, args.OutputChannels);
        (KernelHeight, KernelWidth, Stride, Padding, Groups) = (args.KernelHeight, args.KernelWidth, args.Stride, args.Padding, args.Groups);
    }

    /// <summary>Kernel pixels.</summary>
    public long Taps => KernelHeight * KernelWidth;

    /// <summary>Input values that meet one output value; columns of the weight.</summary>
    public long PatchLength => Taps * (Groups == 1 ? InputChannels : 1);
    public long InputPixels => Batch * InputHeight * InputWidth;
    public long OutputPixels => Batch * OutputHeight * OutputWidth;
    public bool IsDepthwise => Groups > 1;

    /// <summary>A matrix product as it lies.</summary>
    public bool IsPointwise => Groups == 1 && Taps == 1 && Stride == 1 && Padding == 0;

    /// <summary>3x3 with an output of the input's size: neighbouring outputs share most of their inputs.</summary>
    public bool IsSame3x3 => KernelHeight == 3 && KernelWidth == 3 && Stride == 1 && Padding == 1;

    public void Check(string verb)
    {
        Kernels.Check.Extent(Batch, verb, nameof(Batch));
        Kernels.Check.Extent(InputHeight, verb, nameof(InputHeight));
        Kernels.Check.Extent(InputWidth, verb, nameof(InputWidth));
        Kernels.Check.Extent(InputChannels, verb, nameof(InputChannels));
        Kernels.Check.Extent(OutputChannels, verb, nameof(OutputChannels));
        Kernels.Check.Extent(Padding, verb, nameof(Padding));
        Kernels.Check.That(KernelHeight >= 1 && KernelWidth >= 1, verb, "KernelHeight and KernelWidth must be at least 1.");
        Kernels.Check.That(Stride >= 1, verb, "Stride must be at least 1.");
        if (Groups != 1 && (Groups < 1 || Groups != InputChannels || Groups != OutputChannels))
            throw new KernelArgumentException(verb, $"Groups is {Groups} for {InputChannels} input and {OutputChannels} output channels; it must be 1 or equal both.");
        CheckOutput(OutputHeight, InputHeight, KernelHeight, verb, "Height");
        CheckOutput(OutputWidth, InputWidth, KernelWidth, verb, "Width");
    }

    private void CheckOutput(long output, long input, long kernel, string verb, string side)
    {
        long room = input + 2 * Padding - kernel;
        long expected = room < 0 ? 0 : room / Stride + 1;
        if (output != expected)
            throw new KernelArgumentException(verb, $"Output{side} is {output}; (Input{side} + 2 * Padding - Kernel{side}) / Stride + 1 is {expected}.");
    }

    /// <summary>Kernel offsets [first, end) whose input lies inside, for output index <paramref name="output"/> of one side.</summary>
    public void TapRange(long output, long input, long kernel, out long first, out long end)
    {
        long origin = output * Stride - Padding;
        first = Math.Min(Math.Max(-origin, 0), kernel);
        end = Math.Max(Math.Min(input - origin, kernel), first);
    }

    /// <summary>Outputs [first, end) of one side that read input index <paramref name="input"/>.</summary>
    public void OutputRange(long input, long output, long kernel, out long first, out long end)
    {
        long reach = input + Padding;
        first = reach < kernel ? 0 : (reach - kernel) / Stride + 1;
        end = Math.Min(reach / Stride + 1, output);
    }
}
