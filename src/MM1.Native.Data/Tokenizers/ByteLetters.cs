using System.Text;

namespace MM1.Native.Data;

/// <summary>
/// The letters that stand for bytes in GPT-2's files: the printable ones of Latin-1 for themselves, the other 68 bytes, in order,
/// as U+0100 and on (GPT-2's <c>bytes_to_unicode</c>).
/// </summary>
internal static class ByteLetters
{
    private static readonly char[] LetterOf = new char[256];
    private static readonly short[] ByteOf = new short[0x100 + 68];

    static ByteLetters()
    {
        Array.Fill(ByteOf, (short)-1);
        char next = '\u0100';
        for (int value = 0; value < 256; value++)
        {
            bool isItself = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE;
            LetterOf[value] = isItself ? (char)value : next++;
            ByteOf[LetterOf[value]] = (short)value;
        }
    }

    /// <summary>The letter of a byte.</summary>
    public static char Of(byte value) => LetterOf[value];

    /// <summary>The letters of bytes.</summary>
    public static string Of(ReadOnlySpan<byte> bytes)
    {
        var letters = new StringBuilder(bytes.Length);
        foreach (byte one in bytes) letters.Append(LetterOf[one]);
        return letters.ToString();
    }

    /// <summary>The bytes of letters, or null where one stands for no byte.</summary>
    public static byte[]? TryBytes(string letters)
    {
        var bytes = new byte[letters.Length];
        for (int i = 0; i < letters.Length; i++)
        {
            if (letters[i] >= ByteOf.Length || ByteOf[letters[i]] < 0) return null;
            bytes[i] = (byte)ByteOf[letters[i]];
        }
        return bytes;
    }
}
