namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Room for packed operands, of constant size: one chunk of B for all threads, and for each a block of A, a panel of B and a
/// tile. It belongs to the device, so that every product finds it warm. Made when first needed.
/// </summary>
internal sealed unsafe class GemmScratch(int threads) : IDisposable
{
    private const int MaximumTile = 9 * 48 + 16;
    private const long BlockElements = (long)(GemmTile.MaximumDepth + GemmPacking.RowPadding) * GemmTile.MaximumBlockRows;
    private const long PanelElements = GemmTile.MaximumDepth * 48 + 64;
    private const long WorkerElements = BlockElements + PanelElements + MaximumTile;
    private const long ChunkElements = (long)GemmTile.MaximumDepth * (GemmTile.ChunkColumns + 48) + 64;

    private CpuMemory? _memory;

    /// <summary>A chunk of B, packed by all threads.</summary>
    public float* Chunk
    {
        get
        {
            _memory ??= CpuMemory.Allocate((ChunkElements + threads * WorkerElements) * sizeof(float));
            return (float*)_memory.Address;
        }
    }

    /// <summary>A worker's block of A.</summary>
    public static float* Block(float* chunk, int worker) => chunk + ChunkElements + worker * WorkerElements;

    /// <summary>A worker's panel of B.</summary>
    public static float* Panel(float* chunk, int worker) => Block(chunk, worker) + BlockElements;

    /// <summary>A worker's register tile, where it cannot go straight to the output.</summary>
    public static float* Tile(float* chunk, int worker) => Panel(chunk, worker) + PanelElements;

    public void Dispose()
    {
        _memory?.Dispose();
        _memory = null;
    }
}
