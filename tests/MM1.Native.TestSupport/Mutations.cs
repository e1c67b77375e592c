using System.Buffers.Binary;

namespace MM1.Native.TestSupport;

/// <summary>
/// Damaged copies of a good file, for fuzz tests: the same for the same number, so a failure is found again by its place in the row.
/// </summary>
public static class Mutations
{
    private static readonly long[] Extremes = [0, 1, -1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 32, long.MaxValue, long.MinValue];
    private static readonly string[] Words = ["0", "-1", "99999999999999999999", "1e400", "null", "\"\"", "[", "{", "\\ud800", "\0", "../", "77777777777", "\u0080"];

    /// <summary>
    /// Damaged copies: flipped bits, bytes set at random, cuts at both ends, pieces repeated, left out, moved or overwritten by others, binary integers and words set to extremes.
    /// One copy has one to four such faults, half of them in its first kilobyte, where headers are.
    /// </summary>
    /// <param name="seed">The good file.</param>
    /// <param name="count">Copies.</param>
    /// <param name="seedNumber">Which row of copies.</param>
    public static IEnumerable<byte[]> Of(byte[] seed, int count, ulong seedNumber)
    {
        ArgumentNullException.ThrowIfNull(seed);
        for (int i = 0; i < count; i++)
        {
            var random = new Random(unchecked((int)(seedNumber * 1_000_003 + (ulong)i)));
            byte[] copy = [.. seed];
            for (int faults = 1 + random.Next(4); faults > 0; faults--) copy = Fault(copy, random);
            yield return copy;
        }
    }

    private static byte[] Fault(byte[] file, Random random)
    {
        if (file.Length == 0) return [(byte)random.Next(256)];
        int at = random.Next(random.Next(2) == 0 ? Math.Min(file.Length, 1024) : file.Length);
        int length = 1 + random.Next(Math.Min(file.Length - at, random.Next(2) == 0 ? 16 : 2048));
        switch (random.Next(10))
        {
            case 0:
            case 1:
                file[at] ^= (byte)(1 << random.Next(8));
                return file;
            case 2:
                file[at] = (byte)random.Next(256);
                return file;
            case 3:
                return file[..at];
            case 4:
                return file[at..];
            case 5:
                return [.. file[..at], .. file[(at + length)..]];
            case 6:
                return [.. file[..(at + length)], .. file[at..]];
            case 7:
                int from = random.Next(file.Length - length + 1);
                file.AsSpan(from, length).CopyTo(file.AsSpan(at, length));
                return file;
            case 8:
                SetInteger(file, at, random);
                return file;
            default:
                string word = Words[random.Next(Words.Length)];
                for (int i = 0; i < word.Length && at + i < file.Length; i++) file[at + i] = (byte)word[i];
                return file;
        }
    }

    private static void SetInteger(byte[] file, int at, Random random)
    {
        long value = Extremes[random.Next(Extremes.Length)];
        Span<byte> bytes = stackalloc byte[8];
        bool little = random.Next(2) == 0;
        if (little) BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        else BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        int width = Math.Min(1 << random.Next(4), file.Length - at);
        (little ? bytes[..width] : bytes[^width..]).CopyTo(file.AsSpan(at));
    }
}
