using System.Globalization;

namespace MM1.Native.Kernels;

/// <summary>What kind of machine runs the kernels.</summary>
public enum DeviceKind
{
    /// <summary>Managed SIMD kernels.</summary>
    Cpu,
    /// <summary>Hand-written CUDA kernels on an NVIDIA GPU.</summary>
    Cuda,
    /// <summary>The CUDA kernel sources on the CPU emulator.</summary>
    CudaEmulated,
}

/// <summary>Settings of a device, all optional.</summary>
public sealed record DeviceOptions
{
    /// <summary>Compute threads of the CPU device, the calling thread included; 0 takes every CPU the process may run on (default 0).</summary>
    public int Threads { get; init; }

    /// <summary>Whether CPU worker threads are pinned to their own CPU (default true; Linux only).</summary>
    public bool PinThreads { get; init; } = true;
}

/// <summary>
/// A device: its kernels, its memory, its copies. The choice is the caller's and never changes silently: a device that is
/// not there is a <see cref="DeviceUnavailableException"/>. One thread drives a device at a time.
/// </summary>
public abstract class Device : IDisposable
{
    private DeviceMemory? _workspace;
    private IKernels? _kernels;
    private KernelProfile? _profile;
    private readonly List<DeviceMemory> _outgrown = [];
    private int _workspaceHolds;

    /// <summary>Raised before the device frees what it holds: layers above free their device memory then.</summary>
    internal event Action? Disposing;

    /// <summary>The name that <see cref="Parse"/> takes: <c>cpu</c>, <c>cuda:0</c>, <c>cuda-emulated</c>.</summary>
    public abstract string Name { get; }

    /// <summary>What kind of machine it is.</summary>
    public abstract DeviceKind Kind { get; }

    /// <summary>The kernels, checked and launched on this device.</summary>
    public IKernels Kernels => _kernels ??= Implementation;

    /// <summary>The device's own kernels.</summary>
    protected abstract IKernels Implementation { get; }

    /// <summary>Whether the device was disposed: it gives no memory any more.</summary>
    protected bool IsDisposed { get; private set; }

    /// <summary>Compute threads (CPU) or 1.</summary>
    public virtual int Threads => 1;

    /// <summary>Whether kernels compute on operands of <paramref name="dtype"/> (casts, copies and fills take every dtype).</summary>
    public abstract bool Computes(DType dtype);

    /// <summary>Opens the device that <paramref name="name"/> says: <c>cpu</c>, <c>cuda:N</c> or <c>cuda-emulated</c>.</summary>
    /// <exception cref="ArgumentException">The name is not one of these.</exception>
    /// <exception cref="DeviceUnavailableException">The device is not there.</exception>
    public static Device Parse(string name, DeviceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        options ??= new DeviceOptions();
        if (name == "cpu") return new CpuDevice(options);
        if (name == "cuda-emulated") return CudaDevice.Open(name, DeviceKind.CudaEmulated, 0);
        if (name.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(name.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal))
            return CudaDevice.Open(name, DeviceKind.Cuda, ordinal);
        throw new ArgumentException($"'{name}' is no device; use 'cpu', 'cuda:N' (N = 0, 1, ...) or 'cuda-emulated'.", nameof(name));
    }

    /// <summary>What this machine has of each device, and why one is not there. Opens each device for a moment.</summary>
    public static IReadOnlyList<DeviceProbe> Probe() => DeviceProbe.All();

    /// <summary>New device memory with undefined content, 256-byte aligned at least.</summary>
    /// <exception cref="OutOfMemoryException">The device cannot give so much.</exception>
    /// <exception cref="ObjectDisposedException">The device was disposed.</exception>
    public abstract DeviceMemory Allocate(long bytes);

    /// <summary>Copies host bytes to a device address. Ordered after the work already launched.</summary>
    public abstract void CopyFromHost(nint destination, ReadOnlySpan<byte> source);

    /// <summary>Copies bytes at a device address to the host, after all work launched before.</summary>
    public abstract void CopyToHost(Span<byte> destination, nint source);

    /// <summary>Copies within the device.</summary>
    public abstract void CopyOnDevice(nint destination, nint source, long bytes);

    /// <summary>Sets bytes at a device address.</summary>
    public abstract void SetBytes(nint destination, byte value, long bytes);

    /// <summary>Returns when all launched work is done.</summary>
    public abstract void Synchronize();

    /// <summary>A launch on the device's own stream with <paramref name="workspaceBytes"/> of scratch, valid until the next call.</summary>
    public Launch Launch(long workspaceBytes = 0)
    {
        if (workspaceBytes > (_workspace?.Length ?? 0))
        {
            long grown = Math.Max(workspaceBytes, 1 << 20);
            Synchronize();
            if (_workspaceHolds == 0) _workspace?.Dispose();
            else if (_workspace is not null) _outgrown.Add(_workspace);
            _workspace = null;
            _workspace = Allocate(grown + (grown >> 2));
        }
        return new Launch(0, _workspace?.Address ?? 0, _workspace?.Length ?? 0);
    }

    /// <summary>From here on scratch that <see cref="Launch"/> has given stays allocated when it is outgrown, until as many calls of <see cref="ReleaseWorkspace"/>: recorded work uses it again.</summary>
    internal void HoldWorkspace() => _workspaceHolds++;

    internal void ReleaseWorkspace()
    {
        if (--_workspaceHolds > 0) return;
        FreeOutgrown();
    }

    /// <summary>Counts and times every launch until the profile is disposed.</summary>
    /// <param name="recordsLaunches">Whether the profile lists every launch with its time too (for a trace).</param>
    /// <exception cref="InvalidOperationException">A profile is open already.</exception>
    public KernelProfile StartProfile(bool recordsLaunches = false)
    {
        if (_profile is not null) throw new InvalidOperationException($"A profile of device {Name} is open already; dispose it first.");
        _profile = new KernelProfile(this, recordsLaunches);
        _kernels = new ProfilingKernels(Implementation, _profile);
        return _profile;
    }

    internal void EndProfile(KernelProfile profile)
    {
        if (_profile != profile) return;
        _profile = null;
        _kernels = Implementation;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees what the device holds.</summary>
    protected virtual void Dispose(bool disposing)
    {
        if (!disposing) return;
        IsDisposed = true;
        Disposing?.Invoke();
        Disposing = null;
        _workspace?.Dispose();
        _workspace = null;
        FreeOutgrown();
    }

    private void FreeOutgrown()
    {
        foreach (DeviceMemory memory in _outgrown) memory.Dispose();
        _outgrown.Clear();
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
