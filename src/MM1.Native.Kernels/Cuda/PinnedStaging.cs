namespace MM1.Native.Kernels.Cuda;

/// <summary>
/// Page-locked memory through which host data goes to a device: the call returns once the bytes are copied here, the stream fetches them in its own time. Two halves
/// take turns; a half is written again when the stream has passed what was read from it.
/// </summary>
internal sealed unsafe class PinnedStaging : IDisposable
{
    private const long HalfBytes = 8 << 20, Alignment = 64;

    private readonly CudaDevice _device;
    private readonly CudaEvent[] _passed;
    private nint _memory;
    private int _half;
    private long _used;
    private bool _turned; // whether both halves have been in use, so that entering one means waiting for it

    public PinnedStaging(CudaDevice device)
    {
        _device = device;
        nint memory = 0;
        device.MakeCurrent();
        device.Library.Check(device.Library.Api.MemoryAllocatePinned(2 * HalfBytes, &memory), $"{2 * HalfBytes} bytes of page-locked memory for copies to {device.Name}");
        _memory = memory;
        _passed = [new CudaEvent(device), new CudaEvent(device)];
    }

    /// <summary>Queues a copy on <paramref name="stream"/>, always the same one; <paramref name="source"/> may change when the call returns.</summary>
    public void Copy(CudaStream stream, nint destination, ReadOnlySpan<byte> source)
    {
        while (source.Length > 0)
        {
            if (_used == HalfBytes) Turn(stream);
            int bytes = (int)Math.Min(source.Length, HalfBytes - _used);
            var place = (byte*)_memory + _half * HalfBytes + _used;
            source[..bytes].CopyTo(new Span<byte>(place, bytes));
            _device.Library.Check(_device.Library.Api.MemoryCopyToDevice(stream.Handle, destination, place, bytes), "copy from host");
            _used = Math.Min(HalfBytes, _used + bytes + Alignment - 1 & -Alignment);
            destination += bytes;
            source = source[bytes..];
        }
    }

    public void Dispose()
    {
        foreach (CudaEvent passed in _passed) passed.Dispose();
        if (_memory != 0) _ = _device.Library.Api.MemoryFreePinned(_memory);
        _memory = 0;
    }

    private void Turn(CudaStream stream)
    {
        _passed[_half].Record(stream);
        _half ^= 1;
        _used = 0;
        if (_turned) _passed[_half].Synchronize();
        _turned = true;
    }
}
