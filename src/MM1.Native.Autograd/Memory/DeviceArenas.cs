using System.Runtime.CompilerServices;
using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// What the arenas of one device share from step to step: their memory, by nesting depth, and the step state that kernels
/// read. It lives as long as the device.
/// </summary>
internal sealed unsafe class DeviceArenas : IDisposable
{
    private static readonly ConditionalWeakTable<Device, DeviceArenas> Table = [];

    // Almost every program has one device per thread; the table is for the others.
    [ThreadStatic]
    private static DeviceArenas? _last;

    private readonly Device _device;
    private ArenaPool _pool = new();
    private readonly DeviceMemory _stepState;
    private StepState _hostStepState;
    private bool _disposed;

    private DeviceArenas(Device device)
    {
        _device = device;
        _stepState = device.Allocate(sizeof(StepState));
        WriteStepState(new StepState { ClipFactor = 1 });
        device.Disposing += Dispose;
    }

    public static DeviceArenas Of(Device device)
    {
        // Another thread may have disposed the device since: then the table has no entry, and a new one asks the device for memory, which throws.
        if (_last is { _disposed: false } last && last._device == device) return last;
        return _last = Table.GetValue(device, static key => new DeviceArenas(key));
    }

    /// <summary>Device address of the <see cref="StepState"/>.</summary>
    public nint StepStateAddress => _stepState.Address;

    /// <summary>What was last written to the device.</summary>
    public StepState HostStepState => _hostStepState;

    public void WriteStepState(in StepState state)
    {
        _hostStepState = state;
        _device.CopyFromHost(_stepState.Address, new ReadOnlySpan<byte>(Unsafe.AsPointer(ref Unsafe.AsRef(in state)), sizeof(StepState)));
    }

    public void RestoreLossDenominator(float denominator)
    {
        if (_disposed || _hostStepState.LossDenominator == denominator) return;
        WriteStepState(_hostStepState with { LossDenominator = denominator });
    }

    public StepState ReadStepState()
    {
        StepState state;
        _device.CopyToHost(new Span<byte>(&state, sizeof(StepState)), _stepState.Address);
        return state;
    }

    /// <summary>The memory of the last arena that ended: arenas nest like a stack, so each depth gets its own back.</summary>
    public ArenaMemory Rent() => _pool.Rent(_device);

    /// <summary>Arenas that open from here on take their memory from another pool; those open now must end after it is exchanged back. Returns the present one.</summary>
    public ArenaPool Exchange(ArenaPool pool)
    {
        ArenaPool before = _pool;
        _pool = pool;
        return before;
    }

    public void Return(ArenaMemory memory)
    {
        memory.Reset();
        if (_disposed) memory.Dispose(); // the device went before its arena
        else _pool.Return(memory);
    }

    public void Dispose()
    {
        _disposed = true;
        _pool.Dispose();
        _stepState.Dispose();
        Table.Remove(_device);
        if (_last == this) _last = null;
    }
}

/// <summary>Memory of arenas that ended, for the next ones of the same depth.</summary>
internal sealed class ArenaPool : IDisposable
{
    private readonly Stack<ArenaMemory> _idle = new();

    public ArenaMemory Rent(Device device) => _idle.Count > 0 ? _idle.Pop() : new ArenaMemory(device);

    public void Return(ArenaMemory memory) => _idle.Push(memory);

    public void Dispose()
    {
        while (_idle.Count > 0) _idle.Pop().Dispose();
    }
}

/// <summary>The reusable inside of an arena: blocks, tensor states, a tape.</summary>
internal sealed class ArenaMemory(Device device) : IDisposable
{
    private readonly List<TensorState> _states = [];
    private int _used;

    public BlockAllocator Blocks { get; } = new(device);

    public Tape Tape { get; } = new();

    public TensorState NewState()
    {
        if (_used == _states.Count) _states.Add(new TensorState());
        return _states[_used++];
    }

    public void Reset()
    {
        Tape.Clear();
        for (int i = 0; i < _used; i++)
        {
            // Views of outer tensors give up their share, or that memory would never come back.
            if (_states[i].Owner.Arena != _states[i].Arena) Arena.Release(_states[i]);
        }
        for (int i = 0; i < _used; i++) _states[i].Clear();
        _used = 0;
        Blocks.Reset();
    }

    public void Dispose() => Blocks.Dispose();
}
