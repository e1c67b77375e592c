using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace MM1.Native.Kernels.Cpu;

/// <summary>
/// Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): a bijection of a 128-bit
/// counter under a 64-bit key. Block b of a stream has the counter (b low, b high, purpose low, purpose high) and the key (seed low,
/// seed high), and gives four 32-bit words.
/// </summary>
internal static unsafe class Philox
{
    /// <summary><see cref="Generate"/> writes whole groups of so many blocks.</summary>
    public const int GroupBlocks = 8;

    public const int WordsPerBlock = 4;

    private const int Rounds = 10;
    private const uint Multiplier0 = 0xD2511F53, Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9, Weyl1 = 0xBB67AE85;

    /// <summary>
    /// The words of blocks <paramref name="first"/> .. first + <paramref name="blocks"/> - 1, and of as many further ones as fill the
    /// last group: <paramref name="words"/> has room for them.
    /// </summary>
    public static void Generate(ulong seed, ulong purpose, ulong first, int blocks, uint* words)
    {
        if (Avx512F.IsSupported) Generate512(seed, purpose, first, blocks, words);
        else if (Avx2.IsSupported) Generate256(seed, purpose, first, blocks, words);
        else GenerateScalar(seed, purpose, first, blocks, words);
    }

    public static void GenerateScalar(ulong seed, ulong purpose, ulong first, int blocks, uint* words)
    {
        for (int block = 0; block < blocks; block++, words += WordsPerBlock) Block(seed, purpose, first + (ulong)block, words);
    }

    /// <summary>One block, as the paper writes it.</summary>
    public static void Block(ulong seed, ulong purpose, ulong block, uint* words)
    {
        uint c0 = (uint)block, c1 = (uint)(block >> 32), c2 = (uint)purpose, c3 = (uint)(purpose >> 32);
        uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
        for (int round = 0; round < Rounds; round++, k0 += Weyl0, k1 += Weyl1)
        {
            ulong p0 = (ulong)Multiplier0 * c0, p1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
        }
        (words[0], words[1], words[2], words[3]) = (c0, c1, c2, c3);
    }

    /// <summary>
    /// Eight blocks, one in each 64-bit lane. Only the lower halves count (the multiplication reads no more), so nothing is masked until the
    /// end. Even lanes hold the first four blocks: interleaving pairs of lanes then stores whole blocks in order.
    /// </summary>
    public static void Generate512(ulong seed, ulong purpose, ulong first, int blocks, uint* words)
    {
        Vector512<uint> m0 = Vector512.Create((ulong)Multiplier0).AsUInt32(), m1 = Vector512.Create((ulong)Multiplier1).AsUInt32();
        Vector512<ulong> block = Vector512.Create(first) + Vector512.Create(0ul, 4, 1, 5, 2, 6, 3, 7), lower = Vector512.Create((ulong)uint.MaxValue);
        for (int done = 0; done < blocks; done += 8, words += 32, block += Vector512.Create(8ul))
        {
            Vector512<ulong> c0 = block, c1 = block >> 32, c2 = Vector512.Create(purpose), c3 = Vector512.Create(purpose >> 32);
            uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
            for (int round = 0; round < Rounds; round++, k0 += Weyl0, k1 += Weyl1)
            {
                Vector512<ulong> p0 = Avx512F.Multiply(c0.AsUInt32(), m0), p1 = Avx512F.Multiply(c2.AsUInt32(), m1);
                c0 = (p1 >> 32) ^ c1 ^ Vector512.Create((ulong)k0);
                c2 = (p0 >> 32) ^ c3 ^ Vector512.Create((ulong)k1);
                c1 = p1;
                c3 = p0;
            }
            Vector512<ulong> front = (c0 & lower) | (c1 << 32), back = (c2 & lower) | (c3 << 32);
            Avx512F.UnpackLow(front, back).AsUInt32().Store(words);
            Avx512F.UnpackHigh(front, back).AsUInt32().Store(words + 16);
        }
    }

    /// <summary>The same with four blocks in a register.</summary>
    public static void Generate256(ulong seed, ulong purpose, ulong first, int blocks, uint* words)
    {
        Vector256<uint> m0 = Vector256.Create((ulong)Multiplier0).AsUInt32(), m1 = Vector256.Create((ulong)Multiplier1).AsUInt32();
        Vector256<ulong> block = Vector256.Create(first) + Vector256.Create(0ul, 2, 1, 3), lower = Vector256.Create((ulong)uint.MaxValue);
        for (int done = 0; done < blocks; done += 4, words += 16, block += Vector256.Create(4ul))
        {
            Vector256<ulong> c0 = block, c1 = block >> 32, c2 = Vector256.Create(purpose), c3 = Vector256.Create(purpose >> 32);
            uint k0 = (uint)seed, k1 = (uint)(seed >> 32);
            for (int round = 0; round < Rounds; round++, k0 += Weyl0, k1 += Weyl1)
            {
                Vector256<ulong> p0 = Avx2.Multiply(c0.AsUInt32(), m0), p1 = Avx2.Multiply(c2.AsUInt32(), m1);
                c0 = (p1 >> 32) ^ c1 ^ Vector256.Create((ulong)k0);
                c2 = (p0 >> 32) ^ c3 ^ Vector256.Create((ulong)k1);
                c1 = p1;
                c3 = p0;
            }
            Vector256<ulong> front = (c0 & lower) | (c1 << 32), back = (c2 & lower) | (c3 << 32);
            Avx2.UnpackLow(front, back).AsUInt32().Store(words);
            Avx2.UnpackHigh(front, back).AsUInt32().Store(words + 8);
        }
    }
}
