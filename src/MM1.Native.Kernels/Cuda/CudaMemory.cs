namespace MM1.Native.Kernels.Cuda;

/// <summary>Memory of a native device. It may be freed from any thread, and after its device was disposed.</summary>
internal sealed unsafe class CudaMemory : DeviceMemory
{
    private readonly CudaDevice _device;

    private CudaMemory(CudaDevice device, nint address, long length) : base(address, length) => _device = device;

    public static CudaMemory Allocate(CudaDevice device, long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        nint address = 0;
        device.MakeCurrent();
        if (bytes > 0) device.Library.Check(device.Library.Api.MemoryAllocate(bytes, &address), $"{bytes} bytes of memory of {device.Name}");
        return new CudaMemory(device, address, bytes);
    }

    protected override bool Free()
    {
        // A lost device refuses to become current; its memory is released all the same.
        _ = _device.Library.Api.DeviceSetCurrent(_device.Ordinal);
        return _device.Library.Api.MemoryFree(handle) == 0;
    }
}
