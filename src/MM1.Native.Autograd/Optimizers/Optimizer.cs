using System.IO.Enumeration;
using System.Runtime.InteropServices;
using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>Settings that all optimizers share.</summary>
public abstract record OptimizerOptions
{
    /// <summary>Learning rate of the next step; a schedule sets <see cref="Optimizer.LearningRate"/> instead.</summary>
    public float LearningRate { get; init; } = 1e-3f;

    /// <summary>Decoupled weight decay of parameters that no group names.</summary>
    public float WeightDecay { get; init; }

    /// <summary>Threshold of the global gradient norm; 0 (default) clips nothing.</summary>
    public float MaxGradientNorm { get; init; }

    /// <summary>Leaves everything as it is when the gradient norm is NaN or infinite (default true); the step is counted as skipped.</summary>
    public bool SkipNonFinite { get; init; } = true;

    /// <summary>Groups by name; the first match decides.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; init; } = [];

    /// <summary>Throws unless the settings make sense.</summary>
    protected internal virtual void Validate()
    {
        Require(float.IsFinite(LearningRate) && LearningRate >= 0, nameof(LearningRate), LearningRate, "must be finite and not negative");
        Require(float.IsFinite(WeightDecay) && WeightDecay >= 0, nameof(WeightDecay), WeightDecay, "must be finite and not negative");
        Require(float.IsFinite(MaxGradientNorm) && MaxGradientNorm >= 0, nameof(MaxGradientNorm), MaxGradientNorm, "must be finite and not negative");
        foreach (ParameterGroup group in Groups)
        {
            Require(float.IsFinite(group.LearningRateScale) && group.LearningRateScale >= 0, $"{nameof(group.LearningRateScale)} of group '{group.Pattern}'", group.LearningRateScale, "must be finite and not negative");
            if (group.WeightDecay is { } decay)
                Require(float.IsFinite(decay) && decay >= 0, $"{nameof(group.WeightDecay)} of group '{group.Pattern}'", decay, "must be finite and not negative");
        }
    }

    /// <summary>Throws that a setting breaks a rule.</summary>
    protected static void Require(bool holds, string name, object value, string rule)
    {
        if (!holds) throw new ArgumentOutOfRangeException(name, value, $"{name} {rule}.");
    }
}

/// <summary>
/// Updates parameters from their accumulated gradients, all tensors in one kernel call. Learning rate, step count, clip
/// factor and skip flag are read from device memory, so that a step can be captured and replayed.
/// </summary>
public abstract unsafe class Optimizer : IDisposable
{
    private readonly List<Entry> _entries = [];
    private readonly OptimizerTensor[] _active;
    private readonly OptimizerTensor[] _written;
    private readonly DeviceArenas _arenas;
    private readonly DeviceMemory _tensors;
    private readonly DeviceMemory _state;
    private readonly List<OptimizerState> _named = [];
    private int _writtenCount;
    private bool _disposed;

    /// <summary>One parameter and where its state lies.</summary>
    private readonly record struct Entry(Parameter Parameter, OptimizerTensor Tensor);

    /// <summary>Allocates the state of every parameter that is trained.</summary>
    private protected Optimizer(IEnumerable<Parameter> parameters, OptimizerOptions options)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        Options = options;
        LearningRate = options.LearningRate;
        Parameter[] trained = [.. parameters.Where(parameter => parameter.RequiresGradient)];
        if (trained.Length == 0) throw new ArgumentException("No parameter requires a gradient; there is nothing to optimize.", nameof(parameters));
        var seen = new HashSet<Parameter>();
        foreach (Parameter parameter in trained)
        {
            if (!seen.Add(parameter)) throw new ArgumentException($"Parameter '{parameter.Name}' is named twice.", nameof(parameters));
            if (parameter.ValueState.Device != trained[0].ValueState.Device)
                throw new ArgumentException($"Parameter '{parameter.Name}' is on another device than '{trained[0].Name}'.", nameof(parameters));
        }
        foreach (ParameterGroup group in options.Groups)
        {
            if (!trained.Any(parameter => Matches(group, parameter)))
                throw new ArgumentException($"The parameter group '{group.Pattern}' matches no trained parameter.", nameof(options));
        }
        Device = trained[0].ValueState.Device;
        _arenas = DeviceArenas.Of(Device);
        _tensors = Device.Allocate(trained.Length * sizeof(OptimizerTensor));
        _active = new OptimizerTensor[trained.Length];
        _written = new OptimizerTensor[trained.Length];
        long bytes = trained.Sum(parameter => Slots(parameter).Sum(slot => BlockAllocator.Round(slot.Elements * sizeof(float))));
        _state = Device.Allocate(bytes);
        Device.SetBytes(_state.Address, 0, bytes);
        long offset = 0;
        foreach (Parameter parameter in trained) _entries.Add(new Entry(parameter, Describe(parameter, ref offset)));
    }

    private protected OptimizerOptions Options { get; }

    /// <summary>Where the optimizer works.</summary>
    public Device Device { get; }

    /// <summary>Learning rate of the next step; set it between steps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, infinite or NaN.</exception>
    public float LearningRate
    {
        get;
        set => field = float.IsFinite(value) && value >= 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "LearningRate must be finite and not negative.");
    }

    /// <summary>
    /// The next steps are skipped where the gradient norm is above this (0, the default: never); set it between steps. The device
    /// decides, so that a guard against spikes needs no round trip to the host.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">Negative, infinite or NaN.</exception>
    public float SkipAboveGradientNorm
    {
        get;
        set => field = float.IsFinite(value) && value >= 0
            ? value
            : throw new ArgumentOutOfRangeException(nameof(value), value, "SkipAboveGradientNorm must be finite and not negative.");
    }

    /// <summary>Steps taken, skipped ones not counted.</summary>
    public long Steps { get; private set; }

    /// <summary>Steps that were skipped because the gradient norm was not finite, or above <see cref="SkipAboveGradientNorm"/>.</summary>
    public long SkippedSteps { get; private set; }

    /// <summary>Global gradient norm of the last step, before clipping.</summary>
    public float GradientNorm { get; private set; }

    /// <summary>State tensors by name (<c>layers.0.weight.first_moment</c>), to save and load.</summary>
    public IReadOnlyList<OptimizerState> State => _named;

    /// <summary>
    /// Clips, updates every parameter that has a gradient, and takes the gradients: the next backward starts from nothing. A
    /// parameter that got none is left alone, decay included.
    /// </summary>
    /// <returns>Whether the update was made; false when the step was skipped for its norm.</returns>
    /// <exception cref="OperationException">No parameter has a gradient, or the tape still needs a parameter for a backward to come.</exception>
    public bool Step()
    {
        int count = Collect();
        WriteTensors(count);
        WriteState(_arenas.HostStepState.LossDenominator);
        Launch(count);
        return Finish();
    }

    /// <summary>Whether a gradient waits for the next step.</summary>
    internal bool HasGradients => _entries.Exists(static entry => entry.Parameter.HasGradient);

    /// <summary>Lists the parameters that have a gradient; returns their number.</summary>
    internal int Collect()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int count = 0;
        foreach (Entry entry in _entries)
        {
            if (!entry.Parameter.HasGradient || !entry.Parameter.RequiresGradient) continue;
            Kernel.RequireWritable("Optimizer.Step", entry.Parameter.ValueState);
            _active[count++] = entry.Tensor;
        }
        if (count == 0) throw new OperationException("Optimizer.Step", "no parameter has a gradient; call Backward() on a loss first.");
        return count;
    }

    /// <summary>Whether the device knows the list of <see cref="Collect"/> already.</summary>
    internal bool IsWritten(int count) =>
        count == _writtenCount && MemoryMarshal.AsBytes(_active.AsSpan(0, count)).SequenceEqual(MemoryMarshal.AsBytes(_written.AsSpan(0, count)));

    /// <summary>Tells the device the list of <see cref="Collect"/>; as a rule it is the last step's.</summary>
    internal void WriteTensors(int count)
    {
        if (IsWritten(count)) return;
        Device.CopyFromHost(_tensors.Address, MemoryMarshal.AsBytes(_active.AsSpan(0, count)));
        _active.AsSpan(0, count).CopyTo(_written);
        _writtenCount = count;
    }

    /// <summary>The list of a recorded step, where an ordinary one may have written another since.</summary>
    internal void RestoreTensors(ReadOnlySpan<OptimizerTensor> tensors)
    {
        tensors.CopyTo(_active);
        WriteTensors(tensors.Length);
    }

    /// <summary>The list as the device knows it.</summary>
    internal OptimizerTensor[] WrittenTensors() => _written.AsSpan(0, _writtenCount).ToArray();

    /// <summary>What it updates.</summary>
    internal IEnumerable<Parameter> Parameters => _entries.Select(static entry => entry.Parameter);

    /// <summary>Tells the device what is new in the next step.</summary>
    internal void WriteState(float lossDenominator) => _arenas.WriteStepState(_arenas.HostStepState with
    {
        Step = Steps + 1,
        LearningRate = LearningRate,
        ClipFactor = 1,
        Skip = 0,
        SkipAboveNorm = SkipAboveGradientNorm,
        LossDenominator = lossDenominator,
    });

    /// <summary>The kernels of a step: norm, clipping, update.</summary>
    internal void Launch(int count)
    {
        var norm = new GradientNormArgs
        {
            TensorCount = count,
            Tensors = _tensors.Address,
            StepState = _arenas.StepStateAddress,
            MaxNorm = Options.MaxGradientNorm,
            SkipNonFinite = Options.SkipNonFinite ? 1 : 0,
        };
        Device.Kernels.GradientNorm(Device.Launch(Device.Kernels.GradientNormWorkspaceBytes(norm)), norm);
        Update(count, _tensors.Address, _arenas.StepStateAddress);
    }

    /// <summary>Takes the gradients and reads what came of the step, which it waits for.</summary>
    internal bool Finish()
    {
        foreach (Entry entry in _entries) entry.Parameter.ZeroGradient();
        StepState done = _arenas.ReadStepState();
        GradientNorm = done.GradientNorm;
        bool skipped = done.Skip != 0;
        if (skipped) SkippedSteps++;
        else Steps++;
        return !skipped;
    }

    /// <summary>Restores the step count of a checkpoint.</summary>
    public void LoadSteps(long steps)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(steps);
        Steps = steps;
    }

    /// <summary>Frees the state.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the state.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing || _disposed) return;
        _disposed = true;
        _state.Dispose();
        _tensors.Dispose();
    }

    /// <summary>The update kernel.</summary>
    private protected abstract void Update(int count, nint tensors, nint stepState);

    /// <summary>State that the optimizer keeps for a parameter.</summary>
    private protected abstract IEnumerable<StateSlot> Slots(Parameter parameter);

    /// <summary>One state tensor of a parameter.</summary>
    private protected readonly record struct StateSlot(string Name, long Elements, StateRole Role);

    /// <summary>Which field of the kernel's tensor record a slot fills.</summary>
    private protected enum StateRole
    {
        FirstMoment,
        SecondMoment,
        SecondMomentRow,
        SecondMomentColumn,
    }

    private OptimizerTensor Describe(Parameter parameter, ref long offset)
    {
        ParameterGroup? group = Options.Groups.FirstOrDefault(candidate => Matches(candidate, parameter));
        TensorState? shadow = parameter.Shadow?.State;
        long rows = parameter.Shape.Rank < 2 ? parameter.Elements : parameter.Shape[0];
        var tensor = new OptimizerTensor
        {
            Master = parameter.ValueState.Address,
            Gradient = parameter.Gradient.Address,
            Shadow = shadow?.Address ?? 0,
            ShadowDType = shadow?.DType ?? DType.None,
            Count = parameter.Elements,
            Rows = rows,
            Columns = rows == 0 ? 1 : parameter.Elements / rows,
            LearningRateScale = group?.LearningRateScale ?? 1,
            WeightDecay = group?.WeightDecay ?? Options.WeightDecay,
        };
        foreach (StateSlot slot in Slots(parameter))
        {
            nint address = _state.Address + (nint)offset;
            offset += BlockAllocator.Round(slot.Elements * sizeof(float));
            tensor = slot.Role switch
            {
                StateRole.FirstMoment => tensor with { FirstMoment = address },
                StateRole.SecondMoment => tensor with { SecondMoment = address },
                StateRole.SecondMomentRow => tensor with { SecondMomentRow = address },
                _ => tensor with { SecondMomentColumn = address },
            };
            _named.Add(new OptimizerState($"{parameter.Name}.{slot.Name}", Device, address, slot.Elements));
        }
        return tensor;
    }

    private static bool Matches(ParameterGroup group, Parameter parameter) =>
        FileSystemName.MatchesSimpleExpression(group.Pattern, parameter.Name, ignoreCase: false);
}

/// <summary>One float32 state tensor of an optimizer.</summary>
public sealed class OptimizerState
{
    private readonly Device _device;
    private readonly nint _address;

    internal OptimizerState(string name, Device device, nint address, long elements) => (Name, _device, _address, Elements) = (name, device, address, elements);

    /// <summary>Parameter's name and the state's, such as <c>layers.0.weight.first_moment</c>.</summary>
    public string Name { get; }

    /// <summary>Number of elements.</summary>
    public long Elements { get; }

    /// <summary>The values, copied to the host.</summary>
    public float[] ToArray()
    {
        var values = new float[Elements];
        _device.CopyToHost(MemoryMarshal.AsBytes(values.AsSpan()), _address);
        return values;
    }

    /// <summary>Overwrites the values.</summary>
    /// <exception cref="ArgumentException">Another number of elements.</exception>
    public void Load(ReadOnlySpan<float> values)
    {
        if (values.Length != Elements) throw new ArgumentException($"Optimizer state {Name} has {Elements} elements; {values.Length} were given.", nameof(values));
        _device.CopyFromHost(_address, MemoryMarshal.AsBytes(values));
    }
}
