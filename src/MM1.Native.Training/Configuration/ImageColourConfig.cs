using MM1.Native.Inference;
using MM1.Native.Models;

namespace MM1.Native.Training;

/// <summary>How colours become numbers: (value - mean) / deviation. Kept with the model, so that evaluation and inference see what training saw.</summary>
public sealed record ImageColourConfig
{
    /// <summary>Mean of red, green, blue in [0, 1] (default: CLIP's).</summary>
    public IReadOnlyList<float> Mean { get; init; } = [0.48145466f, 0.4578275f, 0.40821073f];

    /// <summary>Standard deviation of red, green, blue (default: CLIP's).</summary>
    public IReadOnlyList<float> Deviation { get; init; } = [0.26862954f, 0.26130258f, 0.27577711f];

    /// <summary>The settings of a model's images.</summary>
    public ImageSettings For(VisionConfig vision)
    {
        ArgumentNullException.ThrowIfNull(vision);
        return new ImageSettings { Size = vision.ImageSize, Mean = Mean, StandardDeviation = Deviation };
    }

    internal void Validate()
    {
        Check.That(Mean.Count == 3 && Mean.All(static value => value is >= 0 and <= 1), "data.images.mean", Words(Mean), "must have three values in [0, 1]");
        Check.That(Deviation.Count == 3 && Deviation.All(static value => value > 0 && float.IsFinite(value)), "data.images.deviation", Words(Deviation), "must have three positive values");
    }

    private static string Words(IReadOnlyList<float> values) => FormattableString.Invariant($"[{string.Join(", ", values.Select(static value => value.ToString(System.Globalization.CultureInfo.InvariantCulture)))}]");
}
