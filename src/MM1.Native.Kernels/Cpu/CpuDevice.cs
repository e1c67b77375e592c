using MM1.Native.Kernels.Cpu;

namespace MM1.Native.Kernels;

/// <summary>The default device everywhere: managed SIMD kernels in float32 on a pool of threads of its own.</summary>
public sealed unsafe class CpuDevice : Device
{
    private readonly WorkerPool _pool;
    private readonly CpuKernels _kernels;

    /// <summary>Starts the device's threads.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><see cref="DeviceOptions.Threads"/> is negative or above 1024.</exception>
    public CpuDevice(DeviceOptions? options = null)
    {
        options ??= new DeviceOptions();
        ArgumentOutOfRangeException.ThrowIfNegative(options.Threads, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(options.Threads, 1024, nameof(options));
        int threads = options.Threads == 0 ? Environment.ProcessorCount : options.Threads;
        _pool = new WorkerPool(threads, options.PinThreads);
        _kernels = new CpuKernels(_pool);
    }

    /// <summary>The device's threads, for benchmarks that measure the machine with them.</summary>
    internal WorkerPool Pool => _pool;

    /// <inheritdoc/>
    public override string Name => "cpu";

    /// <inheritdoc/>
    public override DeviceKind Kind => DeviceKind.Cpu;

    /// <inheritdoc/>
    protected override IKernels Implementation => _kernels;

    /// <inheritdoc/>
    public override int Threads => _pool.Threads;

    /// <inheritdoc/>
    public override bool Computes(DType dtype) => dtype == DType.Float32;

    /// <inheritdoc/>
    public override DeviceMemory Allocate(long bytes)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        return CpuMemory.Allocate(bytes);
    }

    /// <inheritdoc/>
    public override void CopyFromHost(nint destination, ReadOnlySpan<byte> source) =>
        source.CopyTo(new Span<byte>((void*)destination, source.Length));

    /// <inheritdoc/>
    public override void CopyToHost(Span<byte> destination, nint source) =>
        new ReadOnlySpan<byte>((void*)source, destination.Length).CopyTo(destination);

    /// <inheritdoc/>
    public override void CopyOnDevice(nint destination, nint source, long bytes) =>
        Buffer.MemoryCopy((void*)source, (void*)destination, bytes, bytes);

    /// <inheritdoc/>
    public override void SetBytes(nint destination, byte value, long bytes) =>
        System.Runtime.InteropServices.NativeMemory.Fill((void*)destination, (nuint)bytes, value);

    /// <inheritdoc/>
    public override void Synchronize() { }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        if (!disposing) return;
        _kernels.Dispose();
        _pool.Dispose();
    }
}
