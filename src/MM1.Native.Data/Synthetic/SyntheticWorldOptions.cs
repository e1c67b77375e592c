using System.Text.Json.Serialization;

namespace MM1.Native.Data;

/// <summary>Parts of the synthetic world that share nothing.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<WorldSplit>))]
public enum WorldSplit
{
    /// <summary>For training: never a held-out combination, in image or text.</summary>
    Train,
    /// <summary>Combinations as in training, scenes from seeds that training never uses.</summary>
    UnseenSeed,
    /// <summary>Scenes with a combination of colour and kind that training never shows, and questions about it.</summary>
    UnseenCombination,
}

/// <summary>Settings of the synthetic world.</summary>
public sealed record SyntheticWorldOptions
{
    /// <summary>Everything follows from it (default 1).</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Pixels of a side, 48 or more (default 48).</summary>
    public int ImageSize { get; init; } = 48;

    /// <summary>Fewest shapes of a scene (default 1).</summary>
    public int MinimumShapes { get; init; } = 1;

    /// <summary>Most shapes of a scene, up to 6 (default 3).</summary>
    public int MaximumShapes { get; init; } = 3;

    /// <summary>Share of long captions among captions (default 0.07, the paper's share of VeCap).</summary>
    public double LongCaptionShare { get; init; } = 0.07;

    /// <summary>Weight of question-answer documents among interleaved ones (default 0.6).</summary>
    public double QuestionWeight { get; init; } = 0.6;

    /// <summary>Weight of series whose answer format is only told by examples (default 0.2).</summary>
    public double FormatSeriesWeight { get; init; } = 0.2;

    /// <summary>Weight of series whose question itself is only told by examples (default 0.08).</summary>
    public double RuleSeriesWeight { get; init; } = 0.08;

    /// <summary>Weight of picture stories (default 0.12).</summary>
    public double StoryWeight { get; init; } = 0.12;

    /// <summary>Fewest images of a series, its last included (default 3).</summary>
    public int MinimumSeriesImages { get; init; } = 3;

    /// <summary>Most images of a series, its last included (default 9: eight examples and one more).</summary>
    public int MaximumSeriesImages { get; init; } = 9;

    /// <summary>Share of question documents whose questions begin with a capital letter (default 0.1).</summary>
    public double CapitalShare { get; init; } = 0.1;

    /// <summary>Documents that a source calls an epoch (default 1,000,000); the next epoch's are new ones.</summary>
    public long DocumentsPerEpoch { get; init; } = 1_000_000;

    internal void Check()
    {
        if (ImageSize < 48) throw new ArgumentException($"synthetic images have 48 pixels a side or more, not {ImageSize}");
        if (MinimumShapes < 1 || MaximumShapes > 6 || MinimumShapes > MaximumShapes || MaximumShapes < 2)
            throw new ArgumentException($"scenes have from 1 to 6 shapes, and 2 or more at most (relations need two), not {MinimumShapes} to {MaximumShapes}");
        if (LongCaptionShare is not (>= 0 and <= 1) || CapitalShare is not (>= 0 and <= 1))
            throw new ArgumentException($"shares are from 0 to 1, not {LongCaptionShare} (long captions) and {CapitalShare} (capital letters)");
        double[] weights = [QuestionWeight, FormatSeriesWeight, RuleSeriesWeight, StoryWeight];
        if (!weights.All(static weight => weight >= 0 && double.IsFinite(weight)) || weights.Sum() <= 0)
            throw new ArgumentException($"weights of interleaved documents must be 0 or more and not all 0: {string.Join(", ", weights)}");
        if (MinimumSeriesImages < 2 || MinimumSeriesImages > MaximumSeriesImages)
            throw new ArgumentException($"series have 2 images or more, not {MinimumSeriesImages} to {MaximumSeriesImages}");
        if (DocumentsPerEpoch < 1) throw new ArgumentException($"an epoch has at least one document, not {DocumentsPerEpoch}");
    }
}
