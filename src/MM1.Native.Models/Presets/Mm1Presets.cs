namespace MM1.Native.Models;

/// <summary>Whole models by name: the paper's, and two for one small machine.</summary>
public static class Mm1Presets
{
    private static readonly Dictionary<string, Func<Mm1Config>> ByName = new(StringComparer.Ordinal)
    {
        ["tiny"] = Tiny,
        ["small"] = Small,
        ["mm1-9m"] = () => Ablation(DecoderPresets.Size9M),
        ["mm1-85m"] = () => Ablation(DecoderPresets.Size85M),
        ["mm1-302m"] = () => Ablation(DecoderPresets.Size302M),
        ["mm1-1.2b"] = () => Ablation(DecoderPresets.Size1200M),
        ["mm1-2.9b"] = () => Ablation(DecoderPresets.Size2900M),
        ["mm1-2.9b-aim-600m"] = () => Ablation(DecoderPresets.Size2900M) with { Vision = VisionPresets.Aim600M() },
        ["mm1-2.9b-aim-1b"] = () => Ablation(DecoderPresets.Size2900M) with { Vision = VisionPresets.Aim1B() },
        ["mm1-2.9b-aim-3b"] = () => Ablation(DecoderPresets.Size2900M) with { Vision = VisionPresets.Aim3B() },
        ["mm1-3b"] = () => Final(DecoderPresets.Size3B),
        ["mm1-7b"] = () => Final(DecoderPresets.Size7B),
        ["mm1-30b"] = () => Final(DecoderPresets.Size30B),
    };

    /// <summary>All names, smallest first.</summary>
    public static IReadOnlyCollection<string> Names => ByName.Keys;

    /// <summary>The configuration of a name.</summary>
    /// <exception cref="ArgumentException">There is none of that name; the message lists all.</exception>
    public static Mm1Config Get(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return ByName.TryGetValue(name, out Func<Mm1Config>? preset)
            ? preset()
            : throw new ArgumentException($"No preset is named '{name}'; there are {string.Join(", ", ByName.Keys)}.", nameof(name));
    }

    /// <summary>The ablations' recipe: ViT-L/14 at 336 pixels, C-Abstractor with 144 tokens (section 3.2; the base decoder is the 1.2B).</summary>
    public static Mm1Config Ablation(DecoderConfig decoder) => new()
    {
        Vision = VisionPresets.ClipLarge(),
        Connector = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 144 },
        Decoder = decoder,
    };

    /// <summary>The final recipe: ViT-H/14 at 378 pixels, C-Abstractor with 144 tokens (section 4).</summary>
    public static Mm1Config Final(DecoderConfig decoder) => Ablation(decoder) with { Vision = VisionPresets.ClipHuge() };

    /// <summary>
    /// Under 1.5M parameters: images of 48 pixels, 9 tokens each, a vocabulary of up to 512 words. It starts from nothing and has minutes, hence an encoder that begins
    /// with convolutions and knows places from the start, tokens as large as what blocks add to them, and a decoder of two layers: four learn no faster by the step and cost more.
    /// </summary>
    private static Mm1Config Tiny() => new()
    {
        Vision = VisionConfig.Clip(48, 8, 2, 96, 3) with { StemConvolutions = 3, Position = PatchPositionKind.SinCos },
        Connector = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 9, Hidden = 96, Depth = 1 },
        Decoder = new DecoderConfig { Layers = 2, Width = 128, Heads = 8, Hidden = 352, Vocabulary = 512, MaxPositions = 512, EmbeddingDeviation = 0.2f, ResidualGain = 0.5f },
    };

    /// <summary>About 10M parameters: images of 64 pixels, 16 tokens each.</summary>
    private static Mm1Config Small() => new()
    {
        Vision = VisionConfig.Clip(64, 8, 6, 192, 6, Kernels.Activation.Gelu),
        Connector = new ConnectorConfig { Kind = ConnectorKind.CAbstractor, Tokens = 16, Hidden = 192, Depth = 2 },
        Decoder = new DecoderConfig { Layers = 8, Width = 256, Heads = 8, Hidden = 672, Vocabulary = 2048, MaxPositions = 1024 },
    };
}
