using System.Text;
using MM1.Native.Kernels.Cpu;

namespace MM1.Native.Kernels;

/// <summary>
/// Names of random streams. A stream is keyed by the run's seed and by what it is for, never by the order of use: changing one part of a
/// model leaves the initial weights of all others alone.
/// </summary>
public static class RandomKey
{
    /// <summary>
    /// The <see cref="RandomFillArgs.Purpose"/> of a stream: 64-bit FNV-1a (offset basis 0xCBF29CE484222325, prime 0x100000001B3) of the UTF-8 bytes of
    /// <paramref name="purpose"/>, one zero byte, and those of <paramref name="name"/>. Part of the checkpoint format: it never changes.
    /// </summary>
    /// <param name="purpose">What the numbers are for: <c>init</c>, <c>dropout</c>, <c>shuffle</c>.</param>
    /// <param name="name">The dotted name of what they are for: <c>decoder.layers.3.attention.qkv.weight</c>.</param>
    public static ulong Purpose(string purpose, string name)
    {
        ArgumentNullException.ThrowIfNull(purpose);
        ArgumentNullException.ThrowIfNull(name);
        ulong hash = 0xCBF29CE484222325;
        foreach (byte value in Encoding.UTF8.GetBytes($"{purpose}\0{name}")) hash = (hash ^ value) * 0x100000001B3;
        return hash;
    }

    /// <summary>
    /// One 32-bit word of a stream, on the host: what <see cref="IKernels.RandomFill"/> makes element <paramref name="index"/> of, on every device
    /// (Philox4x32-10; docs/architecture.md, "Random numbers").
    /// </summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="purpose">From <see cref="Purpose"/>.</param>
    /// <param name="index">The element.</param>
    public static unsafe uint Word(ulong seed, ulong purpose, ulong index)
    {
        uint* words = stackalloc uint[Philox.WordsPerBlock];
        Philox.Block(seed, purpose, index / Philox.WordsPerBlock, words);
        return words[index % Philox.WordsPerBlock];
    }
}
