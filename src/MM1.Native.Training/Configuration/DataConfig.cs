using MM1.Native.Autograd;
using MM1.Native.Data;
using MM1.Native.Inference;

namespace MM1.Native.Training;

/// <summary>Kinds of data.</summary>
public enum DataKind
{
    /// <summary>The world of coloured shapes, made from a seed: sources <c>captions</c>, <c>interleaved</c>, <c>text</c>.</summary>
    Synthetic,
    /// <summary>Files in a data folder, as <c>data.sources</c> describes them.</summary>
    Sources,
}

/// <summary>The data: sources, their weights, and how their documents fill batches.</summary>
public sealed record DataConfig
{
    /// <summary>Kind (default synthetic).</summary>
    public DataKind Kind { get; init; } = DataKind.Synthetic;

    /// <summary>The data folder that all paths start from, of kind <c>sources</c>; relative to the working folder. What a user sets: <c>--set data.root=...</c>.</summary>
    public string? Root { get; init; }

    /// <summary>The sources, of kind <c>sources</c>.</summary>
    public IReadOnlyList<SourceConfig> Sources { get; init; } = [];

    /// <summary>The tokenizer; null (default) for the world's words, or bytes where the kind is <c>sources</c>.</summary>
    public TokenizerConfig? Tokenizer { get; init; }

    /// <summary>Folder where compressed shards are expanded once; null (default) for a private one under the user's temporary folder.</summary>
    public string? Cache { get; init; }

    /// <summary>Settings of the synthetic world.</summary>
    public SyntheticWorldOptions World { get; init; } = new();

    /// <summary>How colours become numbers.</summary>
    public ImageColourConfig Images { get; init; } = new();

    /// <summary>Random changes of training images, of the encoder's pre-training too (default none); evaluation sees images as they are.</summary>
    public ImageAugmentation Augmentation { get; init; } = new();

    /// <summary>
    /// Weights of the synthetic world's sources, or of the groups that sources belong to; what has none, or 0, is not drawn (default the paper's 45% captions, 45% interleaved, 10% text).
    /// </summary>
    public IReadOnlyDictionary<string, double> Weights { get; init; } = new Dictionary<string, double> { ["captions"] = 0.45, ["interleaved"] = 0.45, ["text"] = 0.10 };

    /// <summary>What the weights are shares of (default sequences).</summary>
    public MixtureUnit Unit { get; init; } = MixtureUnit.Sequence;

    /// <summary>Sequences of a batch.</summary>
    public required int Sequences { get; init; }

    /// <summary>Tokens of a sequence, images included.</summary>
    public required int Length { get; init; }

    /// <summary>Most images of a sequence (default 16, the paper's).</summary>
    public int MaximumImages { get; init; } = 16;

    /// <summary>
    /// Whether padded positions and as many images as a batch can hold go through the model too, so that every step has the same shapes, as <c>capture</c> needs (default false: they are left out,
    /// which costs less; the loss is the same but for rounding).
    /// </summary>
    public bool FixedShapes { get; init; }

    /// <summary>Documents that a source reads ahead to fill sequences better (default 16); 1 keeps strict order.</summary>
    public int Lookahead { get; init; } = 16;

    /// <summary>Tasks that make batches beside the training (default 1; 0 makes them in between). The data are the same with any number.</summary>
    public int Workers { get; init; } = 1;

    /// <summary>Batches made ahead at most (default 4).</summary>
    public int Prefetch { get; init; } = 4;

    internal void Validate()
    {
        Check.That(Sequences >= 1, "data.sequences", Sequences, "must be 1 or more");
        Check.That(Length >= 2, "data.length", Length, "must be 2 or more");
        Check.That(MaximumImages >= 0, "data.maximumImages", MaximumImages, "must be 0 or more");
        Check.That(Lookahead >= 1, "data.lookahead", Lookahead, "must be 1 or more");
        Check.That(Workers >= 0, "data.workers", Workers, "must be 0 or more");
        Check.That(Prefetch >= 1, "data.prefetch", Prefetch, "must be 1 or more");
        Images.Validate();
        try
        {
            Augmentation.Check();
        }
        catch (ArgumentException fault)
        {
            throw new ConfigurationException($"Configuration: data.augmentation: {fault.Message}.", fault);
        }
        foreach ((string source, double weight) in Weights)
        {
            Check.That(Kind != DataKind.Synthetic || source is "captions" or "interleaved" or "text", "data.weights", source, "has keys captions, interleaved and text");
            Check.That(weight >= 0 && double.IsFinite(weight), $"data.weights.{source}", weight, "must be 0 or more");
        }
        Check.That(Weights.Values.Any(static weight => weight > 0), "data.weights", "all 0", "must have a weight above 0");
        if (Kind == DataKind.Sources) ValidateSources();
        else Check.That(Sources.Count == 0, "data.sources", $"of {Sources.Count}", "is for data.kind: sources");
        Tokenizer?.Validate(this);
    }

    private void ValidateSources()
    {
        Check.That(Sources.Count > 0, "data.sources", "empty", "must list sources where data.kind is sources");
        Check.That(!string.IsNullOrEmpty(Root), "data.root", Root, "must name the data folder that paths start from: --set data.root=FOLDER");
        for (int i = 0; i < Sources.Count; i++)
        {
            string key = $"data.sources[{i}]";
            Sources[i].Validate(key, Sources);
            Check.That(Sources.Take(i).All(other => other.Name != Sources[i].Name), $"{key}.name", Sources[i].Name, "must not be that of another source");
            Check.That(Weights.ContainsKey(Sources[i].Group), $"{key}.group", Sources[i].Group,
                $"must be a key of data.weights ({string.Join(", ", Weights.Keys)}); the nearest is '{NearestName.Find(Sources[i].Group, Weights.Keys)}'");
        }
        foreach ((string group, double weight) in Weights)
            Check.That(weight == 0 || Sources.Any(source => source.Group == group), $"data.weights.{group}", weight, "has no source of this group in data.sources; it must be 0, or a source must be added");
    }
}
