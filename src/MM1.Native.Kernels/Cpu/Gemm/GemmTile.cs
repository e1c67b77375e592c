using System.Runtime.Intrinsics.Arm;

namespace MM1.Native.Kernels.Cpu;

/// <summary>Sizes of the blocked matrix product. Those that touch the order of a sum are functions of K alone.</summary>
internal static class GemmTile
{
    /// <summary>Longest run of k that one pass sums: a B panel of it stays in the L1/L2 cache. The same for every width and path.</summary>
    public const int MaximumDepth = 512;

    /// <summary>Columns of B that are packed at once for all threads.</summary>
    public const int ChunkColumns = 2048;

    /// <summary>Rows of A that one thread packs at once, at most: with <see cref="MaximumDepth"/> about a third of the L2 cache. Whole tiles of every width.</summary>
    public const int MaximumBlockRows = 288;

    /// <summary>Registers of columns in a register tile.</summary>
    public const int Registers = 3;

    /// <summary>Rows of a register tile: with three registers of columns the sums fill the register file (32 registers; 16 on x86 below AVX-512).</summary>
    public static int Rows<T>() where T : unmanaged, ISimd<T> => T.Count == 16 ? 9 : AdvSimd.IsSupported ? 8 : 4;

    /// <summary>Columns of a register tile.</summary>
    public static int Columns<T>() where T : unmanaged, ISimd<T> => Registers * T.Count;

    /// <summary>Length of all k blocks but the last, which may be shorter: even blocks, in steps of a transposition.</summary>
    public static nint Depth(nint k)
    {
        nint blocks = (k + MaximumDepth - 1) / MaximumDepth;
        return blocks <= 1 ? k : ((k + blocks - 1) / blocks + 15) / 16 * 16;
    }
}
