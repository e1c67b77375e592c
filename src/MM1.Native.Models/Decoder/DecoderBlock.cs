using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// One pre-norm block: h = x + attention(norm x), then h + mlp(norm h). Parts: <c>attention_norm</c>, <c>attention</c>,
/// <c>mlp_norm</c>, <c>mlp</c>.
/// </summary>
public sealed class DecoderBlock : Module
{
    private readonly DecoderConfig _config;
    private readonly Mlp? _mlp;
    private readonly SwiGluMlp? _gatedMlp;

    /// <summary>Describes the block.</summary>
    public DecoderBlock(DecoderConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        _config = config;
        Initializer output = Initializer.FanIn(config.ResidualGain);
        AttentionNorm = AddChild("attention_norm", new Norm(config.Norm, config.Width, config.NormEpsilon));
        Attention = AddChild("attention", new Attention(new AttentionOptions
        {
            Width = config.Width,
            Heads = config.Heads,
            KeyValueHeads = config.KeyValueHeads,
            HeadSize = config.HeadSize,
            Bias = config.Bias,
            QueryKeyNorm = config.QueryKeyNorm,
            NormEpsilon = config.NormEpsilon,
            OutputInitializer = output,
        }));
        MlpNorm = AddChild("mlp_norm", new Norm(config.Norm, config.Width, config.NormEpsilon));
        if (config.Mlp is MlpKind.SwiGlu or MlpKind.GeGlu)
            _gatedMlp = AddChild("mlp", new SwiGluMlp(config.Width, config.Hidden, config.Bias, ActivationOf(config.Mlp), outputInitializer: output));
        else
            _mlp = AddChild("mlp", new Mlp(config.Width, config.Hidden, ActivationOf(config.Mlp), config.Bias, outputInitializer: output));
    }

    /// <summary>Norm before attention.</summary>
    public Norm AttentionNorm { get; }

    /// <summary>Self-attention.</summary>
    public Attention Attention { get; }

    /// <summary>Norm before the MLP.</summary>
    public Norm MlpNorm { get; }

    /// <summary>x [tokens, width] to the block's output, of the same shape.</summary>
    public Tensor Forward(Tensor x, AttentionLayout layout, RotaryTable? rotary, Tensor positions) =>
        Finish(Attention.Forward(AttentionNorm.Forward(x), layout, rotary, positions), x);

    /// <summary>The same for new tokens of sequences in a KV cache, without gradients: see <see cref="KeyValueCache"/>.</summary>
    /// <param name="x">[tokens, width].</param>
    /// <param name="rotary">Rotary table, or null.</param>
    /// <param name="positions">int32 [tokens].</param>
    /// <param name="cache">Filled with the tokens' keys and values.</param>
    /// <param name="layer">This block's number.</param>
    /// <param name="prompt">Layout of whole prompts; null when each sequence has one new token.</param>
    internal Tensor Forward(Tensor x, RotaryTable? rotary, Tensor positions, KeyValueCache cache, int layer, AttentionLayout? prompt)
    {
        long tokens = x.Shape[0], heads = _config.Heads, kvHeads = _config.ResolvedKeyValueHeads, headSize = _config.ResolvedHeadSize;
        Tensor qkv = Attention.Qkv.Forward(AttentionNorm.Forward(x));
        Tensor query = Heads(0, heads), key = Heads(heads, kvHeads), value = Heads(heads + kvHeads, kvHeads);
        if (_config.QueryKeyNorm) (query, key) = (Attention.QueryNorm!.Forward(query), Attention.KeyNorm!.Forward(key));
        if (rotary is not null) (query, key) = (Functional.RotaryEmbedding(query, positions, rotary), Functional.RotaryEmbedding(key, positions, rotary));
        (Tensor keys, Tensor values) = cache.Layer(layer);
        Functional.AppendKeyValue(key, value, keys, values, cache.SequencesOf(tokens), positions);
        Tensor mixed = prompt is not null ? Functional.Attention(query, key, value, prompt) : Functional.DecodeAttention(query, keys, values, cache.Lengths);
        return Finish(Attention.Output.Forward(Functional.Reshape(mixed, [tokens, heads * headSize])), x);

        Tensor Heads(long first, long count) => Functional.Reshape(Functional.Slice(qkv, 1, first * headSize, count * headSize), [tokens, count, headSize]);
    }

    private Tensor Finish(Tensor mixed, Tensor x)
    {
        (Tensor sum, Tensor normalized) = MlpNorm.Forward(mixed, x);
        return _gatedMlp is not null ? _gatedMlp.Forward(normalized, sum) : _mlp!.Forward(normalized, sum);
    }

    private static Activation ActivationOf(MlpKind kind) => kind switch
    {
        MlpKind.SwiGlu => Activation.Silu,
        MlpKind.GeGlu or MlpKind.Gelu => Activation.Gelu,
        MlpKind.GeluTanh => Activation.GeluTanh,
        MlpKind.QuickGelu => Activation.QuickGelu,
        MlpKind.Relu => Activation.Relu,
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "An MLP kind is needed."),
    };
}
