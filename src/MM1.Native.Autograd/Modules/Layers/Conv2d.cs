namespace MM1.Native.Autograd;

/// <summary>
/// Two-dimensional convolution, NHWC. Parameters: <c>weight</c> [out, kernel, kernel, in / groups], <c>bias</c> [out]. A kernel
/// equal to the stride is a patch embedding; groups equal to the channels a depthwise convolution.
/// </summary>
public sealed class Conv2d : Module
{
    private readonly int _stride, _padding, _groups;

    /// <summary>Describes the layer.</summary>
    public Conv2d(int inputChannels, int outputChannels, int kernel, int stride = 1, int padding = 0, int groups = 1, bool bias = true, Initializer? initializer = null)
    {
        if (groups < 1 || inputChannels % groups != 0) throw new ArgumentException($"{groups} groups do not divide {inputChannels} channels.", nameof(groups));
        (_stride, _padding, _groups) = (stride, padding, groups);
        Weight = AddParameter("weight", [outputChannels, kernel, kernel, inputChannels / groups], initializer ?? Initializer.FanIn());
        if (bias) Bias = AddParameter("bias", [outputChannels], Initializer.Zeros);
    }

    /// <summary>[out, kernel, kernel, in / groups].</summary>
    public Parameter Weight { get; }

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>x [n, height, width, in] to [n, height', width', out].</summary>
    public Tensor Forward(Tensor x) => Functional.Conv2d(x, Weight, Bias, _stride, _padding, _groups);
}
