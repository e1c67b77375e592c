namespace MM1.Native.Autograd;

/// <summary>Settings of <see cref="Attention"/>.</summary>
public sealed record AttentionOptions
{
    /// <summary>Width of the residual stream.</summary>
    public required long Width { get; init; }

    /// <summary>Query heads.</summary>
    public required long Heads { get; init; }

    /// <summary>Key and value heads; 0 (default) for as many as query heads.</summary>
    public long KeyValueHeads { get; init; }

    /// <summary>Head size; 0 (default) for Width / Heads.</summary>
    public long HeadSize { get; init; }

    /// <summary>Biases on both projections (default false).</summary>
    public bool Bias { get; init; }

    /// <summary>RMS norm of query and key heads (default false).</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>Epsilon of the QK-norm (default 1e-5).</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Initial values of both projections; fan-in normal by default.</summary>
    public Initializer? Initializer { get; init; }

    /// <summary>Initial values of the output projection; <see cref="Initializer"/> by default.</summary>
    public Initializer? OutputInitializer { get; init; }
}

/// <summary>
/// Multi-head self-attention with a fused projection. Parameters: <c>qkv.weight</c> [(heads + 2 keyValueHeads) * headSize, width]
/// (query rows first, then key, then value), <c>output.weight</c> [width, heads * headSize], biases, and with QK-norm
/// <c>query_norm.weight</c> and <c>key_norm.weight</c> [headSize].
/// </summary>
public sealed class Attention : Module
{
    private readonly AttentionOptions _options;
    private readonly long _kvHeads, _headSize;

    /// <summary>Describes the layer.</summary>
    /// <exception cref="ArgumentException">Heads do not divide the width, or key heads the heads.</exception>
    public Attention(AttentionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        if (options.Width <= 0 || options.Heads <= 0) throw new ArgumentException($"Width {options.Width} and heads {options.Heads} must be positive.", nameof(options));
        if (options.HeadSize == 0 && options.Width % options.Heads != 0) throw new ArgumentException($"{options.Heads} heads do not divide the width {options.Width}; set HeadSize.", nameof(options));
        _headSize = options.HeadSize == 0 ? options.Width / options.Heads : options.HeadSize;
        _kvHeads = options.KeyValueHeads == 0 ? options.Heads : options.KeyValueHeads;
        if (_kvHeads < 0 || options.Heads % _kvHeads != 0) throw new ArgumentException($"{_kvHeads} key heads do not divide {options.Heads} query heads.", nameof(options));
        Qkv = AddChild("qkv", new Linear(options.Width, (options.Heads + 2 * _kvHeads) * _headSize, options.Bias, options.Initializer));
        Output = AddChild("output", new Linear(options.Heads * _headSize, options.Width, options.Bias, options.OutputInitializer ?? options.Initializer));
        if (!options.QueryKeyNorm) return;
        QueryNorm = AddChild("query_norm", new RmsNorm(_headSize, options.NormEpsilon));
        KeyNorm = AddChild("key_norm", new RmsNorm(_headSize, options.NormEpsilon));
    }

    /// <summary>The fused projection.</summary>
    public Linear Qkv { get; }

    /// <summary>The output projection.</summary>
    public Linear Output { get; }

    /// <summary>Norm of query heads, or null.</summary>
    public RmsNorm? QueryNorm { get; }

    /// <summary>Norm of key heads, or null.</summary>
    public RmsNorm? KeyNorm { get; }

    /// <summary>Key and value heads.</summary>
    public long KeyValueHeads => _kvHeads;

    /// <summary>Head size.</summary>
    public long HeadSize => _headSize;

    /// <summary>x [tokens, width] to attention(x) + residual.</summary>
    /// <param name="x">Normalized input.</param>
    /// <param name="layout">Documents and mask.</param>
    /// <param name="rotary">Rotary table, or null.</param>
    /// <param name="positions">int32 [tokens], with <paramref name="rotary"/>.</param>
    /// <param name="residual">Added in the output projection's kernel.</param>
    public Tensor Forward(Tensor x, AttentionLayout layout, RotaryTable? rotary = null, Tensor? positions = null, Tensor? residual = null)
    {
        var options = new SelfAttentionOptions
        {
            Heads = _options.Heads,
            KeyValueHeads = _kvHeads,
            HeadSize = _headSize,
            Rotary = rotary,
            Positions = rotary is null ? null : positions,
            QueryNorm = QueryNorm?.Weight,
            KeyNorm = KeyNorm?.Weight,
            NormEpsilon = _options.NormEpsilon,
        };
        // Nobody else sees the projection, so its heads are rotated where they lie.
        Tensor mixed = Functional.SelfAttention(Qkv.Forward(x), options, layout, consumes: true);
        return Output.Forward(mixed, residual: residual);
    }
}
