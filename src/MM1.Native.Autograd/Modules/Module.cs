using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// A part of a model. Constructors only describe: they register parameters and children under names. The root calls
/// <see cref="Build"/>, which gives every parameter its dotted name, memory and initial values; until then a model of any
/// size costs nothing, so that it can be counted and planned.
/// </summary>
public abstract class Module : IDisposable
{
    private readonly List<(string Name, Parameter Parameter)> _parameters = [];
    private readonly List<(string Name, Module Module)> _children = [];
    private DeviceMemory? _values, _gradients, _shadows;

    /// <summary>The device that the model was built on; null before.</summary>
    public Device? Device { get; private set; }

    /// <summary>The dtype that operations read parameters in, and so of activations: the shadow's where the device computes in it, else Float32.</summary>
    public DType ComputeDType { get; private set; } = DType.Float32;

    /// <summary>The module's own parameters and its children's, with dotted names, in order of registration.</summary>
    public ParameterList Parameters() => new(Enumerate(""));

    /// <summary>Number of elements of all parameters; works before the model is built.</summary>
    public long ParameterCount() => Enumerate("").Sum(entry => entry.Parameter.Elements);

    /// <summary>Names the parameters, allocates them and (where they are trained) their gradients, a block each, and draws the initial values.</summary>
    /// <param name="device">Where the parameters live.</param>
    /// <param name="seed">Key of all initial values.</param>
    /// <param name="shadow">Dtype of a compute copy that the optimizer keeps up to date (BFloat16 or Float16); None for none.</param>
    /// <param name="trainable">False for a model that is only run: its parameters require no gradient and have no memory for one.</param>
    /// <exception cref="InvalidOperationException">Built already, or two parameters share a name.</exception>
    public void Build(Device device, ulong seed, DType shadow = DType.None, bool trainable = true)
    {
        ArgumentNullException.ThrowIfNull(device);
        if (shadow is not (DType.None or DType.BFloat16 or DType.Float16)) throw new ArgumentException($"A shadow is BFloat16 or Float16, not {shadow}.", nameof(shadow));
        if (Device is not null) throw new InvalidOperationException("This module is built already.");
        var entries = Enumerate("").ToList();
        var names = new HashSet<string>(StringComparer.Ordinal);
        var places = new Dictionary<Parameter, string>();
        long bytes = 0;
        foreach ((string name, Parameter parameter) in entries)
        {
            if (!names.Add(name)) throw new InvalidOperationException($"Two parameters are named '{name}'.");
            if (parameter.Name.Length != 0) throw new InvalidOperationException($"Parameter '{name}' was built before as '{parameter.Name}'; a parameter belongs to one model.");
            if (!places.TryAdd(parameter, name))
                throw new InvalidOperationException($"Parameters '{places[parameter]}' and '{name}' are one; a parameter belongs to one place of a model. To tie weights, use it in two places of Forward.");
            bytes += BlockAllocator.Round(parameter.Elements * sizeof(float));
        }
        _values = device.Allocate(bytes);
        if (trainable) _gradients = device.Allocate(bytes);
        // Half of the master's offset keeps two-byte shadows as well aligned as their masters are.
        if (shadow != DType.None) _shadows = device.Allocate(bytes / 2);
        long offset = 0;
        foreach ((string name, Parameter parameter) in entries)
        {
            parameter.Name = name;
            parameter.Attach(device, _values.Address + (nint)offset, _gradients is null ? 0 : _gradients.Address + (nint)offset,
                _shadows is null ? 0 : _shadows.Address + (nint)(offset / 2), shadow);
            parameter.Initializer.Apply(device, parameter.ValueState.Address, parameter.Shape, seed, name);
            parameter.WriteShadow();
            offset += BlockAllocator.Round(parameter.Elements * sizeof(float));
        }
        SetDevice(device, shadow != DType.None && device.Computes(shadow) ? shadow : DType.Float32);
        OnBuilt(device);
    }

    /// <summary>Frees the parameters. Tensors that showed them are dead then.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Called once the parameters have memory, children first: the place to make tables on the device.</summary>
    protected virtual void OnBuilt(Device device) { }

    /// <summary>Frees what <see cref="OnBuilt"/> made; the base frees parameters and children.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        foreach ((_, Module module) in _children) module.Dispose();
        if (_values is null) return;
        foreach ((_, Parameter parameter) in Enumerate("")) parameter.Detach();
        _values.Dispose();
        _gradients?.Dispose();
        _shadows?.Dispose();
        _values = _gradients = _shadows = null;
    }

    /// <summary>Registers a parameter.</summary>
    protected Parameter AddParameter(string name, Shape shape, Initializer initializer)
    {
        RequireName(name);
        ArgumentNullException.ThrowIfNull(initializer);
        var parameter = new Parameter(shape, initializer);
        _parameters.Add((name, parameter));
        return parameter;
    }

    /// <summary>Registers a child.</summary>
    protected TModule AddChild<TModule>(string name, TModule module) where TModule : Module
    {
        RequireName(name);
        ArgumentNullException.ThrowIfNull(module);
        _children.Add((name, module));
        return module;
    }

    /// <summary>Registers a list of children as <c>name.0</c>, <c>name.1</c>, ...</summary>
    protected TModule[] AddChildren<TModule>(string name, int count, Func<int, TModule> create) where TModule : Module
    {
        RequireName(name);
        ArgumentNullException.ThrowIfNull(create);
        var modules = new TModule[count];
        for (int i = 0; i < count; i++)
        {
            modules[i] = create(i);
            _children.Add(($"{name}.{i}", modules[i]));
        }
        return modules;
    }

    private IEnumerable<(string Name, Parameter Parameter)> Enumerate(string prefix)
    {
        foreach ((string name, Parameter parameter) in _parameters) yield return (prefix + name, parameter);
        foreach ((string name, Module module) in _children)
        {
            foreach ((string Name, Parameter Parameter) entry in module.Enumerate($"{prefix}{name}.")) yield return entry;
        }
    }

    private void SetDevice(Device device, DType computeDType)
    {
        (Device, ComputeDType) = (device, computeDType);
        foreach ((_, Module module) in _children)
        {
            module.SetDevice(device, computeDType);
            module.OnBuilt(device);
        }
    }

    private void RequireName(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (name.Contains('.', StringComparison.Ordinal)) throw new ArgumentException($"'{name}' contains a dot, which separates names.", nameof(name));
        if (Device is not null) throw new InvalidOperationException($"'{name}' was added after the model was built.");
        if (_parameters.Exists(entry => entry.Name == name) || _children.Exists(entry => entry.Name == name))
            throw new ArgumentException($"This module has a part named '{name}' already.", nameof(name));
    }
}
