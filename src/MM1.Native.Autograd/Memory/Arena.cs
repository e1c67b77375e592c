using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>How long an arena's tensors live.</summary>
public enum ArenaKind
{
    /// <summary>Across steps: a KV cache, a prompt's features.</summary>
    Session,
    /// <summary>One optimizer step, or one forward pass.</summary>
    Step,
    /// <summary>One micro-batch of a step.</summary>
    MicroBatch,
}

/// <summary>
/// Where tensors live. Everything made while an arena is the thread's current one dies with it; arenas nest and end in
/// reverse order. Memory is kept for the next arena of the same depth, so that steps allocate nothing after the first.
/// </summary>
/// <remarks>An arena belongs to the thread that opened it.</remarks>
public sealed class Arena : IDisposable
{
    [ThreadStatic]
    private static Arena? _current;

    private static int _open;

    private readonly Arena? _outer;
    private readonly DeviceArenas _arenas;
    private readonly int _thread = Environment.CurrentManagedThreadId;
    private readonly bool _outerRecords;
    private readonly float _outerLossDenominator;
    private ArenaMemory? _memory;

    internal Arena(Device device, ArenaKind kind, bool records, float lossDenominator = 0)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
        Kind = kind;
        _arenas = DeviceArenas.Of(device);
        _outer = _current;
        _outerRecords = GradientMode.Records;
        if (kind == ArenaKind.MicroBatch && (_outer is not { Kind: ArenaKind.Step or ArenaKind.MicroBatch } || _outer.Device != device))
            throw new InvalidOperationException("A micro-batch must be opened inside a step of its device: call device.BeginStep() first.");
        if (kind == ArenaKind.Step)
        {
            StepState state = _arenas.HostStepState;
            _outerLossDenominator = state.LossDenominator;
            if (state.LossDenominator != lossDenominator) _arenas.WriteStepState(state with { LossDenominator = lossDenominator });
        }
        _memory = _arenas.Rent();
        GradientMode.Records = records;
        _current = this;
        Interlocked.Increment(ref _open);
    }

    /// <summary>Arenas of all threads that have not ended yet.</summary>
    public static int OpenCount => Volatile.Read(ref _open);

    /// <summary>The innermost open arena of this thread.</summary>
    public static Arena? Current => _current;

    /// <summary>The device whose memory it is.</summary>
    public Device Device { get; }

    /// <summary>How long its tensors live.</summary>
    public ArenaKind Kind { get; }

    /// <summary>Bytes of live tensors.</summary>
    public long LiveBytes => Memory.Blocks.LiveBytes;

    /// <summary>Most bytes of live tensors at a time, since the memory was first used.</summary>
    public long PeakBytes => Memory.Blocks.PeakBytes;

    internal Tape Tape => Memory.Tape;

    internal nint StepStateAddress => _arenas.StepStateAddress;

    private ArenaMemory Memory => _memory ?? throw new ObjectDisposedException(nameof(Arena), "This arena has ended.");

    internal static Arena Require(string operation) => _current ?? throw new InvalidOperationException(
        $"{operation}: no arena is open on this thread, so a new tensor would have no owner. "
        + "Open one: using (device.BeginStep()) { ... } or using (device.BeginSession()) { ... }.");

    internal TensorState New(Shape shape, DType dtype)
    {
        if (_thread != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException($"This {Kind} arena belongs to thread {_thread}; thread {Environment.CurrentManagedThreadId} cannot make tensors in it.");
        ArenaMemory memory = Memory;
        long bytes = BlockAllocator.Round(checked(shape.Elements * dtype.Size()));
        nint address = memory.Blocks.Allocate(bytes);
        TensorState state = memory.NewState();
        state.Arena = this;
        state.Device = Device;
        state.Shape = shape;
        state.DType = dtype;
        state.Address = address;
        state.BlockBytes = bytes;
        state.References = 1;
        return state;
    }

    /// <summary>A second state on the memory of <paramref name="source"/>, which may belong to an outer arena or a parameter.</summary>
    internal TensorState NewView(TensorState source, Shape shape, nint address)
    {
        TensorState state = Memory.NewState();
        state.Arena = this;
        state.Device = source.Device;
        state.Shape = shape;
        state.DType = source.DType;
        state.Address = address;
        state.Owner = source.Owner;
        state.Owner.References++;
        return state;
    }

    /// <summary>Drops one state; its memory goes back when no other shows it.</summary>
    internal static void Release(TensorState state)
    {
        if (state.Released) return;
        state.Released = true;
        TensorState owner = state.Owner;
        if (--owner.References == 0 && owner.Arena is { } arena) arena.Memory.Blocks.Free(owner.Address, owner.BlockBytes);
    }

    /// <summary>Ends the arena: all its tensors are gone.</summary>
    /// <exception cref="InvalidOperationException">An arena opened later is still open, or another thread ends it.</exception>
    public void Dispose()
    {
        if (_memory is null) return;
        if (_thread != Environment.CurrentManagedThreadId)
            throw new InvalidOperationException($"This {Kind} arena belongs to thread {_thread}; it must end there.");
        if (_current != this)
            throw new InvalidOperationException($"This {Kind} arena cannot end before the {_current?.Kind} arena that was opened inside it.");
        _current = _outer;
        GradientMode.Records = _outerRecords;
        ArenaMemory memory = _memory;
        _memory = null;
        Interlocked.Decrement(ref _open);
        // An evaluation inside a step must not change what the step's later losses are divided by.
        if (Kind == ArenaKind.Step && _outer is not null) _arenas.RestoreLossDenominator(_outerLossDenominator);
        _arenas.Return(memory);
    }
}

/// <summary>Opening arenas on a device.</summary>
public static class DeviceArenaExtensions
{
    /// <summary>
    /// Opens the arena of one optimizer step (or one forward pass); gradients are recorded.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="lossDenominator">Targets that count in the whole step: what losses are divided by when the step has several
    /// micro-batches. 0 lets each loss count its own targets.</param>
    public static Arena BeginStep(this Device device, float lossDenominator = 0) => new(device, ArenaKind.Step, records: true, lossDenominator);

    /// <summary>Opens a micro-batch inside a step: its activations end with it, its gradients stay in the parameters.</summary>
    public static Arena BeginMicroBatch(this Device device) => new(device, ArenaKind.MicroBatch, records: true);

    /// <summary>Opens an arena that lives across steps. Nothing is recorded while it is the current one.</summary>
    public static Arena BeginSession(this Device device) => new(device, ArenaKind.Session, records: false);

    /// <summary>Opens a step that records no gradients: the cheapest way to run a model forward.</summary>
    public static Arena BeginInference(this Device device) => new(device, ArenaKind.Step, records: false);
}
