using System.Text;

namespace MM1.Native.Data;

/// <summary>UTF-8 that also holds lone surrogates, as three bytes each (WTF-8), so that every .NET string has bytes of its own.</summary>
internal static class Wtf8
{
    /// <summary>Encodes the first code point; returns its UTF-16 units.</summary>
    internal static int Encode(ReadOnlySpan<char> text, Span<byte> bytes, out int written)
    {
        int units = 1;
        int point = text[0];
        if (char.IsHighSurrogate(text[0]) && text.Length > 1 && char.IsLowSurrogate(text[1]))
        {
            point = char.ConvertToUtf32(text[0], text[1]);
            units = 2;
        }
        if (point < 0x80)
        {
            bytes[0] = (byte)point;
            written = 1;
        }
        else if (point < 0x800)
        {
            bytes[0] = (byte)(0xC0 | (point >> 6));
            bytes[1] = (byte)(0x80 | (point & 63));
            written = 2;
        }
        else if (point < 0x10000)
        {
            bytes[0] = (byte)(0xE0 | (point >> 12));
            bytes[1] = (byte)(0x80 | ((point >> 6) & 63));
            bytes[2] = (byte)(0x80 | (point & 63));
            written = 3;
        }
        else
        {
            bytes[0] = (byte)(0xF0 | (point >> 18));
            bytes[1] = (byte)(0x80 | ((point >> 12) & 63));
            bytes[2] = (byte)(0x80 | ((point >> 6) & 63));
            bytes[3] = (byte)(0x80 | (point & 63));
            written = 4;
        }
        return units;
    }

    /// <summary>Appends the text of the bytes and clears them; a byte that begins no code point becomes U+FFFD.</summary>
    internal static void Decode(List<byte> bytes, StringBuilder text)
    {
        for (int at = 0; at < bytes.Count;)
        {
            int lead = bytes[at];
            int length = lead < 0x80 ? 1 : lead is >= 0xC2 and < 0xE0 ? 2 : lead is >= 0xE0 and < 0xF0 ? 3 : lead is >= 0xF0 and < 0xF5 ? 4 : 0;
            int point = length switch { 1 => lead, 2 => lead & 31, 3 => lead & 15, 4 => lead & 7, _ => -1 };
            if (at + length > bytes.Count) point = -1;
            for (int i = 1; i < length && point >= 0; i++)
                point = (bytes[at + i] & 0xC0) == 0x80 ? (point << 6) | (bytes[at + i] & 63) : -1;
            bool overlong = (length == 3 && point < 0x800) || (length == 4 && point is < 0x10000 or > 0x10FFFF);
            if (point < 0 || overlong)
            {
                text.Append('\uFFFD');
                at++;
                continue;
            }
            if (point < 0x10000) text.Append((char)point);
            else text.Append(char.ConvertFromUtf32(point));
            at += length;
        }
        bytes.Clear();
    }
}
