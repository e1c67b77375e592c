using MM1.Native.TestSupport;

namespace MM1.Native.Kernels.Tests;

/// <summary>Runs the convolution verbs on guarded, poisoned buffers with rows <c>pad</c> floats longer than their columns.</summary>
internal static class ConvolutionRunner
{
    public static ConvolutionForwardArgs ForwardArgs(ConvolutionCase c) => new()
    {
        Batch = c.Batch,
        InputHeight = c.Height,
        InputWidth = c.Width,
        InputChannels = c.InputChannels,
        OutputHeight = c.OutputHeight,
        OutputWidth = c.OutputWidth,
        OutputChannels = c.OutputChannels,
        KernelHeight = c.KernelHeight,
        KernelWidth = c.KernelWidth,
        Stride = c.Stride,
        Padding = c.Padding,
        Groups = c.Groups,
    };

    public static ConvolutionBackwardDataArgs BackwardDataArgs(ConvolutionCase c) => new()
    {
        Batch = c.Batch,
        InputHeight = c.Height,
        InputWidth = c.Width,
        InputChannels = c.InputChannels,
        OutputHeight = c.OutputHeight,
        OutputWidth = c.OutputWidth,
        OutputChannels = c.OutputChannels,
        KernelHeight = c.KernelHeight,
        KernelWidth = c.KernelWidth,
        Stride = c.Stride,
        Padding = c.Padding,
        Groups = c.Groups,
    };

    public static ConvolutionBackwardWeightArgs BackwardWeightArgs(ConvolutionCase c) => new()
    {
        Batch = c.Batch,
        InputHeight = c.Height,
        InputWidth = c.Width,
        InputChannels = c.InputChannels,
        OutputHeight = c.OutputHeight,
        OutputWidth = c.OutputWidth,
        OutputChannels = c.OutputChannels,
        KernelHeight = c.KernelHeight,
        KernelWidth = c.KernelWidth,
        Stride = c.Stride,
        Padding = c.Padding,
        Groups = c.Groups,
    };

    public static float[] Forward(Device device, ConvolutionCase c, float[] x, float[] weight, float[]? bias, Activation activation, int pad)
    {
        using var xBuffer = DeviceBuffer.From<float>(device, x, c.InputPixels, c.InputChannels, c.InputChannels + pad);
        using var weightBuffer = DeviceBuffer.From<float>(device, weight, c.OutputChannels, c.PatchLength, c.PatchLength + pad);
        using DeviceBuffer? biasBuffer = bias is null ? null : DeviceBuffer.From<float>(device, bias, 1, c.OutputChannels);
        using var output = new DeviceBuffer(device, c.OutputPixels, c.OutputChannels, DType.Float32, c.OutputChannels + pad);
        ConvolutionForwardArgs args = ForwardArgs(c) with { X = xBuffer, Weight = weightBuffer, Bias = biasBuffer, Output = output, Activation = activation };
        long bytes = device.Kernels.ConvolutionForwardWorkspaceBytes(args);
        using var workspace = new DeviceBuffer(device, 1, bytes, DType.UInt8);
        device.Kernels.ConvolutionForward(new Launch(0, workspace.Address, bytes), args);
        workspace.CheckGuards();
        return output.Download();
    }

    public static float[] BackwardData(Device device, ConvolutionCase c, float[] gradient, float[] weight, float[] old, float beta, int pad)
    {
        using var gradientBuffer = DeviceBuffer.From<float>(device, gradient, c.OutputPixels, c.OutputChannels, c.OutputChannels + pad);
        using var weightBuffer = DeviceBuffer.From<float>(device, weight, c.OutputChannels, c.PatchLength, c.PatchLength + pad);
        using var input = new DeviceBuffer(device, c.InputPixels, c.InputChannels, DType.Float32, c.InputChannels + pad);
        if (beta != 0) input.Upload<float>(old); // else NaN: it must not be read
        ConvolutionBackwardDataArgs args = BackwardDataArgs(c) with { OutputGradient = gradientBuffer, Weight = weightBuffer, InputGradient = input, Beta = beta };
        long bytes = device.Kernels.ConvolutionBackwardDataWorkspaceBytes(args);
        using var workspace = new DeviceBuffer(device, 1, bytes, DType.UInt8);
        device.Kernels.ConvolutionBackwardData(new Launch(0, workspace.Address, bytes), args);
        workspace.CheckGuards();
        return input.Download();
    }

    /// <summary><paramref name="outputs"/>: both, weight, bias or none of the gradients.</summary>
    public static (float[]? Weight, float[]? Bias) BackwardWeight(Device device, ConvolutionCase c, float[] x, float[] gradient,
        float[] oldWeight, float[] oldBias, float beta, string outputs, int pad)
    {
        using var xBuffer = DeviceBuffer.From<float>(device, x, c.InputPixels, c.InputChannels, c.InputChannels + pad);
        using var gradientBuffer = DeviceBuffer.From<float>(device, gradient, c.OutputPixels, c.OutputChannels, c.OutputChannels + pad);
        using DeviceBuffer? weight = outputs is "both" or "weight" ? new DeviceBuffer(device, c.OutputChannels, c.PatchLength, DType.Float32, c.PatchLength + pad) : null;
        using DeviceBuffer? bias = outputs is "both" or "bias" ? new DeviceBuffer(device, 1, c.OutputChannels) : null;
        if (beta != 0)
        {
            weight?.Upload<float>(oldWeight);
            bias?.Upload<float>(oldBias);
        }
        ConvolutionBackwardWeightArgs args = BackwardWeightArgs(c) with { X = xBuffer, OutputGradient = gradientBuffer, WeightGradient = weight, BiasGradient = bias, Beta = beta };
        long bytes = device.Kernels.ConvolutionBackwardWeightWorkspaceBytes(args);
        using var workspace = new DeviceBuffer(device, 1, bytes, DType.UInt8);
        device.Kernels.ConvolutionBackwardWeight(new Launch(0, workspace.Address, bytes), args);
        workspace.CheckGuards();
        return (weight?.Download(), bias?.Download());
    }
}

/// <summary>ONNX tensors are [N, C, H, W] (and weights [O, I, H, W]); the contract's are [N, H, W, C].</summary>
internal static class Nhwc
{
    public static float[] From(OnnxTensor tensor)
    {
        int images = (int)tensor.Shape[0], channels = (int)tensor.Shape[1], pixels = (int)(tensor.Shape[2] * tensor.Shape[3]);
        float[] values = tensor.Floats(), turned = new float[values.Length];
        for (int n = 0; n < images; n++)
            for (int c = 0; c < channels; c++)
                for (int p = 0; p < pixels; p++) turned[(n * pixels + p) * channels + c] = values[(n * channels + c) * pixels + p];
        return turned;
    }
}
