using System.Runtime.InteropServices;

namespace MM1.Native.Kernels;

/// <summary>One block of device memory; freed once, by <see cref="SafeHandle.Dispose()"/> or the finalizer.</summary>
public abstract class DeviceMemory : SafeHandle
{
    private static long _liveBlocks, _liveBytes;

    /// <summary>Takes ownership of <paramref name="address"/>.</summary>
    protected DeviceMemory(nint address, long length) : base(0, ownsHandle: true)
    {
        SetHandle(address);
        Length = length;
        if (IsInvalid) return;
        Interlocked.Increment(ref _liveBlocks);
        Interlocked.Add(ref _liveBytes, length);
    }

    /// <summary>Blocks of all devices of this process that are not freed yet; empty ones are not counted.</summary>
    public static long LiveBlocks => Interlocked.Read(ref _liveBlocks);

    /// <summary>Bytes of <see cref="LiveBlocks"/>.</summary>
    public static long LiveBytes => Interlocked.Read(ref _liveBytes);

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

    /// <summary>Gives the memory back; called once.</summary>
    protected abstract bool Free();

    /// <inheritdoc/>
    protected sealed override bool ReleaseHandle()
    {
        Interlocked.Decrement(ref _liveBlocks);
        Interlocked.Add(ref _liveBytes, -Length);
        return Free();
    }
}
