using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// A block of a stage: timm's regnet Bottleneck as Honeybee configures it (timm 0.9.8, timm/models/regnet.py). silu(shortcut x +
/// norm3(conv3(se(silu(norm2(conv2(silu(norm1(conv1 x)))))))), where conv1 and conv3 are 1x1 and conv2 is a depthwise 3x3, all
/// without bias; norms are layer norms over the channels of each pixel (epsilon 1e-5); se is squeeze-and-excitation with a
/// quarter of the block's input channels. The shortcut is the identity, or norm(conv 1x1) where the channels change.
/// Parameters: <c>conv1</c>, <c>conv3</c>, <c>shortcut</c> [out, in], <c>conv2</c> [channels, 3, 3, 1], <c>norm1..3</c>,
/// <c>shortcut_norm</c>, <c>squeeze</c> and <c>excite</c> with biases.
/// </summary>
public sealed class AbstractorBlock : Module
{
    private readonly Linear _first, _third, _squeeze, _excite;
    private readonly Linear? _shortcut;
    private readonly Conv2d _second;
    private readonly LayerNorm _norm1, _norm2, _norm3;
    private readonly LayerNorm? _shortcutNorm;

    /// <summary>Describes the block.</summary>
    public AbstractorBlock(int inputChannels, int channels)
    {
        int squeezed = (int)Math.Round(0.25 * inputChannels, MidpointRounding.ToEven);
        _first = AddChild("conv1", new Linear(inputChannels, channels, bias: false));
        _norm1 = AddChild("norm1", new LayerNorm(channels));
        _second = AddChild("conv2", new Conv2d(channels, channels, 3, padding: 1, groups: channels, bias: false));
        _norm2 = AddChild("norm2", new LayerNorm(channels));
        _squeeze = AddChild("squeeze", new Linear(channels, squeezed));
        _excite = AddChild("excite", new Linear(squeezed, channels));
        _third = AddChild("conv3", new Linear(channels, channels, bias: false));
        _norm3 = AddChild("norm3", new LayerNorm(channels));
        if (inputChannels == channels) return;
        _shortcut = AddChild("shortcut", new Linear(inputChannels, channels, bias: false));
        _shortcutNorm = AddChild("shortcut_norm", new LayerNorm(channels));
    }

    /// <summary>x [n, height, width, in] to [n, height, width, channels].</summary>
    public Tensor Forward(Tensor x)
    {
        Tensor y = _norm1.Forward(_first.Forward(x), Activation.Silu);
        y = _norm2.Forward(_second.Forward(y), Activation.Silu);
        Tensor mean = Functional.Reshape(Functional.AdaptiveAveragePool2d(y, 1, 1), [y.Shape[0], y.Shape[3]]);
        Tensor scale = _excite.Forward(_squeeze.Forward(mean, Activation.Silu), Activation.Sigmoid);
        y = _norm3.Forward(_third.Forward(Functional.Multiply(y, scale, perImage: true)));
        Tensor shortcut = _shortcut is null ? x : _shortcutNorm!.Forward(_shortcut.Forward(x));
        return Functional.Activate(Functional.Add(y, shortcut), Activation.Silu);
    }
}
