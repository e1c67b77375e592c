using System.Runtime.InteropServices;
using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// A small handle to contiguous device memory of one dtype and shape, made inside an <see cref="Arena"/> and dying with it.
/// Copying the handle copies nothing else. Using a handle whose tensor is gone throws and says why.
/// </summary>
public readonly struct Tensor : IEquatable<Tensor>
{
    private readonly TensorState? _state;
    private readonly int _generation;

    internal Tensor(TensorState state)
    {
        _state = state;
        _generation = state.Generation;
    }

    /// <summary>Whether this handle was ever given a tensor; <c>default(Tensor)</c> was not.</summary>
    public bool IsDefined => _state is not null;

    /// <summary>Extents.</summary>
    public Shape Shape => State.Shape;

    /// <summary>Element type.</summary>
    public DType DType => State.DType;

    /// <summary>Where the memory is.</summary>
    public Device Device => State.Device;

    /// <summary>Number of elements.</summary>
    public long Elements => State.Shape.Elements;

    /// <summary>Whether backward computes a gradient for this tensor.</summary>
    public bool RequiresGradient => State.RequiresGradient;

    /// <summary>Device address of the first element, for kernels of one's own.</summary>
    public nint Address => State.Address;

    /// <summary>The memory as a kernel operand: rows of the last dimension.</summary>
    public Operand Operand => State.Operand;

    /// <summary>The gradient that backward left on a leaf or a tensor marked by <see cref="RetainGradient"/>; null before, or where none arrived.</summary>
    public Tensor? Gradient => State.Parameter is { } parameter
        ? (parameter.HasGradient ? parameter.Gradient : null)
        : State.Gradient is { } gradient ? new Tensor(gradient) : null;

    /// <summary>The live state behind the handle.</summary>
    internal TensorState State
    {
        get
        {
            if (_state is { } state && state.Generation == _generation && !state.Released) return state;
            throw Dead();
        }
    }

    internal bool IsAlive => _state is { } state && state.Generation == _generation && !state.Released;

    private InvalidOperationException Dead()
    {
        if (_state is null) return new InvalidOperationException("This tensor handle is empty (default); it was never given a tensor.");
        if (_state.Generation == _generation)
        {
            return new InvalidOperationException($"This {_state.DType} tensor {_state.Shape} was released by Backward(), which gives memory back as it goes. "
                + "Call Keep() on it before Backward(), or read it before.");
        }
        return new InvalidOperationException("This tensor's arena (step, micro-batch or session) has ended. "
            + "Copy what must live longer with CopyTo(arena), ToArray() or Item() before the end.");
    }

    /// <summary>An uninitialized tensor in the current arena.</summary>
    public static Tensor Empty(Shape shape, DType dtype = DType.Float32) => new(Arena.Require("Tensor.Empty").New(shape, dtype));

    /// <summary>A tensor of zeros in the current arena.</summary>
    public static Tensor Zeros(Shape shape, DType dtype = DType.Float32) => Full(shape, 0, dtype);

    /// <summary>A tensor of one value in the current arena.</summary>
    public static Tensor Full(Shape shape, double value, DType dtype = DType.Float32)
    {
        Tensor tensor = Empty(shape, dtype);
        Kernel.Fill(tensor.State, value);
        return tensor;
    }

    /// <summary>A tensor with the given elements, row-major, in the current arena.</summary>
    /// <exception cref="OperationException">The shape has another number of elements.</exception>
    public static Tensor From<T>(ReadOnlySpan<T> values, Shape shape, bool requiresGradient = false) where T : unmanaged
    {
        if (values.Length != shape.Elements)
            throw new OperationException("Tensor.From", $"{values.Length} values were given for shape {shape} of {shape.Elements} elements.");
        Tensor tensor = Empty(shape, DTypes.Of<T>());
        TensorState state = tensor.State;
        state.Device.CopyFromHost(state.Address, MemoryMarshal.AsBytes(values));
        if (requiresGradient)
        {
            if (!state.DType.IsFloatingPoint() || !state.Device.Computes(state.DType))
                throw new OperationException("Tensor.From", $"a {state.DType} tensor cannot require a gradient; only those can in whose dtype device {state.Device} computes.");
            state.RequiresGradient = true;
        }
        return tensor;
    }

    /// <inheritdoc cref="From{T}(ReadOnlySpan{T}, Shape, bool)"/>
    public static Tensor From<T>(T[] values, Shape shape, bool requiresGradient = false) where T : unmanaged =>
        From(new ReadOnlySpan<T>(values), shape, requiresGradient);

    /// <summary>The elements, row-major, copied to the host.</summary>
    public T[] ToArray<T>() where T : unmanaged
    {
        var values = new T[Elements];
        CopyTo(values.AsSpan());
        return values;
    }

    /// <summary>The elements of a Float32 or BFloat16 tensor as float32, row-major, copied to the host.</summary>
    public float[] ToArray() => State.DType == DType.BFloat16 ? State.ToFloats() : ToArray<float>();

    /// <summary>Copies the elements to the host.</summary>
    public void CopyTo<T>(Span<T> destination) where T : unmanaged
    {
        TensorState state = State;
        if (DTypes.Of<T>() != state.DType)
            throw new OperationException("Tensor.CopyTo", $"the tensor {state.Shape} holds {state.DType}, not {DTypes.Of<T>()}; cast it first.");
        if (destination.Length != state.Elements)
            throw new OperationException("Tensor.CopyTo", $"{destination.Length} elements of space for the {state.Elements} of shape {state.Shape}.");
        state.Device.CopyToHost(MemoryMarshal.AsBytes(destination), state.Address);
    }

    /// <summary>The value of a one-element float32 tensor.</summary>
    public float Item()
    {
        TensorState state = State;
        if (state.Elements != 1) throw new OperationException("Tensor.Item", $"shape {state.Shape} has {state.Elements} elements, not one; use ToArray().");
        Span<float> value = stackalloc float[1];
        CopyTo(value);
        return value[0];
    }

    /// <summary>This tensor where it has the dtype already, else <see cref="Functional.Cast"/> of it.</summary>
    public Tensor To(DType dtype) => State.DType == dtype ? this : Functional.Cast(this, dtype);

    /// <summary>A copy in another (longer-lived) arena of the same device, without history.</summary>
    public Tensor CopyTo(Arena arena)
    {
        ArgumentNullException.ThrowIfNull(arena);
        TensorState state = State;
        if (arena.Device != state.Device) throw new OperationException("Tensor.CopyTo", $"the tensor is on {state.Device}, the arena on {arena.Device}.");
        TensorState copy = arena.New(state.Shape, state.DType);
        state.Device.CopyOnDevice(copy.Address, state.Address, state.Elements * state.DType.Size());
        return new Tensor(copy);
    }

    /// <summary>Overwrites the elements from the host, in place.</summary>
    /// <exception cref="OperationException">An operation saved the present elements for its backward.</exception>
    public void Write<T>(ReadOnlySpan<T> values) where T : unmanaged
    {
        TensorState state = State;
        if (DTypes.Of<T>() != state.DType || values.Length != state.Elements)
            throw new OperationException("Tensor.Write", $"{values.Length} {DTypes.Of<T>()} values do not fit {state.DType} {state.Shape}.");
        Kernel.RequireWritable("Tensor.Write", state);
        state.Device.CopyFromHost(state.Address, MemoryMarshal.AsBytes(values));
    }

    /// <summary>Marks the tensor: its elements stay readable after <see cref="Backward"/>. Returns it.</summary>
    public Tensor Keep()
    {
        State.Keeps = true;
        return this;
    }

    /// <summary>Marks the tensor: its gradient stays readable after <see cref="Backward"/>, and so do its elements. Returns it.</summary>
    public Tensor RetainGradient()
    {
        TensorState state = State;
        if (!state.RequiresGradient) throw new OperationException("Tensor.RetainGradient", $"the tensor {state.Shape} does not require a gradient.");
        state.Keeps = true;
        return this;
    }

    /// <summary>The same elements without history: no gradient flows through.</summary>
    public Tensor Detach()
    {
        TensorState state = State;
        return new Tensor(Arena.Require("Tensor.Detach").NewView(state, state.Shape, state.Address));
    }

    /// <summary>
    /// Runs the tape back from this scalar: gradients accumulate into parameters and leaves, activations are released as
    /// soon as nothing needs them, and the tape is empty afterwards.
    /// </summary>
    /// <exception cref="OperationException">Not a scalar, or nothing on the tape leads to it.</exception>
    public void Backward() => Tape.Backward(State);

    /// <inheritdoc/>
    public bool Equals(Tensor other) => ReferenceEquals(_state, other._state) && _generation == other._generation;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_state, _generation);

    /// <summary>The same tensor (not: equal elements).</summary>
    public static bool operator ==(Tensor left, Tensor right) => left.Equals(right);

    /// <summary>Another tensor.</summary>
    public static bool operator !=(Tensor left, Tensor right) => !left.Equals(right);

    /// <summary>Element-wise sum; a smaller right side repeats over leading dimensions (see <see cref="Functional.Add"/>).</summary>
    public static Tensor operator +(Tensor left, Tensor right) => Functional.Add(left, right);

    /// <summary>Element-wise difference.</summary>
    public static Tensor operator -(Tensor left, Tensor right) => Functional.Add(left, right, beta: -1);

    /// <summary>Element-wise product; a smaller right side repeats over leading dimensions.</summary>
    public static Tensor operator *(Tensor left, Tensor right) => Functional.Multiply(left, right);

    /// <summary>Product with a number.</summary>
    public static Tensor operator *(Tensor left, float right) => Functional.Scale(left, right);

    /// <summary>Product with a number.</summary>
    public static Tensor operator *(float left, Tensor right) => Functional.Scale(right, left);

    /// <summary>Dtype, shape, device.</summary>
    public override string ToString() => !IsDefined ? "(no tensor)" : IsAlive ? $"{DType} {Shape} on {Device}" : "(tensor whose arena has ended)";
}
