using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

/// <summary>One block of device memory; freed once, by <see cref="SafeHandle.Dispose()"/> or the finalizer.</summary>
public abstract class DeviceMemory : SafeHandle
{
    /// <summary>Takes ownership of <paramref name="address"/>.</summary>
    protected DeviceMemory(nint address, long length) : base(0, ownsHandle: true)
    {
        SetHandle(address);
        Length = length;
    }

    /// <summary>Size in bytes.</summary>
    public long Length { get; }

    /// <summary>Device address; 0 for an empty block.</summary>
    /// <exception cref="ObjectDisposedException">The block was freed.</exception>
    public nint Address
    {
        get
        {
            ObjectDisposedException.ThrowIf(IsClosed, this);
            return handle;
        }
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == 0;
}
