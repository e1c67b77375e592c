using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>Settings of <see cref="AdamW"/>.</summary>
public sealed record AdamWOptions : OptimizerOptions
{
    /// <summary>Decay of the first moment (default 0.9).</summary>
    public float Beta1 { get; init; } = 0.9f;

    /// <summary>Decay of the second moment (default 0.95, AXLearn's).</summary>
    public float Beta2 { get; init; } = 0.95f;

    /// <summary>Added to the root of the second moment (default 1e-8).</summary>
    public float Epsilon { get; init; } = 1e-8f;

    /// <inheritdoc/>
    protected internal override void Validate()
    {
        base.Validate();
        Require(Beta1 is >= 0 and < 1, nameof(Beta1), Beta1, "must lie in [0, 1)");
        Require(Beta2 is >= 0 and < 1, nameof(Beta2), Beta2, "must lie in [0, 1)");
        Require(Epsilon > 0, nameof(Epsilon), Epsilon, "must be positive");
    }
}

/// <summary>
/// AdamW with decoupled weight decay, p -= lr * lambda * p, as torch.optim.AdamW (Loshchilov and Hutter 2019). MM1's rule
/// lambda = 0.1 * peak lr for AXLearn's decoupled form is weight decay 0.1 here.
/// </summary>
public sealed class AdamW : Optimizer
{
    private readonly AdamWOptions _options;

    /// <summary>Allocates two moments for every trained parameter.</summary>
    public AdamW(IEnumerable<Parameter> parameters, AdamWOptions? options = null) : base(parameters, options ??= new AdamWOptions()) => _options = options;

    private protected override IEnumerable<StateSlot> Slots(Parameter parameter) =>
    [
        new("first_moment", parameter.Elements, StateRole.FirstMoment),
        new("second_moment", parameter.Elements, StateRole.SecondMoment),
    ];

    private protected override void Update(int count, nint tensors, nint stepState) => Device.Kernels.AdamW(Device.Launch(), new AdamWArgs
    {
        TensorCount = count,
        Tensors = tensors,
        StepState = stepState,
        Beta1 = _options.Beta1,
        Beta2 = _options.Beta2,
        Epsilon = _options.Epsilon,
    });
}
