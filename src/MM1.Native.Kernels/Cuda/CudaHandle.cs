using System.Runtime.InteropServices;
using MM1.Native.Kernels.Cuda;

namespace MM1.Native.Kernels;

/// <summary>
/// An object of a native library: a stream, event, graph or module. Given back once, by <see cref="SafeHandle.Dispose()"/> or the finalizer; that may be after
/// its device was disposed, because libraries stay loaded.
/// </summary>
public abstract class CudaHandle : SafeHandle
{
    private static long _liveHandles;

    private protected CudaHandle(CudaDevice device) : base(0, ownsHandle: true)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
    }

    /// <summary>Streams, events, graphs and modules of all devices of this process that are not given back yet.</summary>
    public static long LiveHandles => Interlocked.Read(ref _liveHandles);

    /// <summary>The device that it belongs to.</summary>
    public CudaDevice Device { get; }

    /// <inheritdoc/>
    public sealed override bool IsInvalid => handle == 0;

    internal KernelLibrary Library => Device.Library;

    /// <summary>The native handle, for a call behind which this object is kept alive.</summary>
    /// <exception cref="ObjectDisposedException">It was given back.</exception>
    internal nint Value
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <summary>Takes what the library made.</summary>
    private protected void Own(nint value)
    {
        SetHandle(value);
        Interlocked.Increment(ref _liveHandles);
    }

    /// <summary>Throws, with the library's text, unless a call on this object succeeded; keeps the object alive until here.</summary>
    private protected void Check(int status, string what)
    {
        Library.Check(status, what);
        GC.KeepAlive(this);
    }

    /// <summary>Gives the object back; the status of the library.</summary>
    private protected abstract int Release();

    /// <inheritdoc/>
    protected sealed override unsafe bool ReleaseHandle()
    {
        Interlocked.Decrement(ref _liveHandles);
        // A lost device refuses to become current; what it held is released all the same.
        _ = Library.Api.DeviceSetCurrent(Device.Ordinal);
        return Release() == 0;
    }
}
