using MM1.Native.Kernels;

namespace MM1.Native.Models;

/// <summary>Kinds of normalization.</summary>
public enum NormKind
{
    /// <summary>Root mean square, a weight (Zhang and Sennrich 2019, arXiv 1910.07467).</summary>
    Rms,
    /// <summary>Layer normalization, a weight and a bias (Ba et al. 2016, arXiv 1607.06450).</summary>
    Layer,
}

/// <summary>How a decoder knows where a token stands.</summary>
public enum PositionKind
{
    /// <summary>Rotary embedding of query and key (Su et al. 2021, arXiv 2104.09864).</summary>
    Rotary,
    /// <summary>A learned table, added to the token embeddings (GPT-2).</summary>
    Learned,
    /// <summary>Only by the causal mask.</summary>
    None,
}

/// <summary>Kinds of MLP.</summary>
public enum MlpKind
{
    /// <summary>down(silu(gate x) * up x) (Shazeer 2020, arXiv 2002.05202).</summary>
    SwiGlu,
    /// <summary>down(gelu(gate x) * up x), the same paper.</summary>
    GeGlu,
    /// <summary>Two layers with the exact GELU between.</summary>
    Gelu,
    /// <summary>Two layers with GELU's tanh form (GPT-2).</summary>
    GeluTanh,
    /// <summary>Two layers with x * sigmoid(1.702 x) (OpenAI CLIP).</summary>
    QuickGelu,
    /// <summary>Two layers with ReLU.</summary>
    Relu,
}

/// <summary>
/// A decoder-only language model. MM1 does not publish its own; the defaults follow the nearest public models of the same
/// group, AXLearn's gala: pre-norm RMSNorm, SwiGLU, rotary positions, QK-norm, no biases, tied embeddings.
/// </summary>
public sealed record DecoderConfig
{
    /// <summary>Blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required long Width { get; init; }

    /// <summary>Query heads.</summary>
    public required long Heads { get; init; }

    /// <summary>Key and value heads; 0 (default) for as many as query heads.</summary>
    public long KeyValueHeads { get; init; }

    /// <summary>Head size; 0 (default) for Width / Heads.</summary>
    public long HeadSize { get; init; }

    /// <summary>Hidden width of the MLP; of each of the two branches of a gated one.</summary>
    public required long Hidden { get; init; }

    /// <summary>Rows of the token embedding (default 32768, gala's).</summary>
    public long Vocabulary { get; init; } = 32768;

    /// <summary>Positions run from 0 to this, exclusive (default 4096, the paper's sequence length).</summary>
    public long MaxPositions { get; init; } = 4096;

    /// <summary>Norms (default RMS).</summary>
    public NormKind Norm { get; init; } = NormKind.Rms;

    /// <summary>Epsilon of all norms (default 1e-5).</summary>
    public float NormEpsilon { get; init; } = 1e-5f;

    /// <summary>Positions (default rotary).</summary>
    public PositionKind Position { get; init; } = PositionKind.Rotary;

    /// <summary>Base of rotary angles (default 10000).</summary>
    public double RotaryTheta { get; init; } = 10000;

    /// <summary>Pairing of rotated elements (default halves, as Hugging Face's Llama).</summary>
    public RotaryStyle RotaryStyle { get; init; } = RotaryStyle.Half;

    /// <summary>MLP (default SwiGLU).</summary>
    public MlpKind Mlp { get; init; } = MlpKind.SwiGlu;

    /// <summary>Biases of the linear layers (default false).</summary>
    public bool Bias { get; init; }

    /// <summary>RMS norm of query and key heads (default true).</summary>
    public bool QueryKeyNorm { get; init; } = true;

    /// <summary>Whether the output projection is the token embedding (default true).</summary>
    public bool TiedEmbedding { get; init; } = true;

    /// <summary>Standard deviation of the initial token embeddings (default 0.02, GPT-2's). A small model learns faster when tokens start as large as what blocks add to them.</summary>
    public float EmbeddingDeviation { get; init; } = 0.02f;

    /// <summary>Gain of the initial weights that write into the residual stream, over fan-in normal (default 1; GPT-2: 1 / sqrt(2 * Layers)).</summary>
    public float ResidualGain { get; init; } = 1;

    /// <summary>Key and value heads, the default resolved.</summary>
    public long ResolvedKeyValueHeads => KeyValueHeads == 0 ? Heads : KeyValueHeads;

    /// <summary>Head size, the default resolved.</summary>
    public long ResolvedHeadSize => HeadSize == 0 ? Width / Heads : HeadSize;
}
