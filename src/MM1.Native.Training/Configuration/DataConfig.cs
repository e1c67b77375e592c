using MM1.Native.Data;

namespace MM1.Native.Training;

/// <summary>Kinds of data.</summary>
public enum DataKind
{
    /// <summary>The world of coloured shapes, made from a seed: sources <c>captions</c>, <c>interleaved</c>, <c>text</c>.</summary>
    Synthetic,
}

/// <summary>The data: sources, their weights, and how their documents fill batches.</summary>
public sealed record DataConfig
{
    /// <summary>Kind (default synthetic).</summary>
    public DataKind Kind { get; init; } = DataKind.Synthetic;

    /// <summary>Settings of the synthetic world.</summary>
    public SyntheticWorldOptions World { get; init; } = new();

    /// <summary>How colours become numbers.</summary>
    public ImageColourConfig Images { get; init; } = new();

    /// <summary>Weights of sources; a source without one, or with 0, is not drawn (default the paper's 45% captions, 45% interleaved, 10% text).</summary>
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
        foreach ((string source, double weight) in Weights)
        {
            Check.That(source is "captions" or "interleaved" or "text", "data.weights", source, "has keys captions, interleaved and text");
            Check.That(weight >= 0 && double.IsFinite(weight), $"data.weights.{source}", weight, "must be 0 or more");
        }
        Check.That(Weights.Values.Any(static weight => weight > 0), "data.weights", "all 0", "must have a weight above 0");
    }
}
