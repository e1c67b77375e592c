namespace MM1.Native.Models;

/// <summary>
/// Decoders of the paper's sizes. MM1 publishes the sizes only; the shapes are defaults chosen here: gala's pattern (AXLearn)
/// with 12 L d^2 parameters, the SwiGLU width near 8/3 of the model's so that the totals meet the paper's names.
/// </summary>
public static class DecoderPresets
{
    /// <summary>9M, the learning rate grid.</summary>
    public static DecoderConfig Size9M { get; } = new() { Layers = 12, Width = 256, Heads = 4, Hidden = 672 };

    /// <summary>85M, the learning rate grid.</summary>
    public static DecoderConfig Size85M { get; } = new() { Layers = 12, Width = 768, Heads = 12, Hidden = 2048 };

    /// <summary>302M, the learning rate grid.</summary>
    public static DecoderConfig Size302M { get; } = new() { Layers = 24, Width = 1024, Heads = 16, Hidden = 2736 };

    /// <summary>1.2B, the ablations.</summary>
    public static DecoderConfig Size1200M { get; } = new() { Layers = 24, Width = 2048, Heads = 32, Hidden = 5472 };

    /// <summary>2.9B, the encoder ablation.</summary>
    public static DecoderConfig Size2900M { get; } = new() { Layers = 26, Width = 3072, Heads = 24, Hidden = 8192 };

    /// <summary>3B, final; the shape of the 2.9B, with which 64 experts in every second block would make 64B.</summary>
    public static DecoderConfig Size3B { get; } = Size2900M;

    /// <summary>7B, final; grouped heads and a wider MLP, with which 32 experts in every fourth block would make 47B.</summary>
    public static DecoderConfig Size7B { get; } = new() { Layers = 32, Width = 4096, Heads = 32, KeyValueHeads = 8, Hidden = 13312 };

    /// <summary>30B, final.</summary>
    public static DecoderConfig Size30B { get; } = new() { Layers = 48, Width = 7168, Heads = 56, Hidden = 19200 };
}
