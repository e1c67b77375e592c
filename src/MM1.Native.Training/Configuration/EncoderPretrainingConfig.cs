using MM1.Native.Autograd;

namespace MM1.Native.Training;

/// <summary>
/// Contrastive pre-training of the image encoder before the first step (CLIP, arXiv 2103.00020): the paper's first stage, inside the same run. The encoder learns which caption belongs to which
/// image of a batch; then the run goes on with it. Frozen encoder parameters are trained here too: <c>freeze</c> is about the steps.
/// </summary>
public sealed record EncoderPretrainingConfig
{
    /// <summary>Steps (default 0: no pre-training).</summary>
    public int Steps { get; init; }

    /// <summary>Images with their captions in a step (default 128).</summary>
    public int Images { get; init; } = 128;

    /// <summary>Peak learning rate of AdamW (default 2e-3).</summary>
    public double LearningRate { get; init; } = 2e-3;

    /// <summary>Steps of the warm-up (default 50); then a cosine.</summary>
    public int WarmupSteps { get; init; } = 50;

    /// <summary>Share of the peak at the last step (default 0.02).</summary>
    public double Floor { get; init; } = 0.02;

    /// <summary>Decoupled weight decay (default 0.1).</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Threshold of the global gradient norm (default 1); 0 clips nothing.</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>Elements of the space that images and captions share (default 64).</summary>
    public int Width { get; init; } = 64;

    /// <summary>The source of pairs (default captions): of a document its first image, and the text from there to the next.</summary>
    public string Source { get; init; } = "captions";

    internal void Validate(DataConfig data)
    {
        const string Key = "encoderPretraining";
        Check.That(Steps >= 0, $"{Key}.steps", Steps, "must be 0 (none) or more");
        Check.That(Images >= 2, $"{Key}.images", Images, "must be 2 or more");
        Check.That(LearningRate > 0 && double.IsFinite(LearningRate), $"{Key}.learningRate", LearningRate, "must be positive");
        Check.That(WarmupSteps >= 0, $"{Key}.warmupSteps", WarmupSteps, "must be 0 or more");
        Check.That(Steps == 0 || WarmupSteps < Steps, $"{Key}.warmupSteps", WarmupSteps, $"must be less than {Key}.steps ({Steps})");
        Check.That(Floor is >= 0 and <= 1, $"{Key}.floor", Floor, "must lie in [0, 1]");
        Check.That(WeightDecay >= 0 && double.IsFinite(WeightDecay), $"{Key}.weightDecay", WeightDecay, "must be 0 or more");
        Check.That(MaxGradientNorm >= 0 && double.IsFinite(MaxGradientNorm), $"{Key}.maxGradientNorm", MaxGradientNorm, "must be 0 (no clipping) or more");
        Check.That(Width >= 1, $"{Key}.width", Width, "must be 1 or more");
        if (data.Kind == DataKind.Synthetic)
        {
            Check.That(Source is "captions" or "interleaved", $"{Key}.source", Source, "must be captions or interleaved, whose documents have images");
            return;
        }
        string[] known = [.. data.Sources.Select(static source => source.Name)];
        Check.That(Steps == 0 || known.Contains(Source), $"{Key}.source", Source, $"must be the name of a source in data.sources; the nearest is '{NearestName.Find(Source, known)}'");
    }
}
