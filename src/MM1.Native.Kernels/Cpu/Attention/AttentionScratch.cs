namespace MM1.Native.Kernels.Cpu;

/// <summary>Hands out aligned pieces of a worker's part of the workspace; with no memory behind it, it only counts.</summary>
internal unsafe struct AttentionScratch(byte* memory)
{
    private const long Alignment = 64;
    private readonly byte* _memory = memory;

    /// <summary>Bytes handed out so far.</summary>
    public long Bytes { get; private set; }

    public float* Floats(long count) => (float*)Take(count * sizeof(float));

    public float** Pointers(long count) => (float**)Take(count * sizeof(float*));

    private byte* Take(long bytes)
    {
        byte* piece = _memory + Bytes;
        Bytes += (bytes + Alignment - 1) & -Alignment;
        return piece;
    }
}

/// <summary>Sizes that do not depend on the problem.</summary>
internal static class AttentionSizes
{
    /// <summary>
    /// Keys of one block, counted from a document's first: the running maximum of a row moves only between blocks, so this
    /// constant is part of what a row's bits are made of.
    /// </summary>
    public const int BlockKeys = 64;

    /// <summary>Most lanes of a tile: three vectors of 16.</summary>
    public const int MaximumLanes = 48;

    /// <summary>Largest head size.</summary>
    public const int MaximumHeadSize = 256;

    /// <summary>Score of a key that a query does not see: finite, so that no NaN arises from differences.</summary>
    public const float Hidden = -1e30f;

    /// <summary>From differences of natural logarithms to powers of two.</summary>
    public const float Log2E = 1.44269504f;

    public static long RoundUp(long value, long multiple) => (value + multiple - 1) / multiple * multiple;

    public static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;
}

/// <summary>
/// How many keys each lane of a tile sees. The counts never fall from lane to lane, so that the vectors which still see a
/// key are always the last ones.
/// </summary>
internal unsafe struct AttentionLimits
{
    /// <summary>Per lane, as a number to compare key indices with.</summary>
    public float* Lanes;

    /// <summary>Vectors of the tile.</summary>
    public int Vectors;

    private fixed int _first[AttentionProduct.MaximumVectors];
    private fixed int _last[AttentionProduct.MaximumVectors];

    /// <summary>Keys that every lane of a vector sees.</summary>
    public readonly int First(int vector) => _first[vector];

    /// <summary>Keys that at least one lane of a vector sees.</summary>
    public readonly int Last(int vector) => _last[vector];

    /// <summary>Keys that at least one lane of the tile sees.</summary>
    public readonly int Most => _last[Vectors - 1];

    /// <summary>The first vector that sees a key; <see cref="Vectors"/> when none does.</summary>
    public readonly int StartAt(int key)
    {
        int vector = 0;
        while (vector < Vectors && _last[vector] <= key) vector++;
        return vector;
    }

    /// <summary>Keys of the block at <paramref name="firstKey"/> that a vector takes part in, whole groups of eight.</summary>
    public readonly int KeysOf(int vector, int firstKey, int keys) => Math.Min(keys, AttentionSizes.RoundUp(_last[vector] - firstKey, AttentionProduct.Rows));

    /// <summary>Call after <see cref="Lanes"/> has been filled; lanes from <paramref name="lanes"/> on repeat the last one.</summary>
    public void Close(int lanes, int width)
    {
        Vectors = (lanes + width - 1) / width;
        for (int lane = lanes; lane < Vectors * width; lane++) Lanes[lane] = Lanes[lanes - 1];
        for (int vector = 0; vector < Vectors; vector++)
        {
            _first[vector] = (int)Lanes[vector * width];
            _last[vector] = (int)Lanes[vector * width + width - 1];
        }
    }
}
