using MM1.Native.Autograd;

namespace MM1.Native.Models;

/// <summary>A pre-norm block: h = x + attention(norm x), then h + mlp(norm h). Parts: <c>attention_norm</c>, <c>attention</c>, <c>mlp_norm</c>, <c>mlp</c>.</summary>
public sealed class VisionBlock : Module
{
    private readonly LayerNorm _attentionNorm, _mlpNorm;
    private readonly Attention _attention;
    private readonly Mlp _mlp;

    /// <summary>Describes the block.</summary>
    public VisionBlock(VisionConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        _attentionNorm = AddChild("attention_norm", new LayerNorm(config.Width, config.NormEpsilon));
        _attention = AddChild("attention", new Attention(new AttentionOptions { Width = config.Width, Heads = config.Heads, Bias = config.Bias }));
        _mlpNorm = AddChild("mlp_norm", new LayerNorm(config.Width, config.NormEpsilon));
        _mlp = AddChild("mlp", new Mlp(config.Width, config.ResolvedHidden, config.Activation, config.Bias));
    }

    /// <summary>x [tokens, width] to the block's output, of the same shape.</summary>
    public Tensor Forward(Tensor x, AttentionLayout layout)
    {
        Tensor mixed = _attention.Forward(_attentionNorm.Forward(x), layout);
        (Tensor sum, Tensor normalized) = _mlpNorm.Forward(mixed, x);
        return _mlp.Forward(normalized, sum);
    }
}
