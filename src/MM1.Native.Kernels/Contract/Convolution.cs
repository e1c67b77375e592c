using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Two-dimensional convolution, NHWC, weights [OutputChannels, KernelHeight, KernelWidth, InputChannels / Groups]:
    /// Output = activation(X * Weight + Bias). Pixels are rows: row (n * height + y) * width + x.
    /// </summary>
    void ConvolutionForward(in Launch launch, in ConvolutionForwardArgs args);

    /// <summary>Scratch bytes of <see cref="ConvolutionForward"/>.</summary>
    long ConvolutionForwardWorkspaceBytes(in ConvolutionForwardArgs args);

    /// <summary>
    /// InputGradient = transposed convolution of OutputGradient + Beta * InputGradient.
    /// </summary>
    void ConvolutionBackwardData(in Launch launch, in ConvolutionBackwardDataArgs args);

    /// <summary>Scratch bytes of <see cref="ConvolutionBackwardData"/>.</summary>
    long ConvolutionBackwardDataWorkspaceBytes(in ConvolutionBackwardDataArgs args);

    /// <summary>
    /// WeightGradient and BiasGradient, summed over images and pixels in fixed blocks, + Beta * old.
    /// </summary>
    void ConvolutionBackwardWeight(in Launch launch, in ConvolutionBackwardWeightArgs args);

    /// <summary>Scratch bytes of <see cref="ConvolutionBackwardWeight"/>.</summary>
    long ConvolutionBackwardWeightWorkspaceBytes(in ConvolutionBackwardWeightArgs args);

    /// <summary>
    /// Averages over bins that start at floor(i * in / out) and end before ceil((i + 1) * in / out), so they may overlap (27 to 12). 1 x 1 is global pooling.
    /// </summary>
    void AdaptiveAveragePoolForward(in Launch launch, in AdaptiveAveragePoolForwardArgs args);

    /// <summary>
    /// Gradient of <see cref="AdaptiveAveragePoolForward"/>.
    /// </summary>
    void AdaptiveAveragePoolBackward(in Launch launch, in AdaptiveAveragePoolBackwardArgs args);

    /// <summary>
    /// Bicubic interpolation of a position grid, half-pixel centres (align_corners false), border samples repeated. PrefixRows (a class token) are copied.
    /// Cubic coefficient -0.75 as in PyTorch without Antialias, -0.5 and a support scaled by the shrink factor with it.
    /// </summary>
    void GridInterpolationForward(in Launch launch, in GridInterpolationForwardArgs args);

    /// <summary>
    /// Gradient of <see cref="GridInterpolationForward"/>.
    /// </summary>
    void GridInterpolationBackward(in Launch launch, in GridInterpolationBackwardArgs args);
}

/// <summary>Arguments of <see cref="IKernels.ConvolutionForward"/> (<c>mm1_convolution_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ConvolutionForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ConvolutionForwardArgs>();
    /// <summary>Images.</summary>
    public long Batch;
    /// <summary>Input rows of pixels.</summary>
    public long InputHeight;
    /// <summary>Input columns of pixels.</summary>
    public long InputWidth;
    /// <summary>Input channels.</summary>
    public long InputChannels;
    /// <summary>(InputHeight + 2 * Padding - KernelHeight) / Stride + 1.</summary>
    public long OutputHeight;
    /// <summary>Likewise.</summary>
    public long OutputWidth;
    /// <summary>Output channels.</summary>
    public long OutputChannels;
    /// <summary>Kernel rows.</summary>
    public long KernelHeight;
    /// <summary>Kernel columns.</summary>
    public long KernelWidth;
    /// <summary>Step in both directions; KernelHeight = Stride is a patch embedding.</summary>
    public long Stride = 1;
    /// <summary>Zero pixels on each side.</summary>
    public long Padding;
    /// <summary>1 (dense) or InputChannels = OutputChannels (depthwise).</summary>
    public long Groups = 1;
    /// <summary>[Batch * InputHeight * InputWidth, InputChannels].</summary>
    public Operand X;
    /// <summary>[OutputChannels, KernelHeight * KernelWidth * InputChannels / Groups].</summary>
    public Operand Weight;
    /// <summary>Optional, [OutputChannels].</summary>
    public Operand Bias;
    /// <summary>[Batch * OutputHeight * OutputWidth, OutputChannels].</summary>
    public Operand Output;
    /// <summary>Applied last.</summary>
    public Activation Activation;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public ConvolutionForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ConvolutionBackwardData"/> (<c>mm1_convolution_backward_data_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ConvolutionBackwardDataArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ConvolutionBackwardDataArgs>();
    /// <summary>Images.</summary>
    public long Batch;
    /// <summary>Input rows of pixels.</summary>
    public long InputHeight;
    /// <summary>Input columns of pixels.</summary>
    public long InputWidth;
    /// <summary>Input channels.</summary>
    public long InputChannels;
    /// <summary>(InputHeight + 2 * Padding - KernelHeight) / Stride + 1.</summary>
    public long OutputHeight;
    /// <summary>Likewise.</summary>
    public long OutputWidth;
    /// <summary>Output channels.</summary>
    public long OutputChannels;
    /// <summary>Kernel rows.</summary>
    public long KernelHeight;
    /// <summary>Kernel columns.</summary>
    public long KernelWidth;
    /// <summary>Step in both directions; KernelHeight = Stride is a patch embedding.</summary>
    public long Stride = 1;
    /// <summary>Zero pixels on each side.</summary>
    public long Padding;
    /// <summary>1 (dense) or InputChannels = OutputChannels (depthwise).</summary>
    public long Groups = 1;
    /// <summary>[Batch * OutputHeight * OutputWidth, OutputChannels].</summary>
    public Operand OutputGradient;
    /// <summary>As in the forward.</summary>
    public Operand Weight;
    /// <summary>[Batch * InputHeight * InputWidth, InputChannels].</summary>
    public Operand InputGradient;
    /// <summary>Factor on the old gradient.</summary>
    public float Beta;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public ConvolutionBackwardDataArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.ConvolutionBackwardWeight"/> (<c>mm1_convolution_backward_weight_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct ConvolutionBackwardWeightArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<ConvolutionBackwardWeightArgs>();
    /// <summary>Images.</summary>
    public long Batch;
    /// <summary>Input rows of pixels.</summary>
    public long InputHeight;
    /// <summary>Input columns of pixels.</summary>
    public long InputWidth;
    /// <summary>Input channels.</summary>
    public long InputChannels;
    /// <summary>(InputHeight + 2 * Padding - KernelHeight) / Stride + 1.</summary>
    public long OutputHeight;
    /// <summary>Likewise.</summary>
    public long OutputWidth;
    /// <summary>Output channels.</summary>
    public long OutputChannels;
    /// <summary>Kernel rows.</summary>
    public long KernelHeight;
    /// <summary>Kernel columns.</summary>
    public long KernelWidth;
    /// <summary>Step in both directions; KernelHeight = Stride is a patch embedding.</summary>
    public long Stride = 1;
    /// <summary>Zero pixels on each side.</summary>
    public long Padding;
    /// <summary>1 (dense) or InputChannels = OutputChannels (depthwise).</summary>
    public long Groups = 1;
    /// <summary>The forward's input.</summary>
    public Operand X;
    /// <summary>[Batch * OutputHeight * OutputWidth, OutputChannels].</summary>
    public Operand OutputGradient;
    /// <summary>Optional float32, as Weight.</summary>
    public Operand WeightGradient;
    /// <summary>Optional float32 [OutputChannels].</summary>
    public Operand BiasGradient;
    /// <summary>Factor on the old gradients.</summary>
    public float Beta;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public ConvolutionBackwardWeightArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.AdaptiveAveragePoolForward"/> (<c>mm1_adaptive_average_pool_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct AdaptiveAveragePoolForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<AdaptiveAveragePoolForwardArgs>();
    /// <summary>Images.</summary>
    public long Batch;
    /// <summary>Input rows of pixels.</summary>
    public long InputHeight;
    /// <summary>Input columns of pixels.</summary>
    public long InputWidth;
    /// <summary>Output rows of pixels.</summary>
    public long OutputHeight;
    /// <summary>Output columns of pixels.</summary>
    public long OutputWidth;
    /// <summary>Channels.</summary>
    public long Channels;
    /// <summary>[Batch * InputHeight * InputWidth, Channels].</summary>
    public Operand X;
    /// <summary>[Batch * OutputHeight * OutputWidth, Channels].</summary>
    public Operand Output;

    /// <summary>Defaults; every other field zero.</summary>
    public AdaptiveAveragePoolForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.AdaptiveAveragePoolBackward"/> (<c>mm1_adaptive_average_pool_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct AdaptiveAveragePoolBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<AdaptiveAveragePoolBackwardArgs>();
    /// <summary>Images.</summary>
    public long Batch;
    /// <summary>Input rows of pixels.</summary>
    public long InputHeight;
    /// <summary>Input columns of pixels.</summary>
    public long InputWidth;
    /// <summary>Output rows of pixels.</summary>
    public long OutputHeight;
    /// <summary>Output columns of pixels.</summary>
    public long OutputWidth;
    /// <summary>Channels.</summary>
    public long Channels;
    /// <summary>[Batch * OutputHeight * OutputWidth, Channels].</summary>
    public Operand OutputGradient;
    /// <summary>[Batch * InputHeight * InputWidth, Channels].</summary>
    public Operand InputGradient;
    /// <summary>Factor on the old gradient.</summary>
    public float Beta;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public AdaptiveAveragePoolBackwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.GridInterpolationForward"/> (<c>mm1_grid_interpolation_forward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct GridInterpolationForwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<GridInterpolationForwardArgs>();
    /// <summary>Rows of the source grid.</summary>
    public long InputHeight;
    /// <summary>Columns of the source grid.</summary>
    public long InputWidth;
    /// <summary>Rows of the new grid.</summary>
    public long OutputHeight;
    /// <summary>Columns of the new grid.</summary>
    public long OutputWidth;
    /// <summary>Width of one position.</summary>
    public long Channels;
    /// <summary>Rows before the grid, copied as they are.</summary>
    public long PrefixRows;
    /// <summary>[PrefixRows + InputHeight * InputWidth, Channels].</summary>
    public Operand X;
    /// <summary>[PrefixRows + OutputHeight * OutputWidth, Channels].</summary>
    public Operand Output;
    /// <summary>Non-zero widens the filter when shrinking (open_clip); zero is plain bicubic (Hugging Face).</summary>
    public int Antialias;
    /// <summary>Zero.</summary>
    public int Reserved;

    /// <summary>Defaults; every other field zero.</summary>
    public GridInterpolationForwardArgs() { }
}

/// <summary>Arguments of <see cref="IKernels.GridInterpolationBackward"/> (<c>mm1_grid_interpolation_backward_args</c>).</summary>
[StructLayout(LayoutKind.Sequential)]
public record struct GridInterpolationBackwardArgs
{
    /// <summary>Bytes of this record, set by the constructor.</summary>
    public long StructSize = Unsafe.SizeOf<GridInterpolationBackwardArgs>();
    /// <summary>Rows of the source grid.</summary>
    public long InputHeight;
    /// <summary>Columns of the source grid.</summary>
    public long InputWidth;
    /// <summary>Rows of the new grid.</summary>
    public long OutputHeight;
    /// <summary>Columns of the new grid.</summary>
    public long OutputWidth;
    /// <summary>Width of one position.</summary>
    public long Channels;
    /// <summary>Rows before the grid.</summary>
    public long PrefixRows;
    /// <summary>[PrefixRows + OutputHeight * OutputWidth, Channels].</summary>
    public Operand OutputGradient;
    /// <summary>[PrefixRows + InputHeight * InputWidth, Channels].</summary>
    public Operand InputGradient;
    /// <summary>As in the forward.</summary>
    public int Antialias;
    /// <summary>Factor on the old gradient.</summary>
    public float Beta;

    /// <summary>Defaults; every other field zero.</summary>
    public GridInterpolationBackwardArgs() { }
}
