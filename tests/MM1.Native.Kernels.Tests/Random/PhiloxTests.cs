using System.Runtime.Intrinsics.X86;
using MM1.Native.Kernels.Cpu;
using MM1.Native.TestSupport;
using Xunit;

namespace MM1.Native.Kernels.Tests;

public sealed unsafe class PhiloxTests
{
    /// <summary>The known answers of the authors' library (Random123, kat_vectors).</summary>
    [Theory]
    [InlineData(0x0000000000000000, 0x0000000000000000, 0x0000000000000000, "6627E8D5 E169C58D BC57AC4C 9B00DBD8")]
    [InlineData(0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, "408F276D 41C83B0E A20BC7C6 6D5451FD")]
    [InlineData(0x299F31D0A4093822, 0x0370734413198A2E, 0x85A308D3243F6A88, "D16CFE09 94FDCCEB 5001E420 24126EA1")]
    public void KnownAnswers(ulong seed, ulong purpose, ulong block, string expected)
    {
        uint* words = stackalloc uint[4];
        Philox.Block(seed, purpose, block, words);
        Assert.Equal(expected, Text(words, 4));
        uint[] reference = RandomReference.Philox([(uint)block, (uint)(block >> 32), (uint)purpose, (uint)(purpose >> 32)], [(uint)seed, (uint)(seed >> 32)]);
        fixed (uint* pointer = reference) Assert.Equal(expected, Text(pointer, 4));
    }

    /// <summary>Also where the lower half of the block number overflows inside a register.</summary>
    [Theory, InlineData(0ul), InlineData(0xFFFFFFFFul - 3), InlineData(ulong.MaxValue - 5)]
    public void EveryWidthGivesTheSameWords(ulong first)
    {
        const int Blocks = 21, Capacity = 24 * Philox.WordsPerBlock;
        const ulong Seed = 0x0123456789ABCDEF, Purpose = 0xFEDCBA9876543210;
        uint* expected = stackalloc uint[Capacity], words = stackalloc uint[Capacity];
        Philox.GenerateScalar(Seed, Purpose, first, Blocks, expected);
        Philox.Generate(Seed, Purpose, first, Blocks, words);
        Assert.Equal(Text(expected, 84), Text(words, 84));
        if (Avx2.IsSupported)
        {
            Philox.Generate256(Seed, Purpose, first, Blocks, words);
            Assert.Equal(Text(expected, 84), Text(words, 84));
        }
        if (Avx512F.IsSupported)
        {
            Philox.Generate512(Seed, Purpose, first, Blocks, words);
            Assert.Equal(Text(expected, 84), Text(words, 84));
        }
    }

    /// <summary>A word on the host is the one that RandomFill makes its element of.</summary>
    [Theory, InlineData(0), InlineData(3), InlineData(0xFFFFFFFFL * 4 - 2), InlineData(long.MaxValue - 12)]
    public void WordsOfTheHostAreThoseOfTheDevice(long first)
    {
        using Device device = TestDevices.Open(TestDevices.Names[0]);
        using var buffer = new DeviceBuffer(device, 1, 11);
        ulong purpose = RandomKey.Purpose("generate", "7");
        device.Kernels.RandomFill(default, new RandomFillArgs { Count = 11, Output = buffer, Seed = 99, Purpose = purpose, Offset = first });
        float[] filled = buffer.Download();
        for (int i = 0; i < 11; i++) Assert.Equal(filled[i], (RandomKey.Word(99, purpose, (ulong)(first + i)) >> 8) * MathF.ScaleB(1, -24));
    }

    private static string Text(uint* words, int count) => string.Join(' ', new ReadOnlySpan<uint>(words, count).ToArray().Select(word => word.ToString("X8")));
}
