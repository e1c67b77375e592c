using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>Settings of <see cref="Adafactor"/>.</summary>
public sealed record AdafactorOptions : OptimizerOptions
{
    /// <summary>Decay of the first moment; 0 (default) keeps none.</summary>
    public float Beta1 { get; init; }

    /// <summary>The second moment decays by 1 - step^this (default -0.8).</summary>
    public float DecayExponent { get; init; } = -0.8f;

    /// <summary>Added to the squared gradient (default 1e-30).</summary>
    public float Epsilon { get; init; } = 1e-30f;

    /// <summary>Least parameter scale (default 1e-3).</summary>
    public float EpsilonScale { get; init; } = 1e-3f;

    /// <summary>Largest root mean square of an update (default 1).</summary>
    public float ClipThreshold { get; init; } = 1;

    /// <summary>Whether steps are relative to the parameter's root mean square (default true).</summary>
    public bool ScaleParameter { get; init; } = true;

    /// <inheritdoc/>
    protected internal override void Validate()
    {
        base.Validate();
        Require(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "must lie in [0, 1)");
        Require(DecayExponent < 0, nameof(DecayExponent), DecayExponent, "must be negative");
        Require(Epsilon >= 0, nameof(Epsilon), Epsilon, "must not be negative");
        Require(EpsilonScale >= 0, nameof(EpsilonScale), EpsilonScale, "must not be negative");
        Require(ClipThreshold > 0, nameof(ClipThreshold), ClipThreshold, "must be positive");
    }
}

/// <summary>
/// Adafactor (Shazeer and Stern 2018, arXiv 1804.04235): the second moment of a matrix is kept as row and column means. MM1's
/// SFT uses it (unconfirmed, see the paper's appendix).
/// </summary>
public sealed class Adafactor : Optimizer
{
    private readonly AdafactorOptions _options;

    /// <summary>Allocates row and column means for matrices, a full second moment for vectors.</summary>
    public Adafactor(IEnumerable<Parameter> parameters, AdafactorOptions? options = null) : base(parameters, options ??= new AdafactorOptions()) => _options = options;

    private protected override IEnumerable<StateSlot> Slots(Parameter parameter)
    {
        // Called by the base constructor, before the field is set: the options come from the base.
        if (parameter.Shape.Rank >= 2)
        {
            yield return new("second_moment_row", parameter.Shape[0], StateRole.SecondMomentRow);
            yield return new("second_moment_column", parameter.Elements / Math.Max(1, parameter.Shape[0]), StateRole.SecondMomentColumn);
        }
        else
        {
            yield return new("second_moment", parameter.Elements, StateRole.SecondMoment);
        }
        if (((AdafactorOptions)Options).Beta1 > 0) yield return new("first_moment", parameter.Elements, StateRole.FirstMoment);
    }

    private protected override void Update(int count, nint tensors, nint stepState)
    {
        var args = new AdafactorArgs
        {
            TensorCount = count,
            Tensors = tensors,
            StepState = stepState,
            DecayExponent = _options.DecayExponent,
            Epsilon = _options.Epsilon,
            EpsilonScale = _options.EpsilonScale,
            ClipThreshold = _options.ClipThreshold,
            Beta1 = _options.Beta1,
            ScaleParameter = _options.ScaleParameter ? 1 : 0,
        };
        Device.Kernels.Adafactor(Device.Launch(Device.Kernels.AdafactorWorkspaceBytes(args)), args);
    }
}
