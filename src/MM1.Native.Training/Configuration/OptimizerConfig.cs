using MM1.Native.Autograd;

namespace MM1.Native.Training;

/// <summary>Kinds of optimizer.</summary>
public enum OptimizerKind
{
    /// <summary>AdamW, decoupled (pre-training).</summary>
    AdamW,
    /// <summary>Adafactor (the paper's SFT).</summary>
    Adafactor,
}

/// <summary>
/// The optimizer. MM1's rule of weight decay, lambda = 0.1 * peak rate in AXLearn's decoupled form (p -= schedule * (rate * update + lambda * p)), is 0.1 here, where decay is multiplied by
/// the learning rate as in torch.optim.AdamW. Decay touches every parameter, as AXLearn's golden files have it.
/// </summary>
public sealed record OptimizerConfig
{
    /// <summary>Kind (default AdamW).</summary>
    public OptimizerKind Kind { get; init; }

    /// <summary>Peak learning rate; null (default) takes the paper's equation 1, exp(-0.4214 ln N - 0.5535) of the decoder's N parameters without embeddings.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Decay of the first moment; null (default) is 0.9 for AdamW and none for Adafactor.</summary>
    public double? Beta1 { get; init; }

    /// <summary>Decay of AdamW's second moment (default 0.95).</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Keeps divisions finite; null (default) is 1e-8 for AdamW and 1e-30 for Adafactor.</summary>
    public double? Epsilon { get; init; }

    /// <summary>Decoupled weight decay (default 0.1).</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Threshold of the global gradient norm (default 1); 0 clips nothing.</summary>
    public double MaxGradientNorm { get; init; } = 1;

    /// <summary>Weight of the output z-loss (default 0; MM1-30B is said to use 1e-4).</summary>
    public double ZLoss { get; init; }

    internal void Validate()
    {
        Check.That(LearningRate is null || (LearningRate > 0 && double.IsFinite(LearningRate.Value)), "optimizer.learningRate", LearningRate, "must be positive, or null for the paper's equation 1");
        Check.That(Beta1 is null or (>= 0 and < 1), "optimizer.beta1", Beta1, "must lie in [0, 1)");
        Check.That(Beta2 is >= 0 and < 1, "optimizer.beta2", Beta2, "must lie in [0, 1)");
        Check.That(Epsilon is null or > 0, "optimizer.epsilon", Epsilon, "must be positive");
        Check.That(WeightDecay >= 0 && double.IsFinite(WeightDecay), "optimizer.weightDecay", WeightDecay, "must be 0 or more");
        Check.That(MaxGradientNorm >= 0 && double.IsFinite(MaxGradientNorm), "optimizer.maxGradientNorm", MaxGradientNorm, "must be 0 (no clipping) or more");
        Check.That(ZLoss >= 0 && double.IsFinite(ZLoss), "optimizer.zLoss", ZLoss, "must be 0 or more");
    }

    internal Optimizer Create(IEnumerable<Parameter> parameters, IReadOnlyDictionary<string, double> scales)
    {
        ParameterGroup[] groups = [.. scales.Select(static pair => new ParameterGroup { Pattern = pair.Key, LearningRateScale = (float)pair.Value })];
        return Kind switch
        {
            OptimizerKind.AdamW => new AdamW(parameters, new AdamWOptions
            {
                Beta1 = (float)(Beta1 ?? 0.9),
                Beta2 = (float)Beta2,
                Epsilon = (float)(Epsilon ?? 1e-8),
                WeightDecay = (float)WeightDecay,
                MaxGradientNorm = (float)MaxGradientNorm,
                Groups = groups,
            }),
            _ => new Adafactor(parameters, new AdafactorOptions
            {
                Beta1 = (float)(Beta1 ?? 0),
                Epsilon = (float)(Epsilon ?? 1e-30),
                WeightDecay = (float)WeightDecay,
                MaxGradientNorm = (float)MaxGradientNorm,
                Groups = groups,
            }),
        };
    }
}
