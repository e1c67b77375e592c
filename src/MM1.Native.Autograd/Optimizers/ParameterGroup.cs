namespace MM1.Native.Autograd;

/// <summary>Settings of the parameters whose names match a glob; what is null stays as the optimizer has it.</summary>
public sealed record ParameterGroup
{
    /// <summary>Glob over dotted names: <c>encoder.*</c>, <c>*.bias</c>. The first group that matches a parameter decides.</summary>
    public required string Pattern { get; init; }

    /// <summary>Factor on the learning rate.</summary>
    public float LearningRateScale { get; init; } = 1;

    /// <summary>Decoupled weight decay of this group.</summary>
    public float? WeightDecay { get; init; }
}
