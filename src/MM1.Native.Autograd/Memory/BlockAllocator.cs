using MM1.Native.Kernels;

namespace MM1.Native.Autograd;

/// <summary>
/// Best-fit allocation inside a few large chunks of device memory. It depends on nothing but the order of calls: the same
/// step gets the same addresses. A few hundred blocks live at a time, so a sorted list is the fastest structure here.
/// </summary>
internal sealed class BlockAllocator(Device device) : IDisposable
{
    private const long Alignment = 256;
    private const long FirstChunk = 16 << 20;

    private readonly List<DeviceMemory> _chunks = [];
    private readonly List<Block> _free = [];
    private long _reserved;

    private readonly record struct Block(nint Address, long Bytes);

    /// <summary>Bytes handed out.</summary>
    public long LiveBytes { get; private set; }

    /// <summary>Most bytes handed out at a time since the allocator was made.</summary>
    public long PeakBytes { get; private set; }

    /// <summary>Unbroken free ranges; one a chunk when nothing is handed out.</summary>
    public int FreeBlocks => _free.Count;

    /// <summary>Blocks of device memory that the allocator holds.</summary>
    public int Chunks => _chunks.Count;

    public static long Round(long bytes) => Math.Max(Alignment, (bytes + Alignment - 1) & -Alignment);

    /// <summary>A block of <paramref name="bytes"/>, which is a result of <see cref="Round"/>.</summary>
    public nint Allocate(long bytes)
    {
        int best = -1;
        for (int i = 0; i < _free.Count; i++)
        {
            long size = _free[i].Bytes;
            if (size >= bytes && (best < 0 || size < _free[best].Bytes)) best = i;
        }
        if (best < 0) best = AddChunk(bytes);
        Block block = _free[best];
        if (block.Bytes == bytes) _free.RemoveAt(best);
        else _free[best] = new Block(block.Address + (nint)bytes, block.Bytes - bytes);
        LiveBytes += bytes;
        PeakBytes = Math.Max(PeakBytes, LiveBytes);
        return block.Address;
    }

    public void Free(nint address, long bytes)
    {
        LiveBytes -= bytes;
        int next = Insertion(address);
        bool joinsPrevious = next > 0 && _free[next - 1].Address + (nint)_free[next - 1].Bytes == address;
        bool joinsNext = next < _free.Count && address + (nint)bytes == _free[next].Address;
        if (joinsPrevious && joinsNext)
        {
            _free[next - 1] = _free[next - 1] with { Bytes = _free[next - 1].Bytes + bytes + _free[next].Bytes };
            _free.RemoveAt(next);
        }
        else if (joinsPrevious) _free[next - 1] = _free[next - 1] with { Bytes = _free[next - 1].Bytes + bytes };
        else if (joinsNext) _free[next] = new Block(address, bytes + _free[next].Bytes);
        else _free.Insert(next, new Block(address, bytes));
    }

    /// <summary>
    /// Takes everything back. Chunks that were added one by one become a single one, so that the next step finds one
    /// unbroken range and the addresses settle.
    /// </summary>
    public void Reset()
    {
        LiveBytes = 0;
        _free.Clear();
        if (_chunks.Count > 1)
        {
            device.Synchronize();
            long total = _reserved;
            FreeChunks();
            AddChunk(total);
        }
        else if (_chunks.Count == 1) _free.Add(Whole(_chunks[0]));
    }

    public void Dispose()
    {
        FreeChunks();
        _free.Clear();
    }

    private void FreeChunks()
    {
        foreach (DeviceMemory chunk in _chunks) chunk.Dispose();
        _chunks.Clear();
        _reserved = 0;
    }

    private int AddChunk(long bytes)
    {
        // The last bytes of a chunk stay unused: blocks of neighbouring chunks must never join.
        long size = Math.Max(bytes + Alignment, Math.Max(FirstChunk, _reserved / 2));
        DeviceMemory chunk = device.Allocate(size);
        _chunks.Add(chunk);
        _reserved += size;
        Block whole = Whole(chunk);
        int index = Insertion(whole.Address);
        _free.Insert(index, whole);
        return index;
    }

    private static Block Whole(DeviceMemory chunk) => new(chunk.Address, (chunk.Length - Alignment) & -Alignment);

    private int Insertion(nint address)
    {
        int low = 0, high = _free.Count;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_free[middle].Address < address) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
