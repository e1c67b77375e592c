using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// A trained tensor: a float32 master, a float32 gradient that accumulates until the optimizer takes it, and (in mixed precision)
/// a shadow in the compute dtype that the optimizer writes in its pass. It lives as long as its module.
/// </summary>
public sealed class Parameter
{
    private TensorState? _value, _gradient, _shadow;

    internal Parameter(Shape shape, Initializer initializer)
    {
        Shape = shape;
        Initializer = initializer;
    }

    /// <summary>Dotted name from the root module, such as <c>layers.0.attention.qkv.weight</c>; empty before the model is built.</summary>
    public string Name { get; internal set; } = "";

    /// <summary>Extents.</summary>
    public Shape Shape { get; }

    /// <summary>Number of elements.</summary>
    public long Elements => Shape.Elements;

    /// <summary>Initial values.</summary>
    public Initializer Initializer { get; internal set; }

    /// <summary>Whether the parameter is trained; a frozen one gets no gradient and no update.</summary>
    /// <exception cref="InvalidOperationException">Set, though the model was built to be run only.</exception>
    public bool RequiresGradient
    {
        get;
        set
        {
            if (value && _value is not null && _gradient is null) throw WithoutGradient();
            field = value;
            if (_value is not null) _value.RequiresGradient = value;
            if (_shadow is not null) _shadow.RequiresGradient = value;
        }
    } = true;

    /// <summary>Whether a gradient has accumulated since the optimizer last took it.</summary>
    public bool HasGradient { get; internal set; }

    /// <summary>The master values as a tensor that requires a gradient.</summary>
    /// <exception cref="InvalidOperationException">The model is not built yet, or disposed.</exception>
    public Tensor Value => new(ValueState);

    /// <summary>The copy in the shadow dtype that the optimizer writes in its pass; null where the model was built without.</summary>
    public Tensor? Shadow => _shadow is { } shadow ? new Tensor(shadow) : null;

    /// <summary>
    /// What operations read where a parameter stands for a tensor: the shadow where the device computes in its dtype, else the master. Its gradient
    /// is the parameter's either way.
    /// </summary>
    public Tensor Compute => _shadow is { } shadow && shadow.Device.Computes(shadow.DType) ? new Tensor(shadow) : Value;

    /// <summary>The accumulated gradient; meaningful while <see cref="HasGradient"/>.</summary>
    public Tensor Gradient => new(GradientState);

    internal TensorState ValueState => _value ?? throw NotBuilt();

    private TensorState GradientState => _gradient ?? throw (_value is null ? NotBuilt() : WithoutGradient());

    /// <summary>Parameters are used where tensors are: as <see cref="Compute"/>.</summary>
    public static implicit operator Tensor(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return parameter.Compute;
    }

    /// <summary>Parameters that may be absent.</summary>
    public static implicit operator Tensor?(Parameter? parameter) => parameter?.Compute;

    /// <summary>The parameter as a tensor: <see cref="Compute"/>.</summary>
    public Tensor ToTensor() => Compute;

    /// <summary>The master values, copied to the host.</summary>
    public float[] ToArray() => Value.ToArray();

    /// <summary>Overwrites the master values.</summary>
    /// <exception cref="ArgumentException">Another number of elements.</exception>
    public void Load(ReadOnlySpan<float> values)
    {
        if (values.Length != Elements) throw new ArgumentException($"{Name} {Shape} has {Elements} elements; {values.Length} were given.", nameof(values));
        Value.Write(values);
        WriteShadow();
    }

    /// <summary>Drops the accumulated gradient.</summary>
    public void ZeroGradient() => HasGradient = false;

    internal TensorState GradientForAccumulation(out float beta)
    {
        TensorState gradient = GradientState;
        beta = HasGradient ? 1 : 0;
        HasGradient = true;
        return gradient;
    }

    /// <summary>Rounds the master into the shadow, where there is one.</summary>
    internal void WriteShadow()
    {
        if (_shadow is not { } shadow) return;
        Kernel.Cast(ValueState, shadow);
    }

    internal void Attach(Device device, nint value, nint gradient, nint shadow, DType shadowDType)
    {
        _value = Describe(device, value, DType.Float32);
        _value.Parameter = this;
        _gradient = gradient == 0 ? null : Describe(device, gradient, DType.Float32);
        RequiresGradient &= _gradient is not null;
        _value.RequiresGradient = RequiresGradient;
        if (shadow == 0) return;
        _shadow = Describe(device, shadow, shadowDType);
        _shadow.Parameter = this;
        _shadow.RequiresGradient = RequiresGradient;
    }

    internal void Detach()
    {
        if (_value is not null) _value.Generation++;
        if (_gradient is not null) _gradient.Generation++;
        if (_shadow is not null) _shadow.Generation++;
        _value = _gradient = _shadow = null;
        HasGradient = false;
    }

    private TensorState Describe(Device device, nint address, DType dtype) =>
        new() { Device = device, Shape = Shape, DType = dtype, Address = address, References = 1 };

    private InvalidOperationException WithoutGradient() =>
        new($"Parameter {Name} has no gradient: the model was built to be run only. Build(device, seed, trainable: true) makes one that can be trained.");

    private InvalidOperationException NotBuilt() =>
        new($"Parameter {(Name.Length == 0 ? Shape.ToString() : Name)} has no memory: the root module's Build(device, seed) has not run, or the model was disposed.");
}
