using MM1.Native.Autograd;
using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>
/// A decoder-only transformer over packed documents. Parameters: <c>token_embedding.weight</c> [vocabulary, width], with
/// learned positions <c>position_embedding.weight</c> [maxPositions, width], <c>layers.i.*</c>, <c>norm</c>, and where the
/// embedding is not tied <c>head.weight</c> [vocabulary, width].
/// </summary>
public sealed class DecoderModel : Module
{
    private readonly Embedding? _positionEmbedding;
    private readonly Linear? _head;
    private RotaryTable? _rotary;

    /// <summary>Describes the model.</summary>
    public DecoderModel(DecoderConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        Config = config;
        TokenEmbedding = AddChild("token_embedding", new Embedding(config.Vocabulary, config.Width, Initializer.Normal(config.EmbeddingDeviation)));
        if (config.Position == PositionKind.Learned) _positionEmbedding = AddChild("position_embedding", new Embedding(config.MaxPositions, config.Width));
        Layers = AddChildren("layers", config.Layers, _ => new DecoderBlock(config));
        OutputNorm = AddChild("norm", new Norm(config.Norm, config.Width, config.NormEpsilon));
        if (!config.TiedEmbedding) _head = AddChild("head", new Linear(config.Width, config.Vocabulary, bias: false));
    }

    /// <summary>The sizes.</summary>
    public DecoderConfig Config { get; }

    /// <summary>The token embedding.</summary>
    public Embedding TokenEmbedding { get; }

    /// <summary>The blocks.</summary>
    public IReadOnlyList<DecoderBlock> Layers { get; }

    /// <summary>The norm after the last block.</summary>
    public Norm OutputNorm { get; }

    /// <summary>[vocabulary, width]: the output projection.</summary>
    public Parameter HeadWeight => _head?.Weight ?? TokenEmbedding.Weight;

    /// <summary>Whether blocks run again in backward instead of keeping their activations (default false).</summary>
    public bool RecomputesActivations { get; set; }

    /// <summary>ids [tokens] (Int32 or Int64) to token embeddings [tokens, width].</summary>
    public Tensor Embed(Tensor ids) => TokenEmbedding.Forward(ids);

    /// <summary>Embeddings [tokens, width] to final hidden states [tokens, width], normalized.</summary>
    /// <param name="embeddings">Of tokens, images in their places.</param>
    /// <param name="positions">int32 [tokens]: position inside its document.</param>
    /// <param name="layout">Documents; causal.</param>
    public Tensor Forward(Tensor embeddings, Tensor positions, AttentionLayout layout)
    {
        Tensor x = AddPositions(embeddings, positions);
        foreach (DecoderBlock block in Layers)
        {
            x = RecomputesActivations
                ? Functional.Recompute(input => block.Forward(input, layout, _rotary, positions), x)
                : block.Forward(x, layout, _rotary, positions);
        }
        return OutputNorm.Forward(x);
    }

    /// <summary>The same for new tokens of the sequences in a cache, which takes their keys and values; without gradients.</summary>
    /// <param name="embeddings">[tokens, width].</param>
    /// <param name="positions">int32 [tokens].</param>
    /// <param name="cache">The sequences so far.</param>
    /// <param name="prompt">Layout of whole prompts, one for each sequence; null when each sequence has one new token.</param>
    public Tensor Forward(Tensor embeddings, Tensor positions, KeyValueCache cache, AttentionLayout? prompt = null)
    {
        ArgumentNullException.ThrowIfNull(cache);
        using var noGradient = GradientMode.NoGrad();
        Tensor x = AddPositions(embeddings, positions);
        for (int i = 0; i < Layers.Count; i++) x = Layers[i].Forward(x, _rotary, positions, cache, i, prompt);
        return OutputNorm.Forward(x);
    }

    /// <summary>Hidden states [..., width] to Float32 logits [..., vocabulary].</summary>
    public Tensor Logits(Tensor hidden) => Functional.LinearToFloat32(hidden, HeadWeight);

    /// <summary>Cross-entropy of hidden states [tokens, width] and targets int32 [tokens], in chunks of the vocabulary product.</summary>
    public Tensor Loss(Tensor hidden, Tensor targets, float zLossWeight = 0) =>
        Autograd.Loss.LinearCrossEntropy(hidden, HeadWeight, targets, zLossWeight: zLossWeight);

    /// <summary>The same; also gives each token's own cross-entropy [tokens], without z-loss and not divided, 0 where the target does not count.</summary>
    public Tensor Loss(Tensor hidden, Tensor targets, out Tensor tokenLosses, float zLossWeight = 0) =>
        Autograd.Loss.LinearCrossEntropy(hidden, HeadWeight, targets, out tokenLosses, zLossWeight: zLossWeight);

    /// <inheritdoc/>
    protected override void OnBuilt(Device device)
    {
        if (Config.Position == PositionKind.Rotary)
            _rotary = new RotaryTable(device, Config.MaxPositions, Config.ResolvedHeadSize, Config.RotaryTheta, Config.RotaryStyle);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _rotary?.Dispose();
        base.Dispose(disposing);
    }

    private Tensor AddPositions(Tensor embeddings, Tensor positions) =>
        _positionEmbedding is null ? embeddings : Functional.Add(embeddings, _positionEmbedding.Forward(positions));
}
