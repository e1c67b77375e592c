namespace MM1.Native.Kernels.Cpu;

internal sealed partial class CpuKernels
{
    public void ConvolutionForward(in Launch launch, in ConvolutionForwardArgs args)
    {
        const string verb = nameof(IKernels.ConvolutionForward);
        var shape = new ConvolutionShape(args);
        shape.Check(verb);
        Check.Operand(args.X, shape.InputPixels, shape.InputChannels, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Weight, shape.OutputChannels, shape.PatchLength, DType.Float32, verb, nameof(args.Weight));
        Check.Optional(args.Bias, 1, shape.OutputChannels, DType.Float32, verb, nameof(args.Bias));
        Check.Operand(args.Output, shape.OutputPixels, shape.OutputChannels, DType.Float32, verb, nameof(args.Output));
        if (!Activations.IsKnown(args.Activation)) throw new KernelArgumentException(verb, $"Activation {args.Activation} is not known.");
        Check.Workspace(launch, ConvolutionForwardWorkspaceBytes(args), verb);
        if (shape.IsDepthwise) Depthwise.Forward(_pool, launch, shape, args);
        else DenseConvolution.Forward(this, _pool, launch, shape, args);
    }

    public long ConvolutionForwardWorkspaceBytes(in ConvolutionForwardArgs args)
    {
        var shape = new ConvolutionShape(args);
        return shape.IsDepthwise ? Depthwise.FilterBytes(shape) : DenseConvolution.ForwardWorkspaceBytes(this, shape, args);
    }

    public void ConvolutionBackwardData(in Launch launch, in ConvolutionBackwardDataArgs args)
    {
        const string verb = nameof(IKernels.ConvolutionBackwardData);
        var shape = new ConvolutionShape(args);
        shape.Check(verb);
        Check.Operand(args.OutputGradient, shape.OutputPixels, shape.OutputChannels, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Operand(args.Weight, shape.OutputChannels, shape.PatchLength, DType.Float32, verb, nameof(args.Weight));
        Check.Operand(args.InputGradient, shape.InputPixels, shape.InputChannels, DType.Float32, verb, nameof(args.InputGradient));
        Check.Workspace(launch, ConvolutionBackwardDataWorkspaceBytes(args), verb);
        if (shape.IsDepthwise) Depthwise.BackwardData(_pool, launch, shape, args);
        else DenseConvolution.BackwardData(this, _pool, launch, shape, args);
    }

    public long ConvolutionBackwardDataWorkspaceBytes(in ConvolutionBackwardDataArgs args)
    {
        var shape = new ConvolutionShape(args);
        return shape.IsDepthwise ? Depthwise.FilterBytes(shape) : DenseConvolution.BackwardDataWorkspaceBytes(this, shape, args);
    }

    public void ConvolutionBackwardWeight(in Launch launch, in ConvolutionBackwardWeightArgs args)
    {
        const string verb = nameof(IKernels.ConvolutionBackwardWeight);
        var shape = new ConvolutionShape(args);
        shape.Check(verb);
        Check.Operand(args.X, shape.InputPixels, shape.InputChannels, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.OutputGradient, shape.OutputPixels, shape.OutputChannels, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Optional(args.WeightGradient, shape.OutputChannels, shape.PatchLength, DType.Float32, verb, nameof(args.WeightGradient));
        Check.Optional(args.BiasGradient, 1, shape.OutputChannels, DType.Float32, verb, nameof(args.BiasGradient));
        Check.Workspace(launch, ConvolutionBackwardWeightWorkspaceBytes(args), verb);
        if (shape.IsDepthwise) DepthwiseWeightGradient.Run(_pool, launch, shape, args);
        else DenseConvolution.BackwardWeight(this, _pool, launch, shape, args);
    }

    public long ConvolutionBackwardWeightWorkspaceBytes(in ConvolutionBackwardWeightArgs args)
    {
        var shape = new ConvolutionShape(args);
        return shape.IsDepthwise ? DepthwiseWeightGradient.WorkspaceBytes(shape) : DenseConvolution.BackwardWeightWorkspaceBytes(this, shape, args);
    }

    public void AdaptiveAveragePoolForward(in Launch launch, in AdaptiveAveragePoolForwardArgs args)
    {
        const string verb = nameof(IKernels.AdaptiveAveragePoolForward);
        AdaptiveAveragePool.Check(args.Batch, args.InputHeight, args.InputWidth, args.OutputHeight, args.OutputWidth, args.Channels, verb);
        Check.Operand(args.X, args.Batch * args.InputHeight * args.InputWidth, args.Channels, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Output, args.Batch * args.OutputHeight * args.OutputWidth, args.Channels, DType.Float32, verb, nameof(args.Output));
        AdaptiveAveragePool.Forward(_pool, args);
    }

    public void AdaptiveAveragePoolBackward(in Launch launch, in AdaptiveAveragePoolBackwardArgs args)
    {
        const string verb = nameof(IKernels.AdaptiveAveragePoolBackward);
        AdaptiveAveragePool.Check(args.Batch, args.InputHeight, args.InputWidth, args.OutputHeight, args.OutputWidth, args.Channels, verb);
        Check.Operand(args.OutputGradient, args.Batch * args.OutputHeight * args.OutputWidth, args.Channels, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Operand(args.InputGradient, args.Batch * args.InputHeight * args.InputWidth, args.Channels, DType.Float32, verb, nameof(args.InputGradient));
        AdaptiveAveragePool.Backward(_pool, args);
    }

    public void GridInterpolationForward(in Launch launch, in GridInterpolationForwardArgs args)
    {
        const string verb = nameof(IKernels.GridInterpolationForward);
        GridInterpolation.Check(args.InputHeight, args.InputWidth, args.OutputHeight, args.OutputWidth, args.Channels, args.PrefixRows, verb);
        Check.Operand(args.X, args.PrefixRows + args.InputHeight * args.InputWidth, args.Channels, DType.Float32, verb, nameof(args.X));
        Check.Operand(args.Output, args.PrefixRows + args.OutputHeight * args.OutputWidth, args.Channels, DType.Float32, verb, nameof(args.Output));
        GridInterpolation.Forward(_pool, args);
    }

    public void GridInterpolationBackward(in Launch launch, in GridInterpolationBackwardArgs args)
    {
        const string verb = nameof(IKernels.GridInterpolationBackward);
        GridInterpolation.Check(args.InputHeight, args.InputWidth, args.OutputHeight, args.OutputWidth, args.Channels, args.PrefixRows, verb);
        Check.Operand(args.OutputGradient, args.PrefixRows + args.OutputHeight * args.OutputWidth, args.Channels, DType.Float32, verb, nameof(args.OutputGradient));
        Check.Operand(args.InputGradient, args.PrefixRows + args.InputHeight * args.InputWidth, args.Channels, DType.Float32, verb, nameof(args.InputGradient));
        GridInterpolation.Backward(_pool, args);
    }
}
