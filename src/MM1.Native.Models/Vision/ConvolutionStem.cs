using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// Convolutions in place of one patch convolution (Xiao et al. 2021, "Early convolutions help transformers see better", arXiv
/// 2106.14881, with a layer norm over channels for its batch norm): 3x3 of stride 2, norm, activation, as often as the patch
/// size halves; then 1x1 to the width. Parameters: <c>convolutions.i</c> [channels, 3, 3, in], <c>norms.i</c>, <c>output</c>.
/// </summary>
public sealed class ConvolutionStem : Module
{
    private readonly Conv2d[] _convolutions;
    private readonly LayerNorm[] _norms;
    private readonly Linear _output;
    private readonly Activation _activation;

    /// <summary>Describes the stem.</summary>
    public ConvolutionStem(VisionConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        int count = config.StemConvolutions;
        if (count < 1 || 1 << count != config.PatchSize)
            throw new ArgumentException($"{count} convolutions of stride 2 make patches of {1L << Math.Clamp(count, 0, 62)}, not {config.PatchSize}.", nameof(config));
        if (config.Width >> (count - 1) < 1) throw new ArgumentException($"A width of {config.Width} is too small for {count} convolutions whose channels double.", nameof(config));
        _activation = config.Activation;
        _convolutions = AddChildren("convolutions", count, i => new Conv2d(i == 0 ? 3 : Channels(i - 1), Channels(i), 3, stride: 2, padding: 1, bias: false));
        _norms = AddChildren("norms", count, i => new LayerNorm(Channels(i), config.NormEpsilon));
        _output = AddChild("output", new Linear(config.Width, config.Width, config.PatchBias));

        int Channels(int i) => checked((int)(config.Width >> (count - 1 - i)));
    }

    /// <summary>images [n, height, width, 3] to [n, height / patch, width / patch, channels].</summary>
    public Tensor Forward(Tensor images)
    {
        Tensor x = images;
        for (int i = 0; i < _convolutions.Length; i++) x = Functional.Activate(_norms[i].Forward(_convolutions[i].Forward(x)), _activation);
        return _output.Forward(x);
    }
}
