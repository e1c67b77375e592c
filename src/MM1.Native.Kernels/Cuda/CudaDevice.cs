using MM1.Native.Kernels.Cuda;

namespace MM1.Native.Kernels;

/// <summary>
/// A device behind a native library: an NVIDIA GPU (<c>cuda:N</c>), or the same kernel sources on the CPU (<c>cuda-emulated</c>). All of the device's own work
/// is on one stream, so copies come after the kernels launched before them.
/// </summary>
public sealed unsafe class CudaDevice : Device
{
    private readonly int _computeDTypes;
    private readonly CudaKernels _kernels;
    private readonly CudaStream _stream;
    private PinnedStaging? _staging;

    private CudaDevice(KernelLibrary library, string name, DeviceKind kind, int ordinal, in NativeDeviceProperties properties)
    {
        Library = library;
        Name = name;
        Kind = kind;
        Ordinal = ordinal;
        _computeDTypes = properties.ComputeDtypes;
        fixed (NativeDeviceProperties* p = &properties)
        {
            Properties = new CudaProperties
            {
                Name = NativeDeviceProperties.Text(p->Name, 128),
                CapabilityMajor = p->CapabilityMajor,
                CapabilityMinor = p->CapabilityMinor,
                Multiprocessors = p->Multiprocessors,
                MemoryBytes = p->MemoryBytes,
                SharedBytesPerBlock = p->SharedBytesPerBlock,
                DriverVersion = p->DriverVersion,
                RuntimeVersion = p->RuntimeVersion,
                PciBusId = NativeDeviceProperties.Text(p->PciBusId, 32),
                SupportsTf32 = (p->MathModes >> (int)MathMode.Tf32 & 1) != 0,
            };
        }
        _kernels = new CudaKernels(this);
        _stream = new CudaStream(this);
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override DeviceKind Kind { get; }

    /// <summary>The device's number within its library.</summary>
    public int Ordinal { get; }

    /// <summary>What the library knows of the device.</summary>
    public CudaProperties Properties { get; }

    /// <summary>The stream that <see cref="Launch.Stream"/> 0 means, and that copies are on.</summary>
    public CudaStream Stream => _stream;

    /// <summary>The file that holds the device's kernels.</summary>
    public string LibraryPath => Library.Path;

    /// <inheritdoc/>
    protected override IKernels Implementation => _kernels;

    internal KernelLibrary Library { get; }

    /// <inheritdoc/>
    public override bool Computes(DType dtype) => dtype is > DType.None and <= DType.Bool && (_computeDTypes >> (int)dtype & 1) != 0;

    /// <summary>Device <paramref name="ordinal"/> of a GPU library, or the emulator's only one.</summary>
    /// <exception cref="DeviceUnavailableException">The library, the driver or the device is not there.</exception>
    internal static CudaDevice Open(string name, DeviceKind kind, int ordinal)
    {
        KernelLibrary library = KernelLibrary.Find(LibraryName(kind), name);
        return Open(library, name, kind, ordinal);
    }

    internal static CudaDevice Open(KernelLibrary library, string name, DeviceKind kind, int ordinal)
    {
        int count = Count(library);
        if (ordinal >= count)
        {
            string why = count == 0 ? library.LastError() : "";
            throw new DeviceUnavailableException($"Device '{name}' is not there: {library.Description} finds {(count == 0 ? "no device" : count == 1 ? "one device, number 0" : $"{count} devices, 0 to {count - 1}")}"
                + $"{(why.Length > 0 ? $" ({why.TrimEnd('.')})" : "")}. 'cpu' is always there.");
        }
        NativeDeviceProperties properties = new();
        library.Check(library.Api.DeviceGetProperties(ordinal, &properties), name);
        if (properties.Supported == 0)
        {
            throw new DeviceUnavailableException($"Device '{name}' ({NativeDeviceProperties.Text(properties.Name, 128)}) has compute capability "
                + $"{properties.CapabilityMajor}.{properties.CapabilityMinor}; the kernels need 8.0 or later. 'cpu' is always there.");
        }
        return new CudaDevice(library, name, kind, ordinal, in properties);
    }

    internal static string LibraryName(DeviceKind kind) => kind == DeviceKind.Cuda ? "mm1_kernels" : "mm1_kernels_emulated";

    /// <summary>Devices of a library. A machine without a GPU or driver has none; the library's last error says why.</summary>
    internal static int Count(KernelLibrary library)
    {
        int count;
        library.Check(library.Api.DeviceCount(&count), "devices");
        return count;
    }

    /// <inheritdoc/>
    public override DeviceMemory Allocate(long bytes)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return CudaMemory.Allocate(this, bytes);
    }

    /// <inheritdoc/>
    public override void CopyFromHost(nint destination, ReadOnlySpan<byte> source)
    {
        if (source.IsEmpty) return;
        if (_stream.IsCapturing)
        {
            throw new InvalidOperationException($"{source.Length} bytes of host memory cannot be copied to {Name} while its work is recorded: replays would not see what the host holds then. "
                + "Make the tensor before, in a session, and overwrite it with Tensor.Write between replays.");
        }
        MakeCurrent();
        _staging ??= new PinnedStaging(this);
        _staging.Copy(_stream, destination, source);
    }

    /// <inheritdoc/>
    public override void CopyToHost(Span<byte> destination, nint source)
    {
        if (destination.IsEmpty) return;
        MakeCurrent();
        // Managed memory is not page-locked: the bytes are here when the call returns.
        fixed (byte* bytes = destination) Check(Library.Api.MemoryCopyToHost(_stream.Value, bytes, source, destination.Length), "copy to host");
    }

    /// <inheritdoc/>
    public override void CopyOnDevice(nint destination, nint source, long bytes)
    {
        if (bytes == 0) return;
        MakeCurrent();
        Check(Library.Api.MemoryCopyOnDevice(_stream.Value, destination, source, bytes), "copy on device");
    }

    /// <inheritdoc/>
    public override void SetBytes(nint destination, byte value, long bytes)
    {
        if (bytes == 0) return;
        MakeCurrent();
        Check(Library.Api.MemoryFill(_stream.Value, destination, value, bytes), "fill");
    }

    /// <inheritdoc/>
    public override void Synchronize()
    {
        MakeCurrent();
        Check(Library.Api.DeviceSynchronize(), "work on the device");
    }

    /// <summary>Bytes of device memory that are free now.</summary>
    public long FreeMemory()
    {
        long free, total;
        MakeCurrent();
        Check(Library.Api.MemoryGetInfo(&free, &total), "memory");
        return free;
    }

    /// <summary>Makes this device the calling thread's current one in its library.</summary>
    /// <exception cref="DeviceFailureException">The device is lost.</exception>
    internal void MakeCurrent()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        Library.Check(Library.Api.DeviceSetCurrent(Ordinal), Name);
    }

    /// <summary>The stream of a launch, on the calling thread's current device.</summary>
    internal nint StreamOf(in Launch launch)
    {
        MakeCurrent();
        return launch.Stream == 0 ? _stream.Value : launch.Stream;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing) return;
        _staging?.Dispose();
        _stream.Dispose();
    }

    private void Check(int status, string what)
    {
        Library.Check(status, what);
        GC.KeepAlive(this);
    }
}
